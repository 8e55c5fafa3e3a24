"""The accuracy of each sample: a picture in which those with low scores stand out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnimp.pipeline.report import charts
from rnnimp.pipeline.report.binning import thinned
from rnnimp.pipeline.report.evaluated import Evaluated
from rnnimp.pipeline.report.parts import Chart, Part, Picture, Table, Value
from rnnimp.pipeline.report.reading import number

MOST_SAMPLES = 1500
"""Points of each imputation in the picture."""

_N_LISTED = 20
_NO_GROUP = "all samples"
_COLUMNS = ("imputation", "sample", "group", "r2", "nrd")


def sample_parts(evaluations: Sequence[Evaluated]) -> list[Part]:
    """The picture; nothing if no sample has an r2."""
    all_rows = {part.label: _rows(part) for part in evaluations}
    rows = [row for part_rows in all_rows.values() for row in part_rows]
    if not rows:
        return []
    kept = [row for part_rows in all_rows.values() for row in _kept(part_rows)]
    lowest = sorted(rows, key=lambda row: float(row[3] or 0))[:_N_LISTED]
    shown = "All are shown."
    if len(kept) < len(rows):
        shown = f"{len(kept):,} points are shown: the lowest, and a random choice of the others."
    groups = sorted({str(row[2]) for row in rows})
    return [
        Picture(
            "accuracy_of_samples",
            "r2 of each sample",
            f"Points, one per sample, at its r2 over all sites. The lowest is {lowest[0][3]:.3f}, of {lowest[0][1]}.",
            f"{len(all_rows[evaluations[0].label]):,} samples. {shown} A sample far below the others may have another "
            "ancestry, bad genotypes, or be exchanged with another. r2 over sites is higher than the r2 of sites.",
            _chart(list(all_rows), groups),
            {"scored_samples": Table.of(_COLUMNS, kept)},
            Table.of(_COLUMNS, lowest),
        )
    ]


def _rows(part: Evaluated) -> list[tuple[Value, ...]]:
    rows: list[tuple[Value, ...]] = []
    for row in part.samples:
        r2 = number(row["r2"])
        if r2 is not None:
            group = _NO_GROUP if row["group"] == "NA" else row["group"]
            rows.append((part.label, row["sample"], group, r2, number(row["nrd"])))
    return rows


def _kept(rows: Sequence[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
    chosen = thinned(np.array([-float(row[3] or 0) for row in rows]), MOST_SAMPLES)
    return [rows[index] for index in chosen.tolist()]


def _chart(labels: list[str], groups: list[str]) -> Chart:
    shown = [
        ("sample", "", ""),
        ("imputation", "", ""),
        ("group", "group", ""),
        ("r2", "r2", ".4f"),
        ("nrd", "NRD", ".4f"),
    ]
    points = {
        "transform": [{"calculate": "random()", "as": "aside"}],
        "mark": {"type": "point", "filled": True, "size": 30, "opacity": 0.7},
        "encoding": {
            "x": charts.quantity("r2", "r2 of the sample", zero=False),
            "y": {"field": "imputation", "type": "nominal", "title": None, "sort": labels},
            "yOffset": {"field": "aside", "type": "quantitative", "scale": {"domain": [0, 1]}},
            **charts.series("group", groups, with_dashes=False),
            "tooltip": charts.tooltip(*shown),
        },
    }
    return charts.chart("scored_samples", [points], height=130 + 50 * len(labels))
