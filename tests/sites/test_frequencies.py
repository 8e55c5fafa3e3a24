"""Allele frequencies that do not give away allele counts."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from rnnimp.choices import BIN_EDGES, LEAST_COPIES
from rnnimp.sites.frequencies import FEWEST_ALLELES, coarse_frequency, frequency_step
from rnnimp.sites.target_checks import Frequencies, Strand, strand_by_frequency

SIZES = (50, 51, 99, 100, 101, 199, 200, 297, 500, 999, 1000, 2404, 4608, 4808, 5000, 99_999, 100_000)


@pytest.mark.parametrize("n_alleles", SIZES)
def test_each_value_stands_for_ten_counts_or_more(n_alleles: int) -> None:
    counts = np.arange(n_alleles + 1)
    found = coarse_frequency(counts / n_alleles, n_alleles)
    assert min(Counter(found.tolist()).values()) >= LEAST_COPIES
    assert (np.diff(found) >= 0).all()
    mirrored = coarse_frequency(1 - counts / n_alleles, n_alleles)  # as a panel whose alleles were exchanged
    assert min(Counter(mirrored.tolist()).values()) >= LEAST_COPIES


@pytest.mark.parametrize("n_alleles", SIZES)
def test_values_are_the_middles_of_plain_intervals(n_alleles: int) -> None:
    step = next(
        Fraction(digit, 10**power) for power in range(9, -1, -1) for digit in (1, 2, 5)
        if Fraction(digit, 10**power) * n_alleles >= LEAST_COPIES
    )  # fmt: skip
    assert float(frequency_step(n_alleles)) == float(step)
    counts = range(n_alleles + 1)
    middles = [step * min(Fraction(count, n_alleles) // step, 1 / step - 1) + step / 2 for count in counts]
    found = coarse_frequency(np.array(counts) / n_alleles, n_alleles)
    assert found.tolist() == [float(middle) for middle in middles]
    assert max(len(repr(value)) for value in found.tolist()) <= len("0.00025")
    assert 0 < found.min() <= found.max() < 1


def test_each_site_has_the_step_of_its_own_alleles() -> None:
    found = coarse_frequency(np.array([0.31, 0.31, 0.31, np.nan]), np.array([200, 100, FEWEST_ALLELES, 100]))
    assert found.tolist()[:3] == [0.325, 0.35, 0.3]
    assert np.isnan(found[3])


def test_of_few_alleles_no_frequency_is_given() -> None:
    assert np.isnan(coarse_frequency(np.array([0.0, 0.2, 0.5]), np.array([0, 9, FEWEST_ALLELES - 1]))).all()


def test_sites_stay_in_their_bin_of_minor_allele_frequency() -> None:
    """Where both borders of a bin are on the grid, and the frequency is on no border."""
    values = np.arange(1, 4608) / 4608
    exact, coarse = (100 * np.minimum(each, 1 - each) for each in (values, coarse_frequency(values, 4608)))
    edges = [edge for edge in BIN_EDGES if edge != 0.1]
    assert np.array_equal(np.digitize(exact, edges, right=True), np.digitize(coarse, edges, right=True))


@pytest.mark.parametrize("n_alleles", [50, 100, 250, 4608])
def test_rounding_changes_no_strand_to_the_other(n_alleles: int) -> None:
    rng = np.random.default_rng(0)
    model = rng.integers(0, n_alleles + 1, 5000) / n_alleles
    target = np.where(rng.random(5000) < 0.5, model, 1 - model)
    target = np.clip(target + rng.normal(0, 0.05, 5000), 0, 1)
    rows, called = np.arange(5000), np.full(5000, 2000)
    exact, coarse = (
        strand_by_frequency(Frequencies(rows, target, known, called))
        for known in (model, coarse_frequency(model, n_alleles))
    )
    is_decided = (exact != Strand.UNDECIDED) & (coarse != Strand.UNDECIDED)
    assert np.array_equal(exact[is_decided], coarse[is_decided])
    off = np.abs(model - 0.5)
    assert (coarse[(off < 0.1) & ~np.isclose(off, 0.1)] == Strand.UNDECIDED).all()
    assert is_decided.mean() > 0.5
