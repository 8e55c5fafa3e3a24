"""Limits of the GPU kernels: units and shared memory. Needs torch, not Triton."""

from __future__ import annotations

import torch

MOST_UNITS = 128
MOST_UNITS_NARROW = 48  # the kernels of `gpu/narrow.py` have registers for this many
MOST_UNITS_KEPT = 64  # the weights of wider layers do not fit on chip
SHARED_FOR_BEST = 116 << 10  # bytes for the fastest backward pass of up to 64 GRU units
SHARED_FOR_WIDE = 148 << 10  # bytes for the backward pass of more units, or of more than 48 LSTM units
PLENTY = 1 << 30
MOST_UNITS_ANYWHERE = {"GRU": MOST_UNITS_KEPT, "LSTM": MOST_UNITS_NARROW}
"""For each cell with kernels, the most units that need less shared memory than `SHARED_FOR_WIDE`."""


def shared_memory(device: torch.device) -> int:
    """Bytes of shared memory per program; `PLENTY` where there is no GPU, as in Triton's interpreter."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return PLENTY
    properties = torch.cuda.get_device_properties(device)
    return int(getattr(properties, "shared_memory_per_block_optin", PLENTY))
