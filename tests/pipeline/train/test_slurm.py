"""Training as an array job of a real Slurm: failures of jobs, and settings refused before submission."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import REPOSITORY, random_panel
from rnnimp.cli import main
from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.pipeline.train.region_state import State
from rnnimp.pipeline.train.status import read_status
from slurm_cluster import SlurmCluster
from training_cases import train_arguments, trained_files

pytestmark = pytest.mark.slurm

N_REGIONS = 7
FAILING, KILLED, TOO_LARGE, ON_A_LOST_NODE = 2, 3, 5, 6


@pytest.fixture
def data_list(tmp_path: Path) -> Path:
    """Seven small regions as `rnnimp split` leaves them."""
    prefixes = [tmp_path / "split" / f"chr22_{number}" for number in range(1, 1 + N_REGIONS)]
    for seed, prefix in enumerate(prefixes):
        panel = random_panel(np.random.default_rng(seed), n_sites=30, n_samples=20)
        with HapsLegendWriter(prefix) as writer:
            writer.write(replace(panel.sites, swapped=np.zeros(30, dtype=bool)), panel.alleles)
    path = tmp_path / "split" / "chr22.list"
    path.write_text("".join(f"{prefix}\n" for prefix in prefixes))
    return path


def training(data_list: Path, prefix: Path, *options: str) -> list[str]:
    return train_arguments(data_list, prefix, "--device", "cpu", "--engine", "reference", *options)


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python for the tasks, with which regions meet with the accidents in the folder `faults`."""
    (tmp_path / "faults").mkdir()
    path = tmp_path / "python3"
    path.write_text(f'#!/bin/bash\nexec {sys.executable} {REPOSITORY}/tests/faulty_rnnimp.py "$@"\n')
    path.chmod(0o755)
    monkeypatch.setenv("RNNIMP_FAULTS", str(tmp_path / "faults"))
    return path


