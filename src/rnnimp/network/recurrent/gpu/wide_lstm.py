"""An LSTM layer of more than 48 units of every stack: its states and cells, and the gradients of its gates."""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network.recurrent.gpu.parts import (
    fast_sigmoid,
    fast_tanh,
    halves,
    joined,
    load_bias_pair,
    load_pair,
    load_table,
    table_factors,
)


@triton.jit
def lstm_forward(
    parameters, weights, y_in, table, alt, y_out, h_out, c_out, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, KEPT: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """States and cells of one LSTM layer. Gates i and f, and g and o, are computed side by side.

    Arguments as `gru_forward`.
    """
    stack = tl.program_id(0).to(tl.int64)
    network, direction = stack // 2, stack % 2
    own = network * n_parameters + stack_offset + direction * direction_stride
    below = weights + own
    recurrent = below + (0 if FIRST else 4 * U * U)
    biases = parameters + own + (4 if FIRST else 8) * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    is_row = rows < N
    mask = is_row[:, None] & (units < U)[None, :]
    at = rows[:, None] * U + units[None, :]
    bias_if, bias_go = tl.zeros((1, 2 * PADDED), tl.float32), tl.zeros((1, 2 * PADDED), tl.float32)
    if not FIRST:
        bias_if = load_bias_pair(biases, 0, U, PADDED) + load_bias_pair(biases, 4, U, PADDED)
        bias_go = load_bias_pair(biases, 2, U, PADDED) + load_bias_pair(biases, 6, U, PADDED)
    if KEPT:
        recurrent_if, recurrent_go = load_pair(recurrent, 0, U, PADDED), load_pair(recurrent, 2, U, PADDED)
        if not FIRST:
            input_if, input_go = load_pair(below, 0, U, PADDED), load_pair(below, 2, U, PADDED)
    length = tl.load(lengths + network)
    h = tl.zeros((TILE, PADDED), tl.float32)
    c = tl.zeros((TILE, PADDED), tl.float32)
    for step in range(length):
        t = tl.where(direction == 0, step, length - 1 - step)
        place = (stack * T + t) * N * U
        if FIRST:
            factors = table_factors(alt + (network * T + t) * N, rows, N, OPERAND)
            marker = table + (stack * T + t) * 4 * U * 8
            i_f = tl.dot(factors, tl.trans(load_table(marker, 0, 2, 0, PADDED, U)))
            g_o = tl.dot(factors, tl.trans(load_table(marker, 2, 2, 0, PADDED, U)))
        else:
            x = tl.load(y_in + place + at, mask=mask, other=0.0)
            if not KEPT:
                input_if, input_go = load_pair(below, 0, U, PADDED), load_pair(below, 2, U, PADDED)
            i_f, g_o = tl.dot(x, tl.trans(input_if)), tl.dot(x, tl.trans(input_go))
        if not KEPT:
            recurrent_if, recurrent_go = load_pair(recurrent, 0, U, PADDED), load_pair(recurrent, 2, U, PADDED)
        state = h.to(OPERAND)
        i, f = halves(fast_sigmoid(tl.dot(state, tl.trans(recurrent_if), acc=i_f) + bias_if, OPERAND))
        g, o = halves(tl.dot(state, tl.trans(recurrent_go), acc=g_o) + bias_go)
        c = f * c + i * fast_tanh(g, OPERAND)
        h = fast_sigmoid(o, OPERAND) * fast_tanh(c, OPERAND)
        tl.store(h_out + place + at, h.to(OPERAND), mask=mask)
        tl.store(c_out + place + at, c.to(OPERAND), mask=mask)
        if not FIRST:
            tl.store(y_out + place + at, (x.to(tl.float32) + h).to(OPERAND), mask=mask)


@triton.jit
def lstm_backward(
    parameters, weights, y_in, table, alt, h, c, dy, dgates, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, KEPT: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of one LSTM layer's gates, recomputed from states and cells."""
    stack = tl.program_id(0).to(tl.int64)
    network, direction = stack // 2, stack % 2
    own = network * n_parameters + stack_offset + direction * direction_stride
    below = weights + own
    recurrent = below + (0 if FIRST else 4 * U * U)
    biases = parameters + own + (4 if FIRST else 8) * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    is_row = rows < N
    mask = is_row[:, None] & (units < U)[None, :]
    at = rows[:, None] * U + units[None, :]
    bias_if, bias_go = tl.zeros((1, 2 * PADDED), tl.float32), tl.zeros((1, 2 * PADDED), tl.float32)
    if not FIRST:
        bias_if = load_bias_pair(biases, 0, U, PADDED) + load_bias_pair(biases, 4, U, PADDED)
        bias_go = load_bias_pair(biases, 2, U, PADDED) + load_bias_pair(biases, 6, U, PADDED)
    if KEPT:
        recurrent_if, recurrent_go = load_pair(recurrent, 0, U, PADDED), load_pair(recurrent, 2, U, PADDED)
        if not FIRST:
            input_if, input_go = load_pair(below, 0, U, PADDED), load_pair(below, 2, U, PADDED)
    length = tl.load(lengths + network)
    carried = tl.zeros((TILE, PADDED), tl.float32)
    carried_cell = tl.zeros((TILE, PADDED), tl.float32)
    for back in range(length):
        step = length - 1 - back
        t = tl.where(direction == 0, step, back)
        before = tl.where(direction == 0, t - 1, t + 1)
        place = (stack * T + t) * N * U
        earlier = (stack * T + before) * N * U
        state = tl.load(h + earlier + at, mask=mask & (step > 0), other=0.0)
        cell = tl.load(c + earlier + at, mask=mask & (step > 0), other=0.0).to(tl.float32)
        if FIRST:
            factors = table_factors(alt + (network * T + t) * N, rows, N, OPERAND)
            marker = table + (stack * T + t) * 4 * U * 8
            i_f = tl.dot(factors, tl.trans(load_table(marker, 0, 2, 0, PADDED, U)))
            g_o = tl.dot(factors, tl.trans(load_table(marker, 2, 2, 0, PADDED, U)))
        else:
            x = tl.load(y_in + place + at, mask=mask, other=0.0)
            if not KEPT:
                input_if, input_go = load_pair(below, 0, U, PADDED), load_pair(below, 2, U, PADDED)
            i_f, g_o = tl.dot(x, tl.trans(input_if)), tl.dot(x, tl.trans(input_go))
        if not KEPT:
            recurrent_if, recurrent_go = load_pair(recurrent, 0, U, PADDED), load_pair(recurrent, 2, U, PADDED)
        i, f = halves(fast_sigmoid(tl.dot(state, tl.trans(recurrent_if), acc=i_f) + bias_if, OPERAND))
        g, o = halves(tl.dot(state, tl.trans(recurrent_go), acc=g_o) + bias_go)
        g, o = fast_tanh(g, OPERAND), fast_sigmoid(o, OPERAND)
        squashed = fast_tanh(f * cell + i * g, OPERAND)
        dh = carried + tl.load(dy + place + at, mask=mask, other=0.0).to(tl.float32)
        to_cell = dh * o
        dcell = carried_cell + to_cell * (1.0 - squashed * squashed)
        carried_cell = dcell * f
        di = (dcell * g * i * (1.0 - i)).to(OPERAND)
        df = (carried_cell * cell * (1.0 - f)).to(OPERAND)
        dg = (dcell * i * (1.0 - g * g)).to(OPERAND)
        do = (to_cell * squashed * (1.0 - o)).to(OPERAND)
        carried = tl.dot(joined(di, df), recurrent_if)
        carried = tl.dot(joined(dg, do), recurrent_go, acc=carried)
        gate = dgates + (stack * T + t) * 4 * N * U + at
        tl.store(gate, di, mask=mask)
        tl.store(gate + N * U, df, mask=mask)
        tl.store(gate + 2 * N * U, dg, mask=mask)
        tl.store(gate + 3 * N * U, do, mask=mask)
