"""The engine of ONNX Runtime, which runs every graph that is within the bounds, also those of the published program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bundle import BundleRegion
from rnnimp.imputation.engines.model_graph import read_graph, refused
from rnnimp.imputation.engines.protocol import CheckedEngine, RegionEngine
from rnnimp.network.graph.limits import HAPLOTYPES, GraphError, printable_line

if TYPE_CHECKING:  # needs onnx
    from rnnimp.network.graph.loading import CheckedGraph


def load_session(
    region: BundleRegion,
    threads: int = 1,
    provider: str = "CPUExecutionProvider",
    graph: CheckedGraph | None = None,
) -> Any:
    """Load a region's model into ONNX Runtime.

    Args:
        region: Region of an opened bundle.
        threads: Threads that the session may use.
        provider: ONNX Runtime's name of what runs it.
        graph: Graph of the region, where it has been read; None reads it.

    Returns:
        An `onnxruntime.InferenceSession` with one input (n_haplotypes, n_markers, 2) and one output
        (n_sites, n_haplotypes, 2).

    Raises:
        DataError: if the file is corrupt, exchanged, beyond the bounds, or a model of other sites than the legend's.
    """
    import onnxruntime  # here, because training writes bundles without it

    graph = graph or read_graph(region)
    try:
        content = graph.for_runtime()
    except GraphError as error:
        raise refused(error, region) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # a failure is reported here, in one line
    if graph.is_optimised:  # it runs as it is, and so gives the same bits as ONNX Runtime's own format
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        # from memory: nothing beside the model is read, and what was checked is what is run
        # without the fallback, which tries again and prints to standard output
        return onnxruntime.InferenceSession(content, options, providers=[provider], enable_fallback=0)
    except Exception as error:  # ONNX Runtime raises many kinds, all for a model it cannot use
        raise DataError(
            f"ONNX Runtime cannot load the model; get or convert it again ({printable_line(str(error))})",
            region.model_path,
        ) from error


def load_onnx_engine(
    region: BundleRegion, provider: str = "CPUExecutionProvider", graph: CheckedGraph | None = None
) -> RegionEngine:
    """An engine of ONNX Runtime; each call runs on the thread that makes it.

    Args:
        region: Region of an opened bundle.
        provider: ONNX Runtime's name of what runs it.
        graph: Graph of the region, where it has been read; None reads it.

    Raises:
        DataError: if the model cannot be loaded, or does not fit the legend.
    """
    return CheckedEngine(_OnnxEngine(region, provider, graph), region)


class _OnnxEngine:
    """Always runs whole groups of haplotypes: another number of rows could take another way through a product."""

    haplotypes_per_run = HAPLOTYPES

    def __init__(self, region: BundleRegion, provider: str, graph: CheckedGraph | None) -> None:
        self._session: Any = load_session(region, provider=provider, graph=graph)
        self._path, self._n_sites = region.model_path, len(region.imputed_rows)
        self._input, self._output = self._session.get_inputs()[0].name, self._session.get_outputs()[0].name

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        size = self.haplotypes_per_run
        padded = np.zeros((-(-len(inputs) // size) * size, *inputs.shape[1:]), np.float32)
        padded[: len(inputs)] = inputs
        padded[len(inputs) :] = inputs[:1]
        groups = [self._run(padded[start : start + size]) for start in range(0, len(padded), size)]
        return np.concatenate(groups, axis=1)[:, : len(inputs)]

    def _run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            (predictions,) = self._session.run([self._output], {self._input: inputs})
        except Exception as error:  # ONNX Runtime raises many kinds; the input is ours and right
            raise DataError(f"ONNX Runtime cannot run the model ({printable_line(str(error))})", self._path) from error
        if predictions.shape != (self._n_sites, len(inputs), 2):
            raise DataError(
                f"expected predictions of {self._n_sites} sites as in the legend, found shape {predictions.shape}; "
                "it is the model of another region",
                self._path,
            )
        return np.asarray(predictions[:, :, 1], dtype=np.float32)
