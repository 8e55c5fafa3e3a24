"""The section on accuracy: imputed genotypes against the truth, of one imputation or several side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rnnimp.pipeline.report import charts
from rnnimp.pipeline.report.binning import Windows, grouped, maf_classes
from rnnimp.pipeline.report.calibration import calibration_parts
from rnnimp.pipeline.report.evaluated import ALL, BY_REGION, BY_SAMPLES, BY_TYPE, Evaluated, Rows
from rnnimp.pipeline.report.parts import Chart, Listing, Part, Picture, Section, Table, Value
from rnnimp.pipeline.report.reading import number
from rnnimp.pipeline.report.scored_samples import sample_parts

_KIND_CHANNELS = ("shape", "strokeDash")
_SCORES = ("mean_r2", "mean_r2_low", "mean_r2_high")
_INTERVAL = "Bars are 95% intervals from a bootstrap over samples."


def accuracy_section(evaluations: Sequence[Evaluated]) -> Section | None:
    """The section; None without evaluations."""
    if not evaluations:
        return None
    parts: list[Part] = [_by_frequency(evaluations), *_by_group(evaluations), _along(evaluations), _worst(evaluations)]
    parts += [*_listings(evaluations), *sample_parts(evaluations), *calibration_parts(evaluations)]
    return Section(
        "accuracy",
        "Accuracy",
        "Dosage r2 is the squared correlation of imputed dosages with true genotypes: an association test at a site "
        f"loses the share 1 - r2 of its information.{_best(evaluations)}",
        "Use the frequencies and parts of the chromosome where r2 is high enough for the study, and impute the others "
        "with a larger panel or a denser array.",
        tuple(parts),
        facts=tuple(_facts(evaluations)),
        warnings=tuple(_warnings(evaluations)),
    )


def _best(evaluations: Sequence[Evaluated]) -> str:
    if not (_same_sites(evaluations) and _same_samples(evaluations)):
        return ""
    known = [(r2, part.label) for part in evaluations if (r2 := number(part.overall()["mean_r2"])) is not None]
    if len(known) < 2:
        return ""
    greatest = round(max(known)[0], 4)  # as shown
    best = [label for r2, label in known if round(r2, 4) == greatest]
    if len(best) == len(known):
        return " All have the same mean r2, to four digits."
    return f" {', '.join(best)} {'has' if len(best) == 1 else 'have'} the greatest mean r2."


def _facts(evaluations: Sequence[Evaluated]) -> list[tuple[str, str]]:
    rows = []
    for part in evaluations:
        overall = part.overall()
        value, low, high = (number(overall[name]) for name in _SCORES)
        text = "not defined" if value is None else f"{value:.4f}"
        if low is not None and high is not None:
            text += f" ({low:.4f} to {high:.4f})"
        rows.append((f"mean r2, {part.label}", text))
    first = evaluations[0].overall()
    rows += [("sites scored", f"{int(first['sites']):,}"), ("of them varying", f"{int(first['varying']):,}")]
    return [*rows, ("samples", f"{int(first['samples']):,}")]


def _warnings(evaluations: Sequence[Evaluated]) -> list[str]:
    remedy = "so their scores do not compare: evaluate them in one command, rnnimp evaluate --imputed FILE FILE"
    warnings = []
    for is_same, name in ((_same_sites(evaluations), "sites"), (_same_samples(evaluations), "samples")):
        if not is_same:
            counts = ", ".join(f"{part.label} {int(part.overall()[name]):,}" for part in evaluations)
            where = f"at the same {name}" if name == "sites" else f"for the same {name}"
            warnings.append(f"not all imputations were scored {where} ({counts}), {remedy}")
    return warnings


def _same_sites(evaluations: Sequence[Evaluated]) -> bool:
    first = evaluations[0]
    return all(
        np.array_equal(part.positions, first.positions) and part.overall()["sites"] == first.overall()["sites"]
        for part in evaluations
    )


def _same_samples(evaluations: Sequence[Evaluated]) -> bool:
    return len({frozenset(row["sample"] for row in part.samples) for part in evaluations}) == 1


def bin_percent(label: str) -> float:
    """Where a bin of minor allele frequency stands on a logarithmic axis, in percent.

    >>> bin_percent("1-4"), round(bin_percent("0-0.1"), 3)
    (2.0, 0.032)
    """
    low, high = map(float, label.split("-"))
    return math.sqrt(low * high) if low else high / math.sqrt(10)


def _bin_class(label: str) -> int:
    """The class of the page's filter that a bin belongs to: that of its upper edge."""
    return int(maf_classes(np.array([float(label.split("-")[1]) / 100]))[0])


