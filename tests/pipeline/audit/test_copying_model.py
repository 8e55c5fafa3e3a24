from __future__ import annotations

import numpy as np
import pytest

from audited_regions import simulated_haplotypes
from rnnimp.pipeline.audit.copying_model import CopyingModel, copied_samples


def copying_model(missing_share=0.0):
    rng = np.random.default_rng(3)
    panel = simulated_haplotypes(rng, 60, 40)
    panel[rng.random(panel.shape) < missing_share] = -1
    own = np.array([0, 1, 2, -1, -1]).repeat(2)
    model = CopyingModel(panel, np.arange(60) % 3 == 0, np.linspace(0, 0.001, 60), own, threads=2)
    return model, np.hstack([panel[:, :6], simulated_haplotypes(rng, 60, 4)])


def test_members_see_themselves_and_outsiders_see_no_difference():
    model, alleles = copying_model()
    is_site = np.arange(60) % 3 != 0

    reference = model.reference(alleles)
    with_own = model.with_own(alleles, reference)

    errors = [np.abs(expected - alleles[is_site])[:, :6].mean() for expected in (reference, with_own)]
    assert errors[1] < 0.3 * errors[0]
    assert np.array_equal(with_own[:, 6:], reference[:, 6:])


def test_the_likelihood_leaves_the_person_out():
    model, alleles = copying_model(missing_share=0.02)
    others = CopyingModel(np.delete(model.panel, [2, 3], axis=1), model.is_marker, model.map_cm, model.own, threads=1)
    outsider = np.full_like(model.own, -1)
    likelihood = model.reference_likelihood(alleles)

    # without sample 1 in the panel nothing has to be left out for it
    without = CopyingModel(others.panel, model.is_marker, model.map_cm, outsider, threads=1)
    found = without.reference_likelihood(alleles)[2:4]

    assert likelihood[2:4] == pytest.approx(found, rel=0.02)  # but for the switches, which depend on the panel's size
    assert np.isfinite(likelihood).all()


def test_states_are_the_panels_alleles():
    model, _ = copying_model(missing_share=0.1)

    assert np.array_equal(np.sign(model.states()), np.where(model.panel < 0, 0, 2 * model.panel - 1))


def test_large_panels_are_thinned_but_keep_those_who_are_tested():
    own = np.array([7, 4999, 123, -1])

    chosen, places = copied_samples(5000, own, seed=1)

    assert len(chosen) == len(set(chosen)) == 4096
    assert chosen[places[:3]].tolist() == [7, 4999, 123]
    assert places[3] == -1
    assert copied_samples(30, own[:1], seed=1)[0].tolist() == list(range(30))
