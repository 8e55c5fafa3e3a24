"""`rnnimp status`: how the regions of a training stand."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from rnnimp.errors import SettingsError


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "status",
        help="tell how the regions of a training stand",
        description="Tell of each region of a training, here or on a cluster, whether it is waiting, running, "
        "finished, failed, or lost (its process is gone). It looks at files alone. Exit code: 0 if all are "
        "finished, 1 if any failed or was lost, 3 if none did but some wait or run.",
    )
    parser.add_argument("prefix", metavar="PREFIX", nargs="+", help="the --output-prefix of 'rnnimp train'")
    parser.add_argument(
        "--watch", action="store_true", help="show it again and again, busy and broken regions only, until none is left"
    )
    parser.add_argument(
        "--interval", type=float, default=10.0, metavar="SECONDS", help="between two looks (default: %(default)s)"
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
        lines += [*(rows if len(rows) > 1 else []), counts_line(states)]
    if len(prefixes) > 1:
        lines.append(f"all: {counts_line(together)}")
    clear = "\033[H\033[J" if only_busy and sys.stdout.isatty() else ""
    print(clear + "\n".join(lines), flush=True)
    return together
