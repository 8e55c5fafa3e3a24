"""A bundle: the models of a chromosome's regions as files, `PREFIX_<i>.onnx` or `.ort` with `PREFIX_<i>.legend.gz`.

Opening a bundle takes three steps. The files are listed, and every missing one is named. The manifest, if there is one,
is read and checked against the list. The legends are read. A model is loaded only when its region's turn comes. It is
then checked against the manifest's checksum and against its own legend. Bundles of the published program have no
manifest.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.files import require_regular, sha256_of, unreadable
from rnnimp.formats.hapslegend import read_legend
from rnnimp.formats.json_files import read_json, write_json
from rnnimp.formats.manifest_fields import MANIFEST, REGION, SUMMARY
from rnnimp.formats.schema import excerpt, table_problem
from rnnimp.network.graph.limits import LARGEST_MODEL_BYTES
from rnnimp.network.names import HMM, HYBRID
from rnnimp.sites.chromosomes import is_chromosome_name, same_chromosome
from rnnimp.sites.panel import Sites, known_chromosome
from rnnimp.wording import counted, first_few

logger = logging.getLogger(__name__)

FORMAT = "rnnimp-bundle"
FORMAT_VERSION = 1

LARGEST_LEGEND = 1 << 26
"""Bytes of a region's legend, unpacked."""

_MODEL_ENDINGS = ("ort", "onnx")
"""In order of preference: an `.ort` file is optimised already, so that it loads much faster."""


@dataclass(frozen=True)
class RegionEntry:
    """The manifest's entry of one region.

    Attributes:
        index: The region's number, from 1.
        files: SHA-256 of each file by its name without folders.
        n_markers: Markers that the model reads.
        n_sites: Sites that it imputes.
        first_position: First position of the imputed sites.
        last_position: Last position of the imputed sites.
        summary: Result of the training; plain values by name.
    """

    index: int
    files: dict[str, str]
    n_markers: int
    n_sites: int
    first_position: int
    last_position: int
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def networks(self) -> dict[str, Any] | None:
        """The networks by name, with the validation of each; None if the summary does not list them."""
        found = self.summary.get("networks")
        return found if isinstance(found, dict) else None

    def validation_r2(self, network: str = HYBRID) -> float | None:
        """Mean dosage r2 of a network on the samples held out; None if not known or not defined."""
        evaluation = (self.networks or {}).get(network)
        found = evaluation.get("validation_r2") if isinstance(evaluation, dict) else None
        return float(found) if isinstance(found, (int, float)) and -1 <= found <= 1 else None


@dataclass(frozen=True)
class Manifest:
    """The origin of a bundle. The same training gives the same manifest, so it contains no time.

    Attributes:
        rnnimp_version: Version of rnnimp that trained it.
        versions: Versions of the libraries used, by name.
        chromosome: Name of the chromosome; None if not known.
        settings: Settings of the training, by name.
        seed: Seed of the training.
        regions: Regions in order of their index.
        n_regions: Regions of the chromosome, of which some may not be trained yet; None if not known.
        format: Always `rnnimp-bundle`.
        format_version: Always 1.
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

    @property
    def recipe(self) -> dict[str, Any] | None:
        """The `name` of the recipe, and `changed_settings`; None if not all regions name the same, as older ones do."""
        first, *others = (entry.summary.get("recipe") for entry in self.regions)
        return None if first is None or any(recipe != first for recipe in others) else dict(first)


@dataclass(frozen=True, eq=False)
class BundleRegion:
    """One region's model and its sites.

    Attributes:
        index: The region's number, from 1.
        model_path: The `.ort` file, or the `.onnx` file where there is none.
        legend_path: The legend, which lists the sites.
        sites: Markers and imputed sites in the model's order, with `is_marker` and `a1_freq`.
        checksum: SHA-256 that the model file must have; None without a manifest.
        frequency_step: `a1_freq` is at most half of this from the panel's frequency; 0 where it is exact.
        panel: `alleles_checksum` of the training files; None where the manifest does not give it.
        has_hmm: Whether the model has a haplotype HMM; None where the manifest does not say it.
    """

    index: int
    model_path: Path
    legend_path: Path
    sites: Sites
    checksum: str | None = None
    frequency_step: float = 0.0
    panel: str | None = None
    has_hmm: bool | None = None

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
        prefix: Path without `_<i>` and endings.
        regions: Regions in order of their index.
        chromosome: Chromosome of the manifest or of the legends' ids; None if neither tells.
        manifest: None for bundles of the published program.
        missing_regions: Numbers of the chromosome's regions that the model does not have; its training may not have
            ended. Without a manifest nothing tells whether regions are missing at the end.
    """

    prefix: Path
    regions: tuple[BundleRegion, ...]
    chromosome: str | None
    manifest: Manifest | None
    missing_regions: tuple[int, ...] = ()

    @property
    def n_regions(self) -> int:
        """Regions of the chromosome, as far as is known."""
        return len(self.regions) + len(self.missing_regions)


