"""Learning rates along a schedule, and clipping of gradients."""

from __future__ import annotations

import math

import pytest

from rnnimp.training.schedule import CosineSchedule, HalvingSchedule, MedianClip, Verdict


def test_rate_and_patience_halve_and_training_ends() -> None:
    schedule = HalvingSchedule(learning_rate=4.0, smallest_rate=1.0, patience=400, smallest_patience=100)
    assert schedule.judge(10, 0.5) is Verdict.IMPROVED
    verdicts = {}
    for iteration in range(20, 2000, 10):
        verdict = schedule.judge(iteration, 0.5)
        if verdict is not Verdict.CONTINUE:
            verdicts[iteration] = (verdict, schedule.learning_rate)
        if verdict is Verdict.STOP:
            break
    assert verdicts == {
        410: (Verdict.RESTORE, 2.0),
        610: (Verdict.RESTORE, 1.0),
        710: (Verdict.STOP, 0.5),
    }


def test_a_gain_resets_the_waiting() -> None:
    schedule = HalvingSchedule(1.0, 0.1, 100, 10)
    schedule.judge(10, 0.1)
    assert schedule.judge(100, 0.2) is Verdict.IMPROVED
    assert schedule.judge(190, 0.2) is Verdict.CONTINUE
    assert schedule.judge(200, math.nan) is Verdict.RESTORE
    assert (schedule.best_score, schedule.best_iteration) == (0.2, 100)


def test_state_goes_on_where_it_was() -> None:
    one = HalvingSchedule(1.0, 0.1, 100, 10)
    one.judge(10, 0.1)
    one.judge(120, 0.1)
    other = HalvingSchedule(1.0, 0.1, 100, 10)
    other.restore(one.state())
    assert [one.judge(i, 0.0) for i in (150, 180, 210)] == [other.judge(i, 0.0) for i in (150, 180, 210)]
    assert one.state() == other.state()


def test_cosine() -> None:
    schedule = CosineSchedule(learning_rate=2.0, warm_up=10, n_iterations=100)
    rates = [schedule.rate_at(iteration) for iteration in (0, 9, 50, 99)]
    assert rates == pytest.approx([0.2, 2 * 0.5 * (1 + math.cos(0.09 * math.pi)), 1.0, 0.0], abs=1e-3)
    assert schedule.judge(50, 0.5) is Verdict.IMPROVED and schedule.judge(60, 0.1) is Verdict.IMPROVED
    assert schedule.fall_back(70) is Verdict.RESTORE and schedule.best_iteration == 60
    other = CosineSchedule(learning_rate=2.0, warm_up=10, n_iterations=100)
    other.restore(schedule.state())
    assert other.rate_at(50) == schedule.rate_at(50) == pytest.approx(0.5)


def test_clipping_follows_the_running_median() -> None:
    clip = MedianClip(factor=5, window=3)
    assert clip.longest(100.0) == math.inf
    assert clip.longest(1.0) == 500.0
    clip.longest(2.0)
    assert clip.longest(math.inf) == 10.0  # median of 100, 1, 2; infinity does not join
    assert clip.longest(3.0) == 10.0
    assert clip.longest(0.0) == 10.0  # of 1, 2, 3
    assert MedianClip(factor=5, window=3, longest=2.0).longest(100.0) == 2.0
