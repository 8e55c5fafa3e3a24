"""Adam with clipping for many networks at once: each has one row of parameters and of moments, and its own rate."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from rnnimp.training.checkpoint import tensor_like
from rnnimp.training.recipe import BETA1, TrainingSettings

EPSILON = 1e-8


class BatchedAdam:
    """Adam (Kingma & Ba 2015), with decoupled weight decay, over rows that do not touch each other.

    A gradient longer than `clip_factor` times the running median of its row's norms, or than `longest_gradient`, is
    clipped to that. A row whose loss or gradient is not finite keeps its parameters and is marked in `is_broken`.

    Args:
        n_rows: Number of networks.
        n_parameters: Length of a row.
        settings: The recipe's clipping, decay and second moment.
        device: Device to compute on.
    """

    def __init__(self, n_rows: int, n_parameters: int, settings: TrainingSettings, device: torch.device) -> None:
        self._settings = settings
        self._limit = settings.longest_gradient or math.inf
        self.mean = torch.zeros(n_rows, n_parameters, device=device)
        self.square = torch.zeros(n_rows, n_parameters, device=device)
        self.steps = torch.zeros(n_rows, device=device)
        self.norms = torch.full((n_rows, settings.clip_window), torch.nan, device=device)
        self.n_norms = torch.zeros(n_rows, dtype=torch.int64, device=device)
        self.last_norm = torch.zeros(n_rows, device=device)
        self.is_broken = torch.zeros(n_rows, dtype=torch.bool, device=device)

    def step(self, parameters: Tensor, gradients: Tensor, losses: Tensor, rates: Tensor, is_active: Tensor) -> None:
        """Change the rows of `parameters` that are active.

        Args:
            parameters: Weights, float32 (n_rows, n_parameters); changed in place.
            gradients: Gradients of the same shape; changed in place.
            losses: float32 (n_rows,).
            rates: float32 (n_rows,).
            is_active: bool (n_rows,).
        """
        beta2 = self._settings.second_moment
        norm = torch.linalg.vector_norm(gradients, dim=1)
        is_finite = torch.isfinite(norm) & torch.isfinite(losses)
        self.is_broken |= is_active & ~is_finite
        self.last_norm.copy_(norm)
        moves = (is_active & is_finite)[:, None]
        longest = self._settings.clip_factor * torch.nanquantile(self.norms, 0.5, dim=1)
        longest = torch.fmin(longest, torch.full_like(longest, self._limit))  # NaN, before there is a norm, is no limit
        scale = torch.where(norm > longest, longest / (norm + 1e-6), 1.0)
        self._remember(norm, moves)
        gradients.mul_(scale[:, None]).nan_to_num_(0.0, 0.0, 0.0)
        weight1, weight2 = torch.where(moves, 1 - BETA1, 0.0), torch.where(moves, 1 - beta2, 0.0)
        self.mean.lerp_(gradients, weight1)
        self.square.lerp_(gradients.square_(), weight2)
        self.steps += moves[:, 0]
        correction1 = (1 - BETA1**self.steps).clamp(min=1e-12)
        correction2 = (1 - beta2**self.steps).clamp(min=1e-12)
        rate = torch.where(moves[:, 0], rates / correction1, 0.0)[:, None]
        if self._settings.weight_decay:
            parameters.mul_(1 - torch.where(moves, self._settings.weight_decay * rates[:, None], 0.0))
        denominator = (self.square / correction2[:, None]).sqrt_().add_(EPSILON)
        parameters.sub_(rate * self.mean / denominator)

    def _remember(self, norm: Tensor, moves: Tensor) -> None:
        place = (self.n_norms % self.norms.shape[1])[:, None]
        old = self.norms.gather(1, place)
        self.norms.scatter_(1, place, torch.where(moves, norm[:, None], old))
        self.n_norms += moves[:, 0]

    def forget(self, row: int) -> None:
        """Set a row's moments to 0, and note that it is not broken."""
        self.mean[row] = 0
        self.square[row] = 0
        self.steps[row] = 0
        self.is_broken[row] = False

    def state(self, row: int) -> dict[str, Any]:
        """A row's moments and norms, for a checkpoint."""
        names = ("mean", "square", "steps", "norms", "n_norms")
        return {name: getattr(self, name)[row].clone() for name in names}

    def restore(self, row: int, state: dict[str, Any]) -> None:
        """Resume from these."""
        for name, before in self.state(row).items():
            getattr(self, name)[row] = tensor_like(state[name], before)
