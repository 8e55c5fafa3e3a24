"""16-bit products: agree with a simple implementation of the same arithmetic, and do not overflow."""

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba")

from rnnimp.network.kernels.integers import can_multiply_pairs
from rnnimp.network.recurrent.cpu import integer_stacks, stacks
from rnnimp.network.recurrent.weights import LayerWeights, StackWeights
from rnnimp.network.region_coding import Floats

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_multiply_pairs(), reason="the processor has no AVX2"),
]

SHAPES = [(1, 5, 7), (2, 8, 1), (3, 13, 12), (4, 40, 20)]  # layers, units, markers


def random_stack(n_layers: int, n_units: int, from_right: bool) -> StackWeights:
    """Weights of a size at which a rounding error does not grow from marker to marker."""
    rng = np.random.default_rng(n_layers * 100 + n_units)

    def numbers(*shape: int) -> Floats:
        return rng.normal(scale=n_units**-0.5, size=shape).astype(np.float32)

    layers = []
    for layer in range(n_layers):
        rows, below = 3 * n_units, 6 if layer == 0 else n_units
        layers.append(LayerWeights(numbers(rows, below), numbers(rows, n_units), numbers(rows), numbers(rows)))
    return StackWeights("GRU", from_right, tuple(layers))


def random_case(n_markers: int, n_haplotypes: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    rng = np.random.default_rng(n_markers)
    features = rng.normal(size=(n_markers, 2, 6)).astype(np.float32)
    return features, rng.random((n_haplotypes, n_markers), np.float32), np.arange(n_markers + 1)


def rounded_tanh(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.clip(x, -5.3, 5.3)
    u = x * x
    numerator = x * (81.1592788696289 + u * (8.168764114379883 + u * 0.05065702274441719))
    return numerator / (81.1807632446289 + u * (35.16916275024414 + u))


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 + 0.5 * rounded_tanh(x / 2)


def whole_sums(states: NDArray[np.int64], rows: Floats, factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of integer products, which must fit 32 bits, one by one."""
    weights = np.rint(rows.astype(np.float64) * factor[:, None]).astype(np.int64)
    assert np.abs(weights).max(initial=0) < 2**15
    assert np.abs(states).max(initial=0) < 2**15
    sums = states @ weights.T
    assert (np.abs(states) @ np.abs(weights).T).max(initial=0) < 2**31
    return sums / factor


def simple_forward(stack: StackWeights, features: Floats, alt: Floats) -> NDArray[np.float64]:
    """Sum of all layers' states at each marker, (n_markers, n_units, n_haplotypes), as the arithmetic is described."""
    n_layers, n_units = len(stack.layers), stack.layers[0].recurrent.shape[1]
    scale = 32_000 // max(1, n_layers - 1)
    factors = []
    for number, layer in enumerate(stack.layers):
        inputs, recurrent = (part.astype(np.float64).reshape(3, n_units, -1) for part in (layer.input, layer.recurrent))
        inputs = inputs if number else np.zeros_like(recurrent)
        none = np.zeros((n_units, n_units))
        pairs = [(inputs[0], recurrent[0]), (inputs[1], recurrent[1]), (inputs[2], none), (none, recurrent[2])]
        limits = []
        for below, own in pairs:
            largest = np.maximum(np.abs(below).max(axis=1), np.abs(own).max(axis=1))
            total = number * np.abs(below).sum(axis=1) + np.abs(own).sum(axis=1)
            room = 2**31 / 1.03 / scale - (number + 1) * (-(-n_units // 8) * 8) / 2
            limits.append(np.minimum(32_767 / np.maximum(largest, 1e-300), room / np.maximum(total, 1e-300)))
        factors.append(limits)  # r, z, n, m
    states = np.zeros((n_layers, len(alt), n_units))
    result = np.empty((len(features), n_units, len(alt)))
    order = range(len(features))
    for marker in reversed(order) if stack.from_right else order:
        allele = alt[:, marker : marker + 1].astype(np.float64)
        x = (1 - allele) * features[marker, 0] + allele * features[marker, 1]
        below = np.zeros((len(alt), n_units), np.int64)
        for number, layer in enumerate(stack.layers):
            own = np.rint(states[number] * scale).astype(np.int64)
            rows = [layer.recurrent[gate * n_units : (gate + 1) * n_units] for gate in range(3)]
            r, z, _, m = factors[number]
            recurrent = [whole_sums(own, part, f) / scale for part, f in zip(rows, (r, z, m), strict=True)]
            if number:
                rows = [layer.input[gate * n_units : (gate + 1) * n_units] for gate in range(3)]
                given = [whole_sums(below, part, f) / scale for part, f in zip(rows, factors[number], strict=False)]
            else:
                given = np.split(x @ layer.input.T, 3, axis=1)
            bias, own_bias = np.split(layer.input_bias, 3), np.split(layer.recurrent_bias, 3)
            reset = sigmoid(given[0] + recurrent[0] + bias[0] + own_bias[0])
            update = sigmoid(given[1] + recurrent[1] + bias[1] + own_bias[1])
            new = rounded_tanh(given[2] + bias[2] + reset * (recurrent[2] + own_bias[2]))
            states[number] = new + update * (states[number] - new)
            below = below + np.rint(states[number] * scale).astype(np.int64)
        result[marker] = states.sum(axis=0).T
    return result


def at_gaps(by_marker: NDArray[np.float64], from_right: bool) -> NDArray[np.float64]:
    zeros = np.zeros_like(by_marker[:1])
    return np.concatenate([by_marker, zeros] if from_right else [zeros, by_marker])


@pytest.mark.parametrize("from_right", [False, True])
@pytest.mark.parametrize(("n_layers", "n_units", "n_markers"), SHAPES)
def test_agrees_with_the_simple_implementation(n_layers: int, n_units: int, n_markers: int, from_right: bool) -> None:
    stack = random_stack(n_layers, n_units, from_right)
    features, alt, gaps = random_case(n_markers, 21)
    found = integer_stacks.forward([integer_stacks.pack(stack, features)], alt, gaps)[:, :, :21]
    expected = at_gaps(simple_forward(stack, features, alt), from_right)
    # a state near the middle of two integers may be rounded the other way: one step of a state is 1e-4
    assert np.abs(found - expected).max() < 1e-3
    assert np.abs(found - expected).mean() < 3e-5
    exact = stacks.forward([stacks.pack(stack, features)], alt, gaps)[:, :, :21]
    assert np.abs(found - exact).max() < 0.02
    assert np.abs(found - exact).mean() < 5e-4


@pytest.mark.parametrize("weight", [1e-30, 1.0, 50.0])
def test_largest_sums_do_not_overflow(weight: float) -> None:
    """All weights and states as large as they get, in one direction."""
    stack = random_stack(4, 16, False)
    layers = tuple(LayerWeights(*(np.full_like(array, weight) for array in layer)) for layer in stack.layers)
    stack = StackWeights("GRU", False, layers)
    features, alt, gaps = random_case(30, 5)
    features = np.abs(features)
    found = integer_stacks.forward([integer_stacks.pack(stack, features)], alt, gaps)[:, :, :5]
    exact = stacks.forward([stacks.pack(stack, features)], alt, gaps)[:, :, :5]
    assert np.abs(found - exact).max() < 0.01


def test_threads_batches_and_other_haplotypes_change_no_bit() -> None:
    both = [random_stack(3, 12, from_right) for from_right in (False, True)]
    features, alt, gaps = random_case(15, 150)
    packed = [integer_stacks.pack(stack, features) for stack in both]
    whole = integer_stacks.forward(packed, alt, gaps)[:, :, :150]
    assert (integer_stacks.forward(packed, alt, gaps, threads=3)[:, :, :150] == whole).all()
    for columns in (slice(0, 1), slice(37, 140), slice(149, 150)):
        part = integer_stacks.forward(packed, alt[columns], gaps, room=2)[:, : whole.shape[1]]
        assert (part[:, :, : columns.stop - columns.start] == whole[:, :, columns]).all()


def test_what_is_supported() -> None:
    stack = random_stack(2, 4, False)
    assert integer_stacks.is_supported(stack)
    assert not integer_stacks.is_supported(random_stack(9, 4, False))
    assert not integer_stacks.is_supported(StackWeights("LSTM", False, stack.layers))
    stack.layers[1].recurrent[0, 0] = np.inf
    assert not integer_stacks.is_supported(stack)


@pytest.mark.parametrize(("weight", "is_supported"), [(3.0, True), (100.0, False), (1e30, False)])
def test_a_weight_far_larger_than_the_others_asks_for_float32(weight: float, is_supported: bool) -> None:
    stack = random_stack(4, 48, False)
    stack.layers[2].recurrent[5, 7] = weight
    assert integer_stacks.is_supported(stack) == is_supported


def test_the_rounding_error_is_that_of_rounded_sums() -> None:
    stack = random_stack(1, 40, False)
    states = np.random.default_rng(0).uniform(-1, 1, (2000, 40))
    rows = stack.layers[0].recurrent
    sizes = np.abs(rows.astype(np.float64))
    factor = np.minimum(32_767 / sizes.max(axis=1), 0.95 * 2**31 / 32_000 / sizes.sum(axis=1))
    found = whole_sums(np.rint(states * 32_000).astype(np.int64), rows, factor) / 32_000
    errors = found - states @ rows.astype(np.float64).T
    assert 0 < errors.std(axis=0).max() < integer_stacks.rounding_error(stack) < 4 * errors.std()
