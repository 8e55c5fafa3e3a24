"""The section on privacy: the main results of an audit, with the parts of the audit's own page."""

from __future__ import annotations

from rnnimp.pipeline.audit.html_parts import paragraph
from rnnimp.pipeline.audit.page import attack_parts, score_parts
from rnnimp.pipeline.audit.results import AuditResults
from rnnimp.pipeline.audit.texts import ATTACKER, warnings
from rnnimp.pipeline.report.parts import Markup, Section


def privacy_section(results: AuditResults) -> Section:
    """The section.

    Args:
        results: What an audit found.
    """
    model, people = results.model, results.people
    parts = [paragraph(results.sentence, "result"), *attack_parts(results), *score_parts(results)]
    return Section(
        "privacy",
        "Privacy",
        "An audit attacks the model as someone who has its files could, and tells how well members of its panel can be "
        f"recognised. {ATTACKER}",
        "Weigh the result with whoever decides on access to the panel; the audit's own page has all its results.",
        (Markup("".join(parts)),),
        facts=(
            ("model", model.name),
            ("regions audited", f"{len(model.regions)} of {model.n_there}"),
            ("members tested", f"{people.n_members:,} of {people.n_training:,}"),
            ("outsiders", f"{people.n_outsiders:,}"),
        ),
        warnings=tuple(warnings(results)),
    )
