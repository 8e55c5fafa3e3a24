"""What a graph may be: for each rule one graph that breaks it; and sound graphs, which are let pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

import rnnimp
from helpers import shared_data
from rnnimp.network.graph import fit
from rnnimp.network.graph.limits import MOST_NODES, GraphError, printable_line
from rnnimp.network.graph.loading import load_graph
from small_networks import exported, set_constant

N_MARKERS, N_SITES, FLAGS = 4, 6, "..m.mm..m."
DEMO = Path(rnnimp.__file__).parent / "demo"
Nodes = list[onnx.NodeProto]


def plain(
    nodes: Iterable[onnx.NodeProto] = (),
    last: str = "w",
    constants: dict[str, object] | None = None,
    shape: tuple[object, ...] = ("n", N_MARKERS, 2),
) -> onnx.ModelProto:
    """A graph that predicts 0.25, of plain operators; more nodes may follow its output `w`."""
    values = np.full((N_SITES, 1, 2), [0.75, 0.25], np.float32)
    tensors = {"s0": [0], "s1": [1], "axis": [1], "zero": np.float32(0), "v": values, **(constants or {})}
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["inputs", "s0", "s1", "axis"], ["c"]),
            helper.make_node("Transpose", ["c"], ["t"], perm=[1, 0, 2]),
            helper.make_node("Mul", ["t", "zero"], ["z"]),
            helper.make_node("Add", ["z", "v"], ["w"]),
            *nodes,
        ],
        "g",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [N_SITES, "n", 2])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def refusal(model: onnx.ModelProto | bytes) -> str:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(GraphError) as caught:
        load_graph(content, N_MARKERS, N_SITES).for_runtime()
    assert str(caught.value) == printable_line(str(caught.value))
    return str(caught.value)


def test_a_graph_of_plain_operators_is_let_pass() -> None:
    graph = load_graph(plain().SerializeToString(), N_MARKERS, N_SITES)
    assert graph.own_network() is None
    assert onnx.load_from_string(graph.for_runtime()) == plain()


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
@pytest.mark.parametrize("n_mixed", [0, 4])
def test_graphs_that_rnnimp_wrote_are_let_pass_either_way(cell: str, n_mixed: int) -> None:
    graph = load_graph(exported(cell, FLAGS, n_mixed=n_mixed).SerializeToString(), N_MARKERS, N_SITES)
    assert graph.own_network() is not None
    assert graph.for_runtime()


@pytest.mark.parametrize("name", ["kgp3_chr22/chr22_1.onnx", "model/demo_1.onnx"])
def test_packaged_models_are_let_pass_either_way(name: str) -> None:
    content = (DEMO / name).read_bytes()
    ends = onnx.load_from_string(content).graph
    n_markers = ends.input[0].type.tensor_type.shape.dim[1].dim_value
    n_sites = ends.output[0].type.tensor_type.shape.dim[0].dim_value
    graph = load_graph(content, n_markers, n_sites)
    assert graph.own_network() is not None
    assert onnx.load_from_string(graph.for_runtime()) == onnx.load_from_string(content)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize(("name", "n_markers", "n_sites"), [("s_1", 36, 80), ("s_2", 35, 93)])
@pytest.mark.parametrize("ending", ["onnx", "ort"])
def test_models_of_the_published_program_are_let_pass(
    kind: str, name: str, n_markers: int, n_sites: int, ending: str
) -> None:
    content = (shared_data("legacy_model") / kind / f"{name}.{ending}").read_bytes()
    graph = load_graph(content, n_markers, n_sites)
    assert graph.is_optimised == (ending == "ort")
    assert graph.own_network() is None
    assert graph.for_runtime()


def node(operator: str, inputs: list[str], output: str = "x", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], **attributes)


def body() -> onnx.GraphProto:
    """Of a loop or a branch: gives back what it is given."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("a", "b", "c", "d")]
    nodes = [node("Identity", ["a"], "c"), node("Identity", ["b"], "d")]
    return helper.make_graph(nodes, "body", ends[:2], ends[2:])


