"""Impute: a target's haplotypes and a model in, imputed genotypes out.

The model's legends are read first, then the target, then the two are compared (`impute_checks.py`); only when that
has succeeded are the output files opened. They get their names when the last site is written.
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np

from rnnimp.choices import TYPED_ONLY
from rnnimp.errors import SettingsError
from rnnimp.formats.bundle import Bundle, bundle_files, manifest_path, open_bundle
from rnnimp.formats.files import sha256_of
from rnnimp.formats.vcf.header import IMPUTE_COMMAND, INCOMPLETE_MODEL, MODEL_CHECKSUM
from rnnimp.imputation.engines.choice import load_engine, require_device
from rnnimp.imputation.impute import impute
from rnnimp.imputation.matched_target import join_model, match_target
from rnnimp.imputation.plan import ImputationPlan, plan_imputation, restrict
from rnnimp.pipeline.impute.checks import CheckedTarget, check_target, without_typed_only
from rnnimp.pipeline.impute.empirical import EmpiricalR2
from rnnimp.pipeline.impute.output import OutputSettings, accurate_sites, open_writer, require_library
from rnnimp.pipeline.impute.report import log_report, report_path, require_fit, save_report
from rnnimp.pipeline.impute.target import (
    Target,
    TargetFiles,
    chosen_samples,
    read_target,
    report_haploid,
    require_kind,
    with_ploidy,
)
from rnnimp.pipeline.impute.whole_model import missing_text, require_whole
from rnnimp.pipeline.outputs import check_outputs
from rnnimp.sites.chromosomes import whole_chromosome
from rnnimp.sites.interval import Interval, parse_interval, require_one_chromosome
from rnnimp.sites.panel import ImputedBlock, chromosome_in_ids
from rnnimp.wording import counted

_WITHOUT_EFFECT = ("threads", "device")  # on the output

logger = logging.getLogger(__name__)
progress_logger = logging.getLogger("rnnimp.progress")  # off with --quiet


@dataclass(frozen=True, kw_only=True)
class ImputeSettings(TargetFiles):
    """Model, output and options of an imputation; the target's files are in `TargetFiles`.

    Attributes:
        model_prefix: Prefix of the model files.
        output_prefix: Prefix of the files to write.
        samples: A file that names the samples to impute; None for all.
        region: Part of the chromosome to write, as `22:50.3-50.6Mb`. Markers around it are used too.
        output_format: See `OutputSettings`.
        format_fields: See `OutputSettings`.
        min_r2: See `OutputSettings`.
        sites_only: See `OutputSettings`.
        threads: Groups of haplotypes run at once; no byte of the output depends on it.
        device: Device on which models run, one of `IMPUTING_DEVICES`.
        flip: Whether target sites on the other strand are flipped to the model's.
        force: Whether to impute regions of which the target has few markers, and with a model that lacks regions.
        typed_only: Either `keep` or `drop`: whether typed sites that are not in the model are written.
        empirical_r2: Whether typed sites that the model imputes are compared with its imputation.
    """

    model_prefix: str
    output_prefix: str
    samples: str | None = None
    region: str | None = None
    output_format: str | None = None
    format_fields: tuple[str, ...] | None = None
    min_r2: float = 0.0
    sites_only: bool = False
    threads: int = 1
    device: str = "cpu"
    flip: bool = False
    force: bool = False
    typed_only: str = "keep"
    empirical_r2: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threads < 1:
            raise SettingsError(f"--threads must be 1 or more, found {self.threads}")
        if self.typed_only not in TYPED_ONLY:
            raise SettingsError(f"--typed-only must be {' or '.join(TYPED_ONLY)}, found {self.typed_only}")
        _ = self.output  # checks its part

    def input_files(self) -> list[str | Path]:
        """All files that are read: the target's, and those of the model that are there."""
        return [*self.files(), *([] if self.samples is None else [self.samples]), *bundle_files(self.model_prefix)]

    @property
    def output(self) -> OutputSettings:
        """Format and place of the output."""
        return OutputSettings(self.output_prefix, self.output_format, self.format_fields, self.min_r2, self.sites_only)


