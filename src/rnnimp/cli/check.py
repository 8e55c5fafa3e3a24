"""`rnnimp check`: what `rnnimp impute` would say about a target, without imputing."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rnnimp.choices import STANDARD_STREAM
from rnnimp.cli.impute import add_flip, add_model, add_target


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "check",
        help="check a target against a model, without imputing",
        usage="%(prog)s --model-prefix PREFIX\n"
        "       (--vcf FILE | --hap FILE --legend FILE | --haps FILE |\n"
        "       --bgen FILE | --pgen FILE) [--output PREFIX] [options]",
        description="Say what 'rnnimp impute' would say about a target, without imputing: sites and markers that "
        "match, strand, alleles, genome build, allele frequencies. Besides: call rates of samples and sites, "
        "Hardy-Weinberg proportions, repeated sites, samples with the same genotypes, and what accuracy to expect in "
        "each region from the markers present. The genotypes of a VCF, BCF or PGEN may be unphased: imputing them "
        "would stop, but all else is checked.\n\n"
        "Exit code: 0 if imputing would run, 1 if it would stop or a file cannot be read, 2 for bad arguments. With "
        "--strict, 1 for warnings too.",
        epilog="Examples:\n"
        "  rnnimp check --vcf cohort.vcf.gz --model-prefix results/models/chr22\n\n"
        "  # as files; warnings give exit code 1 too\n"
        "  rnnimp check --vcf cohort.vcf.gz --model-prefix results/models/chr22 \\\n"
        "      --output checks/chr22 --strict",
    )
    add_target(parser.add_argument_group("target", "The genotypes to check."))
    add_model(parser.add_argument_group("model"))
    add_flip(parser.add_argument_group("checks"))
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output",
        "--output-prefix",
        dest="output_prefix",
        metavar="PREFIX",
        help="write PREFIX.checks.json and PREFIX.checks.txt, and tables of samples and sites, "
        "PREFIX.target_samples.tsv and PREFIX.target_sites.tsv.gz (default: print the findings only)",
    )
    output.add_argument("--json", action="store_true", help="print JSON, as in PREFIX.checks.json, instead of text")
    output.add_argument("--strict", action="store_true", help="exit with code 1 for warnings too")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the stage."""
    from rnnimp.formats.json_files import json_bytes
    from rnnimp.pipeline.check.run import check_chromosomes, run_check
    from rnnimp.pipeline.impute.chromosomes import settings_by_chromosome
    from rnnimp.pipeline.impute.run import ImputeSettings

    names = (
        *("model_prefix", "hap", "legend", "haps", "vcf", "bgen", "pgen", "sample", "chromosome", "samples"),
        *("keep_first_duplicate", "exclude_samples", "exclude_sites", "region", "flip"),
    )
    prefix = STANDARD_STREAM if args.output_prefix is None else args.output_prefix
    settings = ImputeSettings(output_prefix=prefix, **{name: getattr(args, name) for name in names})
    parts = settings_by_chromosome(settings, args.chromosomes)
    results = {"": run_check(settings)} if parts is None else check_chromosomes(parts)
    if args.json:
        content = {name: result.as_dict() for name, result in results.items()}
        sys.stdout.write(json_bytes(content.get("", content), sort_keys=False, allow_nan=False).decode())
    else:
        titles = {name: f"chromosome {name}\n\n" if name else "" for name in results}
        sys.stdout.write("\n".join(titles[name] + result.text() for name, result in results.items()))
    return max(result.exit_code(args.strict) for result in results.values())
