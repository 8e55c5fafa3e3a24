"""Copying networks of many regions: passes over the states, heads, and their gradients.

Arrays that all kernels know, with K networks, M markers at most, N haplotypes, S sites at most, C states:

    alt: float32 (K, M, N), P(a1); other than 0 and 1 for missing.
    chance: float32 (K, M, C), P(a1) that a state emits at a marker.
    gates: float32 (2, K, M + 1, C), q, then l, at each gap.
    emits: float32 (K, S, C), P(a1) that a state emits at an imputed site.
    states: OPERAND (2, K, M + 1, N, C), f, then v, at each gap.
    scale: float32 (2, K, M + 1, N), what f and v of a gap were divided by.
    flow: OPERAND (2, K, M, N, C), gradient of (f + q) and of (v + l) before a marker.
    lengths: int32 (K,), markers of each network.
    first_site: int32 (K, M + 2), the first site of each gap and the end of the last.

The two passes mirror each other: from the left, q is entered and l left; from the right it is the other way round.
"""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network.hmm import reference as hmm
from rnnimp.network.recurrent.gpu.parts import CERTAIN

LEAST = tl.constexpr(hmm.LEAST_PROBABILITY)


@triton.jit
def _emission(alt, chance):
    """What states make of alleles: float32 (TILE, C)."""
    is_known = (alt == 0.0) | (alt == 1.0)
    agrees = alt[:, None] * chance[None, :] + (1.0 - alt[:, None]) * (1.0 - chance[None, :])
    return tl.where(is_known[:, None], agrees, 1.0)


@triton.jit
def pass_forward(
    alt, chance, gates, states, scale, lengths, K, M, N, C: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr
):
    """States at every gap. A program owns some haplotypes of one network and one direction."""
    network = tl.program_id(0).to(tl.int64)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    side = tl.program_id(2)
    length = tl.load(lengths + network)
    own = tl.arange(0, C)
    is_row = rows < N
    at = rows[:, None] * C + own[None, :]
    of_network = (side * K + network) * (M + 1)
    enter = gates + of_network * C
    leave = gates + ((1 - side) * K + network) * (M + 1) * C
    state = tl.zeros((TILE, C), tl.float32)
    tl.store(states + (of_network + side * length) * N * C + at, state.to(OPERAND), mask=is_row[:, None])
    for step in range(0, length):
        marker = step + side * (length - 1 - 2 * step)
        near, far = marker + side, marker + 1 - side
        observed = tl.load(alt + (network * M + marker) * N + rows, mask=is_row, other=0.0)
        emitted = _emission(observed, tl.load(chance + (network * M + marker) * C + own))
        reached = (state + tl.load(enter + near * C + own)[None, :]) * emitted
        total = tl.sum(reached * tl.load(leave + far * C + own)[None, :], axis=1)
        state = reached / total[:, None]
        tl.store(states + (of_network + far) * N * C + at, state.to(OPERAND), mask=is_row[:, None])
        tl.store(scale + (of_network + far) * N + rows, total, mask=is_row)


