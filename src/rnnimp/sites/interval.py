"""A stretch of a chromosome, as users write it on the command line: `22`, `22:100-200`, `chr22:50.3-50.6Mb`.

Both ends are 1-based and belong to the interval, as in VCF, bcftools and plain speech.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError, SettingsError
from rnnimp.numbers import LARGEST
from rnnimp.sites.chromosomes import same_chromosome
from rnnimp.wording import shortened

LAST_POSITION = LARGEST
"""The largest position that VCF and its indexes can hold."""

_UNITS = {"": 1, "bp": 1, "kb": 1_000, "k": 1_000, "mb": 1_000_000, "m": 1_000_000}
_NUMBER = r"([0-9][0-9,]{0,15}(?:\.[0-9]{1,9})?)\s*([a-z]*)"
_SPAN = re.compile(rf"{_NUMBER}(?:\s*(-)\s*(?:{_NUMBER})?)?", re.IGNORECASE)


@dataclass(frozen=True)
class Interval:
    """Positions `start` to `end`, both included, 1-based, of a chromosome.

    Attributes:
        chromosome: Name of the chromosome; `chr22` and `22` mean the same.
        start: The first position.
        end: The last position.
    """

    chromosome: str
    start: int = 1
    end: int = LAST_POSITION

    @property
    def is_whole(self) -> bool:
        """Whether it holds every position of the chromosome."""
        return self.start <= 1 and self.end >= LAST_POSITION

    def has(self, chromosome: str, position: int) -> bool:
        """Whether a place is inside."""
        return self.start <= position <= self.end and same_chromosome(chromosome, self.chromosome)

    def holds(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which positions of the same chromosome are inside."""
        return (positions >= self.start) & (positions <= self.end)

    def __str__(self) -> str:
        if self.is_whole:
            return self.chromosome
        return f"{self.chromosome}:{self.start}-{self.end if self.end < LAST_POSITION else ''}"


def parse_interval(text: str) -> Interval:
    """Read an interval as a user writes it.

    A unit (`kb`, `Mb`) after the second number applies to the first one too, unless that has its own. Commas are
    allowed between digits. `22:100` is one position. `22:100-` reaches to the end of the chromosome.

    Raises:
        SettingsError: where the text is none.

    >>> parse_interval("22:50.3-50.6Mb")
    Interval(chromosome='22', start=50300000, end=50600000)
    """
    chromosome, colon, span = text.strip().partition(":")
    if not chromosome or re.search(r"\s", chromosome) or (colon and not span.strip()):
        raise _not_an_interval(text)
    if not colon:
        return Interval(chromosome)
    match = _SPAN.fullmatch(span.strip())
    if match is None:
        raise _not_an_interval(text)
    first, first_unit, dash, last, last_unit = match.groups()
    start = _base_pairs(first, first_unit or (last_unit or ""), text)
    end = LAST_POSITION if last is None else _base_pairs(last, last_unit, text)
    if dash is None:
        end = start
    if start > end:
        raise SettingsError(
            f"expected a region whose start is not behind its end, found '{shortened(text)}'; swap the two"
        )
    return Interval(chromosome, start, min(end, LAST_POSITION))


def chosen_interval(region: str | None, chromosome: str | None) -> Interval | None:
    """The interval that the options `--region` and `--chromosome` choose together; None where neither is given.

    Raises:
        SettingsError: if the two contradict each other, or the region is malformed.
    """
    if region is None:
        return None if chromosome is None else Interval(chromosome)
    interval = parse_interval(region)
    if chromosome is not None and not same_chromosome(interval.chromosome, chromosome):
        raise SettingsError(f"expected a region on chromosome {chromosome}, found {region}; give only one of the two")
    return interval


def require_one_chromosome(names: Iterable[tuple[str, str | None]], path: str | Path | None = None) -> None:
    """Refuse names that mean different chromosomes.

    Args:
        names: Pairs of a place, as in `found 22 in the model`, and the name there; None where it is not known.
        path: Path for the message.

    Raises:
        DataError: naming two that differ.
    """
    known = [(where, name) for where, name in names if name is not None]
    for where, name in known[1:]:
        if not same_chromosome(name, known[0][1]):
            raise DataError(
                f"expected one chromosome, found {known[0][1]} {known[0][0]} and {name} {where}; give files of one "
                "chromosome, or choose it with --chromosome",
                path,
            )


def _base_pairs(number: str, unit: str, text: str) -> int:
    factor = _UNITS.get(unit.lower())
    if factor is None:
        raise _not_an_interval(text)
    value = Fraction(number.replace(",", "")) * factor
    if value.denominator != 1:
        raise SettingsError(
            f"expected whole base pairs in region '{shortened(text)}', found {number}{unit}; write a unit, kb or Mb"
        )
    return int(value)


def _not_an_interval(text: str) -> SettingsError:
    return SettingsError(f"expected a region like 22, 22:100-200 or 22:50.3-50.6Mb, found '{shortened(text)}'")
