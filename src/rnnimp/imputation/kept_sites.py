"""Blocks for the writers, made of imputed sites and of a target's own sites."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnnimp.imputation.region_runs import RegionResult
from rnnimp.sites.panel import MISSING, ImputedBlock, Sites


@dataclass(frozen=True, eq=False)
class KeptSites:
    """The part of a model's output that is used: sites that are written, and typed sites for which it is needed.

    Attributes:
        sites: n_kept of them.
        typed_rows: The target site, int64 (n_kept,); -1 where the site itself is written.
        is_swapped: True where a0 of the target's site is the model's a1, bool (n_kept,).
    """

    sites: Sites
    typed_rows: NDArray[np.int64]
    is_swapped: NDArray[np.bool_]

    def __getitem__(self, selection: NDArray[np.bool_]) -> KeptSites:
        """The selected sites."""
        return KeptSites(self.sites[selection], self.typed_rows[selection], self.is_swapped[selection])

    def __add__(self, other: KeptSites) -> KeptSites:
        """Those of both."""
        return KeptSites(
            Sites.concatenate([self.sites, other.sites]),
            np.concatenate([self.typed_rows, other.typed_rows]),
            np.concatenate([self.is_swapped, other.is_swapped]),
        )


@dataclass(frozen=True, eq=False)
class ImputedRows:
    """P(a1) at the `KeptSites` of a region.

    Attributes:
        late: P(a1) left of the region before, float32 (n_late, n_haplotypes).
        result: Result of the region.
    """

    late: NDArray[np.float32]
    result: RegionResult

    def rows(self, selection: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 (n_selected_sites, n_haplotypes)."""
        if not len(self.late):
            return self.result.rows(selection)
        is_late = selection < len(self.late)
        rows = np.empty((len(selection), self.late.shape[1]), dtype=np.float32)
        rows[is_late] = self.late[selection[is_late]]
        rows[~is_late] = self.result.rows(selection[~is_late] - len(self.late))
        return rows


def typed_block(
    sites: Sites, is_typed: NDArray[np.bool_], alleles: NDArray[np.int8], is_in_model: NDArray[np.bool_]
) -> ImputedBlock:
    """A block with the alleles of its typed sites; the other probabilities are yet to be filled in.

    Args:
        sites: n_sites of them.
        is_typed: bool (n_sites,).
        alleles: Alleles of the typed sites, int8 (n_typed, n_haplotypes).
        is_in_model: True for typed sites that the model has, bool (n_typed,).
    """
    probabilities = np.empty((len(sites), alleles.shape[1]), dtype=np.float32)
    probabilities[is_typed] = np.where(alleles == MISSING, np.float32(0.5), alleles)
    is_missing = np.zeros(probabilities.shape, dtype=bool)
    is_missing[is_typed] = alleles == MISSING
    block = ImputedBlock(sites, probabilities, is_typed, is_missing if is_missing.any() else None)
    if is_in_model.all():
        return block
    is_typed_only = np.zeros(len(sites), dtype=bool)
    is_typed_only[is_typed] = ~is_in_model
    return replace(block, is_typed_only=is_typed_only)


def with_own(
    block: ImputedBlock,
    own_rows: NDArray[np.int64],
    is_swapped: NDArray[np.bool_],
    source: ImputedRows,
    keep_own: bool,
) -> ImputedBlock:
    """The block with what the model imputes at typed sites: for missing alleles and, if that is kept, as a whole.

    Args:
        block: The block, complete but for that.
        own_rows: Rows of the source, int64 (n_sites,); -1 for none.
        is_swapped: Whether a0 is the model's a1, for each of the others; bool.
        source: Source of what the model imputes.
        keep_own: Whether to keep it.
    """
    found = np.flatnonzero(own_rows >= 0)
    if not found.size and not keep_own:
        return block
    own = source.rows(own_rows[found])
    own[is_swapped] = 1 - own[is_swapped]
    if keep_own:
        whole = np.full(block.alt_probabilities.shape, np.nan, dtype=np.float32)
        whole[found] = own
        block = replace(block, own_probabilities=whole)
    if block.is_missing is None:
        return block
    is_filled, is_missing = np.zeros(block.is_missing.shape, dtype=bool), block.is_missing.copy()
    is_filled[found] = is_missing[found]
    is_missing[found] = False
    block.alt_probabilities[found] = np.where(is_filled[found], own, block.alt_probabilities[found])
    return replace(
        block,
        is_missing=is_missing if is_missing.any() else None,
        is_filled=is_filled if is_filled.any() else None,
    )
