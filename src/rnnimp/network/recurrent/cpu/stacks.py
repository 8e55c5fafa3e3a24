"""Runs recurrent stacks on the CPU: weights in, states at the gaps between markers out, and back.

Needs numpy and Numba, not torch. Order of this module: weights, and their layout for the kernels; a batch, forward; a
batch, backward. Tiles of haplotypes are dealt to threads. Gradients are summed over the tiles in their order, so that
the number of threads changes no bit of a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnimp.network.kernels.simd import BLOCK, LANES
from rnnimp.network.kernels.tiles import CACHE_LINE, aligned, aligned_empty, deal, tiles
from rnnimp.network.recurrent.cells import CELLS
from rnnimp.network.recurrent.cpu.kernels import (
    GATES,
    GRU_UNITS,
    Gradients,
    Scratch,
    Shape,
    Weights,
    backward_tile,
    forward_tile,
    multiply,
    scratch_sizes,
)
from rnnimp.network.recurrent.weights import LayerWeights, StackWeights
from rnnimp.network.region_coding import Floats


class GateLayout(NamedTuple):
    """How the kernels order a cell's gates; see `kernels.py` on the four rows.

    Attributes:
        input: PyTorch's number of each gate that the input product adds to, in the kernels' order.
        recurrent: The same for the recurrent product.
        input_rows: The rows of these gates.
        recurrent_rows: The same for the recurrent product.
        group: Units that are computed side by side.
    """

    input: tuple[int, ...]
    recurrent: tuple[int, ...]
    input_rows: slice
    recurrent_rows: slice
    group: int


GATE_LAYOUTS = {
    "GRU": GateLayout((2, 0, 1), (0, 1, 2), slice(3), slice(1, 4), GRU_UNITS),
    "LSTM": GateLayout((0, 1, 2, 3), (0, 1, 2, 3), slice(4), slice(4), 1),
}


@dataclass(frozen=True, eq=False)
class PackedStack:
    """A stack in the kernels' layout, from `pack`.

    Attributes:
        cell: One of `CELLS`, by name.
        shape: Sizes.
        weights: The weights, and the lowest layer's input product.
        features: Features of alleles 0 and 1, float32 (n_markers, 2, feature_size).
    """

    cell: str
    shape: Shape
    weights: Weights
    features: Floats


def pack(stack: StackWeights, features: Floats) -> PackedStack:
    """Lay weights out as the kernels read them.

    Args:
        stack: The weights.
        features: Features of alleles 0 and 1, float32 (n_markers, 2, feature_size).
    """
    layout = GATE_LAYOUTS[stack.cell]
    n_gates, n_units = len(layout.input), stack.layers[0].recurrent.shape[1]
    width = -(-n_units // BLOCK) * BLOCK
    inputs = [by_gate(layer.input, layout.input, width, width) for layer in stack.layers[1:]]
    recurrents = [by_gate(layer.recurrent, layout.recurrent, width, width) for layer in stack.layers]
    biases = [padded_bias(layer, layout, width) for layer in stack.layers]
    weights = Weights(
        table=aligned(input_table(stack.layers[0], features, layout.input, biases[0])),
        bias=aligned(np.array(biases)),
        input=aligned(np.array([_groups_of_units(part, layout.group) for part in inputs])),
        recurrent=aligned(np.array([_groups_of_units(part, layout.group) for part in recurrents])),
        input_back=aligned(np.array([_blocks_of_columns(part) for part in inputs])),
        recurrent_back=aligned(np.array([_blocks_of_columns(part) for part in recurrents])),
    )
    has_cell_state = CELLS[stack.cell].has_cell_state
    shape = Shape(has_cell_state, stack.from_right, len(features), len(stack.layers), n_units, width, n_gates)
    return PackedStack(stack.cell, shape, weights, features)


def by_gate(rows: Floats, gates: tuple[int, ...], *padded: int) -> Floats:
    """(n_gates * n_units, ...) -> (n_gates, width, ...), the gates in the order given, padded with 0."""
    parts = rows.reshape(len(gates), -1, *rows.shape[1:])[list(gates)]
    result = np.zeros((len(gates), *padded), np.float32)
    result[tuple(slice(size) for size in parts.shape)] = parts
    return result


def padded_bias(layer: LayerWeights, layout: GateLayout, width: int) -> Floats:
    """(width, 4), the sum of both biases where a row has both."""
    rows = np.zeros((GATES, width), np.float32)
    rows[layout.input_rows] = by_gate(layer.input_bias, layout.input, width)
    rows[layout.recurrent_rows] += by_gate(layer.recurrent_bias, layout.recurrent, width)
    return rows.T


def input_table(layer: LayerWeights, features: Floats, gates: tuple[int, ...], bias: Floats) -> Floats:
    """(n_markers, width, 2, n_gates): the input product of allele 0 with the bias, and the difference for allele 1."""
    product = _product(_offset_and_slope(features), layer.input.T)
    parts = product.reshape(len(features), 2, len(gates), -1)[:, :, list(gates)].transpose(0, 3, 1, 2)
    table = np.zeros((len(features), len(bias), 2, len(gates)), np.float32)
    table[:, : parts.shape[1]] = parts
    table[:, :, 0] += bias[:, : len(gates)]
    return table


def _offset_and_slope(features: Floats) -> Floats:
    """(2 * n_markers, feature_size): each marker's features at P(a1) of 0, and their change up to 1."""
    return np.stack([features[:, 0], features[:, 1] - features[:, 0]], axis=1).reshape(-1, features.shape[2])


