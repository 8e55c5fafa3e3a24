"""`HaplotypeHmm` run and trained by Numba kernels: the same parameters, outputs and gradients, sooner.

A tile of a few haplotypes passes over all markers from both sides, and each gap's sites are read where both meet; then
nothing of it is kept. The way back does the same once more, and goes on, with all it needs still in cache, to the
gradients. Those of a job's tiles are added up in their order, and those of all jobs in theirs, so that the number of
threads changes no bit of a result.

Arrays inside a tile are `[gap][haplotype][state]`. Weights f and v are kept as they are before they are divided by
their sum, and the sum's inverse beside them. What is said of f holds for v the other way round: what q is to the one,
l is to the other. Formulas are in `copying.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnimp.network.hmm.reference import LEAST_PROBABILITY, HaplotypeHmm
from rnnimp.network.kernels.simd import LANES, fma, load, splat, store, total
from rnnimp.network.kernels.tiles import aligned_empty, deal, kernel
from rnnimp.network.region_coding import Floats

_ROWS = 4  # haplotypes in a tile
_LEAST_OF_A_JOB, _MOST_JOBS = 32, 16  # haplotypes; each job has memory for gradients of its own


class _Shape(NamedTuple):
    n_markers: int
    n_states: int  # rounded up to whole vectors; a state that is never entered or left adds nothing
    n_haplotypes: int


class _Gates(NamedTuple):
    """Flat `[gap][state]`: the gradients of a network's gates."""

    enter: Floats
    leave: Floats


class _Tables(NamedTuple):
    """Flat `[marker, gap or site][state]`."""

    chance: Floats  # of a1, at markers
    enter: Floats  # q
    leave: Floats  # l
    emits: Floats  # P(a1), at sites


class _Alleles(NamedTuple):
    """Flat `[marker][haplotype]`: a state makes `offset + slope * chance` of an allele."""

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
    slopes: Floats  # the gradient of w, [gap][row][state]
    carried: Floats  # that of f or v, [row][state]
    inner: Floats  # its product with f or v, [row]
    shares: Floats  # that of the mean by the sum of w, [site][row]


@kernel
def _pass(shape, chance, enter, leave, alleles, first, n_rows, side, from_right):  # type: ignore
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
                emitted = fma(load(chance, marker * size + state), slope, splat(offset))
                entered = fma(load(side.weights, here + state), scale, load(enter, near * size + state))
                reached = entered * emitted
                store(side.weights, there + state, reached)
                left = fma(reached, load(leave, far * size + state), left)
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
            enter, leave = load(tables.enter, gap * size + state), load(tables.leave, gap * size + state)
            left = load(scratch.left.weights, at + state) * left_scale
            right = load(scratch.right.weights, at + state) * right_scale
            met = fma(left, fma(leave, half, right), right * enter * half)
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
                product = fma(load(tables.emits, site * size + state), load(met.weights, row * size + state), product)
            mean[site * shape.n_haplotypes + first + row] = total(product) * met.scales[row]


@kernel
def _run_tile(shape, first, n_rows, scratch, tables, alleles, first_sites, mean):  # type: ignore
    """From alleles to P(a1)."""
    _pass(shape, tables.chance, tables.enter, tables.leave, alleles, first, n_rows, scratch.left, False)
    _pass(shape, tables.chance, tables.leave, tables.enter, alleles, first, n_rows, scratch.right, True)
    for gap in range(shape.n_markers + 1):
        if first_sites[gap] < first_sites[gap + 1]:
            _meet(shape, tables, gap, n_rows, scratch)
            _read_sites(shape, tables, first_sites[gap], first_sites[gap + 1], first, n_rows, scratch.met, mean)


@kernel
def _back_from_sites(shape, tables, gap, first_site, last_site, first, n_rows, scratch, mean, of_mean):  # type: ignore
    """The gradient of a gap's w."""
    size, met, shares = shape.n_states, scratch.met, scratch.shares
    for row in range(n_rows):
        inner = np.float32(0)
        for site in range(first_site, last_site):
            column = site * shape.n_haplotypes + first + row
            shares[site * _ROWS + row] = of_mean[column] * met.scales[row]
            inner += shares[site * _ROWS + row] * mean[column]
        for state in range(0, size, LANES):
            slope = splat(-inner)
            for site in range(first_site, last_site):
                slope = fma(load(tables.emits, site * size + state), shares[site * _ROWS + row], slope)
            store(scratch.slopes, (gap * _ROWS + row) * size + state, slope)


