"""`ImputationNetwork` on the CPU kernels, in training: with the same parameters, outputs and gradients, but faster.

`stacks.py` runs the stacks, `heads.py` the heads. This module takes PyTorch's parameters and returns gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnimp.network.recurrent.cpu.heads import gradients_of_heads, logits_of_states
from rnnimp.network.recurrent.cpu.mixing import join, pack_joining
from rnnimp.network.recurrent.cpu.stacks import PackedStack, Workspace, backward, forward, forward_training, pack
from rnnimp.network.recurrent.reference import ImputationNetwork, layer_weights
from rnnimp.network.recurrent.weights import JoiningWeights, LayerWeights, StackWeights
from rnnimp.network.region_coding import Floats


class CpuEngine:
    """A network's forward pass, differentiable in its parameters.

    Args:
        network: The network on the CPU, in float32. The engine reads and trains its parameters.
        threads: Tiles of haplotypes that run at once; the result does not depend on it.
    """

    def __init__(self, network: ImputationNetwork, threads: int = 1) -> None:
        self._network = network
        self.threads = threads
        self.workspace = Workspace()
        self.features: Floats = network.features.numpy()
        self.gaps, first_sites = np.unique(network.gap.numpy(), return_index=True)
        self._first_rows = 2 * np.append(first_sites, len(network.gap))  # two logits per site

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits of both alleles at every imputed site.

        Args:
            inputs: [P(a0), P(a1)], float32 (n_haplotypes, n_markers, 2); the two add up to 1. Not differentiated.

        Returns:
            float32 (n_sites, n_haplotypes, 2).
        """
        alt = inputs[:, :, 1].contiguous().numpy()
        if torch.is_grad_enabled():
            padded: Tensor = _TrainedNetwork.apply(self, alt, *self.parameters())  # type: ignore[no-untyped-call]
        else:
            states = forward(self.packed(), alt, self.gaps, self.threads, self.n_mixed())
            self.join(states)
            padded = self.logits(states)
        return padded[:, :, : len(alt)].transpose(1, 2)

    def packed(self) -> list[PackedStack]:
        """Both stacks in the kernels' layout."""
        stacks = []
        for stack in (self._network.left, self._network.right):
            layers = [
                LayerWeights(*(weight.detach().numpy() for weight in layer_weights(layer))) for layer in stack.layers
            ]
            weights = StackWeights(self._network.settings.cell, stack.from_right, tuple(layers))
            stacks.append(pack(weights, self.features))
        return stacks

    def parameters(self) -> list[Tensor]:
        """The network's parameters, in the order of the arguments of `_TrainedNetwork`."""
        network, mixing = self._network, self._network.mixing
        mixed = [] if mixing is None else [mixing.left, mixing.right, mixing.bias]
        return [*self._heads(), network.bias, *mixed, *network.left.parameters(), *network.right.parameters()]

    def _heads(self) -> list[Tensor]:
        network, mixing = self._network, self._network.mixing
        heads: list[Tensor] = [network.left_head, network.right_head]
        return heads if mixing is None else [*heads, mixing.head]

    def head(self) -> Floats:
        """Weights of each logit: float32 (2 * n_sites, units of both stacks and n_mixed)."""
        by_site = torch.cat(self._heads(), dim=1).detach()
        return by_site.transpose(1, 2).reshape(-1, by_site.shape[1]).numpy()

    def n_mixed(self) -> int:
        """Width of the layer that joins both stacks at each gap."""
        return self._network.settings.n_mixed

    def join(self, states: Floats) -> None:
        """Compute the joining layer's states and write them behind those of the stacks.

        Args:
            states: float32 (n_gaps, units of both stacks and n_mixed, n_padded).
        """
        mixing = self._network.mixing
        if mixing is not None:
            weight = torch.cat([mixing.left, mixing.right]).detach().numpy()
            layer = JoiningWeights((0,), (weight,), mixing.bias.detach().numpy())
            join(states, pack_joining([layer], len(weight)), self.threads)

    def mixing_gradients(self, states: Floats, d_states: Floats) -> tuple[Floats, list[Tensor]]:
        """Gradients of the joining layer.

        Args:
            states: As after `join`.
            d_states: Gradients of these states, of the same shape.

        Returns:
            Gradients of both stacks' states, (n_gaps, units of both stacks, n_padded), and of the layer's parameters.
        """
        mixing = self._network.mixing
        if mixing is None:
            return d_states, []
        units = 2 * self._network.settings.n_units
        sizes = [units, states.shape[1] - units]
        both, mixed = torch.split(torch.from_numpy(states), sizes, dim=1)
        d_both, d_mixed = torch.split(torch.from_numpy(d_states), sizes, dim=1)
        slope = d_mixed * (1 - mixed.square())
        weight = torch.cat([mixing.left, mixing.right]).detach()
        d_weight = (both @ slope.transpose(1, 2)).sum(0)
        return (d_both + weight @ slope).numpy(), [*d_weight.chunk(2), slope.sum((0, 2))]

    def logits(self, states: Floats) -> Tensor:
        """Logits (n_sites, 2, n_padded), from states (n_gaps, units of both stacks and n_mixed, n_padded)."""
        bias = self._network.bias.detach().reshape(-1).numpy()
        logits = logits_of_states(self.head(), bias, self._first_rows, states, self.threads)
        return torch.from_numpy(logits).view(-1, 2, states.shape[2])

    def head_gradients(self, states: Floats, d_logits: Tensor) -> tuple[Floats, list[Tensor]]:
        """Gradients of the states, and of the heads and their bias, from those of `logits`."""
        head, d_rows = self.head(), d_logits.reshape(-1, states.shape[2]).numpy()
        d_head, d_bias, d_states = gradients_of_heads(head, self._first_rows, states, d_rows, self.threads)
        by_site = torch.from_numpy(d_head).view(-1, 2, head.shape[1]).transpose(1, 2)
        widths = [head.shape[1] for head in self._heads()]
        return d_states, [*torch.split(by_site, widths, dim=1), torch.from_numpy(d_bias).view(-1, 1, 2)]


class _TrainedNetwork(torch.autograd.Function):
    """Logits (n_sites, 2, n_padded). The network's parameters are inputs, so that autograd sees them."""

    @staticmethod
    def forward(ctx: Any, engine: CpuEngine, alt: Floats, *parameters: Tensor) -> Tensor:
        ctx.engine, ctx.stacks = engine, engine.packed()
        room = engine.n_mixed()
        ctx.states, ctx.kept = forward_training(ctx.stacks, alt, engine.gaps, engine.threads, engine.workspace, room)
        engine.join(ctx.states)
        return engine.logits(ctx.states)

    @staticmethod
    def backward(ctx: Any, *d_logits: Tensor) -> Any:
        engine: CpuEngine = ctx.engine
        d_states, d_heads = engine.head_gradients(ctx.states, d_logits[0])
        d_states, d_mixing = engine.mixing_gradients(ctx.states, d_states)
        d_stacks = backward(ctx.stacks, ctx.kept, engine.gaps, d_states, engine.threads)
        engine.workspace.give_back(ctx.kept)
        d_layers = [torch.from_numpy(part) for stack in d_stacks for layer in stack.layers for part in layer]
        return None, None, *d_heads, *d_mixing, *d_layers
