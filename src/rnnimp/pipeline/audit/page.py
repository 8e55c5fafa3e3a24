"""The page of an audit for people: one HTML file that needs no other file, no network and no scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files

from rnnimp.cluster.slices import format_regions
from rnnimp.pipeline.audit.html_parts import (
    Cell,
    Group,
    bullets,
    definitions,
    escaped,
    paragraph,
    picture,
    section,
    table,
)
from rnnimp.pipeline.audit.pictures import auc_picture, score_picture
from rnnimp.pipeline.audit.results import CEILING, FLOOR, MODEL, STATES, SUBJECTS, AuditResults
from rnnimp.pipeline.audit.texts import (
    ASSUMPTION,
    ATTACKER,
    LEFT_OUT,
    NONE,
    SUBJECT_NAMES,
    auc_texts,
    chance_text,
    large,
    not_tested,
    percent,
    share_texts,
    warnings,
)
from rnnimp.privacy.figures import FALSE_POSITIVE_RATES, Estimate, Extrapolation, Figures
from rnnimp.privacy.reconstruction import Spread
from rnnimp.wording import counted

MOST_WHOLE = 10
"""Regions in the table of states that are whole haplotypes."""

MOST_REGIONS = 100
"""Regions and files in the page's tables; the TSV and JSON files have all."""

_SOURCES = {
    MODEL: "model: best guess from the person's markers",
    STATES: "best state of the HMM in each region",
    FLOOR: SUBJECT_NAMES[FLOOR],
    CEILING: SUBJECT_NAMES[CEILING],
}

_SCOPES = {
    "regions": "audited regions",
    "model": "all in its files",
    "chromosome": "chromosome",
    "genome": "22 autosomes",
}

_HOW_TO_READ = (
    ("member, outsider", "A person whom the model was trained on, and one of the same populations who was left out."),
    ("score", "A number that an attack gives each person. It is greater for whoever looks more like a member."),
    ("AUC", "The chance that a member has a greater score than an outsider. 0.5 is a coin toss, 1 is certainty."),
    (
        "members found at 1% false alarms",
        "The share of members whom the attack recognises if it takes 1 of 100 outsiders for a member. This is what an "
        "attacker can do who wants to be right. Without any leak it is 1%. Also called TPR at 1% FPR.",
    ),
    ("interval", "95% intervals. With few outsiders they are wide: then the audit says little, in either direction."),
    ("floor", "The same attack on a model that gives everybody the allele frequencies. It should be near 0.5."),
    ("ceiling", "The same attack on the panel itself, by a Li & Stephens model in which members find themselves."),
    ("state", "A row of alleles in the model's haplotype HMM. Anyone who has the model's files can read it."),
    ("rows", "Markers and imputed sites of the model; the sentence at the top calls them sites."),
)


def page(results: AuditResults) -> str:
    """The whole page.

    Args:
        results: What an audit found.
    """
    model = results.model
    title = f"What the model {model.name} reveals about its panel"
    sections = [
        ("tested", "What was tested", _tested(results)),
        ("attacks", "Can members be recognised?", attack_parts(results)),
        ("regions", "Region by region", _regions(results)),
        ("scores", "How far members and outsiders are apart", score_parts(results)),
        ("exposed", "The most exposed people", _exposed(results)),
        ("more", "What to expect of more regions", _more_regions(results)),
        ("reading", "Can haplotypes be read or rebuilt?", _reading(results)),
        ("rare", "Can rare alleles be inferred?", _rare_alleles(results)),
        ("open", "What was not tested", [bullets(not_tested(results))]),
        ("read", "How to read this page", [definitions(_HOW_TO_READ)]),
        ("files", "Files, settings and versions", _files(results)),
    ]
    links = "".join(f'<li><a href="#{anchor}">{escaped(name)}</a></li>' for anchor, name, _ in sections)
    content = "".join(section(anchor, name, *parts) for anchor, name, parts in sections)
    style = (files("rnnimp.pipeline.audit") / "page.css").read_text(encoding="utf-8")
    time = results.log_time.replace("T", " ").replace("Z", " UTC")
    subtitle = f"Audit by rnnimp {results.versions.get('rnnimp', '')}, {time}. Number: {results.log_id}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>\n{style}</style></head>\n<body><header><h1>{escaped(title)}</h1>"
        f"{paragraph(subtitle, 'subtitle')}</header>\n<main>{paragraph(results.sentence, 'result')}"
        f"{''.join(paragraph(text, 'warning') for text in warnings(results))}"
        f'<nav aria-label="Contents"><p>On this page</p><ul>{links}</ul></nav>\n{content}</main>\n'
        f"<footer>{paragraph('Numbers in this page help to decide. They are no legal judgement.')}</footer>"
        "</body></html>\n"
    )