def _product(a: Floats, b: Floats) -> Floats:
    product = np.empty((a.shape[0], b.shape[1]), np.float32)
    multiply(np.ascontiguousarray(a), np.ascontiguousarray(b), product)
    return product


def _groups_of_units(weights: Floats, size: int) -> Floats:
    """(n_gates, width, width below) -> (group of units, unit below, unit of the group, gate)."""
    n_gates, width, below = weights.shape
    return weights.reshape(n_gates, width // size, size, below).transpose(1, 3, 2, 0)


def _blocks_of_columns(weights: Floats) -> Floats:
    n_gates, width, _ = weights.shape
    return weights.reshape(n_gates, width, width // BLOCK, BLOCK).transpose(2, 0, 1, 3)


@dataclass(eq=False)
class Kept:
    """Results of a forward pass that its backward pass needs.

    Attributes:
        alt: float32 (n_tiles, n_markers * LANES).
        states: States of all layers at all markers for each stack, float32 (n_tiles, ...).
        gates: The same of the gates.
    """

    alt: Floats
    states: list[Floats]
    gates: list[Floats]


class Workspace:
    """Memory of earlier passes for later ones. Fresh memory of this size takes a tenth of the time of a pass."""

    def __init__(self) -> None:
        self._free: list[Floats] = []

    def take(self, n_tiles: int, size: int) -> Floats:
        """An array float32 (n_tiles, size) with undefined content. Each row begins at a cache line."""
        stride = -(-size // CACHE_LINE) * CACHE_LINE
        for index, array in enumerate(self._free):
            if array.size == n_tiles * stride:
                return self._free.pop(index).reshape(n_tiles, stride)[:, :size]
        return aligned_empty(n_tiles * stride).reshape(n_tiles, stride)[:, :size]

    def give_back(self, kept: Kept) -> None:
        """Allow the memory to be used again."""
        for array in (*kept.states, *kept.gates):
            rows, stride = len(array), array.strides[0] // array.itemsize
            self._free.append(np.lib.stride_tricks.as_strided(array, (rows * stride,), (array.itemsize,)))
        kept.states, kept.gates = [], []


def forward(
    stacks: Sequence[PackedStack], alt: Floats, gaps: NDArray[np.int64], threads: int = 1, room: int = 0
) -> Floats:
    """States that the sites of each gap between markers read.

    Args:
        stacks: Any number, over the same markers.
        alt: P(a1), float32 (n_haplotypes, n_markers).
        gaps: Number of markers before each gap, int64 (n_gaps,); distinct.
        threads: Tiles that run at once; the result does not depend on it.
        room: Rows to leave free behind the states of each gap.

    Returns:
        float32 (n_gaps, units of all stacks + room, n_padded): the units of the first stack, of the second and so on.
        They are read at the marker left of the gap, or right of it for a stack that runs from the right; 0 where there
        is no marker. The content of columns beyond the haplotypes is undefined.
    """
    return _forward(stacks, tiles(alt), gaps, threads, None, room)[0]


def forward_training(
    stacks: Sequence[PackedStack],
    alt: Floats,
    gaps: NDArray[np.int64],
    threads: int,
    workspace: Workspace,
    room: int = 0,
) -> tuple[Floats, Kept]:
    """Run `forward`, and keep what `backward` needs: 20 bytes (LSTM: 24) per unit, layer, marker and haplotype.

    Args:
        stacks: As in `forward`, like `alt`, `gaps`, `threads` and `room`.
        workspace: Gives the memory; return it with `give_back`.
    """
    return _forward(stacks, tiles(alt), gaps, threads, workspace, room)


def _forward(
    stacks: Sequence[PackedStack],
    alt: Floats,
    gaps: NDArray[np.int64],
    threads: int,
    workspace: Workspace | None,
    room: int,
) -> tuple[Floats, Kept]:
    n_tiles, n_rows = len(alt), sum(stack.shape.n_units for stack in stacks) + room
    by_gap = empty_output(stacks[0].shape, gaps, n_rows, n_tiles)
    output = by_gap.reshape(-1)
    kept = Kept(alt, [], [])
    jobs: list[tuple[Any, ...]] = []
    for stack, places in zip(stacks, places_of([stack.shape for stack in stacks], gaps, n_rows), strict=True):
        shape = stack.shape
        n_kept = 2 if workspace is None else shape.n_markers + 1
        n_states, n_gates = _sizes(shape, n_kept)
        if workspace is not None:
            kept.states.append(workspace.take(n_tiles, n_states))
            kept.gates.append(workspace.take(n_tiles, n_gates))
        for tile in range(n_tiles):
            memory = (kept.states[-1][tile], kept.gates[-1][tile]) if workspace else (n_states, 0)
            jobs.append((stack, alt[tile], *memory, n_kept, output, places, tile, n_tiles))
    deal(_forward_job, jobs, threads)
    return by_gap, kept


def empty_output(shape: Shape, gaps: NDArray[np.int64], n_rows: int, n_tiles: int) -> Floats:
    """Memory for the states at gaps, float32 (n_gaps, n_rows, n_padded); 0 in the outermost gaps."""
    by_gap = aligned_empty(len(gaps) * n_rows * n_tiles * LANES).reshape(len(gaps), n_rows, n_tiles * LANES)
    by_gap[(gaps == 0) | (gaps == shape.n_markers)] = 0
    return by_gap


def _sizes(shape: Shape, n_kept: int) -> tuple[int, int]:
    """Numbers of states and of gates that a tile stores."""
    per_layer = shape.n_layers * shape.width * LANES
    return n_kept * per_layer * (2 if shape.has_cell_state else 1), shape.n_markers * per_layer * GATES


def _forward_job(
    stack: PackedStack, alt: Floats, states: Floats | int, gates: Floats | int, n_kept: int, output: Floats,
    places: NDArray[np.int64], tile: int, n_tiles: int,
) -> None:  # fmt: skip
    states, gates = (aligned_empty(memory) if isinstance(memory, int) else memory for memory in (states, gates))
    below = aligned_empty(stack.shape.width * LANES)
    forward_tile(
        stack.shape, stack.weights, alt, states, n_kept, gates, below, output, places, tile * LANES, n_tiles * LANES
    )


def places_of(shapes: Sequence[Shape], gaps: NDArray[np.int64], n_rows: int) -> list[NDArray[np.int64]]:
    """For each stack and marker, the first row of the output for its states, or -1. Each gap has `n_rows` rows."""
    result, first = [], 0
    for shape in shapes:
        markers = gaps if shape.from_right else gaps - 1
        exists = (markers >= 0) & (markers < shape.n_markers)
        places = np.full(shape.n_markers, -1, np.int64)
        places[markers[exists]] = np.flatnonzero(exists) * n_rows + first
        result.append(places)
        first += shape.n_units
    return result


def backward(
    stacks: Sequence[PackedStack], kept: Kept, gaps: NDArray[np.int64], d_states: Floats, threads: int = 1
) -> list[StackWeights]:
    """Gradients of all weights.

    Args:
        stacks: As in the forward pass.
        kept: From `forward_training`.
        gaps: As in the forward pass.
        d_states: Gradient of the output of the forward pass, float32 (n_gaps, units of all stacks, n_padded). Columns
            beyond the haplotypes must be 0.
        threads: As in `forward`.

    Returns:
        The gradients of each stack, in the layout of its weights.
    """
    n_tiles, output = len(kept.alt), np.ascontiguousarray(d_states).reshape(-1)
    jobs: list[tuple[Any, ...]] = []
    sums = []
    all_places = places_of([stack.shape for stack in stacks], gaps, d_states.shape[1])
    for number, (stack, places) in enumerate(zip(stacks, all_places, strict=True)):
        by_tile = np.zeros((n_tiles, sum(_gradient_sizes(stack.shape))), np.float32)
        sums.append(by_tile)
        for tile in range(n_tiles):
            gradients = _gradients(stack.shape, by_tile[tile])
            memory = kept.alt[tile], kept.states[number][tile], kept.gates[number][tile]
            jobs.append((stack, gradients, *memory, output, places, tile, n_tiles))
    deal(_backward_job, jobs, threads)
    return [_unpack(stack, by_tile.sum(axis=0)) for stack, by_tile in zip(stacks, sums, strict=True)]


def _backward_job(
    stack: PackedStack, gradients: Gradients, alt: Floats, states: Floats, gates: Floats, output: Floats,
    places: NDArray[np.int64], tile: int, n_tiles: int,
) -> None:  # fmt: skip
    sizes = scratch_sizes(stack.shape)
    scratch = Scratch(*(aligned_empty(size) for size in sizes))
    backward_tile(
        stack.shape, stack.weights, gradients, scratch, alt, states, gates, output, places, tile * LANES,
        n_tiles * LANES,
    )  # fmt: skip


def _gradients(shape: Shape, buffer: Floats) -> Gradients:
    """Views of the parts of a flat buffer of `_gradient_sizes` numbers."""
    return Gradients(*np.split(buffer, np.cumsum(_gradient_sizes(shape))[:-1]))


def _gradient_sizes(shape: Shape) -> tuple[int, int, int, int]:
    matrix = shape.n_products * shape.width**2
    table, bias = 2 * shape.n_markers * shape.n_products * shape.width, GATES * shape.n_layers * shape.width
    return table, bias, (shape.n_layers - 1) * matrix, shape.n_layers * matrix


def _unpack(stack: PackedStack, buffer: Floats) -> StackWeights:
    """The gradients in PyTorch's layout."""
    shape, gradients = stack.shape, _gradients(stack.shape, buffer)
    n, width, units = shape.n_products, shape.width, slice(shape.n_units)
    table = gradients.table.reshape(-1, 2, n, width)[..., units]
    d_bias = gradients.bias.reshape(-1, GATES, width)[..., units].copy()
    d_bias[0, :n] = table[:, 0].sum(axis=0)
    inputs = list(gradients.input.reshape(-1, n, width, width)[:, :, units, units])
    inputs.insert(0, _first_input_gradient(table, stack.features))
    recurrents = gradients.recurrent.reshape(-1, n, width, width)[:, :, units, units]
    layout = GATE_LAYOUTS[stack.cell]
    layers = [
        LayerWeights(
            _by_gate_back(d_input, layout.input),
            _by_gate_back(d_recurrent, layout.recurrent),
            _by_gate_back(bias[layout.input_rows], layout.input),
            _by_gate_back(bias[layout.recurrent_rows], layout.recurrent),
        )
        for d_input, d_recurrent, bias in zip(inputs, recurrents, d_bias, strict=True)
    ]
    return StackWeights(stack.cell, shape.from_right, tuple(layers))


def _first_input_gradient(table: Floats, features: Floats) -> Floats:
    """(n_gates, n_units, feature_size), from the gradient of the lowest layer's input product."""
    n_markers, _, n_gates, n_units = table.shape
    product = _product(table.reshape(2 * n_markers, -1).T, _offset_and_slope(features))
    return product.reshape(n_gates, n_units, -1)


def _by_gate_back(parts: Floats, gates: tuple[int, ...]) -> Floats:
    """(n_gates, n_units, ...) in the order given -> (n_gates * n_units, ...) in PyTorch's."""
    return np.ascontiguousarray(parts[np.argsort(gates)]).reshape(-1, *parts.shape[2:])
