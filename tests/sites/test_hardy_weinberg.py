"""The exact test of Hardy-Weinberg proportions, against whole numbers and against plink2."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from helpers import program
from rnnimp.sites.hardy_weinberg import GenotypeCounts, count_genotypes, hardy_weinberg_p
from vcf_files import write_vcf


def counts_of(rows: NDArray[np.int64]) -> GenotypeCounts:
    return GenotypeCounts(rows[:, 0], rows[:, 1], rows[:, 2], np.zeros(len(rows), dtype=np.int64))


def exact_mid_p(none: int, one: int, two: int) -> float:
    """From the probability of each number of heterozygotes, in fractions."""
    n_people, n_first, n_second = none + one + two, 2 * none + one, one + 2 * two
    probabilities = {
        heterozygous: Fraction(
            factorial(n_people) * factorial(n_first) * factorial(n_second) * 2**heterozygous,
            factorial((n_first - heterozygous) // 2)
            * factorial(heterozygous)
            * factorial((n_second - heterozygous) // 2)
            * factorial(2 * n_people),
        )
        for heterozygous in range(n_first % 2, min(n_first, n_second) + 1, 2)
    }
    assert sum(probabilities.values()) == 1
    observed = probabilities[one]
    less = sum((value for value in probabilities.values() if value < observed), Fraction(0))
    return float(less + sum(value for value in probabilities.values() if value == observed) / 2)


def test_it_is_the_sum_of_exact_probabilities() -> None:
    rows = np.random.default_rng(1).integers(0, 30, (150, 3))
    expected = [exact_mid_p(*row) for row in rows.tolist()]
    np.testing.assert_allclose(hardy_weinberg_p(counts_of(rows)), expected, rtol=1e-10)


def test_a_site_of_one_allele_and_one_without_calls() -> None:
    rows = np.array([[7, 0, 0], [0, 0, 7], [0, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(hardy_weinberg_p(counts_of(rows)), [0.5, 0.5, np.nan, 0.5])
    assert hardy_weinberg_p(counts_of(rows[:0])).shape == (0,)


def test_a_large_cohort() -> None:
    rows = np.array([[250_000, 500_000, 250_000], [249_000, 502_000, 249_000], [500_000, 0, 500_000]])
    proportions, more, none = hardy_weinberg_p(counts_of(rows)).tolist()
    assert proportions == pytest.approx(1, abs=0.01)
    assert more == pytest.approx(6.33e-5, rel=0.02)  # z = 4 in the normal approximation
    assert none == 0


def test_expected_heterozygotes_are_the_mean_of_the_exact_distribution() -> None:
    counts = counts_of(np.array([[1, 1, 1], [0, 0, 0]]))
    # of the pairings of three alleles of each kind, 1 heterozygote has 3/5 and 3 have 2/5
    np.testing.assert_allclose(counts.expected_heterozygotes, [1 * 0.6 + 3 * 0.4, 0])


def test_genotypes_are_counted_without_haploid_samples() -> None:
    rng = np.random.default_rng(2)
    alleles = rng.integers(-1, 2, (40, 12)).astype(np.int8)
    is_haploid = rng.random((40, 6)) < 0.3
    for haploid in (None, is_haploid):
        counts = count_genotypes(alleles, haploid)
        for row in range(40):
            pairs = [
                alleles[row, 2 * sample : 2 * sample + 2].tolist()
                for sample in range(6)
                if haploid is None or not haploid[row, sample]
            ]
            called = [sum(pair) for pair in pairs if -1 not in pair]
            assert [int(counts.none[row]), int(counts.one[row]), int(counts.two[row])] == [
                called.count(copies) for copies in range(3)
            ]
            assert counts.missing[row] == len(pairs) - len(called)


def test_plink2_gives_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    names = " ".join(f"S{number}" for number in range(40))
    texts = np.array(["0/0", "0/1", "1/1", "./."])
    genotypes = [rng.choice(4, 40, p=[*(0.97 * rng.dirichlet(np.ones(3))), 0.03]) for _ in range(60)]
    records = [f"22 {100 + row} s{row} A G . GT {' '.join(texts[calls])}" for row, calls in enumerate(genotypes)]
    write_vcf(tmp_path / "t.vcf", records, names)
    command = [program("plink2"), "--vcf", "t.vcf", "--hardy", "midp", "--out", "t"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    expected = [float(line.split()[-1]) for line in (tmp_path / "t.hardy").read_text().splitlines()[1:]]
    rows = np.array([[np.count_nonzero(calls == copies) for copies in range(3)] for calls in genotypes])
    np.testing.assert_allclose(hardy_weinberg_p(counts_of(rows)), expected, rtol=1e-5)
