"""Submission to Slurm: the tasks of an array job and a job after them, as batch scripts for `sbatch`.

Problems that would only appear in the queue are checked before. Does Slurm answer? Does the partition exist and
allow the time? Do the nodes see the output folder?
"""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnimp.choices import TASK_MEMORY, TASK_PYTHON
from rnnimp.cluster.shared_folder import SECONDS_FOR_LATE_FILES, local_file_system
from rnnimp.errors import RnnimpError, SettingsError

PACKAGE_PARENT = Path(__file__).resolve().parents[2]
MOST_TASKS = 1000
"""If Slurm does not say: its own default."""

_INFINITE = ("unlimited", "infinite", "n/a", "none")


@dataclass(frozen=True)
class SlurmSettings:
    """The resources to ask Slurm for.

    Attributes:
        job_name: The job's name.
        memory: Memory of a task, as Slurm writes it (`20GB`).
        n_threads: CPUs of a task.
        python: The Python to run it with.
        time: Time limit of a task, as Slurm writes it (`1-12:00:00`); None for the partition's own limit.
        partition: Partition of the job; None for Slurm's default.
        account: Account to charge; None for the user's own.
        gpus_per_task: GPUs of a task.
        most_running: Most tasks that run at once; None for no limit.
        extra: Further options of `sbatch`, as `qos=long`, with or without the dashes.
    """

    job_name: str
    memory: str = TASK_MEMORY
    n_threads: int = 1
    python: str = TASK_PYTHON
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    gpus_per_task: int = 0
    most_running: int | None = None
    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.gpus_per_task < 0:
            raise SettingsError(f"--gpus-per-task must be 0 or more, found {self.gpus_per_task}")
        if self.most_running is not None and self.most_running < 1:
            raise SettingsError(f"--max-running must be 1 or more, found {self.most_running}")
        texts = (self.job_name, self.memory, self.time, self.partition, self.account, *self.extra)
        for text in texts:
            if text is not None and not text.isprintable():
                raise SettingsError(f"options for Slurm are one line each, found {text!r}")
        parse_time(self.time)

    @property
    def limit_seconds(self) -> float | None:
        """The time limit asked for; None if there is none."""
        return parse_time(self.time)


