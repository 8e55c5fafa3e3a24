"""Batches of recombined haplotypes. The same iteration always gives the same batch.

Training haplotypes are dealt into groups of three, which exchange segments at shared crossover points. After k of these
points, haplotype i + k of the group takes the place of haplotype i. The places of crossovers follow the probability of
recombination between neighbouring sites: `1 - exp(-4 Ne r d / 3)` for a distance of d base pairs. New groups and
crossovers are drawn every few iterations. In some recipes a crossover point has a crossover only with some
probability, and a share of each haplotype's markers is hidden.

Every draw comes from a generator seeded with (seed, region, network, purpose, count), so that nothing has to be
stored to resume.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.training.recipe import TrainingSettings

GROUP_SIZE = 3
MASKED = 2
"""The uint8 code of an allele that is missing or hidden."""
_GROUPS, _BATCH = 0, 1


def crossover_weights(
    positions: NDArray[np.int64], recombination_rate: float = 1e-8, effective_size: float = 1e4
) -> NDArray[np.float64]:
    """How likely a crossover falls between each site and the next.

    Args:
        positions: Positions in base pairs, int64 (n_sites,); rising.
        recombination_rate: Crossovers per base pair and generation.
        effective_size: Diploid effective population size.

    Returns:
        float64 (n_sites - 1,), probabilities; they need not add up to 1.
    """
    return -np.expm1(-4 * effective_size * recombination_rate * np.diff(positions) / 3)


def cumulative_share(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the crossover probability before each site except the first; 0 if there is none."""
    total = weights.sum()
    return np.cumsum(weights) / total if total > 0 else np.zeros(len(weights))


def allele_seed(alleles: NDArray[np.int8]) -> tuple[int, ...]:
    """A part of a seed: with it, a model and its settings are not enough to draw again what was drawn for the model.

    Args:
        alleles: What the draws are made from, int8 of any shape.
    """
    digest = hashlib.sha256(alleles.tobytes()).digest()
    return tuple(np.frombuffer(digest, dtype=np.uint32).tolist())


@dataclass(frozen=True, eq=False)
class BatchSource:
    """Training batches of one network.

    Attributes:
        rows: The training haplotypes, one per row, uint8 (n_haplotypes, n_sites), as `data.py` codes them.
        markers: The sites that are markers, int64 (n_markers,).
        weights: How likely a crossover falls between each site and the next, float64 (n_sites - 1,).
        batch_size: Haplotypes per batch; all of them if there are fewer.
        crossovers: Crossover points in each group.
        crossing_probability: Probability that a point has a crossover.
        hidden: Largest share of its markers that a haplotype hides.
        redraw_every: Iterations between new groups.
        key: The start of every seed: (seed, region, network).
    """

    rows: NDArray[np.uint8]
    markers: NDArray[np.intp]
    weights: NDArray[np.float64]
    batch_size: int
    crossovers: int
    crossing_probability: float
    hidden: float
    redraw_every: int
    key: tuple[int, ...]

    @classmethod
    def of(
        cls,
        rows: NDArray[np.uint8],
        markers: NDArray[np.intp],
        weights: NDArray[np.float64],
        settings: TrainingSettings,
        key: tuple[int, ...],
    ) -> BatchSource:
        """A source with the settings of a recipe; see the attributes."""
        return cls(
            rows, markers, weights, settings.batch_size, settings.crossovers, settings.crossing_probability,
            settings.hidden_markers, settings.redraw_every, key,
        )  # fmt: skip

    def batch(self, iteration: int) -> NDArray[np.uint8]:
        """The haplotypes of one iteration: uint8 (batch_size, n_sites), coded as `rows`."""
        rng = np.random.default_rng((*self.key, _BATCH, iteration))
        n_haplotypes = len(self.rows)
        chosen = rng.choice(n_haplotypes, size=min(self.batch_size, n_haplotypes), replace=False)
        order, points = self._groups(iteration // self.redraw_every)
        batch = recombine(self.rows, order, points, chosen)
        if self.hidden:
            share = self.hidden * rng.random((len(batch), 1))
            is_hidden = rng.random((len(batch), len(self.markers))) < share
            batch[:, self.markers] = np.where(is_hidden, MASKED, batch[:, self.markers])
        return batch

    def _groups(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The order in which haplotypes are dealt into groups, and each group's crossover points, rising."""
        rng = np.random.default_rng((*self.key, _GROUPS, count))
        order = rng.permutation(len(self.rows))
        n_groups = -(-len(self.rows) // GROUP_SIZE)
        total = self.weights.sum()
        if self.crossovers == 0 or total == 0:
            return order, np.zeros((n_groups, 0), dtype=np.int64)
        draws = rng.random((n_groups, self.crossovers)) * total
        points = 1 + np.searchsorted(np.cumsum(self.weights), draws, side="right")
        points = np.minimum(points, len(self.weights))
        if self.crossing_probability < 1:  # a crossover that does not happen is put behind the last site
            happens = rng.random(points.shape) < self.crossing_probability
            points = np.where(happens, points, len(self.weights) + 1)
        return order, np.sort(points, axis=1)


def recombine(
    rows: NDArray[np.uint8], order: NDArray[np.int64], points: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Recombined haplotypes at some places of the dealt order.

    Args:
        rows: uint8 (n_haplotypes, n_sites).
        order: Haplotypes in dealt order, int64 (n_haplotypes,); each three in a row are a group; the last group may
            have one or two.
        points: The first site after each crossover, int64 (n_groups, n_crossovers); rising in a row.
        chosen: Places in the dealt order, int64 (n_chosen,).

    Returns:
        uint8 (n_chosen, n_sites).
    """
    group, member = np.divmod(chosen, GROUP_SIZE)
    size = np.minimum(GROUP_SIZE, len(order) - group * GROUP_SIZE)
    crossed = np.zeros((len(chosen), rows.shape[1] + 1), dtype=np.int8)
    each = np.arange(len(chosen))
    for column in range(points.shape[1]):
        np.add.at(crossed, (each, points[group, column]), 1)
    n_crossed = np.cumsum(crossed[:, :-1], axis=1, dtype=np.int64)
    source = order[(group * GROUP_SIZE)[:, None] + (member[:, None] + n_crossed) % size[:, None]]
    recombined: NDArray[np.uint8] = np.take_along_axis(rows, source, axis=0)
    return recombined