def run_impute(settings: ImputeSettings) -> Path:
    """Impute a target and write it in the chosen format.

    Args:
        settings: Target, model, output and options.

    Returns:
        The path of the file with the genotypes.

    Raises:
        DataError: if target and model do not fit, or a file is missing or damaged.
        SettingsError: if a format needs the chromosome, and it is not known.
        RnnimpError: if a format needs a library that is not installed.
    """
    start = time.perf_counter()
    check_outputs(settings.output.files(), settings.input_files())
    settings.output.report_ending()
    require_device(settings.device)
    require_kind(settings)
    require_library(settings.output)
    bundle = open_bundle(settings.model_prefix)
    require_whole(bundle, settings.force)
    target = chosen_samples(read_target(settings, bundle.chromosome), settings.samples)
    chromosome = _checked_chromosome(settings, target, bundle)
    report_haploid(target, chromosome)
    if settings.output.needs_chromosome and chromosome is None:
        name = settings.output.chosen_format.upper()
        raise SettingsError(
            f"{name} output needs the chromosome, which neither target nor model tells; give --chromosome"
        )
    interval = None if settings.region is None else parse_interval(settings.region)
    checked = _checked_target(settings, target, bundle, interval)
    plan = plan_imputation(checked.target)
    if interval is not None:
        plan = restrict(plan, interval)
    engine = partial(load_engine, device=settings.device)
    names, length = target.panel.sample_names, target.contig_length
    empirical = EmpiricalR2() if settings.empirical_r2 else None
    n_written = 0
    with (
        open_writer(settings.output, names, chromosome, length, provenance(settings, bundle)) as writer,
        closing(impute(plan, engine, threads=settings.threads, keep_own=settings.empirical_r2)) as blocks,
    ):
        for block in _finished(_with_progress(blocks, plan.n_sites), settings, target, empirical):
            writer.write(block)
            n_written += len(block)
    _report(plan, bundle, settings.output.path, n_written, time.perf_counter() - start)
    if empirical is not None:
        empirical.log()
        save_report(report_path(settings.output.bare_prefix), checked.report, empirical_r2=empirical.summary())
    return settings.output.path


def _finished(
    blocks: Iterator[ImputedBlock], settings: ImputeSettings, target: Target, empirical: EmpiricalR2 | None
) -> Iterator[ImputedBlock]:
    """The blocks as they are written: with ploidy and empirical R2, without sites that are too uncertain."""
    blocks = (with_ploidy(block, target.ploidy) for block in blocks)
    if empirical is not None:
        blocks = empirical.added(blocks)
    return accurate_sites(blocks, settings.min_r2)


def provenance(settings: ImputeSettings, bundle: Bundle) -> tuple[tuple[str, str], ...]:
    """Header lines that say how a VCF was made: the command without what changes no byte, and the model."""
    words = ["rnnimp", "impute"]
    for item in fields(settings):
        value = getattr(settings, item.name)
        if item.name in _WITHOUT_EFFECT or value == item.default:
            continue
        words.append(f"--{item.name.replace('_', '-')}")
        if value is not True:
            words.append(",".join(value) if isinstance(value, tuple) else str(value))
    records = [(IMPUTE_COMMAND, shlex.join(words))]
    if bundle.manifest is not None:
        records.append((MODEL_CHECKSUM, sha256_of(manifest_path(bundle.prefix))))
    if bundle.missing_regions:
        records.append((INCOMPLETE_MODEL, missing_text(bundle)))
    return tuple(records)


def _checked_chromosome(settings: ImputeSettings, target: Target, bundle: Bundle) -> str | None:
    """The name to write: as asked for, else of the target, else of the model."""
    sites = target.panel.sites
    names = {
        "given as --chromosome": settings.chromosome,
        "given in --region": None if settings.region is None else parse_interval(settings.region).chromosome,
        "in the target": sites.chromosome,
        "in the target's ids": chromosome_in_ids(sites),
        "in the model": bundle.chromosome,
    }
    require_one_chromosome(names.items(), target.name)
    return next((whole_chromosome(name) for name in names.values() if name is not None), None)


def _checked_target(
    settings: ImputeSettings, target: Target, bundle: Bundle, interval: Interval | None
) -> CheckedTarget:
    """The target on the model's strand, once it is known to fit the model."""
    checked = check_target(
        match_target(target.panel, join_model(bundle)),
        flip=settings.flip,
        chromosome=settings.chromosome,
        contig_length=target.contig_length,
        n_repeated=target.n_repeated,
        interval=interval,
    )
    path = report_path(settings.output.bare_prefix)
    log_report(checked.report)
    save_report(path, checked.report)
    require_fit(checked.report, path, target.name, settings.force)
    matched = without_typed_only(checked.target) if settings.typed_only == "drop" else checked.target
    return replace(checked, target=matched.with_model_alleles())


def _with_progress(blocks: Iterator[ImputedBlock], n_sites: int) -> Iterator[ImputedBlock]:
    """The blocks, with a bar on a terminal unless the logger `rnnimp.progress` is switched off."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield from blocks
        return
    is_shown = progress_logger.isEnabledFor(logging.INFO)
    with tqdm(total=n_sites, desc="impute", unit="site", disable=None if is_shown else True) as bar:
        for block in blocks:
            yield block
            bar.update(len(block))


def _report(plan: ImputationPlan, bundle: Bundle, path: Path, n_written: int, seconds: float) -> None:
    alleles = plan.target.alleles
    n_missing = sum(np.count_nonzero(row < 0) for row in alleles)
    logger.info("target alleles: %.2f%% missing", 100 * n_missing / max(1, alleles.size))
    unobserved = f", {plan.n_unobserved_regions} without any observed marker" if plan.n_unobserved_regions else ""
    missing = f"; the model lacks {missing_text(bundle)}" if bundle.missing_regions else ""
    logger.info("regions: %d%s%s", len(plan.regions), unobserved, missing)
    n_typed = len(plan.typed_rows)
    logger.info(
        "%s: %s (%d imputed, %d typed) of %s in %.1f s",
        *(path, counted(n_written, "site"), n_written - n_typed, n_typed),
        *(counted(len(plan.target.sample_names), "sample"), seconds),
    )
