"""Scores against the formulas written out for one site at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnnimp.scoring.quality import (
    beagle_r2,
    dosage_frequency,
    dosages,
    empirical_r2,
    genotype_probabilities,
    impute_info,
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


def scalar_minimac_r2(p: list[float]) -> float:
    f = sum(p) / len(p)
    return sum((x - f) ** 2 for x in p) / len(p) / (f * (1 - f))


def scalar_genotypes(p: list[float]) -> list[tuple[float, float, float]]:
    pairs = zip(p[::2], p[1::2], strict=True)
    return [((1 - a) * (1 - b), a * (1 - b) + b * (1 - a), a * b) for a, b in pairs]


def scalar_info(p: list[float]) -> float:
    genotypes = scalar_genotypes(p)
    n = len(genotypes)
    f = sum(g1 + 2 * g2 for _, g1, g2 in genotypes) / (2 * n)
    unknown = sum(g1 + 4 * g2 - (g1 + 2 * g2) ** 2 for _, g1, g2 in genotypes) / n
    return 1 - unknown / (2 * f * (1 - f))


def scalar_beagle_r2(p: list[float]) -> float:
    genotypes = scalar_genotypes(p)
    n = len(genotypes)
    z = [max(range(3), key=lambda copies, g=g: g[copies]) for g in genotypes]
    u = [g1 + 2 * g2 for _, g1, g2 in genotypes]
    w = [g1 + 4 * g2 for _, g1, g2 in genotypes]
    above = (sum(a * b for a, b in zip(z, u, strict=True)) - sum(z) * sum(u) / n) ** 2
    below = (sum(w) - sum(u) ** 2 / n) * (sum(a * a for a in z) - sum(z) ** 2 / n)
    return above / below if below > 1e-12 else math.nan


def test_genotypes_of_two_independent_haplotypes(probabilities: np.ndarray) -> None:
    expected = [scalar_genotypes(row) for row in probabilities.tolist()]
    np.testing.assert_allclose(genotype_probabilities(probabilities), expected, atol=1e-15)
    np.testing.assert_allclose(genotype_probabilities(probabilities).sum(axis=2), 1)
    np.testing.assert_allclose(dosages(probabilities), probabilities[:, ::2] + probabilities[:, 1::2])


@pytest.mark.parametrize(
    ("score", "scalar"), [(minimac_r2, scalar_minimac_r2), (impute_info, scalar_info)], ids=["r2", "info"]
)
def test_score_equals_its_formula(score, scalar, probabilities: np.ndarray) -> None:
    np.testing.assert_allclose(score(probabilities), [scalar(row) for row in probabilities.tolist()], rtol=1e-10)


def test_beagle_r2_equals_its_formula(probabilities: np.ndarray) -> None:
    expected = [scalar_beagle_r2(row) for row in probabilities.tolist()]
    assert np.isfinite(expected).sum() > 20
    np.testing.assert_allclose(beagle_r2(genotype_probabilities(probabilities)), expected, rtol=1e-9)


def test_certain_sites_have_perfect_scores(probabilities: np.ndarray) -> None:
    certain = probabilities[20:]
    for score in (minimac_r2(certain), impute_info(certain), beagle_r2(genotype_probabilities(certain))):
        np.testing.assert_allclose(score, 1)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_scores_of_a_fixed_site(value: float) -> None:
    fixed = np.full((1, 6), value)
    assert np.isnan(minimac_r2(fixed)).all()
    assert impute_info(fixed).tolist() == [1]
    assert np.isnan(beagle_r2(genotype_probabilities(fixed))).all()


def test_missing_alleles_are_left_out(probabilities: np.ndarray) -> None:
    holed = probabilities.copy()
    holed[:, 4:8] = np.nan
    rest = np.delete(probabilities, slice(4, 8), axis=1)
    for score in (dosage_frequency, minimac_r2, impute_info):
        np.testing.assert_allclose(score(holed), score(rest), rtol=1e-12)
    np.testing.assert_allclose(
        beagle_r2(genotype_probabilities(holed)), beagle_r2(genotype_probabilities(rest)), rtol=1e-9
    )


def test_all_missing_gives_nan_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    missing = np.full((2, 4), np.nan)
    for score in (dosage_frequency, minimac_r2, impute_info):
        assert np.isnan(score(missing)).all()
    assert np.isnan(beagle_r2(genotype_probabilities(missing))).all()
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
