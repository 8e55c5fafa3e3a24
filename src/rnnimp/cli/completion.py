"""`rnnimp completion`: a script with which a shell completes commands, options and file names."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rnnimp.errors import SettingsError

SHELLS = ("bash", "zsh", "tcsh")
_FILES = ("FILE", "PREFIX", "BED", "CSV", "LEGEND", "PATH")


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "completion",
        help="print a script for completion with the Tab key",
        usage="%(prog)s SHELL",
        description="Print a script that lets your shell complete commands, options, choices and file names with the "
        "Tab key. It needs the extra 'completion': pip install 'rnnimp[completion]'. Run it again after an update of "
        "rnnimp.",
        epilog="Examples:\n"
        "  # bash, with the package bash-completion installed; then open a new shell\n"
        "  rnnimp completion bash > ~/.local/share/bash-completion/completions/rnnimp\n\n"
        "  # zsh, into a folder of $fpath; then open a new shell\n"
        "  rnnimp completion zsh > ~/.zfunc/_rnnimp",
    )
    shell = parser.add_argument_group("shell")
    shell.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the script."""
    from rnnimp.cli import build_parser, command_parsers

    try:
        import shtab
    except ModuleNotFoundError as error:
        raise SettingsError("completion needs shtab; install it with: pip install 'rnnimp[completion]'") from error
    program = build_parser()
    for parser in command_parsers(program).values():
        for action in parser._actions:
            if action.metavar in _FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.metavar == "DIR":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(program, shell=args.shell))
