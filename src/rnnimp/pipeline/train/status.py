"""Shows the progress of a training, region by region, from files only: it works when a scheduler forgot its jobs."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rnnimp.pipeline.train.files import RegionFiles, plan_path, read_plan
from rnnimp.pipeline.train.region_state import RegionState, State, read_state
from rnnimp.wording import counted

HEADER = ("region", "state", "network in training", "iteration", "R2", "time left", "note")
EXPLANATION = "R2: on the held-out samples; of the final model if finished, of the network in training if running"
EXIT_UNFINISHED = 3
_QUIET = (State.WAITING, State.FINISHED)


def read_status(output_prefix: str | Path) -> list[RegionState]:
    """The state of each region of a training, in order.

    Raises:
        DataError: if there is no training under the prefix.
    """
    n_regions, _ = read_plan(output_prefix)
    now = _server_time(plan_path(output_prefix).parent)
    return [read_state(RegionFiles(output_prefix, number), now) for number in range(1, n_regions + 1)]


def _server_time(folder: Path) -> float:
    """The time of the folder's file server; this machine's if the folder cannot be written."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".clock.") as file:
            return Path(file.name).stat().st_mtime
    except OSError:
        return time.time()


def status_code(states: Iterable[RegionState]) -> int:
    """Exit code: 0 if all are finished, 1 if any has failed or is lost, else 3: some wait or run."""
    found = {region.state for region in states}
    if found & {State.FAILED, State.LOST}:
        return 1
    return EXIT_UNFINISHED if found & {State.WAITING, State.RUNNING} else 0


def is_settled(states: Iterable[RegionState]) -> bool:
    """Whether no region waits or runs."""
    return all(region.state not in (State.WAITING, State.RUNNING) for region in states)


def counts_line(states: Sequence[RegionState]) -> str:
    """How many regions are in each state.

    >>> counts_line([RegionState(1, State.FINISHED), RegionState(2, State.LOST)])
    '2 regions: 0 waiting, 0 running, 1 finished, 0 failed, 1 lost'
    """
    counts = Counter(region.state for region in states)
    return f"{counted(len(states), 'region')}: " + ", ".join(f"{counts[state]} {state.value}" for state in State)


def table(states: Sequence[RegionState], only_busy: bool = False) -> list[str]:
    """The lines of a table, one for each region, and what its R2 is.

    Args:
        states: States of the regions.
        only_busy: Omit regions that wait or are finished.

    Returns:
        The lines; none if no region is left to show.
    """
    shown = [region for region in states if not (only_busy and region.state in _QUIET)]
    if not shown:
        return []
    rows = [HEADER, *(_row(region) for region in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    has_r2 = any(region.validation_r2 is not None for region in shown)
    return [*lines, EXPLANATION] if has_r2 else lines


def _row(region: RegionState) -> tuple[str, ...]:
    progress = region.progress
    network = iteration = left = "-"
    if progress is not None:
        network, iteration = progress.title, f"{progress.iteration}/{progress.max_iterations}"
        left = progress.time_left
    score = "-" if region.validation_r2 is None else f"{region.validation_r2:.4f}"
    note = region.note
    if region.log and region.state in (State.FAILED, State.LOST):
        note += f"; log: {region.log}"
    return str(region.number), region.state.value, network, iteration, score, left, note
