"""Training some regions on one device.

Regions do not know of each other: any of them can be trained alone, in any order, in a group or not, and the result is
the same. For each: take its lock, read it, train it or take it up where it was left, export it, write its summary,
list it in the manifest. What another process is at is left to it, and taken up at the end if that process died.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from rnnimp.cluster.locks import HEARTBEAT_SECONDS, STALE_SECONDS, FileLock, Holder, read_lock
from rnnimp.errors import RnnimpError, TrainingError
from rnnimp.formats.files import atomic_output
from rnnimp.formats.genetic_map import GeneticMap
from rnnimp.formats.hapslegend import open_panel
from rnnimp.network.hmm.reference import HaplotypeHmm
from rnnimp.network.recurrent.reference import ImputationNetwork
from rnnimp.pipeline.train.export import export_region
from rnnimp.pipeline.train.files import fingerprint, is_finished, read_map_of, write_json
from rnnimp.pipeline.train.manifest import write_bundle_manifest
from rnnimp.pipeline.train.region_state import ProgressWriter, write_failure
from rnnimp.pipeline.train.work import Display, Work
from rnnimp.training.data import RegionData
from rnnimp.training.region import PLAIN, Runner, train_region, trained_networks
from rnnimp.training.trainer import Evaluation, Forward, Progress

if TYPE_CHECKING:
    from rnnimp.training.batched.batches import Job

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 5.0


def train_regions(work: Work, numbers: Sequence[int], device: torch.device, display: Display) -> dict[int, str]:
    """Train some regions on one device; the reasons of those that failed.

    A region that fails does not stop the others.
    """
    torch.set_num_threads(work.options.n_threads)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    training = _Training(work, device, display)
    try:
        training.run(numbers)
        training.take_over()
    finally:
        training.release_all()
    return training.failed


class _Training:
    """Regions in training on one device.

    Args:
        work: what to train.
        device: where.
        display: shows the progress.
    """

    def __init__(self, work: Work, device: torch.device, display: Display) -> None:
        self._work, self._device, self._display = work, device, display
        self.is_grouped = work.engine == "fused" and device.type == "cuda"
        self.failed: dict[int, str] = {}
        self._locks: dict[int, FileLock] = {}
        self._taken: list[int] = []

    def run(self, numbers: Sequence[int]) -> None:
        """Train regions, but for those that other processes are at."""
        if self.is_grouped:
            self.run_groups(numbers)
        else:
            for number in numbers:
                self.finish(number)

    def take_over(self) -> None:
        """Wait until other processes finish what they are at, or turn out to be dead; leave it to them if they live."""
        end = time.monotonic() + STALE_SECONDS + HEARTBEAT_SECONDS
        while self._taken:
            taken, self._taken = self._taken, []
            free = [number for number in taken if self._is_free(number)]
            self.run(free)
            for number in sorted(set(taken) - set(free)):
                held = read_lock(self._work.files(number).lock)
                holder = held and held.holder
                if time.monotonic() < end and not (holder and holder.is_on_this_machine):
                    self._taken.append(number)  # it may be dead
                else:
                    logger.info("region %d: left to %s", number, holder or "the process that is at it")
            if self._taken:
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def _is_free(self, number: int) -> bool:
        lock = FileLock.acquire(self._work.files(number).lock)
        if lock is not None:
            lock.release()
        return lock is not None

    def release_all(self) -> None:
        """Let go of all regions."""
        for number in list(self._locks):
            self._release(number)

    def finish(self, number: int, data: RegionData | None = None) -> None:
        """Train a region to its end, from wherever it is, and export it; `data` if they were read before."""
        try:
            self._train(number, data)
            self._list_in_manifest()
        except Exception as error:
            self._fail(number, error)
        finally:
            self._release(number)
            self._display.finish_region(number)

    def _list_in_manifest(self) -> None:
        work = self._work
        if work.options.task is None:  # tasks list theirs at their end, lest all of them read all summaries each time
            settings = work.settings.as_dict()
            write_bundle_manifest(work.output_prefix, len(work.prefixes), settings, work.options.chromosome)

    def _release(self, number: int) -> None:
        lock = self._locks.pop(number, None)
        if lock is not None:
            self._work.files(number).progress.unlink(missing_ok=True)
            lock.release()

    def run_groups(self, numbers: Sequence[int]) -> None:
        """Train as many regions at once as the device has room for, and export them group by group."""
        from rnnimp.training.batched.networks import regions_at_once

        waiting = list(numbers)
        at_once: int | None = None
        while waiting:
            jobs: list[Job] = []
            while waiting and (at_once is None or len(jobs) < at_once):
                job = self._job(waiting.pop(0))
                if job is None:
                    continue
                jobs.append(job)
                if at_once is None:
                    at_once = regions_at_once(job.data, self._work.settings, self._device)
                    logger.info("%s: up to %d regions at once", self._device, at_once)
            self._run_group(jobs)

    def _run_group(self, jobs: Sequence[Job]) -> None:
        """Train a group; where it fails its halves, so that in the end only a region to blame fails."""
        from rnnimp.training.batched.networks import train_group

        if not jobs:
            return
        try:
            train_group(jobs, self._work.settings, self._device)
        except Exception as error:
            if len(jobs) == 1:
                self._fail(jobs[0].number, error)
                self._release(jobs[0].number)
                return
            kind = "the GPU's memory is too small" if isinstance(error, torch.OutOfMemoryError) else str(error)
            logger.warning("%d regions at once failed (%s); going on with half of them", len(jobs), kind)
        else:
            for job in jobs:
                self.finish(job.number, job.data)
            return
        # only here, where the error is gone, and with it its traceback, is the group's memory free
        torch.cuda.empty_cache()
        middle = len(jobs) // 2
        self._run_group(jobs[:middle])
        self._run_group(jobs[middle:])

    def _job(self, number: int) -> Job | None:
        """A region to train in a group; None if it is finished or fails already."""
        from rnnimp.training.batched.batches import Job

        try:
            data = self._begin(number)
        except Exception as error:
            self._fail(number, error)
            self._release(number)
            return None
        if data is None:
            self._release(number)
            return None
        return Job(number, data, self._work.files(number).folder, self._teller(number))

    def _begin(self, number: int) -> RegionData | None:
        """A region's data, its folder begun and locked; None if it is finished or another process is at it."""
        work, prefix, files = self._work, self._work.prefixes[number - 1], self._work.files(number)
        expected = fingerprint(prefix, work.settings, work.options.genetic_map)
        is_kept = is_finished(files, expected)
        if not is_kept and not self._acquire(number):
            return None
        if is_kept or is_finished(files, expected):  # another process may have finished it just before it let go
            logger.info("region %d: finished before, kept", number)
            return None
        files.forget_failure()
        panel = open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz").read()
        data = RegionData.of(panel, work.settings, self._genetic_map)
        write_json(files.settings, expected)  # only now: files that could not be read may be mended
        return data

    @cached_property
    def _genetic_map(self) -> GeneticMap | None:
        options = self._work.options
        if options.genetic_map is None:
            return None
        return read_map_of(self._work.prefixes, options.chromosome, options.genetic_map)

    def _acquire(self, number: int) -> bool:
        """Lock a region; False, and a note to come back, if another process is at it."""
        path = self._work.files(number).lock
        lock = FileLock.acquire(path)
        if lock is None:
            held = read_lock(path)
            logger.info("region %d: %s is at it", number, (held and held.holder) or "another process")
            self._taken.append(number)
            return False
        self._locks[number] = lock
        return True

    def _train(self, number: int, data: RegionData | None) -> None:
        started = time.monotonic()
        data = data or self._begin(number)
        if data is None:
            return
        work, files = self._work, self._work.files(number)
        teller = self._teller(number)
        region = train_region(data, work.settings, number, files.folder, self._device, teller, self._runner())
        self._locks[number].check()
        summary = export_region(data, region, files)
        self._display.finish_region(number)
        scores = (f"{name} {row.validation_r2:.4f} at {row.iteration}" for name, row in region.evaluations.items())
        logger.info(
            "region %d: %d markers, %d sites; validation R2 %s; %.0f s",
            number,
            summary["n_markers"],
            summary["n_sites"],
            ", ".join(scores),
            time.monotonic() - started,
        )

    def _runner(self) -> Runner:
        """How a network is run: by the CPU kernels, as the module itself, or, after a group, not at all."""
        if self.is_grouped:
            return Runner("fused", _refuse, _refuse)
        if self._work.engine == "reference" or self._device.type != "cpu":
            return PLAIN
        from rnnimp.network.hmm.cpu_training import CpuHmmEngine
        from rnnimp.network.recurrent.cpu.autograd import CpuEngine

        threads = self._work.options.n_threads
        return Runner(
            "fused-cpu", lambda network: CpuEngine(network, threads), lambda network: CpuHmmEngine(network, threads)
        )

    def _teller(self, number: int) -> Callable[[str], Progress]:
        """Whom a region's networks tell of their evaluations: the display, a note for others, and the lock's watch."""
        files, lock = self._work.files(number), self._locks[number]
        settings = self._work.settings
        trained = trained_networks(settings)

        def of_network(name: str) -> Progress:
            most = (settings.hmm_settings() if name == "copying" else settings).max_iterations
            show, to_come = self._display.network(number, name, most), len(trained) - 1 - trained.index(name)
            note = ProgressWriter(files.progress, name, most, to_come)

            def tell(evaluation: Evaluation) -> None:
                lock.check()
                show(evaluation)
                note.tell(evaluation.iteration, evaluation.validation_r2)

            return tell

        return of_network

    def _fail(self, number: int, error: Exception) -> None:
        """Note a failure in one line; keep the traceback of an unforeseen one beside the region's files."""
        reason = str(error)
        if isinstance(error, torch.OutOfMemoryError):
            reason = "it does not fit into the GPU's memory; lower --batch-size"
        elif not isinstance(error, RnnimpError):
            log = self._work.files(number).error_log
            reason = f"{type(error).__name__}: {error} (see {log})".replace("\n", " ")
            try:
                with atomic_output(log) as file:
                    file.write("".join(traceback.format_exception(error)).encode())
            except RnnimpError as unwritable:
                reason += f", which {unwritable}"
        logger.error("region %d failed: %s", number, reason)
        self.failed[number] = reason
        try:
            write_failure(self._work.files(number), reason, Holder.this_process().log)
        except RnnimpError as unwritable:
            logger.warning("region %d: %s", number, unwritable)


def _refuse(network: ImputationNetwork | HaplotypeHmm) -> Forward:
    def run(inputs: torch.Tensor) -> torch.Tensor:
        raise TrainingError("a network never got better than nothing; lower --learning-rate")

    return run