@kernel
def _join(shape, leave, gap, n_rows, side, other, scratch):  # type: ignore
    """Add to the gradient of f what its gap's w has of it."""
    size, half, carried = shape.n_states, np.float32(0.5), scratch.carried
    for row in range(n_rows):
        at = (gap * _ROWS + row) * size
        scale = other.scales[gap * _ROWS + row]
        inner = splat(0.0)
        for state in range(0, size, LANES):
            factor = fma(load(other.weights, at + state), scale, load(leave, gap * size + state) * half)
            value = fma(load(scratch.slopes, at + state), factor, load(carried, row * size + state))
            store(carried, row * size + state, value)
            inner = fma(value, load(side.weights, at + state), inner)
        scratch.inner[row] = total(inner) * side.scales[gap * _ROWS + row]


@kernel
def _cross_back(  # type: ignore
    shape, chance, leave, alleles, marker, near, far, first, n_rows, side, scratch, of_enter, of_leave
):  # fmt: skip
    """From the gradient of f behind a marker to that before it, and to those of the gates on the way."""
    size, half, carried, slopes = shape.n_states, np.float32(0.5), scratch.carried, scratch.slopes
    for state in range(0, size, LANES):
        chances, leaves = load(chance, marker * size + state), load(leave, far * size + state)
        sum_enter, sum_leave = load(of_enter, near * size + state), load(of_leave, far * size + state)
        for row in range(n_rows):
            there = far * _ROWS + row
            column, inner, scale = marker * shape.n_haplotypes + first + row, scratch.inner[row], side.scales[there]
            value = fma(leaves, -inner, load(carried, row * size + state)) * scale
            value = value * fma(chances, alleles.slope[column], splat(alleles.offset[column]))
            store(carried, row * size + state, value)
            sum_enter = sum_enter + value
            slope = fma(load(slopes, there * size + state), half, splat(-inner))
            sum_leave = fma(load(side.weights, there * size + state) * scale, slope, sum_leave)
        store(of_enter, near * size + state, sum_enter)
        store(of_leave, far * size + state, sum_leave)


@kernel
def _pass_back(  # type: ignore
    shape, chance, leave, alleles, first, n_rows, side, other, scratch, of_enter, of_leave, from_right
):  # fmt: skip
    scratch.carried[:] = 0
    for step in range(shape.n_markers):
        marker = step if from_right else shape.n_markers - 1 - step
        near, far = (marker + 1, marker) if from_right else (marker, marker + 1)
        _join(shape, leave, far, n_rows, side, other, scratch)
        _cross_back(
            shape, chance, leave, alleles, marker, near, far, first, n_rows, side, scratch, of_enter, of_leave
        )  # fmt: skip


@kernel
def _run_tile_back(shape, first, n_rows, scratch, tables, alleles, first_sites, mean, of_mean, gradients):  # type: ignore
    """Add to the gradients of the gates, from that of P(a1)."""
    chance, enter, leave, _ = tables
    left, right, size = scratch.left, scratch.right, _ROWS * shape.n_states
    _pass(shape, chance, enter, leave, alleles, first, n_rows, left, False)
    _pass(shape, chance, leave, enter, alleles, first, n_rows, right, True)
    for gap in range(shape.n_markers + 1):
        first_site, last_site = first_sites[gap], first_sites[gap + 1]
        if first_site < last_site:
            _meet(shape, tables, gap, n_rows, scratch)
            _back_from_sites(shape, tables, gap, first_site, last_site, first, n_rows, scratch, mean, of_mean)
        else:
            scratch.slopes[gap * size : (gap + 1) * size] = 0
    of_enter, of_leave = gradients
    _pass_back(shape, chance, leave, alleles, first, n_rows, left, right, scratch, of_enter, of_leave, False)
    _pass_back(shape, chance, enter, alleles, first, n_rows, right, left, scratch, of_leave, of_enter, True)