def open_bundle(prefix: str | Path) -> Bundle:
    """List a bundle's regions and read their legends.

    Args:
        prefix: Path without `_<i>` and endings.

    Raises:
        DataError: naming the file that is missing, damaged, or not what the manifest says.
    """
    prefix = Path(prefix)
    manifest = read_manifest(prefix) if os.path.lexists(manifest_path(prefix)) else None  # a broken link is refused
    files = _list_regions(prefix, manifest)
    _unlisted(manifest, files, prefix)
    entries = {} if manifest is None else {entry.index: entry for entry in manifest.regions}
    regions = tuple(_open_region(prefix, index, files[index], entries.get(index)) for index in sorted(files))
    n_regions = max(files) if manifest is None or manifest.n_regions is None else manifest.n_regions
    missing = tuple(index for index in range(1, n_regions + 1) if index not in files)
    return Bundle(prefix, regions, _chromosome(regions, manifest), manifest, missing)


def open_region(prefix: str | Path, index: int) -> BundleRegion:
    """Open one region, also where the others are not there.

    Args:
        prefix: Path without `_<i>` and endings.
        index: The region's number, from 1.

    Raises:
        DataError: naming the file that is missing, damaged, or not what the manifest says.
    """
    prefix = Path(prefix)
    manifest = read_manifest(prefix) if os.path.lexists(manifest_path(prefix)) else None
    paths = {ending: Path(f"{prefix}_{index}.{ending}") for ending in (*_MODEL_ENDINGS, "legend.gz")}
    files = {ending: path for ending, path in paths.items() if path.exists()}
    _require_complete(prefix, index, files, index)
    entries = () if manifest is None else manifest.regions
    return _open_region(prefix, index, files, next((entry for entry in entries if entry.index == index), None))


def _chromosome(regions: tuple[BundleRegion, ...], manifest: Manifest | None) -> str | None:
    """The name that the manifest gives, else the legends, which must agree."""
    first = manifest.chromosome if manifest is not None else None
    for region in regions:
        name = region.sites.chromosome
        if name is not None:
            first = first or name
            if not same_chromosome(name, first):
                raise DataError(
                    f"expected chromosome {first} as in the rest of the model, found {name}; get the whole model again",
                    region.legend_path,
                )
    if first is None:
        first = known_chromosome(Sites.concatenate([region.sites for region in regions]))
        if first is not None and not is_chromosome_name(first):
            raise DataError(
                f"expected the name of a chromosome in its ids, found {excerpt(first)}", regions[0].legend_path
            )
    return first


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
    sites = _read_model_legend(legend)
    if entry is not None:
        _require_as_listed(sites, entry, legend)
    step = 0.0 if entry is None else float(entry.summary.get("frequency_step", 0))
    panel = None if entry is None else entry.summary.get("panel")
    networks = None if entry is None else entry.networks
    has_hmm = None if networks is None else HMM in networks
    return BundleRegion(index, models[0], legend, sites, checksum, step, panel, has_hmm)


