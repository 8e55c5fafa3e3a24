"""The training loss, and the validation score."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LOWEST_MAF = 0.005


def site_weights(a1_freq: NDArray[np.float64], gamma: float) -> Tensor:
    """Weight of each site in the loss, `0.5 * (2 * max(MAF, 0.005)) ** gamma` (Kojima et al. 2020).

    Args:
        a1_freq: Panel frequencies, float64 (n_sites,); NaN counts as 0.5.
        gamma: Above 0 gives common sites more weight, below 0 rare ones.

    Returns:
        float32 (n_sites,).
    """
    frequency = np.nan_to_num(a1_freq, nan=0.5)
    maf = np.maximum(np.minimum(frequency, 1 - frequency), LOWEST_MAF)
    return torch.as_tensor(0.5 * (2 * maf) ** gamma, dtype=torch.float32)


def expected_alleles(alleles: Tensor) -> Tensor:
    """P(a1) of alleles, float32; a missing one (-1) counts 0.5."""
    return torch.where(alleles < 0, 0.5, alleles.float())


def weighted_cross_entropy(logits: Tensor, expected: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy of the targets, weighted by site, mean over sites and haplotypes.

    Args:
        logits: float32 (n_sites, n_haplotypes, 2).
        expected: P(a1), float32 (n_sites, n_haplotypes).
        weights: float32 (n_sites,).

    Returns:
        float32 scalar.
    """
    log_probabilities = torch.log_softmax(logits, dim=2)
    entropy = -(1 - expected) * log_probabilities[:, :, 0] - expected * log_probabilities[:, :, 1]
    return (entropy * weights[:, None]).mean()


def mean_dosage_r2(alt_probabilities: Tensor, alleles: Tensor) -> float:
    """Mean over sites of the squared correlation between true and expected dosages.

    Sites whose true dosages do not vary are omitted; a site whose expected dosages do not vary counts 0. A
    sample with a missing allele is omitted at that site.

    Args:
        alt_probabilities: P(a1), float (n_sites, n_haplotypes); columns 2i and 2i + 1 are one sample's.
        alleles: Alleles, int8 (n_sites, n_haplotypes); 0, 1, or -1 for missing.

    Returns:
        The mean, or NaN if no site varies.
    """
    return float(mean_over_varying(*dosage_r2(alt_probabilities, alleles)))


def mean_over_varying(r2: Tensor, varies: Tensor) -> Tensor:
    """Mean of the last axis where `varies`; NaN where nothing does."""
    return torch.where(varies, r2, 0.0).sum(-1) / varies.sum(-1)


def dosage_r2(alt_probabilities: Tensor, alleles: Tensor) -> tuple[Tensor, Tensor]:
    """Dosage r2 of each site, float64, and whether its true dosages vary.

    Args:
        alt_probabilities: P(a1), float (..., n_sites, n_haplotypes); see `mean_dosage_r2`.
        alleles: int8 of the same shape.
    """
    by_sample = (*alleles.shape[:-1], -1, 2)
    expected = alt_probabilities.double().reshape(by_sample).sum(-1)
    pairs = alleles.reshape(by_sample)
    known = (pairs >= 0).all(-1).double()
    true = pairs.double().sum(-1) * known
    n_known = known.sum(-1, keepdim=True).clamp(min=1)
    expected = (expected - (expected * known).sum(-1, keepdim=True) / n_known) * known
    true = (true - true.sum(-1, keepdim=True) / n_known) * known
    covariance, variance = (expected * true).sum(-1), (true * true).sum(-1)
    explained = (expected * expected).sum(-1)
    r2 = torch.where(explained > 1e-12, covariance**2 / (variance * explained).clamp(min=1e-30), 0.0)
    return r2, variance > 1e-9
