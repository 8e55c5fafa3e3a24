"""A region's networks as one ONNX graph, with the recurrent operators of ONNX.

The hybrid is a linear function of the two networks' logits, and these are linear functions of the networks' states. So
all heads are folded into one weight vector per site, over the states of all stacks. Only the difference of the two
logits matters: `P(a1) = sigmoid(states . weight + bias)`.

    inputs (n_haplotypes, n_markers, 2)
    -> features
    -> two stacks from the left, two from the right
    -> states at each site's gap, and the layers that join both directions
    -> log odds, and their weighted mean with those of the haplotype HMM (`hmm/onnx_part.py`)
    -> predictions (n_sites, n_haplotypes, 2)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnnimp.errors import TrainingError
from rnnimp.network.graph.limits import GraphError
from rnnimp.network.graph.validation import check_parts
from rnnimp.network.hmm.onnx_part import hmm_part
from rnnimp.network.hmm.reference import HaplotypeHmm, combined
from rnnimp.network.hmm.weights import ODDS_STEP, TRANSITION_STEP, HmmWeights
from rnnimp.network.onnx_writer import INPUT, OUTPUT, GraphWriter
from rnnimp.network.recurrent.cells import Cell
from rnnimp.network.recurrent.reference import HybridHead, ImputationNetwork, RecurrentStack, layer_weights
from rnnimp.network.recurrent.weights import GAP_PADS, ONNX_DIRECTIONS

LARGEST_ERROR = 1e-5


def build_graph(
    higher: ImputationNetwork, lower: ImputationNetwork, hybrid: HybridHead, hmm: HaplotypeHmm | None = None
) -> onnx.ModelProto:
    """Make the graph of a region.

    Args:
        higher: The higher-MAF network, on the CPU.
        lower: The lower-MAF network of the same region.
        hybrid: The layer that joins their logits.
        hmm: The region's haplotype HMM, if it has one; on the CPU, after `round_weights`.

    Returns:
        A model with the input `inputs`, float32 (n_haplotypes, n_markers, 2), [P(a0), P(a1)], and the output
        `predictions`, float32 (n_sites, n_haplotypes, 2), probabilities.

    Raises:
        ValueError: if a weight of the HMM is not rounded. Call `round_weights` first.
    """
    graph = GraphWriter()
    n_markers, n_sites = len(higher.features), len(higher.gap)
    features = graph.add(
        "MatMul", [graph.add("Transpose", [INPUT], perm=[1, 0, 2]), _constant(graph, "features", higher.features)]
    )
    networks = (higher, lower)
    logits = _constant(graph, "bias", _folded_bias(networks, hybrid))  # (n_sites, 1, 1)
    by_side: dict[str, list[str]] = {}
    for side in ("left", "right"):
        states = [
            _add_stack(graph, getattr(network, side), features, f"{side}_{name}")
            for network, name in zip(networks, ("higher", "lower"), strict=True)
        ]
        by_side[side] = states
        joined = graph.add("Concat", states, axis=2)  # (n_markers, n_haplotypes, both widths)
        marker = _constant(graph, f"{side}_marker", _marker(higher, side).clamp(0, n_markers - 1))
        weight = _constant(graph, f"{side}_weight", _folded_head(networks, hybrid, side))
        logits = _add_head(graph, joined, marker, weight, logits)
    if networks[0].mixing is not None:
        joined = graph.add("Concat", _add_mixing(graph, networks, by_side), axis=2)  # (n_gaps, n_haplotypes, widths)
        weight = _constant(
            graph,
            "mixed_weight",
            _folded(
                networks,
                hybrid,
                lambda network: network.mixing.head,  # type: ignore[union-attr]
            ),
        )
        logits = _add_head(graph, joined, _constant(graph, "gap", higher.gap), weight, logits)
    if hmm is not None:
        part = hmm_part(hmm_weights(hmm), logits)
        graph.append(part)
        logits = part.nodes[-1].output[0]
    alt = graph.add("Sigmoid", [logits])  # (n_sites, n_haplotypes, 1)
    one = _constant(graph, "one", torch.ones(1))
    graph.add("Concat", [graph.add("Sub", [one, alt]), alt], output=OUTPUT, axis=2)
    return graph.model(n_markers, n_sites)


def hmm_weights(network: HaplotypeHmm) -> HmmWeights:
    """Weights of a haplotype HMM, as a graph stores them.

    Args:
        network: The network on the CPU, after `round_weights`.

    Raises:
        ValueError: if a weight is not a whole number of its step. Call `round_weights` first.
    """
    steps = {"emission": ODDS_STEP, "switch_in": TRANSITION_STEP, "switch_out": TRANSITION_STEP, "site": ODDS_STEP}
    levels = {}
    for name, step in steps.items():
        value = getattr(network, name).detach().numpy() / step
        levels[name] = np.clip(np.nan_to_num(value), -127, 127).round().astype(np.int8)
        if not np.array_equal(levels[name], value):
            raise ValueError(f"the haplotype HMM's weights '{name}' must be rounded before they are exported")
    return HmmWeights(**levels, gaps=network.gap.numpy(), mixture_weight=network.mixture_weight)


def _constant(graph: GraphWriter, name: str, value: Tensor) -> str:
    return graph.constant(name, value.detach().numpy())


def _marker(network: ImputationNetwork, side: str) -> Tensor:
    """Number of the marker that each site reads on one side; -1 or n_markers where there is none."""
    return network.gap - 1 if side == "left" else network.gap


def _add_head(graph: GraphWriter, states: str, rows: str, weight: str, logits: str) -> str:
    at_sites = graph.add("Gather", [states, rows], axis=0)
    return graph.add("Add", [graph.add("MatMul", [at_sites, weight]), logits])


def _add_mixing(graph: GraphWriter, networks: Sequence[ImputationNetwork], by_side: dict[str, list[str]]) -> list[str]:
    """Each network's layer over the states on both sides of each gap."""
    before, behind = (
        _constant(graph, f"pad_{side}", torch.tensor(pad))
        for side, pad in zip(("left", "right"), GAP_PADS, strict=True)
    )
    mixed = []
    for number, network in enumerate(networks):
        terms = []
        for side, pad in (("left", before), ("right", behind)):
            states = graph.add("Pad", [by_side[side][number], pad])
            weight = _constant(graph, f"mixing_{side}_{number}", getattr(network.mixing, side))
            terms.append(graph.add("MatMul", [states, weight]))
        bias = _constant(graph, f"mixing_bias_{number}", network.mixing.bias)  # type: ignore[union-attr]
        mixed.append(graph.add("Tanh", [graph.add("Add", [graph.add("Add", terms), bias])]))
    return mixed


