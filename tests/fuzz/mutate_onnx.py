"""Mutators of ONNX graphs: nodes, attributes, weights, shapes and types, and parts that no model of ours has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fuzz.mutate_binary import mutate_bytes

_OPERATORS = ["Add", "Mul", "Gather", "MatMul", "Sigmoid", "Identity", "Loop", "If", "Exp", "Reshape", "NoSuch"]
_WHOLES = [0, 1, -1, 2, 3, 7, -7, 100, 2**31 - 1, -(2**31), 2**40, -(2**63), 2**63 - 1]
_FLOATS = [0.0, -1.0, 2.0, 1e10, -1e10, 3e38, float("nan"), float("inf"), -float("inf")]


def change_weights(random: Random, graph: Any) -> None:
    """Put an odd number into a weight or an index table, or change its shape or type."""
    inside = [tensor for tensor in graph.initializer if tensor.data_location != TensorProto.EXTERNAL]
    if not inside:
        return
    tensor = random.choice(inside)
    array = numpy_helper.to_array(tensor).copy()
    action = random.randrange(8)
    if action < 4 and array.size:
        flat = array.reshape(-1)
        count = random.choice([1, 1, flat.size])
        for at in random.sample(range(flat.size), min(count, flat.size, 50)):
            values: list[Any] = _FLOATS if array.dtype.kind == "f" else _WHOLES
            with np.errstate(all="ignore"):
                flat[at] = np.array(random.choice(values)).astype(array.dtype)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    elif action == 4:
        kind = random.choice([np.float64, np.float16, np.int32, np.int64, np.bool_, np.uint8])
        with np.errstate(all="ignore"):
            tensor.CopyFrom(numpy_helper.from_array(array.astype(kind), tensor.name))
    elif action == 5:
        flat = array.reshape(-1)
        shapes = [flat, flat[:0], array.reshape(1, *array.shape), array[:-1] if array.ndim else flat]
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(random.choice(shapes)), tensor.name))
    elif action == 6:
        dims = [*tensor.dims] or [1]
        dims[random.randrange(len(dims))] = random.choice(_WHOLES)
        del tensor.dims[:]
        tensor.dims.extend(dims)
    else:
        tensor.data_location = TensorProto.EXTERNAL
        place = random.choice(["weights.bin", "../t.hap.gz", "/dev/zero", "m_1.onnx"])
        tensor.external_data.add(key="location", value=place)
        tensor.ClearField("raw_data")


def change_node(random: Random, graph: Any) -> None:
    """Change a node: its operator, its inputs or outputs, or its place."""
    at = random.randrange(len(graph.node))
    node = graph.node[at]
    action = random.randrange(7)
    if action == 0:
        node.op_type = random.choice(_OPERATORS)
    elif action == 1 and node.input:
        names = [name for other in graph.node for name in other.output]
        names += [tensor.name for tensor in graph.initializer] + ["", "nothing", graph.input[0].name]
        node.input[random.randrange(len(node.input))] = random.choice(names)
    elif action == 2:
        del graph.node[at]
    elif action == 3:
        graph.node.add().CopyFrom(node)
    elif action == 4 and node.output:
        node.output[0] = random.choice(["x", "", graph.output[0].name, graph.input[0].name])
    elif action == 5 and len(node.input) > 1:
        del node.input[random.randrange(len(node.input))]
    else:
        node.domain = random.choice(["com.microsoft", "ai.onnx.ml", "no.such"])


def change_attribute(random: Random, graph: Any) -> None:
    """Change an attribute's number or kind, or drop it."""
    nodes = [node for node in graph.node if node.attribute]
    if not nodes:
        return change_node(random, graph)
    node = random.choice(nodes)
    at = random.randrange(len(node.attribute))
    attribute = node.attribute[at]
    action = random.randrange(5)
    if action == 0:
        del node.attribute[at]
    elif action == 1:
        attribute.CopyFrom(helper.make_attribute(attribute.name, random.choice(["reverse", "bidirectional", "x"])))
    elif action == 2:
        attribute.CopyFrom(helper.make_attribute(attribute.name, [random.choice(_WHOLES) for _ in range(2)]))
    else:
        attribute.CopyFrom(helper.make_attribute(attribute.name, random.choice(_WHOLES)))
    return None


def change_interface(random: Random, graph: Any) -> None:
    """Change the shape, type or name of the input or output."""
    value = random.choice([*graph.input, *graph.output])
    action = random.randrange(5)
    kind = value.type.tensor_type
    if action == 0:
        kind.elem_type = random.choice([TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING, 0, 99])
    elif action == 1 and kind.shape.dim:
        random.choice(kind.shape.dim).dim_value = random.choice(_WHOLES)
    elif action == 2:
        value.name = random.choice(["x", "", "weights"])
    elif action == 3:
        kind.ClearField("shape")
    else:
        random.choice([graph.input, graph.output]).add().CopyFrom(value)


def scale_output(random: Random, graph: Any) -> None:
    """Multiply or shift what the graph returns: valid for any engine, but no probability."""
    name = graph.output[0].name
    makers = [node for node in graph.node if name in node.output]
    if not makers:
        return
    makers[0].output[list(makers[0].output).index(name)] = "before_scale"
    factor = np.array(random.choice([2.0, -1.0, 0.5, 1.00001, float("nan"), 1e30]), dtype=np.float32)
    graph.initializer.append(numpy_helper.from_array(factor, "fuzz_factor"))
    graph.node.append(helper.make_node(random.choice(["Mul", "Add"]), ["before_scale", "fuzz_factor"], [name]))


def add_work(random: Random, graph: Any) -> None:
    """Add a node that would take much memory or never end."""
    shape = np.array(random.choice([[2**40], [2**20, 2**20], [100_000, 100_000]]), dtype=np.int64)
    graph.initializer.append(numpy_helper.from_array(shape, "fuzz_shape"))
    graph.node.insert(0, helper.make_node("ConstantOfShape", ["fuzz_shape"], ["fuzz_much"]))
    if random.random() < 0.5:
        graph.node.append(helper.make_node("ReduceSum", ["fuzz_much"], ["fuzz_sum"]))


_CHANGES: list[Callable[[Random, Any], None]] = [
    *([change_weights] * 5),
    *([change_node] * 3),
    *([change_attribute] * 3),
    *([change_interface] * 2),
    scale_output,
    add_work,
]


def mutate_onnx(random: Random, data: bytes) -> bytes:
    """Change a graph in one or two places; now and then bytes of the file, or the versions."""
    if random.random() < 0.1:
        return mutate_bytes(random, data)
    model = onnx.load_model_from_string(data)
    if random.random() < 0.05:
        model.ir_version = random.choice([0, 1, 3, 99, -1, 2**62])
        model.opset_import[0].version = random.choice([0, 1, 7, 13, 17, 99, -1])
        return bytes(model.SerializeToString())
    for _ in range(random.choice([1, 1, 1, 2])):
        if model.graph.node and model.graph.initializer:
            with suppress(ValueError, TypeError, IndexError, OverflowError):  # a tensor that is odd already
                random.choice(_CHANGES)(random, model.graph)
    return bytes(model.SerializeToString())
