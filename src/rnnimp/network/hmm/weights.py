"""The weights of exported haplotype HMMs, as whole numbers of a step.

Needs numpy only: training, export, reading and inference share it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnimp.network.region_coding import Floats

ODDS_STEP, GATE_STEP = 1 / 16, 1 / 8
"""An exported weight is a whole number of these, from -127 to 127: of log odds, and of log q and log l."""

LEAST_PROBABILITY = 1e-5
"""Of either allele at a site, whatever a copying network's states emit."""


class MixtureWeight(NamedTuple):
    """How much the copying network counts in the final log odds.

    Attributes:
        with_all: where no marker is missing.
        of_missing: what is added for each share of markers that is missing, up to 1 in all.
    """

    with_all: float
    of_missing: float

    def at(self, missing: Floats) -> Floats:
        """Of float32 shares of missing markers."""
        share: Floats = np.minimum(np.float32(1), np.float32(self.with_all) + np.float32(self.of_missing) * missing)
        return share


MIXTURE_WEIGHT = MixtureWeight(0.4, 1.0)
"""Of the models that are trained now."""


@dataclass(frozen=True, eq=False)
class HmmWeights:
    """An exported copying network (`copying.py`): whole numbers of `ODDS_STEP` and `GATE_STEP`.

    What a state emits at a site lies between 0.0004 and 0.9996, so that `LEAST_PROBABILITY` never comes to bear.

    Attributes:
        emission: int8 (n_markers, n_states), log odds of a1.
        enter: int8 (n_markers + 1, n_states), log of q at each gap; the last row is not read.
        leave: int8 (n_markers + 1, n_states), log of l; the first row is not read.
        site: int8 (n_sites, n_states), log odds of a1 at imputed sites.
        gaps: int64 (n_sites,), markers before each site; they do not go down.
        share: in the final log odds.
    """

    emission: NDArray[np.int8]
    enter: NDArray[np.int8]
    leave: NDArray[np.int8]
    site: NDArray[np.int8]
    gaps: NDArray[np.int64]
    share: MixtureWeight = MIXTURE_WEIGHT

    def chance(self) -> Floats:
        """float32 (n_markers, n_states), P(a1) that a state emits at a marker."""
        return _of_levels(self.emission, ODDS_STEP, _sigmoid)

    def entering(self) -> Floats:
        """float32 (n_markers + 1, n_states), q."""
        return _of_levels(self.enter, GATE_STEP, np.exp)

    def leaving(self) -> Floats:
        """float32 (n_markers + 1, n_states), l."""
        return _of_levels(self.leave, GATE_STEP, np.exp)

    def emits(self) -> tuple[Floats, Floats]:
        """float32 (n_sites, n_states) each: P(a0) and P(a1) that a state emits at a site, both to all their digits."""
        refs = _of_levels(self.site, ODDS_STEP, lambda odds: _sigmoid(-odds))
        return refs, _of_levels(self.site, ODDS_STEP, _sigmoid)


def _of_levels(levels: NDArray[np.int8], step: float, function: Callable[..., NDArray[np.float64]]) -> Floats:
    """A function of whole numbers of a step, each of the 256 computed once."""
    table = function(np.arange(-128, 128) * step).astype(np.float32)
    result: Floats = table[levels.astype(np.int16) + 128]
    return result


def _sigmoid(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = 1 / (1 + np.exp(-odds))
    return result
