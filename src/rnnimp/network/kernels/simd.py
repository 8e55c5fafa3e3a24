"""Vectors of float32 in Numba: a type with one number per haplotype, its arithmetic, and three products.

Numba code with these vectors reads like code for one haplotype. It compiles to packed instructions on any processor,
because LLVM divides a vector into the processor's registers. Order of this module: the type and its arithmetic; memory;
`sigmoid` and `tanh`; the products, each with its sums in registers.

Nothing is compiled when this module is imported. Numba stores compiled kernels until the source file of a kernel
changes. If you change this file, change the files of the kernels too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, overload, register_model


def _has_wide_registers() -> bool:
    return bool(binding.get_host_cpu_features().get("avx512f"))


WIDE = _has_wide_registers()
LANES = 64 if WIDE else 16
BLOCK = 8  # a transposition's edge; widths of matrices are multiples of it
WIDEST = 40  # columns of `add_outer_products` at once

_FLOAT = ir.FloatType()
VECTOR = ir.VectorType(_FLOAT, LANES)
_INTEGERS = ir.VectorType(ir.IntType(32), LANES)


class _Lanes(types.Type):
    """A vector of `LANES` float32."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


LANES_TYPE = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, VECTOR)


def as_vector(builder: Any, value: Any, numba_type: Any) -> Any:
    """A vector of a Lanes value or of a floating-point number."""
    if isinstance(numba_type, _Lanes):
        return value
    return spread(builder, builder.fptrunc(value, _FLOAT) if numba_type == types.float64 else value, LANES)


def spread(builder: Any, number: Any, width: int) -> Any:
    """A vector with the same number everywhere."""
    vector = ir.VectorType(number.type, width)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), order)


def multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """`a * b + c`, rounded once where the processor can."""
    function = ir.FunctionType(c.type, [c.type] * 3)
    name = f"llvm.fmuladd.v{c.type.count}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), [a, b, c])


def _is_operand(numba_type: Any) -> bool:
    return isinstance(numba_type, _Lanes | types.Float)


