"""`rnnimp status`, from the files of real trainings."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rnnimp.cli import main
from rnnimp.cluster.locks import STALE_SECONDS, Holder
from rnnimp.pipeline.train.progress import NetworkProgress, RegionProgress
from rnnimp.pipeline.train.region_state import State
from rnnimp.pipeline.train.status import EXPLANATION, read_status
from rnnimp.training import checkpoint
from rnnimp.training.loop import Evaluation, NetworkRun
from training_cases import train_arguments

ELSEWHERE = replace(Holder.this_process(), host="node7", machine="another", job="77_3", log="/logs/slurm-77_3.log")


def raising(error: BaseException) -> Callable[..., None]:
    def function(*_: object) -> None:
        raise error

    return function


def lock(folder: Path, holder: Holder, age: float = 0) -> None:
    (folder / "lock").write_text(json.dumps(asdict(holder)))
    os.utime(folder / "lock", (time.time() - age, time.time() - age))


def shown(prefix: Path, capsys: pytest.CaptureFixture[str], code: int, *options: str) -> list[str]:
    capsys.readouterr()
    assert main(["status", str(prefix), *options]) == code
    return capsys.readouterr().out.splitlines()


@pytest.mark.slow
def test_finished_and_waiting(data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prefix = tmp_path / "out/chr22"
    assert main(train_arguments(data_list, prefix, "--regions", "2")) == 0
    summary = json.loads((tmp_path / "out/chr22_regions/2/summary.json").read_text())
    lines = shown(prefix, capsys, 3)
    assert lines[0].split("  ")[0] == "region"
    assert lines[0].split()[-5:] == ["iteration", "R2", "time", "left", "note"]
    assert lines[1].split() == ["1", "waiting", "-", "-", "-", "-"]
    r2 = f"{summary['networks']['hybrid']['validation_r2']:.4f}"
    assert lines[2].split() == ["2", "finished", "-", "-", r2, "-"]
    assert lines[3] == EXPLANATION
    assert lines[4:] == ["2 regions: 1 waiting, 0 running, 1 finished, 0 failed, 0 lost"]
    assert main(train_arguments(data_list, prefix)) == 0
    assert shown(prefix, capsys, 0)[-1] == "2 regions: 0 waiting, 0 running, 2 finished, 0 failed, 0 lost"
    assert shown(prefix, capsys, 0, "--watch") == ["2 regions: 0 waiting, 0 running, 2 finished, 0 failed, 0 lost"]


def test_what_runs_is_shown_while_it_runs(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Looked at from within, at the second evaluation of the lower-MAF network."""
    prefix, seen = tmp_path / "out/chr22", []
    monkeypatch.setattr("rnnimp.pipeline.train.progress.SECONDS_BETWEEN_NOTES", 0)
    monkeypatch.setattr("rnnimp.pipeline.train.progress.SECONDS_TO_ESTIMATE", 0)
    evaluated = NetworkProgress.evaluated

    def look(self: NetworkProgress, evaluation: Evaluation) -> None:
        evaluated(self, evaluation)
        if (self._name, evaluation.iteration) == ("lower", 20):
            seen.extend(read_status(prefix))

    monkeypatch.setattr(NetworkProgress, "evaluated", look)
    assert main(train_arguments(data_list, prefix, "--regions", "1")) == 0
    running, waiting = seen
    assert (running.state, waiting.state) == (State.RUNNING, State.WAITING)
    assert running.note == str(Holder.this_process())
    progress = running.progress
    assert progress is not None and progress.seconds_left is not None and progress.seconds_left > 0
    assert (progress.title, progress.iteration, progress.max_iterations) == ("lower-MAF network (2 of 3)", 20, 30)
    assert progress.share_done == pytest.approx(50 / 90)
    assert running.validation_r2 == progress.validation_r2
    assert {path.name for path in (tmp_path / "out/chr22_regions/1").iterdir()}.isdisjoint({"lock", "progress.json"})


class TestProgress:
    def clock(self) -> float:
        return self.now

    def progress(self, tmp_path: Path, most: dict[str, int]) -> RegionProgress:
        self.now, self.shown = 100.0, []
        return RegionProgress(tmp_path / "progress.json", most, True, self.shown.append, clock=self.clock)

    def test_the_pace_is_that_of_this_process(self, tmp_path: Path) -> None:
        """Resumed at iteration 500 by another process, 20 seconds ago."""
        region = self.progress(tmp_path, {"higher": 1000, "copying": 300})
        network = region.network("higher")
        network.iterated(500)
        assert json.loads((tmp_path / "progress.json").read_text())["seconds_left"] is None
        self.now = 110.0
        network.iterated(550)  # the time left is known now
        assert json.loads((tmp_path / "progress.json").read_text())["iteration"] == 550
        self.now = 120.0
        network.iterated(600)  # too soon for another note
        assert json.loads((tmp_path / "progress.json").read_text())["iteration"] == 550
        self.now = 130.0
        network.iterated(650)
        note = json.loads((tmp_path / "progress.json").read_text())
        assert (note["iteration"], note["validation_r2"], note["seconds_left"]) == (650, None, 0.2 * (350 + 300))
        assert [each.time_left for each in self.shown] == ["not known yet", *["at most 3 min"] * 3]

    def test_a_finished_network_counts_as_done_and_its_pace_stays_for_the_next(self, tmp_path: Path) -> None:
        region = self.progress(tmp_path, {"higher": 100, "lower": 100})
        higher, lower = region.network("higher"), region.network("lower")
        higher.iterated(1)
        self.now += 10
        higher.iterated(11)
        higher.ended()  # before its last iteration
        lower.iterated(1)
        assert (self.shown[-1].seconds_left, self.shown[-1].share_done) == (99, 0.505)

    def test_networks_in_training_at_the_same_time_count_once(self, tmp_path: Path) -> None:
        region = self.progress(tmp_path, {"higher": 100, "lower": 100, "copying": 10})
        higher, lower = region.network("higher"), region.network("lower")
        for iteration in (20, 40):
            higher.iterated(iteration)
            lower.iterated(iteration)
            self.now += 20
        higher.iterated(60)
        lower.iterated(60)
        assert self.shown[-1].seconds_left == 40 + 10


