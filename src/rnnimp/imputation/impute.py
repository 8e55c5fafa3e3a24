"""From a target's haplotypes and the regions' models to imputed sites, region by region in order of position.

Planning comes first and needs legends only: the sites of all regions are joined, the target is matched to them once.
Then each region in turn: its markers' alleles are taken from the target, its model is run (`region_runs.py`), and its
imputed sites are merged with the target's own sites up to there. At one position typed sites stand first, each kind
in the order of its source.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bundle import Bundle, BundleRegion
from rnnimp.imputation.kept_sites import ImputedRows, KeptSites, typed_block, with_own
from rnnimp.imputation.region_runs import RegionEngine, RegionTask, run_regions
from rnnimp.sites.interval import Interval
from rnnimp.sites.matching import MatchCounts, SiteMatch, complete_alleles, match_sites
from rnnimp.sites.panel import MISSING, ImputedBlock, Panel, Sites

EngineLoader = Callable[[BundleRegion], RegionEngine]
"""Loads the engine of a region when its turn comes."""

_BLOCK_BYTES = 1 << 25

_logger = logging.getLogger(__name__)


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
            _logger.warning(
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


def impute(
    plan: ImputationPlan,
    load_engine: EngineLoader,
    haplotypes_per_run: int | None = None,
    threads: int = 1,
    keep_own: bool = False,
) -> Generator[ImputedBlock, None, None]:
    """Impute region by region and merge with the target's own sites.

    Every site of the target is in the result as observed, every imputed site that the target does not type too, each
    once and in order of position. Missing alleles of typed sites that the model imputes are filled in.

    Args:
        plan: from `plan_imputation`.
        load_engine: gives the engine of a region; called once a region, in order.
        haplotypes_per_run: as in `run_regions`; None for what the engine takes best.
        threads: as in `run_regions`.
        keep_own: whether typed sites that the model imputes come with what it imputes there.

    Yields:
        Blocks of bounded size, a region's after those of the one before; the first region's have the typed sites before
        it too, the last region's those behind it. No bit of them depends on the two numbers.
    """
    wanted = [part.is_written | _is_needed(part, plan, keep_own) for part in plan.regions]
    tasks = [_task(*part, plan.target, load_engine) for part in zip(plan.regions, wanted, strict=True)]
    results = run_regions(tasks, threads, haplotypes_per_run)
    with closing(results):
        late = np.empty((0, plan.target.alleles.shape[1]), dtype=np.float32)
        for stretch in _stretches(plan, wanted):
            source = ImputedRows(late, next(results))
            late = source.rows(np.flatnonzero(stretch.is_late))
            yield from _merge(stretch, plan.target, source, keep_own)
            del source  # the next region's result comes before this one's would go


@dataclass(frozen=True, eq=False)
class _Stretch:
    """A region and the typed sites that are written with it.

    Where the region ends at the position at which the next one begins, as regions do between the alleles of a
    multi-allelic site, all that stands there is written with the next one.

    Attributes:
        typed: rows of the target.
        kept: what is late of the region before, then what is kept of this one.
        is_late: bool (n_kept,), what of it is written with the next region.
    """

    typed: slice
    kept: KeptSites
    is_late: NDArray[np.bool_]


def _stretches(plan: ImputationPlan, wanted: list[NDArray[np.bool_]]) -> Iterator[_Stretch]:
    """The stretches of a chromosome, which together have each typed site that is written."""
    spans = [_span(region_plan.region) for region_plan in plan.regions]
    is_shared = [last == first for (_, last), (first, _) in pairwise(spans)] + [False]
    rows, positions = plan.typed_rows, plan.target.sites.positions
    start, late = rows.start, KeptSites(Sites.build([], [], []), np.empty(0, np.int64), np.empty(0, np.bool_))
    for number, (region_plan, is_wanted) in enumerate(zip(plan.regions, wanted, strict=True)):
        _, last = spans[number]
        stop = int(np.searchsorted(positions, last, side="left" if is_shared[number] else "right"))
        stop = rows.stop if number == len(spans) - 1 else min(max(stop, rows.start), rows.stop)
        kept = late + _kept(region_plan, is_wanted)
        is_late = (kept.sites.positions == last) & is_shared[number]
        yield _Stretch(slice(start, stop), kept, is_late)
        start, late = stop, kept[is_late]


def _is_needed(region_plan: RegionPlan, plan: ImputationPlan, keep_own: bool) -> NDArray[np.bool_]:
    """Of typed sites that are written, those of which what the model imputes is asked for, or that miss an allele."""
    sources = region_plan.typed_sources
    is_needed = (sources >= plan.typed_rows.start) & (sources < plan.typed_rows.stop)
    if not keep_own:
        needed = np.flatnonzero(is_needed)
        is_needed[needed] = [MISSING in plan.target.alleles[row] for row in sources[needed].tolist()]
    return is_needed


def _kept(plan: RegionPlan, is_wanted: NDArray[np.bool_]) -> KeptSites:
    sites = _plain(plan.region.sites[plan.region.imputed_rows[is_wanted]])
    typed_rows = np.where(plan.is_written, -1, plan.typed_sources)[is_wanted]
    return KeptSites(sites, typed_rows, plan.typed_is_swapped[is_wanted])


def _plain(sites: Sites) -> Sites:
    """Without what is a model's."""
    return replace(sites, is_marker=None, a1_freq=None, swapped=None, chromosome=None)


