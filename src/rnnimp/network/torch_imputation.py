"""Runs a region's folded networks by PyTorch, on a GPU. Needs torch; the CPU has faster kernels of its own."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from rnnimp.network.graph import FoldedNetwork, FoldedStack
from rnnimp.network.weights import Floats


class TorchEngine:
    """A region's networks on a device, in float32 without shortened products.

    Args:
        network: from `graph.read_folded_network`.
        device: as PyTorch names it.
    """

    haplotypes_per_run = 2048  # about 1 GB for a region of the published shape

    def __init__(self, network: FoldedNetwork, device: str) -> None:
        self._device = device
        self._stacks = [_TorchStack(stack, device) for stack in network.stacks]
        gaps, first_sites = np.unique(network.gaps, return_index=True)
        self._gaps = gaps.tolist()
        head = torch.from_numpy(network.head).to(device)
        self._head = torch.tensor_split(head, first_sites[1:].tolist())
        self._mixing = torch.from_numpy(network.mixing).to(device)
        self._mixing_bias = torch.from_numpy(network.mixing_bias).to(device)
        self._bias = torch.from_numpy(network.bias).to(device)[:, None]
        self.n_markers, self.n_sites = len(network.stacks[0].features), len(network.gaps)

    @torch.inference_mode()
    def __call__(self, inputs: Floats) -> Floats:
        """P(a1) of every site.

        Args:
            inputs: float32 (n_haplotypes, n_markers, 2), [P(a0), P(a1)], which add up to 1.

        Returns:
            float32 (n_sites, n_haplotypes).
        """
        alt = torch.from_numpy(np.ascontiguousarray(inputs[:, :, 1].T)).to(self._device)[:, :, None]
        with torch.backends.cudnn.flags(allow_tf32=False):
            states = [stack.states(alt) for stack in self._stacks]  # (n_markers + 1, n_haplotypes, n_units) each
        logits = []
        for gap, head in zip(self._gaps, self._head, strict=True):
            here = torch.cat([part[gap] for part in states], dim=1)
            mixed = torch.tanh(here @ self._mixing + self._mixing_bias)
            logits.append(head @ torch.cat([here, mixed], dim=1).T)
        result: Floats = torch.sigmoid(torch.cat(logits) + self._bias).cpu().numpy()
        return result


class _TorchStack:
    """PyTorch's recurrent layers with a stack's weights."""

    def __init__(self, stack: FoldedStack, device: str) -> None:
        weights = stack.weights
        kind = nn.GRU if weights.cell == "GRU" else nn.LSTM
        self._from_right = weights.from_right
        self._features = torch.from_numpy(stack.features).to(device)
        self._layers: list[nn.GRU | nn.LSTM] = []
        for layer in weights.layers:
            module = kind(layer.input.shape[1], layer.recurrent.shape[1])
            for parameter, value in zip(module.parameters(), layer, strict=True):
                parameter.data = torch.from_numpy(value)
            self._layers.append(module.to(device))

    def states(self, alt: Tensor) -> Tensor:
        """States at each gap, float32 (n_markers + 1, n_haplotypes, n_units); 0 where there is no marker.

        Args:
            alt: float32 (n_markers, n_haplotypes, 1), P(a1).
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
