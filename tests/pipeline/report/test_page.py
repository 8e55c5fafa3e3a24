"""The page: sound HTML that asks for nothing from outside, with its data, filters and tables."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from rnnimp.pipeline.report import charts
from rnnimp.pipeline.report.page import MOST_ROWS, page
from rnnimp.pipeline.report.parts import Listing, Markup, Picture, Section, Table

VEGA = "window.vegaEmbed = () => 1;"
DATA = Table.of(("mb", "class", "kind", "n"), [(1.5, 3, "imputed", 4), (2.5, 0, "typed", float("nan"))])


def picture(name: str, low: float = 1.0, high: float = 2.0) -> Picture:
    params = [*charts.frequency_params(), charts.kind_param(), *charts.place_params(low, high)]
    layer = {"params": [charts.brush()], "mark": "point", "encoding": {"x": charts.place_axis()}}
    chart = charts.chart("cube", [layer], params)
    return Picture(name, f"Title <{name}>", f"what {name} shows", "a caption", chart, {"cube": DATA}, DATA)


def section(*parts: Picture | Listing | Markup, anchor: str = "one") -> Section:
    return Section(anchor, "One & only", "What it means.", "What to do.", parts, (("sites", "7"),), ("a <warning>",))


class Reader(HTMLParser):
    """Checks that tags are balanced, and collects them with their texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def ids(self) -> list[str | None]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]


def test_the_page_is_sound_and_escaped() -> None:
    text = page("A <title>", "sub & title", [section(picture("p"), Markup("<p>ready</p>"))], VEGA)
    reader = Reader(text)
    assert len(reader.ids()) == len(set(reader.ids()))
    assert {"one", "p", "filters", "report-data"} <= set(reader.ids())
    for expected in ("A <title>", "sub & title", "a <warning>", "Title <p>", "What it means.", "What to do.", "ready"):
        assert expected in reader.texts
    (box,) = (attributes for _, attributes in reader.tags if "data-chart" in attributes)
    assert (box["role"], box["aria-label"], box["data-zoom"]) == ("img", "what p shows", "yes")
    links = {attributes["href"] for tag, attributes in reader.tags if tag == "a"}
    assert links == {"#one"}


def test_nothing_comes_from_outside() -> None:
    text = page("t", "s", [section(picture("p"))], VEGA)
    reader = Reader(text)
    assert not [tag for tag, attributes in reader.tags if "src" in attributes or tag in ("link", "iframe", "img")]
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy


def test_data_stand_once_and_need_no_escape() -> None:
    odd = Table.of(("name",), [("</script><b>",)])
    other = Picture("q", "q", "q", "q", charts.chart("odd", []), {"odd": odd}, odd)
    text = page("t", "s", [section(picture("p"), picture("r", 0.5, 1.5), other)], VEGA)
    (data,) = re.findall(r'id="report-data">(.*?)</script>', text)
    content = json.loads(data)
    assert set(content["data"]) == {"cube", "odd"}
    assert content["uses"] == {"p": {"cube": "cube"}, "r": {"cube": "cube"}, "q": {"odd": "odd"}}
    assert content["data"]["odd"]["rows"] == [["</script><b>"]]
    assert content["data"]["cube"]["rows"][1] == [2.5, 0, "typed", None]
    widest = {"least_class": 0, "most_class": 7, "kind": "all", "from_mb": 0.5, "to_mb": 2.0}
    assert content["filters"] == widest


def test_without_filtered_charts_there_are_no_filters() -> None:
    plain = Picture("q", "q", "q", "q", charts.chart("cube", []), {"cube": DATA}, DATA)
    assert "filters" not in Reader(page("t", "s", [section(plain)], VEGA)).ids()


def test_long_tables_are_cut() -> None:
    long = Table.of(("number", "value"), [(row, 1.0) for row in range(MOST_ROWS + 20)])
    text = page("t", "s", [section(Listing("x", "A list", long, "a note"))], VEGA)
    assert f"the first {MOST_ROWS} of 120 rows" in text
    assert text.count('<th scope="row">') == MOST_ROWS
    assert "<details>" in text
    assert "a note" in text
