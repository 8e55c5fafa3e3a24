"""The accuracy of each sample, against the table of the evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest

from report_cases import column
from rnnimp.formats.files import read_lines
from rnnimp.pipeline.report import scored_samples
from rnnimp.pipeline.report.evaluated import read_evaluations
from rnnimp.pipeline.report.parts import Picture
from rnnimp.pipeline.report.scored_samples import sample_parts


def picture(results: Path, name: str) -> Picture:
    (found,) = sample_parts(read_evaluations([f"{results}/accuracy/{name}"]))
    assert isinstance(found, Picture)
    return found


def test_each_sample_has_its_score(results: Path) -> None:
    found = picture(results, "both")
    data = found.data["scored_samples"]
    header, *lines = (line.split("\t") for line in read_lines(results / "accuracy" / "both.samples.tsv.gz"))
    places = [header.index(name) for name in ("imputed", "sample", "group")]
    expected = {tuple(line[place] for place in places): float(line[header.index("r2")]) for line in lines}
    assert {tuple(row[:3]): row[3] for row in data.rows} == expected
    lowest = column(found.table, "r2")
    assert lowest == sorted(lowest)
    assert "All are shown" in found.caption


def test_many_samples_are_thinned(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scored_samples, "MOST_SAMPLES", 6)
    found = picture(results, "x")
    data = found.data["scored_samples"]
    assert len(data.rows) == 6
    assert set(column(found.table, "sample")[:3]) <= set(column(data, "sample"))
    assert "6 points are shown" in found.caption
    assert set(column(data, "group")) == {"all samples"}


def test_without_scores_there_is_no_picture() -> None:
    assert sample_parts([]) == []
