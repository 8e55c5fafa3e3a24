"""Check: what `rnnimp impute` would say about a target, and the target's own quality, without imputing.

Model and target are read and compared by the same functions as in imputing. What stops an imputation while the target
is read, and is a finding rather than damage, is counted instead: repeated sites, and genotypes without phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.bundle import Bundle, open_bundle
from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.json_files import json_bytes
from rnnimp.formats.unphased import Unphased
from rnnimp.imputation.matched_target import join_model
from rnnimp.pipeline.check import tables
from rnnimp.pipeline.check.expected import expected_accuracy
from rnnimp.pipeline.check.quality import TargetQuality, target_quality
from rnnimp.pipeline.check.text import check_text
from rnnimp.pipeline.chromosomes import each_chromosome
from rnnimp.pipeline.impute.ready import compared_target, planned
from rnnimp.pipeline.impute.report import TargetReport
from rnnimp.pipeline.impute.run import ImputeSettings, chosen_target, require_inputs
from rnnimp.pipeline.impute.target import Target
from rnnimp.pipeline.impute.whole_model import incomplete_text
from rnnimp.pipeline.outputs import check_outputs
from rnnimp.wording import counted

TEXT_ENDING = "checks.txt"


@dataclass(frozen=True, eq=False)
class CheckResult:
    """The findings of a check.

    Attributes:
        report: What imputing would report, with further warnings and errors.
        sections: Further sections of `PREFIX.checks.json` by name.
        quality: Figures of the target.
        kinds: The `MatchKind` of each target site, int8 (n_sites,).
        called_at_markers: Share of each sample's alleles that is called at the markers, float64 (n_samples,).
        names: What was checked: `target` and `model`.
    """

    report: TargetReport
    sections: dict[str, Any]
    quality: TargetQuality
    kinds: NDArray[np.int8]
    called_at_markers: NDArray[np.float64]
    names: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The content of `PREFIX.checks.json`: that of imputing, and further sections."""
        return {**asdict(self.report), **self.sections}

    def text(self) -> str:
        """The findings for the eye."""
        return check_text(self.report, self.sections, self.names)

    def exit_code(self, strict: bool) -> int:
        """1 if imputing would stop, or with `strict` if anything is warned of; else 0."""
        return int(bool(self.report.errors or (strict and self.report.warnings)))


def run_check(settings: ImputeSettings) -> CheckResult:
    """Check a target, and write the findings if the settings name an output.

    Args:
        settings: Those of the imputation.

    Raises:
        DataError: if a file is missing or damaged, or target and model are of different chromosomes.
    """
    check_outputs(output_files(settings), settings.input_files())
    require_inputs(settings)
    bundle = open_bundle(settings.model_prefix)
    unphased = Unphased()
    # repeated sites are counted, so that all findings are known at once
    reading = replace(settings, keep_first_duplicate=True)
    target, _ = chosen_target(reading, bundle, unphased)
    result = _compared(settings, bundle, target)
    result.report.errors[:0] = _reading_errors(settings, bundle, target, unphased)
    if output_files(settings):
        _write(settings, result)
    return result


def check_chromosomes(parts: Mapping[str, ImputeSettings]) -> dict[str, CheckResult]:
    """Check the targets of several chromosomes.

    Args:
        parts: Settings by the chromosome's name.

    Returns:
        The findings by the chromosome's name.

    Raises:
        DataError: at the end, naming the chromosomes whose files cannot be read.
    """
    results: dict[str, CheckResult] = {}

    def check(name: str, settings: ImputeSettings) -> None:
        results[name] = run_check(settings)

    each_chromosome(parts, check, "checked")
    return results


def _compared(settings: ImputeSettings, bundle: Bundle, target: Target) -> CheckResult:
    checked = compared_target(settings.options, target, join_model(bundle))
    if not checked.report.errors:
        planned(settings.options, checked)
    quality = target_quality(target)
    checked.report.warnings.extend(quality.warnings())
    sections = {**quality.sections(), "expected_accuracy": expected_accuracy(checked.report.regions, bundle)}
    samples, sites = counted(len(target.panel.sample_names), "sample"), counted(len(target.panel.sites), "site")
    regions = counted(len(bundle.regions), "region")
    names = {"target": f"{target.name}: {samples}, {sites}", "model": f"{settings.model_prefix}: {regions}"}
    return CheckResult(checked.report, sections, quality, checked.target.match.kinds, checked.called_shares, names)


def _reading_errors(settings: ImputeSettings, bundle: Bundle, target: Target, unphased: Unphased) -> list[str]:
    """What stops an imputation before the target is compared with the model."""
    errors = []
    if bundle.missing_regions:
        errors.append(incomplete_text(bundle))
    if unphased.n_genotypes:
        genotypes = counted(unphased.n_genotypes, "heterozygous genotype")
        errors.append(f"{genotypes} without phase, the first at {unphased.first}; phase the genotypes first")
    if target.n_repeated and not settings.keep_first_duplicate:
        errors.append(
            f"{counted(target.n_repeated, 'site')} repeated; remove the duplicates, or keep the first of each with "
            "--keep-first-duplicate"
        )
    return errors


def output_files(settings: ImputeSettings) -> list[Path]:
    """The files that are written: none without an output, else first `PREFIX.checks.json`."""
    output = settings.output
    if output.report is None:
        return []
    endings = (TEXT_ENDING, tables.SAMPLES_ENDING, tables.SITES_ENDING)
    return [output.report, *(Path(f"{output.bare_prefix}.{ending}") for ending in endings)]


def _write(settings: ImputeSettings, result: CheckResult) -> None:
    report, text, *_ = output_files(settings)
    with AtomicGroup() as group:
        group.open(report).write(json_bytes(result.as_dict(), sort_keys=False, allow_nan=False))
        group.open(text).write(result.text().encode())
        prefix = settings.output.bare_prefix
        tables.write_tables(group, prefix, result.quality, result.kinds, result.called_at_markers)
