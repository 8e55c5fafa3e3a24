"""What the Li & Stephens model expects of the people who are tested: with the person in the panel, and without.

This is the only module of the stage that needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rnnimp.privacy.copying import EFFECTIVE_SIZE, ERROR, mosaic_likelihood
from rnnimp.privacy.region import Floats
from rnnimp.sites.panel import alt_frequency
from rnnimp.training.soft_targets import MOST_STATES, LiStephensModel

_STATE_ODDS = 6.0
_CPU = torch.device("cpu")
_BYTES_AT_ONCE, _MOST_THREADS = 1 << 20, 8  # 300 MB per thread for 300 markers


@dataclass(frozen=True, eq=False)
class CopyingModel:
    """The panel as Li & Stephens model of one region.

    Attributes:
        panel: Alleles of training samples, int8 (n_rows, n_haplotypes).
        is_marker: bool (n_rows,).
        map_cm: Genetic positions, float64 (n_rows,).
        own: For each haplotype that is tested, its sample in `panel`, int64 (n_tested,); -1 for outsiders.
        threads: Threads to run on.
    """

    panel: NDArray[np.int8]
    is_marker: NDArray[np.bool_]
    map_cm: NDArray[np.float64]
    own: NDArray[np.intp]
    threads: int

    def reference(self, alleles: NDArray[np.int8]) -> Floats:
        """P(a1) at imputed sites without the person, float32 (n_sites, n_tested)."""
        return self._expected(alleles, self.own)

    def with_own(self, alleles: NDArray[np.int8], reference: Floats) -> Floats:
        """P(a1) at imputed sites where the person may be copied, float32 (n_sites, n_tested).

        Args:
            alleles: All rows of those who are tested, int8 (n_rows, n_tested).
            reference: From `reference`; for outsiders nothing changes.
        """
        members = self.own >= 0
        result = reference.copy()
        result[:, members] = self._expected(alleles[:, members], None)
        return result

    def _expected(self, alleles: NDArray[np.int8], own: NDArray[np.intp] | None) -> Floats:
        model = LiStephensModel(self.panel, self.is_marker, self.map_cm, EFFECTIVE_SIZE, ERROR, seed=0)
        threads = min(self.threads, _MOST_THREADS)
        result: Floats = model.expected(alleles[self.is_marker], own, _CPU, threads, _BYTES_AT_ONCE).numpy()
        return result

    def reference_likelihood(self, alleles: NDArray[np.int8]) -> NDArray[np.float64]:
        """Log likelihood of all rows without the person, float64 (n_tested,)."""
        frequency = np.nan_to_num(alt_frequency(self.panel), nan=0.5)[:, None]
        alt = np.where(self.panel < 0, frequency, self.panel).astype(np.float32)
        return mosaic_likelihood(alleles, alt, self.map_cm, self.own, self.threads)

    def states(self) -> Floats:
        """The panel's haplotypes as states of an HMM: log odds, float32 (n_rows, n_haplotypes)."""
        return np.where(self.panel < 0, 0, _STATE_ODDS * (2 * self.panel - 1)).astype(np.float32)


def copied_samples(n_training: int, own: NDArray[np.intp], seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The training samples that the Li & Stephens model copies: all, or those tested and a random choice of others.

    Args:
        n_training: Training samples.
        own: For each who is tested, the place among them, int64 (n_people,); -1 for outsiders.
        seed: Seed of the choice.

    Returns:
        The chosen samples, int64 (n_chosen,); and `own` as places among these.
    """
    most = MOST_STATES // 2
    if n_training <= most:
        return np.arange(n_training), own
    tested = np.unique(own[own >= 0])
    others = np.setdiff1d(np.arange(n_training), tested)
    n_others = max(0, min(len(others), most - len(tested)))
    drawn = np.random.default_rng(seed).choice(others, n_others, replace=False)
    chosen = np.sort(np.concatenate([tested, drawn]))[:most]
    return chosen, np.where(own >= 0, np.searchsorted(chosen, own), -1)
