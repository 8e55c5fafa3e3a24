"""Many regions trained at once: batches, independence, resuming, and a network that diverges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from batched_cases import DEVICE, SETTINGS, assert_same, final_states, job
from rnnimp.network.names import NETWORKS
from rnnimp.network.region_coding import CERTAIN
from rnnimp.sites.panel import haplotype_columns
from rnnimp.training import loop
from rnnimp.training.batched import networks as batched_networks
from rnnimp.training.batched.batches import ROWS_AT_ONCE, Job
from rnnimp.training.batched.networks import NetworkGroup, train_group
from rnnimp.training.batched.optimizer import BatchedAdam
from rnnimp.training.checkpoint import CheckpointFile
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.region import train_region

pytestmark = pytest.mark.usefixtures("few_chunks")


def group_of(jobs: list[Job], settings: TrainingSettings = SETTINGS) -> NetworkGroup:
    slots, names = [each for each in jobs for _ in range(2)], list(NETWORKS[:2]) * len(jobs)
    networks = [
        batched_networks.draw_network(
            each.data, each.data.features(replace(settings, feature_size=3), DEVICE), settings, each.number, name
        )
        for each, name in zip(slots, names, strict=True)
    ]
    return NetworkGroup(slots, networks, names, settings, DEVICE)


N_DRAWN = ROWS_AT_ONCE + 6  # sites of a region whose rows two programs draw


class TestBatches:
    @pytest.mark.slow
    def test_a_batch_is_made_of_stretches_of_training_haplotypes(self, tmp_path: Path) -> None:
        settings = replace(SETTINGS, batch_size=60)
        one = job(tmp_path, 1, n_sites=N_DRAWN, n_samples=32, missing_share=0.05)
        group = group_of([one], settings)
        group.batches.draw(torch.zeros(2, dtype=torch.int32, device=DEVICE))
        rows, is_marker = one.data.panel.alleles[:, haplotype_columns(one.data.training)].T, one.data.is_marker
        alt, truth = group.network_batch.alt[0].cpu().numpy(), group.network_batch.truth[0].cpu().numpy()
        frequency = one.data.model_freq[is_marker].astype(np.float32)
        mixed = 0
        for column in range(60):
            drawn = np.zeros(N_DRAWN)
            drawn[is_marker] = alt[: is_marker.sum(), column]
            drawn[~is_marker] = truth[: (~is_marker).sum(), column]
            source = np.where(rows < 0, 0.5, rows).astype(np.float32) * CERTAIN
            source[:, is_marker] = np.where(rows[:, is_marker] < 0, frequency, rows[:, is_marker])
            agrees = source == drawn
            mixed += not agrees.all(axis=1).any()
            assert stretches_needed(agrees) <= 1 + settings.crossovers
        assert mixed > 0

    @pytest.mark.slow
    def test_a_batch_depends_on_seed_and_number_alone(self, tmp_path: Path) -> None:
        alone, together = group_of([job(tmp_path, 1, 12)]), group_of([job(tmp_path, 2, N_DRAWN), job(tmp_path, 1, 12)])
        iterations = torch.tensor([3, 3, 3, 3], dtype=torch.int32, device=DEVICE)
        alone.batches.draw(iterations[:2])
        together.batches.draw(iterations)
        n_markers, n_sites = int(alone.network_batch.lengths[0]), int(alone.network_batch.site_counts[0])
        for slot in (0, 1):
            assert torch.equal(alone.network_batch.alt[slot], together.network_batch.alt[2 + slot, :n_markers])
            assert torch.equal(alone.network_batch.truth[slot], together.network_batch.truth[2 + slot, :n_sites])
        assert not torch.equal(alone.network_batch.alt[0], alone.network_batch.alt[1])


def stretches_needed(agrees: np.ndarray) -> int:
    """The fewest stretches of rows of `agrees` (n_haplotypes, n_sites) that cover all sites, greedily."""
    count, reach, n_sites = 0, 0, agrees.shape[1]
    while reach < n_sites:
        breaks = [np.flatnonzero(~row[reach:]) for row in agrees]
        longest = max(int(found[0]) if found.size else n_sites - reach for found in breaks)
        assert longest > 0, "an allele that no haplotype has"
        count, reach = count + 1, reach + longest
    return count


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_adam_equals_torch_row_by_row(weight_decay: float) -> None:
    settings = replace(SETTINGS, clip_factor=1e9, weight_decay=weight_decay, second_moment=0.98)
    rng = torch.Generator().manual_seed(0)
    rows, rates = torch.randn(3, 20, generator=rng), torch.tensor([0.1, 0.01, 0.5])
    singles = [torch.nn.Parameter(row.clone()) for row in rows]
    optimizers = [
        torch.optim.AdamW([single], lr=float(rate), betas=(0.9, 0.98), weight_decay=weight_decay)
        for single, rate in zip(singles, rates, strict=True)
    ]
    adam = BatchedAdam(3, 20, settings, torch.device("cpu"))
    active = torch.tensor([True, True, False])
    for _ in range(7):
        gradients = torch.randn(3, 20, generator=rng)
        for row in (0, 1):
            singles[row].grad = gradients[row].clone()
            optimizers[row].step()
        adam.step(rows, gradients.clone(), torch.zeros(3), rates, active)
    torch.testing.assert_close(rows, torch.stack([single.detach() for single in singles]))


def test_long_gradients_are_cut_and_broken_ones_are_passed_over() -> None:
    rows = torch.zeros(2, 4)
    adam = BatchedAdam(2, 4, replace(SETTINGS, clip_factor=2, clip_window=5), torch.device("cpu"))
    always, rates = torch.ones(2, dtype=torch.bool), torch.ones(2)
    for _ in range(3):
        adam.step(rows, torch.full((2, 4), 0.5), torch.zeros(2), rates, always)
    before = adam.mean.clone()
    broken = torch.full((2, 4), 50.0)
    broken[1, 2] = torch.nan
    kept = rows[1].clone()
    adam.step(rows, broken, torch.zeros(2), rates, always)
    assert adam.is_broken.tolist() == [False, True]
    torch.testing.assert_close(
        adam.mean[0], before[0] * 0.9 + 0.1 * torch.ones(4), rtol=1e-4, atol=0
    )  # norm 1 cut to 2
    assert torch.equal(rows[1], kept) and torch.equal(adam.mean[1], before[1])


@pytest.mark.slow
def test_the_accurate_recipe_ends_with_its_last_weights(tmp_path: Path) -> None:
    changes = {"schedule": "cosine", "warm_up": 1, "n_mixed": 3, "soft_target_share": 0.5, "trains_hybrid": False}
    settings = replace(
        SETTINGS, **changes, hidden_markers=0.2, weight_decay=0.1, longest_gradient=1.0, max_iterations=3
    )
    one = job(tmp_path, 1)
    train_group([one], settings, DEVICE)
    for name in NETWORKS[:2]:
        state = CheckpointFile(tmp_path / "1" / f"{name}.pt").read(torch.device("cpu"))
        assert state is not None and state["schedule"]["best_iteration"] == 3
        rates = [row[1] for row in state["history"]]
        assert rates == pytest.approx([0.01 * 0.5 * (1 + np.cos(np.pi * done / 3)) for done in (1, 2)])
    region = train_region(one.data, settings, 1, one.folder, torch.device("cpu"), one.progress)
    assert np.isfinite(region.evaluations["hybrid"].validation_r2)


@pytest.mark.slow
def test_networks_trained_together_and_alone_are_the_same(tmp_path: Path) -> None:
    settings = replace(SETTINGS, max_iterations=2)
    train_group([job(tmp_path / "both", 1), job(tmp_path / "both", 2, n_sites=10)], settings, DEVICE)
    for number, n_sites in ((1, 8), (2, 10)):
        train_group([job(tmp_path / "alone", number, n_sites=n_sites)], settings, DEVICE)
    assert_same(final_states(tmp_path / "both"), final_states(tmp_path / "alone"))
    assert len(final_states(tmp_path / "both")) == 6


@pytest.mark.slow
def test_what_was_trained_is_taken_up_by_the_region(tmp_path: Path) -> None:
    one = job(tmp_path, 1)
    train_group([one], SETTINGS, DEVICE)
    region = train_region(one.data, SETTINGS, 1, one.folder, torch.device("cpu"), one.progress)
    states = final_states(tmp_path)
    torch.testing.assert_close(region.higher.state_dict()["left_head"], states["1/higher.pt"]["left_head"].cpu())
    assert {name: row.iteration <= 4 for name, row in region.evaluations.items()} == dict.fromkeys(NETWORKS[:3], True)


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [2, 4])
def test_an_interrupted_group_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr(CheckpointFile, "is_due", lambda self: True)
    train_group([job(tmp_path / "whole", 1)], SETTINGS, DEVICE)
    calls, write = 0, CheckpointFile.write

    def interrupted(self: CheckpointFile, state: dict[str, object]) -> None:
        nonlocal calls
        calls += 1
        if calls > stop_after:
            raise KeyboardInterrupt
        write(self, state)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CheckpointFile, "write", interrupted)
        train_group([job(tmp_path / "parts", 1)], SETTINGS, DEVICE)
    train_group([job(tmp_path / "parts", 1)], SETTINGS, DEVICE)
    assert_same(final_states(tmp_path / "whole"), final_states(tmp_path / "parts"))


@pytest.mark.slow
def test_a_network_that_breaks_down_goes_back_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    losses = NetworkGroup.losses

    def broken(self: NetworkGroup, iterations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, gradients = losses(self, iterations)
        if int(iterations[0]) == 2:
            gradients[0, 0] = torch.nan
        return values, gradients

    with monkeypatch.context() as patch:
        patch.setattr(NetworkGroup, "losses", broken)
        train_group([job(tmp_path / "broken", 1)], SETTINGS, DEVICE)
    train_group([job(tmp_path / "sound", 1)], SETTINGS, DEVICE)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "region 1, higher-MAF network: not a finite loss or gradient before iteration 4; back to the weights of "
        "iteration 2, rate 0.005"
    ]
    one, other = final_states(tmp_path / "broken"), final_states(tmp_path / "sound")
    assert_same({"lower": one["1/lower.pt"]}, {"lower": other["1/lower.pt"]})
    assert all(torch.isfinite(tensor).all() for tensor in one["1/higher.pt"].values())
    rows = (tmp_path / "broken/1/higher.history.tsv").read_text().splitlines()
    assert [row.split("\t")[1] for row in rows[1:]] == ["0.01", "0.01"]


@pytest.mark.slow
def test_a_network_that_breaks_down_again_and_again_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = NetworkGroup.losses

    def broken(self: NetworkGroup, iterations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, gradients = losses(self, iterations)
        values[1] = torch.nan
        return values, gradients

    monkeypatch.setattr(NetworkGroup, "losses", broken)
    monkeypatch.setattr(loop, "MOST_FALL_BACKS", 1)
    settings = replace(SETTINGS, evaluate_every=1, max_iterations=2)
    failed = train_group([job(tmp_path, 1), job(tmp_path, 2)], settings, DEVICE)
    assert failed == {
        1: "the loss or gradient of the lower-MAF network was not finite before its first validation; lower "
        "--learning-rate"
    }
    finished = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.pt")}
    assert finished == {"1/higher.pt", "2/higher.pt", "2/lower.pt", "2/hybrid.pt"}
