"""An LSTM layer of every stack: its states and cells, and the gradients of its gates."""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network.gpu.parts import fast_sigmoid, fast_tanh, load_bias, load_weight


@triton.jit
def lstm_forward(
    parameters, y_in, table, alt, y_out, h_out, c_out, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """States and cells of one LSTM layer; arguments as `gru_forward`, `table` (P, T, 2, 4, U)."""
    stack = tl.program_id(0).to(tl.int64)
    network, direction = stack // 2, stack % 2
    own = parameters + network * n_parameters + stack_offset + direction * direction_stride
    input_size = 0 if FIRST else 4 * U * U
    recurrent = own + input_size
    biases = recurrent + 4 * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    is_row, is_unit = rows < N, units < U
    mask = is_row[:, None] & is_unit[None, :]
    at = rows[:, None] * U + units[None, :]
    recurrent_i = load_weight(recurrent, 0, U, U, PADDED, False, OPERAND)
    recurrent_f = load_weight(recurrent, 1, U, U, PADDED, False, OPERAND)
    recurrent_g = load_weight(recurrent, 2, U, U, PADDED, False, OPERAND)
    recurrent_o = load_weight(recurrent, 3, U, U, PADDED, False, OPERAND)
    bias_i, bias_f = load_bias(biases, 4, U, PADDED), load_bias(biases, 5, U, PADDED)
    bias_g, bias_o = load_bias(biases, 6, U, PADDED), load_bias(biases, 7, U, PADDED)
    if not FIRST:
        input_i = load_weight(own, 0, U, U, PADDED, False, OPERAND)
        input_f = load_weight(own, 1, U, U, PADDED, False, OPERAND)
        input_g = load_weight(own, 2, U, U, PADDED, False, OPERAND)
        input_o = load_weight(own, 3, U, U, PADDED, False, OPERAND)
        bias_i += load_bias(biases, 0, U, PADDED)
        bias_f += load_bias(biases, 1, U, PADDED)
        bias_g += load_bias(biases, 2, U, PADDED)
        bias_o += load_bias(biases, 3, U, PADDED)
    length = tl.load(lengths + network)
    h = tl.zeros((TILE, PADDED), tl.float32)
    c = tl.zeros((TILE, PADDED), tl.float32)
    for step in range(length):
        t = tl.where(direction == 0, step, length - 1 - step)
        place = (stack * T + t) * N * U
        if FIRST:
            p = tl.load(alt + (network * T + t) * N + rows, mask=is_row, other=0.0)[:, None]
            row = table + (stack * T + t) * 8 * U + units
            i = tl.load(row, mask=is_unit, other=0.0) + p * tl.load(row + 4 * U, mask=is_unit, other=0.0)
            f = tl.load(row + U, mask=is_unit, other=0.0) + p * tl.load(row + 5 * U, mask=is_unit, other=0.0)
            g = tl.load(row + 2 * U, mask=is_unit, other=0.0) + p * tl.load(row + 6 * U, mask=is_unit, other=0.0)
            o = tl.load(row + 3 * U, mask=is_unit, other=0.0) + p * tl.load(row + 7 * U, mask=is_unit, other=0.0)
        else:
            x = tl.load(y_in + place + at, mask=mask, other=0.0)
            i, f, g, o = tl.dot(x, input_i), tl.dot(x, input_f), tl.dot(x, input_g), tl.dot(x, input_o)
        state = h.to(OPERAND)
        i = fast_sigmoid(tl.dot(state, recurrent_i, acc=i) + bias_i, OPERAND)
        f = fast_sigmoid(tl.dot(state, recurrent_f, acc=f) + bias_f, OPERAND)
        g = fast_tanh(tl.dot(state, recurrent_g, acc=g) + bias_g, OPERAND)
        o = fast_sigmoid(tl.dot(state, recurrent_o, acc=o) + bias_o, OPERAND)
        c = f * c + i * g
        h = o * fast_tanh(c, OPERAND)
        tl.store(h_out + place + at, h.to(OPERAND), mask=mask)
        tl.store(c_out + place + at, c.to(OPERAND), mask=mask)
        if not FIRST:
            tl.store(y_out + place + at, (x.to(tl.float32) + h).to(OPERAND), mask=mask)


@triton.jit
def lstm_backward(
    parameters, y_in, table, alt, h, c, dy, dgates, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of one LSTM layer's gates, recomputed from states and cells."""
    stack = tl.program_id(0).to(tl.int64)
    network, direction = stack // 2, stack % 2
    own = parameters + network * n_parameters + stack_offset + direction * direction_stride
    input_size = 0 if FIRST else 4 * U * U
    recurrent = own + input_size
    biases = recurrent + 4 * U * U
    units = tl.arange(0, PADDED)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    is_row, is_unit = rows < N, units < U
    mask = is_row[:, None] & is_unit[None, :]
    at = rows[:, None] * U + units[None, :]
    recurrent_i = load_weight(recurrent, 0, U, U, PADDED, False, OPERAND)
    recurrent_f = load_weight(recurrent, 1, U, U, PADDED, False, OPERAND)
    recurrent_g = load_weight(recurrent, 2, U, U, PADDED, False, OPERAND)
    recurrent_o = load_weight(recurrent, 3, U, U, PADDED, False, OPERAND)
    bias_i, bias_f = load_bias(biases, 4, U, PADDED), load_bias(biases, 5, U, PADDED)
    bias_g, bias_o = load_bias(biases, 6, U, PADDED), load_bias(biases, 7, U, PADDED)
    if not FIRST:
        input_i = load_weight(own, 0, U, U, PADDED, False, OPERAND)
        input_f = load_weight(own, 1, U, U, PADDED, False, OPERAND)
        input_g = load_weight(own, 2, U, U, PADDED, False, OPERAND)
        input_o = load_weight(own, 3, U, U, PADDED, False, OPERAND)
        bias_i += load_bias(biases, 0, U, PADDED)
        bias_f += load_bias(biases, 1, U, PADDED)
        bias_g += load_bias(biases, 2, U, PADDED)
        bias_o += load_bias(biases, 3, U, PADDED)
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
            p = tl.load(alt + (network * T + t) * N + rows, mask=is_row, other=0.0)[:, None]
            row = table + (stack * T + t) * 8 * U + units
            i = tl.load(row, mask=is_unit, other=0.0) + p * tl.load(row + 4 * U, mask=is_unit, other=0.0)
            f = tl.load(row + U, mask=is_unit, other=0.0) + p * tl.load(row + 5 * U, mask=is_unit, other=0.0)
            g = tl.load(row + 2 * U, mask=is_unit, other=0.0) + p * tl.load(row + 6 * U, mask=is_unit, other=0.0)
            o = tl.load(row + 3 * U, mask=is_unit, other=0.0) + p * tl.load(row + 7 * U, mask=is_unit, other=0.0)
        else:
            x = tl.load(y_in + place + at, mask=mask, other=0.0)
            i, f, g, o = tl.dot(x, input_i), tl.dot(x, input_f), tl.dot(x, input_g), tl.dot(x, input_o)
        i = fast_sigmoid(tl.dot(state, recurrent_i, acc=i) + bias_i, OPERAND)
        f = fast_sigmoid(tl.dot(state, recurrent_f, acc=f) + bias_f, OPERAND)
        g = fast_tanh(tl.dot(state, recurrent_g, acc=g) + bias_g, OPERAND)
        o = fast_sigmoid(tl.dot(state, recurrent_o, acc=o) + bias_o, OPERAND)
        squashed = fast_tanh(f * cell + i * g, OPERAND)
        dh = carried + tl.load(dy + place + at, mask=mask, other=0.0).to(tl.float32)
        dcell = carried_cell + dh * o * (1.0 - squashed * squashed)
        do = (dh * squashed * o * (1.0 - o)).to(OPERAND)
        di = (dcell * g * i * (1.0 - i)).to(OPERAND)
        df = (dcell * cell * f * (1.0 - f)).to(OPERAND)
        dg = (dcell * i * (1.0 - g * g)).to(OPERAND)
        carried_cell = dcell * f
        carried = tl.dot(di, tl.trans(recurrent_i))
        carried = tl.dot(df, tl.trans(recurrent_f), acc=carried)
        carried = tl.dot(dg, tl.trans(recurrent_g), acc=carried)
        carried = tl.dot(do, tl.trans(recurrent_o), acc=carried)
        gate = dgates + (stack * T + t) * 4 * N * U + at
        tl.store(gate, di, mask=mask)
        tl.store(gate + N * U, df, mask=mask)
        tl.store(gate + 2 * N * U, dg, mask=mask)
        tl.store(gate + 3 * N * U, do, mask=mask)
