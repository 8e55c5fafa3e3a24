"""Train: the regions of a data list into a bundle of models; see `train_files.py` for what lies where."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from rnnimp.cluster.locks import FileLock, read_lock
from rnnimp.errors import DataError, SettingsError, TrainingError
from rnnimp.formats.files import read_lines
from rnnimp.formats.genetic_map import read_genetic_map
from rnnimp.network.kernels.gpu_limits import (
    MOST_UNITS,
    MOST_UNITS_KEPT,
    MOST_UNITS_NARROW,
    SHARED_FOR_WIDE,
    shared_memory,
)
from rnnimp.pipeline.train.bundle import write_bundle_manifest
from rnnimp.pipeline.train.devices import train_on_devices
from rnnimp.pipeline.train.files import check_settings, model_prefix, write_plan
from rnnimp.pipeline.train.one_device import Display, TrainOptions, Work, train_regions
from rnnimp.training.recipe import TrainingSettings

logger = logging.getLogger(__name__)

LEAST_TRITON = (3, 3)
SECONDS_FOR_LATE_FILES = 60.0
"""How long a task waits for training files that a shared file system may show late."""


def train(
    data_list: str | Path,
    output_prefix: str | Path,
    settings: TrainingSettings,
    options: TrainOptions,
    display: Display,
) -> None:
    """Train the regions of a list, one after another, and write the bundle.

    A region that fails is named and does not stop the others.

    Raises:
        TrainingError: at the end, naming the regions that failed.
    """
    prefixes = read_data_list(data_list, 0 if options.task is None else SECONDS_FOR_LATE_FILES)
    if options.genetic_map is not None:
        read_genetic_map(options.genetic_map)
    numbers = chosen_regions(options, len(prefixes))
    devices = resolve_devices(options.device)
    engine = resolve_engine(options.engine, devices[0], settings)
    if options.engine == "auto" and engine == "reference":
        obstacles = " and ".join(_obstacles(devices[0], settings))
        logger.warning("slow: plain PyTorch trains, since the fused engine found %s", obstacles)
    names = ", ".join(str(device) for device in devices)
    logger.info("training %d of %d regions on %s, engine %s", len(numbers), len(prefixes), names, engine)
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
    logger.info("%d of %d regions are finished%s", finished, len(prefixes), where)
    if failed:
        reasons = "; ".join(f"region {number}: {reason}" for number, reason in failed.items())
        raise TrainingError(f"{len(failed)} of {len(numbers)} regions failed: {reasons}")


def log_what_models_hold(settings: TrainingSettings) -> None:
    """Say it where models will hold more of the panel than weights."""
    if settings.n_states:
        are_whole = settings.state_pieces == 1
        held = "haplotypes, whole within a region," if are_whole else "recombined stretches of haplotypes"
        logger.info(
            "the models will hold %s of the training samples, which whoever has the models can read; "
            "--num-states 0 trains without",
            held,
        )


def read_data_list(path: str | Path, patience: float = 0) -> list[str]:
    """Prefixes of the regions' training files, a line each.

    Args:
        path: of the list.
        patience: seconds to wait for files that are not there yet.

    Raises:
        DataError: if the list is empty, or names a file that is not there.
    """
    end = time.monotonic() + patience
    _appears(Path(path), end)
    prefixes = [line.strip() for line in read_lines(path) if line.strip()]
    if not prefixes:
        raise DataError("expected a prefix of training files a line, found none; make it with 'rnnimp split'", path)
    for number, prefix in enumerate(prefixes, start=1):
        for ending in ("hap.gz", "legend.gz"):
            if not _appears(Path(f"{prefix}.{ending}"), end):
                raise DataError(
                    f"{prefix}.{ending} is not there; run from the folder that the list was made in", path, number
                )
    return prefixes


def _appears(path: Path, end: float) -> bool:
    """Whether a file is there, or comes until then."""
    while not path.exists():
        if time.monotonic() >= end:
            return False
        time.sleep(1)
        if path.parent.is_dir():
            next(path.parent.iterdir(), None)  # makes a client of a file server forget that the file was absent
    return True


def resolve_devices(name: str) -> list[torch.device]:
    """The devices that `auto`, `cpu` or `cuda` means here: all GPUs that are visible, or the CPU.

    Raises:
        SettingsError: if CUDA is asked for and not there.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise SettingsError("--device cuda was asked for, but PyTorch finds no CUDA device here; use --device cpu")
    if name == "cpu" or not has_cuda:
        return [torch.device("cpu")]
    return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]


def prepare_folders(work: Work, numbers: Sequence[int]) -> None:
    """Clear the regions to be trained anew; refuse to mix in regions, asked for or not, of another recipe.

    Raises:
        DataError: if regions were begun with other settings, or one to be cleared is in training.
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
        raise DataError(f"{who} is at it, so it cannot be trained anew; stop that first", files.folder)
    files.clear()
    lock.release()


def resolve_engine(name: str, device: torch.device, settings: TrainingSettings) -> str:
    """The engine that `auto`, `reference` or `fused` means on a device.

    Raises:
        SettingsError: if the fused engine is asked for where it cannot run.
    """
    if name == "reference":
        return name
    obstacles = _obstacles(device, settings)
    if name == "fused" and obstacles:
        raise SettingsError(f"--engine fused cannot run here, found {' and '.join(obstacles)}; use --engine reference")
    return "reference" if obstacles else "fused"


def _obstacles(device: torch.device, settings: TrainingSettings) -> list[str]:
    """What keeps the fused engine from running, in words."""
    if device.type != "cuda":
        return [] if find_spec("numba") else ["no numba"]
    obstacles = []
    if find_spec("triton") is None:
        obstacles.append("no triton")
    elif tuple(map(int, _triton_version().split(".")[:2])) < LEAST_TRITON:
        obstacles.append(f"Triton {_triton_version()}, which cannot compile the kernels (3.3, of PyTorch 2.7, can)")
    most_anywhere = MOST_UNITS_NARROW if settings.cell == "LSTM" else MOST_UNITS_KEPT
    room = shared_memory(device)
    if settings.n_units > MOST_UNITS:
        obstacles.append(f"{settings.n_units} units, of at most {MOST_UNITS} on a GPU")
    elif settings.n_units > most_anywhere and room < SHARED_FOR_WIDE:
        size = f"{room >> 10} KiB of a GPU's shared memory, of {SHARED_FOR_WIDE >> 10}"
        obstacles.append(f"{size} that {settings.n_units} {settings.cell} units need")
    if settings.n_layers_higher != settings.n_layers_lower:
        obstacles.append("higher- and lower-MAF networks of different depth")
    return obstacles


def _triton_version() -> str:
    import triton  # several distributions bring this module, so that the version is the module's

    version: str = triton.__version__
    return version


def chosen_regions(options: TrainOptions, n_regions: int) -> list[int]:
    """The regions to train: those asked for, or this task's share of them.

    Raises:
        SettingsError: if one is asked for that is not there.
    """
    numbers = sorted(set(options.regions or range(1, n_regions + 1)))
    absent = [number for number in numbers if not 1 <= number <= n_regions]
    if absent:
        raise SettingsError(f"--regions names region {absent[0]}, but the list has {n_regions}")
    return numbers if options.task is None else options.task.of(numbers)
