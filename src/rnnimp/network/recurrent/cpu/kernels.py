"""Recurrent stacks on the CPU, forward and backward, as Numba kernels. `recurrent/reference.py` has the arithmetic.

A tile of `LANES` haplotypes runs over all markers, and through all layers at each marker. All weights and the tile's
states stay in cache. Arrays inside a tile are `[unit][haplotype]`: a vector is one unit of the whole tile. A matrix
product is sums of numbers (weights) times vectors (states), which stay in registers.

The module begins with the arrays that the kernels read and write. Then come the forward kernels: one layer at one
marker, then a tile. The backward kernels follow in the same order. `stacks.py` lays out the arrays and deals tiles to
threads.

Each layer has four rows of gates. For an LSTM they are i, f, g, o, as in PyTorch. For a GRU they are n, r, z, m. Here m
is the recurrent part of the candidate: `n = tanh(input part of n + r * m)`. The input product of a GRU adds to n, r, z,
and its recurrent product to r, z, m.
"""

from __future__ import annotations

from typing import NamedTuple

import numba

from rnnimp.network.kernels.simd import (
    BLOCK,
    LANES,
    WIDE,
    WIDEST,
    add_outer_products,
    add_product,
    fma,
    load,
    prefetch_to_read,
    prefetch_to_write,
    sigmoid,
    splat,
    store,
    tanh,
    total,
    transpose_block,
)
from rnnimp.network.kernels.tiles import kernel
from rnnimp.network.region_coding import Floats

GATES = 4
LINE = 16  # float32 in a cache line
OUTER_ROWS = 4 if WIDE else 2  # rows of a weight gradient whose sums fit in the registers
GRU_UNITS = 1 if WIDE else 2  # units whose sums fit in the registers


class Shape(NamedTuple):
    """Sizes of a stack."""

    has_cell_state: bool  # LSTM, else GRU
    from_right: bool
    n_markers: int
    n_layers: int
    n_units: int
    width: int  # units, rounded up to a multiple of `BLOCK`
    n_products: int  # gates that the input product adds to; the recurrent product adds to as many


class Weights(NamedTuple):
    """A stack's weights, flat, in the order in which the kernels read them."""

    table: Floats  # [marker][unit][offset, slope][gate], the lowest layer's input product, linear in P(a1)
    bias: Floats  # [layer][unit][4]
    input: Floats  # [layer - 1][unit][unit below][gate]; GRU: [...][group of units][unit below][unit][gate]
    recurrent: Floats  # [layer][unit][unit][gate]; GRU: groups of `GRU_UNITS` as above
    input_back: Floats  # [layer - 1][block of units below][gate][unit][unit of the block]
    recurrent_back: Floats  # [layer][block of units][gate][unit][unit of the block]


class Gradients(NamedTuple):
    """Gradients of the weights, flat. The kernels set them or add to them."""

    table: Floats  # [marker][offset, slope][gate][unit]
    bias: Floats  # [layer][4][unit]; the lowest layer's only where the table has none
    input: Floats  # [layer - 1][gate][unit][unit below]
    recurrent: Floats  # [layer][gate][unit][unit]


class Scratch(NamedTuple):
    """Working memory of a tile's backward pass, flat; `[...][haplotype]` unless said otherwise."""

    carry: Floats  # [layer][h, c][unit], gradients of the states before the marker
    above: Floats  # [unit], gradient of the sum of layers
    rows: Floats  # [4][unit], gradients of the gates before their functions
    states: Floats  # [parity of the step][layer][haplotype][unit]
    below: Floats  # [layer - 1][haplotype][unit], the layers' inputs


def scratch_sizes(shape: Shape) -> tuple[int, ...]:
    """Lengths of `Scratch`'s arrays."""
    tile, n_layers = shape.width * LANES, shape.n_layers
    return 2 * n_layers * tile, tile, GATES * tile, 2 * n_layers * tile, n_layers * tile


@kernel
def multiply(a, b, product):  # type: ignore
    """`product = a @ b` for small matrices. The product of numpy would wake its threads, which costs more."""
    product[:] = 0.0
    for row in range(a.shape[0]):
        for step in range(a.shape[1]):
            factor = a[row, step]
            for column in range(b.shape[1]):
                product[row, column] += factor * b[step, column]


