"""Train: the regions of a data list into a bundle of models.

For a prefix `results/train/chr22`, the models go to `results/train/models/chr22_<i>.onnx`, `.ort` and
`.legend.gz` with `models/chr22.manifest.json`; what training needs to go on goes to
`results/train/chr22_regions/<i>/`. A region whose `summary.json` is there is finished. Regions do not know of each
other: any of them can be trained alone, in any order, and the result is the same.
"""

from __future__ import annotations

import json
import logging
import platform
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from rnnimp import __version__
from rnnimp.bundle import Manifest, RegionEntry, sha256_of, write_manifest
from rnnimp.errors import DataError, RnnimpError, SettingsError, TrainingError
from rnnimp.formats.files import atomic_output, read_lines
from rnnimp.formats.hapslegend import open_panel, write_legend
from rnnimp.network.export import as_ort, build_graph, check_graph
from rnnimp.panel import chromosome_in_ids
from rnnimp.training.data import Feeder, RegionData
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.region import TrainedRegion, train_region
from rnnimp.training.trainer import Progress

logger = logging.getLogger(__name__)

CHECKED_HAPLOTYPES = 20
MOST_FUSED_UNITS = 64


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
        engine: `auto`, `reference` (plain PyTorch, a network at a time) or `fused` (many at once, CUDA only).
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


def read_data_list(path: str | Path) -> list[str]:
    """Prefixes of the regions' training files, a line each.

    Raises:
        DataError: if the list is empty, or names a file that is not there.
    """
    prefixes = [line.strip() for line in read_lines(path) if line.strip()]
    if not prefixes:
        raise DataError("expected a prefix of training files a line, found none; make it with 'rnnimp split'", path)
    for number, prefix in enumerate(prefixes, start=1):
        for ending in ("hap.gz", "legend.gz"):
            if not Path(f"{prefix}.{ending}").exists():
                raise DataError(
                    f"{prefix}.{ending} is not there; run from the folder that the list was made in", path, number
                )
    return prefixes


