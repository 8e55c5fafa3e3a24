"""Vega, the library that draws the pictures: its JavaScript for the page, and pictures as files without a browser.

`vl-convert-python` contains both. It is in the extra `report`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rnnimp.formats.optional import require
from rnnimp.pipeline.report.parts import Chart, Picture

VEGA_LITE = "6.1"
_SNIPPET = "window.vegaEmbed=vegaEmbed;"
_PIXELS = 2.0

LIGHT: Mapping[str, str] = {
    "--text": "#1a1c1e",
    "--muted": "#4d5358",
    "--page": "#ffffff",
    "--line": "#c6ccd2",
    "--series-1": "#b34700",
    "--series-2": "#2d6cae",
    "--series-3": "#2f7d3a",
    "--series-4": "#7b4fa8",
    "--series-5": "#8a6d00",
    "--series-6": "#5b5f64",
}
"""Colours of the page's light style, for pictures as files. The page has them as variables."""


def library() -> Any:
    """The library.

    Raises:
        RnnimpError: if it is not installed, naming the extra.
    """
    return require("vl_convert", "report", "reports need")


def script() -> str:
    """The JavaScript that draws; it defines `vegaEmbed`."""
    return str(library().javascript_bundle(_SNIPPET, VEGA_LITE))


def svg(picture: Picture) -> str:
    """A picture as SVG, in the light style."""
    return str(library().vegalite_to_svg(_whole(picture), VEGA_LITE))


def png(picture: Picture) -> bytes:
    """A picture as PNG, in the light style, with two pixels per unit of length."""
    return bytes(library().vegalite_to_png(_whole(picture), VEGA_LITE, scale=_PIXELS))


def _whole(picture: Picture) -> str:
    """The specification with its data, a fixed width and real colours."""
    chart: Chart = {**picture.chart, "width": 460 if picture.is_square else 720, "title": picture.title}
    chart["config"] = {**chart.get("config", {}), "background": "var(--page)"}
    chart["datasets"] = {name: table.records() for name, table in picture.data.items()}
    text = json.dumps(chart)
    for name, colour in LIGHT.items():
        text = text.replace(f"var({name})", colour)
    return text
