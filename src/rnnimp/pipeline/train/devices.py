"""Regions dealt to several GPUs of this machine: a process each, whose progress and log lines come back here."""

from __future__ import annotations

import logging
import multiprocessing
import queue
from collections.abc import Sequence
from typing import Any

import torch

from rnnimp.pipeline.train.one_device import train_regions
from rnnimp.pipeline.train.work import Display, Work
from rnnimp.training.trainer import Evaluation, Progress

SECONDS_BETWEEN_LOOKS = 1.0


class QueueDisplay:
    """Sends what it is told to the process that shows it.

    Args:
        messages: the way there.
    """

    def __init__(self, messages: Any) -> None:
        self._messages = messages

    def network(self, region: int, name: str, max_iterations: int) -> Progress:
        """Whom to tell of a network's evaluations."""
        self._messages.put(("network", (region, name, max_iterations)))

        def tell(evaluation: Evaluation) -> None:
            self._messages.put(("tell", (region, name, evaluation)))

        return tell

    def finish_region(self, region: int) -> None:
        """Clear what is shown of a region."""
        self._messages.put(("finish", region))


def train_on_devices(
    work: Work, numbers: Sequence[int], devices: Sequence[torch.device], display: Display
) -> dict[int, str]:
    """Train regions on several devices at once; the reasons of those that failed.

    Args:
        work: what to train.
        numbers: the regions, dealt to the devices in turn.
        devices: a process each.
        display: shows the progress of all.
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
                number: f"its process ended with exit code {process.exitcode}; run the same command again to go on"
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
        messages: the way there.
    """

    def __init__(self, messages: Any) -> None:
        super().__init__()
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, its message made up here."""
        self._messages.put(("log", logging.makeLogRecord({**record.__dict__, "msg": record.getMessage(), "args": ()})))


def _relay(messages: Any, processes: Sequence[Any], display: Display) -> tuple[dict[int, str], set[int | None]]:
    """Show what comes until every process has ended; failures, and the processes that came to their end."""
    failed: dict[int, str] = {}
    ended: set[int | None] = set()
    tellers: dict[tuple[int, str], Progress] = {}
    while True:
        is_alive = any(process.is_alive() for process in processes)
        try:
            kind, content = messages.get(timeout=SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            if is_alive:
                continue
            return failed, ended
        if kind == "network":
            tellers[content[:2]] = display.network(*content)
        elif kind == "tell":
            tellers[content[:2]](content[2])
        elif kind == "finish":
            display.finish_region(content)
        elif kind == "log":
            logging.getLogger(content.name).handle(content)
        else:
            ended.add(content[0])
            failed |= content[1]
            if len(ended) == len(processes):
                return failed, ended
