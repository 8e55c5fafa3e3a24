"""Runs the models of regions on threads, one region ahead of the caller who takes the results.

A region's model is loaded while the region before still runs. Haplotypes that carry the same alleles at all its markers
are run once. They are dealt to the threads in small groups. The next region runs while the last one is being written.
So two results are held at a time, or one where results are large.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.imputation.engines.protocol import RegionEngine
from rnnimp.sites.panel import MISSING

LARGE_RESULT = 1 << 28
"""Bytes of a result from which on only one is held."""

_UNKNOWN_FREQUENCY = 0.5


@dataclass(frozen=True, eq=False)
class RegionTask:
    """One region to run.

    Attributes:
        load: Gives the engine; called once, when the region's turn comes.
        alleles: Gives int8 (n_markers, n_haplotypes) in the model's order of alleles; 0, 1, or -1 for missing.
        a1_freq: Frequency of a1, float64 (n_markers,): the value of a missing allele; NaN for unknown, read as 0.5.
        is_wanted: Sites to keep, bool (n_imputed_sites,).
    """

    load: Callable[[], RegionEngine]
    alleles: Callable[[], NDArray[np.int8]]
    a1_freq: NDArray[np.float64]
    is_wanted: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RegionResult:
    """P(a1) at a region's wanted sites, held once for equal haplotypes.

    Attributes:
        distinct: float32 (n_wanted_sites, n_distinct_haplotypes).
        columns: The column of each haplotype, int64 (n_haplotypes,).
    """

    distinct: NDArray[np.float32]
    columns: NDArray[np.int64]

    def rows(self, selection: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 (n_selected_sites, n_haplotypes)."""
        return np.take(self.distinct[selection], self.columns, axis=1)


def run_regions(
    tasks: Sequence[RegionTask], threads: int = 1, haplotypes_per_run: int | None = None
) -> Generator[RegionResult, None, None]:
    """Run regions in order.

    Args:
        tasks: One per region.
        threads: Groups of haplotypes run at once; with 1 nothing runs ahead, and all in the calling thread.
        haplotypes_per_run: Size of a group; None for what the engine takes best. The result does not depend on it.

    Yields:
        The results in the order of the tasks. Errors of a model are raised here.
    """
    if threads == 1:
        for task in tasks:
            yield _run(task, task.load(), haplotypes_per_run, _deal_here)
        return
    with _Threads(tasks, threads, haplotypes_per_run) as running:
        yield from running.results()


class _Threads:
    """The threads of one `run_regions`: one that goes from region to region, and those that run models."""

    def __init__(self, tasks: Sequence[RegionTask], threads: int, haplotypes_per_run: int | None) -> None:
        self._tasks, self._haplotypes_per_run = tasks, haplotypes_per_run
        self._workers, self._leader = ThreadPoolExecutor(threads), ThreadPoolExecutor(1)
        self._is_stopped = threading.Event()
        self._engines: dict[int, Future[RegionEngine]] = {}

    def __enter__(self) -> _Threads:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_stopped.set()
        for pool in (self._leader, self._workers):
            pool.shutdown(cancel_futures=True)

    def results(self) -> Iterator[RegionResult]:
        """One per task, in order."""
        following = self._submit(0)
        while following is not None:
            index, running = following
            result = running.result()
            is_large = result.distinct.nbytes > LARGE_RESULT
            following = None if is_large else self._submit(index + 1)
            del running  # it holds the result
            yield result
            del result
            following = following or self._submit(index + 1)

    def _submit(self, index: int) -> tuple[int, Future[RegionResult]] | None:
        if index >= len(self._tasks):
            return None
        return index, self._leader.submit(self._run, index)

    def _run(self, index: int) -> RegionResult:
        engine = self._engine(index).result()
        del self._engines[index]
        if index + 1 < len(self._tasks):
            self._engine(index + 1)  # loads while this one runs
        return _run(self._tasks[index], engine, self._haplotypes_per_run, self._deal)

    def _engine(self, index: int) -> Future[RegionEngine]:
        if index not in self._engines:
            self._engines[index] = self._workers.submit(self._tasks[index].load)
        return self._engines[index]

    def _deal(self, job: Callable[[slice], None], groups: Sequence[slice]) -> None:
        def unless_stopped(group: slice) -> None:
            if not self._is_stopped.is_set():
                job(group)

        for _ in self._workers.map(unless_stopped, groups):
            pass


def _deal_here(job: Callable[[slice], None], groups: Sequence[slice]) -> None:
    for group in groups:
        job(group)


def _run(
    task: RegionTask,
    engine: RegionEngine,
    haplotypes_per_run: int | None,
    deal: Callable[[Callable[[slice], None], Sequence[slice]], None],
) -> RegionResult:
    alleles, columns = unique_haplotypes(task.alleles())
    result = np.empty((int(task.is_wanted.sum()), alleles.shape[1]), dtype=np.float32)

    def run_group(group: slice) -> None:
        result[:, group] = engine(marker_inputs(alleles[:, group], task.a1_freq))[task.is_wanted]

    size = haplotypes_per_run or engine.haplotypes_per_run
    deal(run_group, [slice(start, start + size) for start in range(0, alleles.shape[1], size)])
    return RegionResult(result, columns)


def unique_haplotypes(alleles: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Each different haplotype once.

    Args:
        alleles: Alleles, int8 (n_markers, n_haplotypes); 0, 1, or -1 for missing.

    Returns:
        The different columns, and for each haplotype its column among them, int64 (n_haplotypes,).

    >>> distinct, columns = unique_haplotypes(np.array([[0, 1, 0], [-1, 1, -1]], dtype=np.int8))
    >>> distinct[:, columns].tolist(), distinct.shape[1]
    ([[0, 1, 0], [-1, 1, -1]], 2)
    """
    if not alleles.size:
        return alleles, np.arange(alleles.shape[1])
    bits = np.packbits(np.concatenate([alleles == 1, alleles == MISSING]), axis=0)
    rows = np.ascontiguousarray(bits.T)
    keys = rows.view(np.dtype((np.void, rows.shape[1])))[:, 0]
    _, first, columns = np.unique(keys, return_index=True, return_inverse=True)
    return alleles[:, first], columns


def marker_inputs(alleles: NDArray[np.int8], a1_freq: NDArray[np.float64]) -> NDArray[np.float32]:
    """The input of a region's model.

    An observed allele is certain; a missing one enters by the panel's frequency of a1, or 0.5 if that is unknown.

    Args:
        alleles: Alleles, int8 (n_markers, n_haplotypes); 0, 1, or -1 for missing.
        a1_freq: Frequency of a1, float64 (n_markers,); NaN where unknown.

    Returns:
        float32 (n_haplotypes, n_markers, 2), [P(a0), P(a1)].
    """
    frequency = np.nan_to_num(a1_freq, nan=_UNKNOWN_FREQUENCY)
    alt = np.where(alleles == MISSING, frequency[:, None], alleles).T
    return np.stack([1 - alt, alt], axis=-1).astype(np.float32)
