"""The layers that join both directions at each gap between markers, on the CPU. Needs numpy and Numba, not torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.network.kernels.simd import LANES, add_product, splat, store, tanh
from rnnimp.network.kernels.tiles import kernel
from rnnimp.network.recurrent.cpu.heads import deal_gaps
from rnnimp.network.recurrent.weights import JoiningWeights
from rnnimp.network.region_coding import Floats

_ROWS = 4  # sums in registers at once


@dataclass(frozen=True, eq=False)
class PackedJoining:
    """A layer in the kernel's layout, from `pack_joining`.

    Attributes:
        starts: Number of the first state of each part that the layer reads, int64 (n_parts,).
        sizes: States of each part, int64 (n_parts,).
        weight: Weights, float32, flat: [unit, rounded up to `_ROWS`][state of all parts].
        bias: float32 (n_mixed, rounded up).
        first_row: Number of the layer's first state in a gap.
        n_mixed: Number of its states.
    """

    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    weight: Floats
    bias: Floats
    first_row: int
    n_mixed: int


@kernel
def _join(first_gap, last_gap, starts, sizes, weight, bias, states, first_row, n_mixed, n_rows, width):  # type: ignore
    n_read = sizes.sum()
    for gap in range(first_gap, last_gap):
        for column in range(0, width, LANES):
            at = gap * n_rows * width + column
            for row in range(0, n_mixed, _ROWS):
                sums = (splat(bias[row]), splat(bias[row + 1]), splat(bias[row + 2]), splat(bias[row + 3]))
                weight_at = row * n_read
                for part in range(len(starts)):
                    place = at + starts[part] * width
                    sums = add_product(sums, weight, weight_at, n_read, 1, states, place, width, sizes[part])
                    weight_at += sizes[part]
                place = at + (first_row + row) * width
                store(states, place, tanh(sums[0]))
                if row + 1 < n_mixed:
                    store(states, place + width, tanh(sums[1]))
                if row + 2 < n_mixed:
                    store(states, place + 2 * width, tanh(sums[2]))
                if row + 3 < n_mixed:
                    store(states, place + 3 * width, tanh(sums[3]))


def pack_joining(layers: Sequence[JoiningWeights], n_states: int) -> list[PackedJoining]:
    """Lay weights out as the kernel reads them.

    Args:
        layers: Any number. Their states follow those of the stacks, in the same order.
        n_states: Units of all stacks.
    """
    packed, first_row = [], n_states
    for layer in layers:
        n_mixed = len(layer.bias)
        n_rows = -(-n_mixed // _ROWS) * _ROWS
        sizes = np.array([len(weight) for weight in layer.weights])
        rows, bias = np.zeros((n_rows, sizes.sum()), np.float32), np.zeros(n_rows, np.float32)
        rows[:n_mixed], bias[:n_mixed] = np.concatenate(layer.weights).T, layer.bias
        packed.append(PackedJoining(np.array(layer.starts), sizes, rows.reshape(-1), bias, first_row, n_mixed))
        first_row += n_mixed
    return packed


def join(states: Floats, layers: Sequence[PackedJoining], threads: int = 1) -> None:
    """Compute the joining layers' states at each gap, and write them behind those of the stacks.

    Args:
        states: States, float32 (n_gaps, n_states + units of all layers, n_padded), from `stacks.forward` with `room`
            for them.
        layers: From `pack_joining`.
        threads: Gaps that run at once; the result does not depend on it.
    """
    n_gaps, n_rows, width = states.shape
    for layer in layers:
        arrays = layer.starts, layer.sizes, layer.weight, layer.bias, states.reshape(-1)
        deal_gaps(_join, n_gaps, (*arrays, layer.first_row, layer.n_mixed, n_rows, width), threads)
