"""Slices: which regions each task of an array job takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnimp.cluster.slices import TaskSlice, format_regions, parse_regions, tasks_for
from rnnimp.errors import SettingsError


@given(st.lists(st.integers(1, 999), unique=True), st.integers(1, 40))
def test_slices_share_a_list_without_rest(numbers: list[int], count: int) -> None:
    shares = [TaskSlice(index, count).of(numbers) for index in range(1, count + 1)]
    assert [number for share in shares for number in share] == numbers
    sizes = {len(share) for share in shares}
    assert max(sizes) - min(sizes) <= 1


@given(st.sets(st.integers(1, 60), min_size=1))
def test_regions_are_read_as_they_are_written(numbers: set[int]) -> None:
    text = format_regions(numbers)
    assert parse_regions(text) == tuple(sorted(numbers))


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "1/0", "-1/3", "a/b", "1/2/3", "1.5/3", "3/"])
def test_tasks_that_make_no_sense(text: str) -> None:
    with pytest.raises(SettingsError, match="--task expects I/N, the I-th of N slices with I from 1 to N, found"):
        TaskSlice.parse(text)


@pytest.mark.parametrize(
    ("n_regions", "regions_a_task", "most_running", "most_tasks", "n_tasks"),
    [
        (225, 1, None, 1000, 225),
        (225, 6, None, 1000, 38),
        (225, 6, 100, 1000, 100),  # more slots than slices: smaller slices
        (225, 6, 10, 1000, 38),
        (3, 6, 10, 1000, 3),
        (3, 6, None, 1000, 1),
        (2_000, 1, None, 1000, 1000),  # more than the scheduler takes: larger slices
    ],
)
def test_the_number_of_tasks(
    n_regions: int, regions_a_task: int, most_running: int | None, most_tasks: int, n_tasks: int
) -> None:
    assert tasks_for(n_regions, regions_a_task, most_running, most_tasks) == n_tasks
