"""How much is shown and where: --quiet, --verbose, --log-file, colours."""

from __future__ import annotations

import argparse
import io
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from rnnimp import cli
from rnnimp.cli.colours import highlighted
from rnnimp.cli.general_options import PROGRESS_LOGGER
from rnnimp.errors import DataError

logger = logging.getLogger("rnnimp.pipeline.example")


def say_everything() -> None:
    logger.debug("a detail")
    logger.info("a message")
    logger.warning("a warning")
    logging.getLogger("numba").debug("a detail of a library")
    logging.getLogger("rnnimp.test").info(f"bars: {logging.getLogger(PROGRESS_LOGGER).isEnabledFor(logging.INFO)}")


def fail() -> None:
    say_everything()
    raise DataError("is wrong", "x.hap")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run `rnnimp`, whose command `do` logs something of every kind, and `fail` fails then; exit code and log."""

    class Command:
        @staticmethod
        def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
            subparsers.add_parser("do").set_defaults(run=lambda args: say_everything())
            subparsers.add_parser("fail").set_defaults(run=lambda args: fail())

    monkeypatch.setattr(cli, "_COMMANDS", (Command,))

    def run(*arguments: str) -> tuple[int, str]:
        code = cli.main(arguments)
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("place", ["before", "after"])
def test_quiet_shows_warnings_and_errors_only(run: Callable[..., tuple[int, str]], place: str) -> None:
    def words(option: str, command: str) -> list[str]:
        return [option, command] if place == "before" else [command, option]

    assert run("do") == (0, "a message\na warning\nbars: True\n")
    assert run(*words("--quiet", "do")) == (0, "a warning\n")
    assert run(*words("-q", "fail")) == (1, "a warning\nrnnimp: error: x.hap: is wrong\n")
    assert run("do") == (0, "a message\na warning\nbars: True\n"), "one run leaves nothing behind for the next"


def test_quiet_switches_bars_off(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    run("do", "--quiet", "--log-file", str(tmp_path / "log"))
    assert "bars: False" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("arguments", [["-v", "fail"], ["fail", "--verbose"], ["--quiet", "fail", "--verbose"]])
def test_verbose_shows_details_and_where_an_error_occurred(
    run: Callable[..., tuple[int, str]], arguments: list[str]
) -> None:
    code, log = run(*arguments)
    assert code == 1
    assert f"command: rnnimp {' '.join(arguments)}\n" in log
    assert "a detail\n" in log
    assert "Traceback" in log
    assert "in fail\n" in log
    assert log.endswith("\nrnnimp: error: x.hap: is wrong\n")
    assert "library" not in log


def test_a_log_file_gets_everything_with_times(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    path = tmp_path / "logs" / "rnnimp.log"
    assert run("--log-file", str(path), "fail")[0] == 1
    first = path.read_text()
    for text in ("DEBUG command: rnnimp --log-file", "DEBUG a detail", "INFO a message", "WARNING a warning"):
        assert text in first
    assert first.splitlines()[-1].endswith(" ERROR rnnimp: error: x.hap: is wrong")
    assert all(line[:4].isdigit() for line in first.splitlines() if " INFO " in line)
    assert run("do", "--quiet", f"--log-file={path}") == (0, "a warning\n")
    assert path.read_text().startswith(first), "a log file is appended to"
    assert path.read_text().count(" INFO a message\n") == 2
    assert run("do")[0] == 0
    assert path.read_text().count(" INFO a message\n") == 2


def test_a_log_file_that_cannot_be_written_is_one_line(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    assert run("do", "--log-file", str(tmp_path)) == (
        2,
        f"rnnimp: error: --log-file {tmp_path}: cannot be written (Is a directory)\n",
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "no_color", "term", "is_coloured"),
    [
        (Terminal(), None, "xterm", True),
        (Terminal(), "", "xterm", True),  # as https://no-color.org says: not an empty value
        (Terminal(), "1", "xterm", False),
        (Terminal(), None, "dumb", False),
        (io.StringIO(), None, "xterm", False),
    ],
)
def test_colours(
    stream: io.StringIO, no_color: str | None, term: str, is_coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    plain = "rnnimp: error: x\n"
    expected = "\033[1;31mrnnimp: error: x\033[0m\n" if is_coloured else plain
    assert highlighted(plain, "error", stream) == expected


def test_warnings_are_coloured_on_a_terminal_only(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    run("fail")
    assert "a message\n\033[33ma warning\033[0m\n" in terminal.getvalue()
    assert terminal.getvalue().endswith("\033[1;31mrnnimp: error: x.hap: is wrong\033[0m\n")
