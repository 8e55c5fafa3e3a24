"""The data of a region: validation samples, features, targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import random_panel
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.genetic_map import GeneticMap
from rnnimp.network.recurrent.features import marker_features
from rnnimp.network.region_coding import CERTAIN
from rnnimp.sites.panel import Panel, haplotype_columns
from rnnimp.sites.ploidy import ABSENT
from rnnimp.training.augmentation import allele_seed
from rnnimp.training.data import RegionData, TensorFeeder, held_out_samples
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.recombined_pool import recombined_pool
from rnnimp.training.soft_targets import LiStephensModel


def test_validation_samples_are_held_out_and_the_same_for_every_region() -> None:
    settings = TrainingSettings(validation_samples=6)
    one = RegionData.of(random_panel(np.random.default_rng(0), n_samples=20), settings)
    other = RegionData.of(random_panel(np.random.default_rng(1), n_samples=20), settings)
    assert one.validation.tolist() == other.validation.tolist()
    assert sorted([*one.training, *one.validation]) == list(range(20))
    assert len(one.validation) == 6
    rows = one.training_bytes(settings, torch.device("cpu")).T
    own = one.panel.alleles[:, 2 * one.training[0] + 1].astype(int)
    assert np.array_equal(rows[1], np.where(one.is_marker, own, CERTAIN * own))


def test_targets_are_part_truth_and_part_expectation() -> None:
    panel = random_panel(np.random.default_rng(0), n_samples=20, missing_share=0.1)
    settings = TrainingSettings(validation_samples=5, soft_target_share=0.25)
    data = RegionData.of(panel, settings)
    alleles = panel.alleles[:, haplotype_columns(data.training)]
    expected = LiStephensModel(
        alleles, data.is_marker, panel.sites.positions / 1e6, settings.copying_size, settings.copying_error, 0
    ).leave_one_out(torch.device("cpu"))
    truth = np.where(alleles < 0, 0.5, alleles)[~data.is_marker]
    found = data.training_bytes(settings, torch.device("cpu"))
    np.testing.assert_allclose(found[~data.is_marker] / CERTAIN, 0.75 * truth + 0.25 * expected.numpy(), atol=0.0026)
    assert np.array_equal(found[data.is_marker], np.where(alleles < 0, 2, alleles)[data.is_marker])


def test_training_haplotypes_are_coded_once_for_each_recipe() -> None:
    settings = TrainingSettings(validation_samples=5, soft_target_share=0.25)
    data = RegionData.of(random_panel(np.random.default_rng(0), n_samples=20), settings)
    first = data.training_bytes(settings, torch.device("cpu"))
    assert data.training_bytes(replace(settings, learning_rate=1.0), torch.device("cpu")) is first
    assert not np.array_equal(data.training_bytes(replace(settings, soft_target_share=0.5), torch.device("cpu")), first)


def test_a_map_moves_the_crossovers() -> None:
    panel = random_panel(np.random.default_rng(0), n_samples=20)
    ends = panel.sites.positions[[0, 30, -1]]
    data = RegionData.of(panel, TrainingSettings(validation_samples=5), GeneticMap(ends, np.array([0.0, 0.0, 2.0])))
    weights = data.crossover_weights(TrainingSettings())
    assert weights[:30].sum() < 1e-3 * weights[30:].sum()
    assert weights.sum() == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("is_exact", [False, True])
def test_missing_alleles_enter_as_the_frequency_of_the_model(is_exact: bool) -> None:
    panel = random_panel(np.random.default_rng(0), n_samples=60, missing_share=0.2)
    data = RegionData.of(panel, TrainingSettings(validation_samples=5, exact_frequencies=is_exact))
    off = np.abs(data.model_freq - panel.sites.a1_freq)
    assert off.max() == 0 if is_exact else 0.05 < off.max() <= 0.1  # of about 96 alleles, in steps of 0.2
    inputs, truth = TensorFeeder(data, torch.device("cpu")).tensors(data.validation_rows())
    markers = data.validation_rows()[:, data.is_marker]
    expected = np.where(markers < 0, data.model_freq[data.is_marker], markers)
    np.testing.assert_allclose(inputs[:, :, 1], expected, rtol=1e-6)
    np.testing.assert_allclose(inputs.sum(2), 1, rtol=1e-6)
    assert np.array_equal(truth, data.validation_rows()[:, ~data.is_marker].T)


@pytest.mark.parametrize(
    ("n_samples", "share", "message"),
    [(5, 0.3, "beside the 5 held out"), (9, 0.0, "found 0 markers"), (9, 1.0, "60 markers and 0 sites")],
)
def test_too_little_data_is_refused(n_samples: int, share: float, message: str) -> None:
    panel = random_panel(np.random.default_rng(0), n_samples=n_samples, marker_share=share)
    with pytest.raises(DataError, match=message):
        RegionData.of(panel, TrainingSettings(validation_samples=5))


def test_a_recombined_pool_takes_the_place_of_the_panel() -> None:
    settings = TrainingSettings(
        validation_samples=5, soft_target_share=1.0, n_recombined=30, teacher_share=0.5, feature_size=4
    )
    data = RegionData.of(random_panel(np.random.default_rng(0), n_samples=20, missing_share=0.1), settings)
    device = torch.device("cpu")
    coded = data.training_bytes(settings, device)
    assert coded.shape == (len(data.panel.sites), data.n_trained_on(settings)) == (len(data.panel.sites), 30)
    pool = recombined_pool(
        data.copying_model(settings), data.crossover_weights(settings), 30, settings.recombined_crossovers, 0.5,
        (settings.seed, *allele_seed(data.training_alleles)), device,
    )  # fmt: skip
    assert np.array_equal(coded[~data.is_marker], np.rint(CERTAIN * pool.expected))
    markers = pool.alleles[data.is_marker]
    assert np.array_equal(coded[data.is_marker], np.where(markers < 0, 2, markers))
    assert np.array_equal(data.features(settings, device), marker_features(markers, 4))
    own = replace(settings, n_recombined=0)
    assert data.n_trained_on(own) == 2 * len(data.training)
    assert np.array_equal(data.features(own, device), marker_features(data.training_alleles[data.is_marker], 4))


def test_a_pool_needs_people_to_recombine_beside_the_teachers() -> None:
    with pytest.raises(SettingsError, match="teacher_share must be below 1"):
        TrainingSettings(n_recombined=10, teacher_share=1.0)
    with pytest.raises(SettingsError, match="teacher_share must be above 0"):
        TrainingSettings(teacher_share=0.0)
    with pytest.raises(DataError, match="expected 2 or more samples to train on"):
        settings = TrainingSettings(n_recombined=10, teacher_share=0.5, validation_samples=5)
        RegionData.of(random_panel(np.random.default_rng(0), n_samples=6), settings)
    with pytest.raises(DataError, match="expected 2 or more samples to train on"):
        settings = TrainingSettings(n_states=16, state_carriers=2, teacher_share=0.5, validation_samples=5)
        RegionData.of(random_panel(np.random.default_rng(0), n_samples=6), settings)


def with_haploid(panel: Panel, haploid: list[int]) -> Panel:
    alleles = panel.alleles.copy()
    alleles[:, [2 * index + 1 for index in haploid]] = ABSENT
    return replace(panel, alleles=alleles)


def test_each_haplotype_of_haploid_people_is_there_once() -> None:
    panel = random_panel(np.random.default_rng(0), n_samples=30, missing_share=0.05)
    settings = TrainingSettings(validation_samples=8, seed=3)
    haploid = list(range(0, 30, 2))
    data = RegionData.of(with_haploid(panel, haploid), settings)
    held_out = held_out_samples(30, 8, 3)
    assert data.n_people == (22, 8)
    for people, found in (
        (np.setdiff1d(np.arange(30), held_out), data.training_alleles),
        (held_out, data.validation_rows().T),
    ):
        columns = [2 * index + side for index in people.tolist() for side in (0, 1) if side == 0 or index % 2]
        left_out = len([index for index in people.tolist() if index % 2 == 0]) % 2
        own = sorted(panel.alleles[:, column].tobytes() for column in columns)
        there = sorted(np.ascontiguousarray(column).tobytes() for column in found.T)
        assert len(there) == len(own) - left_out
        assert set(there) <= set(own)
        assert len(set(there)) == len(there)
    assert data.n_trained_on(settings) == data.training_alleles.shape[1]


def test_the_same_people_are_held_out_in_all_parts_of_a_chromosome() -> None:
    panel = random_panel(np.random.default_rng(1), n_samples=30)
    settings = TrainingSettings(validation_samples=8)
    whole = RegionData.of(panel, settings)
    part = RegionData.of(with_haploid(panel, [1, 4, 5, 9, 11, 20]), settings)
    held_out = {row.tobytes() for row in whole.validation_rows()}
    assert {row.tobytes() for row in part.validation_rows()} <= held_out


def test_too_few_haploid_people() -> None:
    panel = with_haploid(random_panel(np.random.default_rng(1), n_samples=8), list(range(8)))
    with pytest.raises(DataError, match=r"pairs of haploid people .* found 2 and 1; the panel is too small"):
        RegionData.of(panel, TrainingSettings(validation_samples=3))
