"""How a region's training stands, by the files in its folder alone; training writes some of them here.

| state | by |
|---|---|
| finished | `summary.json` |
| running | `lock`, whose process is alive; `progress.json` says how far it is |
| lost | `lock`, left by a process that is gone |
| failed | `failure.json` |
| waiting | none of these; checkpoints may tell of an interrupted attempt |
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from rnnimp.cluster.locks import Held, read_lock
from rnnimp.errors import DataError
from rnnimp.pipeline.train.files import RegionFiles, read_json, write_json

SECONDS_BETWEEN_NOTES = 15.0
NETWORKS = ("higher", "lower", "hybrid", "copying")


class State(Enum):
    """What a region is, in the words of `rnnimp status`."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True)
class ProgressNote:
    """How far a region's training is.

    Attributes:
        network: the one in training; with several regions at once the last one that told.
        iteration: iterations done.
        max_iterations: the most that it may take.
        validation_r2: mean dosage r2 on the samples held out.
        seconds_per_iteration: since this process took it up; None after one evaluation.
        networks_to_come: how many are trained after this one.
    """

    network: str
    iteration: int
    max_iterations: int
    validation_r2: float
    seconds_per_iteration: float | None
    networks_to_come: int

    @property
    def seconds_left(self) -> float | None:
        """The most that it may still take, if the networks to come are no faster; they mostly end before."""
        if self.seconds_per_iteration is None:
            return None
        return self.seconds_per_iteration * (self.max_iterations * (1 + self.networks_to_come) - self.iteration)


class ProgressWriter:
    """Notes every so often how far a network is.

    Args:
        path: of the note.
        network: its name.
        max_iterations: the most that it may take.
        networks_to_come: how many are trained after it.
        clock: seconds from any start.
    """

    def __init__(
        self,
        path: Path,
        network: str,
        max_iterations: int,
        networks_to_come: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._network, self._max_iterations, self._clock = path, network, max_iterations, clock
        self._networks_to_come = networks_to_come
        self._first: tuple[int, float] | None = None
        self._written: float | None = None

    def tell(self, iteration: int, validation_r2: float) -> None:
        """Take in an evaluation.

        Raises:
            DataError: if the note cannot be written.
        """
        now = self._clock()
        first_iteration, first_time = self._first = self._first or (iteration, now)
        if self._written is not None and now - self._written < SECONDS_BETWEEN_NOTES:
            return
        self._written = now
        done = iteration - first_iteration
        pace = (now - first_time) / done if done else None
        note = ProgressNote(self._network, iteration, self._max_iterations, validation_r2, pace, self._networks_to_come)
        write_json(self._path, asdict(note))


def write_failure(files: RegionFiles, reason: str, log: str | None) -> None:
    """Note why a region failed, in one line, and where its messages went."""
    write_json(files.failure, {"reason": reason, "log": log})


@dataclass(frozen=True)
class RegionState:
    """One region as its files tell.

    Attributes:
        number: of the region, from 1.
        state: what it is.
        progress: of a running one, if it has come so far.
        validation_r2: of a finished or running one.
        note: the reason of a failure, who runs it or did, or what an interrupted one has reached.
        log: the file that its process's messages went to.
    """

    number: int
    state: State
    progress: ProgressNote | None = None
    validation_r2: float | None = None
    note: str = ""
    log: str | None = None


def read_state(files: RegionFiles, now: float | None = None) -> RegionState:
    """How a region stands.

    Args:
        files: of the region.
        now: the file server's time; this machine's if None.
    """
    if files.summary.exists():
        return RegionState(files.number, State.FINISHED, validation_r2=_final_r2(files))
    held = read_lock(files.lock)
    if held is not None and not held.is_stale(time.time() if now is None else now):
        return _running(files, held)
    if files.failure.exists():
        failure = read_json(files.failure)
        return RegionState(files.number, State.FAILED, note=failure["reason"], log=failure["log"])
    if held is not None:
        note = f"{held.holder} is gone" if held.holder else "its process is gone"
        return RegionState(files.number, State.LOST, note=note, log=held.holder.log if held.holder else None)
    begun = [name for name in NETWORKS if (files.folder / f"{name}.pt").exists()]
    return RegionState(files.number, State.WAITING, note=f"interrupted at {begun[-1]}" if begun else "")


def _running(files: RegionFiles, held: Held) -> RegionState:
    progress = None
    try:
        if files.progress.exists():
            progress = ProgressNote(**read_json(files.progress))
    except (DataError, TypeError):  # it has gone or been replaced meanwhile
        pass
    score = progress.validation_r2 if progress else None
    note, log = (str(held.holder), held.holder.log) if held.holder else ("", None)
    return RegionState(files.number, State.RUNNING, progress, score, note, log)


def _final_r2(files: RegionFiles) -> float | None:
    score = read_json(files.summary)["networks"]["hybrid"]["validation_r2"]
    return None if score is None else float(score)
