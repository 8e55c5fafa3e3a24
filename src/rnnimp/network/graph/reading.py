"""From an exported ONNX graph back to its weights, so that the CPU kernels can run it.

The graph is walked from its output to its input. Every node must be one that `export.py` writes. In that order:

- The sigmoid of a sum: a bias, and one product per direction. A product is a weight vector per site times the states
  that the site reads.
- Optionally, the same products for the layers that join both directions at each gap.
- Stacks of GRU or LSTM layers, of any number, width and depth, each with its own features.
- Optionally, a haplotype HMM. It has exactly the nodes that `hmm/onnx_part.py` writes for its weights.

A graph that differs in any way comes from another program, and ONNX Runtime runs it. Needs numpy and onnx.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from rnnimp.network.graph.fit import require_fit
from rnnimp.network.hmm import onnx_part
from rnnimp.network.hmm.weights import HmmWeights, MixtureWeight
from rnnimp.network.recurrent.cells import CELLS, Cell
from rnnimp.network.recurrent.weights import GAP_PADS, ONNX_DIRECTIONS, JoiningWeights, LayerWeights, StackWeights
from rnnimp.network.region_coding import Floats

_FROM_RIGHT = dict(zip(ONNX_DIRECTIONS, (False, True), strict=True))
_MOST_TERMS = 256  # honest graphs have few: a bias, a product for each direction, one with the layers that join them
_CELL_OF_OPERATOR = {cell.onnx_operator: cell for cell in CELLS.values() if cell.has_kernels}


@dataclass(frozen=True, eq=False)
class FoldedStack:
    """A stack and the marker features that it reads.

    Attributes:
        weights: Weights of its layers.
        features: Features of alleles 0 and 1, float32 (n_markers, 2, feature_size).
    """

    weights: StackWeights
    features: Floats


@dataclass(frozen=True, eq=False)
class FoldedNetwork:
    """A region's networks with their heads folded: `P(a1) = sigmoid(states . head + bias)`.

    Attributes:
        stacks: Stacks of layers, from the left and from the right.
        gaps: Markers before each site, int64 (n_sites,); in ascending order.
        head: Weights of the heads, float32 (n_sites, units of all stacks, and n_mixed); 0 where a site has no marker
            on the stack's side.
        bias: float32 (n_sites,).
        joining: Layers over the stacks' states at a gap. Their states follow those of the stacks in `head`.
        hmm: Weights of the region's haplotype HMM, if it has one.
    """

    stacks: tuple[FoldedStack, ...]
    gaps: NDArray[np.int64]
    head: Floats
    bias: Floats
    joining: tuple[JoiningWeights, ...]
    hmm: HmmWeights | None = None


class ForeignGraphError(Exception):
    """The graph is not one that `export.py` writes; run it in ONNX Runtime."""


def read_folded_network(model: bytes) -> FoldedNetwork:
    """Take the weights out of a graph.

    Args:
        model: An ONNX file's content.

    Raises:
        ForeignGraphError: if `export.py` does not write such a graph, or if the bytes are no graph.
    """
    try:
        parsed = onnx.load_model_from_string(model)
    except Exception as error:  # protobuf's own error
        raise ForeignGraphError(f"{type(error).__name__}: {error}") from error
    return folded_network(parsed)


def folded_network(model: onnx.ModelProto) -> FoldedNetwork:
    """Take the weights out of a graph whose nodes are in order; see `read_folded_network`.

    Raises:
        ForeignGraphError: if it is any other graph.
    """
    try:
        network = _Walk(model.graph).network()
        require_fit(network)
    except ForeignGraphError:
        raise
    except Exception as error:  # a graph in which a name or a dimension is missing
        raise ForeignGraphError(f"{type(error).__name__}: {error}") from error
    return network


def stored_states(
    model: onnx.ModelProto, n_markers: int, n_sites: int
) -> tuple[NDArray[np.int8], NDArray[np.int8]] | None:
    """The log odds that the states of a haplotype HMM emit, as stored in a graph that may be optimised otherwise.

    Args:
        model: A graph.
        n_markers: Markers that it reads.
        n_sites: Sites that it imputes.

    Returns:
        Whole numbers of `ODDS_STEP` at the markers, int8 (n_markers, n_states), and at the imputed sites, int8
        (n_sites, n_states); None if the graph stores no such tensors.
    """
    names = {onnx_part.PREFIX + onnx_part.WEIGHT_NAMES[name]: name for name in ("emission", "site")}
    found = {names[tensor.name]: tensor for tensor in model.graph.initializer if tensor.name in names}
    if len(found) < len(names):
        return None
    emission, site = (numpy_helper.to_array(found[name]) for name in ("emission", "site"))
    is_int8 = emission.dtype == site.dtype == np.int8 and emission.ndim == site.ndim == 2
    if not is_int8 or (len(emission), len(site)) != (n_markers, n_sites) or emission.shape[1] != site.shape[1]:
        return None
    return emission, site


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ForeignGraphError(f"expected {what}")


@dataclass(frozen=True, eq=False)
class _Reading:
    """One product of the sum: stacks of one direction, the marker that each site reads, and the weights."""

    stacks: list[FoldedStack]
    markers: NDArray[np.int64]
    weight: Floats  # (n_sites, units of its stacks)


@dataclass(frozen=True, eq=False)
class _Mixed:
    """The product with the joining layers: for each layer, its stack of each direction, its weights and its bias."""

    layers: list[tuple[tuple[FoldedStack, FoldedStack], tuple[Floats, Floats], Floats]]
    gaps: NDArray[np.int64]
    weight: Floats  # (n_sites, width of all layers)


class _Walk:
    """Finds the node that made a tensor, and checks it."""

    def __init__(self, graph: Any) -> None:
        self._makers = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        _require(len(graph.input) == len(graph.output) == 1, "one input and one output")
        self._input, self._output = graph.input[0].name, graph.output[0].name
        self._stacks: dict[str, FoldedStack] = {}

    def network(self) -> FoldedNetwork:
        """The whole graph."""
        both = self._made_by("Concat", self._output, axis=2)
        _require(len(both.input) == 2, "both alleles")
        alt = both.input[1]
        rest = self._made_by("Sub", both.input[0])
        _require(rest.input[1] == alt and self._constants[rest.input[0]].tolist() == [1], "1 - P(a1)")
        biases: list[Floats] = []
        readings: list[_Reading | _Mixed] = []
        logits = self._made_by("Sigmoid", alt).input[0]
        has_hmm = logits == onnx_part.LOGITS
        for term in self._terms(self._recurrent_logits() if has_hmm else logits):
            if term in self._constants:
                biases.append(self._constants[term])
            else:
                readings.append(self._reading(term))
        _require(len(biases) == 1, "one bias")
        mixed = [reading for reading in readings if isinstance(reading, _Mixed)]
        _require(len(mixed) <= 1, "one product with joining layers")
        network = _joined(biases[0], [reading for reading in readings if isinstance(reading, _Reading)], mixed)
        return replace(network, hmm=self._hmm(network)) if has_hmm else network

    def _recurrent_logits(self) -> str:
        """Name of the recurrent networks' log odds, which the HMM's are joined with."""
        product = self._made_by("Mul", self._made_by("Add", onnx_part.LOGITS).input[0])
        result: str = product.input[1]
        return result

    def _hmm(self, network: FoldedNetwork) -> HmmWeights:
        """The haplotype HMM's weights; written again, they must give the same nodes and constants."""
        names = onnx_part.WEIGHT_NAMES
        arrays = {name: self._constants[onnx_part.PREFIX + stored] for name, stored in names.items()}
        _require(all(array.dtype == np.int8 and array.ndim == 2 for array in arrays.values()), "int8")
        n_markers, n_states = len(network.stacks[0].features), arrays["site"].shape[1]
        n_gaps, n_sites = n_markers + 1, len(network.gaps)
        rows = {"emission": n_markers, "switch_in": n_gaps, "switch_out": n_gaps, "site": n_sites}
        _require(all(arrays[name].shape == (rows[name], n_states) for name in names), "weights of each state")
        mixture = [self._constants[onnx_part.PREFIX + name] for name in onnx_part.MIXTURE_WEIGHT_NAMES]
        _require(
            all(part.shape == (1,) and 0 <= part[0] < np.inf for part in mixture), "the HMM's weight in the mixture"
        )
        mixture_weight = MixtureWeight(*(float(part[0]) for part in mixture))
        weights = HmmWeights(**arrays, gaps=network.gaps, mixture_weight=mixture_weight)
        part = onnx_part.hmm_part(weights, self._recurrent_logits())
        for node in part.nodes:
            _require(_plain(self._makers[node.output[0]]) == _plain(node), f"another {node.op_type}")
        for name, expected in part.constants.items():
            found = self._constants[name]
            is_equal = found.dtype == expected.dtype and np.array_equal(found, expected)
            _require(is_equal, f"another constant {name}")
        return weights

    def _made_by(self, operator: str, name: str, **attributes: Any) -> Any:
        node = self._makers.get(name)
        if node is None or node.op_type != operator or node.domain:
            raise ForeignGraphError(f"expected {operator} for {name}")
        found = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        _require(found == attributes, f"{attributes} of {name}, found {found}")
        return node

    def _terms(self, name: str) -> list[str]:
        """The terms of a tree of additions, from left to right."""
        terms, waiting = [], [name]
        while waiting:
            term = waiting.pop()
            node = self._makers.get(term)
            if node is not None and node.op_type == "Add":
                waiting += reversed(self._made_by("Add", term).input)
            else:
                terms.append(term)
            # a sum of a sum with itself, and so on, doubles with each line
            _require(len(terms) + len(waiting) <= _MOST_TERMS, f"at most {_MOST_TERMS} terms")
        return terms

    def _reading(self, name: str) -> _Reading | _Mixed:
        states, weight = self._made_by("MatMul", name).input
        joined, markers = self._made_by("Gather", states, axis=0).input
        is_several = joined in self._makers and self._makers[joined].op_type == "Concat"
        names = self._made_by("Concat", joined, axis=2).input if is_several else [joined]
        rows, weights = self._constants[markers].astype(np.int64), self._constants[weight][:, :, 0]
        if self._makers[names[0]].op_type == "Tanh":
            return _Mixed([self._joining_layer(part) for part in names], rows, weights)
        stacks = [self._stack(part) for part in names]
        _require(len({stack.weights.from_right for stack in stacks}) == 1, "stacks of one direction")
        return _Reading(stacks, rows, weights)

    def _joining_layer(self, name: str) -> tuple[tuple[FoldedStack, FoldedStack], tuple[Floats, Floats], Floats]:
        both, bias = self._made_by("Add", self._made_by("Tanh", name).input[0]).input
        stacks, weights = [], []
        for term, pad in zip(self._made_by("Add", both).input, GAP_PADS, strict=True):
            padded, weight = self._made_by("MatMul", term).input
            states, pads = self._made_by("Pad", padded).input
            _require(self._constants[pads].tolist() == list(pad), "a gap outside the markers")
            stacks.append(self._stack(states))
            weights.append(self._constants[weight])
        return (stacks[0], stacks[1]), (weights[0], weights[1]), self._constants[bias]

    def _stack(self, name: str) -> FoldedStack:
        if name not in self._stacks:
            self._stacks[name] = self._read_stack(name)
        return self._stacks[name]

    def _read_stack(self, name: str) -> FoldedStack:
        """Read a stack from its highest layer to its lowest, whose input is the features."""
        layers: list[LayerWeights] = []
        kinds: set[tuple[str, bool]] = set()
        while True:
            is_lowest = self._makers[name].op_type != "Add"
            below, output = (None, name) if is_lowest else self._made_by("Add", name).input
            kind, states, layer = self._layer(output)
            kinds.add(kind)
            layers.insert(0, layer)
            if below is None:
                break
            _require(states == below, "a layer whose input is added to its output")
            name = below
        _require(len(kinds) == 1, "layers of one kind")
        ((cell, from_right),) = kinds
        widths = {layer.recurrent.shape[1] for layer in layers} | {layer.input.shape[1] for layer in layers[1:]}
        _require(len(widths) == 1, "layers of one width")
        return FoldedStack(StackWeights(cell, from_right, tuple(layers)), self._features(states))

    def _layer(self, name: str) -> tuple[tuple[str, bool], str, LayerWeights]:
        """A layer's cell and whether it runs from the right; the name of its input; its weights."""
        squeezed, axes = self._made_by("Squeeze", name).input
        _require(self._constants[axes].tolist() == [1], "the axis of directions squeezed")
        cell = _CELL_OF_OPERATOR.get(self._makers[squeezed].op_type)
        if cell is None:
            raise ForeignGraphError(f"expected {' or '.join(_CELL_OF_OPERATOR)}")
        found = {item.name: onnx.helper.get_attribute_value(item) for item in self._makers[squeezed].attribute}
        direction, n_units = found["direction"].decode(), found["hidden_size"]
        _require(direction in _FROM_RIGHT, "one direction")
        expected = {"direction": found["direction"], "hidden_size": n_units, **cell.onnx_attributes}
        node = self._made_by(cell.onnx_operator, squeezed, **expected)
        _require(len(node.input) == 4 and node.output[0] == squeezed, "a layer that begins at 0")
        operands = [self._constants[operand] for operand in node.input[1:]]
        _require(all(len(operand) == 1 for operand in operands), "weights of one direction")
        inputs, recurrent, biases = (operand[0] for operand in operands)
        halves = np.split(biases, 2)
        weights = (_in_pytorch_order(part, cell) for part in (inputs, recurrent, *halves))
        return (cell.name, _FROM_RIGHT[direction]), node.input[0], LayerWeights(*weights)

    def _features(self, name: str) -> Floats:
        columns, features = self._made_by("MatMul", name).input
        _require(self._made_by("Transpose", columns, perm=[1, 0, 2]).input[0] == self._input, "the input's columns")
        result: Floats = self._constants[features]
        _require(result.ndim == 3 and result.shape[1] == 2, "features of two alleles")
        return result


