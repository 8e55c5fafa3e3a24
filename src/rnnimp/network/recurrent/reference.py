"""The networks in plain PyTorch: the reference for every faster way of running them.

1. Allele probabilities of a haplotype at the markers become features (`features.py`).
2. Two stacks of recurrent layers run over the markers, one from the left and one from the right.
3. Each imputed site is in a gap between two markers. Its head is a linear function of two states: that of the left
   stack at the marker before the gap, and that of the right stack at the marker behind it.
4. Where `n_mixed` is not 0, one more layer joins the two states of a gap, and the heads of its sites read this layer
   too. Without it, a head can only add what the two sides say.
"""

from __future__ import annotations

from pkgutil import resolve_name

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rnnimp.network.recurrent.cells import CELLS, Cell
from rnnimp.network.recurrent.settings import NetworkSettings

WEIGHT_NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
"""PyTorch's names of a layer's input weight, recurrent weight and their biases."""


def recurrent_layer(cell: Cell, width: int, n_units: int) -> nn.Module:
    """Make one layer of a cell, with random weights.

    Args:
        cell: From `CELLS`.
        width: Width of the layer's input.
        n_units: Width of its state.
    """
    layer: nn.Module = resolve_name(cell.torch_module)(width, n_units)
    return layer


def layer_weights(layer: nn.Module) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights of one layer, in the order of `weights.LayerWeights`."""
    input_weight, recurrent_weight, input_bias, recurrent_bias = (getattr(layer, name) for name in WEIGHT_NAMES)
    return input_weight, recurrent_weight, input_bias, recurrent_bias


class RecurrentStack(nn.Module):
    """Recurrent layers in one direction; each layer after the first adds its input to its output."""

    def __init__(self, settings: NetworkSettings, from_right: bool) -> None:
        super().__init__()
        self.cell = CELLS[settings.cell]
        widths = [settings.feature_size] + [settings.n_units] * (settings.n_layers - 1)
        self.layers = nn.ModuleList(recurrent_layer(self.cell, width, settings.n_units) for width in widths)
        self.from_right = from_right

    def forward(self, features: Tensor) -> Tensor:
        """Run over all markers.

        Args:
            features: float32 (n_markers, n_haplotypes, feature_size).

        Returns:
            float32 (n_markers, n_haplotypes, n_units), the last layer's state at each marker, in marker order
            for both directions.
        """
        states = features.flip(0) if self.from_right else features
        for depth, layer in enumerate(self.layers):
            output, _ = layer(states)
            states = output if depth == 0 else states + output
        return states.flip(0) if self.from_right else states


class GapMixing(nn.Module):
    """Joins the states on both sides of a gap between markers: `tanh(left @ W_left + right @ W_right + bias)`.

    All gaps of a region have the same weights. Each site has its own head.
    """

    def __init__(self, settings: NetworkSettings, n_sites: int) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.empty(settings.n_units, settings.n_mixed))
        self.right = nn.Parameter(torch.empty(settings.n_units, settings.n_mixed))
        self.bias = nn.Parameter(torch.zeros(settings.n_mixed))
        self.head = nn.Parameter(torch.empty(n_sites, settings.n_mixed, 2))
        nn.init.xavier_uniform_(self.left)
        nn.init.xavier_uniform_(self.right)
        spread = (6 / (settings.n_mixed + 2)) ** 0.5
        nn.init.uniform_(self.head, -spread, spread)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Join the states at all gaps.

        Args:
            left: States left of each gap, float32 (n_gaps, n_haplotypes, n_units).
            right: States right of each gap, float32 (n_gaps, n_haplotypes, n_units).

        Returns:
            float32 (n_gaps, n_haplotypes, n_mixed).
        """
        return torch.tanh(left @ self.left + right @ self.right + self.bias)


