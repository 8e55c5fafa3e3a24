"""The engine of ONNX Runtime, which runs every graph, also those of the published program."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bundle import BundleRegion, require_checksum
from rnnimp.imputation.engines.protocol import CheckedEngine, RegionEngine


def load_session(region: BundleRegion, threads: int = 1, provider: str = "CPUExecutionProvider") -> Any:
    """Load a region's model into ONNX Runtime.

    Args:
        region: of an opened bundle.
        threads: that the session may use.
        provider: ONNX Runtime's name of what runs it.

    Returns:
        An `onnxruntime.InferenceSession` with one input (n_haplotypes, n_markers, 2) and one output
        (n_sites, n_haplotypes, 2).

    Raises:
        DataError: if the file is corrupt, exchanged, or a model of other sites than the legend's.
    """
    import onnxruntime  # here, because training writes bundles without it

    if region.checksum is not None:
        require_checksum(region.model_path, region.checksum)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # a failure is reported here, in one line
    try:
        session = onnxruntime.InferenceSession(str(region.model_path), options, providers=[provider])
    except Exception as error:  # ONNX Runtime raises many kinds, all for a file it cannot use
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"ONNX Runtime cannot load the model; get or convert it again ({reason})", region.model_path
        ) from error
    _check_shapes(session, region)
    return session


def _check_shapes(session: Any, region: BundleRegion) -> None:
    """Refuse a model whose fixed dimensions are not those of the legend; named dimensions are free."""
    n_markers, n_sites = len(region.marker_rows), len(region.imputed_rows)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shapes = [tuple(tensor.shape) for tensor in (*inputs, *outputs)]
    expected = [(None, n_markers, 2), (n_sites, None, 2)]
    fits = len(inputs) == len(outputs) == 1 and all(map(_shape_fits, shapes, expected))
    if not fits:
        found = " and ".join("x".join(map(str, shape)) for shape in shapes)
        raise DataError(
            f"expected a model of {n_markers} markers and {n_sites} imputed sites as in {region.legend_path.name}, "
            f"found shapes {found}; it is the model of another region",
            region.model_path,
        )


def _shape_fits(shape: tuple[Any, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        wanted is None or not isinstance(found, int) or found == wanted
        for found, wanted in zip(shape, expected, strict=True)
    )


def load_onnx_engine(region: BundleRegion, provider: str = "CPUExecutionProvider") -> RegionEngine:
    """An engine of ONNX Runtime; each call runs on the thread that makes it.

    Args:
        region: of an opened bundle.
        provider: ONNX Runtime's name of what runs it.

    Raises:
        DataError: if the model cannot be loaded, or does not fit the legend.
    """
    return CheckedEngine(_OnnxEngine(region, provider), region)


class _OnnxEngine:
    """Always runs whole groups of haplotypes: another number of rows could take another way through a product."""

    haplotypes_per_run = 32

    def __init__(self, region: BundleRegion, provider: str) -> None:
        self._session: Any = load_session(region, provider=provider)
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
