"""Haplotype HMMs of many regions, trained together on a GPU. Their parameters are one array with one row per network.

A row contains `switch_in` (M + 1, C), then `switch_out` (M + 1, C) of `HaplotypeHmm`, padded to the largest number of
markers, M.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnimp.network.hmm import gpu_kernels as kernels
from rnnimp.network.hmm.reference import HaplotypeHmm
from rnnimp.network.kernels.gpu_slots import SITES_AT_ONCE, NetworkBatchBase


@dataclass(frozen=True)
class HmmTuning:
    """Sizes that change speed, not results.

    Attributes:
        pass_values: Haplotypes times states of one program of the passes.
        pass_warps: Warps of one program of the passes.
        head_tile: Haplotypes that the other kernels read at once.
        chunk: States that the other kernels read at once.
    """

    pass_values: int = 4096
    pass_warps: int = 4
    head_tile: int = 64
    chunk: int = 64


class HmmBatch(NetworkBatchBase):
    """Haplotype HMMs with the same number of states, and their forward and backward passes.

    Args:
        n_states: Number of states of every network; a power of two, 16 or more.
        n_networks: Number of slots.
        n_markers: Largest number of markers of a network.
        n_sites: Largest number of sites of a network.
        n_haplotypes: Number of haplotypes of a batch.
        device: A GPU; on the CPU, the kernels run in Triton's interpreter only.
        tuning: Sizes of tiles.
        room: Largest number of haplotypes in a call of `log_odds`, if larger than a batch.
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
        most, n_gaps = max(n_haplotypes, room), n_markers + 1
        self._emission_probability = zeros(n_networks, n_markers, n_states)
        self._site_probability = zeros(n_networks, n_sites, n_states)
        self._states = zeros(2, n_networks, n_gaps, most, n_states, dtype=operand)
        self._scale = zeros(2, n_networks, n_gaps, most)
        self._sums = zeros(2, n_networks, n_gaps, n_haplotypes)
        self._slopes = zeros(n_networks, n_sites, n_haplotypes)
        self._inner = zeros(n_networks, n_gaps, n_haplotypes)
        self._d_weight = zeros(n_networks, n_gaps, n_haplotypes, n_states, dtype=operand)
        self._flow = zeros(2, n_networks, n_markers, n_haplotypes, n_states, dtype=operand)
        self._d_transitions = zeros(2, n_networks, n_gaps, n_states)

    def place(self, slot: int, network: HaplotypeHmm, site_weights: Tensor) -> None:
        """Put a network into a slot.

        Args:
            slot: From 0.
            network: Its parameters and gaps.
            site_weights: Weights of the sites in the loss, float32 (n_sites,).
        """
        self._fill(slot, self.row(network), len(network.emission), network.gap, site_weights)
        self.take_states(slot, network)
        self._d_transitions[:, slot] = 0

    def take_states(self, slot: int, network: HaplotypeHmm) -> None:
        """Put the emission probabilities of a network's states into a slot."""
        self._emission_probability[slot, : len(network.emission)] = torch.sigmoid(network.emission)
        self._site_probability[slot, : len(network.site)] = torch.sigmoid(network.site)

    def row(self, network: HaplotypeHmm) -> Tensor:
        """A network's parameters as a row: float32 (n_parameters,), on the device."""
        row = torch.zeros_like(self.parameters[0])
        for part, own in zip(self.transitions(row[None]), (network.switch_in, network.switch_out), strict=True):
            part[0, : len(own)] = own.detach()
        return row

    def write_back(self, row: Tensor, network: HaplotypeHmm) -> None:
        """Set a network's parameters from its row."""
        for part, own in zip(self.transitions(row[None].cpu()), (network.switch_in, network.switch_out), strict=True):
            own.data.copy_(part[0, : len(own)])

    def transitions(self, rows: Tensor) -> Tensor:
        """View of rows as `switch_in` and `switch_out`: (2, n_rows, n_markers + 1, n_states)."""
        return rows.view(len(rows), 2, self.n_markers + 1, self.n_states).transpose(0, 1)

    def _transition_weights(self) -> Tensor:
        """q and l: float32 (2, n_networks, n_markers + 1, n_states)."""
        return self.transitions(self.parameters).exp().contiguous()

    def train(self) -> Tensor:
        """Loss and gradients of the batch in `alt` and `truth`.

        Returns:
            float32 (n_networks,), the losses; `gradients` then contains the rows' gradients.
        """
        transitions = self._transition_weights()
        self._forward(transitions, self.alt)
        self._heads(transitions, self.n_haplotypes, self._slopes, trains=True)
        self._backward(transitions)
        self.transitions(self.gradients).copy_(self._d_transitions * transitions)
        return self.gap_loss.sum(1)

    def _backward(self, transitions: Tensor) -> None:
        """Gradients of q and l, into `_d_transitions`."""
        sizes = {**self._sizes(self.n_haplotypes), "lengths": self.lengths}
        chunks = {"CHUNK": self._chunk, "TILE": self.tuning.head_tile}
        grid = (self.n_markers + 1, self.n_networks, self.n_states // self._chunk)
        kernels.hmm_weight_bwd_kernel[grid](
            site_probability=self._site_probability, first_site=self.first_site, slopes=self._slopes, inner=self._inner,
            d_weight=self._d_weight, S=self.n_sites, SITES=SITES_AT_ONCE, OPERAND=self._kernel_operand,
            **sizes, **chunks,
        )  # fmt: skip
        kernels.hmm_pass_bwd_kernel[self._pass_grid(self.n_haplotypes)](
            alt=self.alt, emission_probability=self._emission_probability, transitions=transitions, states=self._states,
            scale=self._scale, d_weight=self._d_weight, flow=self._flow, sums=self._sums, **sizes, **self._pass_sizes,
        )  # fmt: skip
        kernels.hmm_transition_bwd_kernel[grid](
            states=self._states, d_weight=self._d_weight, flow=self._flow, sums=self._sums,
            d_transitions=self._d_transitions, **sizes, **chunks,
        )  # fmt: skip

    def log_odds(self, alt: Tensor) -> Tensor:
        """Log odds of a1 at every site.

        Args:
            alt: P(a1), float32 (n_networks, n_markers, n_haplotypes); at most `room` haplotypes.

        Returns:
            float32 (n_networks, n_sites, n_haplotypes).
        """
        transitions = self._transition_weights()
        self._forward(transitions, alt)
        odds = torch.zeros(self.n_networks, self.n_sites, alt.shape[2], device=alt.device)
        self._heads(transitions, alt.shape[2], odds, trains=False)
        return odds

    def _forward(self, transitions: Tensor, alt: Tensor) -> None:
        """States of both passes at every gap, into `_states` and `_scale`."""
        n_haplotypes = alt.shape[2]
        kernels.hmm_pass_fwd_kernel[self._pass_grid(n_haplotypes)](
            alt=alt, emission_probability=self._emission_probability, transitions=transitions, states=self._states,
            scale=self._scale, lengths=self.lengths, **self._sizes(n_haplotypes), **self._pass_sizes,
        )  # fmt: skip

    def _heads(self, transitions: Tensor, n_haplotypes: int, out: Tensor, trains: bool) -> None:
        """Log odds of the sites, into `out`; in training, the loss, and its slopes into `out`."""
        kernels.hmm_site_heads_fwd_bwd_kernel[self.n_markers + 1, self.n_networks](
            states=self._states, transitions=transitions, site_probability=self._site_probability, truth=self.truth,
            weights=self.site_weights, first_site=self.first_site, odds=out, slopes=out, inner=self._inner,
            loss=self.gap_loss, lengths=self.lengths, n_sites=self.site_counts, S=self.n_sites, CHUNK=self._chunk,
            TILE=self.tuning.head_tile, SITES=SITES_AT_ONCE, TRAINS=trains, **self._sizes(n_haplotypes),
        )  # fmt: skip

    def _sizes(self, n_haplotypes: int) -> dict[str, int]:
        return {"K": self.n_networks, "M": self.n_markers, "N": n_haplotypes, "C": self.n_states}

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
        tile, warps = self._pass_tile, self.tuning.pass_warps
        return {"TILE": tile, "OPERAND": self._kernel_operand, "num_warps": warps}
