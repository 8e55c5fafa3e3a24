"""Allele frequencies of the legend against those of other people: a test that needs no model at all."""

from __future__ import annotations

from rnnimp.privacy.figures import Scores
from rnnimp.privacy.region import AuditedRegion, log_likelihood

LEAST_FREQUENCY = 1e-4
"""Rounded frequencies may be 0, where a carrier would otherwise be impossible."""


class FrequencyAttack:
    """Log likelihood ratio of the person's alleles under the panel's frequencies and under other people's.

    The idea is that of Homer et al. (2008); the ratio is the stronger test of Sankararaman et al. (2009). Rows are
    taken as independent.
    """

    name = "frequencies"
    title = "the legend's allele frequencies against those of other people"
    explanation = (
        "Compares the person's alleles with the allele frequencies in the model's files and with those of other "
        "people. The frequencies of a panel lean a little towards its members."
    )
    needs: tuple[str, ...] = ("frequencies",)

    def scores(self, region: AuditedRegion, threads: int = 1) -> Scores:
        """Score each haplotype; see `Attack`."""
        assert region.frequencies is not None
        of_panel = log_likelihood(region.alleles, region.frequencies[:, None], LEAST_FREQUENCY)
        return of_panel - log_likelihood(region.alleles, region.other_frequencies, LEAST_FREQUENCY)
