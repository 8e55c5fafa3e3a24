"""What the kernels share: nonlinearities, and a layer's weights brought on chip."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def fast_tanh(x, OPERAND: tl.constexpr):
    if tl.bfloat16 == OPERAND:  # one instruction, to 2 ** -11: finer than the operands
        return tl.inline_asm_elementwise("tanh.approx.f32 $0, $1;", "=f,f", [x], dtype=tl.float32, is_pure=True, pack=1)
    return 2.0 / (1.0 + tl.exp(-2.0 * x)) - 1.0


@triton.jit
def fast_sigmoid(x, OPERAND: tl.constexpr):
    return 0.5 * fast_tanh(0.5 * x, OPERAND) + 0.5


@triton.jit
def load_weight(
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
def load_bias(pointer, gate, U: tl.constexpr, PADDED: tl.constexpr):
    units = tl.arange(0, PADDED)
    return tl.load(pointer + gate * U + units, mask=units < U, other=0.0)[None, :]
