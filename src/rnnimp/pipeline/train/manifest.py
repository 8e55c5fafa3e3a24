"""Write the manifest over all regions that are finished."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rnnimp import __version__
from rnnimp.formats.bundle import Manifest, RegionEntry, write_manifest
from rnnimp.pipeline.train.files import RegionFiles, model_prefix, read_summary


def write_bundle_manifest(
    output_prefix: str | Path, n_regions: int, settings: Mapping[str, Any], chromosome: str | None
) -> int:
    """Write the manifest over all regions finished so far.

    Other processes may finish regions meanwhile. So the manifest is written again until nothing has changed.

    Args:
        output_prefix: Output prefix of the training.
        n_regions: Regions of the chromosome.
        settings: The recipe by name, that of all regions.
        chromosome: Name of the chromosome; None to take it from the site ids.

    Returns:
        How many regions are finished.
    """
    while True:
        summaries = _summaries(output_prefix, n_regions)
        if summaries:
            write_manifest(model_prefix(output_prefix), _manifest(summaries, n_regions, settings, chromosome))
        # as text, because NaN, such as the R2 of sites without variation, is not equal to itself
        if str(summaries) == str(_summaries(output_prefix, n_regions)):
            return len(summaries)


def _summaries(output_prefix: str | Path, n_regions: int) -> dict[int, dict[str, Any]]:
    regions = [RegionFiles(output_prefix, number) for number in range(1, n_regions + 1)]
    return {files.number: read_summary(files) for files in regions if files.summary.exists()}


def _manifest(
    summaries: dict[int, dict[str, Any]], n_regions: int, settings: Mapping[str, Any], chromosome: str | None
) -> Manifest:
    own = ("files", "n_markers", "n_sites", "first_position", "last_position")
    entries = []
    for number, summary in sorted(summaries.items()):
        training = {name: value for name, value in summary.items() if name not in (*own, "chromosome", "versions")}
        entries.append(RegionEntry(index=number, summary=training, **{name: summary[name] for name in own}))
    named = {summary["chromosome"] for summary in summaries.values()}
    if chromosome is None and len(named) == 1:
        (chromosome,) = named
    versions = joined_versions(summary.get("versions", library_versions()) for summary in summaries.values())
    return Manifest(__version__, versions, chromosome, dict(settings), settings["seed"], tuple(entries), n_regions)


def library_versions() -> dict[str, str]:
    """Versions of the libraries that weights may depend on, of those that are installed."""
    versions = {"python": platform.python_version()}
    for package in ("numpy", "torch", "onnx", "onnxruntime"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def joined_versions(regions: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The versions by library; where machines differed, all of them.

    >>> joined_versions([{"numpy": "2.3.5"}, {"numpy": "2.3.4"}, {"numpy": "2.3.5"}])
    {'numpy': '2.3.4, 2.3.5'}
    """
    found: dict[str, set[str]] = {}
    for versions in regions:
        for name, number in versions.items():
            found.setdefault(name, set()).add(number)
    return {name: ", ".join(sorted(numbers)) for name, numbers in found.items()}
