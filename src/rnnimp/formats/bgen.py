"""BGEN 1.2, in and out, by the package `bgen`.

Out: phased probabilities of imputed and typed sites, 16 bits each, zlib-compressed, with the samples' names. A genotype
of which an allele is missing is missing as a whole: the format knows no half. A haploid sample has one probability. The
index that the library makes is not kept: it holds a time, so that it would differ from run to run.

In: phased haplotypes. A haplotype carries the allele whose probability is 0.9 or more; without one it is missing. Sites
without a heterozygous genotype may be unphased. `read_genotypes` keeps the probabilities, and takes unphased ones too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bgen_layout import ZSTD, BgenFile, BgenVariant, MalformedError
from rnnimp.formats.biallelic import (
    Allele,
    GenotypeRow,
    ReadingRules,
    SiteRecord,
    alleles_of,
    genotype_stream,
    on_one_chromosome,
    panel_of,
)
from rnnimp.formats.copies import copies_from_genotypes, copies_from_haplotypes, copies_of_haploid
from rnnimp.formats.files import AtomicGroup, open_input, unwritable
from rnnimp.formats.kinds import UNKNOWN_KIND, kind_of
from rnnimp.formats.names import sample_names
from rnnimp.formats.optional import require
from rnnimp.formats.sample import read_samples_of
from rnnimp.formats.site_rules import check_texts
from rnnimp.sites.matching import UNKNOWN_ALLELES
from rnnimp.sites.panel import GenotypeStream, GenotypeTable, ImputedBlock, PanelStream, default_sample_names
from rnnimp.sites.ploidy import PloidyRecorder

_BITS = 16
_CERTAIN = 0.9
_MAGIC, _MAGIC_START = b"bgen", 16
_NO_CHROMOSOME = ("", "NA", ".")  # qctool writes NA for data without chromosomes


def library() -> Any:
    """The package `bgen`.

    Raises:
        RnnimpError: if it is not installed, naming the extra.
    """
    return require("bgen", "bgen", "BGEN files need")


class BgenWriter(AtomicGroup):
    """Writes `PREFIX.bgen`, block by block.

    Use it as a context manager: the file takes its name when the block ends without an exception.

    Args:
        path: Path of the file.
        sample_names: Names of the samples, n_haplotypes / 2 of them.
        chromosome: Name of the chromosome.
        within: A group to which the file belongs.

    Raises:
        RnnimpError: if the library is not installed.
    """

    def __init__(
        self, path: str | Path, sample_names: Sequence[str], chromosome: str, within: AtomicGroup | None = None
    ) -> None:
        super().__init__(within)
        self._path, self._sample_names, self._chromosome = path, list(sample_names), chromosome
        self._library = library()

    def _begin(self) -> None:
        place = self.reserve(self._path)
        with self._blame():
            self._file = self._library.BgenWriter(
                str(place), len(self._sample_names), self._sample_names, compression="zlib"
            )
        self._stack.callback(self._close)

    def _close(self) -> None:
        with self._blame():
            self._file.close()

    @contextmanager
    def _blame(self) -> Iterator[None]:
        """Name the file in errors of the library and of its index, for example when the disk is full."""
        try:
            yield
        except (OSError, RuntimeError, ValueError, sqlite3.Error) as error:
            raise unwritable(self._path, error) from error

    def write(self, block: ImputedBlock) -> None:
        """Append sites."""
        sites = block.sites
        columns = (sites.ids.tolist(), *(column.tolist() for column in (sites.positions, sites.a0, sites.a1)))
        for row, (name, position, a0, a1) in enumerate(zip(*columns, strict=True)):
            alt = "." if a1 in UNKNOWN_ALLELES else a1
            with self._blame():
                self._file.add_variant(
                    *(name, name, self._chromosome, position, [a0, alt], _probabilities(block, row)),
                    ploidy=2 if block.is_haploid is None else np.where(block.is_haploid[row], 1, 2),
                    phased=True,
                    bit_depth=_BITS,
                )


def _probabilities(block: ImputedBlock, row: int) -> NDArray[np.float64]:
    """[P(a0), P(a1)] of each of a sample's haplotypes, float64 (n_samples, 4); NaN for missing or absent."""
    alt = block.alt_probabilities[row].astype(np.float64)
    if block.is_missing is not None:
        is_missing = block.is_missing[row].reshape(-1, 2).any(axis=1)
        alt[np.repeat(is_missing, 2)] = np.nan
    if block.is_haploid is not None:
        alt[1::2][block.is_haploid[row]] = np.nan
    return np.stack([1 - alt, alt], axis=1).reshape(-1, 4)


