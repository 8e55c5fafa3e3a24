"""The command `rnnimp`: one module a subcommand, and the one place where errors become exit codes.

A subcommand's module has `add_parser(subparsers)`, which sets `run=<function of the parsed arguments>`. Modules
import what they run only when they run it, so that `rnnimp --help` is immediate and imputing never loads torch.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from rnnimp import __version__
from rnnimp.cli import demo, evaluate, impute, prepare, split, train
from rnnimp.errors import RnnimpError

_COMMANDS = (prepare, split, train, impute, evaluate, demo)
EXIT_INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="rnnimp", description="Genotype imputation by recurrent neural networks, without the reference panel."
    )
    parser.add_argument("--version", action="version", version=f"rnnimp {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name; those of the process if None.

    Returns:
        The exit code: 0, 1 for bad data or a failure, 2 for bad arguments, 130 when interrupted.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s", force=True)
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
    except RnnimpError as error:
        print(f"rnnimp: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("rnnimp: interrupted; no unfinished file was left", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


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
