"""The direction in which a model leans away from other people's expectation: towards a person whom it has learned."""

from __future__ import annotations

import numpy as np

from rnnimp.privacy.attacks.loss import LEAST_PROBABILITY
from rnnimp.privacy.figures import Scores
from rnnimp.privacy.region import AuditedRegion, Floats


class DirectionAttack:
    """How far the model leans from a reference without the person towards the person's alleles.

    The sum over imputed sites of `(logit(p) - logit(q)) * (y - q)`, where p is P(a1) of the model, q that of the
    reference, and y the person's allele. This is the derivative, at the reference, of the log likelihood of the alleles
    when the reference's log odds move towards the model's. A model whose loss is no smaller for members, such as one
    that was only kept from predicting them well, can lean towards them all the same.
    """

    name = "direction"
    title = "how far the model leans from a reference towards the person"
    explanation = (
        "Where the model expects something else than an imputation from other people only, the attack looks whether "
        "the difference points towards the person's alleles. It can find people whom the model imputes no better than "
        "others."
    )
    needs: tuple[str, ...] = ()

    def scores(self, region: AuditedRegion, threads: int = 1) -> Scores:
        """Score each haplotype; see `Attack`."""
        alleles = region.site_alleles
        lean = (_log_odds(region.expected) - _log_odds(region.reference)) * (alleles - region.reference)
        result: Scores = np.sum(lean, axis=0, where=alleles >= 0, dtype=np.float64)
        return result


def _log_odds(alt: Floats) -> Floats:
    """Log odds of P(a1), float32, with the least probability of both alleles that the losses have."""
    bounded = np.clip(alt, np.float32(LEAST_PROBABILITY), np.float32(1 - LEAST_PROBABILITY))
    result: Floats = np.log(bounded / (1 - bounded))
    return result
