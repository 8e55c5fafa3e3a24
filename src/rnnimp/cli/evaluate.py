"""`rnnimp evaluate`: imputed genotypes against the truth."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rnnimp.choices import BIN_EDGES, GENOTYPE_ENDINGS
from rnnimp.cli.option_types import LARGEST_REAL
from rnnimp.numbers import real_number
from rnnimp.wording import shortened

_ENDINGS = " / ".join(GENOTYPE_ENDINGS)


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "evaluate",
        help="compare imputed genotypes with the truth",
        usage="%(prog)s --imputed FILE --truth FILE [options]",
        description="Compare imputed genotypes with the truth, by position and alleles. Prints a table of accuracy by "
        "minor allele frequency. Its last row is for all sites.",
        epilog="Example:\n"
        "  rnnimp evaluate --imputed imputed/chr22.vcf.gz \\\n"
        "      --truth data/test/chr22_true.hap.gz --output accuracy/chr22",
    )
    for name in ("imputed", "truth"):
        group = parser.add_argument_group("imputed genotypes" if name == "imputed" else "true genotypes")
        group.add_argument(f"--{name}", required=True, metavar="FILE", help=f"genotypes: {_ENDINGS}")
        group.add_argument(
            f"--{name}-legend",
            metavar="FILE",
            help="legend of haplotypes, which may then have any name (default: the one beside a .hap file)",
        )
        group.add_argument(
            f"--{name}-sample",
            metavar="FILE",
            help="sample names of a .hap, .gen or .bgen file (default: those beside a .hap or .gen, or in the .bgen)",
        )
    _add_sites(parser.add_argument_group("sites"))
    output = parser.add_argument_group("output")
    output.add_argument(
        "--calibration",
        action="store_true",
        help="also compare R2, INFO and DR2 (PGEN: R2), and filters on them, with the true r2; and genotype "
        "probabilities with the true genotypes",
    )
    output.add_argument(
        "--output",
        "--output-prefix",
        dest="output_prefix",
        metavar="PREFIX",
        help="also write the table to PREFIX.bins.tsv, and one line per site to PREFIX.sites.tsv.gz (default: print "
        "the table only)",
    )
    parser.set_defaults(run=run)


def _add_sites(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--typed",
        metavar="FILE",
        help="skip the sites of this legend, VCF or BCF of the target (default: sites flagged as typed in the imputed "
        "or true file; a GEN has no flags)",
    )
    group.add_argument("--all-sites", action="store_true", help="score typed sites as well")
    group.add_argument(
        "--frequencies",
        metavar="LEGEND",
        help="the panel's legend, whose column a1_freq assigns sites to bins; without that column, frequencies are "
        "counted in the haplotypes beside it (default: the truth's legend, else its genotypes)",
    )
    bins = ",".join(f"{edge:g}" for edge in BIN_EDGES)
    group.add_argument(
        "--bins",
        type=_edges,
        metavar="LIST",
        help=f"edges of the bins in percent; a bin contains its upper edge (default: {bins})",
    )
    group.add_argument("--chromosome", metavar="NAME", help="chromosome to read, if a file has several")


def _edges(text: str) -> tuple[float, ...]:
    try:
        return tuple(real_number(word.strip(), -LARGEST_REAL, LARGEST_REAL) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected percentages separated by commas, found '{shortened(text)}'"
        ) from None


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.pipeline.evaluate.calibration import calibration_tables
    from rnnimp.pipeline.evaluate.run import EvaluateSettings, bins_table, evaluate
    from rnnimp.pipeline.evaluate.sources import GenotypeSource

    settings = EvaluateSettings(args.bins or BIN_EDGES, args.all_sites, args.chromosome, args.calibration)
    imputed = GenotypeSource(args.imputed, args.imputed_legend, args.imputed_sample)
    truth = GenotypeSource(args.truth, args.truth_legend, args.truth_sample)
    evaluation = evaluate(imputed, truth, settings, args.frequencies, args.typed, args.output_prefix)
    sys.stdout.write(bins_table(evaluation.bins))
    if evaluation.calibration is not None:
        sys.stdout.write("\n" + calibration_tables(evaluation.calibration))
