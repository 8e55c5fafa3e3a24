"""The picture of the frontier: mean r2 against AUC, each model a labelled point, and the two ends.

Allele frequencies alone have no r2: their dosages do not vary. Their AUC is a band from top to bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from privacy.frontier import CONTROL, PROGRAM, Point, Trial
from rnnimp.errors import RnnimpError
from rnnimp.formats.files import atomic_output
from rnnimp.pipeline.audit.results import MODEL

try:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.axes import Axes
except ModuleNotFoundError as error:
    raise RnnimpError(f"the picture is drawn with {error.name}; install it: pip install '.[benchmarks]'") from error

_COLOURS = {MODEL: "#0072B2", PROGRAM: "#D55E00", CONTROL: "#009E73"}
_MARKS = "osD^vP*X<>"
_GREYS = ("#888888", "#b5b5b5", "#666666")
_LINE = 12.0  # height of a label's line, in points
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rnnimp",  # the same bytes from the same points
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 10,
}


def draw(path: Path, points: Sequence[Point], trials: Sequence[Trial] = (), title: str = "") -> None:
    """Draw the frontier.

    Args:
        path: Path of the SVG.
        points: Models, programs that have the panel, and allele frequencies; those without AUC or r2 are left out.
        trials: Trials of a search, drawn as small grey points, one mark per family.
        title: Title.
    """
    with matplotlib.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(8, 5.5), layout="constrained")
        _draw_trials(axes, trials)
        for point in points:
            if point.kind == CONTROL:
                _draw_band(axes, point)
        _draw_points(axes, [point for point in points if point.kind != CONTROL])
        axes.set(xlabel="AUC of the strongest attack (0.5: a coin toss, 1: certainty)", ylabel="mean r2 of a site")
        axes.set_title(title, loc="left")
        axes.grid(alpha=0.3)
        axes.set_xlim(min(0.45, axes.get_xlim()[0]), 1.02)
        _label(axes, [point for point in points if point.kind != CONTROL])
        if trials:
            axes.legend(title="trials", fontsize="small", loc="lower right")
        with atomic_output(path) as file:
            figure.savefig(file, format="svg", metadata={"Date": None})
        pyplot.close(figure)


def _draw_trials(axes: Axes, trials: Sequence[Trial]) -> None:
    for number, family in enumerate(dict.fromkeys(trial.family for trial in trials)):
        chosen = [trial for trial in trials if trial.family == family]
        places = [trial.auc for trial in chosen], [trial.mean_r2 for trial in chosen]
        mark, grey = _MARKS[number % len(_MARKS)], _GREYS[number % len(_GREYS)]
        axes.scatter(*places, s=14, marker=mark, color=grey, linewidths=0, label=family, zorder=2)


def _draw_band(axes: Axes, point: Point) -> None:
    auc, colour = point.leak.auc, _COLOURS[point.kind]
    if auc.value is None:
        return
    axes.axvline(auc.value, color=colour, linestyle="--", linewidth=1.2, zorder=0)
    if auc.low is not None and auc.high is not None:
        axes.axvspan(auc.low, auc.high, color=colour, alpha=0.12, linewidth=0, zorder=0)
    text = f"{point.name}, mean r2 {point.mean_r2.value or 0:.2g}"
    axes.annotate(
        text,
        (auc.value, 0.02),
        (-4, 0),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="bottom",
        color=colour,
    )


def _draw_points(axes: Axes, points: Sequence[Point]) -> None:
    for point in points:
        auc, r2 = point.leak.auc, point.mean_r2
        if auc.value is None or r2.value is None:
            continue
        style: dict[str, Any] = {"color": _COLOURS[point.kind], "zorder": 3}
        axes.plot(auc.value, r2.value, "o" if point.kind == MODEL else "s", markersize=6, **style)
        if auc.low is not None and auc.high is not None:
            axes.hlines(r2.value, auc.low, auc.high, linewidth=0.9, **style)
        if r2.low is not None and r2.high is not None:
            axes.vlines(auc.value, r2.low, r2.high, linewidth=0.9, **style)


def _label(axes: Axes, points: Sequence[Point]) -> None:
    """Write the names beside their points: to the left from the middle on, and no two lines over each other."""
    per_point = 72 / axes.figure.dpi
    middle = sum(axes.get_xlim()) / 2
    taken: list[tuple[bool, float]] = []
    for point in sorted(points, key=lambda each: each.mean_r2.value or 0.0):
        auc, r2 = point.leak.auc.value, point.mean_r2.value
        if auc is None or r2 is None:
            continue
        is_left = auc > middle
        height = float(axes.transData.transform((auc, r2))[1]) * per_point
        lowest = max((other + _LINE for side, other in taken if side == is_left), default=height)
        place = max(height + 0.5 * _LINE, lowest)
        taken.append((is_left, place))
        axes.annotate(
            point.name,
            (auc, r2),
            (-7 if is_left else 7, place - height),
            textcoords="offset points",
            ha="right" if is_left else "left",
            va="center",
            color=_COLOURS[point.kind],
        )