class CpuHmmEngine:
    """A copying network's forward pass, differentiable in its gates.

    Args:
        network: on the CPU, in float32; it goes on holding the parameters.
        threads: how many tiles of haplotypes are worked on at once; no bit of a result depends on it.
    """

    def __init__(self, network: HaplotypeHmm, threads: int = 1) -> None:
        self._network, self.threads = network, threads
        # of each gap, and the number of all sites
        self.first_sites: NDArray[np.int64] = np.searchsorted(network.gap.numpy(), np.arange(len(network.enter) + 1))
        self._free: list[_Scratch] = []

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits of both alleles at every imputed site.

        Args:
            inputs: float32 (n_haplotypes, n_markers, 2), [P(a0), P(a1)]; not differentiated.

        Returns:
            float32 (n_sites, n_haplotypes, 2).
        """
        network = self._network
        alt: Tensor = _Copied.apply(  # type: ignore[no-untyped-call]
            self,
            inputs[:, :, 1].numpy(),
            network.enter.exp(),
            network.leave.exp(),
        )
        alt = alt.clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        return torch.stack([(1 - alt).log(), alt.log()], dim=2)

    @cached_property
    def emitted(self) -> tuple[Floats, Floats]:
        """P(a1) of the states at markers and at sites, from the first call on, by when checkpoints have been read."""
        network, n_states = self._network, _whole_vectors(self._network.enter.shape[1])
        chance, emits = (_padded(torch.sigmoid(odds).numpy(), n_states) for odds in (network.emission, network.site))
        return chance, emits

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


class _Copied(torch.autograd.Function):
    """P(a1), (n_sites, n_haplotypes), from P(a1) at markers and the gates q and l."""

    @staticmethod
    def forward(ctx: Any, engine: CpuHmmEngine, alt: Floats, *gates: Tensor) -> Tensor:
        n_haplotypes, n_markers = alt.shape
        ctx.engine, ctx.n_states = engine, gates[0].shape[1]
        ctx.shape = _Shape(n_markers, _whole_vectors(ctx.n_states), n_haplotypes)
        enter, leave = (_padded(gate.detach().numpy(), ctx.shape.n_states) for gate in gates)
        chance, emits = engine.emitted
        mean = np.empty(int(engine.first_sites[-1]) * n_haplotypes, np.float32)
        ctx.arguments = _Tables(chance, enter, leave, emits), _alleles(alt), engine.first_sites, mean
        engine.run(_run_tile, ctx.shape, [ctx.arguments] * len(_jobs(n_haplotypes)))
        return torch.from_numpy(mean.reshape(-1, n_haplotypes).copy())

    @staticmethod
    def backward(ctx: Any, *of_mean: Tensor) -> Any:
        of_sites = of_mean[0].contiguous().numpy().reshape(-1)
        enter, leave = ctx.arguments[0].enter, ctx.arguments[0].leave
        parts = [_Gates(np.zeros_like(enter), np.zeros_like(leave)) for _ in _jobs(ctx.shape.n_haplotypes)]
        ctx.engine.run(_run_tile_back, ctx.shape, [(*ctx.arguments, of_sites, part) for part in parts])
        sums = [sum(of_jobs[1:], of_jobs[0]) for of_jobs in zip(*parts, strict=True)]
        by_row = [torch.from_numpy(table).view(-1, ctx.shape.n_states)[:, : ctx.n_states] for table in sums]
        return None, None, *by_row


def _whole_vectors(n_states: int) -> int:
    return -(-n_states // LANES) * LANES


def _jobs(n_haplotypes: int) -> list[range]:
    """Which haplotypes each job has: whatever the number of threads, for sums depend on it."""
    tiles = -(-n_haplotypes // (_MOST_JOBS * _ROWS))
    size = max(_LEAST_OF_A_JOB, tiles * _ROWS)
    return [range(start, min(start + size, n_haplotypes)) for start in range(0, n_haplotypes, size)]


def _padded(table: Floats, n_states: int) -> Floats:
    padded = aligned_empty(len(table) * n_states)
    by_row = padded.reshape(len(table), n_states)
    by_row[:, : table.shape[1]], by_row[:, table.shape[1] :] = table, 0
    return padded


def _alleles(alt: Floats) -> _Alleles:
    """Of P(a1), (n_haplotypes, n_markers); a missing allele says nothing."""
    known = (alt.T == 0) | (alt.T == 1)
    return _Alleles((1 - known * alt.T).ravel(), (known * (2 * alt.T - 1)).ravel())


def _new_scratch(shape: _Shape, n_sites: int) -> _Scratch:
    row, n_gaps = _ROWS * shape.n_states, shape.n_markers + 1
    left, right, met = (_Side(aligned_empty(n * row), aligned_empty(n * _ROWS)) for n in (n_gaps, n_gaps, 1))
    sizes = n_gaps * row, row, _ROWS, n_sites * _ROWS
    return _Scratch(left, right, met, *(aligned_empty(size) for size in sizes))
