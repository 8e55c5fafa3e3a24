"""Models: what is said of sound ones, of damaged ones, of single regions, and of audits beside them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnimp.formats.bundle import manifest_path, write_manifest
from rnnimp.pipeline.demo import MODEL, PACKAGED, REAL_MODEL
from rnnimp.pipeline.inspect.findings import Inspection
from rnnimp.pipeline.inspect.model import inspect_model, model_of
from rnnimp.training.recipe import RECIPES
from tiny_model import TinyRegion, manifest_of, tiny_chromosome, write_tiny_bundle


@pytest.fixture
def regions() -> list[TinyRegion]:
    return tiny_chromosome(np.random.default_rng(1))[1]


@pytest.fixture
def prefix(tmp_path: Path, regions: list[TinyRegion]) -> Path:
    """A model of three regions with a manifest."""
    write_tiny_bundle(tmp_path / "m", regions)
    write_manifest(tmp_path / "m", manifest_of(tmp_path / "m", regions))
    return tmp_path / "m"


def inspected(path: Path) -> Inspection:
    found = model_of(path)
    assert found is not None
    return inspect_model(path, *found)


def test_a_model_by_its_prefix_and_by_its_manifest(prefix: Path, regions: list[TinyRegion]) -> None:
    found = inspected(prefix)
    sites = [region.sites for region in regions]
    imputed = np.concatenate([part.positions[~part.markers()] for part in sites])
    markers = {key for part in sites for key, flag in zip(part.keys(), part.markers(), strict=True) if flag}
    assert found.kind == "model of rnnimp"
    assert found.problems == ()
    assert found.facts["regions"] == 3
    assert found.facts["chromosome"] == "chr22"
    assert found.facts["imputed_sites"] == len(imputed)
    assert found.facts["positions"] == [imputed.min(), imputed.max()]
    assert found.facts["markers"] == len(markers)
    assert found.facts["size_bytes"] == sum(path.stat().st_size for path in prefix.parent.glob("m_*"))
    assert found.facts["checksums"] == {"right": 6, "wrong": [], "missing": []}
    assert found.facts["hmm_states"] == {"number": 0, "carriers": None}
    assert inspected(manifest_path(prefix)).facts == found.facts


def test_a_model_without_a_manifest(prefix: Path) -> None:
    manifest_path(prefix).unlink()
    found = inspected(prefix)
    assert found.kind.startswith("model without a manifest")
    assert found.facts["regions"] == 3
    assert found.facts["checksums"] is None
    assert "recipe" not in found.facts


def test_one_region_needs_no_others(prefix: Path, regions: list[TinyRegion]) -> None:
    for path in prefix.parent.glob("m_[13].*"):
        path.unlink()
    found = inspected(Path(f"{prefix}_2.onnx"))
    assert found.facts["region"] == 2
    assert found.facts["imputed_sites"] == len(regions[1].weights)
    assert found.facts["markers"] == regions[1].weights.shape[1]
    assert found.facts["checksums"] == {"right": 2, "wrong": [], "missing": []}
    assert found.problems == ()


def test_files_that_are_wrong_or_missing_are_named(prefix: Path) -> None:
    Path(f"{prefix}_1.onnx").write_bytes(b"another")
    Path(f"{prefix}_3.legend.gz").unlink()
    found = inspected(prefix)
    assert found.facts["checksums"] == {"right": 4, "wrong": ["m_1.onnx"], "missing": ["m_3.legend.gz"]}
    assert len(found.problems) == 2
    assert "m_1.onnx" in found.problems[0]
    assert "m_3.legend.gz" in found.problems[1]
    assert found.facts["imputed_sites"] > 0  # of the manifest


def test_a_region_without_its_legend_is_a_problem(tmp_path: Path, regions: list[TinyRegion]) -> None:
    write_tiny_bundle(tmp_path / "m", regions)
    (tmp_path / "m_2.legend.gz").unlink()
    (problem,) = inspected(tmp_path / "m_2.onnx").problems
    assert "m_2.legend.gz" in problem


@pytest.mark.parametrize("name", ["m.audit.json", "audit.json"])
@pytest.mark.parametrize("is_of_these_files", [True, False])
def test_the_audit_beside_a_model(prefix: Path, name: str, is_of_these_files: bool) -> None:
    content = Path(f"{prefix}_1.onnx").read_bytes() if is_of_these_files else b"another"
    model = {"name": "m", "checksums": {"m_1.onnx": hashlib.sha256(content).hexdigest()}}
    audit = {"format": "rnnimp-audit", "sentence": "Little was found.", "model": model}
    (prefix.parent / name).write_text(json.dumps(audit))
    found: Any = inspected(prefix).facts["audit"]
    assert found["sentence"] == "Little was found."
    assert found["is_of_these_files"] is is_of_these_files


@pytest.mark.parametrize("content", ["no JSON", '{"format": "other"}', '{"format": "rnnimp-audit", "sentence": 3}'])
def test_another_file_of_that_name_is_no_audit(prefix: Path, content: str) -> None:
    (prefix.parent / "audit.json").write_text(content)
    found: Any = inspected(prefix).facts["audit"]
    assert found is None or found["sentence"] is None


def test_the_packaged_models(tmp_path: Path) -> None:
    real = inspected(PACKAGED / REAL_MODEL)
    assert real.problems == ()
    assert real.facts["chromosome"] == "22"
    assert "GRCh37" in real.facts["genome_builds"]
    assert real.facts["recipe"] in RECIPES
    assert real.facts["training_samples"] == 2304
    assert real.facts["held_out_samples"] == 100
    assert 0.8 < real.facts["validation_r2"] < 1
    settings = json.loads(manifest_path(PACKAGED / REAL_MODEL).read_text())["settings"]
    assert real.facts["hmm_states"]["number"] == settings["n_states"]
    demo = inspected(PACKAGED / MODEL)
    assert (demo.facts["recipe"], demo.facts["recipe_is_named"]) == ("published", False)
    assert demo.facts["changed_settings"]["max_iterations"]["recipe"] == 100_000


def test_what_is_no_model(tmp_path: Path, prefix: Path) -> None:
    shutil.copy(f"{prefix}_1.onnx", tmp_path / "graph.onnx")
    assert model_of(tmp_path / "graph.onnx") is None
    assert model_of(tmp_path / "nothing") is None
    assert model_of(f"{prefix}_1.legend.gz") is None
    assert model_of(prefix) == (prefix, None)
