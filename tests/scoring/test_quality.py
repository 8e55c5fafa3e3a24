"""Scores against their formulas for one site at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reference_scores import genotypes_of, minimac_r2_of
from rnnimp.scoring.quality import (
    dosage_frequency,
    dosages,
    empirical_r2,
    genotype_probabilities,
    minimac_r2,
)


@pytest.fixture
def probabilities() -> np.ndarray:
    """Sites of all kinds: rare, common, certain."""
    rng = np.random.default_rng(3)
    rare = rng.beta(0.1, 2, size=(10, 24))
    common = rng.beta(0.5, 0.5, size=(10, 24))
    certain = (rng.random((10, 24)) < 0.3).astype(float)
    return np.concatenate([rare, common, certain])


def test_genotypes_of_two_independent_haplotypes(probabilities: np.ndarray) -> None:
    expected = [genotypes_of(row) for row in probabilities.tolist()]
    np.testing.assert_allclose(genotype_probabilities(probabilities), expected, atol=1e-15)
    np.testing.assert_allclose(genotype_probabilities(probabilities).sum(axis=2), 1)
    np.testing.assert_allclose(dosages(probabilities), probabilities[:, ::2] + probabilities[:, 1::2])


def test_r2_equals_its_formula(probabilities: np.ndarray) -> None:
    expected = [minimac_r2_of(row) for row in probabilities.tolist()]
    np.testing.assert_allclose(minimac_r2(probabilities), expected, rtol=1e-10)


def test_certain_sites_have_a_perfect_r2(probabilities: np.ndarray) -> None:
    np.testing.assert_allclose(minimac_r2(probabilities[20:]), 1)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_fixed_site_has_no_r2(value: float) -> None:
    assert np.isnan(minimac_r2(np.full((1, 6), value))).all()


def test_missing_alleles_are_left_out(probabilities: np.ndarray) -> None:
    holed = probabilities.copy()
    holed[:, 4:8] = np.nan
    rest = np.delete(probabilities, slice(4, 8), axis=1)
    for score in (dosage_frequency, minimac_r2):
        np.testing.assert_allclose(score(holed), score(rest), rtol=1e-12)


def test_all_missing_gives_nan_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    missing = np.full((2, 4), np.nan)
    for score in (dosage_frequency, minimac_r2):
        assert np.isnan(score(missing)).all()
    assert not recwarn.list


def test_empirical_r2_is_a_squared_correlation(probabilities: np.ndarray) -> None:
    rng = np.random.default_rng(9)
    alleles = (rng.random(probabilities.shape) < probabilities).astype(float)
    alleles[:, :3] = np.nan
    imputed = probabilities.copy()
    imputed[:, 5] = np.nan
    known = [column for column in range(3, 24) if column != 5]
    found = empirical_r2(alleles, imputed)
    for row in range(len(found)):
        observed, dosage = alleles[row, known], imputed[row, known]
        if observed.std() == 0 or dosage.std() < 1e-9:
            assert math.isnan(found[row])
        else:
            assert found[row] == pytest.approx(np.corrcoef(observed, dosage)[0, 1] ** 2, rel=1e-9)
    assert 10 < np.count_nonzero(~np.isnan(found)) < 30


def test_empirical_r2_of_a_constant_is_unknown() -> None:
    alleles = np.array([[0.0, 1, 1, 0], [0, 0, 0, 0], [0, 1, 1, 0]])
    imputed = np.array([[0.3, 0.3, 0.3, 0.3], [0.1, 0.2, 0.3, 0.4], [0.1, 0.8, 0.8, 0.1]])
    assert np.isnan(empirical_r2(alleles, imputed)).tolist() == [True, True, False]
