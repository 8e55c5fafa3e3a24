"""Haplotype HMMs in training: in a batch, alone, interrupted, and as a part of a region."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from batched_cases import DEVICE, SETTINGS, assert_same, final_states, job
from rnnimp.errors import SettingsError
from rnnimp.network.hmm.cpu_training import CpuHmmEngine
from rnnimp.network.recurrent.cpu.autograd import CpuEngine
from rnnimp.training.batched import networks as batched_networks
from rnnimp.training.batched.networks import HmmGroup
from rnnimp.training.checkpoint import CheckpointFile
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.region import PLAIN, Runner, draw_hmm, hmm_state_count, train_region, trained_networks

CPU = torch.device("cpu")
COPYING = replace(SETTINGS, n_states=16, copying_iterations=4, max_iterations=4, trains_hybrid=False)


def run_group(folder: Path, sites: dict[int, int], settings: TrainingSettings = COPYING) -> None:
    jobs = [job(folder, number, n_sites=n_sites) for number, n_sites in sites.items()]
    HmmGroup(jobs, settings.hmm_settings(), DEVICE).run()


def interrupt_group(folder: Path, sites: dict[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the training right after its first checkpoint."""
    write = CheckpointFile.write

    def interrupted(self: CheckpointFile, state: dict[str, object]) -> None:
        write(self, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CheckpointFile, "write", interrupted)
        run_group(folder, sites)


@pytest.mark.slow
def test_copying_networks_trained_together_and_alone_are_the_same(tmp_path: Path) -> None:
    run_group(tmp_path / "both", {1: 8, 2: 10})
    run_group(tmp_path / "alone", {1: 8})
    run_group(tmp_path / "alone", {2: 10})
    assert_same(final_states(tmp_path / "both"), final_states(tmp_path / "alone"))


@pytest.mark.slow
def test_an_interrupted_copying_group_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheckpointFile, "is_due", lambda self: True)
    run_group(tmp_path / "whole", {1: 8})
    interrupt_group(tmp_path / "parts", {1: 8}, monkeypatch)
    run_group(tmp_path / "parts", {1: 8})
    assert_same(final_states(tmp_path / "whole"), final_states(tmp_path / "parts"))


@pytest.mark.slow
def test_the_loss_falls(tmp_path: Path) -> None:
    one = job(tmp_path, 1, n_sites=12)  # alleles at random: the gates can do no more than find where the mosaics join
    length = {"max_iterations": 150, "copying_iterations": 150}
    settings = replace(COPYING, **length, crossing_probability=0.0, copying_rate=0.1, state_pieces=4)
    run = Runner("fused-cpu", CpuEngine, CpuHmmEngine)
    train_region(one.data, settings, 1, one.folder, torch.device("cpu"), one.progress, run)
    state = CheckpointFile(one.folder / "copying.pt").read(torch.device("cpu"))
    assert state is not None
    losses = [row[2] for row in state["history"]]
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:5])


def test_a_region_with_a_copying_network_by_any_engine(tmp_path: Path) -> None:
    regions = []
    for name, run in (("plain", PLAIN), ("kernels", Runner("fused-cpu", CpuEngine, CpuHmmEngine))):
        one = job(tmp_path / name, 1)
        regions.append(train_region(one.data, COPYING, 1, one.folder, torch.device("cpu"), one.progress, run))
    plain, kernels = regions
    assert plain.hmm is not None and kernels.hmm is not None
    assert list(plain.evaluations) == ["higher", "lower", "copying", "hybrid"]
    # rounding to whole steps may take a weight that training left in the middle either way
    difference = plain.hmm.site - kernels.hmm.site
    assert float(difference.abs().max()) <= 1 / 16 + 1e-6
    assert float((difference != 0).float().mean()) < 0.01
    assert plain.evaluations["hybrid"].validation_r2 == pytest.approx(
        kernels.evaluations["hybrid"].validation_r2, abs=1e-3
    )


def test_a_short_training_is_short_for_all_networks() -> None:
    assert replace(COPYING, max_iterations=3).hmm_settings().max_iterations == 3
    assert replace(COPYING, max_iterations=9).hmm_settings().max_iterations == 4


def test_what_a_recipe_trains() -> None:
    assert trained_networks(SETTINGS) == ("higher", "lower", "hybrid")
    assert trained_networks(COPYING) == ("higher", "lower", "copying")


@pytest.mark.parametrize("n_states", [8, 24, -16])
def test_states_are_a_power_of_two(n_states: int) -> None:
    with pytest.raises(SettingsError, match=f"power of two from 16 on, found {n_states}"):
        TrainingSettings(n_states=n_states)


def test_no_more_states_than_haplotypes(tmp_path: Path) -> None:
    data = job(tmp_path, 1).data
    n_haplotypes = 2 * len(data.training)
    assert hmm_state_count(data, replace(COPYING, n_states=1024)) == 1 << (n_haplotypes.bit_length() - 1)
    assert draw_hmm(data, replace(COPYING, n_states=1024), 1, CPU).switch_in.shape[1] == 16
    assert hmm_state_count(data, replace(COPYING, n_states=0)) == 0


@pytest.mark.slow
def test_gates_go_on_with_the_states_of_their_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the states be drawn otherwise by another version, those of the checkpoint count."""
    monkeypatch.setattr(CheckpointFile, "is_due", lambda self: True)
    interrupt_group(tmp_path, {1: 8}, monkeypatch)
    expected = draw_hmm(job(tmp_path, 1, n_sites=8).data, COPYING, 1, CPU)
    drawn_otherwise = lambda data, settings, number, device: draw_hmm(data, settings, number + 1, device)  # noqa: E731
    monkeypatch.setattr(batched_networks, "draw_hmm", drawn_otherwise)
    run_group(tmp_path, {1: 8})
    (found,) = final_states(tmp_path).values()
    assert torch.equal(found["site"], expected.site)


def test_kernels_read_states_after_a_checkpoint_has_been_loaded(tmp_path: Path) -> None:
    data = job(tmp_path, 1).data
    network, other = (draw_hmm(data, replace(COPYING, seed=seed), 1, CPU) for seed in (1, 2))
    engine = CpuHmmEngine(network)
    network.load_state_dict(other.state_dict())
    inputs = torch.full((3, len(network.emission), 2), 0.0)
    inputs[..., 1] = 1.0
    with torch.no_grad():
        assert torch.allclose(engine(inputs), other(inputs), atol=1e-5)


def test_first_weights_depend_on_the_seed_alone(tmp_path: Path) -> None:
    data = job(tmp_path, 1).data
    one, same, other = (draw_hmm(data, replace(COPYING, seed=seed), 1, CPU) for seed in (1, 1, 2))
    assert torch.equal(one.site, same.site)
    assert not torch.equal(one.site, other.site)
