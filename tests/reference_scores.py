"""Scores of imputed sites, written out for one site and one sample at a time as their papers define them."""

from __future__ import annotations

import math

import numpy as np


def genotypes_of(probabilities: list[float]) -> list[tuple[float, float, float]]:
    """P(0, 1 and 2 copies of allele 1) of each sample, from P(a1) of its two independent haplotypes."""
    pairs = zip(probabilities[::2], probabilities[1::2], strict=True)
    return [((1 - a) * (1 - b), a * (1 - b) + b * (1 - a), a * b) for a, b in pairs]


def minimac_r2_of(probabilities: list[float]) -> float:
    """Minimac's R2 of a site without missing alleles; Das et al. 2016, Nat Genet 48:1284."""
    f = sum(probabilities) / len(probabilities)
    return sum((p - f) ** 2 for p in probabilities) / len(probabilities) / (f * (1 - f))


def impute_info_of(probabilities: list[float]) -> float:
    """IMPUTE's INFO of a site; Marchini & Howie 2010, Nat Rev Genet 11:499, supplement S3.

    Samples with a missing allele (NaN) are omitted. INFO is NaN if no sample remains, and 1 if f is 0 or 1.
    """
    genotypes = [genotype for genotype in genotypes_of(probabilities) if not math.isnan(sum(genotype))]
    n = len(genotypes)
    if n == 0:
        return math.nan
    f = sum(g1 + 2 * g2 for _, g1, g2 in genotypes) / (2 * n)
    if f in (0, 1):
        return 1.0
    unknown = sum(g1 + 4 * g2 - (g1 + 2 * g2) ** 2 for _, g1, g2 in genotypes) / n
    return 1 - unknown / (2 * f * (1 - f))


def impute_info(probabilities: np.ndarray) -> np.ndarray:
    """INFO of each site.

    Args:
        probabilities: float (n_sites, 2 * n_samples), P(a1), NaN for missing.

    Returns:
        float64 (n_sites,).
    """
    return np.array([impute_info_of(row) for row in probabilities.astype(np.float64).tolist()])
