"""The plain data that every format is read into and written from.

A site is known by chromosome, position and alleles. The alleles coded 0 and 1 are called `a0` and `a1`. In data read
from a VCF they are REF and ALT.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError

MISSING = -1
"""The code of a missing allele in every int8 allele array."""

NO_MARKER_FLAGS = (
    "expected the column array_marker_flag, which says which sites the array types, found none; make the legend with "
    "'rnnimp prepare'"
)
"""The message for a legend that names no markers."""

IMPUTED, TYPED, TYPED_ONLY = "IMPUTED", "TYPED", "TYPED_ONLY"
"""Kinds of written sites; those of the last kind are not in the model."""

HELD_BYTES = 1 << 28
"""Of alleles that are read as a whole and held in memory."""


SiteKey = tuple[int, str, str]


@dataclass(frozen=True, eq=False)
class Sites:
    """Biallelic sites of one chromosome, in file order.

    Attributes:
        ids: Names of the sites, object (n_sites,), strings.
        positions: Positions, int64 (n_sites,); 1-based base pairs.
        a0: The allele coded 0, object (n_sites,), strings.
        a1: The allele coded 1, object (n_sites,), strings.
        chromosome: The name as the source writes it; None where the format has none.
        is_marker: True where the array types the site, bool (n_sites,); None if not known.
        a1_freq: Frequency of a1 in the panel, float64 (n_sites,); NaN where unknown; None if absent.
        swapped: True where a0 and a1 stand the other way round than in the source, bool (n_sites,); None if absent.
        has_reference: Whether a0 is the reference genome's allele by the format's definition, as in a VCF. Elsewhere it
            mostly is so too, but nothing says so.
    """

    ids: NDArray[np.object_]
    positions: NDArray[np.int64]
    a0: NDArray[np.object_]
    a1: NDArray[np.object_]
    chromosome: str | None = None
    is_marker: NDArray[np.bool_] | None = None
    a1_freq: NDArray[np.float64] | None = None
    swapped: NDArray[np.bool_] | None = None
    has_reference: bool = False

    def __post_init__(self) -> None:
        lengths = {len(column) for _, column in self._columns()}
        if len(lengths) > 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, selection: slice | NDArray[Any]) -> Sites:
        """The selected sites: a slice, indices or a mask."""
        columns: dict[str, Any] = {name: column[selection] for name, column in self._columns()}
        return replace(self, **columns)

    def keys(self) -> list[SiteKey]:
        """(position, a0, a1) of every site."""
        return list(zip(self.positions.tolist(), self.a0.tolist(), self.a1.tolist(), strict=True))

    def markers(self) -> NDArray[np.bool_]:
        """The marker flags.

        Raises:
            DataError: if the source did not say which sites are markers.
        """
        if self.is_marker is None:
            raise DataError(NO_MARKER_FLAGS)
        return self.is_marker

    def _columns(self) -> Iterator[tuple[str, NDArray[Any]]]:
        for name in ("ids", "positions", "a0", "a1", "is_marker", "a1_freq", "swapped"):
            column = getattr(self, name)
            if column is not None:
                yield name, column

    @classmethod
    def concatenate(cls, parts: Sequence[Sites]) -> Sites:
        """Join sites of one chromosome; a column is kept where every part has it."""
        first = parts[0]
        shared = [name for name, _ in first._columns() if all(getattr(part, name) is not None for part in parts)]
        columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in shared}
        return cls(chromosome=first.chromosome, has_reference=all(part.has_reference for part in parts), **columns)

    @classmethod
    def build(
        cls,
        positions: Iterable[int],
        a0: Iterable[str],
        a1: Iterable[str],
        ids: Iterable[str] | None = None,
        **optional: Any,
    ) -> Sites:
        """Make sites from any sequences; ids default to `position:a0:a1`.

        >>> Sites.build([100, 200], ["A", "C"], ["G", "CT"]).ids.tolist()
        ['100:A:G', '200:C:CT']
        """
        columns = np.fromiter(positions, np.int64), as_strings(a0), as_strings(a1)
        if ids is None:
            ids = [f"{position}:{ref}:{alt}" for position, ref, alt in zip(*columns, strict=True)]
        return cls(as_strings(ids), *columns, **optional)


def as_strings(values: Iterable[str]) -> NDArray[np.object_]:
    """Strings as an object array, without numpy's padding of each to the longest; equal ones are held once."""
    held: dict[str, str] = {}
    listed = [held.setdefault(value, value) for value in values]
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


