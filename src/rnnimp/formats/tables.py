"""Tables of results: aligned for the eye, or with tabs for a program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO


def aligned_text(rows: Sequence[Sequence[str]]) -> str:
    """Lines whose columns stand right-aligned below each other, two spaces apart.

    >>> print(aligned_text([("bin", "r2"), ("0-1", "0.75")]), end="")
    bin    r2
    0-1  0.75
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + "\n" for row in rows)


def number_text(value: float, n_decimals: int = 6) -> str:
    """A number with `n_decimals` decimals; `NA` for NaN."""
    return "NA" if value != value else f"{value:.{n_decimals}f}"


def write_table(file: IO[bytes], header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a header and rows, tab-separated."""
    file.write(("\t".join(header) + "\n").encode())
    for row in rows:
        file.write(("\t".join(row) + "\n").encode())
