"""From the gates' gradients to those of weights, of the first layer's table and of the layers below."""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network.gpu.parts import load_weight


@triton.jit
def recurrent_gradients(
    dgates, h, partial_weight, partial_bias, lengths, T, N, n_chunks, CHUNK,
    IS_GRU: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of one layer's recurrent weights and biases, summed over CHUNK markers and all haplotypes.

    Writes float32 partial sums, weights (P, n_chunks, n_gates, U, U), out by in, and biases (P, n_chunks, n_gates, U).
    """
    N_GATES: tl.constexpr = 3 if IS_GRU else 4
    THIRD: tl.constexpr = 3 if IS_GRU else 2  # the recurrent half of a GRU's n has a gradient of its own
    stack = tl.program_id(0).to(tl.int64)
    chunk = tl.program_id(1)
    network, direction = stack // 2, stack % 2
    units = tl.arange(0, PADDED)
    length = tl.load(lengths + network)
    ones = tl.full((TILE, 16), 1.0, OPERAND)
    weight_0 = tl.zeros((PADDED, PADDED), tl.float32)
    weight_1 = tl.zeros((PADDED, PADDED), tl.float32)
    weight_2 = tl.zeros((PADDED, PADDED), tl.float32)
    bias_0 = tl.zeros((PADDED, 16), tl.float32)
    bias_1 = tl.zeros((PADDED, 16), tl.float32)
    bias_2 = tl.zeros((PADDED, 16), tl.float32)
    if not IS_GRU:
        weight_3 = tl.zeros((PADDED, PADDED), tl.float32)
        bias_3 = tl.zeros((PADDED, 16), tl.float32)
    tiles = tl.cdiv(N, TILE)
    begin = chunk * CHUNK
    for turn in range(0, (tl.minimum(begin + CHUNK, length) - begin) * tiles):
        t = begin + turn // tiles
        rows = turn % tiles * TILE + tl.arange(0, TILE)
        mask = (rows < N)[:, None] & (units < U)[None, :]
        at = rows[:, None] * U + units[None, :]
        before = tl.where(direction == 0, t - 1, t + 1)
        has_before = (before >= 0) & (before < length)
        state = tl.load(h + (stack * T + before) * N * U + at, mask=mask & has_before, other=0.0)
        gate = dgates + (stack * T + t) * 4 * N * U + at
        slope_0 = tl.trans(tl.load(gate, mask=mask, other=0.0))
        slope_1 = tl.trans(tl.load(gate + N * U, mask=mask, other=0.0))
        slope_2 = tl.trans(tl.load(gate + THIRD * N * U, mask=mask, other=0.0))
        weight_0 = tl.dot(slope_0, state, acc=weight_0)
        weight_1 = tl.dot(slope_1, state, acc=weight_1)
        weight_2 = tl.dot(slope_2, state, acc=weight_2)
        bias_0 = tl.dot(slope_0, ones, acc=bias_0)
        bias_1 = tl.dot(slope_1, ones, acc=bias_1)
        bias_2 = tl.dot(slope_2, ones, acc=bias_2)
        if not IS_GRU:
            slope_3 = tl.trans(tl.load(gate + 3 * N * U, mask=mask, other=0.0))
            weight_3 = tl.dot(slope_3, state, acc=weight_3)
            bias_3 = tl.dot(slope_3, ones, acc=bias_3)
    out = (stack * n_chunks + chunk) * N_GATES
    _store_weight(partial_weight, out, weight_0, U, PADDED)
    _store_bias(partial_bias, out, bias_0, U, PADDED)
    _store_weight(partial_weight, out + 1, weight_1, U, PADDED)
    _store_bias(partial_bias, out + 1, bias_1, U, PADDED)
    _store_weight(partial_weight, out + 2, weight_2, U, PADDED)
    _store_bias(partial_bias, out + 2, bias_2, U, PADDED)
    if not IS_GRU:
        _store_weight(partial_weight, out + 3, weight_3, U, PADDED)
        _store_bias(partial_bias, out + 3, bias_3, U, PADDED)


@triton.jit
def input_gradients(
    parameters, dgates, y_in, dy, partial_weight, partial_bias, lengths,
    n_parameters, stack_offset, direction_stride, T, N, n_chunks, CHUNK,
    IS_GRU: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of one layer's input weights, likewise; adds to `dy` what flows through them to the layers below.

    Biases of the input have the gradients of the recurrent ones, but for a GRU's n: (P, n_chunks, U).
    """
    N_GATES: tl.constexpr = 3 if IS_GRU else 4
    stack = tl.program_id(0).to(tl.int64)
    chunk = tl.program_id(1)
    own = parameters + stack // 2 * n_parameters + stack_offset + stack % 2 * direction_stride
    units = tl.arange(0, PADDED)
    ones = tl.full((TILE, 16), 1.0, OPERAND)
    down_0 = load_weight(own, 0, U, U, PADDED, True, OPERAND)
    down_1 = load_weight(own, 1, U, U, PADDED, True, OPERAND)
    down_2 = load_weight(own, 2, U, U, PADDED, True, OPERAND)
    weight_0 = tl.zeros((PADDED, PADDED), tl.float32)
    weight_1 = tl.zeros((PADDED, PADDED), tl.float32)
    weight_2 = tl.zeros((PADDED, PADDED), tl.float32)
    if IS_GRU:
        bias_2 = tl.zeros((PADDED, 16), tl.float32)
    else:
        down_3 = load_weight(own, 3, U, U, PADDED, True, OPERAND)
        weight_3 = tl.zeros((PADDED, PADDED), tl.float32)
    tiles = tl.cdiv(N, TILE)
    begin = chunk * CHUNK
    for turn in range(0, (tl.minimum(begin + CHUNK, tl.load(lengths + stack // 2)) - begin) * tiles):
        t = begin + turn // tiles
        rows = turn % tiles * TILE + tl.arange(0, TILE)
        mask = (rows < N)[:, None] & (units < U)[None, :]
        at = rows[:, None] * U + units[None, :]
        place = (stack * T + t) * N * U + at
        x = tl.load(y_in + place, mask=mask, other=0.0)
        gate = dgates + (stack * T + t) * 4 * N * U + at
        slope_0 = tl.load(gate, mask=mask, other=0.0)
        slope_1 = tl.load(gate + N * U, mask=mask, other=0.0)
        slope_2 = tl.load(gate + 2 * N * U, mask=mask, other=0.0)
        below = tl.load(dy + place, mask=mask, other=0.0).to(tl.float32)
        below = tl.dot(slope_0, down_0, acc=below)
        below = tl.dot(slope_1, down_1, acc=below)
        below = tl.dot(slope_2, down_2, acc=below)
        weight_0 = tl.dot(tl.trans(slope_0), x, acc=weight_0)
        weight_1 = tl.dot(tl.trans(slope_1), x, acc=weight_1)
        weight_2 = tl.dot(tl.trans(slope_2), x, acc=weight_2)
        if IS_GRU:
            bias_2 = tl.dot(tl.trans(slope_2), ones, acc=bias_2)
        else:
            slope_3 = tl.load(gate + 3 * N * U, mask=mask, other=0.0)
            below = tl.dot(slope_3, down_3, acc=below)
            weight_3 = tl.dot(tl.trans(slope_3), x, acc=weight_3)
        tl.store(dy + place, below.to(OPERAND), mask=mask)
    out = (stack * n_chunks + chunk) * N_GATES
    _store_weight(partial_weight, out, weight_0, U, PADDED)
    _store_weight(partial_weight, out + 1, weight_1, U, PADDED)
    _store_weight(partial_weight, out + 2, weight_2, U, PADDED)
    if IS_GRU:
        _store_bias(partial_bias, stack * n_chunks + chunk, bias_2, U, PADDED)
    else:
        _store_weight(partial_weight, out + 3, weight_3, U, PADDED)


@triton.jit
def _store_weight(weights, index, weight, U: tl.constexpr, PADDED: tl.constexpr):
    units = tl.arange(0, PADDED)
    mask = (units < U)[:, None] & (units < U)[None, :]
    tl.store(weights + index * U * U + units[:, None] * U + units[None, :], weight, mask=mask)


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
