"""What a region's attacks are given."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from helpers import random_panel
from rnnimp.pipeline.audit.outsiders import Outsiders
from rnnimp.pipeline.audit.people import People
from rnnimp.pipeline.audit.regions import _other_frequencies, _tested_alleles
from rnnimp.privacy.figures import auc
from rnnimp.sites.panel import Panel


def test_other_frequencies_are_those_of_the_other_half_of_the_outsiders() -> None:
    rng = np.random.default_rng(1)
    alleles = rng.integers(-1, 2, (30, 20)).astype(np.int8)
    is_member = np.repeat(np.arange(10) % 3 > 0, 2)  # outsiders are people 0, 3, 6, 9
    found = _other_frequencies(alleles, is_member)
    halves = {0: [6, 7, 18, 19], 3: [0, 1, 12, 13], 6: [6, 7, 18, 19], 9: [0, 1, 12, 13]}
    for person, others in halves.items():
        values = alleles[:, others]
        expected = ((values == 1).sum(axis=1) + 0.5) / ((values >= 0).sum(axis=1) + 1)
        np.testing.assert_allclose(found[:, 2 * person], expected, rtol=1e-6)
    first, second = found[:, 2], found[:, 4]  # the first two members
    assert np.array_equal(first, found[:, 0])
    assert np.array_equal(second, found[:, 6])


def test_without_a_leak_members_and_outsiders_score_alike() -> None:
    """Sites in complete linkage, where one lucky draw of outsiders decides over all of them."""
    aucs = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        alleles = np.repeat((rng.random((3, 400)) < 0.3).astype(np.int8), 50, axis=0)
        is_member = np.repeat(np.arange(200) < 100, 2)
        other = _other_frequencies(alleles, is_member)
        ratio = np.where(alleles == 1, np.log(0.3 / other), np.log(0.7 / (1 - other))).sum(axis=0)
        people = ratio[::2] + ratio[1::2]
        aucs.append(auc(people[:100], people[100:]))
    assert 0.47 < np.mean(aucs) < 0.53


def test_what_outsiders_lack_is_missing_in_members_too() -> None:
    rng = np.random.default_rng(2)
    panel = random_panel(rng, n_sites=40, n_samples=5)
    others = rng.integers(-1, 2, (40, 4)).astype(np.int8)
    before = panel.alleles.copy()
    people = People(5, np.arange(5), np.array([0, 2, 4]), np.arange(0), 2, "file")
    outsiders = Outsiders(Panel(panel.sites, others, ("A", "B")), "file")

    found = _tested_alleles(SimpleNamespace(sites=panel.sites), panel, people, outsiders)

    lacking = others < 0
    assert np.array_equal(found < 0, lacking[:, [0, 1, 2, 3, 0, 1, 0, 1, 2, 3]])
    members = before[:, [0, 1, 4, 5, 8, 9]]
    assert np.array_equal(found[:, :6][found[:, :6] >= 0], members[found[:, :6] >= 0])
    assert np.array_equal(panel.alleles, before)
