"""Augmentation: crossovers between haplotypes, and batches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnnimp.training.augmentation import BatchSource, crossover_weights, recombine


def test_crossover_weights_follow_the_formula() -> None:
    found = crossover_weights(np.array([100, 100, 300, 1_000_300]), 1e-8, 1e4)
    assert found.tolist() == pytest.approx(
        [1 - math.exp(-4 * 1e4 * 1e-8 * d / 3) for d in (0, 200, 1_000_000)], rel=1e-12
    )


def test_members_of_a_group_exchange_segments() -> None:
    alleles = np.array([[0] * 6, [1] * 6, [2] * 6, [3] * 6, [4] * 6], dtype=np.int8)
    order = np.array([2, 0, 1, 4, 3])  # groups: 2 0 1 and the rest: 4 3
    found = recombine(alleles, order, np.array([[2, 4], [1, 1]]), np.arange(5))
    assert found.tolist() == [
        [2, 2, 0, 0, 1, 1],
        [0, 0, 1, 1, 2, 2],
        [1, 1, 2, 2, 0, 0],
        [4, 4, 4, 4, 4, 4],  # two crossovers at one place lead back in a pair
        [3, 3, 3, 3, 3, 3],
    ]


def test_every_allele_of_a_group_is_used_once_at_each_site() -> None:
    rng = np.random.default_rng(0)
    alleles = rng.permuted(np.arange(9 * 40).reshape(9, 40), axis=0)
    points = np.sort(rng.integers(1, 40, (3, 2)), axis=1)
    found = recombine(alleles, rng.permutation(9), points, np.arange(9))
    assert np.array_equal(np.sort(found, axis=0), np.sort(alleles, axis=0))


def batch_source(**changes: object) -> BatchSource:
    rng = np.random.default_rng(0)
    values = {
        "rows": rng.integers(0, 2, (31, 50)).astype(np.uint8),
        "markers": np.arange(0, 50, 2),
        "weights": rng.random(49),
        "batch_size": 12,
        "crossovers": 2,
        "crossing_probability": 1.0,
        "hidden": 0.0,
        "redraw_every": 5,
        "key": (7, 1, 0),
    }
    return BatchSource(**{**values, **changes})  # type: ignore[arg-type]


def test_a_batch_depends_on_its_number_alone() -> None:
    one, other = batch_source(), batch_source()
    ahead = [other.batch(iteration) for iteration in (9, 3, 8)]
    assert np.array_equal(one.batch(8), ahead[2])
    assert not np.array_equal(one.batch(8), one.batch(9))
    assert not np.array_equal(one.batch(8), batch_source(key=(7, 2, 0)).batch(8))


def test_without_crossovers_a_batch_holds_panel_haplotypes() -> None:
    source = batch_source(crossovers=0)
    known = {row.tobytes() for row in source.rows}
    assert all(row.tobytes() in known for row in source.batch(3))


def test_crossovers_fall_where_they_are_likely() -> None:
    weights = np.zeros(49)
    weights[20] = 1
    source = batch_source(weights=weights, crossovers=1, batch_size=31)
    known = {row[:21].tobytes() for row in source.rows}
    tails = {row[21:].tobytes() for row in source.rows}
    whole = {row.tobytes() for row in source.rows}
    batch = source.batch(0)
    assert all(row[:21].tobytes() in known and row[21:].tobytes() in tails for row in batch)
    assert sum(row.tobytes() in whole for row in batch) < len(batch) / 2


def test_crossovers_that_do_not_happen() -> None:
    source = batch_source(crossing_probability=0.0)
    known = {row.tobytes() for row in source.rows}
    assert all(row.tobytes() in known for row in source.batch(3))


def test_hidden_markers_are_missing_and_sites_are_not() -> None:
    plain, hiding = (batch_source(batch_size=31, hidden=hidden).batch(4) for hidden in (0.0, 0.8))
    is_marker = np.arange(50) % 2 == 0
    assert np.array_equal(hiding[:, ~is_marker], plain[:, ~is_marker])
    is_hidden = hiding[:, is_marker] == 2
    assert np.array_equal(hiding[:, is_marker][~is_hidden], plain[:, is_marker][~is_hidden])
    assert 0.25 < is_hidden.mean() < 0.55


def test_haplotypes_lose_from_none_to_most_markers() -> None:
    source = batch_source(batch_size=31, hidden=0.9)
    hidden = np.concatenate([(source.batch(i)[:, source.markers] == 2).mean(axis=1) for i in range(20)])
    expected = 0.9 * np.arange(620) / 619
    assert np.abs(np.sort(hidden) - expected).max() < 0.3
    assert hidden.mean() == pytest.approx(0.9 / 2, abs=0.03)


def test_sites_at_one_position_are_left_alone() -> None:
    assert np.array_equal(
        np.sort(batch_source(weights=np.zeros(49), batch_size=99).batch(0), axis=0),
        np.sort(batch_source().rows, axis=0),
    )
