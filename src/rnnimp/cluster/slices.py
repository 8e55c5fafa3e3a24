"""Lists of regions, and the slice of a list that one task of an array job trains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rnnimp.errors import SettingsError
from rnnimp.numbers import whole_number
from rnnimp.wording import shortened

MOST_REGIONS = 1_000_000
"""Regions of a chromosome, and slices of them, at most."""


@dataclass(frozen=True)
class TaskSlice:
    """One of several equal slices of a list.

    Attributes:
        index: Number of the slice, from 1.
        count: Number of slices.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> TaskSlice:
        """A slice as `--task` names it.

        Raises:
            SettingsError: if it is malformed.

        >>> TaskSlice.parse("3/12")
        TaskSlice(index=3, count=12)
        """
        index, _, count = text.partition("/")
        try:
            n_slices = whole_number(count, 1, MOST_REGIONS)
            return cls(whole_number(index, 1, n_slices), n_slices)
        except ValueError:
            raise SettingsError(
                f"--task expects I/N, the I-th of N slices with I from 1 to N, found '{shortened(text)}'"
            ) from None

    def of(self, numbers: Sequence[int]) -> list[int]:
        """This task's slice of a list. The slices together are the list; their lengths differ by at most one.

        >>> [TaskSlice(index, 3).of([1, 2, 3, 4, 5]) for index in (1, 2, 3)]
        [[1], [2, 3], [4, 5]]
        """
        bounds = [part * len(numbers) // self.count for part in (self.index - 1, self.index)]
        return list(numbers[bounds[0] : bounds[1]])


def parse_regions(text: str) -> tuple[int, ...]:
    """Region numbers of a list with ranges.

    Raises:
        SettingsError: if it is malformed.

    >>> parse_regions("3,7-9")
    (3, 7, 8, 9)
    """
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            start = whole_number(first, 0, MOST_REGIONS)
            stop = whole_number(last, start, MOST_REGIONS) if dash else start
        except ValueError:
            raise SettingsError(
                f"--regions expects numbers and ranges as 3,7-9, found '{shortened(part)}' in '{shortened(text)}'"
            ) from None
        numbers.extend(range(start, stop + 1))
    return tuple(numbers)


def format_regions(numbers: Iterable[int]) -> str:
    """Region numbers as `parse_regions` reads them.

    >>> format_regions([3, 7, 8, 9])
    '3,7-9'
    """
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def tasks_for(n_regions: int, regions_per_task: int, most_running: int | None, most_tasks: int) -> int:
    """How many tasks an array job should have.

    Slices are as large as a task may take. They are smaller if there would be fewer tasks than may run at once, and
    larger if the scheduler does not accept that many tasks.

    Args:
        n_regions: Regions to train, 1 or more.
        regions_per_task: The most that a task may take.
        most_running: Most tasks that run at once; None for no limit.
        most_tasks: Most tasks that the scheduler accepts in an array.
    """
    fewest = -(-n_regions // regions_per_task)
    return min(max(fewest, min(n_regions, most_running or 0)), most_tasks, n_regions)
