"""Checks a graph before any engine runs it: known operators, sound weights, sizes and work within bounds.

In this order: the parts of the file, each weight, each node, then the size of each tensor for a batch of haplotypes.
The onnx package infers the sizes from its definitions of the operators. A size that is not known before the model runs
is refused, so nothing can grow while it runs. Nothing is computed here. Needs numpy and onnx.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from rnnimp.network.graph.fused_operators import plain_node
from rnnimp.network.graph.limits import (
    FUSED_OPERATORS,
    HAPLOTYPES,
    MOST_ELEMENTS,
    MOST_NODES,
    MOST_TENSOR_ELEMENTS,
    MOST_WORK,
    OPERATORS,
    RUNTIME_DOMAIN,
    WITH_GAPS,
    GraphError,
)
from rnnimp.network.graph.scan_bodies import is_own_scan

_TYPES = {
    TensorProto.FLOAT: 4,
    TensorProto.FLOAT16: 2,
    TensorProto.DOUBLE: 8,
    TensorProto.INT8: 1,
    TensorProto.UINT8: 1,
    TensorProto.INT32: 4,
    TensorProto.INT64: 8,
    TensorProto.BOOL: 1,
}
"""Bytes of an element of each type that a tensor may have."""
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
_MOST_SIZES = 1024  # elements of a tensor of whole numbers that may decide on another one's size
_MOST_DIMENSIONS = 8
_SCAN_PRODUCT, _STEPS_OF_A_BODY = 2, 12
_PLAIN_ATTRIBUTES = (
    AttributeProto.FLOAT,
    AttributeProto.INT,
    AttributeProto.STRING,
    AttributeProto.FLOATS,
    AttributeProto.INTS,
    AttributeProto.STRINGS,
)


def check_parts(model: onnx.ModelProto) -> None:
    """Check what can be said of a graph without the sizes of its tensors; see the table in `docs/formats.md`.

    Raises:
        GraphError: saying what is wrong.
    """
    graph = model.graph
    _require(not model.functions, "it defines operators of its own")
    _require(not model.training_info, "it contains instructions for training")
    _require(not graph.sparse_initializer, "it contains sparse weights")
    _require(0 < len(graph.node) <= MOST_NODES, f"it has {len(graph.node)} nodes, expected 1 to {MOST_NODES}")
    known: set[str] = set()
    for tensor in graph.initializer:
        _add(tensor.name, known)
        _check_tensor(tensor)
    inputs = [end.name for end in graph.input if end.name not in known]
    _require(len(inputs) == len(graph.output) == 1, "expected one input and one output")
    _add(inputs[0], known)
    for node in graph.node:
        _check_node(node)
        for name in node.input:
            is_made = name in known if name else node.op_type in WITH_GAPS
            _require(is_made, f"node {node.op_type} reads {name or 'nothing'}, which no node before it makes")
        for name in node.output:
            if name:
                _add(name, known)
    _require(graph.output[0].name in known, "no node makes its output")


def check_sizes(model: onnx.ModelProto, n_markers: int, n_sites: int) -> None:
    """Check the size of each tensor for a batch of haplotypes, and the work of all nodes.

    Args:
        model: Model that `check_parts` lets pass.
        n_markers: Number of markers of the region's legend.
        n_sites: Imputed sites of the region's legend.

    Raises:
        GraphError: if sizes do not fit together, cannot be known, or are beyond the bounds, or if the model is one of
            other numbers of markers and sites.
    """
    _check_ends(model, n_markers, n_sites)
    graph = model.graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes[_input(model).name] = (HAPLOTYPES, n_markers, 2)
    shapes |= _inferred(model, n_markers)
    total = work = 0
    for node in graph.node:
        outputs = [_size(name, shapes) for name in node.output if name]
        total += sum(outputs)
        work += _work(node, outputs, [shapes.get(name, ()) for name in node.input])
        _require(total <= MOST_ELEMENTS, f"its tensors have more than {MOST_ELEMENTS} elements in all")
        _require(work <= MOST_WORK, f"a batch takes more than {MOST_WORK:.0e} multiplications")
    if shapes[graph.output[0].name] != (n_sites, HAPLOTYPES, 2):
        _refuse_region(model, n_markers, n_sites)


def in_order(model: onnx.ModelProto) -> None:
    """Put the nodes in an order in which each comes after those whose outputs it reads, if there is one."""
    graph = model.graph
    made = {name for node in graph.node for name in node.output}
    waiting: dict[str, list[int]] = {name: [] for name in made}
    nodes = list(graph.node)
    missing = []
    for number, node in enumerate(nodes):
        needed = {name for name in node.input if name in made}
        missing.append(len(needed))
        for name in needed:
            waiting[name].append(number)
    ready = [number for number, count in enumerate(missing) if not count][::-1]
    ordered = []
    while ready:
        number = ready.pop()
        ordered.append(number)
        for name in set(nodes[number].output):
            for reader in waiting.get(name, ()):
                missing[reader] -= 1
                if not missing[reader]:
                    ready.append(reader)
    _require(len(ordered) == len(nodes), "its nodes wait for each other")
    if ordered != list(range(len(nodes))):
        sorted_nodes = [nodes[number] for number in ordered]
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in sorted_nodes]
        del graph.node[:]
        graph.node.extend(copies)


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise GraphError(reason)


def _add(name: str, known: set[str]) -> None:
    _require(name != "" and name not in known, f"two tensors are called {name}" if name else "a tensor has no name")
    known.add(name)


def _check_tensor(tensor: TensorProto) -> None:
    """Refuse weights that are elsewhere, of another type or size than they say, or no numbers."""
    name = tensor.name
    is_inside = tensor.data_location == TensorProto.DEFAULT and not tensor.external_data
    _require(is_inside, f"the weights {name} are in another file; convert the model to a single file")
    _require(tensor.data_type in _TYPES, f"the weights {name} have a type that no model of a region needs")
    _check_shape(name, tensor.dims)
    n_bytes = prod(tensor.dims) * _TYPES[tensor.data_type]
    if tensor.raw_data:
        _require(len(tensor.raw_data) == n_bytes, f"the weights {name} are not as many as they say")
    try:
        values = numpy_helper.to_array(tensor)
    except Exception as error:  # of weights that are no bytes and have another number or type than they say
        raise GraphError(f"the weights {name} are not as many as they say") from error
    is_finite = tensor.data_type not in _FLOATS or bool(np.isfinite(values).all())
    _require(is_finite, f"the weights {name} are not all finite numbers")


def _check_shape(name: str, shape: Iterable[int]) -> None:
    shape = tuple(shape)
    is_small = len(shape) <= _MOST_DIMENSIONS and all(size >= 1 for size in shape)
    _require(is_small and prod(shape) <= MOST_TENSOR_ELEMENTS, f"{name} has the size {_text(shape)}, beyond the bounds")


def _text(shape: Iterable[Any]) -> str:
    return "x".join(map(str, shape)) or "1"


def _check_node(node: onnx.NodeProto) -> None:
    """Refuse an operator that is not in the list, and a graph within the graph that rnnimp does not write."""
    is_known = node.domain in ("", "ai.onnx") and node.op_type in OPERATORS
    is_fused = node.domain == RUNTIME_DOMAIN and node.op_type in FUSED_OPERATORS
    operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    _require(is_known or is_fused, f"the operator {operator} is not one that models may use")
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR and node.op_type in ("Constant", "ConstantOfShape"):
            _check_tensor(attribute.t)
        elif node.op_type != "Scan":
            _require(attribute.type in _PLAIN_ATTRIBUTES, f"the operator {operator} contains a graph or weights")
    if node.op_type == "Scan":
        _require(is_own_scan(node), "a loop (Scan) that rnnimp does not write")


def _input(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    constants = {tensor.name for tensor in model.graph.initializer}
    return next(end for end in model.graph.input if end.name not in constants)


class _End(NamedTuple):
    kind: int
    shape: tuple[int | str, ...]


def _end(info: onnx.ValueInfoProto) -> _End:
    tensor = info.type.tensor_type
    sizes = (size.dim_value if size.HasField("dim_value") else size.dim_param or "?" for size in tensor.shape.dim)
    return _End(tensor.elem_type, tuple(sizes))


def _check_ends(model: onnx.ModelProto, n_markers: int, n_sites: int) -> None:
    """Refuse the model of another region; named dimensions are free."""
    source, result = _end(_input(model)), _end(model.graph.output[0])
    _require(source.kind == result.kind == TensorProto.FLOAT, "expected an input and an output of type float32")
    if not (_fits(source.shape, (None, n_markers, 2)) and _fits(result.shape, (n_sites, None, 2))):
        _refuse_region(model, n_markers, n_sites)


def _fits(shape: tuple[int | str, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        wanted is None or not isinstance(found, int) or found == wanted
        for found, wanted in zip(shape, expected, strict=True)
    )


def _refuse_region(model: onnx.ModelProto, n_markers: int, n_sites: int) -> None:
    found = " and ".join(_text(_end(end).shape) for end in (_input(model), model.graph.output[0]))
    raise OtherRegionError(
        f"expected a model of {n_markers} markers and {n_sites} imputed sites as in the legend, found shapes {found}; "
        "it is the model of another region"
    )


class OtherRegionError(GraphError):
    """A graph of other numbers of markers and sites than the legend's."""


