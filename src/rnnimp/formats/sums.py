"""The sums of each site beside a VCF or BCF, so that `rnnimp merge` can pool frequencies and R2 without rounding.

A table, tab-separated, with a header line: position, alleles, and the columns of `SiteSums`, which are whole numbers.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np

from rnnimp.errors import DataError
from rnnimp.formats.files import open_input, whole_lines
from rnnimp.numbers import whole_number
from rnnimp.scoring.site_sums import MOST_HAPLOTYPES, UNIT_BITS, SiteSums
from rnnimp.sites.panel import Sites
from rnnimp.wording import shortened

_SUMS = [item.name for item in fields(SiteSums)]
_UNITS = {name: f"{name}_2^-{UNIT_BITS}" for name in ("dose", "square")}
_COLUMNS = ["position", "a0", "a1", *(_UNITS.get(name, name) for name in _SUMS)]


def sums_header() -> bytes:
    """The header line."""
    return ("\t".join(_COLUMNS) + "\n").encode()


def sums_text(sites: Sites, sums: SiteSums) -> bytes:
    """One line per site."""
    columns = [sites.positions.tolist(), sites.a0.tolist(), sites.a1.tolist()]
    columns += [getattr(sums, name).tolist() for name in _SUMS]
    return "".join("\t".join(map(str, row)) + "\n" for row in zip(*columns, strict=True)).encode()


def read_sums(path: str | Path) -> tuple[Sites, SiteSums]:
    """Read such a file.

    Raises:
        DataError: naming the line that is malformed or whose sums cannot be.
    """
    positions, alleles, rows = [0], [], []
    with open_input(path) as file:
        lines = whole_lines(file, path)
        if next(lines, b"") != sums_header():
            raise DataError(
                f"expected the columns {' '.join(_COLUMNS)}, as this version of 'rnnimp impute' writes them, found "
                "others; impute that part again",
                path,
                1,
            )
        for line, text in enumerate(lines, start=2):
            words = text.decode(errors="replace").rstrip("\n").split("\t")
            try:
                position, row = _parsed(words)
            except ValueError as error:
                raise DataError(
                    f"expected a position, two alleles and sums of one site ({error}), found "
                    f"'{shortened(' '.join(words))}'; impute that part again",
                    path,
                    line,
                ) from None
            if position < positions[-1]:
                raise DataError(
                    f"expected positions in rising order, found {position} after {positions[-1]}; impute that part "
                    "again",
                    path,
                    line,
                )
            positions.append(position)
            alleles.append(words[1:3])
            rows.append(row)
    a0, a1 = zip(*alleles, strict=True) if alleles else ((), ())
    table = np.array(rows, dtype=np.int64).reshape(len(rows), len(_SUMS))
    return Sites.build(positions[1:], a0, a1), SiteSums(*table.T.copy())


def _parsed(words: list[str]) -> tuple[int, list[int]]:
    """The position and the sums of a line.

    Raises:
        ValueError: saying what is wrong.
    """
    if len(words) != len(_COLUMNS):
        raise ValueError(f"{len(words)} columns instead of {len(_COLUMNS)}")
    n_carried, n_alleles, dose, square = (whole_number(word, most=2**62) for word in words[3:])
    rounding = n_alleles << (UNIT_BITS - 10)  # probabilities may be a little above 1
    if n_carried > n_alleles or n_alleles > MOST_HAPLOTYPES or square > dose + rounding:
        raise ValueError("sums that do not fit together")
    if dose > (n_alleles << UNIT_BITS) + rounding:
        raise ValueError("sums that do not fit together")
    return whole_number(words[0], 1), [n_carried, n_alleles, dose, square]
