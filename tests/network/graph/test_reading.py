"""Reading weights from exported graphs, and the kernels that run them, compared with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from helpers import shared_data
from rnnimp.imputation.engines.cpu_kernels import KernelEngine
from rnnimp.imputation.engines.torch_gpu import TorchEngine
from rnnimp.network.graph.reading import ForeignGraphError, read_folded_network
from small_networks import by_onnx_runtime, exported, random_inputs, set_attribute, set_constant

REGIONS = ["..m.mm..m.", ".m", "m.", "mm..m...m", "m.m.mmmmm", "m..m"]


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
@pytest.mark.parametrize("flags", REGIONS)
def test_kernels_give_what_onnx_runtime_gives(cell: str, flags: str) -> None:
    model = exported(cell, flags)
    engine = KernelEngine(read_folded_network(model.SerializeToString()))
    assert (engine.n_markers, engine.n_sites) == (flags.count("m"), flags.count("."))
    for n_haplotypes in (1, 70):
        inputs = random_inputs(n_haplotypes, flags.count("m"))
        np.testing.assert_allclose(engine(inputs), by_onnx_runtime(model, inputs), rtol=0, atol=1e-5)


def test_the_published_shape_agrees_too() -> None:
    flags = "".join("m" + "..." * (index % 2) for index in range(300))
    model = exported("GRU", flags, (40, 40), (4, 4))
    inputs = random_inputs(20, 300)
    engine = KernelEngine(read_folded_network(model.SerializeToString()))
    np.testing.assert_allclose(engine(inputs), by_onnx_runtime(model, inputs), rtol=0, atol=1e-5)


def test_a_haplotype_does_not_depend_on_the_others() -> None:
    engine = KernelEngine(read_folded_network(exported("GRU", REGIONS[0]).SerializeToString()))
    inputs = random_inputs(70, 4)
    whole = engine(inputs)
    np.testing.assert_array_equal(engine(inputs[::-1])[:, ::-1], whole)
    for row in (0, 33, 69):
        np.testing.assert_array_equal(engine(inputs[row : row + 1])[:, 0], whole[:, row])


def test_extreme_logits_are_certain() -> None:
    model = exported("GRU", REGIONS[0])
    (bias,) = (tensor for tensor in model.graph.initializer if tensor.name == "bias")
    bias.CopyFrom(numpy_helper.from_array(np.array([-2000, 2000, 0, 0, 0, 0], np.float32).reshape(6, 1, 1), "bias"))
    result = KernelEngine(read_folded_network(model.SerializeToString()))(random_inputs(3, 4))
    assert (result[0] == 0).all() and (result[1] == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
@pytest.mark.parametrize("flags", REGIONS)
def test_layers_that_join_both_directions_run_too(cell: str, flags: str) -> None:
    model = exported(cell, flags, n_mixed=7)
    network = read_folded_network(model.SerializeToString())
    assert [[weight.shape for weight in layer.weights] for layer in network.joining] == [[(6, 7)] * 2, [(9, 7)] * 2]
    engine = KernelEngine(network)
    for n_haplotypes in (1, 70):
        inputs = random_inputs(n_haplotypes, flags.count("m"))
        expected = by_onnx_runtime(model, inputs)
        np.testing.assert_allclose(engine(inputs), expected, rtol=0, atol=1e-5)
        np.testing.assert_allclose(TorchEngine(network, "cpu")(inputs), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("n_mixed", [0, 7])
def test_any_group_gives_the_same_bits(n_mixed: int) -> None:
    engine = KernelEngine(read_folded_network(exported("GRU", REGIONS[0], n_mixed=n_mixed).SerializeToString()))
    inputs = random_inputs(150, 4)
    whole = engine(inputs)
    np.testing.assert_array_equal(engine(inputs[::-1])[:, ::-1], whole)
    for rows in (slice(0, 1), slice(40, 90), slice(149, 150)):
        np.testing.assert_array_equal(engine(inputs[rows]), whole[:, rows])


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_any_number_of_members(cell: str) -> None:
    """Four networks in one graph, joined by hand from two graphs."""
    first, second = (exported(cell, REGIONS[0], seed=seed) for seed in (1, 2))
    model = both_added(first, second)
    network = read_folded_network(model.SerializeToString())
    assert len(network.stacks) == 8
    inputs = random_inputs(5, 4)
    np.testing.assert_allclose(KernelEngine(network)(inputs), by_onnx_runtime(model, inputs), rtol=0, atol=1e-5)


def both_added(first: onnx.ModelProto, second: onnx.ModelProto) -> onnx.ModelProto:
    """The graph whose logits are the sum of both graphs'."""
    renamed = onnx.compose.add_prefix(second, "second_", rename_inputs=False)
    for node in renamed.graph.node:
        node.input[:] = ["inputs" if name == "second_inputs" else name for name in node.input]
    (last,) = (node for node in first.graph.node if node.op_type == "Sigmoid")
    (other,) = (node for node in renamed.graph.node if node.op_type == "Sigmoid")
    # the second's bias goes into the first's
    biases = {t.name: t for t in (*first.graph.initializer, *renamed.graph.initializer) if t.name.endswith("bias")}
    both = numpy_helper.to_array(biases["bias"]) + numpy_helper.to_array(biases["second_bias"])
    biases["bias"].CopyFrom(numpy_helper.from_array(both, "bias"))
    (added,) = (node for node in renamed.graph.node if "second_bias" in node.input)
    product = next(name for name in added.input if name != "second_bias")
    nodes = [node for node in renamed.graph.node if node not in (added, other) and node.op_type not in ("Sub",)]
    nodes = [node for node in nodes if node.output[0] != "second_predictions"]
    for node in nodes:
        node.input[:] = [product if name == added.output[0] else name for name in node.input]
    total = helper.make_node("Add", [last.input[0], other.input[0]], ["total"])
    last.input[0] = "total"
    place = list(first.graph.node).index(last)
    merged = [*list(first.graph.node)[:place], *nodes, total, *list(first.graph.node)[place:]]
    del first.graph.node[:]
    first.graph.node.extend(merged)
    first.graph.initializer.extend(tensor for tensor in renamed.graph.initializer if tensor.name != "second_bias")
    onnx.checker.check_model(first)
    return first


