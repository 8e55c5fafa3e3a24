"""`rnnimp prepare`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "prepare",
        help="make training and test data from a panel and an array's markers",
        description="Make training data, and test data of samples set apart, from a phased panel and the markers of a "
        "genotyping array. Writes OUTPUT_DIR/train/NAME.{hap.gz,legend.gz,sample} and, with --test-samples, "
        "OUTPUT_DIR/test/NAME_true.* (all sites) and OUTPUT_DIR/test/NAME.* (array sites only).",
    )
    _add_panel(parser.add_argument_group("panel (one of --vcf, --hap)"))
    _add_markers(parser.add_argument_group("array markers (one of --manifest, --markers; or flags in the legend)"))
    _add_output(parser.add_argument_group("test samples and output"))
    parser.set_defaults(run=run)


def _add_panel(group: Any) -> None:
    group.add_argument("--vcf", type=Path, metavar="FILE", help="phased VCF or BCF; an index beside it is used")
    group.add_argument("--hap", type=Path, metavar="FILE", help="haplotypes in HAPS/LEGEND format, plain or gzip")
    group.add_argument("--legend", type=Path, metavar="FILE", help="the sites of --hap")
    group.add_argument("--sample", type=Path, metavar="FILE", help="the sample names of --hap (default: Sample_1...)")
    group.add_argument(
        "--chromosome", metavar="NAME", help="chromosome to use; needed where a VCF holds several, and with --hap"
    )
    group.add_argument("--region", metavar="REGION", help="part to use, such as 22:100-200 or 22:50.3-50.6Mb")
    group.add_argument(
        "--keep-first-duplicate",
        action="store_true",
        help="where a VCF repeats a site (position and alleles), keep the first in place of stopping",
    )


def _add_markers(group: Any) -> None:
    group.add_argument("--manifest", type=Path, metavar="CSV", help="Illumina manifest; needs --fasta")
    group.add_argument(
        "--fasta", type=Path, metavar="FILE", help="reference genome of the manifest's build, not packed"
    )
    group.add_argument(
        "--markers",
        type=Path,
        metavar="FILE",
        help="table 'chrom pos [ref alt]', VCF, BCF or PLINK .bim with the markers",
    )


def _add_output(group: Any) -> None:
    group.add_argument(
        "--test-samples", type=Path, metavar="FILE", help="samples to set apart, one name a line (default: none)"
    )
    group.add_argument(
        "--draw-test-samples",
        type=int,
        metavar="N",
        help="where the file of --test-samples is absent, draw N samples at random (always the same) and write it",
    )
    group.add_argument(
        "--output-dir", type=Path, required=True, metavar="DIR", help="folder that gets train/ and test/"
    )
    group.add_argument("--name", metavar="NAME", help="name of the files (default: chr and the chromosome)")


def run(args: argparse.Namespace) -> int:
    """Prepare the data and log a summary."""
    from rnnimp.pipeline.prepare import PrepareSettings, prepare

    options = {name: value for name, value in vars(args).items() if name not in ("command", "run")}
    summary = prepare(PrepareSettings(**options))
    logging.getLogger(__name__).info("%s", summary)
    return 0
