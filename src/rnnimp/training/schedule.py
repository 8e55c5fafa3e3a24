"""When the learning rate falls and when training ends; how long a gradient may be."""

from __future__ import annotations

import math
from collections import deque
from enum import Enum
from statistics import median
from typing import Any

from rnnimp.training.recipe import TrainingSettings


class Verdict(Enum):
    """Verdicts on a validation."""

    CONTINUE = "continue"
    IMPROVED = "improved"
    RESTORE = "restore"
    STOP = "stop"


def score_of(by_loss: bool, validation_loss: float, validation_r2: float) -> float:
    """The score of a validation: minus its loss, or its r2 if that exists.

    If no true dosage varies among the samples held out, there is no r2, and the loss decides.
    """
    return -validation_loss if by_loss or math.isnan(validation_r2) else validation_r2


class HalvingSchedule:
    """Halves the rate, and goes back to the best weights, when the score has not improved for a while.

    Each time the patience is halved as well. Training ends when the rate falls below the smallest.

    Args:
        learning_rate: Learning rate at the start.
        smallest_rate: Training ends below it.
        patience: Iterations without improvement before the first halving.
        smallest_patience: The patience is not halved below this.
    """

    def __init__(self, learning_rate: float, smallest_rate: float, patience: int, smallest_patience: int) -> None:
        self.learning_rate = learning_rate
        self.best_score = -math.inf
        self.best_iteration = 0
        self._smallest_rate = smallest_rate
        self._patience = patience
        self._smallest_patience = smallest_patience
        self._waiting_since = 0

    def rate_at(self, iteration: int) -> float:
        """The rate of an iteration before the next validation."""
        return self.learning_rate

    def judge(self, iteration: int, score: float) -> Verdict:
        """Take in a validation score, larger being better, and say what to do. NaN is never an improvement."""
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
        """Halve the rate because training broke down; say whether to restore the best weights or to stop."""
        self.learning_rate /= 2
        self._waiting_since = iteration
        return Verdict.STOP if self.learning_rate < self._smallest_rate else Verdict.RESTORE

    def state(self) -> dict[str, Any]:
        """Everything that changes, for a checkpoint."""
        names = ("learning_rate", "best_score", "best_iteration", "_patience", "_waiting_since")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a checkpoint's state."""
        for name in self.state():
            setattr(self, name, number(state[name]))


class CosineSchedule:
    """The rate rises over a warm-up and falls to 0 along a cosine; the latest weights are always the best.

    Args:
        learning_rate: The highest.
        warm_up: Iterations of the rise.
        n_iterations: All iterations of the training.
    """

    def __init__(self, learning_rate: float, warm_up: int, n_iterations: int) -> None:
        self.learning_rate = learning_rate
        self.best_iteration = 0
        self._warm_up, self._n_iterations = warm_up, n_iterations

    def rate_at(self, iteration: int) -> float:
        """The rate of an iteration, from 0."""
        rise = min(1.0, (iteration + 1) / self._warm_up) if self._warm_up else 1.0
        return self.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * iteration / self._n_iterations))

    def judge(self, iteration: int, score: float) -> Verdict:
        """Call every validation an improvement."""
        self.best_iteration = iteration
        return Verdict.IMPROVED

    def fall_back(self, iteration: int) -> Verdict:
        """Halve all rates because training broke down; restore the best weights, which are the last finite ones."""
        self.learning_rate /= 2
        return Verdict.RESTORE

    def state(self) -> dict[str, Any]:
        """Everything that changes, for a checkpoint."""
        return {"learning_rate": self.learning_rate, "best_iteration": self.best_iteration}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a checkpoint's state."""
        self.learning_rate, self.best_iteration = number(state["learning_rate"]), number(state["best_iteration"])


Schedule = HalvingSchedule | CosineSchedule


def number(value: Any) -> Any:
    """A number of a checkpoint.

    Raises:
        TypeError: if it is none.
    """
    if type(value) not in (int, float):
        raise TypeError(f"expected a number, found {type(value).__name__}")
    return value


def schedule_of(settings: TrainingSettings) -> Schedule:
    """A new schedule, of the recipe's kind."""
    if settings.schedule == "cosine":
        return CosineSchedule(settings.learning_rate, settings.warm_up, settings.max_iterations)
    return HalvingSchedule(
        settings.learning_rate, settings.smallest_rate, settings.patience, settings.smallest_patience
    )


class MedianClip:
    """The longest gradient allowed: a multiple of the running median of the norms before clipping.

    Args:
        factor: The multiple.
        window: How many norms the median looks back over.
        longest: A second limit; 0 for none.
    """

    def __init__(self, factor: float, window: int, longest: float = 0.0) -> None:
        self._factor, self._longest = factor, longest or math.inf
        self._norms: deque[float] = deque(maxlen=window)

    def longest(self, norm: float) -> float:
        """The longest norm allowed, given the norm of the present gradient, which is then added to the median.

        A norm that is not finite is not added. The first gradient is not clipped.
        """
        allowed = self._factor * median(self._norms) if self._norms else math.inf
        if math.isfinite(norm):
            self._norms.append(norm)
        return min(allowed, self._longest)

    def state(self) -> list[float]:
        """The norms, for a checkpoint."""
        return list(self._norms)

    def restore(self, state: list[float]) -> None:
        """Resume from a checkpoint's norms."""
        self._norms.extend(map(number, state))
