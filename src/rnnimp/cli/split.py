"""`rnnimp split`: cut a chromosome's panel into regions for training."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "split",
        help="cut a chromosome's panel into regions",
        description="Cut a chromosome's panel, its array markers flagged, into regions, a training file pair each.",
    )
    parser.add_argument("--hap", required=True, metavar="FILE", help="training haplotypes (.hap or .hap.gz)")
    parser.add_argument("--legend", required=True, metavar="FILE", help="their sites, with array_marker_flag")
    parser.add_argument("--output-prefix", required=True, metavar="PREFIX", help="prefix of the files to write")
    parser.add_argument("--partition", metavar="BED", help="blocks to cut the chromosome into first")
    parser.add_argument(
        "--chromosome", metavar="NAME", help="which chromosome of the partition (default: told from the site ids)"
    )
    limits = parser.add_argument_group("region sizes")
    limits.add_argument("--body-marker-count-limit", type=int, default=100, metavar="N", help="default: %(default)s")
    limits.add_argument("--flanking-marker-count-limit", type=int, default=50, metavar="N", help="default: %(default)s")
    limits.add_argument("--imp-site-count-limit", type=int, default=100, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--maf-threshold",
        type=float,
        default=0.005,
        metavar="FREQ",
        help="drop sites to impute whose a1 frequency is lower (default: %(default)s)",
    )
    parser.add_argument(
        "--suppress-allele-flip",
        action="store_true",
        help="leave a0 and a1 of markers as they are, also where a1 is the more common allele",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.pipeline.split import SplitSettings, split
    from rnnimp.sites.regions import RegionLimits

    limits = RegionLimits(args.body_marker_count_limit, args.flanking_marker_count_limit, args.imp_site_count_limit)
    settings = SplitSettings(limits, args.maf_threshold, not args.suppress_allele_flip)
    split(args.hap, args.legend, args.output_prefix, settings, args.partition, args.chromosome)
