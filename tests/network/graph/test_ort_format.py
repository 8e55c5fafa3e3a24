"""ONNX Runtime's own files: read into ONNX they give the same bits, and damaged ones are refused."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import rnnimp
from helpers import shared_data
from rnnimp.network.graph.limits import GraphError
from rnnimp.network.graph.loading import load_graph
from rnnimp.network.graph.ort_format import is_ort, read_ort
from rnnimp.network.graph.validation import in_order
from small_networks import exported, random_inputs

LEVELS = onnxruntime.GraphOptimizationLevel
DEMO = Path(rnnimp.__file__).parent / "demo"
FLAGS = "..m.mm..m."


def as_ort(content: bytes, folder: Path, level: object = LEVELS.ORT_ENABLE_ALL) -> bytes:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(folder / "model.ort")
    options.log_severity_level = 4
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return (folder / "model.ort").read_bytes()


def run(content: bytes, n_markers: int, is_optimised: bool = False) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if is_optimised:
        options.graph_optimization_level = LEVELS.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: random_inputs(32, n_markers)})
    return np.asarray(result)


@pytest.mark.parametrize("level", [LEVELS.ORT_ENABLE_BASIC, LEVELS.ORT_ENABLE_ALL])
@pytest.mark.parametrize(("name", "n_sites"), [("kgp3_chr22/chr22_6", 780), ("model/demo_1", 934)])
def test_our_models_give_the_same_bits_in_either_format(tmp_path: Path, name: str, n_sites: int, level: object) -> None:
    """Those with a haplotype HMM have two loops, whose bodies ONNX Runtime changes."""
    content = as_ort((DEMO / f"{name}.onnx").read_bytes(), tmp_path, level)
    graph = load_graph(content, 300, n_sites)
    assert graph.own_network() is None
    np.testing.assert_array_equal(run(graph.for_runtime(), 300, is_optimised=True), run(content, 300))


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize(("name", "n_markers", "n_sites"), [("s_1", 36, 80), ("s_2", 35, 93)])
def test_published_models_give_the_same_bits(kind: str, name: str, n_markers: int, n_sites: int) -> None:
    content = (shared_data("legacy_model") / kind / f"{name}.ort").read_bytes()
    graph = load_graph(content, n_markers, n_sites)
    np.testing.assert_array_equal(run(graph.for_runtime(), n_markers, is_optimised=True), run(content, n_markers))


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return as_ort(exported("GRU", FLAGS).SerializeToString(), tmp_path)


def test_the_format_is_known_by_its_content(content: bytes) -> None:
    assert is_ort(content)
    assert not is_ort(exported("GRU", FLAGS).SerializeToString())
    assert not is_ort(b"")


def test_truncated_files_are_refused(content: bytes) -> None:
    for size in [*range(8, len(content) - 100, 997), *range(len(content) - 100, len(content))]:
        with pytest.raises(GraphError, match="truncated"):
            load_graph(content[:size], 4, 6)


@pytest.mark.parametrize("name", ["gru/s_1", "lstm/s_2"])
def test_truncated_files_of_the_published_program_are_refused(name: str) -> None:
    content = shared_data(f"legacy_model/{name}.ort").read_bytes()
    for size in [len(content) // 2, *range(len(content) - 100, len(content))]:
        with pytest.raises(GraphError, match="truncated"):
            read_ort(content[:size])


@pytest.mark.parametrize("position", [0xFFFFFFF0, 0x7FFFFFFF, 0x80000000])
def test_offsets_out_of_the_file_are_refused(content: bytes, position: int) -> None:
    with pytest.raises(GraphError, match="its tables are damaged"):
        read_ort(struct.pack("<I", position) + content[4:])


def test_a_file_of_nothing_is_refused() -> None:
    with pytest.raises(GraphError):
        read_ort(b"\x10\x00\x00\x00ORTM" + bytes(200))


def test_files_that_refer_to_one_place_again_and_again_are_refused() -> None:
    """Few kilobytes of references could otherwise be read as gigabytes of names."""
    n = 2000
    names = b"".join(struct.pack("<I", 4 * (n - i) + 4) for i in range(n))  # all lead to one vector behind them
    with pytest.raises(GraphError):
        read_ort(b"\x10\x00\x00\x00ORTM" + bytes(8) + names + struct.pack("<I", n) * 100)


def test_any_change_of_a_byte_gives_a_result_or_is_refused(content: bytes) -> None:
    chance = random.Random(5)
    n_refused = 0
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            load_graph(bytes(changed), 4, 6).for_runtime()
        except GraphError as error:
            assert str(error).isprintable() and str(error)
            n_refused += 1
    assert 0 < n_refused < 400


def test_any_change_of_a_byte_of_an_onnx_file_gives_a_result_or_is_refused() -> None:
    content = exported("GRU", FLAGS).SerializeToString()
    chance = random.Random(6)
    n_refused = 0
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            graph = load_graph(bytes(changed), 4, 6)
            _ = graph.own_network() or graph.for_runtime()
        except GraphError as error:
            assert str(error).isprintable() and str(error)
            n_refused += 1
    assert 0 < n_refused < 400


def test_nodes_that_wait_for_each_other_are_refused() -> None:
    model = exported("GRU", FLAGS)
    add = next(node for node in model.graph.node if node.op_type == "Add")
    add.input[0] = model.graph.output[0].name
    with pytest.raises(GraphError, match="its nodes wait for each other"):
        in_order(model)


def test_nodes_are_put_in_order() -> None:
    model = exported("GRU", FLAGS)
    turned = onnx.ModelProto.FromString(model.SerializeToString())
    del turned.graph.node[:]
    turned.graph.node.extend(reversed(model.graph.node))
    in_order(turned)
    np.testing.assert_array_equal(run(turned.SerializeToString(), 4), run(model.SerializeToString(), 4))
