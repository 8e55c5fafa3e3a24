from __future__ import annotations

import numpy as np
import pytest

from audited_regions import memorising_region
from rnnimp.privacy.attacks.frequencies import FrequencyAttack
from rnnimp.privacy.attacks.loss import LossAttack, RelativeLossAttack


def by_hand(alleles, alt, least=1e-4):
    total = 0.0
    for allele, probability in zip(alleles, alt, strict=True):
        if allele >= 0:
            total += np.log(max(least, probability if allele == 1 else 1 - probability))
    return total


@pytest.fixture
def region():
    region = memorising_region(2, n_rows=60)
    region.alleles[5, 3] = region.alleles[9, 3] = -1
    return region


def test_losses_are_sums_of_logarithms(region):
    loss, relative = LossAttack().scores(region), RelativeLossAttack().scores(region)

    for haplotype in (0, 3, 300):
        alleles = region.alleles[~region.is_marker, haplotype]
        expected = by_hand(alleles, region.expected[:, haplotype])
        assert loss[haplotype] == pytest.approx(expected, rel=1e-5)
        reference = by_hand(alleles, region.reference[:, haplotype])
        assert relative[haplotype] == pytest.approx(expected - reference, abs=1e-4)


def test_frequencies_are_compared_with_those_of_other_people(region):
    found = FrequencyAttack().scores(region)

    for haplotype in (0, 3, 300):
        alleles = region.alleles[:, haplotype]
        ratio = by_hand(alleles, region.frequencies) - by_hand(alleles, region.other_frequencies[:, haplotype])
        assert found[haplotype] == pytest.approx(ratio, abs=1e-3)
