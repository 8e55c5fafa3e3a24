"""Part of `evaluate`: reading what is compared, in any of the formats.

A file's ending decides its format. Haplotypes may have any name if their legend is given.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import (
    BGEN_ENDINGS,
    FREQUENCY_COLUMNS,
    GEN_ENDINGS,
    GENOTYPE_ENDINGS,
    HAP_ENDINGS,
    PGEN_ENDINGS,
    VCF_ENDINGS,
)
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats import bgen
from rnnimp.formats.frequency_table import frequency_blocks as table_frequencies
from rnnimp.formats.frequency_table import frequency_column, header_of
from rnnimp.formats.gen import open_gen
from rnnimp.formats.hapslegend import legend_blocks, open_panel
from rnnimp.formats.pgen import reading as pgen
from rnnimp.formats.vcf import reading as vcf
from rnnimp.formats.vcf.frequencies import frequency_blocks as vcf_frequencies
from rnnimp.scoring.alignment import Truth
from rnnimp.scoring.measures import most_likely
from rnnimp.sites.panel import GenotypeStream, GenotypeTable, PanelStream, Sites, alt_frequency
from rnnimp.sites.ploidy import PloidyRecorder
from rnnimp.wording import first_few

LEGEND_ENDINGS = (".legend.gz", ".legend")
SAMPLE_ENDINGS = (".sample", ".samples")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GenotypeSource:
    """A file of genotypes: VCF, BCF, GEN, BGEN, PGEN, or haplotypes with a legend.

    Attributes:
        path: The file; its ending decides the format. Haplotypes may have another one, such as `.haplotypes.gz`, if
            `legend` is given or lies beside them.
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
        if self.legend is not None or self._beside(self._bare_name, LEGEND_ENDINGS) is not None:
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
        ending = self.ending
        return self._beside(str(self.path).removesuffix(ending) if ending else self._bare_name, endings)

    @property
    def _bare_name(self) -> str:
        """The path without an ending that is not known, such as `.haplotypes.gz`."""
        path = Path(str(self.path).removesuffix(".gz"))
        return str(path.with_suffix("")) if path.name else str(path)

    @staticmethod
    def _beside(stem: str, endings: tuple[str, ...]) -> Path | None:
        return next((Path(stem + ending) for ending in endings if Path(stem + ending).is_file()), None)

    def files(self) -> list[str | Path]:
        """All files that are read, as far as they are there."""
        others = (self.legend, self.sample, self.beside(LEGEND_ENDINGS), self.beside(SAMPLE_ENDINGS))
        return [self.path, *(path for path in others if path is not None)]


@dataclass(frozen=True)
class TruthStream:
    """True genotypes that are read block by block.

    Attributes:
        sample_names: Names of the samples; None where the source holds none.
        n_samples: Number of samples.
        blocks: Consecutive stretches of sites, in the order of the file; can be walked once.
    """

    sample_names: tuple[str, ...] | None
    n_samples: int
    blocks: Iterator[Truth]


def open_imputed(source: GenotypeSource, chromosome: str | None) -> GenotypeStream:
    """Open genotypes with what is known of their uncertainty; haplotypes are certain."""
    if source.ending in VCF_ENDINGS:
        return vcf.open_genotypes(source.path, chromosome)
    if source.ending in PGEN_ENDINGS:
        return pgen.open_genotypes(source.path, chromosome)
    if source.ending in GEN_ENDINGS:
        return open_gen(source.path, source.sample or source.beside(SAMPLE_ENDINGS), chromosome)
    if source.ending in BGEN_ENDINGS:
        return bgen.open_genotypes(source.path, source.sample, chromosome)
    truth = open_truth(source, chromosome)
    return GenotypeStream(truth.sample_names, truth.n_samples, map(_certain, truth.blocks))


def _certain(truth: Truth) -> GenotypeTable:
    dosages = np.where(truth.genotypes < 0, np.nan, truth.genotypes).astype(np.float32)
    probabilities = np.where(np.isnan(dosages)[..., np.newaxis], np.nan, dosages[..., np.newaxis] == np.arange(3))
    return GenotypeTable(truth.sites, probabilities.astype(np.float32), dosages, truth.sample_names)


