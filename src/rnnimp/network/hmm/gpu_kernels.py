"""The haplotype HMMs of many regions on a GPU, as Triton kernels: both passes, the sites, and all gradients.

Order of the launches in training: `hmm_pass_fwd_kernel`, `hmm_site_heads_fwd_bwd_kernel`, `hmm_weight_bwd_kernel`,
`hmm_pass_bwd_kernel`, `hmm_transition_bwd_kernel`.

Arrays of all kernels, with K networks, at most M markers, N haplotypes, at most S sites, C states:

    alt: P(a1), float32 (K, M, N); values other than 0 and 1 are missing alleles.
    emission_probability: P(a1) that each state emits at a marker, float32 (K, M, C).
    transitions: Weights q, then l, at each gap, float32 (2, K, M + 1, C).
    site_probability: P(a1) that each state emits at an imputed site, float32 (K, S, C).
    states: State weights f, then v, at each gap, OPERAND (2, K, M + 1, N, C).
    scale: Divisors of f and v at each gap, float32 (2, K, M + 1, N).
    flow: Gradients of f + q and of v + l before a marker, OPERAND (2, K, M, N, C).
    lengths: Markers of each network, int32 (K,).
    first_site: First site of each gap, then the end of the last gap, int32 (K, M + 2).

The backward pass (`side` 1) is the forward pass (`side` 0) over reversed markers, with q and l exchanged. The formulas
are in `hmm/reference.py`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network.hmm import weights as hmm
from rnnimp.network.recurrent.gpu.parts import CERTAIN

LEAST = tl.constexpr(hmm.LEAST_PROBABILITY)


@triton.jit
def _emissions(alt, emission_probability):
    """Probability that each state emits each haplotype's allele: float32 (TILE, C)."""
    is_known = (alt == 0.0) | (alt == 1.0)
    agrees = alt[:, None] * emission_probability[None, :] + (1.0 - alt[:, None]) * (1.0 - emission_probability[None, :])
    return tl.where(is_known[:, None], agrees, 1.0)


