"""A copying network on the CPU: log odds at the sites from the haplotypes' alleles. Needs numpy and Numba, not torch.

A tile of `LANES` haplotypes passes over the markers from the left, and only the first gap of every block is kept. Then,
from the last block to the first, it passes over the block again and keeps all of it, while the pass from the right
goes through it, and each gap's sites are summed where both meet. So all that is kept stays in cache. Arrays inside a
tile are `[state][haplotype]`: sums over states add up whole vectors, in one order for every haplotype.

Weights f and v are kept as they are before they are divided by their sum, and the sum's inverse beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnimp.network.hmm.weights import HmmWeights
from rnnimp.network.kernels.simd import LANES, add_product, fma, load, splat, store
from rnnimp.network.kernels.tiles import aligned_empty, deal, kernel, tiles
from rnnimp.network.region_coding import Floats

_FROM_LEFT, _FROM_RIGHT = 0, 2  # which number of a row of the table is entered; the other one is left
_ROW = 3  # numbers in a row of the table


class _Shape(NamedTuple):
    n_markers: int
    n_states: int  # rounded up to an even number
    block: int  # gaps
    first_gap: int  # that has sites
    last_gap: int


class _Tables(NamedTuple):
    """Flat, in the order in which the kernels read them."""

    gates: Floats  # [marker + 1][state][q before the marker, P(a1), l behind it]; a row more at both ends
    emits: Floats  # [site][P(a0), P(a1)][state]
    first_rows: NDArray[np.int64]  # of emits, of each gap, and their number


class _Scratch(NamedTuple):
    """`[...][state][haplotype]`, and inverse sums `[...][haplotype]`."""

    starts: Floats  # [block], f at its first gap
    start_scales: Floats
    left: Floats  # [gap of the block], f
    left_scales: Floats
    right: Floats  # v
    weights: Floats  # w


@dataclass(frozen=True, eq=False)
class PackedHmm:
    """A copying network in the kernels' layout, from `pack_hmm`.

    Attributes:
        shape: sizes.
        tables: the weights.
    """

    shape: _Shape
    tables: _Tables


@kernel
def _cross(shape, gates, marker, side, offset, slope, source, source_at, scale, target, target_at):  # type: ignore
    """Over a marker, to the weights in the next gap; returns what they are still to be multiplied by."""
    enter, leave, row = side, _FROM_RIGHT - side, (marker + 1) * shape.n_states * _ROW
    even, odd = splat(0.0), splat(0.0)
    for state in range(0, shape.n_states, 2):
        at, place = row + state * _ROW, state * LANES
        emitted = fma(slope, gates[at + 1], offset)
        reached = fma(load(source, source_at + place), scale, splat(gates[at + enter])) * emitted
        store(target, target_at + place, reached)
        even = fma(reached, gates[at + leave], even)
        at, place = at + _ROW, place + LANES
        emitted = fma(slope, gates[at + 1], offset)
        reached = fma(load(source, source_at + place), scale, splat(gates[at + enter])) * emitted
        store(target, target_at + place, reached)
        odd = fma(reached, gates[at + leave], odd)
    return 1.0 / (even + odd)


@kernel
def _copy(source, source_at, target, target_at, size):  # type: ignore
    for at in range(0, size, LANES):
        store(target, target_at + at, load(source, source_at + at))


@kernel
def _start_blocks(shape, gates, offset, slope, scratch):  # type: ignore
    """f at the first gap of every block up to the last gap that has sites."""
    tile = shape.n_states * LANES
    scratch.starts[:tile] = 0.0
    scratch.start_scales[:LANES] = 1.0
    scratch.left[:tile] = 0.0
    scale = splat(1.0)
    for marker in range(shape.last_gap // shape.block * shape.block):
        here = marker * LANES
        scale = _cross(
            shape, gates, marker, _FROM_LEFT, load(offset, here), load(slope, here), scratch.left, 0, scale,
            scratch.left, 0,
        )  # fmt: skip
        block = (marker + 1) // shape.block
        if block * shape.block == marker + 1:
            _copy(scratch.left, 0, scratch.starts, block * tile, tile)
            store(scratch.start_scales, block * LANES, scale)


@kernel
def _fill_block(shape, gates, offset, slope, scratch, block, last_gap):  # type: ignore
    """f at every gap of a block."""
    tile, first_gap = shape.n_states * LANES, block * shape.block
    _copy(scratch.starts, block * tile, scratch.left, 0, tile)
    scale = load(scratch.start_scales, block * LANES)
    store(scratch.left_scales, 0, scale)
    for marker in range(first_gap, last_gap):
        here, at = marker * LANES, (marker - first_gap) * tile
        scale = _cross(
            shape, gates, marker, _FROM_LEFT, load(offset, here), load(slope, here), scratch.left, at, scale,
            scratch.left, at + tile,
        )  # fmt: skip
        store(scratch.left_scales, (marker + 1 - first_gap) * LANES, scale)


@kernel
def _meet(shape, gates, gap, scratch, place, right_scale):  # type: ignore
    """w of a gap."""
    row, at = gap * shape.n_states * _ROW, place * shape.n_states * LANES
    left_scale = load(scratch.left_scales, place * LANES)
    for state in range(shape.n_states):
        leave = np.float32(0.5) * gates[row + state * _ROW + 2]
        enter = np.float32(0.5) * gates[row + (state + shape.n_states) * _ROW]
        left = load(scratch.left, at + state * LANES) * left_scale
        right = load(scratch.right, state * LANES) * right_scale
        store(scratch.weights, state * LANES, fma(left, right + leave, right * enter))


@kernel
def _sum_sites(shape, tables, gap, weights, sums, column, width):  # type: ignore
    """What the states emit at the gap's sites, both alleles, by w."""
    size = shape.n_states
    first, last = tables.first_rows[gap], tables.first_rows[gap + 1]
    for row in range(first, last - 2, 4):
        four = (splat(0.0), splat(0.0), splat(0.0), splat(0.0))
        four = add_product(four, tables.emits, row * size, size, 1, weights, 0, LANES, size)
        store(sums, row * width + column, four[0])
        store(sums, (row + 1) * width + column, four[1])
        store(sums, (row + 2) * width + column, four[2])
        store(sums, (row + 3) * width + column, four[3])
    if (last - first) % 4:
        two = (splat(0.0), splat(0.0))
        two = add_product(two, tables.emits, (last - 2) * size, size, 1, weights, 0, LANES, size)
        store(sums, (last - 2) * width + column, two[0])
        store(sums, (last - 1) * width + column, two[1])


