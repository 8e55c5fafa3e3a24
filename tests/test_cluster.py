"""The batch script for Slurm: folders of any name. What the array job asks for is in the tests of `train --slurm`."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from rnnimp.cluster import SlurmSettings, job_script


@pytest.mark.parametrize("name", ["plain", "two words", 'a "b" c', "it's", "back\\slash here", "#hash"])
def test_names_of_any_kind_reach_slurm_as_one_word(tmp_path: Path, name: str) -> None:
    lines = job_script(["a b"], [1, 3], tmp_path / name, SlurmSettings(name)).splitlines()
    options = [shlex.split(line.removeprefix("#SBATCH ")) for line in lines if line.startswith("#SBATCH ")]
    assert all(len(words) == 1 for words in options)
    values = dict(words[0].split("=", 1) for words in options)
    assert values["--output"] == f"{tmp_path / name}/slurm-%A_%a.log"
    assert (values["--job-name"], values["--array"]) == (name, "1,3")


def test_a_percent_sign_is_no_pattern_of_slurm(tmp_path: Path) -> None:
    script = job_script([], [1], tmp_path / "5%a", SlurmSettings("x"))
    assert f"#SBATCH --output={tmp_path}/5%%a/slurm-%A_%a.log\n" in script
