"""Copying networks of many regions, trained together on a GPU: the parameters in one array, a row a network.

A row holds `enter` (M + 1, C), then `leave` (M + 1, C) of `HaplotypeHmm`, padded to the most markers M of any.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnimp.network.hmm import gpu_kernels as kernels
from rnnimp.network.hmm.reference import HaplotypeHmm
from rnnimp.network.kernels.gpu_slots import NetworkBatchBase

SITES_AT_ONCE = 16


@dataclass(frozen=True)
class HmmTuning:
    """Sizes that change speed, not results: haplotypes and states of a program, and its warps."""

    pass_values: int = 4096
    pass_warps: int = 4
    head_tile: int = 64
    chunk: int = 64


class HmmBatch(NetworkBatchBase):
    """Room for copying networks of one width, and their forward and backward passes.

    Args:
        n_states: of every network, a power of two, 16 or more.
        n_networks: how many there is room for.
        n_markers: most markers of any of them.
        n_sites: most sites of any of them.
        n_haplotypes: of a batch.
        device: where; kernels run on the CPU in Triton's interpreter only.
        tuning: sizes of tiles.
        room: haplotypes that `log_odds` may be asked for at once, if more than a batch.
    """

    def __init__(
        self,
        n_states: int,
        n_networks: int,
        n_markers: int,
        n_sites: int,
        n_haplotypes: int,
        device: torch.device,
        tuning: HmmTuning | None = None,
        room: int = 0,
    ) -> None:
        super().__init__(n_networks, 2 * (n_markers + 1) * n_states, n_markers, n_sites, n_haplotypes, device)
        self.n_states, self.tuning = n_states, tuning or HmmTuning()
        zeros, operand = self._zeros, self._operand
        self._chance = zeros(n_networks, n_markers, n_states)
        self._emits = zeros(n_networks, n_sites, n_states)
        most = max(n_haplotypes, room)
        self._states = zeros(2, n_networks, n_markers + 1, most, n_states, dtype=operand)
        self._scale = zeros(2, n_networks, n_markers + 1, most)
        self._sums = zeros(2, n_networks, n_markers + 1, n_haplotypes)
        self._slopes = zeros(n_networks, n_sites, n_haplotypes)
        self._inner = zeros(n_networks, n_markers + 1, n_haplotypes)
        self._d_weight = zeros(n_networks, n_markers + 1, n_haplotypes, n_states, dtype=operand)
        self._flow = zeros(2, n_networks, n_markers, n_haplotypes, n_states, dtype=operand)
        self._d_gates = zeros(2, n_networks, n_markers + 1, n_states)

    def place(self, slot: int, network: HaplotypeHmm, site_weights: Tensor) -> None:
        """Put a network into a slot.

        Args:
            slot: from 0.
            network: its parameters and gaps.
            site_weights: float32 (n_sites,), for the loss.
        """
        self._fill(slot, self.row(network), len(network.emission), network.gap, site_weights)
        self.take_states(slot, network)
        self._d_gates[:, slot] = 0

    def take_states(self, slot: int, network: HaplotypeHmm) -> None:
        """Put what a network's states emit into a slot."""
        self._chance[slot, : len(network.emission)] = torch.sigmoid(network.emission)
        self._emits[slot, : len(network.site)] = torch.sigmoid(network.site)

    def row(self, network: HaplotypeHmm) -> Tensor:
        """A network's parameters as a row, on the device."""
        row = torch.zeros_like(self.parameters[0])
        for part, own in zip(self.gates(row[None]), (network.enter, network.leave), strict=True):
            part[0, : len(own)] = own.detach()
        return row

    def write_back(self, row: Tensor, network: HaplotypeHmm) -> None:
        """Give a network a row's parameters."""
        for part, own in zip(self.gates(row[None].cpu()), (network.enter, network.leave), strict=True):
            own.data.copy_(part[0, : len(own)])

    def gates(self, rows: Tensor) -> Tensor:
        """`enter` and `leave` of rows, a view, (2, n_rows, n_markers + 1, n_states)."""
        return rows.view(len(rows), 2, self.n_markers + 1, self.n_states).transpose(0, 1)

    def _q_and_l(self) -> Tensor:
        return self.gates(self.parameters).exp().contiguous()

    def train(self) -> Tensor:
        """Loss and gradients of the batch in `alt` and `truth`.

        Returns:
            float32 (n_networks,), the losses; `gradients` then holds the rows' gradients.
        """
        gates = self._q_and_l()
        self._forward(gates, self.alt)
        self._heads(gates, self.n_haplotypes, self._slopes, trains=True)
        shape = self.n_networks, self.n_markers, self.n_haplotypes
        sizes = {"C": self.n_states, "CHUNK": self._chunk, "TILE": self.tuning.head_tile}
        grid = (self.n_markers + 1, self.n_networks, self.n_states // self._chunk)
        kernels.weight_gradients[grid](
            self._emits, self.first_site, self._slopes, self._inner, self._d_weight, self.lengths, *shape,
            self.n_sites, SITES=SITES_AT_ONCE, OPERAND=self._kernel_operand, **sizes,
        )  # fmt: skip
        kernels.pass_backward[self._pass_grid(self.n_haplotypes)](
            self.alt, self._chance, gates, self._states, self._scale, self._d_weight, self._flow, self._sums,
            self.lengths, *shape, **self._pass_sizes,
        )  # fmt: skip
        kernels.gate_gradients[grid](
            self._states, self._d_weight, self._flow, self._sums, self._d_gates, self.lengths, *shape, **sizes
        )
        self.gates(self.gradients).copy_(self._d_gates * gates)
        return self.gap_loss.sum(1)

    def log_odds(self, alt: Tensor) -> Tensor:
        """Log odds of a1 at every site.

        Args:
            alt: float32 (n_networks, n_markers, n_haplotypes), P(a1); at most as many haplotypes as there is room for.

        Returns:
            float32 (n_networks, n_sites, n_haplotypes).
        """
        gates = self._q_and_l()
        self._forward(gates, alt)
        odds = torch.zeros(self.n_networks, self.n_sites, alt.shape[2], device=alt.device)
        self._heads(gates, alt.shape[2], odds, trains=False)
        return odds

    def _forward(self, gates: Tensor, alt: Tensor) -> None:
        kernels.pass_forward[self._pass_grid(alt.shape[2])](
            alt, self._chance, gates, self._states, self._scale, self.lengths, self.n_networks, self.n_markers,
            alt.shape[2], **self._pass_sizes,
        )  # fmt: skip

    def _heads(self, gates: Tensor, n_haplotypes: int, out: Tensor, trains: bool) -> None:
        kernels.copied_heads[self.n_markers + 1, self.n_networks](
            self._states, gates, self._emits, self.truth, self.site_weights, self.first_site, out, out, self._inner,
            self.gap_loss, self.lengths, self.site_counts, self.n_networks, self.n_markers, n_haplotypes, self.n_sites,
            C=self.n_states, CHUNK=self._chunk, TILE=self.tuning.head_tile, SITES=SITES_AT_ONCE, TRAINS=trains,
        )  # fmt: skip

    @property
    def _chunk(self) -> int:
        return min(self.n_states, self.tuning.chunk)

    @property
    def _pass_tile(self) -> int:
        return max(1, self.tuning.pass_values // self.n_states)

    def _pass_grid(self, n_haplotypes: int) -> tuple[int, int, int]:
        return self.n_networks, -(-n_haplotypes // self._pass_tile), 2

    @property
    def _pass_sizes(self) -> dict[str, object]:
        sizes = {"C": self.n_states, "TILE": self._pass_tile, "num_warps": self.tuning.pass_warps}
        return sizes | {"OPERAND": self._kernel_operand}
