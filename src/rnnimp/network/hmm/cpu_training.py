"""The haplotype HMM on the CPU, in training: `HaplotypeHmm` as Numba kernels, with the same outputs and gradients.

1. Forward: a tile of a few haplotypes runs both passes over all markers. Each gap's sites are read where the two passes
   meet. Nothing of the tile is stored.
2. Backward: the tile runs both passes again. Then, with all their results still in cache, it computes the gradients.
3. Gradients are summed over the tiles of a job in their order, and then over the jobs in theirs. So the number of
   threads changes no bit of a result.

Arrays inside a tile are `[gap][haplotype][state]`. Weights f and v are stored before they are divided by their sum,
with the inverse of the sum beside them. The backward pass (v) is the forward pass (f) over reversed markers, with q and
l exchanged. The formulas are in `hmm/reference.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnimp.network.hmm.reference import HaplotypeHmm
from rnnimp.network.hmm.weights import LEAST_PROBABILITY
from rnnimp.network.kernels.simd import LANES, fma, load, splat, store, total
from rnnimp.network.kernels.tiles import aligned_empty, deal, kernel
from rnnimp.network.region_coding import Floats

_ROWS = 4  # haplotypes in a tile
_LEAST_OF_A_JOB, _MOST_JOBS = 32, 16  # haplotypes; each job has memory for gradients of its own


class _Shape(NamedTuple):
    n_markers: int
    n_states: int  # rounded up to whole vectors; a state whose q and l are 0 adds nothing
    n_haplotypes: int


class _TransitionGradients(NamedTuple):
    """Gradients of q and l, flat `[gap][state]`."""

    switch_in: Floats
    switch_out: Floats


class _Tables(NamedTuple):
    """Flat `[marker, gap or site][state]`."""

    emission_probability: Floats  # P(a1), at markers
    switch_in: Floats  # q
    switch_out: Floats  # l
    site_probability: Floats  # P(a1), at sites


class _Alleles(NamedTuple):
    """Flat `[marker][haplotype]`. A state emits the allele with `offset + slope * P(a1 that the state emits)`."""

    offset: Floats
    slope: Floats


class _Side(NamedTuple):
    """f or v of a tile."""

    weights: Floats  # [gap][row][state]
    scales: Floats  # [gap][row]


class _Scratch(NamedTuple):
    """A tile's memory."""

    left: _Side
    right: _Side
    met: _Side  # w, [row][state], and the inverse of its sum
    slopes: Floats  # gradient of w, [gap][row][state]
    carried: Floats  # gradient of f or v, [row][state]
    inner: Floats  # inner product of that with f or v, [row]
    shares: Floats  # gradient of a site's P(a1), times the inverse of the sum of w, [site][row]


@kernel
def _forward_pass(shape, probability, switch_in, switch_out, alleles, first, n_rows, side, from_right):  # type: ignore
    """f at every gap."""
    size, end = shape.n_states, shape.n_markers if from_right else 0
    side.weights[end * _ROWS * size : (end + 1) * _ROWS * size] = 0
    side.scales[end * _ROWS : (end + 1) * _ROWS] = 1
    for step in range(shape.n_markers):
        marker = shape.n_markers - 1 - step if from_right else step
        near, far = (marker + 1, marker) if from_right else (marker, marker + 1)
        for row in range(n_rows):
            here, there = (near * _ROWS + row) * size, (far * _ROWS + row) * size
            scale, column = side.scales[near * _ROWS + row], marker * shape.n_haplotypes + first + row
            offset, slope = alleles.offset[column], alleles.slope[column]
            left = splat(0.0)
            for state in range(0, size, LANES):
                emission = fma(load(probability, marker * size + state), slope, splat(offset))
                switched_in = fma(load(side.weights, here + state), scale, load(switch_in, near * size + state))
                reached = switched_in * emission
                store(side.weights, there + state, reached)
                left = fma(reached, load(switch_out, far * size + state), left)
            side.scales[far * _ROWS + row] = 1 / total(left)


