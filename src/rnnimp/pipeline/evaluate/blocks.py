"""Part of `evaluate`: scored sites, a block at a time, and who takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.accuracy import SiteStatistics, compare_genotypes
from rnnimp.sites.panel import Sites


@dataclass(frozen=True, eq=False)
class ScoredBlock:
    """Scored sites.

    Attributes:
        sites: n_sites of them, with the truth's alleles. Their `a1_freq` decides the bin.
        is_typed: True where the array typed the site, bool (n_sites,).
        is_swapped: For each imputation, True where it has the alleles the other way round, bool (n_sites,).
        statistics: For each imputation, the sums of these sites.
    """

    sites: Sites
    is_typed: NDArray[np.bool_]
    is_swapped: Mapping[str, NDArray[np.bool_]]
    statistics: Mapping[str, SiteStatistics]


class BlockSink(Protocol):
    """Takes blocks one after the other."""

    def add(self, block: ScoredBlock) -> None:
        """Take a block."""


class KeptSites:
    """Keeps all blocks, for which memory grows with the sites."""

    def __init__(self) -> None:
        self._blocks: list[ScoredBlock] = []

    def add(self, block: ScoredBlock) -> None:
        """Take a block."""
        self._blocks.append(block)

    def of(self, name: str) -> tuple[Sites, SiteStatistics, NDArray[np.bool_], NDArray[np.bool_]]:
        """The sites, statistics, and flags of typed and swapped sites of an imputation; empty ones without blocks."""
        blocks = self._blocks
        if not blocks:
            nothing = compare_genotypes(np.empty((0, 0), np.int8), np.empty((0, 0)), np.empty((0, 0, 3)))
            return Sites.build([], [], [], a1_freq=np.empty(0)), nothing, np.empty(0, np.bool_), np.empty(0, np.bool_)
        return (
            Sites.concatenate([block.sites for block in blocks]),
            SiteStatistics.concatenate([block.statistics[name] for block in blocks]),
            np.concatenate([block.is_typed for block in blocks]),
            np.concatenate([block.is_swapped[name] for block in blocks]),
        )
