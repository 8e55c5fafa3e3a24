"""Loss, site weights and the validation R2."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rnnimp.training.loss import expected_alleles, mean_dosage_r2, site_weights, weighted_cross_entropy


def test_site_weights_follow_the_formula() -> None:
    found = site_weights(np.array([0.3, 0.9, 0.001, np.nan]), -0.75).numpy()
    expected = [0.5 * (2 * maf) ** -0.75 for maf in (0.3, 0.1, 0.005, 0.5)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_cross_entropy_equals_a_loop() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(3, 4, 2))
    alleles = rng.integers(-1, 2, (3, 4))
    weights = rng.random(3)
    total = 0.0
    for site in range(3):
        for haplotype in range(4):
            exponentials = [math.exp(value) for value in logits[site, haplotype]]
            truth = {0: (1, 0), 1: (0, 1), -1: (0.5, 0.5)}[int(alleles[site, haplotype])]
            for allele in (0, 1):
                probability = exponentials[allele] / sum(exponentials)
                total -= weights[site] * truth[allele] * math.log(probability)
    found = weighted_cross_entropy(
        torch.tensor(logits, dtype=torch.float32), expected_alleles(torch.tensor(alleles)), torch.tensor(weights)
    )
    assert float(found) == pytest.approx(total / 12, rel=1e-5)


def test_mean_dosage_r2_equals_numpy_site_by_site() -> None:
    rng = np.random.default_rng(3)
    alleles = rng.integers(-1, 2, (30, 20), dtype=np.int8)
    alleles[0] = 0  # does not vary: left out
    probabilities = rng.random((30, 20))
    probabilities[1] = 0.5  # explains nothing: 0
    expected = []
    for row, probability in zip(alleles[1:], probabilities[1:], strict=True):
        known = (row[::2] >= 0) & (row[1::2] >= 0)
        true, dosage = (row[::2] + row[1::2])[known], (probability[::2] + probability[1::2])[known]
        if np.ptp(true) == 0:
            continue
        expected.append(np.corrcoef(true, dosage)[0, 1] ** 2 if np.ptp(dosage) > 0 else 0.0)
    found = mean_dosage_r2(torch.tensor(probabilities), torch.tensor(alleles))
    assert found == pytest.approx(np.mean(expected), rel=1e-9)


def test_no_site_varies() -> None:
    assert math.isnan(mean_dosage_r2(torch.rand(2, 4), torch.zeros(2, 4, dtype=torch.int8)))
