"""The comparison of speed takes a trained model, and sums up the runs of each program."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Load = Callable[[str], ModuleType]


def test_each_program_is_compared_by_its_best_runs(load: Load) -> None:
    benchmark = load("imputation")
    costs = {
        "rnnimp": [benchmark.Cost(4.0, 9.0, 100.0), benchmark.Cost(5.0, 8.0, 90.0)],
        "beagle": [benchmark.Cost(2.0, 4.0, 500.0)],
    }
    ours, beagle = benchmark.rows_of(costs, 1000, "full")
    assert ours.cost == benchmark.Cost(4.0, 8.0, 100.0)
    assert (ours.wall_ratio, ours.cpu_ratio) == (1.0, 1.0)
    assert (beagle.wall_ratio, beagle.cpu_ratio) == (0.5, 0.5)
    assert beagle.text() == "| 1,000 | full | beagle | 2.0 | 4.0 | 500 | 0.50 | 0.50 |"


def test_without_rnnimp_there_is_no_ratio(load: Load) -> None:
    benchmark = load("imputation")
    (row,) = benchmark.rows_of({"beagle": [benchmark.Cost(2.0, 4.0, 500.0)]}, 10, "half")
    assert (row.wall_ratio, row.cpu_ratio) == (None, None)
    assert row.text().endswith("| - | - |")


@pytest.mark.slow
def test_a_trained_model_is_measured(
    load: Load,
    data: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    benchmark = load("imputation")
    options = {"panel": data / "panel.vcf", "markers": data / "markers.tsv", "test-samples": data / "test.txt"}
    options |= {"work-dir": tmp_path, "model": model, "results": tmp_path / "results.json"}
    options |= {"samples": "12", "panels": "full", "tools": "rnnimp", "repeats": "2"}
    monkeypatch.setattr(sys, "argv", ["imputation.py", *(f"--{name}={value}" for name, value in options.items())])
    benchmark.main()
    assert capsys.readouterr().out.splitlines()[-1].startswith("| 12 | full | rnnimp |")
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["model"] == str(model)
    assert results["processor"]["name"]
    (row,) = results["rows"]
    assert row["cost"]["cpu"] > 0
    assert row["cpu_ratio"] == 1
    assert not (tmp_path / "model").exists()  # none with random weights


@pytest.mark.slow
def test_the_legends_are_those_of_the_model(load: Load, model: Path) -> None:
    expected = sorted(model.parent.glob(f"{model.name}_*.legend.gz"))
    assert sorted(load("imputation").legends(model)) == expected != []