@kernel
def _meet(shape, tables, gap, n_rows, scratch):  # type: ignore
    """w of a gap."""
    size, half = shape.n_states, np.float32(0.5)
    for row in range(n_rows):
        at = (gap * _ROWS + row) * size
        left_scale, right_scale = scratch.left.scales[gap * _ROWS + row], scratch.right.scales[gap * _ROWS + row]
        weight = splat(0.0)
        for state in range(0, size, LANES):
            switch_in, switch_out = (
                load(tables.switch_in, gap * size + state),
                load(tables.switch_out, gap * size + state),
            )
            left = load(scratch.left.weights, at + state) * left_scale
            right = load(scratch.right.weights, at + state) * right_scale
            met = fma(left, fma(switch_out, half, right), right * switch_in * half)
            store(scratch.met.weights, row * size + state, met)
            weight = weight + met
        scratch.met.scales[row] = 1 / total(weight)


@kernel
def _read_sites(shape, tables, first_site, last_site, first, n_rows, met, mean):  # type: ignore
    """P(a1) at a gap's sites."""
    size = shape.n_states
    for site in range(first_site, last_site):
        for row in range(n_rows):
            product = splat(0.0)
            for state in range(0, size, LANES):
                product = fma(
                    load(tables.site_probability, site * size + state), load(met.weights, row * size + state), product
                )
            mean[site * shape.n_haplotypes + first + row] = total(product) * met.scales[row]


@kernel
def _run_tile(shape, first, n_rows, scratch, tables, alleles, first_sites, mean):  # type: ignore
    """P(a1) at all sites, for the haplotypes of a tile."""
    probability, switch_in, switch_out, _ = tables
    _forward_pass(shape, probability, switch_in, switch_out, alleles, first, n_rows, scratch.left, False)
    _forward_pass(shape, probability, switch_out, switch_in, alleles, first, n_rows, scratch.right, True)
    for gap in range(shape.n_markers + 1):
        if first_sites[gap] < first_sites[gap + 1]:
            _meet(shape, tables, gap, n_rows, scratch)
            _read_sites(shape, tables, first_sites[gap], first_sites[gap + 1], first, n_rows, scratch.met, mean)


@kernel
def _back_from_sites(shape, tables, gap, first_site, last_site, first, n_rows, scratch, mean, d_mean):  # type: ignore
    """Gradient of a gap's w, from that of P(a1) at its sites."""
    size, met, shares = shape.n_states, scratch.met, scratch.shares
    for row in range(n_rows):
        inner = np.float32(0)
        for site in range(first_site, last_site):
            column = site * shape.n_haplotypes + first + row
            shares[site * _ROWS + row] = d_mean[column] * met.scales[row]
            inner += shares[site * _ROWS + row] * mean[column]
        for state in range(0, size, LANES):
            slope = splat(-inner)
            for site in range(first_site, last_site):
                slope = fma(load(tables.site_probability, site * size + state), shares[site * _ROWS + row], slope)
            store(scratch.slopes, (gap * _ROWS + row) * size + state, slope)


@kernel
def _join(shape, switch_out, gap, n_rows, side, other, scratch):  # type: ignore
    """Add to the gradient of f what comes through the w of its gap."""
    size, half, carried = shape.n_states, np.float32(0.5), scratch.carried
    for row in range(n_rows):
        at = (gap * _ROWS + row) * size
        scale = other.scales[gap * _ROWS + row]
        inner = splat(0.0)
        for state in range(0, size, LANES):
            factor = fma(load(other.weights, at + state), scale, load(switch_out, gap * size + state) * half)
            value = fma(load(scratch.slopes, at + state), factor, load(carried, row * size + state))
            store(carried, row * size + state, value)
            inner = fma(value, load(side.weights, at + state), inner)
        scratch.inner[row] = total(inner) * side.scales[gap * _ROWS + row]


@kernel
def _backward_over_marker(  # type: ignore
    shape, probability, switch_out, alleles, marker, near, far, first, n_rows, side, scratch, d_switch_in, d_switch_out
):  # fmt: skip
    """Gradient of f before a marker, from that behind it; adds to the gradients of q and l on the way."""
    size, half, carried, slopes = shape.n_states, np.float32(0.5), scratch.carried, scratch.slopes
    for state in range(0, size, LANES):
        alt_probability, out = load(probability, marker * size + state), load(switch_out, far * size + state)
        sum_in, sum_out = load(d_switch_in, near * size + state), load(d_switch_out, far * size + state)
        for row in range(n_rows):
            there = far * _ROWS + row
            column, inner, scale = marker * shape.n_haplotypes + first + row, scratch.inner[row], side.scales[there]
            value = fma(out, -inner, load(carried, row * size + state)) * scale
            value = value * fma(alt_probability, alleles.slope[column], splat(alleles.offset[column]))
            store(carried, row * size + state, value)
            sum_in = sum_in + value
            slope = fma(load(slopes, there * size + state), half, splat(-inner))
            sum_out = fma(load(side.weights, there * size + state) * scale, slope, sum_out)
        store(d_switch_in, near * size + state, sum_in)
        store(d_switch_out, far * size + state, sum_out)


