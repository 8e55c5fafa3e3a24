"""The report in a browser: it draws, filters and zooms, without an error and without the network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit_results import audit_results
from helpers import REPOSITORY, program, shared_data
from report_cases import write_training
from rnnimp.cli import main
from rnnimp.formats.hapslegend import read_legend
from rnnimp.pipeline.audit.files import json_text

pytestmark = pytest.mark.slow

MODEL = REPOSITORY / "src" / "rnnimp" / "demo" / "kgp3_chr22" / "chr22"
SECTIONS = ("target", "imputation", "accuracy", "training", "privacy")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no browser: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        running = driver.chromium.launch(executable_path=chromium, args=options)
        yield running
        running.close()


@pytest.fixture(scope="module")
def report(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    path, audit, training = folder / "report.html", folder / "a.json", write_training(folder)
    audit.write_text(json_text(audit_results()))
    accuracy = str(results / "accuracy" / "both")
    inputs = ["--imputed", f"{results}/x", "--accuracy", accuracy, "--training", str(training), "--audit", str(audit)]
    assert main(["report", "--output", str(path), *inputs]) == 0
    return path


class Opened:
    """A report in a browser, with everything that went wrong."""

    def __init__(self, browser: Any, path: Path, **settings: Any) -> None:
        self.troubles: list[str] = []
        self.page = browser.new_page(**settings)
        self.page.on("console", lambda message: self.troubles.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", self._requested)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready=yes]", timeout=30_000)

    def _requested(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.troubles.append(f"request: {request.url}")

    def drawn(self, name: str) -> str:
        return str(self.page.inner_html(f"#{name} .chart svg"))

    def status(self) -> str:
        return str(self.page.inner_text("#filter-status"))


def sorted_marks(svg: str) -> list[str]:
    """Paths and places of all marks to 3 decimals, in no order: filters may change that of points."""
    texts = re.findall(r' (?:d|transform)="[^"]*"', svg)
    return sorted(re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.3f}", text) for text in texts)


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (500, "dark")])
def test_all_pictures_are_drawn(browser: Any, report: Path, width: int, scheme: str) -> None:
    opened = Opened(browser, report, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = opened.page
    assert opened.troubles == []
    for name in SECTIONS:
        assert page.is_visible(f"section#{name} h2")
    boxes = page.query_selector_all("[data-chart]")
    assert len(boxes) >= 10
    for box in boxes:
        size = box.query_selector("svg").bounding_box()
        assert 200 < size["width"] <= width
        assert size["height"] > 150
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    colour = page.evaluate("getComputedStyle(document.querySelector('#r2_along svg text')).fill")
    assert colour == ("rgb(26, 28, 30)" if scheme == "light" else "rgb(230, 232, 234)")
    page.close()


def test_filters_work(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, viewport={"width": 1400, "height": 900})
    page, charts = opened.page, ("r2_along", "r2_by_frequency", "r2_distribution", "accuracy_along")
    before, all_sites = {name: opened.drawn(name) for name in charts}, opened.status()
    page.select_option("#filter-least", "7")
    page.wait_for_function("before => document.getElementById('filter-status').textContent !== before", arg=all_sites)
    page.wait_for_timeout(200)
    assert all(opened.drawn(name) != before[name] for name in charts)
    page.click("#filter-reset")
    page.wait_for_timeout(300)
    assert opened.status() == all_sites
    assert {name: sorted_marks(opened.drawn(name)) for name in charts} == {
        name: sorted_marks(drawn) for name, drawn in before.items()
    }
    page.select_option("#filter-kind", "typed")
    page.wait_for_timeout(300)
    assert opened.drawn("r2_distribution") != before["r2_distribution"]
    assert opened.status() != all_sites
    assert opened.drawn("accuracy_along") == before["accuracy_along"]  # it has imputed sites only
    assert opened.troubles == []
    page.close()


def test_zoom_by_fields_and_by_dragging(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, viewport={"width": 1400, "height": 900})
    page = opened.page
    low, high = (float(page.input_value(f"#filter-{name}")) for name in ("from", "to"))
    before = opened.drawn("r2_along")
    page.fill("#filter-from", str(low + (high - low) / 2))
    page.press("#filter-from", "Enter")
    page.wait_for_timeout(300)
    assert opened.drawn("r2_along") != before
    page.click("#filter-reset")
    page.wait_for_timeout(300)
    page.locator("#r2_along").scroll_into_view_if_needed()
    box = page.locator("#r2_along svg").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], y, steps=5)
    page.mouse.up()
    page.wait_for_timeout(400)
    chosen = [float(page.input_value(f"#filter-{name}")) for name in ("from", "to")]
    assert low < chosen[0] < chosen[1] < high
    assert chosen[1] - chosen[0] == pytest.approx(0.3 * (high - low), rel=0.2)
    assert opened.troubles == []
    page.close()


def test_hovering_shows_the_numbers(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, viewport={"width": 1400, "height": 900})
    page = opened.page
    page.locator("#r2_by_frequency").scroll_into_view_if_needed()
    box = page.locator("#r2_by_frequency .mark-symbol.role-mark path").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=5_000)
    assert "sites" in page.inner_text("#vg-tooltip-element")
    page.close()


def test_the_packaged_model_on_real_people(browser: Any, tmp_path: Path) -> None:
    """The test samples of chromosome 22, imputed from the array's sites, with the model's training and audit."""
    panel, names = shared_data("kgp3_chr22/panel.vcf.gz"), shared_data("kgp3_chr22/test_samples.txt")
    truth, target, sites = (tmp_path / name for name in ("truth.vcf.gz", "target.vcf.gz", "markers.txt"))
    legends = [read_legend(path) for path in sorted(MODEL.parent.glob("chr22_*.legend.gz"))]
    markers = sorted({int(position) for legend in legends for position in legend.positions[legend.markers()]})
    sites.write_text("".join(f"22\t{position}\n" for position in markers))
    for options in (["-S", names, "-o", truth, panel], ["-T", sites, "-o", target, truth]):
        subprocess.run([program("bcftools"), "view", "-O", "z", *map(str, options)], check=True)
    imputed, accuracy, path = (str(tmp_path / name) for name in ("chr22", "accuracy", "report.html"))
    assert main(["impute", "--vcf", str(target), "--model-prefix", str(MODEL), "--output", imputed]) == 0
    assert main(["evaluate", "--imputed", f"{imputed}.vcf.gz", "--truth", str(truth), "--output", accuracy]) == 0
    model = ["--training", str(MODEL), "--audit", str(MODEL.parent / "audit.json")]
    assert main(["report", "--imputed", imputed, "--accuracy", accuracy, *model, "--output", path]) == 0
    assert Path(path).stat().st_size < 3_000_000
    opened = Opened(browser, Path(path), viewport={"width": 1400, "height": 900})
    assert all(opened.page.is_visible(f"section#{name} h2") for name in SECTIONS)
    assert opened.status() == "6,542 of 6,542 sites chosen"
    assert opened.troubles == []
    opened.page.close()


def test_a_picture_that_cannot_be_drawn_says_so(browser: Any, report: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.html"
    path.write_text(report.read_text().replace('"datum.total / datum.known"', '"datum.total /"'))
    opened = Opened(browser, path, viewport={"width": 1400, "height": 900})
    assert "could not be drawn" in opened.page.inner_text("#r2_along .chart")
    assert opened.page.is_visible("#r2_distribution .chart svg")
    assert opened.troubles
    opened.page.close()


def test_without_scripts_the_tables_remain(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.is_visible("noscript p")
    assert not page.is_visible("#filters")
    assert page.locator("table").count() > 8
    context.close()


def test_print_opens_the_tables(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, viewport={"width": 1400, "height": 900})
    page = opened.page
    n_closed = page.locator("details:not([open])").count()
    assert n_closed > 8
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == n_closed
    page.emulate_media(media="print", color_scheme="dark")
    colour = page.evaluate("getComputedStyle(document.querySelector('#r2_along svg text')).fill")
    assert colour == "rgb(26, 28, 30)"
    page.close()