def test_a_failure_is_shown_with_its_reason_until_it_is_mended(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix, data = tmp_path / "out/chr22", data_list.parent / "chr22_1.hap.gz"
    whole = data.read_bytes()
    data.write_bytes(whole[:-40])
    assert main(train_arguments(data_list, prefix)) == 1
    line = shown(prefix, capsys, 1)[1]
    assert line.split()[:2] == ["1", "failed"]
    assert "chr22_1.hap.gz: the bgzip data have no end mark, so they are truncated" in line
    data.write_bytes(whole)
    assert main(train_arguments(data_list, prefix)) == 0
    shown(prefix, capsys, 0)
    assert not (tmp_path / "out/chr22_regions/1/failure.json").exists()


def test_a_process_that_has_gone_leaves_its_region_lost(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = tmp_path / "out/chr22"
    monkeypatch.setattr(checkpoint.CheckpointFile, "is_due", lambda self: True)

    def interrupted(self: NetworkRun, found: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(NetworkRun, "record", interrupted)
        assert main(train_arguments(data_list, prefix, "--regions", "1")) == 130
    folder = tmp_path / "out/chr22_regions/1"
    assert shown(prefix, capsys, 3)[1].split()[:2] == ["1", "waiting"]
    lock(folder, ELSEWHERE)
    assert shown(prefix, capsys, 3)[1].split("  ")[-1].strip() == f"process {os.getpid()} on node7, job 77_3"
    lock(folder, ELSEWHERE, age=STALE_SECONDS + 5)
    line = shown(prefix, capsys, 1)[1]
    assert line.split()[:2] == ["1", "lost"]
    assert line.endswith(f"process {os.getpid()} on node7, job 77_3 is gone; log: /logs/slurm-77_3.log")
    assert main(train_arguments(data_list, prefix)) == 0, "a lost region is taken up"
    shown(prefix, capsys, 0)


def test_an_interrupted_region_says_how_far_it_came(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write, saves = NetworkRun.write, 0

    def interrupted(self: NetworkRun, state: dict[str, object]) -> None:
        nonlocal saves
        saves += 1
        write(self, state)
        if saves == 2:  # the higher-MAF network and the lower have ended
            raise KeyboardInterrupt

    monkeypatch.setattr(NetworkRun, "write", interrupted)
    prefix = tmp_path / "out/chr22"
    assert main(train_arguments(data_list, prefix, "--regions", "1")) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"rnnimp: interrupted; finished regions and checkpoints are kept in {prefix}_regions: run the same command "
        "again to resume"
    )
    last = "last checkpoint: lower-MAF network, iteration 30 of 30"
    assert shown(prefix, capsys, 3)[1].endswith(f"interrupted; {last}")
    folder = tmp_path / "out/chr22_regions/1"
    lock(folder, ELSEWHERE, age=STALE_SECONDS + 5)
    assert f"is gone; {last}; log: " in shown(prefix, capsys, 1)[1]
    (folder / "lock").unlink()
    os.utime(folder / "higher.pt")
    (folder / "higher.history.tsv").write_text("")
    assert shown(prefix, capsys, 3)[1].endswith("interrupted; last checkpoint: higher-MAF network")
    monkeypatch.undo()
    monkeypatch.setattr(NetworkRun, "record", raising(KeyboardInterrupt()))
    assert main(train_arguments(data_list, prefix, "--regions", "1", "--no-resume")) == 130
    assert "run the same command without --no-resume to resume" in capsys.readouterr().err


def test_several_trainings_at_once(data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        assert main(train_arguments(data_list, tmp_path / name / "chr22", "--regions", "1")) == 0
    lines = shown(tmp_path / "a/chr22", capsys, 3, str(tmp_path / "b/chr22"))
    assert lines[0] == str(tmp_path / "a/chr22")
    assert lines[-1] == "all: 4 regions: 2 waiting, 0 running, 2 finished, 0 failed, 0 lost"


def test_watching_goes_on_until_nothing_is_left(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = tmp_path / "out/chr22"
    assert main(train_arguments(data_list, prefix, "--regions", "1")) == 0
    naps = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        assert main(train_arguments(data_list, prefix, "--regions", "2")) == 0

    monkeypatch.setattr("rnnimp.cli.status.time.sleep", nap)
    lines = shown(prefix, capsys, 0, "--watch", "--interval", "7")
    assert naps == [7]
    assert lines == [
        "2 regions: 1 waiting, 0 running, 1 finished, 0 failed, 0 lost",
        "2 regions: 0 waiting, 0 running, 2 finished, 0 failed, 0 lost",
    ]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--interval", "0"], 2, "--interval must be above 0, found 0"),
        ([], 1, "chr22_regions/plan.json: expected a training's plan here, found none; give the --output"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, message: str
) -> None:
    assert main(["status", str(tmp_path / "chr22"), *options]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
