"""Impute: a target's haplotypes and a model in, imputed genotypes out.

The model's legends are read first, then the target, then the two are matched; only when that has succeeded are the
output files opened. They get their names when the last site is written.
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np

from rnnimp.bundle import Bundle, manifest_path, open_bundle, sha256_of
from rnnimp.engines import load_engine, require_device
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats import hapslegend, vcf
from rnnimp.formats.files import read_lines
from rnnimp.imputation import ImputationPlan, impute, plan_imputation, restrict
from rnnimp.interval import parse_interval, require_one_chromosome
from rnnimp.panel import ImputedBlock, Panel, chromosome_in_ids
from rnnimp.pipeline.impute_output import OutputSettings, accurate_sites, open_writer

_WITHOUT_EFFECT = ("threads", "device")  # on the output

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
        samples: a file that names the samples to impute; all without.
        region: sites to write, as `22:50.3-50.6Mb`; markers around it are used all the same.
        output_format: and the next three: see `OutputSettings`.
        format_fields: see there.
        min_r2: see there.
        sites_only: see there.
        threads: groups of haplotypes run at once; no byte of the output depends on it.
        device: where models run, one of `DEVICES`.
    """

    model_prefix: str
    output_prefix: str
    hap: str | None = None
    legend: str | None = None
    sample: str | None = None
    vcf: str | None = None
    chromosome: str | None = None
    samples: str | None = None
    region: str | None = None
    output_format: str | None = None
    format_fields: tuple[str, ...] = ("GT", "DS", "GP")
    min_r2: float = 0.0
    sites_only: bool = False
    threads: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        if (self.vcf is None) == (self.hap is None):
            raise SettingsError("expected one target, either --hap with --legend or --vcf; give one of them")
        if (self.hap is None) != (self.legend is None):
            raise SettingsError("expected --hap and --legend together; a VCF needs neither")
        if self.vcf is not None and self.sample is not None:
            raise SettingsError("--sample goes with --hap; a VCF names its samples itself")
        if self.threads < 1:
            raise SettingsError(f"--threads must be 1 or more, found {self.threads}")
        _ = self.output  # checks its part

    @property
    def output(self) -> OutputSettings:
        """What concerns the files to write."""
        return OutputSettings(self.output_prefix, self.output_format, self.format_fields, self.min_r2, self.sites_only)


def run_impute(settings: ImputeSettings) -> Path:
    """Impute a target and write it as GEN, VCF or BCF.

    Args:
        settings: what to impute, with what, and where to.

    Returns:
        The path of the file with the genotypes.

    Raises:
        DataError: if target and model do not fit, or a file is missing or damaged.
        SettingsError: if a VCF is wanted but nothing tells the chromosome.
    """
    start = time.perf_counter()
    require_device(settings.device)
    bundle = open_bundle(settings.model_prefix)
    target = chosen_samples(read_target(settings, bundle), settings.samples)
    chromosome = _checked_chromosome(settings, target, bundle)
    if settings.output.is_vcf and chromosome is None:
        raise SettingsError("VCF output needs the chromosome, which neither target nor model tells; give --chromosome")
    plan = plan_imputation(target, bundle)
    if settings.region is not None:
        plan = restrict(plan, parse_interval(settings.region))
    blocks = impute(plan, partial(load_engine, device=settings.device), threads=settings.threads)
    n_written = 0
    with (
        open_writer(settings.output, target.sample_names, chromosome, None, provenance(settings, bundle)) as writer,
        closing(blocks),
    ):
        for block in accurate_sites(_with_progress(blocks, plan.n_sites), settings.min_r2):
            writer.write(block)
            n_written += len(block)
    _report(plan, settings.output.path, n_written, time.perf_counter() - start)
    return settings.output.path


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
    records = [("rnnimp_imputeCommand", shlex.join(words))]
    if bundle.manifest is not None:
        records.append(("rnnimp_modelManifestSHA256", sha256_of(manifest_path(bundle.prefix))))
    return tuple(records)


def read_target(settings: ImputeSettings, bundle: Bundle) -> Panel:
    """The target as a whole: of the array's few sites, not of the imputed ones."""
    if settings.vcf is not None:
        # a VCF may hold other chromosomes, which the model has nothing to say about
        chromosome = settings.chromosome or bundle.chromosome
        return vcf.open_panel(settings.vcf, chromosome=chromosome, keep_monomorphic=True).read()
    assert settings.hap is not None and settings.legend is not None
    return hapslegend.open_panel(settings.hap, settings.legend, settings.sample, settings.chromosome).read()


def chosen_samples(target: Panel, path: str | None) -> Panel:
    """The samples that a file names, in the target's order; all without one.

    Raises:
        DataError: if the target has not all of them, or the file names none.
    """
    if path is None:
        return target
    names = [name for name in read_lines(path) if name.strip()]
    unknown = set(names) - set(target.sample_names)
    if unknown or not names:
        found = f"no {sorted(unknown)[0]}" if unknown else "no name"
        raise DataError(f"expected samples of the target, a name a line, found {found}; check --samples", path)
    chosen = set(names)
    return target.take_samples(np.flatnonzero([name in chosen for name in target.sample_names]))


def _checked_chromosome(settings: ImputeSettings, target: Panel, bundle: Bundle) -> str | None:
    """The name to write: as asked for, else of the target, else of the model."""
    names = {
        "given as --chromosome": settings.chromosome,
        "given in --region": None if settings.region is None else parse_interval(settings.region).chromosome,
        "in the target": target.sites.chromosome,
        "in the target's ids": chromosome_in_ids(target.sites),
        "in the model": bundle.chromosome,
    }
    require_one_chromosome(names.items(), settings.vcf or settings.legend)
    return next((name for name in names.values() if name is not None), None)


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


def _report(plan: ImputationPlan, path: Path, n_written: int, seconds: float) -> None:
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
    n_missing = sum(np.count_nonzero(row < 0) for row in alleles)
    logger.info("target alleles: %.2f%% missing", 100 * n_missing / max(1, alleles.size))
    logger.info("model markers: %d observed, %d missing from the target", counts.observed_markers, counts.missing)
    unobserved = f", {plan.n_unobserved_regions} without any observed marker" if plan.n_unobserved_regions else ""
    n_typed = len(plan.typed_rows)
    logger.info("regions: %d%s", len(plan.regions), unobserved)
    logger.info(
        "%s: %d sites (%d imputed, %d typed) of %d samples in %.1f s",
        path,
        n_written,
        n_written - n_typed,
        n_typed,
        len(plan.target.sample_names),
        seconds,
    )
