"""Groups of regions on a GPU. The CPU's training stands in for the group's."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import random_panel
from rnnimp.errors import DataError
from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.pipeline.train import one_device as stage
from rnnimp.pipeline.train.region_runs import RegionRuns
from rnnimp.pipeline.train.work import Work
from rnnimp.sites.ploidy import ABSENT
from rnnimp.training.batched import networks as batched_networks
from rnnimp.training.batched.batches import Job
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.region import train_region
from training_cases import CPU, Record, models


@pytest.fixture
def grouped(work: Work, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Groups of up to three regions; the list of the groups that were trained."""
    groups: list[list[int]] = []

    def train_group(jobs: Sequence[Job], settings: TrainingSettings, device: torch.device) -> dict[int, str]:
        for job in jobs:
            train_region(job.data, settings, job.number, job.folder, CPU, job.progress)
        groups.append([job.number for job in jobs])
        return {}

    monkeypatch.setattr(batched_networks, "train_group", train_group)
    monkeypatch.setattr(batched_networks, "regions_at_once", lambda *values: 3)
    return groups


def run_groups(work: Work) -> dict[int, str]:
    work = replace(work, engine="fused")
    regions = RegionRuns(work, CPU, True, Record())
    stage.DeviceTraining(work, CPU, True, regions).run([1, 2, 3])
    return regions.failed


@pytest.mark.slow
def test_a_group_is_trained_at_once_and_exported(work: Work, grouped: list[list[int]], tmp_path: Path) -> None:
    assert run_groups(work) == {}
    assert grouped == [[1, 2, 3]]
    assert len(models(tmp_path / "out")) == 3
    assert run_groups(work) == {}
    assert grouped == [[1, 2, 3]], "finished regions are not trained again"


@pytest.mark.slow
def test_parts_of_chrx_with_fewer_held_out_pairs_are_groups_of_their_own(work: Work, grouped: list[list[int]]) -> None:
    panel = random_panel(np.random.default_rng(1), n_sites=20, n_samples=20, chromosome="X")
    panel.alleles[:, 1:20:2] = ABSENT
    with HapsLegendWriter(work.prefixes[1]) as writer:
        writer.write(panel.sites, panel.alleles)
    assert run_groups(work) == {}
    assert grouped == [[1, 3], [2]]


@pytest.mark.slow
def test_a_group_too_large_for_the_memory_is_halved(
    work: Work,
    grouped: list[list[int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    train_group = batched_networks.train_group

    def small(jobs: Sequence[Job], *rest: object) -> dict[int, str]:
        if len(jobs) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return train_group(jobs, *rest)

    monkeypatch.setattr(batched_networks, "train_group", small)
    assert run_groups(work) == {}
    assert grouped == [[1], [2], [3]]
    assert len(models(tmp_path / "out")) == 3
    assert "3 regions at once failed (the GPU's memory is too small)" in caplog.text


def test_a_region_that_does_not_fit_is_named(
    work: Work, grouped: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*values: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(batched_networks, "train_group", never)
    reason = "it does not fit into the GPU's memory; lower --batch-size"
    assert run_groups(work) == {1: reason, 2: reason, 3: reason}


@pytest.mark.slow
def test_only_the_region_to_blame_fails(
    work: Work,
    grouped: list[list[int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A full disk under one region's folder."""
    caplog.set_level(logging.WARNING)
    train_group = batched_networks.train_group

    def full(jobs: Sequence[Job], *rest: object) -> dict[int, str]:
        if any(job.number == 2 for job in jobs):
            raise DataError("cannot be written (No space left on device)", jobs[0].folder / "higher.pt")
        return train_group(jobs, *rest)

    monkeypatch.setattr(batched_networks, "train_group", full)
    failed = run_groups(work)
    assert list(failed) == [2]
    assert "No space left on device" in failed[2]
    assert sorted(models(tmp_path / "out")) == ["chr22_1.onnx", "chr22_3.onnx"]


@pytest.mark.slow
def test_a_region_that_cannot_be_read_is_left_out(work: Work, grouped: list[list[int]], tmp_path: Path) -> None:
    path = Path(f"{work.prefixes[0]}.hap.gz")
    path.write_bytes(path.read_bytes()[:-30])
    failed = run_groups(work)
    assert list(failed) == [1]
    assert grouped == [[2, 3]]


@pytest.mark.slow
def test_a_failed_group_is_let_go_before_its_halves_begin(
    work: Work, grouped: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the tensors of the failed group would leave no room for its halves."""
    train_group = batched_networks.train_group
    held: list[weakref.ref[torch.Tensor]] = []

    def large(jobs: Sequence[Job], *rest: object) -> dict[int, str]:
        assert all(reference() is None for reference in held)
        memory = torch.zeros(1)
        if len(jobs) > 1:
            held.append(weakref.ref(memory))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return train_group(jobs, *rest)

    monkeypatch.setattr(batched_networks, "train_group", large)
    assert run_groups(work) == {}
    assert len(held) == 2


def test_a_region_whose_network_failed_in_the_group_fails_with_its_reason(
    work: Work, grouped: list[list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_group = batched_networks.train_group

    def failing(jobs: Sequence[Job], *rest: object) -> dict[int, str]:
        sound = [job for job in jobs if job.number != 2]
        return {**train_group(sound, *rest), 2: "the loss was not finite; lower --learning-rate"}

    monkeypatch.setattr(batched_networks, "train_group", failing)
    assert run_groups(work) == {2: "the loss was not finite; lower --learning-rate"}
    assert sorted(models(tmp_path / "out")) == ["chr22_1.onnx", "chr22_3.onnx"]
