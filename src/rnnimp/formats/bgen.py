"""BGEN 1.2: phased probabilities of imputed and typed sites, 16 bits each, zlib-compressed, with the samples' names.

A genotype of which an allele is missing is missing as a whole: the format knows no half. A haploid sample has one
probability. The index that the library makes is not kept: it holds a time, so that it would differ from run to run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.files import AtomicGroup, unwritable
from rnnimp.formats.optional import require
from rnnimp.markers import UNKNOWN_ALLELES
from rnnimp.panel import ImputedBlock

_BITS = 16


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
        path: of the file.
        sample_names: n_haplotypes / 2 of them.
        chromosome: its name.

    Raises:
        RnnimpError: if the library is not installed.
    """

    def __init__(self, path: str | Path, sample_names: Sequence[str], chromosome: str) -> None:
        super().__init__()
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
        """Name the file in what the library raises of full disks and the like."""
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            raise unwritable(self._path, error) from error

    def write(self, block: ImputedBlock) -> None:
        """Append sites."""
        ploidy: NDArray[np.uint8] | int = 2
        sites = block.sites
        columns = (sites.ids.tolist(), *(column.tolist() for column in (sites.positions, sites.a0, sites.a1)))
        for row, (name, position, a0, a1) in enumerate(zip(*columns, strict=True)):
            alt = "." if a1 in UNKNOWN_ALLELES else a1
            with self._blame():
                self._file.add_variant(
                    *(name, name, self._chromosome, position, [a0, alt], _probabilities(block, row)),
                    ploidy=ploidy,
                    phased=True,
                    bit_depth=_BITS,
                )


def _probabilities(block: ImputedBlock, row: int) -> NDArray[np.float64]:
    """[P(a0), P(a1)] of each of a sample's haplotypes, float64 (n_samples, 4); NaN for missing."""
    alt = block.alt_probabilities[row].astype(np.float64)
    if block.is_missing is not None:
        is_missing = block.is_missing[row].reshape(-1, 2).any(axis=1)
        alt[np.repeat(is_missing, 2)] = np.nan
    return np.stack([1 - alt, alt], axis=1).reshape(-1, 4)
