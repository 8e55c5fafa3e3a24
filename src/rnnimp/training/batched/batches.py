"""Regions' haplotypes on the device, and the batches that are drawn from them there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnimp.network.kernels.gpu_slots import NetworkBatchBase
from rnnimp.sites.panel import haplotype_columns
from rnnimp.training.augmentation import cumulative_share
from rnnimp.training.batched.batch_kernel import assemble_batch_kernel
from rnnimp.training.data import RegionData
from rnnimp.training.loop import Progress
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.region import network_seed

ROWS_AT_ONCE, COLUMNS_AT_ONCE = 16, 128


@dataclass(eq=False)
class Job:
    """One region to train in a group.

    Attributes:
        number: Number of the region, which its seeds derive from.
        data: Haplotypes of the region.
        folder: Folder of its checkpoints.
        progress: Gives, for a network's name, the callback that follows its training.
    """

    number: int
    data: RegionData
    folder: Path
    progress: Callable[[str], Progress]


class Batches:
    """The panels of all networks on the device, and the batches drawn from them.

    Args:
        jobs: The region of each network.
        names: The name of each network.
        settings: The recipe.
        network_batch: The networks, whose `alt` and `truth` receive the batches.
    """

    def __init__(
        self, jobs: Sequence[Job], names: Sequence[str], settings: TrainingSettings, network_batch: NetworkBatchBase
    ) -> None:
        self._settings, self._network_batch = settings, network_batch
        device = network_batch.alt.device
        n_trained_on = [job.data.n_trained_on(settings) for job in jobs]
        validation = [haplotype_columns(job.data.validation) for job in jobs]
        n, n_rows = len(jobs), max(len(job.data.panel.sites) for job in jobs)
        panel = np.zeros((n, n_rows, max(n_trained_on)), dtype=np.uint8)
        dest = np.zeros((n, n_rows), dtype=np.int32)
        crossings = np.zeros((n, n_rows), dtype=np.float32)
        frequency = np.full((n, network_batch.n_markers), 0.5, dtype=np.float32)
        n_markers, n_sites, n_held_out = network_batch.n_markers, network_batch.n_sites, len(validation[0])
        self.validation_alt = torch.zeros(n, n_markers, n_held_out, device=device)
        self.validation_truth = torch.zeros(n, n_sites, n_held_out, dtype=torch.int8, device=device)
        for slot, job in enumerate(jobs):
            data = job.data
            own, is_marker = len(data.panel.sites), data.is_marker
            panel[slot, :own, : n_trained_on[slot]] = data.training_bytes(settings, device)
            dest[slot, :own] = np.where(is_marker, np.cumsum(is_marker) - 1, np.negative(np.cumsum(~is_marker)))
            crossings[slot, 1:own] = cumulative_share(data.crossover_weights(settings))
            markers = np.count_nonzero(is_marker)
            frequency[slot, :markers] = np.nan_to_num(data.model_freq[is_marker], nan=0.5)
            held_out = data.panel.alleles[:, validation[slot]]
            alt = np.where(held_out[is_marker] < 0, frequency[slot, :markers, None], held_out[is_marker])
            self.validation_alt[slot, :markers] = torch.as_tensor(alt)
            self.validation_truth[slot, : own - markers] = torch.as_tensor(held_out[~is_marker])

        def as_device(array: NDArray[Any]) -> Tensor:
            return torch.as_tensor(array, device=device)

        self._panel, self._dest = as_device(panel), as_device(dest)
        self._crossings, self._frequency = as_device(crossings), as_device(frequency)
        seeds = [network_seed(settings.seed, job.number, name) for job, name in zip(jobs, names, strict=True)]
        self._seeds = as_device(np.array(seeds, dtype=np.int64))
        self._n_rows = as_device(np.array([len(job.data.panel.sites) for job in jobs], dtype=np.int32))
        self._n_columns = as_device(np.array(n_trained_on, dtype=np.int32))

    def draw(self, iterations: Tensor) -> None:
        """Draw the batches of these iterations, int32 (n_networks,)."""
        batch, settings = self._network_batch, self._settings
        n, n_rows, n_columns = self._panel.shape
        grid = (n, -(-n_rows // ROWS_AT_ONCE), -(-batch.n_haplotypes // COLUMNS_AT_ONCE))
        assemble_batch_kernel[grid](
            panel=self._panel, dest=self._dest, crossings=self._crossings, frequency=self._frequency,
            alt=batch.alt, truth=batch.truth, seeds=self._seeds, iterations=iterations,
            n_rows=self._n_rows, n_columns=self._n_columns, lengths=batch.lengths,
            L=n_rows, H=n_columns, T=batch.n_markers, S=batch.n_sites, N=batch.n_haplotypes,
            REDRAW=settings.redraw_every, CROSSING=settings.crossing_probability, HIDDEN=settings.hidden_markers,
            CROSSOVERS=settings.crossovers, ROWS=ROWS_AT_ONCE, TILE=COLUMNS_AT_ONCE,
        )  # fmt: skip
