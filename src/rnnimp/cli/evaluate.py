"""`rnnimp evaluate`: imputed genotypes against the truth."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rnnimp.choices import BIN_EDGES, GENOTYPE_ENDINGS

_FORMATS = ", ".join(GENOTYPE_ENDINGS)


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "evaluate",
        help="compare imputed genotypes with the truth",
        description="Compare imputed genotypes with the truth, by position and alleles, in bins of minor allele "
        "frequency. The table goes to stdout; its last row is that of all sites.",
    )
    for name, what in (("imputed", "what is scored"), ("truth", "what it is scored against")):
        group = parser.add_argument_group(what)
        group.add_argument(f"--{name}", required=True, metavar="FILE", help=f"genotypes ({_FORMATS})")
        group.add_argument(
            f"--{name}-legend", metavar="FILE", help="legend of a .hap file (default: the one beside it)"
        )
        group.add_argument(
            f"--{name}-sample", metavar="FILE", help="sample file of a .hap or .gen file (default: one beside it)"
        )
    parser.add_argument(
        "--frequencies",
        metavar="LEGEND",
        help="the panel's legend, whose a1_freq puts sites into bins (default: the truth's legend, else its genotypes)",
    )
    parser.add_argument(
        "--typed",
        metavar="FILE",
        help="the sites that the array typed, which are not scored: the target's legend, VCF or BCF (default: told "
        "from the flags in the other files, which a GEN has not)",
    )
    parser.add_argument(
        "--bins",
        type=_edges,
        metavar="LIST",
        help="edges of the bins in percent; a bin holds its upper edge (default: "
        + ",".join(f"{edge:g}" for edge in BIN_EDGES)
        + ")",
    )
    parser.add_argument("--all-sites", action="store_true", help="score typed sites as well")
    parser.add_argument(
        "--calibration",
        action="store_true",
        help="also compare what the imputation says of itself with the truth: R2, INFO and DR2 of a VCF, and filters "
        "on them, with the true r2, and genotype probabilities with the true genotypes",
    )
    parser.add_argument("--chromosome", metavar="NAME", help="the chromosome to read from files that have several")
    parser.add_argument(
        "--output-prefix", metavar="PREFIX", help="also write PREFIX.bins.tsv and, a line a site, PREFIX.sites.tsv.gz"
    )
    parser.set_defaults(run=run)


def _edges(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected percentages between commas, found '{text}'") from None


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.pipeline.evaluate.calibration import calibration_tables
    from rnnimp.pipeline.evaluate.run import EvaluateSettings, GenotypeSource, bins_table, evaluate

    settings = EvaluateSettings(args.bins or BIN_EDGES, args.all_sites, args.chromosome, args.calibration)
    imputed = GenotypeSource(args.imputed, args.imputed_legend, args.imputed_sample)
    truth = GenotypeSource(args.truth, args.truth_legend, args.truth_sample)
    evaluation = evaluate(imputed, truth, settings, args.frequencies, args.typed, args.output_prefix)
    sys.stdout.write(bins_table(evaluation.bins))
    if evaluation.calibration is not None:
        sys.stdout.write("\n" + calibration_tables(evaluation.calibration))