def _task(plan: RegionPlan, is_wanted: NDArray[np.bool_], target: Panel, load_engine: EngineLoader) -> RegionTask:
    sites = plan.region.sites[plan.region.marker_rows]
    a1_freq = np.full(len(sites), np.nan) if sites.a1_freq is None else sites.a1_freq
    return RegionTask(
        lambda: load_engine(plan.region), lambda: marker_alleles(plan, target.alleles), a1_freq, is_wanted
    )


def marker_alleles(plan: RegionPlan, alleles: NDArray[np.int8]) -> NDArray[np.int8]:
    """The target's alleles at a region's markers, as the model codes them.

    Args:
        plan: of the region.
        alleles: int8 (n_target_sites, n_haplotypes); 0, 1, or -1 for missing.

    Returns:
        int8 (n_markers, n_haplotypes); -1 too where the target has no such marker.
    """
    result = np.full((len(plan.sources), alleles.shape[1]), MISSING, dtype=np.int8)
    is_present = plan.sources >= 0
    result[is_present] = alleles[plan.sources[is_present]]
    is_exchanged = plan.is_swapped[:, None] & (result != MISSING)
    return np.where(is_exchanged, 1 - result, result).astype(np.int8, copy=False)


def _merge(stretch: _Stretch, target: Panel, source: ImputedRows, keep_own: bool) -> Iterator[ImputedBlock]:
    """Typed and imputed sites in order of position; the order is stable, typed ones first."""
    typed, kept = target[stretch.typed], stretch.kept
    written = np.flatnonzero((kept.typed_rows < 0) & ~stretch.is_late)
    own = np.flatnonzero((kept.typed_rows >= 0) & ~stretch.is_late)
    own_of_typed = np.full(len(typed.sites), -1, dtype=np.int64)
    own_of_typed[kept.typed_rows[own] - stretch.typed.start] = own
    sites = Sites.concatenate([_plain(typed.sites), kept.sites[written]])
    sites = replace(sites, chromosome=typed.sites.chromosome)
    order = np.argsort(sites.positions, kind="stable")
    n_rows = max(1, _BLOCK_BYTES // max(1, 4 * typed.alleles.shape[1]))
    for start in range(0, len(order), n_rows):
        rows = order[start : start + n_rows]
        is_typed = rows < len(typed.sites)
        block = typed_block(sites[rows], is_typed, typed.alleles[rows[is_typed]])
        block.alt_probabilities[~is_typed] = source.rows(written[rows[~is_typed] - len(typed.sites)])
        own_rows = np.full(len(rows), -1, dtype=np.int64)
        own_rows[is_typed] = own_of_typed[rows[is_typed]]
        is_swapped = kept.is_swapped[own_rows[own_rows >= 0]]
        yield with_own(block, own_rows, is_swapped, source, keep_own)
