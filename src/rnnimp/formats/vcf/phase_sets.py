"""Phase sets (FORMAT `PS`): stretches within which a sample's haplotypes are known, but not across them.

Phasing by reads gives thousands of them, statistical phasing one. Fields of an earlier phasing may stand in a file that
was phased statistically since, so that several sets are warned of and not refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.vcf.record import VcfRecord
from rnnimp.wording import counted

_FIELD = "PS"
_NO_SET = (b".", b"", b"0")

_log = logging.getLogger(__name__)


class PhaseSets:
    """Watches records for samples with several phase sets.

    Args:
        path: The file, for the warning.
        names: Names of the samples.
    """

    def __init__(self, path: str | Path, names: tuple[str, ...]) -> None:
        self._path, self._names = path, names
        self._sets: dict[int, bytes] = {}
        self._several: set[int] = set()

    def watched(self, records: Iterator[VcfRecord]) -> Iterator[VcfRecord]:
        """The records; behind the last one a warning, if samples have several sets."""
        yield from records
        if self._several:
            first = self._names[min(self._several)]
            _log.warning(
                "warning: %s: %d of %s have several phase sets (FORMAT PS), the first is %s. Their haplotypes are not "
                "known across the sets, so that imputing is less accurate. Phase the data statistically, unless that "
                "was done",
                *(self._path, len(self._several), counted(len(self._names), "sample"), first),
            )

    def add(self, record: VcfRecord, calls: NDArray[np.integer]) -> None:
        """Take note of the sets of a record's heterozygous genotypes, integers (n_samples, 2)."""
        labels = record.labels(_FIELD) if _FIELD in record.fields else None
        if labels is None:
            return
        for sample in np.flatnonzero((calls[:, 0] != calls[:, 1]) & (calls.min(axis=1) >= 0)).tolist():
            label = labels[sample]
            if label not in _NO_SET and self._sets.setdefault(sample, label) != label:
                self._several.add(sample)
