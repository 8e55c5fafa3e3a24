"""Reading the states of a haplotype HMM: they are in the model's file, and their signs are alleles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnimp.privacy.copying import longest_matches, mosaic_likelihood
from rnnimp.privacy.figures import Scores
from rnnimp.privacy.region import AuditedRegion, Floats


def state_alleles(states: Floats) -> NDArray[np.int8]:
    """The more likely allele of each state, int8, of the same shape as its log odds."""
    return (states > 0).astype(np.int8)


class LongestMatchAttack:
    """The longest stretch in which a haplotype equals one of the states, without any mismatch."""

    name = "longest_match"
    title = "the longest exact match with a state of the HMM"
    explanation = (
        "Each hidden state of the haplotype HMM is a row of alleles that anyone can read in the model's files. The "
        "attack looks for the longest stretch in which a state has exactly the person's alleles."
    )
    needs: tuple[str, ...] = ("states",)

    def scores(self, region: AuditedRegion, threads: int = 1) -> Scores:
        """Length in rows of each haplotype; see `Attack`."""
        assert region.states is not None
        rows, _ = longest_matches(region.alleles, state_alleles(region.states), region.map_cm, threads)
        return rows.astype(np.float64)


class StateLikelihoodAttack:
    """Log likelihood of markers and sites as a mosaic of the states; mismatches are tolerated."""

    name = "state_likelihood"
    title = "the likelihood of the person's haplotypes as mosaics of the HMM's states"
    explanation = (
        "Measures how well the person's haplotypes can be put together from stretches of the HMM's states. A few "
        "different alleles are tolerated."
    )
    needs: tuple[str, ...] = ("states",)

    def scores(self, region: AuditedRegion, threads: int = 1) -> Scores:
        """Log likelihood of each haplotype; see `Attack`."""
        assert region.states is not None
        alt = (1 / (1 + np.exp(-region.states))).astype(np.float32)
        return mosaic_likelihood(region.alleles, alt, region.map_cm, threads=threads)


class RelativeStateLikelihoodAttack(StateLikelihoodAttack):
    """The same, less the log likelihood as a mosaic of other people's haplotypes."""

    name = "relative_states"
    title = "the same likelihood, less that of a mosaic of other people's haplotypes"
    explanation = (
        "The likelihood from the HMM's states, compared with that from the haplotypes of other people. What all "
        "people have in common is removed."
    )

    def scores(self, region: AuditedRegion, threads: int = 1) -> Scores:
        """Log likelihood ratio of each haplotype; see `Attack`."""
        return super().scores(region, threads) - region.reference_likelihood
