"""Batch scripts for Slurm: file names, time limits, shared folders. With a real Slurm: pipeline/train/test_slurm.py."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from rnnimp.cluster.estimate import NetworkShape, hmm_seconds, region_seconds
from rnnimp.cluster.shared_folder import local_file_system
from rnnimp.cluster.slurm import SlurmSettings, array_script, command_line, parse_time
from rnnimp.errors import SettingsError
from rnnimp.pipeline.train.slurm import expected_iterations
from rnnimp.training.recipe import TrainingSettings


def options_of(script: str) -> dict[str, str]:
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH ")]
    words = [shlex.split(line.removeprefix("#SBATCH ")) for line in lines]
    parts = [option.partition("=") for (option,) in words]
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("name", ["plain", "two words", 'a "b" c', "it's", "back\\slash here", "#hash"])
def test_names_of_any_kind_reach_slurm_as_one_word(tmp_path: Path, name: str) -> None:
    settings = SlurmSettings(name, account=name, extra=(f"comment={name}", "--exclusive"))
    values = options_of(array_script("1-3", ["a b"], tmp_path / "plan.json", tmp_path / name, settings))
    assert values["--output"] == f"{tmp_path / name}/slurm-%A_%a.log"
    assert (values["--job-name"], values["--account"], values["--comment"]) == (name, name, name)
    assert (values["--array"], values["--exclusive"]) == ("1-3", "")


def test_a_percent_sign_is_no_pattern_of_slurm(tmp_path: Path) -> None:
    script = array_script("1", [], tmp_path / "plan.json", tmp_path / "5%a", SlurmSettings("x"))
    assert f"#SBATCH --output={tmp_path}/5%%a/slurm-%A_%a.log\n" in script


@pytest.mark.parametrize("is_there", [True, False])
def test_a_task_whose_node_does_not_see_the_folder_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    monkeypatch.setattr("rnnimp.cluster.slurm.SECONDS_FOR_LATE_FILES", 0)
    marker = tmp_path / "it's here" / "plan.json"
    if is_there:
        marker.parent.mkdir()
        marker.write_text("")
    settings = SlurmSettings("x", python="/bin/echo")
    lines = [f"{command_line(['x y'], settings)} $SLURM_ARRAY_TASK_ID"]
    script = array_script("1-2", lines, marker, tmp_path, settings)
    done = subprocess.run(
        ["bash"],
        input=script,
        capture_output=True,
        text=True,
        env={"SLURM_ARRAY_TASK_ID": "2", "PATH": "/usr/bin:/bin"},
    )
    if is_there:
        assert (done.returncode, done.stdout) == (0, "-m rnnimp x y 2\n")
    else:
        line = f"rnnimp: error: {marker}: this node does not see it, so the folder is not shared\n"
        assert (done.returncode, done.stderr) == (1, line)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("90:30", 90.5),
        ("1:30:00", 90),
        ("2-0", 2880),
        ("1-12:30", 2190),
        ("1-00:00:30", 1440.5),
        ("infinite", None),
    ],
)
def test_times_as_slurm_writes_them(text: str, minutes: float | None) -> None:
    assert parse_time(text) == (None if minutes is None else minutes * 60)


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4", "-5", "1h", "1.5"])
def test_times_that_slurm_does_not_write(text: str) -> None:
    with pytest.raises(SettingsError, match="--time expects minutes"):
        parse_time(text)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me/results", None),
        ("/home", None),
        ("/homestead", "ext4"),
        ("/scratch/x", "xfs"),
        ("/scratch/shared space/x", None),
        ("/export/x", None),
        ("/mnt/s3/x", None),
        ("/twice/x", None),
    ],
)
def test_which_folders_are_this_machines_alone(tmp_path: Path, folder: str, kind: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n/dev/sdb1 /scratch xfs rw 0 0\n"
        "fs /scratch/shared\\040space lustre rw 0 0\n/dev/sdc1 /export ext4 rw 0 0\nbucket /mnt/s3 fuse.s3fs rw 0 0\n"
        "/dev/sdd1 /twice ext4 rw 0 0\nserver:/x /twice nfs rw 0 0\n"
    )
    exports = tmp_path / "etab"
    exports.write_text("/export\t10.0.0.0/8(rw,sync)\n")
    assert local_file_system(Path(folder), mounts, exports) == kind


def test_the_estimate_is_what_was_measured() -> None:
    """docs/benchmarks.md: chromosome 22, 225 regions of the published shape, 20,000 iterations."""
    shape = NetworkShape(3, 40, 4, 300, 1000, 500)
    hours = {
        where: 225 * region_seconds(shape, 20_000, engine, where == "gpu") / 3600
        for where, engine in (("cpu", "fused"), ("gpu", "fused"))
    }
    assert hours["cpu"] == pytest.approx(2060, rel=0.03)
    assert hours["gpu"] == pytest.approx(2.1, rel=0.2)
    assert (
        region_seconds(shape, 20_000, "fused", False, n_threads=2) < region_seconds(shape, 20_000, "fused", False) / 1.5
    )


def test_a_training_takes_some_twenty_thousand_iterations() -> None:
    assert 15_000 < expected_iterations(TrainingSettings()) < 25_000
    assert expected_iterations(TrainingSettings(max_iterations=30)) == 30


def test_a_copying_network_takes_time_of_its_own() -> None:
    shape = NetworkShape(3, 48, 4, 300, 1000, 500)
    one = hmm_seconds(shape, 1024, 1000, "fused", True)
    assert one == pytest.approx(2.6)  # docs/benchmarks.md
    assert hmm_seconds(shape, 512, 1000, "fused", True) == pytest.approx(one / 2)
    assert hmm_seconds(shape, 0, 1000, "fused", True) == 0
    assert hmm_seconds(shape, 512, 1000, "fused", False, n_threads=2) < hmm_seconds(shape, 512, 1000, "fused", False)
