"""From a target that has been read and an opened model to imputed blocks; opens no output.

`rnnimp impute` writes the blocks to files (`run.py`), the Python API joins them in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import TYPED_ONLY
from rnnimp.errors import SettingsError
from rnnimp.formats.bundle import Bundle, manifest_path
from rnnimp.formats.files import sha256_of
from rnnimp.formats.vcf.header import INCOMPLETE_MODEL, MODEL_CHECKSUM
from rnnimp.imputation.engines.choice import load_engine
from rnnimp.imputation.impute import impute
from rnnimp.imputation.matched_target import JoinedModel, match_target, separate_starts
from rnnimp.imputation.plan import ImputationPlan, plan_imputation, restrict
from rnnimp.pipeline.impute.checks import CheckedTarget, check_target, without_typed_only
from rnnimp.pipeline.impute.empirical import EmpiricalR2
from rnnimp.pipeline.impute.output import accurate_sites
from rnnimp.pipeline.impute.report import TargetReport, log_report, require_fit, save_report
from rnnimp.pipeline.impute.target import Target, with_known_borders, with_ploidy
from rnnimp.pipeline.impute.whole_model import missing_text
from rnnimp.sites.chromosomes import whole_chromosome
from rnnimp.sites.interval import Interval, parse_interval, require_one_chromosome
from rnnimp.sites.panel import ImputedBlock, chromosome_in_ids


@dataclass(frozen=True, kw_only=True)
class ImputeOptions:
    """How to impute, wherever the target comes from and the result goes.

    Attributes:
        chromosome: Name of the chromosome. None takes that of the target or the model.
        region: Part of the chromosome to write, as `22:50.3-50.6Mb`. Markers around it are used too.
        min_r2: Imputed sites with a lower Minimac R2, or none, are left out.
        threads: Groups of haplotypes run at once; no byte of the output depends on it.
        device: Device on which models run, one of `IMPUTING_DEVICES`.
        flip: Whether target sites on the other strand are flipped to the model's.
        force: Whether to impute regions of which the target has few markers, and with a model that lacks regions.
        typed_only: Either `keep` or `drop`: whether typed sites that are not in the model are written.
        empirical_r2: Whether typed sites that the model imputes are compared with its imputation.
    """

    chromosome: str | None = None
    region: str | None = None
    min_r2: float = 0.0
    threads: int = 1
    device: str = "cpu"
    flip: bool = False
    force: bool = False
    typed_only: str = "keep"
    empirical_r2: bool = False

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise SettingsError(f"--threads must be 1 or more, found {self.threads}")
        if self.typed_only not in TYPED_ONLY:
            raise SettingsError(f"--typed-only must be {' or '.join(TYPED_ONLY)}, found {self.typed_only}")
        if not 0 <= self.min_r2 <= 1:
            raise SettingsError(f"--min-r2 must be from 0 to 1, found {self.min_r2:g}")

    @property
    def interval(self) -> Interval | None:
        """The part of the chromosome to write; None for all."""
        return None if self.region is None else parse_interval(self.region)


@dataclass(frozen=True, eq=False)
class ReadyImputation:
    """A target that fits its model, and the plan for it.

    Attributes:
        plan: The sites of each region.
        report: Findings of the checks.
        target: The target as it was read.
        options: How to impute.
        called_shares: See `CheckedTarget`.
        empirical: Gathers the empirical R2 of the blocks; None if that was not asked for.
    """

    plan: ImputationPlan
    report: TargetReport
    target: Target
    options: ImputeOptions
    called_shares: NDArray[np.float64]
    empirical: EmpiricalR2 | None

    def blocks(self) -> Generator[ImputedBlock, None, None]:
        """Impute: blocks in order of position, with all that writers need. Close it to stop early."""
        options = self.options
        engine = partial(load_engine, device=options.device)
        with closing(impute(self.plan, engine, threads=options.threads, keep_own=options.empirical_r2)) as imputed:
            blocks: Iterator[ImputedBlock] = (with_ploidy(block, self.target.ploidy) for block in imputed)
            if self.empirical is not None:
                blocks = self.empirical.added(blocks)
            yield from accurate_sites(blocks, options.min_r2)


def checked_chromosome(options: ImputeOptions, target: Target, model_chromosome: str | None) -> str | None:
    """The name to write: as asked for, else of the target, else of the model.

    Raises:
        DataError: if two of them are of different chromosomes.
    """
    sites, interval = target.panel.sites, options.interval
    names = {
        "given as --chromosome": options.chromosome,
        "given in --region": None if interval is None else interval.chromosome,
        "in the target": sites.chromosome,
        "in the target's ids": chromosome_in_ids(sites),
        "in the model": model_chromosome,
    }
    require_one_chromosome(names.items(), target.name)
    return next((whole_chromosome(name) for name in names.values() if name is not None), None)


def ready_to_impute(
    options: ImputeOptions, target: Target, model: JoinedModel, report: Path | None = None
) -> ReadyImputation:
    """Check a target against a model, and plan its imputation.

    Args:
        options: How to impute.
        target: The target.
        model: The model.
        report: Where to save the findings of the checks; None saves nothing.

    Raises:
        DataError: if target and model do not fit.
    """
    checked = _checked_target(options, target, model, report)
    plan = planned(options, checked)
    chromosome = options.chromosome or target.panel.sites.chromosome or model.chromosome
    target = with_known_borders(target, chromosome, separate_starts(model))
    empirical = EmpiricalR2() if options.empirical_r2 else None
    return ReadyImputation(plan, checked.report, target, options, checked.called_shares, empirical)


def planned(options: ImputeOptions, checked: CheckedTarget) -> ImputationPlan:
    """The sites of each region, in the part of the chromosome that is asked for.

    Raises:
        DataError: if there is nothing to impute.
    """
    plan = plan_imputation(checked.target)
    return plan if options.interval is None else restrict(plan, options.interval)


def compared_target(options: ImputeOptions, target: Target, model: JoinedModel) -> CheckedTarget:
    """The target beside the model, and the findings of the checks; nothing is refused yet."""
    return check_target(
        match_target(target.panel, model),
        flip=options.flip,
        chromosome=options.chromosome,
        contig_length=target.contig_length,
        n_repeated=target.n_repeated,
        interval=options.interval,
    )


def _checked_target(options: ImputeOptions, target: Target, model: JoinedModel, report: Path | None) -> CheckedTarget:
    """The target on the model's strand, once it is known to fit the model."""
    checked = compared_target(options, target, model)
    log_report(checked.report)
    if report is not None:
        save_report(report, checked.report)
    require_fit(checked.report, report, target.name, options.force)
    matched = without_typed_only(checked.target) if options.typed_only == "drop" else checked.target
    return replace(checked, target=matched.with_model_alleles())


def model_records(bundle: Bundle) -> tuple[tuple[str, str], ...]:
    """Header lines of a VCF that say with which model it was made."""
    records = []
    if bundle.manifest is not None:
        records.append((MODEL_CHECKSUM, sha256_of(manifest_path(bundle.prefix))))
    if bundle.missing_regions:
        records.append((INCOMPLETE_MODEL, missing_text(bundle)))
    return tuple(records)
