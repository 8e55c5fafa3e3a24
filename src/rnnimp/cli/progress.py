"""How training shows itself: a bar a region on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnimp.pipeline.train import Display
    from rnnimp.training.trainer import Evaluation, Progress

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 60.0


def choose_display() -> Display:
    """Bars where standard error is a terminal and tqdm is installed, else lines."""
    if sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            return LineDisplay()
        return BarDisplay(tqdm)
    return LineDisplay()


def _state(evaluation: Evaluation) -> str:
    return (
        f"validation R2 {evaluation.validation_r2:.4f}, loss {evaluation.validation_loss:.4f}, "
        f"rate {evaluation.learning_rate:.2g}"
    )


class LineDisplay:
    """A line for a network's first evaluation, then one a minute."""

    def network(self, region: int, name: str, max_iterations: int) -> Progress:
        """Whom to tell of a network's evaluations."""
        last_line = -SECONDS_BETWEEN_LINES

        def tell(evaluation: Evaluation) -> None:
            nonlocal last_line
            if time.monotonic() - last_line >= SECONDS_BETWEEN_LINES:
                last_line = time.monotonic()
                progress = f"iteration {evaluation.iteration} of at most {max_iterations}"
                logger.info("region %d, %s: %s, %s", region, name, progress, _state(evaluation))

        return tell

    def finish_region(self) -> None:
        """Lines stay as they are."""


class BarDisplay:
    """One bar, which each network of a region fills in turn.

    Args:
        make_bar: `tqdm.tqdm`.
    """

    def __init__(self, make_bar: Any) -> None:
        self._make_bar = make_bar
        self._bar: Any = None

    def network(self, region: int, name: str, max_iterations: int) -> Progress:
        """Whom to tell of a network's evaluations."""
        self.finish_region()
        bar = self._make_bar(total=max_iterations, desc=f"region {region}, {name}", leave=False, dynamic_ncols=True)
        self._bar = bar

        def tell(evaluation: Evaluation) -> None:
            bar.update(evaluation.iteration - bar.n)
            bar.set_postfix_str(_state(evaluation))

        return tell

    def finish_region(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
