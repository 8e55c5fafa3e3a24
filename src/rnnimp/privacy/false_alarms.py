"""The threshold that a given share of outsiders exceeds, where few outsiders are near it.

With 100 outsiders, a share of 1% is one of them. If the threshold were the second highest score, 2% of further people
would be above it on average, not 1%, and with any one choice of outsiders much fewer or many more. So the threshold is
that of a curve through the highest scores: above a score that several outsiders exceed, the excess is taken as
exponential. This is the simplest case of peaks over a threshold (Davison & Smith 1990).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BEYOND = 9
_MOST_RATE = 0.1


@dataclass(frozen=True)
class Tail:
    """An exponential tail, fitted to the highest scores of outsiders.

    Attributes:
        start: The highest score that does not belong to it.
        scale: Mean excess of the scores in it.
        n_highest: Scores in it.
        n_all: All scores.
    """

    start: float
    scale: float
    n_highest: int
    n_all: int

    @classmethod
    def of(cls, outsiders: NDArray[np.float64], rate: float) -> Tail:
        """Fit a tail to find the threshold of a rate.

        For a rate of 1% it has the highest 10 of 100 scores, 15 of 200, and 38 of 1,000: more scores make it steadier,
        but a larger share of them would follow the curve less well.

        Args:
            outsiders: Scores, float64 (n_all,); at least one above the threshold, `n_all * rate >= 1`.
            rate: Share of outsiders above the threshold, at most 0.1.

        Raises:
            ValueError: for other rates or fewer outsiders.
        """
        n_all = len(outsiders)
        if not 0 < rate <= _MOST_RATE or not can_resolve(rate, n_all):
            raise ValueError(f"{n_all} outsiders have no tail for a rate of {rate:g}")
        n_above = n_all * rate
        n_highest = min(n_all - 1, round(n_above + _BEYOND * math.sqrt(n_above)))
        ordered = np.sort(outsiders)[n_all - 1 - n_highest :]
        return cls(float(ordered[0]), float(np.mean(ordered[1:] - ordered[0])), n_highest, n_all)

    def threshold(self, rate: float) -> float:
        """The score that this share of outsiders exceeds."""
        return self.start + self.scale * math.log(self.n_highest / self.n_all / rate)

    def drawn_thresholds(self, rate: float, rng: np.random.Generator, n_draws: int) -> NDArray[np.float64]:
        """Scores that may be the true threshold, drawn by how likely they are: float64 (n_draws,).

        If the tail is exponential, these are exact. The share of people above `start` has a beta distribution. The
        ratio of the fitted scale to the true one has a gamma distribution.
        """
        share, ratio = self._drawn(rng, n_draws)
        result: NDArray[np.float64] = self.start + self.scale / ratio * np.log(share / rate)
        return result

    def drawn_rates(self, rate: float, rng: np.random.Generator, n_draws: int) -> NDArray[np.float64]:
        """Shares of further people who may be above `threshold`: float64 (n_draws,)."""
        share, ratio = self._drawn(rng, n_draws)
        result: NDArray[np.float64] = share * (self.n_highest / self.n_all / rate) ** -ratio
        return result

    def _drawn(self, rng: np.random.Generator, n_draws: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        share = rng.beta(self.n_highest + 1, self.n_all - self.n_highest, n_draws)
        return share, rng.gamma(self.n_highest, 1 / self.n_highest, n_draws)


def can_resolve(rate: float, n_outsiders: int) -> bool:
    """Whether at least one outsider is expected above the threshold of a rate.

    >>> can_resolve(0.01, 100), can_resolve(0.01, 99), can_resolve(0.001, 1000)
    (True, False, True)
    """
    return rate * n_outsiders + 1e-9 >= 1
