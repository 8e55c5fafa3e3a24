"""A layer of up to 48 units of every stack, GRU or LSTM: its states, and the gradients of its gates.

Waiting takes most of the time here: for memory, and for one product after another. So there are few products. The
units are taken in two parts, HEAD and TAIL of them. Their sizes are powers of two because Triton requires this: 40 or
48 units are 32 and 16 instead of 64. Up to 32 units are one part, and TAIL is 0. The four gates of a part lie side by
side. So do the two things that they read of a part: the sum of the layers below, and the state before. Then one product
is enough for each pair of parts. In the backward pass, the same matrices carry the gradients to both.

The four gates are r, z, n and the recurrent half of n (GRU), or i, f, g, o (LSTM).
"""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network.recurrent.gpu.parts import (
    fast_sigmoid,
    fast_tanh,
    halves,
    joined,
    load_table,
    sigmoid_of_twice,
    stack_of_program,
    table_factors,
)


@triton.jit
def _load_block(
    weights, first_out, first_in, OUT: tl.constexpr, IN: tl.constexpr,
    FIRST: tl.constexpr, IS_GRU: tl.constexpr, U: tl.constexpr,
):  # fmt: skip
    """Weights from what the gates read of one part to the gates of a part: OPERAND (4 * OUT, 2 * IN), padded with 0.

    The columns are those of the layers below, then those of the state. The first layer reads a table instead of layers
    below, so it has the state's columns only.
    """
    row, column = tl.arange(0, 4 * OUT)[:, None], tl.arange(0, IN if FIRST else 2 * IN)[None, :]
    gate, out, into = row // OUT, first_out + row % OUT, first_in + column % IN
    is_recurrent = column >= (0 if FIRST else IN)
    mask = (out < U) & (into < U)
    if IS_GRU:  # one half of n reads the layers below, the other half the state
        mask = mask & (gate != tl.where(is_recurrent, 2, 3))
        gate = tl.minimum(gate, 2)
    if not FIRST:
        gate = tl.where(is_recurrent, gate + (3 if IS_GRU else 4), gate)
    return tl.load(weights + (gate * U + out) * U + into, mask=mask, other=0.0)


@triton.jit
def _load_bias(biases, first_out, OUT: tl.constexpr, IS_GRU: tl.constexpr, U: tl.constexpr):
    """Biases of a part's gates: float32 (1, 4 * OUT)."""
    N_GATES: tl.constexpr = 3 if IS_GRU else 4
    row = tl.arange(0, 4 * OUT)
    gate, out = row // OUT, first_out + row % OUT
    at = tl.minimum(gate, N_GATES - 1) * U + out
    bias = tl.load(biases + at, mask=(out < U) & (gate < N_GATES), other=0.0)
    if IS_GRU:  # each half of n has one bias
        bias += tl.load(biases + N_GATES * U + at, mask=(out < U) & (gate != 2), other=0.0)
    else:
        bias += tl.load(biases + N_GATES * U + at, mask=out < U, other=0.0)
    return bias[None, :]


@triton.jit
def _load_layer(
    parameters, weights, own, HEAD: tl.constexpr, TAIL: tl.constexpr,
    FIRST: tl.constexpr, IS_GRU: tl.constexpr, U: tl.constexpr,
):  # fmt: skip
    """A layer's weights from head to head, tail to head, head to tail and tail to tail, and the biases of both parts.

    Without a tail, the head's values stand for the tail's. The biases of the first layer are 0: its table contains
    them.
    """
    from_head = _load_block(weights + own, 0, 0, HEAD, HEAD, FIRST, IS_GRU, U)
    from_tail, head_to_tail, tail_to_tail = from_head, from_head, from_head
    if TAIL:
        from_tail = _load_block(weights + own, 0, HEAD, HEAD, TAIL, FIRST, IS_GRU, U)
        head_to_tail = _load_block(weights + own, HEAD, 0, TAIL, HEAD, FIRST, IS_GRU, U)
        tail_to_tail = _load_block(weights + own, HEAD, HEAD, TAIL, TAIL, FIRST, IS_GRU, U)
    bias = tl.zeros((1, 4 * HEAD), tl.float32)
    bias_tail = bias
    if not FIRST:
        biases = parameters + own + 2 * (3 if IS_GRU else 4) * U * U
        bias = _load_bias(biases, 0, HEAD, IS_GRU, U)
        if TAIL:
            bias_tail = _load_bias(biases, HEAD, TAIL, IS_GRU, U)
    return from_head, from_tail, head_to_tail, tail_to_tail, bias, bias_tail


