"""Which program runs a region's model: our own kernels for graphs that `rnnimp train` exported, else ONNX Runtime.

On a GPU, PyTorch runs such graphs, and ONNX Runtime all others.

A graph is checked before any of them sees it. The kernels need Numba. Where it is missing, and for every other graph,
ONNX Runtime takes over. Its results differ from float32 products in the sixth decimal at most, from 16-bit products in
the fourth.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from rnnimp.choices import IMPUTING_DEVICES
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.bundle import BundleRegion
from rnnimp.imputation.engines.model_graph import read_graph, refused
from rnnimp.imputation.engines.onnx_runtime import load_onnx_engine
from rnnimp.imputation.engines.protocol import CheckedEngine, OwnEngine, RegionEngine
from rnnimp.network.graph.limits import GraphError

if TYPE_CHECKING:  # needs onnx
    from rnnimp.network.graph.loading import CheckedGraph
    from rnnimp.network.graph.reading import FoldedNetwork

logger = logging.getLogger(__name__)


_CUDA_PROVIDER = "CUDAExecutionProvider"


def require_device(device: str) -> None:
    """Refuse a device that nothing here can use.

    Raises:
        SettingsError: for a name that is not in `IMPUTING_DEVICES`, or for `cuda` where neither PyTorch nor ONNX
            Runtime has it.
    """
    if device not in IMPUTING_DEVICES:
        raise SettingsError(f"--device must be one of {', '.join(IMPUTING_DEVICES)}, found {device}")
    if device == "cuda" and not (_torch_has_cuda() or _onnx_runtime_has_cuda()):
        raise SettingsError(
            "--device cuda needs a GPU that PyTorch or onnxruntime-gpu can use, and finds none; leave the option out, "
            "or install torch for your CUDA"
        )


def _torch_has_cuda() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def _onnx_runtime_has_cuda() -> bool:
    import onnxruntime

    return _CUDA_PROVIDER in onnxruntime.get_available_providers()


def load_engine(region: BundleRegion, device: str = "cpu") -> RegionEngine:
    """The fastest engine that runs a region's model on a device.

    Args:
        region: Region of an opened bundle.
        device: One of `IMPUTING_DEVICES`, as `require_device` allows.

    Raises:
        DataError: if the model cannot be loaded, does not fit the legend, or cannot run on the device.
    """
    graph = read_graph(region)
    if device == "cpu":
        return _load_own_engine(region, graph, _kernel_engine) or load_onnx_engine(region, graph=graph)
    own = _load_own_engine(region, graph, _torch_engine) if _torch_has_cuda() else None
    if own is None and not _onnx_runtime_has_cuda():
        raise DataError(
            "PyTorch runs on the GPU only models that rnnimp exported; install onnxruntime-gpu for this one, or leave "
            "out --device cuda",
            region.model_path,
        )
    return own or load_onnx_engine(region, _CUDA_PROVIDER, graph)


def _kernel_engine(network: FoldedNetwork) -> OwnEngine:
    from rnnimp.imputation.engines.cpu_kernels import KernelEngine

    return KernelEngine(network)


def _torch_engine(network: FoldedNetwork) -> OwnEngine:
    from rnnimp.imputation.engines.torch_gpu import TorchEngine

    return TorchEngine(network, "cuda")


def _load_own_engine(
    region: BundleRegion, graph: CheckedGraph, make: Callable[[FoldedNetwork], OwnEngine]
) -> RegionEngine | None:
    """None where the engine cannot run here, or not this graph."""
    try:
        network = graph.own_network()
    except GraphError as error:
        raise refused(error, region) from error
    if network is None:
        logger.debug("%s: run by ONNX Runtime: not a graph that rnnimp wrote for these sites", region.model_path)
        return None
    try:
        return CheckedEngine(make(network), region)
    except (ImportError, RuntimeError) as error:
        # the last comes from Numba, where it finds no folder for its cache
        logger.debug("%s: run by ONNX Runtime: %s", region.model_path, error)
        return None
