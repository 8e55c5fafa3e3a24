"""The hidden states that a haplotype HMM begins with: anonymous haplotypes, or recombined ones of training samples.

`anonymous_states` draws each marker from many people who carry those before it. At imputed sites a state emits what the
Li & Stephens model expects for these markers.

`first_states` takes the panel's haplotypes. First those that differ most are chosen, so that common ones do not fill
the states with copies of themselves. Then these are recombined: each state is a mosaic of a few of them, and at every
place each of them is in one state.

The random numbers depend on the alleles too, so that a model and its seed are not enough to draw them again.
"""

from __future__ import annotations

import heapq

import numpy as np
import torch
from numpy.typing import NDArray

from rnnimp.network.hmm.reference import HaplotypeHmm
from rnnimp.network.region_coding import gaps_of_sites
from rnnimp.sites.frequencies import coarse_frequency
from rnnimp.sites.panel import alt_frequency
from rnnimp.training.anonymous_haplotypes import anonymous_haplotypes
from rnnimp.training.augmentation import allele_seed, cumulative_share
from rnnimp.training.recombined_pool import expected_by_parts
from rnnimp.training.soft_targets import LiStephensModel

_MARKER_ODDS, _SITE_ODDS = 4.0, 6.0
_SWITCH_OUT_AT_A_JOINT = 0.0  # switching and staying are equally likely
_WINDOWS, _WINDOW_STEP = (10, 20, 40), 4
_EXCHANGED_AT_ONCE = 64  # states at one place, so that a place does not show which two belong together
MOST_CANDIDATES = 8192


def first_states(
    alleles: NDArray[np.int8],
    is_marker: NDArray[np.bool_],
    crossovers: NDArray[np.float64],
    n_states: int,
    n_pieces: int,
    seed: int,
) -> HaplotypeHmm:
    """A haplotype HMM before training.

    Args:
        alleles: Alleles, int8 (n_rows, n_haplotypes); -1 for missing, where a state has the row's frequency, rounded
            by `coarse_frequency`.
        is_marker: bool (n_rows,).
        crossovers: Relative probability that a piece ends between a row and the next, float64 (n_rows - 1,).
        n_states: K.
        n_pieces: Most haplotypes that a state is a mosaic of; 1 for whole haplotypes.
        seed: Seed of the random numbers, together with the alleles.
    """
    rng = np.random.default_rng((seed, *allele_seed(alleles)))
    chosen = diverse_haplotypes(alleles[is_marker], n_states, rng)
    source = recombined(chosen, crossovers, n_pieces, rng)
    size = np.where(is_marker, _MARKER_ODDS, _SITE_ODDS)[:, None]
    odds = _log_odds(alleles, np.take_along_axis(alleles, source, axis=1), size)
    network = HaplotypeHmm(odds[is_marker], odds[~is_marker], gaps_of_sites(is_marker))
    row, state = np.nonzero(source[1:] != source[:-1])
    gap = np.cumsum(is_marker)[row]
    is_between = (gap > 0) & (gap < np.count_nonzero(is_marker))  # markers; at both ends all states begin alike
    with torch.no_grad():
        network.switch_out[gap[is_between], state[is_between]] = _SWITCH_OUT_AT_A_JOINT
    return network


def anonymous_states(
    model: LiStephensModel, n_states: int, least_people: int, teacher_share: float, seed: int, device: torch.device
) -> HaplotypeHmm:
    """A haplotype HMM before training with anonymous states.

    Args:
        model: The Li & Stephens model of the training samples.
        n_states: K.
        least_people: As in `anonymous_haplotypes`.
        teacher_share: Share of the samples that the expectations of each part of the states come from.
        seed: Seed of the random numbers, together with the alleles.
        device: Device on which the Li & Stephens model runs.
    """
    is_marker = model.is_marker
    rng = np.random.default_rng((seed, *allele_seed(model.alleles)))
    markers = anonymous_haplotypes(model.alleles[is_marker], n_states, least_people, rng)
    expected = expected_by_parts(model, markers, teacher_share, rng, device)
    least = 1 / (1 + np.exp(_SITE_ODDS))
    expected = expected.clip(least, 1 - least)
    odds = np.log(expected) - np.log1p(-expected)
    emission = torch.from_numpy((_MARKER_ODDS * (2.0 * markers - 1)).astype(np.float32))
    return HaplotypeHmm(emission, torch.from_numpy(odds.astype(np.float32)), gaps_of_sites(is_marker))


