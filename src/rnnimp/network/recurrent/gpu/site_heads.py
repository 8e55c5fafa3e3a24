"""The heads of every network: a program owns the sites of one gap between two markers."""

from __future__ import annotations

import triton
import triton.language as tl

from rnnimp.network.recurrent.gpu.parts import CERTAIN, fast_sigmoid


@triton.jit
def _head(pointer, logit, sites, is_site, U: tl.constexpr, PADDED: tl.constexpr):
    """One of the two logits' weights of some sites: float32 (PADDED, n_sites)."""
    units = tl.arange(0, PADDED)
    at = pointer + (sites[None, :] * U + units[:, None]) * 2 + logit
    return tl.load(at, mask=is_site[None, :] & (units < U)[:, None], other=0.0)


@triton.jit
def _clear(rows_of, N, M: tl.constexpr, M_PADDED: tl.constexpr, TILE: tl.constexpr, OPERAND: tl.constexpr):
    """Write zeros to the N rows of M that begin here."""
    columns = tl.arange(0, M_PADDED)
    for start in range(0, N, TILE):
        rows = start + tl.arange(0, TILE)
        mask = (rows < N)[:, None] & (columns < M)[None, :]
        tl.store(rows_of + rows[:, None] * M + columns[None, :], tl.zeros((TILE, M_PADDED), OPERAND), mask=mask)


