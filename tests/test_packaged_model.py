"""The packaged model of real people: its files, its audit, its card, and its accuracy on people it has not seen."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import REPOSITORY, program, shared_data
from rnnimp.formats.bundle import read_manifest, require_checksum
from rnnimp.formats.hapslegend import read_legend
from rnnimp.pipeline.demo import impute_real
from rnnimp.sites.frequencies import coarse_frequency
from rnnimp.sites.panel import Sites
from rnnimp.training.data import held_out_samples

FOLDER = REPOSITORY / "src" / "rnnimp" / "demo" / "kgp3_chr22"
N_TRAINED, N_HELD_OUT = 2_304, 100


@pytest.fixture(scope="module")
def audit() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((FOLDER / "audit.json").read_text(encoding="utf-8"))
    return table


@pytest.fixture(scope="module")
def legends() -> list[Sites]:
    return [read_legend(FOLDER / f"chr22_{index}.legend.gz") for index in range(1, 7)]


def test_the_files_are_those_of_the_manifest_and_of_the_audit(audit: dict[str, Any]) -> None:
    manifest = read_manifest(FOLDER / "chr22")
    checksums = {name: checksum for entry in manifest.regions for name, checksum in entry.files.items()}
    assert checksums.keys() == {path.name for path in FOLDER.glob("chr22_*")}
    for name, checksum in checksums.items():
        require_checksum(FOLDER / name, checksum)
    models = {name: checksum for name, checksum in checksums.items() if name.endswith(".onnx")}
    assert audit["model"]["checksums"] == models
    assert audit["model"]["recipe"] == manifest.settings
    assert {entry.summary["training_samples"] for entry in manifest.regions} == {N_TRAINED}
    assert (audit["people"]["n_training"], audit["people"]["n_outsiders"]) == (N_TRAINED, N_HELD_OUT)


def test_the_frequencies_are_rounded(legends: list[Sites]) -> None:
    assert sum(np.count_nonzero(~sites.markers()) for sites in legends) == 5_846
    for sites in legends:
        np.testing.assert_allclose(sites.a1_freq, coarse_frequency(sites.a1_freq, 2 * N_TRAINED), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["model_card.md", "audit.json", "chr22.manifest.json"])
def test_no_person_and_no_path_is_named(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert not re.search(r"\b(HG|NA)\d{5}\b", text)
    assert not re.search(r"[\s\"'(]/\w", text)
    assert len(text) < 200_000


def test_the_card_has_the_figures_of_the_audit(audit: dict[str, Any]) -> None:
    card = (FOLDER / "model_card.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| `(\w+)` \| (0\.\d{3}) \(", card, re.MULTILINE))
    found = {
        part["attack"]: f"{part['figures']['auc']['value']:.3f}"
        for part in audit["results"]
        if part["subject"] == "model" and part["region"] is None
    }
    assert shown == found


@pytest.mark.slow
def test_it_imputes_the_held_out_people_as_well_as_the_card_says(legends: list[Sites], tmp_path: Path) -> None:
    panel = shared_data("kgp3_chr22/panel.vcf.gz")
    truth, target = tmp_path / "truth.vcf.gz", tmp_path / "target.vcf.gz"
    listed = subprocess.run([program("bcftools"), "query", "-l", panel], capture_output=True, text=True, check=True)
    apart = set(shared_data("kgp3_chr22/test_samples.txt").read_text(encoding="utf-8").split())
    names = [name for name in listed.stdout.split() if name not in apart]
    assert len(names) == N_TRAINED + N_HELD_OUT
    seed = read_manifest(FOLDER / "chr22").seed
    held_out = ",".join(names[index] for index in held_out_samples(len(names), N_HELD_OUT, seed))
    markers = sorted({int(position) for sites in legends for position in sites.positions[sites.markers()]})
    (tmp_path / "markers.txt").write_text("".join(f"22\t{position}\n" for position in markers), encoding="utf-8")
    for source, options, output in (
        (panel, ["-s", held_out], truth),
        (truth, ["-T", str(tmp_path / "markers.txt")], target),
    ):
        subprocess.run([program("bcftools"), "view", *options, "-O", "z", "-o", output, source], check=True)
    result = impute_real(str(target), tmp_path, truth)
    assert result.evaluation is not None
    everything = result.evaluation.bins[-1]
    assert everything.n_sites == 5_846
    assert everything.mean_r2 == pytest.approx(0.8992, abs=0.001)
