"""Pictures of an audit as SVG: the distribution of scores, and the AUC of each attack.

The style sheet of the page has their colours. Members and outsiders, model and controls also differ in shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from rnnimp.pipeline.audit.html_parts import escaped
from rnnimp.pipeline.audit.results import CEILING, FLOOR, MODEL, AuditResults, ScoreDistribution
from rnnimp.pipeline.audit.texts import CHANCE, SUBJECT_NAMES, auc_texts, percent
from rnnimp.privacy.figures import Estimate

Scale = Callable[[float], float]
"""From a value to a place in the picture."""

_WIDTH = 680
_LEFT, _RIGHT, _TOP = 60, 20, 34
_ROW = 36
_NAMES = 150
_LEAST_AUC = 0.4


def score_picture(scores: ScoreDistribution, attack: str) -> str:
    """The shares of members and of outsiders by score.

    Args:
        scores: The distribution.
        attack: Name of the attack.
    """
    height, bottom = 300, 250
    low, high = scores.edges[0], scores.edges[-1]
    most = max(*scores.members, *scores.outsiders) or 1.0

    def x(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(share: float) -> float:
        return bottom - share / most * (bottom - _TOP)

    parts = []
    for share in ticks(0, most, 4):
        parts += [_line(_LEFT, y(share), _WIDTH - _RIGHT, y(share), "grid")]
        parts += [_text(_LEFT - 8, y(share) + 4, percent(share), "end")]
    for value in ticks(low, high, 9):
        parts += [_line(x(value), bottom, x(value), bottom + 5, "axis"), _text(x(value), bottom + 20, f"{value:g}")]
    for name, shares in (("outsiders", scores.outsiders), ("members", scores.members)):
        parts.append(f'<path class="{name}" d="{_steps(scores.edges, shares, x, y)}"/>')
    parts.append(_line(_LEFT, bottom, _WIDTH - _RIGHT, bottom, "axis"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, bottom + 42, "score, in standard deviations of the outsiders"))
    parts += [_legend(_LEFT + 10, "members", "members"), _legend(_LEFT + 130, "outsiders", "outsiders")]
    text = (
        f"Two histograms of the scores of the attack {attack}. Outsiders lie around 0. {_overlap(scores)} The table "
        "has the numbers."
    )
    return _svg("scores", f"Scores of members and outsiders (attack: {attack})", text, height, parts)


def _overlap(scores: ScoreDistribution) -> str:
    shared = sum(map(min, scores.members, scores.outsiders))
    return f"The histograms of members and outsiders overlap by {percent(round(shared, 4))} of their area."


def _steps(edges: Sequence[float], shares: Sequence[float], x: Scale, y: Scale) -> str:
    points = [(x(edges[0]), y(0))]
    for left, right, share in zip(edges[:-1], edges[1:], shares, strict=True):
        points += [(x(left), y(share)), (x(right), y(share))]
    points.append((x(edges[-1]), y(0)))
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points) + "Z"


def auc_picture(results: AuditResults) -> str:
    """The AUC of each attack on the model, between floor and ceiling."""
    names = [attack.name for attack in results.attacks]
    bottom = _TOP + _ROW * len(names) + 6
    found = {(name, subject): _auc(results, name, subject) for name in names for subject in SUBJECT_NAMES}
    lows = [estimate.low for estimate in found.values() if estimate is not None and estimate.low is not None]
    low = min(_LEAST_AUC, math.floor(10 * min(lows, default=_LEAST_AUC)) / 10)

    def x(value: float) -> float:
        return _NAMES + (value - low) / (1 - low) * (_WIDTH - _NAMES - _RIGHT)

    parts = []
    for value in ticks(low, 1, 7):
        parts += [_line(x(value), _TOP, x(value), bottom, "grid"), _text(x(value), bottom + 18, f"{value:g}")]
    parts.append(_line(x(CHANCE), _TOP, x(CHANCE), bottom, "chance"))
    for number, name in enumerate(names):
        y = _TOP + _ROW * (number + 0.6)
        parts.append(_text(_NAMES - 12, y + 4, name, "end"))
        for subject in (FLOOR, CEILING, MODEL):
            parts += _mark(subject, found[name, subject], x, y + (-5 if subject == MODEL else 5))
    parts.append(
        _text((_NAMES + _WIDTH - _RIGHT) / 2, bottom + 40, "AUC: 0.5 (dashed line) is a coin toss, 1 is certainty")
    )
    for place, (subject, label) in zip((_NAMES, _NAMES + 90, _NAMES + 285), SUBJECT_NAMES.items(), strict=True):
        parts += [_shape(subject, place, 14), _text(place + 12, 18, label, "start")]
    return _svg("aucs", "AUC of each attack", " ".join(_sentences(results, names)), bottom + 52, parts)


def _auc(results: AuditResults, name: str, subject: str) -> Estimate | None:
    figures = results.over_all(name, subject)
    return None if figures is None else figures.auc


def _sentences(results: AuditResults, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        parts = [
            f"{subject} {auc_texts(estimate)[0]}"
            for subject in SUBJECT_NAMES
            if (estimate := _auc(results, name, subject)) is not None
        ]
        yield f"{name}: {', '.join(parts)}."


def _mark(subject: str, estimate: Estimate | None, x: Scale, y: float) -> list[str]:
    """The AUC with its interval."""
    if estimate is None or estimate.value is None:
        return []
    low, high = estimate.low, estimate.high
    interval = [] if low is None or high is None else [_line(x(low), y, x(high), y, f"interval {subject}")]
    return [*interval, _shape(subject, x(estimate.value), y)]


def _shape(subject: str, x: float, y: float) -> str:
    """A filled circle for the model, a square for the floor, a diamond for the ceiling."""
    if subject == MODEL:
        return f'<circle class="mark model" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
    turn = f' transform="rotate(45 {x:.1f} {y:.1f})"' if subject == CEILING else ""
    return f'<rect class="mark {subject}" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"{turn}/>'


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` + 1 round numbers from `low` to `high`, which is greater.

    >>> ticks(0, 0.37, 4), ticks(-2.3, 6.1, 9)
    ([0.0, 0.1, 0.2, 0.3], [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    """
    exponent = math.floor(math.log10((high - low) / most))
    power = 10.0**exponent
    step = next(power * factor for factor in (1, 2, 5, 10) if (high - low) / (power * factor) <= most * (1 + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, max(0, -exponent)) + 0.0 for number in range(first, last + 1)]


def _legend(x: float, kind: str, label: str) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="9" width="22" height="12"/>' + _text(x + 30, 20, label, "start")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escaped(text)}</text>'


def _svg(name: str, title: str, description: str, height: float, parts: Sequence[str]) -> str:
    """A picture with its text alternative."""
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-labelledby="{name}-title {name}-text">'
        f'<title id="{name}-title">{escaped(title)}</title><desc id="{name}-text">{escaped(description)}</desc>'
        f'<g aria-hidden="true">{"".join(parts)}</g></svg>'
    )
