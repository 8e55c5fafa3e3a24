"""The command line: help, exit codes, and one line per error."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import error_line
from rnnimp import __version__, cli
from rnnimp.errors import DataError, RnnimpError, SettingsError, TrainingError

COMMANDS = tuple(cli.command_parsers(cli.build_parser()))


@pytest.fixture
def replace_command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int | None]], None]:
    """Put a function of one's own behind `rnnimp do`."""

    def install(function: Callable[[], int | None]) -> None:
        class Command:
            @staticmethod
            def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
                subparsers.add_parser("do").set_defaults(run=lambda args: function())

        monkeypatch.setattr(cli, "_COMMANDS", (Command,))

    return install


def raising(error: BaseException) -> Callable[[], None]:
    def function() -> None:
        raise error

    return function


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"rnnimp {__version__}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in COMMANDS:
        assert f"\n    {command} " in out, f"{command} has no line of help"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_described(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: rnnimp {command} ")
    parser = cli.command_parsers(cli.build_parser())[command]
    assert parser.description
    for action in parser._actions:
        assert action.help, f"{action.option_strings} has no help"
        if action.nargs != 0 and action.choices is None:
            assert action.metavar, f"{action.option_strings} has no metavar"


@pytest.mark.parametrize("arguments", [[], ["--unknown"], ["evaluate", "--unknown"], ["evaluate"]])
def test_bad_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    out, log = capsys.readouterr()
    assert out == ""
    assert log.startswith("usage: rnnimp")


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (RnnimpError("no"), "no", 1),
        (TrainingError("region 3 failed"), "region 3 failed", 1),
        (SettingsError("--x is wrong"), "--x is wrong", 2),
        (DataError("is wrong"), "is wrong", 1),
        (DataError("is wrong", "x.hap"), "x.hap: is wrong", 1),
        (DataError("is wrong", "x.hap", 7), "x.hap:7: is wrong", 1),
    ],
)
def test_known_errors_are_one_line(
    replace_command: Callable[[Callable[[], None]], None],
    capsys: pytest.CaptureFixture[str],
    error: RnnimpError,
    line: str,
    code: int,
) -> None:
    replace_command(raising(error))
    assert cli.main(["do"]) == code
    out, log = capsys.readouterr()
    assert (out, log) == ("", f"rnnimp: error: {line}\n")


def test_interruption_exits_with_130(
    replace_command: Callable[[Callable[[], None]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    replace_command(raising(KeyboardInterrupt()))
    assert cli.main(["do"]) == 130
    assert capsys.readouterr().err == "rnnimp: interrupted; no unfinished file was left\n"


def test_termination_clears_away_and_exits_with_143(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom rnnimp import cli\nfrom rnnimp.formats.files import atomic_output\n"
        "def dispatch(*_):\n    with atomic_output('x.gen') as file:\n        file.write(b'x')\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "cli._dispatch = dispatch\nsys.exit(cli.main([]))"
    )
    done = python("-c", code, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (143, "rnnimp: terminated; no unfinished file was left\n")
    assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_be_written_is_one_line() -> None:
    code = "import sys\nfrom rnnimp import cli\ncli._dispatch = lambda *_: print('text')\nsys.exit(cli.main([]))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
    assert done.returncode == 1
    assert done.stderr == "rnnimp: error: standard output: cannot be written (No space left on device)\n"


def test_a_missing_package_is_one_line(
    replace_command: Callable[[Callable[[], None]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    replace_command(raising(ModuleNotFoundError("No module named 'numpy'", name="numpy")))
    assert cli.main(["do"]) == 1
    log = capsys.readouterr().err
    assert log.startswith("rnnimp: error: this Python has no package 'numpy'; install it")
    assert log.count("\n") == 1


def test_defects_are_one_line_and_keep_their_traceback_with_verbose(
    replace_command: Callable[[Callable[[], None]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    replace_command(raising(ZeroDivisionError()))
    assert cli.main(["do"]) == 1
    assert "internal error (ZeroDivisionError" in error_line(capsys)
    assert cli.main(["--verbose", "do"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--output", "x" * 5000], ["--log-file", "x" * 5000]])
def test_a_path_that_the_system_refuses_is_named_in_one_line(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ["--vcf", str(tmp_path / "t.vcf"), "--model-prefix", str(tmp_path / "m")]
    (tmp_path / "t.vcf").write_text("")
    output = ["--output", str(tmp_path / "o.vcf")]
    assert cli.main(["impute", *target, *output, *options]) in (1, 2)
    line = error_line(capsys)
    assert "xxx" in line
    assert "internal error" not in line


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_a_command_may_return_its_exit_code(
    replace_command: Callable[[Callable[[], int | None]], None], returned: int | None, code: int
) -> None:
    replace_command(lambda: returned)
    assert cli.main(["do"]) == code


def python(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run this interpreter on the sources under test."""
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": ""},
        **settings,
    )


def test_starting_is_light() -> None:
    """`rnnimp --help` loads no numerical library: not torch, not ONNX, not even numpy."""
    code = "import sys, rnnimp.cli; rnnimp.cli.main(['--help']); print('LOADED', *sys.modules)"
    loaded = python("-c", code, check=True).stdout.split("LOADED ")[1].split()
    heavy = {"torch", "onnx", "onnxruntime", "cyvcf2", "numpy", "tqdm", "pyfaidx", "isal"}
    assert heavy.isdisjoint(loaded)
    assert "rnnimp.cli.evaluate" in loaded


def test_starting_is_quick() -> None:
    """`rnnimp --help` takes less than 0.3 s of a CPU."""

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python("-m", "rnnimp", "--help", check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.3


def test_the_module_runs_as_the_command_does() -> None:
    done = python("-m", "rnnimp", "--version")
    assert (done.returncode, done.stdout) == (0, f"rnnimp {__version__}\n")
    done = python("-m", "rnnimp", "evaluate", "--imputed", "x.txt", "--truth", "y.vcf")
    assert done.returncode == 2
    assert done.stderr.startswith("rnnimp: error: x.txt: expected a name that ends in ")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_stops_early_is_no_defect() -> None:
    """As in `rnnimp --help | head -0`."""
    code = "import sys, rnnimp.cli; sys.exit(rnnimp.cli.main(['--help']))"
    script = f'"$0" -c "{code}" | true; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["/bin/bash", "-c", script, sys.executable],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "/bin:/usr/bin"},
    )
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "1")
