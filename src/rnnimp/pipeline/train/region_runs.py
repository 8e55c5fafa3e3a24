"""Regions in training in this process: locked, read, trained, exported, and released one by one.

Regions are independent of each other, so any of them can be trained in any order, alone or in a group. The steps for
one region:

1. Lock it, and check whether it is finished. A region that another process trains is skipped and noted in `taken`.
2. Read it, and train it or resume.
3. Export its models and write its summary.
4. List it in the manifest, and release it.
"""

from __future__ import annotations

import logging
import time
import traceback
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from rnnimp.cluster.locks import FileLock, Holder, read_lock
from rnnimp.errors import RnnimpError, TrainingError
from rnnimp.formats.files import atomic_output
from rnnimp.formats.genetic_map import GeneticMap
from rnnimp.formats.hapslegend import open_panel
from rnnimp.formats.json_files import write_json
from rnnimp.network.hmm.reference import HaplotypeHmm
from rnnimp.network.names import HMM
from rnnimp.network.recurrent.reference import ImputationNetwork
from rnnimp.pipeline.recipes import noted_recipe
from rnnimp.pipeline.train.export import export_region
from rnnimp.pipeline.train.files import fingerprint, is_finished, read_map_of
from rnnimp.pipeline.train.manifest import write_bundle_manifest
from rnnimp.pipeline.train.progress import RegionProgress
from rnnimp.pipeline.train.region_state import write_failure
from rnnimp.pipeline.train.report import result_line
from rnnimp.pipeline.train.work import Display, Work
from rnnimp.training.data import RegionData
from rnnimp.training.region import PLAIN, Runner, train_region, trained_networks
from rnnimp.training.trainer import Forward

if TYPE_CHECKING:
    from rnnimp.training.batched.batches import Job

logger = logging.getLogger(__name__)


