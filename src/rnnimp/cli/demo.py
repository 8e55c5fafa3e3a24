"""`rnnimp demo`: the packaged example, imputed and evaluated."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "demo",
        help="impute the packaged example and evaluate it",
        description="Impute the packaged example, 50 simulated people on an array, with the packaged model, and "
        "compare the result with the truth. Needs no other file, and no torch.",
    )
    parser.add_argument(
        "--output-dir", default="demo_results", metavar="DIR", help="folder for the results (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the demo, print its table, and say where the results are."""
    from rnnimp.pipeline.demo import demo
    from rnnimp.pipeline.evaluate import bins_table

    result = demo(args.output_dir)
    sys.stdout.write(
        "\nAccuracy of the imputed sites by minor allele frequency (%), against the truth:\n\n"
        f"{bins_table(result.evaluation.bins)}\n"
        f"imputed genotypes:    {result.vcf}\n"
        f"this table:           {result.bins}\n"
        f"accuracy of each site: {result.sites}\n"
    )
