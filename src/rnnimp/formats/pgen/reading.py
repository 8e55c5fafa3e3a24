"""PGEN in: phased hard calls of `PREFIX.pgen`, with `PREFIX.pvar[.zst]` or `.bim`, and `PREFIX.psam` or `.fam`.

The format holds everybody as diploid. As plink2 does, males (SEX in the sample file) are taken for haploid on chrX, and
everybody on chrY and MT; the pseudoautosomal regions have chromosome names of their own (`PAR1`, `PAR2`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.biallelic import ReadingRules, SiteRecord, on_one_chromosome, panel_of
from rnnimp.formats.files import kind_of, open_input, read_lines
from rnnimp.formats.names import checked_name
from rnnimp.formats.pgen.writing import library
from rnnimp.sites.chromosomes import plain_chromosome
from rnnimp.sites.panel import PanelStream
from rnnimp.sites.ploidy import PloidyRecorder

_SITE_ENDINGS = (".pvar", ".pvar.zst", ".bim")
_SAMPLE_ENDINGS = (".psam", ".fam")
_FAM_COLUMNS = ("#FID", "IID", "PAT", "MAT", "SEX", "PHENO1")
_MALE = ("1", "M", "m")
_HAPLOID_IN_MALES = "X"
_HAPLOID = ("Y", "MT")
_MAGIC = b"\x6c\x1b"
_LONGEST_MAGIC = 20  # of any kind of file that is told by name


def open_panel(
    path: str | Path,
    chromosome: str | None = None,
    keep_first_duplicate: bool = False,
    keep_monomorphic: bool = False,
    ploidy: PloidyRecorder | None = None,
) -> PanelStream:
    """Open the phased genotypes of one chromosome for reading block by block.

    Args:
        path: of the `.pgen` file, or its prefix.
        chromosome: the chromosome to read, where the file has several.
        keep_first_duplicate: whether to drop sites whose position and alleles stood before, in place of refusing.
        keep_monomorphic: whether to keep sites without an alternative allele, ALT `.`.
        ploidy: is told who is haploid where. None reads everybody as diploid.

    Raises:
        DataError: for genotypes that are unphased, males with two alleles on chrX, sites out of order or repeated,
            several chromosomes where none is chosen, or files that are missing or damaged.
        RnnimpError: if the library is not installed.
    """
    pgenlib = library()
    prefix = str(path).removesuffix(".pgen")
    genotypes = require_pgen(path)
    sites, samples = _beside(prefix, _SITE_ENDINGS), _beside(prefix, _SAMPLE_ENDINGS)
    names, is_male = read_psam(samples)
    with open_input(sites):  # says what is wrong with a path
        pass
    try:
        variants = pgenlib.PvarReader(str(sites).encode())
        offsets = variants.get_allele_idx_offsets() if variants.get_max_allele_ct() > 2 else None
        reader = pgenlib.PgenReader(
            genotypes.encode(), len(names), variants.get_variant_ct(), allele_idx_offsets=offsets
        )
    except Exception as error:  # the library raises many kinds, all for files that do not fit
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"expected a PGEN of the sites and samples in {sites} and {samples} ({reason})", path
        ) from error
    calls = _Calls(genotypes, reader, names, is_male, ploidy)
    records = on_one_chromosome(_records(variants), chromosome, sites)
    return panel_of(genotypes, names, records, calls.of, ReadingRules(keep_first_duplicate, keep_monomorphic))


def require_pgen(path: str | Path) -> str:
    """The `.pgen` file of a path or prefix, once its first bytes have told that it is one.

    Raises:
        DataError: if it cannot be read, or is of another kind.
    """
    name = f"{str(path).removesuffix('.pgen')}.pgen"
    if Path(path).is_file() and not Path(name).exists():
        name = str(path)  # a file of another kind, most likely
    with open_input(name) as file:
        start = file.read(_LONGEST_MAGIC)
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
        columns = lines.pop(0)[1].split()
    name_column = columns.index("IID" if "IID" in columns else "#IID")
    sex_column = columns.index("SEX") if "SEX" in columns else None
    males: dict[str, bool] = {}
    for number, line in lines:
        cells = line.split()
        if len(cells) < len(columns):
            raise DataError(f"expected {len(columns)} columns, found {len(cells)}", path, number)
        checked_name(cells[name_column], path, number)
        if cells[name_column] in males:
            raise DataError(f"expected each sample once, found {cells[name_column]} again", path, number)
        males[cells[name_column]] = sex_column is not None and cells[sex_column] in _MALE
    return tuple(males), np.array(list(males.values()), dtype=bool)


def _records(variants: Any) -> Iterator[SiteRecord]:
    for row in range(variants.get_variant_ct()):
        chromosome, name = variants.get_variant_chrom(row).decode(), variants.get_variant_id(row).decode()
        ref, *alts = (variants.get_allele_code(row, code).decode() for code in range(variants.get_allele_ct(row)))
        alts = [alt for alt in alts if alt not in (".", "0")]
        yield SiteRecord(chromosome, variants.get_variant_pos(row), None if name == "." else name, ref, alts, row)


class _Calls:
    """The alleles of one file's variants."""

    def __init__(
        self,
        path: str,
        reader: Any,
        names: tuple[str, ...],
        is_male: NDArray[np.bool_],
        ploidy: PloidyRecorder | None,
    ) -> None:
        self._path, self._reader, self._names, self._is_male, self._ploidy = path, reader, names, is_male, ploidy
        self._alleles = np.empty(2 * len(names), dtype=np.int32)
        self._is_phased = np.empty(len(names), dtype=np.uint8)

    def of(self, record: SiteRecord) -> NDArray[np.int16]:
        """Allele numbers, int16 (n_samples, 2); -1 for missing."""
        place = f"{record.CHROM}:{record.POS}"
        try:
            self._reader.read_alleles_and_phasepresent(record.row, self._alleles, self._is_phased)
        except Exception as error:  # as above
            raise DataError(
                f"expected genotypes to the end, found damaged data at {place}; make it again", self._path
            ) from error
        calls = np.maximum(self._alleles, -1).astype(np.int16).reshape(-1, 2)
        is_heterozygous = calls[:, 0] != calls[:, 1]
        self._require(~is_heterozygous | (self._is_phased != 0), calls, "phased genotypes like 0|1", "/", place)
        if self._ploidy is not None:
            is_haploid = self._haploid(record.CHROM)
            self._require(~(is_heterozygous & is_haploid), calls, "one allele in a haploid sample", "|", place)
            self._ploidy.add(record.POS, is_haploid, np.ones(len(calls), dtype=bool))
        return calls

    def _haploid(self, chromosome: str) -> NDArray[np.bool_]:
        name = plain_chromosome(chromosome).upper()
        if name == _HAPLOID_IN_MALES:
            return self._is_male
        return np.full(len(self._names), name in _HAPLOID)

    def _require(
        self, is_right: NDArray[np.bool_], calls: NDArray[np.int16], expected: str, separator: str, place: str
    ) -> None:
        if not is_right.all():
            sample = int(np.argmin(is_right))
            raise DataError(
                f"expected {expected}, found {separator.join(map(str, calls[sample]))} at {place} in sample "
                f"{self._names[sample]}; phase the data, or mend the samples' sex",
                self._path,
            )
