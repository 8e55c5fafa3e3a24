"""How near imputed genotypes are to the truth, site by site.

1. `alignment.align` finds the sites and samples in common.
2. `compare` sums up each site's genotype pairs.
3. The sums, `SiteStatistics`, give every score of a site. Added up, they give every score of a bin of sites (`bins`).

Everything is counted in the truth's alleles: an imputed site whose alleles stand the other way round is turned. A pair
in which either genotype is missing is left out. All sums are float64.

Haploid samples count as homozygous, with 0 or 2 copies. Otherwise, on chrX, the scores would count the difference
between haploid and diploid samples as something that the imputation explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.alignment import Alignment, Truth
from rnnimp.scoring.measures import most_likely, ratio, squared_correlation
from rnnimp.sites.panel import GenotypeTable

_BLOCK_GENOTYPES = 1 << 18
_PERCENT_DECIMALS = 10  # 1 - 0.995 must fall where 0.005 does


@dataclass(frozen=True, eq=False)
class SiteStatistics:
    """Sums of each site, from which every score is computed.

    Attributes:
        n_pairs: Genotypes compared, int64 (n_sites,).
        truth_mean: Mean true copies of a1, float64 (n_sites,); NaN without pairs, as the next.
        dosage_mean: Mean imputed dosage, float64 (n_sites,).
        truth_spread: Sum of the squared deviations of the true copies from their mean, float64 (n_sites,).
        dosage_spread: The same of the dosages, float64 (n_sites,); exactly 0 where all are equal.
        joint_spread: Sum of the products of both deviations, float64 (n_sites,).
        guesses: Number of pairs by true and by most likely imputed copies, float64 (n_sites, 3, 3).
        weights: The same with each imputed genotype spread over its probabilities, float64 (n_sites, 3, 3); pairs
            without probabilities count nothing.
    """

    n_pairs: NDArray[np.int64]
    truth_mean: NDArray[np.float64]
    dosage_mean: NDArray[np.float64]
    truth_spread: NDArray[np.float64]
    dosage_spread: NDArray[np.float64]
    joint_spread: NDArray[np.float64]
    guesses: NDArray[np.float64]
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.n_pairs)

    def __getitem__(self, selection: slice | NDArray[np.bool_]) -> SiteStatistics:
        """The selected sites."""
        return SiteStatistics(*(getattr(self, field.name)[selection] for field in fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[SiteStatistics]) -> SiteStatistics:
        """Join consecutive stretches of sites."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def varies(self) -> NDArray[np.bool_]:
        """Whether the true genotypes differ between samples, bool (n_sites,)."""
        return self.truth_spread > 0

    def r2(self) -> NDArray[np.float64]:
        """Squared Pearson correlation of true copies and dosages.

        Returns:
            float64 (n_sites,); NaN where the truth does not vary; 0 where it does and the dosage does not, since a
            constant explains nothing.
        """
        return squared_correlation(self.truth_spread, self.dosage_spread, self.joint_spread)


@dataclass(frozen=True, eq=False)
class Pairs:
    """True and imputed genotypes of some sites and samples, in the same alleles.

    Attributes:
        genotypes: True copies of a1, int8 (n_sites, n_samples); -1 for missing.
        dosages: (n_sites, n_samples), imputed; NaN for missing.
        probabilities: (n_sites, n_samples, 3), imputed; NaN where not known.
    """

    genotypes: NDArray[np.int8]
    dosages: NDArray[np.floating]
    probabilities: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.genotypes)

    def take_samples(self, columns: NDArray[np.intp]) -> Pairs:
        """The same sites for some samples."""
        return Pairs(self.genotypes[:, columns], self.dosages[:, columns], self.probabilities[:, columns])

    @cached_property
    def is_known(self) -> NDArray[np.bool_]:
        """Where neither side is missing, bool (n_sites, n_samples)."""
        return np.asarray((self.genotypes >= 0) & np.isfinite(self.dosages))

    @cached_property
    def guesses(self) -> NDArray[np.int8]:
        """Most likely imputed copies, int8 (n_sites, n_samples); -1 for missing."""
        return most_likely(self.dosages, self.probabilities)

    def statistics(self) -> SiteStatistics:
        """The sums of each site."""
        is_known = self.is_known
        truth_mean, truth_deviations = _centred(self.genotypes, is_known)
        dosage_mean, dosage_deviations = _centred(self.dosages, is_known)
        return SiteStatistics(
            np.count_nonzero(is_known, axis=1),
            truth_mean,
            dosage_mean,
            np.sum(truth_deviations**2, axis=1),
            np.sum(dosage_deviations**2, axis=1),
            np.sum(truth_deviations * dosage_deviations, axis=1),
            self._guess_table(),
            self._weight_table(),
        )

    def _guess_table(self) -> NDArray[np.float64]:
        """Number of pairs of each site by true and by most likely copies, float64 (n_sites, 3, 3)."""
        codes = np.where(self.is_known, 3 * self.genotypes + self.guesses, 9)
        return _row_sums(codes, 10)[:, :9].reshape(-1, 3, 3)

    def _weight_table(self) -> NDArray[np.float64]:
        """The same with each imputed genotype spread over its probabilities."""
        columns = [self.probabilities[..., copies] for copies in range(3)]
        is_certain = self.is_known & np.isfinite(columns[0] + columns[1] + columns[2])
        codes = np.where(is_certain, self.genotypes, 3)
        sums = [_row_sums(codes, 4, np.where(is_certain, column, 0)) for column in columns]
        return np.stack(sums, axis=-1)[:, :3]


