"""The loss of a person's alleles at imputed sites: a model that has learned a person predicts that person better."""

from __future__ import annotations

from rnnimp.privacy.figures import Scores
from rnnimp.privacy.region import AuditedRegion, log_likelihood

LEAST_PROBABILITY = 1e-4


class LossAttack:
    """Log likelihood of the alleles at imputed sites, given the person's markers (Yeom et al. 2018)."""

    name = "loss"
    title = "the model's loss at the person's imputed sites"
    explanation = (
        "The model imputes the person's sites from the person's markers. A model that has learned a person imputes "
        "this person's alleles better than those of others."
    )
    needs: tuple[str, ...] = ()

    def scores(self, region: AuditedRegion, threads: int = 1) -> Scores:
        """Score each haplotype; see `Attack`."""
        return log_likelihood(region.site_alleles, region.expected, LEAST_PROBABILITY)


class RelativeLossAttack:
    """The same, less the log likelihood under a reference without the person.

    Some people are easy to predict for every model. The difference is left to the model (Carlini et al. 2022).
    """

    name = "relative_loss"
    title = "the model's loss, less the loss of a reference that has not seen the person"
    explanation = (
        "The loss, compared with that of an imputation from other people only. Some people are easy to impute for "
        "every program; the comparison removes this."
    )
    needs: tuple[str, ...] = ()

    def scores(self, region: AuditedRegion, threads: int = 1) -> Scores:
        """Score each haplotype; see `Attack`."""
        alleles = region.site_alleles
        model = log_likelihood(alleles, region.expected, LEAST_PROBABILITY)
        return model - log_likelihood(alleles, region.reference, LEAST_PROBABILITY)
