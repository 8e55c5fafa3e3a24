"""Samples that stand out, on made-up tables."""

from __future__ import annotations

import numpy as np
import pytest

from report_cases import column
from rnnimp.pipeline.report import outstanding_samples
from rnnimp.pipeline.report.imputed import ImputedSamples
from rnnimp.pipeline.report.outstanding_samples import samples_picture


def test_samples_that_differ_stand_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    n = 400
    alleles, uncertainty = rng.normal(1000, 10, n), rng.normal(0.01, 0.001, n)
    alleles[7], uncertainty[9] = 1200, 0.03
    names = [f"s{index}" for index in range(n)]
    samples = ImputedSamples(names, np.ones(n), alleles, uncertainty)
    picture = samples_picture(samples)
    table = picture.table
    assert [row[0] for row in table.rows if row[-1] == "stands out"] == ["s7", "s9"]
    assert "all are shown" in picture.caption
    monkeypatch.setattr(outstanding_samples, "MOST_SAMPLES", 50)
    picture = samples_picture(samples)
    assert len(picture.data["samples"].rows) == 50
    assert {"s7", "s9"} <= set(column(picture.data["samples"], "sample"))
    assert "50 are shown" in picture.caption