def _row_sums(
    codes: NDArray[np.integer], n_codes: int, weights: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Number, or sum of the weights, of each code in each row, float64 (n_rows, n_codes)."""
    n_rows = len(codes)
    places = codes.astype(np.intp) + n_codes * np.arange(n_rows)[:, np.newaxis]
    flat = None if weights is None else weights.reshape(-1)
    sums = np.bincount(places.reshape(-1), flat, n_rows * n_codes)
    return np.asarray(sums, dtype=np.float64).reshape(n_rows, n_codes)


def compare(imputed: GenotypeTable, truth: Truth, alignment: Alignment) -> SiteStatistics:
    """Compare the genotypes that an alignment pairs, in blocks of sites, so that memory stays small."""
    blocks = paired_blocks(imputed, truth, alignment)
    return SiteStatistics.concatenate([block.statistics() for _, block in blocks])


def paired_blocks(imputed: GenotypeTable, truth: Truth, alignment: Alignment) -> Iterator[tuple[slice, Pairs]]:
    """The genotypes that an alignment pairs, in the truth's alleles, in blocks of sites; one block at least.

    Yields:
        The block's place among the alignment's sites, and its pairs.
    """
    n_rows = rows_per_block(len(alignment.truth_samples))
    for start in range(0, max(1, len(alignment)), n_rows):
        block = alignment[start : start + n_rows]
        cells = np.ix_(block.imputed_rows, block.imputed_samples)
        dosages, probabilities = imputed.dosages[cells], imputed.probabilities[cells]
        dosages[block.is_swapped] = 2 - dosages[block.is_swapped]
        probabilities[block.is_swapped] = probabilities[block.is_swapped, :, ::-1]
        genotypes = truth.genotypes[np.ix_(block.truth_rows, block.truth_samples)]
        yield slice(start, start + len(block)), Pairs(genotypes, dosages, probabilities)


def rows_per_block(n_samples: int) -> int:
    """Sites that are compared at once."""
    return max(1, _BLOCK_GENOTYPES // max(1, n_samples))


def compare_genotypes(
    genotypes: NDArray[np.int8], dosages: NDArray[np.floating], probabilities: NDArray[np.floating]
) -> SiteStatistics:
    """Sum up the pairs of each site; see `Pairs`."""
    return Pairs(genotypes, dosages, probabilities).statistics()


def _centred(
    values: NDArray[np.floating] | NDArray[np.int8], is_pair: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means over the pairs, and the deviations from them, 0 outside; exactly 0 where all values are equal."""
    if not is_pair.shape[1]:
        return np.full(len(values), np.nan), np.zeros(values.shape)
    first = np.take_along_axis(values, np.argmax(is_pair, axis=1)[:, np.newaxis], axis=1).astype(np.float64)
    offsets = np.where(is_pair, values - first, 0)
    mean_offset = ratio(offsets.sum(axis=1), np.count_nonzero(is_pair, axis=1))
    deviations = np.where(is_pair, offsets - mean_offset[:, np.newaxis], 0)
    return first[:, 0] + mean_offset, deviations


def minor_percent(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frequency of the rarer allele in percent, float64, from that of either; NaN stays NaN."""
    percent: NDArray[np.float64] = np.round(100 * np.minimum(frequencies, 1 - frequencies), _PERCENT_DECIMALS)
    return percent
