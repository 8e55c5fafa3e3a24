"""Choose devices and the engine that trains: our kernels, or plain PyTorch with the reason."""

from __future__ import annotations

from importlib.util import find_spec

import torch

from rnnimp.errors import SettingsError
from rnnimp.network.kernels.gpu_limits import (
    MOST_UNITS,
    MOST_UNITS_ANYWHERE,
    SHARED_FOR_WIDE,
    shared_memory,
)
from rnnimp.network.recurrent.cells import CELLS
from rnnimp.training.recipe import TrainingSettings

LEAST_TRITON = (3, 3)


def resolve_devices(name: str) -> list[torch.device]:
    """The devices that `auto`, `cpu` or `cuda` means here: all GPUs that are visible, or the CPU.

    Raises:
        SettingsError: if CUDA is asked for and not there.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise SettingsError("--device cuda was asked for, but PyTorch finds no CUDA device here; use --device cpu")
    if name == "cpu" or not has_cuda:
        return [torch.device("cpu")]
    return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]


def resolve_engine(name: str, device: torch.device, settings: TrainingSettings) -> str:
    """The engine that `auto`, `reference` or `fused` means on a device.

    Raises:
        SettingsError: if the fused engine is asked for where it cannot run.
    """
    if name == "reference":
        return name
    found = obstacles(device, settings)
    if name == "fused" and found:
        raise SettingsError(f"--engine fused cannot run here, found {' and '.join(found)}; use --engine reference")
    return "reference" if found else "fused"


def obstacles(device: torch.device, settings: TrainingSettings) -> list[str]:
    """The reasons why the fused engine cannot run, in words."""
    if not CELLS[settings.cell].has_kernels:
        return [f"no kernels for {settings.cell} cells"]
    if device.type != "cuda":
        return [] if find_spec("numba") else ["no numba"]
    found = []
    if find_spec("triton") is None:
        found.append("no triton")
    elif tuple(map(int, _triton_version().split(".")[:2])) < LEAST_TRITON:
        found.append(f"Triton {_triton_version()}, which cannot compile the kernels (3.3, of PyTorch 2.7, can)")
    room = shared_memory(device)
    if settings.n_units > MOST_UNITS:
        found.append(f"{settings.n_units} units, of at most {MOST_UNITS} on a GPU")
    elif settings.n_units > MOST_UNITS_ANYWHERE[settings.cell] and room < SHARED_FOR_WIDE:
        size = f"{room >> 10} KiB of a GPU's shared memory, of {SHARED_FOR_WIDE >> 10}"
        found.append(f"{size} that {settings.n_units} {settings.cell} units need")
    if settings.n_layers_higher != settings.n_layers_lower:
        found.append("higher- and lower-MAF networks of different depth")
    return found


def _triton_version() -> str:
    import triton  # several distributions bring this module, so that the version is the module's

    version: str = triton.__version__
    return version
