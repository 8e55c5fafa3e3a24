"""Probabilities of 0, 1 and 2 copies of each alternative allele, from what the formats store.

All functions return float32 (n_alts, n_samples, 3); NaN where the genotype is missing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def copies_from_genotypes(genotypes: NDArray[np.float32], n_alts: int) -> NDArray[np.float32]:
    """P(0, 1, 2 copies) of each alternative from genotype probabilities in VCF's order (specification 1.6.2)."""
    if n_alts == 1:
        return genotypes[np.newaxis]
    pairs = np.array([(first, second) for second in range(n_alts + 1) for first in range(second + 1)])
    numbers = np.arange(1, n_alts + 1)
    copies = (pairs[np.newaxis] == numbers[:, np.newaxis, np.newaxis]).sum(axis=2)  # (n_alts, n_genotypes)
    which = (copies[..., np.newaxis] == np.arange(3)).astype(np.float32)  # (n_alts, n_genotypes, 3)
    return np.asarray(np.einsum("sg,agc->asc", genotypes, which), dtype=np.float32)


def copies_from_haplotypes(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """P(0, 1, 2 copies) from two independent haplotypes' probabilities, each (n_samples, n_alts)."""
    a, b = first.T, second.T
    return np.stack([(1 - a) * (1 - b), a * (1 - b) + (1 - a) * b, a * b], axis=-1)


def copies_of_haploid(alleles: NDArray[np.float32]) -> NDArray[np.float32]:
    """P(0, 1, 2 copies) from each alternative's probability on the only haplotype, (n_samples, n_alts)."""
    alt = alleles.T
    return np.stack([1 - alt, np.zeros_like(alt), alt], axis=-1)


def copies_from_calls(calls: NDArray[np.integer], n_alts: int) -> NDArray[np.float32]:
    """One where the sample has that many copies; NaN where a call is missing."""
    numbers = np.arange(1, n_alts + 1)[:, np.newaxis, np.newaxis]
    copies = (calls[np.newaxis] == numbers).sum(axis=2)
    certain: NDArray[np.float32] = (copies[..., np.newaxis] == np.arange(3)).astype(np.float32)
    certain[:, (calls < 0).any(axis=1)] = np.nan
    return certain
