"""The picture of the frontier: mean r2 against AUC, each model a labelled point, and the two ends.

Allele frequencies alone have no r2: their dosages do not vary. Their AUC is a band from top to bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from privacy.frontier import CONTROL, PROGRAM, Point, Trial, digest
from rnnimp.errors import RnnimpError
from rnnimp.formats.files import atomic_output
from rnnimp.pipeline.audit.results import MODEL

try:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox
except ModuleNotFoundError as error:
    raise RnnimpError(f"the picture is drawn with {error.name}; install it: pip install '.[benchmarks]'") from error

_COLOURS = {MODEL: "#0072B2", PROGRAM: "#D55E00", CONTROL: "#009E73"}
_MARKS = "osD^vP*X<>"
_GREYS = ("#888888", "#b5b5b5", "#666666")
_HEIGHTS = [sign * height for height in range(8, 32, 2) for sign in (1, -1)]
"""Heights of a label above its point, in points, in the order in which they are tried."""
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
        figure, axes = pyplot.subplots(figsize=(8, 6), layout="constrained")
        _draw_trials(axes, trials)
        for point in points:
            if point.kind == CONTROL:
                _draw_band(axes, point)
        _draw_points(axes, [point for point in points if point.kind != CONTROL])
        axes.set(xlabel="AUC of the strongest attack (0.5: a coin toss, 1: certainty)", ylabel="mean r2 of a site")
        axes.set_title(title, loc="left")
        axes.grid(alpha=0.3)
        axes.margins(y=0.08)
        axes.set_xlim(min(0.45, axes.get_xlim()[0]), 1.03)
        if trials:
            axes.legend(title="trials", fontsize="small", loc="lower right")
        _label(axes, [point for point in points if point.kind != CONTROL], trials)
        with atomic_output(path) as file:
            note = f"tables: {digest(points, trials)}"
            figure.savefig(file, format="svg", metadata={"Date": None, "Description": note})
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


def _label(axes: Axes, points: Sequence[Point], trials: Sequence[Trial]) -> None:
    """Write each name beside its point, at the first place where it covers nothing."""
    drawn = [point for point in points if point.leak.auc.value is not None and point.mean_r2.value is not None]
    axes.figure.canvas.draw()  # so that the axes have their final size
    frame = axes.get_window_extent()
    taken = [_around(axes, trial.auc, trial.mean_r2, 3.0) for trial in trials]
    for point in drawn:
        taken += _covered(axes, point)
    middle = sum(axes.get_xlim()) / 2
    for point in sorted(drawn, key=lambda each: -(each.mean_r2.value or 0.0)):
        side = -1 if (point.leak.auc.value or 0.0) > middle else 1
        for place in [(7 * sign, height) for height in _HEIGHTS for sign in (side, -side)]:
            label, box = _written(axes, point, place)
            if _is_free(box, taken, frame):
                break
            label.remove()
        else:
            label, box = _written(axes, point, (7 * side, _HEIGHTS[0]))
        taken.append(box)


def _written(axes: Axes, point: Point, place: tuple[float, float]) -> tuple[Annotation, Bbox]:
    """The name, this many points to the right of its point and above it, and the box that it covers."""
    label = axes.annotate(
        point.name,
        (point.leak.auc.value or 0.0, point.mean_r2.value or 0.0),
        place,
        textcoords="offset points",
        ha="right" if place[0] < 0 else "left",
        va="center",
        color=_COLOURS[point.kind],
    )
    label.set_in_layout(False)  # so that the axes keep their size
    return label, label.get_window_extent()


def _is_free(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> bool:
    is_inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    return is_inside and not any(box.overlaps(other) for other in taken)


def _covered(axes: Axes, point: Point) -> list[Bbox]:
    """The boxes of a point and of its intervals."""
    auc, r2 = point.leak.auc, point.mean_r2
    boxes = [_around(axes, auc.value or 0.0, r2.value or 0.0, 5.0)]
    ends = ((auc.low, r2.value), (auc.high, r2.value)), ((auc.value, r2.low), (auc.value, r2.high))
    for interval in ends:
        places = [(x, y) for x, y in interval if x is not None and y is not None]
        if len(places) == 2:
            boxes.append(Bbox(axes.transData.transform(places)).padded(1.0))
    return boxes


def _around(axes: Axes, auc: float, r2: float, half: float) -> Bbox:
    x, y = axes.transData.transform((auc, r2))
    return Bbox.from_extents(x - half, y - half, x + half, y + half)
