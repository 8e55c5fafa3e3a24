"""What `rnnimp train` left behind: the manifest of the model and, if they exist, the histories of its regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bundle import Manifest, RegionEntry, manifest_path, read_manifest
from rnnimp.network.names import HYBRID, NETWORKS
from rnnimp.pipeline.report.reading import UNDEFINED, numbers, read_columns
from rnnimp.pipeline.train.files import RegionFiles, model_prefix, plan_path

COLUMNS = ("iteration", "training_loss", "validation_loss", "validation_r2")

_COMMAND = "rnnimp train"
_NOT_FINITE = ("nan", "inf", "-inf")
_MOST = 1e9

History = Mapping[str, NDArray[np.float64]]
"""The columns of a network's history by name, float64 (n_validations,) each."""


@dataclass(frozen=True, eq=False)
class TrainedRegion:
    """A region that is finished.

    Attributes:
        entry: Its entry in the manifest.
        histories: Validations of each network that was trained, by its name; empty where only the model is there.
        seconds: Time from the first to the last of its files, by their dates; None if not known.
    """

    entry: RegionEntry
    histories: dict[str, History]
    seconds: float | None

    def validation_r2(self, network: str = HYBRID) -> float | None:
        """Mean dosage r2 of a network on the samples held out; None if not known or not defined."""
        return self.entry.validation_r2(network)

    def people(self, name: str) -> int | None:
        """A number of people: `training_samples` or `validation_samples`; None if not known."""
        found = self.entry.summary.get(name)
        return found if isinstance(found, int) else None


@dataclass(frozen=True, eq=False)
class Trained:
    """A training, or a model whose training is not at hand.

    Attributes:
        name: Name of the model.
        manifest: Its manifest.
        regions: The finished regions, in order.
    """

    name: str
    manifest: Manifest
    regions: tuple[TrainedRegion, ...]


def trained_paths(prefix: str) -> list[Path]:
    """The files that may be read, but the histories."""
    return [manifest_path(prefix), manifest_path(model_prefix(prefix)), plan_path(prefix)]


def read_trained(prefix: str) -> Trained:
    """Read a training by its output prefix, or a model by its own.

    Raises:
        DataError: if there is no manifest, or a file is damaged.
    """
    has_folder = plan_path(prefix).exists()
    model = model_prefix(prefix) if has_folder else Path(prefix)
    if not manifest_path(model).exists():
        raise DataError(
            f"expected the manifest of a model, found none; give the --output of '{_COMMAND}' once a region is "
            "finished, or the prefix of a model that it made",
            manifest_path(model),
        )
    manifest = read_manifest(model)
    if not manifest.regions:
        raise DataError("expected a finished region, found none; train a region first", manifest_path(model))
    regions = tuple(_region(entry, RegionFiles(prefix, entry.index), has_folder) for entry in manifest.regions)
    return Trained(model.name, manifest, regions)


def _region(entry: RegionEntry, files: RegionFiles, has_folder: bool) -> TrainedRegion:
    if not has_folder:
        return TrainedRegion(entry, {}, None)
    return TrainedRegion(entry, dict(_histories(files)), _seconds(files))


def _histories(files: RegionFiles) -> Iterator[tuple[str, History]]:
    for network in NETWORKS:
        path = files.folder / f"{network}.history.tsv"
        if path.exists():
            columns = read_columns(path, COLUMNS, _COMMAND)
            yield network, {name: _known(columns, name, path) for name in COLUMNS}


def _known(columns: Mapping[str, Sequence[str]], name: str, path: Path) -> NDArray[np.float64]:
    """A column of a history, in which `nan` and `inf` stand for what is not known or broke down."""
    known = [UNDEFINED if cell in _NOT_FINITE else cell for cell in columns[name]]
    return numbers({name: known}, name, path, -_MOST, _MOST)


def _seconds(files: RegionFiles) -> float | None:
    """From the settings, which are written first, to the summary, which is written last."""
    if not (files.settings.exists() and files.summary.exists()):
        return None
    seconds = files.summary.stat().st_mtime - files.settings.stat().st_mtime
    return seconds if seconds > 0 else None