@dataclass(frozen=True, eq=False)
class Panel:
    """Phased diploid haplotypes at sites.

    Attributes:
        sites: n_sites of them.
        alleles: Alleles, int8 (n_sites, n_haplotypes); 0, 1, or -1 for missing. Columns 2i and 2i + 1 belong to sample
            i.
        sample_names: n_haplotypes / 2 names.
    """

    sites: Sites
    alleles: NDArray[np.int8]
    sample_names: tuple[str, ...]

    def __post_init__(self) -> None:
        expected = (len(self.sites), 2 * len(self.sample_names))
        if self.alleles.shape != expected:
            raise ValueError(f"alleles have shape {self.alleles.shape}, sites and samples ask for {expected}")

    def __getitem__(self, selection: slice | NDArray[Any]) -> Panel:
        """The same samples at the selected sites."""
        return replace(self, sites=self.sites[selection], alleles=self.alleles[selection])

    def take_samples(self, indices: NDArray[np.intp]) -> Panel:
        """The same sites for the samples at `indices`, in that order."""
        columns = haplotype_columns(indices)
        names = tuple(self.sample_names[index] for index in indices)
        return replace(self, alleles=self.alleles[:, columns], sample_names=names)


@dataclass(frozen=True)
class PanelStream:
    """A panel that is read block by block, so that memory does not grow with the chromosome.

    Attributes:
        sample_names: The samples of every block.
        blocks: Consecutive stretches of sites, in order; can be walked once.
        contig_length: Length of the chromosome in base pairs, where the source says so.
        left_out: How many sites of the source were left out, by reason; complete when the blocks have been walked.
    """

    sample_names: tuple[str, ...]
    blocks: Iterator[Panel]
    contig_length: int | None = None
    left_out: Counter[str] = field(default_factory=Counter)

    def read(self) -> Panel:
        """All blocks joined; alleles of more than `HELD_BYTES` are in a temporary file that is mapped into memory."""
        sites = [Sites.build([], [], [])]
        alleles = _JoinedAlleles(2 * len(self.sample_names))
        for block in self.blocks:
            sites.append(block.sites)
            alleles.append(block.alleles)
        return Panel(Sites.concatenate(sites[1:] or sites), alleles.joined(), self.sample_names)


class _JoinedAlleles:
    """Rows of alleles, gathered in memory while they are few, else in a file without a name."""

    def __init__(self, n_haplotypes: int) -> None:
        self._parts: list[NDArray[np.int8]] = [np.empty((0, n_haplotypes), np.int8)]
        self._file: IO[bytes] | None = None
        self._n_rows = 0

    def append(self, alleles: NDArray[np.int8]) -> None:
        self._parts.append(alleles)
        self._n_rows += len(alleles)
        if self._n_rows * alleles.shape[1] > HELD_BYTES:
            self._write()

    def _write(self) -> None:
        try:
            self._file = self._file or tempfile.TemporaryFile(prefix="rnnimp.")  # noqa: SIM115 - lives with the array
            for part in self._parts:
                self._file.write(np.ascontiguousarray(part).data)
            self._file.flush()
        except OSError as error:
            raise DataError(
                f"cannot be written ({error.strerror}); the target needs room there, name another folder in TMPDIR",
                tempfile.gettempdir(),
            ) from error
        del self._parts[1:]

    def joined(self) -> NDArray[np.int8]:
        """All rows; can be asked for once."""
        shape = (self._n_rows, self._parts[0].shape[1])
        if self._file is not None:
            return np.memmap(self._file, np.int8, mode="r", shape=shape)
        rows, stop = np.empty(shape, np.int8), self._n_rows
        while self._parts:  # each goes when it is copied, so that no more than all is held
            part = self._parts.pop()
            rows[stop - len(part) : stop] = part
            stop -= len(part)
        return rows


def haplotype_columns(sample_indices: NDArray[np.intp]) -> NDArray[np.intp]:
    """The two haplotype columns of each sample, side by side."""
    indices = np.asarray(sample_indices, dtype=np.intp)
    return np.stack([2 * indices, 2 * indices + 1], axis=1).reshape(-1)


