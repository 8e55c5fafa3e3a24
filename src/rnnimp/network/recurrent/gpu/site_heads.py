"""The heads of the imputed sites: from the states on both sides of a gap to logits, loss and gradients.

A program owns the sites of one gap between two markers, of one network. It reads the left stack's sum of layers at the
marker before the gap, and the right stack's at the marker behind it. A joining layer reads both sides of a gap. Its
width is `M`, 0 for none.
"""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network.recurrent.gpu.parts import CERTAIN, fast_sigmoid


@triton.jit
def _head_offsets(network, n_parameters, head_offset, own_sites, U: tl.constexpr):
    """Where a network's left head, right head, bias and mixed head begin among the parameters."""
    left_head = network * n_parameters + head_offset
    right_head = left_head + own_sites * U * 2
    bias = right_head + own_sites * U * 2
    return left_head, right_head, bias, bias + own_sites * 2


@triton.jit
def _state_offsets(network, gap, T, N, W: tl.constexpr, M: tl.constexpr):
    """Where the states left and right of a gap begin, and those that join both sides."""
    left = ((2 * network) * T + gap - 1) * N * W
    right = ((2 * network + 1) * T + gap) * N * W
    return left, right, (network * (T + 1) + gap) * N * M


@triton.jit
def _head(pointer, logit, sites, is_site, U: tl.constexpr, PADDED: tl.constexpr):
    """Weights of one of the two logits, for some sites: float32 (PADDED, n_sites)."""
    units = tl.arange(0, PADDED)
    at = pointer + (sites[None, :] * U + units[:, None]) * 2 + logit
    return tl.load(at, mask=is_site[None, :] & (units < U)[:, None], other=0.0)


@triton.jit
def _odds_head(pointer, sites, is_site, U: tl.constexpr, PADDED: tl.constexpr):
    """Weights of the log odds, which are the difference of both logits: float32 (PADDED, n_sites)."""
    weights = _head(pointer, 1, sites, is_site, U, PADDED)
    weights -= _head(pointer, 0, sites, is_site, U, PADDED)
    return weights


@triton.jit
def _clear(rows_of, N, WIDTH: tl.constexpr, PADDED: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr):
    """Write zeros to the N rows of WIDTH numbers that begin here."""
    columns = tl.arange(0, PADDED)
    for start in range(0, N, TILE):
        rows = start + tl.arange(0, TILE)
        mask = (rows < N)[:, None] & (columns < WIDTH)[None, :]
        tl.store(rows_of + rows[:, None] * WIDTH + columns[None, :], tl.zeros((TILE, PADDED), OPERAND), mask=mask)


