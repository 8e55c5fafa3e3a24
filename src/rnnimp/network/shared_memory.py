"""How much of a GPU's fast memory a program can have."""

from __future__ import annotations

import torch

PLENTY = 1 << 30


def shared_memory(device: torch.device) -> int:
    """Bytes of shared memory that a program can have; plenty where there is no GPU to ask, as in an interpreter."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return PLENTY
    properties = torch.cuda.get_device_properties(device)
    return int(getattr(properties, "shared_memory_per_block_optin", PLENTY))
