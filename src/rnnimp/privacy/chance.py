"""What the best of several attacks reaches by chance: choosing the best one afterwards favours luck."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnimp.privacy.combined import combined_scores
from rnnimp.privacy.figures import Estimate, auc

N_PERMUTATIONS = 100


def best_auc_by_chance(
    scores: NDArray[np.float64], is_member: NDArray[np.bool_], rng: np.random.Generator, n_draws: int = N_PERMUTATIONS
) -> Estimate:
    """The AUC of the best attack where nobody's membership has anything to do with the scores.

    The labels of all people are exchanged at random, many times. Each time the best AUC of all attacks is taken, that
    of their combination too.

    Args:
        scores: Scores of the attacks, without their combination, float64 (n_attacks, n_people).
        is_member: bool (n_people,).
        rng: Exchanges the labels.
        n_draws: How often.

    Returns:
        The mean, and the 95% interval.
    """
    best = []
    for _ in range(n_draws):
        labels = rng.permutation(is_member)
        tried = [*scores, combined_scores(scores, labels, rng)]
        best.append(max(auc(values[labels], values[~labels]) for values in tried))
    low, high = np.quantile(best, [0.025, 0.975]).tolist()
    return Estimate(float(np.mean(best)), low, high)
