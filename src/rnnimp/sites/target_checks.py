"""Comparison of a target with a model: strand, frequencies, coverage of markers, duplicates.

Rules only, over numpy arrays and a `SiteMatch`; reading files and refusing targets is done above. Allele
counts are all that is needed of the genotypes, so that a target of any size can be counted in pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from rnnimp.sites.matching import COMPLEMENT, MatchKind, SiteMatch
from rnnimp.sites.panel import MISSING, Sites, as_strings

LOW_SHARE = 0.5
"""Below this share of a region's markers, or of a sample's alleles at markers, a warning is due."""

FREQUENCY_BINS = 50
"""Bins of a frequency from 0 to 1 in which sites are counted."""

_FREQUENCY_MARGIN = 0.1
_FREQUENCY_FIT = 0.2
_STANDARD_ERRORS = 3
_LEAST_FLIPPED = 0.1


class Strand(IntEnum):
    """The strand of an A/T or C/G site by its frequency; its alleles look the same on both strands."""

    SAME = 0
    FLIPPED = 1
    UNDECIDED = 2
    CONTRADICTED = 3
    """The frequency fits the other strand, but the other sites of the array are on the model's."""


@dataclass(frozen=True, eq=False)
class AlleleCounts:
    """How often alleles were seen.

    Attributes:
        called: Alleles that are not missing, int64 (n_sites,).
        carried: Alleles 1 among them, int64 (n_sites,).
    """

    called: NDArray[np.int64]
    carried: NDArray[np.int64]

    @property
    def frequency(self) -> NDArray[np.float64]:
        """Frequency of a1, float64 (n_sites,); NaN where nothing was called."""
        result = np.full(len(self.called), np.nan)
        np.divide(self.carried, self.called, out=result, where=self.called > 0)
        return result


def count_alleles(alleles: NDArray[np.int8]) -> AlleleCounts:
    """Count the alleles of each site, row by row: the target may be too large for memory.

    Args:
        alleles: Alleles, int8 (n_sites, n_haplotypes); 0, 1, or -1 for missing.
    """
    called = np.fromiter((np.count_nonzero(row >= 0) for row in alleles), np.int64, len(alleles))
    carried = np.fromiter((np.count_nonzero(row == 1) for row in alleles), np.int64, len(alleles))
    return AlleleCounts(called, carried)


def is_palindromic(sites: Sites) -> NDArray[np.bool_]:
    """Which sites are A/T or C/G, bool (n_sites,).

    >>> is_palindromic(Sites.build([1, 2, 3], ["A", "C", "A"], ["T", "G", "G"])).tolist()
    [True, True, False]
    """
    pairs = zip(sites.a0.tolist(), sites.a1.tolist(), strict=True)
    return np.array([COMPLEMENT.get(a0) == a1 for a0, a1 in pairs], dtype=np.bool_)


def model_rows(match: SiteMatch) -> NDArray[np.int64]:
    """The model site of each target site, int64 (n_target_sites,); -1 where there is none."""
    rows = np.full(len(match.kinds), -1, dtype=np.int64)
    found = np.flatnonzero(match.target_index >= 0)
    rows[match.target_index[found]] = found
    return rows


@dataclass(frozen=True, eq=False)
class Frequencies:
    """Target sites that the model has, with the frequency of the model's a1 in both.

    Attributes:
        rows: The target sites, int64 (n,).
        target: Frequency in the target, float64 (n,); NaN where nothing was called.
        model: Frequency in the panel that the model was trained on, float64 (n,); NaN where unknown.
        n_alleles: Alleles that were called in the target, int64 (n,).
    """

    rows: NDArray[np.int64]
    target: NDArray[np.float64]
    model: NDArray[np.float64]
    n_alleles: NDArray[np.int64]

    @property
    def differences(self) -> NDArray[np.float64]:
        """Target less model, float64 (n,); NaN where either is unknown."""
        return self.target - self.model


def compare_frequencies(counts: AlleleCounts, model: Sites, match: SiteMatch) -> Frequencies:
    """Put the frequencies of target and model side by side, of the same allele.

    Args:
        counts: Counts of the target's sites.
        model: The sites that were matched, with `a1_freq`.
        match: Match of the two.
    """
    model_row = model_rows(match)
    rows = np.flatnonzero(model_row >= 0)
    found = model_row[rows]
    frequency = counts.frequency[rows]
    target = np.where(match.is_swapped[found], 1 - frequency, frequency)
    known = np.full(len(rows), np.nan) if model.a1_freq is None else model.a1_freq[found]
    return Frequencies(rows, target, known, counts.called[rows])


