"""Training some regions on one device, and what it leaves on disk.

For a prefix `results/train/chr22`, a region's models go to `results/train/models/chr22_<i>.onnx`, `.ort` and
`.legend.gz`, and what training needs to go on to `results/train/chr22_regions/<i>/`. A region whose `summary.json` is
there is finished. Regions do not know of each other: any of them can be trained alone, in any order, and the result is
the same.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from rnnimp.bundle import sha256_of
from rnnimp.errors import DataError, RnnimpError
from rnnimp.formats.files import atomic_output
from rnnimp.formats.hapslegend import open_panel, write_legend
from rnnimp.network.export import as_ort, build_graph, check_graph
from rnnimp.panel import chromosome_in_ids
from rnnimp.training.data import Feeder, RegionData
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.region import PLAIN, Runner, TrainedRegion, train_region
from rnnimp.training.trainer import Progress

logger = logging.getLogger(__name__)

CHECKED_HAPLOTYPES = 20


class Display(Protocol):
    """Shows how a region's training goes."""

    def network(self, region: int, name: str, max_iterations: int) -> Progress:
        """Whom to tell of a network's evaluations."""

    def finish_region(self) -> None:
        """Clear what is shown of the region at hand."""


@dataclass(frozen=True)
class TrainOptions:
    """How to train, apart from what decides the weights.

    Attributes:
        regions: numbers of the regions to train, from 1; None for all.
        device: `auto`, `cpu` or `cuda`.
        engine: `auto`, `reference` (plain PyTorch) or `fused` (our kernels: on a GPU many networks at once).
        resume: keep finished regions and go on from checkpoints.
        n_threads: CPU threads.
        chromosome: its name, for the manifest; else told from the site ids.
    """

    regions: tuple[int, ...] | None = None
    device: str = "auto"
    engine: str = "auto"
    resume: bool = True
    n_threads: int = 1
    chromosome: str | None = None


class RegionFiles:
    """Where one region's files lie."""

    def __init__(self, output_prefix: str | Path, number: int) -> None:
        prefix = Path(output_prefix)
        self.number = number
        self.folder = Path(f"{prefix}_regions") / str(number)
        self.model = model_prefix(prefix).parent / f"{prefix.name}_{number}"
        self.summary = self.folder / "summary.json"
        self.settings = self.folder / "settings.json"

    def ending(self, name: str) -> Path:
        """A model file of the region, as `onnx`."""
        return Path(f"{self.model}.{name}")

    def clear(self) -> None:
        """Delete all that was trained."""
        if self.folder.exists():
            for path in sorted(self.folder.iterdir()):
                path.unlink()


def model_prefix(output_prefix: str | Path) -> Path:
    """The prefix under which the models are found by `rnnimp impute --model-prefix`."""
    prefix = Path(output_prefix)
    return prefix.parent / "models" / prefix.name


@dataclass(frozen=True)
class Work:
    """What every process of a training needs to know.

    Attributes:
        prefixes: of all regions' training files, in order.
        output_prefix: where to.
        settings: the recipe.
        options: how to train.
        engine: `reference` or `fused`.
    """

    prefixes: list[str]
    output_prefix: str
    settings: TrainingSettings
    options: TrainOptions
    engine: str

    def files(self, number: int) -> RegionFiles:
        """Where a region's files lie."""
        return RegionFiles(self.output_prefix, number)


def train_regions(work: Work, numbers: Sequence[int], device: torch.device, display: Display) -> dict[int, str]:
    """Train some regions on one device; the reasons of those that failed."""
    torch.set_num_threads(work.options.n_threads)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    is_grouped = work.engine == "fused" and device.type == "cuda"
    failed: dict[int, str] = {}

    def finish(chosen: Sequence[int]) -> None:
        # a group of the fused engine has cleared its folders before it began
        how = replace(work.options, resume=work.options.resume or is_grouped)
        for number in chosen:
            try:
                _train_one(replace(work, options=how), number, device, display)
            except Exception as error:
                failed[number] = _record_failure(error, work.files(number))
            finally:
                display.finish_region()

    if is_grouped:
        _train_in_groups(work, numbers, device, display, finish)
    else:
        finish(numbers)
    return failed


