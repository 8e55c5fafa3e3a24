"""The section on accuracy, against the tables of the evaluations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from report_cases import column, part, require_drawable
from rnnimp.formats.files import read_lines
from rnnimp.pipeline.report.accuracy import accuracy_section
from rnnimp.pipeline.report.evaluated import read_evaluated
from rnnimp.pipeline.report.parts import Section


def section_of(results: Path, *names: str) -> Section:
    found = accuracy_section([read_evaluated(name, f"{results}/accuracy/{name}") for name in names])
    assert found is not None
    return found


@pytest.mark.slow
def test_every_picture_can_be_drawn(results: Path) -> None:
    require_drawable(section_of(results, "x", "y"))


def test_accuracy_is_on_shared_sites(results: Path) -> None:
    section = section_of(results, "x", "y")
    scores = []
    for name in ("x", "y"):
        header, *lines = read_lines(results / "accuracy" / f"{name}.sites.tsv.gz")
        rows = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
        scores.append({(row["position"], row["a0"], row["a1"]): row["r2"] for row in rows if row["r2"] != "NA"})
    shared = scores[0].keys() & scores[1].keys()
    facts = dict(section.facts)
    assert facts["sites scored by all"] == str(len(shared))
    assert facts["sites scored by some only, left out"] == str(len(scores[0].keys() ^ scores[1].keys()))
    for name, part_scores in zip(("x", "y"), scores, strict=True):
        mean = np.mean([float(part_scores[key]) for key in shared])
        assert facts[f"mean r2, {name}"].startswith(f"{mean:.4f} (")
    table = part(section, "accuracy_by_frequency").table
    assert set(column(table, "imputation")) == {"x", "y"}
    assert column(table, "difference to x")[0] is None
    worst = part(section, "worst_places").table
    assert column(worst, "r2, x") == sorted(column(worst, "r2, x"), key=lambda value: float(str(value)))


def test_one_evaluation_is_enough(results: Path) -> None:
    section = section_of(results, "x")
    assert "greatest" not in section.meaning
    assert accuracy_section([]) is None