def parse_time(text: str | None) -> float | None:
    """Seconds of a time limit as Slurm writes it; None for none.

    Raises:
        SettingsError: if it is malformed.

    >>> parse_time("90"), parse_time("1:30:00"), parse_time("2-12"), parse_time("UNLIMITED")
    (5400.0, 5400.0, 216000.0, None)
    """
    if text is None or text.lower() in _INFINITE:
        return None
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if match is None:
        raise SettingsError(f"--time expects minutes, HOURS:MINUTES:SECONDS or DAYS-HOURS:MINUTES, found '{text}'")
    days, *given = match.groups()
    parts = [float(part) for part in given if part is not None]
    # with days, or with three parts, the first part is hours; else it is minutes
    begins_with_hours = days is not None or len(parts) == 3
    hours, minutes, seconds = [*([] if begins_with_hours else [0.0]), *parts, 0.0, 0.0][:3]
    return ((float(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


@dataclass(frozen=True)
class Partition:
    """A partition as `sinfo` describes it.

    Attributes:
        name: Name of the partition.
        is_default: Whether it is Slurm's default.
        longest: The longest time of a job in seconds; None for no limit.
        usual: The limit in seconds of a job that asks for none; None for `longest`.
        hosts: The machines.
    """

    name: str
    is_default: bool
    longest: float | None
    usual: float | None
    hosts: frozenset[str]


def read_partitions() -> list[Partition]:
    """The partitions of the cluster.

    Raises:
        SettingsError: if there is no Slurm here.
        RnnimpError: if it does not answer.
    """
    for program in ("sbatch", "sinfo"):
        if shutil.which(program) is None:
            raise SettingsError(
                f"--slurm needs '{program}' on the PATH, which is not there; run on a Slurm login node, or without it"
            )
    found: dict[str, Partition] = {}
    for line in _ask("sinfo", "--noheader", "--all", "--format=%P|%l|%L|%n").splitlines():
        name, longest, usual, host = (word.strip() for word in line.split("|"))
        is_default, name = name.endswith("*"), name.rstrip("*")
        hosts = {host} if name not in found else {host, *found[name].hosts}
        found[name] = Partition(name, is_default, parse_time(longest), parse_time(usual), frozenset(hosts))
    return list(found.values())


def _ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RnnimpError(f"Slurm does not answer: {' '.join((done.stderr or done.stdout).split())}")
    return done.stdout


def chosen_partitions(settings: SlurmSettings, partitions: Sequence[Partition]) -> list[Partition]:
    """The partitions that the job may go to.

    Raises:
        SettingsError: if one is asked for that is not there, or gives less time than is asked for.
    """
    if settings.partition is None:
        chosen = [partition for partition in partitions if partition.is_default]
    else:
        by_name = {partition.name: partition for partition in partitions}
        for name in settings.partition.split(","):
            if name not in by_name:
                raise SettingsError(f"--partition {name} is not there; this Slurm has {', '.join(sorted(by_name))}")
        chosen = [by_name[name] for name in settings.partition.split(",")]
    asked = settings.limit_seconds
    limits = [partition.longest for partition in chosen]
    if asked is not None and limits and all(limit is not None and limit < asked for limit in limits):
        names = ", ".join(partition.name for partition in chosen)
        longest = max(limit for limit in limits if limit is not None) / 60
        raise SettingsError(
            f"--time {settings.time} is more than partition {names} gives, {longest:.0f} minutes; the job would wait "
            "for ever; ask for less, or for another --partition"
        )
    return chosen


def time_limit(settings: SlurmSettings, chosen: Sequence[Partition]) -> float | None:
    """Seconds that a task will get; None for no limit."""
    if settings.limit_seconds is not None:
        return settings.limit_seconds
    limits = [part.usual if part.usual is not None else part.longest for part in chosen]
    return min((limit for limit in limits if limit is not None), default=None)


def check_shared(folder: Path, chosen: Sequence[Partition]) -> None:
    """Refuse a folder on a file system of this machine only, if jobs would run on other machines.

    Raises:
        SettingsError: naming the file system and a node.
    """
    own = socket.gethostname().partition(".")[0]
    others = sorted(
        {host for part in chosen for host in part.hosts if host.partition(".")[0] not in (own, "localhost")}
    )
    if others and (kind := local_file_system(folder)):
        raise SettingsError(
            f"--output: {folder} is on a file system of this machine alone ({kind}), which node {others[0]} "
            "does not see; give a folder that they share, or --assume-shared if they do share this one"
        )


def most_tasks() -> int:
    """The most tasks that an array job may have."""
    try:
        found = re.search(r"MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config"))
    except (RnnimpError, OSError):
        return MOST_TASKS
    return max(1, int(found[1]) - 1) if found else MOST_TASKS  # indices are below it, and begin with 1


def array_script(tasks: str, lines: Sequence[str], marker: Path, log_folder: Path, settings: SlurmSettings) -> str:
    """The batch script of an array job.

    Args:
        tasks: Numbers of the tasks, as `1-12` or `3,7-9`.
        lines: Shell commands of a task; its number is `$SLURM_ARRAY_TASK_ID`.
        marker: A file that every node must see before it begins; the submitting machine wrote it.
        log_folder: Where each task's output goes, as `slurm-<job>_<task>.log`.
        settings: The resources to ask for.
    """
    throttle = f"%{settings.most_running}" if settings.most_running else ""
    options = [
        f"--array={tasks}{throttle}",
        f"--mem={settings.memory}",
        f"--cpus-per-task={settings.n_threads}",
        f"--output={_log_pattern(log_folder, 'slurm-%A_%a.log')}",
        "--requeue",
        "--open-mode=append",
    ]
    if settings.time is not None:
        options.append(f"--time={settings.time}")
    if settings.gpus_per_task:
        options += ["--ntasks=1", f"--gpus-per-task={settings.gpus_per_task}"]
    return _script(settings, settings.job_name, options, [*_wait_for(marker), *lines])


def after_script(
    arguments: Sequence[str], after: str | None, log_folder: Path, settings: SlurmSettings, memory: str = "4GB"
) -> str:
    """The batch script of a job that runs when all tasks of another have succeeded, and is cancelled if one failed.

    Args:
        arguments: Arguments of `rnnimp`.
        after: The other job; None to start at once.
        log_folder: Where its output goes, as `slurm-<job>.log`.
        settings: The settings of that job.
        memory: Memory of this job.
    """
    waiting = [] if after is None else [f"--dependency=afterok:{after}", "--kill-on-invalid-dep=yes"]
    options = [
        *waiting,
        f"--mem={memory}",
        f"--output={_log_pattern(log_folder, 'slurm-%j.log')}",
    ]
    return _script(settings, f"{settings.job_name}-after", options, [f"exec {command_line(arguments, settings)}"])


def quoted(text: str) -> str:
    """A word for the shell."""
    return shlex.quote(text)


def _script(settings: SlurmSettings, name: str, options: Sequence[str], body: Sequence[str]) -> str:
    options = [f"--job-name={name}", *options]
    if settings.partition is not None:
        options.append(f"--partition={settings.partition}")
    if settings.account is not None:
        options.append(f"--account={settings.account}")
    options += [f"--{line.lstrip('-')}" for line in settings.extra]
    path = f"export PYTHONPATH={shlex.quote(str(PACKAGE_PARENT))}${{PYTHONPATH:+:$PYTHONPATH}}"
    return "\n".join(["#!/bin/bash", *(f"#SBATCH {_quoted(option)}" for option in options), path, *body, ""])


def command_line(arguments: Sequence[str], settings: SlurmSettings) -> str:
    """`rnnimp` with some arguments as a task runs it, for the shell."""
    return shlex.join([settings.python, "-m", "rnnimp", *arguments])


def _log_pattern(folder: Path, name: str) -> str:
    return f"{str(folder.resolve()).replace('%', '%%')}/{name}"


def _wait_for(marker: Path) -> list[str]:
    """Lines that end a task if its node does not see a file. Listing the folder makes a client look again."""
    path = shlex.quote(str(marker.resolve()))
    message = shlex.quote(f"rnnimp: error: {marker.resolve()}: this node does not see it, so the folder is not shared")
    return [
        f"for try in $(seq {SECONDS_FOR_LATE_FILES // 5}); do",
        f'    [ -e {path} ] && break; ls "$(dirname {path})" >/dev/null 2>&1; sleep 5',
        "done",
        f"[ -e {path} ] || {{ echo {message} >&2; exit 1; }}",
    ]


def _quoted(option: str) -> str:
    """An option for an `#SBATCH` line, its value in double quotes where it needs them; a backslash escapes."""
    name, sign, value = option.partition("=")
    if re.fullmatch(r"[\w%./:@+,=-]*", value):
        return option
    return f"{name}{sign}" + '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def submit(script: str, log_folder: Path) -> str:
    """Submit a job from the working folder; it runs there.

    Returns:
        The job's id.

    Raises:
        RnnimpError: if Slurm refuses the job, with its reason.
    """
    log_folder.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(["sbatch", "--parsable"], input=script, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RnnimpError(f"Slurm refused the job: {' '.join(result.stderr.split())}")
    return result.stdout.strip().split(";")[0]
