"""Part of `evaluate`: reading what is compared, in any of the formats.

A file's ending decides its format. Haplotypes may have any name if their legend is given.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import BGEN_ENDINGS, GEN_ENDINGS, GENOTYPE_ENDINGS, HAP_ENDINGS, PGEN_ENDINGS, VCF_ENDINGS
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats import bgen
from rnnimp.formats.gen import read_gen
from rnnimp.formats.hapslegend import open_panel, read_legend
from rnnimp.formats.pgen import reading as pgen
from rnnimp.formats.vcf.reading import read_genotypes, read_sites
from rnnimp.scoring.accuracy import Truth
from rnnimp.scoring.measures import most_likely
from rnnimp.sites.panel import GenotypeTable, Sites, alt_frequency
from rnnimp.sites.ploidy import PloidyRecorder

LEGEND_ENDINGS = (".legend.gz", ".legend")
SAMPLE_ENDINGS = (".sample", ".samples")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GenotypeSource:
    """A file of genotypes: VCF, BCF, GEN, BGEN, PGEN, or haplotypes with a legend.

    Attributes:
        path: The file; its ending decides the format, but haplotypes may have another one if `legend` is given.
        legend: The legend of haplotypes; by default the one beside them, found by name.
        sample: The sample file of haplotypes, GEN or BGEN. By default it is found by name, beside haplotypes or GEN.
            A BGEN may have the names itself.
    """

    path: str | Path
    legend: str | Path | None = None
    sample: str | Path | None = None

    @property
    def ending(self) -> str:
        """The ending that decides the format; empty for haplotypes of another name.

        Raises:
            SettingsError: if it is none of those known, and no legend says that these are haplotypes.
        """
        for ending in GENOTYPE_ENDINGS:
            if str(self.path).endswith(ending):
                return ending
        if self.legend is not None:
            return ""
        raise SettingsError(
            f"{self.path}: expected a name that ends in {', '.join(GENOTYPE_ENDINGS)}; for haplotypes of another name "
            "give their legend, with --imputed-legend or --truth-legend"
        )

    @property
    def is_haplotypes(self) -> bool:
        """Whether these are haplotypes with a legend."""
        return self.ending in (*HAP_ENDINGS, "")

    def beside(self, endings: tuple[str, ...]) -> Path | None:
        """The first file that exists with the same name and one of these endings."""
        stem = str(self.path).removesuffix(self.ending)
        return next((Path(stem + ending) for ending in endings if Path(stem + ending).is_file()), None)

    def files(self) -> list[str | Path]:
        """All files that are read, as far as they are there."""
        others = (self.legend, self.sample, self.beside(LEGEND_ENDINGS), self.beside(SAMPLE_ENDINGS))
        return [self.path, *(path for path in others if path is not None)]


def read_imputed(source: GenotypeSource, chromosome: str | None) -> GenotypeTable:
    """Read genotypes with what is known of their uncertainty; haplotypes are certain."""
    if source.ending in VCF_ENDINGS:
        return read_genotypes(source.path, chromosome)
    if source.ending in PGEN_ENDINGS:
        return pgen.read_genotypes(source.path, chromosome)
    if source.ending in GEN_ENDINGS:
        return read_gen(source.path, source.sample or source.beside(SAMPLE_ENDINGS), chromosome)
    if source.ending in BGEN_ENDINGS:
        return bgen.read_genotypes(source.path, source.sample, chromosome)
    truth = read_truth(source, chromosome)
    dosages = np.where(truth.genotypes < 0, np.nan, truth.genotypes).astype(np.float32)
    probabilities = np.where(np.isnan(dosages)[..., np.newaxis], np.nan, dosages[..., np.newaxis] == np.arange(3))
    return GenotypeTable(truth.sites, probabilities.astype(np.float32), dosages, truth.sample_names)


def read_truth(source: GenotypeSource, chromosome: str | None) -> Truth:
    """Read genotypes as the most likely numbers of copies."""
    if not source.is_haplotypes:
        table = read_imputed(source, chromosome)
        return Truth(table.sites, most_likely(table.dosages, table.probabilities), table.sample_names)
    legend = source.legend or source.beside(LEGEND_ENDINGS)
    if legend is None:
        raise DataError(
            "expected its legend beside it, as .legend.gz or .legend, found none; name the legend", source.path
        )
    sample = source.sample or source.beside(SAMPLE_ENDINGS)
    stream = open_panel(source.path, legend, sample, chromosome, PloidyRecorder())  # haploid alleles are doubled
    blocks = [(block.sites, copies_of_a1(block.alleles)) for block in stream.blocks]
    if not blocks:
        raise DataError("expected sites, found none", source.path)
    names = None if sample is None else stream.sample_names
    return Truth(Sites.concatenate([sites for sites, _ in blocks]), np.concatenate([rows for _, rows in blocks]), names)


def copies_of_a1(alleles: NDArray[np.int8]) -> NDArray[np.int8]:
    """Copies of a1, int8 (n_sites, n_samples); -1 where either allele of int8 (n_sites, n_haplotypes) is missing."""
    first, second = alleles[:, ::2], alleles[:, 1::2]
    return np.where((first < 0) | (second < 0), -1, first + second).astype(np.int8)


def read_frequencies(path: str | Path) -> Sites:
    """The panel's sites with `a1_freq`: from its legend, else counted in the haplotypes beside it.

    Raises:
        DataError: if the legend has no frequencies, and there are no haplotypes.
    """
    sites = read_legend(path)
    if sites.a1_freq is not None:
        return sites
    ending = next((ending for ending in LEGEND_ENDINGS if str(path).endswith(ending)), "")
    stem = str(path).removesuffix(ending)
    hap = next((f"{stem}{ending}" for ending in (".hap.gz", ".hap") if Path(f"{stem}{ending}").is_file()), None)
    if hap is None:
        raise DataError(
            "expected a column a1_freq, or the panel's haplotypes beside the legend as .hap.gz or .hap, found neither; "
            "give a legend that has it, such as a model's, or the one beside the haplotypes",
            path,
            1,
        )
    _log.info("%s: no column a1_freq, so frequencies are counted in %s", path, hap)
    # the sites of the blocks: those whose alleles are no sequence are left out of them
    parts = [replace(block.sites, a1_freq=alt_frequency(block.alleles)) for block in open_panel(hap, path).blocks]
    return Sites.concatenate(parts) if parts else replace(sites, a1_freq=np.empty(0))


def read_typed(path: str | Path, chromosome: str | None) -> Sites:
    """The sites that an array typed: of a VCF or BCF, or of a legend; of one with marker flags, the markers."""
    if str(path).endswith(VCF_ENDINGS):
        return read_sites(path, chromosome)
    sites = read_legend(path)
    return sites if sites.is_marker is None else sites[sites.is_marker]
