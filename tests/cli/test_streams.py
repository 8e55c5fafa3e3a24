"""Standard streams that are closed, signals, and messages that quote what must not reach a terminal."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import REPOSITORY, error_line, program
from impute_cases import make_case
from rnnimp.cli import main
from rnnimp.cli.general_options import ConsoleFormatter
from rnnimp.wording import printable

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = command.replace("RNNIMP", f"{sys.executable} -m rnnimp")
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, env=ENVIRONMENT, check=False
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_file(closed: str, tmp_path: Path) -> None:
    make_case(tmp_path)
    command = "RNNIMP impute --hap t.hap.gz --legend t.legend.gz --chromosome 22 --model-prefix m --output"
    assert shell(f"{command} open/x.vcf", tmp_path).returncode == 0
    assert shell(f"{command} closed/x.vcf {closed}", tmp_path).returncode == 0
    expected, found = ((tmp_path / name / "x.vcf").read_text().splitlines() for name in ("open", "closed"))
    assert [line for line in found if line[:2] != "##"] == [line for line in expected if line[:2] != "##"]


IMPUTE = "RNNIMP impute --hap t.hap.gz --legend t.legend.gz --chromosome 22 --model-prefix m"


def without_header(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if not line.startswith(b"##")]


@pytest.mark.parametrize(("option", "unpack"), [("", ""), ("--output-format vcf.gz", "| gzip -dc")])
def test_standard_output_takes_a_vcf_and_nothing_else(option: str, unpack: str, tmp_path: Path) -> None:
    make_case(tmp_path)
    assert shell(f"{IMPUTE} --output o/x.vcf --empirical-r2", tmp_path).returncode == 0
    before = set(tmp_path.iterdir())
    result = shell(f"set -o pipefail; {IMPUTE} --output - --empirical-r2 {option} {unpack} > out; ls -A", tmp_path)
    assert result.returncode == 0, result.stderr
    assert set(tmp_path.iterdir()) == before | {tmp_path / "out"}
    assert without_header((tmp_path / "out").read_bytes()) == without_header((tmp_path / "o" / "x.vcf").read_bytes())
    assert "\nstandard output: " in result.stderr


def test_bcftools_reads_a_bcf_from_the_pipe(tmp_path: Path) -> None:
    bcftools = program("bcftools")
    make_case(tmp_path)
    assert shell(f"{IMPUTE} --output o/x.vcf", tmp_path).returncode == 0
    result = shell(f"{IMPUTE} --output - --output-format bcf | {bcftools} query -f '%POS %R2\\n'", tmp_path)
    expected = shell(f"{bcftools} query -f '%POS %R2\\n' o/x.vcf", tmp_path)
    assert result.stdout == expected.stdout != ""


def test_standard_output_that_is_closed_early_is_one_line(tmp_path: Path) -> None:
    make_case(tmp_path)
    result = shell(f"{{ {IMPUTE} --output -; echo $? >&2; }} | true", tmp_path)
    assert "standard output: cannot be written (Broken pipe)" in result.stderr
    assert result.stderr.splitlines()[-1] == "1"
    assert "Traceback" not in result.stderr


def test_a_refused_target_leaves_standard_output_empty(tmp_path: Path) -> None:
    make_case(tmp_path)
    (tmp_path / "m_2.onnx").unlink()
    result = shell(f"{IMPUTE} --output -", tmp_path)
    assert (result.returncode, result.stdout) == (1, "")


@pytest.mark.parametrize("name", ["gen", "bgen", "pgen"])
def test_standard_output_takes_no_other_format(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["impute", "--vcf", "t.vcf", "--model-prefix", "m", "--output", "-", "--output-format", name]) == 2
    assert f"--output - takes --output-format vcf or vcf.gz or bcf, found {name}" in error_line(capsys)


def test_a_closed_standard_input_is_empty(tmp_path: Path) -> None:
    make_case(tmp_path)
    result = shell("RNNIMP impute --vcf - --model-prefix m --output o/x.vcf <&-", tmp_path)
    assert result.returncode == 1
    assert len([line for line in result.stderr.splitlines() if "error:" in line]) == 1
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143)])
def test_signals_leave_nothing(number: signal.Signals, code: int, tmp_path: Path) -> None:
    make_case(tmp_path)
    os.mkfifo(tmp_path / "slow.vcf")  # the command waits for its input
    command = [sys.executable, "-m", "rnnimp", "impute", "--vcf", "slow.vcf", "--model-prefix", "m", "--output", "o/x"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    with (tmp_path / "slow.vcf").open("w"):  # returns once the command has opened the other end
        time.sleep(0.2)
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
    assert process.returncode == code
    assert "no unfinished file was left" in error
    assert not list(tmp_path.rglob("*.part"))


def test_what_a_killed_run_left_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_case(tmp_path)
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / ".x.vcf.abc.part").write_text("half")
    target = ["--hap", str(tmp_path / "t.hap.gz"), "--legend", str(tmp_path / "t.legend.gz"), "--chromosome", "22"]
    model = ["--model-prefix", str(tmp_path / "m"), "--output", str(tmp_path / "o" / "x.vcf")]
    assert main(["impute", *target, *model]) == 0
    assert ".x.vcf.abc.part" in capsys.readouterr().err


def test_messages_are_one_line_without_control_characters() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "a %s", ("b\n\x1b[31mc\x7f\udcfc",), None)
    assert ConsoleFormatter().format(record) == "a b\\n\\x1b[31mc\\x7f\\udcfc"
    assert printable("Zo\xeb \u4e2d") == "Zo\xeb \u4e2d"


def test_a_log_file_is_no_other_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cohort.vcf").write_text("##fileformat=VCFv4.2\n")
    assert main(["status", str(tmp_path / "x"), "--log-file", str(tmp_path / "cohort.vcf")]) == 2
    assert "--log-file" in error_line(capsys)
    assert (tmp_path / "cohort.vcf").read_text() == "##fileformat=VCFv4.2\n"
    for _ in range(2):  # a log may grow
        assert main(["status", str(tmp_path / "x"), "--log-file", str(tmp_path / "log")]) == 1
    assert (tmp_path / "log").read_text().count("\n") >= 2


def test_a_defect_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object) -> None:
        raise TypeError("two\nlines")

    monkeypatch.setattr("rnnimp.cli.status.run", broken)
    assert main(["status", "x"]) == 1
    assert "internal error (TypeError: two\\nlines)" in error_line(capsys)
