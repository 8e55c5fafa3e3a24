"""The section on the target, against the findings of the checks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from report_cases import N_REGIONS, column, part, require_drawable
from rnnimp.pipeline.report.imputation import imputation_section
from rnnimp.pipeline.report.imputed import read_imputed
from rnnimp.pipeline.report.parts import Listing, Picture, Section
from rnnimp.pipeline.report.target import target_section


@pytest.fixture
def section(results: Path) -> Section:
    found = target_section(read_imputed(f"{results}/x"))
    assert found is not None
    return found


@pytest.mark.slow
def test_every_picture_can_be_drawn(section: Section) -> None:
    require_drawable(section)


def test_target_shows_the_checks(results: Path, section: Section) -> None:
    checks = json.loads((results / "x.checks.json").read_text())
    coverage = part(section, "marker_coverage").table
    assert column(coverage, "observed") == [region["n_observed"] for region in checks["regions"]]
    assert len(coverage.rows) == N_REGIONS
    frequencies = part(section, "allele_frequencies")
    assert isinstance(frequencies, Picture)
    cells = frequencies.data["cells"]
    assert sum(int(str(n)) for n in column(cells, "sites")) == checks["frequencies"]["n_compared"]
    assert column(frequencies.table, "id") == [row["id"] for row in checks["frequencies"]["worst"]]
    assert section.warnings == tuple(checks["warnings"])


def test_samples_with_missing_alleles_are_listed(results: Path) -> None:
    imputed = read_imputed(f"{results}/x")
    assert imputed.samples is not None
    called = np.ones(len(imputed.samples.names))
    called[[2, 5]] = 0.4, 0.9
    section = target_section(replace(imputed, samples=replace(imputed.samples, called=called)))
    assert section is not None
    listed = part(section, "lowest_call_rates").table
    assert listed.rows == ((imputed.samples.names[2], 0.4), (imputed.samples.names[5], 0.9))
    histogram = part(section, "call_rates").table
    assert sum(column(histogram, "samples")) == len(called)
    section = target_section(imputed)
    assert section is not None
    assert "lowest_call_rates" not in {p.name for p in section.parts if isinstance(p, (Picture, Listing))}


def test_a_refused_target_has_its_errors(results: Path) -> None:
    imputed = read_imputed(f"{results}/x")
    assert imputed.checks is not None
    imputed = replace(imputed, checks={**imputed.checks, "errors": ["another build"]}, sites=None, samples=None)
    section = target_section(imputed)
    assert section is not None
    assert section.warnings[0] == "another build"
    assert "impute again" in section.action
    assert imputation_section(replace(imputed, checks=None)) is None
    assert target_section(replace(imputed, checks=None)) is None
