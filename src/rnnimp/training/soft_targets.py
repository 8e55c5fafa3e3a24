"""Soft training targets: the alleles that the model of Li & Stephens (2003) expects of each training haplotype.

The model sees a haplotype as a mosaic of the other samples' haplotypes. Between neighbouring markers it switches to
another one with a probability that grows with the genetic distance. Its allele differs from the copied one with a small
probability. The forward and backward pass give the posterior probability of each copied haplotype, and so the expected
alleles at imputed sites. They contain what can be known from the markers, and no deviations of the haplotype itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnimp.sites.panel import haplotype_columns

MOST_STATES = 8192
_SHORTEST_CM = 1e-7
_CPU_BYTES_AT_ONCE = 2 << 20  # of a marker's posteriors, which then stay in cache
_GPU_BYTES_AT_ONCE, _GPU_SHARE = 40 << 20, 0.1  # on a GPU, larger groups need fewer launches


@dataclass(frozen=True, eq=False)
class LiStephensModel:
    """The Li & Stephens model of a region.

    Attributes:
        alleles: Alleles of training haplotypes, int8 (n_rows, n_haplotypes); 2i and 2i + 1 are one sample's; -1 for
            missing.
        is_marker: bool (n_rows,).
        map_cm: Genetic positions, float64 (n_rows,); not falling.
        effective_size: Ne; a switch has probability `1 - exp(-4 Ne d / n_states)` over d Morgan.
        error: Probability that an allele differs from the copied one.
        seed: Seed of the states, if they must be drawn.
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
        return self.expected(self.alleles[self.is_marker], np.arange(self.alleles.shape[1]) // 2, device)

    def expected(
        self,
        markers: NDArray[np.int8],
        own: NDArray[np.intp] | None,
        device: torch.device,
        threads: int = 1,
        bytes_at_once: int | None = None,
    ) -> Tensor:
        """P(a1) of any haplotypes at imputed sites.

        Args:
            markers: Their alleles at the markers, int8 (n_markers, n_queries); -1 for missing.
            own: The sample of the model whose haplotypes each of them does not copy, int64 (n_queries,); -1 for none.
                None if all may copy every sample.
            device: Device to compute on.
            threads: Groups of haplotypes computed at once; no bit of the result depends on it.
            bytes_at_once: Size of a group: bytes of its posteriors at one marker. A thread needs it for every marker.

        Returns:
            float32 (n_sites, n_queries).
        """
        n_queries = markers.shape[1]
        states = torch.as_tensor(self._states(), device=device)
        n_bytes = bytes_at_once or _bytes_at_once(device, markers.shape[0])
        at_once = min(n_queries, max(1, n_bytes // (4 * len(states))))
        expected = torch.empty(int(np.count_nonzero(~self.is_marker)), n_queries, device=device)
        codes = torch.as_tensor(markers, device=device).long() % 3
        owners = torch.as_tensor(np.full(n_queries, -1) if own is None else own, device=device)
        groups = torch.split(torch.arange(n_queries, device=device), at_once)

        def run(first: int) -> None:
            passes = _Passes(self, states, at_once, device)
            for queries in groups[first::threads]:
                expected[:, queries] = passes.expected(codes[:, queries], owners[queries])

        with _one_thread(), ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(run, range(min(threads, len(groups)))):
                pass
        return expected

    def of_samples(self, samples: NDArray[np.intp]) -> LiStephensModel:
        """The model that copies these samples only."""
        return replace(self, alleles=self.alleles[:, haplotype_columns(samples)])

    def _states(self) -> NDArray[np.int64]:
        """The haplotypes to copy from: all, or a random choice of `MOST_STATES`."""
        n_haplotypes = self.alleles.shape[1]
        if n_haplotypes <= MOST_STATES:
            return np.arange(n_haplotypes)
        return np.sort(np.random.default_rng(self.seed).choice(n_haplotypes, MOST_STATES, replace=False))


def _bytes_at_once(device: torch.device, n_markers: int) -> int:
    """Size of a group of haplotypes: bytes of its posteriors at one marker."""
    if device.type != "cuda":
        return _CPU_BYTES_AT_ONCE
    free, _ = torch.cuda.mem_get_info(device)
    return min(_GPU_BYTES_AT_ONCE, int(_GPU_SHARE * free / n_markers))


@contextmanager
def _one_thread() -> Iterator[None]:
    """On the CPU, so that no bit of a sum depends on how many there are."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


class _Passes:
    """Forward and backward pass for some haplotypes at once, float32 (n_queries, n_states) at each marker."""

    def __init__(self, model: LiStephensModel, states: Tensor, at_once: int, device: torch.device) -> None:
        is_marker = model.is_marker
        alleles = torch.as_tensor(model.alleles[is_marker], device=device)
        self._states, self._n_sites = states, int(np.count_nonzero(~is_marker))
        cm = model.map_cm[is_marker]
        distance = np.maximum(np.diff(cm), _SHORTEST_CM) / 100
        self._switch = (-np.expm1(-4 * model.effective_size * distance / len(states))).tolist()
        self._emissions = _emissions(alleles[:, states], model.error)
        self._sums = _weighted_sites(model, states, device)
        self._forward = torch.empty(len(alleles), at_once, len(states), device=device)  # allocated once, to save time
        self._emitted = torch.empty_like(self._forward[0])

    def expected(self, codes: Tensor, owners: Tensor) -> Tensor:
        """P(a1) at imputed sites, float32 (n_sites, n_queries), of haplotypes that never copy their own sample.

        Args:
            codes: Alleles at the markers, int64 (n_markers, n_queries); 0, 1, or 2 for missing.
            owners: The own sample of each, int64 (n_queries,); -1 for none.
        """
        own = torch.nonzero(owners[:, None] == self._states[None, :] // 2, as_tuple=True)
        n_others = len(self._states) - torch.bincount(own[0], minlength=len(owners)).float()[:, None]
        last = len(codes) - 1
        forward = self._forward[:, : len(owners)]
        forward[0] = self._emission(0, codes, own)
        for marker in range(1, last + 1):
            switch, before = self._switch[marker - 1], forward[marker - 1]
            torch.addcmul(switch / n_others, before, (1 - switch) / before.sum(1, True), out=forward[marker])
            forward[marker] *= self._emission(marker, codes, own)
        result = torch.zeros(self._n_sites, len(owners), device=owners.device)
        backward = torch.ones_like(forward[0])
        for marker in range(last, -1, -1):
            posterior = forward[marker].mul_(backward)
            posterior /= posterior.sum(1, True)
            sites, weighted = self._sums[marker]
            result[sites].addmm_(weighted, posterior.T)
            if marker:
                switch = self._switch[marker - 1]
                backward *= self._emission(marker, codes, own)
                torch.addcmul(switch / n_others, backward, (1 - switch) / backward.sum(1, True), out=backward)
        return result

    def _emission(self, marker: int, codes: Tensor, own: tuple[Tensor, ...]) -> Tensor:
        emission = self._emitted[: codes.shape[1]]
        torch.index_select(self._emissions[marker], 0, codes[marker], out=emission)
        emission[own] = 0
        return emission


def _emissions(alleles: Tensor, error: float) -> Tensor:
    """P(allele | state), float32 (n_markers, 3, n_states), of the alleles 0, 1 and missing, whose codes are 0, 1, 2."""
    known = torch.tensor([0, 1], device=alleles.device)[:, None]
    agrees = (alleles[:, None] == known) | (alleles[:, None] < 0)
    emissions = torch.where(agrees, 1 - error, error)
    return torch.cat([emissions, torch.full_like(emissions[:, :1], 1 - error)], dim=1)


def _weighted_sites(model: LiStephensModel, states: Tensor, device: torch.device) -> list[tuple[slice, Tensor]]:
    """For each marker the sites on both sides of it, and their alleles times the weight that the marker has there.

    Between two markers, the expected allele is read from the posteriors at both, by the distance to each.
    """
    is_marker = model.is_marker
    sites = torch.as_tensor(model.alleles[~is_marker], device=device)[:, states].float()
    frequency = (sites.clamp(min=0).sum(1) / (sites >= 0).sum(1).clamp(min=1))[:, None]
    sites = torch.where(sites < 0, frequency, sites)
    cm, cm_sites = model.map_cm[is_marker], model.map_cm[~is_marker]
    gaps = np.cumsum(is_marker)[~is_marker]
    left, right = np.maximum(gaps - 1, 0), np.minimum(gaps, len(cm) - 1)
    span = cm[right] - cm[left]
    share = np.clip(np.where(span > 0, (cm_sites - cm[left]) / np.where(span > 0, span, 1), 0.5), 0, 1)
    result = []
    for marker in range(len(cm)):
        rows = slice(*np.searchsorted(gaps, [marker, marker + 2]).tolist())
        weight = (1 - share[rows]) * (left[rows] == marker) + share[rows] * (right[rows] == marker)
        result.append((rows, sites[rows] * torch.as_tensor(weight, dtype=torch.float32, device=device)[:, None]))
    return result
