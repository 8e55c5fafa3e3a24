"""Words that the page and the section of a model card share: numbers, names, warnings, and what was not tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rnnimp.choices import LEAST_OUTSIDERS
from rnnimp.cluster.slices import format_regions
from rnnimp.pipeline.audit.results import CEILING, FLOOR, HELD_OUT, MODEL, AuditResults
from rnnimp.privacy.attacks.frequencies import FrequencyAttack
from rnnimp.privacy.attacks.registry import ATTACKS
from rnnimp.privacy.combined import NAME as COMBINED
from rnnimp.privacy.figures import FALSE_POSITIVE_RATES, Estimate
from rnnimp.privacy.whole_states import WholeStates
from rnnimp.wording import counted

NONE = "-"
"""Stands where there is no number."""

CHANCE = 0.5
"""The AUC of a coin toss."""

NEAR_CHANCE = 0.6

SUBJECT_NAMES = {MODEL: "model", FLOOR: "floor: frequencies only", CEILING: "ceiling: the panel itself"}

ATTACKER = (
    "The attacker has all files of the model, the person's phased haplotypes without errors, and haplotypes of other "
    "people from the same populations."
)

ASSUMPTION = (
    "This is an expectation, not a measurement. It takes regions as independent, and as telling as much as the audited "
    "ones on average. Scores of both groups are taken as normal, with the same variance. The distance between members "
    "and outsiders then grows with the square root of the number of regions."
)

LEFT_OUT = (
    "What to expect of more regions, of the chromosome and of a genome is left out: worked out from scores that chance "
    "explains, it would be noise."
)

_NEVER_TESTED = (
    "Attacks that train models of their own, with and without a person, for comparison (shadow models).",
    "Attackers who have only unphased, incomplete or wrong genotypes of a person.",
    "Attackers who have genotypes of a person's relatives.",
    "Several models of the same panel, or of panels that differ in a few people, taken together.",
    "What lies beside the model's files: training files, checkpoints and logs.",
    "Attacks that nobody knows yet. A good result is no proof of safety.",
)


def percent(share: float) -> str:
    """A share in percent.

    >>> percent(0.4), percent(0.035), percent(0.0095), percent(0.999), percent(1.0), percent(0.0)
    ('40%', '3.5%', '0.95%', '99.9%', '100%', '0%')
    """
    value = 100 * share
    if value in (0, 100):
        return f"{value:.0f}%"
    return f"{value:.1f}%" if value > 99 else f"{value:.2g}%"


def share_texts(estimate: Estimate) -> tuple[str, str]:
    """A share in percent, and its interval; the second text is empty if there is none."""
    if estimate.value is None:
        return NONE, ""
    return percent(estimate.value), _interval(estimate, percent)


def auc_texts(estimate: Estimate) -> tuple[str, str]:
    """An AUC or a probability, and its interval."""
    if estimate.value is None:
        return NONE, ""
    return decimal(estimate.value), _interval(estimate, decimal)


def decimal(value: float | None) -> str:
    """A number with three decimals."""
    return NONE if value is None else f"{value:.3f}"


def large(number: float) -> str:
    """A number with commas between thousands.

    >>> large(330_000), large(16270.4), large(2.5)
    ('330,000', '16,270', '2.5')
    """
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:,.1f}"


def _interval(estimate: Estimate, text: Callable[[float], str]) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{text(estimate.low)} to {text(estimate.high)}"


def doubt_of_model(results: AuditResults) -> str:
    """Says that the strongest attack on the model cannot be told from chance; empty if it can."""
    if results.is_beyond_chance():
        return ""
    return (
        f"The strongest attack's AUC, {auc_texts(results.best().auc)[0]}, is no greater than chance explains: "
        f"{chance_text(results)} So the scores show neither a leak nor its absence. {LEFT_OUT}"
    )


def whole_states_text(parts: Sequence[WholeStates]) -> str:
    """How many states are whole haplotypes of members; empty if there are none.

    Args:
        parts: Over all audited regions, then for each.
    """
    if not parts or not parts[0].of_members:
        return ""
    total, regions = parts[0], parts[1:]
    place = " in the most exposed region" if len(regions) > 1 else ""
    people = max(part.members for part in regions)
    notes = [f"each of {large(total.fewest_members)} members or more"] if total.fewest_members > 1 else []
    notes += [f"{large(total.of_outsiders)} of an outsider"] if total.of_outsiders else []
    noted = f" ({'; '.join(notes)})" if notes else ""
    return (
        f"{large(total.of_members)} of {large(total.n_states)} states {'is' if total.of_members == 1 else 'are'} a "
        "whole haplotype of a member in their region, "
        f"of {large(people)} {'person' if people == 1 else 'people'}{place}{noted}"
    )


def chance_text(results: AuditResults) -> str:
    """What the best of the attacks reaches by chance."""
    mean, interval = auc_texts(results.chance)
    return f"without any leak, the best of these attacks has an AUC of {mean} on average, mostly {interval} (95%)."


def warnings(results: AuditResults) -> list[str]:
    """What a reader has to know before the figures are used."""
    people = results.people
    found = []
    if people.n_outsiders < LEAST_OUTSIDERS:
        found.append(
            f"Only {counted(people.n_outsiders, 'outsider')} were tested. With fewer than {LEAST_OUTSIDERS}, rare "
            "false alarms cannot be measured."
        )
    if people.n_close:
        found.append(
            f"{counted(people.n_close, 'outsider')} may be related to a member, or be a member. Figures with such "
            "outsiders are too low."
        )
    doubts = [text for text in (doubt_of_model(results), doubt_of_regions(results)) if text]
    return [*_read_without_attack(results), *found, *doubts, *_doubts_of_controls(results)]


def _read_without_attack(results: AuditResults) -> list[str]:
    text = whole_states_text(results.whole_states)
    return [f"{text}. Anyone who has the model's files can copy them out, whatever the attacks find."] if text else []


def doubt_of_regions(results: AuditResults) -> str:
    """Says that the model's files lack regions; empty if they have all."""
    model = results.model
    if not model.missing_regions:
        return ""
    return (
        f"Of {counted(model.n_regions, 'region')}, only {model.n_there} {'exists' if model.n_there == 1 else 'exist'} "
        "in these files, so nothing is said of the others."
    )


