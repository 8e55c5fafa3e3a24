"""The interface of an engine: it runs the model of one region."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bundle import BundleRegion

ROUNDING = 1e-4
"""Largest amount by which a probability may be below 0 or above 1."""


class RegionEngine(Protocol):
    """Runs one region's model; may be called by several threads at once."""

    @property
    def haplotypes_per_run(self) -> int:
        """How many haplotypes it takes best at a time."""

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (n_haplotypes, n_markers, 2), [P(a0), P(a1)], to P(a1), float32 (n_sites, n_haplotypes)."""


class OwnEngine(RegionEngine, Protocol):
    """An engine that has taken the weights out of the graph."""

    n_markers: int
    n_sites: int


class CheckedEngine:
    """Refuses results that are no probabilities, and cuts what rounding adds at 0 and 1."""

    def __init__(self, engine: RegionEngine, region: BundleRegion) -> None:
        self._engine, self._path = engine, region.model_path
        self.haplotypes_per_run = engine.haplotypes_per_run

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the engine, and refuse what is not a number from 0 to 1."""
        alt = self._engine(inputs)
        least, most = float(alt.min(initial=0)), float(alt.max(initial=1))  # NaN if there is any
        if not (math.isfinite(least) and math.isfinite(most)):
            raise DataError("the model predicts what is no number; train or get it again", self._path)
        if least < -ROUNDING or most > 1 + ROUNDING:
            found = least if least < -ROUNDING else most
            raise DataError(
                f"expected probabilities from 0 to 1, the model predicts {found:.6g}; train or get it again", self._path
            )
        return np.clip(alt, 0, 1) if least < 0 or most > 1 else alt