@triton.jit
def _with_input(a, bias, factors, marker, first, PART: tl.constexpr, FIRST: tl.constexpr, U: tl.constexpr):
    """Add to a part's gates what the states do not give: in the first layer the table's input, else the biases."""
    if FIRST:
        a = tl.dot(factors, tl.trans(load_table(marker, 0, 4, first, PART, U)), acc=a)
    else:
        a += bias
    return a


@triton.jit
def _places(rows, first, PART: tl.constexpr, W: tl.constexpr):
    """Offsets of a part's units among those of a marker: (TILE, PART)."""
    return rows[:, None] * W + (first + tl.arange(0, PART))[None, :]


@triton.jit
def _gru_gates(a, OPERAND: tl.constexpr):
    both_rz, both_n = halves(a)
    r, z = halves(sigmoid_of_twice(0.5 * both_rz, OPERAND))
    n, hn = halves(both_n)
    return r, z, fast_tanh(n + r * hn, OPERAND), hn


@triton.jit
def _lstm_gates(a, OPERAND: tl.constexpr):
    both_if, both_go = halves(a)
    i, f = halves(fast_sigmoid(both_if, OPERAND))
    g, o = halves(both_go)
    return i, f, fast_tanh(g, OPERAND), fast_sigmoid(o, OPERAND)


