"""The site table beside imputed genotypes: where each site is, and how well it is imputed, in any output format.

A table, tab-separated, with a header line. `AF`, `MAF`, `R2` and `ER2` are those of INFO in a VCF; `NA` where they are
undefined. `kind` is `IMPUTED`, `TYPED` or `TYPED_ONLY`. Rows stand in the order of the genotypes, one per site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.files import AtomicGroup
from rnnimp.scoring.site_sums import SiteSums, sums_of
from rnnimp.sites.matching import UNKNOWN_ALLELES
from rnnimp.sites.panel import ImputedBlock, Sites

ENDING = "info.tsv.gz"
COLUMNS = ("chromosome", "position", "id", "a0", "a1", "AF", "MAF", "R2", "ER2", "kind")
_UNDEFINED = "NA"


class BlockWriter(Protocol):
    """Takes blocks one after the other."""

    def write(self, block: ImputedBlock) -> None:
        """Append sites."""


class SiteTable:
    """Writes the table into an open file.

    Args:
        file: File to write to.
        chromosome: Name of the chromosome; None where not known.
    """

    def __init__(self, file: IO[bytes], chromosome: str | None) -> None:
        self._file, self._chromosome = file, _UNDEFINED if chromosome is None else chromosome
        self._file.write(("\t".join(COLUMNS) + "\n").encode())

    def add(
        self, sites: Sites, sums: SiteSums, kinds: Sequence[str], empirical_r2: NDArray[np.float64] | None = None
    ) -> None:
        """Append sites.

        Args:
            sites: n_sites of them.
            sums: Sums over the samples at these sites.
            kinds: Kind of each site; see `ImputedBlock.kinds`.
            empirical_r2: float64 (n_sites,), NaN where there is none; None if it was not asked for.
        """
        frequency = sums.frequency()
        empirical = np.full(len(sites), np.nan) if empirical_r2 is None else empirical_r2
        numbers = (frequency, np.minimum(frequency, 1 - frequency), sums.r2(), empirical)
        columns = (sites.positions, sites.ids, sites.a0, sites.a1, *numbers)
        rows = zip(*(column.tolist() for column in columns), kinds, strict=True)
        self._file.write("".join(self._line(*row) for row in rows).encode())

    def _line(self, position: int, name: str, a0: str, a1: str, *numbers_and_kind: float | str) -> str:
        alt = "." if a1 in UNKNOWN_ALLELES else a1
        cells = [_text(value) if isinstance(value, float) else value for value in numbers_and_kind]
        return "\t".join([self._chromosome, str(position), name, a0, alt, *cells]) + "\n"

    def add_block(self, block: ImputedBlock) -> None:
        """Append the sites of a block."""
        n_carried = np.zeros(len(block), dtype=np.int64)  # in no column
        sums = sums_of(block.alt_probabilities, block.is_missing, n_carried, block.is_haploid)
        self.add(block.sites, sums, block.kinds(), block.empirical_r2)


def _text(value: float) -> str:
    return _UNDEFINED if value != value else f"{value:.6g}"


class _TabledWriter:
    """A writer of genotypes, and the table of their sites."""

    def __init__(self, genotypes: BlockWriter, table: SiteTable) -> None:
        self._genotypes, self._table = genotypes, table

    def write(self, block: ImputedBlock) -> None:
        """Append sites."""
        self._genotypes.write(block)
        self._table.add_block(block)


@contextmanager
def with_site_table(
    open_genotypes: Callable[[AtomicGroup], AbstractContextManager[BlockWriter]],
    path: str | Path,
    chromosome: str | None,
) -> Iterator[BlockWriter]:
    """A writer of genotypes whose files are complete or absent together with the table of their sites.

    Args:
        open_genotypes: Makes the writer, given the group to which its files belong.
        path: Path of the table.
        chromosome: Name of the chromosome; None where not known.
    """
    with AtomicGroup() as group, open_genotypes(group) as genotypes:
        yield _TabledWriter(genotypes, SiteTable(group.open(path), chromosome))
