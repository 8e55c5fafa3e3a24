"""The haplotype HMM on the CPU, for imputing: log odds at the sites. Needs numpy and Numba, not torch.

For each tile of `LANES` haplotypes:

1. The forward pass runs over all markers and stores f at the first gap of each block of markers only.
2. From the last block to the first, the forward pass runs over the block again and stores f at every gap. Then the
   backward pass runs over the block, and each gap's sites are summed where the two passes meet.

So everything that is stored stays in cache. Arrays inside a tile are `[state][haplotype]`: a sum over states adds whole
vectors, in the same order for every haplotype. Weights f and v are stored before they are divided by their sum, with
the inverse of the sum beside them. The formulas are in `hmm/reference.py`.
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

_FROM_LEFT, _FROM_RIGHT = 0, 2  # which number of a row is switched in by; the other one of 0 and 2 is switched out by
_ROW = 3  # numbers in a row of `marker_rows`


class _Shape(NamedTuple):
    n_markers: int
    n_states: int  # rounded up to an even number
    block: int  # gaps
    first_gap: int  # that has sites
    last_gap: int


class _Tables(NamedTuple):
    """Flat, in the order in which the kernels read them."""

    marker_rows: Floats  # [marker + 1][state][q before the marker, P(a1), l behind it]; one more row at both ends
    site_probabilities: Floats  # [site][P(a0), P(a1)][state]
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
    """A haplotype HMM in the kernels' layout, from `pack_hmm`.

    Attributes:
        shape: Sizes.
        tables: The weights.
    """

    shape: _Shape
    tables: _Tables


@kernel
def _cross(shape, marker_rows, marker, side, offset, slope, source, source_at, scale, target, target_at):  # type: ignore
    """One step of a pass, over one marker. Returns the inverse of the sum that the new weights are divided by."""
    switch_in, switch_out, row = side, _FROM_RIGHT - side, (marker + 1) * shape.n_states * _ROW
    even, odd = splat(0.0), splat(0.0)
    for state in range(0, shape.n_states, 2):
        at, place = row + state * _ROW, state * LANES
        emission = fma(slope, marker_rows[at + 1], offset)
        reached = fma(load(source, source_at + place), scale, splat(marker_rows[at + switch_in])) * emission
        store(target, target_at + place, reached)
        even = fma(reached, marker_rows[at + switch_out], even)
        at, place = at + _ROW, place + LANES
        emission = fma(slope, marker_rows[at + 1], offset)
        reached = fma(load(source, source_at + place), scale, splat(marker_rows[at + switch_in])) * emission
        store(target, target_at + place, reached)
        odd = fma(reached, marker_rows[at + switch_out], odd)
    return 1.0 / (even + odd)


@kernel
def _copy(source, source_at, target, target_at, size):  # type: ignore
    for at in range(0, size, LANES):
        store(target, target_at + at, load(source, source_at + at))


@kernel
def _start_blocks(shape, marker_rows, offset, slope, scratch):  # type: ignore
    """f at the first gap of every block up to the last gap that has sites."""
    tile = shape.n_states * LANES
    scratch.starts[:tile] = 0.0
    scratch.start_scales[:LANES] = 1.0
    scratch.left[:tile] = 0.0
    scale = splat(1.0)
    for marker in range(shape.last_gap // shape.block * shape.block):
        here = marker * LANES
        scale = _cross(
            shape, marker_rows, marker, _FROM_LEFT, load(offset, here), load(slope, here), scratch.left, 0, scale,
            scratch.left, 0,
        )  # fmt: skip
        block = (marker + 1) // shape.block
        if block * shape.block == marker + 1:
            _copy(scratch.left, 0, scratch.starts, block * tile, tile)
            store(scratch.start_scales, block * LANES, scale)


@kernel
def _fill_block(shape, marker_rows, offset, slope, scratch, block, last_gap):  # type: ignore
    """f at every gap of a block."""
    tile, first_gap = shape.n_states * LANES, block * shape.block
    _copy(scratch.starts, block * tile, scratch.left, 0, tile)
    scale = load(scratch.start_scales, block * LANES)
    store(scratch.left_scales, 0, scale)
    for marker in range(first_gap, last_gap):
        here, at = marker * LANES, (marker - first_gap) * tile
        scale = _cross(
            shape, marker_rows, marker, _FROM_LEFT, load(offset, here), load(slope, here), scratch.left, at, scale,
            scratch.left, at + tile,
        )  # fmt: skip
        store(scratch.left_scales, (marker + 1 - first_gap) * LANES, scale)


@kernel
def _meet(shape, marker_rows, gap, scratch, place, right_scale):  # type: ignore
    """w of a gap."""
    row, at = gap * shape.n_states * _ROW, place * shape.n_states * LANES
    left_scale = load(scratch.left_scales, place * LANES)
    for state in range(shape.n_states):
        switch_out = np.float32(0.5) * marker_rows[row + state * _ROW + 2]
        switch_in = np.float32(0.5) * marker_rows[row + (state + shape.n_states) * _ROW]
        left = load(scratch.left, at + state * LANES) * left_scale
        right = load(scratch.right, state * LANES) * right_scale
        store(scratch.weights, state * LANES, fma(left, right + switch_out, right * switch_in))


@kernel
def _sum_sites(shape, tables, gap, weights, sums, column, width):  # type: ignore
    """Sums of the emission probabilities at the gap's sites, weighted by w, for both alleles."""
    size = shape.n_states
    first, last = tables.first_rows[gap], tables.first_rows[gap + 1]
    for row in range(first, last - 2, 4):
        four = (splat(0.0), splat(0.0), splat(0.0), splat(0.0))
        four = add_product(four, tables.site_probabilities, row * size, size, 1, weights, 0, LANES, size)
        store(sums, row * width + column, four[0])
        store(sums, (row + 1) * width + column, four[1])
        store(sums, (row + 2) * width + column, four[2])
        store(sums, (row + 3) * width + column, four[3])
    if (last - first) % 4:
        two = (splat(0.0), splat(0.0))
        two = add_product(two, tables.site_probabilities, (last - 2) * size, size, 1, weights, 0, LANES, size)
        store(sums, (last - 2) * width + column, two[0])
        store(sums, (last - 1) * width + column, two[1])


