"""Building blocks of the charts, as Vega-Lite specifications.

Colours are variables of the page's style sheet, so that light, dark and print follow it. Series differ by shape and
dashes too. A chart takes part in the page's filters by its `params`: the page sets those that a chart declares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rnnimp.pipeline.report.binning import N_CLASSES
from rnnimp.pipeline.report.parts import Chart

HEIGHT, SQUARE = 280, 420
_LETTER = 7  # pixels of a letter in a legend
BRUSH = "brush"
"""Selection along the chromosome; the page zooms to it."""

_COLOURS = [f"var(--series-{number})" for number in range(1, 7)]
_SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
_DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 4]]
_AXIS = {
    "labelColor": "var(--text)",
    "titleColor": "var(--text)",
    "gridColor": "var(--line)",
    "domainColor": "var(--muted)",
    "tickColor": "var(--muted)",
    "labelFontSize": 12,
    "titleFontSize": 13,
    "titleFontWeight": "normal",
}
_CONFIG = {
    "background": None,
    "font": "system-ui, sans-serif",
    "axis": _AXIS,
    "legend": {
        "labelColor": "var(--text)",
        "titleColor": "var(--text)",
        "labelFontSize": 12,
        "labelLimit": 0,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "orient": "top",
        "symbolStrokeColor": "var(--text)",
        "symbolSize": 90,
        "symbolOpacity": 1,
    },
    "title": {"color": "var(--text)", "anchor": "start", "fontSize": 15},
    "view": {"stroke": "var(--line)"},
    "text": {"color": "var(--text)"},
    "aria": False,
}

FREQUENCY_FILTER = "datum.class >= least_class && datum.class <= most_class"
KIND_FILTER = "kind === 'all' || datum.kind === kind"
PLACE_FILTER = "datum.mb >= from_mb && datum.mb <= to_mb"


def chart(
    data: str,
    layers: Sequence[Chart],
    params: Sequence[Chart] = (),
    transform: Sequence[Chart] = (),
    height: int = HEIGHT,
) -> Chart:
    """A chart of one view.

    Args:
        data: Name of its table.
        layers: Marks with their encodings.
        params: Values that the page may set, from the functions below.
        transform: Transformations of the table.
        height: Height in pixels; `SQUARE` for pictures whose two axes are of one kind.
    """
    whole: Chart = {
        "width": "container",
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"name": data},
        "config": _CONFIG,
    }
    if params:
        whole["params"] = [dict(param) for param in params]
    if transform:
        whole["transform"] = list(transform)
    return {**whole, "layer": list(layers)}


def frequency_params() -> list[Chart]:
    """The classes of minor allele frequency to show."""
    return [{"name": "least_class", "value": 0}, {"name": "most_class", "value": N_CLASSES - 1}]


def kind_param() -> Chart:
    """The kind of sites to show."""
    return {"name": "kind", "value": "all"}


def place_params(first_mb: float, last_mb: float) -> list[Chart]:
    """The part of the chromosome to show, in whole kb."""
    low, high = math.floor(1000 * first_mb) / 1000, math.ceil(1000 * last_mb) / 1000
    return [{"name": "from_mb", "value": low}, {"name": "to_mb", "value": high}]


def brush() -> Chart:
    """A selection along the chromosome, for one layer of a chart."""
    return {
        "name": BRUSH,
        "select": {"type": "interval", "encodings": ["x"], "clear": "dblclick"},
    }


def quantity(field: str, title: str, **scale: Any) -> Chart:
    """An axis of numbers."""
    return {"field": field, "type": "quantitative", "title": title, **({"scale": scale} if scale else {})}


def place_axis(field: str = "mb") -> Chart:
    """The axis along the chromosome; it shows the part that the page chooses."""
    domain = [{"expr": "from_mb"}, {"expr": "to_mb"}]
    axis = quantity(field, "position (Mb)", domain=domain, nice=False, zero=False)
    return {**axis, "axis": {"grid": False}}


def bars(x: str, title: str, limits: tuple[float, float], y: str, y_title: str) -> Chart:
    """The axes of a histogram whose bins are in the columns `x` and `to`."""
    axis = quantity(x, title, domain=list(limits), nice=False)
    return {"x": {**axis, "bin": "binned"}, "x2": {"field": "to"}, "y": quantity(y, y_title)}


def share_axis(field: str, title: str) -> Chart:
    """An axis from 0 to 1."""
    return quantity(field, title, domain=[0, 1])


def series(field: str, names: Sequence[str], with_dashes: bool = True) -> Chart:
    """Colour, shape and dashes of series.

    Args:
        field: Column with their names.
        names: All names, in order.
        with_dashes: Whether there are lines.
    """
    n = len(names)
    width = 40 + _LETTER * max(map(len, names), default=1)  # of a name in the legend

    def channel(values: Sequence[Any]) -> Chart:
        scale = {"domain": list(names), "range": [values[index % len(values)] for index in range(n)]}
        legend = {"columns": {"expr": f"max(1, floor(width / {width}))"}}
        return {"field": field, "type": "nominal", "title": None, "scale": scale, "legend": legend}

    channels = {"color": channel(_COLOURS), "shape": channel(_SHAPES)}
    return channels | ({"strokeDash": channel(_DASHES)} if with_dashes else {})


def without_colour(channel: Chart) -> Chart:
    """The channel with a legend in the colour of text; without a colour of its own it is black, also on a dark page."""
    return channel | {"legend": channel["legend"] | {"symbolFillColor": "var(--text)"}}


def tooltip(*fields: tuple[str, str, str]) -> list[Chart]:
    """What is shown on hovering: field, title and number format each; the format may be empty."""
    return [{"field": field, "title": title, **({"format": shape} if shape else {})} for field, title, shape in fields]


def line(size: int = 70, colour: str | None = None, **more: Any) -> Chart:
    """A line with points.

    Args:
        size: Size of the points.
        colour: Its colour, where no series decides it.
        more: Further properties of the mark.
    """
    own = {} if colour is None else {"color": colour}
    return {"type": "line", "point": {"size": size, "filled": True, **own}, **own, **more}


def diagonal(low: float = 0, high: float = 1) -> Chart:
    """A line on which both axes are equal."""
    return {
        "data": {"values": [{"x": low, "y": low}, {"x": high, "y": high}]},
        "mark": {"type": "line", "color": "var(--muted)", "strokeDash": [4, 4], "strokeWidth": 1},
        "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}},
    }


def level(value: float) -> Chart:
    """A horizontal line."""
    return {
        "data": {"values": [{"y": value}]},
        "mark": {"type": "rule", "color": "var(--muted)", "strokeDash": [4, 4]},
        "encoding": {"y": {"field": "y", "type": "quantitative"}},
    }


def borders(data: str) -> Chart:
    """Vertical lines between regions; `data` names a table with the column `mb`."""
    return {
        "data": {"name": data},
        "transform": [{"filter": PLACE_FILTER}],
        "mark": {"type": "rule", "color": "var(--muted)", "strokeDash": [2, 4]},
        "encoding": {"x": place_axis()},
    }
