"""The progress of a training: one bar at the bottom of a terminal, or one line per minute in a log."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from rnnimp.cli.general_options import PROGRESS_LOGGER

if TYPE_CHECKING:
    from rnnimp.pipeline.train.progress import ProgressNote

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 60.0
SECONDS_BETWEEN_DRAWINGS = 0.5
LEAST_BAR, SHORTEST_BAR, LONGEST_BAR = 4, 12, 40
"""Details give way to a bar of the second length; a bar shorter than the first is not drawn."""

_SPINNER = "|/-\\"
_ERASE_LINE = "\r\033[K"


def choose_display() -> BarDisplay | LineDisplay:
    """A bar if standard error is a terminal that can redraw a line and `--quiet` is not given, else lines."""
    is_wanted = logging.getLogger(PROGRESS_LOGGER).isEnabledFor(logging.INFO)
    if is_wanted and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return BarDisplay(sys.stderr)
    return LineDisplay()


class Board:
    """The regions in training, and how many have ended."""

    def __init__(self) -> None:
        self.n_regions = 0
        self.notes: dict[int, ProgressNote | None] = {}
        self.finished: set[int] = set()

    def show(self, region: int, note: ProgressNote | None) -> None:
        """Take in how far a region is."""
        self.notes[region] = note

    def finish(self, region: int) -> None:
        """Take in that a region has ended."""
        self.notes.pop(region, None)
        self.finished.add(region)

    @property
    def begun(self) -> list[ProgressNote]:
        """How far the regions are that have begun to train."""
        return [note for note in self.notes.values() if note is not None]

    @property
    def share_done(self) -> float:
        """Of the regions in training, from 0 to 1."""
        return sum(note.share_done for note in self.begun) / len(self.notes) if self.notes else 0.0

    @property
    def regions(self) -> str:
        """Which regions are in training."""
        if len(self.notes) == 1:
            return f"region {next(iter(self.notes))}"
        return f"{len(self.notes)} regions at once"

    @property
    def title(self) -> str:
        """How many regions have ended, if there are several, and which are in training."""
        count = f"{len(self.finished)} of {self.n_regions} regions done; " if self.n_regions > 1 else ""
        return count + (self.regions if self.notes else "starting")

    @property
    def time_left(self) -> str:
        """Of the regions in training: the longest; empty before it is known."""
        from rnnimp.pipeline.train.progress import time_left

        known = [note.seconds_left for note in self.begun if note.seconds_left is not None]
        if not known:
            return ""
        return f"{time_left(max(known), any(note.is_upper_bound for note in self.begun))} left"

    @property
    def r2(self) -> str:
        """The validation R2 of the networks in training; empty before there is one."""
        scores = [note.validation_r2 for note in self.begun if note.validation_r2 is not None]
        if not scores:
            return ""
        low, high = f"{min(scores):.4f}", f"{max(scores):.4f}"
        return low if low == high else f"{low} to {high}"

    @property
    def network(self) -> str:
        """The networks in training."""
        return " and ".join(sorted({note.title for note in self.begun}))

    @property
    def short_network(self) -> str:
        """Their places in the order of training."""
        places = sorted({f"{note.network_number} of {note.n_networks}" for note in self.begun})
        return f"network {' and '.join(places)}"


def log_line(board: Board) -> str:
    """How far the regions are, for a log."""
    iterations = sorted({note.iteration for note in board.begun})
    most = max(note.max_iterations for note in board.begun)
    reached = f"iteration {iterations[0]}" + (f" to {iterations[-1]}" if len(iterations) > 1 else "")
    r2 = f", validation R2 {board.r2}" if board.r2 else ""
    left = f"; {board.time_left} for {board.regions}" if board.time_left else ""
    return f"{board.title}: {board.network}: {reached} of {most}{r2}{left}"


def bar_line(board: Board, width: int, seconds: float, turn: int) -> str:
    """How far the regions are, as one line of a terminal.

    Args:
        board: The regions.
        width: Width of the terminal.
        seconds: Seconds since the start of the current step, shown until there are iterations.
        turn: Which of the spinner's pictures to show.
    """
    title = f"{_SPINNER[turn % len(_SPINNER)]} {board.title}: "
    percent = f" {100 * board.share_done:3.0f}%, "
    if not board.begun:
        state = "preparing, " if board.notes else ""
        return _fitted(title, f"{percent}{state}{seconds:.0f} s", [""], 0.0, width)
    long_r2, r2 = (f", validation R2 {board.r2}", f", R2 {board.r2}") if board.r2 else ("", "")
    network, short = board.network, board.short_network
    details = [f"; {network}{long_r2}", f"; {network}{r2}", f"; {short}{r2}", f"; {short}", ""]
    return _fitted(title, percent + (board.time_left or "estimating the time"), details, board.share_done, width)


def _fitted(title: str, state: str, details: list[str], share: float, width: int) -> str:
    """The longest details that leave room for a bar; the last column stays free, where terminals would wrap."""
    for detail in details:
        room = width - 1 - len(title) - len(state) - len(detail) - 2
        if room >= SHORTEST_BAR:
            break
    length = min(room, LONGEST_BAR) if room >= LEAST_BAR else 0
    n_full = int(share * length)
    bar = f"[{'#' * n_full}{'.' * (length - n_full)}]" if length else ""
    return f"{title}{bar}{state}{detail}"[: max(1, width - 1)]


class LineDisplay:
    """A line in the log when a network has its first score, then one per minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._board, self._clock = Board(), clock
        self._named: set[tuple[int, str]] = set()
        self._last_line = -SECONDS_BETWEEN_LINES

    def __enter__(self) -> LineDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lines stay as they are."""

    def start(self, n_regions: int) -> None:
        """Take in how many regions there are."""
        self._board.n_regions = n_regions

    def show(self, region: int, note: ProgressNote | None) -> None:
        """Take in how far a region is."""
        self._board.show(region, note)
        if note is None or note.validation_r2 is None:
            return
        is_late = self._clock() - self._last_line >= SECONDS_BETWEEN_LINES
        is_new = (region, note.network) not in self._named and len(self._board.notes) == 1
        self._named.add((region, note.network))
        if is_new or is_late:
            self._last_line = self._clock()
            logger.info("%s", log_line(self._board))

    def finish_region(self, region: int) -> None:
        """Take in that a region has ended."""
        self._board.finish(region)


class BarDisplay:
    """A bar in the last line of a terminal, redrawn twice a second; log lines appear above it.

    Args:
        terminal: Where to draw.
    """

    def __init__(self, terminal: TextIO) -> None:
        self._terminal, self._board = terminal, Board()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._since = time.monotonic()
        self._turn = 0
        self._handlers: list[tuple[logging.StreamHandler[Any], Any]] = []
        self._thread = threading.Thread(target=self._redraw, name="progress bar", daemon=True)

    def __enter__(self) -> BarDisplay:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is self._terminal:
                self._handlers.append((handler, handler.setStream(_AboveTheBar(self))))
        self._draw()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        for handler, stream in self._handlers:
            handler.setStream(stream)
        self._write(_ERASE_LINE)

    def start(self, n_regions: int) -> None:
        """Take in how many regions there are."""
        self._board.n_regions = n_regions

    def show(self, region: int, note: ProgressNote | None) -> None:
        """Take in how far a region is."""
        with self._lock:
            if note is None:
                self._since = time.monotonic()
            self._board.show(region, note)

    def finish_region(self, region: int) -> None:
        """Take in that a region has ended."""
        with self._lock:
            self._board.finish(region)
            self._since = time.monotonic()

    def write_above(self, text: str) -> None:
        """Write log lines where the bar is, and the bar again below them."""
        with self._lock:
            self._write(_ERASE_LINE + text)
            self._draw()

    def _redraw(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_DRAWINGS):
            self._turn += 1
            self._draw()

    def _draw(self) -> None:
        with self._lock:
            width = self._width()
            line = bar_line(self._board, width, time.monotonic() - self._since, self._turn)
            self._write(_ERASE_LINE + line)

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._terminal.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def _write(self, text: str) -> None:
        self._terminal.write(text)
        self._terminal.flush()


class _AboveTheBar:
    """The stream that log handlers write to while there is a bar."""

    def __init__(self, display: BarDisplay) -> None:
        self._display = display

    def write(self, text: str) -> None:
        self._display.write_above(text)

    def flush(self) -> None:
        """Everything is flushed when it is written."""