def alleles_checksum(alleles: NDArray[np.int8]) -> str:
    """SHA-256 of alleles, in hexadecimal digits: the same for the same sites and samples in the same order.

    Args:
        alleles: int8 (n_rows, n_haplotypes).
    """
    return hashlib.sha256(alleles.tobytes()).hexdigest()


def default_sample_names(n_samples: int) -> tuple[str, ...]:
    """`Sample_1`, `Sample_2`, ...: the names used where a source has none."""
    return tuple(f"Sample_{index}" for index in range(1, n_samples + 1))


def alt_frequency(alleles: NDArray[np.int8]) -> NDArray[np.float64]:
    """Frequency of allele 1 at each site.

    Missing alleles count neither above nor below the line.

    Args:
        alleles: Alleles, int8 (n_sites, n_haplotypes); 0, 1, or -1 for missing.

    Returns:
        float64 (n_sites,) in [0, 1]; NaN where every allele is missing.
    """
    known = np.count_nonzero(alleles >= 0, axis=1)
    carried = np.count_nonzero(alleles == 1, axis=1)
    frequency = np.full(len(alleles), np.nan)
    np.divide(carried, known, out=frequency, where=known > 0)
    return frequency


def known_chromosome(sites: Sites) -> str | None:
    """The chromosome that the source names, else the one that the ids name; None if neither does."""
    return sites.chromosome if sites.chromosome is not None else chromosome_in_ids(sites)


def chromosome_in_ids(sites: Sites) -> str | None:
    """The chromosome that ids of the form `chromosome:position:a0:a1` name; None unless all such ids agree.

    >>> chromosome_in_ids(Sites.build([5, 9], "AC", "GT", ids=["22:5:A:G", "rs7"]))
    '22'
    """
    names: set[str] = set()
    for identifier, position in zip(sites.ids.tolist(), sites.positions.tolist(), strict=True):
        name, _, rest = identifier.partition(":")
        if name and rest.startswith(f"{position}:"):
            names.add(name)
    return names.pop() if len(names) == 1 else None


@dataclass(frozen=True, eq=False)
class GenotypeTable:
    """Unphased genotypes with their uncertainty, as imputers write them.

    Attributes:
        sites: n_sites of them.
        probabilities: P(0, 1 or 2 copies of a1), float32 (n_sites, n_samples, 3); NaN where the genotype is missing or
            the source has no probabilities.
        dosages: Expected copies of a1 in [0, 2], float32 (n_sites, n_samples); NaN for missing. Haploid samples stand
            as if homozygous.
        sample_names: n_samples names; None where the format holds none.
        is_typed: True where the site was observed, not imputed, bool (n_sites,); None if the source does not say.
        scores: float64 (n_sites,) by name, the source's own estimates of the sites' r2; NaN where it gives none.
    """

    sites: Sites
    probabilities: NDArray[np.float32]
    dosages: NDArray[np.float32]
    sample_names: tuple[str, ...] | None = None
    is_typed: NDArray[np.bool_] | None = None
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_sites, n_samples = self.dosages.shape
        if self.probabilities.shape != (n_sites, n_samples, 3):
            raise ValueError(f"probabilities have shape {self.probabilities.shape}, dosages {self.dosages.shape}")
        if len(self.sites) != n_sites or (self.is_typed is not None and len(self.is_typed) != n_sites):
            raise ValueError(f"dosages are of {n_sites} sites, the table has {len(self.sites)}")
        if self.sample_names is not None and len(self.sample_names) != n_samples:
            raise ValueError(f"dosages are of {n_samples} samples, found {len(self.sample_names)} names")

    def __getitem__(self, selection: slice | NDArray[Any]) -> GenotypeTable:
        """The same samples at the selected sites."""
        return GenotypeTable(
            self.sites[selection],
            self.probabilities[selection],
            self.dosages[selection],
            self.sample_names,
            None if self.is_typed is None else self.is_typed[selection],
            {name: score[selection] for name, score in self.scores.items()},
        )

    @classmethod
    def concatenate(cls, parts: Sequence[GenotypeTable]) -> GenotypeTable:
        """Join consecutive stretches of sites of one source."""
        first = parts[0]
        flags = [part.is_typed for part in parts if part.is_typed is not None]
        return cls(
            Sites.concatenate([part.sites for part in parts]),
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.dosages for part in parts]),
            first.sample_names,
            np.concatenate(flags) if len(flags) == len(parts) else None,
            {name: np.concatenate([part.scores[name] for part in parts]) for name in first.scores},
        )


