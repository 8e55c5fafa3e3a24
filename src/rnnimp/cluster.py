"""Training on a Slurm cluster: the regions of a list as one array job, a task a region."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnimp.errors import RnnimpError, SettingsError

PACKAGE_PARENT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class SlurmSettings:
    """What a task of the array job asks for.

    Attributes:
        job_name: the job's name.
        memory: memory of a task, as Slurm writes it (`20GB`).
        n_threads: CPUs of a task.
        python: the Python to run it with.
    """

    job_name: str
    memory: str = "20GB"
    n_threads: int = 1
    python: str = "python3"


def job_script(arguments: Sequence[str], regions: Sequence[int], log_folder: Path, settings: SlurmSettings) -> str:
    """The batch script of the array job.

    Args:
        arguments: of `rnnimp train`, without `--regions`; each task adds its own.
        regions: the regions, from 1; they are the array's indices.
        log_folder: where each task's output goes, as `slurm-<job>_<region>.log`.
        settings: what to ask for.
    """
    command = shlex.join([settings.python, "-m", "rnnimp", "train", *arguments])
    return "\n".join(
        [
            "#!/bin/bash",
            f"#SBATCH --job-name={_quoted(settings.job_name)}",
            f"#SBATCH --array={','.join(map(str, regions))}",
            f"#SBATCH --mem={settings.memory}",
            f"#SBATCH --cpus-per-task={settings.n_threads}",
            f"#SBATCH --output={_quoted(str(log_folder.resolve()).replace('%', '%%') + '/slurm-%A_%a.log')}",
            f"export PYTHONPATH={shlex.quote(str(PACKAGE_PARENT))}${{PYTHONPATH:+:$PYTHONPATH}}",
            f'exec {command} --regions "$SLURM_ARRAY_TASK_ID"',
            "",
        ]
    )


def _quoted(text: str) -> str:
    """A value for `#SBATCH` lines, in double quotes where it needs them; a backslash escapes, as in the shell."""
    if re.fullmatch(r"[\w%./:@+,=-]+", text):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def submit(arguments: Sequence[str], regions: Sequence[int], log_folder: Path, settings: SlurmSettings) -> str:
    """Submit the array job from the working folder; its tasks run there.

    Returns:
        The job's id.

    Raises:
        SettingsError: if there is no `sbatch` here.
        RnnimpError: if Slurm refuses the job, with its reason.
    """
    sbatch = shutil.which("sbatch")
    if sbatch is None:
        raise SettingsError(
            "--slurm needs 'sbatch' on the PATH, which is not there; run on a Slurm login node, or without it"
        )
    log_folder.mkdir(parents=True, exist_ok=True)
    script = job_script(arguments, regions, log_folder, settings)
    result = subprocess.run([sbatch, "--parsable"], input=script, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RnnimpError(f"Slurm refused the job: {' '.join(result.stderr.split())}")
    return result.stdout.strip().split(";")[0]
