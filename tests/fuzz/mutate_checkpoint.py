"""Mutators of checkpoints: a value of the state, a tensor's numbers, shape or type, and bytes of the file."""

from __future__ import annotations

import io
from random import Random
from typing import Any

import torch

from fuzz.mutate_binary import mutate_bytes
from fuzz.mutate_json import ODD_VALUES, places


def mutate_checkpoint(random: Random, data: bytes) -> bytes:
    """Change one or two values of the state that a checkpoint contains; now and then bytes of the file."""
    if random.random() < 0.2:
        return mutate_bytes(random, data)
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    for _ in range(random.choice([1, 1, 2])):
        container, key = random.choice(places(state))
        value = container[key]
        if isinstance(value, torch.Tensor) and random.random() < 0.7:
            container[key] = _changed(random, value)
        elif random.random() < 0.3:
            del container[key]
        else:
            container[key] = random.choice([*ODD_VALUES, torch.zeros(3), torch.tensor(float("nan"))])
        if not state:
            break
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _changed(random: Random, tensor: Any) -> Any:
    action = random.randrange(5)
    if action == 0:
        return tensor.reshape(-1)[:-1]
    if action == 1:
        return tensor.to(random.choice([torch.float64, torch.int64, torch.bool]))
    if action == 2:
        return tensor.unsqueeze(0)
    if action == 3:
        return torch.full_like(tensor, 0) if tensor.dtype == torch.bool else tensor * 1000
    changed = tensor.clone()
    if changed.numel() and changed.is_floating_point():
        changed.reshape(-1)[random.randrange(changed.numel())] = random.choice([float("nan"), float("inf"), -1e30])
    return changed
