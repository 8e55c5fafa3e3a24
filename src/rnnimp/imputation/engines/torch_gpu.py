"""Runs a region's folded networks in PyTorch, on a GPU. Needs torch; on the CPU, our own kernels are faster."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from rnnimp.network.graph.reading import FoldedNetwork, FoldedStack
from rnnimp.network.hmm.reference import allele_emissions, forward_pass, is_certain, mixture_weight
from rnnimp.network.hmm.weights import HmmWeights
from rnnimp.network.recurrent.cells import CELLS
from rnnimp.network.recurrent.reference import layer_weights, recurrent_layer
from rnnimp.network.recurrent.weights import JoiningWeights
from rnnimp.network.region_coding import Floats

_HMM_HAPLOTYPES_AT_ONCE = 512  # about 1 GB for a region of 300 markers and 512 states


class TorchEngine:
    """A region's networks on a device, in float32: TF32, which rounds the factors of products, is off.

    Args:
        network: From `read_folded_network`.
        device: As PyTorch names it.
    """

    haplotypes_per_run = 2048  # about 1 GB for a region of the published shape

    def __init__(self, network: FoldedNetwork, device: str) -> None:
        self._device = device
        self._stacks = [_TorchStack(stack, device) for stack in network.stacks]
        gaps, first_sites = np.unique(network.gaps, return_index=True)
        self._gaps = gaps.tolist()
        head = torch.from_numpy(network.head).to(device)
        self._head = torch.tensor_split(head, first_sites[1:].tolist())
        self._joining = [_TorchJoining(layer, device) for layer in network.joining]
        self._bias = torch.from_numpy(network.bias).to(device)[:, None]
        self._hmm = None if network.hmm is None else _TorchHmm(network.hmm, device)
        self.n_markers, self.n_sites = len(network.stacks[0].features), len(network.gaps)

    @torch.inference_mode()
    def __call__(self, inputs: Floats) -> Floats:
        """Run all networks of the region.

        Args:
            inputs: [P(a0), P(a1)], float32 (n_haplotypes, n_markers, 2); the two add up to 1.

        Returns:
            float32 (n_sites, n_haplotypes), P(a1).
        """
        alt = torch.from_numpy(np.ascontiguousarray(inputs[:, :, 1].T)).to(self._device)[:, :, None]
        with torch.backends.cudnn.flags(allow_tf32=False):
            states = [stack.states(alt) for stack in self._stacks]  # (n_markers + 1, n_haplotypes, n_units) each
        logits = []
        for gap, head in zip(self._gaps, self._head, strict=True):
            here = torch.cat([part[gap] for part in states], dim=1)
            mixed = [layer.states(here) for layer in self._joining]
            logits.append(head @ torch.cat([here, *mixed], dim=1).T)
        odds = torch.cat(logits) + self._bias
        if self._hmm is not None:
            odds = self._hmm.joined(odds, alt)
        result: Floats = torch.sigmoid(odds).cpu().numpy()
        return result


class _TorchJoining:
    """A layer that joins the states on both sides of a gap."""

    def __init__(self, layer: JoiningWeights, device: str) -> None:
        self._read = torch.cat(
            [torch.arange(start, start + len(part)) for start, part in zip(layer.starts, layer.weights, strict=True)]
        ).to(device)
        self._weight = torch.from_numpy(np.concatenate(layer.weights)).to(device)
        self._bias = torch.from_numpy(layer.bias).to(device)

    def states(self, here: Tensor) -> Tensor:
        """The layer at one gap.

        Args:
            here: States at the gap, float32 (n_haplotypes, units of all stacks).

        Returns:
            float32 (n_haplotypes, n_mixed).
        """
        return torch.tanh(here[:, self._read] @ self._weight + self._bias)


class _TorchHmm:
    """A haplotype HMM on a device, with the formulas of `hmm/reference.py`."""

    def __init__(self, weights: HmmWeights, device: str) -> None:
        def on_device(table: Floats) -> Tensor:
            return torch.from_numpy(table).to(device)

        self._emission_probability = on_device(weights.emission_probability())
        self._switch_in, self._switch_out = (
            on_device(weights.switch_in_weight()),
            on_device(weights.switch_out_weight()),
        )
        self._mixture_weight, self._gaps = weights.mixture_weight, np.unique(weights.gaps)
        rows = np.searchsorted(weights.gaps, self._gaps)[1:].tolist()
        self._site_probabilities = [
            torch.tensor_split(on_device(table), rows) for table in weights.site_probabilities()
        ]

    def joined(self, odds: Tensor, alt: Tensor) -> Tensor:
        """Weighted mean of the recurrent networks' log odds and the HMM's.

        Args:
            odds: Log odds of the recurrent networks, float32 (n_sites, n_haplotypes).
            alt: P(a1), float32 (n_markers, n_haplotypes, 1).

        Returns:
            float32 (n_sites, n_haplotypes).
        """
        weight = mixture_weight(1 - is_certain(alt).float().mean(0)[:, 0], self._mixture_weight)
        hmm_odds = torch.cat([self._odds(alt[:, rows]) for rows in _parts(alt.shape[1])], dim=1)
        return (1 - weight) * odds + weight * hmm_odds

    def _odds(self, alt: Tensor) -> Tensor:
        emissions = allele_emissions(alt, self._emission_probability[:, None])
        left = forward_pass(emissions, self._switch_in, self._switch_out)
        right = forward_pass(emissions.flip(0), self._switch_out.flip(0), self._switch_in.flip(0)).flip(0)
        odds = []
        for gap, refs, alts in zip(self._gaps.tolist(), *self._site_probabilities, strict=True):
            f, v = left[gap], right[gap]
            weights = f * v + 0.5 * (self._switch_out[gap] * f + self._switch_in[gap] * v)
            odds.append(torch.log((alts @ weights.T) / (refs @ weights.T)))
        return torch.cat(odds)


def _parts(n_haplotypes: int) -> list[slice]:
    size = _HMM_HAPLOTYPES_AT_ONCE
    return [slice(start, start + size) for start in range(0, n_haplotypes, size)]


class _TorchStack:
    """PyTorch's recurrent layers with a stack's weights."""

    def __init__(self, stack: FoldedStack, device: str) -> None:
        weights = stack.weights
        self._from_right = weights.from_right
        self._features = torch.from_numpy(stack.features).to(device)
        self._layers: list[nn.Module] = []
        for layer in weights.layers:
            module = recurrent_layer(CELLS[weights.cell], layer.input.shape[1], layer.recurrent.shape[1])
            for parameter, value in zip(layer_weights(module), layer, strict=True):
                parameter.data = torch.from_numpy(value)
            self._layers.append(module.to(device))

    def states(self, alt: Tensor) -> Tensor:
        """States that the sites of each gap read.

        Args:
            alt: P(a1), float32 (n_markers, n_haplotypes, 1).

        Returns:
            float32 (n_markers + 1, n_haplotypes, n_units); 0 where there is no marker on the stack's side of the gap.
        """
        start, end = self._features[:, None, 0], self._features[:, None, 1]
        states = start + alt * (end - start)
        if self._from_right:
            states = states.flip(0)
        for depth, layer in enumerate(self._layers):
            output, _ = layer(states)
            states = output if depth == 0 else states + output
        outside = torch.zeros_like(states[:1])
        return torch.cat([states.flip(0), outside] if self._from_right else [outside, states])
