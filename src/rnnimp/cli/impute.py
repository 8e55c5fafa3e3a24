"""`rnnimp impute`: fill in the sites that an array does not type."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from rnnimp.choices import (
    BUILDS,
    DEFAULT_FIELDS,
    DEFAULT_FORMAT,
    FORMAT_FIELDS,
    IMPUTING_DEVICES,
    LEAST_SHARE,
    OUTPUT_FORMATS,
    STANDARD_STREAM,
    TYPED_ONLY,
    VCF_ENDINGS,
)
from rnnimp.cli.option_types import LARGEST_REAL, MOST_TASKS, MOST_THREADS, real, whole
from rnnimp.cli.slurm_options import add_slurm_options, slurm_settings
from rnnimp.errors import SettingsError

if TYPE_CHECKING:
    from rnnimp.pipeline.impute.run import ImputeSettings


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "impute",
        help="impute the sites that an array does not type",
        usage="%(prog)s --model-prefix PREFIX --output PREFIX\n"
        "       (--vcf FILE | --hap FILE --legend FILE | --haps FILE |\n"
        "       --bgen FILE | --pgen FILE) [options]",
        description="Impute the sites that an array does not type, in phased genotypes, with a trained model. Sites "
        "are matched by position and alleles. Typed sites keep their genotypes.",
        epilog="Examples:\n"
        "  rnnimp impute --vcf phased.vcf.gz --model-prefix results/models/chr22 \\\n"
        "      --output imputed/chr22.vcf.gz --threads 4\n\n"
        "  # a region, as PGEN, with well imputed sites only\n"
        "  rnnimp impute --pgen phased.pgen --model-prefix results/models/chr22 \\\n"
        "      --region 22:50.3-50.6Mb --min-r2 0.3 --output imputed/part.pgen\n\n"
        "  # all chromosomes that have a model, one file each\n"
        "  rnnimp impute --vcf phased/chr@.vcf.gz --model-prefix results/models/chr@ \\\n"
        "      --output imputed/chr@.vcf.gz",
    )
    add_target(parser.add_argument_group("target", "The phased genotypes to impute."))
    add_model(parser.add_argument_group("model"))
    _add_output(parser.add_argument_group("output"))
    _add_checks(parser.add_argument_group("checks", "Saved as PREFIX.checks.json before the work starts."))
    how = parser.add_argument_group("processing")
    how.add_argument(
        "--threads",
        "--num-threads",
        type=whole(MOST_THREADS),
        default=1,
        metavar="N",
        help="CPU threads that run the model (default: %(default)s)",
    )
    how.add_argument(
        "--device",
        default=IMPUTING_DEVICES[0],
        choices=IMPUTING_DEVICES,
        help="where the model runs; cuda needs PyTorch or, for models of other programs, onnxruntime-gpu "
        "(default: %(default)s)",
    )
    slurm = add_slurm_options(parser, "impute", "the parts of the chromosome, and the job that merges them,")
    slurm.add_argument(
        "--num-tasks",
        type=whole(MOST_TASKS),
        metavar="N",
        help="parts of the chromosome (default: one per region of the model)",
    )
    parser.set_defaults(run=run, left_behind=left_behind, output_format=None)


def add_model(group: argparse._ArgumentGroup) -> None:
    """Add the option that names the model."""
    group.add_argument(
        "--model-prefix",
        required=True,
        metavar="PREFIX",
        help="the model: files PREFIX_1.onnx (or .ort) and PREFIX_1.legend.gz, and so on. {chrom}, or @ in the last "
        "part of the path, stands for the chromosome: the target and --output may have it too, and all chromosomes are "
        "taken one after the other",
    )
    group.add_argument(
        "--chromosomes",
        metavar="LIST",
        help="chromosomes to take where --model-prefix has {chrom} or @, such as 1-22,X (default: all whose model "
        "exists)",
    )


def add_target(group: argparse._ArgumentGroup) -> None:
    """Add the options that name the target, and choose samples and sites of it."""
    group.add_argument("--vcf", metavar="FILE", help=f"{' / '.join(VCF_ENDINGS)} file; - for standard input")
    group.add_argument("--hap", metavar="FILE", help="haplotypes (.hap or .hap.gz); needs --legend")
    group.add_argument("--legend", metavar="FILE", help="the sites of --hap (.legend or .legend.gz)")
    group.add_argument("--haps", metavar="FILE", help="SHAPEIT's haplotypes with their sites (.haps or .haps.gz)")
    group.add_argument("--bgen", metavar="FILE", help="BGEN 1.2 with phased haplotypes (needs the extra 'bgen')")
    group.add_argument("--pgen", metavar="FILE", help=".pgen with .pvar and .psam beside it (needs the extra 'pgen')")
    group.add_argument(
        "--sample", metavar="FILE", help="sample names of --hap, --haps or --bgen (default: Sample_1, Sample_2, ...)"
    )
    group.add_argument(
        "--keep-first-duplicate",
        action="store_true",
        help="keep the first of several records at the same site (default: stop with an error)",
    )
    group.add_argument("--chromosome", metavar="NAME", help="chromosome (default: that of the target or the model)")
    group.add_argument(
        "--samples", metavar="FILE", help="impute only the samples listed in FILE, one name per line (default: all)"
    )
    group.add_argument(
        "--exclude-samples",
        metavar="FILE",
        help="leave out the samples listed in FILE, one name per line (default: none)",
    )
    group.add_argument(
        "--exclude-sites",
        metavar="FILE",
        help="leave out the target's sites listed in FILE, one per line: an id, 22:100 or 22:100:A:G; they then count "
        "as not typed (default: none)",
    )
    group.add_argument(
        "--region",
        metavar="REGION",
        help="write only this part of the chromosome, such as 22:100-200 or 22:50.3-50.6Mb (default: all)",
    )


class _GivenFormat(argparse.Action):
    """Stores a given format apart from the default, which only counts where the output's name chooses none."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        namespace.output_format = values


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output",
        "--output-prefix",
        dest="output_prefix",
        required=True,
        metavar="PREFIX",
        help="prefix of the files to write; an ending such as .vcf.gz chooses the format; - for standard output, which "
        "takes VCF (default), vcf.gz or bcf, without any other file",
    )
    group.add_argument(
        "--output-format",
        dest="default_format",
        action=_GivenFormat,
        default=DEFAULT_FORMAT,
        choices=OUTPUT_FORMATS,
        help="gen: PREFIX.gen and PREFIX.sample; vcf.gz and bcf: with an index, PREFIX.vcf.gz.csi or PREFIX.bcf.csi; "
        "pgen: PREFIX.pgen, .pvar and .psam, with dosages; all: PREFIX.info.tsv.gz, a table of the sites with R2, "
        "and PREFIX.samples.tsv, a table of the samples. "
        "Without this option, an ending of PREFIX chooses (default: %(default)s)",
    )
    group.add_argument(
        "--format-fields",
        metavar="LIST",
        help=f"FORMAT fields of VCF and BCF, some of {','.join(FORMAT_FIELDS)}; AP writes AP1 and AP2 "
        f"(default: {','.join(DEFAULT_FIELDS)})",
    )
    group.add_argument(
        "--min-r2",
        type=real(LARGEST_REAL),
        default=0.0,
        metavar="X",
        help="omit imputed sites with an estimated R2 below X (default: %(default)g)",
    )
    group.add_argument(
        "--typed-only",
        choices=TYPED_ONLY,
        default=TYPED_ONLY[0],
        help="keep or drop sites of the target that are not in the model (default: %(default)s)",
    )
    group.add_argument(
        "--empirical-r2",
        action="store_true",
        help="compare typed sites that the model can impute with their imputed values: INFO ER2, PREFIX.checks.json",
    )
    group.add_argument(
        "--contigs",
        choices=BUILDS,
        help="declare all chromosomes of this build in the header of a VCF or BCF (default: the imputed one only)",
    )
    group.add_argument("--sites-only", action="store_true", help="write VCF and BCF without samples")


