"""`rnnimp bundle`: check that a training is complete, and write its manifest."""

from __future__ import annotations

import argparse
from typing import Any

from rnnimp.errors import SettingsError


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "bundle",
        help="check that all regions are trained, and write the model's manifest",
        description="Check that every region of a training is there, complete and of the same recipe as the others, "
        "and write the manifest of the model. To be run after the tasks of an array job.",
    )
    parser.add_argument("prefix", metavar="PREFIX", help="the --output-prefix of 'rnnimp train'")
    parser.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long files of other machines may take to appear (default: %(default)g)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.pipeline.train.bundle import bundle

    if not args.wait >= 0:
        raise SettingsError(f"--wait must be 0 or more, found {args.wait:g}")
    bundle(args.prefix, args.wait)
