"""Failures while imputing: one line, an exit code, and no file under its final name."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from helpers import REPOSITORY
from impute_cases import output_names, write_target
from tiny_model import tiny_chromosome, write_tiny_bundle

N_REGIONS = 9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A target `t` of 300 samples, and a model `m` of 9 regions."""
    panel, regions = tiny_chromosome(np.random.default_rng(3), N_REGIONS, n_samples=300)
    write_tiny_bundle(tmp_path / "m", regions)
    write_target(tmp_path / "t", panel[panel.sites.markers()])
    (tmp_path / "out").mkdir()
    return tmp_path


def command(folder: Path, output: str | Path, *more: str) -> list[str]:
    target = ["--hap", str(folder / "t.hap.gz"), "--legend", str(folder / "t.legend.gz"), "--chromosome", "22"]
    prefixes = ["--model-prefix", str(folder / "m"), "--output-prefix", str(output)]
    return [sys.executable, "-m", "rnnimp", "impute", *target, *prefixes, *more]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}


def run(arguments: list[str], limit_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own, where files may not grow beyond a limit, as on a full disk."""

    def limit() -> None:
        if limit_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return subprocess.run(arguments, capture_output=True, text=True, env=ENVIRONMENT, check=False, preexec_fn=limit)


def only_error(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if "error:" in line]
    return line


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("ending", ["vcf.gz", "bcf", "gen"])
def test_a_corrupt_model_in_region_7_of_9(folder: Path, threads: str, ending: str) -> None:
    (folder / "m_7.onnx").write_bytes((folder / "m_7.onnx").read_bytes()[:200])
    line = only_error(run(command(folder, folder / "out" / f"x.{ending}", "--threads", threads)))
    assert f"{folder}/m_7.onnx: the model is refused: it is no ONNX file" in line
    assert not output_names(folder)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["vcf", "vcf.gz", "bcf", "gen"])
def test_a_full_disk(folder: Path, ending: str) -> None:
    line = only_error(run(command(folder, folder / "out" / f"x.{ending}"), limit_bytes=20_000))
    assert "cannot be written" in line and "free space" in line
    assert not output_names(folder)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device(folder: Path) -> None:
    (folder / "out" / "x.vcf.gz").symlink_to("/dev/full")
    line = only_error(run(command(folder, folder / "out" / "x.vcf.gz")))
    assert "x.vcf.gz: cannot be written (No space left on device)" in line
    assert output_names(folder) == {"x.vcf.gz"}


def test_a_closed_pipe(folder: Path) -> None:
    pipe = folder / "out" / "x.vcf"
    os.mkfifo(pipe)
    process = subprocess.Popen(command(folder, pipe), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    with pipe.open("rb") as reader:
        assert reader.read(1) == b"#"
    _, errors = process.communicate(timeout=120)
    result = subprocess.CompletedProcess([], process.returncode, "", errors)
    assert "x.vcf: cannot be written (Broken pipe)" in only_error(result)
    assert output_names(folder) == {"x.vcf"}


@pytest.mark.slow
def test_a_pipe_takes_the_whole_file(folder: Path) -> None:
    assert run(command(folder, folder / "y.vcf.gz")).returncode == 0
    pipe = folder / "out" / "x.vcf.gz"
    os.mkfifo(pipe)
    process = subprocess.Popen(command(folder, pipe), stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    content = pipe.read_bytes()
    assert process.wait(timeout=120) == 0
    assert len(content) > 10_000 and content[-28:] == (folder / "y.vcf.gz").read_bytes()[-28:]
    assert output_names(folder) == {"x.vcf.gz", "x.sums.tsv.gz", "x.info.tsv.gz"}


@pytest.mark.parametrize("name", ["t.hap.gz", "t.legend.gz"])
def test_a_truncated_target(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    line = only_error(run(command(folder, folder / "out" / "x.vcf.gz")))
    assert f"{folder}/{name}: the bgzip data have no end mark, so they are truncated" in line
    assert not output_names(folder)


def test_a_truncated_legend_of_the_model(folder: Path) -> None:
    content = (folder / "m_5.legend.gz").read_bytes()
    (folder / "m_5.legend.gz").write_bytes(content[: len(content) // 2])
    line = only_error(run(command(folder, folder / "out" / "x.vcf.gz")))
    assert "m_5.legend.gz: the bgzip data have no end mark, so they are truncated" in line
    assert not output_names(folder)


def heed_interrupts() -> None:
    """A shell's background jobs ignore SIGINT, and pass that on to what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.parametrize("name", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_leaves_nothing_under_the_final_names(folder: Path, name: signal.Signals) -> None:
    """The output is a pipe that is never read, so that the command is still running when the signal arrives."""
    pipe = folder / "out" / "x.gen"
    older = folder / "out" / "x.sample"
    os.mkfifo(pipe)
    older.write_text("older\n")
    process = subprocess.Popen(
        command(folder, folder / "out" / "x.gen"),
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        preexec_fn=heed_interrupts,
    )
    with pipe.open("rb") as reader:
        assert reader.read(1) == b"-"
        time.sleep(0.2)
        process.send_signal(name)
        assert process.wait(timeout=120) in (-signal.SIGKILL, 143, 130)
    assert older.read_text() == "older\n"
    visible = {path for path in output_names(folder) if not path.startswith(".")}
    assert visible == {"x.gen", "x.sample"}


def test_kill_9_while_region_files_are_written(folder: Path) -> None:
    process = subprocess.Popen(command(folder, folder / "out" / "x.bcf"), stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    deadline = time.time() + 120
    while not output_names(folder) and process.poll() is None and time.time() < deadline:
        time.sleep(0.002)
    process.kill()
    process.wait()
    # either it was caught at its work, or it was too quick, and then everything is there
    visible = {path for path in output_names(folder) if not path.startswith(".")}
    assert visible in (set(), {"x.bcf", "x.bcf.csi", "x.sums.tsv.gz", "x.info.tsv.gz"})
    assert process.returncode == 0 or not visible