def add_flip(group: argparse._ArgumentGroup) -> None:
    """Add the option that corrects the strand."""
    group.add_argument(
        "--flip",
        action="store_true",
        help="flip target sites that are on the other strand; A/T and C/G sites count as missing if their allele "
        "frequency does not show the strand",
    )


def _add_checks(group: argparse._ArgumentGroup) -> None:
    add_flip(group)
    group.add_argument(
        "--force",
        action="store_true",
        help=f"impute also if a region has under {100 * LEAST_SHARE:.0f}%% of its markers in the target, if the "
        "positions are of another genome build, or if the model lacks regions",
    )


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.formats.vcf.header import parse_fields
    from rnnimp.pipeline.impute.chromosomes import impute_chromosomes, settings_by_chromosome
    from rnnimp.pipeline.impute.run import ImputeSettings, run_impute

    if args.num_tasks is not None and not args.slurm:
        raise SettingsError("--num-tasks needs --slurm; without it, this process imputes everything")
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
        exclude_samples=args.exclude_samples,
        exclude_sites=args.exclude_sites,
        region=args.region,
        output_format=args.output_format,
        default_format=args.default_format,
        format_fields=None if args.format_fields is None else parse_fields(args.format_fields),
        min_r2=args.min_r2,
        sites_only=args.sites_only,
        contigs=args.contigs,
        threads=args.threads,
        device=args.device,
        flip=args.flip,
        force=args.force,
        typed_only=args.typed_only,
        empirical_r2=args.empirical_r2,
    )
    parts = settings_by_chromosome(settings, args.chromosomes)
    if args.slurm:
        for part in [settings] if parts is None else parts.values():
            _submit(_with_paths(args, part), part)
    elif parts is None:
        run_impute(settings)
    else:
        impute_chromosomes(parts)