def _define_operator(function: Callable[..., Any], instruction: str) -> None:
    @intrinsic
    def compute(typing_context: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
            a, b = (as_vector(builder, *pair) for pair in zip(operands, signature.args, strict=True))
            return getattr(builder, instruction)(a, b)

        return LANES_TYPE(left, right), generate

    @overload(function)
    def choose(left: Any, right: Any) -> Any:
        if _is_operand(left) and _is_operand(right) and LANES_TYPE in (left, right):
            return apply
        return None

    def apply(left: Any, right: Any) -> Any:
        return compute(left, right)


for _function, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define_operator(_function, _instruction)


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """`a * b + c`; each a vector or a number."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        return multiply_add(
            builder, *(as_vector(builder, *pair) for pair in zip(operands, signature.args, strict=True))
        )

    return LANES_TYPE(a, b, c), generate


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """A vector of equal numbers."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        return as_vector(builder, operands[0], signature.args[0])

    return LANES_TYPE(number), generate


@intrinsic
def clamp(typing_context: Any, x: Any, lowest: Any, highest: Any) -> Any:
    """`x` within bounds; NaN stays NaN."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        value, low, high = (as_vector(builder, *pair) for pair in zip(operands, signature.args, strict=True))
        value = builder.select(builder.fcmp_ordered("<", high, value), high, value)
        return builder.select(builder.fcmp_ordered(">", low, value), low, value)

    return LANES_TYPE(x, lowest, highest), generate


@intrinsic
def total(typing_context: Any, x: Any) -> Any:
    """The sum of a vector's numbers, float32."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        kind = ir.FunctionType(_FLOAT, [_FLOAT, VECTOR])
        add = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
        return builder.call(add, [ir.Constant(_FLOAT, 0.0), operands[0]], fastmath=("reassoc",))

    return types.float32(x), generate


def pointer_into(context: Any, builder: Any, array_type: Any, array: Any, offset: Any) -> Any:
    """The address of `array[offset]`."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [offset])


def _load(builder: Any, pointer: Any, kind: Any) -> Any:
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=4, typ=kind)


def _store(builder: Any, vector: Any, pointer: Any) -> None:
    builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer()), align=4)


@intrinsic
def load(typing_context: Any, array: Any, offset: Any) -> Any:
    """`array[offset : offset + LANES]` of a flat float32 array."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        return _load(builder, pointer_into(context, builder, signature.args[0], *operands), VECTOR)

    return LANES_TYPE(array, types.int64), generate


@intrinsic
def store(typing_context: Any, array: Any, offset: Any, x: Any) -> Any:
    """`array[offset : offset + LANES] = x` in a flat float32 array."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        _store(builder, operands[2], pointer_into(context, builder, signature.args[0], *operands[:2]))
        return context.get_dummy_value()

    return types.void(array, types.int64, x), generate


@intrinsic
def _scale(typing_context: Any, x: Any, shifted: Any) -> Any:
    """`x * 2 ** n`, given `shifted = n + 1.5 * 2 ** 23`, whose low bits are the integer n: added to x's exponent."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        bits, number = (builder.bitcast(operand, _INTEGERS) for operand in operands)
        exponent = builder.shl(number, spread(builder, ir.Constant(ir.IntType(32), 23), LANES))
        return builder.bitcast(builder.add(bits, exponent), VECTOR)

    return LANES_TYPE(x, shifted), generate


INTEGER_SHIFT = 12582912.0  # 1.5 * 2 ** 23
# 2 ** f = 1 + f * (C1 + f * (C2 + ...)) for -0.5 <= f <= 0.5, relative error of 2 ** f under 1e-7
_C1, _C2, _C3 = 0.6931471805599453, 0.2402265069591007, 0.0555041086648216
_C4, _C5, _C6 = 0.0096181291076285, 0.0013333558146428, 0.00015403530393


@numba.njit(inline="always")
def _exp2_parts(x: Any) -> Any:
    """`shifted` for `_scale`, with the integer nearest to x; f, what is left; and `(2 ** f - 1) / f`."""
    x = clamp(x, -126.0, 126.0)
    shifted = x + INTEGER_SHIFT
    f = x - (shifted - INTEGER_SHIFT)
    return shifted, f, fma(f, fma(f, fma(f, fma(f, fma(f, _C6, _C5), _C4), _C3), _C2), _C1)


@numba.njit(inline="always")
def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))` of a vector."""
    shifted, f, slope = _exp2_parts(x * -1.4426950408889634)
    return 1.0 / (_scale(fma(f, slope, 1.0), shifted) + 1.0)


@numba.njit(inline="always")
def tanh(x: Any) -> Any:
    """`tanh(x)` of a vector, also for small x to the last digits."""
    shifted, f, slope = _exp2_parts(x * 2.8853900817779268)
    power = _scale(splat(1.0), shifted)
    less_one = fma(power, f * slope, power - 1.0)  # exp(2 x) - 1
    return less_one / (less_one + 2.0)


def _define_prefetch(flags: tuple[int, int, int], purpose: str) -> Any:
    @intrinsic
    def prefetch(typing_context: Any, array: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
            address = pointer_into(context, builder, signature.args[0], *operands)
            pointer = builder.bitcast(address, ir.IntType(8).as_pointer())
            kind = ir.FunctionType(ir.VoidType(), [pointer.type] + [ir.IntType(32)] * 3)
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            builder.call(function, [pointer, *(ir.Constant(ir.IntType(32), flag) for flag in flags)])
            return context.get_dummy_value()

        return types.void(array, types.int64), generate

    prefetch.__doc__ = f"Begin to fetch the cache line of `array[offset]` {purpose}; the place need not exist."
    return prefetch


# LLVM's flags: 1 to write, nearness of the cache (3 nearest), 1 for data
prefetch_to_read = _define_prefetch((0, 2, 1), "from memory, to read it a while later")
prefetch_to_write = _define_prefetch((1, 3, 1), "to write it soon")


@intrinsic
def add_product(
    typing_context: Any,
    sums: Any,
    a: Any,
    a_offset: Any,
    a_row: Any,
    a_step: Any,
    b: Any,
    b_offset: Any,
    b_step: Any,
    steps: Any,
) -> Any:
    """Rows of a matrix product: numbers of `a` times vectors of `b`, added to a tuple of vectors.

    `sums[row] + sum over step of a[a_offset + row * a_row + step * a_step] * b[b_offset + step * b_step ...]`
    """

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        first_a = pointer_into(context, builder, signature.args[1], *operands[1:3])
        first_b = pointer_into(context, builder, signature.args[5], *operands[5:7])
        row_stride, step_stride = operands[3:5]
        held = []
        for row in range(sums.count):
            held.append(cgutils.alloca_once_value(builder, builder.extract_value(operands[0], row)))
        with cgutils.for_range(builder, operands[8]) as loop:
            vector_at = builder.mul(loop.index, operands[7])
            vector = _load(builder, builder.gep(first_b, [vector_at]), VECTOR)
            at = builder.gep(first_a, [builder.mul(loop.index, step_stride)])
            for row, slot in enumerate(held):
                place = builder.mul(row_stride, ir.Constant(row_stride.type, row))
                number = builder.load(builder.gep(at, [place]), align=4, typ=_FLOAT)
                product = multiply_add(builder, spread(builder, number, LANES), vector, builder.load(slot))
                builder.store(product, slot)
        return cgutils.pack_array(builder, [builder.load(slot) for slot in held])

    integer = types.int64
    return sums(sums, a, integer, integer, integer, b, integer, integer, integer), generate


def _register_widths(width: int) -> list[int]:
    """A width cut into 16, 16, ..., 8."""
    return [16] * (width // 16) + [8] * (width % 16 // 8)


@intrinsic(prefer_literal=True)
def add_outer_products(
    typing_context: Any, c: Any, c_offset: Any, c_row: Any, a: Any, a_offset: Any, b: Any, b_offset: Any, b_row: Any,
    rows: Any, width: Any,
) -> Any:  # fmt: skip
    """Sum over the haplotypes of a tile, `c[row, column] += sum over lane of a[row, lane] * b[lane, column]`.

    `a` has rows of `LANES`; `c` and `b` have rows of `c_row` and `b_row`. `rows` and `width` are literals.
    """

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        first_c = pointer_into(context, builder, signature.args[0], *operands[:2])
        first_a = pointer_into(context, builder, signature.args[3], *operands[3:5])
        first_b = pointer_into(context, builder, signature.args[5], *operands[5:7])
        c_stride, b_stride = operands[2], operands[7]
        pieces, starts = _register_widths(width.literal_value), []
        for index in range(len(pieces)):
            starts.append(sum(pieces[:index]))
        held: list[tuple[Any, Any]] = []  # place in memory, place on the stack, which becomes a register
        for row in range(rows.literal_value):
            start_of_row = builder.gep(first_c, [builder.mul(c_stride, ir.Constant(c_stride.type, row))])
            for piece, start in zip(pieces, starts, strict=True):
                place = builder.gep(start_of_row, [ir.Constant(c_stride.type, start)])
                value = _load(builder, place, ir.VectorType(_FLOAT, piece))
                held.append((place, cgutils.alloca_once_value(builder, value)))
        with cgutils.for_range(builder, ir.Constant(c_stride.type, LANES)) as loop:
            at = builder.gep(first_b, [builder.mul(loop.index, b_stride)])
            vectors = [
                _load(builder, builder.gep(at, [ir.Constant(c_stride.type, start)]), ir.VectorType(_FLOAT, piece))
                for piece, start in zip(pieces, starts, strict=True)
            ]
            for row in range(rows.literal_value):
                place = builder.add(loop.index, ir.Constant(c_stride.type, row * LANES))
                number = builder.load(builder.gep(first_a, [place]), align=4, typ=_FLOAT)
                for index, vector in enumerate(vectors):
                    slot = held[row * len(vectors) + index][1]
                    factor = spread(builder, number, vector.type.count)
                    builder.store(multiply_add(builder, factor, vector, builder.load(slot)), slot)
        for place, slot in held:
            _store(builder, builder.load(slot), place)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(c, integer, integer, a, integer, b, integer, integer, rows, width), generate


@intrinsic
def transpose_block(
    typing_context: Any, source: Any, offset: Any, row: Any, target: Any, target_offset: Any, target_row: Any
) -> Any:
    """Write a `BLOCK` by `BLOCK` piece of a matrix transposed."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        first = pointer_into(context, builder, signature.args[0], *operands[:2])
        first_target = pointer_into(context, builder, signature.args[3], *operands[3:5])
        stride, target_stride = operands[2], operands[5]
        places = [ir.Constant(stride.type, index) for index in range(BLOCK)]
        kind = ir.VectorType(_FLOAT, BLOCK)
        rows = [_load(builder, builder.gep(first, [builder.mul(stride, place)]), kind) for place in places]
        for place, vector in zip(places, _transposed(builder, rows), strict=True):
            _store(builder, vector, builder.gep(first_target, [builder.mul(target_stride, place)]))
        return context.get_dummy_value()

    integer = types.int64
    return types.void(source, integer, integer, target, integer, integer), generate


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Exchange the off-diagonal halves of 2 by 2 pieces, at distances 1, 2 and 4."""
    for distance in (1, 2, 4):
        low = [lane if not lane & distance else lane - distance + BLOCK for lane in range(BLOCK)]
        high = [lane + distance if not lane & distance else lane + BLOCK for lane in range(BLOCK)]
        indices = [ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), order) for order in (low, high)]
        exchanged = list(rows)
        for row in range(BLOCK):
            if not row & distance:
                pair = rows[row], rows[row + distance]
                exchanged[row] = builder.shuffle_vector(*pair, indices[0])
                exchanged[row + distance] = builder.shuffle_vector(*pair, indices[1])
        rows = exchanged
    return rows
