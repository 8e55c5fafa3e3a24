"""The first states of a haplotype HMM: which haplotypes are chosen, and how they recombine."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnnimp.training.hmm_states import anonymous_states, diverse_haplotypes, first_states, recombined
from rnnimp.training.soft_targets import LiStephensModel


def test_haplotypes_unlike_the_others_are_chosen_first() -> None:
    rng = np.random.default_rng(1)
    common, rare = rng.integers(0, 2, (60, 1)), rng.integers(0, 2, (60, 6))
    markers = np.concatenate([np.repeat(common, 94, axis=1), rare], axis=1).astype(np.int8)
    chosen = diverse_haplotypes(markers, 7, rng)
    assert set(range(94, 100)) <= set(chosen.tolist())
    assert sum(haplotype < 94 for haplotype in chosen) == 1


def worth_of(markers: np.ndarray, chosen: list[int], haplotype: int) -> float:
    """The gain from one more haplotype: compare it with every chosen haplotype, window by window."""
    n_markers, worth = len(markers), 0.0
    for half in (10, 20, 40):
        for middle in range(0, n_markers + 1, 4):
            window = markers[max(middle - half, 0) : middle + half]
            same = sum(bool((window[:, other] == window[:, haplotype]).all()) for other in chosen)
            worth += 1 / (1 + same)
    return worth


def test_each_choice_is_the_best_there_is() -> None:
    rng = np.random.default_rng(3)
    ancestors = rng.integers(0, 2, (50, 4))
    markers = ancestors[np.arange(50)[:, None], rng.integers(0, 4, (5, 20)).repeat(10, axis=0)].astype(np.int8)
    chosen = diverse_haplotypes(markers, 12, rng).tolist()
    for count, haplotype in enumerate(chosen):
        before = chosen[:count]
        best = max(worth_of(markers, before, other) for other in range(20) if other not in before)
        assert worth_of(markers, before, haplotype) == pytest.approx(best)


def test_where_there_are_too_few_haplotypes_they_are_repeated() -> None:
    rng = np.random.default_rng(1)
    chosen = diverse_haplotypes(rng.integers(0, 2, (30, 3)).astype(np.int8), 8, rng)
    assert np.bincount(chosen).tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])


@pytest.mark.parametrize("n_pieces", [1, 2, 4])
def test_states_are_mosaics_that_hold_every_haplotype_at_every_row(n_pieces: int) -> None:
    rng = np.random.default_rng(2)
    chosen = rng.permutation(100)[:32]
    source = recombined(chosen, np.ones(199), n_pieces, rng)
    assert source.shape == (200, 32)
    assert (np.sort(source, axis=1) == np.sort(chosen)).all()
    joints = (source[1:] != source[:-1]).sum(axis=0)
    assert joints.max() <= n_pieces - 1
    assert joints.sum() >= 0.9 * 32 * (n_pieces - 1)  # two exchanges can fall on one place


def test_many_states_exchange_at_one_place() -> None:
    source = recombined(np.arange(256), np.ones(199), 2, np.random.default_rng(2))
    per_row = (source[1:] != source[:-1]).sum(axis=1)
    assert per_row.sum() == 256
    assert all(count % 64 == 0 for count in per_row)
    (row, *_) = np.flatnonzero(per_row)
    before, after = (source[at, per_row_states(source, row)] for at in (row, row + 1))
    assert set(before) == set(after)


def per_row_states(source: np.ndarray, row: int) -> np.ndarray:
    return np.flatnonzero(source[row] != source[row + 1])


def test_without_the_alleles_the_draws_cannot_be_repeated() -> None:
    rng = np.random.default_rng(6)
    alleles = rng.integers(0, 2, (60, 32)).astype(np.int8)
    is_marker = np.arange(60) % 2 == 0
    other = alleles.copy()
    other[1, 0] ^= 1  # at a site, so that the same haplotypes are chosen in the same windows
    one, same, another = (first_states(panel, is_marker, np.ones(59), 16, 2, 1) for panel in (alleles, alleles, other))
    assert np.array_equal(one.switch_out.detach(), same.switch_out.detach())
    assert not np.array_equal(one.switch_out.detach(), another.switch_out.detach())


def test_joints_fall_where_crossovers_do() -> None:
    crossovers = np.where(np.arange(99) == 70, 1.0, 0.0)
    source = recombined(np.arange(16), crossovers, 2, np.random.default_rng(1))
    assert (source[:71] == source[0]).all()
    assert (source[71:] != source[0]).all()


def test_without_crossovers_states_are_whole_haplotypes() -> None:
    source = recombined(np.arange(16), np.zeros(9), 3, np.random.default_rng(1))
    assert (source == source[0]).all()


def test_states_emit_the_alleles_of_their_haplotypes_and_where_these_are_missing_the_frequency() -> None:
    rng = np.random.default_rng(2)
    alleles = rng.integers(-1, 2, (40, 150)).astype(np.int8)
    alleles[7], alleles[12] = -1, np.minimum(alleles[12], 0)  # nothing is known, and only a0
    is_marker = np.arange(40) % 3 == 0
    network = first_states(alleles, is_marker, np.ones(39), 16, 1, seed=1)
    odds = np.empty((40, 16))
    odds[is_marker], odds[~is_marker] = network.emission, network.site
    size = np.where(is_marker, 4, 6)[:, None]
    n_alt, n_known = (alleles == 1).sum(1), (alleles >= 0).sum(1)
    n_steps = np.where(n_known < 100, 5, 10)  # of 0.2 or 0.1
    frequency = np.where(n_known > 0, (n_alt * n_steps // np.maximum(n_known, 1) + 0.5) / n_steps, 0.5)[:, None]
    of_missing = np.clip(np.log(frequency / (1 - frequency)), -size, size)
    expected = np.where(alleles < 0, of_missing, size * (2 * alleles - 1))
    assert all(np.isclose(odds[:, [state]], expected).all(axis=0).any() for state in range(16))
    assert network.switch_out.unique().tolist() == [-4]


def test_a_state_is_easily_left_where_its_pieces_join() -> None:
    rng = np.random.default_rng(4)
    alleles = rng.integers(0, 2, (60, 16)).astype(np.int8)
    is_marker = np.arange(60) % 2 == 0
    network = first_states(alleles, is_marker, np.ones(59), 16, 2, seed=1)
    switch_out, odds = network.switch_out.detach().numpy(), np.empty((60, 16))
    odds[is_marker], odds[~is_marker] = network.emission / 4, network.site / 6
    for state in range(16):
        (gap,) = np.flatnonzero(switch_out[:, state] == 0)
        left, right = odds[: 2 * gap, state], odds[2 * gap :, state]  # up to the last marker before the gap, and on
        whole = 2 * alleles - 1
        assert (whole[: 2 * gap - 1] == left[:-1, None]).all(axis=0).any()
        assert (whole[2 * gap :] == right[:, None]).all(axis=0).any()


def test_a_joint_beyond_the_markers_changes_no_gate() -> None:
    is_marker = np.array([False, False, True, True, False, False])
    for place in (0, 4):
        crossovers = np.where(np.arange(5) == place, 1.0, 0.0)
        network = first_states(np.eye(6, 16, dtype=np.int8), is_marker, crossovers, 16, 2, seed=1)
        assert network.switch_out.unique().tolist() == [-4]


def test_anonymous_states_emit_shared_markers_and_expected_sites() -> None:
    """Markers as drawn, at full strength; sites the log odds of what the Li & Stephens model expects of them."""
    rng = np.random.default_rng(1)
    alleles = (rng.random((40, 24)) < rng.random((40, 1))).astype(np.int8)
    is_marker = np.arange(40) % 2 == 0
    model = LiStephensModel(alleles, is_marker, np.linspace(0, 0.4, 40), 3e5, 1e-3, seed=1)
    device = torch.device("cpu")
    network, same = (anonymous_states(model, 32, 3, 1.0, 7, device) for _ in range(2))
    assert torch.equal(network.emission, same.emission)
    assert set(np.unique(network.emission.numpy())) == {-4.0, 4.0}
    markers = (network.emission.numpy() > 0).astype(np.int8)
    expected = model.expected(markers, np.full(32, -1), device)
    np.testing.assert_allclose(torch.sigmoid(network.site), expected.clamp(0.00247, 0.99753), atol=1e-4)
    some = anonymous_states(model, 32, 3, 0.5, 7, device)
    assert torch.equal(some.emission, network.emission)
    assert not torch.allclose(some.site, network.site, atol=0.1)
