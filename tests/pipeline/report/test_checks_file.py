"""The findings of the checks: what a report needs of them, and damaged files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnnimp.errors import DataError
from rnnimp.pipeline.report.checks_file import read_checks


def test_what_impute_writes_is_right(results: Path) -> None:
    for name in ("x", "y"):
        path = results / f"{name}.checks.json"
        assert read_checks(path) == json.loads(path.read_text())


def without_new_fields(content: dict[str, Any]) -> None:
    del content["frequencies"]["counts"]
    del content["empirical_r2"]
    for region in content["regions"]:
        del region["first_imputed"]


def test_older_files_are_right(results: Path, tmp_path: Path) -> None:
    content = json.loads((results / "x.checks.json").read_text())
    without_new_fields(content)
    (tmp_path / "c.json").write_text(json.dumps(content))
    assert read_checks(tmp_path / "c.json") == content


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("counts"),
        lambda content: content["counts"].pop("missing_markers"),
        lambda content: content["regions"][0].update(share=1.5),
        lambda content: content["regions"].append({}),
        lambda content: content["regions"][0].update(first_imputed="x"),
        lambda content: content["frequencies"]["counts"].pop(),
        lambda content: content["frequencies"]["counts"].__setitem__(3, "1 2 x"),
        lambda content: content["frequencies"]["worst"][0].update(model=None),
        lambda content: content["empirical_r2"]["by_estimate"].append([]),
        lambda content: content.update(warnings=[7]),
        lambda content: content.update(strand={"palindromic": True}),
    ],
)
def test_damaged_files_are_refused(results: Path, tmp_path: Path, damage: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((results / "x.checks.json").read_text())
    damage(content)
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="impute again"):
        read_checks(tmp_path / "c.json")
