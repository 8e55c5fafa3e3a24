"""Evaluations read back, and put side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from report_cases import copied
from rnnimp.errors import DataError, SettingsError
from rnnimp.pipeline.report.evaluated import Evaluated, compared, labelled, read_evaluated


def evaluation(label: str, scores: dict[tuple[int, str, str], float]) -> Evaluated:
    return Evaluated(label, label, tuple(scores), np.full(len(scores), 0.2), np.array(list(scores.values())), {})


def test_only_shared_sites_are_compared() -> None:
    first = {(9, "A", "C"): 0.9, (5, "A", "C"): 0.5, (5, "A", "G"): 0.4, (7, "A", "C"): np.nan}
    second = {(5, "A", "G"): 0.1, (9, "A", "C"): 0.2, (7, "A", "C"): 0.3, (8, "A", "C"): 0.4}
    found = compared([evaluation("a", first), evaluation("b", second)])
    assert found.positions.tolist() == [5, 9]
    assert found.r2.tolist() == [[0.4, 0.9], [0.1, 0.2]]
    assert found.n_left_out == 3  # 5 A C of one, 7 and 8 of the other
    with pytest.raises(DataError, match="scored sites in common, found none"):
        compared([evaluation("a", first), evaluation("b", {(6, "A", "C"): 1.0})])


def test_all_tables_are_read(results: Path) -> None:
    found = read_evaluated("x", f"{results}/accuracy/x")
    assert set(found.tables) == {"estimates", "filters", "reliability"}
    assert len(found.keys) == len(found.maf) == len(found.r2)
    assert {row["score"] for row in found.tables["filters"]} == {"R2"}


def test_tables_of_calibration_may_be_missing(results: Path, tmp_path: Path) -> None:
    folder = copied(results, tmp_path / "c")
    for name in ("estimates", "filters", "reliability"):
        (folder / "accuracy" / f"x.{name}.tsv").unlink()
    assert read_evaluated("x", f"{folder}/accuracy/x").tables == {}
    with pytest.raises(DataError, match="found no such file"):
        read_evaluated("z", f"{folder}/accuracy/z")


@pytest.mark.parametrize(
    ("texts", "message"),
    [(["a/x", "b/x"], "found x twice"), (["=x"], "LABEL=PREFIX"), (["x="], "LABEL=PREFIX")],
)
def test_labels_must_differ(texts: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        labelled(texts)
