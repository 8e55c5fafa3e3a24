"""`rnnimp bundle`: check that a training is complete, and write the model's manifest."""

from __future__ import annotations

import argparse
from typing import Any

from rnnimp.cli.option_types import MOST_SECONDS, real
from rnnimp.errors import SettingsError


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "bundle",
        help="check model files after an array job; write the manifest",
        usage="%(prog)s PREFIX [options]",
        description="Check that every region of a training has complete model files of the same recipe, and write the "
        "model's manifest. Run it after the tasks of an array job. 'rnnimp train' writes a manifest too, but of the "
        "regions finished so far. This command stops with an error if a region is missing.",
        epilog="Example:\n  rnnimp bundle results/chr22",
    )
    training = parser.add_argument_group("training")
    training.add_argument("prefix", metavar="PREFIX", help="the --output of 'rnnimp train'")
    training.add_argument(
        "--wait",
        type=real(MOST_SECONDS),
        default=0.0,
        metavar="SECONDS",
        help="wait so long for files of other machines to appear (default: %(default)g)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.pipeline.train.bundle import bundle

    if not args.wait >= 0:
        raise SettingsError(f"--wait must be 0 or more, found {args.wait:g}")
    bundle(args.prefix, args.wait)
