"""A bundle: the models of a chromosome's regions as files, `PREFIX_<i>.onnx` or `.ort` with `PREFIX_<i>.legend.gz`.

Opening goes: the files are listed and every missing one is named; the manifest, if there is one, is read and checked
against the list; the legends are read. A model is loaded only when its region's turn comes, and then checked against
the manifest's checksum and against its own legend. Bundles of the published program have no manifest.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.files import atomic_output, open_input, sha256_of, unreadable
from rnnimp.formats.hapslegend import read_legend
from rnnimp.sites.panel import Sites, known_chromosome
from rnnimp.wording import counted, first_few

logger = logging.getLogger(__name__)

FORMAT = "rnnimp-bundle"
FORMAT_VERSION = 1

_MODEL_ENDINGS = ("ort", "onnx")
"""In order of preference: an `.ort` file is optimised already, so that it loads much faster."""


@dataclass(frozen=True)
class RegionEntry:
    """What the manifest says of one region.

    Attributes:
        index: the region's number, from 1.
        files: SHA-256 of each file by its name without folders.
        n_markers: markers that the model reads.
        n_sites: sites that it imputes.
        first_position: of the imputed sites.
        last_position: of the imputed sites.
        summary: how training ended; plain values by name.
    """

    index: int
    files: dict[str, str]
    n_markers: int
    n_sites: int
    first_position: int
    last_position: int
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """Where a bundle comes from; the same training gives the same manifest, so it holds no time.

    Attributes:
        rnnimp_version: of the program that trained it.
        versions: of the libraries used, by name.
        chromosome: its name; None if not known.
        settings: of the training, by name.
        seed: of the training.
        regions: in order of their index.
        n_regions: regions of the chromosome, of which some may not be trained yet; None if not known.
        format: always `rnnimp-bundle`.
        format_version: 1.
    """

    rnnimp_version: str
    versions: dict[str, str]
    chromosome: str | None
    settings: dict[str, Any]
    seed: int
    regions: tuple[RegionEntry, ...]
    n_regions: int | None = None
    format: str = FORMAT
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True, eq=False)
class BundleRegion:
    """One region's model and its sites.

    Attributes:
        index: the region's number, from 1.
        model_path: the `.ort` file, or the `.onnx` file where there is none.
        legend_path: the sites' file.
        sites: markers and imputed sites in the model's order, with `is_marker` and `a1_freq`.
        checksum: SHA-256 that the model file must have; None without a manifest.
    """

    index: int
    model_path: Path
    legend_path: Path
    sites: Sites
    checksum: str | None = None

    @property
    def marker_rows(self) -> NDArray[np.intp]:
        """Rows of the legend that the model reads."""
        return np.flatnonzero(self.sites.markers())

    @property
    def imputed_rows(self) -> NDArray[np.intp]:
        """Rows of the legend that the model imputes."""
        return np.flatnonzero(~self.sites.markers())


@dataclass(frozen=True, eq=False)
class Bundle:
    """All regions of a chromosome's model.

    Attributes:
        prefix: path without `_<i>` and endings.
        regions: in order of their index.
        chromosome: of the manifest or of the legends' ids; None if neither tells.
        manifest: None for bundles of the published program.
    """

    prefix: Path
    regions: tuple[BundleRegion, ...]
    chromosome: str | None
    manifest: Manifest | None

    @property
    def n_missing(self) -> int:
        """Regions of the chromosome that the model does not have, as far as its manifest says so."""
        if self.manifest is None or self.manifest.n_regions is None:
            return 0
        return max(0, self.manifest.n_regions - len(self.regions))


def open_bundle(prefix: str | Path) -> Bundle:
    """List a bundle's regions and read their legends.

    Args:
        prefix: path without `_<i>` and endings.

    Raises:
        DataError: naming the file that is missing, damaged, or not what the manifest says.
    """
    prefix = Path(prefix)
    manifest = read_manifest(prefix) if manifest_path(prefix).exists() else None
    files = _list_regions(prefix, manifest)
    _unlisted(manifest, files, prefix)
    entries = {} if manifest is None else {entry.index: entry for entry in manifest.regions}
    regions = tuple(_open_region(prefix, index, files[index], entries.get(index)) for index in sorted(files))
    chromosome = manifest.chromosome if manifest is not None else None
    if chromosome is None:
        chromosome = known_chromosome(Sites.concatenate([region.sites for region in regions]))
    bundle = Bundle(prefix, regions, chromosome, manifest)
    _warn_if_incomplete(bundle)
    return bundle


def _list_regions(prefix: Path, manifest: Manifest | None) -> dict[int, dict[str, Path]]:
    """The files of each region by ending; complete, and without gaps unless a manifest knows of them."""
    pattern = re.compile(re.escape(prefix.name) + r"_([1-9]\d*)\.(onnx|ort|legend\.gz)")
    found: dict[int, dict[str, Path]] = {}
    try:
        for path in sorted(prefix.parent.iterdir()):
            if match := pattern.fullmatch(path.name):
                found.setdefault(int(match[1]), {})[match[2]] = path
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}); check --model-prefix", prefix.parent) from error
    if not found:
        raise DataError(
            "expected a model PREFIX_1.onnx or PREFIX_1.ort with PREFIX_1.legend.gz, found no such file; "
            "check --model-prefix",
            prefix,
        )
    expected = range(1, max(found) + 1) if manifest is None else [entry.index for entry in manifest.regions]
    for index in expected:
        _require_complete(prefix, index, found.get(index, {}), max(found))
    return found


def _warn_if_incomplete(bundle: Bundle) -> None:
    if not bundle.n_missing:
        return
    present = {region.index for region in bundle.regions}
    missing = [str(index) for index in range(1, len(present) + bundle.n_missing + 1) if index not in present]
    logger.warning(
        "warning: %s: the model is incomplete: it has %d of its chromosome's %s. No site is imputed in region %s; "
        "train the missing regions, or expect results for a part of the chromosome only",
        *(bundle.prefix, len(present), counted(len(present) + bundle.n_missing, "region"), first_few(missing)),
    )


def _require_complete(prefix: Path, index: int, files: dict[str, Path], last: int) -> None:
    if not files:
        message = f"expected regions 1 to {last} without a gap, found nothing of region {index}; get the whole model"
        raise DataError(message, prefix)
    if "legend.gz" not in files:
        raise DataError("the region's model is there, but this legend is missing", f"{prefix}_{index}.legend.gz")
    if not any(ending in files for ending in _MODEL_ENDINGS):
        raise DataError("the region's legend is there, but neither this model nor an .ort", f"{prefix}_{index}.onnx")


def _unlisted(manifest: Manifest | None, files: dict[int, dict[str, Path]], prefix: Path) -> None:
    """Remove regions that the manifest does not list, with a warning: their training may not have ended."""
    if manifest is None:
        return
    unlisted = sorted(set(files) - {entry.index for entry in manifest.regions})
    for index in unlisted:
        del files[index]
    if unlisted:
        logger.warning(
            "warning: %s: %s not in the manifest, and therefore not used: %s; run the training again to finish and "
            "list them",
            *(prefix, counted(len(unlisted), "region"), first_few([f"{prefix.name}_{index}" for index in unlisted])),
        )


def _open_region(prefix: Path, index: int, files: dict[str, Path], entry: RegionEntry | None) -> BundleRegion:
    legend = files["legend.gz"]
    models = [files[ending] for ending in _MODEL_ENDINGS if ending in files]
    checksum = None
    if entry is not None:
        known = [path for path in models if path.name in entry.files]
        if not known or legend.name not in entry.files:
            path = legend if known else models[0]
            raise DataError("the manifest does not name this file; get the whole model again", path)
        require_checksum(legend, entry.files[legend.name])
        models, checksum = known, entry.files[known[0].name]
    sites = read_legend(legend)
    if sites.is_marker is None:
        raise DataError("expected the column array_marker_flag, found none; get the model's legend again", legend, 1)
    return BundleRegion(index, models[0], legend, sites, checksum)


def require_checksum(path: Path, expected: str) -> None:
    """Refuse a file whose SHA-256 is not the one in the manifest."""
    if sha256_of(path) != expected:
        raise _exchanged(path)


def _exchanged(path: Path) -> DataError:
    return DataError("corrupt or exchanged: its SHA-256 is not the one in the manifest; get it again", path)


def read_model(region: BundleRegion) -> bytes:
    """A region's model file.

    Raises:
        DataError: if it cannot be read, or is corrupt or exchanged.
    """
    try:
        content = region.model_path.read_bytes()
    except OSError as error:
        raise unreadable(region.model_path, error) from error
    if region.checksum is not None and hashlib.sha256(content).hexdigest() != region.checksum:
        raise _exchanged(region.model_path)
    return content


def bundle_files(prefix: str | Path) -> list[Path]:
    """The files of a model that are there, whether they are sound or not."""
    prefix = Path(prefix)
    try:
        names = [path for path in prefix.parent.iterdir() if path.name.startswith(f"{prefix.name}_")]
    except OSError:  # which opening the model reports
        names = []
    return [*names, manifest_path(prefix)]


def manifest_path(prefix: str | Path) -> Path:
    """`PREFIX.manifest.json`."""
    return Path(f"{prefix}.manifest.json")


def write_manifest(prefix: str | Path, manifest: Manifest) -> None:
    """Write `PREFIX.manifest.json`: sorted and indented, numbers that are NaN as null."""
    text = json.dumps(_without_nan(asdict(manifest)), indent=2, sort_keys=True, allow_nan=False)
    with atomic_output(manifest_path(prefix)) as file:
        file.write(f"{text}\n".encode())


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def read_manifest(prefix: str | Path) -> Manifest:
    """Read `PREFIX.manifest.json`.

    Raises:
        DataError: if it is no manifest, or of a version that this program does not know.
    """
    path = manifest_path(prefix)
    with open_input(path) as file:
        try:
            content = json.load(file)
        except ValueError as error:
            raise DataError(f"expected JSON ({error}); get the model again", path) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"expected a manifest of format {FORMAT}; get the model again", path)
    if content.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"expected format version {FORMAT_VERSION}, found {content.get('format_version')}; update rnnimp", path
        )
    try:
        regions = tuple(RegionEntry(**entry) for entry in content.pop("regions"))
        return Manifest(regions=regions, **content)
    except (KeyError, TypeError, AttributeError) as error:
        known = ", ".join(item.name for item in fields(Manifest))
        raise DataError(f"expected a manifest with the fields {known} ({error}); get the model again", path) from error
