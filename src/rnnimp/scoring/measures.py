"""Measures of agreement between true and imputed genotypes: concordance, NRD, IQS, and the squared correlation r2.

They work on counts and sums, of one site or of many, so that those of a bin follow from those of its sites.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def most_likely(dosages: NDArray[np.floating], probabilities: NDArray[np.floating]) -> NDArray[np.int8]:
    """Best-guess genotypes: the most probable, the fewest copies first; the nearest where only the dosage is known.

    Returns:
        int8 (n_sites, n_samples), copies of a1; -1 where the dosage is missing.
    """
    is_missing = np.isnan(dosages)
    none, one, two = (probabilities[..., copies] for copies in range(3))
    guesses = (one > none).astype(np.int8)
    guesses[(two > none) & (two > one)] = 2
    is_unknown = ~np.isfinite(none + one + two)
    if is_unknown.any():
        guesses[is_unknown] = np.clip(np.rint(np.where(is_missing, 0, dosages)[is_unknown]), 0, 2)
    guesses[is_missing] = -1
    return guesses


def concordance(guesses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of pairs on the diagonal.

    Args:
        guesses: (..., 3, 3), pairs by true and by imputed copies.

    Returns:
        float64 (...,); NaN without pairs.

    >>> concordance(np.array([[5, 1, 0], [0, 3, 0], [0, 1, 0]])).item()
    0.8
    """
    return ratio(np.trace(guesses, axis1=-2, axis2=-1), guesses.sum(axis=(-2, -1)))


def non_reference_discordance(guesses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of wrong pairs among all but those that are 0 copies in both, as `bcftools stats` defines it (NRD).

    Args:
        guesses: (..., 3, 3), pairs by true and by imputed copies.

    Returns:
        float64 (...,); NaN where all pairs are 0 copies in both.

    >>> non_reference_discordance(np.array([[5, 1, 0], [0, 3, 0], [0, 1, 0]])).item()
    0.4
    """
    total = guesses.sum(axis=(-2, -1))
    return ratio(total - np.trace(guesses, axis1=-2, axis2=-1), total - guesses[..., 0, 0])


def imputation_quality(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Imputation quality score (IQS): concordance corrected for what chance would give.

    IQS is (Po - Pc) / (1 - Pc). Po is the share of the imputed probability on the true genotypes. Pc is the same share
    if truth and imputation were independent. (Lin et al. 2010, PLoS ONE 5:e9697.)

    Args:
        weights: (..., 3, 3), by true copies, the imputed probability of each number of copies.

    Returns:
        float64 (...,), 1 at most; NaN where no probabilities are known, or both sides have one and the same genotype.

    >>> imputation_quality(np.array([[2.0, 0, 0], [0, 2, 0], [0, 0, 0]])).item()
    1.0
    """
    total = weights.sum(axis=(-2, -1))
    observed = ratio(np.trace(weights, axis1=-2, axis2=-1), total)
    chance = ratio(np.sum(weights.sum(axis=-1) * weights.sum(axis=-2), axis=-1), total**2)
    return ratio(observed - chance, 1 - chance)


def squared_correlation(
    first_spread: NDArray[np.float64], second_spread: NDArray[np.float64], joint_spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared Pearson correlation from sums of squares; NaN where the first is 0, else 0 where the second is."""
    r2 = ratio(joint_spread**2, first_spread * second_spread)
    r2[(first_spread > 0) & (second_spread == 0)] = 0
    return r2


def ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    """A quotient; NaN where the divisor is 0 or NaN."""
    quotient = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=quotient, where=np.asarray(below) > 0)
    return quotient
