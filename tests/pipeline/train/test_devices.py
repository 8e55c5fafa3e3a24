"""Regions shared out to several devices; here these are two processes on the CPU."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rnnimp.cluster.locks import read_lock
from rnnimp.errors import SettingsError
from rnnimp.pipeline.train import engine_choice
from rnnimp.pipeline.train import run as train
from rnnimp.pipeline.train.devices import train_on_devices
from rnnimp.pipeline.train.engine_choice import resolve_engine
from rnnimp.pipeline.train.one_device import train_regions
from rnnimp.pipeline.train.work import TrainOptions, Work
from rnnimp.training.recipe import TrainingSettings
from training_cases import CPU, Record, models


@pytest.mark.slow
def test_two_processes_make_the_same_models_as_one(
    work: Work, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    display = Record()
    assert train_on_devices(work, [1, 2, 3], [CPU, CPU], display) == {}
    assert display.shown == {(region, name) for region in (1, 2, 3) for name in ("higher", "lower", "hybrid")}
    lines = [record.getMessage() for record in caplog.records]
    assert sum("final model: R2" in line for line in lines) == 3
    alone = replace(work, output_prefix=str(tmp_path / "alone" / "chr22"))
    assert train_regions(alone, [1, 2, 3], CPU, Record()) == {}
    assert models(tmp_path / "out") == models(tmp_path / "alone")


@pytest.mark.slow
def test_a_failing_region_is_named_and_the_others_are_kept(work: Work, tmp_path: Path) -> None:
    path = Path(f"{work.prefixes[1]}.hap.gz")
    path.write_bytes(path.read_bytes()[:-30])
    failed = train_on_devices(work, [1, 2, 3], [CPU, CPU], Record())
    assert list(failed) == [2]
    assert "truncated" in failed[2]
    assert len(models(tmp_path / "out")) == 2


@pytest.mark.slow
def test_a_process_that_dies_is_noticed(work: Work) -> None:
    """Another process kills it while it has locked region 2."""
    lock = work.files(2).lock
    long_work = replace(work, settings=replace(work.settings, max_iterations=100_000))

    def kill_the_holder() -> None:
        while (held := read_lock(lock)) is None or held.holder is None:
            time.sleep(0.05)
        os.kill(held.holder.pid, 9)

    threading.Thread(target=kill_the_holder, daemon=True).start()
    failed = train_on_devices(long_work, [2], [CPU, CPU], Record())
    assert failed == {2: "its process ended with exit code -9; run the same command again to resume"}


def test_the_fused_engine_of_a_gpu_takes_128_units_and_no_more() -> None:
    pytest.importorskip("triton")
    gpu = torch.device("cuda")
    assert resolve_engine("auto", gpu, TrainingSettings(n_units=128)) == "fused"
    assert resolve_engine("auto", gpu, TrainingSettings(n_units=129)) == "reference"
    with pytest.raises(SettingsError, match="129 units, of at most 128 on a GPU"):
        resolve_engine("fused", gpu, TrainingSettings(n_units=129))


def test_an_old_triton_leaves_a_gpu_to_plain_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    triton = pytest.importorskip("triton")
    monkeypatch.setattr(triton, "__version__", "3.2.0")
    gpu = torch.device("cuda")
    assert resolve_engine("auto", gpu, TrainingSettings()) == "reference"
    assert resolve_engine("reference", gpu, TrainingSettings()) == "reference"
    with pytest.raises(SettingsError, match=r"found Triton 3.2.0, which cannot compile the kernels \(3.3, of"):
        resolve_engine("fused", gpu, TrainingSettings())


def test_a_gpu_with_little_shared_memory_trains_narrow_networks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    monkeypatch.setattr(engine_choice, "shared_memory", lambda device: 99 << 10)
    gpu = torch.device("cuda")
    assert resolve_engine("auto", gpu, TrainingSettings(n_units=64)) == "fused"
    assert resolve_engine("auto", gpu, TrainingSettings(n_units=48, cell="LSTM")) == "fused"
    with pytest.raises(SettingsError, match="found 99 KiB of a GPU's shared memory, of 148 that 65 GRU units need"):
        resolve_engine("fused", gpu, TrainingSettings(n_units=65))


def test_plain_pytorch_in_place_of_the_kernels_is_told(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_choice, "find_spec", lambda name: None)
    (tmp_path / "one.list").write_text(f"{work.prefixes[0]}\n")
    train.train(tmp_path / "one.list", tmp_path / "out/chr22", work.settings, TrainOptions(device="cpu"), Record())
    assert "slow: plain PyTorch trains, since the fused engine found no numba" in caplog.text