def _tested(results: AuditResults) -> list[str]:
    model, people = results.model, results.people
    share = "" if model.chromosome_share is None else f", {percent(model.chromosome_share)} of the chromosome"
    states = f"yes, up to {large(model.n_states)} states in a region" if model.n_states else "no"
    rows = [
        ("model", model.name),
        ("trained with", "not known" if model.rnnimp_version is None else f"rnnimp {model.rnnimp_version}"),
        ("recipe", model.recipe_text),
        ("chromosome", model.chromosome or "not known"),
        ("regions", f"{len(model.regions)} of the {model.n_there} in its files: {format_regions(model.regions)}"),
        *([("regions that its files lack", format_regions(model.missing_regions))] if model.missing_regions else []),
        ("imputed sites in them", f"{large(model.n_sites)}, over {large(model.span)} base pairs{share}"),
        ("haplotype HMM", states),
        ("members", f"{large(people.n_members)} of the {large(people.n_training)} people whom it was trained on"),
        ("outsiders", f"{large(people.n_outsiders)}: {people.outsiders}"),
        (
            "closest outsider",
            f"a haplotype equals one of the panel in {percent(people.longest_shared)} of the audited rows, counted in "
            "whole regions",
        ),
        ("outsiders who may be relatives", str(people.n_close)),
    ]
    return [definitions(rows), paragraph(ATTACKER)]


def attack_parts(results: AuditResults) -> list[str]:
    """What the attacks found over all audited regions: tables and a picture."""
    described = [(attack.name, [[attack.explanation]]) for attack in results.attacks]
    groups = [
        (
            attack.name,
            [
                [_subject(subject), *_figure_cells(found, subject == MODEL)]
                for subject in SUBJECTS
                if (found := results.over_all(attack.name, subject)) is not None
            ],
        )
        for attack in results.attacks
    ]
    caption = f"All audited regions together. The strongest attack on the model is {results.best_attack}."
    return [
        table("The attacks", ["attack", "what it does"], described, "words"),
        table(caption, ["attack", "on", *_FIGURE_NAMES], groups, "numbers subjects"),
        *_rate_notes(results),
        paragraph(f"By chance: {chance_text(results)}", "note"),
        picture(
            auc_picture(results),
            "AUC of each attack",
            "AUC of each attack on the model, between floor and ceiling, with 95% intervals. Attacks that read states "
            "have no floor.",
        ),
    ]


_FIGURE_NAMES = ["AUC", *(f"members found at {percent(rate)} false alarms" for rate in FALSE_POSITIVE_RATES)]


def _subject(subject: str) -> Cell:
    return Cell(SUBJECT_NAMES[subject], is_strong=subject == MODEL)


def _figure_cells(found: Figures, is_strong: bool) -> list[Cell]:
    shares = [Cell(*share_texts(found.tpr[rate]), is_strong) for rate in FALSE_POSITIVE_RATES]
    return [Cell(*auc_texts(found.auc), is_strong), *shares]


def _rate_notes(results: AuditResults) -> list[str]:
    tpr = results.best().tpr
    named = [f"at {percent(rate)} false alarms, {tpr[rate].note}" for rate in FALSE_POSITIVE_RATES if tpr[rate].note]
    return _notes(named)


def _notes(notes: Iterable[str]) -> list[str]:
    """What the numbers of a table come with, each note once."""
    return [paragraph(f"Note: {note}.", "note") for note in dict.fromkeys(notes)]


def _regions(results: AuditResults) -> list[str]:
    by_region: dict[int, dict[str, Figures]] = {}
    for result in results.results:
        if result.region is not None and result.attack == results.best_attack:
            by_region.setdefault(result.region, {})[result.subject] = result.figures
    shown = sorted(by_region, key=lambda region: -(by_region[region][MODEL].auc.value or 0))[:MOST_REGIONS]
    rates = [rate for rate in FALSE_POSITIVE_RATES if results.best().tpr[rate].value is not None]
    groups = [(str(region), [_region_row(by_region[region], rates)]) for region in sorted(shown)]
    names = ["AUC", *(f"found at {percent(rate)}" for rate in rates)]
    header = ["region", *(f"{name}, {subject}" for name in names for subject in SUBJECTS)]
    parts = [table(f"Each region alone (attack: {results.best_attack})", header, groups)]
    if len(shown) < len(by_region):
        parts.insert(0, paragraph(f"The {len(shown)} of {len(by_region)} regions with the greatest AUC."))
    return [*parts, paragraph("The TSV file has the other attacks, all regions and all intervals.", "note")]