def open_truth(source: GenotypeSource, chromosome: str | None) -> TruthStream:
    """Open genotypes as the most likely numbers of copies."""
    if not source.is_haplotypes:
        stream = open_imputed(source, chromosome)
        return TruthStream(stream.sample_names, stream.n_samples, map(_most_likely, stream.blocks))
    legend = source.legend or source.beside(LEGEND_ENDINGS)
    if legend is None:
        raise DataError(
            "expected its legend beside it, as .legend.gz or .legend, found none; name the legend", source.path
        )
    sample = source.sample or source.beside(SAMPLE_ENDINGS)
    panel = open_panel(source.path, legend, sample, chromosome, PloidyRecorder())  # haploid alleles are doubled
    names = None if sample is None else panel.sample_names
    return TruthStream(names, len(panel.sample_names), _known_copies(panel, names, source.path))


def _most_likely(table: GenotypeTable) -> Truth:
    return Truth(table.sites, most_likely(table.dosages, table.probabilities), table.sample_names)


def _known_copies(panel: PanelStream, names: tuple[str, ...] | None, path: str | Path) -> Iterator[Truth]:
    n_sites = 0
    for block in panel.blocks:
        n_sites += len(block.sites)
        yield Truth(block.sites, copies_of_a1(block.alleles), names)
    if not n_sites:
        raise DataError("expected sites, found none", path)


def read_imputed(source: GenotypeSource, chromosome: str | None) -> GenotypeTable:
    """Read genotypes with what is known of their uncertainty; haplotypes are certain."""
    return open_imputed(source, chromosome).read()


def read_truth(source: GenotypeSource, chromosome: str | None) -> Truth:
    """Read genotypes as the most likely numbers of copies."""
    return Truth.concatenate(list(open_truth(source, chromosome).blocks))


def copies_of_a1(alleles: NDArray[np.int8]) -> NDArray[np.int8]:
    """Copies of a1, int8 (n_sites, n_samples); -1 where either allele of int8 (n_sites, n_haplotypes) is missing."""
    first, second = alleles[:, ::2], alleles[:, 1::2]
    return np.where((first < 0) | (second < 0), -1, first + second).astype(np.int8)


def open_frequencies(path: str | Path, chromosome: str | None = None, column: str | None = None) -> Iterator[Sites]:
    """The panel's sites in blocks, with `a1_freq`: of a VCF, a table of sites or a legend.

    Args:
        path: VCF or BCF, a table with a column of frequencies, or a legend. For a legend without one, frequencies are
            counted in the haplotypes beside it.
        chromosome: The chromosome to read, where the file has several.
        column: Column of the table, or field of INFO, with the frequencies. None takes one that is known.

    Raises:
        DataError: if there are no frequencies.
    """
    if str(path).endswith(VCF_ENDINGS):
        return vcf_frequencies(path, chromosome, column)
    header = header_of(path)
    found = column or frequency_column(header)
    if found is None and header and "position" not in header:
        raise DataError(
            f"expected a column of frequencies, {', '.join(FREQUENCY_COLUMNS)}, found {first_few(header, 12)}; name it "
            "with --frequency-column",
            path,
            1,
        )
    if found is None:
        return _counted_frequencies(path)
    if found == "a1_freq" and "position" in header:
        return legend_blocks(path)
    return table_frequencies(path, found, chromosome)


def _counted_frequencies(legend: str | Path) -> Iterator[Sites]:
    """Counted in the haplotypes beside a legend."""
    next(legend_blocks(legend))  # says what is wrong with a file that is no legend
    ending = next((ending for ending in LEGEND_ENDINGS if str(legend).endswith(ending)), "")
    stem = str(legend).removesuffix(ending)
    hap = next((f"{stem}{ending}" for ending in HAP_ENDINGS if Path(f"{stem}{ending}").is_file()), None)
    if hap is None:
        raise DataError(
            "expected a column a1_freq, or the panel's haplotypes beside the legend as .hap.gz or .hap, found neither; "
            "give a legend that has it, such as a model's, or the one beside the haplotypes. Name another column with "
            "--frequency-column",
            legend,
            1,
        )
    _log.info("%s: no column a1_freq, so frequencies are counted in %s", legend, hap)
    # the sites of the blocks: those whose alleles are no sequence are left out of them
    return (replace(block.sites, a1_freq=alt_frequency(block.alleles)) for block in open_panel(hap, legend).blocks)


def open_typed(path: str | Path, chromosome: str | None) -> Iterator[Sites]:
    """The sites that an array typed: of a VCF or BCF, or of a legend; of one with marker flags, the markers."""
    if str(path).endswith(VCF_ENDINGS):
        return vcf.site_blocks(path, chromosome)
    return (sites if sites.is_marker is None else sites[sites.is_marker] for sites in legend_blocks(path))