NODES = {
    "a loop": (helper.make_node("Loop", ["s1", "", "w"], ["x"], body=body()), "the operator Loop is not one that"),
    "a branch": (node("If", ["s1"], then_branch=body(), else_branch=body()), "the operator If is not one that"),
    "a Scan of another body": (
        helper.make_node("Scan", ["w", "w"], ["x", "y"], body=body(), num_scan_inputs=1),
        "a loop (Scan) that rnnimp does not write",
    ),
    "chance": (node("RandomUniformLike", ["w"]), "the operator RandomUniformLike is not one that"),
    "a custom operator": (node("Add", ["w", "w"], domain="org.evil"), "the operator org.evil.Add is not one that"),
    "an operator of ONNX Runtime": (
        node("QuickGelu", ["w"], domain="com.microsoft"),
        "the operator com.microsoft.QuickGelu is not one that",
    ),
    "a control sequence": (node("\x1b[31mEvil\n", ["w"]), "the operator [31mEvil is not one that"),
    "a name that nothing makes": (node("Neg", ["y"]), "reads y, which no node before it makes"),
    "an input left out": (
        node("Slice", ["w", "s0", "s1", "", "s1"]),
        "node Slice reads nothing, which no node before it",
    ),
    "a circle": (node("Add", ["w", "x"]), "reads x, which no node before it makes"),
    "an output twice": (node("Neg", ["w"], "t"), "two tensors are called t"),
    "an output that is a weight": (node("Neg", ["w"], "zero"), "two tensors are called zero"),
    "a graph in a plain operator": (node("Neg", ["w"], body=body()), "the operator Neg contains a graph or weights"),
    "weights in a plain operator": (
        node("Neg", ["w"], value=numpy_helper.from_array(np.ones(3))),
        "the operator Neg contains a graph or weights",
    ),
    "NaN in a Constant": (
        node("Constant", [], value=numpy_helper.from_array(np.float32([np.nan]), "c")),
        "the weights c are not all finite numbers",
    ),
    "a text in a Constant": (
        node("Constant", [], value=helper.make_tensor("c", TensorProto.STRING, [1], [b"x"])),
        "the weights c have a type that no model of a region needs",
    ),
    "an unknown attribute": (node("Neg", ["w"], colour="red"), "its nodes or tensors do not fit each other"),
    "shapes that do not fit": (node("MatMul", ["w", "w"]), "its nodes or tensors do not fit each other"),
    "too many inputs": (node("Neg", ["w", "w"]), "its nodes or tensors do not fit each other"),
    "a text": (node("Cast", ["w"], to=TensorProto.STRING), "x has a type that no model of a region needs"),
}


@pytest.mark.parametrize("kind", NODES)
def test_a_node_that_is_refused(kind: str) -> None:
    added, reason = NODES[kind]
    assert reason in refusal(plain([added]))


SIZES: dict[str, tuple[Nodes, dict[str, object]]] = {
    "Expand": ([node("Expand", ["zero", "size"])], {"size": [1 << 20, 1 << 20]}),
    "ConstantOfShape": ([node("ConstantOfShape", ["size"])], {"size": [1 << 40]}),
    "Pad": ([node("Pad", ["w", "pads"])], {"pads": [0, 0, 0, 0, 0, 1 << 33]}),
    "nothing": ([node("Slice", ["w", "s0", "s0", "axis"])], {}),
    "sums of two sides": ([node("Add", ["one", "other"])], {"one": np.ones((1 << 14, 1)), "other": np.ones(1 << 14)}),
    "Concat with itself": (
        [node("Concat", [f"d{i}" if i else "w"] * 2, f"d{i + 1}", axis=1) for i in range(40)],
        {},
    ),
}


@pytest.mark.parametrize("kind", SIZES)
def test_a_size_that_is_refused(kind: str) -> None:
    nodes, constants = SIZES[kind]
    assert "beyond the bounds" in refusal(plain(nodes, constants=constants))


def test_sizes_that_depend_on_what_is_computed_are_refused() -> None:
    nodes = [
        node("ReduceSum", ["inputs"], "sum", keepdims=0),
        node("Cast", ["sum"], "number", to=TensorProto.INT64),
        node("Unsqueeze", ["number", "s0"], "size"),
        node("Expand", ["zero", "size"]),
    ]
    assert refusal(plain(nodes)) == "the size of x cannot be known before the model runs"


def test_tensors_that_are_large_together_are_refused() -> None:
    nodes = [node("Expand", ["zero", "size"], f"x{number}") for number in range(17)]
    assert "its tensors have more than 1073741824 elements in all" in refusal(
        plain(nodes, constants={"size": [1 << 26]})
    )


def test_too_much_work_is_refused() -> None:
    nodes = [node("Expand", ["zero", "size"], "wide"), *(node("MatMul", ["wide"] * 2, f"x{i}") for i in range(6))]
    assert "a batch takes more than 4e+11 multiplications" in refusal(plain(nodes, constants={"size": [4096, 4096]}))


def test_too_many_nodes_are_refused() -> None:
    model = plain()
    model.graph.node.extend([onnx.NodeProto()] * MOST_NODES)
    assert refusal(model) == f"it has {MOST_NODES + 4} nodes, expected 1 to {MOST_NODES}"


def external(tensor: TensorProto) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def of_other_size(tensor: TensorProto) -> None:
    tensor.dims[:] = [*tensor.dims[:-1], tensor.dims[-1] + 1]


def of_negative_size(tensor: TensorProto) -> None:
    tensor.dims[:] = [-1, *tensor.dims[1:]]


def of_great_size(tensor: TensorProto) -> None:
    tensor.dims[:] = [1 << 40, 1 << 40]


def of_texts(tensor: TensorProto) -> None:
    tensor.CopyFrom(helper.make_tensor("v", TensorProto.STRING, [1], [b"x"]))


