"""Soft targets against Li & Stephens' recurrences in float64, one state at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import random_panel
from rnnimp.training import soft_targets as hmm
from rnnimp.training.soft_targets import LiStephensModel

SIZE, ERROR = 2e4, 0.02


def expected_by_hand(model: LiStephensModel, haplotype: int, states: list[int]) -> list[float]:
    """P(a1) at each imputed site: the joint probability of every state at every marker, normalised at the end only."""
    markers, sites = model.alleles[model.is_marker], model.alleles[~model.is_marker]
    cm_markers, cm_sites = model.map_cm[model.is_marker], model.map_cm[~model.is_marker]
    others = [state for state in states if state // 2 != haplotype // 2]
    n_markers = len(markers)

    def emission(marker: int, state: int) -> float:
        own, copied = markers[marker, haplotype], markers[marker, state]
        return 1 - ERROR if own == copied or -1 in (own, copied) else ERROR

    def step(marker: int, start: int, end: int) -> float:
        distance = max(cm_markers[marker + 1] - cm_markers[marker], 1e-7) / 100
        stays = np.exp(-4 * SIZE * distance / len(states))
        return stays * (start == end) + (1 - stays) / len(others)

    forward = np.zeros((n_markers, len(others)))
    backward = np.ones((n_markers, len(others)))
    for marker in range(n_markers):
        for j, end in enumerate(others):
            before = 1 / len(others)
            if marker:
                before = sum(forward[marker - 1, i] * step(marker - 1, start, end) for i, start in enumerate(others))
            forward[marker, j] = before * emission(marker, end)
    for marker in reversed(range(n_markers - 1)):
        for i, start in enumerate(others):
            backward[marker, i] = sum(
                step(marker, start, end) * emission(marker + 1, end) * backward[marker + 1, j]
                for j, end in enumerate(others)
            )
    posterior = forward * backward
    posterior /= posterior.sum(1, keepdims=True)
    result = []
    for row, cm in zip(sites, cm_sites, strict=True):
        known = row[states][row[states] >= 0]
        alleles = np.where(row[others] < 0, known.mean(), row[others])
        by_marker = posterior @ alleles
        result.append(float(np.interp(cm, cm_markers, by_marker)))
    return result


def make_model(n_samples: int = 6, missing_share: float = 0.05) -> LiStephensModel:
    panel = random_panel(np.random.default_rng(4), 30, n_samples, marker_share=0.4, missing_share=missing_share)
    map_cm = np.cumsum(np.random.default_rng(5).random(30)) / 100
    return LiStephensModel(panel.alleles, panel.sites.markers(), map_cm, SIZE, ERROR, seed=1)


def test_expectations_equal_the_recurrences_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmm, "_CPU_BYTES_AT_ONCE", 1)  # haplotypes one by one
    model = make_model()
    found = model.leave_one_out(torch.device("cpu"))
    for haplotype in range(12):
        by_hand = expected_by_hand(model, haplotype, list(range(12)))
        np.testing.assert_allclose(found[:, haplotype], by_hand, atol=1e-5)


def test_haplotypes_at_once_change_nothing() -> None:
    model = make_model()
    together = model.leave_one_out(torch.device("cpu"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hmm, "_CPU_BYTES_AT_ONCE", 4 * 12 * 5)
        torch.testing.assert_close(model.leave_one_out(torch.device("cpu")), together, rtol=0, atol=1e-6)


def test_of_many_haplotypes_some_are_drawn_to_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmm, "MOST_STATES", 8)
    model = make_model()
    states = np.sort(np.random.default_rng(1).choice(12, 8, replace=False)).tolist()
    found = model.leave_one_out(torch.device("cpu"))
    for haplotype in (0, 5):
        np.testing.assert_allclose(found[:, haplotype], expected_by_hand(model, haplotype, states), atol=1e-5)


def test_a_haplotype_of_its_own_kind_stays_a_number() -> None:
    """One that differs from all others at every marker, so that its own sample would outweigh them beyond float32."""
    alleles = np.zeros((400, 8), dtype=np.int8)
    alleles[:, :2] = 1
    model = LiStephensModel(alleles, np.arange(400) % 2 == 0, np.linspace(0, 1, 400), SIZE, 1e-3, seed=1)
    found = model.leave_one_out(torch.device("cpu"))
    assert torch.isfinite(found).all()
    assert (found[:, :2] < 1e-3).all()


def test_threads_change_no_bit() -> None:
    panel = random_panel(np.random.default_rng(6), 40, 300, marker_share=0.4)
    map_cm = np.cumsum(np.random.default_rng(7).random(40)) / 100
    model = LiStephensModel(panel.alleles, panel.sites.markers(), map_cm, SIZE, ERROR, seed=1)
    n_threads = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(model.leave_one_out(torch.device("cpu")))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(n_threads)
    assert torch.equal(*found)


def test_people_outside_the_panel_copy_everybody() -> None:
    model = make_model()
    smaller = replace(model, alleles=model.alleles[:, :8])
    queries = model.alleles[model.is_marker][:, 8:]

    found = smaller.expected(queries, np.full(4, -1), torch.device("cpu"))

    for number in range(4):
        by_hand = expected_by_hand(model, 8 + number, list(range(8)))
        np.testing.assert_allclose(found[:, number], by_hand, atol=1e-5)


def test_groups_on_threads_change_no_bit() -> None:
    model = make_model(n_samples=20)
    markers, own = model.alleles[model.is_marker], np.arange(40) // 2
    one, three = (model.expected(markers, own, torch.device("cpu"), threads, 4 * 40 * 5) for threads in (1, 3))
    assert torch.equal(one, three)