def _region_row(figures: dict[str, Figures], rates: Sequence[float]) -> list[Cell]:
    """AUC and shares of members found, each for the model and the controls."""
    found = [figures.get(subject) for subject in SUBJECTS]
    cells = [Cell(NONE) if part is None else Cell(*auc_texts(part.auc)) for part in found]
    for rate in rates:
        cells += [Cell(NONE) if part is None else Cell(*share_texts(part.tpr[rate])) for part in found]
    return cells


def score_parts(results: AuditResults) -> list[str]:
    """The distribution of the strongest attack's scores: a picture and its table."""
    scores = results.scores
    drawn = picture(
        score_picture(scores, results.best_attack),
        "Distribution of scores",
        "The less the two overlap, the more is revealed. Members are drawn with a solid line, outsiders with dashes.",
    )
    bins = zip(scores.edges[:-1], scores.edges[1:], scores.members, scores.outsiders, strict=True)
    groups = [(f"{low:.1f} to {high:.1f}", [[percent(round(a, 4)), percent(round(b, 4))]]) for low, high, a, b in bins]
    numbers = table("Shares of both groups by score", ["score", "members", "outsiders"], groups, "numbers sums")
    text = (
        f"Scores of the strongest attack ({results.best_attack}), as distances from the outsiders' mean in their "
        "standard deviations."
    )
    return [paragraph(text), f'<div class="beside">{drawn}{numbers}</div>']


def _exposed(results: AuditResults) -> list[str]:
    header = ["rank", "score in standard deviations", "outsiders with such a score or a greater one"]
    groups = [
        (str(person.rank), [[f"{person.distance:.1f}", f"{person.outsiders_above} of {results.people.n_outsiders}"]])
        for person in results.exposed
    ]
    text = (
        "An average can hide that a few people are easy to recognise. These members have the greatest scores. Their "
        "names are not on this page; they are in the private table, which is not for publication."
    )
    return [paragraph(text), table(f"Members with the greatest scores (attack: {results.best_attack})", header, groups)]


def _more_regions(results: AuditResults) -> list[str]:
    if not results.is_beyond_chance():
        return [paragraph(LEFT_OUT, "warning")]
    groups = [(_SCOPES[part.scope], [_expected(part)]) for part in results.extrapolations]
    header = ["part", "regions", "distance", *_FIGURE_NAMES]
    caption = f"Expected if regions are independent (attack: {results.best_attack})"
    return [table(caption, header, groups), paragraph(ASSUMPTION, "note")]


def _expected(part: Extrapolation) -> list[Cell | str]:
    """What to expect of a part of the genome."""
    shares = [Cell(*share_texts(Estimate(part.tpr[rate], *part.tpr_intervals[rate]))) for rate in FALSE_POSITIVE_RATES]
    area = Cell(*auc_texts(Estimate(part.auc, *part.auc_interval)))
    return [large(part.n_regions), f"{part.d_prime:.1f}", area, *shares]


def _reading(results: AuditResults) -> list[str]:
    parts = [_stretches(results), *_whole_states(results)]
    header = [
        "rebuilt by",
        *("members: share rebuilt", "outsiders: share rebuilt"),
        *("members: wrong alleles", "outsiders: wrong alleles"),
    ]
    groups: list[Group] = [
        (
            _SOURCES[part.source],
            [
                [
                    Cell(*share_texts(part.members)),
                    Cell(*share_texts(part.outsiders)),
                    large(part.members_mismatches),
                    large(part.outsiders_mismatches),
                ]
            ],
        )
        for part in results.rebuilt
    ]
    most = f"{results.rebuilt[0].most_mismatches:.2g}" if results.rebuilt else NONE
    text = (
        f"A haplotype counts as rebuilt if at most {most} of its alleles at the audited sites are wrong. This is 100 "
        "wrong alleles per chromosome (Mosca and Cho 2023), scaled to what was audited. Wrong alleles are medians."
    )
    if results.stretches is not None:
        text += (
            " Only someone who knows the haplotype could choose the best state in each region, so that row is an upper "
            "bound."
        )
    return [*parts, table("Haplotypes that can be rebuilt", header, groups), paragraph(text, "note")]


def _stretches(results: AuditResults) -> str:
    stretches = results.stretches
    if stretches is None:
        return paragraph("The model has no haplotype HMM, so there are no states in which haplotypes could be read.")
    groups: list[Group] = [
        (
            "rows",
            [["members", *_lengths(stretches.members_rows, 0)], ["outsiders", *_lengths(stretches.outsiders_rows, 0)]],
        ),
        ("cM", [["members", *_lengths(stretches.members_cm, 3)], ["outsiders", *_lengths(stretches.outsiders_cm, 3)]]),
    ]
    header = ["longest stretch in", "of", "median", "one in 20 is longer than", "longest"]
    return table(
        "Longest stretch of a haplotype that a state has without any mismatch", header, groups, "numbers subjects"
    )


