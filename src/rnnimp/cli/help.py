"""`rnnimp help`: the help of the program or of a command."""

from __future__ import annotations

import argparse
from typing import Any

from rnnimp.cli.parser import unknown_command
from rnnimp.cli.suggestions import did_you_mean
from rnnimp.errors import SettingsError


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "help",
        help="show the help of a command",
        usage="%(prog)s [COMMAND]",
        description="Show the help of a command, as 'rnnimp COMMAND --help' does, or the list of commands.",
        epilog="Example:\n  rnnimp help impute",
    )
    what = parser.add_argument_group("what to show")
    what.add_argument("topic", metavar="COMMAND", nargs="?", help="a command (default: the list of all commands)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the help."""
    from rnnimp.cli import build_parser, command_parsers

    program = build_parser()
    commands = command_parsers(program)
    if args.topic is None:
        program.print_help()
    elif args.topic in commands:
        commands[args.topic].print_help()
    else:
        raise SettingsError(unknown_command(args.topic, did_you_mean(args.topic, commands)))
