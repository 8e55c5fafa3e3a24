"""From a target's haplotypes and the regions' models to imputed sites, region by region in order of position.

Planning comes first and needs legends only: the sites of all regions are joined, the target is matched to them once.
Then the regions follow in order. The alleles of a region's markers are taken from the target, and its model is run
(`region_runs.py`). Its imputed sites are merged with the target's own sites up to there. At one position typed sites
come first, each kind in the order of its source.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.bundle import BundleRegion
from rnnimp.imputation.engines.protocol import RegionEngine
from rnnimp.imputation.kept_sites import ImputedRows, KeptSites, typed_block, with_own
from rnnimp.imputation.matched_target import imputed_span
from rnnimp.imputation.plan import ImputationPlan, RegionPlan
from rnnimp.imputation.region_runs import RegionTask, run_regions
from rnnimp.sites.panel import MISSING, ImputedBlock, Panel, Sites

EngineLoader = Callable[[BundleRegion], RegionEngine]
"""Loads the engine of a region when its turn comes."""

_BLOCK_BYTES = 1 << 25


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
        plan: From `plan_imputation`.
        load_engine: Gives the engine of a region; called once per region, in order.
        haplotypes_per_run: As in `run_regions`; None for what the engine takes best.
        threads: As in `run_regions`.
        keep_own: Whether typed sites that the model imputes come with what it imputes there.

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
            yield from _merge(stretch, plan, source, keep_own)
            del source  # the next region's result comes before this one's would go


@dataclass(frozen=True, eq=False)
class _Stretch:
    """A region and the typed sites that are written with it.

    A region may end at the position at which the next one begins, between the alleles of a multi-allelic site. Then all
    sites of that position are written with the next one.

    Attributes:
        typed: Rows of the target.
        kept: Late sites of the region before, then the kept sites of this one.
        is_late: True for sites that are written with the next region, bool (n_kept,).
    """

    typed: slice
    kept: KeptSites
    is_late: NDArray[np.bool_]


def _stretches(plan: ImputationPlan, wanted: list[NDArray[np.bool_]]) -> Iterator[_Stretch]:
    """The stretches of a chromosome, which together have each typed site that is written."""
    spans = [imputed_span(region_plan.region) for region_plan in plan.regions]
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
        plan: Plan of the region.
        alleles: Alleles, int8 (n_target_sites, n_haplotypes); 0, 1, or -1 for missing.

    Returns:
        int8 (n_markers, n_haplotypes); -1 too where the target has no such marker.
    """
    result = np.full((len(plan.sources), alleles.shape[1]), MISSING, dtype=np.int8)
    is_present = plan.sources >= 0
    result[is_present] = alleles[plan.sources[is_present]]
    is_exchanged = plan.is_swapped[:, None] & (result != MISSING)
    return np.where(is_exchanged, 1 - result, result).astype(np.int8, copy=False)


def _merge(stretch: _Stretch, plan: ImputationPlan, source: ImputedRows, keep_own: bool) -> Iterator[ImputedBlock]:
    """Typed and imputed sites in order of position; the order is stable, typed ones first."""
    typed, kept = plan.target[stretch.typed], stretch.kept
    is_in_model = plan.is_in_model[stretch.typed]
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
        block = typed_block(sites[rows], is_typed, typed.alleles[rows[is_typed]], is_in_model[rows[is_typed]])
        block.alt_probabilities[~is_typed] = source.rows(written[rows[~is_typed] - len(typed.sites)])
        own_rows = np.full(len(rows), -1, dtype=np.int64)
        own_rows[is_typed] = own_of_typed[rows[is_typed]]
        is_swapped = kept.is_swapped[own_rows[own_rows >= 0]]
        yield with_own(block, own_rows, is_swapped, source, keep_own)
