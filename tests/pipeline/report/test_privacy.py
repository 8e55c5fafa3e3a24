"""The section on privacy."""

from __future__ import annotations

from audit_results import audit_results
from rnnimp.pipeline.report.page import page
from rnnimp.pipeline.report.parts import Markup
from rnnimp.pipeline.report.privacy import privacy_section


def test_the_section_has_the_main_results() -> None:
    results = audit_results()
    section = privacy_section(results)
    (part,) = section.parts
    assert isinstance(part, Markup)
    assert results.sentence in page("t", "s", [section], "")
    assert part.html.count("<svg") == 2
    for attack in results.attacks:
        assert attack.name in part.html
    assert dict(section.facts)["outsiders"] == str(results.people.n_outsiders)
