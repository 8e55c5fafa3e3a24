"""Simulated people and models for tests of attacks: a model that has memorised its panel, and one that cannot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnimp.privacy.copying import mosaic_likelihood
from rnnimp.privacy.region import AuditedRegion

N_MEMBERS, N_OUTSIDERS = 80, 100
N_OTHERS = 4000
"""Haplotypes of the panel that are not tested: they make it so large that one person changes no frequency much."""


def is_member() -> NDArray[np.bool_]:
    """Of the people of `memorising_region`, members first."""
    return np.arange(N_MEMBERS + N_OUTSIDERS) < N_MEMBERS


def simulated_haplotypes(rng: np.random.Generator, n_rows: int, n_haplotypes: int) -> NDArray[np.int8]:
    """Mosaics of 30 founders with alleles of their own at 2% of the rows, int8 (n_rows, n_haplotypes)."""
    founders = rng.random((n_rows, 30)) < rng.beta(0.4, 1.2, (n_rows, 1))
    starts = rng.random((n_rows, n_haplotypes)) < 0.03
    starts[0] = True
    last = np.maximum.accumulate(np.where(starts, np.arange(n_rows)[:, None], 0), axis=0)
    origin = np.take_along_axis(rng.integers(0, 30, (n_rows, n_haplotypes)), last, axis=0)
    alleles = np.take_along_axis(founders, origin, axis=1) ^ (rng.random((n_rows, n_haplotypes)) < 0.02)
    return alleles.astype(np.int8)


def memorising_region(seed: int, n_rows: int = 200) -> AuditedRegion:
    """A region whose states are the members' haplotypes, and whose network has learned half of each allele by heart.

    For outsiders both know no more than the reference: what other people's haplotypes say.
    """
    rng = np.random.default_rng(seed)
    everyone = simulated_haplotypes(rng, n_rows, 2 * (N_MEMBERS + N_OUTSIDERS) + N_OTHERS)
    alleles = everyone[:, : 2 * (N_MEMBERS + N_OUTSIDERS)]
    is_marker = np.arange(n_rows) % 4 == 0
    members = alleles[:, : 2 * N_MEMBERS]
    map_cm = np.cumsum(rng.exponential(0.002, n_rows))
    frequencies = np.hstack([members, everyone[:, alleles.shape[1] :]]).mean(axis=1)
    own = np.where(is_member(), np.arange(len(is_member())), -1).repeat(2)
    reference = np.clip(alleles * 0.6 + 0.4 * frequencies[:, None], 0.02, 0.98)[~is_marker].astype(np.float32)
    expected = reference.copy()
    expected[:, : 2 * N_MEMBERS] = 0.5 * reference[:, : 2 * N_MEMBERS] + 0.5 * members[~is_marker]
    others = alleles[:, 2 * N_MEMBERS :].mean(axis=1, dtype=np.float32)
    return AuditedRegion(
        alleles=alleles,
        is_marker=is_marker,
        map_cm=map_cm,
        expected=expected,
        reference=reference,
        reference_likelihood=mosaic_likelihood(alleles, members.astype(np.float32), map_cm, own),
        frequencies=frequencies,
        other_frequencies=np.repeat(others[:, None], alleles.shape[1], axis=1),
        states=(4.0 * (2 * members - 1)).astype(np.float32),
    )