def _doubts_of_controls(results: AuditResults) -> list[str]:
    found = []
    has_floor = results.over_all(results.best_attack, FLOOR) is not None
    of_floor = results.best_attack if has_floor else COMBINED
    floor, ceiling = results.over_all(of_floor, FLOOR), results.over_all(results.best_attack, CEILING)
    if floor is not None and floor.auc.low is not None and floor.auc.low > CHANCE:
        found.append(
            f"The floor is above chance: AUC {' ('.join(auc_texts(floor.auc))}) by {of_floor}. Either "
            "members and outsiders differ in other ways than membership, such as their populations, or the allele "
            "frequencies themselves reveal membership."
        )
    if ceiling is not None and ceiling.auc.value is not None and ceiling.auc.value < NEAR_CHANCE:
        found.append(
            f"The ceiling is near chance: AUC {' ('.join(auc_texts(ceiling.auc))}) by {results.best_attack}. The same "
            "attack hardly recognises members by the panel itself, so it is too weak here or the regions are too few."
        )
    return found


def not_tested(results: AuditResults) -> list[str]:
    """What this audit leaves open."""
    model, people = results.model, results.people
    found = []
    n_regions = model.n_there - len(model.regions)
    if n_regions:
        found.append(
            f"{counted(n_regions, 'region')} of the {model.n_there} in the model's files. Evidence adds up over "
            "regions, so the whole model reveals more."
        )
    if model.missing_regions:
        found.append(f"Regions that do not exist in these files: {format_regions(model.missing_regions)}.")
    n_members = people.n_training - people.n_members
    if n_members:
        found.append(f"{large(n_members)} of {large(people.n_training)} members. One of them may be more exposed.")
    return [
        *found,
        *_blind_frequencies(results),
        *_attacks_left_out(results),
        *_unresolved_rates(results),
        *_NEVER_TESTED,
    ]


def _blind_frequencies(results: AuditResults) -> list[str]:
    name = FrequencyAttack.name
    if results.people.outsiders != HELD_OUT or name not in {attack.name for attack in results.attacks}:
        return []
    return [
        "What the allele frequencies reveal. They count the outsiders too, who were held out for validation, so the "
        f"attack {name} cannot tell members from them. People from a file of their own can show it."
    ]


def _attacks_left_out(results: AuditResults) -> list[str]:
    tried = {attack.name for attack in results.attacks}
    absent = [attack for attack in ATTACKS if attack.name not in tried]
    of_states = [attack.name for attack in absent if "states" in attack.needs and not results.model.n_states]
    others = [attack.name for attack in absent if attack.name not in of_states]
    found = []
    if of_states:
        found.append(f"Attacks on the haplotype HMM: {', '.join(of_states)}. The model has no HMM.")
    if others:
        found.append(f"Attacks that were left out: {', '.join(others)}.")
    return found


def _unresolved_rates(results: AuditResults) -> list[str]:
    best = results.best()
    notes = [best.tpr[rate].note for rate in FALSE_POSITIVE_RATES if best.tpr[rate].value is None]
    return [f"Rarer false alarms: {note}." for note in notes]
