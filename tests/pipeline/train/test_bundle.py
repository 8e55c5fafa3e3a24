"""`rnnimp bundle`: its result equals that of one process, and what it refuses."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from rnnimp.cli import main
from rnnimp.pipeline.train import bundle as stage
from training_cases import train_arguments, trained_files

pytestmark = pytest.mark.slow


@pytest.fixture
def trained(data_list: Path, tmp_path: Path) -> Path:
    """Two regions, trained as tasks of an array job are."""
    prefix = tmp_path / "tasks" / "chr22"
    for task in ("2/3", "3/3", "1/3"):
        assert main(train_arguments(data_list, prefix, "--task", task, "--chromosome", "22")) == 0
    return prefix


def test_tasks_and_bundle_make_what_one_process_makes(trained: Path, data_list: Path, tmp_path: Path) -> None:
    (trained.parent / "models/chr22.manifest.json").unlink()
    assert main(["bundle", str(trained)]) == 0
    assert main(train_arguments(data_list, tmp_path / "whole/chr22", "--chromosome", "22")) == 0
    assert trained_files(trained) == trained_files(tmp_path / "whole/chr22")


def test_a_manifest_that_was_written_too_early_is_completed(trained: Path) -> None:
    path = trained.parent / "models/chr22.manifest.json"
    complete = path.read_bytes()
    stage.write_bundle_manifest(trained, 1, json.loads(complete)["settings"], None)
    assert path.read_bytes() != complete
    assert main(["bundle", str(trained)]) == 0
    assert path.read_bytes() == complete


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_summary_with_a_number_that_is_not_finite_is_listed(trained: Path, value: float) -> None:
    """R2 of sites without variation is NaN, which is not equal to itself."""
    path = trained.parent / "chr22_regions/1/summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "x": value}))
    assert main(["bundle", str(trained)]) == 0
    regions = json.loads((trained.parent / "models/chr22.manifest.json").read_text())["regions"]
    assert regions[0]["summary"]["x"] is None


def refused(prefix: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    manifest = prefix.parent / "models/chr22.manifest.json"
    before = manifest.read_bytes()
    assert main(["bundle", str(prefix)]) == 1
    assert manifest.read_bytes() == before
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_what_is_not_complete_is_named(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models, folder = trained.parent / "models", Path(f"{trained}_regions")
    model = (models / "chr22_1.onnx").read_bytes()
    (models / "chr22_1.onnx").unlink()
    (folder / "2/summary.json").unlink()
    line = refused(trained, capsys)
    assert f"{trained}: 2 of 2 regions cannot be bundled: region 1: {models}/chr22_1.onnx is not there; run" in line
    interrupted = "interrupted; last checkpoint: hybrid of both networks, iteration 30 of 30"
    assert line.endswith(f"; region 2: waiting ({interrupted}); run the training again")
    (models / "chr22_1.onnx").write_bytes(model[:-1] + b"x")
    assert "region 1: " in (line := refused(trained, capsys)) and "is not what training wrote, by its SHA-256" in line


def test_regions_of_two_recipes_are_refused(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(f"{trained}_regions") / "2/settings.json"
    settings = json.loads(path.read_text())
    settings["settings"]["gamma_lower"] = -0.5
    path.write_text(json.dumps(settings))
    line = refused(trained, capsys)
    assert "1 of 2 regions cannot be bundled: region 2: other settings (gamma_lower is -0.5, in region 1 -0.75)" in line


def test_a_damaged_summary_is_named(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(f"{trained}_regions") / "1/summary.json").write_text("{")
    assert "1/summary.json: expected JSON (" in refused(trained, capsys)


def test_files_that_show_late_are_waited_for(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "SECONDS_BETWEEN_LOOKS", 0.05)
    summary = Path(f"{trained}_regions") / "2/summary.json"
    hidden = summary.rename(summary.with_suffix(".hidden"))

    def show() -> None:
        time.sleep(0.5)
        hidden.rename(summary)

    thread = threading.Thread(target=show)
    thread.start()
    assert main(["bundle", str(trained), "--wait", "60"]) == 0
    thread.join()


def test_other_versions_on_other_machines_are_listed(trained: Path) -> None:
    path = Path(f"{trained}_regions") / "1/summary.json"
    summary = json.loads(path.read_text())
    own = summary["versions"]["numpy"]
    summary["versions"]["numpy"] = "1.99.0"
    path.write_text(json.dumps(summary))
    assert main(["bundle", str(trained)]) == 0
    manifest = json.loads((trained.parent / "models/chr22.manifest.json").read_text())
    assert manifest["versions"]["numpy"] == f"1.99.0, {own}"


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", str(tmp_path / "chr22"), "--wait", "-1"]) == 2
    assert capsys.readouterr().err == "rnnimp: error: --wait must be 0 or more, found -1\n"
    assert main(["bundle", str(tmp_path / "chr22")]) == 1
    assert "expected a training's plan here, found none" in capsys.readouterr().err
