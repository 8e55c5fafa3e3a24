"""`rnnimp audit`: what a model tells about the people whom it was trained on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from rnnimp.choices import AUDIT_SEED, AUDITED_MEMBERS, LEAST_OUTSIDERS, RARE_MAF, VCF_ENDINGS
from rnnimp.cli.memory import TRAINING_BYTES, require_address_space
from rnnimp.cli.option_types import MOST_THREADS, real, whole
from rnnimp.cluster.slices import parse_regions
from rnnimp.errors import needs_training_packages


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "audit",
        help="measure what a model reveals about the people in its panel",
        usage="%(prog)s --model-prefix PREFIX --data-list FILE --output PREFIX\n       [options]",
        description="Attack a model as someone who has it could: try to recognise the people it was trained on among "
        "people who are not in the panel, and try to read or rebuild their haplotypes. The same attacks see two "
        "controls: allele frequencies only, and the panel itself. The last line is the result in one sentence. To "
        "resume an interrupted audit, run the same command again.",
        epilog="Example:\n"
        "  rnnimp audit --model-prefix results/models/chr22 \\\n"
        "      --data-list data/split/chr22.list --genetic-map chr22.b37.gmap.gz \\\n"
        "      --output audit/chr22 --threads 4",
    )
    _add_files(parser.add_argument_group("model, people and output"))
    _add_settings(parser.add_argument_group("what to try"))
    parser.set_defaults(run=run, left_behind=left_behind)


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model-prefix",
        required=True,
        metavar="PREFIX",
        help="the model: files PREFIX_1.onnx (or .ort) and PREFIX_1.legend.gz, and so on",
    )
    group.add_argument(
        "--data-list",
        required=True,
        metavar="FILE",
        help="list of regions that the model was trained with; 'rnnimp split' wrote it",
    )
    group.add_argument(
        "--output",
        "--output-prefix",
        dest="output_prefix",
        required=True,
        metavar="PREFIX",
        help="prefix of the files to write; PREFIX.private.tsv names people and is not for publication",
    )
    group.add_argument(
        "--outsiders",
        metavar="FILE",
        help=f"phased haplotypes of people who are not in the panel, at the same sites: {' / '.join(VCF_ENDINGS)}, or "
        "the prefix of .hap.gz and .legend.gz (default: the samples held out for validation)",
    )
    group.add_argument(
        "--sample",
        metavar="FILE",
        help="names of the training files' samples, for the private table (default: Sample_1 and so on); 'rnnimp "
        "prepare' wrote it",
    )
    group.add_argument(
        "--genetic-map",
        metavar="FILE",
        help="genetic map of the chromosome with columns pos chr cM (default: 1 cM per million base pairs)",
    )


def _add_settings(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--regions", metavar="LIST", help="regions to audit, such as 3,7-9 (default: all)")
    group.add_argument(
        "--members",
        type=whole(),
        default=AUDITED_MEMBERS,
        metavar="N",
        help="members to test, drawn at random; all if there are fewer (default: %(default)s)",
    )
    group.add_argument("--attacks", metavar="LIST", help="names of the attacks, with commas (default: all)")
    group.add_argument(
        "--rare-maf",
        type=real(1),
        default=RARE_MAF,
        metavar="FREQ",
        help="largest minor allele frequency of a rare allele (default: %(default)s)",
    )
    group.add_argument(
        "--allow-few-outsiders",
        action="store_true",
        help=f"audit with fewer than {LEAST_OUTSIDERS} outsiders, which cannot show rare false alarms",
    )
    group.add_argument(
        "--threads",
        "--num-threads",
        type=whole(MOST_THREADS),
        default=1,
        metavar="N",
        help="CPU threads (default: %(default)s)",
    )
    group.add_argument(
        "--seed",
        type=whole((1 << 63) - 1),
        default=AUDIT_SEED,
        metavar="N",
        help="seed of all random choices (default: %(default)s)",
    )


def left_behind(args: argparse.Namespace) -> str:
    """What to say when the command was interrupted."""
    folder = Path(f"{args.output_prefix}.audit_regions")
    if not folder.is_dir():
        return "no region was finished, and no unfinished file was left"
    return f"regions that are finished are kept in {folder}: run the same command again to resume"


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from rnnimp.pipeline.audit.settings import AuditSettings

    settings = AuditSettings(
        members=args.members,
        regions=None if args.regions is None else parse_regions(args.regions),
        attacks=None if args.attacks is None else tuple(name.strip() for name in args.attacks.split(",")),
        rare_maf=args.rare_maf,
        allow_few_outsiders=args.allow_few_outsiders,
        threads=args.threads,
        seed=args.seed,
    )
    require_address_space(TRAINING_BYTES, "auditing")
    with needs_training_packages("auditing"):
        from rnnimp.pipeline.audit.run import audit
        from rnnimp.pipeline.audit.work import AuditFiles
    files = AuditFiles(
        args.model_prefix, args.data_list, args.output_prefix, args.outsiders, args.sample, args.genetic_map
    )
    results = audit(files, settings)
    sys.stdout.write(f"{results.sentence}\n")
