"""The report on a target beside a model: warnings, errors, and `PREFIX.checks.json`."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import LEAST_SHARE
from rnnimp.errors import DataError
from rnnimp.formats.json_files import write_json
from rnnimp.sites.genome_build import liftover_command
from rnnimp.sites.matching import no_marker_text
from rnnimp.sites.target_checks import (
    LOW_SHARE,
    Frequencies,
    RegionCoverage,
)
from rnnimp.wording import counted, first_few

MOST_FREQUENCY_DIFFERENCE = 0.1
"""Mean difference of allele frequencies above which a warning is given, beside what chance adds."""
MOST_MISSING_WITHOUT_HMM = 0.05
"""Share of missing alleles at the markers, from which a model without haplotype HMM is noticeably less accurate."""

_LEAST_COMPARED = 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TargetReport:
    """The findings of the checks, ready to be saved.

    Attributes:
        counts: Numbers of sites and markers by their outcome.
        strand: Numbers of A/T and C/G sites by their strand according to frequencies.
        chromosome: Name of the chromosome in the target, in the model, and as asked for.
        genome_build: Known builds of target and model, and the shift between them.
        regions: One record per region, with its markers in the model and in the target.
        frequencies: Number of sites with a frequency in both, the mean difference, and the records of the 20 worst.
        samples: Name and share of called alleles of each sample with few.
        shared_positions: The first positions that several sites of the target share.
        contradicted_strand: Ids of the first A/T and C/G sites whose frequency fits the other strand, while the array's
            other sites are on the model's.
        warnings: Warnings, one line each.
        errors: Errors that stop the run unless it is forced; one line, or none.
    """

    counts: dict[str, int]
    strand: dict[str, int]
    chromosome: dict[str, str | None]
    genome_build: dict[str, Any]
    regions: list[dict[str, Any]]
    frequencies: dict[str, Any]
    samples: list[dict[str, Any]]
    shared_positions: list[int]
    contradicted_strand: list[str]
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def frequency_warnings(frequencies: Frequencies, model_step: float = 0.0) -> list[str]:
    """Warn of frequencies that fit neither the model nor chance; one warning, or none.

    By chance, the frequencies of n alleles are off by at most 1 / sqrt(n) on average. Rounding moves those of the model
    by at most half a step.

    Args:
        frequencies: Frequencies in target and model.
        model_step: Step that the model's are rounded to; 0 if they are exact.
    """
    differences = np.abs(frequencies.differences)
    known = differences[~np.isnan(differences)]
    by_chance = 1 / math.sqrt(max(1.0, float(np.mean(frequencies.n_alleles)))) if known.size else 0.0
    if known.size < _LEAST_COMPARED or known.mean() <= MOST_FREQUENCY_DIFFERENCE + by_chance + model_step / 2:
        return []
    return [
        f"allele frequencies differ from the model's by {known.mean():.2f} on average: check that the genotypes belong "
        "to these alleles, and that the samples are of the model's populations"
    ]


def missing_warnings(report: TargetReport, called: NDArray[np.float64]) -> list[str]:
    """Warn of missing markers, for a model without haplotype HMM, which could skip them; one warning, or none.

    Args:
        report: The counts of the markers.
        called: The share of each sample's alleles that is called at the markers that the target has, float64
            (n_samples,).
    """
    observed, absent = report.counts["observed_markers"], report.counts["missing_markers"]
    missing = 1 - observed / max(1, observed + absent) * float(called.mean() if called.size else 1.0)
    if missing < MOST_MISSING_WITHOUT_HMM:
        return []
    return [
        f"{100 * missing:.0f}% of the alleles at the model's markers are missing, and the model has no haplotype HMM, "
        "which could skip them: expect less accuracy than the model's documents say"
    ]


def _warnings(report: TargetReport, coverage: Sequence[RegionCoverage], flip: bool) -> list[str]:
    warnings = _strand_warnings(report, flip)
    build = _build_mismatch(report)
    if build is not None and _has_most_markers(report):
        warnings.append(f"{build}; its sites fit all the same, so the length in its header may be wrong")
    low = [_region_text(region) for region in coverage if LEAST_SHARE <= region.share < LOW_SHARE]
    if low:
        warnings.append(
            f"expect less accuracy in {counted(len(low), 'region')} with under 50% of the markers: {first_few(low)}"
        )
    if report.samples:
        named = first_few([f"{row['sample']} ({100 * row['called_share']:.0f}%)" for row in report.samples])
        warnings.append(
            f"under 50% of the alleles at the markers are called in {counted(len(report.samples), 'sample')}: {named}"
        )
    return warnings


def _strand_warnings(report: TargetReport, flip: bool) -> list[str]:
    warnings, strand = [], report.strand
    by_alleles, by_frequency = strand["flipped_by_alleles"], strand["palindromic_flipped"]
    if (by_alleles or by_frequency) and not flip:
        warnings.append(
            f"{counted(by_alleles, 'target site')} on the other strand by alleles, and "
            f"{counted(by_frequency, 'A/T or C/G site')} by frequency; --flip complements their alleles"
        )
    undecided = counted(strand["palindromic_undecided"], "A/T or C/G site")
    if strand["palindromic_undecided"] and (flip or by_alleles or by_frequency):
        use = "their alleles are treated as missing" if flip else "they are used as they are"
        warnings.append(f"allele frequency does not show the strand of {undecided}; {use}")
    if n_contradicted := strand["palindromic_contradicted"]:
        named = first_few(report.contradicted_strand, n_all=n_contradicted)
        use = "their alleles are treated as missing" if flip else "they are used as they are"
        warnings.append(
            f"the allele frequency of {counted(n_contradicted, 'A/T or C/G site')} fits the other strand, but sites "
            f"whose alleles show the strand are on the model's: {named}; ancestry may be the reason, so {use}"
        )
    return warnings


def _errors(report: TargetReport, coverage: Sequence[RegionCoverage]) -> list[str]:
    if _has_other_build(report):
        return [f"{_build_mismatch(report)}; lift the target over to the model's build, {_liftover(report)}"]
    counts = report.counts
    if not counts["observed_markers"]:
        return [no_marker_text(counts["missing_markers"], counts["mismatched"], counts["strand_flipped"])]
    poor = [_region_text(region) for region in coverage if region.share < LEAST_SHARE]
    if not poor:
        return []
    found = first_few(poor) if len(poor) == 1 else f"{len(poor)} regions with fewer: {first_few(poor)}"
    return [f"expected at least a fifth of each region's markers in the target, found {found}"]


def _has_other_build(report: TargetReport) -> bool:
    return _build_mismatch(report) is not None and not _has_most_markers(report)


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


def _liftover(report: TargetReport) -> str:
    """How to bring the target to the model's build: the command, if both builds are known well enough to name files."""
    build = report.genome_build
    command = liftover_command(tuple(build["possible_for_target"]), tuple(build["possible_for_model"]))
    return "for example with CrossMap or liftOver" if command is None else f"for example: {command}"


