from __future__ import annotations

import re
from dataclasses import replace

from audit_results import audit_results
from rnnimp.pipeline.audit.card import card_section
from rnnimp.pipeline.audit.texts import not_tested
from rnnimp.privacy.figures import Estimate


def rows_of(text):
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in cells}


def with_auc(results, estimate):
    """The same results with another AUC of the strongest attack on the model over all regions."""
    parts = tuple(
        replace(part, figures=replace(part.figures, auc=estimate)) if part.figures is results.best() else part
        for part in results.results
    )
    return replace(results, results=parts)


def test_the_section_has_the_sentence_the_figures_and_both_rules():
    results = audit_results()
    best = results.best()

    text = card_section(results)

    assert text.startswith("## ")
    assert re.findall(r"^### (.*)", text, re.M) == [
        "EDPB Opinion 28/2024",
        "NIH NOT-OD-25-081",
        "What was not tested",
    ]
    assert f"**{results.sentence}**" in text
    rows = rows_of(text)
    assert rows["combined"][0].startswith(f"{best.auc.value:.3f} (")
    assert rows["longest\\_match"][2:] == ["-", "-"]
    assert "longest\\_match, AUC" in rows["Can personal data be extracted from the parameters?"][0]
    assert "loss, AUC" in rows["Can they be obtained from queries?"][0]
    assert rows["Is it better than guessing?"][0].startswith("Yes: AUC")


def test_guessing_is_no_proof_of_safety():
    text = card_section(with_auc(audit_results(), Estimate(0.52, 0.46, 0.58)))

    assert "This audit cannot tell: AUC 0.520 (0.460 to 0.580)" in rows_of(text)["Is it better than guessing?"][0]
    assert "Note: The strongest attack's AUC, 0.520, is no greater than chance explains: " in text


def test_frequencies_that_count_the_outsiders_are_said_to_tell_nothing():
    results, said = audit_results(), "What the allele frequencies reveal. They count the outsiders too"
    tried = replace(results, attacks=(*results.attacks, replace(results.attacks[0], name="frequencies")))
    assert any(text.startswith(said) for text in not_tested(tried))
    of_a_file = replace(tried, people=replace(tried.people, outsiders="others.vcf.gz"))
    assert not any(text.startswith(said) for text in [*not_tested(results), *not_tested(of_a_file)])


def test_a_model_without_hmm_has_no_states_to_read():
    rows = rows_of(card_section(audit_results(has_hmm=False)))

    assert "has no haplotype HMM" in rows["Can personal data be extracted from the parameters?"][0]
    assert "states" not in rows["Are the files model parameters?"][0]


def test_names_cannot_break_a_table_or_become_markup():
    results = audit_results()
    people = replace(results.people, outsiders="a|b\n<b>*x*</b> [l](u) `c`")

    text = card_section(replace(results, people=people))

    assert r"a\|b\\n\<b\>\*x\*\</b\> \[l\](u) \`c\`" in text
