"""Phased haplotypes in memory, and reading them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import BGEN_ENDINGS, HAP_ENDINGS, PGEN_ENDINGS, VCF_ENDINGS
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.site_rules import check_alleles, check_order
from rnnimp.pipeline.evaluate.sources import LEGEND_ENDINGS, SAMPLE_ENDINGS, GenotypeSource
from rnnimp.pipeline.impute.target import Target, TargetFiles, read_target, require_kind
from rnnimp.sites.panel import Panel, Sites
from rnnimp.sites.ploidy import Ploidy, PloidyRecorder

IN_MEMORY = "haplotypes in memory"
"""Stands for a file's name in messages."""

_SHAPEIT_ENDINGS = (".haps", ".haps.gz")
_HAPLOTYPE_ENDINGS = (*VCF_ENDINGS, *BGEN_ENDINGS, *PGEN_ENDINGS, *HAP_ENDINGS)


@dataclass(frozen=True, eq=False)
class Haplotypes:
    """Phased haplotypes of one chromosome.

    Raises:
        RnnimpError: for arrays that do not fit together, other alleles than 0, 1 and -1, positions that go down, or
            sites that repeat.

    Attributes:
        sites: n_sites of them, in order of position. `Sites.build(positions, a0, a1, chromosome="22")` makes them.
        alleles: int8 (n_sites, 2 * n_samples); 0 for `a0`, 1 for `a1`, -1 for missing. Columns 2i and 2i + 1 belong to
            sample i.
        sample_names: n_samples names.
        is_haploid: True where a sample has one haplotype, which is then in both columns, bool (n_sites, n_samples).
            None if there is no such sample.
        chromosome_length: Length of the chromosome in base pairs, which shows the genome build. None if not known.
    """

    sites: Sites
    alleles: NDArray[np.int8]
    sample_names: Sequence[str]
    is_haploid: NDArray[np.bool_] | None = None
    chromosome_length: int | None = None

    def __post_init__(self) -> None:
        alleles = np.asarray(self.alleles)
        expected = (len(self.sites), 2 * len(self.sample_names))
        if alleles.shape != expected:
            raise DataError(
                f"expected alleles of shape {expected}, two columns per sample, found {alleles.shape}", IN_MEMORY
            )
        is_whole = alleles.dtype == np.bool_ or np.issubdtype(alleles.dtype, np.integer)
        if not is_whole or (alleles.size and not (alleles.min() >= -1 and alleles.max() <= 1)):
            raise DataError("expected alleles 0, 1, or -1 for missing, found others", IN_MEMORY)
        if self.is_haploid is not None and self.is_haploid.shape != (expected[0], len(self.sample_names)):
            raise DataError(f"expected is_haploid per site and sample, found shape {self.is_haploid.shape}", IN_MEMORY)
        check_alleles([*self.sites.a0, *self.sites.a1], IN_MEMORY, 1, is_one_line=True)
        check_order(self.sites, IN_MEMORY)
        object.__setattr__(self, "alleles", alleles.astype(np.int8, copy=False))
        object.__setattr__(self, "sample_names", tuple(self.sample_names))

    def __repr__(self) -> str:
        return f"<Haplotypes: {len(self.sites)} sites, {len(self.sample_names)} samples>"


def read_haplotypes(
    path: str | Path,
    *,
    legend: str | Path | None = None,
    sample: str | Path | None = None,
    chromosome: str | None = None,
    keep_first_duplicate: bool = False,
) -> Haplotypes:
    """Read phased haplotypes; the ending of the file's name decides the format.

    Args:
        path: VCF, BCF, BGEN, PGEN, or SHAPEIT's `.haps`. Or `.hap` with a legend. Text may be packed with gzip.
        legend: Legend of a `.hap`. None takes the one beside it.
        sample: Sample names of a `.hap`, `.haps` or BGEN. None takes those beside it, or in the BGEN.
        chromosome: Chromosome to read. None if the file has only one.
        keep_first_duplicate: Whether to keep the first of several records at the same site instead of an error.

    Raises:
        RnnimpError: naming what is malformed, and where.
    """
    files = target_files(path, legend, sample, chromosome, keep_first_duplicate)
    return haplotypes_of(read_haplotype_files(files, None))


def target_files(
    path: str | Path,
    legend: str | Path | None = None,
    sample: str | Path | None = None,
    chromosome: str | None = None,
    keep_first_duplicate: bool = False,
) -> TargetFiles:
    """The files of `read_haplotypes`, with those found beside."""
    endings = [ending for ending in _HAPLOTYPE_ENDINGS if str(path).endswith(ending)]
    if not endings and legend is None:
        known = ", ".join(_HAPLOTYPE_ENDINGS)
        raise SettingsError(f"{path}: expected phased haplotypes in a file whose name ends in {known}, found another")
    kinds = {VCF_ENDINGS: "vcf", BGEN_ENDINGS: "bgen", PGEN_ENDINGS: "pgen", _SHAPEIT_ENDINGS: "haps"}
    found = (kind for known, kind in kinds.items() if endings[:1] and endings[0] in known)
    kind = "hap" if legend is not None else next(found, "hap")
    source = GenotypeSource(path, legend, sample)
    if kind == "hap" and legend is None:
        legend = source.beside(LEGEND_ENDINGS)
        if legend is None:
            raise DataError("expected its legend beside it, as .legend.gz or .legend, found none; name it", path)
    names = source.beside(SAMPLE_ENDINGS) if sample is None and kind in ("hap", "haps") else sample
    given = {kind: path, "legend": legend, "sample": names}
    texts = {name: str(value) for name, value in given.items() if value is not None}
    return TargetFiles(**texts, chromosome=chromosome, keep_first_duplicate=keep_first_duplicate)


def read_haplotype_files(files: TargetFiles, model_chromosome: str | None) -> Target:
    """Read a target's files, whose kind is looked at first."""
    require_kind(files)
    return read_target(files, model_chromosome)


def haplotypes_of(target: Target) -> Haplotypes:
    """The haplotypes of a target that has been read."""
    panel = target.panel
    is_haploid = None if target.ploidy is None else target.ploidy.at(panel.sites.positions)
    return Haplotypes(panel.sites, panel.alleles, panel.sample_names, is_haploid, target.contig_length)


def target_of(haplotypes: Haplotypes) -> Target:
    """Haplotypes as the target of an imputation."""
    panel = Panel(haplotypes.sites, haplotypes.alleles, tuple(haplotypes.sample_names))
    return Target(panel, IN_MEMORY, haplotypes.chromosome_length, ploidy=_ploidy(haplotypes))


def _ploidy(haplotypes: Haplotypes) -> Ploidy | None:
    if haplotypes.is_haploid is None:
        return None
    recorder = PloidyRecorder()
    is_known = np.ones(len(haplotypes.sample_names), dtype=np.bool_)
    for position, row in zip(haplotypes.sites.positions.tolist(), haplotypes.is_haploid, strict=True):
        recorder.add(position, row, is_known)
    return recorder.ploidy()
