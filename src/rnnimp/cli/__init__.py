"""The command `rnnimp`: one module a subcommand, and the one place where errors become exit codes.

A subcommand's module has `add_parser(subparsers)`, which sets `run=<function of the parsed arguments>`. Modules
import what they run only when they run it, so that `rnnimp --help` is immediate and imputing never loads torch.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rnnimp import __version__
from rnnimp.cli import bundle, demo, evaluate, impute, merge, prepare, split, status, train
from rnnimp.errors import RnnimpError

_COMMANDS = (prepare, split, train, status, bundle, impute, merge, evaluate, demo)
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """The process was asked to end, by SIGTERM; unfinished files go as when it is interrupted."""


class _CommandParser(argparse.ArgumentParser):
    """The parser of a subcommand: options in full only, and its own usage before every error."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As the base class, but unknown arguments are refused here already."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="rnnimp",
        description="Genotype imputation by recurrent neural networks, without the reference panel.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rnnimp {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_CommandParser)
    for command in _COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name; those of the process if None.

    Returns:
        The exit code: 0, 1 for bad data or a failure, 2 for bad arguments, 130 when interrupted, 143 when terminated.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s", force=True)
    try:
        with _terminable():
            code = _dispatch(argv)
        _flush_output()
    except RnnimpError as error:
        print(f"rnnimp: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as stop:
        is_terminated = isinstance(stop, Terminated)
        what = "terminated" if is_terminated else "interrupted"
        print(f"rnnimp: {what}; no unfinished file was left", file=sys.stderr)
        return EXIT_TERMINATED if is_terminated else EXIT_INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return 1
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "rnnimp"):
            raise
        print(
            f"rnnimp: error: this Python has no package '{package}'; install it, for instance with "
            f"'{sys.executable} -m pip install {package}'",
            file=sys.stderr,
        )
        return 1
    return code


@contextmanager
def _terminable() -> Iterator[None]:
    """Within, SIGTERM raises `Terminated`, so that what is unfinished is cleared away."""
    # only the main thread may set handlers; a caller of main() from another has its own way to end it
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    owner = os.getpid()

    def terminate(*_: object) -> None:
        if os.getpid() != owner:  # a forked worker, which has nothing to clear away
            os._exit(EXIT_TERMINATED)
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _flush_output() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output()
        raise RnnimpError(f"standard output: cannot be written ({error.strerror or error})") from error


def _drop_output() -> None:
    """Send what is left of the standard output nowhere: it would fail again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(argv: Sequence[str] | None) -> int:
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as stop:  # --help, --version and bad arguments
        return stop.code if isinstance(stop.code, int) else 2
    code: int | None = args.run(args)
    return code or 0


def run() -> None:
    """The entry point of the console script."""
    sys.exit(main())