def _inferred(model: onnx.ModelProto, n_markers: int) -> dict[str, tuple[int, ...]]:
    """The sizes of all tensors that nodes make, from those of the input and the weights."""
    outline = _outline(model, n_markers)
    try:
        onnx.checker.check_model(outline)  # operators have the inputs, outputs and attributes that ONNX defines
        inferred = onnx.shape_inference.infer_shapes(outline, check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:  # one kind for shapes, others for what the protocol cannot hold
        raise GraphError(f"its nodes or tensors do not fit each other: {error}") from error
    shapes: dict[str, tuple[int, ...]] = {}
    for info in (*inferred.graph.value_info, *inferred.graph.output):
        tensor = info.type.tensor_type
        _require(tensor.elem_type in _TYPES, f"{info.name} has a type that no model of a region needs")
        sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim]
        if tensor.HasField("shape") and -1 not in sizes:
            shapes[info.name] = tuple(sizes)
    return shapes


def _outline(model: onnx.ModelProto, n_markers: int) -> onnx.ModelProto:
    """The model without its weights, except those small ones that may decide on sizes, for a batch of known size.

    The sizes that the file itself gives are left behind.
    """
    outline = onnx.ModelProto(ir_version=model.ir_version)
    outline.opset_import.extend(model.opset_import)
    graph = outline.graph
    graph.name = "outline"
    shape = [HAPLOTYPES, n_markers, 2]
    graph.input.append(helper.make_tensor_value_info(_input(model).name, TensorProto.FLOAT, shape))
    for tensor in model.graph.initializer:
        if tensor.data_type not in _FLOATS and prod(tensor.dims) <= _MOST_SIZES:
            graph.initializer.append(tensor)
        else:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    graph.output.append(helper.make_tensor_value_info(model.graph.output[0].name, TensorProto.FLOAT, [None] * 3))
    graph.node.extend(plain_node(node) for node in model.graph.node)
    return outline


def _size(name: str, shapes: dict[str, tuple[int, ...]]) -> int:
    shape = shapes.get(name)
    if shape is None:
        raise GraphError(f"the size of {name} cannot be known before the model runs")
    _check_shape(name, shape)
    return prod(shape)


def _work(node: onnx.NodeProto, outputs: list[int], inputs: list[tuple[int, ...]]) -> int:
    """At most how many multiplications a node takes, or elements that it reads and writes."""
    least = sum(outputs) + sum(map(prod, inputs))
    if node.op_type in ("MatMul", "Gemm", "FusedGemm", "FusedMatMul"):
        return least + sum(outputs) * max(inputs[0], default=1)
    if node.op_type in ("GRU", "LSTM", "RNN"):
        n_steps = prod(inputs[0][:2])
        return least + n_steps * (prod(inputs[1]) + prod(inputs[2]))
    if node.op_type == "Scan":
        # a body takes a dozen steps over a row of its outputs and one product, whose width is that of its third input
        return least + sum(outputs) * (_STEPS_OF_A_BODY + max(inputs[_SCAN_PRODUCT][-1:], default=1))
    return least
