"""The recurrent layers and heads of many networks at once, as Triton kernels: the GPU engine.

A *stack* is one direction of one network; stack `2 k` is the left one of network k, `2 k + 1` the right one. A layer is
one launch in each pass. A program owns a tile of haplotypes of one stack and runs over all its markers with the
layer's weights and state on chip. Products take operands of type OPERAND, bfloat16 on a GPU, and accumulate in
float32; the state is float32. Only states are stored: the backward pass recomputes the gates from them and stores the
gates' gradients, which further kernels, no longer sequential, sum into weight gradients.

    first layer   gates read `base[t] + p * delta[t]`, the input product of a marker with P(a1) = p
    other layers  gates read the sum of all layers below, `y_l = y_(l-1) + h_l`
    heads         a program owns a gap between two markers: logits, loss and all gradients of its sites in one pass

Arrays (U units, T markers at most, N haplotypes, P stacks, all contiguous):

    y, h, c       OPERAND (P, T, N, U): sum of layers, state, LSTM cell
    dy            OPERAND (P, T, N, U): gradient of y, turned in place from that of a layer's sum to that below it
    dgates        OPERAND (P, T, 4, N, U): gradients of the gates before their nonlinearity
    parameters    float32 (K, n_parameters): every network's weights in one row, PyTorch's layout, see `stacked.py`

Gates are r, z, n (GRU) and i, f, g, o (LSTM), as PyTorch orders them. The fourth gradient of a GRU is that of the
recurrent half of n, `r * dn`.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _tanh(x, OPERAND: tl.constexpr):
    if tl.bfloat16 == OPERAND:  # one instruction, to 2 ** -11: finer than the operands
        return tl.inline_asm_elementwise("tanh.approx.f32 $0, $1;", "=f,f", [x], dtype=tl.float32, is_pure=True, pack=1)
    return 2.0 / (1.0 + tl.exp(-2.0 * x)) - 1.0


@triton.jit
def _sigmoid(x, OPERAND: tl.constexpr):
    return 0.5 * _tanh(0.5 * x, OPERAND) + 0.5


@triton.jit
def _weight(
    pointer, gate, U: tl.constexpr, WIDTH: tl.constexpr, PADDED: tl.constexpr, BACK: tl.constexpr, OPERAND: tl.constexpr
):
    """One gate's (U, WIDTH) matrix padded with 0: (in, out) for the forward pass, (out, in) for going back."""
    rows = tl.arange(0, PADDED)
    if BACK:
        out, into = rows[:, None], rows[None, :]
    else:
        out, into = rows[None, :], rows[:, None]
    value = tl.load(pointer + (gate * U + out) * WIDTH + into, mask=(out < U) & (into < WIDTH), other=0.0)
    return value.to(OPERAND)