@triton.jit
def hmm_pass_fwd_kernel(
    alt, emission_probability, transitions, states, scale, lengths, K, M, N,
    C: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """States at every gap. A program owns TILE haplotypes of one network and one pass."""
    network = tl.program_id(0).to(tl.int64)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    side = tl.program_id(2)
    length = tl.load(lengths + network)
    own = tl.arange(0, C)
    is_row = rows < N
    at = rows[:, None] * C + own[None, :]
    own_rows = (side * K + network) * (M + 1)
    switch_in = transitions + own_rows * C
    switch_out = transitions + ((1 - side) * K + network) * (M + 1) * C
    state = tl.zeros((TILE, C), tl.float32)
    tl.store(states + (own_rows + side * length) * N * C + at, state.to(OPERAND), mask=is_row[:, None])
    for step in range(0, length):
        marker = step + side * (length - 1 - 2 * step)
        near, far = marker + side, marker + 1 - side
        observed = tl.load(alt + (network * M + marker) * N + rows, mask=is_row, other=0.0)
        emissions = _emissions(observed, tl.load(emission_probability + (network * M + marker) * C + own))
        reached = (state + tl.load(switch_in + near * C + own)[None, :]) * emissions
        total = tl.sum(reached * tl.load(switch_out + far * C + own)[None, :], axis=1)
        state = reached / total[:, None]
        tl.store(states + (own_rows + far) * N * C + at, state.to(OPERAND), mask=is_row[:, None])
        tl.store(scale + (own_rows + far) * N + rows, total, mask=is_row)


@triton.jit
def hmm_pass_bwd_kernel(
    alt, emission_probability, transitions, states, scale, d_weight, flow, sums, lengths, K, M, N,
    C: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradients through the passes: from the gradient of every gap's w to `flow`. Programs as in the forward kernel.

    Args:
        d_weight: The gradient of w, OPERAND (K, M + 1, N, C).
        sums: Receives the inner product of a gap's states with their gradient, float32 (2, K, M + 1, N).
    """
    network = tl.program_id(0).to(tl.int64)
    rows = tl.program_id(1) * TILE + tl.arange(0, TILE)
    side = tl.program_id(2)
    length = tl.load(lengths + network)
    own = tl.arange(0, C)
    is_row = rows < N
    at = rows[:, None] * C + own[None, :]
    own_rows = (side * K + network) * (M + 1)
    other_rows = ((1 - side) * K + network) * (M + 1)
    carried = tl.zeros((TILE, C), tl.float32)
    for step in range(0, length):
        marker = length - 1 - step + side * (2 * step - length + 1)
        far = marker + 1 - side
        switch_out = tl.load(transitions + (other_rows + far) * C + own)[None, :]
        here = far.to(tl.int64) * N * C + at
        other = tl.load(states + other_rows * N * C + here, mask=is_row[:, None], other=0.0).to(tl.float32)
        state = tl.load(states + own_rows * N * C + here, mask=is_row[:, None], other=0.0).to(tl.float32)
        slope = tl.load(d_weight + network * (M + 1) * N * C + here, mask=is_row[:, None], other=0.0).to(tl.float32)
        d_state = carried + slope * (other + 0.5 * switch_out)
        inner = tl.sum(d_state * state, axis=1)
        total = tl.load(scale + (own_rows + far) * N + rows, mask=is_row, other=1.0)
        observed = tl.load(alt + (network * M + marker) * N + rows, mask=is_row, other=0.0)
        emissions = _emissions(observed, tl.load(emission_probability + (network * M + marker) * C + own))
        carried = (d_state - switch_out * inner[:, None]) / total[:, None] * emissions
        tl.store(flow + ((side * K + network) * M + marker) * N * C + at, carried.to(OPERAND), mask=is_row[:, None])
        tl.store(sums + (own_rows + far) * N + rows, inner, mask=is_row)


@triton.jit
def _weights(states, transitions, network, gap, rows, is_row, own, K, M, N, C: tl.constexpr):
    """w of some haplotypes and states at a gap: float32 (TILE, CHUNK)."""
    left_row, right_row = network * (M + 1) + gap, (K + network) * (M + 1) + gap
    at = rows[:, None] * C + own[None, :]
    left = tl.load(states + left_row * N * C + at, mask=is_row[:, None], other=0.0).to(tl.float32)
    right = tl.load(states + right_row * N * C + at, mask=is_row[:, None], other=0.0).to(tl.float32)
    switch_in = tl.load(transitions + left_row * C + own)[None, :]
    switch_out = tl.load(transitions + right_row * C + own)[None, :]
    return left * right + 0.5 * (switch_out * left + switch_in * right)


@triton.jit
def _site_probabilities(
    states, transitions, site_probability, network, gap, rows, is_row, sites, is_site, K, M, N, S,
    C: tl.constexpr, CHUNK: tl.constexpr, TILE: tl.constexpr, SITES: tl.constexpr,
):  # fmt: skip
    """P(a1) at some sites of a gap, float32 (TILE, SITES), and the sum of w over the states, (TILE,)."""
    alt = tl.zeros((TILE, SITES), tl.float32)
    size = tl.zeros((TILE,), tl.float32)
    for chunk in range(0, C, CHUNK):
        own = chunk + tl.arange(0, CHUNK)
        weight = _weights(states, transitions, network, gap, rows, is_row, own, K, M, N, C)
        at = (network * S + sites[None, :]) * C + own[:, None]
        emitted = tl.load(site_probability + at, mask=is_site[None, :], other=0.0)
        alt = tl.dot(weight, emitted, acc=alt)
        size += tl.sum(weight, axis=1)
    size = tl.where(is_row, size, 1.0)
    return tl.minimum(tl.maximum(alt / size[:, None], LEAST), 1.0 - LEAST), size


@triton.jit
def _site_loss(alt, size, true, weigh, here):
    """Loss of some sites, one number, and its slope: the gradient of P(a1) over the sum of w, float32 (TILE, SITES)."""
    each = true * tl.log(alt) + (1.0 - true) * tl.log(1.0 - alt)
    loss = tl.sum(tl.where(here, weigh * each, 0.0))
    slope = tl.where(here, weigh * (alt - true) / (alt * (1.0 - alt)), 0.0) / size[:, None]
    is_free = (alt > LEAST) & (alt < 1.0 - LEAST)
    return loss, tl.where(is_free, slope, 0.0)


@triton.jit
def hmm_site_heads_fwd_bwd_kernel(
    states, transitions, site_probability, truth, weights, first_site, odds, slopes, inner, loss, lengths, n_sites,
    K, M, N, S,
    C: tl.constexpr, CHUNK: tl.constexpr, TILE: tl.constexpr, SITES: tl.constexpr, TRAINS: tl.constexpr,
):  # fmt: skip
    """Log odds of a gap's sites; with TRAINS, their loss and its slopes instead. A program owns one gap.

    Args:
        truth: The expected P(a1) times `CERTAIN`, uint8 (K, S, N).
        weights: Weights of the sites in the loss, float32 (K, S).
        odds: Receives log odds unless TRAINS, float32 (K, S, N).
        slopes: Receives the gradient of a site's P(a1), over the sum of the gap's w, float32 (K, S, N).
        inner: Receives the sum over the gap's sites of slope times P(a1), float32 (K, M + 1, N).
        loss: Receives each gap's part of the mean loss, float32 (K, M + 1).
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
            gap_inner = tl.zeros((TILE,), tl.float32)
            for block in range(begin, end, SITES):
                sites = block + tl.arange(0, SITES)
                is_site = sites < end
                alt, size = _site_probabilities(
                    states, transitions, site_probability, network, gap, rows, is_row, sites, is_site, K, M, N, S,
                    C, CHUNK, TILE, SITES,
                )  # fmt: skip
                here = is_row[:, None] & is_site[None, :]
                at = (network * S + sites[None, :]) * N + rows[:, None]
                if TRAINS:
                    true = tl.load(truth + at, mask=here, other=0).to(tl.float32) / CERTAIN
                    weigh = tl.load(weights + network * S + sites, mask=is_site, other=0.0)[None, :] * scale
                    part, slope = _site_loss(alt, size, true, weigh, here)
                    total -= part
                    tl.store(slopes + at, slope, mask=here)
                    gap_inner += tl.sum(slope * alt, axis=1)
                else:
                    tl.store(odds + at, tl.log(alt) - tl.log(1.0 - alt), mask=here)
            if TRAINS:
                tl.store(inner + (network * (M + 1) + gap) * N + rows, gap_inner, mask=is_row)
        if TRAINS:
            tl.store(loss + network * (M + 1) + gap, total)


@triton.jit
def hmm_weight_bwd_kernel(
    site_probability, first_site, slopes, inner, d_weight, lengths, K, M, N, S,
    C: tl.constexpr, CHUNK: tl.constexpr, TILE: tl.constexpr, SITES: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Gradient of w. A program owns one gap and CHUNK states."""
    gap = tl.program_id(0)
    network = tl.program_id(1).to(tl.int64)
    own = tl.program_id(2) * CHUNK + tl.arange(0, CHUNK)
    if gap <= tl.load(lengths + network):
        begin = tl.load(first_site + network * (M + 2) + gap)
        end = tl.load(first_site + network * (M + 2) + gap + 1)
        gap_row = network * (M + 1) + gap
        for start in range(0, N, TILE):
            rows = start + tl.arange(0, TILE)
            is_row = rows < N
            base = tl.load(inner + gap_row * N + rows, mask=is_row, other=0.0)
            slope = tl.zeros((TILE, CHUNK), tl.float32) - base[:, None]
            for block in range(begin, end, SITES):
                sites = block + tl.arange(0, SITES)
                is_site = sites < end
                here = is_row[:, None] & is_site[None, :]
                each = tl.load(slopes + (network * S + sites[None, :]) * N + rows[:, None], mask=here, other=0.0)
                at = (network * S + sites[:, None]) * C + own[None, :]
                slope = tl.dot(each, tl.load(site_probability + at, mask=is_site[:, None], other=0.0), acc=slope)
            at = (gap_row * N + rows[:, None]) * C + own[None, :]
            tl.store(d_weight + at, slope.to(OPERAND), mask=is_row[:, None])


@triton.jit
def hmm_transition_bwd_kernel(
    states, d_weight, flow, sums, d_transitions, lengths, K, M, N,
    C: tl.constexpr, CHUNK: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Gradients of q and l. A program owns one gap and CHUNK states.

    Args:
        sums: See `hmm_pass_bwd_kernel`.
        d_transitions: Receives the gradients of q and l, float32 (2, K, M + 1, C).
    """
    gap = tl.program_id(0)
    network = tl.program_id(1).to(tl.int64)
    own = tl.program_id(2) * CHUNK + tl.arange(0, CHUNK)
    length = tl.load(lengths + network)
    if gap <= length:
        has_left, has_right = gap > 0, gap < length
        left_row, right_row = network * (M + 1) + gap, (K + network) * (M + 1) + gap
        after, before = network * M + gap, (K + network) * M + gap - 1  # markers of `flow`: pass from left, from right
        d_switch_in, d_switch_out = tl.zeros((CHUNK,), tl.float32), tl.zeros((CHUNK,), tl.float32)
        for start in range(0, N, TILE):
            rows = start + tl.arange(0, TILE)
            is_row = rows < N
            at = rows[:, None] * C + own[None, :]
            inside = is_row[:, None]
            left = tl.load(states + left_row * N * C + at, mask=inside, other=0.0).to(tl.float32)
            right = tl.load(states + right_row * N * C + at, mask=inside, other=0.0).to(tl.float32)
            slope = tl.load(d_weight + left_row * N * C + at, mask=inside, other=0.0).to(tl.float32)
            to_left = tl.load(flow + after * N * C + at, mask=inside & has_right, other=0.0).to(tl.float32)
            to_right = tl.load(flow + before * N * C + at, mask=inside & has_left, other=0.0).to(tl.float32)
            left_sum = tl.load(sums + left_row * N + rows, mask=is_row & has_left, other=0.0)[:, None]
            right_sum = tl.load(sums + right_row * N + rows, mask=is_row & has_right, other=0.0)[:, None]
            d_switch_in += tl.sum(to_left + right * (0.5 * slope - right_sum), axis=0)
            d_switch_out += tl.sum(to_right + left * (0.5 * slope - left_sum), axis=0)
        tl.store(d_transitions + left_row * C + own, d_switch_in)
        tl.store(d_transitions + right_row * C + own, d_switch_out)
