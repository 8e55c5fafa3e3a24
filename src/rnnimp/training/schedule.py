"""When the learning rate falls and when training ends; how long a gradient may be."""

from __future__ import annotations

import math
from collections import deque
from enum import Enum
from statistics import median
from typing import Any


class Verdict(Enum):
    """What to do after a validation."""

    CONTINUE = "continue"
    IMPROVED = "improved"
    RESTORE = "restore"
    STOP = "stop"


def score_of(by_loss: bool, validation_loss: float, validation_r2: float) -> float:
    """What a network is kept by: its validation loss, or its r2 if that exists.

    Where no true dosage varies among the samples held out there is no r2, and the loss decides.
    """
    return -validation_loss if by_loss or math.isnan(validation_r2) else validation_r2


class HalvingSchedule:
    """Halves the rate, and goes back to the best weights, when a score has not gained for a while.

    Each time the patience is halved as well. Training ends when the rate falls below the smallest.

    Args:
        learning_rate: at the start.
        smallest_rate: training ends below it.
        patience: iterations without gain before the first halving.
        smallest_patience: what the patience is halved to at the least.
    """

    def __init__(self, learning_rate: float, smallest_rate: float, patience: int, smallest_patience: int) -> None:
        self.learning_rate = learning_rate
        self.best_score = -math.inf
        self.best_iteration = 0
        self._smallest_rate = smallest_rate
        self._patience = patience
        self._smallest_patience = smallest_patience
        self._waiting_since = 0

    def judge(self, iteration: int, score: float) -> Verdict:
        """Take in a validation score, larger being better, and say what to do. NaN is never a gain."""
        if score > self.best_score:
            self.best_score, self.best_iteration, self._waiting_since = score, iteration, iteration
            return Verdict.IMPROVED
        if iteration - self._waiting_since < self._patience:
            return Verdict.CONTINUE
        self.learning_rate /= 2
        self._patience = max(self._patience // 2, self._smallest_patience)
        self._waiting_since = iteration
        return Verdict.STOP if self.learning_rate < self._smallest_rate else Verdict.RESTORE

    def fall_back(self, iteration: int) -> Verdict:
        """Halve the rate because training broke down; say whether to go on from the best weights or to stop."""
        self.learning_rate /= 2
        self._waiting_since = iteration
        return Verdict.STOP if self.learning_rate < self._smallest_rate else Verdict.RESTORE

    def state(self) -> dict[str, Any]:
        """All that changes, for a checkpoint."""
        names = ("learning_rate", "best_score", "best_iteration", "_patience", "_waiting_since")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        for name, value in state.items():
            setattr(self, name, value)


class MedianClip:
    """The longest gradient allowed: a multiple of the running median of the norms before clipping.

    Args:
        factor: the multiple.
        window: how many norms the median looks back over.
    """

    def __init__(self, factor: float, window: int) -> None:
        self._factor = factor
        self._norms: deque[float] = deque(maxlen=window)

    def longest(self, norm: float) -> float:
        """The longest norm allowed, given the norm of the gradient at hand, which then joins the median.

        A norm that is not finite does not join. The first gradient is not clipped.
        """
        allowed = self._factor * median(self._norms) if self._norms else math.inf
        if math.isfinite(norm):
            self._norms.append(norm)
        return allowed

    def state(self) -> list[float]:
        """The norms, for a checkpoint."""
        return list(self._norms)

    def restore(self, state: list[float]) -> None:
        """Go on from a checkpoint's norms."""
        self._norms.extend(state)
