"""Tables with one site per line and a column of allele frequencies: site tables, legends, plink2's `.afreq`.

Columns stand between tabs or spaces and may have any order. A column's name decides what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import FREQUENCY_COLUMNS
from rnnimp.errors import DataError
from rnnimp.formats.biallelic import MAX_BLOCK_SITES
from rnnimp.formats.files import text_lines
from rnnimp.formats.site_rules import check_alleles, require_positions, require_printable
from rnnimp.numbers import real_number
from rnnimp.sites.chromosomes import same_chromosome
from rnnimp.sites.panel import Sites, as_strings
from rnnimp.wording import first_few, shortened

_NAMES = {
    "chromosome": ("chromosome", "#CHROM", "CHROM", "chrom", "chr"),
    "position": ("position", "POS", "pos", "BP"),
    "a0": ("a0", "REF", "ref"),
    "a1": ("a1", "ALT", "alt"),
}
_UNKNOWN = ("NA", "nan", ".")


def header_of(path: str | Path) -> list[str]:
    """The columns' names: the first line that does not begin with `##`; empty for an empty file."""
    lines = (line for line in text_lines(path) if not line.startswith("##"))
    return next(lines, "").split()


def frequency_column(header: Sequence[str]) -> str | None:
    """The column with the frequencies that a table has; None if there is none."""
    return next((name for name in FREQUENCY_COLUMNS if name in header), None)


def frequency_blocks(path: str | Path, column: str, chromosome: str | None = None) -> Iterator[Sites]:
    """Read sites in blocks, with their `a1_freq`.

    Args:
        path: The table, plain or gzip.
        column: Name of the column with the frequencies.
        chromosome: The chromosome to read; None if the file has only one, or does not name it.

    Raises:
        DataError: naming the line that is malformed, or the column that is absent.
    """
    lines = enumerate(text_lines(path), start=1)
    number, header = next(((number, line) for number, line in lines if not line.startswith("##")), (1, ""))
    table = _Table(header.split(), column, chromosome, path, number)
    while block := list(islice(lines, MAX_BLOCK_SITES)):
        yield table.parse([line for _, line in block], block[0][0])


class _Table:
    """The rows of a table under their header."""

    def __init__(self, header: list[str], column: str, chromosome: str | None, path: str | Path, line: int) -> None:
        self._path, self._chromosome, self._n_columns = path, chromosome, len(header)
        self._is_chosen = chromosome is not None
        found = {key: next((name for name in names if name in header), None) for key, names in _NAMES.items()}
        absent = [f"{key} (or {', '.join(_NAMES[key][1:])})" for key in ("position", "a0", "a1") if found[key] is None]
        absent += [] if column in header else [f"{column}, which --frequency-column names"]
        if absent:
            raise DataError(
                f"expected the columns {', '.join(absent)}, found {first_few(header, 12) or 'an empty file'}",
                path,
                line,
            )
        self._places = {key: header.index(name) for key, name in found.items() if name is not None}
        self._column, self._place = column, header.index(column)

    def parse(self, lines: Sequence[str], first_line: int) -> Sites:
        """The sites of consecutive lines; those of other chromosomes are left out if one was chosen."""
        require_printable(lines, self._path, first_line)
        rows = [line.split() for line in lines]
        for line, row in enumerate(rows, start=first_line):
            if len(row) != self._n_columns:
                raise DataError(
                    f"expected {self._n_columns} columns as in the header, found {len(row)}", self._path, line
                )
        cells = {key: [row[place] for row in rows] for key, place in self._places.items()}
        positions = require_positions(cells["position"], self._path, first_line)
        for name in ("a0", "a1"):
            check_alleles(cells[name], self._path, first_line)
        frequencies = np.array([self._frequency(row[self._place], line) for line, row in enumerate(rows, first_line)])
        a0, a1 = (as_strings(map(str.upper, cells[name])) for name in ("a0", "a1"))
        is_read = self._is_read(rows, first_line)
        ids = as_strings(["."] * len(rows))
        return Sites(ids, positions, a0, a1, chromosome=self._chromosome, a1_freq=frequencies)[is_read]

    def _frequency(self, text: str, line: int) -> float:
        try:
            return float("nan") if text in _UNKNOWN else real_number(text, 0, 1)
        except ValueError:
            raise DataError(
                f"expected a number from 0 to 1, or NA, as {self._column}, found '{shortened(text)}'", self._path, line
            ) from None

    def _is_read(self, rows: Sequence[Sequence[str]], first_line: int) -> NDArray[np.bool_]:
        """Which rows are of the chromosome that was chosen; without a choice all must be of one."""
        place = self._places.get("chromosome")
        if place is None:
            return np.ones(len(rows), np.bool_)
        wanted = rows[0][place] if self._chromosome is None else self._chromosome
        self._chromosome = wanted
        is_read = np.array([same_chromosome(row[place], wanted) for row in rows], np.bool_)
        if not (is_read.all() or self._is_chosen):
            other = int(np.argmin(is_read))
            raise DataError(
                f"expected one chromosome, found {shortened(wanted)} and {shortened(rows[other][place])}; choose one "
                "with --chromosome",
                self._path,
                first_line + other,
            )
        return is_read
