"""The section on accuracy: imputed genotypes against the truth, of one imputation or several side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from rnnimp.choices import BIN_EDGES
from rnnimp.pipeline.report import charts
from rnnimp.pipeline.report.binning import CLASS_NAMES, N_CLASSES, Windows, grouped
from rnnimp.pipeline.report.calibration import calibration_parts
from rnnimp.pipeline.report.evaluated import Compared, Evaluated, compared
from rnnimp.pipeline.report.parts import Chart, Listing, Part, Picture, Section, Table, Value
from rnnimp.scoring.block_bootstrap import GroupMeans, blocks_of, group_means


def accuracy_section(evaluations: Sequence[Evaluated]) -> Section | None:
    """The section; None without evaluations.

    Raises:
        DataError: if several have no scored site in common.
    """
    if not evaluations:
        return None
    found = compared(evaluations)
    by_class = _means(found)
    parts: list[Part] = [_by_frequency(found, by_class), _along(found), _worst(found)]
    parts += calibration_parts(evaluations)
    overall = _overall(found)
    best = max(range(len(found.labels)), key=lambda index: overall.means[index, 0])
    several = f"; {found.labels[best]} has the greatest mean r2" if len(found.labels) > 1 else ""
    return Section(
        "accuracy",
        "Accuracy",
        "Dosage r2 is the squared correlation of imputed dosages with true genotypes: what is lost of a site's "
        f"information for association tests is 1 - r2{several}.",
        "Use the frequencies and parts of the chromosome where r2 is high enough for the study, and impute the others "
        "with a larger panel or a denser array.",
        tuple(parts),
        facts=(
            ("sites scored by all", f"{len(found.positions):,}"),
            *((f"mean r2, {label}", _with_interval(overall, row)) for row, label in enumerate(found.labels)),
            ("sites scored by some only, left out", f"{found.n_left_out:,}"),
        ),
    )


def _with_interval(means: GroupMeans, row: int) -> str:
    return f"{means.means[row, 0]:.4f} ({means.lows[row, 0]:.4f} to {means.highs[row, 0]:.4f})"


def _means(found: Compared) -> GroupMeans:
    return group_means(found.r2, found.classes, blocks_of(found.positions), N_CLASSES)


def _overall(found: Compared) -> GroupMeans:
    return group_means(found.r2, np.zeros(len(found.positions), np.int64), blocks_of(found.positions), 1)


def _middle(index: int) -> float:
    """Where a class stands on a logarithmic axis, in percent."""
    low, high = BIN_EDGES[index], BIN_EDGES[index + 1]
    return round(math.sqrt(low * high), 4) if low else round(high / math.sqrt(10), 4)


def _class_rows(found: Compared, means: GroupMeans) -> Table:
    """One row per imputation and class, for the chart."""
    rows: list[tuple[Value, ...]] = []
    for tool, index in product(range(len(found.labels)), range(N_CLASSES)):
        if means.n_sites[index]:
            beside = 1 + 0.04 * (tool - (len(found.labels) - 1) / 2)  # so that intervals do not hide each other
            numbers = [float(part[tool, index]) for part in (means.means, means.lows, means.highs)]
            place = _middle(index) * beside
            rows.append((found.labels[tool], CLASS_NAMES[index], place, index, *numbers, int(means.n_sites[index])))
    return Table.of(("tool", "maf", "percent", "class", "r2", "low", "high", "sites"), rows)


def _by_frequency(found: Compared, means: GroupMeans) -> Picture:
    axis = charts.quantity("percent", "minor allele frequency (%), logarithmic", type="log", nice=False, padding=12)
    kinds = charts.series("tool", found.labels)
    interval = {
        "mark": {"type": "rule", "strokeWidth": 1.5, "clip": True},
        "encoding": {
            "x": axis,
            "y": {"field": "low", "type": "quantitative"},
            "y2": {"field": "high"},
            "color": kinds["color"],
        },
    }
    line = {
        "mark": charts.line(clip=True),
        "encoding": {
            "x": axis,
            "y": charts.quantity("r2", "mean r2", zero=False, domainMax=1),
            **kinds,
            "tooltip": charts.tooltip(
                ("tool", "", ""), ("maf", "MAF", ""), ("r2", "mean r2", ".4f"), ("low", "from", ".4f"),
                ("high", "to", ".4f"), ("sites", "sites", ","),
            ),
        },
    }  # fmt: skip
    return Picture(
        "accuracy_by_frequency",
        "r2 by minor allele frequency",
        f"Lines of the mean r2 by minor allele frequency, for {', '.join(found.labels)}. The table has the numbers.",
        f"{len(found.positions):,} sites that all of them scored. Bars are 95% intervals over stretches of the "
        "chromosome, drawn again 1,000 times; they say nothing about other samples. The table has the difference to "
        f"{found.labels[0]} with its interval too.",
        charts.chart("accuracy", [interval, line], charts.frequency_params(), [{"filter": charts.FREQUENCY_FILTER}]),
        {"accuracy": _class_rows(found, means)},
        _frequency_table(found, means),
    )


def _frequency_table(found: Compared, means: GroupMeans) -> Table:
    rows = []
    for index, name in enumerate(CLASS_NAMES):
        for tool, label in enumerate(found.labels):
            columns = [means.means, means.lows, means.highs]
            if tool:
                columns += [means.differences, means.difference_lows, means.difference_highs]
            values = [float(part[tool, index]) for part in columns]
            rows.append((name, label, int(means.n_sites[index]), *values, *([None] * (6 - len(values)))))
    names = ("maf", "imputation", "sites", "mean r2", "from", "to")
    first = found.labels[0]
    return Table.of((*names, f"difference to {first}", "difference from", "difference to"), rows)


def _windows(found: Compared) -> Windows:
    return Windows.over(found.positions)


def _along(found: Compared) -> Picture:
    windows = _windows(found)
    places = windows.of(found.positions)
    rows = [
        (windows.middle_mb(group.keys[0]), group.keys[1], label, group.n_sites, group.total)
        for label, r2 in zip(found.labels, found.r2, strict=True)
        for group in grouped(r2, places, found.classes)
    ]
    transform: list[Chart] = [
        {"filter": charts.FREQUENCY_FILTER},
        {"filter": charts.PLACE_FILTER},
        {
            "aggregate": [{"op": "sum", "field": name, "as": name} for name in ("n", "total")],
            "groupby": ["mb", "tool"],
        },
        {"calculate": "datum.total / datum.n", "as": "r2"},
    ]
    line = {
        "params": [charts.brush()],
        "mark": charts.line(22, strokeWidth=1.5, clip=True),
        "encoding": {
            "x": charts.place_axis(),
            "y": charts.share_axis("r2", "mean r2"),
            **charts.series("tool", found.labels),
            "tooltip": charts.tooltip(
                ("tool", "", ""), ("mb", "around (Mb)", ".3f"), ("r2", "mean r2", ".3f"), ("n", "sites", ",")
            ),
        },
    }
    params = [*charts.frequency_params(), *charts.place_params(windows.first / 1e6, windows.last / 1e6)]
    return Picture(
        "accuracy_along",
        "r2 along the chromosome",
        f"Lines of the mean r2 in windows from start to end, for {', '.join(found.labels)}.",
        f"{len(found.positions):,} sites are in {windows}. Drag across the picture to zoom in.",
        charts.chart("accuracy_windows", [line], params, transform),
        {"accuracy_windows": Table.of(("mb", "class", "tool", "n", "total"), rows)},
        _window_table(found, windows),
    )


def _window_table(found: Compared, windows: Windows) -> Table:
    """Windows with sites, in order: bounds, sites, and the mean r2 of each imputation."""
    places = windows.of(found.positions)
    groups = [list(grouped(r2, places)) for r2 in found.r2]
    rows = [
        (*windows.bounds(parts[0].keys[0]), parts[0].n_sites, *(part.total / part.n_sites for part in parts))
        for parts in zip(*groups, strict=True)
    ]
    return Table.of(("from", "to", "sites", *(f"r2, {label}" for label in found.labels)), rows)


def _worst(found: Compared, most: int = 10) -> Listing:
    """The windows with the lowest mean r2 of the first imputation."""
    table = _window_table(found, _windows(found))
    rows = sorted(table.rows, key=lambda row: float(row[3] or 0))
    title = f"Where {found.labels[0]} is least accurate"
    return Listing("worst_places", title, Table(table.columns, tuple(rows[:most])))
