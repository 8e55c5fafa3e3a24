"""The two loops that a graph may contain: those of the haplotype HMM, recognised by what their bodies compute.

Names and the order of nodes do not matter, and copies (`Identity`) are looked through, because ONNX Runtime's
optimised files differ in these.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import onnx
from onnx import AttributeProto, helper

from rnnimp.network.hmm.onnx_part import scan_bodies

_MOST_NODES = 20

Expressions = tuple[tuple[Any, ...], ...]


def is_own_scan(node: onnx.NodeProto) -> bool:
    """Whether a `Scan` is one of the haplotype HMM."""
    values = {attribute.name: attribute for attribute in node.attribute}
    body, n_sequences = values.pop("body", None), values.pop("num_scan_inputs", None)
    if body is None or n_sequences is None or body.type != AttributeProto.GRAPH:
        return False
    # where each sequence runs, and along which axis: 0 is what is meant where the attribute is absent
    if any(attribute.type != AttributeProto.INTS or any(attribute.ints) for attribute in values.values()):
        return False
    n_inputs = len(body.g.input)
    is_complete = len(node.input) == n_inputs and all(node.input) and n_sequences.i == n_inputs - 1
    return is_complete and _expressions(body.g) in _own_bodies()


@cache
def _own_bodies() -> frozenset[Expressions | None]:
    return frozenset(map(_expressions, scan_bodies()))


def _expressions(body: onnx.GraphProto) -> Expressions | None:
    """The steps of a body, numbered in the order in which its outputs need them, and each output's step.

    None for a body that cannot be one of the two.
    """
    if len(body.node) > _MOST_NODES or body.initializer or body.sparse_initializer:
        return None
    makers = {name: node for node in body.node for name in node.output}
    numbers: dict[str, int] = {}
    steps: dict[tuple[Any, ...], int] = {}
    for place, end in enumerate(body.input):
        numbers[end.name] = steps.setdefault(("input", place, end.type.tensor_type.elem_type), len(steps))
    try:
        outputs = [_number(end.name, makers, numbers, steps) for end in body.output]
    except KeyError:
        return None
    return (*steps, ("outputs", *outputs))


def _number(
    name: str, makers: dict[str, onnx.NodeProto], numbers: dict[str, int], steps: dict[tuple[Any, ...], int]
) -> int:
    """The step that makes a tensor.

    Raises:
        KeyError: if nothing in the body makes it, or if it needs itself.
    """
    if name not in numbers:
        node = makers.pop(name)  # so that a circle ends
        operands = [_number(operand, makers, numbers, steps) for operand in node.input]
        if node.op_type == "Identity" and len(operands) == 1:
            numbers[name] = operands[0]
        else:
            values = sorted((item.name, item.type, repr(helper.get_attribute_value(item))) for item in node.attribute)
            step = (node.op_type, node.domain, tuple(values), tuple(operands), len(node.output))
            numbers[name] = steps.setdefault(step, len(steps))
    return numbers[name]
