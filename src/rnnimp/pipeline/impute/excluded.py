"""Samples and sites of a target that are left out because a file lists them.

A left-out site counts as not typed. So it is no marker, and it is imputed if the model imputes it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.files import read_lines
from rnnimp.pipeline.impute.target import Target, with_samples
from rnnimp.sites.chromosomes import same_chromosome
from rnnimp.sites.matching import allele_key
from rnnimp.sites.panel import Panel, PanelStream, Sites
from rnnimp.wording import counted

_BLOCK_SITES = 256

logger = logging.getLogger(__name__)


def without_samples(target: Target, path: str | None) -> Target:
    """The target without the samples that a file lists, one name per line; all samples without a file.

    Names that the target does not have are ignored, so that one list serves several files.

    Raises:
        DataError: if no sample is left.
    """
    if path is None:
        return target
    names = set(_entries(path))
    rows = np.flatnonzero([name not in names for name in target.panel.sample_names])
    if not rows.size:
        raise DataError(
            "expected a list that leaves samples of the target, found all in it; check --exclude-samples", path
        )
    n_excluded = len(target.panel.sample_names) - len(rows)
    _report(counted(n_excluded, "sample"), n_excluded, "--exclude-samples", path)
    return with_samples(target, rows) if n_excluded else target


def without_sites(target: Target, path: str | None, chromosome: str | None) -> Target:
    """The target without the sites that a file lists, one per line; all sites without a file.

    A site is listed by its id, as `CHROMOSOME:POSITION`, or as `CHROMOSOME:POSITION:ALLELE:ALLELE`. Sites that the
    target does not have are ignored.

    Args:
        target: The target.
        path: The list.
        chromosome: Name of the target's chromosome; None where not known.

    Raises:
        SettingsError: if the list has chromosomes, and that of the target is not known.
    """
    if path is None:
        return target
    is_excluded = listed_sites(target.panel.sites, _entries(path), chromosome)
    n_excluded = int(np.count_nonzero(is_excluded))
    _report(counted(n_excluded, "target site"), n_excluded, "--exclude-sites", path)
    if not n_excluded:
        return target
    blocks = _blocks(target.panel, np.flatnonzero(~is_excluded))
    return replace(target, panel=PanelStream(target.panel.sample_names, blocks).read())


def listed_sites(sites: Sites, entries: list[str], chromosome: str | None) -> NDArray[np.bool_]:
    """True for sites that a list has, bool (n_sites,); see `without_sites`.

    >>> sites = Sites.build([5, 5, 9], ["A", "A", "C"], ["G", "T", "T"], ids=["rs1", "rs2", "rs3"])
    >>> listed_sites(sites, ["rs3", "chr22:5:T:A", "21:9"], "22").tolist()
    [False, True, True]
    """
    ids = set(entries)
    places: set[tuple[int] | tuple[int, str, str]] = set()
    for entry in entries:
        place = _place(entry)
        if place is None:
            continue
        if chromosome is None:
            raise SettingsError(
                f"--exclude-sites has {entry}, but the target's chromosome is not known; give --chromosome"
            )
        if same_chromosome(place[0], chromosome):
            places.add(place[1:])
    return np.array(
        [
            name in ids or (position,) in places or (position, *allele_key(a0, a1)) in places
            for name, (position, a0, a1) in zip(sites.ids.tolist(), sites.keys(), strict=True)
        ],
        dtype=np.bool_,
    )


def _place(entry: str) -> tuple[str, int] | tuple[str, int, str, str] | None:
    """Chromosome and position, and the alleles if it has them; None for any other id."""
    parts = entry.split(":")
    if len(parts) not in (2, 4) or not (parts[1].isascii() and parts[1].isdigit()):
        return None
    if len(parts) == 2:
        return parts[0], int(parts[1])
    return parts[0], int(parts[1]), *allele_key(parts[2].upper(), parts[3].upper())


def _entries(path: str) -> list[str]:
    """What a list has, one entry per line.

    Raises:
        DataError: for an empty list.
    """
    entries = [line.strip() for line in read_lines(path) if line.strip()]
    if not entries:
        raise DataError("expected names, one per line, found none", path)
    return entries


def _report(what: str, number: int, option: str, path: str) -> None:
    if number:
        logger.info("left out because of %s: %s", option, what)
    else:
        logger.warning("warning: %s leaves nothing out: the target has none of the names in %s", option, path)


def _blocks(panel: Panel, rows: NDArray[np.intp]) -> Iterator[Panel]:
    """Some rows of a panel, block by block: all its alleles at once may be too large for memory."""
    for start in range(0, len(rows), _BLOCK_SITES):
        yield panel[rows[start : start + _BLOCK_SITES]]