def resolve_device(name: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` means here.

    Raises:
        SettingsError: if CUDA is asked for and not there.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise SettingsError("--device cuda was asked for, but PyTorch finds no CUDA device here; use --device cpu")
    return torch.device("cuda" if name != "cpu" and has_cuda else "cpu")


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
    prefixes = read_data_list(data_list)
    numbers = _chosen(options.regions, len(prefixes))
    device = resolve_device(options.device)
    engine = resolve_engine(options.engine, device, settings)
    torch.set_num_threads(options.n_threads)
    logger.info("training %d of %d regions on %s, engine %s", len(numbers), len(prefixes), device, engine)
    regions = {number: RegionFiles(output_prefix, number) for number in numbers}
    failed: dict[int, str] = {}

    def finish(chosen: Sequence[int]) -> None:
        for number in chosen:
            try:
                how = replace(options, resume=options.resume or engine == "fused")  # a group cleared its folders
                _train_one(prefixes[number - 1], regions[number], settings, how, device, display)
            except Exception as error:
                failed[number] = _record_failure(error, regions[number])
            finally:
                display.finish_region()

    if engine == "fused":
        _train_in_groups(prefixes, regions, settings, options, device, display, finish)
    else:
        finish(numbers)
    finished = _write_bundle_manifest(output_prefix, len(prefixes), settings, options.chromosome)
    logger.info("%d of %d regions are finished; models: %s_*", finished, len(prefixes), model_prefix(output_prefix))
    if failed:
        reasons = "; ".join(f"region {number}: {reason}" for number, reason in failed.items())
        raise TrainingError(f"{len(failed)} of {len(numbers)} regions failed: {reasons}")


def resolve_engine(name: str, device: torch.device, settings: TrainingSettings) -> str:
    """The engine that `auto`, `reference` or `fused` means on a device.

    Raises:
        SettingsError: if the fused engine is asked for where it cannot run.
    """
    obstacles = []
    if device.type != "cuda":
        obstacles.append("no CUDA device")
    if find_spec("triton") is None:
        obstacles.append("no Triton")
    if settings.n_units > MOST_FUSED_UNITS:
        obstacles.append(f"{settings.n_units} units, of at most {MOST_FUSED_UNITS}")
    if settings.n_layers_higher != settings.n_layers_lower:
        obstacles.append("higher- and lower-MAF networks of different depth")
    if name == "fused" and obstacles:
        raise SettingsError(f"--engine fused cannot run here, found {' and '.join(obstacles)}; use --engine reference")
    return "reference" if name == "reference" or obstacles else "fused"


def _train_in_groups(
    prefixes: Sequence[str],
    regions: dict[int, RegionFiles],
    settings: TrainingSettings,
    options: TrainOptions,
    device: torch.device,
    display: Display,
    finish: Callable[[Sequence[int]], None],
) -> None:
    """Train as many regions at once as the device has room for, and export them group by group.

    What cannot be read here is left to `finish`, which says why.
    """
    from rnnimp.training.stacked import Job, regions_at_once, train_group

    waiting = list(regions)
    at_once: int | None = None
    while waiting:
        jobs: dict[int, Job] = {}
        while waiting and (at_once is None or len(jobs) < at_once):
            number = waiting.pop(0)
            data = _data_if_unfinished(prefixes[number - 1], regions[number], settings, options)
            if data is None:
                finish([number])
                continue
            jobs[number] = Job(number, data, regions[number].folder, _teller(display, number, settings))
            if at_once is None:
                at_once = regions_at_once(data, settings, device)
                logger.info("%d regions at once", at_once)
        try:
            if jobs:
                train_group(list(jobs.values()), settings, device)
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


def _data_if_unfinished(
    prefix: str, files: RegionFiles, settings: TrainingSettings, options: TrainOptions
) -> RegionData | None:
    """A region's data, its folder begun; None if it is finished or cannot be trained."""
    try:
        fingerprint = _fingerprint(prefix, settings)
        if not options.resume:
            files.clear()
        elif _is_finished(files, fingerprint):
            return None
        _write_json(files.settings, fingerprint)
        return RegionData.of(open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz").read(), settings)
    except RnnimpError:
        return None


def _chosen(regions: Sequence[int] | None, n_regions: int) -> list[int]:
    if regions is None:
        return list(range(1, n_regions + 1))
    absent = [number for number in regions if not 1 <= number <= n_regions]
    if absent:
        raise SettingsError(f"--regions names region {absent[0]}, but the list has {n_regions}")
    return sorted(set(regions))


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


def _train_one(
    prefix: str,
    files: RegionFiles,
    settings: TrainingSettings,
    options: TrainOptions,
    device: torch.device,
    display: Display,
) -> None:
    fingerprint = _fingerprint(prefix, settings)
    if not options.resume:
        files.clear()
    elif _is_finished(files, fingerprint):
        logger.info("region %d: finished before, kept", files.number)
        return
    _write_json(files.settings, fingerprint)
    started = time.monotonic()
    panel = open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz").read()
    data = RegionData.of(panel, settings)
    region = train_region(
        data,
        settings,
        files.number,
        files.folder,
        device,
        lambda name: display.network(files.number, name, settings.max_iterations),
    )
    summary = _export(data, region, files)
    display.finish_region()
    logger.info(
        "region %d: %d markers, %d sites; validation R2 %s; %.0f s",
        files.number,
        summary["n_markers"],
        summary["n_sites"],
        ", ".join(f"{name} {row.validation_r2:.4f} at {row.iteration}" for name, row in region.evaluations.items()),
        time.monotonic() - started,
    )


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


def _write_bundle_manifest(
    output_prefix: str | Path, n_regions: int, settings: TrainingSettings, chromosome: str | None
) -> int:
    """Write the manifest over all regions finished so far; their number."""
    entries, chromosomes = [], set()
    for number in range(1, n_regions + 1):
        files = RegionFiles(output_prefix, number)
        if not files.summary.exists():
            continue
        summary = json.loads(files.summary.read_text())
        chromosomes.add(summary.pop("chromosome"))
        own = ("files", "n_markers", "n_sites", "first_position", "last_position")
        training = {name: value for name, value in summary.items() if name not in own}
        entries.append(RegionEntry(index=number, summary=training, **{name: summary[name] for name in own}))
    if chromosome is None and len(chromosomes) == 1:
        chromosome = chromosomes.pop()
    if entries:
        manifest = Manifest(
            __version__, _versions(), chromosome, settings.as_dict(), settings.seed, tuple(entries), n_regions
        )
        write_manifest(model_prefix(output_prefix), manifest)
    return len(entries)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in ("numpy", "torch", "onnx", "onnxruntime"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_output(path) as file:
        file.write((json.dumps(content, indent=2, sort_keys=True) + "\n").encode())
