"""Quality of an imputed site, estimated from its probabilities without the truth.

All functions are vectorised over sites and compute in float64. Haplotype probabilities are P(a1); NaN marks a
missing allele, which counts neither above nor below the line. The two haplotypes of a sample are independent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnimp.scoring.measures import ratio

_NO_VARIANCE = 1e-14


def genotype_probabilities(alt_probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """P(0, 1 and 2 copies of a1) from two independent haplotypes.

    Args:
        alt_probabilities: (n_sites, 2 * n_samples), P(a1); columns 2i and 2i + 1 belong to sample i.

    Returns:
        float64 (n_sites, n_samples, 3); NaN where either allele is missing.

    >>> genotype_probabilities(np.array([[0.5, 1.0]])).tolist()
    [[[0.0, 0.5, 0.5]]]
    """
    first = np.asarray(alt_probabilities[:, ::2], dtype=np.float64)
    second = np.asarray(alt_probabilities[:, 1::2], dtype=np.float64)
    neither, both = (1 - first) * (1 - second), first * second
    return np.stack([neither, first * (1 - second) + second * (1 - first), both], axis=-1)


def dosages(alt_probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Expected copies of a1 a sample.

    Args:
        alt_probabilities: (n_sites, 2 * n_samples), P(a1).

    Returns:
        float64 (n_sites, n_samples) in [0, 2]; NaN where either allele is missing.
    """
    return np.asarray(alt_probabilities[:, ::2], dtype=np.float64) + alt_probabilities[:, 1::2]


def dosage_frequency(alt_probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Expected frequency of a1: half the mean dosage.

    Returns:
        float64 (n_sites,); NaN where every allele is missing.
    """
    return _mean(np.asarray(alt_probabilities, dtype=np.float64))


def minimac_r2(alt_probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Minimac's R2 ("Rsq"): variance of the haplotype probabilities over that of a known allele.

    `mean((p - f)^2) / (f (1 - f))` with f the mean of p; Das et al. 2016, Nat Genet 48:1284.

    Args:
        alt_probabilities: (n_sites, n_haplotypes), P(a1), NaN for missing.

    Returns:
        float64 (n_sites,); NaN where f is 0 or 1, as there is nothing to explain.
    """
    probabilities = np.asarray(alt_probabilities, dtype=np.float64)
    frequency = _mean(probabilities)
    explained = _mean((probabilities - frequency[:, None]) ** 2)
    return ratio(explained, frequency * (1 - frequency))


def empirical_r2(alleles: NDArray[np.floating], alt_probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Minimac's empirical R2: squared correlation of observed alleles with what is imputed without them.

    Das et al. 2016, Nat Genet 48:1284. Haplotypes are correlated as they are phased, so that a wrong phase lowers it.

    Args:
        alleles: (n_sites, n_haplotypes), 0 or 1 as observed, NaN for missing.
        alt_probabilities: (n_sites, n_haplotypes), P(a1) as imputed, NaN for unknown.

    Returns:
        float64 (n_sites,); NaN where either does not vary.
    """
    is_known = ~(np.isnan(alleles) | np.isnan(alt_probabilities))
    observed = np.where(is_known, alleles, np.nan).astype(np.float64)
    imputed = np.where(is_known, alt_probabilities, np.nan).astype(np.float64)
    observed -= _mean(observed)[:, None]
    imputed -= _mean(imputed)[:, None]
    covariance = _mean(observed * imputed)
    # what rounding leaves of a constant is no variance
    below = _mean(observed**2) * np.where(_mean(imputed**2) > _NO_VARIANCE, _mean(imputed**2), 0)
    return ratio(covariance**2, below)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over samples without the missing ones; NaN, and no warning, where all are missing."""
    is_known = ~np.isnan(values)
    return ratio(np.sum(values, axis=1, where=is_known), np.count_nonzero(is_known, axis=1).astype(np.float64))
