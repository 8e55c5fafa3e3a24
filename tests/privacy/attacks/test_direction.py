from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audited_regions import is_member, memorising_region
from rnnimp.privacy.attacks.direction import DirectionAttack
from rnnimp.privacy.attacks.loss import RelativeLossAttack
from rnnimp.privacy.figures import auc


def by_hand(alleles, model, reference, least=1e-4):
    total = 0.0
    for allele, p, q in zip(alleles, model.astype(float), reference.astype(float), strict=True):
        if allele >= 0:
            odds = [np.log(value / (1 - value)) for value in (min(max(part, least), 1 - least) for part in (p, q))]
            total += (odds[0] - odds[1]) * (allele - q)
    return total


def test_scores_are_sums_over_sites():
    region = memorising_region(2, n_rows=60)
    region.alleles[5, 3] = region.alleles[9, 3] = -1
    region.expected[:4, :2] = [[0, 1], [1, 0], [1, 1], [0, 0]]

    found = DirectionAttack().scores(region)

    for haplotype in (0, 1, 3, 300):
        alleles = region.alleles[~region.is_marker, haplotype]
        expected = by_hand(alleles, region.expected[:, haplotype], region.reference[:, haplotype])
        assert found[haplotype] == pytest.approx(expected, rel=1e-4)


def test_the_reference_itself_leans_nowhere():
    region = memorising_region(3, n_rows=40)

    assert not DirectionAttack().scores(replace(region, expected=region.reference)).any()


def test_members_are_found_towards_whom_a_model_leans_though_it_predicts_them_worse():
    region, rng = memorising_region(5, n_rows=200), np.random.default_rng(5)
    alleles, of_member = region.alleles[~region.is_marker], is_member().repeat(2)
    odds = np.log(region.reference / (1 - region.reference))
    step = np.where(of_member, 0.5 * (2 * alleles - 1) + rng.normal(0, 1.4, alleles.shape), 0)
    leaning = replace(region, expected=(1 / (1 + np.exp(-(odds + step)))).astype(np.float32))

    direction, relative = DirectionAttack().scores(leaning), RelativeLossAttack().scores(leaning)

    assert auc(relative[of_member], relative[~of_member]) < 0.5
    assert auc(direction[of_member], direction[~of_member]) > 0.95
