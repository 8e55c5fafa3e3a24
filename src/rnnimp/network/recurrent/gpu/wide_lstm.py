"""An LSTM layer of more than 48 units of every stack: its states and cell states, and the gradients of its gates.

Gates i and f, and g and o, are computed side by side. The weights stay on chip where they fit (KEPT); else they are
read again at every marker.
"""

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
    stack_of_program,
    store_gates,
    table_factors,
)


@triton.jit
def _load_pairs(weights, U: tl.constexpr, PADDED: tl.constexpr):
    """Matrices of i and f, one above the other, and of g and o."""
    return load_pair(weights, 0, U, PADDED), load_pair(weights, 2, U, PADDED)


@triton.jit
def _bias_pairs(biases, FIRST: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr):
    """Sums of both biases, of i and f and of g and o; 0 in the first layer, whose table contains them."""
    bias_if, bias_go = tl.zeros((1, 2 * PADDED), tl.float32), tl.zeros((1, 2 * PADDED), tl.float32)
    if not FIRST:
        bias_if = load_bias_pair(biases, 0, U, PADDED) + load_bias_pair(biases, 4, U, PADDED)
        bias_go = load_bias_pair(biases, 2, U, PADDED) + load_bias_pair(biases, 6, U, PADDED)
    return bias_if, bias_go


@triton.jit
def _table_sums(table, alt, rows, N, U: tl.constexpr, PADDED: tl.constexpr, OPERAND: tl.constexpr):
    """The first layer's input sums at a marker, of i and f and of g and o: float32 (TILE, 2 * PADDED) each."""
    factors = table_factors(alt, rows, N, OPERAND)
    i_f = tl.dot(factors, tl.trans(load_table(table, 0, 2, 0, PADDED, U)))
    g_o = tl.dot(factors, tl.trans(load_table(table, 2, 2, 0, PADDED, U)))
    return i_f, g_o


@triton.jit
def lstm_fwd_kernel(
    parameters, weights, y_in, table, alt, y_out, h_out, c_out, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, KEPT: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """States and cell states of one LSTM layer.

    Args:
        c_out: Receives the cell states. The other arguments are those of `wide_gru.gru_fwd_kernel`.
    """
    stack, network, direction, own = stack_of_program(n_parameters, stack_offset, direction_stride)
    below = weights + own
    recurrent = below + (0 if FIRST else 4 * U * U)
    biases = parameters + own + (4 if FIRST else 8) * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    mask = (rows < N)[:, None] & (units < U)[None, :]
    at = rows[:, None] * U + units[None, :]
    bias_if, bias_go = _bias_pairs(biases, FIRST, U, PADDED)
    if KEPT:
        recurrent_if, recurrent_go = _load_pairs(recurrent, U, PADDED)
        if not FIRST:
            input_if, input_go = _load_pairs(below, U, PADDED)
    length = tl.load(lengths + network)
    h = tl.zeros((TILE, PADDED), tl.float32)
    c = tl.zeros((TILE, PADDED), tl.float32)
    for step in range(length):
        t = tl.where(direction == 0, step, length - 1 - step)
        place = (stack * T + t) * N * U
        if FIRST:
            marker = table + (stack * T + t) * 4 * U * 8
            i_f, g_o = _table_sums(marker, alt + (network * T + t) * N, rows, N, U, PADDED, OPERAND)
        else:
            x = tl.load(y_in + place + at, mask=mask, other=0.0)
            if not KEPT:
                input_if, input_go = _load_pairs(below, U, PADDED)
            i_f, g_o = tl.dot(x, tl.trans(input_if)), tl.dot(x, tl.trans(input_go))
        if not KEPT:
            recurrent_if, recurrent_go = _load_pairs(recurrent, U, PADDED)
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
def _lstm_slopes(dh, dc, i, f, g, o, cell, OPERAND: tl.constexpr):
    """Gradients of i, f, g and o, OPERAND (TILE, PADDED), and of the cell states before, float32.

    Args:
        dh, dc: Gradients of the states and of the cell states.
        cell: The cell states before.
    """
    squashed = fast_tanh(f * cell + i * g, OPERAND)
    to_cell = dh * o
    dcell = dc + to_cell * (1.0 - squashed * squashed)
    dc = dcell * f
    di = (dcell * g * i * (1.0 - i)).to(OPERAND)
    df = (dc * cell * (1.0 - f)).to(OPERAND)
    dg = (dcell * i * (1.0 - g * g)).to(OPERAND)
    do = (to_cell * squashed * (1.0 - o)).to(OPERAND)
    return di, df, dg, do, dc


@triton.jit
def lstm_bwd_kernel(
    parameters, weights, y_in, table, alt, h, c, dy, dgates, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, KEPT: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of one LSTM layer's gates, which are recomputed from the states and cell states.

    Args:
        c: The cell states, OPERAND (P, T, N, U). The other arguments are those of `wide_gru.gru_bwd_kernel`.
    """
    stack, network, direction, own = stack_of_program(n_parameters, stack_offset, direction_stride)
    below = weights + own
    recurrent = below + (0 if FIRST else 4 * U * U)
    biases = parameters + own + (4 if FIRST else 8) * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    mask = (rows < N)[:, None] & (units < U)[None, :]
    at = rows[:, None] * U + units[None, :]
    bias_if, bias_go = _bias_pairs(biases, FIRST, U, PADDED)
    if KEPT:
        recurrent_if, recurrent_go = _load_pairs(recurrent, U, PADDED)
        if not FIRST:
            input_if, input_go = _load_pairs(below, U, PADDED)
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
            marker = table + (stack * T + t) * 4 * U * 8
            i_f, g_o = _table_sums(marker, alt + (network * T + t) * N, rows, N, U, PADDED, OPERAND)
        else:
            x = tl.load(y_in + place + at, mask=mask, other=0.0)
            if not KEPT:
                input_if, input_go = _load_pairs(below, U, PADDED)
            i_f, g_o = tl.dot(x, tl.trans(input_if)), tl.dot(x, tl.trans(input_go))
        if not KEPT:
            recurrent_if, recurrent_go = _load_pairs(recurrent, U, PADDED)
        i, f = halves(fast_sigmoid(tl.dot(state, tl.trans(recurrent_if), acc=i_f) + bias_if, OPERAND))
        g, o = halves(tl.dot(state, tl.trans(recurrent_go), acc=g_o) + bias_go)
        g, o = fast_tanh(g, OPERAND), fast_sigmoid(o, OPERAND)
        dh = carried + tl.load(dy + place + at, mask=mask, other=0.0).to(tl.float32)
        di, df, dg, do, carried_cell = _lstm_slopes(dh, carried_cell, i, f, g, o, cell, OPERAND)
        carried = tl.dot(joined(di, df), recurrent_if)
        carried = tl.dot(joined(dg, do), recurrent_go, acc=carried)
        store_gates(dgates + (stack * T + t) * 4 * N * U + at, di, df, dg, do, mask, N * U)