@kernel
def _expect_writing(width, at, states, current, gates, kept):  # type: ignore
    """Fetch the memory of the next unit early, because a store to memory that is not in cache waits for it."""
    if kept >= 0:
        for line in range(at, at + LANES, LINE):
            prefetch_to_write(states, current + line)
            for gate in range(GATES):
                prefetch_to_write(gates, kept + gate * width * LANES + line)


@numba.njit(inline="always")
def gru_start(shape, weights, layer, marker, unit, alt):  # type: ignore
    """n, r and z of a GRU's unit before the products."""
    if layer == 0:
        row = (marker * shape.width + unit) * 6
        n = fma(alt, weights.table[row + 3], weights.table[row])
        r = fma(alt, weights.table[row + 4], weights.table[row + 1])
        z = fma(alt, weights.table[row + 5], weights.table[row + 2])
    else:
        row = (layer * shape.width + unit) * 4
        n, r, z = splat(weights.bias[row]), splat(weights.bias[row + 1]), splat(weights.bias[row + 2])
    return n, r, z


@numba.njit(inline="always")
def _gru_finish(width, unit, n, r, z, m, states, previous, current, gates, kept):  # type: ignore
    """Compute the state from the sums of the gates; store the gates where `kept` is not -1."""
    r, z = sigmoid(r), sigmoid(z)
    n = tanh(fma(r, m, n))
    at = unit * LANES
    store(states, current + at, fma(z, load(states, previous + at) - n, n))
    if kept >= 0:
        store(gates, kept + at, n)
        store(gates, kept + width * LANES + at, r)
        store(gates, kept + 2 * width * LANES + at, z)
        store(gates, kept + 3 * width * LANES + at, m)


@kernel
def _gru_layer(shape, weights, layer, marker, alt, below, states, previous, current, gates, kept):  # type: ignore
    """One layer at one marker: states[previous ...] -> states[current ...]; stores the gates where `kept` is not -1."""
    width = shape.width
    for unit in range(width):
        _expect_writing(width, (unit + 1) * LANES, states, current, gates, kept)
        own = layer * width + unit
        n, r, z = gru_start(shape, weights, layer, marker, unit, alt)
        if layer > 0:
            n, r, z = add_product((n, r, z), weights.input, (own - width) * width * 3, 1, 3, below, 0, LANES, width)
        m = splat(weights.bias[own * 4 + 3])
        r, z, m = add_product((r, z, m), weights.recurrent, own * width * 3, 1, 3, states, previous, LANES, width)
        _gru_finish(width, unit, n, r, z, m, states, previous, current, gates, kept)


@kernel
def _gru_layer_by_pairs(shape, weights, layer, marker, alt, below, states, previous, current, gates, kept):  # type: ignore
    """`_gru_layer`, two units at a time. Six sums of short vectors keep a processor busy; three do not."""
    width = shape.width
    for unit in range(0, width, 2):
        _expect_writing(width, (unit + 2) * LANES, states, current, gates, kept)
        _expect_writing(width, (unit + 3) * LANES, states, current, gates, kept)
        own = layer * width + unit
        n, r, z = gru_start(shape, weights, layer, marker, unit, alt)
        n2, r2, z2 = gru_start(shape, weights, layer, marker, unit + 1, alt)
        if layer > 0:
            at = (own - width) * width * 3
            n, r, z, n2, r2, z2 = add_product((n, r, z, n2, r2, z2), weights.input, at, 1, 6, below, 0, LANES, width)
        m, m2 = splat(weights.bias[own * 4 + 3]), splat(weights.bias[own * 4 + 7])
        at = own * width * 3
        r, z, m, r2, z2, m2 = add_product(
            (r, z, m, r2, z2, m2), weights.recurrent, at, 1, 6, states, previous, LANES, width
        )
        _gru_finish(width, unit, n, r, z, m, states, previous, current, gates, kept)
        _gru_finish(width, unit + 1, n2, r2, z2, m2, states, previous, current, gates, kept)


