"""Rules that the sites of every format obey: rising positions, each site once, alleles that every format can write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rnnimp.errors import DataError
from rnnimp.sites.panel import Sites

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_ALLELE = re.compile(r"[A-Za-z0-9*.:_\[\]-]+|<[!-+\--;=?-~]+>")  # bases, breakends, I and D, or a name in < >
_LONGEST_EXCERPT = 40


def require_printable(lines: Iterable[str], path: str | Path) -> None:
    """Refuse control characters other than tabs: they could forge lines, or change what a terminal shows.

    Args:
        lines: of a file, from its first on.
        path: for the message.
    """
    for line, text in enumerate(lines, start=1):
        if found := _CONTROL.search(text):
            raise DataError(
                f"expected text, found the control character {found[0]!a}; remove it, or make the file again",
                path,
                line,
            )


def check_alleles(alleles: Sequence[str], path: str | Path, first_line: int) -> None:
    """Refuse alleles that are no alleles, such as two of them with a comma.

    Args:
        alleles: in file order.
        path: for the message.
        first_line: the line of the first.
    """
    wrong = {allele for allele in set(alleles) if not _ALLELE.fullmatch(allele)}
    if wrong:
        row = next(row for row, allele in enumerate(alleles) if allele in wrong)
        raise DataError(
            f"expected one allele of bases, or a name in <>, found {alleles[row][:_LONGEST_EXCERPT]!a}; "
            "split sites of several alleles, or remove the site",
            path,
            first_line + row,
        )


def check_order(sites: Sites, path: str | Path, first_line: int | None = None) -> None:
    """Refuse positions that go down and sites that repeat.

    Args:
        sites: in file order.
        path: for the message.
        first_line: the line of the first site, where each site is a line.
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
        sites: sorted by position.

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


def allele_key(a0: str, a1: str) -> tuple[str, str]:
    """What two sites of one position share if they are the same.

    Alleles of one length are the same site either way round. Others are not: `A AT` inserts a base, `AT A` deletes one.

    >>> allele_key("A", "G") == allele_key("G", "A"), allele_key("A", "AT") == allele_key("AT", "A")
    (True, False)
    """
    return (a1, a0) if len(a0) == len(a1) and a1 < a0 else (a0, a1)
