"""Train: the models of the regions of a data list; `files.py` says where the files are written."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

from rnnimp.cluster.locks import FileLock, read_lock
from rnnimp.cluster.shared_folder import SECONDS_FOR_LATE_FILES
from rnnimp.errors import DataError, SettingsError, TrainingError
from rnnimp.formats.files import read_lines
from rnnimp.pipeline.outputs import require_output_name, require_separate
from rnnimp.pipeline.train.devices import train_on_devices
from rnnimp.pipeline.train.engine_choice import obstacles, resolve_devices, resolve_engine
from rnnimp.pipeline.train.files import (
    MODEL_ENDINGS,
    RegionFiles,
    check_genetic_map,
    check_settings,
    model_prefix,
    write_plan,
)
from rnnimp.pipeline.train.manifest import write_bundle_manifest
from rnnimp.pipeline.train.one_device import train_regions
from rnnimp.pipeline.train.report import reasons_by_region
from rnnimp.pipeline.train.work import Display, TrainOptions, Work
from rnnimp.training.recipe import TrainingSettings
from rnnimp.wording import counted, shortened

logger = logging.getLogger(__name__)

LONGEST_PATH = 4000
"""Bytes of a path; a longer line is no prefix of files."""


def train(
    data_list: str | Path,
    output_prefix: str | Path,
    settings: TrainingSettings,
    options: TrainOptions,
    display: Display,
) -> None:
    """Train the regions of a list, write their model files, and write the manifest.

    A region that fails does not stop the others.

    Raises:
        TrainingError: at the end, with the reasons of the regions that failed.
    """
    prefixes = read_data_list(data_list, 0 if options.task is None else SECONDS_FOR_LATE_FILES)
    check_genetic_map(prefixes, options.chromosome, options.genetic_map)
    numbers = chosen_regions(options, len(prefixes))
    check_region_outputs(prefixes, data_list, options.genetic_map, output_prefix)
    for line in options.disclosure:
        logger.info("%s", line)
    display.start(len(numbers))
    devices = resolve_devices(options.device)
    engine = resolve_engine(options.engine, devices[0], settings)
    if options.engine == "auto" and engine == "reference":
        found = " and ".join(obstacles(devices[0], settings))
        logger.warning("slow: plain PyTorch trains, since the fused engine found %s", found)
    names = ", ".join(str(device) for device in devices)
    logger.info("training %d of %s on %s, engine %s", len(numbers), counted(len(prefixes), "region"), names, engine)
    log_what_models_hold(settings)
    work = Work(prefixes, str(output_prefix), settings, options, engine)
    prepare_folders(work, numbers)
    failed: dict[int, str] = {}
    try:
        if len(devices) > 1 and len(numbers) > 1:
            failed = train_on_devices(work, numbers, devices, display)
        else:
            failed = train_regions(work, numbers, devices[0], display)
    finally:
        finished = write_bundle_manifest(output_prefix, len(prefixes), settings.as_dict(), options.chromosome)
    where = f"; models: {model_prefix(output_prefix)}_*" if finished else ""
    logger.info("finished: %d of %s%s", finished, counted(len(prefixes), "region"), where)
    if failed:
        count = counted(len(numbers), "region")
        raise TrainingError(f"{len(failed)} of {count} failed: {reasons_by_region(failed)}")


def log_what_models_hold(settings: TrainingSettings) -> None:
    """Report it if models will contain more of the panel than weights."""
    if settings.n_states and settings.state_carriers:
        people = counted(settings.state_carriers, "person", "people")
        logger.info(
            "the models will contain haplotypes of which each allele is drawn from at least %s (all, if there are "
            "fewer) who carry the alleles before it",
            people,
        )
    elif settings.n_states:
        are_whole = settings.state_pieces == 1
        held = "haplotypes, whole within a region," if are_whole else "recombined stretches of haplotypes"
        logger.info(
            "the models will contain %s of the training samples, which everyone who has the models can read; "
            "--num-states 0 trains without them",
            held,
        )
    if settings.exact_frequencies:
        logger.info("the model's legends will contain the exact allele frequencies of the panel")


def read_data_list(path: str | Path, patience: float = 0) -> list[str]:
    """Read the prefixes of the regions' training files, one per line.

    Args:
        path: Path of the list.
        patience: Seconds to wait for files that are not there yet.

    Raises:
        DataError: if the list is empty, or names a file that is not there.
    """
    end = time.monotonic() + patience
    _appears(Path(path), end)
    prefixes = [line.strip() for line in read_lines(path) if line.strip()]
    if not prefixes:
        raise DataError("expected one prefix of training files per line, found none; make it with 'rnnimp split'", path)
    for number, prefix in enumerate(prefixes, start=1):
        if len(os.fsencode(prefix)) > LONGEST_PATH or not prefix.isprintable():
            raise DataError(
                f"expected one prefix of training files per line, found '{shortened(prefix)}'; give the list that "
                "'rnnimp split' wrote, PREFIX.list",
                path,
                number,
            )
        for ending in ("hap.gz", "legend.gz"):
            if not _appears(Path(f"{prefix}.{ending}"), end):
                raise DataError(
                    f"{shortened(prefix)}.{ending} is not there; give the list that 'rnnimp split' wrote, and run from "
                    "the folder that it was made in",
                    path,
                    number,
                )
    return prefixes


def _appears(path: Path, end: float) -> bool:
    """Whether a file is there, or appears before a time."""
    while not _exists(path):
        if time.monotonic() >= end:
            return False
        time.sleep(1)
        if path.parent.is_dir():
            next(path.parent.iterdir(), None)  # makes a client of a file server forget that the file was absent
    return True


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no file can have such a name
        return False


def check_region_outputs(
    prefixes: Sequence[str], data_list: str | Path, genetic_map: str | None, output_prefix: str | Path
) -> None:
    """Refuse a training whose models would replace its own data.

    Raises:
        SettingsError: naming both files.
    """
    require_output_name(output_prefix, "--output")
    inputs = [f"{prefix}.{ending}" for prefix in prefixes for ending in ("hap.gz", "legend.gz")]
    models = [RegionFiles(output_prefix, number) for number in range(1, len(prefixes) + 1)]
    outputs = [files.ending(ending) for files in models for ending in MODEL_ENDINGS]
    require_separate(outputs, [*inputs, data_list, genetic_map])


def prepare_folders(work: Work, numbers: Sequence[int]) -> None:
    """Delete what earlier runs left if they are not to be resumed; refuse regions of another recipe.

    Raises:
        DataError: if a region was begun with other settings, or is to be deleted and another process is training it.
    """
    if not work.options.resume:
        for number in numbers:
            _clear(work, number)
    is_all_new = not work.options.resume and len(numbers) == len(work.prefixes)
    write_plan(work.output_prefix, len(work.prefixes), work.options.chromosome, is_all_new)
    for number in range(1, len(work.prefixes) + 1):
        check_settings(work.files(number), work.settings.as_dict())


def _clear(work: Work, number: int) -> None:
    files = work.files(number)
    if not files.folder.exists():
        files.clear()
        return
    lock = FileLock.acquire(files.lock)
    if lock is None:
        held = read_lock(files.lock)
        who = (held and held.holder) or "another process"
        raise DataError(f"{who} is training this region; stop it before you train from the start", files.folder)
    files.clear()
    lock.release()


def chosen_regions(options: TrainOptions, n_regions: int) -> list[int]:
    """The regions to train: the chosen ones, or this task's slice of them.

    Raises:
        SettingsError: if a chosen number is not in the list.
    """
    numbers = sorted(set(options.regions or range(1, n_regions + 1)))
    absent = [number for number in numbers if not 1 <= number <= n_regions]
    if absent:
        raise SettingsError(f"--regions names region {absent[0]}, but the list has {n_regions}")
    return numbers if options.task is None else options.task.of(numbers)
