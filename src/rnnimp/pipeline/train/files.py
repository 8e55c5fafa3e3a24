"""The files of a training, and the test whether a region is finished.

For a prefix `results/train/chr22`, a region's models go to `results/train/models/chr22_<i>.onnx`, `.ort` and
`.legend.gz`, and the files that training resumes from to `results/train/chr22_regions/<i>/`. There, `settings.json`
contains the settings that the region was begun with. `summary.json` is written when it is finished.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnimp.errors import DataError
from rnnimp.formats import json_files
from rnnimp.formats.files import sha256_of
from rnnimp.formats.genetic_map import GeneticMap, read_genetic_map
from rnnimp.formats.hapslegend import read_legend
from rnnimp.formats.json_files import write_json
from rnnimp.formats.schema import Field
from rnnimp.pipeline.train.schemas import PLAN, SETTINGS, SUMMARY
from rnnimp.sites.chromosomes import same_chromosome
from rnnimp.sites.panel import known_chromosome

if TYPE_CHECKING:
    from rnnimp.training.recipe import TrainingSettings

logger = logging.getLogger(__name__)

_SETTINGS_SINCE_2_1 = {
    "exact_frequencies": True,
    "hmm_weight": 0.4,
    "hmm_weight_missing": 1.0,
    "state_carriers": 0,
    "n_recombined": 0,
    "recombined_crossovers": 6.0,
    "teacher_share": 1.0,
}
"""Settings that a training of version 2.1.0 or before does not name, with the values that it had."""


MODEL_ENDINGS = ("onnx", "ort", "legend.gz")


class RegionFiles:
    """The paths of one region's files."""

    def __init__(self, output_prefix: str | Path, number: int) -> None:
        prefix = Path(output_prefix)
        self.number = number
        self.folder = Path(f"{prefix}_regions") / str(number)
        self.model = model_prefix(prefix).parent / f"{prefix.name}_{number}"
        self.summary = self.folder / "summary.json"
        self.settings = self.folder / "settings.json"
        self.lock = self.folder / "lock"
        self.progress = self.folder / "progress.json"
        self.failure = self.folder / "failure.json"
        self.error_log = self.folder / "error.log"

    def ending(self, name: str) -> Path:
        """A model file of the region, as `onnx`."""
        return Path(f"{self.model}.{name}")

    def clear(self) -> None:
        """Delete everything that was trained, the models first; a lock stays."""
        for ending in MODEL_ENDINGS:
            self.ending(ending).unlink(missing_ok=True)
        if self.folder.exists():
            for path in sorted(self.folder.iterdir()):
                if path != self.lock:
                    path.unlink()

    def forget_failure(self) -> None:
        """Delete the messages of an earlier attempt that failed."""
        for path in (self.failure, self.error_log):
            path.unlink(missing_ok=True)


def model_prefix(output_prefix: str | Path) -> Path:
    """The prefix under which the models are found by `rnnimp impute --model-prefix`."""
    prefix = Path(output_prefix)
    return prefix.parent / "models" / prefix.name


def fingerprint(prefix: str, settings: TrainingSettings, genetic_map: str | None) -> dict[str, Any]:
    """Everything that decides a region's weights. A training resumes only with the same, or two trainings would mix.

    Args:
        prefix: Prefix of the region's training files.
        settings: The recipe.
        genetic_map: File of the genetic map, if there is one.
    """
    data = {ending: sha256_of(Path(f"{prefix}.{ending}")) for ending in ("hap.gz", "legend.gz")}
    if genetic_map is not None:
        data["genetic map"] = sha256_of(Path(genetic_map))
    return {"settings": settings.as_dict(), "data": data}


def is_finished(files: RegionFiles, expected: dict[str, Any]) -> bool:
    """Whether a region is finished, with the expected settings and data.

    Raises:
        DataError: if it was begun with other settings or data.
    """
    check_settings(files, expected["settings"], expected["data"])
    if not files.summary.exists():
        return False
    summary = read_summary(files)
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
    before = read_settings(files)
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
            "--output, or --no-resume to train it from the start",
            files.folder,
        )


