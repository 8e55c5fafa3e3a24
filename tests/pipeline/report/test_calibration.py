"""Parts on calibration, against the tables of the evaluations."""

from __future__ import annotations

from pathlib import Path

from report_cases import column
from rnnimp.formats.files import read_lines
from rnnimp.pipeline.report.calibration import calibration_parts
from rnnimp.pipeline.report.evaluated import read_evaluations
from rnnimp.pipeline.report.parts import Listing, Picture


def test_tables_are_those_of_the_evaluations(results: Path) -> None:
    parts = calibration_parts(read_evaluations([f"{results}/accuracy/{name}" for name in ("x", "y")]))
    tables = {part.name: part.table for part in parts if isinstance(part, (Picture, Listing))}
    assert set(tables) == {"calibration", "estimated_r2", "filters"}
    rows = [line.split("\t") for line in read_lines(results / "accuracy" / "x.reliability.tsv")]
    expected = [float(row[4]) for row in rows if row[0] == "all" and row[2] != "0"]
    of_x = [row for row in tables["calibration"].rows if row[0] == "x"]
    assert [row[3] for row in of_x] == expected
    assert column(tables["filters"], "threshold") == ["0.3", "0.8"] * 2
    assert set(column(tables["estimated_r2"], "estimate")) == {"x: R2", "y: R2"}


def test_without_calibration_there_is_nothing() -> None:
    assert calibration_parts([]) == []
