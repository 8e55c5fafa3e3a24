"""Exported haplotype HMMs: ONNX Runtime, CPU kernels and PyTorch against the reference, and reading graphs back."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from rnnimp.errors import TrainingError
from rnnimp.imputation.engines.cpu_kernels import KernelEngine
from rnnimp.imputation.engines.torch_gpu import TorchEngine
from rnnimp.network.graph import export
from rnnimp.network.graph.loading import load_graph
from rnnimp.network.graph.reading import ForeignGraphError, read_folded_network
from rnnimp.network.hmm.cpu_inference import hmm_odds, pack_hmm
from rnnimp.network.hmm.reference import HaplotypeHmm, round_weights
from rnnimp.network.hmm.weights import MixtureWeight
from rnnimp.network.recurrent.reference import HybridHead, ImputationNetwork
from rnnimp.network.recurrent.settings import NetworkSettings
from rnnimp.network.region_coding import gaps_of_sites
from small_networks import by_onnx_runtime, set_attribute, set_constant

REGIONS = ["..m.mm..m.", ".m", "m.", "m.m", "mmmm.m.mmmmmm", "..mmmmmm", "mmmmmm..", "m" + "." * 19 + "m", "m..mm" * 12]
N_STATES = [1, 16, 20, 101]

Networks = tuple[ImputationNetwork, ImputationNetwork, HybridHead, HaplotypeHmm]


@cache
def networks(flags: str, n_states: int = 20, spread: float = 2.0) -> Networks:
    """Two recurrent networks and a copying network with random weights, rounded."""
    torch.manual_seed(n_states)
    gaps = gaps_of_sites(np.array([flag == "m" for flag in flags]))
    features = torch.randn(flags.count("m"), 2, 5).numpy()
    higher, lower = (ImputationNetwork(NetworkSettings("GRU", 6, 2, 5, 3), features, gaps) for _ in range(2))
    emission, site = (spread * torch.randn(flags.count(kind), n_states) for kind in "m.")
    hmm = HaplotypeHmm(emission, site, gaps)
    for parameter in hmm.parameters():
        torch.nn.init.normal_(parameter, std=spread)
    round_weights(hmm)
    return higher, lower, HybridHead(len(gaps)), hmm


def inputs_with_missing(n_haplotypes: int, n_markers: int) -> np.ndarray:
    """From no missing marker in the first haplotype to all in the last."""
    rng = np.random.default_rng(3)
    alt = rng.integers(0, 2, (n_haplotypes, n_markers)).astype(np.float32)
    share = np.linspace(0, 1, n_haplotypes)[:, None]
    alt[rng.random(alt.shape) < share] = 0.3
    return np.stack([1 - alt, alt], axis=-1)


def exported(flags: str, n_states: int = 20, spread: float = 2.0) -> onnx.ModelProto:
    *recurrent, hmm = networks(flags, n_states, spread)
    return export.build_graph(*recurrent, hmm)


@pytest.mark.slow
@pytest.mark.parametrize("flags", REGIONS)
@pytest.mark.parametrize("n_states", N_STATES)
def test_all_ways_of_running_agree(flags: str, n_states: int) -> None:
    *recurrent, hmm = networks(flags, n_states)
    model = exported(flags, n_states)
    inputs = inputs_with_missing(11, flags.count("m"))
    assert export.check_graph(model, *recurrent, torch.from_numpy(inputs), hmm) <= 1e-5
    expected = by_onnx_runtime(model, inputs)
    (slow,) = export.slow_session(model).run(None, {"inputs": inputs})
    network = read_folded_network(model.SerializeToString())
    for found in (slow[:, :, 1], KernelEngine(network)(inputs), TorchEngine(network, "cpu")(inputs)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("spread", [0.5, 8.0])
def test_log_odds_hold_at_the_ends_of_what_weights_can_be(spread: float) -> None:
    """Log odds themselves, in float64 by the reference; weights up to the largest that an export can hold."""
    flags = "m.mm..m" * 9
    *_, hmm = networks(flags, 32, spread)
    inputs = inputs_with_missing(40, flags.count("m"))
    logits = deepcopy(hmm).double()(torch.from_numpy(inputs).double()).detach().numpy()
    found = hmm_odds(pack_hmm(export.hmm_weights(hmm)), inputs[:, :, 1])[:, : len(inputs)]
    np.testing.assert_allclose(found, logits[:, :, 1] - logits[:, :, 0], rtol=0, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("n_states", [2, 64])
def test_the_graph_keeps_the_digits_of_large_weights(n_states: int) -> None:
    """Where states emit one allele almost surely, what they make of the other one must not lose its digits."""
    flags = "m.m" * 60
    *recurrent, hmm = networks(flags, n_states, 8.0)
    inputs = torch.from_numpy(inputs_with_missing(40, flags.count("m")))
    assert export.check_graph(exported(flags, n_states, 8.0), *recurrent, inputs, hmm) <= 4e-6


def test_a_region_of_the_usual_size_agrees_too() -> None:
    flags = "".join("m" + "...." * (index % 2) for index in range(300))
    model = exported(flags, 512)
    inputs = inputs_with_missing(20, 300)
    engine = KernelEngine(read_folded_network(model.SerializeToString()))
    np.testing.assert_allclose(engine(inputs), by_onnx_runtime(model, inputs), rtol=0, atol=1e-5)
    assert len(model.SerializeToString()) < 2_000_000


@pytest.mark.slow
def test_a_region_with_4096_states_is_within_the_bounds() -> None:
    flags = "".join("m" + "...." * (index % 2) + ".." for index in range(300))
    model = exported(flags, 4096)
    graph = load_graph(model.SerializeToString(), 300, 1200)
    network = graph.own_network()
    assert network is not None
    assert graph.for_runtime()
    inputs = inputs_with_missing(3, 300)
    np.testing.assert_allclose(KernelEngine(network)(inputs), by_onnx_runtime(model, inputs), rtol=0, atol=1e-5)


@pytest.mark.parametrize("n_states", [16, 101])
def test_any_group_gives_the_same_bits(n_states: int) -> None:
    flags = "..m.mm..m." * 5
    engine = KernelEngine(read_folded_network(exported(flags, n_states).SerializeToString()))
    inputs = inputs_with_missing(150, flags.count("m"))
    whole = engine(inputs)
    np.testing.assert_array_equal(engine(inputs[::-1])[:, ::-1], whole)
    for rows in (slice(0, 1), slice(40, 90), slice(149, 150)):
        np.testing.assert_array_equal(engine(inputs[rows]), whole[:, rows])


def test_any_number_of_threads_gives_the_same_bits() -> None:
    flags = "..m.mm..m." * 5
    packed = pack_hmm(export.hmm_weights(networks(flags)[3]))
    alt = inputs_with_missing(150, flags.count("m"))[:, :, 1]
    np.testing.assert_array_equal(hmm_odds(packed, alt, 3)[:, :150], hmm_odds(packed, alt)[:, :150])


@pytest.mark.parametrize("flags", REGIONS)
def test_weights_come_back_from_the_graph(flags: str) -> None:
    expected = export.hmm_weights(networks(flags)[3])
    model = exported(flags)
    found = read_folded_network(model.SerializeToString()).hmm
    assert found is not None
    for name in ("emission", "switch_in", "switch_out", "site", "gaps"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert model.SerializeToString(deterministic=True) == exported(flags).SerializeToString(deterministic=True)


@pytest.mark.parametrize("complete", [0.0, 0.5, 1.0])
def test_the_weight_in_the_final_log_odds_goes_through_the_graph(complete: float) -> None:
    flags = "..m.mm..m."
    *recurrent, hmm = deepcopy(networks(flags))
    hmm.mixture_weight = MixtureWeight(complete, 1.0)
    inputs = inputs_with_missing(11, flags.count("m"))
    model = export.build_graph(*recurrent, hmm)
    assert export.check_graph(model, *recurrent, torch.from_numpy(inputs), hmm) <= 1e-5
    network = read_folded_network(model.SerializeToString())
    assert network.hmm is not None
    assert network.hmm.mixture_weight == (complete, 1.0)
    for found in (KernelEngine(network)(inputs), TorchEngine(network, "cpu")(inputs)):
        np.testing.assert_allclose(found, by_onnx_runtime(model, inputs), rtol=0, atol=1e-5)


def test_weights_that_are_not_rounded_are_refused() -> None:
    higher, lower, hybrid, hmm = networks("m.m")
    rough = deepcopy(hmm)
    torch.nn.init.constant_(rough.switch_out, 0.3)
    with pytest.raises(ValueError, match="'switch_out' must be rounded"):
        export.build_graph(higher, lower, hybrid, rough)


def test_a_copying_network_that_differs_is_refused() -> None:
    flags = REGIONS[0]
    *recurrent, hmm = networks(flags)
    other = deepcopy(hmm)
    torch.nn.init.constant_(other.switch_in, -1)
    with pytest.raises(TrainingError, match="differs from the networks"):
        export.check_graph(
            exported(flags), *recurrent, torch.from_numpy(inputs_with_missing(5, flags.count("m"))), other
        )


def test_the_ort_file_agrees_and_stays_small() -> None:
    import onnxruntime

    flags = "m.m..m" * 50
    model = exported(flags, 256)
    content = export.as_ort(model)
    assert content is not None and len(content) < len(model.SerializeToString()) + 200_000
    inputs = inputs_with_missing(7, flags.count("m"))
    (found,) = onnxruntime.InferenceSession(content).run(None, {"inputs": inputs})
    np.testing.assert_array_equal(found[:, :, 1], by_onnx_runtime(model, inputs))


def change_body(model: onnx.ModelProto) -> None:
    """In the second loop, whose body makes w too."""
    scan = [node for node in model.graph.node if node.op_type == "Scan"][1]
    (body,) = (attribute.g for attribute in scan.attribute if attribute.name == "body")
    next(node for node in body.node if node.op_type == "Div").op_type = "Mul"


def swap_inputs(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Div" and node.input[0] != node.input[1])
    node.input[:] = list(node.input)[::-1]


CHANGES: dict[str, Callable[[onnx.ModelProto], None]] = {
    "a share below 0": set_constant("copying_share", lambda array: -array),
    "another step": set_constant("copying_site_step", lambda array: array * 2),
    "another gap": set_constant("copying_gaps", lambda array: np.maximum(array - 1, 0)),
    "another site": set_constant("copying_places", lambda array: array[::-1].copy()),
    "float weights": set_constant("copying_leave", lambda array: array.astype(np.float32)),
    "a marker less": set_constant("copying_emission", lambda array: array[1:]),
    "another column": set_constant("copying_alt", lambda array: array * 0),
    "another permutation": set_attribute("Transpose", "perm", [1, 0, 2][::-1]),
    "another axis": set_attribute("ReduceMean", "axes", [1]),
    "another loop": change_body,
    "another quotient": swap_inputs,
    "a loop from the other end": set_attribute("Scan", "scan_input_directions", [1] * 4),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_graph_that_differs_is_foreign(name: str) -> None:
    model = exported(REGIONS[0])
    read_folded_network(model.SerializeToString())
    CHANGES[name](model)
    with pytest.raises(ForeignGraphError):
        read_folded_network(model.SerializeToString())


@pytest.mark.parametrize("name", ["copying_site", "copying_share", "copying_share_of_missing"])
def test_other_weights_are_read_as_they_are(name: str) -> None:
    """Weights and shares are no form: a graph with others is ours too, and runs as ONNX Runtime runs it."""
    model = exported(REGIONS[0])
    set_constant(name, lambda array: (array / 2).astype(array.dtype))(model)
    inputs = inputs_with_missing(9, 4)
    network = read_folded_network(model.SerializeToString())
    for engine in (KernelEngine(network), TorchEngine(network, "cpu")):
        np.testing.assert_allclose(engine(inputs), by_onnx_runtime(model, inputs), rtol=0, atol=1e-5)


def test_a_node_of_another_domain_is_foreign() -> None:
    model = exported(REGIONS[0])
    next(node for node in model.graph.node if node.op_type == "Exp").domain = "elsewhere"
    model.opset_import.append(helper.make_opsetid("elsewhere", 1))
    with pytest.raises(ForeignGraphError):
        read_folded_network(model.SerializeToString())


def test_a_model_of_many_states_is_let_pass() -> None:
    """The work of a pass grows with the number of states, not with its square."""
    n_states, flags = 1 << 15, "m." * 40
    *recurrent, _ = networks(flags)
    gaps = gaps_of_sites(np.array([flag == "m" for flag in flags]))
    hmm = HaplotypeHmm(torch.zeros(40, n_states), torch.zeros(40, n_states), gaps)
    round_weights(hmm)
    graph = load_graph(export.build_graph(*recurrent, hmm).SerializeToString(), 40, 40)
    assert graph.own_network() is not None
    assert graph.for_runtime()