def _folded_head(networks: Sequence[ImputationNetwork], hybrid: HybridHead, side: str) -> Tensor:
    """(n_sites, both widths, 1): the weight of each state in the difference of the final logits."""
    marker = _marker(networks[0], side)
    exists = (marker >= 0) & (marker < len(networks[0].features))
    return _folded(networks, hybrid, lambda network: getattr(network, f"{side}_head") * exists[:, None, None])


def _folded(
    networks: Sequence[ImputationNetwork], hybrid: HybridHead, head: Callable[[ImputationNetwork], Tensor]
) -> Tensor:
    difference = _difference(hybrid.weight)  # (n_sites, 4, 1)
    pairs = zip(networks, (difference[:, :2], difference[:, 2:]), strict=True)
    return torch.cat([head(network).double() @ rows for network, rows in pairs], dim=1).float()


def _folded_bias(networks: Sequence[ImputationNetwork], hybrid: HybridHead) -> Tensor:
    biases = torch.cat([network.bias.double() for network in networks], dim=2)  # (n_sites, 1, 4)
    return (biases @ _difference(hybrid.weight) + _difference(hybrid.bias)).float()


def _difference(pairs: Tensor) -> Tensor:
    return pairs.double() @ torch.tensor([[-1.0], [1.0]], dtype=torch.float64)


def _add_stack(graph: GraphWriter, stack: RecurrentStack, features: str, name: str) -> str:
    direction = ONNX_DIRECTIONS[int(stack.from_right)]
    states = features
    for depth, layer in enumerate(stack.layers):
        output = _add_layer(graph, stack.cell, layer, states, f"{name}_{depth}", direction)
        states = output if depth == 0 else graph.add("Add", [states, output])
    return states


