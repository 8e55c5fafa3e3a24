"""Scores from sums against scores from all probabilities at once."""

from __future__ import annotations

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
    np.testing.assert_allclose(found.frequency(), dosage_frequency(masked), atol=1e-13)
    np.testing.assert_allclose(found.r2(), minimac_r2(masked), atol=1e-12)
    np.testing.assert_allclose(found.info(), impute_info(masked), atol=1e-12)


def test_a_mask_without_missing_alleles_is_none() -> None:
    probabilities, is_missing = random_sites(0.0)
    with_mask, without = sums(probabilities, is_missing), sums(probabilities, None)
    np.testing.assert_array_equal(with_mask.r2(), without.r2())
    np.testing.assert_array_equal(with_mask.n_complete, without.n_complete)


def test_sums_of_parts_add_up() -> None:
    probabilities, is_missing = random_sites(0.2)
    parts = [sums(probabilities[:, part], is_missing[:, part]) for part in (slice(0, 6), slice(6, 30), slice(30, 40))]
    added, whole = parts[0] + parts[1] + parts[2], sums(probabilities, is_missing)
    np.testing.assert_array_equal(added.n_alleles, whole.n_alleles)
    np.testing.assert_array_equal(added.n_carried, whole.n_carried)
    np.testing.assert_allclose(added.r2(), whole.r2(), rtol=1e-12)
    np.testing.assert_allclose(added.info(), whole.info(), rtol=1e-12)


def test_sites_are_selected_and_joined() -> None:
    whole = sums(*random_sites(0.2))
    joined = SiteSums.concatenate([whole[:10], whole[10:]])
    np.testing.assert_array_equal(joined.dose, whole.dose)
    np.testing.assert_array_equal(whole[np.array([3, 1])].square, whole.square[[3, 1]])


def test_equal_probabilities_explain_nothing() -> None:
    found = sums(np.full((1, 10), 0.3, np.float32), None)
    assert found.r2()[0] == pytest.approx(0, abs=1e-12)
    assert found.r2()[0] >= 0


def test_certain_sites_have_a_perfect_info() -> None:
    certain = (np.random.default_rng(3).random((10, 24)) < 0.3).astype(np.float32)
    np.testing.assert_allclose(sums(certain, None).info(), 1)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_fixed_site_has_an_info_of_one(value: float) -> None:
    assert sums(np.full((1, 6), value, np.float32), None).info().tolist() == [1]


def test_a_site_without_alleles_has_no_info() -> None:
    assert np.isnan(sums(np.full((1, 6), 0.5, np.float32), np.ones((1, 6), dtype=bool)).info()).all()