def _train_in_groups(
    work: Work,
    numbers: Sequence[int],
    device: torch.device,
    display: Display,
    finish: Callable[[Sequence[int]], None],
) -> None:
    """Train as many regions at once as the device has room for, and export them group by group.

    What cannot be read here is left to `finish`, which says why.
    """
    from rnnimp.training.device_batches import Job
    from rnnimp.training.stacked import regions_at_once, train_group

    waiting = list(numbers)
    at_once: int | None = None
    while waiting:
        jobs: dict[int, Job] = {}
        while waiting and (at_once is None or len(jobs) < at_once):
            number = waiting.pop(0)
            data = _data_if_unfinished(work, number)
            if data is None:
                finish([number])
                continue
            jobs[number] = Job(number, data, work.files(number).folder, _teller(display, number, work.settings))
            if at_once is None:
                at_once = regions_at_once(data, work.settings, device)
                logger.info("%s: up to %d regions at once", device, at_once)
        try:
            if jobs:
                train_group(list(jobs.values()), work.settings, device)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            if len(jobs) == 1:
                raise RnnimpError("one region does not fit into the GPU's memory; lower --batch-size") from None
            at_once = max(1, len(jobs) // 2)
            logger.warning("the GPU's memory is too small for %d regions at once; going on with %d", len(jobs), at_once)
            waiting = [*jobs, *waiting]
            continue
        finish(list(jobs))


def _teller(display: Display, number: int, settings: TrainingSettings) -> Callable[[str], Progress]:
    return lambda name: display.network(number, name, settings.max_iterations)


def _data_if_unfinished(work: Work, number: int) -> RegionData | None:
    """A region's data, its folder begun; None if it is finished or cannot be trained."""
    prefix, files = work.prefixes[number - 1], work.files(number)
    try:
        fingerprint = _fingerprint(prefix, work.settings)
        if not work.options.resume:
            files.clear()
        elif _is_finished(files, fingerprint):
            return None
        _write_json(files.settings, fingerprint)
        return RegionData.of(open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz").read(), work.settings)
    except RnnimpError:
        return None


def _record_failure(error: Exception, files: RegionFiles) -> str:
    """Keep the traceback of an unforeseen failure beside the region's files; the reason in one line."""
    if isinstance(error, RnnimpError):
        reason = str(error)
    else:
        log = files.folder / "error.log"
        with atomic_output(log) as file:
            file.write("".join(traceback.format_exception(error)).encode())
        reason = f"{type(error).__name__}: {error} (see {log})".replace("\n", " ")
    logger.error("region %d failed: %s", files.number, reason)
    return reason


def _train_one(work: Work, number: int, device: torch.device, display: Display) -> None:
    prefix, files, settings = work.prefixes[number - 1], work.files(number), work.settings
    fingerprint = _fingerprint(prefix, settings)
    if not work.options.resume:
        files.clear()
    elif _is_finished(files, fingerprint):
        logger.info("region %d: finished before, kept", number)
        return
    _write_json(files.settings, fingerprint)
    started = time.monotonic()
    panel = open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz").read()
    data = RegionData.of(panel, settings)
    run_by = _runner(work, device)
    region = train_region(data, settings, number, files.folder, device, _teller(display, number, settings), run_by)
    summary = _export(data, region, files)
    display.finish_region()
    logger.info(
        "region %d: %d markers, %d sites; validation R2 %s; %.0f s",
        number,
        summary["n_markers"],
        summary["n_sites"],
        ", ".join(f"{name} {row.validation_r2:.4f} at {row.iteration}" for name, row in region.evaluations.items()),
        time.monotonic() - started,
    )


def _runner(work: Work, device: torch.device) -> Runner:
    """How a network is run: by the CPU kernels, or as the module itself."""
    if work.engine == "reference" or device.type != "cpu":
        return PLAIN
    from rnnimp.network.cpu_engine import CpuEngine

    return Runner("fused-cpu", lambda network: CpuEngine(network, work.options.n_threads))


def _fingerprint(prefix: str, settings: TrainingSettings) -> dict[str, Any]:
    """What decides a region's weights: resuming under another one would mix two trainings."""
    data = {ending: sha256_of(Path(f"{prefix}.{ending}")) for ending in ("hap.gz", "legend.gz")}
    return {"settings": settings.as_dict(), "data": data}


def _is_finished(files: RegionFiles, fingerprint: dict[str, Any]) -> bool:
    if files.settings.exists():
        before = json.loads(files.settings.read_text())
        differing = [
            f"{name} was {before['settings'].get(name)}, is {value}"
            for name, value in fingerprint["settings"].items()
            if before["settings"].get(name) != value
        ]
        if before["data"] != fingerprint["data"]:
            differing.append("its training files have changed")
        if differing:
            raise DataError(
                f"was begun with other settings or data ({'; '.join(differing)}); use the same, another "
                "--output-prefix, or --no-resume to train it anew",
                files.folder,
            )
    if not files.summary.exists():
        return False
    summary = json.loads(files.summary.read_text())
    return all(
        path.exists() and sha256_of(path) == checksum
        for path, checksum in ((files.model.parent / name, value) for name, value in summary["files"].items())
    )


def _export(data: RegionData, region: TrainedRegion, files: RegionFiles) -> dict[str, Any]:
    """Write a region's models, then its summary, which says that they are complete."""
    graph = build_graph(region.higher, region.lower, region.hybrid)
    rows = data.validation_rows()[:CHECKED_HAPLOTYPES]
    inputs, _ = Feeder(data, torch.device("cpu")).tensors(rows)
    error = check_graph(graph, region.higher, region.lower, region.hybrid, inputs)
    logger.debug("region %d: the graph differs from PyTorch by %.2g", files.number, error)
    with atomic_output(files.ending("onnx")) as file:
        file.write(graph.SerializeToString(deterministic=True))
    ort = as_ort(graph)
    if ort is None:
        logger.warning("ONNX Runtime is not installed here, so region %d gets no .ort file", files.number)
    else:
        with atomic_output(files.ending("ort")) as file:
            file.write(ort)
    write_legend(files.ending("legend.gz"), data.panel.sites)
    summary = _summary(data, region, files)
    _write_json(files.summary, summary)
    return summary


def _summary(data: RegionData, region: TrainedRegion, files: RegionFiles) -> dict[str, Any]:
    imputed = data.panel.sites.positions[~data.is_marker]
    names = [files.ending(ending) for ending in ("onnx", "legend.gz")]
    return {
        # the bytes of .ort files depend on the run, so they are not listed
        "files": {path.name: sha256_of(path) for path in names},
        "n_markers": int(np.count_nonzero(data.is_marker)),
        "n_sites": len(imputed),
        "first_position": int(imputed[0]),
        "last_position": int(imputed[-1]),
        "chromosome": chromosome_in_ids(data.panel.sites),
        "networks": {name: asdict(evaluation) for name, evaluation in region.evaluations.items()},
        "training_samples": len(data.training),
        "validation_samples": len(data.validation),
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_output(path) as file:
        file.write((json.dumps(content, indent=2, sort_keys=True) + "\n").encode())
