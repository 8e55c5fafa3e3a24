"""Before imputing: compare the matched target with the model.

On request, sites on the other strand are first flipped to the model's. Then everything is counted, and becomes a report
with warnings and errors. The module `report.py` logs it, saves it, and refuses a target that does not fit.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.imputation.matched_target import MatchedTarget
from rnnimp.pipeline.impute.report import TargetReport, _errors, _warnings, frequency_warnings, missing_warnings
from rnnimp.sites.genome_build import Shift, build_of_length, find_shift, possible_builds
from rnnimp.sites.interval import Interval
from rnnimp.sites.matching import MatchKind, SiteMatch
from rnnimp.sites.panel import Sites
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
    frequency_table,
    is_on_other_strand,
    is_palindromic,
    rows_to_flip,
    shared_positions,
    strand_with_evidence,
    without_rows,
    worst_differences,
)

_MAX_LISTED_POSITIONS = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CheckedTarget:
    """A target that has been compared with the model.

    Attributes:
        target: The target, matched to the model. On request, it is on the model's strand, and the alleles of sites of
            unknown strand are missing.
        report: The findings.
        called_shares: Share of each sample's alleles that is called at the markers that the target has, float64
            (n_samples,).
    """

    target: MatchedTarget
    report: TargetReport
    called_shares: NDArray[np.float64]


def check_target(
    target: MatchedTarget,
    *,
    flip: bool = False,
    chromosome: str | None = None,
    contig_length: int | None = None,
    n_repeated: int = 0,
    interval: Interval | None = None,
) -> CheckedTarget:
    """Compare a target with a model.

    Args:
        target: The target, matched to the model.
        flip: Whether to complement the alleles of sites that are on the other strand. A/T and C/G sites of unknown
            strand are then set to missing.
        chromosome: Name of the chromosome as the user gave it.
        contig_length: Length of the chromosome, as the target's file gives it.
        n_repeated: Sites of the target's file that were left out as repeated.
        interval: The part of the chromosome to impute; only its regions are judged. None for all.
    """
    counts = count_alleles(target.panel.alleles)
    is_other_strand = is_on_other_strand(target.panel.sites, target.match)
    contradicted = _palindromic(target, counts, Strand.CONTRADICTED, is_other_strand)
    flipped, hidden = np.empty(0, np.int64), np.empty(0, np.int64)
    if flip:
        by_frequency = _palindromic(target, counts, Strand.FLIPPED, is_other_strand)
        flipped = rows_to_flip(target.panel.sites, target.match, by_frequency)
        target = target.with_flipped(flipped)
        hidden = np.union1d(_palindromic(target, counts, Strand.UNDECIDED, is_other_strand), contradicted)
        target = target.with_missing(hidden)
    seen = without_rows(target.match, hidden)
    coverage = _coverage(target, seen, interval)
    frequencies = compare_frequencies(counts, target.model.sites, target.match)
    numbers = _counts(target, seen, n_repeated=n_repeated, n_flipped=len(flipped), n_hidden=len(hidden))
    sites, model = target.panel.sites, target.model
    observed = seen.target_index[model.sites.markers() & (seen.target_index >= 0)]
    called = called_shares(target.panel.alleles, observed)
    report = TargetReport(
        counts=numbers,
        strand=_strand_counts(target, frequencies, is_other_strand),
        chromosome={"target": sites.chromosome, "model": model.chromosome, "asked_for": chromosome},
        genome_build=_builds(target, seen, chromosome, contig_length),
        regions=[{**asdict(region), "share": round(region.share, 4)} for region in coverage],
        frequencies=_frequency_records(sites, frequencies),
        samples=_few_called(target, called),
        shared_positions=shared_positions(sites)[:_MAX_LISTED_POSITIONS].tolist(),
        contradicted_strand=sites.ids[contradicted][:_MAX_LISTED_POSITIONS].tolist(),
    )
    report.warnings.extend(_warnings(report, coverage, flip))
    report.warnings.extend(frequency_warnings(frequencies, target.model.frequency_step))
    if target.model.lacks_hmm:
        report.warnings.extend(missing_warnings(report, called))
    report.errors.extend(_errors(report, coverage))
    return CheckedTarget(target, report, called)


def _palindromic(
    target: MatchedTarget, counts: AlleleCounts, strand: Strand, is_other_strand: bool
) -> NDArray[np.int64]:
    """The matched A/T and C/G sites that are on a strand by their allele frequency, int64 (n,), rising."""
    frequencies = compare_frequencies(counts, target.model.sites, target.match)
    is_on_strand = strand_with_evidence(frequencies, is_other_strand) == strand
    rows: NDArray[np.int64] = frequencies.rows[is_palindromic(target.panel.sites[frequencies.rows]) & is_on_strand]
    return rows


def _coverage(target: MatchedTarget, seen: SiteMatch, interval: Interval | None) -> list[RegionCoverage]:
    """Of the regions that impute something in the interval."""
    model = target.model
    coverage = cover_regions([region.index for region in model.regions], model.sites, model.rows, seen)
    if interval is None:
        return coverage
    imputed = [region.sites.positions[region.imputed_rows] for region in model.regions]
    return [entry for entry, positions in zip(coverage, imputed, strict=True) if interval.holds(positions).any()]


def _counts(
    target: MatchedTarget, seen: SiteMatch, *, n_repeated: int, n_flipped: int, n_hidden: int
) -> dict[str, int]:
    counts = asdict(seen.counts(target.model.sites.markers()))
    counts["missing_markers"] = counts.pop("missing")
    requested = {"flipped_by_request": n_flipped, "undecided_taken_as_missing": n_hidden}
    return {"target_sites": len(seen.kinds), **counts, **requested, "repeated_left_out": n_repeated}


def _strand_counts(target: MatchedTarget, frequencies: Frequencies, is_other_strand: bool) -> dict[str, int]:
    """Sites on the other strand by their alleles, and A/T and C/G sites by their frequency."""
    is_of_kind = is_palindromic(target.panel.sites[frequencies.rows])
    palindromic = strand_with_evidence(frequencies, is_other_strand)[is_of_kind]
    same, flipped, undecided, contradicted = np.bincount(palindromic, minlength=len(Strand)).tolist()
    return {
        "flipped_by_alleles": int(np.count_nonzero(target.match.kinds == MatchKind.STRAND_FLIPPED)),
        "palindromic": len(palindromic),
        "palindromic_same": same,
        "palindromic_flipped": flipped,
        "palindromic_undecided": undecided,
        "palindromic_contradicted": contradicted,
    }


def _builds(
    target: MatchedTarget, seen: SiteMatch, chromosome: str | None, contig_length: int | None
) -> dict[str, Any]:
    """The genome builds that target and model may have. Looks for a shift only if half of the markers are missing."""
    sites, model = target.panel.sites, target.model
    name = chromosome or sites.chromosome or model.chromosome
    counts = seen.counts(model.sites.markers())
    n_markers = counts.observed_markers + counts.missing
    shift: Shift | None = None
    if len(sites) and counts.observed_markers < LOW_SHARE * n_markers:
        shift = find_shift(sites, model.sites)
    build = None if contig_length is None or name is None else build_of_length(name, contig_length)
    possible = {
        who: possible_builds(name, int(those.positions.max(initial=0)))
        for who, those in (("target", sites), ("model", model.sites))
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
    counts = [" ".join(map(str, row)) for row in frequency_table(frequencies).tolist()]
    return {"n_compared": int(known.size), "mean_difference": mean, "worst": worst, "counts": counts}


def _few_called(target: MatchedTarget, shares: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Samples that have few alleles called at the markers that the target has."""
    return [
        {"sample": target.panel.sample_names[index], "called_share": round(float(shares[index]), 4)}
        for index in np.flatnonzero(shares < LOW_SHARE).tolist()
    ]


def without_typed_only(target: MatchedTarget) -> MatchedTarget:
    """The target without the sites that are not in the model."""
    is_known = target.is_in_model
    logger.info("target sites left out because they are not in the model: %d", np.count_nonzero(~is_known))
    return target.take(np.flatnonzero(is_known))
