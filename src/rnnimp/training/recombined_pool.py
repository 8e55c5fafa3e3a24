"""Recombined haplotypes that networks are trained on in place of the panel's own, so that they do not learn the people.

The pool is made in parts. For each part, the training samples are dealt anew into two sets: the haplotypes of the
*donors* recombine, and the Li & Stephens model of the *teachers* says which alleles to expect of the result. So no
haplotype of the pool is a person's, and its targets come from other people than its markers. Over the parts, each
person is one of many teachers: the networks learn what these have in common.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rnnimp.sites.panel import haplotype_columns
from rnnimp.training.augmentation import cumulative_share
from rnnimp.training.soft_targets import LiStephensModel

N_PARTS = 16


@dataclass(frozen=True, eq=False)
class RecombinedPool:
    """Haplotypes of a pool.

    Attributes:
        alleles: What the donors carry, int8 (n_rows, n_haplotypes); -1 for missing.
        expected: P(a1) at imputed sites by the teachers, float32 (n_sites, n_haplotypes).
    """

    alleles: NDArray[np.int8]
    expected: NDArray[np.float32]


def recombined_pool(
    model: LiStephensModel,
    crossovers: NDArray[np.float64],
    count: int,
    mean_crossovers: float,
    teacher_share: float,
    seed: tuple[int, ...],
    device: torch.device,
) -> RecombinedPool:
    """Make a pool.

    Args:
        model: The Li & Stephens model of all training samples.
        crossovers: Relative probability of a crossover between a row and the next, float64 (n_rows - 1,).
        count: Haplotypes of the pool.
        mean_crossovers: Mean number of crossovers of a haplotype, 1 or more; see `mosaic_sources`.
        teacher_share: Share of the samples that are teachers, above 0 and below 1.
        seed: Seed of the random numbers.
        device: Device on which the Li & Stephens model runs.
    """
    rng = np.random.default_rng(seed)
    alleles, expected = [], []
    for part in np.array_split(np.arange(count), min(N_PARTS, count)):
        donors, teachers = _dealt(model.alleles.shape[1] // 2, teacher_share, rng)
        columns = haplotype_columns(donors)
        source = mosaic_sources(columns, crossovers, len(part), mean_crossovers, rng)
        drawn = np.take_along_axis(model.alleles, source, axis=1)
        markers = drawn[model.is_marker]
        others = model.of_samples(teachers).expected(markers, None, device)
        alleles.append(drawn)
        expected.append(others.cpu().numpy())
    return RecombinedPool(np.concatenate(alleles, axis=1), np.concatenate(expected, axis=1))


def expected_by_parts(
    model: LiStephensModel,
    markers: NDArray[np.int8],
    teacher_share: float,
    rng: np.random.Generator,
    device: torch.device,
) -> NDArray[np.float32]:
    """P(a1) of haplotypes at imputed sites, each by the teachers of its part, or by all samples.

    Args:
        model: The Li & Stephens model of all training samples.
        markers: int8 (n_markers, n_haplotypes).
        teacher_share: Share of the samples that are teachers, above 0; 1 for all.
        rng: Deals the samples.
        device: Device on which the model runs.

    Returns:
        float32 (n_sites, n_haplotypes).
    """
    result = np.empty((int(np.count_nonzero(~model.is_marker)), markers.shape[1]), dtype=np.float32)
    parts = 1 if teacher_share == 1 else min(N_PARTS, markers.shape[1])
    for part in np.array_split(rng.permutation(markers.shape[1]), parts):
        taught_by = model
        if teacher_share < 1:
            taught_by = model.of_samples(_dealt(model.alleles.shape[1] // 2, teacher_share, rng)[1])
        found = taught_by.expected(np.ascontiguousarray(markers[:, part]), None, device)
        result[:, part] = found.cpu().numpy()
    return result


def mosaic_sources(
    columns: NDArray[np.intp],
    crossovers: NDArray[np.float64],
    count: int,
    mean_crossovers: float,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """The haplotype that each mosaic has at each row.

    Args:
        columns: Haplotypes to choose from, int64 (n,).
        crossovers: Relative probability of a crossover between a row and the next, float64 (n_rows - 1,); if all are 0,
            there are none.
        count: Mosaics.
        mean_crossovers: Mean of their numbers of crossovers, 1 or more: one, and a Poisson-distributed number more.
        rng: Draws places and haplotypes.

    Returns:
        int64 (n_rows, count).
    """
    n_rows = len(crossovers) + 1
    share = cumulative_share(crossovers)
    can_cross = len(share) > 0 and share[-1] > 0
    numbers = 1 + rng.poisson(mean_crossovers - 1, count) if can_cross else np.zeros(count, dtype=np.int64)
    mosaic = np.repeat(np.arange(count), numbers)
    places = 1 + np.searchsorted(share, rng.random(len(mosaic)), side="right")
    crossed = np.zeros((n_rows, count), dtype=np.int64)
    np.add.at(crossed, (np.minimum(places, n_rows - 1), mosaic), 1)
    piece = np.cumsum(crossed, axis=0)
    pieces = columns[rng.integers(len(columns), size=(int(piece.max(initial=0)) + 1, count))]
    source: NDArray[np.intp] = np.take_along_axis(pieces, piece, axis=0)
    return source


def _dealt(n_samples: int, teacher_share: float, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Donors and teachers, in order; one of each at least."""
    n_teachers = min(max(round(teacher_share * n_samples), 1), n_samples - 1)
    order = rng.permutation(n_samples)
    return np.sort(order[n_teachers:]), np.sort(order[:n_teachers])
