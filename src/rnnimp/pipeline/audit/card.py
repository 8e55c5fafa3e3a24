"""The section of a model card: Markdown with the result, its figures, and what two rules ask of a model.

The rules are the Opinion 28/2024 of the European Data Protection Board, adopted on 17 December 2024, and the notice
NOT-OD-25-081 of the US National Institutes of Health, released on 28 March 2025. Text in quotation marks is
theirs. What the section says about the Opinion outside quotation marks is paraphrased.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rnnimp.cluster.slices import format_regions
from rnnimp.pipeline.audit.results import CEILING, FLOOR, MODEL, STATES, AuditResults
from rnnimp.pipeline.audit.texts import (
    ASSUMPTION,
    ATTACKER,
    LEFT_OUT,
    NONE,
    auc_texts,
    chance_text,
    doubt_of_regions,
    large,
    not_tested,
    percent,
    share_texts,
    warnings,
    whole_states_text,
)
from rnnimp.privacy.combined import NAME as COMBINED
from rnnimp.privacy.figures import Estimate, Extrapolation
from rnnimp.wording import printable

_RATE = 0.01
_NO_WHOLE = "No state is a whole haplotype of a member in its region"
_MARKS = re.compile(r"([\\`*_\[\]<>|&~$])")

_NO_JUDGEMENT = (
    "Whether a model is anonymous, or may be shared, is a legal question for each case. The audit gives numbers for it "
    "and no answer."
)

_EDPB = (
    "This section paraphrases the Opinion. Only text in quotation marks is quoted. "
    'For an AI model to be anonymous, the Opinion asks that two likelihoods are "insignificant", for any person whose '
    'data were used: that of "direct (including probabilistic) extraction" of personal data, and that of obtaining '
    'such data from queries. Both are judged by "all the means reasonably likely to be used". Models trained with '
    'personal data "cannot, in all cases, be considered anonymous".'
)

_NIH = (
    'The notice says: "NIH considers generative AI models, including model parameters, developed by Approved Users of '
    'controlled-access data to constitute Data Derivatives". And: "Sharing, retaining, or training generative AI '
    "models using controlled-access human genomic data may risk disclosing controlled-access data and, thus, violates "
    'the Non-Transferability provision of the DUC", the Data Use Certification.'
)


def card_section(results: AuditResults) -> str:
    """Markdown that begins with a heading of the second level.

    Args:
        results: What an audit found.
    """
    parts = [
        "## What this model reveals about its panel",
        f"**{_escaped(results.sentence)}**",
        *(f"Note: {_escaped(text)}" for text in warnings(results)),
        _table(_FIGURES, _figure_rows(results)),
        _escaped(_scope(results)),
        "### EDPB Opinion 28/2024",
        _EDPB,
        _NO_JUDGEMENT,
        _table(("question", "what the audit found"), _edpb_rows(results)),
        "### NIH NOT-OD-25-081",
        _NIH,
        _table(("question", "answer"), _nih_rows(results)),
        "### What was not tested",
        "\n".join(f"- {_escaped(text)}" for text in not_tested(results)),
    ]
    return "\n\n".join(parts) + "\n"


_FIGURES = ("attack", "AUC", "members found at 1% false alarms", "floor: AUC", "ceiling: AUC")


def _figure_rows(results: AuditResults) -> Iterable[Sequence[str]]:
    for attack in results.attacks:
        found = {subject: results.over_all(attack.name, subject) for subject in (MODEL, FLOOR, CEILING)}
        auc = {subject: NONE if part is None else _joined(auc_texts(part.auc)) for subject, part in found.items()}
        model = found[MODEL]
        tpr = NONE if model is None else _joined(share_texts(model.tpr[_RATE]))
        yield attack.name, auc[MODEL], tpr, auc[FLOOR], auc[CEILING]


def _joined(texts: tuple[str, str]) -> str:
    return f"{texts[0]} ({texts[1]})" if texts[1] else texts[0]


def _scope(results: AuditResults) -> str:
    model, people = results.model, results.people
    return (
        f"Audited by rnnimp {results.versions.get('rnnimp', '')} on {results.log_time[:10]}, number {results.log_id}: "
        f"regions {format_regions(model.regions)} of the {model.n_there} in its files, {large(people.n_members)} of "
        f"{large(people.n_training)} members, {large(people.n_outsiders)} outsiders ({people.outsiders}). "
        f"Recipe of the model: {model.recipe_text}. AUC: 0.5 is a coin toss, 1 is certainty. The floor gives everybody "
        "the allele frequencies; the ceiling is the panel itself. Intervals are 95% intervals."
    )


def _edpb_rows(results: AuditResults) -> list[tuple[str, str]]:
    return [
        ("Can personal data be extracted from the parameters?", _extraction(results)),
        ("Can they be obtained from queries?", _queries(results)),
        ("Is it insignificant for each person, not only on average?", _each_person(results)),
        ("Which means are assumed?", f"{ATTACKER} The audit took {results.seconds:.0f} s, without GPU."),
        ("What if someone uses all of the model?", _wider(results)),
        ("Is it better than guessing?", _guessing(results)),
    ]


def _extraction(results: AuditResults) -> str:
    stretches = results.stretches
    if stretches is None:
        read = "The model has no haplotype HMM, so it has no states in which haplotypes could be read."
    else:
        read = (
            f"The alleles of the HMM's states can be read. The longest stretch that a state shares with a member's "
            f"haplotype has {large(stretches.members_rows.median)} sites, with an outsider's "
            f"{large(stretches.outsiders_rows.median)} (medians). "
            f"{whole_states_text(results.whole_states) or _NO_WHOLE}."
        )
    rebuilt = [
        f"By the best states, {share_texts(part.members)[0]} of the members' haplotypes and "
        f"{share_texts(part.outsiders)[0]} of the outsiders' are rebuilt."
        for part in results.rebuilt
        if part.source == STATES
    ]
    return " ".join([read, *rebuilt, *_best_of(results, only_queries=False)])


def _queries(results: AuditResults) -> str:
    rare = [part for part in results.rare_alleles if part.subject == MODEL and part.difference.value is not None]
    rebuilt = [part for part in results.rebuilt if part.source == MODEL]
    texts = [*_best_of(results, only_queries=True)]
    texts += [
        f"By the best guess from markers, {share_texts(part.members)[0]} of the members' haplotypes and "
        f"{share_texts(part.outsiders)[0]} of the outsiders' are rebuilt."
        for part in rebuilt
    ]
    texts += [
        f"A rare allele has mean probability {auc_texts(part.members)[0]} in a member who carries it and "
        f"{auc_texts(part.outsiders)[0]} in an outsider; difference {_joined(auc_texts(part.difference))}."
        for part in rare
    ]
    return " ".join(texts)


def _best_of(results: AuditResults, only_queries: bool) -> list[str]:
    """The strongest attack of those that only let the model impute, or of those that read its files."""
    names = [attack.name for attack in results.attacks if attack.only_queries == only_queries]
    found = [(name, figures) for name in names if name != COMBINED and (figures := results.over_all(name)) is not None]
    if not found:
        return []
    name, figures = max(found, key=lambda pair: pair[1].auc.value or 0)
    return [
        f"Strongest attack of this kind: {name}, AUC {_joined(auc_texts(figures.auc))}{_found(figures.tpr[_RATE])}."
    ]


def _found(tpr: Estimate) -> str:
    return "" if tpr.value is None else f"; {share_texts(tpr)[0]} of the members found at 1% false alarms"


def _each_person(results: AuditResults) -> str:
    if not results.exposed:
        return "No person was ranked."
    first = results.exposed[0]
    n_above = sum(person.outsiders_above == 0 for person in results.exposed)
    return (
        f"The most exposed member's score is {first.distance:.1f} standard deviations above the outsiders' mean; "
        f"{first.outsiders_above} of {large(results.people.n_outsiders)} outsiders have such a score or a greater "
        f"one. Of the {len(results.exposed)} most exposed members, {n_above} are above all outsiders."
    )


def _wider(results: AuditResults) -> str:
    doubt = doubt_of_regions(results)
    if not results.is_beyond_chance():
        return f"{LEFT_OUT} {doubt}".strip()
    rest = [part for part in results.extrapolations if part.scope != "regions"]
    expected = "; ".join(map(_expected, rest))
    told = f"Expected at 1% false alarms: {expected}. {ASSUMPTION}" if rest else "Nothing is expected of more regions."
    return f"{told} {doubt}".strip()


def _expected(part: Extrapolation) -> str:
    place = "all autosomes of the genome" if part.scope == "genome" else f"the whole {part.scope}"
    low, high = map(percent, part.tpr_intervals[_RATE])
    return f"{percent(part.tpr[_RATE])} ({low} to {high}) of the members found from {place}"


def _guessing(results: AuditResults) -> str:
    interval = _joined(auc_texts(results.best().auc))
    whole = results.whole_states
    if whole and whole[0].are_many and not results.is_beyond_chance():
        return (
            f"The scores cannot tell: AUC {interval} by the strongest attack; {chance_text(results)} But nothing has "
            f"to be guessed: {whole_states_text(whole)}."
        )
    if results.is_beyond_chance():
        return (
            f"Yes: AUC {interval} by the strongest attack; {chance_text(results)} The Opinion says of a model from "
            'which such information "may be obtained" with "means reasonably likely to be used" that "it may be '
            'concluded that such a model is not anonymous".'
        )
    return (
        f"This audit cannot tell: AUC {interval} by the strongest attack; {chance_text(results)} That is no proof of "
        "safety."
    )


def _nih_rows(results: AuditResults) -> list[tuple[str, str]]:
    is_exact = results.model.recipe.get("exact_frequencies")
    exact = "exact or rounded (not known)" if is_exact is None else "exact" if is_exact else "rounded"
    return [
        (
            "Are the files model parameters?",
            "Yes. They contain weights that were learned from the panel"
            + (", states of an HMM that were made from its haplotypes," if results.model.n_states else "")
            + f" and allele frequencies of the panel, {exact}.",
        ),
        (
            "Was the panel controlled-access data of the NIH?",
            "The audit cannot tell. If it was, treat the files as Data Derivatives, and ask NIH before you share or "
            "keep them.",
        ),
        (
            "Is this a generative AI model?",
            "The notice does not mention imputation. The model gives probabilities of alleles from a person's markers. "
            "NIH decides.",
        ),
        (
            "May it disclose controlled-access data?",
            "The tables above have what was measured. See the question about guessing first.",
        ),
        (
            "What else to read",
            "NOT-OD-25-118 (30 May 2025) says that NIH has temporarily paused the sharing of such models, and their "
            "retention after a project's closeout. Later notices may have changed this.",
        ),
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """A text that Markdown shows as it is, in one line."""
    return _MARKS.sub(r"\\\1", printable(text))