@triton.jit
def pass_backward(
    alt, chance, gates, states, scale, d_weight, flow, sums, lengths, K, M, N,
    C: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """The way back over the same markers: from the gradient of every gap's weights to `flow`.

    Args:
        d_weight: OPERAND (K, M + 1, N, C), the gradient of w.
        sums: float32 (2, K, M + 1, N), receives the inner product of a gap's states with their gradient.
    """
    network = tl.program_id(0).to(tl.int64)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    side = tl.program_id(2)
    length = tl.load(lengths + network)
    own = tl.arange(0, C)
    is_row = rows < N
    at = rows[:, None] * C + own[None, :]
    of_network = (side * K + network) * (M + 1)
    of_other = ((1 - side) * K + network) * (M + 1)
    carried = tl.zeros((TILE, C), tl.float32)
    for step in range(0, length):
        marker = length - 1 - step + side * (2 * step - length + 1)
        far = marker + 1 - side
        leave = tl.load(gates + (of_other + far) * C + own)[None, :]
        here = far.to(tl.int64) * N * C + at
        other = tl.load(states + of_other * N * C + here, mask=is_row[:, None], other=0.0).to(tl.float32)
        state = tl.load(states + of_network * N * C + here, mask=is_row[:, None], other=0.0).to(tl.float32)
        slope = tl.load(d_weight + network * (M + 1) * N * C + here, mask=is_row[:, None], other=0.0).to(tl.float32)
        d_state = carried + slope * (other + 0.5 * leave)
        inner = tl.sum(d_state * state, axis=1)
        total = tl.load(scale + (of_network + far) * N + rows, mask=is_row, other=1.0)
        observed = tl.load(alt + (network * M + marker) * N + rows, mask=is_row, other=0.0)
        emitted = _emission(observed, tl.load(chance + (network * M + marker) * C + own))
        carried = (d_state - leave * inner[:, None]) / total[:, None] * emitted
        tl.store(flow + ((side * K + network) * M + marker) * N * C + at, carried.to(OPERAND), mask=is_row[:, None])
        tl.store(sums + (of_network + far) * N + rows, inner, mask=is_row)


@triton.jit
def _weights(states, gates, network, gap, rows, is_row, own, K, M, N, C: tl.constexpr):
    """w of some haplotypes and states at a gap: float32 (TILE, CHUNK)."""
    of_left, of_right = network * (M + 1) + gap, (K + network) * (M + 1) + gap
    at = rows[:, None] * C + own[None, :]
    left = tl.load(states + of_left * N * C + at, mask=is_row[:, None], other=0.0).to(tl.float32)
    right = tl.load(states + of_right * N * C + at, mask=is_row[:, None], other=0.0).to(tl.float32)
    enter = tl.load(gates + of_left * C + own)[None, :]
    leave = tl.load(gates + of_right * C + own)[None, :]
    return left * right + 0.5 * (leave * left + enter * right)


@triton.jit
def copied_heads(
    states, gates, emits, truth, weights, first_site, odds, slopes, inner, loss, lengths, n_sites, K, M, N, S,
    C: tl.constexpr, CHUNK: tl.constexpr, TILE: tl.constexpr, SITES: tl.constexpr, TRAINS: tl.constexpr,
):  # fmt: skip
    """Log odds of the sites of a gap, or their loss and its slopes. A program owns one gap.

    Args:
        truth: uint8 (K, S, N), the expected P(a1) in parts of `CERTAIN`.
        weights: float32 (K, S).
        odds: float32 (K, S, N), receives log odds if not TRAINS.
        slopes: float32 (K, S, N), receives the gradient of a site's P(a1), over the sum of the gap's w.
        inner: float32 (K, M + 1, N), receives the sum over the gap's sites of slope times P(a1).
        loss: float32 (K, M + 1), receives each gap's part of the mean loss.
        n_sites: int32 (K,).
    """
    gap = tl.program_id(0)
    network = tl.program_id(1).to(tl.int64)
    length = tl.load(lengths + network)
    if gap <= length:
        begin = tl.load(first_site + network * (M + 2) + gap)
        end = tl.load(first_site + network * (M + 2) + gap + 1)
        scale = 1.0 / (tl.load(n_sites + network) * N).to(tl.float32)
        total = 0.0
        for start in range(0, N, TILE):
            rows = start + tl.arange(0, TILE)
            is_row = rows < N
            of_gap = tl.zeros((TILE,), tl.float32)
            for block in range(begin, end, SITES):
                sites = block + tl.arange(0, SITES)
                is_site = sites < end
                alt = tl.zeros((TILE, SITES), tl.float32)
                size = tl.zeros((TILE,), tl.float32)
                for chunk in range(0, C, CHUNK):
                    own = chunk + tl.arange(0, CHUNK)
                    weight = _weights(states, gates, network, gap, rows, is_row, own, K, M, N, C)
                    at = (network * S + sites[None, :]) * C + own[:, None]
                    emitted = tl.load(emits + at, mask=is_site[None, :], other=0.0)
                    alt = tl.dot(weight, emitted, acc=alt)
                    size += tl.sum(weight, axis=1)
                size = tl.where(is_row, size, 1.0)
                alt = tl.minimum(tl.maximum(alt / size[:, None], LEAST), 1.0 - LEAST)
                here = is_row[:, None] & is_site[None, :]
                at = (network * S + sites[None, :]) * N + rows[:, None]
                if TRAINS:
                    true = tl.load(truth + at, mask=here, other=0).to(tl.float32) / CERTAIN
                    weigh = tl.load(weights + network * S + sites, mask=is_site, other=0.0)[None, :] * scale
                    each = true * tl.log(alt) + (1.0 - true) * tl.log(1.0 - alt)
                    total -= tl.sum(tl.where(here, weigh * each, 0.0))
                    slope = tl.where(here, weigh * (alt - true) / (alt * (1.0 - alt)), 0.0) / size[:, None]
                    is_free = (alt > LEAST) & (alt < 1.0 - LEAST)
                    slope = tl.where(is_free, slope, 0.0)
                    tl.store(slopes + at, slope, mask=here)
                    of_gap += tl.sum(slope * alt, axis=1)
                else:
                    tl.store(odds + at, tl.log(alt) - tl.log(1.0 - alt), mask=here)
            if TRAINS:
                tl.store(inner + (network * (M + 1) + gap) * N + rows, of_gap, mask=is_row)
        if TRAINS:
            tl.store(loss + network * (M + 1) + gap, total)


@triton.jit
def weight_gradients(
    emits, first_site, slopes, inner, d_weight, lengths, K, M, N, S,
    C: tl.constexpr, CHUNK: tl.constexpr, TILE: tl.constexpr, SITES: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """The gradient of w. A program owns a gap and some states."""
    gap = tl.program_id(0)
    network = tl.program_id(1).to(tl.int64)
    own = tl.program_id(2) * CHUNK + tl.arange(0, CHUNK)
    if gap <= tl.load(lengths + network):
        begin = tl.load(first_site + network * (M + 2) + gap)
        end = tl.load(first_site + network * (M + 2) + gap + 1)
        of_gap = network * (M + 1) + gap
        for start in range(0, N, TILE):
            rows = start + tl.arange(0, TILE)
            is_row = rows < N
            base = tl.load(inner + of_gap * N + rows, mask=is_row, other=0.0)
            slope = tl.zeros((TILE, CHUNK), tl.float32) - base[:, None]
            for block in range(begin, end, SITES):
                sites = block + tl.arange(0, SITES)
                is_site = sites < end
                here = is_row[:, None] & is_site[None, :]
                each = tl.load(slopes + (network * S + sites[None, :]) * N + rows[:, None], mask=here, other=0.0)
                at = (network * S + sites[:, None]) * C + own[None, :]
                slope = tl.dot(each, tl.load(emits + at, mask=is_site[:, None], other=0.0), acc=slope)
            at = (of_gap * N + rows[:, None]) * C + own[None, :]
            tl.store(d_weight + at, slope.to(OPERAND), mask=is_row[:, None])


@triton.jit
def gate_gradients(
    states, d_weight, flow, sums, d_gates, lengths, K, M, N, C: tl.constexpr, CHUNK: tl.constexpr, TILE: tl.constexpr
):
    """Gradients of q and l. A program owns a gap and some states.

    Args:
        sums: see `pass_backward`.
        d_gates: float32 (2, K, M + 1, C), receives the gradient of q and l.
    """
    gap = tl.program_id(0)
    network = tl.program_id(1).to(tl.int64)
    own = tl.program_id(2) * CHUNK + tl.arange(0, CHUNK)
    length = tl.load(lengths + network)
    if gap <= length:
        has_left, has_right = gap > 0, gap < length
        of_left, of_right = network * (M + 1) + gap, (K + network) * (M + 1) + gap
        after, before = network * M + gap, (K + network) * M + gap - 1  # a gap's markers: pass from left, from right
        d_enter, d_leave = tl.zeros((CHUNK,), tl.float32), tl.zeros((CHUNK,), tl.float32)
        for start in range(0, N, TILE):
            rows = start + tl.arange(0, TILE)
            is_row = rows < N
            at = rows[:, None] * C + own[None, :]
            inside = is_row[:, None]
            left = tl.load(states + of_left * N * C + at, mask=inside, other=0.0).to(tl.float32)
            right = tl.load(states + of_right * N * C + at, mask=inside, other=0.0).to(tl.float32)
            slope = tl.load(d_weight + of_left * N * C + at, mask=inside, other=0.0).to(tl.float32)
            to_left = tl.load(flow + after * N * C + at, mask=inside & has_right, other=0.0).to(tl.float32)
            to_right = tl.load(flow + before * N * C + at, mask=inside & has_left, other=0.0).to(tl.float32)
            left_sum = tl.load(sums + of_left * N + rows, mask=is_row & has_left, other=0.0)[:, None]
            right_sum = tl.load(sums + of_right * N + rows, mask=is_row & has_right, other=0.0)[:, None]
            d_enter += tl.sum(to_left + right * (0.5 * slope - right_sum), axis=0)
            d_leave += tl.sum(to_right + left * (0.5 * slope - left_sum), axis=0)
        tl.store(d_gates + of_left * C + own, d_enter)
        tl.store(d_gates + of_right * C + own, d_leave)
