"""The section on the target: what the checks before imputing found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnimp.choices import LEAST_SHARE
from rnnimp.pipeline.report import charts
from rnnimp.pipeline.report.binning import maf_classes
from rnnimp.pipeline.report.imputed import ImputedFiles, ImputedSamples
from rnnimp.pipeline.report.parts import Chart, Listing, Part, Picture, Section, Table
from rnnimp.sites.target_checks import LOW_SHARE

_COUNTS = (
    ("target_sites", "sites of the target"),
    ("matched", "with the model's alleles"),
    ("swapped", "with alleles exchanged"),
    ("strand_flipped", "on the other strand"),
    ("mismatched", "with other alleles"),
    ("not_in_model", "not in the model"),
    ("observed_markers", "markers of the model that the target has"),
    ("missing_markers", "markers that it lacks"),
)
_STRAND = (
    ("flipped_by_alleles", "sites whose alleles show the other strand"),
    ("palindromic", "A/T and C/G sites"),
    ("palindromic_same", "of them on the model's strand by frequency"),
    ("palindromic_flipped", "of them on the other strand by frequency"),
    ("palindromic_undecided", "of them undecided"),
    ("palindromic_contradicted", "of them contradicted by the other sites"),
)
_CALL_BINS = 40


def target_section(imputed: ImputedFiles) -> Section | None:
    """The section; None if there are no findings of the checks."""
    checks = imputed.checks
    if checks is None:
        return None
    parts: list[Part] = [_coverage(checks["regions"]), *_frequencies(checks["frequencies"])]
    if imputed.samples is not None:
        parts += _call_rates(imputed.samples)
    parts.append(_strand(checks["strand"]))
    return Section(
        "target",
        "Target",
        _meaning(checks),
        _action(checks),
        tuple(parts),
        facts=tuple((text, f"{checks['counts'][name]:,}") for name, text in _COUNTS if name in checks["counts"]),
        warnings=tuple(str(line) for line in (*checks["errors"], *checks["warnings"])),
    )


def _meaning(checks: dict[str, Any]) -> str:
    counts = checks["counts"]
    n_markers = counts["observed_markers"] + counts["missing_markers"]
    share = 100 * counts["observed_markers"] / max(1, n_markers)
    return (
        f"The target has {counts['observed_markers']:,} of the {n_markers:,} markers that the model reads "
        f"({share:.1f}%); this section shows how well the two fit."
    )


def _action(checks: dict[str, Any]) -> str:
    if checks["errors"]:
        return "Correct what the first warning names, then impute again."
    if checks["warnings"]:
        return "Read the warnings; if one is about strand, build or alleles, correct the target and impute again."
    return "Nothing needs to be done: no check found a problem."


def _coverage(regions: Sequence[dict[str, Any]]) -> Picture:
    rows = []
    for region in regions:
        first = region.get("first_imputed", region["first_position"])
        last = region.get("last_imputed", region["last_position"])
        rows.append(
            (region["index"], first / 1e6, last / 1e6, region["n_markers"], region["n_observed"], region["share"])
        )
    table = Table.of(("region", "start_mb", "end_mb", "markers", "observed", "share"), rows)
    low = [row for row in rows if row[5] < LOW_SHARE]
    params = charts.place_params(min((row[1] for row in rows), default=0.0), max((row[2] for row in rows), default=1.0))
    bars = {
        "params": [charts.brush()],
        "mark": {"type": "rect", "color": "var(--series-2)", "stroke": "var(--page)", "clip": True},
        "encoding": {
            "x": charts.place_axis("start_mb"),
            "x2": {"field": "end_mb"},
            "y": charts.share_axis("share", "share of the markers"),
            "y2": {"datum": 0},
            "tooltip": charts.tooltip(
                ("region", "region", ""), ("observed", "markers observed", ","), ("markers", "markers", ",")
            ),
        },
    }
    text = f"{len(low)} of {len(rows)} regions have under {LOW_SHARE:.0%} of their markers."
    return Picture(
        "marker_coverage",
        "Marker coverage along the chromosome",
        f"Bars, one per region, with the share of its markers that the target has. {text}",
        f"One bar per region of the model. {text} Dashed lines: below {LOW_SHARE:.0%} expect less accuracy, below "
        f"{LEAST_SHARE:.0%} a region is not imputed unless forced.",
        charts.chart("coverage", [bars, charts.level(LOW_SHARE), charts.level(LEAST_SHARE)], params),
        {"coverage": table},
        table,
    )


def _frequencies(found: dict[str, Any]) -> list[Part]:
    if not found.get("counts"):
        return []
    cells = Table.of(("model", "target", "sites", "class"), _cells(found["counts"]))
    rows = [(row["id"], row["position"], row["model"], row["target"]) for row in found["worst"]]
    worst = Table.of(
        ("id", "position", "model", "target", "difference", "class"),
        [(*row, row[3] - row[2], _class(row[2])) for row in rows],
    )
    mean = "not known" if found["mean_difference"] is None else f"{found['mean_difference']:.3f}"
    picture = Picture(
        "allele_frequencies",
        "Allele frequencies: target against panel",
        f"Each circle stands for sites with about the same two frequencies. Most should lie on the diagonal. The mean "
        f"difference is {mean} at {found['n_compared']} sites.",
        f"{found['n_compared']:,} sites, counted in steps of 0.02 of both frequencies. Crosses are the "
        f"{len(worst.rows)} sites with the greatest differences. Sites near the other diagonal may be on the other "
        "strand; a cloud that is wide as a whole means another population, or few samples.",
        _frequency_chart(),
        {"cells": cells, "worst": worst},
        Table.of(worst.columns[:5], [row[:5] for row in worst.rows]),
        is_square=True,
    )
    return [picture]


def _frequency_chart() -> Chart:
    axes = {
        "x": charts.share_axis("model", "frequency in the model's panel"),
        "y": charts.share_axis("target", "frequency in the target"),
    }
    both = (("model", "in the panel", ".3f"), ("target", "in the target", ".3f"))
    legend = {"title": "sites", "symbolFillColor": "var(--series-2)", "symbolStrokeWidth": 0}
    size = {"field": "sites", "type": "quantitative", "scale": {"type": "sqrt", "range": [8, 300]}, "legend": legend}
    circles = {
        "mark": {"type": "circle", "color": "var(--series-2)", "opacity": 0.7},
        "encoding": {**axes, "size": size, "tooltip": charts.tooltip(("sites", "sites", ","), *both)},
    }
    crosses = {
        "data": {"name": "worst"},
        "transform": [{"filter": charts.FREQUENCY_FILTER}],
        "mark": {"type": "point", "shape": "cross", "color": "var(--series-1)", "size": 90, "strokeWidth": 2},
        "encoding": {
            **axes,
            "tooltip": charts.tooltip(("id", "site", ""), ("position", "position", ","), *both),
        },
    }
    layers = [charts.diagonal(), circles, crosses]
    transform = [{"filter": charts.FREQUENCY_FILTER}]
    return charts.chart("cells", layers, charts.frequency_params(), transform, charts.SQUARE)


def _cells(counts: Sequence[str]) -> Any:
    """The middle of both frequencies, the number of sites, and the class of each cell that has sites."""
    step = 1 / len(counts)
    for row, text in enumerate(counts):
        for column, n_sites in enumerate(map(int, text.split())):
            if n_sites:
                model = round((row + 0.5) * step, 4)
                yield model, round((column + 0.5) * step, 4), n_sites, _class(model)


def _class(frequency: float) -> int:
    return int(maf_classes(np.array([min(frequency, 1 - frequency)]))[0])


def _call_rates(samples: ImputedSamples) -> list[Part]:
    known = samples.called[~np.isnan(samples.called)]
    if not known.size:
        return []
    low = min(float(np.floor(20 * known.min()) / 20), 0.95)
    counts, edges = np.histogram(known, bins=_CALL_BINS, range=(low, 1))
    table = Table.of(
        ("from", "to", "samples"),
        [(float(a), float(b), int(n)) for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True) if n],
    )
    n_low = int(np.count_nonzero(samples.called < LOW_SHARE))
    bars = {
        "mark": {"type": "bar", "color": "var(--series-2)", "stroke": "var(--page)"},
        "encoding": {
            **charts.bars("from", "share of alleles called at the markers", (low, 1), "samples", "samples"),
            "tooltip": charts.tooltip(("from", "from", ".3f"), ("to", "to", ".3f"), ("samples", "samples", ",")),
        },
    }
    order = np.argsort(samples.called, kind="stable")[: min(20, np.count_nonzero(samples.called < 1))]
    lowest = Table.of(("sample", "called"), [(samples.names[i], float(samples.called[i])) for i in order.tolist()])
    picture = Picture(
        "call_rates",
        "Call rate of the samples",
        f"A histogram of {len(samples.names)} samples. {n_low} have under {LOW_SHARE:.0%} of their alleles called.",
        f"Share of each sample's alleles that is called at the markers that the target has. {n_low} of "
        f"{len(samples.names):,} samples are below {LOW_SHARE:.0%}; missing alleles are filled by the model.",
        charts.chart("calls", [bars]),
        {"calls": table},
        table,
    )
    listing = Listing("lowest_call_rates", "The samples with the lowest call rates", lowest)
    return [picture, listing] if lowest.rows else [picture]


def _strand(strand: dict[str, Any]) -> Listing:
    rows = [(text, strand[name]) for name, text in _STRAND if name in strand]
    return Listing(
        "strand",
        "Strand",
        Table.of(("sites", "number"), rows),
        "The option --flip of rnnimp impute corrects the strand.",
    )
