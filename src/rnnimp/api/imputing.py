"""Imputing into memory, and writing the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.api.haplotypes import Haplotypes, read_haplotype_files, target_files, target_of
from rnnimp.api.model import Model, as_model
from rnnimp.errors import SettingsError
from rnnimp.formats.vcf.genotypes import Calls, block_sums, calls_of
from rnnimp.imputation.engines.choice import require_device
from rnnimp.pipeline.impute.excluded import without_samples, without_sites
from rnnimp.pipeline.impute.output import OutputSettings, open_writer, require_library
from rnnimp.pipeline.impute.ready import ImputeOptions, checked_chromosome, model_records, ready_to_impute
from rnnimp.pipeline.impute.report import TargetReport
from rnnimp.pipeline.impute.target import chosen_samples, report_haploid
from rnnimp.pipeline.impute.whole_model import require_whole
from rnnimp.pipeline.outputs import check_outputs
from rnnimp.scoring.site_sums import SiteSums
from rnnimp.sites.panel import GenotypeTable, ImputedBlock, Sites
from rnnimp.wording import counted

_BLOCK_BYTES = 1 << 25  # of probabilities that are scored or written at once


@dataclass(frozen=True, eq=False, repr=False)
class Imputed:
    """Imputed and typed sites of all samples, in order of position.

    Attributes:
        block: Probabilities of the alleles, and which of them were observed.
        sample_names: n_samples names.
        chromosome: Name of the chromosome; None if neither haplotypes nor model say it.
        r2: Estimated R2 (Minimac's) of each site, float64 (n_sites,); NaN where the site does not vary.
        a1_frequency: Expected frequency of a1, float64 (n_sites,).
        checks: Findings of the checks before imputing, as in `.checks.json`.
        chromosome_length: Length of the chromosome in base pairs; None if not known.
        model_records: Lines for the header of a VCF that name the model.
    """

    block: ImputedBlock
    sample_names: tuple[str, ...]
    chromosome: str | None
    r2: NDArray[np.float64]
    a1_frequency: NDArray[np.float64]
    checks: dict[str, Any]
    chromosome_length: int | None = None
    model_records: tuple[tuple[str, str], ...] = ()

    @property
    def sites(self) -> Sites:
        """The n_sites sites, with `positions`, `ids`, `a0` and `a1`, which are REF and ALT if the panel was a VCF."""
        return self.block.sites

    @property
    def is_typed(self) -> NDArray[np.bool_]:
        """True where the target's own genotypes stand, False where the model imputed, bool (n_sites,)."""
        return self.block.is_typed

    @property
    def allele_probabilities(self) -> NDArray[np.float64]:
        """P(a1) on each haplotype, float64 (n_sites, 2 * n_samples); NaN for missing alleles of typed sites.

        The second column of a haploid sample is NaN.
        """
        return self.block.known_probabilities()

    @property
    def dosages(self) -> NDArray[np.float32]:
        """Expected copies of a1, float32 (n_sites, n_samples); NaN where a typed genotype is missing.

        From 0 to 2, of a haploid sample from 0 to 1. These are the DS of a VCF, not rounded.
        """
        calls = calls_of(self.block)
        return _without_missing(calls.dosages, calls)

    @property
    def genotype_probabilities(self) -> NDArray[np.float32]:
        """P(0, 1 and 2 copies of a1), float32 (n_sites, n_samples, 3); NaN where a typed genotype is missing.

        These are the GP of a VCF, not rounded. For a haploid sample, the third is 0.
        """
        calls = calls_of(self.block)
        return np.stack([_without_missing(part, calls) for part in calls.genotypes], axis=-1)

    @property
    def empirical_r2(self) -> NDArray[np.float64] | None:
        """Agreement of typed sites with their imputation, float64 (n_sites,); None if it was not asked for."""
        return self.block.empirical_r2

    @property
    def summary(self) -> dict[str, Any]:
        """Numbers of samples, sites and markers, the mean R2 of imputed sites, and the warnings of the checks."""
        r2 = self.r2[~self.is_typed & ~np.isnan(self.r2)]
        counts = self.checks["counts"]
        return {
            "samples": len(self.sample_names),
            "sites": len(self.sites),
            "typed_sites": int(np.count_nonzero(self.is_typed)),
            "imputed_sites": int(np.count_nonzero(~self.is_typed)),
            "matched_markers": counts["observed_markers"],
            "missing_markers": counts["missing_markers"],
            "mean_r2": float(r2.mean()) if r2.size else float("nan"),
            "warnings": list(self.checks["warnings"]),
        }

    def site_table(self) -> dict[str, NDArray[Any]]:
        """One array per column, each (n_sites,): `pandas.DataFrame(imputed.site_table())` makes a table."""
        sites = self.sites
        return {
            "position": sites.positions,
            "id": sites.ids,
            "a0": sites.a0,
            "a1": sites.a1,
            "is_typed": self.is_typed,
            "a1_frequency": self.a1_frequency,
            "r2": self.r2,
        }

    def table(self) -> GenotypeTable:
        """The genotypes in the form in which `read_genotypes` gives those of a file."""
        is_haploid = self.block.is_haploid
        dosages, probabilities = self.dosages, self.genotype_probabilities
        if is_haploid is not None:  # stand as if homozygous
            dosages = np.where(is_haploid, 2 * dosages, dosages)
            second = np.where(is_haploid, 0, probabilities[..., 1])
            third = np.where(is_haploid, probabilities[..., 1], probabilities[..., 2])
            probabilities = np.stack([probabilities[..., 0], second, third], axis=-1)
        return GenotypeTable(self.sites, probabilities, dosages, self.sample_names, self.is_typed, {"R2": self.r2})

    def __repr__(self) -> str:
        summary = self.summary
        return (
            f"<Imputed: {counted(summary['sites'], 'site')} ({summary['imputed_sites']} imputed, mean R2 "
            f"{summary['mean_r2']:.3f}) of {counted(summary['samples'], 'sample')}>"
        )


def impute(
    model: Model | str | Path,
    haplotypes: Haplotypes | str | Path,
    *,
    chromosome: str | None = None,
    region: str | None = None,
    samples: str | Path | None = None,
    exclude_samples: str | Path | None = None,
    exclude_sites: str | Path | None = None,
    min_r2: float = 0.0,
    typed_only: str = "keep",
    empirical_r2: bool = False,
    flip: bool = False,
    force: bool = False,
    threads: int = 1,
    device: str = "cpu",
    progress: bool = False,
) -> Imputed:
    """Impute the sites that an array does not type, into memory.

    The result takes 4 bytes per site and haplotype. For a large cohort give a `region`, or use the command.

    Args:
        model: From `load_model`, or the prefix of its files.
        haplotypes: Phased haplotypes, or the file that they are in, see `read_haplotypes`.
        chromosome: Name of the chromosome. None takes that of the haplotypes or the model.
        region: Only the sites in this part of the chromosome, such as `22:50.3-50.6Mb`.
        samples: File of the samples to impute, one name per line. None imputes all.
        exclude_samples: File of samples to leave out.
        exclude_sites: File of sites of the haplotypes to leave out, one per line: an id, `CHROMOSOME:POSITION`, or
            `CHROMOSOME:POSITION:ALLELE:ALLELE`. They count as not typed.
        min_r2: Omit imputed sites with an estimated R2 below this.
        typed_only: `keep` or `drop` sites of the haplotypes that are not in the model.
        empirical_r2: Whether to compare typed sites that the model can impute with their imputed values.
        flip: Whether to flip sites that are on the other strand.
        force: Whether to impute although the haplotypes have few markers, or the model lacks regions.
        threads: CPU threads. The result does not depend on it.
        device: `cpu` or `cuda`.
        progress: Whether to show a bar, in a notebook or a terminal.

    Raises:
        RnnimpError: if haplotypes and model do not fit, or a file is missing or damaged.
    """
    options = ImputeOptions(
        chromosome=chromosome,
        region=region,
        min_r2=min_r2,
        threads=threads,
        device=device,
        flip=flip,
        force=force,
        typed_only=typed_only,
        empirical_r2=empirical_r2,
    )
    require_device(device)
    model = as_model(model)
    require_whole(model.bundle, force)
    if isinstance(haplotypes, Haplotypes):
        target = target_of(haplotypes)
    else:
        target = read_haplotype_files(target_files(haplotypes, chromosome=chromosome), model.chromosome)
    target = without_samples(chosen_samples(target, _text(samples)), _text(exclude_samples))
    name = checked_chromosome(options, target, model.chromosome)
    target = without_sites(target, _text(exclude_sites), name)
    report_haploid(target, name)
    ready = ready_to_impute(options, target, model.joined)
    with closing(ready.blocks()) as blocks, _bar(ready.plan.n_sites, progress) as bar:
        block = _joined(_shown(blocks, bar), ready.plan.n_sites, target.panel.alleles.shape[1])
    records = model_records(model.bundle)
    return _imputed(block, target.panel.sample_names, name, ready.report, target.contig_length, records)


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


def write_genotypes(
    imputed: Imputed,
    output: str | Path,
    *,
    output_format: str | None = None,
    format_fields: Sequence[str] | None = None,
    sites_only: bool = False,
) -> Path:
    """Write imputed genotypes as the command does.

    Args:
        imputed: From `impute`.
        output: Path of the file; an ending such as `.vcf.gz`, `.bcf`, `.bgen` or `.pgen` chooses the format.
        output_format: The format, if the ending does not choose it.
        format_fields: FORMAT fields of VCF and BCF.
        sites_only: Whether to write VCF and BCF without samples.

    Returns:
        The path of the file with the genotypes.

    Raises:
        RnnimpError: if the file cannot be written, or the format needs a library that is not installed.
    """
    names = None if format_fields is None else tuple(format_fields)
    settings = OutputSettings(str(output), output_format, names, sites_only)
    check_outputs([path for path in settings.files() if path not in settings.findings], [])
    require_library(settings)
    if settings.needs_chromosome and imputed.chromosome is None:
        raise SettingsError(f"{output}: this format needs the chromosome; give impute(..., chromosome=...)")
    details = imputed.chromosome, imputed.chromosome_length, imputed.model_records
    with open_writer(settings, imputed.sample_names, *details) as writer:
        for piece in _pieces(imputed.block):
            writer.write(piece)
    return settings.path


def _bar(total: int, is_shown: bool) -> Any:
    """A bar of tqdm for notebooks and terminals; None if it is not shown or tqdm is not installed."""
    if is_shown:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return nullcontext()
        return tqdm(total=total, desc="impute", unit="site")
    return nullcontext()


def _shown(blocks: Iterable[ImputedBlock], bar: Any) -> Iterator[ImputedBlock]:
    for block in blocks:
        yield block
        if bar is not None:
            bar.update(len(block))


def _joined(blocks: Iterable[ImputedBlock], n_sites: int, n_haplotypes: int) -> ImputedBlock:
    """All blocks as one. The probabilities, which are the most of it, are never held twice."""
    probabilities = np.empty((n_sites, n_haplotypes), dtype=np.float32)
    others: list[ImputedBlock] = []
    n_rows = 0
    for block in blocks:
        probabilities[n_rows : n_rows + len(block)] = block.alt_probabilities
        n_rows += len(block)
        others.append(_without_probabilities(block))
    sites = Sites.concatenate([block.sites for block in others])
    empirical = [block.empirical_r2 for block in others if block.empirical_r2 is not None]
    return ImputedBlock(
        sites,
        probabilities[:n_rows],
        np.concatenate([block.is_typed for block in others]),
        is_missing=_joined_column(others, "is_missing"),
        is_haploid=_joined_column(others, "is_haploid"),
        is_filled=_joined_column(others, "is_filled"),
        is_typed_only=_joined_column(others, "is_typed_only"),
        empirical_r2=np.concatenate(empirical) if empirical else None,
    )


def _without_probabilities(block: ImputedBlock) -> ImputedBlock:
    columns = {item.name: getattr(block, item.name) for item in fields(block)}
    return ImputedBlock(**{**columns, "alt_probabilities": np.empty((len(block), 0), dtype=np.float32)})


def _joined_column(blocks: Sequence[ImputedBlock], name: str) -> NDArray[np.bool_] | None:
    """A mask of all sites, False where a block has none; None if no block has one."""
    parts: list[NDArray[np.bool_] | None] = [getattr(block, name) for block in blocks]
    shape = next((part.shape[1:] for part in parts if part is not None), None)
    if shape is None:
        return None
    filled = zip(blocks, parts, strict=True)
    return np.concatenate([np.zeros((len(block), *shape), bool) if part is None else part for block, part in filled])


def _pieces(block: ImputedBlock) -> Iterator[ImputedBlock]:
    n_rows = max(1, _BLOCK_BYTES // max(1, 4 * block.alt_probabilities.shape[1]))
    for start in range(0, len(block), n_rows):
        yield block[start : start + n_rows]


def _imputed(
    block: ImputedBlock,
    sample_names: tuple[str, ...],
    chromosome: str | None,
    report: TargetReport,
    length: int | None,
    records: tuple[tuple[str, str], ...],
) -> Imputed:
    sums = SiteSums.concatenate([block_sums(piece, calls_of(piece)) for piece in _pieces(block)])
    return Imputed(block, sample_names, chromosome, sums.r2(), sums.frequency(), asdict(report), length, records)


def _without_missing(values: NDArray[np.float32], calls: Calls) -> NDArray[np.float32]:
    """The values, NaN where a genotype is not complete."""
    if calls.is_incomplete is None:
        return values
    return np.where(calls.is_incomplete, np.float32(np.nan), values)
