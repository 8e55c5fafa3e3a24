"""Evaluations read back: of one imputation, and of several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from report_cases import copied
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.files import read_lines
from rnnimp.pipeline.report.evaluated import ALL, BY_REGION, BY_SAMPLES, labelled, read_evaluated, read_evaluations


def test_of_one_imputation(results: Path) -> None:
    (found,) = read_evaluated(None, f"{results}/accuracy/x")
    assert found.label == "x"
    lines = [line.split("\t") for line in read_lines(results / "accuracy" / "x.sites.tsv.gz")]
    column = lines[0].index("r2")
    expected = [np.nan if line[column] == "NA" else float(line[column]) for line in lines[1:]]
    assert found.r2 == pytest.approx(np.array(expected), nan_ok=True)
    assert len(found.positions) == len(found.classes) == len(expected)
    assert set(found.calibration) == {"estimates", "filters", "reliability"}
    assert found.differences == []
    assert int(found.overall()["sites"]) == len(expected)
    assert len(found.samples) == 12


def test_of_several_imputations(results: Path) -> None:
    ours, theirs = read_evaluated(None, f"{results}/accuracy/both")
    assert (ours.label, theirs.label) == ("ours", "theirs")
    assert ours.positions.tolist() == theirs.positions.tolist()
    assert not np.array_equal(ours.r2, theirs.r2, equal_nan=True)
    assert ours.differences == []
    assert {row["minus"] for row in theirs.differences} == {"ours"}
    assert {row["group"] for row in ours.scores(BY_SAMPLES)} == {"A", "B"}
    assert {row["group"] for row in ours.scores(BY_REGION)} == {"left", "right"}
    assert ours.overall()["maf_percent"] == ALL
    named = read_evaluated("run", f"{results}/accuracy/both")
    assert [part.label for part in named] == ["run ours", "run theirs"]


def test_tables_of_calibration_may_be_missing(results: Path, tmp_path: Path) -> None:
    folder = copied(results, tmp_path / "c")
    for name in ("estimates", "filters", "reliability"):
        (folder / "accuracy" / f"x.{name}.tsv").unlink()
    (found,) = read_evaluated("x", f"{folder}/accuracy/x")
    assert found.calibration == {}
    (folder / "accuracy" / "x.groups.tsv").unlink()
    with pytest.raises(DataError, match="evaluate again with this version"):
        read_evaluated("x", f"{folder}/accuracy/x")


def test_names_must_differ(results: Path) -> None:
    x = f"{results}/accuracy/x"
    assert [part.label for part in read_evaluations([x, f"again={x}"])] == ["x", "again"]
    with pytest.raises(SettingsError, match="found x twice"):
        read_evaluations([x, x])


@pytest.mark.parametrize("text", ["=x", "x=", ""])
def test_labels_are_not_empty(text: str) -> None:
    with pytest.raises(SettingsError, match="LABEL=PREFIX"):
        labelled(text)


def test_the_json_file_names_an_evaluation_too() -> None:
    assert labelled("eval/chr22.evaluation.json") == (None, "eval/chr22")
    assert labelled("Beagle=eval/beagle.evaluation.json") == ("Beagle", "eval/beagle")
