from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from audit_results import audit_results, with_whole_states
from rnnimp.pipeline.audit.page import MOST_REGIONS, page
from rnnimp.pipeline.audit.results import MODEL
from rnnimp.privacy.figures import Estimate

VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Checks that tags are balanced, and collects what a test asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.cells[-1][-1] += data


def with_estimates(results, estimate):
    """The same results whose rare alleles cannot be compared."""
    names = ("members", "outsiders", "difference")
    rows = [replace(part, **dict.fromkeys(names, estimate), precision_members=None) for part in results.rare_alleles]
    return replace(results, rare_alleles=tuple(rows))


@pytest.mark.parametrize("has_hmm", [True, False])
def test_the_page_is_one_well_formed_file_that_needs_no_other(has_hmm):
    text = page(audit_results(has_hmm=has_hmm))

    read = Reader(text)

    assert not [tag for tag, _ in read.tags if tag in ("script", "link", "img", "iframe")]
    assert not re.search(r"https?:|url\(|@import", text)
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for tag, attributes in read.tags if tag == "a"]
    assert links and all(link[1:] in ids for link in links)
    assert len(text.encode()) < 100_000
    assert text.index(audit_results(has_hmm=has_hmm).sentence) < text.index("<h2>")


def test_pictures_have_a_text_alternative_and_are_valid_xml():
    pictures = re.findall(r"<svg.*?</svg>", page(audit_results()), re.DOTALL)

    assert len(pictures) == 2
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        names = root.attrib["aria-labelledby"].split()
        texts = {part.attrib.get("id"): part.text for part in root}
        assert root.attrib["role"] == "img" and all(texts[name] for name in names)
        numbers = [float(value) for part in root.iter() for key, value in part.attrib.items() if key in ("x1", "cx")]
        assert all(0 <= number <= 680 for number in numbers)


def test_figures_of_the_model_and_the_controls_are_in_the_table():
    results = audit_results()
    best = results.best()

    rows = Reader(page(results)).cells

    (row,) = [row for row in rows if row[:2] == ["combined", "model"]]
    assert row[2].startswith(f"{best.auc.value:.3f} {best.auc.low:.3f} to")
    assert row[3].startswith(f"{100 * best.tpr[0.01].value:.2g}%")
    assert row[4] == "-"
    assert ["1", "6.2", "0 of 150"] in rows
    assert ["rows", "members", "310", "640", "1,208"] in rows
    assert [row[0] for row in rows if row[0].isdigit() and len(row) == 7][:2] == ["3", "4"]


def test_names_and_paths_are_escaped():
    results = audit_results()
    hostile = "<script>alert('&\"')</script>\n\udcff"
    model = replace(
        results.model, name=hostile, chromosome=hostile, checksums={hostile: hostile}, recipe={hostile: hostile}
    )
    people = replace(results.people, outsiders=hostile)
    attacks = tuple(replace(attack, explanation=hostile) for attack in results.attacks)
    settings = {hostile: [hostile]}

    text = page(
        replace(results, model=model, people=people, attacks=attacks, settings=settings, sentence=hostile)
    ).encode()

    assert b"<script" not in text and b"alert(&#x27;&amp;&quot;&#x27;)" in text
    Reader(text.decode())


def test_what_cannot_be_measured_is_a_dash_with_a_note():
    results = with_estimates(audit_results(n_outsiders=20), Estimate(None, note="nothing can be compared"))
    results = replace(results, model=replace(results.model, chromosome_share=None, rnnimp_version=None, recipe={}))

    text = page(results)

    assert "Only 20 outsiders were tested" in text
    assert "at 1% false alarms, 20 outsiders cannot resolve a rate of 0.01; 100 are needed" in text
    assert text.count("Note: nothing can be compared.") == 1
    assert not re.search(r"\b(None|nan|inf)\b", text)
    assert "found at 1%, model" not in text and "found at 1%, model" in page(audit_results())


def test_equal_scores_have_a_picture_too():
    results = audit_results()
    scores = replace(results.scores, edges=(0.0, 1e-9), members=(1.0,), outsiders=(1.0,))

    assert "overlap by 100%" in page(replace(results, scores=scores))


def test_a_model_of_very_many_regions_has_a_short_page():
    results = audit_results()
    of_one = [result for result in results.results if result.region == 3]
    many = [replace(result, region=number) for number in range(5, 1000) for result in of_one]
    model = replace(results.model, checksums={f"chr22_{number}.ort": "0" * 64 for number in range(1000)})

    text = page(replace(results, model=model, results=(*results.results, *many)))

    assert len(text.encode()) < 300_000
    assert f"The {MOST_REGIONS} of 997 regions with the greatest AUC." in text


def test_doubts_about_controls_are_said_at_the_top():
    results = audit_results()
    swapped = {"floor": "ceiling", "ceiling": "floor", MODEL: MODEL}
    parts = tuple(replace(part, subject=swapped[part.subject]) for part in results.results if part.attack == "combined")

    text = page(replace(results, results=parts))

    assert "The floor is above chance" in text and "The ceiling is near chance" in text
    assert "The floor is above chance" not in page(results)


def test_states_that_are_whole_haplotypes_are_in_a_table_and_at_the_top():
    text = page(with_whole_states(audit_results(), 64, 60))

    rows = Reader(text).cells
    assert ["all", "128", "124", "70", "1", "2", "1"] in rows
    assert ["3", "64", "64", "64", "1", "1", "1"] in rows and ["4", "64", "60", "60", "1", "1", "1"] in rows
    assert text.index("124 of 128 states are a whole haplotype") < text.index("<h2>")


def test_nothing_is_expected_from_scores_that_chance_explains():
    text = page(replace(audit_results(), chance=Estimate(0.95, 0.9, 1.0)))

    assert "22 autosomes" not in text and "22 autosomes" in page(audit_results())
    assert "it would be noise" in text


def test_regions_that_the_files_lack_are_not_said_to_reveal_more():
    results = audit_results()
    results = replace(results, model=replace(results.model, missing_regions=(1, 2, 5, 6)))

    text = page(results)

    assert "2 of the 2 in its files: 3-4" in text and "Regions that do not exist in these files: 1-2,5-6." in text
    assert "Of 6 regions, only 2 exist in these files, so nothing is said of the others." in text
    assert "the whole model reveals more" not in text and "the whole model reveals more" in page(audit_results())
