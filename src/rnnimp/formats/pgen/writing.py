"""PGEN out: `PREFIX.pgen` with dosages, `PREFIX.pvar` with sites and their quality, `PREFIX.psam` with samples.

The format holds dosages in steps of 2^-14; a genotype of which an allele is missing is missing. Its Python library
writes no phase beside dosages. It needs the number of sites beforehand, which is not known with a filter. So dosages go
to a nameless file first, two bytes each. They are written to the PGEN when the last site is known.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.files import AtomicGroup, unwritable
from rnnimp.formats.optional import require
from rnnimp.formats.vcf.header import flags_text, info_lines
from rnnimp.scoring.quality import dosage_frequency, dosages, minimac_r2
from rnnimp.sites.matching import UNKNOWN_ALLELES
from rnnimp.sites.panel import ImputedBlock

_STEPS = 1 << 14
"""Of a dosage, for each allele."""
_MISSING_STEPS = np.iinfo(np.uint16).max
_MISSING_DOSAGE = -9
_BATCH_BYTES = 1 << 24

_INFO = ("AF", "R2", "IMP", "IMPUTED", "TYPED", "TYPED_ONLY", "ER2")


def library() -> Any:
    """The package `pgenlib`.

    Raises:
        RnnimpError: if it is not installed, naming the extra.
    """
    return require("pgenlib", "pgen", "PGEN files need")


class PgenWriter(AtomicGroup):
    """Writes `PREFIX.pgen`, `PREFIX.pvar` and `PREFIX.psam`, block by block.

    Use it as a context manager: the files take their names together when the block ends without an exception.

    Args:
        prefix: Path without the endings.
        sample_names: n_haplotypes / 2 of them; one at least.
        chromosome: Name of the chromosome.
        within: A group to which these files belong.

    Raises:
        DataError: for a name with white space, which the format cannot hold, or no samples.
        RnnimpError: if the library is not installed.
    """

    def __init__(
        self, prefix: str | Path, sample_names: Sequence[str], chromosome: str, within: AtomicGroup | None = None
    ) -> None:
        super().__init__(within)
        self._prefix, self._sample_names, self._chromosome = str(prefix), sample_names, chromosome
        self._library = library()
        self._n_sites = 0
        self._is_haploid = np.zeros(len(sample_names), dtype=bool)
        spaced = [name for name in sample_names if len(name.split()) != 1]
        if spaced or not sample_names:
            found = repr(spaced[0]) if spaced else "none"
            raise DataError(f"expected sample names without white space for PGEN, found {found}; rename, or write VCF")

    def _begin(self) -> None:
        self._pgen = self.reserve(f"{self._prefix}.pgen")
        self._pvar = self.open(f"{self._prefix}.pvar")
        self._pvar.write(_pvar_header(self._chromosome).encode())
        self._psam = self.open(f"{self._prefix}.psam")
        with self._blame():
            spool: IO[bytes] = tempfile.TemporaryFile(dir=self._pgen.parent)  # noqa: SIM115 (closed by the stack)
            self._spool = self._stack.enter_context(spool)

    @contextmanager
    def _blame(self) -> Iterator[None]:
        """Name the file in what the library raises, for example when the disk is full."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            raise unwritable(f"{self._prefix}.pgen", error) from error

    def write(self, block: ImputedBlock) -> None:
        """Append sites."""
        n_rows = max(1, _BATCH_BYTES // max(1, 8 * block.alt_probabilities.shape[1]))
        for start in range(0, len(block), n_rows):
            part = block[start : start + n_rows]
            probabilities = part.alt_probabilities.astype(np.float64)
            if part.is_missing is not None:
                probabilities[part.is_missing] = np.nan
            self._pvar.write(_pvar_text(part, self._chromosome).encode())
            with self._blame():
                self._spool.write(_steps(dosages(probabilities)).tobytes())
            self._note_haploid(part)
        self._n_sites += len(block)

    def _note_haploid(self, block: ImputedBlock) -> None:
        if block.is_haploid is not None:
            self._is_haploid |= block.is_haploid.any(axis=0)

    def _psam_text(self) -> str:
        """Samples that are haploid somewhere are males, from which plink2 knows what their dosages on chrX mean."""
        if not self._is_haploid.any():
            return "".join(["#IID\n", *(f"{name}\n" for name in self._sample_names)])
        sexes = zip(self._sample_names, self._is_haploid.tolist(), strict=True)
        return "".join(["#IID\tSEX\n", *(f"{name}\t{1 if is_haploid else 2}\n" for name, is_haploid in sexes)])

    def _end(self) -> None:
        """Bring the dosages from the nameless file into the PGEN."""
        if not self._n_sites:
            raise DataError("expected sites to write, found none, which PGEN cannot hold", f"{self._prefix}.pgen")
        self._psam.write(self._psam_text().encode())
        n_samples = len(self._sample_names)
        batch = max(1, _BATCH_BYTES // (4 * n_samples))
        with self._blame():
            self._spool.seek(0)
            writer = self._library.PgenWriter(
                str(self._pgen).encode(), n_samples, self._n_sites, nonref_flags=False, dosage_present=True
            )
            for start in range(0, self._n_sites, batch):
                n_rows = min(batch, self._n_sites - start)
                steps = np.frombuffer(self._spool.read(2 * n_rows * n_samples), dtype=np.uint16)
                writer.append_dosages_batch(_from_steps(steps).reshape(n_rows, n_samples))
            writer.close()


def _steps(values: NDArray[np.float64]) -> NDArray[np.uint16]:
    is_missing = np.isnan(values)
    steps = np.rint(np.clip(np.where(is_missing, 0, values), 0, 2) * _STEPS)
    return np.where(is_missing, _MISSING_STEPS, steps).astype(np.uint16)


def _from_steps(steps: NDArray[np.uint16]) -> NDArray[np.float32]:
    values = steps.astype(np.float32) / np.float32(_STEPS)
    values[steps == _MISSING_STEPS] = _MISSING_DOSAGE
    return values


def _pvar_header(chromosome: str) -> str:
    lines = [*info_lines(_INFO), f"##contig=<ID={chromosome}>", "#CHROM\tPOS\tID\tREF\tALT\tINFO"]
    return "\n".join(lines) + "\n"


def _pvar_text(block: ImputedBlock, chromosome: str) -> str:
    sites, probabilities = block.sites, block.known_probabilities()
    columns = zip(
        *(column.tolist() for column in (sites.positions, sites.ids, sites.a0, sites.a1)),
        block.kinds(),
        dosage_frequency(probabilities).tolist(),
        minimac_r2(probabilities).tolist(),
        [np.nan] * len(block) if block.empirical_r2 is None else block.empirical_r2.tolist(),
        strict=True,
    )
    lines = []
    for position, name, a0, a1, kind, frequency, r2, empirical in columns:
        alt = "." if a1 in UNKNOWN_ALLELES else a1
        rest = flags_text(kind)
        if empirical == empirical:
            rest += f";ER2={_number(empirical)}"
        information = f"AF={_number(frequency)};R2={_number(r2)}{rest}"
        lines.append(f"{chromosome}\t{position}\t{name}\t{a0}\t{alt}\t{information}\n")
    return "".join(lines)


def _number(value: float) -> str:
    return "." if value != value else f"{value:.6g}"