@dataclass(frozen=True)
class GenotypeStream:
    """Genotypes that are read block by block, so that memory does not grow with the chromosome.

    Attributes:
        sample_names: Names of the samples; None where the format holds none.
        n_samples: Number of samples.
        blocks: Consecutive stretches of sites, in the order of the file; can be walked once.
    """

    sample_names: tuple[str, ...] | None
    n_samples: int
    blocks: Iterator[GenotypeTable]

    def read(self) -> GenotypeTable:
        """All blocks joined."""
        parts = list(self.blocks)
        return parts[0] if len(parts) == 1 else GenotypeTable.concatenate(parts)


@dataclass(frozen=True, eq=False)
class ImputedBlock:
    """A stretch of imputed and typed sites in order of position, ready to be written.

    Attributes:
        sites: n_sites of them.
        alt_probabilities: P(a1) on each haplotype, float32 (n_sites, n_haplotypes); 0 or 1 where it was observed, 0.5
            where a typed allele is missing. Columns 2i and 2i + 1 belong to sample i.
        is_typed: True where the target's own genotypes stand, bool (n_sites,); False where a model imputed.
        is_missing: True for the missing alleles of typed sites, bool (n_sites, n_haplotypes); None if there are none.
        is_haploid: True where a sample has one haplotype, which is then in both columns, bool (n_sites, n_samples).
            None if there is no such sample.
        is_filled: True for alleles of typed sites that were missing and are imputed, bool (n_sites, n_haplotypes); None
            if there are none.
        own_probabilities: P(a1) that the model imputes at typed sites, float32 (n_sites, n_haplotypes); NaN where it
            does not; None if that was not asked for.
        empirical_r2: Agreement of the two at typed sites, float64 (n_sites,); NaN elsewhere; None if not asked for.
        is_typed_only: True for typed sites that the model does not have, bool (n_sites,); None if there are none.
    """

    sites: Sites
    alt_probabilities: NDArray[np.float32]
    is_typed: NDArray[np.bool_]
    is_missing: NDArray[np.bool_] | None = None
    is_haploid: NDArray[np.bool_] | None = None
    is_filled: NDArray[np.bool_] | None = None
    own_probabilities: NDArray[np.float32] | None = None
    empirical_r2: NDArray[np.float64] | None = None
    is_typed_only: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.sites)

    def kinds(self) -> list[str]:
        """`IMPUTED`, `TYPED` or `TYPED_ONLY` for each site."""
        names = np.where(self.is_typed, TYPED, IMPUTED)
        if self.is_typed_only is not None:
            names = np.where(self.is_typed_only, TYPED_ONLY, names)
        return list(names.tolist())

    def __getitem__(self, selection: slice | NDArray[Any]) -> ImputedBlock:
        """The same samples at the selected sites."""
        columns = {item.name: getattr(self, item.name) for item in fields(self)}
        chosen: dict[str, Any] = {
            name: None if column is None else column[selection] for name, column in columns.items()
        }
        return ImputedBlock(**chosen)

    def known_probabilities(self) -> NDArray[np.float64]:
        """P(a1), float64 (n_sites, n_haplotypes); NaN for missing alleles and second columns of haploid samples."""
        probabilities = self.alt_probabilities.astype(np.float64)
        if self.is_missing is not None:
            probabilities[self.is_missing] = np.nan
        if self.is_haploid is not None:
            probabilities[:, 1::2][self.is_haploid] = np.nan
        return probabilities

    def filled_alleles(self) -> NDArray[np.int64]:
        """How many missing alleles of each typed site are imputed, int64 (n_sites,)."""
        if self.is_filled is None:
            return np.zeros(len(self), dtype=np.int64)
        is_filled = self.is_filled.copy()
        if self.is_haploid is not None:
            is_filled[:, 1::2] &= ~self.is_haploid
        return np.asarray(np.count_nonzero(is_filled, axis=1), dtype=np.int64)
