from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audited_regions import memorising_region
from rnnimp.privacy.attacks.states import (
    LongestMatchAttack,
    RelativeStateLikelihoodAttack,
    StateLikelihoodAttack,
    state_alleles,
)
from rnnimp.privacy.copying import longest_matches, mosaic_likelihood
from rnnimp.privacy.figures import auc


def test_the_sign_of_a_state_is_an_allele():
    assert state_alleles(np.array([[-4.0, 0.0, 0.1]], np.float32)).tolist() == [[0, 0, 1]]


def test_scores_are_those_of_the_kernels():
    region = memorising_region(3, n_rows=50)
    assert region.states is not None
    rows, _ = longest_matches(region.alleles, (region.states > 0).astype(np.int8), region.map_cm)
    likelihood = mosaic_likelihood(region.alleles, (1 / (1 + np.exp(-region.states))).astype("f"), region.map_cm)

    assert LongestMatchAttack().scores(region).tolist() == rows.tolist()
    assert StateLikelihoodAttack().scores(region, threads=2) == pytest.approx(likelihood)
    relative = RelativeStateLikelihoodAttack().scores(region)
    assert relative == pytest.approx(likelihood - region.reference_likelihood)


def test_the_likelihood_sees_a_stretch_with_a_few_mismatches():
    region = memorising_region(4, n_rows=200)
    assert region.states is not None
    worn = region.states.copy()
    worn[::15] *= -1  # every 15th allele of every state is wrong, so that no long exact match is left
    likelihood = StateLikelihoodAttack().scores(replace(region, states=worn))
    exact = LongestMatchAttack().scores(replace(region, states=worn))

    assert exact.max() < 45
    assert auc(likelihood[:160], likelihood[160:]) > 0.9
    assert auc(likelihood[:160], likelihood[160:]) > auc(exact[:160], exact[160:])
