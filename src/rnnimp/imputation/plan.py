"""Plan an imputation: for each region, which target site is which marker, and which sites are to be written.

Planning needs the match and the legends only; no model is loaded.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bundle import BundleRegion
from rnnimp.imputation.matched_target import MatchedTarget
from rnnimp.sites.interval import Interval
from rnnimp.sites.matching import MatchCounts, SiteMatch, complete_alleles, no_marker_text
from rnnimp.sites.panel import Panel
from rnnimp.wording import counted, first_few

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RegionPlan:
    """How one region meets the target.

    Attributes:
        region: Region of the bundle.
        sources: The target site of each marker, int64 (n_markers,); -1 where it is absent.
        is_swapped: True where the target's a0 is the model's a1, bool (n_markers,).
        is_written: False where the target types the site itself, bool (n_imputed_sites,).
        typed_sources: The target site of those, int64 (n_imputed_sites,); -1 elsewhere.
        typed_is_swapped: True where that site's a0 is the model's a1, bool (n_imputed_sites,).
    """

    region: BundleRegion
    sources: NDArray[np.int64]
    is_swapped: NDArray[np.bool_]
    is_written: NDArray[np.bool_]
    typed_sources: NDArray[np.int64]
    typed_is_swapped: NDArray[np.bool_]

    @property
    def is_observed(self) -> bool:
        """Whether the target has any of the region's markers."""
        return bool((self.sources >= 0).any())


@dataclass(frozen=True, eq=False)
class ImputationPlan:
    """How a model meets a target.

    Attributes:
        target: The target with alleles completed from the model where the array knows only REF.
        regions: Regions in order of position.
        counts: Counts of the match.
        typed_rows: Sites of the target that are written; the others serve as markers.
        is_in_model: True for sites of the target that the model has, bool (n_target_sites,).
    """

    target: Panel
    regions: tuple[RegionPlan, ...]
    counts: MatchCounts
    typed_rows: range
    is_in_model: NDArray[np.bool_]

    @property
    def n_unobserved_regions(self) -> int:
        """Regions of which the target has no marker: they are imputed from allele frequencies only."""
        return sum(not plan.is_observed for plan in self.regions)

    @property
    def n_sites(self) -> int:
        """Sites that will be written."""
        return len(self.typed_rows) + sum(int(plan.is_written.sum()) for plan in self.regions)


def plan_imputation(target: MatchedTarget) -> ImputationPlan:
    """Plan the imputation of a target with all regions of the model that it is matched to.

    Raises:
        DataError: if the target has no marker of the model.
    """
    model, match, counts = target.model, target.match, target.counts
    if not counts.observed_markers:
        raise DataError(no_marker_text(counts.missing, counts.mismatched, counts.strand_flipped), model.prefix)
    plans = tuple(_plan_region(region, rows, match) for region, rows in zip(model.regions, model.rows, strict=True))
    sites = target.panel.sites
    completed = replace(sites, a1=complete_alleles(sites, model.sites, match))
    panel = replace(target.panel, sites=completed)
    plan = ImputationPlan(panel, plans, counts, range(len(completed)), target.is_in_model)
    _warn_of_unobserved(plan)
    return plan


def _warn_of_unobserved(plan: ImputationPlan) -> None:
    """Name the regions of which the target has no marker: three of them and how many there are."""
    unobserved = [f"region {part.region.index}" for part in plan.regions if not part.is_observed]
    if unobserved:
        logger.warning(
            "warning: the target has no marker of %s: %s; imputed from allele frequencies only",
            counted(len(unobserved), "region"),
            first_few(unobserved),
        )


def restrict(plan: ImputationPlan, interval: Interval) -> ImputationPlan:
    """Write only the sites of an interval, imputed from markers inside and outside as before.

    Raises:
        DataError: if the model imputes no site there.
    """
    regions = []
    for region_plan in plan.regions:
        positions = region_plan.region.sites.positions[region_plan.region.imputed_rows]
        holds = interval.holds(positions)
        if holds.any():
            regions.append(replace(region_plan, is_written=region_plan.is_written & holds))
    if not regions:
        raise DataError(f"expected imputed sites of the model in {interval}, found none; check --region")
    bounds = np.searchsorted(plan.target.sites.positions, [interval.start, interval.end + 1]).tolist()
    return replace(plan, regions=tuple(regions), typed_rows=range(*bounds))


def _plan_region(region: BundleRegion, rows: NDArray[np.int64], match: SiteMatch) -> RegionPlan:
    sources, is_swapped = match.target_index[rows], match.is_swapped[rows]
    markers, imputed = region.marker_rows, region.imputed_rows
    typed = sources[imputed]
    return RegionPlan(region, sources[markers], is_swapped[markers], typed < 0, typed, is_swapped[imputed])