def write_plan(output_prefix: str | Path, n_regions: int, chromosome: str | None, is_new: bool) -> None:
    """Note how many regions there are, and the chromosome's name where it is given.

    Args:
        output_prefix: Output prefix of the training.
        n_regions: Regions of the data list.
        chromosome: Name of the chromosome; None leaves what an earlier run noted.
        is_new: Replace what is there, whatever it says.

    Raises:
        DataError: if the training was begun with a list of another length.
    """
    path = plan_path(output_prefix)
    before = read_json(path, PLAN) if path.exists() and not is_new else {"n_regions": n_regions, "chromosome": None}
    if before["n_regions"] != n_regions:
        raise DataError(
            f"was begun with a data list of {before['n_regions']} regions, this one has {n_regions}; use the same, "
            "another --output, or --no-resume to train from the start",
            path,
        )
    plan = {"n_regions": n_regions, "chromosome": chromosome or before["chromosome"]}
    if not path.exists() or read_json(path) != plan:
        write_json(path, plan)


def read_plan(output_prefix: str | Path) -> tuple[int, str | None]:
    """How many regions a training has, and the chromosome's name where it was given.

    Raises:
        DataError: if no training was begun under the prefix.
    """
    path = plan_path(output_prefix)
    if not path.exists():
        raise DataError(
            "expected a training's plan here, found none; give the --output of 'rnnimp train', as results/train/chr22",
            path,
        )
    plan = read_json(path, PLAN)
    return plan["n_regions"], plan["chromosome"]


def training_chromosome(prefixes: Sequence[str], chromosome: str | None) -> str | None:
    """The chromosome of the training files, by the first region's legend; None if nothing names it.

    Args:
        prefixes: Prefixes of the regions' training files.
        chromosome: As the user gave it.

    Raises:
        DataError: if the legend names another one.
    """
    legend = f"{prefixes[0]}.legend.gz"
    try:
        known = known_chromosome(read_legend(legend))
    except DataError:  # that region fails when its turn comes; the others are trained
        return chromosome
    if chromosome is not None and known is not None and not same_chromosome(chromosome, known):
        raise DataError(f"expected chromosome {chromosome}, found {known}; check the list and --chromosome", legend)
    return chromosome or known


def read_map_of(prefixes: Sequence[str], chromosome: str | None, genetic_map: str) -> GeneticMap:
    """The part of a genetic map that is of the training files' chromosome; see `read_genetic_map`."""
    return read_genetic_map(genetic_map, training_chromosome(prefixes, chromosome))


def check_genetic_map(prefixes: Sequence[str], chromosome: str | None, genetic_map: str | None) -> None:
    """Refuse a genetic map that cannot be right, and warn of one that may be wrong, before any region is trained.

    Args:
        prefixes: Prefixes of the regions' training files.
        chromosome: As the user gave it.
        genetic_map: File of the genetic map; None if there is none.

    Raises:
        DataError: as in `read_genetic_map`, or if the training files are of another chromosome than the user gave.
    """
    if genetic_map is None:
        training_chromosome(prefixes, chromosome)
        return
    for doubt in read_map_of(prefixes, chromosome, genetic_map).doubts():
        logger.warning("warning: %s: %s", genetic_map, doubt)


def plan_path(output_prefix: str | Path) -> Path:
    """`PREFIX_regions/plan.json`."""
    return Path(f"{output_prefix}_regions") / "plan.json"


def read_json(path: Path, fields: Mapping[str, Field] | None = None, is_open: bool = False) -> dict[str, Any]:
    """Read a file of `write_json`.

    Args:
        path: Path of the file.
        fields: For each name, the rule of its value; None checks no value.
        is_open: Whether there may be other names too.

    Raises:
        DataError: if it is damaged, or not what the rules say.
    """
    return json_files.read_json(path, "delete it to train the region again", fields, is_open)


def read_summary(files: RegionFiles) -> dict[str, Any]:
    """Read what a finished region is; see `read_json`."""
    return read_json(files.summary, SUMMARY, is_open=True)


def read_settings(files: RegionFiles) -> dict[str, Any]:
    """Read what a region was begun with; see `read_json`."""
    content = read_json(files.settings, SETTINGS)
    return {**content, "settings": {**_SETTINGS_SINCE_2_1, **content["settings"]}}
