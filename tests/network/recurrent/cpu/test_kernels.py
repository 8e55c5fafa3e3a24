"""The CPU kernels against PyTorch in float64: vector functions, states, every gradient, and whole networks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numba
import numpy as np
import pytest
import torch

from helpers import REPOSITORY
from rnnimp.network.kernels import simd
from rnnimp.network.kernels.tiles import padded_size
from rnnimp.network.recurrent.cpu.autograd import CpuEngine
from rnnimp.network.recurrent.cpu.stacks import PackedStack, Workspace, backward, forward, forward_training, pack
from rnnimp.network.recurrent.reference import ImputationNetwork, RecurrentStack
from rnnimp.network.recurrent.settings import NetworkSettings
from rnnimp.network.recurrent.weights import LayerWeights, StackWeights
from rnnimp.network.region_coding import gaps_of_sites
from rnnimp.training.loss import weighted_cross_entropy

# units, layers, feature size, haplotypes, markers
SIZES = [(5, 1, 3, 1, 1), (5, 3, 3, 17, 2), (40, 4, 40, simd.LANES + 1, 12), (64, 2, 7, simd.LANES, 5), (8, 2, 1, 3, 6)]
NAMES = ("input", "recurrent", "input_bias", "recurrent_bias")


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    """PyTorch's threads gain nothing at these sizes and wait for each other where cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@numba.njit(error_model="numpy")
def apply_functions(x: np.ndarray, sigmoids: np.ndarray, tangents: np.ndarray) -> None:
    for at in range(0, len(x), simd.LANES):
        vector = simd.load(x, at)
        simd.store(sigmoids, at, simd.sigmoid(vector))
        simd.store(tangents, at, simd.tanh(vector))


