"""`rnnimp train`: train the networks of all regions and export them as a model."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnimp.choices import ENGINES, LEAST_COPIES, TRAINING_DEVICES
from rnnimp.cli.memory import TRAINING_BYTES, require_address_space
from rnnimp.cli.option_types import MOST_TASKS, MOST_THREADS, real, whole
from rnnimp.cli.progress import choose_display
from rnnimp.cli.slurm_options import add_slurm_options, slurm_settings
from rnnimp.cluster.slices import TaskSlice, parse_regions
from rnnimp.errors import SettingsError, needs_training_packages
from rnnimp.network.recurrent.cells import CELLS
from rnnimp.numbers import LARGEST
from rnnimp.pipeline.chromosomes import (
    CHROMOSOMES,
    PLACE,
    chosen_chromosomes,
    each_chromosome,
    filled,
    filled_input,
    has_place,
    parse_chromosomes,
)
from rnnimp.training.recipe import LEAST_STATES, RECIPES, disclosure

if TYPE_CHECKING:
    from rnnimp.pipeline.train.work import TrainOptions
    from rnnimp.training.recipe import TrainingSettings


# option, field of TrainingSettings, type, help
_RECIPE_OPTIONS: tuple[tuple[str, str, Any, str], ...] = (
    ("--rnn-cell-type", "cell", str, f"recurrent cell, {' or '.join(CELLS)}"),
    ("--num-units", "n_units", int, "width of the recurrent state"),
    ("--num-layers-higher", "n_layers_higher", int, "recurrent layers of the higher-MAF network"),
    ("--num-layers-lower", "n_layers_lower", int, "recurrent layers of the lower-MAF network"),
    ("--feature-size", "feature_size", int, "width of the marker features"),
    ("--mixing-size", "n_mixed", int, "width of the layer that joins both directions at a gap; 0 for no such layer"),
    (
        "--num-states",
        "n_states",
        int,
        f"most hidden states of the haplotype HMM, a power of two from {LEAST_STATES}; 0 for no HMM",
    ),
    (
        "--state-carriers",
        "state_carriers",
        int,
        "least number of people from whom each allele of a hidden state is drawn; they carry the alleles before it. 0: "
        "states are haplotypes of the panel",
    ),
    (
        "--state-pieces",
        "state_pieces",
        int,
        "most training haplotypes that a hidden state is a mosaic of, with --state-carriers 0",
    ),
    (
        "--recombined-haplotypes",
        "n_recombined",
        int,
        "recombined haplotypes to train on in place of the panel's own; 0 trains on the panel",
    ),
    (
        "--recombined-crossovers",
        "recombined_crossovers",
        float,
        "mean number of crossovers of a recombined haplotype in a region",
    ),
    (
        "--teacher-share",
        "teacher_share",
        float,
        "share of the panel whose alleles a recombined haplotype, or an anonymous state, is expected to carry",
    ),
    (
        "--soft-target-share",
        "soft_target_share",
        float,
        "share of other people's alleles, as a copying model expects them, in a training target",
    ),
    (
        "--hmm-weight",
        "hmm_weight",
        float,
        "weight of the haplotype HMM in the final log odds, from 0 to 1, where no marker is missing",
    ),
    (
        "--hmm-weight-missing",
        "hmm_weight_missing",
        float,
        "added to that weight, times the share of missing markers; the sum is at most 1",
    ),
    ("--gamma1", "gamma_higher", float, "exponent of the MAF in the higher-MAF network's loss weights"),
    ("--gamma2", "gamma_lower", float, "exponent of the MAF in the lower-MAF network's loss weights"),
    ("--batch-size", "batch_size", int, "haplotypes per iteration"),
    (
        "--max-iteration-count",
        "max_iterations",
        int,
        "most iterations of each network; for the haplotype HMM, --hmm-iterations is a limit too",
    ),
    ("--hmm-iterations", "copying_iterations", int, "most iterations of the haplotype HMM"),
    ("--validation-sample-size", "validation_samples", int, "samples held out for validation"),
    (
        "--learning-rate",
        "learning_rate",
        float,
        "Adam's highest learning rate: at the start (published), or after a warm-up (other recipes); the haplotype HMM "
        "has its own",
    ),
    (
        "--patience",
        "patience",
        int,
        "iterations without improvement after which the learning rate is halved, and the patience too; only the "
        "recipe published uses it",
    ),
    ("--seed", "seed", int, "seed of all random numbers"),
)


# the largest value of each number among them
_MOST = {
    "n_units": 4096,
    "n_layers_higher": 64,
    "n_layers_lower": 64,
    "feature_size": 4096,
    "n_mixed": 4096,
    "n_states": 1 << 16,
    "recombined_crossovers": 1000,
    "teacher_share": 1,
    "soft_target_share": 1,
    "state_carriers": 1 << 30,
    "n_recombined": 10_000_000,
    "hmm_weight": 1,
    "hmm_weight_missing": 100,
    "gamma_higher": 100,
    "gamma_lower": 100,
    "learning_rate": 100,
    "seed": (1 << 63) - 1,
}


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "train",
        help="train the model of each region",
        usage="%(prog)s --data-list FILE --output PREFIX [options]",
        description="Train the networks of each region in a list and export them as a model. Finished regions are "
        "kept. To resume an interrupted training, run the same command again.",
        epilog="Examples:\n"
        "  rnnimp train --data-list data/split/chr22.list --output results/chr22 \\\n"
        "      --genetic-map chr22.b37.gmap.gz --threads 4\n\n"
        "  # on a Slurm cluster, with one GPU per task\n"
        "  rnnimp train --data-list data/split/chr22.list --output results/chr22 \\\n"
        "      --slurm --partition gpu --gpus-per-task 1 --time 12:00:00\n\n"
        "  # all chromosomes whose list exists\n"
        "  rnnimp train --data-list data/split/chr@.list --output results/chr@",
    )
    data = parser.add_argument_group("data and output")
    data.add_argument(
        "--data-list",
        required=True,
        metavar="FILE",
        help="list of regions that 'rnnimp split' wrote, PREFIX.list. {chrom}, or @ in the last part of the path, "
        "stands for the chromosome: --output must have it too, --genetic-map may, and all are trained one after "
        "the other",
    )
    data.add_argument(
        "--chromosomes",
        metavar="LIST",
        help="chromosomes to train where --data-list has {chrom} or @, such as 1-22,X (default: all whose list exists)",
    )
    data.add_argument(
        "--output",
        "--output-prefix",
        dest="output_prefix",
        required=True,
        metavar="PREFIX",
        help="prefix of the files to write; with results/chr22 the model is results/models/chr22",
    )
    data.add_argument(
        "--exact-frequencies",
        action="store_true",
        help="give the panel's allele frequencies in the model's legends exactly; otherwise each value stands for at "
        f"least {LEAST_COPIES} allele counts, so that none shows a single person (default: %(default)s)",
    )
    data.add_argument("--chromosome", metavar="NAME", help="chromosome (default: detected from the site ids)")
    _add_recipe(parser.add_argument_group("recipe"))
    _add_work(parser.add_argument_group("what to train, and where"))
    slurm = add_slurm_options(parser, "train", "the unfinished regions")
    slurm.add_argument(
        "--regions-per-task",
        type=whole(MOST_TASKS),
        metavar="N",
        help="regions per task (default: as many as fit the time limit or a GPU)",
    )
    parser.set_defaults(run=run, left_behind=left_behind)


def left_behind(args: argparse.Namespace) -> str:
    """What to say when the command was interrupted."""
    if args.slurm:
        return "no unfinished file was left; tasks that were submitted before are in the queue"
    how = "the same command again" if args.resume else "the same command without --no-resume"
    return f"finished regions and checkpoints are kept in {args.output_prefix}_regions: run {how} to resume"


def _add_recipe(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        default=next(iter(RECIPES)),
        help=f"source of the defaults of the other options in this group. {_recipe_list()}. (default: %(default)s)",
    )
    for option, field, kind, text in _RECIPE_OPTIONS:
        metavar = {int: "N", float: "X", str: "NAME"}[kind]
        group.add_argument(
            option, dest=field, type=_type_of(field, kind), metavar=metavar, help=f"{text} ({_recipe_default(field)})"
        )
    group.add_argument(
        "--genetic-map",
        metavar="FILE",
        help="genetic map of the chromosome with columns pos chr cM (default: 1 cM per million base pairs)",
    )


def _type_of(field: str, kind: type) -> Callable[[str], Any]:
    if kind is int:
        return whole(_MOST.get(field, LARGEST))
    return real(_MOST[field]) if kind is float else str


def _recipe_default(field: str) -> str:
    """The default of a setting: that of the default recipe, then those of the recipes that differ from it.

    >>> _recipe_default("n_layers_higher"), _recipe_default("n_units")
    ('default: 4', 'default: 48, published 40')
    """
    values = {name: str(getattr(recipe.settings, field)) for name, recipe in RECIPES.items()}
    first, *others = values
    differing = [f"{name} {values[name]}" for name in others if values[name] != values[first]]
    return "default: " + ", ".join([values[first], *differing])


def _recipe_list() -> str:
    """Each recipe, what it is, and what its models tell, for argparse, to which a single % is no text."""
    texts = (f"{name}: {recipe.summary}; {recipe.disclosure}" for name, recipe in RECIPES.items())
    return ". ".join(texts).replace("%", "%%")


def _add_work(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--regions", metavar="LIST", help="regions to train, such as 3,7-9 (default: all)")
    group.add_argument(
        "--task",
        metavar="I/N",
        help="train only slice I of N slices of the regions (I from 1), for array jobs of any scheduler",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        default=True,
        help="keep finished regions and resume from checkpoints (this is the default)",
    )
    group.add_argument(
        "--no-resume", dest="resume", action="store_false", help="discard what was trained before, and start again"
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
        "--device",
        choices=TRAINING_DEVICES,
        default=TRAINING_DEVICES[0],
        help="auto takes the GPUs if there are any, else the CPU (default: %(default)s)",
    )
    group.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="fused: kernels of rnnimp, on a GPU for many networks at once; reference: plain PyTorch; auto takes fused "
        "if it can run (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Run the stage, here or on a cluster."""
    if args.threads < 1:
        raise SettingsError(f"--threads must be 1 or more, found {args.threads}")
    regions = None if args.regions is None else parse_regions(args.regions)
    task = None if args.task is None else TaskSlice.parse(args.task)
    if task is not None and not args.resume:
        raise SettingsError(
            "--no-resume does not go with --task: a task that is run again would start from the beginning; delete "
            f"{args.output_prefix}_regions instead"
        )
    if args.slurm and task is not None:
        raise SettingsError("--slurm assigns the regions to tasks itself; give --slurm or --task, not both")
    require_address_space(TRAINING_BYTES, "training")
    parts = _parts(args)
    if parts is None:
        _train(args, regions, task)
    else:
        each_chromosome(parts, lambda _, part: _train(part, regions, task), "trained")


