"""The reference networks against the recurrences in numpy, and their exported graphs against both."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.reference
import onnxruntime
import pytest
import torch

from helpers import random_panel
from rnnimp.errors import SettingsError, TrainingError
from rnnimp.network.graph import export
from rnnimp.network.recurrent.features import marker_features
from rnnimp.network.recurrent.reference import HybridHead, ImputationNetwork
from rnnimp.network.recurrent.settings import NetworkSettings
from rnnimp.network.region_coding import gaps_of_sites
from small_networks import make_networks


def random_inputs(n_haplotypes: int, n_markers: int, seed: int = 1) -> torch.Tensor:
    alt = torch.rand(n_haplotypes, n_markers, generator=torch.Generator().manual_seed(seed))
    return torch.stack([1 - alt, alt], dim=2)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def gru_step(x: np.ndarray, h: np.ndarray, c: np.ndarray, w: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Cho et al. 2014 with the reset gate after the product, as in PyTorch's documentation of nn.GRU."""
    (w_ir, w_iz, w_in), (w_hr, w_hz, w_hn) = np.split(w[0], 3), np.split(w[1], 3)
    (b_ir, b_iz, b_in), (b_hr, b_hz, b_hn) = np.split(w[2], 3), np.split(w[3], 3)
    r = sigmoid(x @ w_ir.T + b_ir + h @ w_hr.T + b_hr)
    z = sigmoid(x @ w_iz.T + b_iz + h @ w_hz.T + b_hz)
    n = np.tanh(x @ w_in.T + b_in + r * (h @ w_hn.T + b_hn))
    return (1 - z) * n + z * h, c


