"""Recombined haplotypes, and who teaches what to expect of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers import random_panel
from rnnimp.training.recombined_pool import _dealt, expected_by_parts, mosaic_sources, recombined_pool
from rnnimp.training.soft_targets import LiStephensModel

CPU = torch.device("cpu")


def make_model(n_samples: int = 12, seed: int = 1) -> LiStephensModel:
    panel = random_panel(np.random.default_rng(seed), 40, n_samples, marker_share=0.4)
    return LiStephensModel(panel.alleles, panel.sites.markers(), np.linspace(0, 0.4, 40), 3e5, 1e-3, seed=1)


def test_mosaics_cross_over_as_often_as_asked_and_where_they_may() -> None:
    weights = np.ones(199)
    weights[100:] = 0
    source = mosaic_sources(np.arange(500, 1000), weights, 4000, 3.0, np.random.default_rng(1))
    assert source.shape == (200, 4000)
    assert source.min() >= 500
    switches = source[1:] != source[:-1]
    assert not switches[100:].any()
    assert 2.8 < switches.sum(axis=0).mean() < 3.1  # a few fall on the same place, or keep the haplotype
    assert np.abs(switches[:100].mean(axis=1) - 0.03).max() < 0.015


def test_every_mosaic_has_a_crossover_where_there_can_be_one() -> None:
    source = mosaic_sources(np.arange(1000), np.ones(99), 500, 1.0, np.random.default_rng(1))
    assert ((source[1:] != source[:-1]).sum(axis=0) >= 1).mean() > 0.99  # it may go on with the same haplotype
    source = mosaic_sources(np.arange(4), np.zeros(9), 50, 3.0, np.random.default_rng(1))
    assert (source == source[0]).all()


def test_donors_and_teachers_are_all_samples_and_apart() -> None:
    for n_samples, share in ((2, 0.5), (2, 0.01), (9, 0.99), (30, 0.3)):
        donors, teachers = _dealt(n_samples, share, np.random.default_rng(1))
        assert sorted([*donors, *teachers]) == list(range(n_samples))
        assert min(len(donors), len(teachers)) >= 1
    assert len(teachers) == 9


def test_expectations_come_from_the_teachers_of_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part again by hand: the donors' haplotypes, and the model of the teachers alone."""
    model = make_model()
    dealt = []
    monkeypatch.setattr(
        "rnnimp.training.recombined_pool._dealt",
        lambda n, share, rng: dealt.append(_dealt(n, share, rng)) or dealt[-1],
    )
    monkeypatch.setattr("rnnimp.training.recombined_pool.N_PARTS", 4)
    pool = recombined_pool(model, np.ones(39), 10, 2.0, 0.25, (1, 2), CPU)
    assert [len(teachers) for _, teachers in dealt] == [3] * 4
    for (donors, teachers), part in zip(dealt, np.array_split(np.arange(10), 4), strict=True):
        own = model.alleles[:, np.isin(np.arange(24) // 2, donors)]
        assert all(np.isin(row, have).all() for row, have in zip(pool.alleles[:, part], own, strict=True))
        markers = pool.alleles[model.is_marker][:, part]
        alone = model.of_samples(teachers).expected(markers, np.full(len(part), -1), CPU)
        np.testing.assert_allclose(pool.expected[:, part], alone, atol=1e-6)


def test_the_same_seed_gives_the_same_pool() -> None:
    one, same, other = (recombined_pool(make_model(), np.ones(39), 9, 2.0, 0.5, (seed,), CPU) for seed in (1, 1, 2))
    assert np.array_equal(one.alleles, same.alleles)
    assert np.array_equal(one.expected, same.expected)
    assert not np.array_equal(one.alleles, other.alleles)


def test_all_teachers_are_the_model_itself() -> None:
    model = make_model()
    markers = (np.random.default_rng(2).random((int(model.is_marker.sum()), 7)) < 0.5).astype(np.int8)
    found = expected_by_parts(model, markers, 1.0, np.random.default_rng(1), CPU)
    np.testing.assert_allclose(found, model.expected(markers, np.full(7, -1), CPU), atol=1e-6)
    some = expected_by_parts(model, markers, 0.3, np.random.default_rng(1), CPU)
    assert not np.allclose(some, found, atol=1e-3)
