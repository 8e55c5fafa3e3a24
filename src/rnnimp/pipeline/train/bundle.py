"""Bundle: check that every region of a training is complete and of the same recipe. Then write the manifest.

`rnnimp train` writes a manifest of the regions that are finished so far. On a cluster each task does so, and may not
see yet what the others wrote. This stage comes after all tasks, checks every file and writes the manifest again. torch
is not needed.
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
from rnnimp.pipeline.train.files import RegionFiles, model_prefix, read_plan, read_settings, read_summary
from rnnimp.pipeline.train.manifest import write_bundle_manifest
from rnnimp.pipeline.train.region_state import State, read_state
from rnnimp.pipeline.train.report import reasons_by_region
from rnnimp.wording import counted

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 5.0


def bundle(output_prefix: str | Path, wait_seconds: float = 0) -> Path:
    """Check a training's regions and write the manifest over all of them.

    Args:
        output_prefix: Output prefix of the training.
        wait_seconds: How long to wait for files that other machines wrote.

    Returns:
        The manifest's path.

    Raises:
        DataError: if there is no training under the prefix, or if a region is not complete or has another recipe than
            the others.
    """
    n_regions, chromosome = read_plan(output_prefix)
    end = time.monotonic() + wait_seconds
    while (problems := find_problems(output_prefix, n_regions)) and time.monotonic() < end:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if problems:
        count = f"{len(problems)} of {counted(n_regions, 'region')}"
        raise DataError(f"{count} cannot be bundled: {reasons_by_region(problems)}", output_prefix)
    settings = read_settings(RegionFiles(output_prefix, 1))["settings"]
    write_bundle_manifest(output_prefix, n_regions, settings, chromosome)
    path = manifest_path(model_prefix(output_prefix))
    logger.info("%s: %s, complete and of one recipe", path, counted(n_regions, "region"))
    return path


def find_problems(output_prefix: str | Path, n_regions: int) -> dict[int, str]:
    """The reason for each region that is not complete or has another recipe, by region number."""
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
    for name, checksum in read_summary(files)["files"].items():
        path = files.model.parent / name
        if not path.exists():
            return f"{path} is not there; run the training again"
        if sha256_of(path) != checksum:
            return f"{path} is not what training wrote, by its SHA-256; delete it and run the training again"
    return None


def _recipe(files: RegionFiles) -> dict[str, Any]:
    """Everything that must be equal in all regions."""
    return {**read_settings(files)["settings"], "chromosome": read_summary(files)["chromosome"]}


def _difference(recipe: Mapping[str, Any], number: int, expected: Mapping[str, Any]) -> str | None:
    differing = [
        f"{name} is {recipe.get(name)}, in region {number} {expected.get(name)}"
        for name in sorted({*recipe, *expected})
        if recipe.get(name) != expected.get(name)
    ]
    return f"other settings ({'; '.join(differing)}); train one of them again" if differing else None
