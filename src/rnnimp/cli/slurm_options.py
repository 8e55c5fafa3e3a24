"""The options of commands that submit to Slurm."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rnnimp.choices import TASK_MEMORY, TASK_PYTHON
from rnnimp.cli.option_types import MOST_TASKS, MOST_THREADS, whole

if TYPE_CHECKING:
    from rnnimp.cluster.slurm import SlurmSettings


def add_slurm_options(parser: argparse.ArgumentParser, job_name: str, what: str) -> argparse._ArgumentGroup:
    """Add the group of Slurm's options.

    Args:
        parser: Parser of the command.
        job_name: The default of `--job-name-prefix`.
        what: `--slurm` submits.
    """
    slurm = parser.add_argument_group(
        "Slurm options", "Where no default is named, the cluster's own default applies. All but the first need --slurm."
    )
    slurm.add_argument("--slurm", action="store_true", help=f"submit {what} to Slurm as an array job, and return")
    slurm.add_argument("--partition", metavar="NAME", help="partition to submit to, or several separated by commas")
    slurm.add_argument("--account", metavar="NAME", help="account to charge")
    slurm.add_argument("--time", metavar="LIMIT", help="time limit per task, such as 90 (minutes), 12:00:00 or 2-00:00")
    slurm.add_argument(
        "--memory-size", default=TASK_MEMORY, metavar="SIZE", help="memory per task (default: %(default)s)"
    )
    slurm.add_argument(
        "--gpus-per-task", type=whole(MOST_THREADS), default=0, metavar="N", help="GPUs per task (default: %(default)s)"
    )
    slurm.add_argument(
        "--max-running", type=whole(MOST_TASKS), metavar="N", help="most tasks that may run at the same time"
    )
    slurm.add_argument(
        "--job-name-prefix", default=job_name, metavar="NAME", help="name of the job (default: %(default)s)"
    )
    slurm.add_argument(
        "--python3-bin", default=TASK_PYTHON, metavar="PATH", help="Python that runs the tasks (default: %(default)s)"
    )
    slurm.add_argument(
        "--sbatch",
        action="append",
        default=[],
        metavar="OPTION",
        help="another option of sbatch, such as --sbatch qos=long; may be given several times",
    )
    slurm.add_argument(
        "--assume-shared", action="store_true", help="do not check that the nodes see the folder of --output"
    )
    return slurm


def slurm_settings(args: argparse.Namespace, n_threads: int) -> SlurmSettings:
    """The settings of the Slurm jobs that these options ask for.

    Raises:
        SettingsError: if an option is malformed.
    """
    from rnnimp.cluster.slurm import SlurmSettings

    return SlurmSettings(
        job_name=args.job_name_prefix,
        memory=args.memory_size,
        n_threads=n_threads,
        python=args.python3_bin,
        time=args.time,
        partition=args.partition,
        account=args.account,
        gpus_per_task=args.gpus_per_task,
        most_running=args.max_running,
        extra=tuple(args.sbatch),
    )
