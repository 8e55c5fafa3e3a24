"""The parts of training: augmentation, loss, schedule, clipping."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import random_panel
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.genetic_map import GeneticMap
from rnnimp.network.region_coding import CERTAIN
from rnnimp.sites.panel import haplotype_columns
from rnnimp.training.augmentation import BatchSource, crossover_weights, recombine
from rnnimp.training.data import RegionData, TensorFeeder
from rnnimp.training.loss import expected_alleles, mean_dosage_r2, site_weights, weighted_cross_entropy
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.schedule import CosineSchedule, HalvingSchedule, MedianClip, Verdict
from rnnimp.training.soft_targets import LiStephensModel


class TestAugmentation:
    def test_crossover_weights_follow_the_formula(self) -> None:
        found = crossover_weights(np.array([100, 100, 300, 1_000_300]), 1e-8, 1e4)
        assert found.tolist() == pytest.approx(
            [1 - math.exp(-4 * 1e4 * 1e-8 * d / 3) for d in (0, 200, 1_000_000)], rel=1e-12
        )

    def test_members_of_a_group_exchange_segments(self) -> None:
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

    def test_every_allele_of_a_group_is_used_once_at_each_site(self) -> None:
        rng = np.random.default_rng(0)
        alleles = rng.permuted(np.arange(9 * 40).reshape(9, 40), axis=0)
        points = np.sort(rng.integers(1, 40, (3, 2)), axis=1)
        found = recombine(alleles, rng.permutation(9), points, np.arange(9))
        assert np.array_equal(np.sort(found, axis=0), np.sort(alleles, axis=0))

    def source(self, **changes: object) -> BatchSource:
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

    def test_a_batch_depends_on_its_number_alone(self) -> None:
        one, other = self.source(), self.source()
        ahead = [other.batch(iteration) for iteration in (9, 3, 8)]
        assert np.array_equal(one.batch(8), ahead[2])
        assert not np.array_equal(one.batch(8), one.batch(9))
        assert not np.array_equal(one.batch(8), self.source(key=(7, 2, 0)).batch(8))

    def test_without_crossovers_a_batch_holds_panel_haplotypes(self) -> None:
        source = self.source(crossovers=0)
        known = {row.tobytes() for row in source.rows}
        assert all(row.tobytes() in known for row in source.batch(3))

    def test_crossovers_fall_where_they_are_likely(self) -> None:
        weights = np.zeros(49)
        weights[20] = 1
        source = self.source(weights=weights, crossovers=1, batch_size=31)
        known = {row[:21].tobytes() for row in source.rows}
        tails = {row[21:].tobytes() for row in source.rows}
        whole = {row.tobytes() for row in source.rows}
        batch = source.batch(0)
        assert all(row[:21].tobytes() in known and row[21:].tobytes() in tails for row in batch)
        assert sum(row.tobytes() in whole for row in batch) < len(batch) / 2

    def test_crossovers_that_do_not_happen(self) -> None:
        source = self.source(crossing_probability=0.0)
        known = {row.tobytes() for row in source.rows}
        assert all(row.tobytes() in known for row in source.batch(3))

    def test_hidden_markers_are_missing_and_sites_are_not(self) -> None:
        plain, hiding = (self.source(batch_size=31, hidden=hidden).batch(4) for hidden in (0.0, 0.8))
        is_marker = np.arange(50) % 2 == 0
        assert np.array_equal(hiding[:, ~is_marker], plain[:, ~is_marker])
        is_hidden = hiding[:, is_marker] == 2
        assert np.array_equal(hiding[:, is_marker][~is_hidden], plain[:, is_marker][~is_hidden])
        assert 0.25 < is_hidden.mean() < 0.55

    def test_haplotypes_lose_from_none_to_most_markers(self) -> None:
        source = self.source(batch_size=31, hidden=0.9)
        hidden = np.concatenate([(source.batch(i)[:, source.markers] == 2).mean(axis=1) for i in range(20)])
        expected = 0.9 * np.arange(620) / 619
        assert np.abs(np.sort(hidden) - expected).max() < 0.3
        assert hidden.mean() == pytest.approx(0.9 / 2, abs=0.03)

    def test_sites_at_one_position_are_left_alone(self) -> None:
        assert np.array_equal(
            np.sort(self.source(weights=np.zeros(49), batch_size=99).batch(0), axis=0),
            np.sort(self.source().rows, axis=0),
        )


class TestLoss:
    def test_site_weights_follow_the_formula(self) -> None:
        found = site_weights(np.array([0.3, 0.9, 0.001, np.nan]), -0.75).numpy()
        expected = [0.5 * (2 * maf) ** -0.75 for maf in (0.3, 0.1, 0.005, 0.5)]
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    def test_cross_entropy_equals_a_loop(self) -> None:
        rng = np.random.default_rng(2)
        logits = rng.normal(size=(3, 4, 2))
        alleles = rng.integers(-1, 2, (3, 4))
        weights = rng.random(3)
        total = 0.0
        for site in range(3):
            for haplotype in range(4):
                exponentials = [math.exp(value) for value in logits[site, haplotype]]
                truth = {0: (1, 0), 1: (0, 1), -1: (0.5, 0.5)}[int(alleles[site, haplotype])]
                for allele in (0, 1):
                    probability = exponentials[allele] / sum(exponentials)
                    total -= weights[site] * truth[allele] * math.log(probability)
        found = weighted_cross_entropy(
            torch.tensor(logits, dtype=torch.float32), expected_alleles(torch.tensor(alleles)), torch.tensor(weights)
        )
        assert float(found) == pytest.approx(total / 12, rel=1e-5)

    def test_mean_dosage_r2_equals_numpy_site_by_site(self) -> None:
        rng = np.random.default_rng(3)
        alleles = rng.integers(-1, 2, (30, 20), dtype=np.int8)
        alleles[0] = 0  # does not vary: left out
        probabilities = rng.random((30, 20))
        probabilities[1] = 0.5  # explains nothing: 0
        expected = []
        for row, probability in zip(alleles[1:], probabilities[1:], strict=True):
            known = (row[::2] >= 0) & (row[1::2] >= 0)
            true, dosage = (row[::2] + row[1::2])[known], (probability[::2] + probability[1::2])[known]
            if np.ptp(true) == 0:
                continue
            expected.append(np.corrcoef(true, dosage)[0, 1] ** 2 if np.ptp(dosage) > 0 else 0.0)
        found = mean_dosage_r2(torch.tensor(probabilities), torch.tensor(alleles))
        assert found == pytest.approx(np.mean(expected), rel=1e-9)

    def test_no_site_varies(self) -> None:
        assert math.isnan(mean_dosage_r2(torch.rand(2, 4), torch.zeros(2, 4, dtype=torch.int8)))


class TestSchedule:
    def test_rate_and_patience_halve_and_training_ends(self) -> None:
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

    def test_a_gain_resets_the_waiting(self) -> None:
        schedule = HalvingSchedule(1.0, 0.1, 100, 10)
        schedule.judge(10, 0.1)
        assert schedule.judge(100, 0.2) is Verdict.IMPROVED
        assert schedule.judge(190, 0.2) is Verdict.CONTINUE
        assert schedule.judge(200, math.nan) is Verdict.RESTORE
        assert (schedule.best_score, schedule.best_iteration) == (0.2, 100)

    def test_state_goes_on_where_it_was(self) -> None:
        one = HalvingSchedule(1.0, 0.1, 100, 10)
        one.judge(10, 0.1)
        one.judge(120, 0.1)
        other = HalvingSchedule(1.0, 0.1, 100, 10)
        other.restore(one.state())
        assert [one.judge(i, 0.0) for i in (150, 180, 210)] == [other.judge(i, 0.0) for i in (150, 180, 210)]
        assert one.state() == other.state()

    def test_cosine(self) -> None:
        schedule = CosineSchedule(learning_rate=2.0, warm_up=10, n_iterations=100)
        rates = [schedule.rate_at(iteration) for iteration in (0, 9, 50, 99)]
        assert rates == pytest.approx([0.2, 2 * 0.5 * (1 + math.cos(0.09 * math.pi)), 1.0, 0.0], abs=1e-3)
        assert schedule.judge(50, 0.5) is Verdict.IMPROVED and schedule.judge(60, 0.1) is Verdict.IMPROVED
        assert schedule.fall_back(70) is Verdict.RESTORE and schedule.best_iteration == 60
        other = CosineSchedule(learning_rate=2.0, warm_up=10, n_iterations=100)
        other.restore(schedule.state())
        assert other.rate_at(50) == schedule.rate_at(50) == pytest.approx(0.5)

    def test_clipping_follows_the_running_median(self) -> None:
        clip = MedianClip(factor=5, window=3)
        assert clip.longest(100.0) == math.inf
        assert clip.longest(1.0) == 500.0
        clip.longest(2.0)
        assert clip.longest(math.inf) == 10.0  # median of 100, 1, 2; infinity does not join
        assert clip.longest(3.0) == 10.0
        assert clip.longest(0.0) == 10.0  # of 1, 2, 3
        assert MedianClip(factor=5, window=3, longest=2.0).longest(100.0) == 2.0


class TestRegionData:
    def test_validation_samples_are_held_out_and_the_same_for_every_region(self) -> None:
        settings = TrainingSettings(validation_samples=6)
        one = RegionData.of(random_panel(np.random.default_rng(0), n_samples=20), settings)
        other = RegionData.of(random_panel(np.random.default_rng(1), n_samples=20), settings)
        assert one.validation.tolist() == other.validation.tolist()
        assert sorted([*one.training, *one.validation]) == list(range(20))
        assert len(one.validation) == 6
        rows = one.training_bytes(settings, torch.device("cpu")).T
        own = one.panel.alleles[:, 2 * one.training[0] + 1].astype(int)
        assert np.array_equal(rows[1], np.where(one.is_marker, own, CERTAIN * own))

    def test_targets_are_part_truth_and_part_expectation(self) -> None:
        panel = random_panel(np.random.default_rng(0), n_samples=20, missing_share=0.1)
        settings = TrainingSettings(validation_samples=5, soft_target_share=0.25)
        data = RegionData.of(panel, settings)
        alleles = panel.alleles[:, haplotype_columns(data.training)]
        expected = LiStephensModel(
            alleles, data.is_marker, panel.sites.positions / 1e6, settings.copying_size, settings.copying_error, 0
        ).leave_one_out(torch.device("cpu"))
        truth = np.where(alleles < 0, 0.5, alleles)[~data.is_marker]
        found = data.training_bytes(settings, torch.device("cpu"))
        np.testing.assert_allclose(
            found[~data.is_marker] / CERTAIN, 0.75 * truth + 0.25 * expected.numpy(), atol=0.0026
        )
        assert np.array_equal(found[data.is_marker], np.where(alleles < 0, 2, alleles)[data.is_marker])

    def test_training_haplotypes_are_coded_once_for_each_recipe(self) -> None:
        settings = TrainingSettings(validation_samples=5, soft_target_share=0.25)
        data = RegionData.of(random_panel(np.random.default_rng(0), n_samples=20), settings)
        first = data.training_bytes(settings, torch.device("cpu"))
        assert data.training_bytes(replace(settings, learning_rate=1.0), torch.device("cpu")) is first
        assert not np.array_equal(
            data.training_bytes(replace(settings, soft_target_share=0.5), torch.device("cpu")), first
        )

    def test_a_map_moves_the_crossovers(self) -> None:
        panel = random_panel(np.random.default_rng(0), n_samples=20)
        ends = panel.sites.positions[[0, 30, -1]]
        data = RegionData.of(panel, TrainingSettings(validation_samples=5), GeneticMap(ends, np.array([0.0, 0.0, 2.0])))
        weights = data.crossover_weights(TrainingSettings())
        assert weights[:30].sum() < 1e-3 * weights[30:].sum()
        assert weights.sum() == pytest.approx(2.0, rel=1e-3)

    def test_missing_alleles_enter_as_their_frequency(self) -> None:
        panel = random_panel(np.random.default_rng(0), n_samples=20, missing_share=0.2)
        data = RegionData.of(panel, TrainingSettings(validation_samples=5))
        inputs, truth = TensorFeeder(data, torch.device("cpu")).tensors(data.validation_rows())
        markers = data.validation_rows()[:, data.is_marker]
        expected = np.where(markers < 0, panel.sites.a1_freq[data.is_marker], markers)
        np.testing.assert_allclose(inputs[:, :, 1], expected, rtol=1e-6)
        np.testing.assert_allclose(inputs.sum(2), 1, rtol=1e-6)
        assert np.array_equal(truth, data.validation_rows()[:, ~data.is_marker].T)

    @pytest.mark.parametrize(
        ("n_samples", "share", "message"),
        [(5, 0.3, "beside the 5 held out"), (9, 0.0, "found 0 markers"), (9, 1.0, "60 markers and 0 sites")],
    )
    def test_too_little_data_is_refused(self, n_samples: int, share: float, message: str) -> None:
        panel = random_panel(np.random.default_rng(0), n_samples=n_samples, marker_share=share)
        with pytest.raises(DataError, match=message):
            RegionData.of(panel, TrainingSettings(validation_samples=5))


class TestSettings:
    def test_published_defaults(self) -> None:
        settings = TrainingSettings()
        assert (settings.gamma_higher, settings.gamma_lower, settings.seed) == (0.75, -0.75, 3141592653)
        assert TrainingSettings(**settings.as_dict()) == settings

    def test_values_are_checked(self) -> None:
        with pytest.raises(SettingsError, match="learning_rate must be above 0"):
            TrainingSettings(learning_rate=0)
        for error in (0.0, 1.0):
            with pytest.raises(SettingsError, match="copying_error must be above 0 and below 1"):
                TrainingSettings(copying_error=error)