def _add_layer(graph: GraphWriter, cell: Cell, layer: nn.Module, states: str, name: str, direction: str) -> str:
    input_weight, state_weight, input_bias, state_bias = (
        _in_onnx_order(weight.detach(), cell) for weight in layer_weights(layer)
    )
    weights = {"W": input_weight, "R": state_weight, "B": torch.cat([input_bias, state_bias])}
    operands = [states] + [_constant(graph, f"{name}_{key}", weight[None]) for key, weight in weights.items()]
    attributes: dict[str, Any] = {"hidden_size": state_weight.shape[1], "direction": direction, **cell.onnx_attributes}
    output = graph.add(cell.onnx_operator, operands, **attributes)
    return graph.add("Squeeze", [output, _constant(graph, "axis", torch.tensor([1]))])  # the axis of directions


def _in_onnx_order(weight: Tensor, cell: Cell) -> Tensor:
    """A weight or bias with the rows of the operator's gates; 0 for a gate that the cell does not have."""
    gates = weight.chunk(cell.n_gates)
    return torch.cat([torch.zeros_like(gates[0]) if number is None else gates[number] for number in cell.onnx_gates])


def check_graph(
    model: onnx.ModelProto,
    higher: ImputationNetwork,
    lower: ImputationNetwork,
    hybrid: HybridHead,
    inputs: Tensor,
    hmm: HaplotypeHmm | None = None,
) -> float:
    """Compare the graph with PyTorch.

    Uses ONNX Runtime where it is installed, else the slow evaluator of the onnx package.

    Args:
        model: From `build_graph`.
        higher: As in `build_graph`, like `lower`, `hybrid` and `hmm`.
        lower: See `build_graph`.
        hybrid: See `build_graph`.
        inputs: Inputs, float32 (n_haplotypes, n_markers, 2); with an HMM, some should have missing markers.
        hmm: See `build_graph`.

    Returns:
        The largest absolute difference of a probability.

    Raises:
        TrainingError: if it is above 1e-5, or the weights are not what a model may have, such as an infinite one of
            a damaged checkpoint.
    """
    try:
        check_parts(model)
    except GraphError as error:
        raise TrainingError(f"the exported graph cannot be used: {error}; nothing was written") from error
    with torch.no_grad():
        logits = hybrid(higher(inputs), lower(inputs))
        if hmm is not None:
            # in float64, because 1 - P(a1) loses digits that the graph does not lose
            hmm_logits = deepcopy(hmm).double()(inputs.double())
            logits = combined(logits.double(), hmm_logits, inputs.double(), hmm.mixture_weight)
        expected = torch.softmax(logits, dim=2).numpy()
    largest = float(np.abs(_run(model, inputs.numpy()) - expected).max())
    if not largest <= LARGEST_ERROR:
        raise TrainingError(f"the exported graph differs from the networks by {largest:.2g}; nothing was written")
    return largest


def _run(model: onnx.ModelProto, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    try:
        from onnxruntime import InferenceSession
    except ImportError:
        session = slow_session(model)
    else:
        session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (predictions,) = session.run([OUTPUT], {INPUT: inputs})
    return np.asarray(predictions)


def slow_session(model: onnx.ModelProto) -> Any:
    """The evaluator of the onnx package, with an operator that it lacks in our version of the operators."""
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

    class DequantizeLinear(OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(self, levels: NDArray[np.int8], step: NDArray[np.float32], **_: Any) -> tuple[NDArray[np.float32]]:
            return (levels * step,)

    return ReferenceEvaluator(model, new_ops=[DequantizeLinear])


def as_ort(model: onnx.ModelProto) -> bytes | None:
    """The model in ONNX Runtime's format, which loads faster; None where ONNX Runtime is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    import tempfile
    from pathlib import Path

    options = onnxruntime.SessionOptions()
    # the highest level whose result does not depend on the processor
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.save_model_format", "ORT")
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "model.ort")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return Path(options.optimized_model_filepath).read_bytes()