def _whole_states(results: AuditResults) -> list[str]:
    """A table of states that are whole haplotypes: all regions together, and those with the most such states."""
    if not results.whole_states:
        return []
    total, *regions = results.whole_states
    most = sorted(regions, key=lambda part: (-part.of_members, part.region or 0))[:MOST_WHOLE]
    groups: list[Group] = [
        (
            "all" if part.region is None else str(part.region),
            [
                [large(number) for number in (part.n_states, part.of_members, part.members, part.fewest_members)]
                + [large(part.of_outsiders), large(part.outsiders)]
            ],
        )
        for part in (total, *(most if len(regions) > 1 else []))
    ]
    header = ["region", "states", "of members", "members", "fewest members of one", "of outsiders", "outsiders"]
    text = (
        "A state counts if it equals a haplotype at every marker and site of its region. Compared are all "
        f"{large(results.people.n_training)} people whom the model was trained on, tested or not, and the "
        f"{large(results.people.n_outsiders)} outsiders, who are mostly fewer. A haplotype with a missing allele "
        "equals none. Someone with the files can copy such a haplotype out. Where many people carry it, outsiders do "
        f"too, and it points to nobody in particular. The table has the {MOST_WHOLE} regions with the most; the JSON "
        "file has all."
    )
    return [table("States that are a whole haplotype of a person", header, groups), paragraph(text, "note")]


def _lengths(spread: Spread, n_decimals: int) -> list[str]:
    return [f"{value:,.{n_decimals}f}" for value in (spread.median, spread.percentile_95, spread.longest)]


def _rare_alleles(results: AuditResults) -> list[str]:
    if not results.rare_alleles:
        return [paragraph("Rare alleles were not tested.")]
    first = results.rare_alleles[0]
    text = (
        f"From a person's markers, how probable does the model find the rare alleles that the person carries? Rare "
        f"means a minor allele frequency of at most {percent(first.most_maf)}: {counted(first.n_sites, 'site')}, "
        f"{large(first.n_carried_members)} alleles of members and {large(first.n_carried_outsiders)} of outsiders. "
        "Good imputation infers rare alleles of outsiders too. Only the difference is about membership."
    )
    groups = [
        (
            SUBJECT_NAMES[part.subject],
            [[Cell(*auc_texts(value)) for value in (part.members, part.outsiders, part.difference)]],
        )
        for part in results.rare_alleles
    ]
    inferred = [
        (
            SUBJECT_NAMES[part.subject],
            [
                [
                    _share(value)
                    for value in (
                        part.recall_members,
                        part.recall_outsiders,
                        part.precision_members,
                        part.precision_outsiders,
                    )
                ]
            ],
        )
        for part in results.rare_alleles
    ]
    return [
        paragraph(text),
        table("Mean probability of a carried rare allele", ["by", "members", "outsiders", "difference"], groups),
        *_notes(part.difference.note for part in results.rare_alleles if part.difference.note),
        table(
            "Rare alleles that count as inferred (probability above one half)",
            ["by", "found, members", "found, outsiders", "right, members", "right, outsiders"],
            inferred,
        ),
        paragraph(
            "Found: share of the carried rare alleles that are inferred. Right: share of the inferred ones that are "
            "carried. A member's allele is compared with outsiders' alleles that as many other people of the panel "
            "carry; the second table has all alleles.",
            "note",
        ),
    ]


def _share(value: float | None) -> str:
    return NONE if value is None else percent(round(value, 4))


def _files(results: AuditResults) -> list[str]:
    recipe = [(name, [[_plain(value)]]) for name, value in results.model.recipe.items()]
    checksums = [(name, [[value]]) for name, value in results.model.checksums.items()]
    shown = f"SHA-256 of the audited files{f', the first {MOST_REGIONS}' if len(checksums) > MOST_REGIONS else ''}"
    settings = [
        *((name, _plain(value)) for name, value in results.settings.items()),
        ("seconds", f"{results.seconds:g}"),
    ]
    return [
        "<h3>Audit</h3>",
        definitions(settings),
        "<h3>Versions</h3>",
        definitions(results.versions.items()),
        "<h3>Training</h3>",
        table("Settings of the training", ["setting", "value"], recipe, "words sums")
        if recipe
        else paragraph("The model has no manifest, so its settings are not known."),
        "<h3>Model files</h3>",
        table(shown, ["file", "SHA-256"], checksums[:MOST_REGIONS], "words sums"),
        paragraph("The JSON file has all results, settings and checksums.", "note"),
    ]


def _plain(value: object) -> str:
    """A setting as text."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)
