"""How near imputed genotypes are to the truth.

1. `align` finds the sites and samples in common.
2. `compare` sums up each site's genotype pairs.
3. The sums, `SiteStatistics`, give every score of a site. Added up, they give every score of a bin of sites.

Everything is counted in the truth's alleles: an imputed site whose alleles stand the other way round is turned. A pair
in which either genotype is missing is left out. All sums are float64.

Haploid samples count as homozygous, with 0 or 2 copies. Otherwise, on chrX, the scores would count the difference
between haploid and diploid samples as something that the imputation explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import BIN_EDGES
from rnnimp.errors import DataError
from rnnimp.scoring.measures import (
    concordance,
    imputation_quality,
    most_likely,
    non_reference_discordance,
    ratio,
    squared_correlation,
)
from rnnimp.sites.interval import require_one_chromosome
from rnnimp.sites.matching import match_sites
from rnnimp.sites.panel import GenotypeTable, Sites, chromosome_in_ids, default_sample_names

_BLOCK_GENOTYPES = 1 << 20
_INDICATORS = np.eye(4, 3)  # a row for 0, 1 and 2 copies, and at last, which is -1, for missing
_PERCENT_DECIMALS = 10  # 1 - 0.995 must fall where 0.005 does


@dataclass(frozen=True, eq=False)
class Truth:
    """Known genotypes.

    Attributes:
        sites: n_sites of them.
        genotypes: Copies of a1, int8 (n_sites, n_samples): 0, 1 or 2, and -1 for missing. Haploid samples stand as if
            homozygous.
        sample_names: n_samples names; None where the source holds none.
    """

    sites: Sites
    genotypes: NDArray[np.int8]
    sample_names: tuple[str, ...] | None = None

    def frequencies(self) -> NDArray[np.float64]:
        """Frequency of a1 at each site, float64 (n_sites,); NaN where every genotype is missing."""
        known = self.genotypes >= 0
        carried = np.where(known, self.genotypes, 0).sum(axis=1)
        return ratio(carried, 2 * np.count_nonzero(known, axis=1))


@dataclass(frozen=True, eq=False)
class Alignment:
    """Which site and sample of an imputation is which of the truth.

    Attributes:
        imputed_rows: Indices of sites, int64 (n_shared_sites,).
        truth_rows: Indices of the same sites, int64 (n_shared_sites,); rising.
        is_swapped: True where the imputation's a0 is the truth's a1, bool (n_shared_sites,).
        imputed_samples: Indices of samples, int64 (n_shared_samples,).
        truth_samples: Indices of the same samples, int64 (n_shared_samples,).
    """

    imputed_rows: NDArray[np.int64]
    truth_rows: NDArray[np.int64]
    is_swapped: NDArray[np.bool_]
    imputed_samples: NDArray[np.int64]
    truth_samples: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truth_rows)

    def __getitem__(self, selection: slice | NDArray[np.bool_]) -> Alignment:
        """The same samples at the selected shared sites."""
        return replace(
            self,
            imputed_rows=self.imputed_rows[selection],
            truth_rows=self.truth_rows[selection],
            is_swapped=self.is_swapped[selection],
        )


def align(imputed: GenotypeTable, truth: Truth) -> Alignment:
    """Find the sites, by position and alleles, and the samples that an imputation and the truth share.

    Samples are matched by name where both have names of their own; those in only one of the two are left out.
    Otherwise they are matched by order, which needs equal numbers.

    Raises:
        DataError: if there is no site or no sample in common, or the chromosomes differ.
    """
    require_one_chromosome(
        [
            ("imputed", imputed.sites.chromosome),
            ("in the imputed ids", chromosome_in_ids(imputed.sites)),
            ("in the truth", truth.sites.chromosome),
            ("in the truth's ids", chromosome_in_ids(truth.sites)),
        ]
    )
    samples = _match_samples(imputed, truth)
    match = match_sites(imputed.sites, truth.sites)
    truth_rows = np.flatnonzero(match.target_index >= 0)
    if not truth_rows.size:
        raise DataError(
            f"expected sites in common, found none among {len(imputed.sites)} imputed and {len(truth.sites)} true "
            "ones; check that both are of one chromosome and genome build"
        )
    return Alignment(match.target_index[truth_rows], truth_rows, match.is_swapped[truth_rows], *samples)


def _match_samples(imputed: GenotypeTable, truth: Truth) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    n_imputed, n_truth = imputed.dosages.shape[1], truth.genotypes.shape[1]
    names, true_names = _own_names(imputed.sample_names), _own_names(truth.sample_names)
    if names is None or true_names is None:
        if n_imputed != n_truth:
            raise DataError(
                f"expected the same samples, found {n_imputed} imputed and {n_truth} true ones, not all with names "
                "by which they could be matched; give the .sample file"
            )
        return np.arange(n_imputed), np.arange(n_imputed)
    columns = {name: index for index, name in enumerate(true_names)}
    shared = [(index, columns[name]) for index, name in enumerate(names) if name in columns]
    if not shared:
        raise DataError(
            f"expected the same samples, found none in common: {names[0]}... imputed, {true_names[0]}... in the truth"
        )
    imputed_samples, truth_samples = np.array(shared, dtype=np.int64).T
    return imputed_samples, truth_samples


def _own_names(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The names, unless they are the ones we give where there are none."""
    return None if not names or names == default_sample_names(len(names)) else names


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