def worst_differences(frequencies: Frequencies, n_worst: int = 20) -> NDArray[np.int64]:
    """Indices of the largest differences in `frequencies`, the largest first.

    >>> frequencies = Frequencies(*map(np.array, ([4, 7, 9], [0.5, 0.1, 0.9], [0.4, 0.9, np.nan], [8, 8, 8])))
    >>> worst_differences(frequencies).tolist()
    [1, 0]
    """
    size = np.abs(frequencies.differences)
    order = np.argsort(-size, kind="stable")  # NaN goes last
    return order[: min(n_worst, int(np.count_nonzero(~np.isnan(size))))]


def frequency_table(frequencies: Frequencies, n_bins: int = FREQUENCY_BINS) -> NDArray[np.int64]:
    """Count sites by their frequency in the model and in the target; those with both known.

    Returns:
        int64 (n_bins, n_bins): rows by the model's frequency, columns by the target's, in equal bins from 0 to 1. A bin
        contains its lower edge; the last one contains 1 too.

    >>> frequencies = Frequencies(*map(np.array, ([4, 7, 9], [0.9, 1.0, 0.2], [0.1, 0.7, np.nan], [8, 8, 8])))
    >>> frequency_table(frequencies, 2).tolist()
    [[0, 1], [0, 1]]
    """
    is_known = ~np.isnan(frequencies.differences)
    bins = [
        np.minimum((values[is_known] * n_bins).astype(np.int64), n_bins - 1)
        for values in (frequencies.model, frequencies.target)
    ]
    counts = np.bincount(bins[0] * n_bins + bins[1], minlength=n_bins * n_bins)
    return counts.reshape(n_bins, n_bins).astype(np.int64)


def without_rows(match: SiteMatch, rows: NDArray[np.int64]) -> SiteMatch:
    """The match as if the model had not found some target sites. Their `kinds` stay.

    >>> match = SiteMatch(np.array([4, -1, 7]), np.zeros(3, bool), np.zeros(9, np.int8))
    >>> without_rows(match, np.array([7])).target_index.tolist()
    [4, -1, -1]
    """
    return replace(match, target_index=np.where(np.isin(match.target_index, rows), -1, match.target_index))


def strand_by_frequency(frequencies: Frequencies) -> NDArray[np.int8]:
    """The strand of sites whose alleles do not show it, from the frequency of one allele in target and model.

    This is safe only far from one half. The model's frequency must be 0.1 or more away from it, the target's 0.1 plus
    three standard errors. If both frequencies are on the same side of one half, the strand is the same. On opposite
    sides, it is flipped. The frequencies must then differ by at most 0.2 plus three standard errors. All other sites
    stay undecided.

    Returns:
        int8 (n,), a `Strand` each.
    """
    target, model = frequencies.target, frequencies.model
    n_alleles = np.maximum(frequencies.n_alleles, 1)
    # one allele more in the variance: an allele that no sample carries shows little where few samples were typed
    error = _STANDARD_ERRORS * np.sqrt((target * (1 - target) + 1 / n_alleles) / n_alleles)
    from_half, model_from_half = target - 0.5, model - 0.5
    is_safe = (np.abs(from_half) >= _FREQUENCY_MARGIN + error) & (np.abs(model_from_half) >= _FREQUENCY_MARGIN)
    is_flipped = np.sign(from_half) != np.sign(model_from_half)
    difference = np.abs(np.where(is_flipped, 1 - target, target) - model)
    is_safe &= difference <= _FREQUENCY_FIT + error
    return np.where(~is_safe, Strand.UNDECIDED, np.where(is_flipped, Strand.FLIPPED, Strand.SAME)).astype(np.int8)


def is_on_other_strand(target: Sites, match: SiteMatch) -> bool:
    """Whether the sites whose alleles show the strand say that some of an array is on the other one.

    A tenth of the SNPs that the model has must be. Arrays have all of their sites on the reference's strand, none, or
    about half; a few on the other strand are errors of single sites.

    Args:
        target: The sites that were matched.
        match: Match of target and model.
    """
    pairs = zip(target.a0.tolist(), target.a1.tolist(), strict=True)
    is_snp = np.array([a0 in COMPLEMENT and a1 in COMPLEMENT for a0, a1 in pairs], dtype=np.bool_)
    shows_strand = is_snp & ~is_palindromic(target)
    n_flipped = np.count_nonzero(shows_strand & (match.kinds == MatchKind.STRAND_FLIPPED))
    n_same = np.count_nonzero(shows_strand & np.isin(match.kinds, (MatchKind.MATCHED, MatchKind.SWAPPED)))
    return bool(n_flipped and n_flipped >= _LEAST_FLIPPED * (n_flipped + n_same))