def _parts(args: argparse.Namespace) -> dict[str, argparse.Namespace] | None:
    """The arguments of each chromosome; None if the paths have no place for its name."""
    if not has_place(args.data_list) or Path(args.data_list).exists():
        option = "--chromosomes" if args.chromosomes is not None else "--output"
        if args.chromosomes is not None or PLACE in args.output_prefix:
            raise SettingsError(
                f"{option} is for several chromosomes: --data-list needs {PLACE} or @ too, as chr@.list"
            )
        return None
    if not has_place(args.output_prefix):
        raise SettingsError(f"--output needs {PLACE} or @ as --data-list has, found {args.output_prefix}")
    if args.chromosome is not None or args.regions is not None:
        option = "--chromosome" if args.chromosome is not None else "--regions"
        raise SettingsError(f"{option} goes with one chromosome; choose several with --chromosomes")
    names = None if args.chromosomes is None else parse_chromosomes(args.chromosomes)
    lists = {name: filled(args.data_list, name) for name in CHROMOSOMES}
    chosen = chosen_chromosomes(names, lists, lambda path: Path(path).exists(), "the list of regions")
    return {name: _of_chromosome(args, name) for name in chosen}


def _of_chromosome(args: argparse.Namespace, name: str) -> argparse.Namespace:
    paths = {"data_list": filled(args.data_list, name), "output_prefix": filled(args.output_prefix, name)}
    if args.genetic_map is not None:
        paths["genetic_map"] = filled_input(args.genetic_map, name)
    return argparse.Namespace(**{**vars(args), **paths})


