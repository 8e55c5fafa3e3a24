"""The table of the samples beside imputed genotypes, `PREFIX.samples.tsv`.

Tab-separated, with a header line. `called` is the share of the sample's alleles that is called at the markers that the
target has. `alt_alleles` and `uncertainty` are those of `SampleSums`, over the imputed sites that are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.files import atomic_output
from rnnimp.formats.tables import number_text, write_table
from rnnimp.scoring.sample_sums import SampleSums
from rnnimp.sites.panel import ImputedBlock

ENDING = "samples.tsv"
COLUMNS = ("sample", "called", "alt_alleles", "uncertainty")


class SampleTable:
    """Gathers what the table says, from blocks on their way to the writer.

    Args:
        names: Names of the samples.
        called_shares: Share of each sample's alleles that is called at the observed markers, float64 (n_samples,).
    """

    def __init__(self, names: Sequence[str], called_shares: NDArray[np.float64]) -> None:
        self._names, self._called, self._sums = names, called_shares, SampleSums(len(names))

    def added(self, blocks: Iterator[ImputedBlock]) -> Iterator[ImputedBlock]:
        """The blocks, as they are."""
        for block in blocks:
            imputed = block[~block.is_typed] if block.is_typed.any() else block
            self._sums.add(imputed.alt_probabilities, imputed.is_haploid)
            yield block

    def save(self, path: Path) -> None:
        """Write the table.

        Raises:
            DataError: if it cannot be written.
        """
        columns = (self._called, self._sums.alt_alleles(), self._sums.uncertainty())
        texts = [[number_text(value, n) for value in column] for column, n in zip(columns, (4, 2, 6), strict=True)]
        with atomic_output(path) as file:
            write_table(file, COLUMNS, zip(self._names, *texts, strict=True))