def require_bgen(path: str | Path) -> None:
    """Refuse a file of another kind, by the four bytes that tell a BGEN.

    Raises:
        DataError: if it cannot be read, or is none.
    """
    with open_input(path) as file:
        start = file.read(_MAGIC_START + len(_MAGIC))
    kind, magic = kind_of(start), start[_MAGIC_START:]
    if magic != _MAGIC and (kind != UNKNOWN_KIND or magic != bytes(len(_MAGIC))):  # older files have zeros there
        raise DataError(f"expected a BGEN file, found {kind}; name a .bgen file", path)


def open_panel(
    path: str | Path,
    sample: str | Path | None = None,
    chromosome: str | None = None,
    keep_first_duplicate: bool = False,
    keep_monomorphic: bool = False,
    ploidy: PloidyRecorder | None = None,
) -> PanelStream:
    """Open the phased haplotypes of one chromosome for reading block by block.

    Args:
        path: A BGEN file of layout 2, sorted by position.
        sample: File of sample names, for a file without names. If both lack them, `Sample_1` and so on.
        chromosome: The chromosome to read, where the file has several.
        keep_first_duplicate: Whether to keep the first of repeated sites and drop the others, instead of an error.
        keep_monomorphic: Whether to keep sites without an alternative allele, second allele `.`.
        ploidy: Records which samples are haploid. Their allele is then put into both columns. None refuses haploids.

    Raises:
        DataError: for genotypes that are unphased or of another ploidy, sites out of order or repeated, several
            chromosomes where none is chosen, or damaged data.
        RnnimpError: if the library is not installed.
    """
    file = _Variants(path, sample)
    calls = _Calls(file, ploidy)
    records = on_one_chromosome(file.records(chromosome), chromosome, path)
    return panel_of(path, file.names, records, calls.of, ReadingRules(keep_first_duplicate, keep_monomorphic))


def read_genotypes(path: str | Path, sample: str | Path | None = None, chromosome: str | None = None) -> GenotypeTable:
    """Read all genotypes with their uncertainty; see `open_genotypes`."""
    return open_genotypes(path, sample, chromosome).read()


def open_genotypes(path: str | Path, sample: str | Path | None = None, chromosome: str | None = None) -> GenotypeStream:
    """Open genotypes with their uncertainty, phased or not, for reading block by block.

    Haplotypes of a phased genotype count as independent. Haploid samples stand as if homozygous.

    Args:
        path: A BGEN file of layout 2, sorted by position.
        sample: File of sample names, for a file without names. If both lack them, there are no names.
        chromosome: The chromosome to read, where the file has several.

    Raises:
        DataError: for genotypes of another ploidy than one or two, sites out of order or repeated, several chromosomes
            where none is chosen, or damaged data.
        RnnimpError: if the library is not installed.
    """
    file = _Variants(path, sample)
    records = on_one_chromosome(file.records(chromosome), chromosome, path)
    rows = (
        GenotypeRow(allele, row, row[:, 1] + 2 * row[:, 2])
        for record, alleles in alleles_of(path, records, ReadingRules())
        for allele, row in _with_copies(alleles, file.copies(record))
    )
    return genotype_stream(path, file.names if file.has_names else None, len(file.names), rows)


def _with_copies(
    alleles: list[Allele], probabilities: NDArray[np.float32]
) -> Iterator[tuple[Allele, NDArray[np.float32]]]:
    for allele in alleles:
        yield allele, probabilities[allele.number - 1]


