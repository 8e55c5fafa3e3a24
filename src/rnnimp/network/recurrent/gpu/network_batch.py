"""Many networks of one shape, trained together. Their parameters are one array with one row per network.

`row_layout.py` says what a row contains. Networks may differ in markers and sites; rows and arrays are padded to the
largest. The result of a network does not depend on the others.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rnnimp.network.kernels.gpu_limits import (
    MOST_UNITS_KEPT,
    MOST_UNITS_NARROW,
    shared_memory,
)
from rnnimp.network.kernels.gpu_slots import SITES_AT_ONCE, NetworkBatchBase
from rnnimp.network.recurrent.cells import CELLS
from rnnimp.network.recurrent.gpu import gradients as sums
from rnnimp.network.recurrent.gpu import narrow
from rnnimp.network.recurrent.gpu import site_heads as heads
from rnnimp.network.recurrent.gpu.cell_kernels import CELL_KERNELS
from rnnimp.network.recurrent.gpu.row_layout import RowLayout
from rnnimp.network.recurrent.gpu.tuning import Tuning, stored_units
from rnnimp.network.recurrent.reference import ImputationNetwork
from rnnimp.network.recurrent.settings import NetworkSettings

CHUNKS = 16  # of markers, for the sums of weight gradients


class NetworkBatch(NetworkBatchBase):
    """Networks of one shape, and their forward and backward passes.

    Args:
        settings: The shape of every network.
        n_networks: Number of slots.
        n_markers: Largest number of markers of a network.
        n_sites: Largest number of sites of a network.
        n_haplotypes: Number of haplotypes of a batch.
        device: A GPU; on the CPU, the kernels run in Triton's interpreter only.
        tuning: Sizes of tiles.
        room: Largest number of haplotypes in a call of `logits`, if larger than a batch.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        n_networks: int,
        n_markers: int,
        n_sites: int,
        n_haplotypes: int,
        device: torch.device,
        tuning: Tuning | None = None,
        room: int = 0,
    ) -> None:
        self.settings = settings
        self.layout = RowLayout(settings, n_sites)
        super().__init__(n_networks, self.layout.size, n_markers, n_sites, n_haplotypes, device)
        self.tuning = tuning or Tuning.of(settings, shared_memory(device))
        padded = max(16, 1 << (settings.n_units - 1).bit_length())
        self._is_narrow = settings.n_units <= MOST_UNITS_NARROW
        self._width = stored_units(settings.n_units)
        self._kernel_types = {"PADDED": padded, "OPERAND": self._kernel_operand}
        # columns and gates of the weight gradients that a program's registers have room for
        self._block, self._gates_at_once = min(padded, 64), min(4, 256 // padded)
        self._cell = CELL_KERNELS[settings.cell]
        narrow_layer = narrow.narrow_layer_fwd_kernel, narrow.narrow_layer_bwd_kernel
        self._fwd_kernel, self._bwd_kernel = narrow_layer if self._is_narrow else self._cell.wide_layer
        self._allocate(max(n_haplotypes, room))

    def _allocate(self, most: int) -> None:
        """Make the arrays that `gpu/__init__.py` lists, with room for `most` haplotypes."""
        settings, zeros, operand, n_markers = self.settings, self._zeros, self._operand, self.n_markers
        stacks, units, n_gates = 2 * self.n_networks, settings.n_units, self.layout.n_gates
        self.features = zeros(self.n_networks, n_markers, 2, settings.feature_size)
        states = (stacks, n_markers, most, self._width)
        depths = range(settings.n_layers)
        self._h = [zeros(*states, dtype=operand) for _ in depths]
        self._y = [self._h[0]] + [zeros(*states, dtype=operand) for _ in depths[1:]]
        has_cell_state = CELLS[settings.cell].has_cell_state
        self._c = [zeros(*states, dtype=operand) if has_cell_state else None for _ in depths]
        self._dy = zeros(*states, dtype=operand)
        self._dgates = zeros(stacks, n_markers, 4, self.n_haplotypes, self._width, dtype=operand)
        self._partial_weight = zeros(stacks, CHUNKS, 2, n_gates, units, units)
        self._partial_bias = zeros(stacks, CHUNKS, 4, units)
        self._mixed = zeros(self.n_networks, n_markers + 1, most, settings.n_mixed, dtype=operand)
        self._d_mixed = zeros(self.n_networks, n_markers + 1, self.n_haplotypes, settings.n_mixed, dtype=operand)
        self._d_table = zeros(stacks, n_markers, 2, n_gates, units)
        self._clear_for = 0  # size of the batches for which the states behind each network's last marker are 0

    def place(self, slot: int, network: ImputationNetwork, site_weights: Tensor) -> None:
        """Put a network into a slot.

        Args:
            slot: From 0.
            network: Its parameters, features and gaps.
            site_weights: Weights of the sites in the loss, float32 (n_sites,).
        """
        n_markers = len(network.features)
        self._fill(slot, self.layout.row(network), n_markers, network.gap, site_weights)
        self.features[slot] = 0
        self.features[slot, :n_markers] = network.features
        self._d_mixed[slot] = 0
        self._clear_for = 0

    def train(self) -> Tensor:
        """Loss and gradients of the batch in `alt` and `truth`.

        Returns:
            float32 (n_networks,), the losses; `gradients` then contains the rows' gradients.
        """
        table, weights = self._table(), self._weights()
        self._forward(table, weights, self.alt, has_backward=True)
        mixed = self._mix(weights, self.n_haplotypes)
        heads.site_heads_fwd_bwd_kernel[self.n_markers + 1, self.n_networks](
            parameters=self.parameters, gradients=self.gradients, y=self._y[-1], dy=self._dy, mixed=mixed,
            d_mixed=self._d_mixed, truth=self.truth, weights=self.site_weights, first_site=self.first_site,
            loss=self.gap_loss, lengths=self.lengths, n_sites=self.site_counts, **self._head_sizes(self.n_haplotypes),
        )  # fmt: skip
        if self.settings.n_mixed:
            self._unmix(weights, mixed)
        self._backward(table, weights)
        return self.gap_loss.sum(1)

    def logits(self, alt: Tensor) -> Tensor:
        """Both logits of every site.

        Args:
            alt: P(a1), float32 (n_networks, n_markers, n_haplotypes); at most `room` haplotypes.

        Returns:
            float32 (n_networks, n_sites, n_haplotypes, 2).
        """
        n_haplotypes = alt.shape[2]
        weights = self._weights()
        self._forward(self._table(), weights, alt, has_backward=False)
        logits = torch.zeros(2, self.n_networks, self.n_sites, n_haplotypes, device=alt.device)
        heads.site_logits_fwd_kernel[self.n_markers + 1, self.n_networks](
            parameters=self.parameters, y=self._y[-1], mixed=self._mix(weights, n_haplotypes), logits=logits,
            first_site=self.first_site, lengths=self.lengths, n_sites=self.site_counts,
            **self._head_sizes(n_haplotypes),
        )  # fmt: skip
        return logits.permute(1, 2, 3, 0)

    def _head_sizes(self, n_haplotypes: int) -> dict[str, Any]:
        layout, n_mixed = self.layout, self.settings.n_mixed
        sizes = {"n_parameters": layout.size, "head_offset": layout.head_offset}
        sizes |= {"T": self.n_markers, "S": self.n_sites, "N": n_haplotypes}
        sizes |= {"M": n_mixed, "M_PADDED": max(16, 1 << max(n_mixed - 1, 0).bit_length())}
        sizes |= {"U": self.settings.n_units, "W": self._width, "TILE": self.tuning.head_tile, "SITES": SITES_AT_ONCE}
        return {**sizes, **self._kernel_types, "num_warps": self.tuning.head_warps}

    def _input_weights(self, rows: Tensor) -> Tensor:
        """View of the first layers' input weights: (n_networks, 2, n_gates * n_units, feature_size)."""
        gates = self.layout.n_gates * self.settings.n_units
        first = self._stacks(rows)[:, :, : self.layout.layer_sizes(0)[0]]
        return first.view(self.n_networks, 2, gates, self.settings.feature_size)

    def _stacks(self, rows: Tensor) -> Tensor:
        """View of both stacks' part of the rows: (n_networks, 2, stack_size)."""
        return rows[:, : self.layout.mixing_offset].view(self.n_networks, 2, self.layout.stack_size)

    def _feature_pair(self) -> Tensor:
        """Features of allele 0, and what allele 1 adds: (n_networks, 1, 2 * n_markers, feature_size)."""
        reference, alternative = self.features.unbind(2)
        pair = torch.stack([reference, alternative - reference], dim=2)
        return pair.flatten(1, 2).unsqueeze(1)

    def _table(self) -> Tensor:
        """The table that the first layer reads for each marker: OPERAND (stacks, n_markers, 4, n_units, 8)."""
        sizes, n_gates, units = self.layout.layer_sizes(0), self.layout.n_gates, self.settings.n_units
        product = self._feature_pair() @ self._input_weights(self.parameters).transpose(2, 3)
        product = product.view(-1, self.n_markers, 2, n_gates, units)
        start = sizes[0] + sizes[1]
        biases = self._stacks(self.parameters)[:, :, start : start + 2 * n_gates * units]
        input_bias, recurrent_bias = biases.reshape(-1, 1, 2, n_gates, units).unbind(2)
        # for P(a1) = 0, and what P(a1) = 1 adds; each rounded in two parts, for `parts.table_factors`
        whole = self._zeros(2, len(product), self.n_markers, 4, units)
        whole[:, :, :, :n_gates] = product.permute(2, 0, 1, 3, 4)
        whole[0, :, :, :n_gates] += input_bias
        whole[0][:, :, list(self._cell.recurrent_rows)] += recurrent_bias
        high = whole.to(self._operand)
        low = (whole - high).to(self._operand)
        nothing = torch.zeros_like(high[0])
        return torch.stack([high[0], low[0], high[1], low[1], high[1], nothing, nothing, nothing], dim=4)

    def _weights(self) -> Tensor:
        """The parameters as the products' operands."""
        return self.parameters.to(self._operand)

    def _kernel_offset(self, depth: int) -> int:
        """Where a layer begins for its kernel, which reads no input weight of the first layer."""
        return self.layout.layer_offset(depth) + (self.layout.layer_sizes(0)[0] if depth == 0 else 0)

    def _layer_sizes(self, depth: int, n_haplotypes: int) -> dict[str, Any]:
        """Sizes that the kernels of a layer have in common."""
        offsets = {"stack_offset": self._kernel_offset(depth), "direction_stride": self.layout.stack_size}
        return {"n_parameters": self.layout.size, **offsets, "T": self.n_markers, "N": n_haplotypes}

    def _cell_sizes(self, depth: int) -> dict[str, Any]:
        """Sizes of the sequential kernels of a layer."""
        units = self.settings.n_units
        sizes: dict[str, Any] = {"FIRST": depth == 0, "U": units}
        if self._is_narrow:
            head, tail = (32, 16) if units > 32 else (self._width, 0)
            return {**sizes, "IS_GRU": self._cell.is_gru, "HEAD": head, "TAIL": tail, "OPERAND": self._kernel_operand}
        return {**sizes, "KEPT": units <= MOST_UNITS_KEPT, **self._kernel_types}

    def _forward(self, table: Tensor, weights: Tensor, alt: Tensor, has_backward: bool) -> None:
        """States of all layers at all markers, into `_y`, `_h` and `_c`."""
        tile, n_haplotypes = self.tuning.forward_tile, alt.shape[2]
        grid = (2 * self.n_networks, -(-n_haplotypes // tile))
        for depth in range(self.settings.n_layers):
            states: Tensor | None = self._h[depth]
            cells = self._c[depth]
            if self._is_narrow:  # states that nothing reads are not stored
                states, cells = (states if depth else None, cells) if has_backward else (None, None)
            self._fwd_kernel[grid](
                parameters=self.parameters, weights=weights, y_in=self._y[max(depth - 1, 0)], table=table, alt=alt,
                y_out=self._y[depth], h_out=states, c_out=cells, lengths=self.lengths,
                **self._layer_sizes(depth, n_haplotypes), **self._cell_sizes(depth), TILE=tile,
                num_warps=self.tuning.forward_warps, num_stages=self.tuning.forward_stages,
            )  # fmt: skip

    def _backward(self, table: Tensor, weights: Tensor) -> None:
        """Gradients of all layers, from `_dy`, into `gradients`."""
        tile = self.tuning.backward_tile
        grid = (2 * self.n_networks, -(-self.n_haplotypes // tile))
        for depth in reversed(range(self.settings.n_layers)):
            y_in = self._y[max(depth - 1, 0)]
            self._bwd_kernel[grid](
                parameters=self.parameters, weights=weights, y_in=y_in, table=table, alt=self.alt, h=self._h[depth],
                c=self._c[depth], dy=self._dy, dgates=self._dgates, lengths=self.lengths,
                **self._layer_sizes(depth, self.n_haplotypes), **self._cell_sizes(depth), TILE=tile,
                num_warps=self.tuning.backward_warps, num_stages=self.tuning.backward_stages,
            )  # fmt: skip
            self._sum_gradients(depth, y_in)
            if depth and not self._is_narrow:
                self._pass_down(depth, weights)

    def _sum_gradients(self, depth: int, y_in: Tensor) -> None:
        """Weight gradients of a layer, into its part of the rows."""
        parts = self._n_blocks * (4 // self._gates_at_once)
        sums.weight_bwd_kernel[2 * self.n_networks, CHUNKS, parts](
            dgates=self._dgates, h=self._h[depth], y_in=y_in, partial_weight=self._partial_weight,
            partial_bias=self._partial_bias, lengths=self.lengths, T=self.n_markers, N=self.n_haplotypes,
            n_chunks=CHUNKS, FIRST=depth == 0, W=self._width, GATES=self._gates_at_once, TILE=self.tuning.sum_tile,
            num_warps=self.tuning.sum_warps, num_stages=self.tuning.sum_stages, **self._sum_sizes,
        )  # fmt: skip
        input_weight, recurrent = self._partial_weight.sum(1).unbind(1)
        bias = self._partial_bias.sum(1)
        input_bias = bias[:, : self.layout.n_gates]
        recurrent_bias = bias[:, list(self._cell.recurrent_rows)]
        if depth == 0:
            table, input_weight = self._first_layer_gradients()
            input_bias = table[:, :, 0].sum(1)
        pieces = input_weight, recurrent, input_bias, recurrent_bias
        stacks = self._stacks(self.gradients)
        start = self.layout.layer_offset(depth)
        for piece, size in zip(pieces, self.layout.layer_sizes(depth), strict=True):
            stacks[:, :, start : start + size] = piece.reshape(self.n_networks, 2, size)
            start += size

    def _mixing_parts(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Views of the joining layer: two weights (n_networks, n_units, n_mixed), and bias (n_networks, 1, n_mixed)."""
        units, mixed = self.settings.n_units, self.settings.n_mixed
        part = rows[:, self.layout.mixing_offset : self.layout.head_offset].view(self.n_networks, 2 * units + 1, mixed)
        left, right, bias = torch.split(part, [units, units, 1], dim=1)
        return left, right, bias

    def _sides(self, states: Tensor, n_haplotypes: int) -> tuple[Tensor, Tensor]:
        """Views of the left and the right stacks' states, each (n_networks, n_markers * n_haplotypes, n_units)."""
        # the kernels lay haplotypes out for the size of this batch, not for all the room
        used = states.flatten()[: states[:, :, :n_haplotypes].numel()]
        by_side = used.view(self.n_networks, 2, -1, self._width)[..., : self.settings.n_units]
        return by_side[:, 0], by_side[:, 1]

    def _mix(self, weights: Tensor, n_haplotypes: int) -> Tensor:
        """States of the layer that joins both sides of each gap.

        Returns:
            OPERAND (n_networks, (n_markers + 1) * n_haplotypes, n_mixed).
        """
        shape = self.n_networks, (self.n_markers + 1) * n_haplotypes, self.settings.n_mixed
        mixed = self._mixed.flatten()[: shape[0] * shape[1] * shape[2]].view(shape)
        if self.settings.n_mixed:
            left, right, bias = self._mixing_parts(weights)
            from_left, from_right = self._sides(self._y[-1], n_haplotypes)
            self._clear_behind(n_haplotypes)
            mixed.copy_(bias.expand(shape))
            mixed[:, n_haplotypes:].baddbmm_(from_left, left)
            mixed[:, :-n_haplotypes].baddbmm_(from_right, right)
            mixed.tanh_()
        return mixed

    def _clear_behind(self, n_haplotypes: int) -> None:
        """Set the states behind each network's last marker to 0, where a batch of another size may have left numbers.

        The kernels do not read them. But the products of `_mix` multiply them by 0, and 0 times NaN is NaN.
        """
        if self._clear_for == n_haplotypes:
            return
        behind = torch.arange(self.n_markers, device=self.lengths.device) >= self.lengths[:, None]
        for side in self._sides(self._y[-1], n_haplotypes):
            by_marker = side.view(self.n_networks, self.n_markers, n_haplotypes, -1)
            by_marker.masked_fill_(behind[:, :, None, None], 0)
        self._clear_for = n_haplotypes

    def _unmix(self, weights: Tensor, mixed: Tensor) -> None:
        """Gradients of the joining layer's weights, and those of the states, which are added to `_dy`."""
        n_haplotypes = self.n_haplotypes
        slope = self._d_mixed.view(self.n_networks, -1, self.settings.n_mixed)
        slope.mul_(1 - mixed.square())
        behind_left, before_right = slope[:, n_haplotypes:], slope[:, :-n_haplotypes]
        left, right, _ = self._mixing_parts(weights)
        from_left, from_right = self._sides(self._y[-1], n_haplotypes)
        d_left, d_right = self._sides(self._dy, n_haplotypes)
        d_left_weight, d_right_weight, d_bias = self._mixing_parts(self.gradients)
        d_left_weight.copy_(from_left.transpose(1, 2) @ behind_left)
        d_right_weight.copy_(from_right.transpose(1, 2) @ before_right)
        d_bias.copy_(slope.sum(1, keepdim=True, dtype=torch.float32))
        d_left.baddbmm_(behind_left, left.transpose(1, 2))
        d_right.baddbmm_(before_right, right.transpose(1, 2))

    def _pass_down(self, depth: int, weights: Tensor) -> None:
        """Add the gradient of the layers below, which flows through a layer's gates, to `_dy`."""
        sums.input_bwd_kernel[2 * self.n_networks, CHUNKS, self._n_blocks](
            weights=weights, dgates=self._dgates, dy=self._dy, lengths=self.lengths,
            **self._layer_sizes(depth, self.n_haplotypes), TILE=self.tuning.pass_tile,
            num_warps=self.tuning.pass_warps, num_stages=self.tuning.pass_stages, **self._sum_sizes,
        )  # fmt: skip

    @property
    def _n_blocks(self) -> int:
        return -(-self.settings.n_units // self._block)

    @property
    def _sum_sizes(self) -> dict[str, Any]:
        chunk = -(-self.n_markers // CHUNKS)
        sizes = {"U": self.settings.n_units, "BLOCK": self._block, "CHUNK": chunk, "IS_GRU": self._cell.is_gru}
        return sizes | self._kernel_types

    def _first_layer_gradients(self) -> tuple[Tensor, Tensor]:
        """Gradients of the table, (stacks, n_markers, 2, n_gates, n_units), and of the input weights behind it."""
        sums.table_bwd_kernel[2 * self.n_networks, self.n_markers](
            dgates=self._dgates, alt=self.alt, d_table=self._d_table, lengths=self.lengths, T=self.n_markers,
            N=self.n_haplotypes, IS_GRU=self._cell.is_gru, U=self.settings.n_units, W=self._width,
            TILE=self.tuning.table_tile, num_warps=self.tuning.table_warps, **self._kernel_types,
        )  # fmt: skip
        gates = self.layout.n_gates * self.settings.n_units
        by_network = self._d_table.reshape(self.n_networks, 2, 2 * self.n_markers, gates)
        return self._d_table, by_network.transpose(2, 3) @ self._feature_pair()
