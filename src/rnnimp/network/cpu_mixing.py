"""The layer that joins both directions at each gap between markers, on the CPU. Needs numpy and Numba, not torch."""

from __future__ import annotations

import numpy as np

from rnnimp.network.cpu_heads import deal_gaps
from rnnimp.network.cpu_kernel import Floats, kernel
from rnnimp.network.cpu_stack import aligned_empty
from rnnimp.network.simd import LANES, add_product, splat, store, tanh

_ROWS = 4  # sums in registers at once


@kernel
def _mix(first_gap, last_gap, weight, bias, states, mixed, n_states, n_mixed, width):  # type: ignore
    for gap in range(first_gap, last_gap):
        for column in range(0, width, LANES):
            at = gap * n_states * width + column
            for row in range(0, n_mixed, _ROWS):
                sums = (splat(bias[row]), splat(bias[row + 1]), splat(bias[row + 2]), splat(bias[row + 3]))
                sums = add_product(sums, weight, row * n_states, n_states, 1, states, at, width, n_states)
                place = (gap * n_mixed + row) * width + column
                store(mixed, place, tanh(sums[0]))
                store(mixed, place + width, tanh(sums[1]))
                store(mixed, place + 2 * width, tanh(sums[2]))
                store(mixed, place + 3 * width, tanh(sums[3]))


def with_mixed(states: Floats, weight: Floats, bias: Floats, threads: int = 1) -> Floats:
    """The states at each gap, and behind them what joins them: `tanh(states . weight + bias)`.

    Args:
        states: float32 (n_gaps, n_states, n_padded), of all stacks, from `cpu_stack.forward`.
        weight: float32 (n_states, n_mixed).
        bias: float32 (n_mixed,).
        threads: how many gaps are worked on at once; no bit of the result depends on it.

    Returns:
        float32 (n_gaps, n_states + n_mixed, n_padded).
    """
    n_gaps, n_states, width = states.shape
    n_mixed = len(bias)
    if not n_mixed:
        return states
    padded = -(-n_mixed // _ROWS) * _ROWS
    rows, padded_bias = np.zeros((padded, n_states), np.float32), np.zeros(padded, np.float32)
    rows[:n_mixed], padded_bias[:n_mixed] = weight.T, bias
    mixed = aligned_empty(n_gaps * padded * width)
    flat = np.ascontiguousarray(states).reshape(-1)
    deal_gaps(_mix, n_gaps, (rows.reshape(-1), padded_bias, flat, mixed, n_states, padded, width), threads)
    return np.concatenate([states, mixed.reshape(n_gaps, padded, width)[:, :n_mixed]], axis=1)