@kernel
def _sum_tile(shape, tables, offset, slope, scratch, sums, column, width):  # type: ignore
    """A tile over all markers; `sums`, [site][P(a0), P(a1)], has rows `width` long, and the tile's columns."""
    _start_blocks(shape, tables.gates, offset, slope, scratch)
    scratch.right[:] = 0.0
    scale = splat(1.0)
    for gap in range(shape.n_markers, shape.first_gap - 1, -1):
        if gap == shape.last_gap or (gap < shape.last_gap and (gap + 1) % shape.block == 0):
            _fill_block(shape, tables.gates, offset, slope, scratch, gap // shape.block, gap)
        if tables.first_rows[gap] < tables.first_rows[gap + 1]:
            _meet(shape, tables.gates, gap, scratch, gap % shape.block, scale)
            _sum_sites(shape, tables, gap, scratch.weights, sums, column, width)
        if gap > shape.first_gap:
            here = (gap - 1) * LANES
            scale = _cross(
                shape, tables.gates, gap - 1, _FROM_RIGHT, load(offset, here), load(slope, here), scratch.right, 0,
                scale, scratch.right, 0,
            )  # fmt: skip


def pack_hmm(weights: HmmWeights) -> PackedHmm:
    """Lay weights out as the kernels read them.

    Args:
        weights: of at least one site.
    """
    n_markers, n_states = weights.emission.shape
    even = n_states + n_states % 2  # a state that is never entered or left adds nothing
    gates = np.zeros((n_markers + 2, even, _ROW), np.float32)
    gates[1:, :n_states, 0] = weights.entering()
    gates[1:-1, :n_states, 1] = weights.chance()
    gates[:-1, :n_states, 2] = weights.leaving()
    emits = aligned_empty(2 * len(weights.gaps) * even)
    by_site = emits.reshape(-1, 2, even)
    by_site[:, 0, :n_states], by_site[:, 1, :n_states] = weights.emits()
    by_site[:, :, n_states:] = 0
    first_rows = 2 * np.searchsorted(weights.gaps, np.arange(n_markers + 2))
    block = int(np.ceil(np.sqrt(n_markers + 1)))
    shape = _Shape(n_markers, even, block, int(weights.gaps[0]), int(weights.gaps[-1]))
    return PackedHmm(shape, _Tables(gates.reshape(-1), emits, first_rows))


def hmm_odds(hmm: PackedHmm, alt: Floats, threads: int = 1) -> Floats:
    """Log odds of a1 by the copying network alone.

    Args:
        copying: from `pack_hmm`.
        alt: float32 (n_haplotypes, n_markers), P(a1); other than 0 and 1 for missing.
        threads: how many tiles are worked on at once; no bit of the result depends on it.

    Returns:
        float32 (n_sites, n_padded). Columns beyond the haplotypes mean nothing.
    """
    by_tile = tiles(alt)
    known = (by_tile == 0) | (by_tile == 1)
    # what a state makes of an allele is offset + slope * chance: chance of a1, 1 - chance of a0, 1 of a missing one
    offset, slope = 1 - known * by_tile, known * (2 * by_tile - 1)
    width = len(by_tile) * LANES
    sums = aligned_empty(len(hmm.tables.emits) // hmm.shape.n_states * width)
    jobs = [(hmm, offset[tile], slope[tile], sums, tile * LANES, width) for tile in range(len(by_tile))]
    deal(_sum_job, jobs, threads)
    refs, alts = sums.reshape(-1, 2, width).transpose(1, 0, 2)
    odds: Floats = np.log(alts / refs)
    return odds


def _sum_job(hmm: PackedHmm, offset: Floats, slope: Floats, sums: Floats, column: int, width: int) -> None:
    shape = hmm.shape
    tile, n_blocks = shape.n_states * LANES, shape.last_gap // shape.block + 1
    sizes = n_blocks * tile, n_blocks * LANES, shape.block * tile, shape.block * LANES, tile, tile
    scratch = _Scratch(*(aligned_empty(size) for size in sizes))
    _sum_tile(shape, hmm.tables, offset, slope, scratch, sums, column, width)