def submit(command: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The ids of the array job and the one after it."""
    capsys.readouterr()
    assert main(command) == 0
    first, *_, line = capsys.readouterr().err.splitlines()
    assert first.startswith("recipe published: ")
    match = re.match(r"submitted job (\d+): .* then job (\d+), which", line)
    assert match, line
    return match[1], match[2]


def test_a_training_survives_what_happens_on_a_cluster(
    cluster: SlurmCluster, data_list: Path, python: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix, faults = tmp_path / "cluster" / "chr22", tmp_path / "faults"
    for region, kind in ((KILLED, "kill"), (TOO_LARGE, "memory"), (ON_A_LOST_NODE, "pause")):
        (faults / str(region)).write_text(kind)
    broken = data_list.parent / f"chr22_{FAILING}.hap.gz"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-40])
    options = ["--regions-per-task", "1", "--python3-bin", str(python), "--memory-size", "1200MB"]
    command = training(data_list, prefix, "--slurm", *options)

    array, after = submit(command, capsys)
    cluster.wait(lambda: not (faults / str(ON_A_LOST_NODE)).exists(), "the region on the node to be lost", 150)
    place = cluster.run("squeue", "--noheader", f"--job={array}_{ON_A_LOST_NODE}", "--format=%N").strip()
    cluster.take_down(place)
    cluster.wait(lambda: cluster.is_over(array, after), "the array job", 150)
    cluster.bring_back(place)

    states = {region.number: region for region in read_status(prefix)}
    left = {number: region.state for number, region in states.items() if region.state is not State.FINISHED}
    assert left == {FAILING: State.FAILED, KILLED: State.LOST, TOO_LARGE: State.LOST}
    assert "truncated" in states[FAILING].note
    assert states[FAILING].log == str(prefix.parent / f"chr22_regions/logs/slurm-{array}_{FAILING}.log")
    assert f"job {array}_{TOO_LARGE} is gone" in states[TOO_LARGE].note
    assert "exceeded memory limit" in Path(str(states[TOO_LARGE].log)).read_text()
    assert cluster.job_states(f"{array}_{ON_A_LOST_NODE}") == ["COMPLETED"], "it was queued again by itself"
    assert cluster.job_states(after) == ["CANCELLED"], "it does not wait for what will not come"
    assert main(["status", str(prefix)]) == 1
    assert main(["bundle", str(prefix)]) == 1

    broken.write_bytes(whole)
    array, after = submit(command, capsys)
    assert len(cluster.job_states(array)) in (1, 3)  # one while it is whole in the queue
    cluster.wait(lambda: cluster.is_over(array, after), "the second array job", 150)
    assert cluster.job_states(after) == ["COMPLETED"]
    logs = sorted(path.name for path in (prefix.parent / "chr22_regions/logs").glob(f"slurm-{array}_*.log"))
    assert logs == [f"slurm-{array}_{task}.log" for task in (1, 2, 3)], "only what was unfinished"
    assert main(["status", str(prefix)]) == 0

    alone = tmp_path / "alone" / "chr22"
    assert main(training(data_list, alone)) == 0
    expected = trained_files(alone)
    found = {name: content for name, content in trained_files(prefix).items() if "/logs/" not in name}
    assert found == expected
    assert main(command) == 0
    assert "finished: all 7 regions; " in capsys.readouterr().err


def test_slices_options_and_gpus_reach_slurm(
    cluster: SlurmCluster, data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Held in the queue, looked at, and cancelled."""
    options = ["--slurm", "--time", "02:00:00", "--partition", "main", "--account", "biobank", "--max-running", "2"]
    options += ["--gpus-per-task", "1", "--regions-per-task", "3", "--sbatch", "hold", "--sbatch=--comment=two words"]
    options += ["--job-name-prefix", "my job", "--memory-size", "2GB", "--num-threads", "2", "--device", "cpu"]
    array, after = submit(train_arguments(data_list, tmp_path / "out/chr22", *options), capsys)
    told = cluster.run("scontrol", "show", "job", array)
    for text in ("ArrayTaskId=1-3%2", "JobName=my job", "TimeLimit=02:00:00", "Partition=main", "Account=biobank"):
        assert text in told
    for text in ("CPUs/Task=2", "MinMemoryNode=2G", "Comment=two words", "Requeue=1", "TresPerTask=gres:gpu:1"):
        assert text in told
    assert f"Dependency=afterok:{array}" in cluster.run("scontrol", "show", "job", after)
    cluster.run("scancel", array, after)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--partition", "nosuch"], 2, "--partition nosuch is not there; this Slurm has main, short"),
        (["--time", "2-00"], 2, "--time 2-00 is more than partition main gives, 1440 minutes"),
        (["--time", "soon"], 2, "--time expects minutes, HOURS:MINUTES:SECONDS or DAYS-HOURS:MINUTES, found 'soon'"),
        (["--time", "1", "--batch-size", "500", "--max-iteration-count", "20000"], 2, "is shorter than one region"),
        (
            ["--partition", "short", "--batch-size", "500", "--max-iteration-count", "20000"],
            2,
            "shorter than one region",
        ),
        (["--max-running", "0"], 2, "--max-running must be 1 or more, found 0"),
        (["--gpus-per-task", "-1"], 2, "--gpus-per-task must be 0 or more, found -1"),
        (["--regions-per-task", "0"], 2, "--regions-per-task must be 1 or more, found 0"),
        (["--sbatch", "a\nb"], 2, "options for Slurm are one line each"),
        (["--task", "1/2"], 2, "--slurm assigns the regions to tasks itself"),
        (["--num-units", "0"], 2, "--num-units must be 1 or more, found 0"),
        (["--regions", "8"], 2, "--regions names region 8, but the list has 7"),
        (["--memory-size", "20GB"], 1, "Slurm refused the job: sbatch: error: Memory specification can not be"),
    ],
)
def test_what_cannot_run_is_one_line_before_it_is_submitted(
    cluster: SlurmCluster,
    data_list: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str,
) -> None:
    before = cluster.run("squeue", "--noheader")
    assert main(training(data_list, tmp_path / "out/chr22", "--slurm", *options)) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert cluster.run("squeue", "--noheader") == before


def test_a_folder_that_other_nodes_do_not_see(
    cluster: SlurmCluster,
    data_list: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("rnnimp.cluster.slurm.socket.gethostname", lambda: "login1")
    assert main(training(data_list, tmp_path / "out/chr22", "--slurm")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"out/chr22_regions/logs is on a file system of this machine alone \(\w+\), which node \w+", line)
    assert line.endswith("; give a folder that they share, or --assume-shared if they do share this one")
    array, after = submit(
        training(data_list, tmp_path / "out/chr22", "--slurm", "--assume-shared", "--memory-size", "1GB"), capsys
    )
    cluster.run("scancel", array, after)
