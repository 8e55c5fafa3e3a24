"""The report as one HTML file that needs no other file and no network.

A content security policy forbids everything but the file's own scripts, which it names by their checksums. Pictures are
drawn by Vega in the reader's browser. Without scripts, texts and tables remain.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

from rnnimp import __version__
from rnnimp.pipeline.audit import html_parts
from rnnimp.pipeline.audit.html_parts import definitions, escaped, paragraph
from rnnimp.pipeline.report.binning import CLASS_NAMES
from rnnimp.pipeline.report.charts import BRUSH
from rnnimp.pipeline.report.imputed import KIND_NAMES
from rnnimp.pipeline.report.parts import Listing, Markup, Part, Picture, Section, Table

MOST_ROWS = 100
"""Rows of a table in the page; `--figures` writes all."""


MOST_OPEN_ROWS = 10
"""Rows of a table that is shown without a click."""


def page(title: str, subtitle: str, sections: Sequence[Section], vega: str) -> str:
    """The whole page.

    Args:
        title: Its title.
        subtitle: The line below it.
        sections: Its sections, in order.
        vega: The JavaScript that defines `vegaEmbed`.
    """
    pictures = [part for section in sections for part in section.parts if isinstance(part, Picture)]
    style = _resource("audit", "page.css") + _resource("report", "report.css")
    draw = _resource("report", "report.js")
    filters = _initial_filters(pictures)
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {_checksum(vega)} {_checksum(draw)}; "
        "form-action 'none'; base-uri 'none'"
    )
    links = "".join(f'<li><a href="#{part.anchor}">{escaped(part.title)}</a></li>' for part in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="generator" content="rnnimp {__version__}">'
        f"<title>{escaped(title)}</title><style>\n{style}</style></head>\n<body><header><h1>{escaped(title)}</h1>"
        f"{paragraph(subtitle, 'subtitle')}</header>\n<main>"
        f'<nav aria-label="Contents"><p>On this page</p><ul>{links}</ul></nav>'
        "<noscript><p class='warning'>This browser runs no scripts, so there are no pictures. The tables have their "
        f"numbers.</p></noscript>{_controls(filters)}{''.join(map(_section, sections))}</main>\n"
        f"<footer>{paragraph(f'Made by rnnimp {__version__}. This file needs no network.')}</footer>"
        f'<script type="application/json" id="report-data">{_data(pictures, filters)}</script>'
        f"<script>{vega}</script><script>{draw}</script></body></html>\n"
    )


def _resource(package: str, name: str) -> str:
    return (files(f"rnnimp.pipeline.{package}") / name).read_text(encoding="utf-8")


def _checksum(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _initial_filters(pictures: Iterable[Picture]) -> dict[str, Any]:
    """The values that the charts declare; of the place, the widest."""
    found: dict[str, Any] = {}
    widest = {"from_mb": min, "to_mb": max}
    for param in (param for picture in pictures for param in picture.chart.get("params", [])):
        name, value = param["name"], param["value"]
        found[name] = widest[name](found.get(name, value), value) if name in widest else value
    return found


def _data(pictures: Sequence[Picture], filters: dict[str, Any]) -> str:
    """Charts and tables as JSON; a table that several charts use stands there once."""
    names: dict[Table, str] = {}
    uses: dict[str, dict[str, str]] = {}
    for picture in pictures:
        for name, table in picture.data.items():
            if table not in names:
                names[table] = name if name not in names.values() else f"{picture.name}.{name}"
            uses.setdefault(picture.name, {})[name] = names[table]
    content = {
        "filters": filters,
        "charts": {picture.name: picture.chart for picture in pictures},
        "uses": uses,
        "data": {name: {"columns": table.columns, "rows": table.rows} for table, name in names.items()},
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _controls(filters: dict[str, Any]) -> str:
    """The filters that any chart takes part in."""
    parts = []
    if "least_class" in filters:
        parts.append(
            "<fieldset><legend>MAF</legend>"
            f"{_select('filter-least', 'lowest class of minor allele frequency', enumerate(CLASS_NAMES), 0)} to "
            f"{_select('filter-most', 'highest class', enumerate(CLASS_NAMES), len(CLASS_NAMES) - 1)}</fieldset>"
        )
    if "kind" in filters:
        kinds = [("all", "all"), *((name, name) for name in KIND_NAMES)]
        parts.append(
            f"<fieldset><legend>sites</legend>{_select('filter-kind', 'kind of sites', kinds, 'all')}</fieldset>"
        )
    if "from_mb" in filters:
        low, high = filters["from_mb"], filters["to_mb"]
        fields = (
            f'<input id="filter-{name}" type="number" step="any" aria-label="{name}, in Mb" value="{value}">'
            for name, value in (("from", low), ("to", high))
        )
        parts.append(f"<fieldset><legend>position (Mb)</legend>{' to '.join(fields)}</fieldset>")
    if not parts:
        return ""
    return (
        f'<form id="filters" aria-label="Filters of the pictures">{"".join(parts)}'
        '<button id="filter-reset" type="button">reset</button>'
        '<span id="filter-status" role="status" aria-live="polite"></span></form>'
    )


def _select(anchor: str, label: str, options: Iterable[tuple[Any, str]], chosen: Any) -> str:
    listed = "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>{escaped(name)}</option>'
        for value, name in options
    )
    return f'<select id="{anchor}" aria-label="{label}">{listed}</select>'


def _section(section: Section) -> str:
    facts = definitions(section.facts).replace("<dl>", '<dl class="facts">', 1) if section.facts else ""
    return html_parts.section(
        section.anchor,
        section.title,
        paragraph(section.meaning),
        f'<p class="advice"><strong>What to do:</strong>{escaped(section.action)}</p>',
        *(paragraph(text, "warning") for text in section.warnings),
        facts,
        *map(_part, section.parts),
    )


def _part(part: Part) -> str:
    if isinstance(part, Markup):
        return part.html
    if isinstance(part, Listing):
        note = paragraph(part.note, "note") if part.note else ""
        shown = _table(part.title, part.table)
        if len(part.table.rows) > MOST_OPEN_ROWS:
            shown = f"<details><summary>Table: {escaped(part.title)}</summary>{shown}</details>"
        return f'<div id="{part.name}">{shown}{note}</div>'
    has_zoom = any(param["name"] == BRUSH for layer in part.chart["layer"] for param in layer.get("params", []))
    zoom = ' data-zoom="yes"' if has_zoom else ""
    return (
        f'<figure class="picture" id="{part.name}"><h3>{escaped(part.title)}</h3>'
        f'<div class="chart{" square" * part.is_square}" data-chart="{part.name}"{zoom} role="img" '
        f'aria-label="{escaped(part.description)}"></div>'
        f"<figcaption>{escaped(part.caption)}</figcaption>"
        f"<details><summary>Table: {escaped(part.title)}</summary>{_table(part.title, part.table)}</details></figure>"
    )


def _table(caption: str, table: Table) -> str:
    rows = table.texts()
    if len(rows) > MOST_ROWS:
        caption = f"{caption} (the first {MOST_ROWS} of {len(rows):,} rows; --figures writes all)"
    groups = [(row[0], [row[1:]]) for row in rows[:MOST_ROWS]]
    return html_parts.table(caption, list(table.columns), groups)
