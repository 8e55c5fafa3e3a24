"""Marker features against a direct double loop, and the properties of kernel PCA."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers import random_panel
from rnnimp.network.recurrent.features import marker_features


def direct_features(columns: list[list[float]], n_components: int) -> np.ndarray:
    """The definition, written out: kernel, centring and projection entry by entry."""
    n = len(columns)

    def kernel(x: list[float], y: list[float]) -> float:
        norm_x, norm_y = math.hypot(*x), math.hypot(*y)
        if norm_x == 0 or norm_y == 0:
            return 0.0
        cosine = sum(a * b for a, b in zip(x, y, strict=True)) / (norm_x * norm_y)
        return norm_x * norm_y * math.exp(cosine - 1)

    k = [[kernel(x, y) for y in columns] for x in columns]
    grand = sum(map(sum, k)) / n**2

    def centred(z: list[float]) -> list[float]:
        row = [kernel(z, x) for x in columns]
        return [row[j] - sum(row) / n - sum(k[j]) / n + grand for j in range(n)]

    values, vectors = np.linalg.eigh(np.array([centred(x) for x in columns]))
    order = np.argsort(values)[::-1][:n_components]
    features = np.zeros((n, 2, n_components))
    for i, x in enumerate(columns):
        for allele, z in ((0, [1 - a for a in x]), (1, x)):
            scores = centred(z)
            for component, index in enumerate(order):
                if values[index] > 1e-9:
                    dot = sum(s * v for s, v in zip(scores, vectors[:, index], strict=True))
                    features[i, allele, component] = dot * math.sqrt(n) / values[index]
    return features


@pytest.mark.parametrize("missing_share", [0.0, 0.1])
def test_equal_to_a_direct_double_loop(missing_share: float) -> None:
    alleles = random_panel(np.random.default_rng(3), n_sites=9, n_samples=12, missing_share=missing_share).alleles
    alleles[4] = 0  # a marker whose alleles are all 0 has norm 0
    expected_columns = []
    for row in alleles:
        known = [int(allele) for allele in row if allele >= 0]
        expected_columns.append([float(a) if a >= 0 else sum(known) / len(known) for a in row])
    expected = direct_features(expected_columns, 12)
    found = marker_features(alleles, 12)
    signs = np.sign((expected * found).sum(axis=(0, 1)))
    np.testing.assert_allclose(found * signs, expected, atol=1e-5)


def test_scores_of_allele_1_are_standardised() -> None:
    alleles = random_panel(np.random.default_rng(5), n_sites=80, n_samples=60).alleles
    scores = marker_features(alleles, 10)[:, 1]
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scores.std(axis=0), 1, atol=1e-4)


def test_components_beyond_the_rank_are_zero() -> None:
    alleles = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]], dtype=np.int8)
    features = marker_features(alleles, 8)
    assert features.shape == (3, 2, 8)
    assert np.count_nonzero(np.abs(features).sum(axis=(0, 1))) == 1
    assert np.array_equal(features[0], features[1])


def test_one_marker_has_no_component() -> None:
    assert not marker_features(np.array([[0, 1, 1, 0]], dtype=np.int8), 4).any()
