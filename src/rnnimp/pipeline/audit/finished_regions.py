"""What an audit found in each region, kept beside its output until all regions are finished.

An audit that was interrupted resumes from these files, if everything that decides a region's result is still the same.
They contain scores of single people, without names. So only their owner may read them. A completed audit removes them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp import __version__
from rnnimp.formats.files import AtomicGroup, sha256_of, unwritable
from rnnimp.pipeline.audit.closeness import SameHaplotypes
from rnnimp.pipeline.audit.regions import RegionFindings
from rnnimp.pipeline.audit.results import SUBJECTS
from rnnimp.pipeline.audit.work import AuditWork
from rnnimp.privacy.attacks.protocol import Attack
from rnnimp.privacy.whole_states import Carriers
from rnnimp.sites.panel import alleles_checksum
from rnnimp.wording import first_few

logger = logging.getLogger(__name__)

_MADE_OF, _SECONDS = "made_of", "seconds"
_OPTIONAL_ARRAYS = ("stretch_rows", "stretch_cm")
_NUMBERS = ("number", "n_sites", "span", "n_states", "n_rare_sites")


def finished_folder(output_prefix: str) -> Path:
    """The folder of the regions that an unfinished audit has finished."""
    return Path(f"{output_prefix}.audit_regions")


class FinishedRegions:
    """Finished regions of an audit.

    Args:
        work: What is audited.
        attacks: The attacks that are tried.
    """

    def __init__(self, work: AuditWork, attacks: Sequence[Attack]) -> None:
        self._work = work
        self._folder = finished_folder(work.files.output_prefix)
        self._common = _common(work, attacks)

    def read(self, place: int) -> tuple[RegionFindings, float] | None:
        """What an earlier run found in a region, and the seconds that this took.

        Args:
            place: Place of the region in the work.

        Returns:
            None if no earlier run finished the region, or if it was made of something else; the log says of what.
        """
        number, path = self._work.regions[place].index, self._path(place)
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                values = {name: file[name] for name in file.files}
            made_of, seconds = json.loads(str(values.pop(_MADE_OF))), float(values.pop(_SECONDS))
            differing = [name for name, value in self._made_of(place).items() if made_of.get(name) != value]
            if not differing:
                return _findings(_nested(values)), seconds
            logger.info(
                "region %d: an interrupted audit had other %s; attacking it again", number, first_few(differing, 4)
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
            logger.info("region %d: %s is damaged; attacking it again", number, path)
        return None

    def write(self, place: int, found: RegionFindings, seconds: float) -> None:
        """Keep what was found in a region.

        Raises:
            DataError: if the place cannot be written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self._folder, error) from error
        values = _flat(asdict(found)) | {
            _MADE_OF: np.array(json.dumps(self._made_of(place))),
            _SECONDS: np.array(seconds),
        }
        with AtomicGroup() as group:
            file = group.open(self._path(place))
            os.fchmod(file.fileno(), 0o600)
            np.savez(file, **values)  # type: ignore[arg-type]

    def remove(self) -> None:
        """Remove all regions that were kept, those of other runs too, and what a killed run left half-written."""
        with suppress(OSError):
            for path in [*self._folder.glob("region_*.npz"), *self._folder.glob(".region_*.npz.*")]:
                path.unlink()
            self._folder.rmdir()

    def _path(self, place: int) -> Path:
        return self._folder / f"region_{self._work.regions[place].index}.npz"

    def _made_of(self, place: int) -> dict[str, Any]:
        """Everything that decides the result of a region, by what it is called in messages."""
        region = self._work.regions[place]
        prefix = self._work.prefixes[region.index - 1]
        others, genetic_map = self._work.outsiders, self._work.genetic_map
        map_cm = None if genetic_map is None else genetic_map.at(region.sites.positions)
        return {
            "model files": [sha256_of(path) for path in (region.model_path, region.legend_path)],
            "training files": [sha256_of(f"{prefix}.{ending}") for ending in ("hap.gz", "legend.gz")],
            "outsiders": None if others is None else alleles_checksum(others.at(region.sites)),
            "genetic map": None if map_cm is None else hashlib.sha256(map_cm.tobytes()).hexdigest(),
            **self._common,
        }


def _common(work: AuditWork, attacks: Sequence[Attack]) -> dict[str, Any]:
    """What decides the result of every region."""
    people = work.people
    tested = hashlib.sha256()
    for group in (people.training, people.members, people.held_out):
        tested.update(np.asarray([len(group), *group], np.int64).tobytes())
    return {
        "tested people": tested.hexdigest(),
        "options": {**work.settings.as_dict(), "attacks": [attack.name for attack in attacks]},
        "version of rnnimp": __version__,
    }


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, NDArray[Any]]:
    """Nested tables as one, with names joined by slashes; what is None is left out."""
    flat: dict[str, NDArray[Any]] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{above}{name}/")
        elif value is not None:
            flat[above + name] = np.asarray(value)
    return flat


def _nested(flat: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """The nested tables of `_flat`."""
    table: dict[str, Any] = {}
    for path, value in flat.items():
        *above, name = path.split("/")
        inner = table
        for part in above:
            inner = inner.setdefault(part, {})
        inner[name] = value
    return table


def _findings(table: dict[str, Any]) -> RegionFindings:
    numbers: dict[str, Any] = {name: int(table[name]) for name in _NUMBERS}
    arrays: dict[str, Any] = {name: table.get(name) for name in _OPTIONAL_ARRAYS}
    return RegionFindings(
        **numbers,
        **arrays,
        scores={subject: table["scores"].get(subject, {}) for subject in SUBJECTS},
        mismatches=table["mismatches"],
        member_carriers=_carriers(table.get("member_carriers")),
        outsider_carriers=_carriers(table.get("outsider_carriers")),
        same=SameHaplotypes(int(table["same"]["n_rows"]), table["same"]["outsiders"], table["same"]["training"]),
        rare_counts=table["rare_counts"],
    )


def _carriers(table: Mapping[str, Any] | None) -> Carriers | None:
    if table is None:
        return None
    return Carriers(int(table["n_carried"]), int(table["fewest"]), table["people"])
