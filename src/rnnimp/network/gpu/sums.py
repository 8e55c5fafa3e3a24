"""From the gates' gradients to those of weights, of the first layer's table and of the layers below."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def weight_gradients(
    dgates, h, y_in, partial_weight, partial_bias, lengths, T, N, n_chunks, CHUNK,
    FIRST: tl.constexpr, IS_GRU: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, BLOCK: tl.constexpr,
    TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of one layer's weights and biases, summed over CHUNK markers and all haplotypes.

    A program owns BLOCK columns of every matrix: units that a gate reads. The first layer has no input weights here,
    see `table_gradients`. What flows to the layers below has a kernel of its own: products that are not only added up
    would make all of these wait for each other.

    Writes float32 partial sums: weights (P, n_chunks, 2, n_gates, U, U), recurrent and input, out by in; sums of the
    four gates' gradients (P, n_chunks, 4, U), of which the first layer of a GRU leaves out the third.
    """
    N_GATES: tl.constexpr = 3 if IS_GRU else 4
    stack = tl.program_id(0).to(tl.int64)
    chunk = tl.program_id(1)
    network, direction = stack // 2, stack % 2
    length = tl.load(lengths + network)
    units = tl.arange(0, PADDED)
    columns = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    ones = tl.full((TILE, 16), 1.0, OPERAND)
    recurrent_0 = tl.zeros((PADDED, BLOCK), tl.float32)
    recurrent_1 = tl.zeros((PADDED, BLOCK), tl.float32)
    recurrent_2 = tl.zeros((PADDED, BLOCK), tl.float32)
    bias_0 = tl.zeros((PADDED, 16), tl.float32)
    bias_1 = tl.zeros((PADDED, 16), tl.float32)
    bias_2 = tl.zeros((PADDED, 16), tl.float32)
    bias_3 = tl.zeros((PADDED, 16), tl.float32)
    if not IS_GRU:
        recurrent_3 = tl.zeros((PADDED, BLOCK), tl.float32)
    if not FIRST:
        input_0 = tl.zeros((PADDED, BLOCK), tl.float32)
        input_1 = tl.zeros((PADDED, BLOCK), tl.float32)
        input_2 = tl.zeros((PADDED, BLOCK), tl.float32)
        if not IS_GRU:
            input_3 = tl.zeros((PADDED, BLOCK), tl.float32)
    tiles = tl.cdiv(N, TILE)
    begin = chunk * CHUNK
    for turn in range(0, (tl.minimum(begin + CHUNK, length) - begin) * tiles):
        t = begin + turn // tiles
        rows = turn % tiles * TILE + tl.arange(0, TILE)
        mask = (rows < N)[:, None] & (units < U)[None, :]
        read = (rows < N)[:, None] & (columns < U)[None, :]
        at = rows[:, None] * U + columns[None, :]
        before = tl.where(direction == 0, t - 1, t + 1)
        has_before = (before >= 0) & (before < length)
        state = tl.load(h + (stack * T + before) * N * U + at, mask=read & has_before, other=0.0)
        gate = dgates + (stack * T + t) * 4 * N * U + rows[:, None] * U + units[None, :]
        slope_0 = tl.load(gate, mask=mask, other=0.0)
        slope_1 = tl.load(gate + N * U, mask=mask, other=0.0)
        slope_3 = tl.load(gate + 3 * N * U, mask=mask, other=0.0)
        recurrent_0 = tl.dot(tl.trans(slope_0), state, acc=recurrent_0)
        recurrent_1 = tl.dot(tl.trans(slope_1), state, acc=recurrent_1)
        bias_0 = tl.dot(tl.trans(slope_0), ones, acc=bias_0)
        bias_1 = tl.dot(tl.trans(slope_1), ones, acc=bias_1)
        bias_3 = tl.dot(tl.trans(slope_3), ones, acc=bias_3)
        if not (FIRST and IS_GRU):
            slope_2 = tl.load(gate + 2 * N * U, mask=mask, other=0.0)
            bias_2 = tl.dot(tl.trans(slope_2), ones, acc=bias_2)
        if IS_GRU:  # the recurrent half of n has a gradient of its own
            recurrent_2 = tl.dot(tl.trans(slope_3), state, acc=recurrent_2)
        else:
            recurrent_2 = tl.dot(tl.trans(slope_2), state, acc=recurrent_2)
            recurrent_3 = tl.dot(tl.trans(slope_3), state, acc=recurrent_3)
        if not FIRST:
            x = tl.load(y_in + (stack * T + t) * N * U + at, mask=read, other=0.0)
            input_0 = tl.dot(tl.trans(slope_0), x, acc=input_0)
            input_1 = tl.dot(tl.trans(slope_1), x, acc=input_1)
            input_2 = tl.dot(tl.trans(slope_2), x, acc=input_2)
            if not IS_GRU:
                input_3 = tl.dot(tl.trans(slope_3), x, acc=input_3)
    out = (stack * n_chunks + chunk) * 2 * N_GATES
    _store_weight(partial_weight, out, recurrent_0, columns, U, PADDED)
    _store_weight(partial_weight, out + 1, recurrent_1, columns, U, PADDED)
    _store_weight(partial_weight, out + 2, recurrent_2, columns, U, PADDED)
    if not IS_GRU:
        _store_weight(partial_weight, out + 3, recurrent_3, columns, U, PADDED)
    if not FIRST:
        _store_weight(partial_weight, out + N_GATES, input_0, columns, U, PADDED)
        _store_weight(partial_weight, out + N_GATES + 1, input_1, columns, U, PADDED)
        _store_weight(partial_weight, out + N_GATES + 2, input_2, columns, U, PADDED)
        if not IS_GRU:
            _store_weight(partial_weight, out + N_GATES + 3, input_3, columns, U, PADDED)
    if tl.program_id(2) == 0:
        out = (stack * n_chunks + chunk) * 4
        _store_bias(partial_bias, out, bias_0, U, PADDED)
        _store_bias(partial_bias, out + 1, bias_1, U, PADDED)
        _store_bias(partial_bias, out + 2, bias_2, U, PADDED)
        _store_bias(partial_bias, out + 3, bias_3, U, PADDED)