@triton.jit
def _clear_gap(
    left, right, between, has_left, has_right, N, W: tl.constexpr, PADDED: tl.constexpr,
    M: tl.constexpr, M_PADDED: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Write zeros for a gap without sites: as gradients of the states on both sides, and of those that join them."""
    units = tl.arange(0, PADDED)
    for start in range(0, N, TILE):
        rows = start + tl.arange(0, TILE)
        at = rows[:, None] * W + units[None, :]
        mask = (rows < N)[:, None] & (units < W)[None, :]
        zero = tl.zeros((TILE, PADDED), OPERAND)
        tl.store(left + at, zero, mask=mask & has_left)
        tl.store(right + at, zero, mask=mask & has_right)
    if M:
        _clear(between, N, M, M_PADDED, TILE, OPERAND)


@triton.jit
def _loss_and_slope(odds, true, weight, here, OPERAND: tl.constexpr):
    """Weighted cross-entropy, summed, and its gradient by the log odds: float32 (TILE, SITES).

    Args:
        odds: Log odds of allele 1, float32 (TILE, SITES).
        true: Expected P(a1), float32 (TILE, SITES).
        weight: float32 (SITES,).
        here: Which of them exist, bool (TILE, SITES).
    """
    softplus = tl.maximum(odds, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(odds)))
    loss = tl.sum(tl.where(here, weight[None, :] * (softplus - true * odds), 0.0))
    return loss, tl.where(here, weight[None, :] * (fast_sigmoid(odds, OPERAND) - true), 0.0)


@triton.jit
def _store_joint_flow(pointer, slope, from_mixed, mask, has_earlier, OPERAND: tl.constexpr):
    """Store the gradient of the states that join both sides, added to that of the gap's earlier sites."""
    d_joint = tl.dot(slope, tl.trans(from_mixed).to(OPERAND))
    if has_earlier:
        d_joint += tl.load(pointer, mask=mask, other=0.0).to(tl.float32)
    tl.store(pointer, d_joint.to(OPERAND), mask=mask)


@triton.jit
def _store_head(pointer, sums, sites, is_site, U: tl.constexpr, PADDED: tl.constexpr):
    """Store the gradient of a head for both logits, from that for the log odds, float32 (PADDED, n_sites)."""
    units = tl.arange(0, PADDED)
    place = (sites[None, :] * U + units[:, None]) * 2
    inside = is_site[None, :] & (units < U)[:, None]
    tl.store(pointer + place + 1, sums, mask=inside)
    tl.store(pointer + place, -sums, mask=inside)


@triton.jit
def _store_heads(
    gradients, left_head, right_head, bias, mixed_head, sum_left, sum_right, sum_bias, sum_mixed, sites, is_site,
    U: tl.constexpr, PADDED: tl.constexpr, M: tl.constexpr, M_PADDED: tl.constexpr,
):  # fmt: skip
    """Store the gradients of all heads and of the bias."""
    _store_head(gradients + left_head, sum_left, sites, is_site, U, PADDED)
    _store_head(gradients + right_head, sum_right, sites, is_site, U, PADDED)
    tl.store(gradients + bias + sites * 2 + 1, sum_bias, mask=is_site)
    tl.store(gradients + bias + sites * 2, -sum_bias, mask=is_site)
    if M:
        _store_head(gradients + mixed_head, sum_mixed, sites, is_site, M, M_PADDED)


@triton.jit
def site_heads_fwd_bwd_kernel(
    parameters, gradients, y, dy, mixed, d_mixed, truth, weights, first_site, loss, lengths, n_sites,
    n_parameters, head_offset, T, S, N,
    U: tl.constexpr, W: tl.constexpr, PADDED: tl.constexpr, M: tl.constexpr, M_PADDED: tl.constexpr,
    TILE: tl.constexpr, SITES: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Loss of the sites of one gap, and gradients of their heads and of the states that they read.

    Args:
        parameters: One row per network. From `head_offset` on, it has the left head (S_k, U, 2), the right head
            (S_k, U, 2) and the bias (S_k, 2). Unless M is 0, the head of the joining layer (S_k, M, 2) follows.
        gradients: Receives the gradients, in the same rows.
        y: The last layer's sum, OPERAND (P, T, N, W). The zeros behind the units are read too, and multiplied by 0.
        dy: Receives the gradient of y at the markers beside the gap, and zeros behind the units. Each place is written
            by one gap.
        mixed: The joining layer's states at each gap, OPERAND (K, T + 1, N, M).
        d_mixed: Receives their gradient; 0 behind a network's last gap.
        truth: The expected P(a1) times `CERTAIN`, uint8 (K, S, N).
        weights: Weights of the sites in the loss, float32 (K, S).
        first_site: The first site of each gap, then the end of the last gap, int32 (K, T + 2).
        loss: Receives each gap's part of the mean loss, float32 (K, T + 1).
        lengths: Markers of each network, int32 (K,).
        n_sites: Sites of each network, int32 (K,).
    """
    gap = tl.program_id(0)
    network = tl.program_id(1).to(tl.int64)
    length = tl.load(lengths + network)
    if gap <= length:
        left, right, between = _state_offsets(network, gap, T, N, W, M)
        own_sites = tl.load(n_sites + network)
        begin = tl.load(first_site + network * (T + 2) + gap)
        end = tl.load(first_site + network * (T + 2) + gap + 1)
        left_head, right_head, bias, mixed_head = _head_offsets(network, n_parameters, head_offset, own_sites, U)
        units, columns = tl.arange(0, PADDED), tl.arange(0, M_PADDED)
        has_left, has_right = gap > 0, gap < length
        scale = 1.0 / (own_sites * N).to(tl.float32)
        total = 0.0
        if begin == end:
            _clear_gap(
                dy + left, dy + right, d_mixed + between, has_left, has_right, N, W, PADDED, M, M_PADDED, TILE, OPERAND
            )  # fmt: skip
        for block in range(begin, end, SITES):
            sites = block + tl.arange(0, SITES)
            is_site = sites < end
            from_left = _odds_head(parameters + left_head, sites, is_site & has_left, U, PADDED)
            from_right = _odds_head(parameters + right_head, sites, is_site & has_right, U, PADDED)
            offset = tl.load(parameters + bias + sites * 2 + 1, mask=is_site, other=0.0)
            offset -= tl.load(parameters + bias + sites * 2, mask=is_site, other=0.0)
            weight = tl.load(weights + network * S + sites, mask=is_site, other=0.0) * scale
            sum_left, sum_right = tl.zeros((PADDED, SITES), tl.float32), tl.zeros((PADDED, SITES), tl.float32)
            sum_bias = tl.zeros((SITES,), tl.float32)
            from_mixed, sum_mixed = from_left, sum_left  # not used unless M
            if M:
                from_mixed = _odds_head(parameters + mixed_head, sites, is_site, M, M_PADDED)
                sum_mixed = tl.zeros((M_PADDED, SITES), tl.float32)
            for start in range(0, N, TILE):
                rows = start + tl.arange(0, TILE)
                is_row = rows < N
                at = rows[:, None] * W + units[None, :]
                mask = is_row[:, None] & (units < W)[None, :]
                y_left = tl.load(y + left + at, mask=mask & has_left, other=0.0)
                y_right = tl.load(y + right + at, mask=mask & has_right, other=0.0)
                odds = tl.dot(y_left, from_left.to(OPERAND))
                odds = tl.dot(y_right, from_right.to(OPERAND), acc=odds) + offset[None, :]
                if M:
                    at_mixed = between + rows[:, None] * M + columns[None, :]
                    is_mixed = is_row[:, None] & (columns < M)[None, :]
                    joint = tl.load(mixed + at_mixed, mask=is_mixed, other=0.0)
                    odds = tl.dot(joint, from_mixed.to(OPERAND), acc=odds)
                here = is_row[:, None] & is_site[None, :]
                true = tl.load(truth + (network * S + sites[None, :]) * N + rows[:, None], mask=here, other=0)
                part, slope = _loss_and_slope(odds, true.to(tl.float32) / CERTAIN, weight, here, OPERAND)
                total += part
                sum_bias += tl.sum(slope, axis=0)
                slope = slope.to(OPERAND)
                sum_left = tl.dot(tl.trans(y_left), slope, acc=sum_left)
                sum_right = tl.dot(tl.trans(y_right), slope, acc=sum_right)
                # no helper: its arguments would be pointers that take registers over the whole step
                d_left = tl.dot(slope, tl.trans(from_left).to(OPERAND))
                d_right = tl.dot(slope, tl.trans(from_right).to(OPERAND))
                if block > begin:
                    d_left += tl.load(dy + left + at, mask=mask & has_left, other=0.0).to(tl.float32)
                    d_right += tl.load(dy + right + at, mask=mask & has_right, other=0.0).to(tl.float32)
                tl.store(dy + left + at, d_left.to(OPERAND), mask=mask & has_left)
                tl.store(dy + right + at, d_right.to(OPERAND), mask=mask & has_right)
                if M:
                    sum_mixed = tl.dot(tl.trans(joint), slope, acc=sum_mixed)
                    _store_joint_flow(d_mixed + at_mixed, slope, from_mixed, is_mixed, block > begin, OPERAND)
            _store_heads(
                gradients, left_head, right_head, bias, mixed_head, sum_left, sum_right, sum_bias, sum_mixed,
                sites, is_site, U, PADDED, M, M_PADDED,
            )  # fmt: skip
        tl.store(loss + network * (T + 1) + gap, total)
    elif M:  # the products after this kernel read whole arrays, where a network that broke down may have left NaN
        _clear(d_mixed + (network * (T + 1) + gap) * N * M, N, M, M_PADDED, TILE, OPERAND)


@triton.jit
def _both_heads(pointer, sites, is_site, U: tl.constexpr, PADDED: tl.constexpr, OPERAND: tl.constexpr):
    """Both logits' weights of some sites, side by side: OPERAND (PADDED, 2 * n_sites); `sites` has each site twice."""
    units = tl.arange(0, PADDED)
    at = pointer + (sites[None, :] * U + units[:, None]) * 2 + (tl.arange(0, sites.shape[0]) % 2)[None, :]
    return tl.load(at, mask=is_site[None, :] & (units < U)[:, None], other=0.0).to(OPERAND)


@triton.jit
def site_logits_fwd_kernel(
    parameters, y, mixed, logits, first_site, lengths, n_sites, n_parameters, head_offset, T, S, N,
    U: tl.constexpr, W: tl.constexpr, PADDED: tl.constexpr, M: tl.constexpr, M_PADDED: tl.constexpr,
    TILE: tl.constexpr, SITES: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Both logits of the sites of one gap.

    Args:
        logits: Receives the logits, float32 (2, K, S, N). The other arguments are those of `site_heads_fwd_bwd_kernel`.
    """
    gap = tl.program_id(0)
    network, n_networks = tl.program_id(1).to(tl.int64), tl.num_programs(1)
    length = tl.load(lengths + network)
    if gap <= length:
        own_sites = tl.load(n_sites + network)
        begin = tl.load(first_site + network * (T + 2) + gap)
        end = tl.load(first_site + network * (T + 2) + gap + 1)
        left_head, right_head, bias, mixed_head = _head_offsets(network, n_parameters, head_offset, own_sites, U)
        left, right, between = _state_offsets(network, gap, T, N, W, M)
        units, columns = tl.arange(0, PADDED), tl.arange(0, M_PADDED)
        has_left, has_right = gap > 0, gap < length
        logit = tl.arange(0, 2 * SITES) % 2
        for block in range(begin, end, SITES):
            sites = block + tl.arange(0, 2 * SITES) // 2
            is_site = sites < end
            from_left = _both_heads(parameters + left_head, sites, is_site & has_left, U, PADDED, OPERAND)
            from_right = _both_heads(parameters + right_head, sites, is_site & has_right, U, PADDED, OPERAND)
            offset = tl.load(parameters + bias + sites * 2 + logit, mask=is_site, other=0.0)
            if M:
                from_mixed = _both_heads(parameters + mixed_head, sites, is_site, M, M_PADDED, OPERAND)
            to = logits + ((logit * n_networks + network) * S + sites)[None, :] * N
            for start in range(0, N, TILE):
                rows = start + tl.arange(0, TILE)
                at = rows[:, None] * W + units[None, :]
                mask = (rows < N)[:, None] & (units < W)[None, :]
                value = tl.dot(tl.load(y + left + at, mask=mask & has_left, other=0.0), from_left)
                y_right = tl.load(y + right + at, mask=mask & has_right, other=0.0)
                value = tl.dot(y_right, from_right, acc=value) + offset[None, :]
                if M:
                    is_mixed = (rows < N)[:, None] & (columns < M)[None, :]
                    at_mixed = between + rows[:, None] * M + columns[None, :]
                    value = tl.dot(tl.load(mixed + at_mixed, mask=is_mixed, other=0.0), from_mixed, acc=value)
                tl.store(to + rows[:, None], value, mask=(rows < N)[:, None] & is_site[None, :])
