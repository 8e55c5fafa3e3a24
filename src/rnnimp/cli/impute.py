"""`rnnimp impute`: fill in the sites that an array does not type."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from rnnimp.cli.slurm_options import add_slurm_options, slurm_settings
from rnnimp.errors import SettingsError

if TYPE_CHECKING:
    from rnnimp.pipeline.impute.run import ImputeSettings


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "impute",
        help="impute the untyped sites of phased haplotypes",
        description="Impute the untyped sites of phased haplotypes with a trained model. Sites are matched by position "
        "and alleles; typed sites keep their genotypes.",
    )
    target = parser.add_argument_group("target: --hap with --legend, or one of --haps, --vcf, --bgen, --pgen")
    target.add_argument("--hap", metavar="FILE", help="haplotypes (.hap or .hap.gz)")
    target.add_argument("--legend", metavar="FILE", help="their sites (.legend or .legend.gz)")
    target.add_argument(
        "--sample", metavar="FILE", help="sample names of --hap, --haps or --bgen (default: Sample_1, Sample_2, ...)"
    )
    target.add_argument("--haps", metavar="FILE", help="SHAPEIT's haplotypes with their sites (.haps or .haps.gz)")
    target.add_argument("--vcf", metavar="FILE", help="phased genotypes as .vcf, .vcf.gz or .bcf; - for standard input")
    target.add_argument("--bgen", metavar="FILE", help="phased haplotypes as BGEN 1.2 (needs the extra bgen)")
    target.add_argument(
        "--pgen", metavar="FILE", help="phased genotypes as .pgen with .pvar and .psam (needs the extra pgen)"
    )
    target.add_argument(
        "--keep-first-duplicate",
        action="store_true",
        help="leave out repeated sites of a VCF, BGEN or PGEN in place of refusing it",
    )
    target.add_argument(
        "--chromosome", metavar="NAME", help="chromosome name (default: told from the target or the model)"
    )
    target.add_argument("--samples", metavar="FILE", help="impute these samples alone, a name a line")
    target.add_argument(
        "--region", metavar="REGION", help="write this part alone, such as 22:100-200 or 22:50.3-50.6Mb"
    )
    parser.add_argument(
        "--model-prefix",
        required=True,
        metavar="PREFIX",
        help="the model: PREFIX_1.onnx or PREFIX_1.ort, PREFIX_1.legend.gz, and so on",
    )
    _add_output(parser)
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="CPU threads that run models (default: %(default)s)"
    )
    checks = parser.add_argument_group("checks, saved as PREFIX.checks.json before the work starts")
    checks.add_argument(
        "--flip",
        action="store_true",
        help="bring target sites that are on the other strand to the model's; A/T and C/G sites whose strand their "
        "frequency cannot tell count as missing",
    )
    checks.add_argument(
        "--force",
        action="store_true",
        help="impute also with under 20%% of a region's markers, or with positions of another genome build",
    )
    parser.add_argument(
        "--device",
        default="cpu",
        choices=("cpu", "cuda"),
        help="where models run; cuda needs PyTorch or, for models of other programs, onnxruntime-gpu "
        "(default: %(default)s)",
    )
    add_slurm_options(parser, "impute", "parts of the chromosome and their merging")
    parser.add_argument(
        "--num-tasks", type=int, metavar="N", help="parts of --slurm (default: one a region of the model)"
    )
    parser.set_defaults(run=run)


def _add_output(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output-prefix",
        required=True,
        metavar="PREFIX",
        help="prefix of the files to write; may end in .vcf.gz and so on, which chooses the format",
    )
    output.add_argument(
        "--output-format",
        choices=("gen", "vcf", "vcf.gz", "bcf", "bgen", "pgen"),
        help="gen: PREFIX.gen and PREFIX.sample; vcf: PREFIX.vcf; vcf.gz, bcf: with an index, PREFIX.vcf.gz.csi or "
        "PREFIX.bcf.csi; bgen: PREFIX.bgen; pgen: PREFIX.pgen, .pvar and .psam with dosages (default: by the ending of "
        "PREFIX, else gen)",
    )
    output.add_argument(
        "--format-fields",
        metavar="LIST",
        help="FORMAT fields of VCF and BCF, of GT, DS, HDS, GP and AP, which is AP1 and AP2 (default: GT,DS,GP)",
    )
    output.add_argument(
        "--min-r2",
        type=float,
        default=0.0,
        metavar="X",
        help="leave out imputed sites with an estimated R2 below X (default: %(default)s)",
    )
    output.add_argument(
        "--typed-only",
        choices=("keep", "drop"),
        default="keep",
        help="what becomes of the target's sites that are not in the model (default: %(default)s)",
    )
    output.add_argument(
        "--empirical-r2",
        action="store_true",
        help="compare typed sites that the model imputes with what it imputes there: INFO ER2 and PREFIX.checks.json",
    )
    output.add_argument("--sites-only", action="store_true", help="VCF and BCF without samples")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.formats.vcf.header import parse_fields
    from rnnimp.pipeline.impute.run import ImputeSettings, run_impute

    if args.num_tasks is not None and not args.slurm:
        raise SettingsError("--num-tasks goes with --slurm; without it all is imputed in this process")
    settings = ImputeSettings(
        model_prefix=args.model_prefix,
        output_prefix=args.output_prefix,
        hap=args.hap,
        legend=args.legend,
        haps=args.haps,
        vcf=args.vcf,
        bgen=args.bgen,
        pgen=args.pgen,
        sample=args.sample,
        chromosome=args.chromosome,
        keep_first_duplicate=args.keep_first_duplicate,
        samples=args.samples,
        region=args.region,
        output_format=args.output_format,
        format_fields=None if args.format_fields is None else parse_fields(args.format_fields),
        min_r2=args.min_r2,
        sites_only=args.sites_only,
        threads=args.threads,
        device=args.device,
        flip=args.flip,
        force=args.force,
        typed_only=args.typed_only,
        empirical_r2=args.empirical_r2,
    )
    if args.slurm:
        _submit(args, settings)
    else:
        run_impute(settings)


def _submit(args: argparse.Namespace, settings: ImputeSettings) -> None:
    from rnnimp.pipeline.impute.slurm import submit_imputation

    if args.num_tasks is not None and args.num_tasks < 2:
        raise SettingsError(f"--num-tasks must be 2 or more, found {args.num_tasks}")
    if args.vcf == "-":
        raise SettingsError("--slurm needs a target that every task can read, found --vcf -; give a file")
    submit_imputation(
        settings, _task_arguments(args), slurm_settings(args, args.threads), args.num_tasks, args.assume_shared
    )


def _task_arguments(args: argparse.Namespace) -> list[str]:
    """The arguments of a task: those given, without the region, the output and what concerns the submission."""
    given = (
        *("hap", "legend", "sample", "haps", "vcf", "bgen", "pgen", "chromosome", "samples", "model_prefix"),
        "format_fields",
    )
    always = ("min_r2", "threads", "device", "typed_only")
    switches = ("keep_first_duplicate", "flip", "force", "empirical_r2", "sites_only")
    values = {name: getattr(args, name) for name in (*given, *always) if getattr(args, name) is not None}
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    return arguments + [f"--{name.replace('_', '-')}" for name in switches if getattr(args, name)]
