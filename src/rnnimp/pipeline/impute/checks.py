"""Before imputing: compare the target with the model, say what was found, save it, and refuse what cannot be right.

Order of events: sites are matched; sites on the other strand are brought to the model's, if that is asked for, and
matched again; everything is counted, logged and written as JSON; then comes the error, if there is one.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.bundle import Bundle, BundleRegion
from rnnimp.imputation.plan import joined_sites, regions_in_order
from rnnimp.pipeline.impute.report import TargetReport, _errors, _warnings
from rnnimp.pipeline.impute.target import with_missing
from rnnimp.sites.genome_build import Shift, build_of_length, find_shift, possible_builds
from rnnimp.sites.interval import Interval
from rnnimp.sites.matching import MatchKind, SiteMatch, match_sites
from rnnimp.sites.panel import Panel, PanelStream, Sites
from rnnimp.sites.target_checks import (
    LOW_SHARE,
    AlleleCounts,
    Frequencies,
    RegionCoverage,
    Strand,
    called_shares,
    compare_frequencies,
    count_alleles,
    cover_regions,
    flip_strand,
    is_palindromic,
    rows_to_flip,
    shared_positions,
    strand_by_frequency,
    without_rows,
    worst_differences,
)

_MAX_LISTED_POSITIONS = 100
_BLOCK_SITES = 256

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CheckedTarget:
    """A target that may be imputed.

    Attributes:
        panel: the target; if that was asked for, on the model's strand, without alleles where the strand is not known.
        match: of its sites, all of them, and the model's.
        report: what was found.
    """

    panel: Panel
    match: SiteMatch
    report: TargetReport


def check_target(
    target: Panel,
    bundle: Bundle,
    *,
    flip: bool = False,
    chromosome: str | None = None,
    contig_length: int | None = None,
    n_repeated: int = 0,
    interval: Interval | None = None,
) -> CheckedTarget:
    """Compare a target with a model.

    Args:
        target: phased haplotypes in order of position.
        bundle: the model.
        flip: whether to complement the alleles of sites that are on the other strand, and to take for missing the
            alleles of A/T and C/G sites whose strand cannot be told.
        chromosome: its name as asked for.
        contig_length: of the chromosome, as the target's file gives it.
        n_repeated: sites of the target's file that were left out as repeated.
        interval: the part of the chromosome to impute; only its regions are judged. None for all.

    Raises:
        DataError: if regions of the model overlap.
    """
    regions = regions_in_order(bundle)
    model, rows_by_region = joined_sites(regions)
    counts = count_alleles(target.alleles)
    match, frequencies, strand = _compare(target.sites, model, counts)
    flipped, hidden = np.empty(0, np.int64), np.empty(0, np.int64)
    if flip:
        by_frequency = frequencies.rows[is_palindromic(target.sites[frequencies.rows]) & (strand == Strand.FLIPPED)]
        flipped = rows_to_flip(target.sites, match, by_frequency)
        target = replace(target, sites=flip_strand(target.sites, flipped))
        match, frequencies, strand = _compare(target.sites, model, counts)
        hidden = frequencies.rows[is_palindromic(target.sites[frequencies.rows]) & (strand == Strand.UNDECIDED)]
        target = with_missing(target, hidden)
    seen = without_rows(match, hidden)
    coverage = _coverage(regions, model, rows_by_region, seen, interval)
    builds = _builds(target.sites, bundle, model, seen, chromosome, contig_length)
    few = _few_called(target, seen, model)
    report = TargetReport(
        counts=_counts(seen, model, n_repeated=n_repeated, n_flipped=len(flipped), n_hidden=len(hidden)),
        strand=_strand_counts(target.sites, match, frequencies, strand),
        chromosome={"target": target.sites.chromosome, "model": bundle.chromosome, "asked_for": chromosome},
        genome_build=builds,
        regions=[{**asdict(region), "share": round(region.share, 4)} for region in coverage],
        frequencies=_frequency_records(target.sites, frequencies),
        samples=few,
        shared_positions=shared_positions(target.sites)[:_MAX_LISTED_POSITIONS].tolist(),
    )
    report.warnings.extend(_warnings(report, coverage, flip))
    report.errors.extend(_errors(report, coverage))
    return CheckedTarget(target, match, report)


def _coverage(
    regions: list[BundleRegion],
    model: Sites,
    rows_by_region: list[NDArray[np.int64]],
    match: SiteMatch,
    interval: Interval | None,
) -> list[RegionCoverage]:
    """Of the regions that impute something in the interval."""
    coverage = cover_regions([region.index for region in regions], model, rows_by_region, match)
    if interval is None:
        return coverage
    imputed = [region.sites.positions[region.imputed_rows] for region in regions]
    return [entry for entry, positions in zip(coverage, imputed, strict=True) if interval.holds(positions).any()]


def _compare(target: Sites, model: Sites, counts: AlleleCounts) -> tuple[SiteMatch, Frequencies, NDArray[np.int8]]:
    match = match_sites(target, model)
    frequencies = compare_frequencies(counts, model, match)
    return match, frequencies, strand_by_frequency(frequencies)


def _counts(match: SiteMatch, model: Sites, *, n_repeated: int, n_flipped: int, n_hidden: int) -> dict[str, int]:
    counts = asdict(match.counts(model.markers()))
    counts["missing_markers"] = counts.pop("missing")
    n_target = len(match.kinds)
    requested = {"flipped_by_request": n_flipped, "undecided_taken_as_missing": n_hidden}
    return {"target_sites": n_target, **counts, **requested, "repeated_left_out": n_repeated}


def _strand_counts(
    target: Sites, match: SiteMatch, frequencies: Frequencies, strand: NDArray[np.int8]
) -> dict[str, int]:
    """Sites on the other strand by their alleles, and A/T and C/G sites by their frequency."""
    palindromic = strand[is_palindromic(target[frequencies.rows])]
    same, flipped, undecided = np.bincount(palindromic, minlength=len(Strand)).tolist()
    return {
        "flipped_by_alleles": int(np.count_nonzero(match.kinds == MatchKind.STRAND_FLIPPED)),
        "palindromic": len(palindromic),
        "palindromic_same": same,
        "palindromic_flipped": flipped,
        "palindromic_undecided": undecided,
    }


def _builds(
    target: Sites,
    bundle: Bundle,
    model: Sites,
    match: SiteMatch,
    chromosome: str | None,
    contig_length: int | None,
) -> dict[str, Any]:
    """What tells of the builds; a shift is looked for only where half of the markers are absent."""
    name = chromosome or target.chromosome or bundle.chromosome
    counts = match.counts(model.markers())
    n_markers = counts.observed_markers + counts.missing
    shift: Shift | None = None
    if len(target) and counts.observed_markers < LOW_SHARE * n_markers:
        shift = find_shift(target, model)
    build = None if contig_length is None or name is None else build_of_length(name, contig_length)
    possible = {
        who: possible_builds(name, int(sites.positions.max(initial=0)))
        for who, sites in (("target", target), ("model", model))
    }
    return {
        "target": build,
        "target_contig_length": contig_length,
        "possible_for_target": [build] if build is not None else list(possible["target"]),
        "possible_for_model": list(possible["model"]),
        "shift": None if shift is None else asdict(shift),
    }


def _frequency_records(target: Sites, frequencies: Frequencies) -> dict[str, Any]:
    differences = np.abs(frequencies.differences)
    known = differences[~np.isnan(differences)]
    worst = [
        {
            "id": target.ids[row],
            "position": int(target.positions[row]),
            "a0": target.a0[row],
            "a1": target.a1[row],
            "target": round(float(frequencies.target[index]), 6),
            "model": round(float(frequencies.model[index]), 6),
        }
        for index in worst_differences(frequencies).tolist()
        for row in [int(frequencies.rows[index])]
    ]
    mean = round(float(known.mean()), 6) if known.size else None
    return {"n_compared": int(known.size), "mean_difference": mean, "worst": worst}


def _few_called(target: Panel, match: SiteMatch, model: Sites) -> list[dict[str, Any]]:
    """Samples that have few alleles called at the markers that the target has."""
    rows = match.target_index[model.markers() & (match.target_index >= 0)]
    shares = called_shares(target.alleles, rows)
    return [
        {"sample": target.sample_names[index], "called_share": round(float(shares[index]), 4)}
        for index in np.flatnonzero(shares < LOW_SHARE).tolist()
    ]


def without_typed_only(checked: CheckedTarget) -> CheckedTarget:
    """The target without the sites that are not in the model."""
    is_known = np.isin(checked.match.kinds, (MatchKind.MATCHED, MatchKind.SWAPPED))
    logger.info("target sites left out because they are not in the model: %d", np.count_nonzero(~is_known))
    panel, kept = checked.panel, np.flatnonzero(is_known)
    # block by block, as it was read: the target may be too large for memory
    blocks = (panel[kept[start : start + _BLOCK_SITES]] for start in range(0, len(kept), _BLOCK_SITES))
    return replace(checked, panel=PanelStream(panel.sample_names, blocks).read())
