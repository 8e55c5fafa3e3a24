"""Training as jobs of a cluster: check everything that can be checked here, then submit the unfinished regions.

The tasks of an array job train slices of the unfinished regions. A slice fits the time limit or fills a GPU. A job
after them bundles the results. Submitting again trains the regions that are unfinished then.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from rnnimp.cluster import slurm
from rnnimp.cluster.estimate import (
    GPU_REGIONS_AT_ONCE,
    SECONDS_TO_START,
    NetworkShape,
    hmm_seconds,
    in_words,
    region_seconds,
)
from rnnimp.cluster.shared_folder import SECONDS_FOR_LATE_FILES
from rnnimp.cluster.slices import format_regions, tasks_for
from rnnimp.cluster.slurm import SlurmSettings
from rnnimp.errors import SettingsError
from rnnimp.formats.hapslegend import read_legend
from rnnimp.network.recurrent.cells import CELLS
from rnnimp.pipeline.train.engine_choice import resolve_engine
from rnnimp.pipeline.train.files import RegionFiles, check_genetic_map, plan_path, read_summary
from rnnimp.pipeline.train.run import chosen_regions, log_what_models_hold, prepare_folders, read_data_list
from rnnimp.pipeline.train.work import TrainOptions, Work
from rnnimp.training.recipe import TrainingSettings
from rnnimp.wording import counted

logger = logging.getLogger(__name__)

SECONDS_WITHOUT_LIMIT = 3600.0
"""The time of a task if no limit is given: much longer than its start, and short enough to repeat."""


def submit_training(
    data_list: str,
    output_prefix: str,
    settings: TrainingSettings,
    options: TrainOptions,
    jobs: SlurmSettings,
    task_arguments: Callable[[str], Sequence[str]],
    regions_per_task: int | None = None,
    assume_shared: bool = False,
) -> list[str]:
    """Submit the unfinished regions as an array job, and the bundling after it.

    Args:
        data_list: Data list of the regions.
        output_prefix: Output prefix of the training.
        settings: The recipe.
        options: How to train.
        jobs: The resources to ask Slurm for.
        task_arguments: Gives the arguments of `rnnimp` for a list of regions.
        regions_per_task: How many regions a task trains; None to compute it.
        assume_shared: Do not check whether the nodes see the output folder.

    Returns:
        The ids of the two jobs; none if all regions are finished.

    Raises:
        SettingsError: if the jobs would certainly fail in the queue.
        DataError: as in training itself.
        RnnimpError: if Slurm does not answer or refuses the job.
    """
    partitions = slurm.chosen_partitions(jobs, slurm.read_partitions())
    logs = Path(f"{output_prefix}_regions") / "logs"
    if not assume_shared:
        slurm.check_shared(logs, partitions)
    prefixes = read_data_list(data_list)
    check_genetic_map(prefixes, options.chromosome, options.genetic_map)
    numbers = chosen_regions(options, len(prefixes))
    work = Work(prefixes, output_prefix, settings, options, _engine(settings, options, jobs))
    seconds = estimated_seconds(work, numbers, jobs)
    per_task = regions_per_task or _regions_per_task(seconds, slurm.time_limit(jobs, partitions), work, jobs)
    prepare_folders(work, numbers)
    left = [number for number in numbers if not _is_trained(work.files(number))]
    if not left:
        count = counted(len(numbers), "region")
        logger.info("finished: all %s; 'rnnimp bundle %s' checks them", count, output_prefix)
        return []
    n_tasks = tasks_for(len(left), per_task, jobs.most_running, slurm.most_tasks())
    array, after = _submit_jobs(output_prefix, logs, n_tasks, task_arguments(format_regions(left)), jobs)
    for line in options.disclosure:
        logger.info("%s", line)
    log_what_models_hold(settings)
    most = -(-len(left) // n_tasks)
    logger.info(
        "submitted job %s: %s for %d of %s, at most %d per task, about %s per task (an estimate); then job %s, which "
        "bundles them; logs: %s/slurm-%s_<task>.log; see 'rnnimp status %s'",
        *(array, counted(n_tasks, "task"), len(left), counted(len(prefixes), "region"), most),
        *(in_words(SECONDS_TO_START + seconds * most), after, logs, array, output_prefix),
    )
    return [array, after]


def _submit_jobs(
    output_prefix: str, logs: Path, n_tasks: int, arguments: Sequence[str], jobs: SlurmSettings
) -> tuple[str, str]:
    """Submit the array job and the job after it; their ids."""
    lines = [f'exec {slurm.command_line(arguments, jobs)} --task "$SLURM_ARRAY_TASK_ID/{n_tasks}"']
    array = slurm.submit(slurm.array_script(f"1-{n_tasks}", lines, plan_path(output_prefix), logs, jobs), logs)
    bundling = ["bundle", output_prefix, "--wait", str(2 * SECONDS_FOR_LATE_FILES)]
    return array, slurm.submit(slurm.after_script(bundling, array, logs, jobs), logs)


def _is_on_gpu(options: TrainOptions, jobs: SlurmSettings) -> bool:
    return options.device == "cuda" or (options.device == "auto" and jobs.gpus_per_task > 0)


def _engine(settings: TrainingSettings, options: TrainOptions, jobs: SlurmSettings) -> str:
    """The engine that the nodes will most likely take: as here, if they have what is installed here."""
    import torch

    return resolve_engine(options.engine, torch.device("cuda" if _is_on_gpu(options, jobs) else "cpu"), settings)


def estimated_seconds(work: Work, numbers: Sequence[int], jobs: SlurmSettings) -> float:
    """How long the largest of some regions takes to train, or its share where a GPU trains many at once."""
    settings = work.settings
    largest = max((work.prefixes[number - 1] for number in numbers), key=lambda p: Path(f"{p}.hap.gz").stat().st_size)
    sites = read_legend(f"{largest}.legend.gz")
    n_markers = int(sites.markers().sum())
    layers = (settings.n_layers_higher + settings.n_layers_lower) / 2
    n_sites = len(sites) - n_markers
    n_gates, n_mixed = CELLS[settings.cell].n_gates, settings.n_mixed
    shape = NetworkShape(n_gates, settings.n_units, layers, n_markers, n_sites, settings.batch_size, n_mixed)
    on_gpu = _is_on_gpu(work.options, jobs)
    iterations, threads = expected_iterations(settings), work.options.n_threads
    hmm = settings.hmm_settings().max_iterations
    return region_seconds(shape, iterations, work.engine, on_gpu, threads, settings.trains_hybrid) + hmm_seconds(
        shape, settings.n_states, hmm, work.engine, on_gpu, threads
    )


def expected_iterations(settings: TrainingSettings) -> int:
    """Iterations that a network mostly takes: twice those of a training that never gains, at most all.

    A rate that falls by a cosine takes all.
    """
    if settings.schedule == "cosine":
        return settings.max_iterations
    rate, patience, fewest = settings.learning_rate, settings.patience, 0
    while rate >= settings.smallest_rate:
        fewest += patience
        rate, patience = rate / 2, max(patience // 2, settings.smallest_patience)
    return min(settings.max_iterations, 2 * fewest)


def _regions_per_task(seconds: float, limit: float | None, work: Work, jobs: SlurmSettings) -> int:
    """As many regions as fit the time limit, or an hour where none is asked for; on GPUs whole groups of them."""
    group = 1
    if _is_on_gpu(work.options, jobs) and work.engine == "fused":
        group = GPU_REGIONS_AT_ONCE * max(1, jobs.gpus_per_task)
        seconds /= max(1, jobs.gpus_per_task)
    if limit is not None and limit < SECONDS_TO_START + seconds:
        raise SettingsError(
            f"a time limit of {in_words(limit)} is shorter than one region takes, about "
            f"{in_words(SECONDS_TO_START + seconds)}; raise --time, or give --regions-per-task 1 and submit again "
            "until all are finished"
        )
    wanted = limit if limit is not None and jobs.time is not None else min(limit or math.inf, SECONDS_WITHOUT_LIMIT)
    fitting = max(1, int((wanted - SECONDS_TO_START) / seconds))
    return fitting if fitting < group else fitting - fitting % group


def _is_trained(files: RegionFiles) -> bool:
    """Whether a region's files are there; tasks and bundling look into them, too."""
    if not files.summary.exists():
        return False
    return all((files.model.parent / name).exists() for name in read_summary(files)["files"])
