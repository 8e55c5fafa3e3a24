"""Imputing as an array job of a real Slurm: parts, a part that fails, the merge, compared with one process."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from impute_cases import records, run_impute
from slurm_cluster import SlurmCluster

pytestmark = pytest.mark.slurm


def submit(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[str, list[str]]:
    """The line that reports the jobs, and their ids."""
    capsys.readouterr()
    options = ["--slurm", "--memory-size", "2GB", "--python3-bin", sys.executable, "--num-tasks", "3"]
    assert run_impute(folder, "x.vcf.gz", *options, *more) == 0
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("submitted "), line
    return line, re.findall(r"job (\d+)", line)


def test_parts_are_imputed_again_where_they_failed_and_merged(
    cluster: SlurmCluster, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = folder / "m_4.onnx"
    whole_model = model.read_bytes()
    model.write_bytes(b"broken")
    line, (array, merge) = submit(folder, capsys)
    assert "3 of 3 parts to impute" in line
    cluster.wait(lambda: cluster.is_over(array, merge), "imputing", 120)
    assert cluster.job_states(f"{array}_3") == ["FAILED"]
    assert cluster.job_states(merge) == ["CANCELLED"]
    parts = folder / "out" / "x.vcf.gz.parts"
    assert sorted(path.name for path in parts.glob("*.vcf.gz")) == ["1.vcf.gz", "2.vcf.gz"]
    assert not (folder / "out" / "x.vcf.gz").exists()

    model.write_bytes(whole_model)
    line, (array, merge) = submit(folder, capsys)
    assert "1 of 3 parts to impute" in line
    cluster.wait(lambda: cluster.is_over(array, merge), "imputing", 120)
    assert cluster.job_states(merge) == ["COMPLETED"]
    assert run_impute(folder, "whole.vcf.gz") == 0
    assert records(folder / "out" / "x.vcf.gz") == records(folder / "out" / "whole.vcf.gz")

    capsys.readouterr()
    options = ["--slurm", "--num-tasks", "3", "--python3-bin", sys.executable]
    assert run_impute(folder, "x.vcf.gz", *options, "--min-r2", "0.5") == 1
    assert "parts of another command, target or model are there; delete the folder" in capsys.readouterr().err

    target = folder / "t.hap.gz"
    os.utime(target, (target.stat().st_atime, target.stat().st_mtime + 1))
    options += ["--memory-size", "2GB"]
    assert run_impute(folder, "x.vcf.gz", *options) == 1
    assert "parts of another command, target or model are there; delete the folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("x.gen", [], "--slurm merges VCFs, found x.gen; use --output-format vcf.gz or vcf"),
        ("x.bcf", [], "--slurm merges VCFs, found x.bcf"),
        ("x.vcf", ["--region", "22:1-5"], "--region does not go with --slurm"),
        ("x.vcf", ["--num-tasks", "1"], "--num-tasks must be 2 or more, found 1"),
        ("x.vcf", ["--partition", "nosuch"], "--partition nosuch is not there"),
    ],
)
def test_what_cannot_run_is_one_line_before_it_is_submitted(
    cluster: SlurmCluster,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    output: str,
    options: list[str],
    message: str,
) -> None:
    before = cluster.run("squeue", "--noheader")
    assert run_impute(folder, output, "--slurm", *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert cluster.run("squeue", "--noheader") == before
    assert not (folder / "out").exists()


def test_a_model_of_one_region_is_not_dealt_out(
    cluster: SlurmCluster, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (2, 3, 4):
        for ending in ("onnx", "legend.gz"):
            (folder / f"m_{number}.{ending}").unlink()
    capsys.readouterr()
    assert run_impute(folder, "x.vcf", "--slurm") == 2
    assert "--slurm needs two parts or more, found one" in capsys.readouterr().err
