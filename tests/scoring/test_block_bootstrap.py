"""Intervals over stretches of a chromosome, against loops and known cases."""

from __future__ import annotations

import numpy as np
import pytest

from rnnimp.scoring.block_bootstrap import MOST_BLOCKS, blocks_of, group_means


def test_means_are_those_of_the_groups() -> None:
    rng = np.random.default_rng(2)
    values, groups = rng.random((3, 500)), rng.integers(-1, 4, 500)
    blocks = np.sort(rng.integers(0, 20, 500))
    found = group_means(values, groups, blocks, 5)
    for group in range(5):
        assert found.n_sites[group] == np.count_nonzero(groups == group)
        for series in range(3):
            chosen = values[series, groups == group]
            expected = chosen.mean() if chosen.size else np.nan
            assert found.means[series, group] == pytest.approx(expected, nan_ok=True)
    assert (found.lows[:, :4] <= found.means[:, :4]).all()
    assert (found.means[:, :4] <= found.highs[:, :4]).all()
    assert np.isnan(found.lows[:, 4]).all()
    assert (found.differences[0, :4] == 0).all()
    assert found.differences[2, 1] == pytest.approx(found.means[2, 1] - found.means[0, 1])


def test_intervals_cover_the_true_mean() -> None:
    """Blocks with effects of their own: the interval covers the mean of all blocks in about 95 of 100 data sets."""
    n_covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        effects = rng.normal(0.5, 0.2, 60)
        blocks = np.repeat(np.arange(60), 15)
        values = effects[blocks] + rng.normal(0, 0.05, len(blocks))
        found = group_means(values[None], np.zeros(len(blocks), np.int64), blocks, 1)
        n_covered += int(found.lows[0, 0] <= 0.5 <= found.highs[0, 0])
    assert n_covered >= 88


def test_a_constant_difference_has_no_width() -> None:
    rng = np.random.default_rng(3)
    values = rng.random(300)
    found = group_means(np.stack([values, values - 0.1]), np.zeros(300, np.int64), np.arange(300) // 10, 1)
    assert found.difference_lows[1, 0] == pytest.approx(-0.1)
    assert found.difference_highs[1, 0] == pytest.approx(-0.1)
    assert found.highs[1, 0] - found.lows[1, 0] > 0.01


@pytest.mark.parametrize(
    ("length", "expected"), [(100, 10), (500_000, 10), (3_000_000, 30), (200_000_000, MOST_BLOCKS)]
)
def test_blocks_are_stretches(length: int, expected: int) -> None:
    positions = np.sort(np.random.default_rng(1).integers(1_000, 1_000 + length, 50_000))
    positions[0], positions[-1] = 1_000, 1_000 + length
    blocks = blocks_of(positions)
    assert (np.diff(blocks) >= 0).all()
    assert blocks[0] == 0
    assert blocks[-1] == expected - 1
