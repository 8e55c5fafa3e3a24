"""From the gradients of gates to those of weights, of the first layer's table and of the layers below."""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network.recurrent.gpu.parts import stack_of_program, table_factors


@triton.jit
def weight_bwd_kernel(
    dgates, h, y_in, partial_weight, partial_bias, lengths, T, N, n_chunks, CHUNK,
    FIRST: tl.constexpr, IS_GRU: tl.constexpr, U: tl.constexpr, W: tl.constexpr, PADDED: tl.constexpr,
    BLOCK: tl.constexpr, GATES: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients of one layer's weights and biases, summed over CHUNK markers and all haplotypes.

    A program owns BLOCK columns (units that are read) of the matrices of GATES gates. The gates lie side by side, so
    that one product sums the gradients of all of them. The first layer has no input weights here, see
    `table_bwd_kernel`. The gradient of the layers below has its own kernel. Here all products are only added up. A
    product whose result is needed at once would make the others wait.

    Args:
        dgates: Gradients of the gates, OPERAND (P, T, 4, N, W).
        h: The layer's states, OPERAND (P, T, N, W).
        y_in: Sum of the layers below, OPERAND (P, T, N, W).
        partial_weight: Receives partial sums of the input weights and the recurrent weights, float32 (P, n_chunks, 2,
            n_gates, U, U). Rows are the units computed, columns the units read.
        partial_bias: Receives partial sums of the four gates' gradients, float32 (P, n_chunks, 4, U).
        lengths: Markers of each network, int32 (K,).
    """
    N_GATES: tl.constexpr = 3 if IS_GRU else 4
    stack = tl.program_id(0).to(tl.int64)
    chunk = tl.program_id(1)
    block, first_gate = tl.program_id(2) // (4 // GATES), tl.program_id(2) % (4 // GATES) * GATES
    network, direction = stack // 2, stack % 2
    length = tl.load(lengths + network)
    both = tl.arange(0, GATES * PADDED)
    gate, unit = first_gate + both // PADDED, both % PADDED
    columns = block * BLOCK + tl.arange(0, BLOCK)
    ones = tl.full((TILE, 16), 1.0, OPERAND)
    recurrent = tl.zeros((BLOCK, GATES * PADDED), tl.float32)
    bias = tl.zeros((GATES * PADDED, 16), tl.float32)
    if not FIRST:
        below = tl.zeros((BLOCK, GATES * PADDED), tl.float32)
    tiles = tl.cdiv(N, TILE)
    begin = chunk * CHUNK
    for turn in range(0, (tl.minimum(begin + CHUNK, length) - begin) * tiles):
        t = begin + turn // tiles
        rows = turn % tiles * TILE + tl.arange(0, TILE)
        mask = (rows < N)[:, None] & (unit < U)[None, :]
        at = rows[:, None] * W + (gate * (N * W) + unit)[None, :]
        slopes = tl.load(dgates + (stack * T + t) * 4 * N * W + at, mask=mask, other=0.0)
        read = (rows < N)[:, None] & (columns < U)[None, :]
        at = rows[:, None] * W + columns[None, :]
        before = tl.where(direction == 0, t - 1, t + 1)
        has_before = (before >= 0) & (before < length)
        state = tl.load(h + (stack * T + before) * N * W + at, mask=read & has_before, other=0.0)
        recurrent = tl.dot(tl.trans(state), slopes, acc=recurrent)
        bias = tl.dot(tl.trans(slopes), ones, acc=bias)
        if not FIRST:
            x = tl.load(y_in + (stack * T + t) * N * W + at, mask=read, other=0.0)
            below = tl.dot(tl.trans(x), slopes, acc=below)
    inside = (columns < U)[:, None] & (unit < U)[None, :]
    matrices = partial_weight + (stack * n_chunks + chunk) * 2 * N_GATES * U * U + columns[:, None]
    if not FIRST:
        to = (gate * U + unit) * U
        tl.store(matrices + to[None, :], below, mask=inside & (gate < N_GATES)[None, :])
    if IS_GRU:  # the recurrent half of n has its own gradient, the fourth
        inside = inside & (gate != 2)[None, :]
    to = ((N_GATES + tl.minimum(gate, N_GATES - 1)) * U + unit) * U
    tl.store(matrices + to[None, :], recurrent, mask=inside)
    if block == 0:  # each of the 16 columns contains the same sums
        sums = partial_bias + (stack * n_chunks + chunk) * 4 * U
        tl.store(sums + gate * U + unit, tl.sum(bias, axis=1) / 16.0, mask=unit < U)


@triton.jit
def input_bwd_kernel(
    weights, dgates, dy, lengths, n_parameters, stack_offset, direction_stride, T, N, CHUNK,
    IS_GRU: tl.constexpr, U: tl.constexpr, PADDED: tl.constexpr, BLOCK: tl.constexpr, TILE: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """Add to `dy`, OPERAND (P, T, N, U), the gradient that flows through the input weights to the layers below.

    A program owns BLOCK units over CHUNK markers. Only layers of more than 48 units need this kernel.
    """
    stack, network, _, own = stack_of_program(n_parameters, stack_offset, direction_stride)
    own = weights + own
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
    """Some columns of one gate's matrix: (PADDED, n_columns), padded with 0."""
    units = tl.arange(0, PADDED)
    mask = (units < U)[:, None] & (columns < U)[None, :]
    return tl.load(pointer + (gate * U + units[:, None]) * U + columns[None, :], mask=mask, other=0.0)


@triton.jit
def table_bwd_kernel(
    dgates, alt, d_table, lengths, T, N,
    IS_GRU: tl.constexpr, U: tl.constexpr, W: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradient of the first layer's table. A program owns one marker of one stack.

    Args:
        dgates: Gradients of the gates, OPERAND (P, T, 4, N, W).
        alt: P(a1), float32 (K, T, N).
        d_table: Receives the gradients, float32 (P, T, 2, n_gates, U); 0 beyond a network's markers.
        lengths: Markers of each network, int32 (K,).
    """
    N_GATES: tl.constexpr = 3 if IS_GRU else 4
    stack = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1)
    network = stack // 2
    both = tl.arange(0, 4 * PADDED)
    gate, unit = both // PADDED, both % PADDED
    inside = (unit < U) & (gate < N_GATES)
    sums = tl.zeros((16, 4 * PADDED), tl.float32)
    if t < tl.load(lengths + network):
        for start in range(0, N, TILE):
            rows = start + tl.arange(0, TILE)
            at = rows[:, None] * W + (gate * (N * W) + unit)[None, :]
            mask = (rows < N)[:, None] & inside[None, :]
            slopes = tl.load(dgates + (stack * T + t) * 4 * N * W + at, mask=mask, other=0.0)
            factors = table_factors(alt + (network * T + t) * N, rows, N, OPERAND)
            sums = tl.dot(tl.trans(factors), slopes, acc=sums)
    factor = tl.arange(0, 16)[:, None]
    base = tl.sum(tl.where(factor == 0, sums, 0.0), axis=0)
    delta = tl.sum(tl.where((factor == 2) | (factor == 4), sums, 0.0), axis=0)
    to = d_table + (stack * T + t) * 2 * N_GATES * U + gate * U + unit
    tl.store(to, base, mask=inside)
    tl.store(to + N_GATES * U, delta, mask=inside)
