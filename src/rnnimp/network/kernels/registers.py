"""Divides a tile's vectors into the processor's registers, for instructions that LLVM has for whole registers only."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import binding, ir

from rnnimp.network.kernels.simd import LANES, WIDE

REGISTER = 16 if WIDE else 8  # 32-bit words


def has_feature(name: str) -> bool:
    """Whether kernels may use a feature of the processor, by LLVM's name. `NUMBA_CPU_FEATURES` can take it away."""
    chosen = numba.config.CPU_FEATURES
    if chosen is None:
        return bool(binding.get_host_cpu_features().get(name))
    return f"+{name}" in chosen.split(",")


def divided(builder: Any, vector: Any) -> list[Any]:
    """The registers of a vector."""
    undefined = ir.Constant(vector.type, ir.Undefined)
    pieces = []
    for start in range(0, LANES, REGISTER):
        order = ir.Constant(ir.VectorType(ir.IntType(32), REGISTER), list(range(start, start + REGISTER)))
        pieces.append(builder.shuffle_vector(vector, undefined, order))
    return pieces


def joined(builder: Any, pieces: list[Any]) -> Any:
    """The vector of these registers; their number is a power of 2."""
    while len(pieces) > 1:
        width = 2 * pieces[0].type.count
        order = ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(width)))
        pieces = [builder.shuffle_vector(*pieces[at : at + 2], order) for at in range(0, len(pieces), 2)]
    return pieces[0]
