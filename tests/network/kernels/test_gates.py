"""The quick tanh against numpy's, in float64."""

import numba
import numpy as np
import pytest

from rnnimp.network.kernels import gates, simd

pytestmark = pytest.mark.slow  # compiles


@numba.njit(error_model="numpy")
def apply(x: np.ndarray, result: np.ndarray) -> None:
    for at in range(0, len(x), simd.LANES):
        simd.store(result, at, gates.quick_tanh(simd.load(x, at)))


def test_quick_tanh_is_near_and_never_beyond_one() -> None:
    x = np.concatenate([np.linspace(-12, 12, 64 * 500), np.linspace(-1e-3, 1e-3, 62), [3e38, -3e38]]).astype(np.float32)
    result = np.empty_like(x)
    apply(x, result)
    assert np.abs(result - np.tanh(x.astype(np.float64))).max() < 1e-4
    assert np.abs(result).max() <= 1 + 2e-7
    assert (np.abs(result[np.abs(x) >= gates.LIMIT] - np.sign(x[np.abs(x) >= gates.LIMIT])) < 2e-7).all()


def test_nan_stays_nan() -> None:
    x = np.full(simd.LANES, np.nan, np.float32)
    result = np.zeros_like(x)
    apply(x, result)
    assert np.isnan(result).all()
