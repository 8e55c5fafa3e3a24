"""The section on the imputation: estimated R2, by frequency and along the chromosome, and the samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnimp.pipeline.report import charts
from rnnimp.pipeline.report.binning import (
    CLASS_NAMES,
    FAIR_R2,
    GOOD_R2,
    Windows,
    grouped,
)
from rnnimp.pipeline.report.imputed import (
    IMPUTED_KIND,
    KIND_NAMES,
    ImputedFiles,
    ImputedSamples,
    ImputedSites,
)
from rnnimp.pipeline.report.outstanding_samples import samples_picture
from rnnimp.pipeline.report.parts import Chart, Part, Picture, Section, Table, Value

_R2_BINS = 20
_MEASURES = {
    "mean_r2": "mean R2",
    "kept_fair": f"share with R2 of {FAIR_R2} or more",
    "kept_good": f"share with R2 of {GOOD_R2} or more",
}


def imputation_section(imputed: ImputedFiles) -> Section | None:
    """The section; None if there is no table of sites or of samples."""
    sites, samples, checks = imputed.sites, imputed.samples, imputed.checks
    parts: list[Part] = []
    if sites is not None:
        parts += [_by_frequency(sites), _along(sites, checks), _distribution(sites)]
    if checks is not None and checks.get("empirical_r2", {}).get("by_estimate"):
        parts.append(_empirical(checks["empirical_r2"]))
    if samples is not None and not np.isnan(samples.uncertainty).all():
        parts.append(samples_picture(samples))
    if not parts:
        return None
    return Section(
        "imputation",
        "Imputation",
        "R2 is the imputation's own estimate of its accuracy: 1 is certain, 0 tells nothing; it needs no truth.",
        f"Keep sites with R2 of {FAIR_R2} or more for a first look, of {GOOD_R2} or more where every site counts, and "
        "judge rare sites with care.",
        tuple(parts),
        facts=() if sites is None else tuple(_facts(sites, samples)),
        warnings=() if sites is None else tuple(_warnings(sites)),
    )


def _facts(sites: ImputedSites, samples: ImputedSamples | None) -> list[tuple[str, str]]:
    is_imputed = sites.kinds == IMPUTED_KIND
    r2 = sites.r2[is_imputed]
    n_imputed = int(is_imputed.sum())
    fair, good = (int(np.count_nonzero(r2 >= limit)) for limit in (FAIR_R2, GOOD_R2))
    rows = [("chromosome", sites.chromosome), ("sites", f"{len(sites):,}")]
    rows += [("imputed", f"{n_imputed:,}"), ("typed", f"{len(sites) - n_imputed:,}")]
    if n_imputed:
        rows.append((f"imputed with R2 of {FAIR_R2} or more", f"{fair:,} ({fair / n_imputed:.1%})"))
        rows.append((f"imputed with R2 of {GOOD_R2} or more", f"{good:,} ({good / n_imputed:.1%})"))
    if n_imputed and not np.isnan(r2).all():
        rows.append(("mean R2 of imputed sites", f"{np.nanmean(r2):.3f}"))
    return rows if samples is None else [*rows, ("samples", f"{len(samples.names):,}")]


def _warnings(sites: ImputedSites) -> list[str]:
    r2 = sites.r2[(sites.kinds == IMPUTED_KIND) & ~np.isnan(sites.r2)]
    if r2.size and np.count_nonzero(r2 >= FAIR_R2) < 0.5 * r2.size:
        return [
            f"fewer than half of the imputed sites have R2 of {FAIR_R2} or more: check the markers that the target "
            "has, its strand, and whether its samples are of the model's populations"
        ]
    return []


def _cube(sites: ImputedSites, windows: Windows) -> Table:
    """Sites by window, class and kind, with sums from which all filtered means follow."""
    rows = []
    for group in grouped(sites.r2, windows.of(sites.positions), sites.classes, sites.kinds):
        keys = windows.middle_mb(group.keys[0]), group.keys[1], KIND_NAMES[group.keys[2]]
        rows.append((*keys, group.n_sites, group.n_known, group.total, group.n_fair, group.n_good))
    return Table.of(("mb", "class", "kind", "n", "known", "total", "fair", "good"), rows)


_FILTERS: Sequence[Chart] = [{"filter": charts.FREQUENCY_FILTER}, {"filter": charts.KIND_FILTER}]


def _windows(sites: ImputedSites) -> Windows:
    return Windows.over(sites.positions)


def _by_frequency(sites: ImputedSites) -> Picture:
    table = _frequency_table(sites)
    rare = next((row for row in table.rows if row[1]), None)
    described = "" if rare is None else f" In the rarest class, {rare[0]}, the mean R2 is {_short(rare[2])}."
    return Picture(
        "r2_by_frequency",
        "R2 by minor allele frequency",
        f"Three lines by class of minor allele frequency: mean R2, and the shares of sites kept by a filter at "
        f"{FAIR_R2} and {GOOD_R2}.{described}",
        "All sites count; none was left out. The table has imputed sites only, whatever the filters above are.",
        _frequency_chart(),
        {"cube": _cube(sites, _windows(sites))},
        table,
    )


def _frequency_chart() -> Chart:
    sums = [{"op": "sum", "field": name, "as": name} for name in ("n", "known", "total", "fair", "good")]
    shares = zip(_MEASURES, ("total", "fair", "good"), ("known", "n", "n"), strict=True)
    transform: list[Chart] = [
        *_FILTERS,
        {"aggregate": sums, "groupby": ["class"]},
        *({"calculate": f"datum.{above} / datum.{below}", "as": name} for name, above, below in shares),
        {"calculate": f"{list(CLASS_NAMES)}[datum.class]", "as": "maf"},
        {"fold": list(_MEASURES), "as": ["key", "value"]},
        {"calculate": f"{_MEASURES}[datum.key]", "as": "measure"},
    ]
    axis = {"field": "maf", "type": "ordinal", "title": "minor allele frequency", "axis": {"labelAngle": -30}}
    layer = {
        "mark": charts.line(),
        "encoding": {
            "x": {**axis, "sort": list(CLASS_NAMES), "scale": {"domain": list(CLASS_NAMES)}},
            "y": charts.share_axis("value", "R2, or share of sites"),
            **charts.series("measure", tuple(_MEASURES.values())),
            "order": {"field": "class"},
            "tooltip": charts.tooltip(
                ("measure", "", ""), ("value", "value", ".3f"), ("maf", "MAF", ""), ("n", "sites", ",")
            ),
        },
    }
    return charts.chart("cube", [layer], [*charts.frequency_params(), charts.kind_param()], transform)


def _short(value: Any) -> str:
    return "not defined" if value is None else f"{value:.2f}"


def _frequency_table(sites: ImputedSites) -> Table:
    """Imputed sites of each class, and what filters keep."""
    is_imputed = sites.kinds == IMPUTED_KIND
    found = {group.keys[0]: group for group in grouped(sites.r2[is_imputed], sites.classes[is_imputed])}
    rows: list[tuple[Value, ...]] = []
    for index, name in enumerate(CLASS_NAMES):
        group = found.get(index)
        if group is None:
            rows.append((name, 0, None, None, None))
            continue
        mean = group.total / group.n_known if group.n_known else None
        rows.append((name, group.n_sites, mean, group.n_fair / group.n_sites, group.n_good / group.n_sites))
    return Table.of(("maf", "imputed sites", "mean R2", f"share kept at {FAIR_R2}", f"share kept at {GOOD_R2}"), rows)


def _along(sites: ImputedSites, checks: dict[str, Any] | None) -> Picture:
    windows = _windows(sites)
    limits = windows.first / 1e6, windows.last / 1e6
    transform: list[Chart] = [
        *_FILTERS,
        {"filter": charts.PLACE_FILTER},
        {
            "aggregate": [{"op": "sum", "field": name, "as": name} for name in ("n", "known", "total")],
            "groupby": ["mb"],
        },
        {"calculate": "datum.total / datum.known", "as": "r2"},
    ]
    line = {
        "params": [charts.brush()],
        "mark": charts.line(26, "var(--series-1)", clip=True),
        "encoding": {
            "x": charts.place_axis(),
            "y": charts.share_axis("r2", "mean R2"),
            "tooltip": charts.tooltip(("mb", "around (Mb)", ".3f"), ("r2", "mean R2", ".3f"), ("n", "sites", ",")),
        },
    }
    params = [*charts.frequency_params(), charts.kind_param(), *charts.place_params(*limits)]
    worst = _worst_windows(sites, windows)
    return Picture(
        "r2_along",
        "R2 along the chromosome",
        "A line of the mean R2 in windows from the chromosome's start to its end, with lines between the model's "
        "regions. The table has the ten windows with the lowest mean R2 of imputed sites.",
        f"{len(sites):,} sites are in {windows}. Vertical lines are "
        "borders of the model's regions. Drag across the picture to zoom in.",
        charts.chart("cube", [charts.borders("borders"), line], params, transform),
        {"cube": _cube(sites, windows), "borders": Table.of(("mb",), _borders(checks))},
        worst,
    )


def _borders(checks: dict[str, Any] | None) -> list[tuple[float]]:
    """First imputed positions of all regions but the first, in Mb."""
    regions = [] if checks is None else checks["regions"]
    starts = sorted(region["first_imputed"] for region in regions if "first_imputed" in region)
    return [(start / 1e6,) for start in starts[1:]]


def _worst_windows(sites: ImputedSites, windows: Windows, most: int = 10) -> Table:
    is_imputed = (sites.kinds == IMPUTED_KIND) & ~np.isnan(sites.r2)
    groups = list(grouped(sites.r2[is_imputed], windows.of(sites.positions[is_imputed])))
    groups.sort(key=lambda group: group.total / group.n_known)
    rows = [(*windows.bounds(group.keys[0]), group.n_sites, group.total / group.n_known) for group in groups[:most]]
    return Table.of(("from", "to", "imputed sites", "mean R2"), rows)


def _distribution(sites: ImputedSites) -> Picture:
    bins = np.where(np.isnan(sites.r2), -1, np.clip((sites.r2 * _R2_BINS), 0, _R2_BINS - 1)).astype(np.int64)
    rows = [
        (*_r2_bounds(group.keys[0]), group.keys[1], KIND_NAMES[group.keys[2]], group.n_sites)
        for group in grouped(sites.r2, bins, sites.classes, sites.kinds)
    ]
    totals = [
        np.bincount(bins[(bins >= 0) & (sites.kinds == kind)], minlength=_R2_BINS).tolist()
        for kind in range(len(KIND_NAMES))
    ]
    table = [(*_r2_bounds(index), *(total[index] for total in totals)) for index in range(_R2_BINS)]
    n_without = int(np.count_nonzero(bins < 0))
    return Picture(
        "r2_distribution",
        "How many sites have which R2",
        "A histogram of R2 from 0 to 1, for imputed and for typed sites.",
        f"{n_without:,} sites without an R2, where all samples are the same, are in no bar. Typed sites have the R2 of "
        "their observed genotypes.",
        _distribution_chart(),
        {"r2_bins": Table.of(("from", "to", "class", "kind", "n"), rows)},
        Table.of(("from", "to", *KIND_NAMES), table),
    )


def _r2_bounds(index: int) -> tuple[float, float]:
    return index / _R2_BINS, (index + 1) / _R2_BINS


def _distribution_chart() -> Chart:
    layer = {
        "mark": {"type": "bar", "stroke": "var(--page)"},
        "encoding": {
            **charts.bars("from", "R2", (0, 1), "n", "sites"),
            "color": charts.series("kind", KIND_NAMES)["color"],
            "tooltip": charts.tooltip(
                ("from", "R2 from", ".2f"), ("to", "to", ".2f"), ("kind", "", ""), ("n", "sites", ",")
            ),
        },
    }
    transform: list[Chart] = [
        *_FILTERS,
        {"aggregate": [{"op": "sum", "field": "n", "as": "n"}], "groupby": ["from", "to", "kind"]},
    ]
    return charts.chart("r2_bins", [layer], [*charts.frequency_params(), charts.kind_param()], transform)


def _empirical(found: dict[str, Any]) -> Picture:
    rows = [(row["bin"], row["n_sites"], row["mean_r2"], row["mean_er2"]) for row in found["by_estimate"]]
    table = Table.of(("bin of estimated R2", "sites", "mean estimated R2", "mean empirical R2"), rows)
    data = Table.of(("bin", "sites", "estimated", "empirical"), rows)
    points = {
        "mark": charts.line(colour="var(--series-1)"),
        "encoding": {
            "x": charts.share_axis("estimated", "estimated R2"),
            "y": charts.share_axis("empirical", "empirical R2"),
            "tooltip": charts.tooltip(
                ("bin", "estimated R2", ""), ("sites", "sites", ","), ("estimated", "mean estimated", ".3f"),
                ("empirical", "mean empirical", ".3f"),
            ),
        },
    }  # fmt: skip
    return Picture(
        "empirical_r2",
        "Empirical against estimated R2",
        f"Points by estimated R2; near the diagonal the estimate is right. The mean empirical R2 of {found['n_sites']} "
        f"typed sites is {_short(found['mean'])}.",
        f"{found['n_sites']:,} typed sites that the model imputes too, in ten bins. Above the diagonal R2 is too low, "
        "below it is too high.",
        charts.chart("empirical", [charts.diagonal(), points], height=charts.SQUARE),
        {"empirical": data},
        table,
        is_square=True,
    )
