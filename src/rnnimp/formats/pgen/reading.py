"""PGEN in: phased hard calls of `PREFIX.pgen`, with `PREFIX.pvar[.zst]` or `.bim`, and `PREFIX.psam` or `.fam`.

The format stores every sample as diploid. As in plink2, males (SEX in the sample file) count as haploid on chrX, and
all samples on chrY and MT. In the pseudoautosomal regions, which plink2 names `PAR1` and `PAR2`, all are diploid.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.biallelic import (
    GenotypeRow,
    ReadingRules,
    SiteRecord,
    alleles_of,
    genotype_stream,
    on_one_chromosome,
    panel_of,
)
from rnnimp.formats.files import open_input, read_lines, text_lines
from rnnimp.formats.kinds import LONGEST_MAGIC, kind_of
from rnnimp.formats.names import checked_name
from rnnimp.formats.pgen.writing import library
from rnnimp.formats.site_rules import check_texts
from rnnimp.formats.unphased import Unphased
from rnnimp.numbers import real_number
from rnnimp.sites.chromosomes import is_pseudoautosomal, plain_chromosome
from rnnimp.sites.panel import GenotypeStream, GenotypeTable, PanelStream
from rnnimp.sites.ploidy import PloidyRecorder
from rnnimp.wording import shortened

_SITE_ENDINGS = (".pvar", ".pvar.zst", ".bim")
_SAMPLE_ENDINGS = (".psam", ".fam")
_FAM_COLUMNS = ("#FID", "IID", "PAT", "MAT", "SEX", "PHENO1")
_MALE = ("1", "M", "m")
_HAPLOID_IN_MALES = "X"
_HAPLOID = ("Y", "MT")
_MAGIC = b"\x6c\x1b"


def open_panel(
    path: str | Path,
    chromosome: str | None = None,
    keep_first_duplicate: bool = False,
    keep_monomorphic: bool = False,
    ploidy: PloidyRecorder | None = None,
    unphased: Unphased | None = None,
) -> PanelStream:
    """Open the phased genotypes of one chromosome for reading block by block.

    Args:
        path: Path of the `.pgen` file, or its prefix.
        chromosome: The chromosome to read, where the file has several.
        keep_first_duplicate: Whether to keep the first of repeated sites and drop the others, instead of an error.
        keep_monomorphic: Whether to keep sites without an alternative allele, ALT `.`.
        ploidy: Records which samples are haploid. None reads all samples as diploid.
        unphased: Counts unphased heterozygous genotypes. None refuses them.

    Raises:
        DataError: for genotypes that are unphased, and males with two alleles on chrX. Also for sites out of order or
            repeated, several chromosomes where none is chosen, and files that are missing or damaged.
        RnnimpError: if the library is not installed.
    """
    file = _Variants(path)
    calls = _Calls(file, ploidy, unphased)
    records = on_one_chromosome(file.records(), chromosome, file.sites)
    return panel_of(file.path, file.names, records, calls.of, ReadingRules(keep_first_duplicate, keep_monomorphic))


def read_genotypes(path: str | Path, chromosome: str | None = None) -> GenotypeTable:
    """Read all genotypes; see `open_genotypes`."""
    return open_genotypes(path, chromosome).read()


def open_genotypes(path: str | Path, chromosome: str | None = None) -> GenotypeStream:
    """Open dosages for reading block by block; where a genotype has none, those of its alleles.

    The format has no probabilities. The library holds the sites of the whole file.

    Which sites were imputed, and their estimated R2, is read from `IMP` and `R2` in INFO of a `.pvar` file, as rnnimp
    writes them.

    Args:
        path: Path of the `.pgen` file, or its prefix.
        chromosome: The chromosome to read, where the file has several.

    Raises:
        DataError: for sites out of order or repeated, several chromosomes where none is chosen, or files that are
            missing or damaged.
        RnnimpError: if the library is not installed.
    """
    file = _Variants(path)
    information = _Information(file.sites)
    rows = _genotype_rows(file, information, chromosome)
    return genotype_stream(path, file.names, len(file.names), rows, information.score_names)


def _genotype_rows(file: _Variants, information: _Information, chromosome: str | None) -> Iterator[GenotypeRow]:
    unknown = np.full((len(file.names), 3), np.nan, dtype=np.float32)
    records = on_one_chromosome(file.records(), chromosome, file.sites)
    for record, alleles in alleles_of(file.sites, records, ReadingRules()):
        is_typed, scores = information.at(record.row)
        for allele in alleles:
            yield GenotypeRow(allele, unknown, file.dosages(record, allele.number), is_typed, scores)


class _Variants:
    """The variants of a `.pgen` file with the files beside it.

    Attributes:
        path: Path of the `.pgen` file.
        sites: Sites of the `.pvar` or `.bim` file.
        names: Names of the samples.
        is_male: bool (n_samples,).
        reader: Reader of the library.
    """

    def __init__(self, path: str | Path) -> None:
        pgenlib = library()
        prefix = str(path).removesuffix(".pgen")
        self.path = require_pgen(path)
        self.sites, samples = _beside(prefix, _SITE_ENDINGS), _beside(prefix, _SAMPLE_ENDINGS)
        self.names, self.is_male = read_psam(samples)
        with open_input(self.sites):  # says what is wrong with a path
            pass
        try:
            self._table = pgenlib.PvarReader(str(self.sites).encode())
            offsets = self._table.get_allele_idx_offsets() if self._table.get_max_allele_ct() > 2 else None
            self.reader = pgenlib.PgenReader(
                self.path.encode(), len(self.names), self._table.get_variant_ct(), allele_idx_offsets=offsets
            )
        except Exception as error:  # the library raises many kinds, all for files that do not fit
            told = error.args[0] if error.args else ""
            reason = shortened(told.decode(errors="replace") if isinstance(told, bytes) else str(error), 200)
            raise DataError(
                f"expected a PGEN of the sites and samples in {self.sites} and {samples} ({reason})", path
            ) from error
        self._dosages = np.empty(len(self.names), dtype=np.float32)

    def records(self) -> Iterator[SiteRecord]:
        """The variants' sites."""
        table = self._table
        for row in range(table.get_variant_ct()):
            try:
                chromosome, name = table.get_variant_chrom(row).decode(), table.get_variant_id(row).decode()
                alleles = [table.get_allele_code(row, code).decode() for code in range(table.get_allele_ct(row))]
                position = int(table.get_variant_pos(row))
            except Exception as error:  # as above
                raise DataError(
                    f"expected a table of variants in UTF-8, found damaged data in variant {row + 1}; make it again",
                    self.sites,
                ) from error
            check_texts(self.sites, chromosome, position, name, alleles)
            ref, *alts = alleles
            alts = [alt for alt in alts if alt not in (".", "0")]
            yield SiteRecord(chromosome, position, None if name == "." else name, ref, alts, row)

    def dosages(self, record: SiteRecord, number: int) -> NDArray[np.float32]:
        """Expected copies of an alternative allele, float32 (n_samples,); NaN for missing."""
        try:
            self.reader.read_dosages(record.row, self._dosages, number)
        except Exception as error:  # as above
            raise self.damaged(record) from error
        return np.where(self._dosages < 0, np.nan, self._dosages).astype(np.float32)

    def damaged(self, record: SiteRecord) -> DataError:
        """The error for genotypes that cannot be decoded."""
        place = f"{record.CHROM}:{record.POS}"
        return DataError(f"expected genotypes to the end, found damaged data at {place}; make it again", self.path)


