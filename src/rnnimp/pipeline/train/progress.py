"""How far the training of a region is: one note for the bar and for `rnnimp status`, so that both show the same.

The time left counts the iterations that are still to come at the pace of the network that reported last. It is an
upper bound where the recipe may end a network's training early. torch is not needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnnimp.cluster.estimate import in_words
from rnnimp.formats.json_files import write_json
from rnnimp.network.names import TITLES

if TYPE_CHECKING:
    from rnnimp.training.loop import Evaluation

SECONDS_BETWEEN_NOTES = 15.0
SECONDS_TO_ESTIMATE = 3.0
"""How long a network trains before its pace counts."""


@dataclass(frozen=True)
class ProgressNote:
    """How far a region's training is.

    Attributes:
        network: The one in training, by its name in files; with several at once the last one that reported.
        network_number: Place of the network in the order of training, from 1.
        n_networks: How many networks the region trains.
        iteration: Iterations done of this network.
        max_iterations: The most that it may take.
        share_done: Iterations done of all the region's networks, as a share of the most that they may take.
        validation_r2: Mean dosage r2 of this network on the samples held out; None before the first validation.
        seconds_left: Seconds left of the region; None before it can be estimated.
        is_upper_bound: Whether training may end earlier.
    """

    network: str
    network_number: int
    n_networks: int
    iteration: int
    max_iterations: int
    share_done: float
    validation_r2: float | None
    seconds_left: float | None
    is_upper_bound: bool

    @property
    def title(self) -> str:
        """The network for readers, and its place.

        >>> ProgressNote("lower", 2, 3, 0, 100, 0.5, None, None, True).title
        'lower-MAF network (2 of 3)'
        """
        return f"{TITLES[self.network]} ({self.network_number} of {self.n_networks})"

    @property
    def time_left(self) -> str:
        """How long the region will take.

        >>> ProgressNote("lower", 2, 3, 0, 100, 0.5, None, 790.0, False).time_left
        'about 14 min'
        """
        return time_left(self.seconds_left, self.is_upper_bound)


def time_left(seconds: float | None, is_upper_bound: bool) -> str:
    """A time left in words.

    >>> time_left(7900.0, True), time_left(20.0, False), time_left(None, False)
    ('at most 2 h 12 min', 'less than 1 min', 'not known yet')
    """
    if seconds is None:
        return "not known yet"
    if seconds < 60:
        return "less than 1 min"
    return f"{'at most' if is_upper_bound else 'about'} {in_words(seconds)}"


class RegionProgress:
    """Follows the networks of one region, shows each step, and writes a note now and then.

    Args:
        path: Path of the note.
        max_iterations: For each network that is trained, in order, the most iterations that it may take.
        is_upper_bound: Whether training may end earlier.
        show: Receives every note.
        check: Called with each validation; raises if the region is another process's meanwhile.
        clock: Seconds from any start.
    """

    def __init__(
        self,
        path: Path,
        max_iterations: Mapping[str, int],
        is_upper_bound: bool,
        show: Callable[[ProgressNote], None],
        check: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.check = check
        self._path, self._most, self._is_upper_bound = path, dict(max_iterations), is_upper_bound
        self._show, self._clock = show, clock
        self._done: dict[str, int] = {}
        self._ended: set[str] = set()
        self._pace: float | None = None
        self._written: tuple[float, ProgressNote] | None = None

    def network(self, name: str) -> NetworkProgress:
        """The follower of one of the networks."""
        return NetworkProgress(self, name, self._clock)

    def report(self, name: str, iteration: int, validation_r2: float | None, pace: float | None) -> None:
        """Take in how far a network is.

        Args:
            name: Name of the network.
            iteration: Iterations done.
            validation_r2: The last validation r2 of this network.
            pace: Seconds for each of its iterations; None if it is not known yet.

        Raises:
            DataError: if the note cannot be written.
        """
        self._done[name] = iteration
        self._pace = pace or self._pace
        note = self._note(name, validation_r2)
        self._show(note)
        if self._is_due(note):
            self._written = self._clock(), note
            write_json(self._path, asdict(note))

    def end(self, name: str) -> None:
        """Note that a network's training has ended."""
        self._ended.add(name)

    def _is_due(self, note: ProgressNote) -> bool:
        """Whether to write a note: now and then, and as soon as the time left is known."""
        if self._written is None:
            return True
        when, before = self._written
        is_now_known = before.seconds_left is None and note.seconds_left is not None
        return is_now_known or self._clock() - when >= SECONDS_BETWEEN_NOTES

    def _note(self, name: str, validation_r2: float | None) -> ProgressNote:
        done = sum(most if n in self._ended else self._done.get(n, 0) for n, most in self._most.items())
        number = 1 + list(self._most).index(name)
        return ProgressNote(
            name, number, len(self._most), self._done[name], self._most[name], done / sum(self._most.values()),
            validation_r2, self._seconds_left(), self._is_upper_bound,
        )  # fmt: skip

    def _seconds_left(self) -> float | None:
        """Networks that train at the same time count once, those to come one after another."""
        if self._pace is None:
            return None
        left = {name: most - self._done.get(name, 0) for name, most in self._most.items() if name not in self._ended}
        at_work = max((count for name, count in left.items() if name in self._done), default=0)
        return self._pace * (at_work + sum(count for name, count in left.items() if name not in self._done))


class NetworkProgress:
    """Follows the training of one network of a region.

    Args:
        region: Receives the reports.
        name: Name of the network.
        clock: Seconds from any start.
    """

    def __init__(self, region: RegionProgress, name: str, clock: Callable[[], float]) -> None:
        self._region, self._name, self._clock = region, name, clock
        self._first: tuple[int, float] | None = None
        self._iteration = 0
        self._r2: float | None = None

    def iterated(self, iteration: int) -> None:
        """Called with the number of iterations done."""
        self._iteration = iteration
        self._first = self._first or (iteration, self._clock())
        self._report()

    def evaluated(self, evaluation: Evaluation) -> None:
        """Called with each validation result."""
        self._region.check()
        self._iteration, self._r2 = evaluation.iteration, evaluation.validation_r2
        self._report()

    def ended(self) -> None:
        """Called when training has ended."""
        self._region.end(self._name)

    def _report(self) -> None:
        self._region.report(self._name, self._iteration, self._r2, self._pace())

    def _pace(self) -> float | None:
        """Since this process began with the network; its first step, which compiles kernels, does not count."""
        if self._first is None:
            return None
        done, seconds = self._iteration - self._first[0], self._clock() - self._first[1]
        return seconds / done if done and seconds >= SECONDS_TO_ESTIMATE else None
