"""The result of an audit in one sentence, for a data access committee."""

from __future__ import annotations

from collections.abc import Sequence

from rnnimp.pipeline.audit.results import AuditedModel, is_beyond_chance
from rnnimp.pipeline.audit.texts import large, whole_states_text
from rnnimp.privacy.figures import Estimate, Extrapolation, Figures
from rnnimp.privacy.reconstruction import ReadableStretches
from rnnimp.privacy.whole_states import WholeStates
from rnnimp.wording import counted

_RATE = 0.01


def sentence(
    model: AuditedModel,
    best_attack: str,
    best: Figures,
    chance: Estimate,
    stretches: ReadableStretches | None,
    whole: Sequence[WholeStates],
    extrapolations: tuple[Extrapolation, ...],
) -> str:
    """One sentence with numbers; it promises nothing.

    Args:
        model: The model.
        best_attack: Name of the strongest attack.
        best: Its figures over all audited regions.
        chance: AUC of the best attack by chance.
        stretches: What can be read in the states; None without HMM.
        whole: States that are whole haplotypes, over all regions first. Where they are many, the sentence starts with
            them.
        extrapolations: What to expect of more regions; the last one is named.
    """
    parts = [
        f"from the {counted(len(model.regions), 'audited region')}{_share(model)}, {_found(best_attack, best, chance)}"
    ]
    if stretches is not None:
        members, outsiders = stretches.members_rows, stretches.outsiders_rows
        parts.append(
            f"the longest stretch that a state shares with a member's haplotype has {large(members.median)} sites, "
            f"with an outsider's {large(outsiders.median)} (medians)"
        )
    is_copied, copied = bool(whole) and whole[0].are_many, whole_states_text(whole)
    if copied:
        parts.insert(0 if is_copied else len(parts), copied)
    wider = [part for part in extrapolations if part.scope == "chromosome"] or list(extrapolations[1:2])
    is_beyond = is_beyond_chance(best, chance)
    if wider and wider[0].n_regions > len(model.regions) and (is_beyond or not is_copied):
        parts.append(_expected(wider[0], is_beyond))
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _share(model: AuditedModel) -> str:
    if model.chromosome_share is None:
        return f" of {model.n_regions}"
    return f" ({_percent(model.chromosome_share)} of chromosome {model.chromosome})"


def _percent(share: float) -> str:
    """A share in percent with two digits.

    >>> _percent(0.0301), _percent(0.5), _percent(0.0009)
    ('3%', '50%', '0.09%')
    """
    return f"{100 * share:.2g}%"


def _expected(part: Extrapolation, is_beyond: bool) -> str:
    """What to expect of the chromosome or the model."""
    place = "chromosome" if part.scope == "chromosome" else "model"
    if not is_beyond:
        return f"what the whole {place} tells cannot be said from so little"
    members = f"{100 * part.tpr[_RATE]:.0f} of 100 members{_interval(*part.tpr_intervals[_RATE])}"
    return f"over the whole {place} expect {members} to be recognised, if regions are independent"


def _found(attack: str, best: Figures, chance: Estimate) -> str:
    tpr = best.tpr[_RATE]
    area = f"AUC {best.auc.value:.2f}, best attack: {attack}"
    if not is_beyond_chance(best, chance):
        area += f"; chance gives an AUC of up to {chance.high:.2f}"
    if tpr.value is None:
        return (
            f"a member looks more like a member than an outsider does in {100 * (best.auc.value or 0):.0f} of 100 "
            f"pairs ({area}; {counted(best.n_outsiders, 'outsider')} are too few for rare false alarms)"
        )
    return (
        f"{100 * tpr.value:.0f} of 100 members{_interval(tpr.low, tpr.high)} are recognised when 1 of 100 outsiders is "
        f"recognised by mistake ({area})"
    )


def _interval(low: float | None, high: float | None) -> str:
    """An interval of shares, of 100; empty where there is none, or both ends look the same."""
    if low is None or high is None:
        return ""
    ends = [f"{100 * value:.0f}" for value in (low, high)]
    return "" if ends[0] == ends[1] else f" ({ends[0]} to {ends[1]})"