class _Information:
    """INFO of a `.pvar` file: which sites were imputed, and how well by estimate. It is read row by row.

    Attributes:
        score_names: `R2` if the file has it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._has_flag, self.score_names = path, False, tuple[str, ...]()
        self._columns: list[str] = []
        self._rows: Iterator[tuple[int, str]] = iter(())
        if path.suffix == ".pvar":
            lines = text_lines(path)
            first = self._read_header(lines)
            self._rows = enumerate(chain(first, lines))
        if "INFO" not in self._columns:
            self._has_flag, self.score_names = False, ()

    def _read_header(self, lines: Iterator[str]) -> list[str]:
        """Read what comes before the first row, which is returned, if there is one."""
        for line in lines:
            if not line.startswith("#"):
                return [line]
            if line.startswith("##INFO=<ID=IMP,"):
                self._has_flag = True
            elif line.startswith("##INFO=<ID=R2,"):
                self.score_names = ("R2",)
            elif not line.startswith("##"):
                self._columns = line.split()
        return []

    def at(self, row: int) -> tuple[bool | None, tuple[float, ...]]:
        """Whether a variant was observed, None if the file does not say; and its scores. Rows must rise."""
        text = self._information_of(row) if self._has_flag or self.score_names else ""
        scores = (_score(text),) if self.score_names else ()
        return ("IMP" not in text.split(";") if self._has_flag else None), scores

    def _information_of(self, wanted: int) -> str:
        for row, line in self._rows:
            cells = line.split("\t")
            if len(cells) < len(self._columns):
                raise DataError(
                    f"expected {len(self._columns)} columns as in the header, found {len(cells)}", self._path
                )
            if row == wanted:
                return cells[self._columns.index("INFO")]
        return ""


def _score(information: str) -> float:
    """R2 of INFO; NaN where it is none."""
    values = [item.removeprefix("R2=") for item in information.split(";") if item.startswith("R2=")]
    try:
        return real_number(values[0])
    except (IndexError, ValueError):
        return float("nan")


def require_pgen(path: str | Path) -> str:
    """The `.pgen` file of a path or prefix, once its first bytes have told that it is one.

    Raises:
        DataError: if it cannot be read, or is of another kind.
    """
    name = f"{str(path).removesuffix('.pgen')}.pgen"
    if Path(path).is_file() and not Path(name).exists():
        name = str(path)  # a file of another kind, most likely
    with open_input(name) as file:
        start = file.read(LONGEST_MAGIC)
    if not start.startswith(_MAGIC):
        raise DataError(f"expected a PGEN file, found {kind_of(start)}; name a .pgen file or its prefix", name)
    if not name.endswith(".pgen"):
        raise DataError("expected a name that ends in .pgen, as .pvar and .psam have its prefix; rename it", name)
    return name


def files_of(path: str | Path) -> list[str]:
    """The files that a PGEN's path or prefix may stand for, whether they exist or not."""
    prefix = str(path).removesuffix(".pgen")
    return [f"{prefix}.pgen", *(f"{prefix}{ending}" for ending in (*_SITE_ENDINGS, *_SAMPLE_ENDINGS))]