@kernel
def _sum_tile(shape, tables, offset, slope, scratch, sums, column, width):  # type: ignore
    """A tile over all markers; `sums`, [site][P(a0), P(a1)], has rows `width` long, and the tile's columns."""
    _start_blocks(shape, tables.marker_rows, offset, slope, scratch)
    scratch.right[:] = 0.0
    scale = splat(1.0)
    for gap in range(shape.n_markers, shape.first_gap - 1, -1):
        if gap == shape.last_gap or (gap < shape.last_gap and (gap + 1) % shape.block == 0):
            _fill_block(shape, tables.marker_rows, offset, slope, scratch, gap // shape.block, gap)
        if tables.first_rows[gap] < tables.first_rows[gap + 1]:
            _meet(shape, tables.marker_rows, gap, scratch, gap % shape.block, scale)
            _sum_sites(shape, tables, gap, scratch.weights, sums, column, width)
        if gap > shape.first_gap:
            here = (gap - 1) * LANES
            scale = _cross(
                shape, tables.marker_rows, gap - 1, _FROM_RIGHT, load(offset, here), load(slope, here),
                scratch.right, 0, scale, scratch.right, 0,
            )  # fmt: skip


def pack_hmm(weights: HmmWeights) -> PackedHmm:
    """Lay weights out as the kernels read them.

    Args:
        weights: Weights of at least one site.
    """
    n_markers, n_states = weights.emission.shape
    even = n_states + n_states % 2  # a state whose q and l are 0 adds nothing
    marker_rows = np.zeros((n_markers + 2, even, _ROW), np.float32)
    marker_rows[1:, :n_states, 0] = weights.switch_in_weight()
    marker_rows[1:-1, :n_states, 1] = weights.emission_probability()
    marker_rows[:-1, :n_states, 2] = weights.switch_out_weight()
    site_probabilities = aligned_empty(2 * len(weights.gaps) * even)
    by_site = site_probabilities.reshape(-1, 2, even)
    by_site[:, 0, :n_states], by_site[:, 1, :n_states] = weights.site_probabilities()
    by_site[:, :, n_states:] = 0
    first_rows = 2 * np.searchsorted(weights.gaps, np.arange(n_markers + 2))
    block = int(np.ceil(np.sqrt(n_markers + 1)))
    shape = _Shape(n_markers, even, block, int(weights.gaps[0]), int(weights.gaps[-1]))
    return PackedHmm(shape, _Tables(marker_rows.reshape(-1), site_probabilities, first_rows))


def hmm_odds(hmm: PackedHmm, alt: Floats, threads: int = 1) -> Floats:
    """Log odds of allele 1 at the sites, by the HMM.

    Args:
        hmm: From `pack_hmm`.
        alt: P(a1), float32 (n_haplotypes, n_markers); values other than 0 and 1 are missing alleles.
        threads: Tiles that run at once; the result does not depend on it.

    Returns:
        float32 (n_sites, n_padded). The content of columns beyond the haplotypes is undefined.
    """
    by_tile = tiles(alt)
    known = (by_tile == 0) | (by_tile == 1)
    # a state with P(a1) = p emits an allele with offset + slope * p: p for a1, 1 - p for a0, 1 for a missing allele
    offset, slope = 1 - known * by_tile, known * (2 * by_tile - 1)
    width = len(by_tile) * LANES
    sums = aligned_empty(len(hmm.tables.site_probabilities) // hmm.shape.n_states * width)
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
