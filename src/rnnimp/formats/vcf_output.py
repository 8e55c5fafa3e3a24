"""VCF 4.2 out: imputed and typed sites with `GT:DS:GP`.

GT is the most likely phased pair, which is the most likely allele of each haplotype; the most likely unphased
genotype of GP can be another one (at 0.45 and 0.45 the pair 0|0 is likelier than 0|1, but 0/1 likelier than 0/0).
DS and GP are expected doses and probabilities; for typed genotypes they are certain, `.` where an allele is missing.
AC and AN count GT, AF and MAF the expected alleles; R2 is Minimac's, INFO is IMPUTE's, `.` where undefined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp import __version__
from rnnimp.errors import DataError
from rnnimp.formats.decimals import ROW_BYTES, decimals, packed_rows
from rnnimp.formats.files import AtomicGroup
from rnnimp.markers import UNKNOWN_ALLELES
from rnnimp.panel import ImputedBlock
from rnnimp.scores import dosage_frequency, dosages, genotype_probabilities, impute_info, minimac_r2

_DOSAGE_DECIMALS = 4
_PROBABILITY_DECIMALS = 3
_DOSAGE = slice(5, 5 + _DOSAGE_DECIMALS + 2)
_PROBABILITY_WIDTH = _PROBABILITY_DECIMALS + 2
_PROBABILITIES = _DOSAGE.stop + 1
_CELL_WIDTH = _PROBABILITIES + 3 * _PROBABILITY_WIDTH + 2
"""A cell is a tab, `0|1`, `:`, the dosage, `:`, and three probabilities between commas."""

_HEADER = """\
##fileformat=VCFv4.2
##source=rnnimp {version}
##FILTER=<ID=PASS,Description="All filters passed">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Alternate allele count in the most likely genotypes">
##INFO=<ID=AN,Number=1,Type=Integer,Description="Number of alleles in the genotypes">
##INFO=<ID=AF,Number=A,Type=Float,Description="Alternate allele frequency: half the mean dosage">
##INFO=<ID=MAF,Number=1,Type=Float,Description="Frequency of the rarer allele, by dosage">
##INFO=<ID=R2,Number=1,Type=Float,Description="Estimated imputation accuracy: Minimac R2">
##INFO=<ID=INFO,Number=1,Type=Float,Description="Estimated imputation accuracy: IMPUTE INFO">
##INFO=<ID=IMP,Number=0,Type=Flag,Description="Imputed site">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Most likely phased genotype">
##FORMAT=<ID=DS,Number=A,Type=Float,Description="Expected number of alternate alleles">
##FORMAT=<ID=GP,Number=G,Type=Float,Description="Probabilities of the genotypes 0/0, 0/1 and 1/1">
##contig=<ID={chromosome}>
"""


class VcfWriter(AtomicGroup):
    """Writes a VCF, block by block.

    Use it as a context manager: the file takes its name when the block ends without an exception.

    Args:
        path: of the file; compressed if it ends in `.gz`.
        sample_names: n_haplotypes / 2 of them.
        chromosome: its name.
    """

    def __init__(self, path: str | Path, sample_names: Sequence[str], chromosome: str) -> None:
        super().__init__()
        self._path = path
        self._sample_names = sample_names
        self._chromosome = chromosome

    def _begin(self) -> None:
        self._file = self.open(self._path)
        self._file.write(header_text(self._sample_names, self._chromosome).encode())

    def write(self, block: ImputedBlock) -> None:
        """Append sites."""
        for text in vcf_text(block, self._chromosome):
            self._file.write(text)


def header_text(sample_names: Sequence[str], chromosome: str) -> str:
    """All lines before the first site.

    Raises:
        DataError: for a sample name with a tab, which VCF cannot hold.
    """
    for name in sample_names:
        if "\t" in name:
            raise DataError(f"expected sample names without tabs, found {name!r}; rename the sample")
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *sample_names]
    return _HEADER.format(version=__version__, chromosome=chromosome) + "\t".join(columns) + "\n"


def vcf_text(block: ImputedBlock, chromosome: str) -> Iterator[bytes]:
    """The lines of a block, in pieces of bounded size."""
    n_rows = max(1, ROW_BYTES // (_CELL_WIDTH * (1 + block.alt_probabilities.shape[1] // 2)))
    for start in range(0, len(block), n_rows):
        yield _rows_text(block[start : start + n_rows], chromosome)


def _rows_text(block: ImputedBlock, chromosome: str) -> bytes:
    probabilities = block.alt_probabilities.astype(np.float64)
    if block.is_missing is not None:
        probabilities[block.is_missing] = np.nan
    has_alt = np.array([a1 not in UNKNOWN_ALLELES for a1 in block.sites.a1], dtype=bool)
    cells = packed_rows(_cells(probabilities, has_alt))
    heads = _heads(block, probabilities, has_alt, chromosome)
    return b"".join(head.encode() + row + b"\n" for head, row in zip(heads, cells, strict=True))


def _cells(probabilities: NDArray[np.float64], has_alt: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The samples' columns, uint8 (n_sites, n_samples, _CELL_WIDTH), padded by NULs."""
    is_missing = np.isnan(probabilities)
    known = np.where(is_missing, 0.0, probabilities)
    alleles = np.where(is_missing, ord("."), np.where(known > 0.5, ord("1"), ord("0")))
    cells = np.zeros((len(known), known.shape[1] // 2, _CELL_WIDTH), dtype=np.uint8)
    cells[..., 0] = ord("\t")
    cells[..., 1], cells[..., 2], cells[..., 3] = alleles[:, ::2], ord("|"), alleles[:, 1::2]
    cells[..., 4] = cells[..., _DOSAGE.stop] = ord(":")
    cells[..., _DOSAGE] = decimals(dosages(known), _DOSAGE_DECIMALS, 2)
    genotypes = decimals(genotype_probabilities(known), _PROBABILITY_DECIMALS, 1)
    for copies in range(3):
        start = _PROBABILITIES + copies * (_PROBABILITY_WIDTH + 1)
        cells[..., start : start + _PROBABILITY_WIDTH] = genotypes[..., copies, :]
        if copies:
            cells[..., start - 1] = ord(",")
    _blank_missing(cells, is_missing[:, ::2] | is_missing[:, 1::2])
    cells[~has_alt, :, 4:] = 0
    return cells


def _blank_missing(cells: NDArray[np.uint8], is_missing: NDArray[np.bool_]) -> None:
    """Put `.` for the dosage and for the probabilities of genotypes with a missing allele."""
    if is_missing.any():
        for start, stop in ((_DOSAGE.start, _DOSAGE.stop), (_PROBABILITIES, _CELL_WIDTH)):
            cells[is_missing, start:stop] = 0
            cells[is_missing, start] = ord(".")


def _heads(
    block: ImputedBlock, probabilities: NDArray[np.float64], has_alt: NDArray[np.bool_], chromosome: str
) -> list[str]:
    """The first nine columns of each line."""
    sites = block.sites
    information = _information(block, probabilities)
    heads = []
    columns = (sites.positions.tolist(), sites.ids.tolist(), sites.a0.tolist(), sites.a1.tolist())
    for row, (position, name, a0, a1) in enumerate(zip(*columns, strict=True)):
        alt, information_text, keys = a1, information[row], "GT:DS:GP"
        if not has_alt[row]:
            alt, information_text, keys = ".", f"AN={np.count_nonzero(~np.isnan(probabilities[row]))}", "GT"
        heads.append(f"{chromosome}\t{position}\t{name}\t{a0}\t{alt}\t.\tPASS\t{information_text}\t{keys}")
    return heads


def _information(block: ImputedBlock, probabilities: NDArray[np.float64]) -> list[str]:
    frequency = dosage_frequency(probabilities)
    columns = zip(
        np.count_nonzero(probabilities > 0.5, axis=1).tolist(),
        np.count_nonzero(~np.isnan(probabilities), axis=1).tolist(),
        frequency.tolist(),
        np.minimum(frequency, 1 - frequency).tolist(),
        minimac_r2(probabilities).tolist(),
        impute_info(probabilities).tolist(),
        block.is_typed.tolist(),
        strict=True,
    )
    return [
        f"AC={count};AN={total};AF={_number(af)};MAF={_number(maf)};R2={_number(r2)};INFO={_number(info)}"
        + ("" if is_typed else ";IMP")
        for count, total, af, maf, r2, info, is_typed in columns
    ]


def _number(value: float) -> str:
    return "." if value != value else f"{value:.6g}"
