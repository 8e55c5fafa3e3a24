"""Runs GRU stacks on the CPU with 16-bit products. `stacks.py` has the same in float32, and the layout of the gates.

A row of weights is multiplied by its own factor and rounded, a state by a factor that all layers share. The factors are
as large as they can be. Three bounds hold for any input: a weight and a sum of the layers' states fit 16 bits, and
the sum of a row's products fits 32 bits. So nothing overflows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.network.kernels.simd import BLOCK, LANES
from rnnimp.network.kernels.tiles import aligned, aligned_empty, deal, tiles
from rnnimp.network.recurrent.cpu.integer_kernels import IntegerWeights, Words, forward_tile
from rnnimp.network.recurrent.cpu.kernels import Shape
from rnnimp.network.recurrent.cpu.stacks import (
    GATE_LAYOUTS,
    by_gate,
    empty_output,
    input_table,
    padded_bias,
    places_of,
)
from rnnimp.network.recurrent.weights import LayerWeights, StackWeights
from rnnimp.network.region_coding import Floats

_MOST_LAYERS = 8  # each further layer leaves fewer bits for a state
_LARGEST_STATE = 32_000  # not 32,767: a state may pass 1 by a rounding error, and sums of states are rounded too
_LARGEST_WEIGHT = 32_767
_LARGEST_SUM = 2**31 / 1.03  # room for the same rounding errors
_LARGEST_ERROR = 4e-3
"""Largest expected error of a sum before its gate, as `rounding_error` gives it. Trained networks have 5e-4 to 9e-4."""

_BEFORE_TANH = np.array([1, 0.5, 0.5, 1], np.float32)  # of n, r, z, m: sigmoid(x) = (1 + tanh(x / 2)) / 2


@dataclass(frozen=True, eq=False)
class IntegerStack:
    """A stack in the kernels' layout, from `pack`."""

    shape: Shape
    weights: IntegerWeights


def is_supported(stack: StackWeights) -> bool:
    """Whether `pack` takes a stack: GRU layers, not too many, whose weights are finite and of similar sizes."""
    arrays = (array for layer in stack.layers for array in layer)
    is_packable = (
        stack.cell == "GRU" and len(stack.layers) <= _MOST_LAYERS and all(np.isfinite(a).all() for a in arrays)
    )
    return is_packable and rounding_error(stack) <= _LARGEST_ERROR


def rounding_error(stack: StackWeights) -> float:
    """Expected error of a sum before its gate, from rounding weights and states: the standard deviation, of all rows
    the largest.

    A number that is rounded to multiples of d is off by d / sqrt(12). A large weight makes its row's factor small, and
    so the errors of the row's other weights large.
    """
    n_layers, n_units = len(stack.layers), stack.layers[0].recurrent.shape[1]
    width, state_scale = _width(n_units), _state_scale(n_layers)
    worst = 0.0
    for number, layer in enumerate(stack.layers):
        rows = _float_rows(layer, number, width)
        factor = _factors(rows, number, width, state_scale)
        of_states = np.square(rows).sum(axis=(0, 3)) / state_scale**2
        is_used = rows.any(axis=(0, 3))
        of_weights = np.where(is_used, n_units * (1 + (number > 0)) / factor**2, 0)
        worst = max(worst, float(np.sqrt((of_states + of_weights) / 12).max()))
    return worst


def pack(stack: StackWeights, features: Floats) -> IntegerStack:
    """Lay weights out as the kernels read them.

    Args:
        stack: The weights, as `is_supported` allows.
        features: Features of alleles 0 and 1, float32 (n_markers, 2, feature_size).
    """
    layout, n_layers, n_units = GATE_LAYOUTS["GRU"], len(stack.layers), stack.layers[0].recurrent.shape[1]
    width, state_scale = _width(n_units), _state_scale(n_layers)
    biases = [padded_bias(layer, layout, width) for layer in stack.layers]
    table = input_table(stack.layers[0], features, layout.input, biases[0])
    steps, inputs, recurrents = [], [], []
    for number, layer in enumerate(stack.layers):
        rows, factor = _whole_rows(layer, number, width, state_scale)
        steps.append(_BEFORE_TANH / (factor.T * state_scale))
        inputs.append(_pairs(rows[0, layout.input_rows]))
        recurrents.append(_pairs(rows[1, layout.recurrent_rows]))
    weights = IntegerWeights(
        table=aligned(table * _BEFORE_TANH[layout.input_rows]),
        bias=aligned(np.array(biases) * _BEFORE_TANH),
        step=aligned(np.array(steps)),
        input=np.array(inputs[1:], np.int32).reshape(-1),
        recurrent=np.array(recurrents).reshape(-1),
        state_scale=float(state_scale),
    )
    return IntegerStack(Shape(False, stack.from_right, len(features), n_layers, n_units, width, 3), weights)