@triton.jit
def _bias(pointer, gate, U: tl.constexpr, PADDED: tl.constexpr):
    units = tl.arange(0, PADDED)
    return tl.load(pointer + gate * U + units, mask=units < U, other=0.0)[None, :]


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
    recurrent_r = _weight(recurrent, 0, U, U, PADDED, False, OPERAND)
    recurrent_z = _weight(recurrent, 1, U, U, PADDED, False, OPERAND)
    recurrent_n = _weight(recurrent, 2, U, U, PADDED, False, OPERAND)
    bias_r, bias_z, bias_hn = _bias(biases, 3, U, PADDED), _bias(biases, 4, U, PADDED), _bias(biases, 5, U, PADDED)
    if not FIRST:
        input_r = _weight(own, 0, U, U, PADDED, False, OPERAND)
        input_z = _weight(own, 1, U, U, PADDED, False, OPERAND)
        input_n = _weight(own, 2, U, U, PADDED, False, OPERAND)
        bias_r += _bias(biases, 0, U, PADDED)
        bias_z += _bias(biases, 1, U, PADDED)
        bias_n = _bias(biases, 2, U, PADDED)
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
        r = _sigmoid(tl.dot(state, recurrent_r, acc=r) + bias_r, OPERAND)
        z = _sigmoid(tl.dot(state, recurrent_z, acc=z) + bias_z, OPERAND)
        n = _tanh(n + r * (tl.dot(state, recurrent_n) + bias_hn), OPERAND)
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
    recurrent_r = _weight(recurrent, 0, U, U, PADDED, False, OPERAND)
    recurrent_z = _weight(recurrent, 1, U, U, PADDED, False, OPERAND)
    recurrent_n = _weight(recurrent, 2, U, U, PADDED, False, OPERAND)
    bias_r, bias_z, bias_hn = _bias(biases, 3, U, PADDED), _bias(biases, 4, U, PADDED), _bias(biases, 5, U, PADDED)
    if not FIRST:
        input_r = _weight(own, 0, U, U, PADDED, False, OPERAND)
        input_z = _weight(own, 1, U, U, PADDED, False, OPERAND)
        input_n = _weight(own, 2, U, U, PADDED, False, OPERAND)
        bias_r += _bias(biases, 0, U, PADDED)
        bias_z += _bias(biases, 1, U, PADDED)
        bias_n = _bias(biases, 2, U, PADDED)
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
        r = _sigmoid(tl.dot(state, recurrent_r, acc=r) + bias_r, OPERAND)
        z = _sigmoid(tl.dot(state, recurrent_z, acc=z) + bias_z, OPERAND)
        hn = tl.dot(state, recurrent_n) + bias_hn
        n = _tanh(n + r * hn, OPERAND)
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
    down_0 = _weight(own, 0, U, U, PADDED, True, OPERAND)
    down_1 = _weight(own, 1, U, U, PADDED, True, OPERAND)
    down_2 = _weight(own, 2, U, U, PADDED, True, OPERAND)
    weight_0 = tl.zeros((PADDED, PADDED), tl.float32)
    weight_1 = tl.zeros((PADDED, PADDED), tl.float32)
    weight_2 = tl.zeros((PADDED, PADDED), tl.float32)
    if IS_GRU:
        bias_2 = tl.zeros((PADDED, 16), tl.float32)
    else:
        down_3 = _weight(own, 3, U, U, PADDED, True, OPERAND)
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
    recurrent_i = _weight(recurrent, 0, U, U, PADDED, False, OPERAND)
    recurrent_f = _weight(recurrent, 1, U, U, PADDED, False, OPERAND)
    recurrent_g = _weight(recurrent, 2, U, U, PADDED, False, OPERAND)
    recurrent_o = _weight(recurrent, 3, U, U, PADDED, False, OPERAND)
    bias_i, bias_f = _bias(biases, 4, U, PADDED), _bias(biases, 5, U, PADDED)
    bias_g, bias_o = _bias(biases, 6, U, PADDED), _bias(biases, 7, U, PADDED)
    if not FIRST:
        input_i = _weight(own, 0, U, U, PADDED, False, OPERAND)
        input_f = _weight(own, 1, U, U, PADDED, False, OPERAND)
        input_g = _weight(own, 2, U, U, PADDED, False, OPERAND)
        input_o = _weight(own, 3, U, U, PADDED, False, OPERAND)
        bias_i += _bias(biases, 0, U, PADDED)
        bias_f += _bias(biases, 1, U, PADDED)
        bias_g += _bias(biases, 2, U, PADDED)
        bias_o += _bias(biases, 3, U, PADDED)
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
        i = _sigmoid(tl.dot(state, recurrent_i, acc=i) + bias_i, OPERAND)
        f = _sigmoid(tl.dot(state, recurrent_f, acc=f) + bias_f, OPERAND)
        g = _tanh(tl.dot(state, recurrent_g, acc=g) + bias_g, OPERAND)
        o = _sigmoid(tl.dot(state, recurrent_o, acc=o) + bias_o, OPERAND)
        c = f * c + i * g
        h = o * _tanh(c, OPERAND)
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
    recurrent_i = _weight(recurrent, 0, U, U, PADDED, False, OPERAND)
    recurrent_f = _weight(recurrent, 1, U, U, PADDED, False, OPERAND)
    recurrent_g = _weight(recurrent, 2, U, U, PADDED, False, OPERAND)
    recurrent_o = _weight(recurrent, 3, U, U, PADDED, False, OPERAND)
    bias_i, bias_f = _bias(biases, 4, U, PADDED), _bias(biases, 5, U, PADDED)
    bias_g, bias_o = _bias(biases, 6, U, PADDED), _bias(biases, 7, U, PADDED)
    if not FIRST:
        input_i = _weight(own, 0, U, U, PADDED, False, OPERAND)
        input_f = _weight(own, 1, U, U, PADDED, False, OPERAND)
        input_g = _weight(own, 2, U, U, PADDED, False, OPERAND)
        input_o = _weight(own, 3, U, U, PADDED, False, OPERAND)
        bias_i += _bias(biases, 0, U, PADDED)
        bias_f += _bias(biases, 1, U, PADDED)
        bias_g += _bias(biases, 2, U, PADDED)
        bias_o += _bias(biases, 3, U, PADDED)
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
        i = _sigmoid(tl.dot(state, recurrent_i, acc=i) + bias_i, OPERAND)
        f = _sigmoid(tl.dot(state, recurrent_f, acc=f) + bias_f, OPERAND)
        g = _tanh(tl.dot(state, recurrent_g, acc=g) + bias_g, OPERAND)
        o = _sigmoid(tl.dot(state, recurrent_o, acc=o) + bias_o, OPERAND)
        squashed = _tanh(f * cell + i * g, OPERAND)
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


