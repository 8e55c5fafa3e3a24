"""All chromosomes of a target in one command: one imputation after the other, and what is finished is kept.

Beside the output of a chromosome, `PREFIX.finished.json` says from which files and with which settings it was made. It
is written when all else is complete. A later run with the same files and settings passes over that chromosome.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rnnimp import __version__
from rnnimp.choices import STANDARD_STREAM
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.bundle import bundle_files, manifest_path, read_manifest
from rnnimp.formats.json_files import read_json, write_json
from rnnimp.pipeline.chromosomes import (
    CHROMOSOMES,
    PLACE,
    chosen_chromosomes,
    each_chromosome,
    filled,
    filled_input,
    has_place,
    parse_chromosomes,
)
from rnnimp.pipeline.impute.run import ImputeSettings, run_impute
from rnnimp.pipeline.outputs import check_outputs
from rnnimp.sites.chromosomes import same_chromosome
from rnnimp.wording import first_few

TARGET_PATHS = ("hap", "legend", "haps", "vcf", "bgen", "pgen", "sample")
"""Settings that name files of the target."""

_WITHOUT_EFFECT = ("threads", "device")
_FINISHED_ENDING = "finished.json"

logger = logging.getLogger(__name__)


def settings_by_chromosome(settings: ImputeSettings, names: str | None) -> dict[str, ImputeSettings] | None:
    """The settings of each chromosome; None if the paths have no place for its name.

    The output may be standard output here, for commands that write no genotypes.

    Args:
        settings: Settings whose paths may have such a place.
        names: The chromosomes, as `1-22,X`; None for all whose model exists.

    Raises:
        SettingsError: if some paths have a place for the name and others, which need one, have none.
        DataError: if models or targets are missing, or a model is of another chromosome.
    """
    if not has_place(settings.model_prefix) or _is_model(settings.model_prefix):
        _require_none(settings, names)
        return None
    _require_all(settings)
    prefixes = {name: filled(settings.model_prefix, name) for name in CHROMOSOMES}
    wanted = None if names is None else parse_chromosomes(names)
    chosen = chosen_chromosomes(wanted, prefixes, _is_model, "the model")
    parts = {name: _of(settings, name) for name in chosen}
    _require_targets(parts)
    return {name: _with_chromosome(part, name) for name, part in parts.items()}


def _is_model(prefix: str) -> bool:
    return any(path.exists() for path in bundle_files(prefix))


def _require_none(settings: ImputeSettings, names: str | None) -> None:
    """Refuse a place for the name in other paths, and a list of chromosomes, where the model's path has none."""
    paths = {"--output": settings.output_prefix, **{f"--{name}": getattr(settings, name) for name in TARGET_PATHS}}
    option = next((option for option, path in paths.items() if path is not None and PLACE in path), None)
    option = "--chromosomes" if names is not None else option
    if option is not None:
        raise SettingsError(
            f"{option} is for several chromosomes: --model-prefix needs {PLACE} or @ too, as in models/chr@"
        )


def _require_all(settings: ImputeSettings) -> None:
    if settings.vcf == STANDARD_STREAM:
        raise SettingsError("--vcf - is read once; several chromosomes need a file")
    if settings.output_prefix != STANDARD_STREAM and not has_place(settings.output_prefix):
        raise SettingsError(f"--output needs {PLACE} or @ as --model-prefix has, found {settings.output_prefix}")
    for name in ("chromosome", "region"):
        if getattr(settings, name) is not None:
            raise SettingsError(f"--{name} goes with one chromosome; choose several with --chromosomes")


def _of(settings: ImputeSettings, name: str) -> ImputeSettings:
    given = {field: value for field in TARGET_PATHS if (value := getattr(settings, field)) is not None}
    paths: dict[str, Any] = {field: filled_input(value, name) for field, value in given.items()}
    paths |= {field: filled(getattr(settings, field), name) for field in ("model_prefix", "output_prefix")}
    return replace(settings, **paths)


def _require_targets(parts: Mapping[str, ImputeSettings]) -> None:
    first_file = {name: part.pgen or part.files()[0] for name, part in parts.items()}
    absent = [
        f"{name} ({path})"
        for name, path in first_file.items()
        if not Path(path).exists() and not Path(f"{path}.pgen").exists()
    ]
    if absent:
        raise DataError(
            f"expected the target of each chromosome that has a model, found none of {first_few(absent)}; choose "
            "chromosomes with --chromosomes"
        )


def _with_chromosome(settings: ImputeSettings, name: str) -> ImputeSettings:
    """The settings, with the chromosome's name where the model does not say it.

    Raises:
        DataError: if the model is of another chromosome.
    """
    prefix = settings.model_prefix
    known = read_manifest(prefix).chromosome if manifest_path(prefix).exists() else None
    if known is None:
        return replace(settings, chromosome=name)
    if not same_chromosome(known, name):
        raise DataError(f"expected the model of chromosome {name}, found one of {known}; check its name", prefix)
    return settings


def impute_chromosomes(parts: Mapping[str, ImputeSettings]) -> None:
    """Impute one chromosome after the other; those that are finished are kept.

    Args:
        parts: Settings by the chromosome's name.

    Raises:
        DataError: at the end, naming the chromosomes that failed.
        SettingsError: if an output is an input, or two outputs are one file.
    """
    if any(part.output.is_stream for part in parts.values()):
        raise SettingsError("--output - takes one chromosome; several need files")
    left = {name: part for name, part in parts.items() if not _is_finished(name, part)}
    outputs = [path for part in left.values() for path in (*part.output.files(), finished_path(part))]
    check_outputs(outputs, [path for part in parts.values() for path in part.input_files()])
    each_chromosome(left, _impute, "imputed")


def finished_path(settings: ImputeSettings) -> Path:
    """`PREFIX.finished.json`."""
    return Path(f"{settings.output.bare_prefix}.{_FINISHED_ENDING}")


def _impute(name: str, settings: ImputeSettings) -> None:
    made_from = _made_from(settings)
    finished_path(settings).unlink(missing_ok=True)
    run_impute(settings)
    write_json(finished_path(settings), made_from)


def _is_finished(name: str, settings: ImputeSettings) -> bool:
    record = finished_path(settings)
    if not record.exists() or not all(path.exists() for path in settings.output.files()):
        return False
    if read_json(record, "delete it, and impute again") != _made_from(settings):
        return False
    logger.info(
        "chromosome %s: finished before, %s is kept; delete %s to impute it again",
        *(name, settings.output.path, record),
    )
    return True


def _made_from(settings: ImputeSettings) -> dict[str, Any]:
    """What the output depends on: settings, and size and time of change of all files that are read."""
    chosen = {name: value for name, value in asdict(settings).items() if name not in _WITHOUT_EFFECT}
    states = {str(path): Path(path).stat() for path in settings.input_files() if Path(path).exists()}
    files = {path: [state.st_size, state.st_mtime_ns] for path, state in states.items()}
    content = {"rnnimp_version": __version__, "settings": chosen, "inputs": files}
    return dict(json.loads(json.dumps(content)))  # with lists for tuples, as it is read
