"""A model: what its manifest and legends say, whether its files are those of the manifest, and its audit in a sentence.

1. The manifest is read, if there is one, and the SHA-256 of each file compared with it.
2. The legends are read: markers and sites. If a file is damaged, the manifest's numbers are reported instead.
3. The graph of the first region is read: the states of its haplotype HMM. Needs onnx.
4. The audit beside the model is read. Its checksums tell whether these files were audited.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rnnimp.errors import DataError, RnnimpError
from rnnimp.formats.bundle import (
    BundleRegion,
    Manifest,
    RegionEntry,
    bundle_files,
    manifest_path,
    open_bundle,
    open_region,
    read_manifest,
)
from rnnimp.formats.files import sha256_of
from rnnimp.formats.json_files import read_json
from rnnimp.imputation.engines.model_graph import read_graph
from rnnimp.pipeline.inspect.findings import Inspection, genome_builds
from rnnimp.pipeline.recipes import model_recipe
from rnnimp.wording import first_few

AUDIT_FORMAT = "rnnimp-audit"

_REGION_FILE = re.compile(r"(.+)_([1-9]\d{0,5})\.(onnx|ort)")


def model_of(path: str | Path) -> tuple[Path, int | None] | None:
    """The prefix of a model, and the number of its region if a path names a single one; None if it is no model's path.

    Args:
        path: Prefix of a model, its manifest, or an `.onnx` or `.ort` file.
    """
    path = Path(path)
    if path.is_file():
        if path.name.endswith(".manifest.json"):
            return path.with_name(path.name.removesuffix(".manifest.json")), None
        found = _REGION_FILE.fullmatch(path.name)
        return None if found is None else (path.with_name(found[1]), int(found[2]))
    names = [other.name[len(path.name) :] for other in bundle_files(path) if other.is_file()]
    is_model = any(re.fullmatch(r"_[1-9]\d*\.(onnx|ort)|\.manifest\.json", name) for name in names)
    return (path, None) if is_model else None


def inspect_model(path: str | Path, prefix: Path, index: int | None = None) -> Inspection:
    """Say what a model is.

    Args:
        path: Path as the user gave it.
        prefix: Prefix of the model's files.
        index: Number of the only region to look at; None for all.

    Raises:
        DataError: if the manifest is damaged.
    """
    manifest = read_manifest(prefix) if os.path.lexists(manifest_path(prefix)) else None
    entries = [] if manifest is None else [entry for entry in manifest.regions if index in (None, entry.index)]
    found, problems = _checked(entries, prefix.parent)
    chromosome = None if manifest is None else manifest.chromosome
    regions: Sequence[BundleRegion] = ()
    missing: Sequence[int] = ()
    states: dict[str, int | None] | None = None
    try:
        regions, missing, named = _opened(prefix, index)
        chromosome = chromosome or named
        states = _states(regions, manifest)
    except DataError as error:
        problems = problems or [str(error)]
    facts = {
        "size_bytes": _size(prefix, index),
        "region": index,
        "regions": len(regions or entries) if index is None else None,
        "missing_regions": list(missing),
        **_places(regions, entries, chromosome),
        **_training_facts(manifest, entries),
        "hmm_states": states,
        "checksums": found,
        "audit": _audit(prefix),
    }
    kind = "model of rnnimp" if manifest is not None else "model without a manifest, as the published program writes"
    return Inspection(str(path), kind if index is None else f"one region of a {kind}", facts, tuple(problems))


def _opened(prefix: Path, index: int | None) -> tuple[Sequence[BundleRegion], Sequence[int], str | None]:
    """The regions, numbers of those that are missing, and the chromosome as far as the files name it."""
    if index is None:
        bundle = open_bundle(prefix)
        return bundle.regions, bundle.missing_regions, bundle.chromosome
    region = open_region(prefix, index)
    return (region,), (), region.sites.chromosome


def _size(prefix: Path, index: int | None) -> int:
    number = "[1-9][0-9]*" if index is None else str(index)
    pattern = re.compile(rf"{re.escape(prefix.name)}_{number}\.(onnx|ort|legend\.gz)")
    return sum(path.stat().st_size for path in bundle_files(prefix) if pattern.fullmatch(path.name))


def _checked(entries: Sequence[RegionEntry], folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """How many files are those of the manifest, and the names of others; and the problems, in words."""
    if not entries:
        return None, []
    n_right, wrong, missing = 0, list[str](), list[str]()
    for entry in entries:
        for name, checksum in sorted(entry.files.items()):
            if not (folder / name).is_file():
                missing.append(name)
            elif sha256_of(folder / name) != checksum.lower():
                wrong.append(name)
            else:
                n_right += 1
    problems = [f"not the file that the manifest names, by its SHA-256: {first_few(wrong)}"] if wrong else []
    problems += [f"missing: {first_few(missing)}"] if missing else []
    if problems:
        problems[-1] += "; get the model again"
    return {"right": n_right, "wrong": wrong, "missing": missing}, problems


def _places(regions: Sequence[BundleRegion], entries: Sequence[RegionEntry], chromosome: str | None) -> dict[str, Any]:
    """Sites, markers and positions: by the legends, or by the manifest if they cannot be read."""
    if regions:
        positions = [region.sites.positions[region.imputed_rows] for region in regions]
        first, last = int(min(part[0] for part in positions)), int(max(part[-1] for part in positions))
        n_sites = sum(map(len, positions))
        # neighbours share the markers of their flanks
        n_markers: int | None = len({key for region in regions for key in region.sites[region.marker_rows].keys()})
    elif entries:
        first, last = min(entry.first_position for entry in entries), max(entry.last_position for entry in entries)
        n_sites, n_markers = sum(entry.n_sites for entry in entries), None
    else:
        return {}
    builds, evidence = genome_builds({chromosome or "": last}, {})
    steps = {region.frequency_step for region in regions if region.sites.a1_freq is not None}
    return {
        "chromosome": chromosome,
        "positions": [first, last],
        "imputed_sites": n_sites,
        "markers": n_markers,
        "genome_builds": builds,
        "genome_build_by": evidence,
        "frequency_step": max(steps) if steps else None,
    }


def _training_facts(manifest: Manifest | None, entries: Sequence[RegionEntry]) -> dict[str, Any]:
    if manifest is None:
        return {}
    recipe = model_recipe(manifest)
    return {
        "rnnimp_version": manifest.rnnimp_version,
        "recipe": recipe.name,
        "recipe_is_named": recipe.is_named,
        "changed_settings": recipe.changed_settings,
        "training_samples": _common(entries, "training_samples"),
        "held_out_samples": _common(entries, "validation_samples"),
        "validation_r2": _validation_r2(entries),
    }


def _common(entries: Sequence[RegionEntry], name: str) -> int | None:
    """A whole number that all regions have; None if they do not, or it is not known."""
    values = {repr(value): value for entry in entries if (value := entry.summary.get(name)) is not None}
    (value,) = values.values() if len(values) == 1 else (None,)
    return value if type(value) is int else None


def _validation_r2(entries: Sequence[RegionEntry]) -> float | None:
    """Mean over regions, weighted by their sites; None if a region has none."""
    total = 0.0
    for entry in entries:
        r2 = entry.validation_r2()
        if r2 is None:
            return None
        total += r2 * entry.n_sites
    return round(total / sum(entry.n_sites for entry in entries), 4) if entries else None


def _states(regions: Sequence[BundleRegion], manifest: Manifest | None) -> dict[str, int | None] | None:
    """Number of the HMM's states in the first region, and of people from whom each of their alleles is drawn at least.

    Without onnx, the number is that of the settings.

    Raises:
        DataError: if the model must not be run.
    """
    settings: Mapping[str, Any] = {} if manifest is None else manifest.settings
    n_states = settings.get("n_states", 0 if settings else None)
    try:
        odds = read_graph(regions[0]).state_odds()
        n_states = 0 if odds is None else int(odds[0].shape[1])
    except DataError:
        raise
    except RnnimpError:  # there is no onnx
        pass
    if type(n_states) is not int:
        return None
    carriers = settings.get("state_carriers", 0) if settings and n_states else None
    return {"number": n_states, "carriers": carriers if type(carriers) is int else None}


def _audit(prefix: Path) -> dict[str, Any] | None:
    """The sentence of the audit beside a model, and whether it was made of these files."""
    for path in _audit_paths(prefix):
        try:
            content = read_json(path, "audit the model again")
        except DataError as error:
            return {"file": str(path), "sentence": None, "problem": str(error)}
        sentence, model = content.get("sentence"), content.get("model")
        if content.get("format") != AUDIT_FORMAT or not isinstance(sentence, str) or not isinstance(model, dict):
            continue
        return {"file": str(path), "sentence": sentence, "is_of_these_files": _is_of(prefix.parent, model)}
    return None


def _audit_paths(prefix: Path) -> Iterator[Path]:
    for path in (Path(f"{prefix}.audit.json"), prefix.parent / "audit.json"):
        if path.is_file():
            yield path


def _is_of(folder: Path, model: Mapping[str, Any]) -> bool:
    """Whether the audited files are those in a folder."""
    checksums = model.get("checksums")
    if not isinstance(checksums, dict) or not checksums:
        return False
    return all(
        Path(name).name == name and (folder / name).is_file() and sha256_of(folder / name) == checksum
        for name, checksum in checksums.items()
    )
