"""Integer vectors in Numba, for products of 16-bit numbers with 32-bit sums. `simd.py` has the float32 vectors.

A vector has one 32-bit word per haplotype. A word is a sum, or a pair of 16-bit numbers: those of two units that follow
each other. The processor multiplies both numbers of a pair by two weights and adds both products to a sum, in one
instruction with AVX-512 VNNI (`vpdpwssd`), in two instructions elsewhere (`vpmaddwd`, `vpaddd`). Both give the
same numbers, as long as no sum leaves 32 bits.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

from rnnimp.network.kernels.registers import REGISTER, divided, has_feature, joined
from rnnimp.network.kernels.simd import (
    INTEGER_SHIFT,
    LANES,
    LANES_TYPE,
    VECTOR,
    WIDE,
    as_vector,
    multiply_add,
    pointer_into,
    spread,
)

_WORD, _HALF = ir.IntType(32), ir.IntType(16)
_WORDS, _HALVES = ir.VectorType(_WORD, LANES), ir.VectorType(_HALF, 2 * LANES)
_REGISTER_WORDS, _REGISTER_HALVES = ir.VectorType(_WORD, REGISTER), ir.VectorType(_HALF, 2 * REGISTER)
_MULTIPLY_PAIRS = "llvm.x86.avx512.pmaddw.d.512" if WIDE else "llvm.x86.avx2.pmadd.wd"


def can_multiply_pairs() -> bool:
    """Whether the kernels of this module run on this processor."""
    return has_feature("avx512bw") if WIDE else has_feature("avx2")


def has_pair_products() -> bool:
    """Whether this processor multiplies pairs and adds both products in one instruction, in wide registers."""
    return WIDE and can_multiply_pairs() and has_feature("avx512vnni")


class _Words(types.Type):
    """A vector of `LANES` int32."""

    def __init__(self) -> None:
        super().__init__(name=f"int32x{LANES}")


_WORD_LANES = _Words()


@register_model(_Words)
class _WordsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _WORDS)


@intrinsic
def zero_words(typing_context: Any) -> Any:
    """A vector of zeros."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        return ir.Constant(_WORDS, [0] * LANES)

    return _WORD_LANES(), generate


@intrinsic
def load_words(typing_context: Any, array: Any, offset: Any) -> Any:
    """`array[offset : offset + LANES]` of a flat int32 array."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        pointer = pointer_into(context, builder, signature.args[0], *operands)
        return builder.load(builder.bitcast(pointer, _WORDS.as_pointer()), align=4, typ=_WORDS)

    return _WORD_LANES(array, types.int64), generate


@intrinsic
def store_words(typing_context: Any, array: Any, offset: Any, words: Any) -> Any:
    """`array[offset : offset + LANES] = words` in a flat int32 array."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        pointer = pointer_into(context, builder, signature.args[0], *operands[:2])
        builder.store(operands[2], builder.bitcast(pointer, _WORDS.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, words), generate


@intrinsic
def to_floats(typing_context: Any, words: Any) -> Any:
    """The sums as float32, rounded."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        return builder.sitofp(operands[0], VECTOR)

    return LANES_TYPE(words), generate


@intrinsic
def to_pairs(typing_context: Any, low: Any, high: Any, scale: Any) -> Any:
    """Pairs of two float32 vectors times `scale`, rounded to integers; these must fit 16 bits.

    Adding 1.5 * 2 ** 23 leaves the integer in the low bits of the float.
    """

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        factor = as_vector(builder, operands[2], signature.args[2])
        shift = spread(builder, ir.Constant(ir.FloatType(), INTEGER_SHIFT), LANES)
        first, second = (
            builder.bitcast(multiply_add(builder, operand, factor, shift), _WORDS) for operand in operands[:2]
        )
        bits = builder.and_(first, ir.Constant(_WORDS, [0xFFFF] * LANES))
        return builder.or_(bits, builder.shl(second, ir.Constant(_WORDS, [16] * LANES)))

    return _WORD_LANES(low, high, scale), generate


@intrinsic
def add_pairs(typing_context: Any, a: Any, b: Any) -> Any:
    """Sums of pairs, each number by itself; they must fit 16 bits."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        first, second = (builder.bitcast(operand, _HALVES) for operand in operands)
        return builder.bitcast(builder.add(first, second), _WORDS)

    return _WORD_LANES(a, b), generate


@intrinsic
def add_pair_products(
    typing_context: Any, sums: Any, a: Any, a_offset: Any, a_row: Any, a_step: Any, b: Any, b_offset: Any,
    b_step: Any, steps: Any,
) -> Any:  # fmt: skip
    """`simd.add_product` of pairs: each step multiplies a pair of weights in `a` by a vector of pairs in `b`."""

    def generate(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        first_a = pointer_into(context, builder, signature.args[1], *operands[1:3])
        first_b = pointer_into(context, builder, signature.args[5], *operands[5:7])
        held = []
        for row in range(sums.count):
            pieces = divided(builder, builder.extract_value(operands[0], row))
            held.append([cgutils.alloca_once_value(builder, piece) for piece in pieces])
        with cgutils.for_range(builder, operands[8]) as loop:
            states = _load_pairs(builder, builder.gep(first_b, [builder.mul(loop.index, operands[7])]))
            at = builder.gep(first_a, [builder.mul(loop.index, operands[4])])
            for row, slots in enumerate(held):
                place = builder.gep(at, [builder.mul(operands[3], ir.Constant(operands[3].type, row))])
                pair = builder.load(place, align=4, typ=_WORD)
                weights = builder.bitcast(spread(builder, pair, REGISTER), _REGISTER_HALVES)
                for state, slot in zip(states, slots, strict=True):
                    builder.store(builder.add(builder.load(slot), _products(builder, weights, state)), slot)
        return cgutils.pack_array(builder, [joined(builder, [builder.load(slot) for slot in slots]) for slots in held])

    integer = types.int64
    return sums(sums, a, integer, integer, integer, b, integer, integer, integer), generate


def _load_pairs(builder: Any, pointer: Any) -> list[Any]:
    """A vector of pairs, in registers."""
    pieces = []
    for start in range(0, LANES, REGISTER):
        place = builder.gep(pointer, [ir.Constant(ir.IntType(64), start)])
        pieces.append(
            builder.load(builder.bitcast(place, _REGISTER_HALVES.as_pointer()), align=4, typ=_REGISTER_HALVES)
        )
    return pieces


def _products(builder: Any, a: Any, b: Any) -> Any:
    """Sum of both products of each pair. LLVM joins it with a sum that follows, where the processor can."""
    kind = ir.FunctionType(_REGISTER_WORDS, [_REGISTER_HALVES, _REGISTER_HALVES])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, _MULTIPLY_PAIRS), [a, b])
