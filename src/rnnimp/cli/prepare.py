"""`rnnimp prepare`: make training and test data from a panel and the markers of an array."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from rnnimp.choices import BUILDS
from rnnimp.cli.option_types import whole


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "prepare",
        help="make training and test data from a panel",
        usage="%(prog)s (--vcf FILE | --hap FILE --legend FILE)\n"
        "       [--manifest CSV --fasta FILE | --markers FILE] --output DIR [options]",
        description="Make training data from a phased panel and the markers of a genotyping array, and test data from "
        "samples that are set apart.\n\n"
        "Writes DIR/train/NAME.{hap.gz,legend.gz,sample}. With --test-samples also DIR/test/NAME_true.* (all sites) "
        "and DIR/test/NAME.* (the array's sites only).",
        epilog="Example:\n"
        "  rnnimp prepare --vcf panel.chr22.vcf.gz --markers array.bim \\\n"
        "      --test-samples test_samples.txt --draw-test-samples 100 \\\n"
        "      --output data --name chr22",
    )
    _add_panel(parser.add_argument_group("panel", "Either --vcf, or --hap with --legend."))
    _add_markers(
        parser.add_argument_group(
            "array markers", "Either --manifest with --fasta, or --markers. Without both, the flags in the legend."
        )
    )
    _add_chromosome_x(parser.add_argument_group("chromosome X"))
    _add_test_samples(parser.add_argument_group("test samples"))
    _add_output(parser.add_argument_group("output"))
    parser.set_defaults(run=run)


def _add_panel(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--vcf", type=Path, metavar="FILE", help="phased VCF or BCF; an index beside it is used")
    group.add_argument("--hap", type=Path, metavar="FILE", help="haplotypes (.hap or .hap.gz); needs --legend")
    group.add_argument("--legend", type=Path, metavar="FILE", help="the sites of --hap (.legend or .legend.gz)")
    group.add_argument(
        "--sample", type=Path, metavar="FILE", help="sample names of --hap (default: Sample_1, Sample_2, ...)"
    )
    group.add_argument(
        "--chromosome", metavar="NAME", help="chromosome to use; needed with --hap, or if the VCF has several"
    )
    group.add_argument(
        "--region",
        metavar="REGION",
        help="part to use, such as 22:100-200 or 22:50.3-50.6Mb (default: the whole chromosome)",
    )
    group.add_argument(
        "--keep-first-duplicate",
        action="store_true",
        help="keep the first of several records at the same site (default: stop with an error)",
    )


def _add_markers(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--manifest", type=Path, metavar="CSV", help="the array's Illumina manifest; needs --fasta")
    group.add_argument(
        "--fasta", type=Path, metavar="FILE", help="reference genome of the manifest's build, uncompressed"
    )
    group.add_argument(
        "--markers",
        type=Path,
        metavar="FILE",
        help="the markers as a table 'chrom pos [ref alt]', VCF, BCF or PLINK .bim",
    )


def _add_chromosome_x(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sex",
        type=Path,
        metavar="FILE",
        help="sex of the samples: a table with a column SEX, a .psam, a .fam, or lines 'sample sex' "
        "(default: males have one allele, or no heterozygous genotype)",
    )
    group.add_argument(
        "--build",
        choices=BUILDS,
        help="genome build, which says where males have one haplotype (default: by the header or the genotypes)",
    )


def _add_test_samples(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--test-samples", type=Path, metavar="FILE", help="samples to set apart, one name per line (default: none)"
    )
    group.add_argument(
        "--draw-test-samples",
        type=whole(),
        metavar="N",
        help="if the file of --test-samples does not exist, draw N samples at random, always the same, and write it",
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output",
        "--output-dir",
        dest="output_dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder to write train/ and test/ into",
    )
    group.add_argument("--name", metavar="NAME", help="name of the files (default: chr and the chromosome)")


def run(args: argparse.Namespace) -> None:
    """Prepare the data and log a summary."""
    from dataclasses import fields

    from rnnimp.pipeline.prepare import PrepareSettings, prepare

    options = {field.name: getattr(args, field.name) for field in fields(PrepareSettings)}
    logging.getLogger(__name__).info("%s", prepare(PrepareSettings(**options)))