def compare(imputed: GenotypeTable, truth: Truth, alignment: Alignment) -> SiteStatistics:
    """Compare the genotypes that an alignment pairs, in blocks of sites, so that memory stays small."""
    return SiteStatistics.concatenate([compare_genotypes(*block) for block in paired_blocks(imputed, truth, alignment)])


def paired_blocks(
    imputed: GenotypeTable, truth: Truth, alignment: Alignment
) -> Iterator[tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]]:
    """The genotypes that an alignment pairs, in the truth's alleles, in blocks of sites; one block at least.

    Yields:
        True genotypes, imputed dosages and probabilities, as `compare_genotypes` takes them.
    """
    n_rows = max(1, _BLOCK_GENOTYPES // max(1, len(alignment.truth_samples)))
    for start in range(0, max(1, len(alignment)), n_rows):
        block = alignment[start : start + n_rows]
        cells = np.ix_(block.imputed_rows, block.imputed_samples)
        dosages, probabilities = imputed.dosages[cells], imputed.probabilities[cells]
        dosages[block.is_swapped] = 2 - dosages[block.is_swapped]
        probabilities[block.is_swapped] = probabilities[block.is_swapped, :, ::-1]
        yield truth.genotypes[np.ix_(block.truth_rows, block.truth_samples)], dosages, probabilities


def compare_genotypes(
    genotypes: NDArray[np.int8], dosages: NDArray[np.floating], probabilities: NDArray[np.floating]
) -> SiteStatistics:
    """Sum up the pairs of each site.

    Args:
        genotypes: True copies of a1, int8 (n_sites, n_samples); -1 for missing.
        dosages: (n_sites, n_samples), imputed; NaN for missing.
        probabilities: (n_sites, n_samples, 3), imputed; NaN where not known.
    """
    is_pair = (genotypes >= 0) & np.isfinite(dosages)
    truth_mean, truth_deviations = _centred(genotypes, is_pair)
    dosage_mean, dosage_deviations = _centred(dosages, is_pair)
    true = _indicators(np.where(is_pair, genotypes, -1)).swapaxes(1, 2)
    is_certain = is_pair & np.isfinite(probabilities).all(axis=2)
    return SiteStatistics(
        np.count_nonzero(is_pair, axis=1),
        truth_mean,
        dosage_mean,
        np.sum(truth_deviations**2, axis=1),
        np.sum(dosage_deviations**2, axis=1),
        np.sum(truth_deviations * dosage_deviations, axis=1),
        true @ _indicators(most_likely(dosages, probabilities)),
        true @ np.where(is_certain[..., np.newaxis], probabilities, 0).astype(np.float64),
    )


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


def _indicators(genotypes: NDArray[np.int8]) -> NDArray[np.float64]:
    """1 at the number of copies and 0 elsewhere, float64 (n_sites, n_samples, 3); all 0 for missing."""
    return _INDICATORS[genotypes]


@dataclass(frozen=True)
class BinScores:
    """The scores of the sites of one bin.

    Attributes:
        lower: Minor allele frequency in percent; sites are above it.
        upper: Minor allele frequency in percent; no site is above it.
        n_sites: Sites scored: those with a pair of genotypes.
        n_varying: Sites whose true genotypes differ between samples.
        mean_r2: Mean of the sites' r2, over the varying ones.
        aggregate_r2: One r2 over all genotypes of all sites together, as copies of the minor allele.
        concordance: Concordance over all genotypes of all sites together.
        discordance: Non-reference discordance, of the same pairs.
        mean_iqs: Mean of the sites' IQS, over the varying ones that have it.
    """

    lower: float
    upper: float
    n_sites: int
    n_varying: int
    mean_r2: float
    aggregate_r2: float
    concordance: float
    discordance: float
    mean_iqs: float


def minor_percent(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frequency of the rarer allele in percent, float64, from that of either; NaN stays NaN."""
    percent: NDArray[np.float64] = np.round(100 * np.minimum(frequencies, 1 - frequencies), _PERCENT_DECIMALS)
    return percent


def score_bins(
    statistics: SiteStatistics, frequencies: NDArray[np.float64], edges: Sequence[float] = BIN_EDGES
) -> Iterator[BinScores]:
    """Scores of each bin of minor allele frequency, and at last of all sites, whatever their frequency.

    Args:
        statistics: n_sites of them.
        frequencies: Frequency of a1, float64 (n_sites,); NaN is in no bin.
        edges: Rising, in percent; a site at an edge is in the bin below it.

    Yields:
        A bin for each two neighbouring edges, then (0, 50] with all sites, monomorphic ones included.
    """
    percent = minor_percent(frequencies)
    for lower, upper in pairwise(edges):
        is_inside = (percent > lower) & (percent <= upper)
        yield _score_bin(lower, upper, statistics[is_inside], frequencies[is_inside])
    yield _score_bin(0.0, 50.0, statistics, frequencies)


def _score_bin(lower: float, upper: float, statistics: SiteStatistics, frequencies: NDArray[np.float64]) -> BinScores:
    is_scored = statistics.n_pairs > 0
    statistics, frequencies = statistics[is_scored], frequencies[is_scored]
    varying = statistics[statistics.varies()]
    guesses = statistics.guesses.sum(axis=0)
    return BinScores(
        lower,
        upper,
        len(statistics),
        len(varying),
        _mean(varying.r2()),
        aggregate_r2(statistics, frequencies),
        float(concordance(guesses)),
        float(non_reference_discordance(guesses)),
        _mean(imputation_quality(varying.weights)),
    )


def aggregate_r2(statistics: SiteStatistics, frequencies: NDArray[np.float64]) -> float:
    """Squared correlation over the genotypes of all sites together.

    Genotypes are counted as copies of the minor allele, as GLIMPSE's concordance tool does, so that which allele is
    called a1 does not matter.

    Args:
        statistics: n_sites of them, with pairs.
        frequencies: Frequency of a1, float64 (n_sites,).

    Returns:
        NaN where the truth does not vary; 0 where it does and the dosage does not.
    """
    if not len(statistics):
        return float("nan")
    is_common = frequencies > 0.5
    truth = _offsets(statistics.truth_mean, is_common, statistics.n_pairs)
    dosage = _offsets(statistics.dosage_mean, is_common, statistics.n_pairs)
    within = np.array([statistics.truth_spread, statistics.dosage_spread, statistics.joint_spread])
    between = statistics.n_pairs * np.array([truth**2, dosage**2, truth * dosage])
    return float(squared_correlation(*np.sum(within + between, axis=1, keepdims=True))[0])


def _offsets(
    means: NDArray[np.float64], is_common: NDArray[np.bool_], n_pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Each site's mean copies of the minor allele less that of all sites; exactly 0 if all are equal."""
    minor = np.where(is_common, 2 - means, means)
    beyond_first: NDArray[np.float64] = minor - minor[0]
    return beyond_first - float(np.average(beyond_first, weights=n_pairs))


def _mean(values: NDArray[np.float64]) -> float:
    """The mean of what is not NaN; NaN if nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
