from __future__ import annotations

import numpy as np
import pytest

from rnnimp.privacy.copying import EFFECTIVE_SIZE, ERROR, longest_matches, mosaic_likelihood


def random_case(seed: int, missing_share: float = 0.05):
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 2, (30, 9)).astype(np.int8)
    alleles = states[:, rng.integers(0, 9, 12)] ^ (rng.random((30, 12)) < 0.1)
    alleles = np.where(rng.random(alleles.shape) < missing_share, -1, alleles).astype(np.int8)
    return alleles, states, np.cumsum(rng.exponential(0.01, 30))


@pytest.mark.parametrize("seed", range(4))
def test_longest_matches_are_those_found_one_by_one(seed):
    alleles, states, map_cm = random_case(seed)

    rows, cm = longest_matches(alleles, states, map_cm, threads=2)

    for haplotype in range(12):
        lengths, spans = [0], [0.0]
        for state in range(9):
            same = (alleles[:, haplotype] < 0) | (alleles[:, haplotype] == states[:, state])
            for start in range(30):
                for stop in range(start + 1, 31):
                    if same[start:stop].all():
                        lengths.append(stop - start)
                        spans.append(map_cm[stop - 1] - map_cm[start])
        assert rows[haplotype] == max(lengths)
        assert cm[haplotype] == pytest.approx(max(spans), abs=1e-6)


@pytest.mark.parametrize("has_own", [False, True])
def test_likelihood_is_that_of_the_matrices_written_out(has_own):
    alleles, states, map_cm = random_case(5)
    states = np.hstack([states, states[:, :1]])
    alt = np.where(states == 1, 0.98, 0.0001).astype(np.float32)
    own = np.array([-1, 0, 1, 2, 3, 4] * 2) if has_own else None

    found = mosaic_likelihood(alleles, alt, map_cm, own, threads=2)

    for haplotype in range(12):
        excluded = [] if own is None or own[haplotype] < 0 else [2 * own[haplotype], 2 * own[haplotype] + 1]
        kept = np.setdiff1d(np.arange(10), excluded)
        assert found[haplotype] == pytest.approx(by_hand(alleles[:, haplotype], alt[:, kept], map_cm, 10), abs=1e-3)


def by_hand(alleles, alt, map_cm, n_all):
    n_states = alt.shape[1]
    alt = np.clip(alt.astype(float), ERROR, 1 - ERROR)
    emissions = np.where(alleles[:, None] == 1, alt, np.where(alleles[:, None] == 0, 1 - alt, 1.0))
    weights = emissions[0] / n_states
    for row in range(1, len(alleles)):
        stay = np.exp(-4 * EFFECTIVE_SIZE * max(map_cm[row] - map_cm[row - 1], 1e-7) / 100 / n_all)
        transitions = stay * np.eye(n_states) + (1 - stay) / n_states
        weights = weights @ transitions * emissions[row]
    return np.log(weights.sum())


def test_own_states_do_not_outweigh_the_others():
    alleles = np.zeros((400, 2), np.int8)
    states = np.ones((400, 8), np.int8)
    states[:, :2] = 0
    alt = np.clip(states, 1e-3, 1 - 1e-3).astype(np.float32)

    found = mosaic_likelihood(alleles, alt, np.linspace(0, 0.01, 400), np.array([0, 0]))

    assert found == pytest.approx(np.full(2, 400 * np.log(1e-3)), rel=1e-3)