def _read_model_legend(path: Path) -> Sites:
    """The sites of a region: markers and sites to impute, at least one of each."""
    require_regular(path)
    sites = read_legend(path, most_bytes=LARGEST_LEGEND)
    if sites.is_marker is None:
        raise DataError("expected the column array_marker_flag, found none; get the model's legend again", path, 1)
    same = np.flatnonzero(sites.a0 == sites.a1)
    if same.size:
        raise DataError(
            "expected two alleles, found the same twice; get the model's legend again", path, int(same[0]) + 2
        )
    n_markers = int(np.count_nonzero(sites.is_marker))
    if not 0 < n_markers < len(sites):
        raise DataError(
            f"expected markers and sites to impute, found {n_markers} markers in {len(sites)} sites; "
            "get the model's legend again",
            path,
        )
    return sites


def _require_as_listed(sites: Sites, entry: RegionEntry, path: Path) -> None:
    """Refuse a legend that is not what the manifest says of the region."""
    imputed = sites.positions[~sites.markers()]
    found = {
        "n_markers": len(sites) - len(imputed),
        "n_sites": len(imputed),
        "first_position": int(imputed[0]),
        "last_position": int(imputed[-1]),
    }
    for name, value in found.items():
        if value != getattr(entry, name):
            raise DataError(
                f"the manifest says {name} {getattr(entry, name)}, this legend {value}; get the whole model again", path
            )


def require_checksum(path: Path, expected: str) -> None:
    """Refuse a file whose SHA-256 is not the one in the manifest."""
    if sha256_of(path) != expected.lower():
        raise _exchanged(path)


def _exchanged(path: Path) -> DataError:
    return DataError("corrupt or exchanged: its SHA-256 is not the one in the manifest; get it again", path)


def read_model(region: BundleRegion) -> bytes:
    """A region's model file.

    Raises:
        DataError: if it cannot be read, or is corrupt or exchanged.
    """
    path = region.model_path
    require_regular(path)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_MODEL_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(content) > LARGEST_MODEL_BYTES:
        raise DataError(f"expected a model of at most {LARGEST_MODEL_BYTES / 1e6:.0f} MB, found a larger file", path)
    if region.checksum is not None and hashlib.sha256(content).hexdigest() != region.checksum.lower():
        raise _exchanged(path)
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
    """Write `PREFIX.manifest.json`: sorted and indented, numbers that are not finite as null."""
    write_json(manifest_path(prefix), _finite(asdict(manifest)), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_manifest(prefix: str | Path) -> Manifest:
    """Read `PREFIX.manifest.json`.

    Raises:
        DataError: if it is no manifest, or of a version that this program does not know.
    """
    path = manifest_path(prefix)
    content = read_json(path, "get the model again", allow_nan=False)
    if content.get("format") != FORMAT:
        raise DataError(f"expected a manifest of format {FORMAT}; get the model again", path)
    found = content.get("format_version")
    if type(found) is not int or found != FORMAT_VERSION:
        raise DataError(f"expected format version {FORMAT_VERSION}, found {excerpt(found)}; update rnnimp", path)
    problem = table_problem(content, MANIFEST) or _regions_problem(content)
    if problem is not None:
        raise DataError(f"{problem}; get the model again", path)
    regions = tuple(RegionEntry(**entry) for entry in content.pop("regions"))
    return Manifest(regions=tuple(sorted(regions, key=lambda entry: entry.index)), **content)


def _regions_problem(content: dict[str, Any]) -> str | None:
    """The fault of the regions of a manifest, or of their number; None if there is none."""
    entries, n_regions = content["regions"], content.get("n_regions")
    for place, entry in enumerate(entries, start=1):
        problem = table_problem(entry, REGION)
        problem = problem or table_problem(entry.get("summary", {}), SUMMARY, is_open=True)
        if problem is None and entry["first_position"] > entry["last_position"]:
            problem = "expected a first_position that is not behind the last_position"
        if problem is not None:
            return f"entry {place} of regions: {problem}"
    indices = [entry["index"] for entry in entries]
    if len(set(indices)) < len(indices):
        repeated = next(index for index in indices if indices.count(index) > 1)
        return f"expected each region once, found the index {repeated} again"
    if n_regions is not None and max(indices) > n_regions:
        return f"expected the regions 1 to n_regions, {n_regions}, found region {max(indices)}"
    return None
