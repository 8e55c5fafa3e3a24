"""Scores from sums against scores from all probabilities at once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from reference_scores import impute_info
from rnnimp.scoring.quality import dosage_frequency, minimac_r2
from rnnimp.scoring.site_sums import SiteSums, sums_of


def random_sites(missing_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of 30 sites on 40 haplotypes, the first three without variation or without any allele."""
    rng = np.random.default_rng(6)
    probabilities = rng.beta(0.2, 1, (30, 40)).astype(np.float32)
    is_missing = rng.random(probabilities.shape) < missing_share
    probabilities[0], probabilities[1] = 0, 1
    is_missing[2] = missing_share > 0
    return probabilities, is_missing


def sums(probabilities: np.ndarray, is_missing: np.ndarray | None) -> SiteSums:
    return sums_of(probabilities, is_missing, np.count_nonzero(probabilities > 0.5, axis=1))


@pytest.mark.parametrize("missing_share", [0.0, 0.2])
def test_scores_are_those_of_all_probabilities(missing_share: float) -> None:
    probabilities, is_missing = random_sites(missing_share)
    masked = np.where(is_missing, np.nan, probabilities.astype(np.float64))
    found = sums(probabilities, is_missing if missing_share else None)
    np.testing.assert_allclose(found.frequency(), dosage_frequency(masked), atol=1e-12)
    np.testing.assert_allclose(found.r2(), minimac_r2(masked), atol=1e-10)


def test_a_mask_without_missing_alleles_is_none() -> None:
    probabilities, is_missing = random_sites(0.0)
    with_mask, without = sums(probabilities, is_missing), sums(probabilities, None)
    np.testing.assert_array_equal(with_mask.r2(), without.r2())
    np.testing.assert_array_equal(with_mask.n_alleles, without.n_alleles)


@pytest.mark.parametrize("missing_share", [0.0, 0.2])
def test_sums_of_parts_are_exactly_those_of_the_whole(missing_share: float) -> None:
    probabilities, is_missing = random_sites(missing_share)
    parts = [sums(probabilities[:, part], is_missing[:, part]) for part in (slice(0, 6), slice(6, 30), slice(30, 40))]
    added, whole = parts[2] + parts[0] + parts[1], sums(probabilities, is_missing)
    for name in ("n_carried", "n_alleles", "dose", "square"):
        np.testing.assert_array_equal(getattr(added, name), getattr(whole, name))


def test_the_order_and_grouping_of_many_haplotypes_changes_no_sum() -> None:
    rng = np.random.default_rng(2)
    probabilities = rng.beta(0.1, 2, (3, 20_001)).astype(np.float32)
    whole, shuffled = sums(probabilities, None), sums(probabilities[:, rng.permutation(20_001)], None)
    one_by_one = sum(sums(column[:, None], None).dose for column in probabilities.T[:5000])
    np.testing.assert_array_equal(whole.dose, shuffled.dose)
    np.testing.assert_array_equal(whole.square, shuffled.square)
    np.testing.assert_array_equal(sums(probabilities[:, :5000], None).dose, one_by_one)


def test_sums_are_of_numbers_rounded_to_units() -> None:
    probabilities = np.array([[0.0, 1.0, 0.3, 1e-7, 1e-13]], dtype=np.float32)
    exact = [Fraction(float(value)) for value in probabilities[0]]
    found = sums(probabilities, None)
    assert found.dose.tolist() == [sum(round(value * 2**40) for value in exact)]
    assert found.square.tolist() == [sum(round(value**2 * 2**40) for value in exact)]


def test_sites_are_selected_and_joined() -> None:
    whole = sums(*random_sites(0.2))
    joined = SiteSums.concatenate([whole[:10], whole[10:]])
    np.testing.assert_array_equal(joined.dose, whole.dose)
    np.testing.assert_array_equal(whole[np.array([3, 1])].square, whole.square[[3, 1]])


def test_equal_probabilities_explain_nothing() -> None:
    found = sums(np.full((1, 10), 0.3, np.float32), None)
    assert found.r2()[0] == pytest.approx(0, abs=1e-12)
    assert found.r2()[0] >= 0


def test_certain_sites_have_a_perfect_r2() -> None:
    certain = (np.random.default_rng(3).random((10, 24)) < 0.3).astype(np.float32)
    np.testing.assert_allclose(sums(certain, None).r2(), 1)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_fixed_site_has_no_r2(value: float) -> None:
    assert np.isnan(sums(np.full((1, 6), value, np.float32), None).r2()).all()


def test_a_site_without_alleles_has_no_frequency() -> None:
    found = sums(np.full((1, 6), 0.5, np.float32), np.ones((1, 6), dtype=bool))
    assert np.isnan(found.frequency()).all()
    assert np.isnan(found.r2()).all()


def test_with_independent_haplotypes_info_is_r2() -> None:
    probabilities, _ = random_sites(0.0)
    varying = probabilities[3:]
    np.testing.assert_allclose(sums(varying, None).r2(), impute_info(varying), atol=1e-10)