def _train(args: argparse.Namespace, regions: tuple[int, ...] | None, task: TaskSlice | None) -> None:
    """Train the regions of one list, here or on a cluster."""
    with nullcontext() if args.slurm else choose_display() as display:  # first, since importing torch takes seconds
        with needs_training_packages("training"):
            from rnnimp.pipeline.train.run import train
            from rnnimp.pipeline.train.work import TrainOptions
        settings = _settings(args)
        options = TrainOptions(
            regions,
            args.device,
            args.engine,
            args.resume,
            args.threads,
            args.chromosome,
            args.genetic_map,
            task,
            disclosure(args.recipe, settings, {field: option for option, field, *_ in _RECIPE_OPTIONS}),
            args.recipe,
        )
        if display is None:
            _submit(args, settings, options)
        else:
            train(args.data_list, args.output_prefix, settings, options, display)


def _settings(args: argparse.Namespace) -> TrainingSettings:
    from dataclasses import replace

    given = {field: getattr(args, field) for _, field, *_ in _RECIPE_OPTIONS}
    recipe = replace(RECIPES[args.recipe].settings, exact_frequencies=args.exact_frequencies)
    try:
        return replace(recipe, **{field: value for field, value in given.items() if value is not None})
    except SettingsError as error:
        name, _, rest = str(error).partition(" ")
        options = {field: option for option, field, *_ in _RECIPE_OPTIONS}
        raise SettingsError(f"{options.get(name, name)} {rest}") from None


