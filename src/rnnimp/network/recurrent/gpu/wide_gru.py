"""A GRU layer of more than 48 units of every stack: its states, and the gradients of its gates."""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network.recurrent.gpu.parts import (
    fast_tanh,
    halves,
    load_bias,
    load_bias_pair,
    load_pair,
    load_table,
    load_weight,
    sigmoid_of_twice,
    table_factors,
)


@triton.jit
def gru_forward(
    parameters, weights, y_in, table, alt, y_out, h_out, c_out, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, KEPT: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """States of one GRU layer. Gates r and z are computed side by side.

    Args:
        weights: the parameters as OPERAND.
        y_in: sum of the layers below; not read by the first layer.
        table: OPERAND (P, T, 4, U, 8), see `table_factors`; read by the first layer alone.
        alt: float32 (K, T, N), P(a1).
        c_out: not written: the cells, of an LSTM.
        stack_offset: of the layer's weights in a left stack's row of parameters.
        KEPT: whether the weights stay on chip; where they do not fit, they are read at every marker.
    """
    stack = tl.program_id(0).to(tl.int64)
    network, direction = stack // 2, stack % 2
    own = network * n_parameters + stack_offset + direction * direction_stride
    below = weights + own
    recurrent = below + (0 if FIRST else 3 * U * U)
    biases = parameters + own + (3 if FIRST else 6) * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    is_row = rows < N
    mask = is_row[:, None] & (units < U)[None, :]
    at = rows[:, None] * U + units[None, :]
    half_bias_rz, bias_hn = tl.zeros((1, 2 * PADDED), tl.float32), load_bias(biases, 5, U, PADDED)
    if not FIRST:
        half_bias_rz = 0.5 * (load_bias_pair(biases, 0, U, PADDED) + load_bias_pair(biases, 3, U, PADDED))
        bias_n = load_bias(biases, 2, U, PADDED)
    if KEPT:
        recurrent_rz, recurrent_n = load_pair(recurrent, 0, U, PADDED), load_weight(recurrent, 2, U, PADDED)
        if not FIRST:
            input_rz, input_n = load_pair(below, 0, U, PADDED), load_weight(below, 2, U, PADDED)
    length = tl.load(lengths + network)
    h = tl.zeros((TILE, PADDED), tl.float32)
    for step in range(length):
        t = tl.where(direction == 0, step, length - 1 - step)
        place = (stack * T + t) * N * U
        if FIRST:
            factors = table_factors(alt + (network * T + t) * N, rows, N, OPERAND)
            marker = table + (stack * T + t) * 4 * U * 8
            rz = tl.dot(factors, tl.trans(load_table(marker, 0, 2, 0, PADDED, U)))
            n = tl.dot(factors, tl.trans(load_table(marker, 2, 1, 0, PADDED, U)))
        else:
            x = tl.load(y_in + place + at, mask=mask, other=0.0)
            if not KEPT:
                input_rz, input_n = load_pair(below, 0, U, PADDED), load_weight(below, 2, U, PADDED)
            rz, n = tl.dot(x, tl.trans(input_rz)), tl.dot(x, tl.trans(input_n)) + bias_n
        if not KEPT:
            recurrent_rz, recurrent_n = load_pair(recurrent, 0, U, PADDED), load_weight(recurrent, 2, U, PADDED)
        state = h.to(OPERAND)
        rz = tl.dot(state, tl.trans(recurrent_rz), acc=rz)
        r, z = halves(sigmoid_of_twice(0.5 * rz + half_bias_rz, OPERAND))
        n = fast_tanh(n + r * (tl.dot(state, tl.trans(recurrent_n)) + bias_hn), OPERAND)
        h = n + z * (h - n)
        tl.store(h_out + place + at, h.to(OPERAND), mask=mask)
        if not FIRST:
            tl.store(y_out + place + at, (x.to(tl.float32) + h).to(OPERAND), mask=mask)


@triton.jit
def gru_backward(
    parameters, weights, y_in, table, alt, h, c, dy, dgates, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, KEPT: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of one GRU layer's gates, recomputed from the states."""
    stack = tl.program_id(0).to(tl.int64)
    network, direction = stack // 2, stack % 2
    own = network * n_parameters + stack_offset + direction * direction_stride
    below = weights + own
    recurrent = below + (0 if FIRST else 3 * U * U)
    biases = parameters + own + (3 if FIRST else 6) * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    is_row = rows < N
    mask = is_row[:, None] & (units < U)[None, :]
    at = rows[:, None] * U + units[None, :]
    half_bias_r, half_bias_z = tl.zeros((1, PADDED), tl.float32), tl.zeros((1, PADDED), tl.float32)
    bias_hn = load_bias(biases, 5, U, PADDED)
    if not FIRST:
        half_bias_r = 0.5 * (load_bias(biases, 0, U, PADDED) + load_bias(biases, 3, U, PADDED))
        half_bias_z = 0.5 * (load_bias(biases, 1, U, PADDED) + load_bias(biases, 4, U, PADDED))
        bias_n = load_bias(biases, 2, U, PADDED)
    if KEPT:
        recurrent_r, recurrent_z = load_weight(recurrent, 0, U, PADDED), load_weight(recurrent, 1, U, PADDED)
        recurrent_n = load_weight(recurrent, 2, U, PADDED)
        if not FIRST:
            input_r, input_z = load_weight(below, 0, U, PADDED), load_weight(below, 1, U, PADDED)
            input_n = load_weight(below, 2, U, PADDED)
    length = tl.load(lengths + network)
    carried = tl.zeros((TILE, PADDED), tl.float32)
    for back in range(length):
        step = length - 1 - back
        t = tl.where(direction == 0, step, back)
        before = tl.where(direction == 0, t - 1, t + 1)
        place = (stack * T + t) * N * U
        state = tl.load(h + (stack * T + before) * N * U + at, mask=mask & (step > 0), other=0.0)
        if FIRST:
            factors = table_factors(alt + (network * T + t) * N, rows, N, OPERAND)
            marker = table + (stack * T + t) * 4 * U * 8
            r = tl.dot(factors, tl.trans(load_table(marker, 0, 1, 0, PADDED, U)))
            z = tl.dot(factors, tl.trans(load_table(marker, 1, 1, 0, PADDED, U)))
            n = tl.dot(factors, tl.trans(load_table(marker, 2, 1, 0, PADDED, U)))
        else:
            x = tl.load(y_in + place + at, mask=mask, other=0.0)
            if not KEPT:
                input_r, input_z = load_weight(below, 0, U, PADDED), load_weight(below, 1, U, PADDED)
                input_n = load_weight(below, 2, U, PADDED)
            r, z = tl.dot(x, tl.trans(input_r)), tl.dot(x, tl.trans(input_z))
            n = tl.dot(x, tl.trans(input_n)) + bias_n
        if not KEPT:
            recurrent_r, recurrent_z = load_weight(recurrent, 0, U, PADDED), load_weight(recurrent, 1, U, PADDED)
            recurrent_n = load_weight(recurrent, 2, U, PADDED)
        r, z = tl.dot(state, tl.trans(recurrent_r), acc=r), tl.dot(state, tl.trans(recurrent_z), acc=z)
        r = sigmoid_of_twice(0.5 * r + half_bias_r, OPERAND)
        z = sigmoid_of_twice(0.5 * z + half_bias_z, OPERAND)
        hn = tl.dot(state, tl.trans(recurrent_n)) + bias_hn
        n = fast_tanh(n + r * hn, OPERAND)
        dh = carried + tl.load(dy + place + at, mask=mask, other=0.0).to(tl.float32)
        # in few products, since these, not the matrix products, take most of the time
        to_n = dh * (1.0 - z)
        dz = (to_n * z * (state.to(tl.float32) - n)).to(OPERAND)
        dn = to_n * (1.0 - n * n)
        dhn = dn * r
        dr = (dhn * hn * (1.0 - r)).to(OPERAND)
        dn, dhn = dn.to(OPERAND), dhn.to(OPERAND)
        carried = tl.dot(dr, recurrent_r, acc=dh - to_n)
        carried = tl.dot(dz, recurrent_z, acc=carried)
        carried = tl.dot(dhn, recurrent_n, acc=carried)
        gate = dgates + (stack * T + t) * 4 * N * U + at
        tl.store(gate, dr, mask=mask)
        tl.store(gate + N * U, dz, mask=mask)
        tl.store(gate + 2 * N * U, dn, mask=mask)
        tl.store(gate + 3 * N * U, dhn, mask=mask)