def _whole_rows(
    layer: LayerWeights, number: int, width: int, state_scale: int
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Integer weights of the input and the recurrent product, (2, 4, width, width), and the rows' factors, (4, width).

    The layer with number 0 has no input product, since that is in the table.
    """
    rows = _float_rows(layer, number, width)
    factor = _factors(rows, number, width, state_scale)
    return np.rint(rows * factor[:, :, None]).astype(np.int16), factor


def _float_rows(layer: LayerWeights, number: int, width: int) -> NDArray[np.float64]:
    """The weights of the input and the recurrent product by gate, (2, 4, width, width)."""
    layout = GATE_LAYOUTS["GRU"]
    rows = np.zeros((2, 4, width, width))
    if number:
        rows[0, layout.input_rows] = by_gate(layer.input, layout.input, width, width)
    rows[1, layout.recurrent_rows] = by_gate(layer.recurrent, layout.recurrent, width, width)
    return rows


def _factors(rows: NDArray[np.float64], number: int, width: int, state_scale: int) -> NDArray[np.float64]:
    """The factor of each row, (4, width); 1 for a row of zeros."""
    sizes = np.abs(rows)
    largest = sizes.max(axis=(0, 3))
    largest_sum = number * sizes[0].sum(axis=2) + sizes[1].sum(axis=2)  # the layer's input is up to `number`
    from_rounding = (number + 1) * width / 2
    with np.errstate(divide="ignore"):
        factor = np.minimum(_LARGEST_WEIGHT / largest, (_LARGEST_SUM / state_scale - from_rounding) / largest_sum)
    return np.where(largest > 0, factor, 1.0)


def _width(n_units: int) -> int:
    return -(-n_units // BLOCK) * BLOCK


def _state_scale(n_layers: int) -> int:
    return _LARGEST_STATE // max(1, n_layers - 1)


def _pairs(rows: NDArray[np.int16]) -> Words:
    """(gate, unit, unit below) -> (pair of units, pair of units below, unit, gate), two weights in each word."""
    words = np.ascontiguousarray(rows).view(np.int32)
    n_gates, width, half = words.shape
    return words.reshape(n_gates, width // 2, 2, half).transpose(1, 3, 2, 0)


def forward(
    stacks: Sequence[IntegerStack], alt: Floats, gaps: NDArray[np.int64], threads: int = 1, room: int = 0
) -> Floats:
    """States that the sites of each gap between markers read. Arguments and result are those of `stacks.forward`."""
    by_tile = tiles(alt)
    n_tiles, n_rows = len(by_tile), sum(stack.shape.n_units for stack in stacks) + room
    by_gap = empty_output(stacks[0].shape, gaps, n_rows, n_tiles)
    jobs: list[tuple[Any, ...]] = []
    for stack, places in zip(stacks, places_of([stack.shape for stack in stacks], gaps, n_rows), strict=True):
        jobs += [(stack, by_tile[tile], by_gap.reshape(-1), places, tile, n_tiles) for tile in range(n_tiles)]
    deal(_forward_job, jobs, threads)
    return by_gap


def _forward_job(
    stack: IntegerStack, alt: Floats, output: Floats, places: NDArray[np.int64], tile: int, n_tiles: int
) -> None:
    size = stack.shape.width * LANES
    states, words = (aligned_empty(stack.shape.n_layers * size) for _ in range(2))
    forward_tile(
        stack.shape, stack.weights, alt, states, words.view(np.int32), aligned_empty(size // 2).view(np.int32), output,
        places, tile * LANES, n_tiles * LANES,
    )  # fmt: skip
