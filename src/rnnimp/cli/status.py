"""`rnnimp status`: the progress of a training run, region by region."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from rnnimp.cli.option_types import MOST_SECONDS, real
from rnnimp.errors import SettingsError


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "status",
        help="show the progress of a training run, region by region",
        usage="%(prog)s PREFIX... [options]",
        description="Show for each region of a training whether it is waiting, running, finished, failed or lost (its "
        "process has ended without a result). It only reads files, so it also works for trainings on a cluster.\n\n"
        "Exit code: 0 if all regions are finished, 1 if any failed or was lost, 3 if some are waiting or running.",
        epilog="Examples:\n  rnnimp status results/chr22\n  rnnimp status results/chr22 --watch",
    )
    what = parser.add_argument_group("what to show")
    what.add_argument("prefix", metavar="PREFIX", nargs="+", help="the --output of 'rnnimp train', one or several")
    what.add_argument(
        "--watch",
        action="store_true",
        help="repeat until all regions have ended; show only those that run, failed or are lost",
    )
    what.add_argument(
        "--interval",
        type=real(MOST_SECONDS),
        default=10.0,
        metavar="SECONDS",
        help="time between two looks of --watch (default: %(default)g)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the stage."""
    from rnnimp.pipeline.train.status import is_settled, status_code

    if not args.interval > 0:
        raise SettingsError(f"--interval must be above 0, found {args.interval:g}")
    while True:
        states = _show(args.prefix, args.watch)
        if not args.watch or is_settled(states):
            return status_code(states)
        time.sleep(args.interval)


def _show(prefixes: list[str], only_busy: bool) -> list[Any]:
    """Print a table for each prefix; the states of all."""
    from rnnimp.pipeline.train.status import counts_line, read_status, table

    lines, together = [], []
    for prefix in prefixes:
        states = read_status(prefix)
        together += states
        rows = table(states, only_busy)
        lines += [prefix] if len(prefixes) > 1 else []
        lines += [*rows, counts_line(states)]
    if len(prefixes) > 1:
        lines.append(f"all: {counts_line(together)}")
    clear = "\033[H\033[J" if only_busy and sys.stdout.isatty() else ""
    print(clear + "\n".join(lines), flush=True)
    return together
