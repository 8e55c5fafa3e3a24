"""`CopyingNetwork` run and trained by Numba kernels: the same parameters, outputs and gradients, sooner.

Haplotypes are dealt to threads for the passes over markers, and gaps for the sums over haplotypes, so that no bit of
a result depends on how many threads there are. What the arrays hold is said in `copying.py`.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from rnnimp.network.copying import LEAST_PROBABILITY, CopyingNetwork
from rnnimp.network.cpu_kernel import Floats
from rnnimp.network.cpu_stack import deal

_HAPLOTYPES_A_JOB, _GAPS_A_JOB = 8, 16
# sums over states may be taken in any order, which is the same one in every run
_kernel = numba.njit(error_model="numpy", nogil=True, cache=True, fastmath=True)


@_kernel
def _pass(first, last, alt, chance, enter, leave, states, scale, from_right):  # type: ignore
    """States at every gap, (n_haplotypes, n_markers + 1, n_states), and what they were divided by."""
    n_markers, n_states = chance.shape
    for row in range(first, last):
        states[row, n_markers if from_right else 0] = 0
        for step in range(n_markers):
            marker = n_markers - 1 - step if from_right else step
            near, far = (marker + 1, marker) if from_right else (marker, marker + 1)
            allele = alt[row, marker]
            total = np.float32(0)
            for state in range(n_states):
                reached = states[row, near, state] + enter[near, state]
                if allele == 1:
                    reached *= chance[marker, state]
                elif allele == 0:
                    reached *= 1 - chance[marker, state]
                states[row, far, state] = reached
                total += reached * leave[far, state]
            scale[row, far] = total
            for state in range(n_states):
                states[row, far, state] /= total


@_kernel
def _pass_back(first, last, alt, chance, enter, leave, states, others, scale, slopes, flow, sums, from_right):  # type: ignore
    """The way back: from the gradient of every gap's weights to that of the states before each marker."""
    n_markers, n_states = chance.shape
    carried = np.empty(n_states, np.float32)
    half = np.float32(0.5)
    for row in range(first, last):
        carried[:] = 0
        for step in range(n_markers):
            marker = step if from_right else n_markers - 1 - step
            far = marker if from_right else marker + 1
            inner = np.float32(0)
            for state in range(n_states):
                carried[state] += slopes[row, far, state] * (others[row, far, state] + half * leave[far, state])
                inner += carried[state] * states[row, far, state]
            sums[row, far] = inner
            allele = alt[row, marker]
            for state in range(n_states):
                value = (carried[state] - leave[far, state] * inner) / scale[row, far]
                if allele == 1:
                    value *= chance[marker, state]
                elif allele == 0:
                    value *= 1 - chance[marker, state]
                carried[state] = value
                flow[row, marker, state] = value


@_kernel
def _sum(  # type: ignore
    first, last, alt, chance, enter, leave, left, right, slopes, to_left, to_right, left_sums, right_sums,
    of_emission, of_enter, of_leave,
):  # fmt: skip
    """Gradients of a gap's gates, and of the emissions on both sides of it, one behind the other."""
    n_markers, n_states = chance.shape
    half = np.float32(0.5)
    for gap in range(first, last):
        of_enter[gap], of_leave[gap] = 0, 0
        for row in range(len(alt)):
            for state in range(n_states):
                slope = half * slopes[row, gap, state]
                of_enter[gap, state] += right[row, gap, state] * slope
                of_leave[gap, state] += left[row, gap, state] * slope
            if gap < n_markers:
                allele = alt[row, gap]
                for state in range(n_states):
                    value = to_left[row, gap, state]
                    of_enter[gap, state] += value - right[row, gap, state] * right_sums[row, gap]
                    if allele == 0 or allele == 1:
                        value *= left[row, gap, state] + enter[gap, state]
                        of_emission[0, gap, state] += value * (allele - chance[gap, state])
            if gap > 0:
                allele = alt[row, gap - 1]
                for state in range(n_states):
                    value = to_right[row, gap - 1, state]
                    of_leave[gap, state] += value - left[row, gap, state] * left_sums[row, gap]
                    if allele == 0 or allele == 1:
                        value *= right[row, gap, state] + leave[gap, state]
                        of_emission[1, gap - 1, state] += value * (allele - chance[gap - 1, state])


