"""How training shows itself: one bar on a terminal, a line a minute elsewhere, for one network or many at once."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any

from rnnimp.cli.general_options import PROGRESS_LOGGER

if TYPE_CHECKING:
    from rnnimp.pipeline.train.work import Display
    from rnnimp.training.trainer import Evaluation, Progress

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 60.0


def choose_display() -> Display:
    """A bar if standard error is a terminal, tqdm is installed and `--quiet` is not given; else lines."""
    if sys.stderr.isatty() and logging.getLogger(PROGRESS_LOGGER).isEnabledFor(logging.INFO):
        try:
            from tqdm import tqdm
        except ImportError:
            return LineDisplay()
        return BarDisplay(tqdm)
    return LineDisplay()


class Board:
    """The networks at work and their last evaluations."""

    def __init__(self) -> None:
        self._at_work: dict[tuple[int, str], Evaluation | None] = {}
        self._max_iterations = 0

    def add(self, region: int, name: str, max_iterations: int) -> None:
        """Take in a network; those of its region that have been evaluated before have ended."""
        ended = [key for key, last in self._at_work.items() if key[0] == region and last is not None]
        for key in ended:
            del self._at_work[key]
        self._at_work[region, name] = None
        self._max_iterations = max_iterations

    def tell(self, region: int, name: str, evaluation: Evaluation) -> None:
        """Take in an evaluation."""
        self._at_work[region, name] = evaluation

    def remove(self, region: int) -> None:
        """Forget a region's networks."""
        for key in [key for key in self._at_work if key[0] == region]:
            del self._at_work[key]

    @property
    def is_empty(self) -> bool:
        """Whether no network is at work."""
        return not self._at_work

    @property
    def total(self) -> int:
        """Most iterations of all networks together."""
        return len(self._at_work) * self._max_iterations

    @property
    def done(self) -> int:
        """Iterations done of all networks together."""
        return sum(last.iteration for last in self._at_work.values() if last is not None)

    @property
    def title(self) -> str:
        """Which networks are at work."""
        if len(self._at_work) == 1:
            (region, name), *_ = self._at_work
            return f"region {region}, {name}"
        names = "+".join(sorted({name for _, name in self._at_work}))
        return f"{len({region for region, _ in self._at_work})} regions, {names}"

    @property
    def state(self) -> str:
        """How far they are and how good."""
        evaluations = [last for last in self._at_work.values() if last is not None]
        if not evaluations:
            return "starting"
        iterations = sorted({last.iteration for last in evaluations})
        scores = sorted(last.validation_r2 for last in evaluations)
        reached = f"iteration {iterations[0]}" + (f" to {iterations[-1]}" if len(iterations) > 1 else "")
        if len(evaluations) == 1:
            (only,) = evaluations
            quality = f"{only.validation_r2:.4f}, loss {only.validation_loss:.4f}, rate {only.learning_rate:.2g}"
        else:
            quality = f"{scores[0]:.4f} to {scores[-1]:.4f}, mean {sum(scores) / len(scores):.4f}"
        return f"{reached} of at most {self._max_iterations}, validation R2 {quality}"


class LineDisplay:
    """A line at the first evaluation of new networks, then one a minute."""

    def __init__(self) -> None:
        self._board = Board()
        self._is_new = False
        self._last_line = 0.0

    def network(self, region: int, name: str, max_iterations: int) -> Progress:
        """Whom to tell of a network's evaluations."""
        self._board.add(region, name, max_iterations)
        self._is_new = True

        def tell(evaluation: Evaluation) -> None:
            self._board.tell(region, name, evaluation)
            if self._is_new or time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
                self._is_new, self._last_line = False, time.monotonic()
                logger.info("%s: %s", self._board.title, self._board.state)

        return tell

    def finish_region(self, region: int) -> None:
        """Lines stay as they are."""
        self._board.remove(region)


class BarDisplay:
    """One bar over all networks at work.

    Args:
        make_bar: `tqdm.tqdm`.
    """

    def __init__(self, make_bar: Any) -> None:
        self._make_bar = make_bar
        self._board = Board()
        self._bar: Any = None

    def network(self, region: int, name: str, max_iterations: int) -> Progress:
        """Whom to tell of a network's evaluations."""
        self._board.add(region, name, max_iterations)

        def tell(evaluation: Evaluation) -> None:
            self._board.tell(region, name, evaluation)
            self._show()

        return tell

    def _show(self) -> None:
        if self._bar is None:
            self._bar = self._make_bar(leave=False, dynamic_ncols=True)
        self._bar.total = self._board.total
        self._bar.n = self._board.done
        self._bar.set_description_str(self._board.title, refresh=False)
        self._bar.set_postfix_str(self._board.state, refresh=False)
        self._bar.update(0)

    def finish_region(self, region: int) -> None:
        """Take the bar away with the last region."""
        self._board.remove(region)
        if self._bar is not None and self._board.is_empty:
            self._bar.close()
            self._bar = None
