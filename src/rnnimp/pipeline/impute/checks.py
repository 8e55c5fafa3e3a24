"""Before imputing: compare the target with the model, say what was found, save it, and refuse what cannot be right.

Order of events: sites are matched; sites on the other strand are brought to the model's, if that is asked for, and
matched again; everything is counted, logged and written as JSON; then comes the error, if there is one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bundle import Bundle, BundleRegion
from rnnimp.formats.files import atomic_output
from rnnimp.imputation.impute import joined_sites, regions_in_order
from rnnimp.pipeline.impute.target import with_missing
from rnnimp.sites.genome_build import Shift, build_of_length, find_shift, possible_builds
from rnnimp.sites.interval import Interval
from rnnimp.sites.matching import MatchKind, SiteMatch, match_sites
from rnnimp.sites.panel import Panel, PanelStream, Sites
from rnnimp.sites.target_checks import (
    LEAST_SHARE,
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

_MAX_NAMED = 10
_MAX_LISTED_POSITIONS = 100
_BLOCK_SITES = 256

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TargetReport:
    """What was found, ready to be saved.

    Attributes:
        counts: sites and markers by what became of them.
        strand: A/T and C/G sites by what frequencies say of their strand.
        chromosome: its name in the target, in the model, and as asked for.
        genome_build: what is known of the builds of target and model, and the shift between them.
        regions: a record a region, with its markers in the model and in the target.
        frequencies: sites that have one in both, the mean difference, and the records of the 20 worst.
        samples: name and share of called alleles of those with few.
        shared_positions: the first positions that several sites of the target share.
        warnings: a line each.
        errors: a line each; what stops the run unless it is forced.
    """

    counts: dict[str, int]
    strand: dict[str, int]
    chromosome: dict[str, str | None]
    genome_build: dict[str, Any]
    regions: list[dict[str, Any]]
    frequencies: dict[str, Any]
    samples: list[dict[str, Any]]
    shared_positions: list[int]
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


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


def _warnings(report: TargetReport, coverage: Sequence[RegionCoverage], flip: bool) -> list[str]:
    warnings = []
    strand = report.strand
    n_flipped = strand["flipped_by_alleles"] + strand["palindromic_flipped"]
    if n_flipped and not flip:
        warnings.append(
            f"{strand['flipped_by_alleles']} sites are on the other strand by their alleles, and "
            f"{strand['palindromic_flipped']} A/T and C/G sites by their frequency; --flip brings them to the model's"
        )
    if flip and strand["palindromic_undecided"]:
        warnings.append(
            f"the strand of {strand['palindromic_undecided']} A/T and C/G sites cannot be told from their frequency; "
            "their alleles are taken as missing"
        )
    elif n_flipped and strand["palindromic_undecided"]:
        warnings.append(
            f"the strand of {strand['palindromic_undecided']} A/T and C/G sites cannot be told from their frequency; "
            "they are used as they are"
        )
    build = _build_mismatch(report)
    if build is not None and _has_most_markers(report):
        warnings.append(f"{build}; its sites fit all the same, so the length in its header may be wrong")
    low = [_region_text(region) for region in coverage if LEAST_SHARE <= region.share < LOW_SHARE]
    if low:
        warnings.append(
            f"regions with under 50% of their markers, where less accuracy is to be expected: {_listed(low)}"
        )
    if report.samples:
        named = _listed([f"{row['sample']} ({100 * row['called_share']:.0f}%)" for row in report.samples])
        warnings.append(f"{len(report.samples)} samples have under 50% of their alleles called at the markers: {named}")
    return warnings


def _errors(report: TargetReport, coverage: Sequence[RegionCoverage]) -> list[str]:
    build = _build_mismatch(report)
    if build is not None and not _has_most_markers(report):
        return [f"{build}; bring the target to the model's build, for instance with CrossMap or liftOver"]
    poor = [region for region in coverage if region.share < LEAST_SHARE]
    counts = report.counts
    if not counts["observed_markers"]:
        return [
            f"expected sites of the target among the model's {counts['missing_markers']} markers, found none with "
            f"their position and alleles ({counts['mismatched']} with other alleles, {counts['strand_flipped']} on the "
            "other strand); check chromosome and genome build"
        ]
    return [f"expected a fifth of each region's markers in the target or more, found {_region_text(r)}" for r in poor]


def _build_mismatch(report: TargetReport) -> str | None:
    build = report.genome_build
    target, model = build["possible_for_target"], build["possible_for_model"]
    shift = build["shift"]
    if shift is None and (set(target) & set(model) or not target or not model):
        return None
    told = "expected a target of the model's genome build, found another one"
    named = [f"{' or '.join(builds)} in the {who}" for who, builds in (("target", target), ("model", model))]
    if not set(target) & set(model):
        told = f"expected a target of the model's genome build, found positions of {' and of '.join(named)}"
    if shift is not None:
        side = "below" if shift["base_pairs"] < 0 else "above"
        told += (
            f"; the target's sites fit {abs(shift['base_pairs']):,} bp {side} their positions ({shift['n_sites']} of "
            f"{shift['n_tried']} SNPs)"
        )
    return told


def _has_most_markers(report: TargetReport) -> bool:
    observed, missing = report.counts["observed_markers"], report.counts["missing_markers"]
    return observed >= LOW_SHARE * (observed + missing) and observed > 0


def _region_text(region: RegionCoverage) -> str:
    return (
        f"region {region.index} ({region.first_position}-{region.last_position}) with {region.n_observed} of "
        f"{region.n_markers} markers"
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MAX_NAMED])
    return f"{shown} and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else shown


def without_typed_only(checked: CheckedTarget) -> CheckedTarget:
    """The target without the sites that are not in the model."""
    is_known = np.isin(checked.match.kinds, (MatchKind.MATCHED, MatchKind.SWAPPED))
    logger.info("target sites left out because they are not in the model: %d", np.count_nonzero(~is_known))
    panel, kept = checked.panel, np.flatnonzero(is_known)
    # block by block, as it was read: the target may be too large for memory
    blocks = (panel[kept[start : start + _BLOCK_SITES]] for start in range(0, len(kept), _BLOCK_SITES))
    return replace(checked, panel=PanelStream(panel.sample_names, blocks).read())


def report_path(output_prefix: str | Path) -> Path:
    """`PREFIX.checks.json`."""
    return Path(f"{output_prefix}.checks.json")


def save_report(path: Path, report: TargetReport, **more: Mapping[str, Any]) -> None:
    """Write a report as JSON.

    Args:
        path: from `report_path`.
        report: what was found.
        more: further sections by name.
    """
    text = json.dumps({**asdict(report), **more}, indent=2, allow_nan=False)
    with atomic_output(path) as file:
        file.write(f"{text}\n".encode())


def log_report(report: TargetReport) -> None:
    """Say the figures that a user needs to judge a target against a model, then the warnings."""
    counts, strand = report.counts, report.strand
    logger.info(
        "target sites: %d matched, %d swapped, %d strand-flipped, %d mismatched, %d not in the model",
        *(counts[name] for name in ("matched", "swapped", "strand_flipped", "mismatched", "not_in_model")),
    )
    if counts["flipped_by_request"]:
        logger.info("target sites brought to the model's strand: %d", counts["flipped_by_request"])
    if counts["repeated_left_out"]:
        logger.info("target sites left out because they stood before: %d", counts["repeated_left_out"])
    if strand["palindromic"]:
        logger.info(
            "A/T and C/G sites, by frequency: %d on the model's strand, %d on the other, %d undecided",
            *(strand[f"palindromic_{name}"] for name in ("same", "flipped", "undecided")),
        )
    observed, missing = counts["observed_markers"], counts["missing_markers"]
    logger.info("model markers: %d observed, %d missing from the target", observed, missing)
    frequencies = report.frequencies
    if frequencies["worst"]:
        worst = frequencies["worst"][0]
        logger.info(
            "allele frequencies: mean difference to the model %.3f at %d sites, most at %s (%.3f, in the model %.3f)",
            *(frequencies["mean_difference"], frequencies["n_compared"]),
            *(worst["id"], worst["target"], worst["model"]),
        )
    for line in report.warnings:
        logger.warning("warning: %s", line)


def require_fit(report: TargetReport, saved: Path, target: str | None, force: bool) -> None:
    """Refuse a target that does not fit.

    Args:
        report: what was found.
        saved: where it is written, for the message.
        target: the file, for the message.
        force: whether to impute anyway, with a warning for each error; not where no marker at all is there.

    Raises:
        DataError: for the first error, with the number of the others.
    """
    if not report.errors:
        return
    if force and report.counts["observed_markers"]:
        logger.warning("warning: imputed because of --force: %s", _listed(report.errors))
        return
    more = f", and {len(report.errors) - 1} more like this in {saved}" if len(report.errors) > 1 else ""
    forced = (
        "; give --region to impute a part, or --force to impute it anyway" if report.counts["observed_markers"] else ""
    )
    raise DataError(f"{report.errors[0]}{more}{forced}", target)
