"""Males of a panel on chrX, and their one haplotype."""

from __future__ import annotations

import numpy as np
import pytest

from rnnimp.errors import DataError
from rnnimp.sites.haploid_males import (
    ZygosityCounts,
    haploid_samples,
    heterozygous_male,
    paired_columns,
    with_one_haplotype,
)
from rnnimp.sites.ploidy import ABSENT


def test_counts_against_a_loop() -> None:
    rng = np.random.default_rng(3)
    alleles = rng.integers(-1, 2, (300, 10)).astype(np.int8)
    counts = ZygosityCounts(np.zeros(5, np.int64))
    counts.add(alleles[:100])
    counts.add(alleles[100:])
    heterozygous, expected = [0] * 5, 0.0
    for row in alleles.tolist():
        known = [allele for allele in row if allele >= 0]
        frequency = sum(known) / len(known)
        expected += 2 * frequency * (1 - frequency)
        for sample in range(5):
            heterozygous[sample] += sorted(row[2 * sample : 2 * sample + 2]) == [0, 1]
    assert counts.heterozygous.tolist() == heterozygous
    assert counts.expected == pytest.approx(expected)


def test_males_have_no_heterozygous_genotype_and_few_are_of_unknown_sex() -> None:
    counts = ZygosityCounts(np.array([0, 3, 19, 20, 90]), expected=100.0)
    assert counts.males().tolist() == [True, False, False, False, False]
    assert counts.unknown().tolist() == [False, True, True, False, False]
    assert ZygosityCounts(np.array([0, 30]), expected=49.0).unknown().all()


def test_one_haplotype_per_male() -> None:
    rng = np.random.default_rng(4)
    alleles = rng.integers(-1, 2, (50, 8)).astype(np.int8)
    is_male = np.array([True, False, False, True])
    alleles[:, 1], alleles[:, 7] = alleles[:, 0], np.where(rng.random(50) < 0.2, -1, alleles[:, 6])
    assert heterozygous_male(alleles, is_male) is None
    before = alleles.copy()
    single = with_one_haplotype(alleles, is_male)
    assert np.array_equal(alleles, before)
    assert np.array_equal(single[:, 2:6], alleles[:, 2:6])
    assert np.array_equal(single[:, 0], alleles[:, 0])
    assert np.array_equal(single[:, 6], np.maximum(alleles[:, 6], alleles[:, 7]))
    assert (single[:, [1, 7]] == ABSENT).all()
    assert haploid_samples(single).tolist() == is_male.tolist()


def test_the_first_heterozygous_male_is_found() -> None:
    alleles = np.array([[0, 1, 0, 0], [0, 1, 1, -1], [0, 0, 1, 0]], np.int8)
    assert heterozygous_male(alleles, np.array([False, True])) == (2, 1)
    assert heterozygous_male(alleles, np.array([True, True])) == (0, 0)


def test_samples_of_changing_ploidy_are_refused() -> None:
    with pytest.raises(DataError, match=r"one haplotype .* at all sites of a region or at none, found both"):
        haploid_samples(np.array([[0, ABSENT], [0, 0]], np.int8))


def test_pairs_hold_each_haplotype_once() -> None:
    is_haploid = np.array([True, False, True, False, True, True])
    assert paired_columns(np.arange(6), is_haploid).tolist() == [2, 3, 6, 7, 0, 4, 8, 10]
    assert paired_columns(np.array([1, 2, 4, 5]), is_haploid).tolist() == [2, 3, 4, 8]  # one of three is left out
