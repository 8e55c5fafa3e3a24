"""Small networks with random weights, as PyTorch modules and as exported graphs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper

from helpers import random_panel
from rnnimp.network.graph.export import build_graph
from rnnimp.network.recurrent.features import marker_features
from rnnimp.network.recurrent.reference import HybridHead, ImputationNetwork, NetworkSettings
from rnnimp.network.region_coding import gaps_of_sites

Networks = tuple[ImputationNetwork, ImputationNetwork, HybridHead]


def make_networks(cell: str, flags: str, n_units: int = 6, seed: int = 0, n_mixed: int = 0) -> Networks:
    """Networks with random weights for a region whose rows are markers (`m`) and imputed sites (`.`)."""
    is_marker = np.array([flag == "m" for flag in flags])
    alleles = random_panel(np.random.default_rng(seed), n_sites=int(is_marker.sum()), n_samples=15).alleles
    features, gaps = marker_features(alleles, 5), gaps_of_sites(is_marker)
    torch.manual_seed(seed)
    higher = ImputationNetwork(NetworkSettings(cell, n_units, 3, 5, n_mixed), features, gaps)
    lower = ImputationNetwork(NetworkSettings(cell, n_units, 2, 5, n_mixed), features, gaps)
    hybrid = HybridHead(len(gaps))
    for module in (higher, lower, hybrid):
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return higher, lower, hybrid


def exported(
    cell: str,
    flags: str,
    widths: tuple[int, int] = (6, 9),
    depths: tuple[int, int] = (3, 2),
    seed: int = 0,
    n_mixed: int = 0,
) -> onnx.ModelProto:
    """A graph of two networks of different width and depth, with random weights that do not blow up."""
    is_marker = np.array([flag == "m" for flag in flags])
    rng = np.random.default_rng(seed)
    features, gaps = rng.normal(size=(int(is_marker.sum()), 2, 5)).astype(np.float32), gaps_of_sites(is_marker)
    torch.manual_seed(seed)
    networks = [
        ImputationNetwork(NetworkSettings(cell, width, depth, 5, n_mixed), features, gaps)
        for width, depth in zip(widths, depths, strict=True)
    ]
    hybrid = HybridHead(len(gaps))
    for module in (*networks, hybrid):
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=1.2 / max(widths) ** 0.5)
    return build_graph(*networks, hybrid)


def random_inputs(n_haplotypes: int, n_markers: int) -> np.ndarray:
    alt = np.random.default_rng(1).random((n_haplotypes, n_markers), dtype=np.float32)
    return np.stack([1 - alt, alt], axis=-1)


def by_onnx_runtime(model: onnx.ModelProto, inputs: np.ndarray) -> np.ndarray:
    (predictions,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"inputs": inputs})
    return predictions[:, :, 1]


def set_attribute(node_kind: str, name: str, value: object) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        node = next(node for node in model.graph.node if node.op_type == node_kind)
        kept = [attribute for attribute in node.attribute if attribute.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(name, value)])

    return change


def set_constant(name: str, change_array: Callable[[np.ndarray], np.ndarray]) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
        tensor.CopyFrom(numpy_helper.from_array(change_array(numpy_helper.to_array(tensor)), name))

    return change