def _bin_rows(rows: Rows, label: str, group: str, shift: float) -> list[tuple[Value, ...]]:
    """The bins of a group that have an r2, for a chart; shifted aside, so that intervals do not hide each other."""
    found = []
    for row in rows:
        if row["maf_percent"] != ALL and row["mean_r2"] != "NA":
            name = row["maf_percent"]
            scores = [number(row[column]) for column in _SCORES]
            place = bin_percent(name) * (1 + 0.04 * shift)
            found.append((label, group, f"{name}%", place, _bin_class(name), *scores, int(row["varying"])))
    return found


_BIN_COLUMNS = ("imputation", "group", "maf", "percent", "class", "r2", "low", "high", "sites")


def _bin_chart(name: str, kinds: Chart) -> Chart:
    """r2 with its interval by minor allele frequency."""
    axis = charts.quantity("percent", "minor allele frequency (%), logarithmic", type="log", nice=False, padding=12)
    y = charts.quantity("r2", "mean r2", zero=False, domainMax=1)
    interval = {
        "mark": {"type": "rule", "strokeWidth": 1.5, "clip": True},
        "encoding": {
            "x": axis,
            "y": {"field": "low", "type": "quantitative"},
            "y2": {"field": "high"},
            "color": kinds["color"],
        },
    }
    shown = [("imputation", "", ""), ("group", "group", ""), ("maf", "MAF", ""), ("r2", "mean r2", ".4f")]
    shown += [("low", "from", ".4f"), ("high", "to", ".4f"), ("sites", "sites", ",")]
    line = {"mark": charts.line(clip=True), "encoding": {"x": axis, "y": y, **kinds, "tooltip": charts.tooltip(*shown)}}
    transform = [{"filter": charts.FREQUENCY_FILTER}]
    return charts.chart(name, [interval, line], charts.frequency_params(), transform)


def _by_frequency(evaluations: Sequence[Evaluated]) -> Picture:
    labels = [part.label for part in evaluations]
    middle = (len(labels) - 1) / 2
    rows = [
        row
        for place, part in enumerate(evaluations)
        for row in _bin_rows(part.scores(ALL), part.label, "all samples", place - middle)
    ]
    return Picture(
        "accuracy_by_frequency",
        "r2 by minor allele frequency",
        f"Lines of the mean r2 by minor allele frequency, for {', '.join(labels)}. The table has the numbers.",
        f"Each point is the mean over the sites of a bin whose truth varies. {_INTERVAL} The table has all bins, and "
        "the differences to the first imputation that was evaluated with the others.",
        _bin_chart("accuracy", charts.series("imputation", labels)),
        {"accuracy": Table.of(_BIN_COLUMNS, rows)},
        _frequency_table(evaluations),
    )


def _frequency_table(evaluations: Sequence[Evaluated]) -> Table:
    rows = []
    for part in evaluations:
        found = {row["maf_percent"]: row for row in part.differences if _is_overall(row)}
        for row in part.scores(ALL):
            scores = [number(row[name]) for name in (*_SCORES, "aggregate_r2", "concordance", "nrd")]
            other = found.get(row["maf_percent"], {})
            differences = [number(other.get(name, "NA")) for name in ("difference", "low", "high")]
            rows.append((row["maf_percent"], part.label, int(row["sites"]), *scores, *differences))
    rows.sort(key=lambda row: math.inf if row[0] == ALL else bin_percent(str(row[0])))
    names = ("maf_percent", "imputation", "sites", "mean r2", "from", "to", "aggregate r2", "concordance", "nrd")
    return Table.of((*names, "difference", "difference from", "difference to"), rows)


def _is_overall(row: dict[str, str]) -> bool:
    return (row["by"], row["measure"]) == (ALL, "mean_r2")


def _by_group(evaluations: Sequence[Evaluated]) -> list[Part]:
    """Groups of samples, if there are any."""
    names = sorted({row["group"] for part in evaluations for row in part.scores(BY_SAMPLES)})
    if not names:
        return []
    middle = (len(names) - 1) / 2
    rows: list[tuple[Value, ...]] = []
    table = []
    for part in evaluations:
        scores = part.scores(BY_SAMPLES)
        for place, name in enumerate(names):
            of_group = [row for row in scores if row["group"] == name]
            rows += _bin_rows(of_group, part.label, name, place - middle)
            for row in of_group:
                values = (number(row[column]) for column in _SCORES)
                table.append((name, part.label, row["maf_percent"], int(row["samples"]), int(row["varying"]), *values))
    labels = [part.label for part in evaluations]
    kinds = {"color": charts.series("group", names)["color"]}
    kinds |= {
        channel: charts.without_colour(charts.series("imputation", labels)[channel]) for channel in _KIND_CHANNELS
    }
    columns = ("group", "imputation", "maf_percent", "samples", "sites", "mean r2", "from", "to")
    return [
        Picture(
            "accuracy_by_group",
            "r2 by group of samples",
            f"Lines of the mean r2 by minor allele frequency, for the groups {', '.join(names)}.",
            f"Colours are groups, dashes and shapes imputations. {_INTERVAL} r2 at a site depends on its frequency in "
            "the group itself, so compare groups with care.",
            _bin_chart("groups", kinds),
            {"groups": Table.of(_BIN_COLUMNS, rows)},
            Table.of(columns, table),
        )
    ]