def functions_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    padded = np.zeros(-(-len(values) // simd.LANES) * simd.LANES, np.float32)
    padded[: len(values)] = values
    sigmoids, tangents = np.empty_like(padded), np.empty_like(padded)
    apply_functions(padded, sigmoids, tangents)
    return sigmoids[: len(values)], tangents[: len(values)]


def test_functions_are_right_to_float32_rounding() -> None:
    small = np.logspace(-20, 0, 2000)
    x = np.concatenate([np.linspace(-30, 30, 20001), small, -small, [0]]).astype(np.float32)
    sigmoids, tangents = functions_of(x)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(sigmoids, 1 / (1 + np.exp(-exact)), rtol=2e-6, atol=0)
    np.testing.assert_allclose(sigmoids, 1 / (1 + np.exp(-exact)), rtol=0, atol=1.5e-7)
    np.testing.assert_allclose(tangents, np.tanh(exact), rtol=1e-6, atol=0)


def test_functions_at_their_ends() -> None:
    sigmoids, tangents = functions_of(np.array([-np.inf, -1e30, 1e30, np.inf, np.nan]))
    np.testing.assert_allclose(sigmoids[:4], [0, 0, 1, 1], atol=1e-37)
    np.testing.assert_array_equal(tangents[:4], [-1, -1, 1, 1])
    assert np.isnan(sigmoids[4]) and np.isnan(tangents[4])


def make_stacks(cell: str, n_units: int, n_layers: int, feature_size: int) -> list[RecurrentStack]:
    """A stack from the left and one from the right, with random weights."""
    torch.manual_seed(3)
    settings = NetworkSettings(cell, n_units, n_layers, feature_size)
    stacks = [RecurrentStack(settings, from_right) for from_right in (False, True)]
    for stack in stacks:
        for parameter in stack.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return stacks


def packed(stack: RecurrentStack, features: np.ndarray) -> PackedStack:
    layers = [LayerWeights(*(weight.detach().numpy() for weight in layer.parameters())) for layer in stack.layers]
    return pack(StackWeights(stack.layers[0].mode, stack.from_right, tuple(layers)), features)


def random_features(n_markers: int, feature_size: int) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(n_markers, 2, feature_size)).astype(np.float32)


def random_alt(n_haplotypes: int, n_markers: int) -> np.ndarray:
    return np.random.default_rng(7).random((n_haplotypes, n_markers)).astype(np.float32)


def exact_states(stack: RecurrentStack, features: np.ndarray, alt: np.ndarray) -> torch.Tensor:
    """(n_markers, n_haplotypes, n_units) by PyTorch in float64; makes the stack float64."""
    p = torch.from_numpy(alt.T.astype(np.float64))[:, :, None]
    f = torch.from_numpy(features.astype(np.float64))
    return stack.double()((1 - p) * f[:, None, 0] + p * f[:, None, 1])


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
@pytest.mark.parametrize(("n_units", "n_layers", "feature_size", "n_haplotypes", "n_markers"), SIZES)
def test_states_and_every_gradient_equal_pytorch(
    cell: str, n_units: int, n_layers: int, feature_size: int, n_haplotypes: int, n_markers: int
) -> None:
    stacks = make_stacks(cell, n_units, n_layers, feature_size)
    features, alt = random_features(n_markers, feature_size), random_alt(n_haplotypes, n_markers)
    all_packed, gaps = [packed(stack, features) for stack in stacks], np.arange(n_markers + 1)
    states, kept = forward_training(all_packed, alt, gaps, 1, Workspace())
    assert states.shape == (n_markers + 1, 2 * n_units, padded_size(n_haplotypes))
    assert not states[0, :n_units].any() and not states[-1, n_units:].any()  # no marker there
    of_states = np.zeros_like(states)
    shape = (n_markers + 1, 2 * n_units, n_haplotypes)
    of_states[:, :, :n_haplotypes] = np.random.default_rng(9).normal(size=shape)
    gradients = backward(all_packed, kept, gaps, of_states)
    for number, (stack, of_stack) in enumerate(zip(stacks, gradients, strict=True)):
        of_markers = slice(0, n_markers) if stack.from_right else slice(1, None)
        part = of_markers, slice(number * n_units, (number + 1) * n_units), slice(n_haplotypes)
        exact = exact_states(stack, features, alt)
        np.testing.assert_allclose(states[part], exact.detach().numpy().transpose(0, 2, 1), rtol=0, atol=1e-5)
        exact.backward(torch.from_numpy(of_states[part].transpose(0, 2, 1)).double())
        for layer, of_layer in zip(stack.layers, of_stack.layers, strict=True):
            for name, parameter in zip(NAMES, layer.parameters(), strict=True):
                expected = parameter.grad.numpy()
                bound = 1e-5 * max(1, np.abs(expected).max())
                np.testing.assert_allclose(getattr(of_layer, name), expected, rtol=0, atol=bound, err_msg=name)


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_no_bit_depends_on_threads_or_on_keeping(cell: str) -> None:
    n_haplotypes, n_markers = 3 * simd.LANES + 5, 6
    features, alt = random_features(n_markers, 4), random_alt(n_haplotypes, n_markers)
    stacks, gaps = [packed(stack, features) for stack in make_stacks(cell, 10, 3, 4)], np.array([0, 2, 3, 6])
    runs = [forward_training(stacks, alt, gaps, threads, Workspace()) for threads in (1, 2)]
    plain = [forward(stacks, alt, gaps, threads) for threads in (1, 2)]
    for states in (runs[1][0], *plain):
        np.testing.assert_array_equal(states, runs[0][0])
    of_states = np.random.default_rng(1).normal(size=plain[0].shape).astype(np.float32)
    of_states[:, :, n_haplotypes:] = 0
    one, two = (
        backward(stacks, kept, gaps, of_states, threads) for (_, kept), threads in zip(runs, (1, 2), strict=True)
    )
    for left, right in zip(one, two, strict=True):
        for of_left, of_right in zip(left.layers, right.layers, strict=True):
            for name in NAMES:
                np.testing.assert_array_equal(getattr(of_left, name), getattr(of_right, name))


def test_a_haplotype_does_not_depend_on_its_neighbours() -> None:
    features, alt = random_features(7, 4), random_alt(simd.LANES + 9, 7)
    stacks, gaps = [packed(stack, features) for stack in make_stacks("GRU", 12, 2, 4)], np.array([1, 4])
    together = forward(stacks, alt, gaps)
    for chosen in ([0], [simd.LANES + 8], [3, simd.LANES, 20]):
        alone = forward(stacks, np.ascontiguousarray(alt[chosen]), gaps)
        np.testing.assert_array_equal(alone[:, :, : len(chosen)], together[:, :, chosen])


def make_network(cell: str, flags: str, n_units: int = 6, n_mixed: int = 0) -> ImputationNetwork:
    """A network with random weights for a region whose rows are markers (`m`) and imputed sites (`.`)."""
    torch.manual_seed(11)
    features = random_features(flags.count("m"), 5)
    gaps = gaps_of_sites(np.array([flag == "m" for flag in flags]))
    network = ImputationNetwork(NetworkSettings(cell, n_units, 3, 5, n_mixed), features, gaps)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network


def random_batch(network: ImputationNetwork, n_haplotypes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs, targets and site weights."""
    alt = torch.from_numpy(random_alt(n_haplotypes, len(network.features)))
    rng = np.random.default_rng(13)
    n_sites = len(network.left_head)
    truth = torch.from_numpy(rng.random((n_sites, n_haplotypes), dtype=np.float32))
    return torch.stack([1 - alt, alt], dim=2), truth, torch.from_numpy(rng.random(n_sites))


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
@pytest.mark.parametrize("flags", ["m.", ".m", "mm...", "...mm", ".m..mm.m", "m.mmm.....m.m"])
@pytest.mark.parametrize("n_mixed", [0, 9])
def test_network_equals_the_reference(cell: str, flags: str, n_mixed: int) -> None:
    network = make_network(cell, flags, n_mixed=n_mixed)
    inputs, truth, weights = random_batch(network, 17)
    logits = CpuEngine(network)(inputs)
    weighted_cross_entropy(logits, truth, weights.float()).backward()
    found = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
    network.zero_grad()
    network.double()
    expected = network(inputs.double())
    weighted_cross_entropy(expected, truth, weights).backward()
    assert (logits - expected).abs().max() < 1e-5
    for name, parameter in network.named_parameters():
        bound = 1e-6 + 1e-5 * parameter.grad.abs().max()
        assert (found[name] - parameter.grad).abs().max() < bound, name


def test_passes_do_not_disturb_each_other() -> None:
    network = make_network("GRU", ".m.mm..m")
    engine = CpuEngine(network)
    first, second = (random_batch(network, n)[0] for n in (9, 30))

    def gradients(logits: torch.Tensor) -> list[torch.Tensor]:
        return list(torch.autograd.grad(logits.square().sum(), list(network.parameters())))

    alone = [gradients(engine(inputs)) for inputs in (first, second)]
    logits = [engine(inputs) for inputs in (first, second, second)]
    with torch.no_grad():
        torch.testing.assert_close(engine(second), logits[1], rtol=0, atol=0)
    together = [gradients(part) for part in logits[:2]]
    for expected, found in zip(alone, together, strict=True):
        for left, right in zip(expected, found, strict=True):
            torch.testing.assert_close(left, right, rtol=0, atol=0)


@pytest.mark.slow
def test_training_goes_the_way_of_the_reference() -> None:
    losses = []
    for use_engine in (False, True):
        network = make_network("GRU", "m..mm.m", n_units=9)
        inputs, truth, weights = random_batch(network, 25)
        run = CpuEngine(network, threads=2) if use_engine else network
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(15):
            optimizer.zero_grad()
            loss = weighted_cross_entropy(run(inputs), truth, weights.float())
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    np.testing.assert_allclose(losses[15:], losses[:15], rtol=1e-4)
    assert losses[-1] < 0.8 * losses[0]


def test_a_nan_is_not_hidden() -> None:
    network = make_network("LSTM", "m.mm")
    inputs, _, _ = random_batch(network, 4)
    with torch.no_grad():
        network.left.layers[1].bias_hh_l0[2] = torch.nan
        assert CpuEngine(network)(inputs).isnan().any()


def test_the_kernels_need_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = sys.modules['onnx'] = None; import rnnimp.network.recurrent.cpu.stacks"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
