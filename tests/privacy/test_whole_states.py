from __future__ import annotations

import numpy as np

from rnnimp.privacy.whole_states import Carriers, WholeStates, added_up, carriers, whole_states


def naive(states, alleles):
    """For each state, the people who have it as a whole haplotype."""
    return [
        {column // 2 for column in range(alleles.shape[1]) if np.array_equal(alleles[:, column], state)}
        for state in states.T
    ]


def test_carriers_are_those_of_a_comparison_of_all_pairs():
    rng = np.random.default_rng(1)
    alleles = rng.integers(0, 2, (4, 3000)).astype(np.int8)  # few rows, so that many are equal
    alleles = np.vstack([alleles, np.repeat(rng.integers(0, 2, (9, 60)), 50, axis=1)]).astype(np.int8)
    alleles[2, ::7] = -1
    states = np.hstack([alleles[:, 1:400:3].clip(0), alleles[:, [1, 1]], 1 - alleles[:, 2:9].clip(0)])

    found, people = carriers(states, alleles), naive(states, alleles)

    numbers = [len(carried) for carried in people if carried]
    assert 0 < len(numbers) < states.shape[1]
    assert (found.n_carried, found.fewest) == (len(numbers), min(numbers))
    assert found.people.tolist() == sorted(set().union(*people))


def test_a_missing_allele_never_matches():
    alleles = np.array([[0, 1], [1, -1], [0, 1]], dtype=np.int8)

    assert carriers(alleles.clip(0)[:, [1]], alleles).n_carried == 0
    assert carriers(alleles.clip(0), alleles).n_carried == 1


def test_each_person_counts_once_over_all_regions():
    none = Carriers(0, 0, np.empty(0, np.intp))
    parts = [Carriers(3, 2, np.array([1, 4, 7])), none, Carriers(2, 5, np.array([4, 5, 6, 8, 9]))]

    total = added_up(parts)

    assert whole_states(None, 30, total, none) == WholeStates(None, 30, 5, 7, 2, 0, 0)
    assert whole_states(None, 30, total, none).are_many
    assert not whole_states(None, 50, total, none).are_many
    assert added_up([none, none]).fewest == 0
