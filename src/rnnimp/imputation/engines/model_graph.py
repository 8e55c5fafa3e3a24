"""Reads a region's model and checks its graph, before any engine runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnnimp.errors import DataError, RnnimpError
from rnnimp.formats.bundle import BundleRegion, read_model
from rnnimp.network.graph.limits import GraphError

if TYPE_CHECKING:  # needs onnx
    from rnnimp.network.graph.loading import CheckedGraph


def read_graph(region: BundleRegion) -> CheckedGraph:
    """Read and check a region's model.

    Raises:
        DataError: if the file is corrupt, exchanged, or not what a model may be.
        RnnimpError: if onnx is not installed: without it, a model cannot be checked.
    """
    try:
        from rnnimp.network.graph.loading import load_graph
    except ImportError as error:
        raise RnnimpError(
            f"the package onnx is needed to check a model before it runs ({error}); install it with "
            "'python3 -m pip install onnx'"
        ) from error
    try:
        return load_graph(read_model(region), len(region.marker_rows), len(region.imputed_rows))
    except GraphError as error:
        raise refused(error, region) from error


def refused(error: GraphError, region: BundleRegion) -> DataError:
    """The error for a model that must not be run."""
    return DataError(f"the model is refused: {error}; get or convert it again", region.model_path)
