"""`rnnimp report`: the results of other commands as one page."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "report",
        help="show results as a page with pictures and tables",
        usage="%(prog)s --output FILE.html [--imputed PREFIX]\n       [--accuracy PREFIX...] [--training PREFIX] "
        "[--audit FILE] [options]",
        description="Make one HTML page of what other commands left behind: the target and its checks, the estimated "
        "accuracy of an imputation, its accuracy against the truth, of one imputation or several side by side, the "
        "training of a model, and its audit. A section appears where its input is given. The page needs no network and "
        "no other file; it names people only if the inputs do. Needs the extra 'report': pip install rnnimp[report].",
        epilog="Example:\n"
        "  rnnimp report --imputed imputed/chr22 \\\n"
        "      --accuracy rnnimp=accuracy/rnnimp Beagle=accuracy/beagle \\\n"
        "      --output report.html",
    )
    what = parser.add_argument_group("what to show, at least one")
    what.add_argument(
        "--imputed",
        metavar="PREFIX",
        help="results of 'rnnimp impute' or 'rnnimp merge', by their --output: PREFIX.info.tsv.gz, PREFIX.checks.json "
        "and PREFIX.samples.tsv, as far as they exist",
    )
    what.add_argument(
        "--accuracy",
        metavar="PREFIX",
        nargs="+",
        default=[],
        help="results of 'rnnimp evaluate', by their --output; evaluate imputations that are to be compared in one "
        "command. LABEL=PREFIX names a result",
    )
    what.add_argument(
        "--training",
        metavar="PREFIX",
        help="a training, by the --output of 'rnnimp train', or the prefix of a model with its manifest",
    )
    what.add_argument("--audit", metavar="FILE", help="an audit, by the PREFIX.json of 'rnnimp audit'")
    output = parser.add_argument_group("output, at least one")
    output.add_argument("--output", metavar="FILE", help="the page to write, such as report.html")
    output.add_argument(
        "--figures", metavar="DIR", help="write each picture to DIR as SVG and PNG, and each table as TSV"
    )
    output.add_argument(
        "--multiqc",
        metavar="DIR",
        help="write files for MultiQC to DIR, of imputation and accuracy; run it on the DIR of many runs. They do "
        "not need the extra 'report'",
    )
    output.add_argument(
        "--title", metavar="TEXT", help="title of the page (default: made from the names of the inputs)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.pipeline.report.run import ReportSettings, run_report

    run_report(
        ReportSettings(
            output=args.output,
            imputed=args.imputed,
            accuracy=tuple(args.accuracy),
            training=args.training,
            audit=args.audit,
            figures=args.figures,
            multiqc=args.multiqc,
            title=args.title,
        )
    )