@kernel
def _lstm_layer(shape, weights, layer, marker, alt, below, states, previous, current, gates, kept):  # type: ignore
    """`_gru_layer` for an LSTM. The cell states follow the states in memory."""
    width = shape.width
    cells = width * LANES
    for unit in range(width):
        _expect_writing(width, (unit + 1) * LANES, states, current, gates, kept)
        own = layer * width + unit
        if layer == 0:
            row = (marker * width + unit) * 8
            i = fma(alt, weights.table[row + 4], weights.table[row])
            f = fma(alt, weights.table[row + 5], weights.table[row + 1])
            g = fma(alt, weights.table[row + 6], weights.table[row + 2])
            o = fma(alt, weights.table[row + 7], weights.table[row + 3])
        else:
            i, f = splat(weights.bias[own * 4]), splat(weights.bias[own * 4 + 1])
            g, o = splat(weights.bias[own * 4 + 2]), splat(weights.bias[own * 4 + 3])
            i, f, g, o = add_product(
                (i, f, g, o), weights.input, (own - width) * width * 4, 1, 4, below, 0, LANES, width
            )
        i, f, g, o = add_product((i, f, g, o), weights.recurrent, own * width * 4, 1, 4, states, previous, LANES, width)
        i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
        at = unit * LANES
        cell = fma(f, load(states, previous + cells + at), i * g)
        store(states, current + cells + at, cell)
        store(states, current + at, o * tanh(cell))
        if kept >= 0:
            store(gates, kept + at, i)
            store(gates, kept + width * LANES + at, f)
            store(gates, kept + 2 * width * LANES + at, g)
            store(gates, kept + 3 * width * LANES + at, o)


@kernel
def steps_read(shape, places):  # type: ignore
    """Number of markers up to the last whose states are read: no site reads the flank behind the last site."""
    steps = shape.n_markers
    while steps > 0 and places[shape.n_markers - steps if shape.from_right else steps - 1] < 0:
        steps -= 1
    return steps


@kernel
def forward_tile(shape, weights, alt, states, n_kept, gates, below, output, places, column, row):  # type: ignore
    """A tile over all markers.

    Args:
        alt: P(a1), [marker][haplotype].
        states: [marker][layer][h, c][unit], a ring of `n_kept` markers.
        gates: [step][layer][4][unit] of all steps, or empty.
        output: Matrix with rows of length `row`. A marker's states go to the rows from `places[marker]`, unless that is
            below 0, and to the columns from `column`.
    """
    tile = shape.width * LANES
    per_layer = tile * (2 if shape.has_cell_state else 1)
    per_marker = per_layer * shape.n_layers
    states[:per_marker] = 0.0
    for step in range(shape.n_markers if len(gates) else steps_read(shape, places)):
        marker = shape.n_markers - 1 - step if shape.from_right else step
        here = load(alt, marker * LANES)
        for layer in range(shape.n_layers):
            previous = (step % n_kept) * per_marker + layer * per_layer
            current = ((step + 1) % n_kept) * per_marker + layer * per_layer
            kept = (step * shape.n_layers + layer) * GATES * tile if len(gates) else -1
            if shape.has_cell_state:
                _lstm_layer(shape, weights, layer, marker, here, below, states, previous, current, gates, kept)
            elif GRU_UNITS == 2:
                _gru_layer_by_pairs(shape, weights, layer, marker, here, below, states, previous, current, gates, kept)
            else:
                _gru_layer(shape, weights, layer, marker, here, below, states, previous, current, gates, kept)
            for at in range(0, tile, LANES):
                state = load(states, current + at)
                store(below, at, state if layer == 0 else load(below, at) + state)
        if places[marker] >= 0:
            for unit in range(shape.n_units):
                store(output, (places[marker] + unit) * row + column, load(below, unit * LANES))


@kernel
def _gru_rows(width, scratch, layer, states, previous, gates, kept):  # type: ignore
    """Gradients of one layer's gates at one marker, and of its previous state without the recurrent product."""
    tile = width * LANES
    for at in range(0, tile, LANES):
        n, r = load(gates, kept + at), load(gates, kept + tile + at)
        z, m = load(gates, kept + 2 * tile + at), load(gates, kept + 3 * tile + at)
        carry = 2 * layer * tile + at
        d_state = load(scratch.above, at) + load(scratch.carry, carry)
        through_z = d_state * z
        d_n = (d_state - through_z) * (1.0 - n * n)
        d_m = d_n * r
        store(scratch.carry, carry, through_z)
        store(scratch.rows, at, d_n)
        store(scratch.rows, tile + at, d_m * m * (1.0 - r))
        store(scratch.rows, 2 * tile + at, through_z * (1.0 - z) * (load(states, previous + at) - n))
        store(scratch.rows, 3 * tile + at, d_m)


