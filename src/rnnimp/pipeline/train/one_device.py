"""Training some regions on one device: one after another, or on a GPU in groups of as many as it has room for.

Regions that other processes are training are left to them, and looked at again at the end in case a process died.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from rnnimp.cluster.locks import HEARTBEAT_SECONDS, STALE_SECONDS, FileLock, read_lock
from rnnimp.errors import TrainingError
from rnnimp.pipeline.train.region_runs import RegionRuns
from rnnimp.pipeline.train.work import Display, Work

if TYPE_CHECKING:
    from rnnimp.training.batched.batches import Job

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 5.0


def train_regions(work: Work, numbers: Sequence[int], device: torch.device, display: Display) -> dict[int, str]:
    """Train some regions on one device.

    A region that fails does not stop the others.

    Returns:
        The reason for each region that failed.
    """
    torch.set_num_threads(work.options.n_threads)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    is_grouped = work.engine == "fused" and device.type == "cuda"
    regions = RegionRuns(work, device, is_grouped, display)
    training = DeviceTraining(work, device, is_grouped, regions)
    try:
        training.run(numbers)
        training.take_over()
    finally:
        regions.release_all()
    return regions.failed


class DeviceTraining:
    """Trains regions on one device.

    Args:
        work: The training to run.
        device: Device to compute on.
        is_grouped: Whether a GPU trains many regions at once.
        regions: Those of this process.
    """

    def __init__(self, work: Work, device: torch.device, is_grouped: bool, regions: RegionRuns) -> None:
        self._work, self._device, self._is_grouped, self._regions = work, device, is_grouped, regions

    def run(self, numbers: Sequence[int]) -> None:
        """Train regions, except those that other processes are training."""
        if self._is_grouped:
            self._run_groups(numbers)
        else:
            for number in numbers:
                self._regions.finish(number)

    def take_over(self) -> None:
        """Train the regions of processes that turn out to be dead.

        Waits as long as a lock needs to become stale; then regions are left to the processes that hold them.
        """
        end = time.monotonic() + STALE_SECONDS + HEARTBEAT_SECONDS
        while taken := self._regions.taken:
            free = [number for number in taken if self._is_free(number)]
            self._regions.taken = []
            self.run(free)
            self._regions.taken += self._may_be_dead(sorted(set(taken) - set(free)), time.monotonic() < end)
            if self._regions.taken:
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def _may_be_dead(self, numbers: Sequence[int], is_time_left: bool) -> list[int]:
        """Those of some locked regions to look at again; the others are left to their processes."""
        again = []
        for number in numbers:
            held = read_lock(self._work.files(number).lock)
            holder = held and held.holder
            if is_time_left and not (holder and holder.is_on_this_machine):
                again.append(number)
            else:
                logger.info("region %d: left to %s", number, holder or "the process that trains it")
        return again

    def _is_free(self, number: int) -> bool:
        lock = FileLock.acquire(self._work.files(number).lock)
        if lock is not None:
            lock.release()
        return lock is not None

    def _run_groups(self, numbers: Sequence[int]) -> None:
        """Train as many regions at once as the device has room for, and export them group by group."""
        from rnnimp.training.batched.networks import regions_at_once

        waiting = list(numbers)
        at_once: int | None = None
        while waiting:
            jobs: list[Job] = []
            while waiting and (at_once is None or len(jobs) < at_once):
                job = self._regions.job(waiting.pop(0))
                if job is None:
                    continue
                jobs.append(job)
                if at_once is None:
                    at_once = regions_at_once(job.data, self._work.settings, self._device)
                    logger.info("%s: up to %d regions at once", self._device, at_once)
            for group in _with_as_many_held_out(jobs):
                self._run_group(group)

    def _run_group(self, jobs: Sequence[Job]) -> None:
        """Train a group. If it fails as a whole, train its halves, so that in the end only the faulty region fails."""
        from rnnimp.training.batched.networks import train_group

        if not jobs:
            return
        try:
            failed = train_group(jobs, self._work.settings, self._device)
        except Exception as error:
            if len(jobs) == 1:
                self._regions.fail(jobs[0].number, error)
                return
            kind = "the GPU's memory is too small" if isinstance(error, torch.OutOfMemoryError) else str(error)
            logger.warning("%d regions at once failed (%s); trying half of them at once", len(jobs), kind)
        else:
            for job in jobs:
                if job.number in failed:
                    self._regions.fail(job.number, TrainingError(failed[job.number]))
                else:
                    self._regions.finish(job.number, job.data)
            return
        # only here is the error gone, and with it its traceback, which kept the group's memory from being freed
        torch.cuda.empty_cache()
        middle = len(jobs) // 2
        self._run_group(jobs[:middle])
        self._run_group(jobs[middle:])


def _with_as_many_held_out(jobs: Sequence[Job]) -> list[list[Job]]:
    """The jobs by the number of their validation samples, which differs between the parts of chrX."""
    groups: dict[int, list[Job]] = {}
    for job in jobs:
        groups.setdefault(len(job.data.validation), []).append(job)
    return list(groups.values())
