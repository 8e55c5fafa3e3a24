"""The operators of ONNX Runtime's own domain that its optimised files contain, as ones that ONNX defines.

These replace the originals where only the sizes of tensors matter. Needs onnx.
"""

from __future__ import annotations

from typing import Any

import onnx
from onnx import helper

from rnnimp.network.graph.limits import RUNTIME_DOMAIN


def plain_node(node: onnx.NodeProto) -> onnx.NodeProto:
    """A node of ONNX's own operators whose output has the same size; the node itself if it is one."""
    if node.domain != RUNTIME_DOMAIN:
        return node
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "FusedGemm":
        return helper.make_node(
            "Gemm", node.input, node.output, **{name: attributes.get(name, 0) for name in ("transA", "transB")}
        )
    return helper.make_node("Einsum", node.input, node.output, equation=_equation(attributes))


def _equation(attributes: dict[str, Any]) -> str:
    """The Einsum equation of a `FusedMatMul`.

    With `transBatch`, an operand's first axis is the one that its matrix begins with, and the batch follows it.
    """
    moved = [bool(attributes.get(f"transBatch{side}")) for side in "AB"]
    is_turned = [bool(attributes.get(f"trans{side}")) for side in "AB"]
    if not any(moved):
        left, right = ("ji" if is_turned[0] else "ij"), ("kj" if is_turned[1] else "jk")
        return f"...{left},...{right}->...ik"
    operands = []
    for (first, last), is_moved, is_this_turned in zip((("i", "j"), ("j", "k")), moved, is_turned, strict=True):
        if is_this_turned:
            first, last = last, first
        operands.append(f"{first}b{last}" if is_moved else f"b{first}{last}")
    return f"{','.join(operands)}->bik"
