"""Genetic maps: where along a chromosome crossovers fall.

A map is a table of positions and centimorgans, plain or gzipped. It has PLINK's columns `chr id cM pos`
without a header, or a header that names the columns:

    pos chr cM                                              SHAPEIT, GLIMPSE
    Chromosome Position(bp) Rate(cM/Mb) Map(cM)             HapMap
    chr position COMBINED_rate(cM/Mb) Genetic_Map(cM)       Eagle

A map is checked when it is read. It must be of the right chromosome, with finite numbers that do not fall. The rate
must be possible for a human chromosome in centimorgans. So Morgans, base pairs and columns of zeros are noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.files import read_lines
from rnnimp.numbers import real_number, whole_number
from rnnimp.sites.chromosomes import same_chromosome
from rnnimp.wording import first_few, shortened

CM_PER_BASE = 1e-6
"""Beyond the ends of a map: 1 cM a million base pairs, the human genome's mean."""

MOST_CM = 1000.0
"""No human chromosome is longer: chromosome 1 has about 290 cM."""

_POSITION_NAMES = ("pos", "position", "position(bp)", "bp")
_CM_NAMES = ("cm", "map(cm)", "genetic_map(cm)")
_CHROMOSOME_NAMES = ("chr", "chrom", "chromosome")
_SHORTEST_SPAN = 100_000  # of a map whose rate is judged
_LONG_SPAN = 5_000_000  # from which on a rate is close to a chromosome's mean
_REFUSED_RATES, _REFUSED_LONG_RATES = (0.02, 100.0), (0.2, 20.0)  # cM per Mb; human chromosomes have 1 to 3
_FLAT_BASES, _FLAT_SHARE = 1_000_000, 0.25
_LONGEST_FLAT = 30_000_000  # the longest stretch without a known sequence, on chromosome 1, has 21 Mb


@dataclass(frozen=True, eq=False)
class GeneticMap:
    """A map of one chromosome.

    Attributes:
        positions: Positions in base pairs, int64 (n,); rising.
        map_cm: Genetic positions in centimorgans, float64 (n,); not falling.
    """

    positions: NDArray[np.int64]
    map_cm: NDArray[np.float64]

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Genetic positions, float64, between the map's by straight lines.

        >>> GeneticMap(np.array([100, 200]), np.array([1.0, 3.0])).at(np.array([100, 150, 1000200])).tolist()
        [1.0, 2.0, 4.0]
        """
        inside = np.clip(positions, self.positions[0], self.positions[-1])
        between = np.interp(inside, self.positions, self.map_cm)
        return np.asarray(between + (positions - inside) * CM_PER_BASE)

    def doubts(self) -> list[str]:
        """Odd properties of the map, which may still be right: one line each."""
        lines = []
        rate, lowest, highest = self._rate(), *_REFUSED_LONG_RATES
        if rate is not None and not lowest <= rate <= highest:
            lines.append(
                f"the genetic map has {rate:.3g} cM per Mb, and human chromosomes have 1 to 3; check that it is in "
                "centimorgans"
            )
        start, length = self._longest_flat()
        span = int(self.positions[-1] - self.positions[0])
        if length >= _FLAT_BASES and length > _FLAT_SHARE * span:
            lines.append(f"the genetic map does not rise over {length:,} bp from position {start} on; check it")
        return lines

    def _rate(self) -> float | None:
        """Centimorgans per million base pairs; None for a map that is too short to judge."""
        span = int(self.positions[-1] - self.positions[0])
        return None if span < _SHORTEST_SPAN else float(self.map_cm[-1] - self.map_cm[0]) / span * 1e6

    def _longest_flat(self) -> tuple[int, int]:
        """Where the longest stretch without a crossover begins, and its base pairs."""
        ends = np.flatnonzero(np.append(np.diff(self.map_cm) > 0, True))  # the last position of each level
        starts = np.append(0, ends[:-1] + 1)
        lengths = self.positions[ends] - self.positions[starts]
        longest = int(np.argmax(lengths))
        return int(self.positions[starts[longest]]), int(lengths[longest])

    def problem(self) -> str | None:
        """Why the numbers cannot be centimorgans of a human chromosome; None if they may be."""
        span, rate = int(self.positions[-1] - self.positions[0]), self._rate()
        lowest, highest = _REFUSED_LONG_RATES if span >= _LONG_SPAN else _REFUSED_RATES
        if rate is not None and not lowest <= rate <= highest:
            return (
                f"expected centimorgans, 1 to 3 per million base pairs in a human chromosome, found {rate:.3g}; is the "
                "column in Morgans, in base pairs, or empty?"
            )
        start, length = self._longest_flat()
        if length > _LONGEST_FLAT or self.map_cm[-1] <= self.map_cm[0]:
            return f"expected centimorgans that rise, found none over {length:,} bp from position {start} on"
        return None


def read_genetic_map(path: str | Path, chromosome: str | None = None) -> GeneticMap:
    """Read a map of one chromosome.

    Args:
        path: Path of the map. It may have other chromosomes too, if its chromosome column says so.
        chromosome: The chromosome to read; None for the only one of the file.

    Raises:
        DataError: if a line is no such table's, the map is of another chromosome, it falls, or its numbers cannot be
            centimorgans.
    """
    lines = [(number, line.split()) for number, line in enumerate(read_lines(path), start=1) if line.strip()]
    if not lines:
        raise DataError("expected a genetic map, as 'pos chr cM', found nothing", path)
    columns = _columns(lines[0][1], path)
    lines = _of_chromosome(lines[columns.has_header :], columns, chromosome, path)
    rows = [_row(fields, columns, path, number) for number, fields in lines]
    if len(rows) < 2:
        raise DataError(f"expected two positions or more, found {len(rows)}", path)
    for (number, _), (before, after) in zip(lines[1:], pairwise(rows), strict=True):
        if after[0] <= before[0] or after[1] < before[1]:
            raise DataError(
                "expected rising positions and cM that do not fall, found otherwise; one chromosome a file",
                path,
                number,
            )
    positions, map_cm = zip(*rows, strict=True)
    genetic_map = GeneticMap(np.array(positions, dtype=np.int64), np.array(map_cm, dtype=np.float64))
    if (problem := genetic_map.problem()) is not None:
        raise DataError(problem, path)
    return genetic_map


def map_columns(first: list[str]) -> tuple[int, int | None, bool] | None:
    """The columns of the position and of the chromosome, and whether there is a header.

    Args:
        first: Words of the first line.

    Returns:
        None if this is no genetic map.

    >>> map_columns(["pos", "chr", "cM"]), map_columns(["22", "rs1", "0.5", "1000"]), map_columns(["a"])
    ((0, 1, True), (3, 0, False), None)
    """
    try:
        columns = _columns(first, "")
    except DataError:
        return None
    return columns.position, columns.chromosome, columns.has_header


@dataclass(frozen=True)
class _Columns:
    """Where the columns stand; the chromosome's is None if there is none."""

    position: int
    map_cm: int
    chromosome: int | None
    n_columns: int
    has_header: bool


