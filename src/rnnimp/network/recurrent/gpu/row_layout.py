"""A network's parameters as one row of numbers.

A row contains the reference's tensors one after another:

1. The left stack, then the right one, layer by layer. Each layer has its input weight, recurrent weight and both
   biases.
2. The layer that joins both sides of a gap, if there is one.
3. The left head, the right head and the bias, then the head of the joining layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnimp.network.recurrent.cells import CELLS
from rnnimp.network.recurrent.reference import ImputationNetwork, layer_weights
from rnnimp.network.recurrent.settings import NetworkSettings


@dataclass(frozen=True)
class RowLayout:
    """Offsets of a network's tensors in its row.

    Attributes:
        settings: The shape of every network.
        n_sites: Sites that a row has room for.
    """

    settings: NetworkSettings
    n_sites: int

    @property
    def n_gates(self) -> int:
        """Gates of the cell: 3 for GRU, 4 for LSTM."""
        return CELLS[self.settings.cell].n_gates

    def layer_sizes(self, depth: int) -> tuple[int, int, int, int]:
        """Lengths of input weight, recurrent weight and the two biases of a layer."""
        units = self.settings.n_units
        gates = self.n_gates * units
        return gates * (self.settings.feature_size if depth == 0 else units), gates * units, gates, gates

    def layer_offset(self, depth: int) -> int:
        """Offset of a layer of the left stack."""
        return sum(sum(self.layer_sizes(below)) for below in range(depth))

    @property
    def stack_size(self) -> int:
        """Length of one stack, and the offset of the right one."""
        return self.layer_offset(self.settings.n_layers)

    @property
    def mixing_offset(self) -> int:
        """Offset of the joining layer: left weight, right weight, bias."""
        return 2 * self.stack_size

    @property
    def head_offset(self) -> int:
        """Offset of the heads."""
        return self.mixing_offset + (2 * self.settings.n_units + 1) * self.settings.n_mixed

    @property
    def size(self) -> int:
        """Length of a row: a multiple of 16, so that the GPU can read many values of each row at once."""
        return -(-(self.head_offset + self.n_sites * self._site_size) // 16) * 16

    @property
    def _site_size(self) -> int:
        return 4 * self.settings.n_units + 2 * self.settings.n_mixed + 2

    def row(self, network: ImputationNetwork) -> Tensor:
        """A network's parameters as a row, float32 (size,); 0 beyond its sites."""
        row = torch.zeros(self.size)
        pieces = torch.cat([parameter.detach().cpu().reshape(-1) for parameter in parameters_in_order(network)])
        row[: len(pieces)] = pieces
        return row

    def write_back(self, row: Tensor, network: ImputationNetwork) -> None:
        """Set a network's parameters from its row."""
        start = 0
        with torch.no_grad():
            for parameter in parameters_in_order(network):
                parameter.copy_(row[start : start + parameter.numel()].reshape(parameter.shape))
                start += parameter.numel()


def parameters_in_order(network: ImputationNetwork) -> Iterator[Tensor]:
    """Parameters of a network in the order of its row."""
    for stack in (network.left, network.right):
        for layer in stack.layers:
            yield from layer_weights(layer)
    mixing = network.mixing
    if mixing is not None:
        yield from (mixing.left, mixing.right, mixing.bias)
    yield from (network.left_head, network.right_head, network.bias)
    if mixing is not None:
        yield mixing.head
