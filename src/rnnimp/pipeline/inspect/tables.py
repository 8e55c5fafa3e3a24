"""Text files: tables of sites with and without samples, and lists. Lines pass by one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.allele_text import parse_alleles
from rnnimp.formats.files import open_input, whole_lines
from rnnimp.formats.sample import read_sample
from rnnimp.formats.shapeit import chromosome_of
from rnnimp.numbers import whole_number
from rnnimp.pipeline.inspect.findings import ALL, MOST_RECORDS, NOT_ALL, Inspection, SiteTally
from rnnimp.pipeline.inspect.text_kinds import TextKind, text_kind
from rnnimp.wording import shortened

MOST_TEXT = 1 << 30
"""Bytes of lines that are read at most, unpacked."""

_LOOKED_AT = 3
_SAMPLED_LINES = 100


def inspect_table(path: str | Path) -> Inspection:
    """Say what a text file is.

    Raises:
        DataError: if its kind is not known, or a line is not as the first ones.
    """
    with open_input(path) as file:
        first = [words for line in islice(_lines(file, path), _LOOKED_AT) if (words := _words(line, path))]
    kind = text_kind(Path(path), first) if first else None
    if kind is None:
        raise DataError("its kind is not known: rnnimp reads no such text file", path)
    facts: dict[str, Any] = {"size_bytes": Path(path).stat().st_size}
    facts |= _samples(path, kind, first[0])
    if kind.position is not None:
        facts |= _sites(path, kind)
    elif not kind.name.startswith("SAMPLE"):
        facts |= _line_count(path, kind)
    if kind.per_sample:
        facts |= _genotypes(path, kind)
    facts |= _of_header(kind, first[0], path)
    return Inspection(str(path), kind.name, facts)


def _lines(file: Any, path: str | Path) -> Iterator[bytes]:
    """Lines that are neither empty nor begin with `##`."""
    return (line for line in whole_lines(file, path) if line.strip() and not line.startswith(b"##"))


def _words(line: bytes, path: str | Path) -> list[str]:
    try:
        return line.decode().removeprefix("\ufeff").split()
    except UnicodeDecodeError:
        raise DataError(
            "its kind is not known: it is no text in UTF-8, and no binary file that is known", path
        ) from None


def _samples(path: str | Path, kind: TextKind, first: list[str]) -> dict[str, Any]:
    if kind.name.startswith("SAMPLE"):
        return {"samples": len(read_sample(path))}
    if kind.n_head is None:
        return {}
    return {"samples": (len(first) - kind.n_head) // kind.per_sample}


def _sites(path: str | Path, kind: TextKind) -> dict[str, Any]:
    """The places of the sites, a line each."""
    assert kind.position is not None
    tally, is_whole = SiteTally(), True
    last_column = max(kind.position, kind.chromosome or 0)
    with open_input(path) as file:
        n_bytes = 0
        for number, line in enumerate(_lines(file, path)):
            if number < kind.n_header:
                continue
            if number >= MOST_RECORDS + kind.n_header or n_bytes > MOST_TEXT:
                is_whole = False
                break
            n_bytes += len(line)
            cells = line.split(None, last_column + 1)
            try:
                position = whole_number(cells[kind.position].decode())
                chromosome = None if kind.chromosome is None else cells[kind.chromosome].decode()
            except (ValueError, IndexError):
                found = shortened(line[:200].decode(errors="replace"))
                raise DataError(f"expected a line of a {kind.name} with a position, found '{found}'", path) from None
            tally.add(_chromosome(chromosome, kind), position)
    return tally.facts(is_whole)


def _chromosome(cell: str | None, kind: TextKind) -> str | None:
    """The name in a column; that of a HAPS may be a part of an id, as 22:100_A_G."""
    if cell is not None and kind.name.startswith("HAPS"):
        return chromosome_of(cell.encode())
    return None if cell in ("---", ".") else cell


def _line_count(path: str | Path, kind: TextKind) -> dict[str, Any]:
    most = MOST_RECORDS + kind.n_header
    n_bytes = n_lines = 0
    with open_input(path) as file:
        for line in islice(_lines(file, path), most + 1):
            n_lines, n_bytes = n_lines + 1, n_bytes + len(line)
            if n_bytes >= MOST_TEXT:
                break
    is_whole = n_lines <= most and n_bytes < MOST_TEXT
    return {"lines": max(0, n_lines - kind.n_header), "lines_counted": ALL if is_whole else NOT_ALL}


def _genotypes(path: str | Path, kind: TextKind) -> dict[str, Any]:
    """Phase, and the missing share of the first lines."""
    n_missing = n_all = n_lines = 0
    assert kind.n_head is not None
    with open_input(path) as file:
        for line in islice(_lines(file, path), _SAMPLED_LINES):
            text = line.split(None, kind.n_head)[-1].rstrip(b"\r\n") if kind.n_head else line.rstrip(b"\r\n")
            n_lines += 1
            if kind.per_sample == 2:
                alleles = parse_alleles(text + b"\n", len(text.split()), path, n_lines)
                n_missing, n_all = n_missing + int(np.count_nonzero(alleles < 0)), n_all + alleles.size
            else:
                sums = _sums(text, path)
                n_missing, n_all = n_missing + int(np.count_nonzero(sums == 0)), n_all + sums.size
    return {
        "sampled_records": n_lines,
        "phased_share": 1.0 if kind.per_sample == 2 else None,
        "missing_share": n_missing / n_all if n_all else None,
    }


def _sums(text: bytes, path: str | Path) -> NDArray[np.float64]:
    """Sum of the three probabilities of each sample, float64 (n_samples,)."""
    try:
        sums: NDArray[np.float64] = np.array(text.split(), dtype=np.float64).reshape(-1, 3).sum(axis=1)
    except ValueError:
        raise DataError(
            f"expected three probabilities per sample, found '{shortened(repr(text[:200]))}'", path
        ) from None
    return sums


def _of_header(kind: TextKind, first: list[str], path: str | Path) -> dict[str, Any]:
    """What the header of a LEGEND or PVAR says."""
    if kind.name == "LEGEND":
        return {"columns": first}
    if kind.name != "PVAR":
        return {}
    with open_input(path) as file:
        lines = [line.decode(errors="replace") for line in islice(whole_lines(file, path), 1000)]
    sources = [line.partition("=")[2].strip() for line in lines if line.startswith("##source=")]
    has_r2 = any(line.startswith("##INFO=<ID=R2,") for line in lines)
    return {"columns": first, "written_by": sources, "quality_scores": ["R2"] if has_r2 else []}