class CpuCopyingEngine:
    """A copying network's forward pass, differentiable in its parameters.

    Args:
        network: on the CPU, in float32; it goes on holding the parameters.
        threads: how many haplotypes are worked on at once; no bit of a result depends on it.
    """

    def __init__(self, network: CopyingNetwork, threads: int = 1) -> None:
        self._network, self.threads = network, threads
        gaps, first_sites = np.unique(network.gap.numpy(), return_index=True)
        ends = np.append(first_sites[1:], len(network.gap))
        self.sites_of_gaps = list(zip(gaps.tolist(), first_sites.tolist(), ends.tolist(), strict=True))

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
            inputs[:, :, 1].contiguous().numpy(),
            network.emission,
            network.enter.exp(),
            network.leave.exp(),
            torch.sigmoid(network.site),
        )
        alt = alt.clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        return torch.stack([(1 - alt).log(), alt.log()], dim=2)

    def deal_haplotypes(self, job: Any, n_haplotypes: int, *arguments: Any) -> None:
        """Run a kernel on all haplotypes."""
        starts = range(0, n_haplotypes, _HAPLOTYPES_A_JOB)
        deal(job, [(start, min(start + _HAPLOTYPES_A_JOB, n_haplotypes), *arguments) for start in starts], self.threads)

    def deal_gaps(self, job: Any, n_gaps: int, *arguments: Any) -> None:
        """Run a kernel on all gaps."""
        starts = range(0, n_gaps, _GAPS_A_JOB)
        deal(job, [(start, min(start + _GAPS_A_JOB, n_gaps), *arguments) for start in starts], self.threads)


class _Copied(torch.autograd.Function):
    """P(a1), (n_sites, n_haplotypes), from log odds of emission, gates q and l, and what states emit at sites."""

    @staticmethod
    def forward(ctx: Any, engine: CpuCopyingEngine, alt: Floats, *parameters: Tensor) -> Tensor:
        enter, leave, emits = (parameter.detach().numpy() for parameter in parameters[1:])
        chance = torch.sigmoid(parameters[0].detach()).numpy()
        n_haplotypes, (n_markers, n_states) = len(alt), chance.shape
        states = [np.empty((n_haplotypes, n_markers + 1, n_states), np.float32) for _ in range(2)]
        scales = [np.ones((n_haplotypes, n_markers + 1), np.float32) for _ in range(2)]
        for side, gates in enumerate([(enter, leave), (leave, enter)]):
            engine.deal_haplotypes(_pass, n_haplotypes, alt, chance, *gates, states[side], scales[side], bool(side))
        ctx.engine, ctx.tables = engine, (alt, chance, enter, leave)
        ctx.emits, ctx.states, ctx.scales = emits, states, scales
        mean = np.empty((len(emits), n_haplotypes), np.float32)
        for gap, first, last in engine.sites_of_gaps:
            weights = _weights(ctx, gap)
            mean[first:last] = emits[first:last] @ weights.T / weights.sum(1)
        ctx.mean = mean
        return torch.from_numpy(mean.copy())

    @staticmethod
    def backward(ctx: Any, *of_mean: Tensor) -> Any:
        engine, states, scales = ctx.engine, ctx.states, ctx.scales
        alt, chance, enter, leave = ctx.tables
        slopes, of_emits = _back_through_heads(ctx, of_mean[0].numpy())
        n_haplotypes, (n_markers, n_states) = len(alt), chance.shape
        flows = [np.empty((n_haplotypes, n_markers, n_states), np.float32) for _ in range(2)]
        sums = [np.zeros((n_haplotypes, n_markers + 1), np.float32) for _ in range(2)]
        for side, gates in enumerate([(enter, leave), (leave, enter)]):
            engine.deal_haplotypes(
                _pass_back, n_haplotypes, alt, chance, *gates, states[side], states[1 - side], scales[side], slopes,
                flows[side], sums[side], bool(side),
            )  # fmt: skip
        of_emission = np.zeros((2, n_markers, n_states), np.float32)
        of_enter, of_leave = np.empty_like(enter), np.empty_like(leave)
        engine.deal_gaps(
            _sum, n_markers + 1, alt, chance, enter, leave, *states, slopes, *flows, *sums, of_emission, of_enter,
            of_leave,
        )  # fmt: skip
        gradients = of_emission.sum(0), of_enter, of_leave, of_emits
        return None, None, *(torch.from_numpy(gradient) for gradient in gradients)


def _weights(ctx: Any, gap: int) -> Floats:
    """The weight of each state at a gap, (n_haplotypes, n_states)."""
    _, _, enter, leave = ctx.tables
    left, right = ctx.states[0][:, gap], ctx.states[1][:, gap]
    weights: Floats = left * right + np.float32(0.5) * (leave[gap] * left + enter[gap] * right)
    return weights


def _back_through_heads(ctx: Any, of_mean: Floats) -> tuple[Floats, Floats]:
    """Gradients of the weights at every gap, (n_haplotypes, n_markers + 1, n_states), and of what states emit."""
    slopes, of_emits = np.zeros_like(ctx.states[0]), np.empty_like(ctx.emits)
    for gap, first, last in ctx.engine.sites_of_gaps:
        weights = _weights(ctx, gap)
        each = of_mean[first:last] / weights.sum(1)
        of_emits[first:last] = each @ weights
        inner = (each * ctx.mean[first:last]).sum(0)
        slopes[:, gap] = each.T @ ctx.emits[first:last] - inner[:, None]
    return slopes, of_emits
