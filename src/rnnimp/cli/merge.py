"""`rnnimp merge`: join imputed parts of a cohort or of a chromosome."""

from __future__ import annotations

import argparse
from typing import Any

from rnnimp.choices import MERGED_ENDINGS, VCF_ENDINGS


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "merge",
        help="join imputed files of several sample batches or regions",
        usage="%(prog)s FILE... --output FILE [options]",
        description="Join VCFs and BCFs that 'rnnimp impute' wrote with the same model. Files with the same samples "
        "are joined one after the other, files with the same sites side by side. R2 of all samples comes from "
        "exact sums: 'rnnimp impute' writes them to PREFIX.sums.tsv.gz. Keep that file beside each input.",
        epilog="Example:\n  rnnimp merge batch1.vcf.gz batch2.vcf.gz --output all.vcf.gz",
    )
    files = parser.add_argument_group("files")
    files.add_argument("inputs", nargs="+", metavar="FILE", help=f"files to join: {' / '.join(VCF_ENDINGS)}")
    files.add_argument(
        "--output",
        "--output-prefix",
        required=True,
        metavar="FILE",
        help=f"file to write: {' / '.join(MERGED_ENDINGS)}",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.pipeline.merge.run import MergeSettings, run_merge

    run_merge(MergeSettings(tuple(args.inputs), args.output))
