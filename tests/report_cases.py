"""Results of `rnnimp impute`, `evaluate` and `train` on simulated data, for tests of `rnnimp report`."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from impute_cases import write_target
from rnnimp.cli import main
from rnnimp.formats.json_files import write_json
from rnnimp.pipeline.report import rendering
from rnnimp.pipeline.report.parts import Listing, Picture, Section, Table
from rnnimp.pipeline.train.files import RegionFiles, write_plan
from rnnimp.pipeline.train.manifest import write_bundle_manifest
from rnnimp.sites.panel import Panel
from rnnimp.training.loop import Evaluation, write_history
from tiny_model import tiny_chromosome, write_tiny_bundle

N_SAMPLES, N_REGIONS = 12, 4


def make_results(folder: Path) -> Path:
    """Write results of two imputations and their evaluations.

    `x` is imputed from all markers, `y` from every second one: `x.vcf`, `x.info.tsv.gz`, and so on. `accuracy/x` and
    `accuracy/y` are their evaluations with calibration, and `accuracy/both` is one of both, by groups and regions.
    """
    panel, regions = tiny_chromosome(np.random.default_rng(8), n_regions=N_REGIONS, n_samples=N_SAMPLES)
    write_tiny_bundle(folder / "m", regions)
    sites = replace(panel.sites, is_marker=None, a1_freq=None, chromosome=None)
    plain = replace(panel, sites=sites, sample_names=tuple(f"P{number}" for number in range(N_SAMPLES)))
    write_target(folder / "truth", plain)
    is_marker = panel.sites.markers()
    is_extra = ~is_marker & (np.cumsum(~is_marker) % 3 == 0)
    markers = np.flatnonzero(is_marker)
    impute(folder, "x", plain[np.sort(np.concatenate([markers, np.flatnonzero(is_extra)]))])
    impute(folder, "y", plain[markers[::2]])
    groups = [f"{name}\t{'AB'[row % 2]}\n" for row, name in enumerate(plain.sample_names)]
    (folder / "groups.tsv").write_text("".join(groups))
    middle = int(panel.sites.positions[len(panel.sites) // 2])
    (folder / "regions.bed").write_text(f"22\t0\t{middle}\tleft\n22\t{middle}\t999999999\tright\n")
    more = ["--groups", f"{folder}/groups.tsv", "--regions", f"{folder}/regions.bed", "--names", "ours", "theirs"]
    evaluate(folder, "both", "x", "y", *more)
    return folder


def impute(folder: Path, name: str, target: Panel) -> None:
    """Impute a target with the model of a folder, and evaluate the result."""
    write_target(folder / f"{name}_target", target)
    endings = {"--hap": "hap.gz", "--legend": "legend.gz", "--sample": "sample"}
    files = [word for option, end in endings.items() for word in (option, f"{folder}/{name}_target.{end}")]
    where = ["--model-prefix", f"{folder}/m", "--output", f"{folder}/{name}.vcf", "--chromosome", "22"]
    assert main(["impute", *files, *where, "--empirical-r2", "--force", "--quiet"]) == 0
    evaluate(folder, name, name)


def evaluate(folder: Path, name: str, *imputed_and_more: str) -> None:
    """Evaluate imputations of a folder; arguments from the first option on are those of the command."""
    first = next((i for i, word in enumerate(imputed_and_more) if word.startswith("-")), len(imputed_and_more))
    files = [f"{folder}/{word}.vcf" for word in imputed_and_more[:first]]
    output = ["--output", f"{folder}/accuracy/{name}", "--calibration", "--bootstrap", "50", "--quiet"]
    truth = ["--truth", f"{folder}/truth.hap.gz", *imputed_and_more[first:]]
    assert main(["evaluate", "--imputed", *files, *truth, *output]) == 0


def copied(folder: Path, to: Path) -> Path:
    """A copy of such a folder, to change it."""
    shutil.copytree(folder, to)
    return to


def write_training(folder: Path) -> Path:
    """Write what a training of 3 of 4 regions leaves behind, but its checkpoints; returns its output prefix."""
    prefix = folder / "train" / "t"
    write_plan(prefix, 4, "22", is_new=True)
    settings = {"seed": 1, "n_units": 40}
    for number in (1, 2, 3):
        files, r2 = RegionFiles(prefix, number), 1 - 0.1 * number
        files.folder.mkdir(parents=True)
        write_json(files.settings, {"settings": settings, "data": {}})
        for network, gain in (("higher", 0.0), ("lower", 0.1)):
            middle = round(0.98 - 0.2 * number, 2)
            rows = [(40, math.nan, 0.3, r2 - 0.5), (80, 0.2, 0.2, middle), (120, 0.1, 0.1, r2 + gain)]
            evaluations = [Evaluation(row[0], 0.01, *row[1:], 1.0) for row in rows]
            write_history(files.folder / f"{network}.pt", evaluations)
        write_json(files.summary, _summary(number, r2))
    write_bundle_manifest(prefix, 4, settings, "22")
    return prefix


def _summary(number: int, r2: float) -> dict[str, Any]:
    networks = {name: {"validation_r2": round(r2 - loss, 6)} for name, loss in (("hybrid", 0.0), ("higher", 0.1))}
    span = {"first_position": 1_000_000 * number, "last_position": 1_000_000 * number + 900_000}
    people = {"training_samples": 90, "validation_samples": 10}
    sizes = {"n_markers": 30, "n_sites": 100, "chromosome": "22", "files": {f"t_{number}.onnx": "0" * 64}}
    return {**sizes, **span, **people, "networks": networks}


def part(section: Section, name: str) -> Picture | Listing:
    """The picture or table of a section with a name."""
    (found,) = (p for p in section.parts if isinstance(p, (Picture, Listing)) and p.name == name)
    return found


def column(table: Table, name: str) -> list[Any]:
    """The cells of a column."""
    return [row[table.columns.index(name)] for row in table.rows]


def require_drawable(section: Section) -> None:
    """Draw every picture of a section, and check what all pictures need."""
    pictures = [p for p in section.parts if isinstance(p, Picture)]
    assert len({picture.name for picture in pictures}) == len(pictures) > 0
    for picture in pictures:
        svg = rendering.svg(picture)
        ElementTree.fromstring(svg)
        assert "var(--" not in svg  # colours of the page
        assert "NaN" not in svg
        assert escape(picture.title) in svg
        assert picture.description
        assert picture.caption
        assert picture.table.rows
        assert all("." not in field for field in _fields(picture.chart))  # Vega takes a dot for a path


def _fields(chart: Any) -> Iterator[str]:
    """All names of fields in a chart."""
    if isinstance(chart, dict):
        if isinstance(chart.get("field"), str):
            yield chart["field"]
        chart = list(chart.values())
    if isinstance(chart, list):
        for value in chart:
            yield from _fields(value)
