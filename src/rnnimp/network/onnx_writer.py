"""Collects the nodes and constants of an ONNX graph. Needs numpy and onnx."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

INPUT, OUTPUT = "inputs", "predictions"

_OPSET, _IR_VERSION = 17, 8  # read by ONNX Runtime from 1.12 on


class GraphWriter:
    """Nodes and constants, with names that depend on their order only.

    Attributes:
        nodes: Nodes in the order of execution.
        constants: Constants by name.

    Args:
        prefix: Prefix of all names. With a prefix, a part of a graph can be written on its own.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Store an array. Returns its name in the graph."""
        self.constants[self._prefix + name] = np.asarray(value, order="C")
        return self._prefix + name

    def add(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output. Returns the output's name."""
        name = self._prefix + (output or f"{operator.lower()}_{len(self.nodes)}")
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def scan(self, body: onnx.GraphProto, states: list[str], sequences: list[str]) -> list[str]:
        """Add a loop over the first axis of some sequences. Returns its last states and its outputs for each row."""
        name = f"{self._prefix}scan_{len(self.nodes)}"
        outputs = [f"{name}_{number}" for number in range(len(body.output))]
        attributes = {"body": body, "num_scan_inputs": len(sequences)}
        self.nodes.append(helper.make_node("Scan", [*states, *sequences], outputs, name=name, **attributes))
        return outputs

    def body(self, name: str, inputs: list[str], outputs: list[str], whole: str) -> onnx.GraphProto:
        """Turn what was written into the body of a loop. The input `whole` is int64; all others are float32."""
        kinds = {whole: TensorProto.INT64}
        ends = (
            [helper.make_tensor_value_info(end, kinds.get(end, TensorProto.FLOAT), None) for end in part]
            for part in (inputs, outputs)
        )
        return helper.make_graph(self.nodes, name, *ends)

    def append(self, part: GraphWriter) -> None:
        """Add the nodes and constants of another writer."""
        self.nodes += part.nodes
        self.constants |= part.constants

    def model(self, n_markers: int, n_sites: int) -> onnx.ModelProto:
        """The graph of a region, after the checks of ONNX."""
        graph = helper.make_graph(
            self.nodes,
            "rnnimp region",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n_haplotypes", n_markers, 2])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [n_sites, "n_haplotypes", 2])],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, producer_name="rnnimp", opset_imports=[opset], ir_version=_IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model
