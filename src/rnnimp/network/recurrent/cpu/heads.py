"""The sites' heads on the CPU: logits from the states at the gaps between markers, forward and backward.

All sites of a gap read the same states. So each gap is one matrix product over its sites and all haplotypes. Gaps are
dealt to threads, and one thread computes each result. Needs numpy and Numba, not torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.network.kernels.simd import LANES, add_product, fma, load, splat, store, total
from rnnimp.network.kernels.tiles import aligned_empty, deal, kernel
from rnnimp.network.region_coding import Floats

_GAPS_A_JOB = 32


@kernel
def _logits(first_gap, last_gap, first_rows, head, bias, states, logits, n_units, width):  # type: ignore
    for gap in range(first_gap, last_gap):
        for column in range(0, width, LANES):
            at = gap * n_units * width + column
            last = first_rows[gap + 1]
            for row in range(first_rows[gap], last - 1, 2):
                two = (splat(bias[row]), splat(bias[row + 1]))
                two = add_product(two, head, row * n_units, n_units, 1, states, at, width, n_units)
                store(logits, row * width + column, two[0])
                store(logits, (row + 1) * width + column, two[1])
            if (last - first_rows[gap]) % 2:
                one = add_product(
                    (splat(bias[last - 1]),), head, (last - 1) * n_units, n_units, 1, states, at, width, n_units
                )
                store(logits, (last - 1) * width + column, one[0])


@kernel
def _backward(first_gap, last_gap, first_rows, head, d_head, d_bias, states, d_states, d_logits, n_units, width):  # type: ignore
    for gap in range(first_gap, last_gap):
        first, last = first_rows[gap], first_rows[gap + 1]
        for unit in range(n_units):
            at = (gap * n_units + unit) * width
            for column in range(0, width, LANES):
                from_row = first * width + column
                one = (splat(0.0),)
                one = add_product(
                    one, head, first * n_units + unit, 1, n_units, d_logits, from_row, width, last - first
                )
                store(d_states, at + column, one[0])
            for row in range(first, last):
                sums = splat(0.0)
                for column in range(0, width, LANES):
                    sums = fma(load(states, at + column), load(d_logits, row * width + column), sums)
                d_head[row * n_units + unit] = total(sums)
        for row in range(first, last):
            sums = splat(0.0)
            for column in range(0, width, LANES):
                sums = sums + load(d_logits, row * width + column)
            d_bias[row] = total(sums)


def logits_of_states(
    head: Floats, bias: Floats, first_rows: NDArray[np.int64], states: Floats, threads: int = 1
) -> Floats:
    """Logits, or any other rows that are linear in a gap's states.

    Args:
        head: Weights of the heads, float32 (n_rows, n_units); the rows of a gap follow each other.
        bias: float32 (n_rows,).
        first_rows: The first row of each gap, and n_rows, int64 (n_gaps + 1,).
        states: States, float32 (n_gaps, n_units, n_padded), from `stacks.forward`.
        threads: Gaps that run at once; the result does not depend on it.

    Returns:
        float32 (n_rows, n_padded).
    """
    _, n_units, width = states.shape
    logits = aligned_empty(len(head) * width)
    arrays = first_rows, _flat(head), _flat(bias), _flat(states), logits, n_units, width
    deal_gaps(_logits, len(first_rows) - 1, arrays, threads)
    return logits.reshape(-1, width)


def gradients_of_heads(
    head: Floats, first_rows: NDArray[np.int64], states: Floats, d_logits: Floats, threads: int = 1
) -> tuple[Floats, Floats, Floats]:
    """Gradients of the head, of its bias and of the states.

    Args:
        head: As in `logits_of_states`, like `first_rows` and `threads`.
        first_rows: See `logits_of_states`.
        states: As in `logits_of_states`; finite in all columns.
        d_logits: Gradient of the logits, float32 (n_rows, n_padded); 0 in columns beyond the haplotypes.
        threads: See `logits_of_states`.

    Returns:
        float32 (n_rows, n_units), (n_rows,) and (n_gaps, n_units, n_padded).
    """
    _, n_units, width = states.shape
    d_head, d_bias = np.empty(head.size, np.float32), np.empty(len(head), np.float32)
    d_states = aligned_empty(states.size)
    arrays = first_rows, _flat(head), d_head, d_bias, _flat(states), d_states, _flat(d_logits), n_units, width
    deal_gaps(_backward, len(first_rows) - 1, arrays, threads)
    return d_head.reshape(head.shape), d_bias, d_states.reshape(states.shape)


def deal_gaps(job: Callable[..., None], n_gaps: int, arguments: tuple[Any, ...], threads: int) -> None:
    """Deal a region's gaps to threads. `job` is called with the first gap, the end of the gaps, and the arguments."""
    starts = range(0, n_gaps, _GAPS_A_JOB)
    deal(job, [(start, min(start + _GAPS_A_JOB, n_gaps), *arguments) for start in starts], threads)


def _flat(array: Floats) -> Floats:
    return np.ascontiguousarray(array).reshape(-1)