def replace_operator(old: str, new: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        next(node for node in model.graph.node if node.op_type == old).op_type = new

    return change


CHANGES = {
    "reset gate before the product": set_attribute("GRU", "linear_before_reset", 0),
    "clipped states": set_attribute("GRU", "clip", 1.0),
    "another direction": set_attribute("GRU", "direction", "bidirectional"),
    "another function at the end": replace_operator("Sigmoid", "HardSigmoid"),
    "a product in place of a sum": replace_operator("Add", "Mul"),
    "another constant": set_constant("one", lambda array: array + 1),
    "a site that reads another marker": set_constant("left_marker", lambda array: np.maximum(array - 1, 0)),
    "weights left of the first marker": set_constant("left_weight", lambda array: array + 1),
    "float64": set_constant("features", lambda array: array.astype(np.float64)),
    "another permutation": set_attribute("Transpose", "perm", [1, 0, 2][::-1]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_graph_that_differs_is_foreign(name: str) -> None:
    model = exported("GRU", REGIONS[0])
    read_folded_network(model.SerializeToString())
    CHANGES[name](model)
    with pytest.raises(ForeignGraphError):
        read_folded_network(model.SerializeToString())


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_published_graphs_are_foreign(kind: str) -> None:
    content = (shared_data("legacy_model") / kind / "s_1.onnx").read_bytes()
    with pytest.raises(ForeignGraphError):
        read_folded_network(content)


@pytest.mark.parametrize("content", [b"", b"nothing", bytes(1000)])
def test_what_is_no_graph_is_foreign(content: bytes) -> None:
    with pytest.raises(ForeignGraphError):
        read_folded_network(content)


@pytest.mark.parametrize("flags", ["mmmm.m.mmmmmm", "..mmmmmm", "mmmmmm..", "mmm.mmm"])
def test_markers_behind_the_last_site_change_nothing(flags: str) -> None:
    """They are left out by the direction that comes from the sites; the other one begins with them."""
    model = exported("GRU", flags)
    engine = KernelEngine(read_folded_network(model.SerializeToString()))
    inputs = random_inputs(70, flags.count("m"))
    np.testing.assert_allclose(engine(inputs), by_onnx_runtime(model, inputs), rtol=0, atol=1e-5)