@kernel
def _lstm_rows(width, scratch, layer, states, previous, current, gates, kept):  # type: ignore
    """`_gru_rows` for an LSTM."""
    tile = width * LANES
    for at in range(0, tile, LANES):
        i, f = load(gates, kept + at), load(gates, kept + tile + at)
        g, o = load(gates, kept + 2 * tile + at), load(gates, kept + 3 * tile + at)
        carry = 2 * layer * tile + at
        d_state = load(scratch.above, at) + load(scratch.carry, carry)
        bent = tanh(load(states, current + tile + at))
        d_cell = fma(d_state * o, 1.0 - bent * bent, load(scratch.carry, carry + tile))
        store(scratch.carry, carry, splat(0.0))
        store(scratch.carry, carry + tile, d_cell * f)
        store(scratch.rows, at, d_cell * g * i * (1.0 - i))
        store(scratch.rows, tile + at, d_cell * load(states, previous + tile + at) * f * (1.0 - f))
        store(scratch.rows, 2 * tile + at, d_cell * i * (1.0 - g * g))
        store(scratch.rows, 3 * tile + at, d_state * bent * o * (1.0 - o))


@kernel
def _add_transposed_product(sums, sums_at, weights, weights_at, rows, rows_at, n_rows, width):  # type: ignore
    """`sums[unit] += weights[row, unit] * rows[row]` over the rows, four units at a time."""
    for unit in range(0, width, 4):
        first = weights_at + (unit // BLOCK) * n_rows * BLOCK + unit % BLOCK
        at = sums_at + unit * LANES
        four = (load(sums, at), load(sums, at + LANES), load(sums, at + 2 * LANES), load(sums, at + 3 * LANES))
        four = add_product(four, weights, first, 1, BLOCK, rows, rows_at, LANES, n_rows)
        store(sums, at, four[0])
        store(sums, at + LANES, four[1])
        store(sums, at + 2 * LANES, four[2])
        store(sums, at + 3 * LANES, four[3])


@kernel
def _add_weight_gradient(  # type: ignore
    gradient, gradient_at, rows, rows_at, n_rows, states, states_at, width, soon, soon_at, n_soon
):
    """`gradient[row, column] += sum of rows[row] * states[:, column]`, in pieces that fit in the registers.

    Between the pieces, it starts to fetch `soon[soon_at : soon_at + n_soon]`, which will be read later. These results
    of the forward pass are not in cache any more, and waiting for them would take an eighth of the backward pass.
    """
    n_pieces = -(-width // WIDEST)
    most = -(-width // (BLOCK * n_pieces)) * BLOCK
    for column in range(0, width, most):
        b, piece = states_at + column, min(most, width - column)
        for row in range(0, n_rows, OUTER_ROWS):
            c, a = gradient_at + row * width + column, rows_at + row * LANES
            if column == 0:
                for line in range(row * n_soon // n_rows // LINE, (row + OUTER_ROWS) * n_soon // n_rows // LINE):
                    prefetch_to_read(soon, soon_at + line * LINE)
            if piece == 40:
                add_outer_products(gradient, c, width, rows, a, states, b, width, OUTER_ROWS, 40)
            elif piece == 32:
                add_outer_products(gradient, c, width, rows, a, states, b, width, OUTER_ROWS, 32)
            elif piece == 24:
                add_outer_products(gradient, c, width, rows, a, states, b, width, OUTER_ROWS, 24)
            elif piece == 16:
                add_outer_products(gradient, c, width, rows, a, states, b, width, OUTER_ROWS, 16)
            else:
                add_outer_products(gradient, c, width, rows, a, states, b, width, OUTER_ROWS, 8)


@kernel
def _transpose_states(shape, states, marker_at, per_layer, target, target_at):  # type: ignore
    width = shape.width
    for layer in range(shape.n_layers):
        source, goal = marker_at + layer * per_layer, target_at + layer * width * LANES
        for unit in range(0, width, BLOCK):
            for lane in range(0, LANES, BLOCK):
                from_here, to_here = source + unit * LANES + lane, goal + lane * width + unit
                transpose_block(states, from_here, LANES, target, to_here, width)


@kernel
def _recurrent_backward(shape, weights, gradients, scratch, layer, states_at, gates, kept):  # type: ignore
    """Gradients of the recurrent weights and of the previous state, from those of the gates."""
    width, tile = shape.width, shape.width * LANES
    n_rows = shape.n_products * width
    first = 0 if shape.has_cell_state else tile  # n has no recurrent product
    at = layer * n_rows * width
    _add_transposed_product(
        scratch.carry, 2 * layer * tile, weights.recurrent_back, at, scratch.rows, first, n_rows, width
    )
    next_gates = kept - GATES * tile
    n_soon = GATES * tile if next_gates >= 0 else 0
    _add_weight_gradient(
        gradients.recurrent,
        at,
        scratch.rows,
        first,
        n_rows,
        scratch.states,
        states_at,
        width,
        gates,
        next_gates,
        n_soon,
    )
    for row in range(0 if layer else n_rows, GATES * width):  # the lowest layer's other biases are in its table
        gradients.bias[layer * GATES * width + row] += total(load(scratch.rows, row * LANES))


@kernel
def _input_backward(shape, weights, gradients, scratch, layer, marker, here, states, previous, per_layer):  # type: ignore
    """Gradients of the input weights and of the layers below, from those of the gates."""
    width, tile = shape.width, shape.width * LANES
    n_rows = shape.n_products * width
    if layer == 0:
        for row in range(n_rows):
            d_row = load(scratch.rows, row * LANES)
            gradients.table[2 * marker * n_rows + row] = total(d_row)
            gradients.table[(2 * marker + 1) * n_rows + row] = total(d_row * here)
        return
    at = (layer - 1) * n_rows * width
    _add_transposed_product(scratch.above, 0, weights.input_back, at, scratch.rows, 0, n_rows, width)
    n_soon = per_layer * (2 if layer == 1 else 1)  # the lowest layer does not come here
    next_states = previous - shape.n_layers * per_layer + per_layer - n_soon
    _add_weight_gradient(
        gradients.input, at, scratch.rows, 0, n_rows, scratch.below, (layer - 1) * tile, width,
        states, next_states, n_soon if next_states >= 0 else 0,
    )  # fmt: skip


@kernel
def backward_tile(shape, weights, gradients, scratch, alt, states, gates, output, places, column, row):  # type: ignore
    """Gradients of a tile from those of its output, laid out as in `forward_tile`; `gradients` begin at 0."""
    width, tile = shape.width, shape.width * LANES
    per_layer = tile * (2 if shape.has_cell_state else 1)
    per_marker = per_layer * shape.n_layers
    side = shape.n_layers * tile
    scratch.carry[:] = 0.0
    _transpose_states(shape, states, shape.n_markers * per_marker, per_layer, scratch.states, 0)
    for step in range(shape.n_markers - 1, -1, -1):
        marker = shape.n_markers - 1 - step if shape.from_right else step
        here = load(alt, marker * LANES)
        now = ((shape.n_markers - 1 - step) % 2) * side
        _transpose_states(shape, states, step * per_marker, per_layer, scratch.states, side - now)
        for at in range(0, side - tile, LANES):
            own = load(scratch.states, now + at)
            store(scratch.below, at, own if at < tile else own + load(scratch.below, at - tile))
        scratch.above[:] = 0.0
        if places[marker] >= 0:
            for unit in range(shape.n_units):
                store(scratch.above, unit * LANES, load(output, (places[marker] + unit) * row + column))
        for layer in range(shape.n_layers - 1, -1, -1):
            previous = step * per_marker + layer * per_layer
            kept = (step * shape.n_layers + layer) * GATES * tile
            if shape.has_cell_state:
                _lstm_rows(width, scratch, layer, states, previous, previous + per_marker, gates, kept)
            else:
                _gru_rows(width, scratch, layer, states, previous, gates, kept)
            states_at = side - now + layer * tile
            _recurrent_backward(shape, weights, gradients, scratch, layer, states_at, gates, kept)
            _input_backward(shape, weights, gradients, scratch, layer, marker, here, states, previous, per_layer)
