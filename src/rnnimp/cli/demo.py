"""`rnnimp demo`: the packaged example, imputed and evaluated."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rnnimp.choices import DEMO_FORMAT, OUTPUT_FORMATS
from rnnimp.errors import SettingsError


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "demo",
        help="impute the packaged example and compare it with the truth",
        usage="%(prog)s [--vcf FILE [--truth FILE]] [options]",
        description="Impute the packaged example, 50 simulated people on an array, with the packaged model, and "
        "compare the result with the truth. It needs no other file and no PyTorch.\n\n"
        "With --vcf, impute your own data at 22:50.25-51.24 Mb (build 37) instead. The model for that is packaged too; "
        "it was trained on the 1000 Genomes Project.",
        epilog="Examples:\n  rnnimp demo\n  rnnimp demo --vcf phased.vcf.gz --output my_results",
    )
    data = parser.add_argument_group("your own data")
    data.add_argument("--vcf", metavar="FILE", help="phased VCF or BCF to impute (default: the packaged example)")
    data.add_argument(
        "--truth", metavar="FILE", help="VCF or BCF of the same people at all sites, to compare with (default: none)"
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output",
        "--output-dir",
        dest="output_dir",
        default="demo_results",
        metavar="DIR",
        help="folder for the results (default: %(default)s)",
    )
    output.add_argument(
        "--output-format",
        choices=OUTPUT_FORMATS,
        help=f"format of the imputed genotypes of --vcf (default: {DEMO_FORMAT})",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the demo, print its table, and name the files of the results."""
    from rnnimp.pipeline.demo import demo, impute_real
    from rnnimp.pipeline.evaluate.tables import bins_table

    if args.truth is not None and args.vcf is None:
        raise SettingsError("--truth needs --vcf; the packaged example has its own truth")
    if args.output_format is not None and args.vcf is None:
        raise SettingsError("--output-format needs --vcf; the packaged example is written as VCF")
    chosen = args.output_format or DEMO_FORMAT
    result = demo(args.output_dir) if args.vcf is None else impute_real(args.vcf, args.output_dir, args.truth, chosen)
    if result.evaluation is None:
        sys.stdout.write(f"imputed genotypes: {result.vcf}\n")
        return
    sys.stdout.write(
        "\nAccuracy of the imputed sites by minor allele frequency (%), against the truth:\n\n"
        f"{bins_table(result.evaluation.bins)}\n"
        f"imputed genotypes:    {result.vcf}\n"
        f"this table:           {result.bins}\n"
        f"accuracy of each site: {result.sites}\n"
    )
