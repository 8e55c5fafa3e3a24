"""Models whose result is easy to compute: P(a1) of an imputed site is a weighted mean over the markers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, save

from helpers import random_panel
from rnnimp.formats.bundle import Manifest, RegionEntry
from rnnimp.formats.files import sha256_of
from rnnimp.formats.hapslegend import write_legend
from rnnimp.sites.panel import Panel, Sites


@dataclass(frozen=True, eq=False)
class TinyRegion:
    """A region and its model: weights float32 (n_imputed_sites, n_markers), each row sums to one."""

    sites: Sites
    weights: NDArray[np.float32]


def tiny_region(rng: np.random.Generator, sites: Sites) -> TinyRegion:
    """A model with random weights for sites with marker flags."""
    n_markers = int(sites.markers().sum())
    weights = rng.dirichlet(np.ones(n_markers), size=len(sites) - n_markers)
    return TinyRegion(sites, weights.astype(np.float32))


def tiny_chromosome(rng: np.random.Generator, n_regions: int = 3, n_samples: int = 5) -> tuple[Panel, list[TinyRegion]]:
    """A panel with 20 sites per region, and the regions' models with two flanking markers from each neighbour."""
    panel = random_panel(rng, n_sites=20 * n_regions, n_samples=n_samples, marker_share=0.4, chromosome=None)
    markers = np.flatnonzero(panel.sites.markers())
    regions = []
    for body in np.array_split(np.arange(len(panel.sites)), n_regions):
        flanks = [markers[markers < body[0]][-2:], markers[markers > body[-1]][:2]]
        regions.append(tiny_region(rng, panel.sites[np.concatenate([flanks[0], body, flanks[1]])]))
    return panel, regions


def write_tiny_bundle(prefix: Path, regions: Sequence[TinyRegion], numbers: Sequence[int] | None = None) -> None:
    """Write `PREFIX_<i>.onnx` and `.legend.gz`; regions are numbered from 1 by default."""
    for number, region in zip(numbers or range(1, len(regions) + 1), regions, strict=True):
        write_legend(f"{prefix}_{number}.legend.gz", region.sites)
        write_tiny_model(Path(f"{prefix}_{number}.onnx"), region.weights)


def write_tiny_model(path: Path, weights: NDArray[np.float32], tensor_suffix: str = "") -> None:
    """An ONNX graph with the input and output of the published models."""
    inputs, outputs = f"inputs{tensor_suffix}", f"predictions{tensor_suffix}"
    n_sites, n_markers = weights.shape
    nodes = [
        helper.make_node("Gather", [inputs, "one"], ["a1"], axis=2),  # (n_haplotypes, n_markers)
        helper.make_node("Transpose", ["a1"], ["columns"], perm=[1, 0]),
        helper.make_node("MatMul", ["weights", "columns"], ["alt"]),  # (n_sites, n_haplotypes)
        helper.make_node("Sub", ["one_float", "alt"], ["ref"]),
        helper.make_node("Unsqueeze", ["ref", "last"], ["ref_column"]),
        helper.make_node("Unsqueeze", ["alt", "last"], ["alt_column"]),
        helper.make_node("Concat", ["ref_column", "alt_column"], [outputs], axis=2),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(inputs, TensorProto.FLOAT, ["n_haplotypes", n_markers, 2])],
        [helper.make_tensor_value_info(outputs, TensorProto.FLOAT, [n_sites, "n_haplotypes", 2])],
        [
            numpy_helper.from_array(np.array(1, dtype=np.int64), "one"),
            numpy_helper.from_array(np.array(1, dtype=np.float32), "one_float"),
            numpy_helper.from_array(np.array([2], dtype=np.int64), "last"),
            numpy_helper.from_array(weights, "weights"),
        ],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def manifest_of(prefix: Path, regions: list[TinyRegion]) -> Manifest:
    """A manifest that fits a tiny bundle."""
    entries = []
    for index, region in enumerate(regions, start=1):
        files = sorted(prefix.parent.glob(f"{prefix.name}_{index}.*"))
        positions = region.sites.positions[~region.sites.markers()]
        n_sites, n_markers = region.weights.shape
        entries.append(
            RegionEntry(
                index=index,
                files={path.name: sha256_of(path) for path in files},
                n_markers=n_markers,
                n_sites=n_sites,
                first_position=int(positions[0]),
                last_position=int(positions[-1]),
                summary={"validation_r2": 0.5, "never": float("nan")},
            )
        )
    return Manifest("2.0.0", {"torch": "2.6"}, "chr22", {"units": 40}, 7, tuple(entries))
