"""Panels, training and audits from Python, and the bar of a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rnnimp
from helpers import random_panel
from impute_cases import write_target
from rnnimp.api.training_bar import TrainingBar
from rnnimp.cli import main
from rnnimp.pipeline.train.progress import ProgressNote
from training_cases import SHORT, SMALL, models

SETTINGS = {
    "n_units": 6,
    "n_layers_higher": 2,
    "n_layers_lower": 1,
    "feature_size": 5,
    "max_iterations": 30,
    "batch_size": 16,
    "validation_samples": 6,
    "seed": 5,
}


@pytest.fixture
def panel(tmp_path: Path) -> Path:
    """The prefix of a panel's files."""
    write_target(tmp_path / "panel", random_panel(np.random.default_rng(2), n_sites=60, n_samples=30))
    return tmp_path / "panel"


@pytest.mark.slow
def test_the_stages_do_what_the_commands_do(
    panel: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    hap, legend = f"{panel}.hap.gz", f"{panel}.legend.gz"
    prepared = rnnimp.prepare(tmp_path / "data", hap=hap, legend=legend, sample=f"{panel}.sample", chromosome="22")
    assert (prepared.n_sites, prepared.n_train, prepared.n_test) == (60, 30, 0)
    files = [f"{prepared.train_prefix}.{ending}" for ending in ("hap.gz", "legend.gz")]
    regions = rnnimp.split(*files, tmp_path / "split" / "s", imputed_sites=20, flank_markers=2)
    capfd.readouterr()
    model = rnnimp.train(regions, tmp_path / "api" / "m", recipe="published", progress=True, **SETTINGS)
    assert model.n_regions >= 2
    shown = capfd.readouterr().err
    assert f"train {model.n_regions} regions: 100%" in shown
    assert "validation R2" in shown
    assert "this training differs from the recipe in n_units, n_layers_higher, n_layers_lower, " in caplog.text

    assert [region.state.value for region in rnnimp.status(tmp_path / "api" / "m")] == ["finished"] * model.n_regions

    command = ["train", "--data-list", str(regions), "--output", str(tmp_path / "cli" / "m"), "--recipe", "published"]
    assert main([*command, *SMALL, *SHORT]) == 0
    assert models(tmp_path / "api") == models(tmp_path / "cli")
    found = rnnimp.audit(model, regions, tmp_path / "audit", allow_few_outsiders=True, regions=[1], members=10)
    assert found.people.n_members == 10
    assert found.sentence
    assert (tmp_path / "audit.json").is_file()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"recipe": "best"}, rnnimp.RnnimpError, "recipe must be accurate or protected or open or published"),
        ({"n_units": 0}, rnnimp.RnnimpError, "n_units must be"),
        ({"width": 3}, TypeError, "unexpected keyword argument 'width'"),
    ],
)
def test_bad_settings_are_refused(settings: dict, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        rnnimp.train(tmp_path / "absent.list", tmp_path / "out" / "m", **settings)
    assert not (tmp_path / "out").exists()


def test_training_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("rnnimp.pipeline.train.run", "rnnimp.pipeline.audit.run"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(rnnimp.RnnimpError, match=r"training needs .*; install it with: pip install 'rnnimp\[train\]'"):
        rnnimp.train(tmp_path / "x.list", tmp_path / "m")
    with pytest.raises(rnnimp.RnnimpError, match=r"auditing needs .*pip install 'rnnimp\[train\]'"):
        rnnimp.audit(tmp_path / "m", tmp_path / "x.list", tmp_path / "a")


def test_the_bar_moves_by_shares_of_regions(capfd: pytest.CaptureFixture[str]) -> None:
    with TrainingBar() as bar:
        bar.start(2)
        bar.show(1, None)
        bar.show(1, ProgressNote("lower", 1, 3, 50, 100, 0.5, 0.25, 10.0, True))
        assert bar._bar.n == 0.5
        bar.finish_region(1)
        bar.finish_region(2)
        assert bar._bar.n == 2
    assert "train 2 regions: 100%" in capfd.readouterr().err
