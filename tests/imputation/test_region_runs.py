"""Regions on threads: equal results in order, each distinct haplotype imputed once, and a stop on errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from rnnimp.errors import DataError
from rnnimp.imputation.region_runs import RegionTask, marker_inputs, run_regions, unique_haplotypes


class WeightedMean:
    """An engine that can be computed by hand, and remembers what it was given."""

    def __init__(self, weights: np.ndarray, haplotypes_per_run: int = 4) -> None:
        self.weights, self.haplotypes_per_run = weights, haplotypes_per_run
        self.seen: list[int] = []
        self.threads: set[str] = set()

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        self.seen.append(len(inputs))
        self.threads.add(threading.current_thread().name)
        return (self.weights[:, None, :] * inputs[None, :, :, 1]).sum(axis=2)


def random_alleles(seed: int, n_markers: int = 6, n_haplotypes: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1, 2, (n_markers, n_haplotypes)).astype(np.int8)


def tasks_of(n_regions: int) -> tuple[list[RegionTask], list[WeightedMean], list[np.ndarray]]:
    """Regions, their engines, and what each must give."""
    tasks, engines, expected = [], [], []
    for number in range(n_regions):
        rng = np.random.default_rng(number)
        engine = WeightedMean(rng.dirichlet(np.ones(6), size=5).astype(np.float32))
        alleles, frequency, is_wanted = random_alleles(number), rng.random(6), rng.random(5) < 0.7
        alt = np.where(alleles < 0, frequency[:, None], alleles).astype(np.float32)
        expected.append((engine.weights @ alt)[is_wanted])
        tasks.append(RegionTask(lambda e=engine: e, lambda a=alleles: a, frequency, is_wanted))
        engines.append(engine)
    return tasks, engines, expected


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("haplotypes_per_run", [None, 1, 7, 100])
def test_results_are_in_order_and_right(threads: int, haplotypes_per_run: int | None) -> None:
    tasks, engines, expected = tasks_of(6)
    results = list(run_regions(tasks, threads, haplotypes_per_run))
    assert len(results) == 6
    for result, values in zip(results, expected, strict=True):
        np.testing.assert_allclose(result.rows(slice(None)), values, atol=1e-6)
        np.testing.assert_array_equal(result.rows(np.array([len(values) - 1, 0])), result.rows(slice(None))[[-1, 0]])
    assert all(max(engine.seen) <= (haplotypes_per_run or 4) for engine in engines)


def test_threads_change_no_bit() -> None:
    one, four = (list(run_regions(tasks_of(4)[0], threads)) for threads in (1, 4))
    for a, b in zip(one, four, strict=True):
        np.testing.assert_array_equal(a.rows(slice(None)), b.rows(slice(None)))


def test_equal_haplotypes_are_run_once() -> None:
    engine = WeightedMean(np.ones((3, 6), np.float32) / 6, 1000)
    alleles = random_alleles(1)[:, [0, 1, 2, 0, 0, 1]]
    (result,) = run_regions([RegionTask(lambda: engine, lambda: alleles, np.full(6, 0.3), np.ones(3, bool))])
    assert engine.seen == [3]
    assert result.distinct.shape == (3, 3)
    np.testing.assert_array_equal(result.columns[[0, 1]], result.columns[[3, 5]])


@pytest.mark.parametrize("n_markers", [0, 1, 9])
def test_distinct_haplotypes_make_the_whole_again(n_markers: int) -> None:
    alleles = random_alleles(3, n_markers, 200)
    distinct, columns = unique_haplotypes(alleles)
    np.testing.assert_array_equal(distinct[:, columns], alleles)
    if n_markers:
        assert distinct.shape[1] == len({tuple(column) for column in alleles.T.tolist()})


def test_missing_alleles_enter_by_frequency_or_half() -> None:
    inputs = marker_inputs(np.array([[0, -1], [1, -1]], np.int8), np.array([0.2, np.nan]))
    np.testing.assert_allclose(inputs[:, :, 1], [[0, 1], [0.2, 0.5]])
    np.testing.assert_allclose(inputs.sum(axis=2), 1)


def failing(message: str) -> Callable[[], WeightedMean]:
    def load() -> WeightedMean:
        raise DataError(message)

    return load


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_after_the_results_before_it(threads: int) -> None:
    tasks, _, _ = tasks_of(5)
    tasks[3] = RegionTask(failing("region 4"), tasks[3].alleles, tasks[3].a1_freq, tasks[3].is_wanted)
    results, count = run_regions(tasks, threads), 0
    with pytest.raises(DataError, match="region 4"):
        for _ in results:
            count += 1
    assert count == 3


def test_closing_stops_what_runs_ahead() -> None:
    tasks, engines, _ = tasks_of(3)

    class Slow(WeightedMean):
        def __call__(self, inputs: np.ndarray) -> np.ndarray:
            time.sleep(0.02)
            return super().__call__(inputs)

    slow = Slow(engines[1].weights, 1)
    tasks[1] = RegionTask(lambda: slow, tasks[1].alleles, tasks[1].a1_freq, tasks[1].is_wanted)
    before = threading.active_count()
    results = run_regions(tasks, 2)
    next(results)
    results.close()
    assert threading.active_count() == before
    assert len(slow.seen) < 30
    assert not engines[2].seen


def test_the_next_region_runs_while_the_last_one_is_used() -> None:
    tasks, engines, _ = tasks_of(2)
    results = run_regions(tasks, 2)
    next(results)
    for _ in range(200):
        if sum(engines[1].seen) == 30:
            break
        time.sleep(0.02)
    assert sum(engines[1].seen) == 30
    results.close()


def test_large_results_are_held_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnimp.imputation.region_runs.LARGE_RESULT", 10)
    tasks, engines, expected = tasks_of(3)
    results = run_regions(tasks, 2)
    next(results)
    time.sleep(0.1)
    assert not engines[1].seen
    np.testing.assert_allclose(next(results).rows(slice(None)), expected[1], atol=1e-6)
    assert len(list(results)) == 1
