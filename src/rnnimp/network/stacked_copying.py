"""Copying networks of many regions, trained together on a GPU: the parameters in one array, a row a network.

A row holds `emission` (M, C), `enter` (M + 1, C), `leave` (M + 1, C) and `site` (S, C) of `CopyingNetwork`, each padded
to the most markers M and sites S of any network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from triton import language as tl

from rnnimp.network.copying import CopyingNetwork
from rnnimp.network.gpu import copying as kernels

SITES_AT_ONCE = 16


@dataclass(frozen=True)
class CopyingTuning:
    """Sizes that change speed, not results: haplotypes and states of a program, and its warps."""

    pass_values: int = 4096
    pass_warps: int = 4
    head_tile: int = 64
    chunk: int = 64


class StackedCopying:
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
        tuning: CopyingTuning | None = None,
        room: int = 0,
    ) -> None:
        self.n_states, self.n_networks = n_states, n_networks
        self.n_markers, self.n_sites, self.n_haplotypes = n_markers, n_sites, n_haplotypes
        self.tuning = tuning or CopyingTuning()
        operand, self._operand = (torch.bfloat16, tl.bfloat16) if device.type == "cuda" else (torch.float32, tl.float32)

        def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self.sizes = [n_states * count for count in (n_markers, n_markers + 1, n_markers + 1, n_sites)]
        self.parameters = zeros(n_networks, sum(self.sizes))
        self.gradients = zeros(n_networks, sum(self.sizes))
        self.site_weights = zeros(n_networks, n_sites)
        self.lengths = zeros(n_networks, dtype=torch.int32)
        self.site_counts = zeros(n_networks, dtype=torch.int32)
        self.first_site = zeros(n_networks, n_markers + 2, dtype=torch.int32)
        self.alt = zeros(n_networks, n_markers, n_haplotypes)
        self.truth = zeros(n_networks, n_sites, n_haplotypes, dtype=torch.uint8)
        most = max(n_haplotypes, room)
        self._states = zeros(2, n_networks, n_markers + 1, most, n_states, dtype=operand)
        self._scale = zeros(2, n_networks, n_markers + 1, most)
        self._sums = zeros(2, n_networks, n_markers + 1, n_haplotypes)
        self._slopes = zeros(n_networks, n_sites, n_haplotypes)
        self._inner = zeros(n_networks, n_markers + 1, n_haplotypes)
        self._loss = zeros(n_networks, n_markers + 1)
        self._d_weight = zeros(n_networks, n_markers + 1, n_haplotypes, n_states, dtype=operand)
        self._flow = zeros(2, n_networks, n_markers, n_haplotypes, n_states, dtype=operand)
        self._d_gates = zeros(2, n_networks, n_markers + 1, n_states)
        self._d_chance = zeros(2, n_networks, n_markers, n_states)
        self._d_emits = zeros(n_networks, n_sites, n_states)

    def place(self, slot: int, network: CopyingNetwork, site_weights: Tensor) -> None:
        """Put a network into a slot.

        Args:
            slot: from 0.
            network: its parameters and gaps.
            site_weights: float32 (n_sites,), for the loss.
        """
        n_markers, n_sites = len(network.emission), len(network.gap)
        self.parameters[slot] = self.row(network)
        self.gradients[slot] = 0
        self.site_weights[slot, :n_sites] = site_weights.to(self.parameters.device)
        self.lengths[slot], self.site_counts[slot] = n_markers, n_sites
        self.first_site[slot] = n_sites
        edges = torch.arange(n_markers + 2, device=network.gap.device)
        self.first_site[slot, : n_markers + 2] = torch.searchsorted(network.gap, edges).to(torch.int32)
        for array in (self._loss, self._d_emits):
            array[slot] = 0
        self._d_gates[:, slot] = 0
        self._d_chance[:, slot] = 0

    def row(self, network: CopyingNetwork) -> Tensor:
        """A network's parameters as a row, on the device."""
        row = torch.zeros_like(self.parameters[0])
        for part, own in zip(self._parts(row[None]), _arrays(network), strict=True):
            part[0, : len(own)] = own.detach()
        return row

    def write_back(self, row: Tensor, network: CopyingNetwork) -> None:
        """Give a network a row's parameters."""
        for part, own in zip(self._parts(row[None].cpu()), _arrays(network), strict=True):
            own.data.copy_(part[0, : len(own)])

    def _parts(self, rows: Tensor) -> list[Tensor]:
        """Views of the four arrays of rows, each (n_rows, length, n_states)."""
        return [part.view(len(rows), -1, self.n_states) for part in torch.split(rows, self.sizes, dim=1)]

    def train(self) -> Tensor:
        """Loss and gradients of the batch in `alt` and `truth`.

        Returns:
            float32 (n_networks,), the losses; `gradients` then holds the rows' gradients.
        """
        chance, gates, emits = self._tables()
        self._forward(chance, gates, self.alt)
        self._heads(gates, emits, self.n_haplotypes, self._slopes, trains=True)
        shape = self.n_networks, self.n_markers, self.n_haplotypes
        sizes = {"C": self.n_states, "CHUNK": self._chunk, "TILE": self.tuning.head_tile}
        grid = (self.n_markers + 1, self.n_networks, self.n_states // self._chunk)
        kernels.head_gradients[grid](
            self._states, gates, emits, self.first_site, self._slopes, self._inner, self._d_weight, self._d_emits,
            self.lengths, *shape, self.n_sites, SITES=SITES_AT_ONCE, OPERAND=self._operand, **sizes,
        )  # fmt: skip
        kernels.pass_backward[self._pass_grid(self.n_haplotypes)](
            self.alt, chance, gates, self._states, self._scale, self._d_weight, self._flow, self._sums, self.lengths,
            *shape, **self._pass_sizes,
        )  # fmt: skip
        kernels.state_gradients[grid](
            self.alt, chance, gates, self._states, self._d_weight, self._flow, self._sums, self._d_gates,
            self._d_chance, self.lengths, *shape, **sizes,
        )  # fmt: skip
        of_emission, of_enter, of_leave, of_site = self._parts(self.gradients)
        of_emission.copy_(self._d_chance.sum(0))
        of_enter.copy_(self._d_gates[0] * gates[0])
        of_leave.copy_(self._d_gates[1] * gates[1])
        of_site.copy_(self._d_emits * emits * (1 - emits))
        return self._loss.sum(1)

    def log_odds(self, alt: Tensor) -> Tensor:
        """Log odds of a1 at every site.

        Args:
            alt: float32 (n_networks, n_markers, n_haplotypes), P(a1); at most as many haplotypes as there is room for.

        Returns:
            float32 (n_networks, n_sites, n_haplotypes).
        """
        chance, gates, emits = self._tables()
        self._forward(chance, gates, alt)
        odds = torch.zeros(self.n_networks, self.n_sites, alt.shape[2], device=alt.device)
        self._heads(gates, emits, alt.shape[2], odds, trains=False)
        return odds

    def _tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """`chance`, `gates` and `emits` as the kernels read them."""
        emission, enter, leave, site = self._parts(self.parameters)
        return torch.sigmoid(emission), torch.stack([enter, leave]).exp_(), torch.sigmoid(site)

    def _forward(self, chance: Tensor, gates: Tensor, alt: Tensor) -> None:
        kernels.pass_forward[self._pass_grid(alt.shape[2])](
            alt, chance, gates, self._states, self._scale, self.lengths, self.n_networks, self.n_markers,
            alt.shape[2], **self._pass_sizes,
        )  # fmt: skip

    def _heads(self, gates: Tensor, emits: Tensor, n_haplotypes: int, out: Tensor, trains: bool) -> None:
        kernels.copied_heads[self.n_markers + 1, self.n_networks](
            self._states, gates, emits, self.truth, self.site_weights, self.first_site, out, out, self._inner,
            self._loss, self.lengths, self.site_counts, self.n_networks, self.n_markers, n_haplotypes, self.n_sites,
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
        return sizes | {"OPERAND": self._operand}


def _arrays(network: CopyingNetwork) -> tuple[Tensor, ...]:
    return network.emission, network.enter, network.leave, network.site