class ImputationNetwork(nn.Module):
    """One network of a region: from allele probabilities at the markers to two logits per site.

    Args:
        settings: Shape of the network.
        features: Features, float32 (n_markers, 2, feature_size), from `marker_features`; not trained.
        gaps: Markers before each site, int64 (n_sites,), from `gaps_of_sites`.
        a1_freq: Panel frequency of allele 1, float64 (n_sites,). The heads' biases start at its log odds, or at 0 where
            it is None.
    """

    features: Tensor
    gap: Tensor

    def __init__(
        self,
        settings: NetworkSettings,
        features: NDArray[np.float32],
        gaps: NDArray[np.int64],
        a1_freq: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        n_sites = len(gaps)
        self.left = RecurrentStack(settings, from_right=False)
        self.right = RecurrentStack(settings, from_right=True)
        self.left_head = nn.Parameter(torch.empty(n_sites, settings.n_units, 2))
        self.right_head = nn.Parameter(torch.empty(n_sites, settings.n_units, 2))
        self.bias = nn.Parameter(torch.empty(n_sites, 1, 2))
        self.mixing = GapMixing(settings, n_sites) if settings.n_mixed else None
        # stored with the weights: another processor may rotate components of nearly equal eigenvalue differently
        self.register_buffer("features", torch.as_tensor(features))
        self.register_buffer("gap", torch.as_tensor(gaps), persistent=False)
        self._initialise(a1_freq)

    def _initialise(self, a1_freq: NDArray[np.float64] | None) -> None:
        for stack in (self.left, self.right):
            for name, weight in stack.named_parameters():
                if "weight" in name:
                    for gate in weight.data.chunk(stack.cell.n_gates):
                        nn.init.xavier_uniform_(gate)
                else:
                    _initial_bias(stack.cell, name, weight.data)
        spread = (6 / (2 * self.settings.n_units + 2)) ** 0.5  # Glorot's bound for 2 * n_units -> 2
        nn.init.uniform_(self.left_head, -spread, spread)
        nn.init.uniform_(self.right_head, -spread, spread)
        nn.init.zeros_(self.bias)
        if a1_freq is not None:
            frequency = np.clip(np.nan_to_num(a1_freq, nan=0.5), 1e-4, 1 - 1e-4)
            log_odds = torch.as_tensor(np.log(frequency / (1 - frequency)), dtype=torch.float32)
            self.bias.data[:, 0, 0], self.bias.data[:, 0, 1] = -log_odds / 2, log_odds / 2

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of both alleles at every imputed site.

        Args:
            inputs: [P(a0), P(a1)], float32 (n_haplotypes, n_markers, 2).

        Returns:
            float32 (n_sites, n_haplotypes, 2); their softmax is [P(a0), P(a1)].
        """
        features = torch.bmm(inputs.transpose(0, 1), self.features)  # (n_markers, n_haplotypes, feature_size)
        # the states on both sides of each gap, (n_markers + 1, n_haplotypes, n_units); 0 beyond the ends
        left = functional.pad(self.left(features), (0, 0, 0, 0, 1, 0))
        right = functional.pad(self.right(features), (0, 0, 0, 0, 0, 1))
        logits = torch.baddbmm(self.bias, left[self.gap], self.left_head)
        logits = torch.baddbmm(logits, right[self.gap], self.right_head)
        if self.mixing is not None:
            logits = torch.baddbmm(logits, self.mixing(left, right)[self.gap], self.mixing.head)
        return logits


def _initial_bias(cell: Cell, name: str, bias: Tensor) -> None:
    """Set the first value of a bias: 1 for the cell's open gates, else 0.

    PyTorch has two biases per gate, which are added; the second (`hh`) starts at 0.
    """
    bias.zero_()
    if "bias_ih" in name:
        bias.view(cell.n_gates, -1)[list(cell.open_gates)] = 1


class HybridHead(nn.Module):
    """Joins the higher- and the lower-MAF network: for each site, a linear layer from their four logits to two.

    At the start, it is the mean of the two networks' logits.
    """

    def __init__(self, n_sites: int) -> None:
        super().__init__()
        halves = 0.5 * torch.eye(2).repeat(2, 1)  # (4, 2)
        self.weight = nn.Parameter(halves.repeat(n_sites, 1, 1))
        self.bias = nn.Parameter(torch.zeros(n_sites, 1, 2))

    def forward(self, higher: Tensor, lower: Tensor) -> Tensor:
        """Join the logits of both networks.

        Args:
            higher: Logits of the higher-MAF network, float32 (n_sites, n_haplotypes, 2).
            lower: Logits of the lower-MAF network, float32 (n_sites, n_haplotypes, 2).

        Returns:
            float32 (n_sites, n_haplotypes, 2).
        """
        return torch.baddbmm(self.bias, torch.cat([higher, lower], dim=2), self.weight)
