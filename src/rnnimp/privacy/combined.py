"""One score from those of all attacks: logistic regression, cross-validated by person.

Every person's score comes from a regression that has not seen this person. So the combination cannot claim more than
it finds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnimp.privacy.figures import Scores

NAME = "combined"
TITLE = "all attacks together, by cross-validated logistic regression"
EXPLANATION = (
    "Weighs the scores of all attacks together. The weights for each person come from other people, so they cannot "
    "claim more than they find."
)

_FOLDS = 10
_PENALTY = 1.0
_STEPS = 50


def combined_scores(scores: NDArray[np.float64], is_member: NDArray[np.bool_], rng: np.random.Generator) -> Scores:
    """The log odds of membership that a regression on other people gives each person.

    Args:
        scores: Scores of the attacks, float64 (n_attacks, n_people).
        is_member: bool (n_people,); at least two members and two outsiders.
        rng: Deals people to folds.

    Returns:
        float64 (n_people,).
    """
    fold = _folds(is_member, rng)
    centre, spread = scores.mean(axis=1, keepdims=True), scores.std(axis=1, keepdims=True)
    features = ((scores - centre) / np.where(spread > 0, spread, 1)).T
    result = np.empty(len(is_member))
    for number in range(fold.max() + 1):
        inside = fold == number
        weights = fitted_logistic(features[~inside], is_member[~inside])
        result[inside] = weights[0] + features[inside] @ weights[1:]
    return result


def _folds(is_member: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each person, int64; members and outsiders are dealt evenly."""
    n_folds = min(_FOLDS, int(is_member.sum()), int((~is_member).sum()))
    fold = np.empty(len(is_member), np.int64)
    for group in (is_member, ~is_member):
        people = rng.permutation(np.flatnonzero(group))
        fold[people] = np.arange(len(people)) % n_folds
    return fold


def fitted_logistic(features: NDArray[np.float64], is_member: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of a logistic regression with a small ridge penalty, by Newton's method.

    Both groups have the same weight in total, however many people they have.

    Args:
        features: float64 (n_people, n_features), of about unit variance.
        is_member: bool (n_people,).

    Returns:
        The intercept and the weights, float64 (1 + n_features,).
    """
    design = np.column_stack([np.ones(len(features)), features])
    n_members = max(1, int(is_member.sum()))
    n_outsiders = max(1, len(is_member) - n_members)
    of_person = np.where(is_member, 0.5 / n_members, 0.5 / n_outsiders) * len(is_member)
    penalty = np.diag([1e-6, *[_PENALTY] * features.shape[1]])
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        odds = np.clip(design @ weights, -30, 30)
        probability = 1 / (1 + np.exp(-odds))
        gradient = design.T @ (of_person * (probability - is_member)) + penalty @ weights
        curvature = (design * (of_person * probability * (1 - probability))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        weights -= step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return weights
