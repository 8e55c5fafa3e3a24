"""Impute: a target's haplotypes and a model in, imputed genotypes out.

The model's legends are read first, then the target, then the two are compared (`ready.py`); only when that has
succeeded are the output files opened. They get their names when the last site is written.
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from rnnimp.choices import DEFAULT_FORMAT, STANDARD_STREAM
from rnnimp.errors import SettingsError
from rnnimp.formats.bundle import Bundle, bundle_files, open_bundle
from rnnimp.formats.unphased import Unphased
from rnnimp.formats.vcf.header import IMPUTE_COMMAND
from rnnimp.imputation.engines.choice import require_device
from rnnimp.imputation.matched_target import join_model
from rnnimp.imputation.plan import ImputationPlan
from rnnimp.pipeline.impute.excluded import without_samples, without_sites
from rnnimp.pipeline.impute.output import OutputSettings, open_writer, require_library
from rnnimp.pipeline.impute.ready import ImputeOptions, checked_chromosome, model_records, ready_to_impute
from rnnimp.pipeline.impute.report import save_report
from rnnimp.pipeline.impute.samples import SampleTable
from rnnimp.pipeline.impute.target import (
    Target,
    TargetFiles,
    chosen_samples,
    read_target,
    report_haploid,
    require_kind,
    require_present,
)
from rnnimp.pipeline.impute.whole_model import missing_text, require_whole
from rnnimp.pipeline.outputs import check_outputs
from rnnimp.sites.panel import ImputedBlock
from rnnimp.wording import counted

_WITHOUT_EFFECT = ("threads", "device", "default_format")  # on the records of a VCF

logger = logging.getLogger(__name__)
progress_logger = logging.getLogger("rnnimp.progress")  # off with --quiet


@dataclass(frozen=True, kw_only=True)
class ImputeSettings(TargetFiles):
    """Model, output and options of an imputation; the target's files are in `TargetFiles`.

    Attributes:
        model_prefix: Prefix of the model files.
        output_prefix: Prefix of the files to write.
        samples: A file that names the samples to impute; None for all.
        exclude_samples: A file that names samples to leave out; None for none.
        exclude_sites: A file that lists sites of the target to leave out; None for none.
        region: See `ImputeOptions`.
        output_format: See `OutputSettings`.
        default_format: See `OutputSettings`.
        format_fields: See `OutputSettings`.
        min_r2: See `ImputeOptions`.
        sites_only: See `OutputSettings`.
        contigs: See `OutputSettings`.
        threads: See `ImputeOptions`.
        device: See `ImputeOptions`.
        flip: See `ImputeOptions`.
        force: See `ImputeOptions`.
        typed_only: See `ImputeOptions`.
        empirical_r2: See `ImputeOptions`.
    """

    model_prefix: str
    output_prefix: str
    samples: str | None = None
    exclude_samples: str | None = None
    exclude_sites: str | None = None
    region: str | None = None
    output_format: str | None = None
    default_format: str = DEFAULT_FORMAT
    format_fields: tuple[str, ...] | None = None
    min_r2: float = 0.0
    sites_only: bool = False
    contigs: str | None = None
    threads: int = 1
    device: str = "cpu"
    flip: bool = False
    force: bool = False
    typed_only: str = "keep"
    empirical_r2: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.options, self.output  # each checks its part

    def input_files(self) -> list[str | Path]:
        """All files that are read: the target's, and those of the model that are there."""
        return [*self.files(), *self.lists(), *bundle_files(self.model_prefix)]

    def lists(self) -> list[str]:
        """The files that name samples and sites."""
        return [name for name in (self.samples, self.exclude_samples, self.exclude_sites) if name is not None]

    @property
    def output(self) -> OutputSettings:
        """Format and place of the output."""
        chosen = (self.output_format, self.format_fields, self.sites_only, self.default_format, self.contigs)
        return OutputSettings(self.output_prefix, *chosen)

    @property
    def options(self) -> ImputeOptions:
        """How to impute."""
        return ImputeOptions(**{item.name: getattr(self, item.name) for item in fields(ImputeOptions)})


def require_inputs(settings: ImputeSettings) -> None:
    """Look whether the target's files and the lists are there, before the model is opened.

    Raises:
        DataError: if a file is missing or of another kind.
        RnnimpError: if a library that reads it is not installed.
    """
    require_kind(settings)
    for path in settings.lists():
        require_present(path)


def run_impute(settings: ImputeSettings) -> Path:
    """Impute a target and write it in the chosen format.

    Args:
        settings: Target, model, output and options.

    Returns:
        The path of the file with the genotypes; `-` for standard output.

    Raises:
        DataError: if target and model do not fit, or a file is missing or damaged.
        SettingsError: if a format needs the chromosome, and it is not known.
        RnnimpError: if a format needs a library that is not installed.
    """
    start = time.perf_counter()
    check_outputs(settings.output.files(), settings.input_files())
    settings.output.report_ending()
    require_device(settings.device)
    require_library(settings.output)
    require_inputs(settings)
    bundle = open_bundle(settings.model_prefix)
    require_whole(bundle, settings.force)
    target, chromosome = chosen_target(settings, bundle)
    if settings.output.needs_chromosome and chromosome is None:
        name = settings.output.chosen_format.upper()
        raise SettingsError(
            f"{name} output needs the chromosome, which neither target nor model tells; give --chromosome, or write "
            "GEN with --output-format gen"
        )
    report = settings.output.report
    ready = ready_to_impute(settings.options, target, join_model(bundle), report)
    names, length = target.panel.sample_names, target.contig_length
    samples = SampleTable(names, ready.called_shares)
    n_written = 0
    with (
        open_writer(settings.output, names, chromosome, length, provenance(settings, bundle)) as writer,
        closing(ready.blocks()) as blocks,
    ):
        for block in samples.added(_with_progress(blocks, ready.plan.n_sites)):
            writer.write(block)
            n_written += len(block)
    _report(ready.plan, bundle, settings.output.path, n_written, time.perf_counter() - start)
    if ready.empirical is not None:
        ready.empirical.log()
    if ready.empirical is not None and report is not None:
        save_report(report, ready.report, empirical_r2=ready.empirical.summary())
    if settings.output.sample_table is not None:
        samples.save(settings.output.sample_table)
    return settings.output.path


def chosen_target(
    settings: ImputeSettings, bundle: Bundle, unphased: Unphased | None = None
) -> tuple[Target, str | None]:
    """Read the target, with the samples and sites that the settings choose, and the name of its chromosome.

    Args:
        settings: Files of the target, and what of them to take.
        bundle: The model.
        unphased: See `read_target`.

    Raises:
        DataError: naming what is malformed, or two chromosomes that differ.
    """
    target = chosen_samples(read_target(settings, bundle.chromosome, unphased), settings.samples)
    target = without_samples(target, settings.exclude_samples)
    chromosome = checked_chromosome(settings.options, target, bundle.chromosome)
    target = without_sites(target, settings.exclude_sites, chromosome)
    report_haploid(target, chromosome)
    return target, chromosome


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
    return (IMPUTE_COMMAND, shlex.join(words)), *model_records(bundle)


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
    name = "standard output" if str(path) == STANDARD_STREAM else path
    logger.info(
        "%s: %s (%d imputed, %d typed) of %s in %.1f s",
        *(name, counted(n_written, "site"), n_written - n_typed, n_typed),
        *(counted(len(plan.target.sample_names), "sample"), seconds),
    )