def left_behind(args: argparse.Namespace) -> str:
    """What to say when the command was interrupted."""
    from rnnimp.pipeline.chromosomes import has_place

    if has_place(args.model_prefix) and not args.slurm:
        return "finished chromosomes are kept: run the same command again to resume. No unfinished file was left"
    return "no unfinished file was left"


def _with_paths(args: argparse.Namespace, settings: ImputeSettings) -> argparse.Namespace:
    """The arguments with the paths and the chromosome of the settings."""
    from rnnimp.pipeline.impute.chromosomes import TARGET_PATHS

    names = (*TARGET_PATHS, "chromosome", "model_prefix", "output_prefix")
    return argparse.Namespace(**{**vars(args), **{name: getattr(settings, name) for name in names}})


def _submit(args: argparse.Namespace, settings: ImputeSettings) -> None:
    from rnnimp.pipeline.impute.slurm import submit_imputation

    if args.num_tasks is not None and args.num_tasks < 2:
        raise SettingsError(f"--num-tasks must be 2 or more, found {args.num_tasks}")
    if args.output_prefix == STANDARD_STREAM:
        raise SettingsError("--slurm writes files, found --output -; name a file")
    if args.vcf == STANDARD_STREAM:
        raise SettingsError("--slurm needs a target that every task can read, found --vcf -; give a file")
    submit_imputation(
        settings, _task_arguments(args), slurm_settings(args, args.threads), args.num_tasks, args.assume_shared
    )


def _task_arguments(args: argparse.Namespace) -> list[str]:
    """The arguments of a task: those given, without the region, the output and the options of the submission."""
    given = (
        *("hap", "legend", "sample", "haps", "vcf", "bgen", "pgen", "chromosome", "samples", "model_prefix"),
        *("exclude_samples", "exclude_sites", "format_fields", "contigs"),
    )
    always = ("min_r2", "threads", "device", "typed_only")
    switches = ("keep_first_duplicate", "flip", "force", "empirical_r2", "sites_only")
    values = {name: getattr(args, name) for name in (*given, *always) if getattr(args, name) is not None}
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    return arguments + [f"--{name.replace('_', '-')}" for name in switches if getattr(args, name)]
