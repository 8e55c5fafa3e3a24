"""The section on a training, against its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from report_cases import column, part, require_drawable, write_training
from rnnimp.pipeline.report.parts import Listing, Picture, Section
from rnnimp.pipeline.report.trained import read_trained
from rnnimp.pipeline.report.training import training_section
from rnnimp.pipeline.train.files import model_prefix


@pytest.fixture
def section(tmp_path: Path) -> Section:
    return training_section(read_trained(str(write_training(tmp_path))))


@pytest.mark.slow
def test_every_picture_can_be_drawn(section: Section) -> None:
    require_drawable(section)


def test_regions_and_their_scores(section: Section) -> None:
    table = part(section, "validation_by_region").table
    assert column(table, "R2, final model") == [0.9, 0.8, 0.7]
    assert column(part(section, "lowest_regions").table, "region") == [3, 2, 1]
    facts = dict(section.facts)
    assert facts["regions"] == "3 of 4"
    assert facts["mean final R2 of a region"] == "0.8000"
    assert facts["people held out"] == "10"
    assert section.warnings == ("1 region of the chromosome not trained: see 'rnnimp status'",)


def test_histories_are_summarised_over_regions(section: Section) -> None:
    table = part(section, "validation_history").table
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    assert rows["higher-MAF network", 80.0] == (0.38, 0.58, 0.78)  # one value of each region
    losses = part(section, "losses").table
    assert {(row[0], row[1]) for row in losses.rows} >= {("lower-MAF network, training", 120.0)}
    assert ("higher-MAF network, training", 40.0) not in {row[:2] for row in losses.rows}  # not a number


def test_a_model_alone_has_no_history(tmp_path: Path) -> None:
    section = training_section(read_trained(str(model_prefix(write_training(tmp_path)))))
    names = {p.name for p in section.parts if isinstance(p, (Picture, Listing))}
    assert names == {"validation_by_region", "lowest_regions", "training_settings"}
    assert "time of a region, by its files" not in dict(section.facts)
