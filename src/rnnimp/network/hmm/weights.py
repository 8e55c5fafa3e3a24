"""The weights of an exported haplotype HMM: small whole numbers, each times a fixed step.

Needs numpy only: training, export, reading and inference use it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnimp.network.region_coding import Floats

ODDS_STEP, TRANSITION_STEP = 1 / 16, 1 / 8
"""An exported weight is a whole number from -127 to 127, times one of these: for log odds, and for log q and log l."""

LEAST_PROBABILITY = 1e-5
"""The least probability of either allele at a site, in training."""


class MixtureWeight(NamedTuple):
    """The HMM's weight in the final log odds, as a function of the share of missing markers.

    Attributes:
        complete: The weight where no marker is missing.
        per_missing: Added weight, times the share of missing markers. The sum is at most 1.
    """

    complete: float
    per_missing: float

    def at(self, missing: Floats) -> Floats:
        """The weight for each share of missing markers: float32, of the same shape."""
        weight: Floats = np.minimum(np.float32(1), np.float32(self.complete) + np.float32(self.per_missing) * missing)
        return weight


MIXTURE_WEIGHT = MixtureWeight(complete=0.4, per_missing=1.0)
"""The weight of models unless their training has another one; that of all models up to version 2.1.0."""


@dataclass(frozen=True, eq=False)
class HmmWeights:
    """An exported haplotype HMM (`hmm/reference.py`): whole numbers of `ODDS_STEP` and `TRANSITION_STEP`.

    The emission probabilities lie between 0.0004 and 0.9996, so that `LEAST_PROBABILITY` has no effect on them.

    Attributes:
        emission: Log odds of allele 1 that each state emits, int8 (n_markers, n_states).
        switch_in: Log of q at each gap, int8 (n_markers + 1, n_states); the last row is not read.
        switch_out: Log of l at each gap, int8 (n_markers + 1, n_states); the first row is not read.
        site: Log odds of allele 1 at the imputed sites, int8 (n_sites, n_states).
        gaps: Markers before each site, int64 (n_sites,); in ascending order.
        mixture_weight: Mixture weight of the HMM in the final log odds.
    """

    emission: NDArray[np.int8]
    switch_in: NDArray[np.int8]
    switch_out: NDArray[np.int8]
    site: NDArray[np.int8]
    gaps: NDArray[np.int64]
    mixture_weight: MixtureWeight = MIXTURE_WEIGHT

    def emission_probability(self) -> Floats:
        """float32 (n_markers, n_states), P(a1) that each state emits at a marker."""
        return _of_levels(self.emission, ODDS_STEP, _sigmoid)

    def switch_in_weight(self) -> Floats:
        """float32 (n_markers + 1, n_states), q."""
        return _of_levels(self.switch_in, TRANSITION_STEP, np.exp)

    def switch_out_weight(self) -> Floats:
        """float32 (n_markers + 1, n_states), l."""
        return _of_levels(self.switch_out, TRANSITION_STEP, np.exp)

    def site_probabilities(self) -> tuple[Floats, Floats]:
        """P(a0) and P(a1) that each state emits at a site: two arrays, float32 (n_sites, n_states).

        Each is computed from the log odds, because 1 - P(a1) would lose digits.
        """
        refs = _of_levels(self.site, ODDS_STEP, lambda odds: _sigmoid(-odds))
        return refs, _of_levels(self.site, ODDS_STEP, _sigmoid)


def _of_levels(levels: NDArray[np.int8], step: float, function: Callable[..., NDArray[np.float64]]) -> Floats:
    """A function of whole numbers of a step; computed once for each of the 256 numbers."""
    table = function(np.arange(-128, 128) * step).astype(np.float32)
    result: Floats = table[levels.astype(np.int16) + 128]
    return result


def _sigmoid(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = 1 / (1 + np.exp(-odds))
    return result
