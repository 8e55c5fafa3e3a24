"""Status: how the regions of a training stand, from files alone, so that it works after a scheduler forgot its jobs."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rnnimp.pipeline.train.files import RegionFiles, plan_path, read_plan
from rnnimp.pipeline.train.region_state import RegionState, State, read_state

HEADER = ("region", "state", "network", "iteration", "R2", "left at most", "note")
EXIT_UNFINISHED = 3
_QUIET = (State.WAITING, State.FINISHED)


def read_status(output_prefix: str | Path) -> list[RegionState]:
    """The state of every region of a training, in order.

    Raises:
        DataError: if no training was begun under the prefix.
    """
    n_regions, _ = read_plan(output_prefix)
    now = _server_time(plan_path(output_prefix).parent)
    return [read_state(RegionFiles(output_prefix, number), now) for number in range(1, n_regions + 1)]


def _server_time(folder: Path) -> float:
    """The time by the clock of the folder's file server; this machine's where the folder cannot be written."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".clock.") as file:
            return Path(file.name).stat().st_mtime
    except OSError:
        return time.time()


def status_code(states: Iterable[RegionState]) -> int:
    """Exit code: 0 if all are finished, 1 if any failed or was lost, 3 if none did but some wait or run."""
    found = {region.state for region in states}
    if found & {State.FAILED, State.LOST}:
        return 1
    return EXIT_UNFINISHED if found & {State.WAITING, State.RUNNING} else 0


def is_settled(states: Iterable[RegionState]) -> bool:
    """Whether nothing waits or runs any more."""
    return all(region.state not in (State.WAITING, State.RUNNING) for region in states)


def counts_line(states: Sequence[RegionState]) -> str:
    """How many regions are in which state.

    >>> counts_line([RegionState(1, State.FINISHED), RegionState(2, State.LOST)])
    '2 regions: 0 waiting, 0 running, 1 finished, 0 failed, 1 lost'
    """
    counts = Counter(region.state for region in states)
    return f"{len(states)} regions: " + ", ".join(f"{counts[state]} {state.value}" for state in State)


def table(states: Iterable[RegionState], only_busy: bool = False) -> list[str]:
    """The lines of a table, a region each.

    Args:
        states: of the regions.
        only_busy: leave out what waits or is finished without a note.
    """
    rows: list[tuple[str, ...]] = [HEADER]
    rows += [_row(region) for region in states if not (only_busy and region.state in _QUIET)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(region: RegionState) -> tuple[str, ...]:
    progress = region.progress
    network = iteration = left = "-"
    if progress is not None:
        network, iteration = progress.network, f"{progress.iteration}/{progress.max_iterations}"
        left = "-" if progress.seconds_left is None else duration(progress.seconds_left)
    score = "-" if region.validation_r2 is None else f"{region.validation_r2:.4f}"
    note = region.note
    if region.log and region.state in (State.FAILED, State.LOST):
        note += f"; log: {region.log}"
    return str(region.number), region.state.value, network, iteration, score, left, note


def duration(seconds: float) -> str:
    """Seconds as days, hours and minutes.

    >>> duration(59), duration(3_700), duration(200_000)
    ('0:01', '1:02', '2-07:34')
    """
    minutes = -int(-seconds // 60)
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    return f"{days}-{hours:02}:{minutes:02}" if days else f"{hours}:{minutes:02}"
