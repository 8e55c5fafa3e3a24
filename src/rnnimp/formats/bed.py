"""BED: regions of chromosomes, such as genes or blocks of linkage disequilibrium. Positions there begin with 0."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rnnimp.errors import DataError
from rnnimp.formats.files import text_lines
from rnnimp.formats.names import checked_name
from rnnimp.numbers import whole_number
from rnnimp.sites.chromosomes import plain_chromosome
from rnnimp.sites.interval import LAST_POSITION
from rnnimp.wording import first_few, shortened


@dataclass(frozen=True)
class BedRegion:
    """A region of a chromosome.

    Attributes:
        name: Its name in the file, else like `22:101-200`.
        start: First position, from 1.
        stop: Last position.
    """

    name: str
    start: int
    stop: int


def read_bed(path: str | Path, chromosome: str | None) -> list[BedRegion]:
    """The regions of one chromosome, in the order of the file; they may overlap.

    Columns are chromosome, start and end, and a name if there is a fourth. Empty lines, comments and a line with the
    columns' names are skipped.

    Args:
        path: The file, plain or gzip.
        chromosome: The chromosome; None if the file has only one.

    Raises:
        DataError: for a malformed line, or no region of the chromosome.
    """
    found: dict[str, list[BedRegion]] = {}
    for number, line in enumerate(text_lines(path), start=1):
        cells = line.split()
        if not cells or cells[1:2] == ["start"] or cells[0].startswith(("#", "track", "browser")):
            continue
        try:
            start, stop = whole_number(cells[1]), whole_number(cells[2], 1, LAST_POSITION)
        except (IndexError, ValueError):
            raise DataError(f"expected 'chromosome start end', found '{shortened(line)}'", path, number) from None
        if start >= stop:
            raise DataError(f"expected a start below the end, found {start} and {stop}", path, number)
        name = checked_name(cells[3], path, number) if len(cells) > 3 else f"{cells[0]}:{start + 1}-{stop}"
        found.setdefault(plain_chromosome(cells[0]), []).append(BedRegion(name, start + 1, stop))
    if chromosome is None and len(found) == 1:
        return next(iter(found.values()))
    regions = found.get("" if chromosome is None else plain_chromosome(chromosome))
    if not regions:
        wanted = "one chromosome" if chromosome is None else f"chromosome {chromosome}"
        raise DataError(
            f"expected regions of {wanted}, found those of {first_few(list(found)) or 'none'}; check the file, or give "
            "--chromosome",
            path,
        )
    return regions
