"""Part of `evaluate`: several files walked side by side, so that memory does not grow with their sites.

All are sorted by position. A stretch of positions is taken from all of them at once. It ends where all have been read
so far that none of its sites can still come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from rnnimp.errors import DataError
from rnnimp.scoring.alignment import Truth
from rnnimp.sites.interval import LAST_POSITION
from rnnimp.sites.panel import GenotypeTable, Sites, chromosome_in_ids

_Block = TypeVar("_Block", GenotypeTable, Truth, Sites)

_BEYOND = LAST_POSITION + 1
_NO_SITES = Sites.build([], [], [], a1_freq=np.empty(0))


class Cursor(Generic[_Block]):
    """A place in a file that is read block by block.

    Attributes:
        n_sites: Sites read so far.
        chromosome: The chromosome by the source; None if it does not say.

    Args:
        path: The file, for messages.
        blocks: Its blocks, in order of position.
        sites_of: Gives the sites of a block.
    """

    def __init__(self, path: str | Path, blocks: Iterator[_Block], sites_of: Callable[[_Block], Sites]) -> None:
        self._path = path
        self._blocks: Iterator[_Block] = blocks
        self._sites_of: Callable[[_Block], Sites] = sites_of
        self._held: _Block | None = None
        self._is_ended = False
        self._names_in_ids = set[str]()
        self.n_sites = 0
        self.chromosome: str | None = None
        self._refill()

    @property
    def chromosome_in_ids(self) -> str | None:
        """The chromosome that the ids so far name; None unless all that do agree."""
        return next(iter(self._names_in_ids)) if len(self._names_in_ids) == 1 else None

    @property
    def is_exhausted(self) -> bool:
        """Whether all sites have been taken."""
        return self._is_ended and not self._n_held

    @property
    def reach(self) -> int:
        """The last position up to which all sites are held."""
        return _BEYOND if self._is_ended else int(self._positions[-1]) - 1

    def take(self, limit: int) -> _Block | None:
        """The sites up to a position, which must be within reach; None before the first block of an empty file."""
        if self._held is None:
            return None
        n_taken = int(np.searchsorted(self._positions, limit, side="right"))
        taken, self._held = self._held[:n_taken], self._held[n_taken:]
        self._refill()
        return taken

    @property
    def _positions(self) -> Any:
        assert self._held is not None
        return self._sites_of(self._held).positions

    @property
    def _n_held(self) -> int:
        return 0 if self._held is None else len(self._positions)

    def _refill(self) -> None:
        """Read until two positions are held, so that the sites of the first one are complete."""
        while not self._is_ended and (not self._n_held or self._positions[0] == self._positions[-1]):
            block = next(self._blocks, None)
            if block is None:
                self._is_ended = True
                return
            self._note(self._sites_of(block))
            held = self._held
            self._held = block if held is None or not self._n_held else type(block).concatenate([held, block])

    def _note(self, sites: Sites) -> None:
        self.n_sites += len(sites)
        self.chromosome = self.chromosome or sites.chromosome
        name = chromosome_in_ids(sites)
        if name is not None:
            self._names_in_ids.add(name)
        positions = sites.positions if not self._n_held else np.append(self._positions[-1], sites.positions)
        down = np.flatnonzero(np.diff(positions) < 0)
        if down.size:
            row = int(down[0])
            raise DataError(
                f"expected positions in rising order, found {positions[row + 1]} after {positions[row]}; sort the file",
                self._path,
            )


@dataclass(frozen=True, eq=False)
class Stretch:
    """All sites of a stretch of positions.

    Attributes:
        truth: The truth.
        imputed: The imputations.
        panel: Sites with frequencies; None if there is no such file, as the next one.
        typed: Sites that the array typed.
    """

    truth: Truth
    imputed: list[GenotypeTable]
    panel: Sites | None
    typed: Sites | None


def stretches(
    truth: Cursor[Truth],
    imputed: Sequence[Cursor[GenotypeTable]],
    panel: Cursor[Sites] | None,
    typed: Cursor[Sites] | None,
) -> Iterator[Stretch]:
    """Walk the files side by side, to the end of the truth and of the imputations.

    Yields:
        Stretches with sites of the truth; others are only counted by the cursors.
    """
    genotypes: list[Cursor[Any]] = [truth, *imputed]
    while not all(cursor.is_exhausted for cursor in genotypes):
        others = [] if truth.is_exhausted else [cursor for cursor in (panel, typed) if cursor is not None]
        limit = min(cursor.reach for cursor in (*genotypes, *others))
        true, tables = truth.take(limit), [cursor.take(limit) for cursor in imputed]
        sites = {id(cursor): cursor.take(limit) for cursor in others}
        known = [table for table in tables if table is not None]
        if true is not None and len(true.sites) and len(known) == len(tables):
            frequencies, markers = (
                None if cursor is None else sites[id(cursor)] or _NO_SITES for cursor in (panel, typed)
            )
            yield Stretch(true, known, frequencies, markers)