class _Variants:
    """The variants of one file, one after the other.

    Attributes:
        path: Path of the file.
        names: Names of the samples.
        has_names: Whether they come from the file or a sample file, and are not numbered.
    """

    def __init__(self, path: str | Path, sample: str | Path | None) -> None:
        bgen = library()
        require_bgen(path)
        self.path = path
        try:
            self._file = BgenFile(path)
            header = self._file.header
            # the library unpacks what the standard library cannot
            self._is_foreign = header.layout != 2 or header.compression == ZSTD
            self._library_reader = bgen.BgenReader(str(path), delay_parsing=True) if self._is_foreign else None
        except Exception as error:  # the library raises many kinds, all for a file that is no BGEN
            reason = f" ({error})" if isinstance(error, MalformedError) else ""
            raise DataError(
                f"expected a BGEN file, found something else, or one damaged in its header{reason}", path
            ) from error
        self.has_names = sample is not None or header.names is not None
        names: Sequence[str | bytes] = default_sample_names(header.n_samples) if header.names is None else header.names
        if sample is not None:
            names = read_samples_of(path, sample, header.n_samples)
        self.names = sample_names(names, path)
        self._variant: BgenVariant | None = None
        self._other: Any = None

    @property
    def n_alleles(self) -> int:
        """Of the last variant."""
        assert self._variant is not None
        return len(self._variant.alleles)

    def records(self, unnamed: str | None = None) -> Iterator[SiteRecord]:
        """The variants' sites.

        Args:
            unnamed: The chromosome of variants whose own is empty.
        """
        place, row = "its header", 0
        variants = self._foreign_variants() if self._is_foreign else self._file.variants()
        while True:
            try:
                self._variant = next(variants)
            except StopIteration:
                break
            except Exception as error:  # as above
                raise self._damaged(f"after {place}", error) from error
            record = self._record(self._variant, row, unnamed)
            yield record
            place, row = f"{record.CHROM}:{record.POS}", row + 1

    def _foreign_variants(self) -> Iterator[BgenVariant]:
        """The variants as the library sees them; which file is no more damaged than it notices."""
        for other in self._library_reader or ():
            self._other = other
            varid, rsid, chromosome, *alleles = (
                text.encode() for text in (other.varid, other.rsid, other.chrom, *other.alleles)
            )
            yield BgenVariant(varid, rsid, chromosome, other.pos, tuple(alleles), (0, 0), 0)

    def _record(self, variant: BgenVariant, row: int, unnamed: str | None) -> SiteRecord:
        try:
            varid, rsid, chromosome, *alleles = (
                text.decode() for text in (variant.varid, variant.rsid, variant.chromosome, *variant.alleles)
            )
        except UnicodeDecodeError as error:
            raise self._damaged(f"in variant {row + 1}", error) from error
        if chromosome in _NO_CHROMOSOME:
            if unnamed is None:
                raise DataError(
                    f"expected a chromosome, found '{chromosome}' at position {variant.position}; give --chromosome",
                    self.path,
                )
            chromosome = unnamed
        chromosome = chromosome.lstrip("0") or "0"
        name = rsid or varid
        check_texts(self.path, chromosome, variant.position, f"{varid} {rsid}", alleles)
        ref, *alts = alleles
        alts = [alt for alt in alts if alt != "."]
        return SiteRecord(chromosome, variant.position, None if name in ("", ".") else name, ref, alts, row)

    def _damaged(self, place: str, error: Exception) -> DataError:
        """The error for variants that cannot be decoded at a place."""
        reason = f" ({error})" if isinstance(error, MalformedError) else ""
        return DataError(
            f"expected BGEN variants to the end, found damaged data {place}{reason}; make it again", self.path
        )

    def values(self, record: SiteRecord) -> tuple[bool, NDArray[np.float32], NDArray[np.int64]]:
        """Of the last variant, which is the record's: whether it is phased, its probabilities, the samples' ploidy."""
        try:
            if self._is_foreign:
                return self._other.is_phased, self._other.probabilities, self._other.ploidy
            assert self._variant is not None
            genotypes = self._file.genotypes(self._variant)
        except Exception as error:
            raise self._damaged(f"at {record.CHROM}:{record.POS}", error) from error
        self.require_ploidy(record, genotypes.ploidy, allows_haploid=True)
        return genotypes.is_phased, genotypes.probabilities(), genotypes.ploidy

    def require_ploidy(self, record: SiteRecord, numbers: NDArray[np.int64], allows_haploid: bool) -> None:
        """Refuse samples that are neither diploid nor, where that is allowed, haploid."""
        wrong = np.flatnonzero((numbers != 2) & ~((numbers == 1) & allows_haploid))
        if wrong.size:
            sample = int(wrong[0])
            raise DataError(
                f"expected diploid genotypes, found ploidy {numbers[sample]} at {record.CHROM}:{record.POS} in sample "
                f"{self.names[sample]}; leave out such regions or samples",
                self.path,
            )

    def copies(self, record: SiteRecord) -> NDArray[np.float32]:
        """P(0, 1, 2 copies) of each alternative allele of the last variant; see `copies.py`."""
        is_phased, values, numbers = self.values(record)
        self.require_ploidy(record, numbers, allows_haploid=True)
        n_alleles, is_haploid = self.n_alleles, numbers == 1
        if not is_phased:
            genotypes = (
                values
                if values.shape[1] > n_alleles
                else np.pad(
                    values, ((0, 0), (0, n_alleles * (n_alleles + 1) // 2 - values.shape[1])), constant_values=np.nan
                )
            )
            probabilities = copies_from_genotypes(genotypes, n_alleles - 1)
            alleles = values[:, 1:n_alleles]
        else:
            haplotypes = values.reshape(len(numbers), -1, n_alleles)[:, :, 1:]
            alleles = haplotypes[:, 0]
            probabilities = copies_from_haplotypes(alleles, haplotypes[:, -1])
        probabilities[:, is_haploid] = copies_of_haploid(alleles[is_haploid])
        return probabilities


class _Calls:
    """The alleles of one file's variants after each other."""

    def __init__(self, file: _Variants, ploidy: PloidyRecorder | None) -> None:
        self._file, self._ploidy = file, ploidy

    def of(self, record: SiteRecord) -> NDArray[np.int16]:
        """Allele numbers of the last variant, int16 (n_samples, 2); -1 for missing."""
        is_phased, values, numbers = self._file.values(record)
        n_alleles, is_haploid = self._file.n_alleles, numbers == 1
        self._file.require_ploidy(record, numbers, allows_haploid=self._ploidy is not None)
        if is_phased:
            calls = _likely_alleles(values.reshape(len(numbers), -1, n_alleles))
        else:
            calls = self._homozygous(values, is_haploid, n_alleles, f"{record.CHROM}:{record.POS}")
        if calls.shape[1] == 1:
            calls = calls.repeat(2, axis=1)
        calls[is_haploid, 1] = calls[is_haploid, 0]
        if self._ploidy is not None:
            self._ploidy.add(record.POS, is_haploid, np.ones(len(numbers), dtype=bool))
        return calls

    def _homozygous(
        self, values: NDArray[np.float32], is_haploid: NDArray[np.bool_], n_alleles: int, place: str
    ) -> NDArray[np.int16]:
        """Alleles of unphased genotypes, of which phase says nothing: plink2 writes sites without heterozygotes so."""
        copies = _likely_alleles(values[:, None, :])[:, 0]
        n_copies = np.where(is_haploid, 1, 2)
        is_homozygous = (copies < 1) | (copies == n_copies)
        if n_alleles != 2 or not is_homozygous.all():
            names = self._file.names
            sample = names[int(np.argmin(is_homozygous))] if n_alleles == 2 else names[0]
            raise DataError(
                f"expected phased haplotypes, found an unphased genotype at {place} in sample {sample}; phase the data "
                "first",
                self._file.path,
            )
        return np.minimum(copies, 1)[:, None].repeat(2, axis=1)


def _likely_alleles(probabilities: NDArray[np.float32]) -> NDArray[np.int16]:
    """The certain one of each haplotype's alleles, or of each sample's genotypes; -1 where there is none.

    Args:
        probabilities: (n_samples, n_haplotypes_a_sample, n_alleles); NaN for missing.
    """
    if probabilities.shape[2] == 2:  # two of more than one half cannot be; NaN is neither
        first, second = probabilities[..., 0] >= _CERTAIN, probabilities[..., 1] >= _CERTAIN
        return np.where(first, 0, np.where(second, 1, -1)).astype(np.int16)
    known = np.nan_to_num(probabilities, nan=0.0)
    return np.where(known.max(axis=2) >= _CERTAIN, known.argmax(axis=2), -1).astype(np.int16)
