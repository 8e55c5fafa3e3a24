"""Pairs of samples with the same genotypes, against a comparison of all pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnimp.sites.same_samples import LEAST_SITES, comparison_sites, same_samples


def cohort(rng: np.random.Generator, n_samples: int, n_sites: int = 400) -> NDArray[np.int8]:
    """Independent sites of any common frequency."""
    frequency = rng.uniform(0.1, 0.9, (n_sites, 1))
    return (rng.random((n_sites, 2 * n_samples)) < frequency).astype(np.int8)


def copied(rng: np.random.Generator, alleles: NDArray[np.int8], source: int, sample: int, error: float) -> None:
    """Make a sample a copy of another, with its haplotypes exchanged, and some other genotypes."""
    alleles[:, [2 * sample, 2 * sample + 1]] = alleles[:, [2 * source + 1, 2 * source]]
    wrong = rng.random(len(alleles)) < error
    alleles[wrong, 2 * sample] ^= 1


def all_pairs(alleles: NDArray[np.int8]) -> list[tuple[int, int]]:
    copies = (alleles[:, ::2] + alleles[:, 1::2]).astype(int)
    return [
        (first, second)
        for first, second in combinations(range(copies.shape[1]), 2)
        if np.mean(copies[:, first] == copies[:, second]) >= 0.99
    ]


@pytest.mark.parametrize("seed", range(3))
def test_copies_are_found_and_nobody_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alleles = cohort(rng, 60)
    copied(rng, alleles, 3, 40, 0)
    copied(rng, alleles, 7, 8, 0.004)
    copied(rng, alleles, 11, 12, 0.05)
    found = [(pair.first, pair.second) for pair in same_samples(alleles)]
    assert found == all_pairs(alleles) == [(3, 40), (7, 8)]


def test_missing_genotypes_do_not_hide_a_copy() -> None:
    rng = np.random.default_rng(5)
    alleles = cohort(rng, 30)
    copied(rng, alleles, 3, 20, 0)
    alleles[rng.random(alleles.shape) < 0.01] = -1
    (pair,) = same_samples(alleles)
    is_called = (alleles[:, [6, 7, 40, 41]] >= 0).all(axis=1)
    assert (pair.first, pair.second, pair.n_sites) == (3, 20, int(is_called.sum()))
    assert pair.agreement == 1


def test_samples_without_genotypes_are_not_the_same() -> None:
    alleles = cohort(np.random.default_rng(6), 10)
    alleles[:, :8] = -1
    assert same_samples(alleles) == []


def test_few_sites_are_not_compared() -> None:
    alleles = np.zeros((LEAST_SITES - 1, 20), dtype=np.int8)
    assert same_samples(alleles) == []


def test_sites_that_are_compared_are_common_and_called() -> None:
    frequency = np.array([0.5, 0.05, 0.97, 0.2, np.nan, 0.88])
    called = np.array([1, 1, 1, 0.5, 0, 0.96])
    assert comparison_sites(frequency, called).tolist() == [0, 5]
    many = comparison_sites(np.full(5000, 0.5), np.ones(5000))
    assert len(many) == 600
    assert (many[0], many[-1]) == (0, 4999)
