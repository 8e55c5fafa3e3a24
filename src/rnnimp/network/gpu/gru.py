"""A GRU layer of every stack: its states, and the gradients of its gates."""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network.gpu.parts import fast_sigmoid, fast_tanh, load_bias, load_weight


@triton.jit
def gru_forward(
    parameters, y_in, table, alt, y_out, h_out, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """States of one GRU layer.

    Args:
        y_in: sum of the layers below; not read by the first layer.
        table: float32 (P, T, 2, 3, U), base and delta; read by the first layer alone.
        alt: float32 (K, T, N), P(a1).
        stack_offset: of the layer's weights in a left stack's row of parameters.
    """
    stack = tl.program_id(0).to(tl.int64)
    network, direction = stack // 2, stack % 2
    own = parameters + network * n_parameters + stack_offset + direction * direction_stride
    input_size = 0 if FIRST else 3 * U * U
    recurrent = own + input_size
    biases = recurrent + 3 * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    is_row, is_unit = rows < N, units < U
    mask = is_row[:, None] & is_unit[None, :]
    at = rows[:, None] * U + units[None, :]
    recurrent_r = load_weight(recurrent, 0, U, U, PADDED, False, OPERAND)
    recurrent_z = load_weight(recurrent, 1, U, U, PADDED, False, OPERAND)
    recurrent_n = load_weight(recurrent, 2, U, U, PADDED, False, OPERAND)
    bias_r, bias_z, bias_hn = (
        load_bias(biases, 3, U, PADDED),
        load_bias(biases, 4, U, PADDED),
        load_bias(biases, 5, U, PADDED),
    )
    if not FIRST:
        input_r = load_weight(own, 0, U, U, PADDED, False, OPERAND)
        input_z = load_weight(own, 1, U, U, PADDED, False, OPERAND)
        input_n = load_weight(own, 2, U, U, PADDED, False, OPERAND)
        bias_r += load_bias(biases, 0, U, PADDED)
        bias_z += load_bias(biases, 1, U, PADDED)
        bias_n = load_bias(biases, 2, U, PADDED)
    length = tl.load(lengths + network)
    h = tl.zeros((TILE, PADDED), tl.float32)
    for step in range(length):
        t = tl.where(direction == 0, step, length - 1 - step)
        place = (stack * T + t) * N * U
        if FIRST:
            p = tl.load(alt + (network * T + t) * N + rows, mask=is_row, other=0.0)[:, None]
            row = table + (stack * T + t) * 6 * U + units
            r = tl.load(row, mask=is_unit, other=0.0) + p * tl.load(row + 3 * U, mask=is_unit, other=0.0)
            z = tl.load(row + U, mask=is_unit, other=0.0) + p * tl.load(row + 4 * U, mask=is_unit, other=0.0)
            n = tl.load(row + 2 * U, mask=is_unit, other=0.0) + p * tl.load(row + 5 * U, mask=is_unit, other=0.0)
        else:
            x = tl.load(y_in + place + at, mask=mask, other=0.0)
            r, z, n = tl.dot(x, input_r), tl.dot(x, input_z), tl.dot(x, input_n) + bias_n
        state = h.to(OPERAND)
        r = fast_sigmoid(tl.dot(state, recurrent_r, acc=r) + bias_r, OPERAND)
        z = fast_sigmoid(tl.dot(state, recurrent_z, acc=z) + bias_z, OPERAND)
        n = fast_tanh(n + r * (tl.dot(state, recurrent_n) + bias_hn), OPERAND)
        h = n + z * (h - n)
        tl.store(h_out + place + at, h.to(OPERAND), mask=mask)
        if not FIRST:
            tl.store(y_out + place + at, (x.to(tl.float32) + h).to(OPERAND), mask=mask)


@triton.jit
def gru_backward(
    parameters, y_in, table, alt, h, dy, dgates, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of one GRU layer's gates, recomputed from the states."""
    stack = tl.program_id(0).to(tl.int64)
    network, direction = stack // 2, stack % 2
    own = parameters + network * n_parameters + stack_offset + direction * direction_stride
    input_size = 0 if FIRST else 3 * U * U
    recurrent = own + input_size
    biases = recurrent + 3 * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    is_row, is_unit = rows < N, units < U
    mask = is_row[:, None] & is_unit[None, :]
    at = rows[:, None] * U + units[None, :]
    recurrent_r = load_weight(recurrent, 0, U, U, PADDED, False, OPERAND)
    recurrent_z = load_weight(recurrent, 1, U, U, PADDED, False, OPERAND)
    recurrent_n = load_weight(recurrent, 2, U, U, PADDED, False, OPERAND)
    bias_r, bias_z, bias_hn = (
        load_bias(biases, 3, U, PADDED),
        load_bias(biases, 4, U, PADDED),
        load_bias(biases, 5, U, PADDED),
    )
    if not FIRST:
        input_r = load_weight(own, 0, U, U, PADDED, False, OPERAND)
        input_z = load_weight(own, 1, U, U, PADDED, False, OPERAND)
        input_n = load_weight(own, 2, U, U, PADDED, False, OPERAND)
        bias_r += load_bias(biases, 0, U, PADDED)
        bias_z += load_bias(biases, 1, U, PADDED)
        bias_n = load_bias(biases, 2, U, PADDED)
    length = tl.load(lengths + network)
    carried = tl.zeros((TILE, PADDED), tl.float32)
    for back in range(length):
        step = length - 1 - back
        t = tl.where(direction == 0, step, back)
        before = tl.where(direction == 0, t - 1, t + 1)
        place = (stack * T + t) * N * U
        state = tl.load(h + (stack * T + before) * N * U + at, mask=mask & (step > 0), other=0.0)
        if FIRST:
            p = tl.load(alt + (network * T + t) * N + rows, mask=is_row, other=0.0)[:, None]
            row = table + (stack * T + t) * 6 * U + units
            r = tl.load(row, mask=is_unit, other=0.0) + p * tl.load(row + 3 * U, mask=is_unit, other=0.0)
            z = tl.load(row + U, mask=is_unit, other=0.0) + p * tl.load(row + 4 * U, mask=is_unit, other=0.0)
            n = tl.load(row + 2 * U, mask=is_unit, other=0.0) + p * tl.load(row + 5 * U, mask=is_unit, other=0.0)
        else:
            x = tl.load(y_in + place + at, mask=mask, other=0.0)
            r, z, n = tl.dot(x, input_r), tl.dot(x, input_z), tl.dot(x, input_n) + bias_n
        r = fast_sigmoid(tl.dot(state, recurrent_r, acc=r) + bias_r, OPERAND)
        z = fast_sigmoid(tl.dot(state, recurrent_z, acc=z) + bias_z, OPERAND)
        hn = tl.dot(state, recurrent_n) + bias_hn
        n = fast_tanh(n + r * hn, OPERAND)
        dh = carried + tl.load(dy + place + at, mask=mask, other=0.0).to(tl.float32)
        dz = (dh * (state.to(tl.float32) - n) * z * (1.0 - z)).to(OPERAND)
        dn = dh * (1.0 - z) * (1.0 - n * n)
        dr = (dn * hn * r * (1.0 - r)).to(OPERAND)
        dhn = (dn * r).to(OPERAND)
        carried = tl.dot(dr, tl.trans(recurrent_r), acc=dh * z)
        carried = tl.dot(dz, tl.trans(recurrent_z), acc=carried)
        carried = tl.dot(dhn, tl.trans(recurrent_n), acc=carried)
        dn = dn.to(OPERAND)
        gate = dgates + (stack * T + t) * 4 * N * U + at
        tl.store(gate, dr, mask=mask)
        tl.store(gate + N * U, dz, mask=mask)
        tl.store(gate + 2 * N * U, dn, mask=mask)
        tl.store(gate + 3 * N * U, dhn, mask=mask)


@triton.jit
def _previous(h, stack, t, direction, length, T, N, at, mask, U: tl.constexpr):
    """The states that a layer came to marker t with; 0 at its first marker."""
    before = tl.where(direction == 0, t - 1, t + 1)
    there = mask & (before >= 0) & (before < length)
    return tl.load(h + (stack * T + before) * N * U + at, mask=there, other=0.0)


@triton.jit
def _store_square(pointer, index, value, U: tl.constexpr, PADDED: tl.constexpr):
    units = tl.arange(0, PADDED)
    mask = (units < U)[:, None] & (units < U)[None, :]
    tl.store(pointer + index * U * U + units[:, None] * U + units[None, :], value, mask=mask)
