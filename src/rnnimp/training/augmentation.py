"""Batches of recombined haplotypes, drawn by counting: the same iteration always gives the same batch.

Training haplotypes are dealt into groups of three, which exchange segments at shared crossover points: in the
stretch after k of them, the place of haplotype i is taken by haplotype i + k of the group. Where a crossover
falls follows the probability of recombination between neighbouring sites, `1 - exp(-4 Ne r d / 3)` for a
distance of d base pairs. Groups and crossovers are drawn anew every few iterations.

Every draw comes from a generator seeded with (seed, region, network, purpose, count), so that nothing has to be
stored to resume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUP_SIZE = 3
_GROUPS, _BATCH = 0, 1


def crossover_weights(
    positions: NDArray[np.int64], recombination_rate: float = 1e-8, effective_size: float = 1e4
) -> NDArray[np.float64]:
    """How likely a crossover falls between each site and the next.

    Args:
        positions: int64 (n_sites,), base pairs, rising.
        recombination_rate: crossovers a base pair and generation.
        effective_size: diploid effective population size.

    Returns:
        float64 (n_sites - 1,), probabilities; they need not add up to 1.
    """
    return -np.expm1(-4 * effective_size * recombination_rate * np.diff(positions) / 3)


@dataclass(frozen=True, eq=False)
class BatchSource:
    """Training batches of one network.

    Attributes:
        alleles: int8 (n_haplotypes, n_sites), the training haplotypes, a row each; -1 for missing.
        weights: float64 (n_sites - 1,), from `crossover_weights`.
        batch_size: haplotypes a batch; all of them if there are fewer.
        crossovers: crossover points in each group.
        redraw_every: iterations between new groups.
        key: the start of every seed: (seed, region, network).
    """

    alleles: NDArray[np.int8]
    weights: NDArray[np.float64]
    batch_size: int
    crossovers: int
    redraw_every: int
    key: tuple[int, ...]

    def batch(self, iteration: int) -> NDArray[np.int8]:
        """The haplotypes of one iteration: int8 (batch_size, n_sites), -1 for missing."""
        rng = np.random.default_rng((*self.key, _BATCH, iteration))
        n_haplotypes = len(self.alleles)
        chosen = rng.choice(n_haplotypes, size=min(self.batch_size, n_haplotypes), replace=False)
        order, points = self._groups(iteration // self.redraw_every)
        return recombine(self.alleles, order, points, chosen)

    def _groups(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The order in which haplotypes are dealt into groups, and each group's crossover points, rising."""
        rng = np.random.default_rng((*self.key, _GROUPS, count))
        order = rng.permutation(len(self.alleles))
        n_groups = -(-len(self.alleles) // GROUP_SIZE)
        total = self.weights.sum()
        if self.crossovers == 0 or total == 0:
            return order, np.zeros((n_groups, 0), dtype=np.int64)
        draws = rng.random((n_groups, self.crossovers)) * total
        points = 1 + np.searchsorted(np.cumsum(self.weights), draws, side="right")
        return order, np.sort(np.minimum(points, len(self.weights)), axis=1)


def recombine(
    alleles: NDArray[np.int8], order: NDArray[np.int64], points: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.int8]:
    """Recombined haplotypes at some places of the dealt order.

    Args:
        alleles: int8 (n_haplotypes, n_sites).
        order: int64 (n_haplotypes,), haplotypes in dealt order; each three in a row are a group, a rest of one
            or two exchanges within itself.
        points: int64 (n_groups, n_crossovers), the first site after each crossover, rising in a row.
        chosen: int64 (n_chosen,), places in the dealt order.

    Returns:
        int8 (n_chosen, n_sites).
    """
    group, member = np.divmod(chosen, GROUP_SIZE)
    size = np.minimum(GROUP_SIZE, len(order) - group * GROUP_SIZE)
    crossed = np.zeros((len(chosen), alleles.shape[1] + 1), dtype=np.int8)
    rows = np.arange(len(chosen))
    for column in range(points.shape[1]):
        np.add.at(crossed, (rows, points[group, column]), 1)
    n_crossed = np.cumsum(crossed[:, :-1], axis=1, dtype=np.int64)
    source = order[(group * GROUP_SIZE)[:, None] + (member[:, None] + n_crossed) % size[:, None]]
    recombined: NDArray[np.int8] = np.take_along_axis(alleles, source, axis=0)
    return recombined
