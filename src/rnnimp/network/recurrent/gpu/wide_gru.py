"""A GRU layer of more than 48 units of every stack: its states, and the gradients of its gates.

The weights stay on chip where they fit (KEPT); else they are read again at every marker.
"""

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
    stack_of_program,
    store_gates,
    table_factors,
)


@triton.jit
def _load_rz_and_n(weights, U: tl.constexpr, PADDED: tl.constexpr):
    """Matrices of r and z, one above the other, and of n."""
    return load_pair(weights, 0, U, PADDED), load_weight(weights, 2, U, PADDED)


@triton.jit
def _load_r_z_n(weights, U: tl.constexpr, PADDED: tl.constexpr):
    """Matrices of r, z and n."""
    return load_weight(weights, 0, U, PADDED), load_weight(weights, 1, U, PADDED), load_weight(weights, 2, U, PADDED)


@triton.jit
def gru_fwd_kernel(
    parameters, weights, y_in, table, alt, y_out, h_out, c_out, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, KEPT: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """States of one GRU layer. Gates r and z are computed side by side.

    Args:
        parameters: Parameters, read for the biases, float32 (K, n_parameters).
        weights: The parameters rounded, OPERAND (K, n_parameters).
        y_in: Sum of the layers below; the first layer does not read it.
        table: Input table of `table_factors`, OPERAND (P, T, 4, U, 8); only the first layer reads it.
        alt: P(a1), float32 (K, T, N).
        y_out: Receives the sum with this layer; the first layer does not write it.
        h_out: Receives the states.
        c_out: Not written; only an LSTM has cell states.
        lengths: Markers of each network, int32 (K,).
        stack_offset: Where the layer's weights begin in a left stack's row of parameters.
        direction_stride: From there to the right stack's weights.
    """
    stack, network, direction, own = stack_of_program(n_parameters, stack_offset, direction_stride)
    below = weights + own
    recurrent = below + (0 if FIRST else 3 * U * U)
    biases = parameters + own + (3 if FIRST else 6) * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    mask = (rows < N)[:, None] & (units < U)[None, :]
    at = rows[:, None] * U + units[None, :]
    half_bias_rz, bias_hn = tl.zeros((1, 2 * PADDED), tl.float32), load_bias(biases, 5, U, PADDED)
    if not FIRST:
        half_bias_rz = 0.5 * (load_bias_pair(biases, 0, U, PADDED) + load_bias_pair(biases, 3, U, PADDED))
        bias_n = load_bias(biases, 2, U, PADDED)
    if KEPT:
        recurrent_rz, recurrent_n = _load_rz_and_n(recurrent, U, PADDED)
        if not FIRST:
            input_rz, input_n = _load_rz_and_n(below, U, PADDED)
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
                input_rz, input_n = _load_rz_and_n(below, U, PADDED)
            rz, n = tl.dot(x, tl.trans(input_rz)), tl.dot(x, tl.trans(input_n)) + bias_n
        if not KEPT:
            recurrent_rz, recurrent_n = _load_rz_and_n(recurrent, U, PADDED)
        state = h.to(OPERAND)
        rz = tl.dot(state, tl.trans(recurrent_rz), acc=rz)
        r, z = halves(sigmoid_of_twice(0.5 * rz + half_bias_rz, OPERAND))
        n = fast_tanh(n + r * (tl.dot(state, tl.trans(recurrent_n)) + bias_hn), OPERAND)
        h = n + z * (h - n)
        tl.store(h_out + place + at, h.to(OPERAND), mask=mask)
        if not FIRST:
            tl.store(y_out + place + at, (x.to(tl.float32) + h).to(OPERAND), mask=mask)


@triton.jit
def _half_biases_and_n(biases, FIRST: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr):
    """Half of the biases of r and of z, and the input bias of n; 0 in the first layer, whose table contains them."""
    half_bias_r, half_bias_z = tl.zeros((1, PADDED), tl.float32), tl.zeros((1, PADDED), tl.float32)
    bias_n = half_bias_r
    if not FIRST:
        half_bias_r = 0.5 * (load_bias(biases, 0, U, PADDED) + load_bias(biases, 3, U, PADDED))
        half_bias_z = 0.5 * (load_bias(biases, 1, U, PADDED) + load_bias(biases, 4, U, PADDED))
        bias_n = load_bias(biases, 2, U, PADDED)
    return half_bias_r, half_bias_z, bias_n


@triton.jit
def _table_sums(table, alt, rows, N, U: tl.constexpr, PADDED: tl.constexpr, OPERAND: tl.constexpr):
    """The first layer's input sums of r, z and n at a marker: float32 (TILE, PADDED) each."""
    factors = table_factors(alt, rows, N, OPERAND)
    r = tl.dot(factors, tl.trans(load_table(table, 0, 1, 0, PADDED, U)))
    z = tl.dot(factors, tl.trans(load_table(table, 1, 1, 0, PADDED, U)))
    n = tl.dot(factors, tl.trans(load_table(table, 2, 1, 0, PADDED, U)))
    return r, z, n


@triton.jit
def _gru_slopes(dh, r, z, n, hn, state, OPERAND: tl.constexpr):
    """Gradients of the gates from that of the state, OPERAND (TILE, PADDED): r, z, n and the recurrent half of n.

    Also returns the part of the state's gradient that goes to n, float32. It takes few elementwise operations on
    purpose: they take most of the time, not the matrix products.
    """
    to_n = dh * (1.0 - z)
    dz = (to_n * z * (state.to(tl.float32) - n)).to(OPERAND)
    dn = to_n * (1.0 - n * n)
    dhn = dn * r
    dr = (dhn * hn * (1.0 - r)).to(OPERAND)
    return dr, dz, dn.to(OPERAND), dhn.to(OPERAND), to_n


@triton.jit
def gru_bwd_kernel(
    parameters, weights, y_in, table, alt, h, c, dy, dgates, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, KEPT: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of one GRU layer's gates, which are recomputed from the states.

    Args:
        h: The states, OPERAND (P, T, N, U); `c` is not read.
        dy: Gradient of the sum with this layer, OPERAND (P, T, N, U).
        dgates: Receives the gradients, OPERAND (P, T, 4, N, U). The other arguments are those of `gru_fwd_kernel`.
    """
    stack, network, direction, own = stack_of_program(n_parameters, stack_offset, direction_stride)
    below = weights + own
    recurrent = below + (0 if FIRST else 3 * U * U)
    biases = parameters + own + (3 if FIRST else 6) * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    mask = (rows < N)[:, None] & (units < U)[None, :]
    at = rows[:, None] * U + units[None, :]
    half_bias_r, half_bias_z, bias_n = _half_biases_and_n(biases, FIRST, U, PADDED)
    bias_hn = load_bias(biases, 5, U, PADDED)
    if KEPT:
        recurrent_r, recurrent_z, recurrent_n = _load_r_z_n(recurrent, U, PADDED)
        if not FIRST:
            input_r, input_z, input_n = _load_r_z_n(below, U, PADDED)
    length = tl.load(lengths + network)
    carried = tl.zeros((TILE, PADDED), tl.float32)
    for back in range(length):
        step = length - 1 - back
        t = tl.where(direction == 0, step, back)
        before = tl.where(direction == 0, t - 1, t + 1)
        place = (stack * T + t) * N * U
        state = tl.load(h + (stack * T + before) * N * U + at, mask=mask & (step > 0), other=0.0)
        if FIRST:
            marker = table + (stack * T + t) * 4 * U * 8
            r, z, n = _table_sums(marker, alt + (network * T + t) * N, rows, N, U, PADDED, OPERAND)
        else:
            x = tl.load(y_in + place + at, mask=mask, other=0.0)
            if not KEPT:
                input_r, input_z, input_n = _load_r_z_n(below, U, PADDED)
            r, z = tl.dot(x, tl.trans(input_r)), tl.dot(x, tl.trans(input_z))
            n = tl.dot(x, tl.trans(input_n)) + bias_n
        if not KEPT:
            recurrent_r, recurrent_z, recurrent_n = _load_r_z_n(recurrent, U, PADDED)
        r, z = tl.dot(state, tl.trans(recurrent_r), acc=r), tl.dot(state, tl.trans(recurrent_z), acc=z)
        r = sigmoid_of_twice(0.5 * r + half_bias_r, OPERAND)
        z = sigmoid_of_twice(0.5 * z + half_bias_z, OPERAND)
        hn = tl.dot(state, tl.trans(recurrent_n)) + bias_hn
        n = fast_tanh(n + r * hn, OPERAND)
        dh = carried + tl.load(dy + place + at, mask=mask, other=0.0).to(tl.float32)
        dr, dz, dn, dhn, to_n = _gru_slopes(dh, r, z, n, hn, state, OPERAND)
        carried = tl.dot(dr, recurrent_r, acc=dh - to_n)
        carried = tl.dot(dz, recurrent_z, acc=carried)
        carried = tl.dot(dhn, recurrent_n, acc=carried)
        store_gates(dgates + (stack * T + t) * 4 * N * U + at, dr, dz, dn, dhn, mask, N * U)