@triton.jit
def pass_down(
    weights, dgates, dy, lengths, n_parameters, stack_offset, direction_stride, T, N, CHUNK,
    IS_GRU: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, BLOCK: tl.constexpr, TILE: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """Add to BLOCK units of `dy`, over CHUNK markers, what flows through the input weights to the layers below."""
    stack = tl.program_id(0).to(tl.int64)
    network = stack // 2
    own = weights + network * n_parameters + stack_offset + stack % 2 * direction_stride
    units = tl.arange(0, PADDED)
    columns = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    down_0, down_1 = _load_columns(own, 0, columns, U, PADDED), _load_columns(own, 1, columns, U, PADDED)
    down_2 = _load_columns(own, 2, columns, U, PADDED)
    if not IS_GRU:
        down_3 = _load_columns(own, 3, columns, U, PADDED)
    tiles = tl.cdiv(N, TILE)
    begin = tl.program_id(1) * CHUNK
    for turn in range(0, (tl.minimum(begin + CHUNK, tl.load(lengths + network)) - begin) * tiles):
        t = begin + turn // tiles
        rows = turn % tiles * TILE + tl.arange(0, TILE)
        mask = (rows < N)[:, None] & (units < U)[None, :]
        gate = dgates + (stack * T + t) * 4 * N * U + rows[:, None] * U + units[None, :]
        below = tl.dot(tl.load(gate, mask=mask, other=0.0), down_0)
        below = tl.dot(tl.load(gate + N * U, mask=mask, other=0.0), down_1, acc=below)
        below = tl.dot(tl.load(gate + 2 * N * U, mask=mask, other=0.0), down_2, acc=below)
        if not IS_GRU:
            below = tl.dot(tl.load(gate + 3 * N * U, mask=mask, other=0.0), down_3, acc=below)
        place = dy + (stack * T + t) * N * U + rows[:, None] * U + columns[None, :]
        inside = (rows < N)[:, None] & (columns < U)[None, :]
        below += tl.load(place, mask=inside, other=0.0).to(tl.float32)
        tl.store(place, below.to(OPERAND), mask=inside)


@triton.jit
def _load_columns(pointer, gate, columns, U: tl.constexpr, PADDED: tl.constexpr):
    """Some columns of one gate's matrix, (out, in): (PADDED, n_columns), padded with 0."""
    units = tl.arange(0, PADDED)
    mask = (units < U)[:, None] & (columns < U)[None, :]
    return tl.load(pointer + (gate * U + units[:, None]) * U + columns[None, :], mask=mask, other=0.0)


@triton.jit
def _store_weight(weights, index, weight, columns, U: tl.constexpr, PADDED: tl.constexpr):
    units = tl.arange(0, PADDED)
    mask = (units < U)[:, None] & (columns < U)[None, :]
    tl.store(weights + (index * U + units[:, None]) * U + columns[None, :], weight, mask=mask)


@triton.jit
def _store_bias(biases, index, bias, U: tl.constexpr, PADDED: tl.constexpr):
    units = tl.arange(0, PADDED)  # each of the 16 columns of `bias` holds the same sums
    tl.store(biases + index * U + units, tl.sum(bias, axis=1) / 16.0, mask=units < U)


@triton.jit
def table_gradients(
    dgates, alt, d_table, lengths, T, N,
    GATES: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradient of the first layer's table, float32 (P, T, 2, GATES, U); 0 beyond a network's markers."""
    stack = tl.program_id(0).to(tl.int64)
    t, gate = tl.program_id(1), tl.program_id(2)
    network = stack // 2
    units = tl.arange(0, PADDED)
    is_unit = units < U
    base = tl.zeros((PADDED,), tl.float32)
    delta = tl.zeros((PADDED,), tl.float32)
    if t < tl.load(lengths + network):
        for start in range(0, N, TILE):
            rows = start + tl.arange(0, TILE)
            mask = (rows < N)[:, None] & is_unit[None, :]
            at = ((stack * T + t) * 4 + gate) * N * U + rows[:, None] * U + units[None, :]
            gradient = tl.load(dgates + at, mask=mask, other=0.0).to(tl.float32)
            p = tl.load(alt + (network * T + t) * N + rows, mask=rows < N, other=0.0)[:, None]
            base += tl.sum(gradient, axis=0)
            delta += tl.sum(gradient * p, axis=0)
    row = d_table + ((stack * T + t) * 2 * GATES + gate) * U + units
    tl.store(row, base, mask=is_unit)
    tl.store(row + GATES * U, delta, mask=is_unit)
