"""Bundle: check that a training has left every region complete and all of one recipe, and write the model's manifest.

Training itself lists what is finished so far; a cluster's tasks do so each for themselves, on file systems that may
show what others wrote late. This stage comes after all of them and looks again. torch is not needed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnimp.errors import DataError
from rnnimp.formats.bundle import manifest_path
from rnnimp.formats.files import sha256_of
from rnnimp.pipeline.train.files import RegionFiles, model_prefix, read_json, read_plan
from rnnimp.pipeline.train.manifest import write_bundle_manifest
from rnnimp.pipeline.train.region_state import State, read_state

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 5.0


def bundle(output_prefix: str | Path, wait_seconds: float = 0) -> Path:
    """Check a training's regions and write the manifest over all of them.

    Args:
        output_prefix: of the training.
        wait_seconds: how long files may take to appear that another machine wrote.

    Returns:
        The manifest's path.

    Raises:
        DataError: if no training was begun here, or a region is not complete or not of the same recipe as the others,
            naming each.
    """
    n_regions, chromosome = read_plan(output_prefix)
    end = time.monotonic() + wait_seconds
    while (problems := find_problems(output_prefix, n_regions)) and time.monotonic() < end:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if problems:
        reasons = "; ".join(f"region {number}: {problem}" for number, problem in problems.items())
        raise DataError(f"{len(problems)} of {n_regions} regions cannot be bundled: {reasons}", output_prefix)
    settings = read_json(RegionFiles(output_prefix, 1).settings)["settings"]
    write_bundle_manifest(output_prefix, n_regions, settings, chromosome)
    path = manifest_path(model_prefix(output_prefix))
    logger.info("%s: %d regions, complete and of one recipe", path, n_regions)
    return path


def find_problems(output_prefix: str | Path, n_regions: int) -> dict[int, str]:
    """What keeps regions out of a bundle, by their number."""
    found: dict[int, str] = {}
    first: tuple[int, dict[str, Any]] | None = None
    for number in range(1, n_regions + 1):
        files = RegionFiles(output_prefix, number)
        try:
            problem = _incomplete(files)
            if problem is None:
                mark = _recipe(files)
                first = first or (number, mark)
                problem = _difference(mark, *first)
        except DataError as error:
            problem = str(error)
        if problem is not None:
            found[number] = problem
    return found


def _incomplete(files: RegionFiles) -> str | None:
    state = read_state(files)
    if state.state is not State.FINISHED:
        return (
            " ".join(filter(None, (state.state.value, state.note and f"({state.note})"))) + "; run the training again"
        )
    for name, checksum in read_json(files.summary)["files"].items():
        path = files.model.parent / name
        if not path.exists():
            return f"{path} is not there; run the training again"
        if sha256_of(path) != checksum:
            return f"{path} is not what training wrote, by its SHA-256; delete it and run the training again"
    return None


def _recipe(files: RegionFiles) -> dict[str, Any]:
    """What must be equal in all regions."""
    return {**read_json(files.settings)["settings"], "chromosome": read_json(files.summary)["chromosome"]}


def _difference(recipe: Mapping[str, Any], number: int, expected: Mapping[str, Any]) -> str | None:
    differing = [
        f"{name} is {recipe.get(name)}, in region {number} {expected.get(name)}"
        for name in sorted({*recipe, *expected})
        if recipe.get(name) != expected.get(name)
    ]
    return f"other settings ({'; '.join(differing)}); train one of them anew" if differing else None
