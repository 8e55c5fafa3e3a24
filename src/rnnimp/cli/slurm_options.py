"""The options of commands that submit to Slurm."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnimp.cluster.slurm import SlurmSettings


def add_slurm_options(parser: argparse.ArgumentParser, job_name: str, what: str) -> None:
    """Add the group `cluster`; `what` says what `--slurm` submits."""
    slurm = parser.add_argument_group("cluster", "What is not asked for is as the cluster's own defaults are.")
    slurm.add_argument("--slurm", action="store_true", help=f"submit {what} to Slurm, as an array job, and return")
    slurm.add_argument(
        "--job-name-prefix", default=job_name, metavar="NAME", help="Slurm job name (default: %(default)s)"
    )
    slurm.add_argument("--memory-size", default="20GB", metavar="SIZE", help="memory of a task (default: %(default)s)")
    slurm.add_argument(
        "--python3-bin", default="python3", metavar="PATH", help="Python of the tasks (default: %(default)s)"
    )
    slurm.add_argument("--time", metavar="LIMIT", help="time limit of a task, as 90 (minutes), 12:00:00 or 2-00:00")
    slurm.add_argument("--partition", metavar="NAME", help="partition to submit to")
    slurm.add_argument("--account", metavar="NAME", help="account to charge")
    slurm.add_argument("--gpus-per-task", type=int, default=0, metavar="N", help="GPUs of a task (default: none)")
    slurm.add_argument("--max-running", type=int, metavar="N", help="tasks that may run at once")
    slurm.add_argument(
        "--sbatch",
        action="append",
        default=[],
        metavar="OPTION",
        help="a further option of sbatch, as --sbatch qos=long; may be given several times",
    )
    slurm.add_argument(
        "--assume-shared", action="store_true", help="do not check that the nodes see the folder of --output-prefix"
    )


def slurm_settings(args: argparse.Namespace, n_threads: int) -> SlurmSettings:
    """What these options ask of Slurm.

    Raises:
        SettingsError: if that makes no sense.
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
