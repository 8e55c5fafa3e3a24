"""Arrays of many networks that are trained together: rows of parameters, batches, and the sites of each gap."""

from __future__ import annotations

import torch
from torch import Tensor
from triton import language as tl

SITES_AT_ONCE = 16
"""Sites that a kernel of the heads reads at once."""


class NetworkBatchBase:
    """Slots for networks that may differ in markers and sites; arrays are padded to the largest.

    The result of a network does not depend on the others.

    Attributes:
        parameters: float32 (n_networks, n_parameters).
        gradients: float32 (n_networks, n_parameters).
        site_weights: Weights of the sites in the loss, float32 (n_networks, n_sites); 0 beyond a network's sites.
        lengths: Markers of each network, int32 (n_networks,); 0 for a network that rests.
        site_counts: int32 (n_networks,).
        first_site: The first site of each gap, then the end of the last gap, int32 (n_networks, n_markers + 2).
        alt: P(a1) of a batch, float32 (n_networks, n_markers, n_haplotypes).
        truth: Targets of the batch, uint8 (n_networks, n_sites, n_haplotypes): the expected P(a1) times `CERTAIN`.
        gap_loss: The part of each gap in the loss, float32 (n_networks, n_markers + 1).

    Args:
        n_networks: Number of slots.
        n_parameters: Length of a row.
        n_markers: Largest number of markers of a network.
        n_sites: Largest number of sites of a network.
        n_haplotypes: Number of haplotypes of a batch.
        device: A GPU; on the CPU, the kernels run in Triton's interpreter only.
    """

    def __init__(
        self, n_networks: int, n_parameters: int, n_markers: int, n_sites: int, n_haplotypes: int, device: torch.device
    ) -> None:
        self.n_networks, self.n_markers, self.n_sites, self.n_haplotypes = n_networks, n_markers, n_sites, n_haplotypes
        self._device = device
        # the interpreter runs the kernels without a GPU, and has no bfloat16 products
        is_gpu = device.type == "cuda"
        self._operand, self._kernel_operand = (torch.bfloat16, tl.bfloat16) if is_gpu else (torch.float32, tl.float32)
        self.parameters = self._zeros(n_networks, n_parameters)
        self.gradients = self._zeros(n_networks, n_parameters)
        self.site_weights = self._zeros(n_networks, n_sites)
        self.lengths = self._zeros(n_networks, dtype=torch.int32)
        self.site_counts = self._zeros(n_networks, dtype=torch.int32)
        self.first_site = self._zeros(n_networks, n_markers + 2, dtype=torch.int32)
        self.alt = self._zeros(n_networks, n_markers, n_haplotypes)
        self.truth = self._zeros(n_networks, n_sites, n_haplotypes, dtype=torch.uint8)
        self.gap_loss = self._zeros(n_networks, n_markers + 1)

    def _zeros(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=self._device)

    def _fill(self, slot: int, row: Tensor, n_markers: int, gaps: Tensor, site_weights: Tensor) -> None:
        """Fill the arrays that all kinds of networks have.

        Args:
            slot: From 0.
            row: float32 (n_parameters,).
            n_markers: Number of markers of the network.
            gaps: Markers before each site, int64 (n_sites,).
            site_weights: Weights of the sites in the loss, float32 (n_sites,).
        """
        self.parameters[slot] = row.to(self._device)
        self.gradients[slot] = 0
        self.site_weights[slot] = 0
        self.site_weights[slot, : len(gaps)] = site_weights.to(self._device)
        self.lengths[slot], self.site_counts[slot] = n_markers, len(gaps)
        edges = torch.arange(n_markers + 2, device=gaps.device)
        self.first_site[slot] = len(gaps)
        self.first_site[slot, : n_markers + 2] = torch.searchsorted(gaps, edges).to(self._device, torch.int32)
        self.gap_loss[slot] = 0
