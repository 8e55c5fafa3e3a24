"""Sums of samples against loops over their alleles."""

from __future__ import annotations

import numpy as np
import pytest

from rnnimp.scoring.sample_sums import SampleSums


@pytest.mark.parametrize("with_haploid", [False, True])
def test_sums_follow_the_formulas(with_haploid: bool) -> None:
    rng = np.random.default_rng(4)
    probabilities = rng.beta(0.3, 0.5, (40, 10)).astype(np.float32)
    is_haploid = rng.random((40, 5)) < 0.4 if with_haploid else None
    whole, parts = SampleSums(5), SampleSums(5)
    whole.add(probabilities, is_haploid)
    for start in range(0, 40, 7):
        rows = slice(start, start + 7)
        parts.add(probabilities[rows], None if is_haploid is None else is_haploid[rows])
    for sample in range(5):
        known = [
            float(probabilities[row, 2 * sample + second])
            for row in range(40)
            for second in (0, 1)
            if not (second and is_haploid is not None and is_haploid[row, sample])
        ]
        for sums in (whole, parts):
            assert sums.alt_alleles()[sample] == pytest.approx(sum(known))
            assert sums.uncertainty()[sample] == pytest.approx(np.mean([p * (1 - p) for p in known]))


def test_nothing_imputed_has_no_uncertainty() -> None:
    sums = SampleSums(2)
    assert np.isnan(sums.uncertainty()).all()
    assert sums.alt_alleles().tolist() == [0, 0]
