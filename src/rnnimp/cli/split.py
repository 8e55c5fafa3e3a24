"""`rnnimp split`: split a chromosome's panel into regions for training."""

from __future__ import annotations

import argparse
from typing import Any

from rnnimp.choices import BODY_MARKERS, FLANK_MARKERS, IMPUTED_SITES, MAF_THRESHOLD
from rnnimp.cli.option_types import LARGEST_REAL, real, whole


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "split",
        help="split a chromosome's panel into regions for training",
        usage="%(prog)s --hap FILE --legend FILE --output PREFIX [options]",
        description="Split a chromosome's panel into regions for training. Writes a .hap.gz and a .legend.gz file per "
        "region, and PREFIX.list, the list of regions. Each region has a body, whose sites its model imputes, and "
        "flanks: markers on either side.",
        epilog="Example:\n"
        "  rnnimp split --hap data/train/chr22.hap.gz \\\n"
        "      --legend data/train/chr22.legend.gz --output data/split/chr22",
    )
    _add_files(parser.add_argument_group("panel and output"))
    _add_limits(parser.add_argument_group("regions"))
    sites = parser.add_argument_group("sites")
    sites.add_argument(
        "--maf-threshold",
        type=real(LARGEST_REAL),
        default=MAF_THRESHOLD,
        metavar="FREQ",
        help="omit sites to impute whose a1 frequency is below FREQ (default: %(default)g)",
    )
    sites.add_argument(
        "--suppress-allele-flip",
        action="store_true",
        help="keep a0 and a1 of markers as they are (default: the rarer allele becomes a1)",
    )
    parser.set_defaults(run=run)


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--hap", required=True, metavar="FILE", help="the panel's haplotypes (.hap or .hap.gz)")
    group.add_argument(
        "--legend", required=True, metavar="FILE", help="the panel's sites, with the column array_marker_flag"
    )
    group.add_argument(
        "--output",
        "--output-prefix",
        dest="output_prefix",
        required=True,
        metavar="PREFIX",
        help="prefix of the files to write",
    )


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--body-marker-count-limit",
        type=whole(),
        default=BODY_MARKERS,
        metavar="N",
        help="most array markers in a body (default: %(default)s)",
    )
    group.add_argument(
        "--flanking-marker-count-limit",
        type=whole(),
        default=FLANK_MARKERS,
        metavar="N",
        help="array markers in each flank, and more where the body or the other flank has fewer (default: %(default)s)",
    )
    group.add_argument(
        "--imp-site-count-limit",
        type=whole(),
        default=IMPUTED_SITES,
        metavar="N",
        help="end a body at the first marker after N imputed sites; it may contain a few more (default: %(default)s)",
    )
    group.add_argument(
        "--blocks",
        "--partition",
        dest="partition",
        metavar="BED",
        help="blocks, such as linkage blocks, that no body may cross (default: none)",
    )
    group.add_argument(
        "--chromosome", metavar="NAME", help="chromosome of the blocks (default: detected from the site ids)"
    )


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.pipeline.split import SplitSettings, split
    from rnnimp.sites.regions import RegionLimits

    limits = RegionLimits(args.body_marker_count_limit, args.flanking_marker_count_limit, args.imp_site_count_limit)
    settings = SplitSettings(limits, args.maf_threshold, not args.suppress_allele_flip)
    split(args.hap, args.legend, args.output_prefix, settings, args.partition, args.chromosome)
