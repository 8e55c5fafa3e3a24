"""The common interface of VCF and BCF records: a site, and its samples' values when they are asked for.

A record of a VCF is a line (`text_reading.py`), one of a BCF is a block of bytes (`bcf_reading.py`). Both are checked
as they are read: nothing that is damaged is passed over, repaired or guessed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.vcf.header_reading import VcfHeader

END = -2
"""The code of an allele that a sample has not, as it has fewer than others."""

MISSING = -1
"""The code of a missing allele."""

MAX_RECORD_BYTES = 1 << 27
"""The longest line or block that is read: a hundred times what a genotype and three probabilities of 100,000 take."""

MAX_ALLELES = 1 << 15
MAX_PLOIDY = 16

Genotypes = tuple[NDArray[np.integer], NDArray[np.bool_]]
"""Allele numbers (n_samples, ploidy), `MISSING` or `END` where there is none; and whether each sample is phased."""


class VcfRecord(ABC):
    """A record; its columns have the names that they have in a VCF.

    Attributes:
        CHROM: The chromosome.
        POS: The position, 1-based; 0 for a telomere.
        ID: The id; None for `.`.
        REF: The reference allele.
        ALT: The alternative alleles; empty for `.`.
        fields: Names of the fields that the samples have.
        line: Number of the line in the file; None in a BCF.
    """

    CHROM: str
    POS: int
    ID: str | None
    REF: str
    ALT: list[str]
    line: int | None

    def __init__(self, header: VcfHeader, path: str | Path) -> None:
        self.header, self._path = header, path

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that the samples have."""

    @abstractmethod
    def genotypes(self) -> Genotypes:
        """The alleles of the field `GT`.

        Raises:
            DataError: if there is none, or one is malformed, or names an allele that the record has not.
        """

    @abstractmethod
    def numbers(self, field: str) -> NDArray[np.float32] | None:
        """Another FORMAT field, float32 (n_samples, most values of a sample).

        NaN stands for missing values, and behind those of samples with fewer. None if the record has not the field.

        Raises:
            DataError: if a value is no number.
        """

    @abstractmethod
    def labels(self, field: str) -> list[bytes] | None:
        """A FORMAT field as text, one value per sample; `.` for missing. None if the record lacks the field."""

    @abstractmethod
    def has_info(self, name: str) -> bool:
        """Whether INFO has a flag or a value of this name."""

    @abstractmethod
    def info_numbers(self, name: str) -> tuple[float, ...]:
        """The numbers of a field of INFO; NaN for missing. Empty if it has none.

        Raises:
            DataError: if one is no number.
        """

    @property
    def place(self) -> str:
        """Where it lies, for messages."""
        return f"{self.CHROM}:{self.POS}"

    def error(self, message: str) -> DataError:
        """An error that names the file and the line."""
        return DataError(message, self._path, self.line)

    def require_genotypes(self) -> None:
        """Refuse records without genotypes."""
        if "GT" not in self.fields:
            raise self.error(f"expected genotypes, found no FORMAT field GT at {self.place}")

    def require_alleles(self, calls: NDArray[np.integer]) -> None:
        """Refuse genotypes of alleles that the record has not."""
        if calls.size and calls.max() > len(self.ALT):
            sample = int(np.argmax(calls.max(axis=1) > len(self.ALT)))
            raise self.error(
                f"expected allele numbers up to {len(self.ALT)}, as {self.place} has {len(self.ALT)} in ALT, found "
                f"{calls[sample].max()} in sample {self.header.sample_names[sample]}; make the file again"
            )