def _has_most_markers(report: TargetReport) -> bool:
    observed, missing = report.counts["observed_markers"], report.counts["missing_markers"]
    return observed >= LOW_SHARE * (observed + missing) and observed > 0


def _region_text(region: RegionCoverage) -> str:
    return (
        f"region {region.index} ({region.first_position}-{region.last_position}) with {region.n_observed} of "
        f"{region.n_markers} markers"
    )


def report_path(output_prefix: str | Path) -> Path:
    """`PREFIX.checks.json`."""
    return Path(f"{output_prefix}.checks.json")


def save_report(path: Path, report: TargetReport, **more: Mapping[str, Any]) -> None:
    """Write a report as JSON.

    Args:
        path: From `report_path`.
        report: Findings of the checks.
        more: Further sections by name.
    """
    write_json(path, {**asdict(report), **more}, sort_keys=False, allow_nan=False)


def report_lines(report: TargetReport) -> list[str]:
    """The figures that a user needs to judge a target against a model, one line each."""
    counts, strand = report.counts, report.strand
    lines = [
        f"target sites: {counts['matched']} matched, {counts['swapped']} swapped, {counts['strand_flipped']} "
        f"strand-flipped, {counts['mismatched']} mismatched, {counts['not_in_model']} not in the model"
    ]
    if counts["flipped_by_request"]:
        lines.append(f"target sites brought to the model's strand: {counts['flipped_by_request']}")
    if counts["repeated_left_out"]:
        lines.append(f"target sites left out because they stood before: {counts['repeated_left_out']}")
    if strand["palindromic"]:
        lines.append(
            f"A/T and C/G sites, by frequency: {strand['palindromic_same']} on the model's strand, "
            f"{strand['palindromic_flipped'] + strand['palindromic_contradicted']} on the other, "
            f"{strand['palindromic_undecided']} undecided"
        )
    observed, missing = counts["observed_markers"], counts["missing_markers"]
    lines.append(f"model markers: {observed} observed, {missing} missing from the target")
    frequencies = report.frequencies
    if frequencies["worst"]:
        worst = frequencies["worst"][0]
        lines.append(
            f"allele frequencies: mean difference to the model {frequencies['mean_difference']:.3f} at "
            f"{counted(frequencies['n_compared'], 'site')}, most at {worst['id']} ({worst['target']:.3f}, in the model "
            f"{worst['model']:.3f})"
        )
    return lines


def log_report(report: TargetReport) -> None:
    """Log the figures and the warnings of a report."""
    for line in report_lines(report):
        logger.info("%s", line)
    for line in report.warnings:
        logger.warning("warning: %s", line)


def require_fit(report: TargetReport, saved: Path | None, target: str | None, force: bool) -> None:
    """Refuse a target that does not fit.

    Args:
        report: Findings of the checks.
        saved: File to which it is written, for the message; None if it is not.
        target: The file, for the message.
        force: Whether to impute anyway, with a warning. A target without any marker is refused all the same.

    Raises:
        DataError: for the error of the report.
    """
    if not report.errors:
        return
    (error,) = report.errors
    if force and report.counts["observed_markers"]:
        logger.warning("warning: imputed because of --force: %s", error)
        return
    raise DataError(f"{error}{_remedy(report, saved)}", target)


def _remedy(report: TargetReport, saved: Path | None) -> str:
    if not report.counts["observed_markers"]:
        return ""
    if _has_other_build(report):
        return "; give --force to impute it anyway"
    listed = "" if saved is None else f"; {saved} lists all regions"
    return f"{listed}; give --region to impute a part, or --force to impute it anyway"
