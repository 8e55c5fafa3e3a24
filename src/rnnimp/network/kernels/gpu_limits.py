"""What the GPU's kernels have room for; told without Triton."""

from __future__ import annotations

import torch

MOST_UNITS = 128
MOST_UNITS_NARROW = 48  # a layer of more needs more registers than there are for the kernels of `gpu/narrow.py`
MOST_UNITS_KEPT = 64  # the weights of a layer of more do not fit on chip
SHARED_FOR_BEST = 116 << 10  # bytes that the backward passes of up to 64 GRU units take at their best
SHARED_FOR_WIDE = 148 << 10  # bytes that the backward passes of more units take, or of more than 48 in an LSTM
PLENTY = 1 << 30
MOST_UNITS_ANYWHERE = {"GRU": MOST_UNITS_KEPT, "LSTM": MOST_UNITS_NARROW}
"""For each cell with kernels, the most units that need less shared memory than `SHARED_FOR_WIDE`."""


def shared_memory(device: torch.device) -> int:
    """Bytes of shared memory that a program can have; plenty where there is no GPU to ask, as in an interpreter."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return PLENTY
    properties = torch.cuda.get_device_properties(device)
    return int(getattr(properties, "shared_memory_per_block_optin", PLENTY))
