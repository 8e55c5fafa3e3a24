"""`rnnimp evaluate`: imputed genotypes against the truth."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from rnnimp.choices import BIN_EDGES, DEFAULT_REPLICATES, FREQUENCY_COLUMNS, GENOTYPE_ENDINGS
from rnnimp.cli.option_types import LARGEST_REAL, MOST_REPLICATES, whole
from rnnimp.errors import SettingsError
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
        "minor allele frequency. Its last row is for all sites. Files are read side by side and must be sorted by "
        "position; memory does not grow with them.",
        epilog="Examples:\n"
        "  rnnimp evaluate --imputed imputed/chr22.vcf.gz \\\n"
        "      --truth data/test/chr22_true.hap.gz --output accuracy/chr22\n"
        "  rnnimp evaluate --imputed ours.vcf.gz beagle.vcf.gz --names ours Beagle \\\n"
        "      --truth true.vcf.gz --groups populations.tsv --output accuracy/chr22",
    )
    for name, what in (("imputed", "imputed genotypes"), ("truth", "true genotypes")):
        _add_source(parser.add_argument_group(what), name)
    _add_sites(parser.add_argument_group("sites"))
    _add_groups(parser.add_argument_group("groups"))
    output = parser.add_argument_group("output")
    output.add_argument(
        "--calibration",
        action="store_true",
        help="also compare R2, INFO and DR2 (PGEN: R2), and filters on them, with the true r2; and genotype "
        "probabilities with the true genotypes",
    )
    output.add_argument(
        "--bootstrap",
        type=whole(MOST_REPLICATES),
        metavar="N",
        help="replicates of a bootstrap over samples, for 95%% intervals; 0 for none. If given, the printed table has "
        f"them too (default: {DEFAULT_REPLICATES} with --output or several imputed files, else 0)",
    )
    output.add_argument(
        "--output",
        "--output-prefix",
        dest="output_prefix",
        metavar="PREFIX",
        help="also write the table to PREFIX.bins.tsv, one line per site to PREFIX.sites.tsv.gz, one per sample to "
        "PREFIX.samples.tsv.gz, all scores with intervals to PREFIX.groups.tsv, and all but sites and samples to "
        "PREFIX.evaluation.json (default: print the table only)",
    )
    parser.set_defaults(run=run)


def _add_source(group: argparse._ArgumentGroup, name: str) -> None:
    if name == "imputed":
        group.add_argument(
            "--imputed",
            required=True,
            nargs="+",
            metavar="FILE",
            help=f"genotypes: {_ENDINGS}. Several files are scored at the sites and samples that all have",
        )
        group.add_argument(
            "--names", nargs="+", metavar="NAME", help="a name for each imputed file (default: the files' names)"
        )
    else:
        group.add_argument("--truth", required=True, metavar="FILE", help=f"genotypes: {_ENDINGS}")
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


def _add_groups(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--groups",
        metavar="FILE",
        help="also score groups of samples, such as populations: a line per sample with its name, a tab and its group",
    )
    group.add_argument(
        "--regions",
        metavar="BED",
        help="also score regions, such as genes or the blocks of the panel's partition: chromosome, start, end, and a "
        "name if there is a fourth column",
    )


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
        metavar="FILE",
        help="frequencies that assign sites to bins, such as the panel's: VCF or BCF (AC and AN, AF, or the "
        "genotypes), a table of sites, or a legend. For a legend without frequencies, they are counted in the "
        "haplotypes beside it (default: the truth's legend, else its genotypes)",
    )
    group.add_argument(
        "--frequency-column",
        metavar="NAME",
        help="column of that table or legend, or field of INFO, such as EUR or AF_nfe "
        f"(default: {', '.join(FREQUENCY_COLUMNS)})",
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
    _use_one_thread()
    from rnnimp.pipeline.evaluate.calibration import calibration_tables
    from rnnimp.pipeline.evaluate.inputs import EvaluateInputs, EvaluateSettings
    from rnnimp.pipeline.evaluate.run import evaluate_all
    from rnnimp.pipeline.evaluate.sources import GenotypeSource
    from rnnimp.pipeline.evaluate.tables import results_table

    if len(args.imputed) > 1 and args.imputed_legend is not None:
        raise SettingsError("--imputed-legend names the legend of one file; of several, lay each beside its haplotypes")
    is_extended = args.output_prefix is not None or len(args.imputed) > 1
    n_replicates = args.bootstrap if args.bootstrap is not None else DEFAULT_REPLICATES if is_extended else 0
    settings = EvaluateSettings(args.bins or BIN_EDGES, args.all_sites, args.chromosome, args.calibration, n_replicates)
    sources = (GenotypeSource(path, args.imputed_legend, args.imputed_sample) for path in args.imputed)
    inputs = EvaluateInputs(
        dict(zip(_names(args.imputed, args.names), sources, strict=True)),
        GenotypeSource(args.truth, args.truth_legend, args.truth_sample),
        frequencies=args.frequencies,
        frequency_column=args.frequency_column,
        typed=args.typed,
        groups=args.groups,
        regions=args.regions,
    )
    results = evaluate_all(inputs, settings, args.output_prefix)
    sys.stdout.write(results_table(results, with_intervals=bool(args.bootstrap)))
    for name, evaluation in results.evaluations.items():
        if evaluation.calibration is not None:
            heading = f"{name}\n" if len(results.evaluations) > 1 else ""
            sys.stdout.write(f"\n{heading}{calibration_tables(evaluation.calibration)}")


def _use_one_thread() -> None:
    """Let numpy's matrix products use one thread. They are small: several threads would only wait for each other."""
    if "numpy" not in sys.modules:
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")


def _names(paths: Sequence[str], names: Sequence[str] | None) -> list[str]:
    """The names of the imputed files: those given, else the files' names without endings, else their paths."""
    if names is None:
        stems = [_stem(path) for path in paths]
        names = stems if len(set(stems)) == len(stems) else list(paths)
    if len(names) != len(paths):
        raise SettingsError(f"--names needs a name for each of the {len(paths)} imputed files, found {len(names)}")
    if len(set(names)) < len(names):
        raise SettingsError("expected different imputed files with different names, found one twice; check --names")
    wrong = next((name for name in names if not name or not name.isprintable()), None)
    if wrong is not None:
        raise SettingsError(f"--names takes names without tabs and other control characters, found {wrong!r}")
    return list(names)


def _stem(path: str) -> str:
    ending = max((ending for ending in GENOTYPE_ENDINGS if path.endswith(ending)), key=len, default="")
    return PurePath(path.removesuffix(ending)).name or path
