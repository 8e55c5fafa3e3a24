"""Training on several GPUs of this machine: one process for each, whose progress and log lines are shown here."""

from __future__ import annotations

import logging
import multiprocessing
import queue
from collections.abc import Sequence
from typing import Any

import torch

from rnnimp.pipeline.train.one_device import train_regions
from rnnimp.pipeline.train.progress import ProgressNote
from rnnimp.pipeline.train.work import Display, Work

SECONDS_BETWEEN_LOOKS = 1.0


class QueueDisplay:
    """Sends the progress of regions to the process that shows it.

    Args:
        messages: The queue that this process reads.
    """

    def __init__(self, messages: Any) -> None:
        self._messages = messages

    def start(self, n_regions: int) -> None:
        """The process that shows it knows the number."""

    def show(self, region: int, note: ProgressNote | None) -> None:
        """Send how far a region is."""
        self._messages.put(("show", (region, note)))

    def finish_region(self, region: int) -> None:
        """Send that a region has ended."""
        self._messages.put(("finish", region))


def train_on_devices(
    work: Work, numbers: Sequence[int], devices: Sequence[torch.device], display: Display
) -> dict[int, str]:
    """Train regions on several devices at once; the reasons of those that failed.

    Args:
        work: The training to run.
        numbers: The regions, dealt to the devices in turn.
        devices: One process is started for each.
        display: Shows the progress of all.
    """
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    shares = [list(numbers[rank :: len(devices)]) for rank in range(len(devices))]
    processes = [
        context.Process(target=_train_share, args=(work, share, device, messages), daemon=True)
        for share, device in zip(shares, devices, strict=True)
        if share
    ]
    for process in processes:
        process.start()
    try:
        failed, ended = _relay(messages, processes, display)
    finally:
        for process in processes:
            process.terminate()
            process.join()
    for share, process in zip(shares, processes, strict=False):
        if process.pid not in ended:
            failed |= {
                number: f"its process ended with exit code {process.exitcode}; run the same command again to resume"
                for number in share
                if not work.files(number).summary.exists()
            }
    return failed


def _train_share(work: Work, numbers: list[int], device: torch.device, messages: Any) -> None:
    root = logging.getLogger()
    root.handlers = [_QueueHandler(messages)]
    root.setLevel(logging.INFO)
    failed = train_regions(work, numbers, device, QueueDisplay(messages))
    messages.put(("end", (multiprocessing.current_process().pid, failed)))
    messages.close()
    messages.join_thread()


class _QueueHandler(logging.Handler):
    """Sends log records to the process that shows them.

    Args:
        messages: The queue that this process reads.
    """

    def __init__(self, messages: Any) -> None:
        super().__init__()
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record with its message complete, since its arguments may not be sendable."""
        self._messages.put(("log", logging.makeLogRecord({**record.__dict__, "msg": record.getMessage(), "args": ()})))


def _relay(messages: Any, processes: Sequence[Any], display: Display) -> tuple[dict[int, str], set[int | None]]:
    """Show the messages until every process has ended; the failures, and the processes that ended as planned."""
    failed: dict[int, str] = {}
    ended: set[int | None] = set()
    while True:
        is_alive = any(process.is_alive() for process in processes)
        try:
            kind, content = messages.get(timeout=SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            if is_alive:
                continue
            return failed, ended
        if kind == "show":
            display.show(*content)
        elif kind == "finish":
            display.finish_region(content)
        elif kind == "log":
            logging.getLogger(content.name).handle(content)
        else:
            ended.add(content[0])
            failed |= content[1]
            if len(ended) == len(processes):
                return failed, ended