def _plain(node: Any) -> tuple[Any, ...]:
    """Everything that determines the result of a node."""
    values = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    for name, value in values.items():
        if isinstance(value, onnx.GraphProto):
            ends = [[end.name for end in part] for part in (value.input, value.output, value.initializer)]
            values[name] = ends, [_plain(inner) for inner in value.node]
    return node.op_type, node.domain, list(node.input), list(node.output), values


def _in_pytorch_order(rows: Floats, cell: Cell) -> Floats:
    gates = dict(zip(cell.onnx_gates, np.split(rows, len(cell.onnx_gates)), strict=True))
    return np.concatenate([gates[number] for number in range(cell.n_gates)])


def _joined(bias: Floats, readings: list[_Reading], mixed: list[_Mixed]) -> FoldedNetwork:
    stacks = tuple(stack for reading in readings for stack in reading.stacks)
    _require(len({len(stack.features) for stack in stacks}) == 1, "stacks over the same markers")
    head = np.concatenate([reading.weight for reading in readings], axis=1)
    widths = [stack.weights.layers[0].recurrent.shape[1] for stack in stacks]
    _require(head.shape[1] == sum(widths), "one weight per state")
    joining, n_units = _joining(stacks, mixed), head.shape[1]
    head = np.concatenate([head, *(reading.weight for reading in mixed)], axis=1)
    _require(head.shape[1] == n_units + sum(len(layer.bias) for layer in joining), "one weight per joined state")
    arrays = [bias, head, *(stack.features for stack in stacks)]
    arrays += [array for layer in joining for array in (*layer.weights, layer.bias)]
    arrays += [array for stack in stacks for layer in stack.weights.layers for array in layer]
    _require(all(array.dtype == np.float32 for array in arrays), "float32")
    gaps = _gaps(readings, len(stacks[0].features))
    _require(all((reading.gaps == gaps).all() for reading in mixed), "the gap of each site")
    return FoldedNetwork(stacks, gaps, np.ascontiguousarray(head), bias.reshape(len(gaps)), joining)


