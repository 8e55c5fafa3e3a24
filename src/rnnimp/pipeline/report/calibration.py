"""Parts of the section on accuracy: stated probabilities and estimated R2 against the truth."""

from __future__ import annotations

from collections.abc import Sequence

from rnnimp.pipeline.report import charts
from rnnimp.pipeline.report.evaluated import ALL, Evaluated
from rnnimp.pipeline.report.parts import Chart, Listing, Part, Picture, Table, Value
from rnnimp.pipeline.report.reading import number


def calibration_parts(evaluations: Sequence[Evaluated]) -> list[Part]:
    """Pictures and tables of the evaluations with calibration; none if no evaluation has it."""
    return [*_reliability(evaluations), *_estimates(evaluations), *_filters(evaluations)]


def _agreement(name: str, x: str, x_title: str, y: str, y_title: str, series: str, table: Table) -> Chart:
    """Lines that are on the diagonal where the two columns agree."""
    place = table.columns.index(series)
    labels = tuple(dict.fromkeys(str(row[place]) for row in table.rows))
    count = table.columns[-1]
    lines = {
        "mark": charts.line(50),
        "encoding": {
            "x": charts.share_axis(x, x_title),
            "y": charts.share_axis(y, y_title),
            **charts.series(series, labels),
            "tooltip": charts.tooltip((series, "", ""), (x, x_title, ".3f"), (y, y_title, ".3f"), (count, count, ",")),
        },
    }
    return charts.chart(name, [charts.diagonal(), lines], height=charts.SQUARE)


def _reliability(evaluations: Sequence[Evaluated]) -> list[Part]:
    rows: list[tuple[Value, ...]] = []
    for part in evaluations:
        for row in part.calibration.get("reliability", ()):
            if row["maf_percent"] == ALL and int(row["count"]):
                numbers = number(row["mean_probability"]), number(row["observed"]), int(row["count"])
                rows.append((part.label, row["probability"], *numbers))
    if not rows:
        return []
    table = Table.of(("imputation", "probability", "stated", "observed", "genotypes"), rows)
    axes = ("stated", "stated probability", "observed", "share that is right")
    return [
        Picture(
            "calibration",
            "Calibration of genotype probabilities",
            "Lines of the share of right genotypes by the probability that was stated for them. On the diagonal the "
            "two agree.",
            "Each evaluation on all sites that it scored. Below the diagonal, probabilities are overconfident.",
            _agreement("reliability", *axes, "imputation", table),
            {"reliability": table},
            table,
            is_square=True,
        )
    ]


def _estimates(evaluations: Sequence[Evaluated]) -> list[Part]:
    rows: list[tuple[Value, ...]] = []
    for part in evaluations:
        for row in part.calibration.get("estimates", ()):
            if row["by"] == "estimate" and int(row["sites"]):
                numbers = number(row["mean_estimate"]), number(row["mean_r2"]), int(row["sites"])
                rows.append((f"{part.label}: {row['score']}", row["bin"], *numbers))
    if not rows:
        return []
    table = Table.of(("estimate", "bin", "estimated", "true", "sites"), rows)
    axes = ("estimated", "estimated R2", "true", "true r2")
    return [
        Picture(
            "estimated_r2",
            "Estimated against true r2",
            "Lines of the mean true r2 by estimated R2. On the diagonal the two agree.",
            "Each evaluation on all sites that it scored, in ten bins of the estimate. Above the diagonal an estimate "
            "is too low, and a filter by it drops good sites.",
            _agreement("estimates", *axes, "estimate", table),
            {"estimates": table},
            table,
            is_square=True,
        )
    ]


def _filters(evaluations: Sequence[Evaluated]) -> list[Part]:
    rows: list[tuple[Value, ...]] = []
    for part in evaluations:
        for row in part.calibration.get("filters", ()):
            if row["maf_percent"] == ALL:
                shares = [number(row[name]) for name in ("precision", "recall", "mean_r2_kept")]
                rows.append((part.label, row["score"], row["threshold"], int(row["sites"]), int(row["kept"]), *shares))
    if not rows:
        return []
    names = ("imputation", "estimate", "threshold", "sites", "kept")
    table = Table.of((*names, "really that good", "good ones kept", "mean r2 kept"), rows)
    return [Listing("filters", "What filters by estimated R2 keep", table)]
