"""The state of a region's training, from the files in its folder only.

| state | file |
|---|---|
| finished | `summary.json` |
| running | `lock`, and its process is alive; `progress.json` says how far it is |
| lost | `lock`, and its process is gone |
| failed | `failure.json` |
| waiting | none of these; there may be checkpoints of an interrupted attempt |
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from rnnimp.cluster.locks import Held, read_lock
from rnnimp.errors import DataError
from rnnimp.formats.files import read_lines
from rnnimp.formats.json_files import write_json
from rnnimp.network.names import HMM, HYBRID, NETWORKS, TITLES
from rnnimp.pipeline.train.files import RegionFiles, read_json, read_settings, read_summary
from rnnimp.pipeline.train.progress import ProgressNote
from rnnimp.pipeline.train.schemas import FAILURE, PROGRESS
from rnnimp.wording import printable


class State(Enum):
    """The states of a region, as `rnnimp status` prints them."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    LOST = "lost"


def write_failure(files: RegionFiles, reason: str, log: str | None) -> None:
    """Write why a region failed, in one line, and where its messages went."""
    write_json(files.failure, {"reason": reason, "log": log})


@dataclass(frozen=True)
class RegionState:
    """The state of one region.

    Attributes:
        number: Number of the region, from 1.
        state: State of the region.
        progress: How far a running region is; None before its first step.
        validation_r2: Mean dosage r2 on the samples held out: the final model's if the region is finished, that of the
            network in training if it is running.
        note: Why it failed, which process runs it or ran it, or which network its last checkpoint is of.
        log: The file that its process's messages go to.
    """

    number: int
    state: State
    progress: ProgressNote | None = None
    validation_r2: float | None = None
    note: str = ""
    log: str | None = None


def read_state(files: RegionFiles, now: float | None = None) -> RegionState:
    """Read the state of a region.

    Args:
        files: Files of the region.
        now: The file server's time; None for this machine's.
    """
    if files.summary.exists():
        return RegionState(files.number, State.FINISHED, validation_r2=_final_r2(files))
    held = read_lock(files.lock)
    if held is not None and not held.is_stale(time.time() if now is None else now):
        return _running(files, held)
    if files.failure.exists():
        failure = read_json(files.failure, FAILURE)
        log = failure["log"]
        return RegionState(files.number, State.FAILED, None, None, printable(failure["reason"]), log and printable(log))
    if held is not None:
        notes = [f"{held.holder} is gone" if held.holder else "its process is gone", _last_checkpoint(files)]
        log = held.holder.log if held.holder else None
        return RegionState(files.number, State.LOST, note="; ".join(filter(None, notes)), log=log)
    last = _last_checkpoint(files)
    return RegionState(files.number, State.WAITING, note=f"interrupted; {last}" if last else "")


def _last_checkpoint(files: RegionFiles) -> str:
    """The network whose checkpoint is the newest, and how far it is; empty if there is none.

    Networks can be in training at the same time. Then each has a checkpoint, and training resumes from all of them.
    """
    written = {}
    for name in NETWORKS:
        with suppress(OSError):
            written[name] = (files.folder / f"{name}.pt").stat().st_mtime_ns
    if not written:
        return ""
    last = max(written, key=lambda name: (written[name], NETWORKS.index(name)))
    return f"last checkpoint: {TITLES[last]}{_iteration(files, last)}"


def _iteration(files: RegionFiles, network: str) -> str:
    """How far a network's checkpoint is; empty if the files beside it do not say."""
    try:
        row = read_lines(files.folder / f"{network}.history.tsv")[-1]
        settings = read_settings(files)["settings"]
        most = min(settings[name] for name in ("max_iterations", *["copying_iterations"] * (network == HMM)))
        return f", iteration {float(row.split()[0]):.0f} of {most}"
    except (DataError, IndexError, KeyError, TypeError, ValueError):
        return ""


def _running(files: RegionFiles, held: Held) -> RegionState:
    progress = None
    try:
        if files.progress.exists():
            progress = ProgressNote(**read_json(files.progress, PROGRESS))
    except DataError:  # deleted meanwhile, or written by another version
        pass
    score = progress.validation_r2 if progress else None
    note, log = (str(held.holder), held.holder.log) if held.holder else ("", None)
    return RegionState(files.number, State.RUNNING, progress, score, note, log)


def _final_r2(files: RegionFiles) -> float | None:
    score = read_summary(files)["networks"][HYBRID]["validation_r2"]
    return None if score is None else float(score)
