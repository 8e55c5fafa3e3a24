"""The report on a target beside a model: warnings, errors, and `PREFIX.checks.json`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rnnimp.errors import DataError
from rnnimp.formats.files import atomic_output
from rnnimp.sites.target_checks import (
    LEAST_SHARE,
    LOW_SHARE,
    RegionCoverage,
)

logger = logging.getLogger(__name__)

_MAX_NAMED = 10


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
