from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from rnnimp.errors import DataError
from rnnimp.pipeline.audit import closeness as module
from rnnimp.pipeline.audit.closeness import Closeness, same_haplotypes
from rnnimp.pipeline.audit.people import People


def test_people_who_are_the_same_in_several_regions_are_refused():
    people = People(4, np.arange(4), np.arange(4), np.arange(0), 2, "file")
    rng, closeness = np.random.default_rng(1), Closeness(people)
    for _ in range(3):
        training = rng.integers(0, 2, (20, 8)).astype(np.int8)
        others = np.hstack([training[:, [5, 4]], rng.integers(0, 2, (20, 2)).astype(np.int8)])  # the third member
        closeness.add(same_haplotypes(others, training))

    assert (closeness.longest(), closeness.n_close()) == (1, 1)
    with pytest.raises(DataError, match="1 outsider with both haplotypes of a member in 3 regions: A;"):
        closeness.refuse_same(["A", "B"])


def test_rows_that_outsiders_lack_do_not_hide_a_member():
    people = People(4, np.arange(4), np.arange(4), np.arange(0), 1, "file")
    rng, closeness = np.random.default_rng(3), Closeness(people)
    for _ in range(3):
        training = rng.integers(0, 2, (20, 8)).astype(np.int8)
        others = training[:, [4, 5]]
        others[[2, 7]] = -1
        closeness.add(same_haplotypes(others, training))

    assert (closeness.longest(), closeness.n_close()) == (1, 1)
    with pytest.raises(DataError, match="1 outsider with both haplotypes of a member"):
        closeness.refuse_same(["A"])


def test_one_shared_haplotype_is_a_warning(caplog):
    people = People(4, np.arange(4), np.arange(4), np.arange(0), 1, "file")
    rng, closeness = np.random.default_rng(2), Closeness(people)
    for _ in range(3):
        training = rng.integers(0, 2, (20, 8)).astype(np.int8)
        closeness.add(same_haplotypes(np.hstack([training[:, [5]], 1 - training[:, [5]]]), training))

    closeness.refuse_same(["A"])
    closeness.warn_of_relatives(["A"])

    assert "warning: 1 outsider may be relatives of members" in caplog.text
    assert "both haplotypes" not in caplog.text


def closeness_of(n_members_among_outsiders, n_regions=1, n_rows=30, seed=4):
    """Closeness of 40 outsiders, of whom the first are members, and of 50 training samples."""
    closeness = Closeness(People(50, np.arange(50), np.arange(50), np.arange(0), 40, "file"))
    rng = np.random.default_rng(seed)
    for _ in range(n_regions):
        training, others = (rng.integers(0, 2, (n_rows, 2 * number)).astype(np.int8) for number in (50, 40))
        others[:, : 2 * n_members_among_outsiders] = training[:, : 2 * n_members_among_outsiders]
        closeness.add(same_haplotypes(others, training))
    return closeness


@pytest.mark.parametrize("n_regions", [1, 2])
def test_several_members_among_outsiders_are_refused_in_few_regions_too(n_regions):
    names = [f"X{number}" for number in range(40)]

    with pytest.raises(DataError, match=rf"3 outsiders with both haplotypes of a member in {n_regions} region.*X0, X1"):
        closeness_of(3, n_regions).refuse_same(names)


def test_two_members_among_outsiders_are_a_warning_in_few_regions(caplog):
    names = [f"X{number}" for number in range(40)]
    closeness = closeness_of(2)

    closeness.refuse_same(names)
    closeness.warn_of_relatives(names)

    assert "warning: 2 outsiders have both haplotypes of a member in 1 audited region, and may be members: X0, X1" in (
        caplog.text
    )
    assert "in so few regions, unrelated people may too" in caplog.text


def test_equal_people_are_not_refused_where_many_in_the_panel_are_equal():
    closeness = closeness_of(0, n_rows=2)

    assert closeness._equal().size > 20 and closeness._equal_in_panel() > 0.5
    closeness.refuse_same([f"X{number}" for number in range(40)])


def test_a_member_is_refused_at_any_later_region():
    closeness = closeness_of(1, n_regions=5)

    with pytest.raises(DataError, match="1 outsider with both haplotypes of a member in 5 regions: X0"):
        closeness.refuse_same([f"X{number}" for number in range(40)])


def few_founders(rng, n_rows, n_haplotypes):
    return rng.integers(0, 2, (n_rows, 6)).astype(np.int8)[:, rng.integers(0, 6, n_haplotypes)]


def test_all_pairs_compared_one_by_one_say_the_same(monkeypatch):
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 50)
    monkeypatch.setattr(module, "_COLUMNS_AT_ONCE", 7)
    rng, closeness = (
        np.random.default_rng(6),
        Closeness(People(20, np.arange(20), np.arange(20), np.arange(0), 9, "file")),
    )
    shared = np.zeros((18, 40), int)
    for n_rows in (5, 3, 8):
        both = few_founders(rng, n_rows, 58)
        both[rng.random(both.shape) < 0.02] = -1
        both[:, :2] = both[:, [23, 22]]  # the first outsider is a member
        both[1, :18] = -1
        others, training = both[:, :18], both[:, 18:]
        known = np.delete(both, 1, axis=0)
        for first in range(18):
            for second in range(40):
                shared[first, second] += (n_rows - 1) * np.array_equal(known[:, first], known[:, 18 + second])
        closeness.add(same_haplotypes(others, training))
    people = [
        person
        for person in range(9)
        if any(
            {(shared[2 * person, a], shared[2 * person + 1, b])} == {(13, 13)}
            for pair in range(20)
            for a, b in ((2 * pair, 2 * pair + 1), (2 * pair + 1, 2 * pair))
        )
    ]

    assert 0 in people
    assert closeness.most_shared().tolist() == shared.max(axis=1).tolist()
    assert closeness.longest() == shared.max() / 13
    assert closeness._equal().tolist() == people


@pytest.mark.slow
def test_memory_does_not_grow_with_the_pairs_of_outsiders_and_members():
    n_outsiders, n_training = 2_000, 50_000
    rng = np.random.default_rng(7)
    people = People(n_training, np.arange(n_training), np.arange(10), np.arange(0), n_outsiders, "file")
    others, training = few_founders(rng, 4, 2 * n_outsiders), few_founders(rng, 4, 2 * n_training)
    tracemalloc.start()

    closeness = Closeness(people)
    closeness.add(same_haplotypes(others, training))
    closeness.refuse_same([""] * n_outsiders)
    closeness.n_close()

    assert tracemalloc.get_traced_memory()[1] < 100e6  # a matrix of all pairs has 1,600 MB
    tracemalloc.stop()
