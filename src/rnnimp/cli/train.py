"""`rnnimp train`: train the networks of all regions and export them as a bundle."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any

from rnnimp.cli.slurm_options import add_slurm_options, slurm_settings
from rnnimp.cluster.slices import TaskSlice, parse_regions
from rnnimp.errors import SettingsError
from rnnimp.network.recurrent.cells import CELLS

if TYPE_CHECKING:
    from rnnimp.pipeline.train.work import TrainOptions
    from rnnimp.training.recipe import TrainingSettings

logger = logging.getLogger(__name__)

# option, field of TrainingSettings, type, help
_RECIPE_OPTIONS: tuple[tuple[str, str, Any, str], ...] = (
    ("--rnn-cell-type", "cell", str, f"RNN cell: {' or '.join(CELLS)}"),
    ("--num-units", "n_units", int, "width of the recurrent state"),
    ("--num-layers-higher", "n_layers_higher", int, "recurrent layers of the higher-MAF network"),
    ("--num-layers-lower", "n_layers_lower", int, "recurrent layers of the lower-MAF network"),
    ("--feature-size", "feature_size", int, "width of the marker features"),
    ("--mixing-size", "n_mixed", int, "width of the layer that joins both directions at a gap; 0 for none"),
    ("--num-states", "n_states", int, "most states of the copying network, a power of two; 0 for no such network"),
    ("--state-pieces", "state_pieces", int, "most training haplotypes in a state; 1 for whole ones"),
    ("--gamma1", "gamma_higher", float, "loss weight exponent of the higher-MAF network"),
    ("--gamma2", "gamma_lower", float, "loss weight exponent of the lower-MAF network"),
    ("--batch-size", "batch_size", int, "haplotypes an iteration"),
    ("--max-iteration-count", "max_iterations", int, "most iterations of each network"),
    ("--validation-sample-size", "validation_samples", int, "samples held out for validation"),
    ("--learning-rate", "learning_rate", float, "Adam's rate at the start"),
    ("--patience", "patience", int, "iterations without gain after which the rate is halved; itself halved too"),
    ("--seed", "seed", int, "seed of all that is drawn"),
)


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "train",
        help="train the networks of the regions",
        description="Train the networks of each region of a data list and export them as a bundle of models. What is "
        "finished is kept, and what was interrupted goes on: run the same command again.",
    )
    parser.add_argument(
        "--data-list", required=True, metavar="FILE", help="list of region prefixes, from 'rnnimp split'"
    )
    parser.add_argument(
        "--output-prefix",
        required=True,
        metavar="PREFIX",
        help="as results/train/chr22; models: results/train/models/chr22",
    )
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument(
        "--recipe",
        choices=("accurate", "published"),
        default="accurate",
        help="where the defaults of the next options come from (default: %(default)s)",
    )
    for option, field, kind, text in _RECIPE_OPTIONS:
        metavar = {int: "N", float: "X", str: "NAME"}[kind]
        recipe.add_argument(option, dest=field, type=kind, metavar=metavar, help=text)
    recipe.add_argument(
        "--genetic-map",
        metavar="FILE",
        help="the chromosome's map, as 'pos chr cM' (default: 1 cM a million base pairs)",
    )
    how = parser.add_argument_group("what and where to train")
    how.add_argument("--regions", metavar="LIST", help="regions to train, as 3,7-9 (default: all)")
    how.add_argument(
        "--task",
        metavar="I/N",
        help="train the I-th of N slices of the regions only, I from 1: for the array jobs of any scheduler",
    )
    how.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
    how.add_argument(
        "--engine",
        choices=("auto", "reference", "fused"),
        default="auto",
        help="fused: kernels of our own, on a GPU for many networks at once; reference: plain PyTorch (default: auto)",
    )
    how.add_argument("--num-threads", type=int, default=1, metavar="N", help="CPU threads (default: %(default)s)")
    how.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep finished regions and go on from checkpoints (default); --no-resume trains anew",
    )
    how.add_argument("--chromosome", metavar="NAME", help="its name for the manifest (default: told from the site ids)")
    add_slurm_options(parser, "train", "what is unfinished")
    parser.add_argument(
        "--regions-per-task",
        type=int,
        metavar="N",
        help="regions of a task of --slurm (default: what fits the time limit or a GPU)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the stage, here or on a cluster."""
    if args.num_threads < 1:
        raise SettingsError(f"--num-threads must be 1 or more, found {args.num_threads}")
    regions = None if args.regions is None else parse_regions(args.regions)
    task = None if args.task is None else TaskSlice.parse(args.task)
    if task is not None and not args.resume:
        raise SettingsError(
            "--no-resume does not go with --task, since a task that is run again would begin anew; delete "
            f"{args.output_prefix}_regions instead"
        )
    if args.slurm and task is not None:
        raise SettingsError("--slurm deals the regions to tasks itself; give it or --task")
    try:
        from rnnimp.pipeline.train.run import train
        from rnnimp.pipeline.train.work import TrainOptions
    except ModuleNotFoundError as error:
        raise SettingsError(f"training needs {error.name}; install it with: pip install 'rnnimp[train]'") from error
    options = TrainOptions(
        regions, args.device, args.engine, args.resume, args.num_threads, args.chromosome, args.genetic_map, task
    )
    if args.slurm:
        _submit(args, options)
        return
    from rnnimp.cli.progress import choose_display

    train(args.data_list, args.output_prefix, _settings(args), options, choose_display())


def _settings(args: argparse.Namespace) -> TrainingSettings:
    from dataclasses import replace

    from rnnimp.training.recipe import RECIPES

    given = {field: getattr(args, field) for _, field, *_ in _RECIPE_OPTIONS}
    try:
        return replace(RECIPES[args.recipe], **{field: value for field, value in given.items() if value is not None})
    except SettingsError as error:
        name, _, rest = str(error).partition(" ")
        options = {field: option for option, field, *_ in _RECIPE_OPTIONS}
        raise SettingsError(f"{options.get(name, name)} {rest}") from None


def _submit(args: argparse.Namespace, options: TrainOptions) -> None:
    from rnnimp.pipeline.train.slurm import submit_training

    if args.regions_per_task is not None and args.regions_per_task < 1:
        raise SettingsError(f"--regions-per-task must be 1 or more, found {args.regions_per_task}")
    submit_training(
        args.data_list,
        args.output_prefix,
        _settings(args),
        options,
        slurm_settings(args, args.num_threads),
        lambda regions: [*_task_arguments(args), "--regions", regions],
        args.regions_per_task,
        args.assume_shared,
    )


def _task_arguments(args: argparse.Namespace) -> list[str]:
    """The arguments of a task: those given, without what concerns the submission, which also clears what is to go."""
    arguments = ["train", "--data-list", args.data_list, "--output-prefix", args.output_prefix, "--recipe", args.recipe]
    for option, field, *_ in _RECIPE_OPTIONS:
        value = getattr(args, field)
        if value is not None:
            arguments.append(f"{option}={value}")
    arguments += ["--device", args.device, "--engine", args.engine, "--num-threads", str(args.num_threads)]
    if args.genetic_map is not None:
        arguments += ["--genetic-map", args.genetic_map]
    if args.chromosome is not None:
        arguments += ["--chromosome", args.chromosome]
    return arguments
