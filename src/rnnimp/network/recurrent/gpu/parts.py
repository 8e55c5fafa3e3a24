"""Parts of all kernels: nonlinearities, loads of a layer's weights, and offsets."""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network import region_coding

CERTAIN = tl.constexpr(region_coding.CERTAIN)


@triton.jit
def fast_tanh(x, OPERAND: tl.constexpr):
    """tanh(x), at least as exact as the operands."""
    if tl.bfloat16 == OPERAND:  # one instruction, exact to 2 ** -11, which is finer than bfloat16
        return tl.inline_asm_elementwise("tanh.approx.f32 $0, $1;", "=f,f", [x], dtype=tl.float32, is_pure=True, pack=1)
    return 2.0 / (1.0 + tl.exp(-2.0 * x)) - 1.0


@triton.jit
def fast_sigmoid(x, OPERAND: tl.constexpr):
    """1 / (1 + exp(-x)), at least as exact as the operands."""
    return sigmoid_of_twice(0.5 * x, OPERAND)


@triton.jit
def sigmoid_of_twice(x, OPERAND: tl.constexpr):
    """The sigmoid of 2 x. It takes one multiplication less than `fast_sigmoid`."""
    return 0.5 * fast_tanh(x, OPERAND) + 0.5


@triton.jit
def stack_of_program(n_parameters, stack_offset, direction_stride):
    """A program's stack, its network and direction, and where its layer begins among the parameters."""
    stack = tl.program_id(0).to(tl.int64)
    network, direction = stack // 2, stack % 2
    return stack, network, direction, network * n_parameters + stack_offset + direction * direction_stride


@triton.jit
def load_weight(weights, gate, U: tl.constexpr, PADDED: tl.constexpr):
    """One gate's (out, in) matrix, padded with 0: OPERAND (PADDED, PADDED)."""
    out, into = tl.arange(0, PADDED)[:, None], tl.arange(0, PADDED)[None, :]
    return tl.load(weights + (gate * U + out) * U + into, mask=(out < U) & (into < U), other=0.0)


@triton.jit
def load_pair(weights, gate, U: tl.constexpr, PADDED: tl.constexpr):
    """Two successive gates' matrices, one above the other: OPERAND (2 * PADDED, PADDED)."""
    both, into = tl.arange(0, 2 * PADDED)[:, None], tl.arange(0, PADDED)[None, :]
    out = both % PADDED
    at = ((gate + both // PADDED) * U + out) * U + into
    return tl.load(weights + at, mask=(out < U) & (into < U), other=0.0)


@triton.jit
def load_bias(biases, gate, U: tl.constexpr, PADDED: tl.constexpr):
    """The biases of one gate, padded with 0: float32 (1, PADDED)."""
    units = tl.arange(0, PADDED)
    return tl.load(biases + gate * U + units, mask=units < U, other=0.0)[None, :]


@triton.jit
def load_bias_pair(biases, gate, U: tl.constexpr, PADDED: tl.constexpr):
    """The biases of two successive gates, side by side: float32 (1, 2 * PADDED)."""
    both = tl.arange(0, 2 * PADDED)
    unit = both % PADDED
    return tl.load(biases + (gate + both // PADDED) * U + unit, mask=unit < U, other=0.0)[None, :]


@triton.jit
def load_table(marker, first_gate, GATES: tl.constexpr, first_unit, UNITS: tl.constexpr, U: tl.constexpr):
    """The first layer's table of one marker, of some gates side by side: OPERAND (GATES * UNITS, 16)."""
    row, column = tl.arange(0, GATES * UNITS)[:, None], tl.arange(0, 16)[None, :]
    unit = first_unit + row % UNITS
    at = ((first_gate + row // UNITS) * U + unit) * 8 + column
    return tl.load(marker + at, mask=(unit < U) & (column < 8), other=0.0)


@triton.jit
def table_factors(alt, rows, N, OPERAND: tl.constexpr):
    """Factors of the table's columns: OPERAND (TILE, 16).

    The table contains what a marker with P(a1) = 0 adds to the gates, and what P(a1) = 1 adds to that. Each is the sum
    of two rounded numbers, which together are as exact as 16 bits.
    """
    p = tl.load(alt + rows, mask=rows < N, other=0.0)[:, None]
    high = p.to(OPERAND).to(tl.float32)
    column = tl.arange(0, 16)[None, :]
    factors = tl.where(column < 2, 1.0, tl.where(column < 4, high, tl.where(column == 4, p - high, 0.0)))
    return factors.to(OPERAND)


@triton.jit
def store_gates(place, first, second, third, fourth, mask, size):
    """Store the gradients of the four gates, `size` numbers from each to the next."""
    tl.store(place, first, mask=mask)
    tl.store(place + size, second, mask=mask)
    tl.store(place + 2 * size, third, mask=mask)
    tl.store(place + 3 * size, fourth, mask=mask)


@triton.jit
def halves(pair):
    """The two halves of (TILE, 2 * PADDED), for example of a product with the transpose of a `load_pair`."""
    TILE: tl.constexpr = pair.shape[0]
    PADDED: tl.constexpr = pair.shape[1] // 2
    return tl.split(tl.permute(tl.reshape(pair, (TILE, 2, PADDED)), (0, 2, 1)))


@triton.jit
def joined(left, right):
    """Two of (TILE, PADDED) side by side: (TILE, 2 * PADDED)."""
    both = tl.permute(tl.join(left, right), (0, 2, 1))
    return tl.reshape(both, (left.shape[0], 2 * left.shape[1]))