def _columns(first: list[str], path: str | Path) -> _Columns:
    """The columns by a header, or those of PLINK."""
    names = [name.lower().lstrip("#") for name in first]

    def place(known: tuple[str, ...]) -> int | None:
        return next((index for index, name in enumerate(names) if name in known), None)

    position, map_cm = place(_POSITION_NAMES), place(_CM_NAMES)
    if position is not None and map_cm is not None:
        return _Columns(position, map_cm, place(_CHROMOSOME_NAMES), len(first), True)
    if len(first) == 4 and first[3].isdigit():
        return _Columns(3, 2, 0, 4, False)
    raise DataError(
        f"expected a genetic map with a header, as 'pos chr cM', or PLINK's 'chr id cM pos', found "
        f"'{shortened(' '.join(first))}'",
        path,
        1,
    )


def _of_chromosome(
    lines: list[tuple[int, list[str]]], columns: _Columns, chromosome: str | None, path: str | Path
) -> list[tuple[int, list[str]]]:
    """The lines of the chromosome, by the column that names it."""
    column = columns.chromosome
    if column is None:
        return lines
    found = dict.fromkeys(fields[column] for _, fields in lines if len(fields) > column)
    several = [name for name in found if not same_chromosome(name, next(iter(found)))]
    if chromosome is None and several:
        raise DataError(f"expected one chromosome, found {first_few(list(found))}; choose one with --chromosome", path)
    kept = [
        (number, fields)
        for number, fields in lines
        if chromosome is None or len(fields) <= column or same_chromosome(fields[column], chromosome)
    ]
    if lines and not kept:
        raise DataError(
            f"expected a genetic map of chromosome {chromosome}, found one of {first_few(list(found))}; give the map "
            "of this chromosome",
            path,
        )
    return kept


def _row(fields: list[str], columns: _Columns, path: str | Path, number: int) -> tuple[int, float]:
    try:
        if len(fields) != columns.n_columns:
            raise ValueError("another number of columns")
        return whole_number(fields[columns.position]), real_number(fields[columns.map_cm], 0, MOST_CM)
    except ValueError:
        raise DataError(
            f"expected a position and centimorgans from 0 to {MOST_CM:g}, found '{shortened(' '.join(fields))}'",
            path,
            number,
        ) from None
