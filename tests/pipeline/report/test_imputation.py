"""The section on the imputation, against its tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from report_cases import N_REGIONS, column, part, require_drawable
from rnnimp.formats.files import read_lines
from rnnimp.pipeline.report.binning import CLASS_NAMES
from rnnimp.pipeline.report.imputation import imputation_section
from rnnimp.pipeline.report.imputed import read_imputed
from rnnimp.pipeline.report.parts import Picture, Section


@pytest.fixture
def section(results: Path) -> Section:
    found = imputation_section(read_imputed(f"{results}/x"))
    assert found is not None
    return found


@pytest.mark.slow
def test_every_picture_can_be_drawn(section: Section) -> None:
    require_drawable(section)


def test_imputation_counts_the_sites(results: Path, section: Section) -> None:
    header, *lines = read_lines(results / "x.info.tsv.gz")
    rows = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
    imputed = [row for row in rows if row["kind"] == "IMPUTED"]
    known = [float(row["R2"]) for row in imputed if row["R2"] != "NA"]
    facts = dict(section.facts)
    assert facts["imputed"] == str(len(imputed))
    assert facts["mean R2 of imputed sites"] == f"{np.mean(known):.3f}"
    table = part(section, "r2_by_frequency").table
    assert column(table, "maf") == list(CLASS_NAMES)
    assert sum(int(str(n)) for n in column(table, "imputed sites")) == len(imputed)
    picture = part(section, "r2_along")
    assert isinstance(picture, Picture)
    cube = picture.data["cube"]
    assert sum(int(str(n)) for n in column(cube, "n")) == len(rows)
    assert sum(float(str(n)) for n in column(cube, "good")) == sum(
        row["R2"] != "NA" and float(row["R2"]) >= 0.8 for row in rows
    )
    assert len(picture.data["borders"].rows) == N_REGIONS - 1
    bars = part(section, "r2_distribution").table
    assert sum(int(str(n)) for n in column(bars, "imputed")) == len(known)


def test_empirical_r2_is_that_of_the_checks(results: Path, section: Section) -> None:
    table = part(section, "empirical_r2").table
    checks = json.loads((results / "x.checks.json").read_text())
    assert column(table, "mean empirical R2") == [row["mean_er2"] for row in checks["empirical_r2"]["by_estimate"]]
