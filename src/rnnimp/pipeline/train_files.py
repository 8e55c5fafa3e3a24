"""What training leaves on disk, and what of it counts as finished.

For a prefix `results/train/chr22`, a region's models go to `results/train/models/chr22_<i>.onnx`, `.ort` and
`.legend.gz`, and what training needs to go on to `results/train/chr22_regions/<i>/`. There, `settings.json` says what
the region was begun with, and `summary.json` that it is finished.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rnnimp import __version__
from rnnimp.bundle import Manifest, RegionEntry, sha256_of, write_manifest
from rnnimp.errors import DataError
from rnnimp.formats.files import atomic_output
from rnnimp.training.recipe import TrainingSettings


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
        """Delete all that was trained, the models first."""
        for ending in ("onnx", "ort", "legend.gz"):
            self.ending(ending).unlink(missing_ok=True)
        if self.folder.exists():
            for path in sorted(self.folder.iterdir()):
                path.unlink()


def model_prefix(output_prefix: str | Path) -> Path:
    """The prefix under which the models are found by `rnnimp impute --model-prefix`."""
    prefix = Path(output_prefix)
    return prefix.parent / "models" / prefix.name


def fingerprint(prefix: str, settings: TrainingSettings, genetic_map: str | None) -> dict[str, Any]:
    """What decides a region's weights: going on under another one would mix two trainings.

    Args:
        prefix: of the region's training files.
        settings: the recipe.
        genetic_map: its file, if there is one.
    """
    data = {ending: sha256_of(Path(f"{prefix}.{ending}")) for ending in ("hap.gz", "legend.gz")}
    if genetic_map is not None:
        data["genetic map"] = sha256_of(Path(genetic_map))
    return {"settings": settings.as_dict(), "data": data}


def is_finished(files: RegionFiles, expected: dict[str, Any]) -> bool:
    """Whether a region is finished with what is expected of it.

    Raises:
        DataError: if it was begun with other settings or data.
    """
    check_settings(files, expected["settings"], expected["data"])
    if not files.summary.exists():
        return False
    summary = json.loads(files.summary.read_text())
    return all(
        path.exists() and sha256_of(path) == checksum
        for path, checksum in ((files.model.parent / name, value) for name, value in summary["files"].items())
    )


def check_settings(files: RegionFiles, settings: dict[str, Any], data: dict[str, str] | None = None) -> None:
    """Refuse a region that was begun with other settings or, where given, other data.

    Raises:
        DataError: saying what differs.
    """
    if not files.settings.exists():
        return
    before = json.loads(files.settings.read_text())
    differing = [
        f"{name} was {before['settings'].get(name)}, is {value}"
        for name, value in settings.items()
        if before["settings"].get(name) != value
    ]
    if data is not None and before["data"] != data:
        differing.append("its training files or genetic map have changed")
    if differing:
        raise DataError(
            f"was begun with other settings or data ({'; '.join(differing)}); use the same, another "
            "--output-prefix, or --no-resume to train it anew",
            files.folder,
        )


def write_bundle_manifest(
    output_prefix: str | Path, n_regions: int, settings: TrainingSettings, chromosome: str | None
) -> int:
    """Write the manifest over all regions finished so far.

    Other processes may finish regions meanwhile; so it is made again until nothing has changed.

    Args:
        output_prefix: of the training.
        n_regions: regions of the chromosome.
        settings: the recipe, that of all regions.
        chromosome: its name; None to take it from the site ids.

    Returns:
        How many regions are finished.
    """
    while True:
        summaries = _summaries(output_prefix, n_regions)
        if summaries:
            write_manifest(model_prefix(output_prefix), _manifest(summaries, n_regions, settings, chromosome))
        if summaries == _summaries(output_prefix, n_regions):
            return len(summaries)


def _summaries(output_prefix: str | Path, n_regions: int) -> dict[int, dict[str, Any]]:
    found = {}
    for number in range(1, n_regions + 1):
        path = RegionFiles(output_prefix, number).summary
        if path.exists():
            found[number] = json.loads(path.read_text())
    return found


def _manifest(
    summaries: dict[int, dict[str, Any]], n_regions: int, settings: TrainingSettings, chromosome: str | None
) -> Manifest:
    own = ("files", "n_markers", "n_sites", "first_position", "last_position")
    entries = []
    for number, summary in sorted(summaries.items()):
        training = {name: value for name, value in summary.items() if name not in (*own, "chromosome")}
        entries.append(RegionEntry(index=number, summary=training, **{name: summary[name] for name in own}))
    named = {summary["chromosome"] for summary in summaries.values()}
    if chromosome is None and len(named) == 1:
        (chromosome,) = named
    return Manifest(__version__, _versions(), chromosome, settings.as_dict(), settings.seed, tuple(entries), n_regions)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in ("numpy", "torch", "onnx", "onnxruntime"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a small table of values, sorted."""
    with atomic_output(path) as file:
        file.write((json.dumps(content, indent=2, sort_keys=True) + "\n").encode())
