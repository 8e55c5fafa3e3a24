from __future__ import annotations

import re
from dataclasses import replace

from audit_results import audit_results, with_whole_states
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


def test_the_recipe_is_named():
    results = audit_results()
    changed = {"n_units": {"model": 40, "recipe": 48}}
    named = replace(results.model, recipe_name="accurate", recipe_is_named=True, changed_settings=changed)

    assert r"Recipe of the model: accurate, 1 setting changed: n\_units 40 (recipe: 48)." in card_section(
        replace(results, model=named)
    )
    assert "Recipe of the model: not known." in card_section(results)


def test_a_model_without_hmm_has_no_states_to_read():
    rows = rows_of(card_section(audit_results(has_hmm=False)))

    assert "has no haplotype HMM" in rows["Can personal data be extracted from the parameters?"][0]
    assert "states" not in rows["Are the files model parameters?"][0]


def test_names_cannot_break_a_table_or_become_markup():
    results = audit_results()
    people = replace(results.people, outsiders="a|b\n<b>*x*</b> [l](u) `c`")

    text = card_section(replace(results, people=people))

    assert r"a\|b\\n\<b\>\*x\*\</b\> \[l\](u) \`c\`" in text


def test_states_that_are_whole_haplotypes_need_no_guess():
    guessing = with_auc(with_whole_states(audit_results(), 64, 60), Estimate(0.52, 0.46, 0.58))

    rows = rows_of(card_section(guessing))

    copied = (
        "124 of 128 states are a whole haplotype of a member in their region, of 64 people in the most exposed region"
    )
    assert copied in rows["Can personal data be extracted from the parameters?"][0]
    assert f"But nothing has to be guessed: {copied}" in rows["Is it better than guessing?"][0]
    of_none = rows_of(card_section(audit_results()))["Can personal data be extracted from the parameters?"][0]
    assert "No state is a whole haplotype of a member in its region." in of_none


def test_nothing_is_expected_from_scores_that_chance_explains():
    question = "What if someone uses all of the model?"
    guessing = card_section(with_auc(audit_results(), Estimate(0.52, 0.46, 0.58)))

    assert "of the members found from" not in guessing and "it would be noise" in rows_of(guessing)[question][0]
    assert "of the members found from the whole chromosome" in rows_of(card_section(audit_results()))[question][0]


def test_regions_that_the_files_lack_are_not_said_to_reveal_more():
    results = audit_results()
    text = card_section(replace(results, model=replace(results.model, missing_regions=(1, 2, 5, 6))))

    assert "regions 3-4 of the 2 in its files" in text and "only 2 exist in these files" in text
    assert "the whole model reveals more" not in text
