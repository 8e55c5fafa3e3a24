"""Imputing as jobs of a cluster: one part of the chromosome per task, and a job after them that merges the parts.

The model's regions are dealt to the tasks in slices; a task writes the sites from its first region's first to the next
task's. Parts are complete or absent, so submitting again takes up those that are missing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rnnimp.cluster import slurm
from rnnimp.cluster.slices import TaskSlice, format_regions
from rnnimp.cluster.slurm import SlurmSettings
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.bundle import Bundle, manifest_path, open_bundle
from rnnimp.formats.files import sha256_of
from rnnimp.formats.json_files import read_json, write_json
from rnnimp.pipeline.impute.run import ImputeSettings
from rnnimp.pipeline.impute.whole_model import require_whole
from rnnimp.pipeline.outputs import check_outputs
from rnnimp.sites.interval import LAST_POSITION, Interval

logger = logging.getLogger(__name__)


def submit_imputation(
    settings: ImputeSettings,
    arguments: Sequence[str],
    jobs: SlurmSettings,
    n_tasks: int | None = None,
    assume_shared: bool = False,
) -> list[str]:
    """Submit the parts that are not there yet as an array job, and their merging after it.

    Args:
        settings: Target, model, output and options.
        arguments: Arguments of `rnnimp impute`, without the region and the output.
        jobs: Resources to ask Slurm for.
        n_tasks: Number of parts; None for one per region of the model.
        assume_shared: Do not check whether the nodes see the output folder.

    Returns:
        The ids of the two jobs.

    Raises:
        SettingsError: if something can be seen to go wrong in the queue.
        DataError: as in imputing itself, or if parts of another command, target or model are there.
        RnnimpError: if Slurm does not answer or refuses the job.
    """
    check_outputs(settings.output.files(), settings.input_files())
    if settings.region is not None:
        raise SettingsError("--region does not go with --slurm, which deals regions to tasks itself")
    output = settings.output.path
    if not output.name.endswith((".vcf", ".vcf.gz")):
        raise SettingsError(f"--slurm merges VCFs, found {output.name}; use --output-format vcf.gz or vcf")
    partitions = slurm.chosen_partitions(jobs, slurm.read_partitions())
    folder = output.with_name(f"{output.name}.parts")
    if not assume_shared:
        slurm.check_shared(folder, partitions)
    bundle = open_bundle(settings.model_prefix)
    require_whole(bundle, settings.force)
    parts = plan_parts(bundle, settings.chromosome, n_tasks, slurm.most_tasks())
    plan = folder / "plan.json"
    _begin(plan, arguments, parts, bundle, _target_files(settings))
    names = [folder / f"{number}.vcf.gz" for number in range(1, len(parts) + 1)]
    missing = [number for number, name in enumerate(names, start=1) if not name.exists()]
    ids = []
    after = None
    if missing:
        script = slurm.array_script(format_regions(missing), _task(arguments, parts, folder, jobs), plan, folder, jobs)
        after = slurm.submit(script, folder)
        ids.append(after)
    merge = ["merge", *map(str, names), "--output", str(output)]
    ids.append(slurm.submit(slurm.after_script(merge, after, folder, jobs), folder))
    logger.info(
        "submitted %s: %d of %d parts to impute, then job %s, which merges them to %s; logs: %s/slurm-*.log",
        *(f"job {after}" if after else "no array", len(missing), len(parts), ids[-1], output, folder),
    )
    return ids


def plan_parts(bundle: Bundle, chromosome: str | None, n_tasks: int | None, most_tasks: int) -> list[Interval]:
    """Parts of a chromosome that together are all of it, borders at the first imputed sites of regions.

    Raises:
        SettingsError: if the model has one region only, or the chromosome is not known.
    """
    name = chromosome or bundle.chromosome
    if name is None:
        raise SettingsError("--slurm needs the chromosome, which the model does not tell; give --chromosome")
    spans = [region.sites.positions[region.imputed_rows] for region in bundle.regions if region.imputed_rows.size]
    starts = sorted(int(positions[0]) for positions in spans)
    count = min(n_tasks or len(starts), len(starts), most_tasks)
    if count < 2:
        raise SettingsError("--slurm needs two parts or more, found one; impute it without --slurm")
    firsts = [TaskSlice(index, count).of(starts)[0] for index in range(1, count + 1)]
    borders = [1, *firsts[1:], LAST_POSITION + 1]
    return [Interval(name, start, stop - 1) for start, stop in pairwise(borders)]


def _target_files(settings: ImputeSettings) -> dict[str, list[int]]:
    """Size and time of change of the target's files: if they have changed, all parts must be imputed again."""
    keys = ("hap", "legend", "haps", "vcf", "bgen", "pgen", "sample", "samples", "exclude_samples", "exclude_sites")
    names = [getattr(settings, key) for key in keys]
    names += [] if settings.pgen is None else [f"{settings.pgen.removesuffix('.pgen')}.pgen"]
    states = {name: Path(name).stat() for name in names if name is not None and Path(name).is_file()}
    return {name: [state.st_size, state.st_mtime_ns] for name, state in states.items()}


def _begin(
    plan: Path, arguments: Sequence[str], parts: Sequence[Interval], bundle: Bundle, target: dict[str, list[int]]
) -> None:
    path = manifest_path(bundle.prefix)
    now = {
        "arguments": list(arguments),
        "parts": list(map(str, parts)),
        "target": target,
        "model": sha256_of(path) if bundle.manifest is not None else None,
    }
    if plan.exists() and read_json(plan, "delete the folder, and submit again") != now:
        raise DataError(
            "parts of another command, target or model are there; delete the folder or use another prefix", plan
        )
    write_json(plan, now)


def _task(arguments: Sequence[str], parts: Sequence[Interval], folder: Path, jobs: SlurmSettings) -> list[str]:
    """The lines of a task: look up its part, and impute it."""
    command = slurm.command_line(["impute", *arguments, "--output-format", "vcf.gz"], jobs)
    place = f'{slurm.quoted(str(folder))}/"$SLURM_ARRAY_TASK_ID"'
    return [
        f"parts=({' '.join(slurm.quoted(str(part)) for part in parts)})",
        f'exec {command} --region "${{parts[SLURM_ARRAY_TASK_ID - 1]}}" --output-prefix {place}',
    ]