@kernel
def _backward_of_pass(  # type: ignore
    shape, probability, switch_out, alleles, first, n_rows, side, other, scratch, d_switch_in, d_switch_out, from_right
):  # fmt: skip
    scratch.carried[:] = 0
    for step in range(shape.n_markers):
        marker = step if from_right else shape.n_markers - 1 - step
        near, far = (marker + 1, marker) if from_right else (marker, marker + 1)
        _join(shape, switch_out, far, n_rows, side, other, scratch)
        _backward_over_marker(
            shape, probability, switch_out, alleles, marker, near, far, first, n_rows, side, scratch,
            d_switch_in, d_switch_out,
        )  # fmt: skip


@kernel
def _run_tile_back(shape, first, n_rows, scratch, tables, alleles, first_sites, mean, d_mean, gradients):  # type: ignore
    """Add to the gradients of q and l, from the gradient of P(a1) at the sites."""
    probability, switch_in, switch_out, _ = tables
    left, right, size = scratch.left, scratch.right, _ROWS * shape.n_states
    _forward_pass(shape, probability, switch_in, switch_out, alleles, first, n_rows, left, False)
    _forward_pass(shape, probability, switch_out, switch_in, alleles, first, n_rows, right, True)
    for gap in range(shape.n_markers + 1):
        first_site, last_site = first_sites[gap], first_sites[gap + 1]
        if first_site < last_site:
            _meet(shape, tables, gap, n_rows, scratch)
            _back_from_sites(shape, tables, gap, first_site, last_site, first, n_rows, scratch, mean, d_mean)
        else:
            scratch.slopes[gap * size : (gap + 1) * size] = 0
    d_switch_in, d_switch_out = gradients
    _backward_of_pass(
        shape, probability, switch_out, alleles, first, n_rows, left, right, scratch, d_switch_in, d_switch_out, False
    )  # fmt: skip
    _backward_of_pass(
        shape, probability, switch_in, alleles, first, n_rows, right, left, scratch, d_switch_out, d_switch_in, True
    )  # fmt: skip


