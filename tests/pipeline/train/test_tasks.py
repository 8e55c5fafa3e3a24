"""Training in tasks of an array job: slices, regions locked by other tasks, files that appear late."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rnnimp.cli import main
from rnnimp.cluster.locks import STALE_SECONDS, FileLock, Holder
from rnnimp.pipeline.train import one_device as stage
from rnnimp.pipeline.train import run as train_stage
from training_cases import train_arguments, trained_files


@pytest.mark.slow
def test_a_task_takes_its_slice(data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prefix = tmp_path / "out/chr22"
    assert main(train_arguments(data_list, prefix, "--task", "2/2")) == 0
    assert [path.name for path in (tmp_path / "out/models").glob("*.onnx")] == ["chr22_2.onnx"]
    assert main(train_arguments(data_list, prefix, "--task", "1/1", "--regions", "2")) == 0
    assert "region 2: finished before, kept" in capsys.readouterr().err
    assert main(train_arguments(data_list, prefix, "--task", "2/5")) == 0, "an empty slice is no failure"
    assert not (tmp_path / "out/models/chr22_1.onnx").exists()


def held_by(folder: Path, **changes: object) -> Path:
    """A lock as another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    path.write_text(json.dumps(asdict(replace(Holder.this_process(), **changes))))
    return path


def test_a_region_of_a_living_process_is_left_to_it(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = tmp_path / "out/chr22"
    lock = held_by(tmp_path / "out/chr22_regions/1", job="5_1")
    assert main(train_arguments(data_list, prefix)) == 0
    assert f"region 1: left to process {os.getpid()} on " in (log := capsys.readouterr().err)
    assert "finished: 1 of 2 regions" in log
    assert lock.exists()
    assert main(train_arguments(data_list, prefix, "--no-resume")) == 1
    assert "chr22_regions/1: process " in (line := capsys.readouterr().err.splitlines()[-1])
    assert "is training this region; stop it before you train from the start" in line


@pytest.mark.slow
def test_a_region_of_another_machine_is_waited_for_and_taken_over_when_that_is_dead(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = held_by(tmp_path / "out/chr22_regions/1", machine="another", token="x")
    naps = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        assert len(naps) < 3
        if len(naps) == 2:
            os.utime(lock, (time.time() - STALE_SECONDS - 5,) * 2)

    monkeypatch.setattr(stage.time, "sleep", nap)
    assert main(train_arguments(data_list, tmp_path / "out/chr22")) == 0
    assert len(naps) == 2
    assert main(train_arguments(data_list, tmp_path / "whole/chr22")) == 0
    assert trained_files(tmp_path / "out/chr22") == trained_files(tmp_path / "whole/chr22")


def test_a_living_process_on_another_machine_keeps_its_region(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = held_by(tmp_path / "out/chr22_regions/1", machine="another", host="node7", token="x")
    monkeypatch.setattr(stage, "STALE_SECONDS", 0.2)  # of the waiting; the lock is touched meanwhile
    monkeypatch.setattr(stage, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(stage, "SECONDS_BETWEEN_LOOKS", 0.05)
    assert main(train_arguments(data_list, tmp_path / "out/chr22")) == 0
    assert f"region 1: left to process {os.getpid()} on node7" in capsys.readouterr().err
    assert lock.exists()


def test_a_process_that_was_taken_for_dead_leaves_the_region(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = 0

    def check(self: FileLock) -> None:
        nonlocal checks
        checks += 1
        if checks == 4:
            self._is_lost = True
            held_by(self.path.parent, machine="another", token="x")
        original(self)

    original = FileLock.check
    monkeypatch.setattr(FileLock, "check", check)
    assert main(train_arguments(data_list, tmp_path / "out/chr22", "--regions", "1")) == 1
    assert "another process has taken over" in capsys.readouterr().err
    assert not (tmp_path / "out/models").exists()
    assert (tmp_path / "out/chr22_regions/1/lock").exists()


def test_files_that_show_late_are_waited_for(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    late = data_list.parent / "chr22_2.legend.gz"
    hidden = late.rename(tmp_path / "hidden")

    def show() -> None:
        time.sleep(0.5)
        hidden.rename(late)

    thread = threading.Thread(target=show)
    thread.start()
    assert main(train_arguments(data_list, tmp_path / "out/chr22", "--task", "1/1")) == 0
    thread.join()
    late.unlink()
    monkeypatch.setattr(train_stage, "SECONDS_FOR_LATE_FILES", 0.1)
    assert main(train_arguments(data_list, tmp_path / "out/chr22", "--task", "1/1")) == 1
    assert "chr22.list:2: " in capsys.readouterr().err


@pytest.mark.slow
def test_a_list_of_another_length_is_refused(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(train_arguments(data_list, tmp_path / "out/chr22")) == 0
    data_list.write_text(data_list.read_text().splitlines()[0] + "\n")
    assert main(train_arguments(data_list, tmp_path / "out/chr22")) == 1
    assert "plan.json: was begun with a data list of 2 regions, this one has 1" in capsys.readouterr().err
    assert main(train_arguments(data_list, tmp_path / "out/chr22", "--no-resume")) == 0


def test_a_task_does_not_begin_anew(data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(train_arguments(data_list, tmp_path / "out/chr22", "--task", "1/2", "--no-resume")) == 2
    assert "--no-resume does not go with --task" in capsys.readouterr().err
