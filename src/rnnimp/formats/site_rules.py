"""Rules that the sites of every format obey: rising positions, each site once, alleles that every format can write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.numbers import whole_number
from rnnimp.sites.chromosomes import is_chromosome_name
from rnnimp.sites.interval import LAST_POSITION
from rnnimp.sites.matching import UNKNOWN_ALLELES, allele_key
from rnnimp.sites.panel import Sites
from rnnimp.wording import shortened

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_ALLELE = re.compile(r"[A-Za-z0-9*.:_\[\]-]+|<[!-+\--;=?-~]+>")  # bases, breakends, I and D, or a name in < >
_LONGEST_EXCERPT = 40


def require_printable(lines: Iterable[str], path: str | Path, first_line: int = 1) -> None:
    """Refuse control characters other than tabs: they could forge lines, or change what a terminal shows.

    Args:
        lines: Consecutive lines of a file.
        path: File, for the message.
        first_line: Number of the first of them.
    """
    for line, text in enumerate(lines, start=first_line):
        if found := _CONTROL.search(text):
            raise DataError(
                f"expected text, found the control character {found[0]!a}; remove it, or make the file again",
                path,
                line,
            )


def check_alleles(alleles: Sequence[str], path: str | Path, first_line: int, is_one_line: bool = False) -> None:
    """Refuse alleles that are no alleles, such as two of them with a comma.

    Args:
        alleles: Alleles in file order.
        path: File, for the message.
        first_line: The line of the first.
        is_one_line: Whether the others are in the same line.
    """
    wrong = {allele for allele in set(alleles) if not _ALLELE.fullmatch(allele)}
    if wrong:
        row = next(row for row, allele in enumerate(alleles) if allele in wrong)
        raise DataError(
            f"expected one allele of bases, or a name in <>, found {alleles[row][:_LONGEST_EXCERPT]!a}; "
            "split sites of several alleles, or remove the site",
            path,
            first_line if is_one_line else first_line + row,
        )


def check_texts(path: str | Path, chromosome: str, position: int, name: str, alleles: Sequence[str]) -> None:
    """Refuse texts of a site that other formats cannot hold, where a file has no lines to name.

    Args:
        path: File, for the message.
        chromosome: Name of the chromosome.
        position: Position, for the message.
        name: The site's id.
        alleles: REF and all others.
    """
    place = f"{shortened(chromosome)}:{position}"
    if found := _CONTROL.search(f"{chromosome} {name}"):
        raise DataError(f"expected text, found the control character {found[0]!a} at {place}; remove it", path)
    if not is_chromosome_name(chromosome):
        raise DataError(f"expected a chromosome's name, found '{shortened(chromosome)}'", path)
    wrong = next((allele for allele in alleles if not _ALLELE.fullmatch(allele)), None)
    if wrong is not None:
        raise DataError(
            f"expected alleles of bases, or names in <>, found {wrong[:_LONGEST_EXCERPT]!a} at {place}",
            path,
        )


def is_sequence(allele: str) -> bool:
    """Whether an allele is of bases.

    >>> [is_sequence(allele) for allele in ("A", "tag", "<DEL>", "*", ".", "1", "")]
    [True, True, False, False, False, False, False]
    """
    return allele.isascii() and allele.isalpha()


def has_sequence(sites: Sites, keep_monomorphic: bool = False) -> NDArray[np.bool_]:
    """Which sites have alleles of bases: no `<DEL>`, `*`, `-` or breakend. The same rule as for a VCF's records.

    Args:
        sites: Sites of any format.
        keep_monomorphic: Whether sites count whose a1 is not known, `0` or `.`.
    """
    pairs = zip(sites.a0.tolist(), sites.a1.tolist(), strict=True)
    is_kept = (
        is_sequence(a0) and (is_sequence(a1) or (keep_monomorphic and a1 in UNKNOWN_ALLELES)) for a0, a1 in pairs
    )
    return np.fromiter(is_kept, np.bool_, len(sites))


def require_positions(positions: Sequence[str], path: str | Path, first_line: int) -> NDArray[np.int64]:
    """Positions from text, 1 to `LAST_POSITION`.

    Raises:
        DataError: naming the first that is none.
    """
    try:
        return np.fromiter((whole_number(text, 1, LAST_POSITION) for text in positions), np.int64, len(positions))
    except ValueError:
        for line, text in enumerate(positions, start=first_line):
            try:
                whole_number(text, 1, LAST_POSITION)
            except ValueError:
                raise DataError(
                    f"expected a position from 1 to {LAST_POSITION}, found '{shortened(text)}'", path, line
                ) from None
        raise


def check_order(sites: Sites, path: str | Path, first_line: int | None = None) -> None:
    """Refuse positions that go down and sites that repeat.

    Args:
        sites: Sites in file order.
        path: File, for the message.
        first_line: The line of the first site, where each site is a line.
    """

    def line(row: int) -> int | None:
        return None if first_line is None else first_line + row

    steps = np.diff(sites.positions)
    down = np.flatnonzero(steps < 0)
    if down.size:
        row = int(down[0]) + 1
        before, found = sites.positions[row - 1], sites.positions[row]
        raise DataError(
            f"expected positions in rising order, found {found} after {before}; sort the file", path, line(row)
        )
    repeated = first_duplicate(sites)
    if repeated is not None:
        first, again = repeated
        site, alleles = (f"{sites.a0[row]} {sites.a1[row]}" for row in repeated)
        how = "again" if site == alleles else f"and, as another one, {alleles}"
        raise DataError(
            f"expected each site once, found {sites.positions[first]} {site} {how}; remove the duplicate",
            path,
            line(again),
        )


def first_duplicate(sites: Sites) -> tuple[int, int] | None:
    """The first site whose position and alleles stood before; see `allele_key`.

    Args:
        sites: Sites sorted by position.

    Returns:
        The indices of the site and its duplicate; None if there is none.
    """
    shared = np.flatnonzero(np.diff(sites.positions) == 0)
    seen: dict[tuple[int, tuple[str, str]], int] = {}
    for row in np.union1d(shared, shared + 1).tolist():
        before = seen.setdefault((int(sites.positions[row]), allele_key(sites.a0[row], sites.a1[row])), row)
        if before != row:
            return before, row
    return None
