"""Impute: a target's haplotypes and a model in, GEN or VCF out.

The model's legends are read first, then the target, then the two are matched; only when that has succeeded are the
output files opened. They get their names when the last site is written.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from rnnimp.bundle import Bundle, open_bundle
from rnnimp.engines import load_engine
from rnnimp.errors import SettingsError
from rnnimp.formats import hapslegend, vcf
from rnnimp.formats.gen import GenWriter
from rnnimp.formats.vcf_output import VcfWriter
from rnnimp.imputation import ImputationPlan, impute, plan_imputation
from rnnimp.interval import require_one_chromosome
from rnnimp.panel import ImputedBlock, Panel, chromosome_in_ids

OUTPUT_FORMATS = ("gen", "vcf")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImputeSettings:
    """What to impute, with what, and where to.

    Attributes:
        model_prefix: of the bundle.
        output_prefix: of the files to write.
        hap: the target's haplotypes, with `legend`; or else `vcf`.
        legend: their sites.
        sample: their sample names; `Sample_1...` without.
        vcf: the target as VCF or BCF.
        chromosome: its name; None to take it from the target or the model.
        output_format: one of `OUTPUT_FORMATS`.
        threads: groups of haplotypes run at once; no byte of the output depends on it.
    """

    model_prefix: str
    output_prefix: str
    hap: str | None = None
    legend: str | None = None
    sample: str | None = None
    vcf: str | None = None
    chromosome: str | None = None
    output_format: str = "gen"
    threads: int = 1

    def __post_init__(self) -> None:
        if (self.vcf is None) == (self.hap is None):
            raise SettingsError("expected one target, either --hap with --legend or --vcf; give one of them")
        if (self.hap is None) != (self.legend is None):
            raise SettingsError("expected --hap and --legend together; a VCF needs neither")
        if self.vcf is not None and self.sample is not None:
            raise SettingsError("--sample goes with --hap; a VCF names its samples itself")
        if self.output_format not in OUTPUT_FORMATS:
            formats = " or ".join(OUTPUT_FORMATS)
            raise SettingsError(f"--output-format must be {formats}, found {self.output_format}")
        if self.threads < 1:
            raise SettingsError(f"--threads must be 1 or more, found {self.threads}")


class Writer(Protocol):
    """Takes blocks one after the other."""

    def write(self, block: ImputedBlock) -> None:
        """Append sites."""


def run_impute(settings: ImputeSettings) -> Path:
    """Impute a target and write `PREFIX.gen` and `PREFIX.sample`, or `PREFIX.vcf`.

    Args:
        settings: what to impute, with what, and where to.

    Returns:
        The path of the GEN or VCF.

    Raises:
        DataError: if target and model do not fit, or a file is missing or damaged.
        SettingsError: if a VCF is wanted but nothing tells the chromosome.
    """
    start = time.perf_counter()
    bundle = open_bundle(settings.model_prefix)
    target = read_target(settings, bundle)
    chromosome = _checked_chromosome(settings, target, bundle)
    if settings.output_format == "vcf" and chromosome is None:
        raise SettingsError("VCF output needs the chromosome, which neither target nor model tells; give --chromosome")
    plan = plan_imputation(target, bundle)
    path = Path(f"{settings.output_prefix}.{settings.output_format}")
    blocks = impute(plan, load_engine, threads=settings.threads)
    with _open_writer(settings, plan, chromosome) as writer, closing(blocks):
        for block in _with_progress(blocks, plan.n_sites):
            writer.write(block)
    _report(plan, path, time.perf_counter() - start)
    return path


def read_target(settings: ImputeSettings, bundle: Bundle) -> Panel:
    """The target as a whole: of the array's few sites, not of the imputed ones."""
    if settings.vcf is not None:
        # a VCF may hold other chromosomes, which the model has nothing to say about
        chromosome = settings.chromosome or bundle.chromosome
        return vcf.open_panel(settings.vcf, chromosome=chromosome, keep_monomorphic=True).read()
    assert settings.hap is not None and settings.legend is not None
    return hapslegend.open_panel(settings.hap, settings.legend, settings.sample, settings.chromosome).read()


def _checked_chromosome(settings: ImputeSettings, target: Panel, bundle: Bundle) -> str | None:
    """The name to write: as asked for, else of the target, else of the model."""
    names = {
        "given as --chromosome": settings.chromosome,
        "in the target": target.sites.chromosome,
        "in the target's ids": chromosome_in_ids(target.sites),
        "in the model": bundle.chromosome,
    }
    require_one_chromosome(names.items(), settings.vcf or settings.legend)
    return next((name for name in names.values() if name is not None), None)


def _open_writer(
    settings: ImputeSettings, plan: ImputationPlan, chromosome: str | None
) -> AbstractContextManager[Writer]:
    names = plan.target.sample_names
    if settings.output_format == "gen":
        return GenWriter(settings.output_prefix, names)
    assert chromosome is not None
    return VcfWriter(f"{settings.output_prefix}.vcf", names, chromosome)


def _with_progress(blocks: Iterator[ImputedBlock], n_sites: int) -> Iterator[ImputedBlock]:
    """The blocks, with a bar on a terminal."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield from blocks
        return
    with tqdm(total=n_sites, desc="impute", unit="site", disable=None) as bar:
        for block in blocks:
            yield block
            bar.update(len(block))


def _report(plan: ImputationPlan, path: Path, seconds: float) -> None:
    counts = plan.counts
    logger.info(
        "target sites: %d matched, %d swapped, %d strand-flipped, %d mismatched, %d not in the model",
        counts.matched,
        counts.swapped,
        counts.strand_flipped,
        counts.mismatched,
        counts.not_in_model,
    )
    alleles = plan.target.alleles
    logger.info("target alleles: %.2f%% missing", 100 * np.count_nonzero(alleles < 0) / max(1, alleles.size))
    logger.info("model markers: %d observed, %d missing from the target", counts.observed_markers, counts.missing)
    unobserved = f", {plan.n_unobserved_regions} without any observed marker" if plan.n_unobserved_regions else ""
    n_typed = len(plan.target.sites)
    logger.info("regions: %d%s", len(plan.regions), unobserved)
    logger.info(
        "%s: %d sites (%d imputed, %d typed) of %d samples in %.1f s",
        path,
        plan.n_sites,
        plan.n_sites - n_typed,
        n_typed,
        len(plan.target.sample_names),
        seconds,
    )