def _joining(stacks: tuple[FoldedStack, ...], mixed: list[_Mixed]) -> tuple[JoiningWeights, ...]:
    widths = [stack.weights.layers[0].recurrent.shape[1] for stack in stacks]
    starts = dict(zip(map(id, stacks), np.cumsum([0, *widths]).tolist(), strict=False))
    layers = []
    for reading in mixed:
        for layer_stacks, weights, bias in reading.layers:
            _require(all(id(stack) in starts for stack in layer_stacks), "stacks that the sites read too")
            shapes = [(widths[stacks.index(stack)], bias.size) for stack in layer_stacks]
            _require([weight.shape for weight in weights] == shapes, "one weight per state of both stacks")
            layers.append(JoiningWeights(tuple(starts[id(stack)] for stack in layer_stacks), weights, bias.ravel()))
    return tuple(layers)


def _gaps(readings: list[_Reading], n_markers: int) -> NDArray[np.int64]:
    """The gap of each site. Its two markers must be neighbours; a marker beyond an end must have weight 0."""
    lefts = [reading for reading in readings if not reading.stacks[0].weights.from_right]
    rights = [reading for reading in readings if reading.stacks[0].weights.from_right]
    _require(bool(lefts) and bool(rights), "stacks of both directions")
    gaps = np.where(_weighs(lefts), lefts[0].markers + 1, rights[0].markers)
    for reading in lefts:
        _require(bool((reading.markers == np.maximum(gaps - 1, 0)).all()), "the marker left of each site")
    for reading in rights:
        _require(bool((reading.markers == np.minimum(gaps, n_markers - 1)).all()), "the marker right of each site")
    _require(not _weighs(lefts)[gaps == 0].any(), "no weights left of the first marker")
    _require(not _weighs(rights)[gaps == n_markers].any(), "no weights right of the last marker")
    _require(bool((np.diff(gaps) >= 0).all()), "sites in order")
    return gaps.astype(np.int64)


def _weighs(readings: list[_Reading]) -> NDArray[np.bool_]:
    """Whether a site has any weight in these readings: bool (n_sites,)."""
    result: NDArray[np.bool_] = np.any([reading.weight.any(axis=1) for reading in readings], axis=0)
    return result