@triton.jit
def _head(pointer, logit, sites, is_site, U: tl.constexpr, PADDED: tl.constexpr):
    """One of the two logits' weights of some sites: float32 (PADDED, n_sites)."""
    units = tl.arange(0, PADDED)
    at = pointer + (sites[None, :] * U + units[:, None]) * 2 + logit
    return tl.load(at, mask=is_site[None, :] & (units < U)[:, None], other=0.0)


@triton.jit
def heads(
    parameters, gradients, y, dy, truth, weights, first_site, loss, lengths, n_sites,
    n_parameters, head_offset, T, S, N,
    U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr, SITES: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Loss of the sites of one gap, and the gradients of their heads and of the states that they read.

    Args:
        parameters: rows with left head (S_k, U, 2), right head (S_k, U, 2), bias (S_k, 2) from `head_offset` on.
        gradients: the same for gradients.
        y: the last layer's sum. Its left stack is read at the marker before the gap, its right one after it.
        dy: receives the gradient of those; each place is written by one gap.
        truth: uint8 (K, S, N), 0, 1, or 2 for missing.
        weights: float32 (K, S).
        first_site: int32 (K, T + 2), the first site of each gap and the end of the last.
        loss: float32 (K, T + 1), each gap's part of the mean loss.
    """
    gap = tl.program_id(0)
    network = tl.program_id(1).to(tl.int64)
    length = tl.load(lengths + network)
    if gap <= length:
        own_sites = tl.load(n_sites + network)
        begin = tl.load(first_site + network * (T + 2) + gap)
        end = tl.load(first_site + network * (T + 2) + gap + 1)
        left_head = network * n_parameters + head_offset
        right_head = left_head + own_sites * U * 2
        bias = right_head + own_sites * U * 2
        units = tl.arange(0, PADDED)
        is_unit = units < U
        left = ((2 * network) * T + gap - 1) * N * U
        right = ((2 * network + 1) * T + gap) * N * U
        has_left, has_right = gap > 0, gap < length
        scale = 1.0 / (own_sites * N).to(tl.float32)
        total = 0.0
        if begin == end:
            for start in range(0, N, TILE):
                rows = start + tl.arange(0, TILE)
                at = rows[:, None] * U + units[None, :]
                mask = (rows < N)[:, None] & is_unit[None, :]
                zero = tl.zeros((TILE, PADDED), OPERAND)
                tl.store(dy + left + at, zero, mask=mask & has_left)
                tl.store(dy + right + at, zero, mask=mask & has_right)
        for block in range(begin, end, SITES):
            sites = block + tl.arange(0, SITES)
            is_site = sites < end
            of_left, of_right = is_site & has_left, is_site & has_right
            from_left = _head(parameters + left_head, 1, sites, of_left, U, PADDED)
            from_left -= _head(parameters + left_head, 0, sites, of_left, U, PADDED)
            from_right = _head(parameters + right_head, 1, sites, of_right, U, PADDED)
            from_right -= _head(parameters + right_head, 0, sites, of_right, U, PADDED)
            offset = tl.load(parameters + bias + sites * 2 + 1, mask=is_site, other=0.0)
            offset -= tl.load(parameters + bias + sites * 2, mask=is_site, other=0.0)
            weight = tl.load(weights + network * S + sites, mask=is_site, other=0.0) * scale
            sum_left = tl.zeros((PADDED, SITES), tl.float32)
            sum_right = tl.zeros((PADDED, SITES), tl.float32)
            sum_bias = tl.zeros((SITES,), tl.float32)
            for start in range(0, N, TILE):
                rows = start + tl.arange(0, TILE)
                is_row = rows < N
                at = rows[:, None] * U + units[None, :]
                mask = is_row[:, None] & is_unit[None, :]
                y_left = tl.load(y + left + at, mask=mask & has_left, other=0.0)
                y_right = tl.load(y + right + at, mask=mask & has_right, other=0.0)
                logit = tl.dot(y_left, from_left.to(OPERAND))
                logit = tl.dot(y_right, from_right.to(OPERAND), acc=logit) + offset[None, :]
                here = is_row[:, None] & is_site[None, :]
                true = tl.load(truth + (network * S + sites[None, :]) * N + rows[:, None], mask=here, other=0)
                true = tl.where(true == 2, 0.5, true.to(tl.float32))
                softplus = tl.maximum(logit, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(logit)))
                total += tl.sum(tl.where(here, weight[None, :] * (softplus - true * logit), 0.0))
                slope = tl.where(here, weight[None, :] * (_sigmoid(logit, OPERAND) - true), 0.0)
                sum_bias += tl.sum(slope, axis=0)
                slope = slope.to(OPERAND)
                sum_left = tl.dot(tl.trans(y_left), slope, acc=sum_left)
                sum_right = tl.dot(tl.trans(y_right), slope, acc=sum_right)
                d_left = tl.dot(slope, tl.trans(from_left).to(OPERAND))
                d_right = tl.dot(slope, tl.trans(from_right).to(OPERAND))
                if block > begin:
                    d_left += tl.load(dy + left + at, mask=mask & has_left, other=0.0).to(tl.float32)
                    d_right += tl.load(dy + right + at, mask=mask & has_right, other=0.0).to(tl.float32)
                tl.store(dy + left + at, d_left.to(OPERAND), mask=mask & has_left)
                tl.store(dy + right + at, d_right.to(OPERAND), mask=mask & has_right)
            place = (sites[None, :] * U + units[:, None]) * 2
            inside = is_site[None, :] & is_unit[:, None]
            tl.store(gradients + left_head + place + 1, sum_left, mask=inside)
            tl.store(gradients + left_head + place, -sum_left, mask=inside)
            tl.store(gradients + right_head + place + 1, sum_right, mask=inside)
            tl.store(gradients + right_head + place, -sum_right, mask=inside)
            tl.store(gradients + bias + sites * 2 + 1, sum_bias, mask=is_site)
            tl.store(gradients + bias + sites * 2, -sum_bias, mask=is_site)
        tl.store(loss + network * (T + 1) + gap, total)


@triton.jit
def head_logits(
    parameters, y, logits, first_site, lengths, n_sites, n_parameters, head_offset, T, S, N,
    U: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr, SITES: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Both logits of the sites of one gap: float32 (2, K, S, N)."""
    gap = tl.program_id(0)
    network, n_networks = tl.program_id(1).to(tl.int64), tl.num_programs(1)
    length = tl.load(lengths + network)
    if gap <= length:
        own_sites = tl.load(n_sites + network)
        begin = tl.load(first_site + network * (T + 2) + gap)
        end = tl.load(first_site + network * (T + 2) + gap + 1)
        left_head = parameters + network * n_parameters + head_offset
        right_head = left_head + own_sites * U * 2
        bias = right_head + own_sites * U * 2
        units = tl.arange(0, PADDED)
        left = ((2 * network) * T + gap - 1) * N * U
        right = ((2 * network + 1) * T + gap) * N * U
        has_left, has_right = gap > 0, gap < length
        for block in range(begin, end, SITES):
            sites = block + tl.arange(0, SITES)
            is_site = sites < end
            for logit in tl.static_range(2):
                from_left = _head(left_head, logit, sites, is_site & has_left, U, PADDED).to(OPERAND)
                from_right = _head(right_head, logit, sites, is_site & has_right, U, PADDED).to(OPERAND)
                offset = tl.load(bias + sites * 2 + logit, mask=is_site, other=0.0)
                for start in range(0, N, TILE):
                    rows = start + tl.arange(0, TILE)
                    at = rows[:, None] * U + units[None, :]
                    mask = (rows < N)[:, None] & (units < U)[None, :]
                    value = tl.dot(tl.load(y + left + at, mask=mask & has_left, other=0.0), from_left)
                    y_right = tl.load(y + right + at, mask=mask & has_right, other=0.0)
                    value = tl.dot(y_right, from_right, acc=value) + offset[None, :]
                    cell = ((logit * n_networks + network) * S + sites[None, :]) * N + rows[:, None]
                    tl.store(logits + cell, value, mask=(rows < N)[:, None] & is_site[None, :])


@triton.jit
def assemble(
    panel, dest, crossings, frequency, alt, truth, seeds, iterations, n_rows, n_columns, lengths,
    L, H, T, S, N, REDRAW,
    CROSSOVERS: tl.constexpr, ROWS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Draw each network's batch of recombined haplotypes.

    In the pool of a redraw period, haplotype j begins as training haplotype j and goes over to another one, drawn
    at random, at each crossover; a batch draws from the pool. All draws are Philox numbers of the network's
    seed and of counts, so that they depend on nothing else.

    Args:
        panel: uint8 (K, L, H), sites by haplotypes; 0, 1, or 2 for missing.
        dest: int32 (K, L), t for marker t, -1 - s for imputed site s.
        crossings: float32 (K, L), the share of the crossover probability that lies before each site.
        frequency: float32 (K, T), for missing alleles of markers.
        alt, truth: receive the batch, (K, T, N) and (K, S, N).
        seeds: int64 (K,).
        iterations: int32 (K,), the number of each network's iteration.
        n_rows, n_columns: int32 (K,), sites and haplotypes of each network.
    """
    network = tl.program_id(0).to(tl.int64)
    rows_here = tl.load(n_rows + network)
    first = tl.program_id(1) * ROWS
    if (first < rows_here) & (tl.load(lengths + network) > 0):
        seed = tl.load(seeds + network)
        iteration = tl.load(iterations + network)
        columns = tl.load(n_columns + network)
        batch = tl.program_id(2) * TILE + tl.arange(0, TILE)
        inside = batch < N
        draw = tl.rand(seed, iteration * N + batch)
        member = tl.minimum((draw * columns).to(tl.int32), columns - 1)
        pool = ((iteration // REDRAW) * columns + member) * (2 * CROSSOVERS)
        for row in range(first, tl.minimum(first + ROWS, rows_here)):
            crossed = tl.load(crossings + network * L + row)
            # each crossover before this site hands over to another haplotype; the last one in order counts
            source = member
            latest = tl.full((TILE,), -1.0, tl.float32)
            for crossover in tl.static_range(CROSSOVERS):
                point = tl.rand(seed + 1, pool + 2 * crossover)
                other = tl.rand(seed + 1, pool + 2 * crossover + 1)
                takes = (point < crossed) & (point > latest)
                source = tl.where(takes, tl.minimum((other * columns).to(tl.int32), columns - 1), source)
                latest = tl.where(takes, point, latest)
            allele = tl.load(panel + (network * L + row) * H + source, mask=inside, other=0)
            place = tl.load(dest + network * L + row)
            if place >= 0:
                missing = tl.load(frequency + network * T + place)
                value = tl.where(allele == 2, missing, allele.to(tl.float32))
                tl.store(alt + (network * T + place) * N + batch, value, mask=inside)
            else:
                tl.store(truth + (network * S - 1 - place) * N + batch, allele, mask=inside)