@triton.jit
def _step(
    a, h, c, x, y_out, h_out, c_out, place, rows, is_row, first, PART: tl.constexpr,
    FIRST: tl.constexpr, IS_GRU: tl.constexpr, W: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """States and cell states of a part after a marker, which are stored at `place` too; `x` is the sum below."""
    if IS_GRU:
        _, z, n, _ = _gru_gates(a, OPERAND)
        h = n + z * (h - n)
    else:
        i, f, g, o = _lstm_gates(a, OPERAND)
        c = f * c + i * g
        h = o * fast_tanh(c, OPERAND)
    at = _places(rows, first, PART, W)
    y = h if FIRST else x.to(tl.float32) + h
    tl.store(y_out + place + at, y.to(OPERAND), mask=is_row)
    if h_out is not None:
        tl.store(h_out + place + at, h.to(OPERAND), mask=is_row)
    if c_out is not None:
        tl.store(c_out + place + at, c.to(OPERAND), mask=is_row)
    return h, c


@triton.jit
def _read_below_and_state(y_in, h, is_row, FIRST: tl.constexpr, OPERAND: tl.constexpr):
    """Operands of the gates, from a part: the sum of the layers below, and that sum beside the state.

    In the first layer, both are the state: OPERAND (TILE, PART). Else OPERAND (TILE, PART) and (TILE, 2 * PART).
    """
    read = h.to(OPERAND)
    x = read
    if not FIRST:
        x = tl.load(y_in, mask=is_row, other=0.0)
        read = joined(x, read)
    return x, read


@triton.jit
def narrow_layer_fwd_kernel(
    parameters, weights, y_in, table, alt, y_out, h_out, c_out, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, IS_GRU: tl.constexpr, U: tl.constexpr, HEAD: tl.constexpr, TAIL: tl.constexpr,
    TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """States of one layer, and the cell states of an LSTM.

    Args:
        y_out: Receives the sum with this layer, OPERAND (P, T, N, W).
        h_out, c_out: Receive states and cell states, OPERAND (P, T, N, W). None where nothing reads them: the states of
            the first layer, which are its sum; the cell states of a GRU; and both without a backward pass.
        HEAD, TAIL: How the units are divided. W is their sum, and the numbers behind the U units are 0. The other
            arguments are those of `wide_gru.gru_fwd_kernel`.
    """
    W: tl.constexpr = HEAD + TAIL
    stack, network, direction, own = stack_of_program(n_parameters, stack_offset, direction_stride)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    is_row = (rows < N)[:, None]
    from_head, from_tail, head_to_tail, tail_to_tail, bias, bias_tail = _load_layer(
        parameters, weights, own, HEAD, TAIL, FIRST, IS_GRU, U
    )
    at = _places(rows, 0, HEAD, W)
    h, c = tl.zeros((TILE, HEAD), tl.float32), tl.zeros((TILE, HEAD), tl.float32)
    if TAIL:
        at_tail = _places(rows, HEAD, TAIL, W)
        h_tail, c_tail = tl.zeros((TILE, TAIL), tl.float32), tl.zeros((TILE, TAIL), tl.float32)
    length = tl.load(lengths + network)
    for turn in range(length):
        t = tl.where(direction == 0, turn, length - 1 - turn)
        place = (stack * T + t) * N * W
        x, read = _read_below_and_state(y_in + place + at, h, is_row, FIRST, OPERAND)
        a = tl.dot(read, tl.trans(from_head))
        if TAIL:
            x_tail, read_tail = _read_below_and_state(y_in + place + at_tail, h_tail, is_row, FIRST, OPERAND)
            a = tl.dot(read_tail, tl.trans(from_tail), acc=a)
            a_tail = tl.dot(read, tl.trans(head_to_tail))
            a_tail = tl.dot(read_tail, tl.trans(tail_to_tail), acc=a_tail)
        factors = table_factors(alt + (network * T + t) * N, rows, N, OPERAND) if FIRST else None
        marker = table + (stack * T + t) * 4 * U * 8
        a = _with_input(a, bias, factors, marker, 0, HEAD, FIRST, U)
        if TAIL:
            a_tail = _with_input(a_tail, bias_tail, factors, marker, HEAD, TAIL, FIRST, U)
        h, c = _step(a, h, c, x, y_out, h_out, c_out, place, rows, is_row, 0, HEAD, FIRST, IS_GRU, W, OPERAND)
        if TAIL:
            h_tail, c_tail = _step(
                a_tail, h_tail, c_tail, x_tail, y_out, h_out, c_out, place, rows, is_row, HEAD, TAIL,
                FIRST, IS_GRU, W, OPERAND,
            )  # fmt: skip


@triton.jit
def _load_read(y_in, h, has_before, rows, is_row, first, PART: tl.constexpr, FIRST: tl.constexpr, W: tl.constexpr):
    """Operands of the gates, from a part and from memory: OPERAND (TILE, 2 * PART), in the first layer (TILE, PART)."""
    column = tl.arange(0, PART if FIRST else 2 * PART)[None, :]
    is_state = column >= (0 if FIRST else PART)
    start = h if FIRST else tl.where(is_state, h, y_in)
    at = rows[:, None] * W + (first + column % PART)
    return tl.load(start + at, mask=is_row & (has_before | ~is_state), other=0.0)


@triton.jit
def _slopes(
    a, read, dh, dc, c, earlier, dy, gates, has_before, rows, is_row, first, PART: tl.constexpr, N,
    FIRST: tl.constexpr, IS_GRU: tl.constexpr, W: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of a part's gates, which are stored too, and the gradients that do not pass through the gates.

    Returns:
        Three gradients. That of the gates, OPERAND (TILE, 4 * PART). That of the sum of the layers below and of the
        state before, float32 (TILE, 2 * PART), without the part that comes through the gates. (In the first layer it
        is that of the state only.) That of the cell states before, float32 (TILE, PART).
    """
    at = _places(rows, first, PART, W)
    from_above = tl.load(dy + at, mask=is_row, other=0.0).to(tl.float32)
    dh += from_above
    if IS_GRU:
        if FIRST:
            before = read.to(tl.float32)
        else:
            _, before = halves(read.to(tl.float32))
        r, z, n, hn = _gru_gates(a, OPERAND)
        to_n = dh * (1.0 - z)
        dn = to_n * (1.0 - n * n)
        dhn = dn * r
        both_rz, both_n = joined(dhn * hn * (1.0 - r), to_n * z * (before - n)), joined(dn, dhn)
        d = joined(both_rz.to(OPERAND), both_n.to(OPERAND))
        dh -= to_n
    else:
        before = tl.load(c + earlier + at, mask=is_row & has_before, other=0.0).to(tl.float32)
        i, f, g, o = _lstm_gates(a, OPERAND)
        squashed = fast_tanh(f * before + i * g, OPERAND)
        to_cell = dh * o
        dcell = dc + to_cell * (1.0 - squashed * squashed)
        dc = dcell * f
        both_if = joined(dcell * g * i * (1.0 - i), dc * before * (1.0 - f))
        both_go = joined(dcell * i * (1.0 - g * g), to_cell * squashed * (1.0 - o))
        d = joined(both_if.to(OPERAND), both_go.to(OPERAND))
        dh = tl.zeros_like(dh)
    column = tl.arange(0, 4 * PART)[None, :]
    tl.store(gates + (rows[:, None] * W + (column // PART * (N * W) + first + column % PART)), d, mask=is_row)
    return d, dh if FIRST else joined(from_above, dh), dc


@triton.jit
def _pass_down(
    dread, dy, rows, is_row, first, PART: tl.constexpr, FIRST: tl.constexpr, W: tl.constexpr, OPERAND: tl.constexpr
):
    """Store the gradient of the layers below; return that of the states before: float32 (TILE, PART)."""
    dh = dread
    if not FIRST:
        below, dh = halves(dread)
        tl.store(dy + _places(rows, first, PART, W), below.to(OPERAND), mask=is_row)
    return dh


@triton.jit
def narrow_layer_bwd_kernel(
    parameters, weights, y_in, table, alt, h, c, dy, dgates, lengths,
    n_parameters, stack_offset, direction_stride, T, N,
    FIRST: tl.constexpr, IS_GRU: tl.constexpr, U: tl.constexpr, HEAD: tl.constexpr, TAIL: tl.constexpr,
    TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of one layer's gates, which are recomputed from the states and cell states.

    The tail's gates are computed after the head's, because the registers have room for the gates of one part.

    Args:
        h, c: States, and cell states of an LSTM, OPERAND (P, T, N, W).
        dy: Gradient of the sum with this layer, OPERAND (P, T, N, W); becomes that of the sum below it. The first layer
            does not change it.
        dgates: Receives the gradients, OPERAND (P, T, 4, N, W). The other arguments are those of
            `narrow_layer_fwd_kernel`.
    """
    W: tl.constexpr = HEAD + TAIL
    stack, network, direction, own = stack_of_program(n_parameters, stack_offset, direction_stride)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    is_row = (rows < N)[:, None]
    from_head, from_tail, head_to_tail, tail_to_tail, bias, bias_tail = _load_layer(
        parameters, weights, own, HEAD, TAIL, FIRST, IS_GRU, U
    )
    dh, dc = tl.zeros((TILE, HEAD), tl.float32), tl.zeros((TILE, HEAD), tl.float32)
    if TAIL:
        dh_tail, dc_tail = tl.zeros((TILE, TAIL), tl.float32), tl.zeros((TILE, TAIL), tl.float32)
    length = tl.load(lengths + network)
    for back in range(length):
        turn = length - 1 - back
        has_before = turn > 0
        t = tl.where(direction == 0, turn, back)
        place, earlier = (stack * T + t) * N * W, (stack * T + tl.where(direction == 0, t - 1, t + 1)) * N * W
        gates, x, states = dgates + place * 4, y_in + place, h + earlier
        read = _load_read(x, states, has_before, rows, is_row, 0, HEAD, FIRST, W)
        a = tl.dot(read, tl.trans(from_head))
        if TAIL:
            read_tail = _load_read(x, states, has_before, rows, is_row, HEAD, TAIL, FIRST, W)
            a = tl.dot(read_tail, tl.trans(from_tail), acc=a)
        factors = table_factors(alt + (network * T + t) * N, rows, N, OPERAND) if FIRST else None
        marker = table + (stack * T + t) * 4 * U * 8
        a = _with_input(a, bias, factors, marker, 0, HEAD, FIRST, U)
        d, dread, dc = _slopes(
            a, read, dh, dc, c, earlier, dy + place, gates, has_before, rows, is_row, 0, HEAD, N,
            FIRST, IS_GRU, W, OPERAND,
        )  # fmt: skip
        if TAIL:
            a = tl.dot(read, tl.trans(head_to_tail))
            a = tl.dot(read_tail, tl.trans(tail_to_tail), acc=a)
            a = _with_input(a, bias_tail, factors, marker, HEAD, TAIL, FIRST, U)
            d_tail, dread_tail, dc_tail = _slopes(
                a, read_tail, dh_tail, dc_tail, c, earlier, dy + place, gates, has_before, rows, is_row, HEAD, TAIL,
                N, FIRST, IS_GRU, W, OPERAND,
            )  # fmt: skip
            dread_tail = tl.dot(d_tail, tail_to_tail, acc=dread_tail)
            dread = tl.dot(d_tail, head_to_tail, acc=dread)
            dread_tail = tl.dot(d, from_tail, acc=dread_tail)
            dh_tail = _pass_down(dread_tail, dy + place, rows, is_row, HEAD, TAIL, FIRST, W, OPERAND)
        dread = tl.dot(d, from_head, acc=dread)
        dh = _pass_down(dread, dy + place, rows, is_row, 0, HEAD, FIRST, W, OPERAND)
