"""Bins of sites, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from rnnimp.choices import BIN_EDGES
from rnnimp.pipeline.report.binning import (
    N_CLASSES,
    Windows,
    grouped,
    maf_classes,
    robust_distances,
    thinned,
)


def test_classes_contain_their_upper_edge() -> None:
    maf = np.concatenate([np.array(BIN_EDGES) / 100, np.random.default_rng(1).random(300) / 2])
    for value, found in zip(maf.tolist(), maf_classes(maf).tolist(), strict=True):
        expected = next(i for i in range(N_CLASSES) if round(value, 8) <= BIN_EDGES[i + 1] / 100)
        assert found == expected


def test_windows_hold_each_position_once() -> None:
    windows = Windows(1_234, 9_876, 17)
    positions = np.arange(1_234, 9_877)
    found = windows.of(positions)
    for window in range(17):
        first, last = windows.bounds(window)
        assert positions[found == window].tolist() == list(range(first, last + 1))
        assert abs(windows.middle_mb(window) - (first + last) / 2e6) <= 0.001


def test_there_are_as_many_windows_as_the_sites_fill() -> None:
    for n_sites, expected in ((1, 1), (55, 5), (100_000, 200)):
        windows = Windows.over(np.arange(7, 7 + 1000 * n_sites, 1000))
        assert (windows.first, windows.last, windows.n) == (7, 7 + 1000 * (n_sites - 1), expected)
    assert str(Windows(1, 1_000_000, 200)) == "200 windows of 5 kb"
    assert str(Windows(1, 1_000, 10)) == "10 windows of 100 base pairs"


def test_groups_add_up() -> None:
    rng = np.random.default_rng(4)
    values = np.where(rng.random(400) < 0.1, np.nan, rng.random(400))
    first, second = rng.integers(0, 6, 400), rng.integers(-1, 3, 400)
    found = {group.keys: group for group in grouped(values, first, second)}
    for a in range(6):
        for b in range(3):
            chosen = values[(first == a) & (second == b)]
            known = chosen[~np.isnan(chosen)]
            group = found[(a, b)]
            assert (group.n_sites, group.n_known) == (len(chosen), len(known))
            assert group.total == pytest.approx(known.sum(), abs=1e-4)
            assert (group.n_fair, group.n_good) == ((known >= 0.3).sum(), (known >= 0.8).sum())
    assert sum(group.n_sites for group in found.values()) == np.count_nonzero(second >= 0)
    assert list(grouped(np.empty(0), np.empty(0, np.int64))) == []


def test_thinning_keeps_what_stands_out() -> None:
    importance = np.random.default_rng(5).random(1000)
    kept = thinned(importance, 100)
    assert len(kept) == len(set(kept.tolist())) == 100
    assert set(np.argsort(-importance)[:50].tolist()) <= set(kept.tolist())
    assert kept.tolist() == thinned(importance, 100).tolist()
    assert thinned(importance, 1000).tolist() == list(range(1000))


def test_robust_distances_are_standard_deviations() -> None:
    values = np.random.default_rng(6).normal(10, 3, 20_001)
    assert np.std(robust_distances(values)) == pytest.approx(1, abs=0.03)
    assert robust_distances(np.array([1.0, 2, 3, np.nan, 100]))[4] > 5
    assert robust_distances(np.array([2.0, 2, 2, 7])).tolist() == [0, 0, 0, 0]
    assert robust_distances(np.array([np.nan])).tolist() == [0]