class RegionRuns:
    """The regions that this process trains on one device.

    Args:
        work: The training to run.
        device: Device to compute on.
        is_grouped: Whether a GPU trains many regions at once; then `finish` only exports what it left.
        display: Shows the progress.

    Attributes:
        failed: The reason for each region that failed.
        taken: Regions that other processes were training.
    """

    def __init__(self, work: Work, device: torch.device, is_grouped: bool, display: Display) -> None:
        self._work, self._device, self._is_grouped, self._display = work, device, is_grouped, display
        self.failed: dict[int, str] = {}
        self.taken: list[int] = []
        self._locks: dict[int, FileLock] = {}

    def finish(self, number: int, data: RegionData | None = None) -> None:
        """Train a region to its end, from the start or a checkpoint, and export it.

        Args:
            number: Number of the region.
            data: The region, if it was begun before; see `job`.
        """
        try:
            self._train(number, data)
            self._list_in_manifest()
        except Exception as error:
            self._note_failure(number, error)
        finally:
            self._release(number)

    def fail(self, number: int, error: Exception) -> None:
        """Note why a region failed, and release it."""
        self._note_failure(number, error)
        self._release(number)

    def job(self, number: int) -> Job | None:
        """A region to train in a group; None if it is finished, another process trains it, or it cannot be read."""
        from rnnimp.training.batched.batches import Job

        try:
            data = self._begin(number)
        except Exception as error:
            self.fail(number, error)
            return None
        if data is None:
            self._release(number)
            return None
        return Job(number, data, self._work.files(number).folder, self._progress(number).network)

    def release_all(self) -> None:
        """Release all regions."""
        for number in list(self._locks):
            self._release(number)

    def _release(self, number: int) -> None:
        lock = self._locks.pop(number, None)
        if lock is not None:
            self._work.files(number).progress.unlink(missing_ok=True)
            lock.release()
        self._display.finish_region(number)

    def _begin(self, number: int) -> RegionData | None:
        """Lock a region and read it; None if it is finished or another process trains it."""
        work, prefix, files = self._work, self._work.prefixes[number - 1], self._work.files(number)
        self._display.show(number, None)
        expected = fingerprint(prefix, work.settings, work.options.genetic_map)
        is_kept = is_finished(files, expected)
        if not is_kept and not self._acquire(number):
            return None
        if is_kept or is_finished(files, expected):  # another process may have finished it just before its release
            logger.info("region %d: finished before, kept", number)
            return None
        files.forget_failure()
        panel = open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz", keep_absent=True).read()
        data = RegionData.of(panel, work.settings, self._genetic_map)
        write_json(files.settings, expected)  # only now: files that could not be read may be corrected
        return data

    @cached_property
    def _genetic_map(self) -> GeneticMap | None:
        options = self._work.options
        if options.genetic_map is None:
            return None
        return read_map_of(self._work.prefixes, options.chromosome, options.genetic_map)

    def _acquire(self, number: int) -> bool:
        """Lock a region; False, and an entry in `taken`, if another process has locked it."""
        path = self._work.files(number).lock
        lock = FileLock.acquire(path)
        if lock is None:
            held = read_lock(path)
            logger.info("region %d: %s is training it", number, (held and held.holder) or "another process")
            self.taken.append(number)
            return False
        self._locks[number] = lock
        return True

    def _train(self, number: int, data: RegionData | None) -> None:
        started = time.monotonic() if data is None else None
        data = data or self._begin(number)
        if data is None:
            return
        work, files = self._work, self._work.files(number)
        progress = self._progress(number).network
        region = train_region(data, work.settings, number, files.folder, self._device, progress, self._runner())
        self._locks[number].check()
        name, settings = work.options.recipe, work.settings
        recipe = None if name is None else noted_recipe(name, settings.as_dict())
        summary = export_region(data, region, files, recipe)
        seconds = None if started is None else time.monotonic() - started
        logger.info("%s", result_line(number, summary, region.evaluations, seconds))

    def _runner(self) -> Runner:
        """The functions that run a network: the CPU kernels', the module itself, or, after a group, none."""
        if self._is_grouped:
            return Runner("fused", _refuse, _refuse)
        if self._work.engine == "reference" or self._device.type != "cpu":
            return PLAIN
        from rnnimp.network.hmm.cpu_training import CpuHmmEngine
        from rnnimp.network.recurrent.cpu.autograd import CpuEngine

        threads = self._work.options.n_threads
        return Runner(
            "fused-cpu", lambda network: CpuEngine(network, threads), lambda network: CpuHmmEngine(network, threads)
        )

    def _progress(self, number: int) -> RegionProgress:
        settings = self._work.settings
        most = {
            name: (settings.hmm_settings() if name == HMM else settings).max_iterations
            for name in trained_networks(settings)
        }
        return RegionProgress(
            self._work.files(number).progress,
            most,
            is_upper_bound=settings.schedule == "halving",
            show=lambda note: self._display.show(number, note),
            check=self._locks[number].check,
        )

    def _list_in_manifest(self) -> None:
        work = self._work
        if work.options.task is None:  # tasks do it once at their end: each time reads the summaries of all regions
            settings = work.settings.as_dict()
            write_bundle_manifest(work.output_prefix, len(work.prefixes), settings, work.options.chromosome)

    def _note_failure(self, number: int, error: Exception) -> None:
        """Report a failure in one line; write the traceback of an unexpected one beside the region's files."""
        reason = str(error)
        if isinstance(error, torch.OutOfMemoryError):
            reason = "it does not fit into the GPU's memory; lower --batch-size"
        elif not isinstance(error, RnnimpError):
            reason = self._write_traceback(number, error)
        logger.error("region %d failed: %s", number, reason)
        self.failed[number] = reason
        try:
            write_failure(self._work.files(number), reason, Holder.this_process().log)
        except RnnimpError as unwritable:
            logger.warning("region %d: %s", number, unwritable)

    def _write_traceback(self, number: int, error: Exception) -> str:
        log = self._work.files(number).error_log
        reason = f"{type(error).__name__}: {error} (see {log})".replace("\n", " ")
        try:
            with atomic_output(log) as file:
                file.write("".join(traceback.format_exception(error)).encode())
        except RnnimpError as unwritable:
            reason += f", which {unwritable}"
        return reason


def _refuse(network: ImputationNetwork | HaplotypeHmm) -> Forward:
    def run(inputs: torch.Tensor) -> torch.Tensor:
        raise TrainingError("a network was not finished by its group; run the same command again")

    return run