def _windows(evaluations: Sequence[Evaluated]) -> Windows:
    return Windows.over(evaluations[0].positions)


def _along(evaluations: Sequence[Evaluated]) -> Picture:
    windows, labels = _windows(evaluations), [part.label for part in evaluations]
    rows = [
        (windows.middle_mb(group.keys[0]), group.keys[1], part.label, group.n_known, group.total)
        for part in evaluations
        for group in grouped(part.r2, windows.of(part.positions), part.classes)
        if group.n_known
    ]
    sums = [{"op": "sum", "field": name, "as": name} for name in ("n", "total")]
    transform: list[Chart] = [
        {"filter": charts.FREQUENCY_FILTER},
        {"filter": charts.PLACE_FILTER},
        {"aggregate": sums, "groupby": ["mb", "tool"]},
        {"calculate": "datum.total / datum.n", "as": "r2"},
    ]
    shown = [("tool", "", ""), ("mb", "around (Mb)", ".3f"), ("r2", "mean r2", ".3f"), ("n", "sites", ",")]
    line = {
        "params": [charts.brush()],
        "mark": charts.line(22, strokeWidth=1.5, clip=True),
        "encoding": {
            "x": charts.place_axis(),
            "y": charts.share_axis("r2", "mean r2"),
            **charts.series("tool", labels),
            "tooltip": charts.tooltip(*shown),
        },
    }
    params = [*charts.frequency_params(), *charts.place_params(windows.first / 1e6, windows.last / 1e6)]
    return Picture(
        "accuracy_along",
        "r2 along the chromosome",
        f"Lines of the mean r2 in windows from start to end, for {', '.join(labels)}.",
        f"{len(evaluations[0].positions):,} sites are in {windows}. Drag across the picture to zoom in.",
        charts.chart("accuracy_windows", [line], params, transform),
        {"accuracy_windows": Table.of(("mb", "class", "tool", "n", "total"), rows)},
        _window_table(evaluations, windows),
    )


def _window_table(evaluations: Sequence[Evaluated], windows: Windows) -> Table:
    """Windows in which the first imputation has an r2, in order: bounds, sites, and the mean r2 of each imputation."""
    means = [
        {group.keys[0]: group for group in grouped(part.r2, windows.of(part.positions)) if group.n_known}
        for part in evaluations
    ]
    rows = []
    for window, group in means[0].items():
        found = [groups.get(window) for groups in means]
        values = [None if other is None else other.total / other.n_known for other in found]
        rows.append((*windows.bounds(window), group.n_known, *values))
    return Table.of(("from", "to", "sites", *(f"r2, {part.label}" for part in evaluations)), rows)


def _worst(evaluations: Sequence[Evaluated], most: int = 10) -> Listing:
    """The windows with the lowest mean r2 of the first imputation."""
    table = _window_table(evaluations, _windows(evaluations))
    rows = sorted(table.rows, key=lambda row: float(row[3] or 0))
    title = f"Where {evaluations[0].label} is least accurate"
    return Listing("worst_places", title, Table(table.columns, tuple(rows[:most])))


def _listings(evaluations: Sequence[Evaluated]) -> list[Part]:
    """Scores by type of variant and by region, if there are several."""
    found: list[Part] = []
    for by, title in ((BY_REGION, "r2 by region, the lowest first"), (BY_TYPE, "r2 by type of variant")):
        rows = []
        for part in evaluations:
            for row in part.scores(by):
                if row["maf_percent"] == ALL:
                    scores = (number(row[name]) for name in (*_SCORES, "nrd"))
                    rows.append((row["group"], part.label, int(row["varying"]), *scores))
        if len({row[0] for row in rows}) > 1:
            rows.sort(key=lambda row: (row[3] is None, row[3]))
            columns = (by, "imputation", "sites", "mean r2", "from", "to", "nrd")
            found.append(Listing(f"accuracy_by_{by}", title, Table.of(columns, rows)))
    return found
