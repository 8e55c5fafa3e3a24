"""A model file's content in, a checked graph out: the one way by which a model reaches an engine. Needs numpy and onnx.

Graphs that `export.py` wrote are recognised, whole, and their weights taken out for rnnimp's own kernels. Any graph
that goes to ONNX Runtime has passed `validation.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from rnnimp.network.graph.fit import require_work
from rnnimp.network.graph.limits import LARGEST_MODEL_BYTES, GraphError
from rnnimp.network.graph.ort_format import is_ort, read_ort
from rnnimp.network.graph.reading import FoldedNetwork, ForeignGraphError, folded_network, stored_states
from rnnimp.network.graph.validation import check_parts, check_sizes, in_order


@dataclass(frozen=True, eq=False)
class CheckedGraph:
    """A graph that may be run.

    Attributes:
        n_markers: Markers that it reads.
        n_sites: Sites that it imputes.
        is_optimised: Whether it is from an `.ort` file, and must be run as it is.
    """

    n_markers: int
    n_sites: int
    is_optimised: bool
    _model: onnx.ModelProto

    def own_network(self) -> FoldedNetwork | None:
        """The weights, if `export.py` wrote the graph for as many markers and sites; else None.

        Raises:
            GraphError: if its tensors do not fit each other as ONNX demands. Another program would refuse the graph or
                compute something else. Also if a batch takes longer than any honest graph needs.
        """
        if self.is_optimised:
            return None
        try:
            network = folded_network(self._model)
        except ForeignGraphError:
            return None
        fits = (len(network.stacks[0].features), len(network.gaps)) == (self.n_markers, self.n_sites)
        if not fits:
            return None
        with _damage_is_refused():
            check_sizes(self._model, self.n_markers, self.n_sites)
        require_work(network)
        return network

    def state_odds(self) -> tuple[NDArray[np.int8], NDArray[np.int8]] | None:
        """What the states of the haplotype HMM emit, if the graph has one; see `stored_states`."""
        return stored_states(self._model, self.n_markers, self.n_sites)

    def for_runtime(self) -> bytes:
        """The graph for ONNX Runtime, once it is known to be within all bounds.

        Raises:
            GraphError: saying what is wrong.
        """
        with _damage_is_refused():
            check_sizes(self._model, self.n_markers, self.n_sites)
            return bytes(self._model.SerializeToString())


def load_graph(content: bytes, n_markers: int, n_sites: int) -> CheckedGraph:
    """Read a model's file and check it.

    Args:
        content: Content of an `.onnx` or `.ort` file.
        n_markers: Number of markers of the region's legend.
        n_sites: Imputed sites of the region's legend.

    Raises:
        GraphError: if it is damaged, or contains what no model of a region needs.
    """
    if len(content) > LARGEST_MODEL_BYTES:
        raise GraphError(f"it has {len(content)} bytes, more than {LARGEST_MODEL_BYTES}")
    is_optimised = is_ort(content)
    with _damage_is_refused():
        if is_optimised:
            model = read_ort(content)
            in_order(model)
        else:
            model = onnx.load_model_from_string(content)
        check_parts(model)
    return CheckedGraph(n_markers, n_sites, is_optimised, model)


@contextmanager
def _damage_is_refused() -> Iterator[None]:
    """Turn what protobuf and numpy raise for damaged content, of many kinds, into one."""
    try:
        yield
    except (GraphError, MemoryError):
        raise
    except Exception as error:
        raise GraphError("it is no ONNX file, or a damaged one") from error
