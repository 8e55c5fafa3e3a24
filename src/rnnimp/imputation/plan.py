"""How a model meets a target: the sites of all regions are joined and matched to the target's sites once.

Planning needs legends only; no model is loaded.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bundle import Bundle, BundleRegion
from rnnimp.sites.interval import Interval
from rnnimp.sites.matching import MatchCounts, SiteMatch, complete_alleles, match_sites
from rnnimp.sites.panel import Panel, Sites

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RegionPlan:
    """How one region meets the target.

    Attributes:
        region: of the bundle.
        sources: int64 (n_markers,), the target site of each marker, -1 where it is absent.
        is_swapped: bool (n_markers,), True where the target's a0 is the model's a1.
        is_written: bool (n_imputed_sites,), False where the target types the site itself.
        typed_sources: int64 (n_imputed_sites,), the target site of those, -1 elsewhere.
        typed_is_swapped: bool (n_imputed_sites,), True where that site's a0 is the model's a1.
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
        target: with alleles completed from the model where the array knows only REF.
        regions: in order of position.
        counts: of the match.
        typed_rows: sites of the target that are written; the others serve as markers.
    """

    target: Panel
    regions: tuple[RegionPlan, ...]
    counts: MatchCounts
    typed_rows: range

    @property
    def n_unobserved_regions(self) -> int:
        """Regions of which the target has no marker: they are imputed from allele frequencies alone."""
        return sum(not plan.is_observed for plan in self.regions)

    @property
    def n_sites(self) -> int:
        """Sites that will be written."""
        return len(self.typed_rows) + sum(int(plan.is_written.sum()) for plan in self.regions)


def plan_imputation(target: Panel, bundle: Bundle) -> ImputationPlan:
    """Match a target to all regions of a model.

    Args:
        target: phased haplotypes in order of position.
        bundle: the model.

    Raises:
        DataError: if no marker of the model is in the target, or regions of the model overlap.
    """
    regions = regions_in_order(bundle)
    sites, rows_by_region = joined_sites(regions)
    match = match_sites(target.sites, sites)
    counts = match.counts(sites.markers())
    if not counts.observed_markers:
        raise DataError(
            f"expected sites of the target among the model's {counts.missing} markers, found none with their position "
            f"and alleles ({counts.mismatched} with other alleles, {counts.strand_flipped} on the other strand); "
            "check chromosome and genome build",
            bundle.prefix,
        )
    plans = tuple(_plan_region(region, rows, match) for region, rows in zip(regions, rows_by_region, strict=True))
    completed = replace(target.sites, a1=complete_alleles(target.sites, sites, match))
    for plan in plans:
        if not plan.is_observed:
            logger.warning(
                "warning: region %d: the target has none of its markers; it is imputed from allele frequencies alone",
                plan.region.index,
            )
    return ImputationPlan(replace(target, sites=completed), plans, counts, range(len(completed)))


def restrict(plan: ImputationPlan, interval: Interval) -> ImputationPlan:
    """Write the sites of an interval alone, imputed from markers inside and outside as before.

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


def regions_in_order(bundle: Bundle) -> list[BundleRegion]:
    """The regions that impute something, by position whatever their numbers.

    Raises:
        DataError: if they overlap.
    """
    regions = [region for region in bundle.regions if region.imputed_rows.size]
    regions.sort(key=_span)
    for before, after in pairwise(regions):
        if _span(after)[0] < _span(before)[1]:
            raise DataError(
                f"expected regions that do not overlap, found imputed sites of region {before.index} and region "
                f"{after.index} among each other; are these files of one model?",
                bundle.prefix,
            )
    return regions


def _span(region: BundleRegion) -> tuple[int, int]:
    positions = region.sites.positions[region.imputed_rows]
    return int(positions[0]), int(positions[-1])


def joined_sites(regions: list[BundleRegion]) -> tuple[Sites, list[NDArray[np.int64]]]:
    """All regions' sites, each once, and the row among them of each site of each region: flanks are shared.

    Raises:
        DataError: if two regions impute one site.
    """
    if not regions:
        return Sites.build([], [], [], is_marker=np.empty(0, bool)), []
    row_of_key: dict[tuple[int, str, str], int] = {}
    rows = [
        np.fromiter((row_of_key.setdefault(key, len(row_of_key)) for key in region.sites.keys()), np.int64)
        for region in regions
    ]
    joined = np.concatenate(rows)
    _, first_rows = np.unique(joined, return_index=True)
    _require_distinct(regions, rows)
    return Sites.concatenate([region.sites for region in regions])[first_rows], rows


def _require_distinct(regions: list[BundleRegion], rows: list[NDArray[np.int64]]) -> None:
    """Refuse a model in which two regions impute one site."""
    owner: dict[int, BundleRegion] = {}
    for region, region_rows in zip(regions, rows, strict=True):
        for row, site in zip(region_rows[region.imputed_rows].tolist(), region.imputed_rows.tolist(), strict=True):
            other = owner.setdefault(row, region)
            if other is not region:
                raise DataError(
                    f"expected each site imputed once, found {region.sites.positions[site]} also in region "
                    f"{other.index}; are these files of one model?",
                    region.legend_path,
                )


def _plan_region(region: BundleRegion, rows: NDArray[np.int64], match: SiteMatch) -> RegionPlan:
    sources, is_swapped = match.target_index[rows], match.is_swapped[rows]
    markers, imputed = region.marker_rows, region.imputed_rows
    typed = sources[imputed]
    return RegionPlan(region, sources[markers], is_swapped[markers], typed < 0, typed, is_swapped[imputed])
