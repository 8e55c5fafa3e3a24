"""What a haplotype's markers say of its other sites by the copying model of Li & Stephens (2003), itself left out.

Each haplotype is seen as a mosaic of the others: between neighbouring markers it goes over to another one with a
probability that grows with the genetic distance, and its allele differs from the copied one's now and then. The
posterior over whom it copies, from forward and backward pass, gives the expected alleles at imputed sites: soft
targets, which hold what can be known from the markers and not the haplotype's own whims.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MOST_STATES = 8192
_SHORTEST_CM = 1e-7
_BYTES_AT_ONCE = 2 << 30


@dataclass(frozen=True, eq=False)
class CopyingModel:
    """The copying model of a region.

    Attributes:
        alleles: int8 (n_rows, n_haplotypes), of training haplotypes; 2i and 2i + 1 are one sample's; -1 for missing.
        is_marker: bool (n_rows,).
        map_cm: float64 (n_rows,), genetic positions, not falling.
        effective_size: Ne; a switch has probability `1 - exp(-4 Ne d / n_states)` over d Morgan.
        error: probability that an allele differs from the copied one.
        seed: of the states, where they must be drawn.
    """

    alleles: NDArray[np.int8]
    is_marker: NDArray[np.bool_]
    map_cm: NDArray[np.float64]
    effective_size: float
    error: float
    seed: int

    def leave_one_out(self, device: torch.device) -> Tensor:
        """P(a1) of every haplotype at imputed sites, from all samples but its own.

        Returns:
            float32 (n_sites, n_haplotypes).
        """
        n_haplotypes = self.alleles.shape[1]
        states = torch.as_tensor(self._states(), device=device)
        passes = _Passes(self, states, device)
        expected = torch.empty(int(np.count_nonzero(~self.is_marker)), n_haplotypes, device=device)
        at_once = max(1, _BYTES_AT_ONCE // (4 * passes.n_markers * len(states)))
        for queries in torch.split(torch.arange(n_haplotypes, device=device), at_once):
            expected[:, queries] = passes.expected(passes.posterior(queries))
        return expected

    def _states(self) -> NDArray[np.int64]:
        """The haplotypes to copy from: all, or as many as are enough."""
        n_haplotypes = self.alleles.shape[1]
        if n_haplotypes <= MOST_STATES:
            return np.arange(n_haplotypes)
        return np.sort(np.random.default_rng(self.seed).choice(n_haplotypes, MOST_STATES, replace=False))


class _Passes:
    """Forward and backward pass for some haplotypes at once."""

    def __init__(self, model: CopyingModel, states: Tensor, device: torch.device) -> None:
        is_marker = model.is_marker
        markers = torch.as_tensor(model.alleles[is_marker], device=device)
        self._all_markers, self._markers = markers, markers[:, states]
        sites = torch.as_tensor(model.alleles[~is_marker], device=device)[:, states].float()
        frequency = (sites.clamp(min=0).sum(1) / (sites >= 0).sum(1).clamp(min=1))[:, None]
        self._sites = torch.where(sites < 0, frequency, sites)
        self._states, self._error = states, model.error
        self.n_markers = len(markers)
        cm = model.map_cm[is_marker]
        distance = np.maximum(np.diff(cm), _SHORTEST_CM) / 100
        self._switch = (-np.expm1(-4 * model.effective_size * distance / len(states))).tolist()
        self._gaps = np.cumsum(is_marker)[~is_marker]
        left, right = np.maximum(self._gaps - 1, 0), np.minimum(self._gaps, self.n_markers - 1)
        span = cm[right] - cm[left]
        share = np.where(span > 0, (model.map_cm[~is_marker] - cm[left]) / np.where(span > 0, span, 1), 0.5)
        self._share = torch.as_tensor(np.clip(share, 0, 1), dtype=torch.float32, device=device)[:, None]

    def posterior(self, queries: Tensor) -> Tensor:
        """Whom haplotypes copy at each marker, float32 (n_markers, n_queries, n_states); never their own sample."""
        others = (self._states[None, :] // 2 != queries[:, None] // 2).float()
        n_others = others.sum(1, keepdim=True)
        result = torch.empty(self.n_markers, *others.shape, device=others.device)
        forward = others / n_others
        for marker in range(self.n_markers):
            if marker:
                switch = self._switch[marker - 1]
                forward = (1 - switch) * forward + switch / n_others * others
            forward = _scaled(forward * self._emission(marker, queries))
            result[marker] = forward
        backward = others
        for marker in reversed(range(self.n_markers)):
            result[marker] = _scaled(result[marker] * backward)
            if marker:
                switch = self._switch[marker - 1]
                backward = _scaled(backward * self._emission(marker, queries))
                backward = ((1 - switch) * backward + switch / n_others) * others
        return result

    def _emission(self, marker: int, queries: Tensor) -> Tensor:
        own, copied = self._all_markers[marker, queries][:, None], self._markers[marker][None, :]
        agrees = (own == copied) | (own < 0) | (copied < 0)
        return torch.where(agrees, 1 - self._error, self._error)

    def expected(self, posterior: Tensor) -> Tensor:
        """P(a1) at imputed sites, float32 (n_sites, n_queries): between two markers, by the distance to each."""
        result = torch.empty(len(self._gaps), posterior.shape[1], device=posterior.device)
        for gap in np.unique(self._gaps).tolist():
            rows = torch.as_tensor(np.flatnonzero(self._gaps == gap), device=posterior.device)
            left, right = max(gap - 1, 0), min(gap, self.n_markers - 1)
            share = self._share[rows]
            sites = self._sites[rows]
            result[rows] = (1 - share) * (sites @ posterior[left].T) + share * (sites @ posterior[right].T)
        return result


def _scaled(weights: Tensor) -> Tensor:
    return weights / weights.sum(1, keepdim=True)