def _beside(prefix: str, endings: tuple[str, ...]) -> Path:
    for ending in endings:
        if Path(prefix + ending).exists():
            return Path(prefix + ending)
    raise DataError(f"expected {' or '.join(endings)} beside it, found none", f"{prefix}.pgen")


def read_psam(path: str | Path) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Sample names, and who is male, of a `.psam` or `.fam` file.

    Raises:
        DataError: for a line that is too short, or a name that repeats or has control characters.
    """
    lines = [(number, line) for number, line in enumerate(read_lines(path), start=1) if not line.startswith("##")]
    columns = list(_FAM_COLUMNS)
    if lines and lines[0][1].startswith(("#FID", "#IID")):
        line_of_columns, header = lines.pop(0)
        columns = header.split()
        if sum(column in ("IID", "#IID") for column in columns) != 1 or columns.count("SEX") > 1:
            raise DataError(
                f"expected one column IID and at most one SEX, found '{shortened(header)}'; make it again with plink2",
                path,
                line_of_columns,
            )
    if not lines:
        raise DataError("expected a line for each sample, found none", path)
    name_column = columns.index("IID" if "IID" in columns else "#IID")
    sex_column = columns.index("SEX") if "SEX" in columns else None
    males: dict[str, bool] = {}
    for number, line in lines:
        cells = line.split()
        if len(cells) != len(columns):
            raise DataError(f"expected {len(columns)} columns, found {len(cells)}", path, number)
        checked_name(cells[name_column], path, number)
        if cells[name_column] in males:
            raise DataError(f"expected each sample once, found {cells[name_column]} again", path, number)
        males[cells[name_column]] = sex_column is not None and cells[sex_column] in _MALE
    return tuple(males), np.array(list(males.values()), dtype=bool)


class _Calls:
    """The alleles of one file's variants."""

    def __init__(self, file: _Variants, ploidy: PloidyRecorder | None, unphased: Unphased | None) -> None:
        self._file, self._ploidy, self._unphased = file, ploidy, unphased
        self._alleles = np.empty(2 * len(file.names), dtype=np.int32)
        self._is_phased = np.empty(len(file.names), dtype=np.uint8)

    def of(self, record: SiteRecord) -> NDArray[np.int16]:
        """Allele numbers, int16 (n_samples, 2); -1 for missing."""
        place = f"{record.CHROM}:{record.POS}"
        try:
            self._file.reader.read_alleles_and_phasepresent(record.row, self._alleles, self._is_phased)
        except Exception as error:  # the library raises many kinds
            raise self._file.damaged(record) from error
        calls = np.maximum(self._alleles, -1).astype(np.int16).reshape(-1, 2)
        is_heterozygous = calls[:, 0] != calls[:, 1]
        self._check_phase(~is_heterozygous | (self._is_phased != 0), calls, place)
        if self._ploidy is not None:
            is_haploid = self._haploid(record.CHROM)
            self._require(~(is_heterozygous & is_haploid), calls, "one allele in a haploid sample", "|", place)
            self._ploidy.add(record.POS, is_haploid, np.ones(len(calls), dtype=bool))
        return calls

    def _check_phase(self, is_phased: NDArray[np.bool_], calls: NDArray[np.int16], place: str) -> None:
        if self._unphased is None:
            self._require(is_phased, calls, "phased genotypes like 0|1", "/", place)
        elif not is_phased.all():
            number = int(np.count_nonzero(~is_phased))
            self._unphased.add(number, place, self._file.names[int(np.argmin(is_phased))])

    def _haploid(self, chromosome: str) -> NDArray[np.bool_]:
        name = plain_chromosome(chromosome)
        if name == _HAPLOID_IN_MALES and not is_pseudoautosomal(chromosome):
            return self._file.is_male
        return np.full(len(self._file.names), name in _HAPLOID)

    def _require(
        self, is_right: NDArray[np.bool_], calls: NDArray[np.int16], expected: str, separator: str, place: str
    ) -> None:
        if not is_right.all():
            sample = int(np.argmin(is_right))
            raise DataError(
                f"expected {expected}, found {separator.join(map(str, calls[sample]))} at {place} in sample "
                f"{self._file.names[sample]}; phase the genotypes, or correct the samples' sex",
                self._file.path,
            )