def _submit(args: argparse.Namespace, settings: TrainingSettings, options: TrainOptions) -> None:
    from rnnimp.pipeline.train.slurm import submit_training

    if args.regions_per_task is not None and args.regions_per_task < 1:
        raise SettingsError(f"--regions-per-task must be 1 or more, found {args.regions_per_task}")
    submit_training(
        args.data_list,
        args.output_prefix,
        settings,
        options,
        slurm_settings(args, args.threads),
        lambda regions: [*_task_arguments(args), "--regions", regions],
        args.regions_per_task,
        args.assume_shared,
    )


def _task_arguments(args: argparse.Namespace) -> list[str]:
    """The arguments of a task: those given, without the options of the submission."""
    arguments = ["train", "--data-list", args.data_list, "--output-prefix", args.output_prefix, "--recipe", args.recipe]
    for option, field, *_ in _RECIPE_OPTIONS:
        value = getattr(args, field)
        if value is not None:
            arguments.append(f"{option}={value}")
    if args.exact_frequencies:
        arguments.append("--exact-frequencies")
    arguments += ["--device", args.device, "--engine", args.engine, "--num-threads", str(args.threads)]
    if args.genetic_map is not None:
        arguments += ["--genetic-map", args.genetic_map]
    if args.chromosome is not None:
        arguments += ["--chromosome", args.chromosome]
    return arguments
