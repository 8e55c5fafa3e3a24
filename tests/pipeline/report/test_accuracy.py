"""The section on accuracy, against the tables of the evaluations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from report_cases import column, part, require_drawable
from rnnimp.formats.files import read_lines
from rnnimp.pipeline.report.accuracy import accuracy_section, bin_percent
from rnnimp.pipeline.report.binning import Windows
from rnnimp.pipeline.report.evaluated import read_evaluations
from rnnimp.pipeline.report.parts import Listing, Picture, Section


def section_of(results: Path, *names: str) -> Section:
    found = accuracy_section(read_evaluations([f"{results}/accuracy/{name}" for name in names]))
    assert found is not None
    return found


def rows_of(results: Path, name: str) -> list[dict[str, Any]]:
    header, *lines = (line.split("\t") for line in read_lines(results / "accuracy" / name))
    return [dict(zip(header, line, strict=True)) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x", "both"])
def test_every_picture_can_be_drawn(results: Path, name: str) -> None:
    require_drawable(section_of(results, name))


def test_scores_are_those_of_the_evaluation(results: Path) -> None:
    section = section_of(results, "both")
    groups = rows_of(results, "both.groups.tsv")
    of_all = {(row["imputed"], row["maf_percent"]): row for row in groups if row["by"] == "all"}
    facts = dict(section.facts)
    for name in ("ours", "theirs"):
        row = of_all[name, "all"]
        values = [float(row[column]) for column in ("mean_r2", "mean_r2_low", "mean_r2_high")]
        assert facts[f"mean r2, {name}"] == f"{values[0]:.4f} ({values[1]:.4f} to {values[2]:.4f})"
    assert facts["sites scored"] == of_all["ours", "all"]["sites"]
    table = part(section, "accuracy_by_frequency").table
    for row in table.records():
        expected = of_all[str(row["imputation"]), str(row["maf_percent"])]
        assert str(row["sites"]) == expected["sites"]
        assert row["mean r2"] == (None if expected["mean_r2"] == "NA" else float(expected["mean_r2"]))
        assert row["imputation"] == "theirs" or row["difference"] is None
    assert column(table, "maf_percent")[-2:] == ["all", "all"]
    difference = next(
        float(row["difference"])
        for row in rows_of(results, "both.differences.tsv")
        if (row["by"], row["maf_percent"], row["measure"]) == ("all", "all", "mean_r2")
    )
    assert column(table, "difference")[-1] == difference


def test_groups_and_regions_are_shown(results: Path) -> None:
    section = section_of(results, "both")
    picture = part(section, "accuracy_by_group")
    assert isinstance(picture, Picture)
    assert json.dumps(picture.chart).count('"symbolFillColor": "var(--text)"') >= 2  # seen on a dark page
    assert set(column(picture.data["groups"], "group")) == {"A", "B"}
    assert set(column(part(section, "accuracy_by_region").table, "region")) == {"left", "right"}
    names = {p.name for p in section_of(results, "x").parts if isinstance(p, (Picture, Listing))}
    assert not {"accuracy_by_group", "accuracy_by_region"} & names


def test_windows_hold_the_mean_of_their_sites(results: Path) -> None:
    rows = rows_of(results, "x.sites.tsv.gz")
    section = section_of(results, "x")
    positions = np.array([int(row["position"]) for row in rows])
    places = Windows.over(positions).of(positions)
    expected = []
    for window in np.unique(places).tolist():
        known = [float(rows[i]["r2"]) for i in np.flatnonzero(places == window) if rows[i]["r2"] != "NA"]
        if known:
            expected.append(np.mean(known))
    assert column(part(section, "accuracy_along").table, "r2, x") == pytest.approx(expected, abs=1e-4)
    worst = column(part(section, "worst_places").table, "r2, x")
    assert worst == sorted(worst)


def test_scores_at_other_sites_give_a_warning(results: Path) -> None:
    both = section_of(results, "both")
    assert both.warnings == ()
    assert "has the greatest mean r2" in both.meaning
    (warning,) = section_of(results, "x", "y").warnings
    assert "evaluate them in one command" in warning
    assert "greatest" not in section_of(results, "x").meaning
    assert "greatest" not in section_of(results, "x", "y").meaning
    assert accuracy_section([]) is None


def test_as_many_other_sites_or_samples_give_a_warning(results: Path) -> None:
    (one,) = read_evaluations([f"{results}/accuracy/x"])
    moved = replace(one, label="moved", positions=one.positions + 1)
    others = replace(one, label="others", samples=[{**row, "sample": f"Q{row['sample']}"} for row in one.samples])
    for other, text in ((moved, "at the same sites"), (others, "for the same samples")):
        section = accuracy_section([one, other])
        assert section is not None
        (warning,) = section.warnings
        assert text in warning
        assert "greatest" not in section.meaning


def test_bins_of_any_edges_have_a_place() -> None:
    assert bin_percent("0.1-10") == pytest.approx(1)
    assert 0 < bin_percent("0-5") < 5


def test_no_imputation_is_called_best_of_equal_ones(results: Path) -> None:
    prefix = f"{results}/accuracy/x"
    found = accuracy_section(read_evaluations([f"first={prefix}", f"second={prefix}"]))
    assert found is not None
    assert "All have the same mean r2" in found.meaning