def lstm_step(x: np.ndarray, h: np.ndarray, c: np.ndarray, w: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Hochreiter & Schmidhuber 1997 with a forget gate, gates in the order i, f, g, o."""
    i, f, g, o = np.split(x @ w[0].T + w[2] + h @ w[1].T + w[3], 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def states_by_hand(stack: Any, features: np.ndarray) -> np.ndarray:
    """States of one stack in float64, one marker after another."""
    step = gru_step if stack.layers[0].mode == "GRU" else lstm_step
    order = range(len(features))[::-1] if stack.from_right else range(len(features))
    states = features
    for depth, layer in enumerate(stack.layers):
        weights = [parameter.detach().double().numpy() for parameter in layer.parameters()]
        h = c = np.zeros((features.shape[1], layer.hidden_size))
        output = np.zeros((len(features), *h.shape))
        for marker in order:
            h, c = step(states[marker], h, c, weights)
            output[marker] = h
        states = output if depth == 0 else states + output
    return states


def logits_by_hand(network: ImputationNetwork, inputs: np.ndarray, flags: str) -> np.ndarray:
    """Logits in float64: each site looks up its neighbouring markers by walking along the rows."""
    table = network.features.double().numpy()
    features = np.stack([inputs[:, marker] @ table[marker] for marker in range(len(table))])
    left, right = states_by_hand(network.left, features), states_by_hand(network.right, features)
    logits, before = [], 0
    for flag in flags:
        if flag == "m":
            before += 1
            continue
        site = len(logits)
        value = np.repeat(network.bias[site].detach().double().numpy(), inputs.shape[0], axis=0)
        if before > 0:
            value = value + left[before - 1] @ network.left_head[site].detach().double().numpy()
        if before < len(table):
            value = value + right[before] @ network.right_head[site].detach().double().numpy()
        if network.mixing is not None:
            mixing = {name: value.detach().double().numpy() for name, value in network.mixing.named_parameters()}
            joint = mixing["bias"] + (left[before - 1] @ mixing["left"] if before > 0 else 0)
            joint = np.tanh(joint + (right[before] @ mixing["right"] if before < len(table) else 0))
            value = value + joint @ mixing["head"][site]
        logits.append(value)
    return np.stack(logits)


REGIONS = ["..m.mm..m.", ".m", "m.", "mm..m...m", "m.m.mmmmm"]


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
@pytest.mark.parametrize("flags", REGIONS)
@pytest.mark.parametrize("n_haplotypes", [1, 5])
@pytest.mark.parametrize("n_mixed", [0, 7])
def test_logits_equal_the_recurrences_written_out(cell: str, flags: str, n_haplotypes: int, n_mixed: int) -> None:
    higher, _, _ = make_networks(cell, flags, n_mixed=n_mixed)
    inputs = random_inputs(n_haplotypes, flags.count("m"))
    with torch.no_grad():
        found = higher(inputs).numpy()
    np.testing.assert_allclose(found, logits_by_hand(higher, inputs.double().numpy(), flags), atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
@pytest.mark.parametrize("flags", REGIONS)
@pytest.mark.parametrize("n_mixed", [0, 7])
def test_exported_graph_equals_the_networks(cell: str, flags: str, n_mixed: int) -> None:
    higher, lower, hybrid = make_networks(cell, flags, n_mixed=n_mixed)
    graph = export.build_graph(higher, lower, hybrid)
    inputs = random_inputs(4, flags.count("m"))
    assert export.check_graph(graph, higher, lower, hybrid, inputs) <= 1e-5
    with torch.no_grad():
        expected = torch.softmax(hybrid(higher(inputs), lower(inputs)), dim=2).numpy()
    (slow,) = onnx.reference.ReferenceEvaluator(graph).run(None, {"inputs": inputs.numpy()})
    np.testing.assert_allclose(slow, expected, atol=1e-5)
    ort = export.as_ort(graph)
    assert ort is not None
    (fast,) = onnxruntime.InferenceSession(ort).run(["predictions"], {"inputs": inputs.numpy()})
    np.testing.assert_allclose(fast, expected, atol=1e-5)


def test_exported_graph_has_the_published_inputs_and_outputs() -> None:
    higher, lower, hybrid = make_networks("GRU", "..m.mm..m.")
    graph = export.build_graph(higher, lower, hybrid)
    assert {node.op_type for node in graph.graph.node} >= {"GRU"}
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type) == ("inputs", ["n_haplotypes", 4, 2], "tensor(float)")
    assert (made.name, made.shape, made.type) == ("predictions", [6, "n_haplotypes", 2], "tensor(float)")
    again = export.build_graph(higher, lower, hybrid)
    assert graph.SerializeToString(deterministic=True) == again.SerializeToString(deterministic=True)


def test_a_graph_that_differs_is_refused() -> None:
    higher, lower, hybrid = make_networks("GRU", "..m.mm..m.")
    graph = export.build_graph(higher, lower, hybrid)
    with torch.no_grad():
        hybrid.bias[:, :, 1] += 0.1
    with pytest.raises(TrainingError, match="differs from the networks"):
        export.check_graph(graph, higher, lower, hybrid, random_inputs(3, 4))


def test_the_hybrid_begins_as_the_mean_of_both() -> None:
    higher, lower = torch.randn(3, 4, 2), torch.randn(3, 4, 2)
    torch.testing.assert_close(HybridHead(3)(higher, lower), (higher + lower) / 2)


def test_a_new_network_starts_near_the_allele_frequencies() -> None:
    panel = random_panel(np.random.default_rng(0), n_sites=200, n_samples=50)
    is_marker, freq = panel.sites.markers(), panel.sites.a1_freq
    torch.manual_seed(0)
    network = ImputationNetwork(
        NetworkSettings("GRU", 40, 4, 40),
        marker_features(panel.alleles[is_marker], 40),
        gaps_of_sites(is_marker),
        freq[~is_marker],
    )
    log_odds = (network.bias[:, 0, 1] - network.bias[:, 0, 0]).detach().numpy()
    expected = np.clip(freq[~is_marker], 1e-4, 1 - 1e-4)
    np.testing.assert_allclose(1 / (1 + np.exp(-log_odds)), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": "RNN"}, "must be one of GRU / LSTM"),
        ({"n_units": 0}, "n_units must be 1 or more, found 0"),
        ({"n_layers": 0}, "n_layers must be 1 or more, found 0"),
    ],
)
def test_settings_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        NetworkSettings(**changes)


def test_infinite_weights_are_not_exported() -> None:
    higher, lower, hybrid = make_networks("GRU", "m..m.m")
    with torch.no_grad():
        next(higher.parameters())[...] = torch.inf
    graph = export.build_graph(higher, lower, hybrid)
    with pytest.raises(TrainingError, match="not all finite numbers; nothing was written"):
        export.check_graph(graph, higher, lower, hybrid, random_inputs(3, 3))