@triton.jit
def heads(
    parameters, gradients, y, dy, mixed, d_mixed, truth, weights, first_site, loss, lengths, n_sites,
    n_parameters, head_offset, T, S, N,
    U: tl.constexpr, W: tl.constexpr, PADDED: tl.constexpr, M: tl.constexpr, M_PADDED: tl.constexpr,
    TILE: tl.constexpr, SITES: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Loss of the sites of one gap, and the gradients of their heads and of the states that they read.

    Args:
        parameters: rows with left head (S_k, U, 2), right head (S_k, U, 2), bias (S_k, 2), and, unless M is 0, the head
            (S_k, M, 2) of what joins both sides, from `head_offset` on.
        gradients: the same for gradients.
        y: the last layer's sum. Its left stack is read at the marker before the gap, its right one after it. The zeros
            behind the units are read too, and multiplied with 0.
        dy: receives the gradient of those, and the zeros behind their units; each place is written by one gap.
        mixed: (K, T + 1, N, M), what joins both sides of each gap.
        d_mixed: receives its gradient, 0 behind a network's last gap.
        truth: uint8 (K, S, N), the expected P(a1) in parts of `CERTAIN`.
        weights: float32 (K, S).
        first_site: int32 (K, T + 2), the first site of each gap and the end of the last.
        loss: float32 (K, T + 1), each gap's part of the mean loss.
    """
    gap = tl.program_id(0)
    network = tl.program_id(1).to(tl.int64)
    length = tl.load(lengths + network)
    if gap <= length:
        own_sites = tl.load(n_sites + network)
        begin = tl.load(first_site + network * (T + 2) + gap)
        end = tl.load(first_site + network * (T + 2) + gap + 1)
        left_head = network * n_parameters + head_offset
        right_head = left_head + own_sites * U * 2
        bias = right_head + own_sites * U * 2
        mixed_head = bias + own_sites * 2
        units = tl.arange(0, PADDED)
        is_unit, is_stored = units < U, units < W
        columns = tl.arange(0, M_PADDED)
        is_column = columns < M
        between = (network * (T + 1) + gap) * N * M
        left = ((2 * network) * T + gap - 1) * N * W
        right = ((2 * network + 1) * T + gap) * N * W
        has_left, has_right = gap > 0, gap < length
        scale = 1.0 / (own_sites * N).to(tl.float32)
        total = 0.0
        if begin == end:
            for start in range(0, N, TILE):
                rows = start + tl.arange(0, TILE)
                at = rows[:, None] * W + units[None, :]
                mask = (rows < N)[:, None] & is_stored[None, :]
                zero = tl.zeros((TILE, PADDED), OPERAND)
                tl.store(dy + left + at, zero, mask=mask & has_left)
                tl.store(dy + right + at, zero, mask=mask & has_right)
            if M:
                _clear(d_mixed + between, N, M, M_PADDED, TILE, OPERAND)
        for block in range(begin, end, SITES):
            sites = block + tl.arange(0, SITES)
            is_site = sites < end
            of_left, of_right = is_site & has_left, is_site & has_right
            from_left = _head(parameters + left_head, 1, sites, of_left, U, PADDED)
            from_left -= _head(parameters + left_head, 0, sites, of_left, U, PADDED)
            from_right = _head(parameters + right_head, 1, sites, of_right, U, PADDED)
            from_right -= _head(parameters + right_head, 0, sites, of_right, U, PADDED)
            offset = tl.load(parameters + bias + sites * 2 + 1, mask=is_site, other=0.0)
            offset -= tl.load(parameters + bias + sites * 2, mask=is_site, other=0.0)
            weight = tl.load(weights + network * S + sites, mask=is_site, other=0.0) * scale
            sum_left = tl.zeros((PADDED, SITES), tl.float32)
            sum_right = tl.zeros((PADDED, SITES), tl.float32)
            sum_bias = tl.zeros((SITES,), tl.float32)
            if M:
                from_mixed = _head(parameters + mixed_head, 1, sites, is_site, M, M_PADDED)
                from_mixed -= _head(parameters + mixed_head, 0, sites, is_site, M, M_PADDED)
                sum_mixed = tl.zeros((M_PADDED, SITES), tl.float32)
            for start in range(0, N, TILE):
                rows = start + tl.arange(0, TILE)
                is_row = rows < N
                at = rows[:, None] * W + units[None, :]
                mask = is_row[:, None] & is_stored[None, :]
                y_left = tl.load(y + left + at, mask=mask & has_left, other=0.0)
                y_right = tl.load(y + right + at, mask=mask & has_right, other=0.0)
                logit = tl.dot(y_left, from_left.to(OPERAND))
                logit = tl.dot(y_right, from_right.to(OPERAND), acc=logit) + offset[None, :]
                if M:
                    at_mixed = between + rows[:, None] * M + columns[None, :]
                    is_mixed = is_row[:, None] & is_column[None, :]
                    joint = tl.load(mixed + at_mixed, mask=is_mixed, other=0.0)
                    logit = tl.dot(joint, from_mixed.to(OPERAND), acc=logit)
                here = is_row[:, None] & is_site[None, :]
                true = tl.load(truth + (network * S + sites[None, :]) * N + rows[:, None], mask=here, other=0)
                true = true.to(tl.float32) / CERTAIN
                softplus = tl.maximum(logit, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(logit)))
                total += tl.sum(tl.where(here, weight[None, :] * (softplus - true * logit), 0.0))
                slope = tl.where(here, weight[None, :] * (fast_sigmoid(logit, OPERAND) - true), 0.0)
                sum_bias += tl.sum(slope, axis=0)
                slope = slope.to(OPERAND)
                sum_left = tl.dot(tl.trans(y_left), slope, acc=sum_left)
                sum_right = tl.dot(tl.trans(y_right), slope, acc=sum_right)
                d_left = tl.dot(slope, tl.trans(from_left).to(OPERAND))
                d_right = tl.dot(slope, tl.trans(from_right).to(OPERAND))
                if block > begin:
                    d_left += tl.load(dy + left + at, mask=mask & has_left, other=0.0).to(tl.float32)
                    d_right += tl.load(dy + right + at, mask=mask & has_right, other=0.0).to(tl.float32)
                tl.store(dy + left + at, d_left.to(OPERAND), mask=mask & has_left)
                tl.store(dy + right + at, d_right.to(OPERAND), mask=mask & has_right)
                if M:
                    sum_mixed = tl.dot(tl.trans(joint), slope, acc=sum_mixed)
                    d_joint = tl.dot(slope, tl.trans(from_mixed).to(OPERAND))
                    if block > begin:
                        d_joint += tl.load(d_mixed + at_mixed, mask=is_mixed, other=0.0).to(tl.float32)
                    tl.store(d_mixed + at_mixed, d_joint.to(OPERAND), mask=is_mixed)
            place = (sites[None, :] * U + units[:, None]) * 2
            inside = is_site[None, :] & is_unit[:, None]
            tl.store(gradients + left_head + place + 1, sum_left, mask=inside)
            tl.store(gradients + left_head + place, -sum_left, mask=inside)
            tl.store(gradients + right_head + place + 1, sum_right, mask=inside)
            tl.store(gradients + right_head + place, -sum_right, mask=inside)
            tl.store(gradients + bias + sites * 2 + 1, sum_bias, mask=is_site)
            tl.store(gradients + bias + sites * 2, -sum_bias, mask=is_site)
            if M:
                place = (sites[None, :] * M + columns[:, None]) * 2
                inside = is_site[None, :] & is_column[:, None]
                tl.store(gradients + mixed_head + place + 1, sum_mixed, mask=inside)
                tl.store(gradients + mixed_head + place, -sum_mixed, mask=inside)
        tl.store(loss + network * (T + 1) + gap, total)
    elif M:  # what follows multiplies whole arrays, where a network that broke down may have left NaN
        _clear(d_mixed + (network * (T + 1) + gap) * N * M, N, M, M_PADDED, TILE, OPERAND)


@triton.jit
def _both_heads(pointer, sites, is_site, U: tl.constexpr, PADDED: tl.constexpr, OPERAND: tl.constexpr):
    """Both logits' weights of some sites, side by side: OPERAND (PADDED, 2 * n_sites); `sites` has each site twice."""
    units = tl.arange(0, PADDED)
    at = pointer + (sites[None, :] * U + units[:, None]) * 2 + (tl.arange(0, sites.shape[0]) % 2)[None, :]
    return tl.load(at, mask=is_site[None, :] & (units < U)[:, None], other=0.0).to(OPERAND)


@triton.jit
def head_logits(
    parameters, y, mixed, logits, first_site, lengths, n_sites, n_parameters, head_offset, T, S, N,
    U: tl.constexpr, W: tl.constexpr, PADDED: tl.constexpr, M: tl.constexpr, M_PADDED: tl.constexpr,
    TILE: tl.constexpr, SITES: tl.constexpr, OPERAND: tl.constexpr,
):  # fmt: skip
    """Both logits of the sites of one gap: float32 (2, K, S, N)."""
    gap = tl.program_id(0)
    network, n_networks = tl.program_id(1).to(tl.int64), tl.num_programs(1)
    length = tl.load(lengths + network)
    if gap <= length:
        own_sites = tl.load(n_sites + network)
        begin = tl.load(first_site + network * (T + 2) + gap)
        end = tl.load(first_site + network * (T + 2) + gap + 1)
        left_head = parameters + network * n_parameters + head_offset
        right_head = left_head + own_sites * U * 2
        bias = right_head + own_sites * U * 2
        mixed_head = bias + own_sites * 2
        units, columns = tl.arange(0, PADDED), tl.arange(0, M_PADDED)
        between = (network * (T + 1) + gap) * N * M
        left = ((2 * network) * T + gap - 1) * N * W
        right = ((2 * network + 1) * T + gap) * N * W
        has_left, has_right = gap > 0, gap < length
        logit = tl.arange(0, 2 * SITES) % 2
        for block in range(begin, end, SITES):
            sites = block + tl.arange(0, 2 * SITES) // 2
            is_site = sites < end
            from_left = _both_heads(left_head, sites, is_site & has_left, U, PADDED, OPERAND)
            from_right = _both_heads(right_head, sites, is_site & has_right, U, PADDED, OPERAND)
            offset = tl.load(bias + sites * 2 + logit, mask=is_site, other=0.0)
            if M:
                from_mixed = _both_heads(mixed_head, sites, is_site, M, M_PADDED, OPERAND)
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