def strand_with_evidence(frequencies: Frequencies, is_other_strand: bool) -> NDArray[np.int8]:
    """As `strand_by_frequency`; `CONTRADICTED` for `FLIPPED` if the array's other sites are on the model's strand.

    Ancestry by itself can bring a frequency to the other side of one half.
    """
    strand = strand_by_frequency(frequencies)
    if is_other_strand:
        return strand
    return np.where(strand == Strand.FLIPPED, np.int8(Strand.CONTRADICTED), strand)


def rows_to_flip(target: Sites, match: SiteMatch, flipped_by_frequency: NDArray[np.int64]) -> NDArray[np.int64]:
    """The target sites to bring to the model's strand.

    Args:
        target: The sites that were matched.
        match: Match of target and model.
        flipped_by_frequency: A/T and C/G sites that are on the other strand.

    Returns:
        int64 (n,), rising, without those whose site on the other strand the target has besides.
    """
    by_alleles = np.flatnonzero(match.kinds == MatchKind.STRAND_FLIPPED)
    candidates = np.union1d(by_alleles, flipped_by_frequency)
    pairs: dict[int, list[set[str]]] = {}
    for position, a0, a1 in target.keys():
        pairs.setdefault(position, []).append({a0, a1})
    is_free = [
        target.a0[row] == COMPLEMENT.get(target.a1[row])
        or {COMPLEMENT[target.a0[row]], COMPLEMENT[target.a1[row]]} not in pairs[int(target.positions[row])]
        for row in candidates.tolist()
    ]
    rows: NDArray[np.int64] = candidates[np.array(is_free, dtype=bool)]
    return rows


def flip_strand(sites: Sites, rows: NDArray[np.int64]) -> Sites:
    """Complement the alleles of some SNPs. Genotypes keep their codes.

    >>> flip_strand(Sites.build([5, 6], ["A", "A"], ["G", "T"]), np.array([0, 1])).keys()
    [(5, 'T', 'C'), (6, 'T', 'A')]
    """
    a0, a1 = sites.a0.copy(), sites.a1.copy()
    for alleles in (a0, a1):
        alleles[rows] = as_strings(COMPLEMENT[allele] for allele in alleles[rows])
    return replace(sites, a0=a0, a1=a1)


def shared_positions(sites: Sites) -> NDArray[np.int64]:
    """The positions that more than one site has, rising.

    >>> shared_positions(Sites.build([5, 6, 6, 7], "AAAC", "GGTT")).tolist()
    [6]
    """
    positions, counts = np.unique(sites.positions, return_counts=True)
    shared: NDArray[np.int64] = positions[counts > 1]
    return shared


@dataclass(frozen=True)
class RegionCoverage:
    """How many of a region's markers a target has.

    Attributes:
        index: The region's number.
        first_position: First position of its markers and imputed sites.
        last_position: Last position of the same.
        n_markers: Markers that its model reads.
        n_observed: How many of these markers the target has.
        first_imputed: First position that it imputes.
        last_imputed: Last position that it imputes.
    """

    index: int
    first_position: int
    last_position: int
    n_markers: int
    n_observed: int
    first_imputed: int
    last_imputed: int

    @property
    def share(self) -> float:
        """Of the markers observed; 1 for a region without markers, which misses nothing."""
        return self.n_observed / self.n_markers if self.n_markers else 1.0


def cover_regions(
    indices: Sequence[int], model: Sites, rows_by_region: Sequence[NDArray[np.int64]], match: SiteMatch
) -> list[RegionCoverage]:
    """Count the observed markers of each region, all of which impute a site.

    Args:
        indices: The regions' numbers.
        model: All regions' sites, with `is_marker`.
        rows_by_region: The rows of each region's sites among them.
        match: Match of the target and those.
    """
    is_marker, is_found = model.markers(), match.target_index >= 0
    coverage = []
    for index, rows in zip(indices, rows_by_region, strict=True):
        markers = rows[is_marker[rows]]
        imputed = model.positions[rows[~is_marker[rows]]]
        span, body = ((int(positions[0]), int(positions[-1])) for positions in (model.positions[rows], imputed))
        coverage.append(RegionCoverage(index, *span, len(markers), int(is_found[markers].sum()), *body))
    return coverage


def called_shares(alleles: NDArray[np.int8], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of each sample's alleles that is called at some sites.

    Args:
        alleles: Alleles, int8 (n_sites, 2 * n_samples); -1 for missing.
        rows: The sites to look at.

    Returns:
        float64 (n_samples,); 1 where there are no sites.
    """
    n_samples = alleles.shape[1] // 2
    if not len(rows):
        return np.ones(n_samples)
    called = np.zeros(2 * n_samples, dtype=np.int64)
    for row in rows.tolist():  # not all at once: the target may be large
        called += alleles[row] != MISSING
    shares: NDArray[np.float64] = called.reshape(n_samples, 2).sum(axis=1) / (2 * len(rows))
    return shares