def typed(tensor: TensorProto) -> None:
    tensor.ClearField("raw_data")
    tensor.float_data.extend([0.5])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (external, "the weights v are in another file; convert the model to a single file"),
        (of_other_size, "the weights v are not as many as they say"),
        (of_negative_size, "v has the size -1x1x2, beyond the bounds"),
        (of_great_size, "v has the size 1099511627776x1099511627776, beyond the bounds"),
        (of_texts, "the weights v have a type that no model of a region needs"),
        (typed, "the weights v are not as many as they say"),
    ],
)
def test_weights_that_are_refused(change: Callable[[TensorProto], None], reason: str) -> None:
    model = plain()
    change(next(tensor for tensor in model.graph.initializer if tensor.name == "v"))
    assert refusal(model) == reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(value: float) -> None:
    assert refusal(plain(constants={"v": np.full((N_SITES, 1, 2), value, np.float32)})) == (
        "the weights v are not all finite numbers"
    )


def with_function(model: onnx.ModelProto) -> None:
    model.functions.add(name="f", domain="d")


def with_training(model: onnx.ModelProto) -> None:
    model.training_info.add()


def with_sparse_weights(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def with_two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def with_other_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "nothing"


def with_other_type(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def with_weights_twice(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_function, "it defines operators of its own"),
        (with_training, "it contains instructions for training"),
        (with_sparse_weights, "it contains sparse weights"),
        (with_two_inputs, "expected one input and one output"),
        (with_other_output, "no node makes its output"),
        (with_other_type, "expected an input and an output of type float32"),
        (with_weights_twice, "two tensors are called s0"),
    ],
)
def test_parts_that_are_refused(change: Callable[[onnx.ModelProto], None], reason: str) -> None:
    model = plain()
    change(model)
    assert refusal(model) == reason


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08", bytes(1000), b"\xff" * 1000])
def test_what_is_no_graph_is_refused(content: bytes) -> None:
    assert refusal(content)


def test_a_graph_of_another_region_is_refused() -> None:
    for model in (plain(shape=("n", 5, 2)), plain([node("Concat", ["w", "w"], axis=0)], "x")):
        assert "expected a model of 4 markers and 6 imputed sites as in the legend, found shapes" in refusal(model)


def beyond(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array[-1] = 1299
    return array


def doubled(model: onnx.ModelProto) -> None:
    """40 sums of a tensor with itself, before the sigmoid."""
    nodes = list(model.graph.node)
    at = next(place for place, item in enumerate(nodes) if item.op_type == "Sigmoid")
    names = [nodes[at].input[0], *(f"double{number}" for number in range(40))]
    nodes[at].input[0] = names[-1]
    del model.graph.node[:]
    sums = [node("Add", [name] * 2, result) for name, result in pairwise(names)]
    model.graph.node.extend([*nodes[:at], *sums, *nodes[at:]])


def with_much_beside(model: onnx.ModelProto) -> None:
    """A node of 10^10 elements whose result nothing reads."""
    model.graph.initializer.append(numpy_helper.from_array(np.array([100_000, 100_000]), "much"))
    model.graph.node.insert(0, node("ConstantOfShape", ["much"]))


@pytest.mark.parametrize(
    "change",
    [
        set_constant("left_marker", beyond),
        set_constant("right_marker", beyond),
        set_constant("left_marker", lambda array: -array),
        set_constant("left_marker", lambda array: array[:, None]),
        set_constant("features", lambda array: np.resize(array, (4, 2, 9))),
        set_constant("features", lambda array: array[:3]),
        set_constant("left_higher_1_R", lambda array: np.resize(array, (1, 24, 6))),
        set_constant("left_higher_1_W", lambda array: array[:, :, :5]),
        set_constant("left_higher_1_B", lambda array: array[:, :-6]),
        set_constant("left_weight", lambda array: array[:5]),
        set_constant("left_weight", lambda array: array[:, :-1]),
        set_constant("bias", lambda array: array[:5]),
        set_constant("bias", lambda array: array[:, 0, 0]),  # added to each sample's row, not to its site
        set_constant("left_higher_1_W", lambda array: np.repeat(array, 2, axis=0)),
        set_constant("one", lambda array: array.astype(np.int64)),
        set_constant("bias", lambda array: np.full_like(array, np.inf)),
        set_constant("bias", lambda array: array.astype(np.float64)),
        doubled,
        with_much_beside,
    ],
)
def test_a_changed_graph_of_our_own_never_reaches_the_kernels(change: Callable[[onnx.ModelProto], None]) -> None:
    model = exported("GRU", FLAGS)
    change(model)
    try:
        network = load_graph(model.SerializeToString(), N_MARKERS, N_SITES).own_network()
    except GraphError:
        return
    assert network is None


@pytest.mark.parametrize("bound", ["MOST_WORK", "MOST_ELEMENTS"])
def test_networks_of_our_own_have_bounds_too(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    """Layers may share their weights, so a small file can ask for any work."""
    graph = load_graph(exported("GRU", FLAGS).SerializeToString(), N_MARKERS, N_SITES)
    monkeypatch.setattr(fit, bound, 2000)
    with pytest.raises(GraphError, match="more than 2"):
        graph.own_network()


def test_attributes_of_every_kind_are_known() -> None:
    """A kind of attribute that a later ONNX adds must be thought about."""
    assert max(AttributeProto.AttributeType.values()) == AttributeProto.TYPE_PROTOS == 14