class CpuHmmEngine:
    """A haplotype HMM on the CPU kernels, differentiable in q and l.

    Args:
        network: The network on the CPU, in float32. The engine reads and trains its parameters.
        threads: Tiles of haplotypes that run at once; the result does not depend on it.
    """

    def __init__(self, network: HaplotypeHmm, threads: int = 1) -> None:
        self._network, self.threads = network, threads
        gaps = np.arange(len(network.switch_in) + 1)
        # of each gap, and the number of all sites
        self.first_sites: NDArray[np.int64] = np.searchsorted(network.gap.numpy(), gaps)
        self._free: list[_Scratch] = []

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits of both alleles at every imputed site.

        Args:
            inputs: [P(a0), P(a1)], float32 (n_haplotypes, n_markers, 2); not differentiated.

        Returns:
            float32 (n_sites, n_haplotypes, 2).
        """
        network = self._network
        alt: Tensor = _TrainedHmm.apply(  # type: ignore[no-untyped-call]
            self,
            inputs[:, :, 1].numpy(),
            network.switch_in.exp(),
            network.switch_out.exp(),
        )
        alt = alt.clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        return torch.stack([(1 - alt).log(), alt.log()], dim=2)

    @cached_property
    def emission_probabilities(self) -> tuple[Floats, Floats]:
        """P(a1) that each state emits at the markers and at the sites, padded and flat.

        Computed at the first call: by then, a checkpoint may have replaced the states.
        """
        network, n_states = self._network, _whole_vectors(self._network.switch_in.shape[1])
        markers, sites = (_padded(torch.sigmoid(odds).numpy(), n_states) for odds in (network.emission, network.site))
        return markers, sites

    def run(self, kernel: Callable[..., None], shape: _Shape, arguments: Sequence[tuple[Any, ...]]) -> None:
        """Run a kernel on all tiles, given the arguments of each job."""
        jobs = zip(_jobs(shape.n_haplotypes), arguments, strict=True)
        deal(self._run_job, [(kernel, shape, *job) for job in jobs], self.threads)

    def _run_job(self, kernel: Callable[..., None], shape: _Shape, job: range, arguments: tuple[Any, ...]) -> None:
        try:
            scratch = self._free.pop()  # fresh memory costs time
        except IndexError:
            scratch = _new_scratch(shape, int(self.first_sites[-1]))
        for first in job[::_ROWS]:
            kernel(shape, first, min(_ROWS, job.stop - first), scratch, *arguments)
        self._free.append(scratch)


class _TrainedHmm(torch.autograd.Function):
    """P(a1) at the sites, (n_sites, n_haplotypes), from P(a1) at the markers, q and l."""

    @staticmethod
    def forward(ctx: Any, engine: CpuHmmEngine, alt: Floats, *transitions: Tensor) -> Tensor:
        n_haplotypes, n_markers = alt.shape
        ctx.engine, ctx.n_states = engine, transitions[0].shape[1]
        ctx.shape = _Shape(n_markers, _whole_vectors(ctx.n_states), n_haplotypes)
        switch_in, switch_out = (_padded(transition.detach().numpy(), ctx.shape.n_states) for transition in transitions)
        probability, site_probability = engine.emission_probabilities
        tables = _Tables(probability, switch_in, switch_out, site_probability)
        mean = np.empty(int(engine.first_sites[-1]) * n_haplotypes, np.float32)
        ctx.arguments = tables, _alleles(alt), engine.first_sites, mean
        engine.run(_run_tile, ctx.shape, [ctx.arguments] * len(_jobs(n_haplotypes)))
        return torch.from_numpy(mean.reshape(-1, n_haplotypes).copy())

    @staticmethod
    def backward(ctx: Any, *d_mean: Tensor) -> Any:
        by_site = d_mean[0].contiguous().numpy().reshape(-1)
        zeros, jobs = np.zeros_like(ctx.arguments[0].switch_in), _jobs(ctx.shape.n_haplotypes)
        parts = [_TransitionGradients(zeros.copy(), zeros.copy()) for _ in jobs]
        ctx.engine.run(_run_tile_back, ctx.shape, [(*ctx.arguments, by_site, part) for part in parts])
        sums = [sum(job_parts[1:], job_parts[0]) for job_parts in zip(*parts, strict=True)]
        by_row = [torch.from_numpy(table).view(-1, ctx.shape.n_states)[:, : ctx.n_states] for table in sums]
        return None, None, *by_row


def _whole_vectors(n_states: int) -> int:
    return -(-n_states // LANES) * LANES


def _jobs(n_haplotypes: int) -> list[range]:
    """Haplotypes of each job. It does not depend on the number of threads, because sums depend on the jobs."""
    tiles = -(-n_haplotypes // (_MOST_JOBS * _ROWS))
    size = max(_LEAST_OF_A_JOB, tiles * _ROWS)
    return [range(start, min(start + size, n_haplotypes)) for start in range(0, n_haplotypes, size)]


def _padded(table: Floats, n_states: int) -> Floats:
    padded = aligned_empty(len(table) * n_states)
    by_row = padded.reshape(len(table), n_states)
    by_row[:, : table.shape[1]], by_row[:, table.shape[1] :] = table, 0
    return padded


def _alleles(alt: Floats) -> _Alleles:
    """From P(a1), (n_haplotypes, n_markers); every state emits a missing allele with probability 1."""
    known = (alt.T == 0) | (alt.T == 1)
    return _Alleles((1 - known * alt.T).ravel(), (known * (2 * alt.T - 1)).ravel())


def _new_scratch(shape: _Shape, n_sites: int) -> _Scratch:
    row, n_gaps = _ROWS * shape.n_states, shape.n_markers + 1
    left, right, met = (_Side(aligned_empty(n * row), aligned_empty(n * _ROWS)) for n in (n_gaps, n_gaps, 1))
    sizes = n_gaps * row, row, _ROWS, n_sites * _ROWS
    return _Scratch(left, right, met, *(aligned_empty(size) for size in sizes))
