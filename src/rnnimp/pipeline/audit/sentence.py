"""The result of an audit in one sentence, for a data access committee."""

from __future__ import annotations

from rnnimp.pipeline.audit.results import AuditedModel, is_beyond_chance
from rnnimp.privacy.figures import Estimate, Extrapolation, Figures
from rnnimp.privacy.reconstruction import ReadableStretches
from rnnimp.wording import counted

_RATE = 0.01


def sentence(
    model: AuditedModel,
    best_attack: str,
    best: Figures,
    chance: Estimate,
    stretches: ReadableStretches | None,
    extrapolations: tuple[Extrapolation, ...],
) -> str:
    """One sentence with numbers; it promises nothing.

    Args:
        model: The model.
        best_attack: Name of the strongest attack.
        best: Its figures over all audited regions.
        chance: AUC of the best attack by chance.
        stretches: What can be read in the states; None without HMM.
        extrapolations: What to expect of more regions; the last one is named.
    """
    parts = [
        f"from the {counted(len(model.regions), 'audited region')}{_share(model)}, {_found(best_attack, best, chance)}"
    ]
    if stretches is not None:
        members, outsiders = stretches.members_rows, stretches.outsiders_rows
        parts.append(
            f"of a member's haplotype a stretch of {members.median:.0f} rows can be read in the model, of an "
            f"outsider's {outsiders.median:.0f} (medians)"
        )
    wider = [part for part in extrapolations if part.scope == "chromosome"] or list(extrapolations[1:2])
    if wider and wider[0].n_regions > len(model.regions):
        parts.append(_expected(wider[0], is_beyond_chance(best, chance)))
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
    low, high = (f"{100 * value:.0f}" for value in part.tpr_intervals[_RATE])
    interval = "" if low == high else f" ({low} to {high})"
    return (
        f"over the whole {place} expect {100 * part.tpr[_RATE]:.0f}{interval} of 100 members to be recognised, if "
        "regions are independent"
    )


def _found(attack: str, best: Figures, chance: Estimate) -> str:
    tpr = best.tpr[_RATE].value
    area = f"AUC {best.auc.value:.2f}, best attack: {attack}"
    if not is_beyond_chance(best, chance):
        area += f"; chance gives an AUC of up to {chance.high:.2f}"
    if tpr is None:
        return (
            f"a member looks more like a member than an outsider does in {100 * (best.auc.value or 0):.0f} of 100 "
            f"pairs ({area}; {counted(best.n_outsiders, 'outsider')} are too few for rare false alarms)"
        )
    return f"{100 * tpr:.0f} of 100 members are recognised when 1 of 100 outsiders is recognised by mistake ({area})"