def _log_odds(alleles: NDArray[np.int8], drawn: NDArray[np.int8], size: NDArray[np.float64]) -> torch.Tensor:
    """Log odds of a1 in each state, float32 shaped as `drawn`; a row's are no larger than its `size`."""
    rounded = coarse_frequency(alt_frequency(alleles), np.count_nonzero(alleles >= 0, axis=1))
    frequency = np.nan_to_num(rounded, nan=0.5)[:, None]
    by_frequency = np.clip(np.log(frequency) - np.log1p(-frequency), -size, size)
    return torch.from_numpy(np.where(drawn < 0, by_frequency, size * (2.0 * drawn - 1)).astype(np.float32))


def diverse_haplotypes(markers: NDArray[np.int8], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Choose haplotypes one after another, each the one that differs most from those before it.

    The region is covered with windows of markers of several widths. In each window a haplotype is worth 1 / (1 + n),
    where n chosen haplotypes are the same there.

    Args:
        markers: Markers, int8 (n_markers, n_haplotypes); only `MOST_CANDIDATES` of them, drawn at random, can be
            chosen.
        count: How many to choose; if there are fewer, they are repeated.
        rng: Decides between equal ones.

    Returns:
        int64 (count,), indices of haplotypes.
    """
    candidates = rng.permutation(markers.shape[1])[:MOST_CANDIDATES]
    alike = _alike_in_windows(markers[:, candidates], rng)
    n_windows = alike.shape[1]
    window = np.arange(n_windows)
    taken = np.zeros((n_windows, len(candidates)))
    heap = [(-float(n_windows), number) for number in range(len(candidates))]
    chosen: list[int] = []
    while len(chosen) < min(count, len(candidates)):
        _, number = heapq.heappop(heap)
        worth = float((1 / (1 + taken[window, alike[number]])).sum())  # it only falls, so the heap has upper bounds
        if not heap or worth >= -heap[0][0]:
            chosen.append(number)
            taken[window, alike[number]] += 1
        else:
            heapq.heappush(heap, (-worth, number))
    result: NDArray[np.intp] = candidates[np.resize(chosen, count)]
    return result


def _alike_in_windows(markers: NDArray[np.int8], rng: np.random.Generator) -> NDArray[np.intp]:
    """int64 (n_haplotypes, n_windows): the same number for haplotypes that carry a1 at the same markers of a window."""
    n_markers, n_haplotypes = markers.shape
    keys = rng.integers(1, 2**62, (n_markers, 1))  # sums of keys modulo 2**64 tell windows apart
    sums = np.zeros((n_markers + 1, n_haplotypes), dtype=np.int64)
    np.cumsum((markers == 1) * keys, axis=0, out=sums[1:])
    alike = []
    for half in _WINDOWS:
        for middle in range(0, n_markers + 1, _WINDOW_STEP):
            inside = sums[min(middle + half, n_markers)] - sums[max(middle - half, 0)]
            alike.append(np.unique(inside, return_inverse=True)[1])
    return np.stack(alike, axis=1)


def recombined(
    chosen: NDArray[np.intp], crossovers: NDArray[np.float64], n_pieces: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """The haplotype that each state has at each row.

    `n_pieces - 1` times all states are dealt into groups. The states of a group exchange everything after a place.

    Args:
        chosen: Haplotypes, int64 (n_states,).
        crossovers: Relative probability of a place between a row and the next, float64 (n_rows - 1,); if all are 0,
            nothing is exchanged.
        n_pieces: Most pieces of a state.
        rng: Draws places and groups.

    Returns:
        int64 (n_rows, n_states).
    """
    n_rows, n_states = len(crossovers) + 1, len(chosen)
    groups: list[NDArray[np.intp]] = []
    for _ in range(n_pieces - 1):
        groups += np.array_split(rng.permutation(n_states), max(1, n_states // _EXCHANGED_AT_ONCE))
    places = 1 + np.searchsorted(cumulative_share(crossovers), rng.random(len(groups)))
    current = rng.permutation(chosen)
    source = np.empty((n_rows, n_states), dtype=np.intp)
    start = 0
    for exchange in np.argsort(places, kind="stable"):
        source[start : places[exchange]] = current
        start, group = places[exchange], groups[exchange]
        current[group] = current[np.roll(group, 1)]
    source[start:] = current
    return source
