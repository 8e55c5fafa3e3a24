"""`rnnimp merge`: join imputed parts of a cohort or of a chromosome."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "merge",
        help="join imputed VCFs and BCFs over samples or regions",
        description="Join VCFs and BCFs that rnnimp impute wrote with one model: files with the same samples one after "
        "the other, files with the same sites side by side. R2 and INFO of all samples come from the exact sums in "
        "PREFIX.sums.tsv.gz, which must lie beside each file.",
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="FILE", help=".vcf, .vcf.gz or .bcf files that rnnimp impute wrote"
    )
    parser.add_argument("--output", required=True, metavar="FILE", help=".vcf or .vcf.gz to write")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.pipeline.merge.run import MergeSettings, run_merge

    run_merge(MergeSettings(tuple(args.inputs), args.output))
