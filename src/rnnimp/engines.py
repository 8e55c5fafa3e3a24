"""Which program runs a region's model: our own kernels for graphs that `rnnimp train` exported, else ONNX Runtime.

The kernels need Numba, and reading a graph's weights needs onnx. Where either is missing, and for every other graph,
ONNX Runtime takes over, whose results differ in the sixth decimal at most.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.bundle import BundleRegion, load_session, read_model
from rnnimp.errors import DataError
from rnnimp.region_runs import RegionEngine

logger = logging.getLogger(__name__)


def load_engine(region: BundleRegion) -> RegionEngine:
    """The fastest engine that runs a region's model on the CPU.

    Raises:
        DataError: if the model cannot be loaded, or does not fit the legend.
    """
    return _load_kernel_engine(region) or load_onnx_engine(region)


def _load_kernel_engine(region: BundleRegion) -> RegionEngine | None:
    """None where the kernels cannot run here, or not this graph."""
    try:
        from rnnimp.network.cpu_imputation import KernelEngine
        from rnnimp.network.graph import ForeignGraphError, read_folded_network
    except (ImportError, RuntimeError) as error:  # Numba raises the latter where it finds no folder for its cache
        logger.debug("kernels are not used: %s", error)
        return None
    if region.model_path.suffix != ".onnx":
        return None
    try:
        engine = KernelEngine(read_folded_network(read_model(region)))
    except ForeignGraphError as error:
        logger.debug("%s: run by ONNX Runtime: %s", region.model_path, error)
        return None
    # a graph of another region is left to the loader that says so
    fits = (engine.n_markers, engine.n_sites) == (len(region.marker_rows), len(region.imputed_rows))
    return _Checked(engine, region) if fits else None


class _Checked:
    """Refuses results that are no numbers."""

    def __init__(self, engine: RegionEngine, region: BundleRegion) -> None:
        self._engine, self._path = engine, region.model_path
        self.haplotypes_per_run = engine.haplotypes_per_run

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        alt = self._engine(inputs)
        if not np.isfinite(alt).all():
            raise DataError("the model predicts what is no number; train or get it again", self._path)
        return alt


def load_onnx_engine(region: BundleRegion) -> RegionEngine:
    """An engine of ONNX Runtime; each call runs on the thread that makes it.

    Raises:
        DataError: if the model cannot be loaded, or does not fit the legend.
    """
    return _Checked(_OnnxEngine(region), region)


class _OnnxEngine:
    """Always runs whole groups of haplotypes: another number of rows could take another way through a product."""

    haplotypes_per_run = 32

    def __init__(self, region: BundleRegion) -> None:
        self._session: Any = load_session(region)
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
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"ONNX Runtime cannot run the model ({reason})", self._path) from error
        if predictions.shape != (self._n_sites, len(inputs), 2):
            raise DataError(
                f"expected predictions of {self._n_sites} sites as in the legend, found shape {predictions.shape}; "
                "it is the model of another region",
                self._path,
            )
        return np.asarray(predictions[:, :, 1], dtype=np.float32)
