"""A region's haplotypes as a network is fed with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnimp.errors import DataError
from rnnimp.network.features import marker_features
from rnnimp.network.stack import gaps_of_sites
from rnnimp.panel import Panel, alt_frequency, haplotype_columns
from rnnimp.training.augmentation import BatchSource, crossover_weights
from rnnimp.training.recipe import TrainingSettings


@dataclass(frozen=True, eq=False)
class RegionData:
    """A region's panel, parted into training and validation samples.

    Attributes:
        panel: flank markers and the body's sites, in order, with marker flags.
        training: int64, the samples to train on.
        validation: int64, the samples held out.
    """

    panel: Panel
    training: NDArray[np.intp]
    validation: NDArray[np.intp]

    @classmethod
    def of(cls, panel: Panel, settings: TrainingSettings) -> RegionData:
        """Hold samples out; the same ones for every region of a panel.

        Raises:
            DataError: if there are too few samples, markers or sites to train on.
        """
        n_samples, n_held_out = len(panel.sample_names), settings.validation_samples
        if n_samples <= n_held_out:
            raise DataError(
                f"expected samples to train on beside the {n_held_out} held out for validation, found {n_samples} "
                "in all; lower --validation-sample-size"
            )
        n_markers = int(np.count_nonzero(panel.sites.markers()))
        if n_markers < 2 or n_markers == len(panel.sites):
            raise DataError(
                f"expected 2 markers or more and a site to impute, found {n_markers} markers and "
                f"{len(panel.sites) - n_markers} sites; split with larger limits"
            )
        order = np.random.default_rng(settings.seed).permutation(n_samples)
        return cls(panel, np.sort(order[n_held_out:]), np.sort(order[:n_held_out]))

    @cached_property
    def is_marker(self) -> NDArray[np.bool_]:
        """bool (n_rows,)."""
        return self.panel.sites.markers()

    @cached_property
    def a1_freq(self) -> NDArray[np.float64]:
        """float64 (n_rows,), the legend's frequencies, or the panel's where it has none."""
        known = self.panel.sites.a1_freq
        return alt_frequency(self.panel.alleles) if known is None else known

    @cached_property
    def gaps(self) -> NDArray[np.int64]:
        """int64 (n_imputed,); see `gaps_of_sites`."""
        return gaps_of_sites(self.is_marker)

    def features(self, n_components: int) -> NDArray[np.float32]:
        """Marker features over the training samples; see `marker_features`."""
        columns = haplotype_columns(self.training)
        return marker_features(self.panel.alleles[self.is_marker][:, columns], n_components)

    def batches(self, settings: TrainingSettings, key: tuple[int, ...]) -> BatchSource:
        """The training haplotypes as a source of batches."""
        rows = np.ascontiguousarray(self.panel.alleles[:, haplotype_columns(self.training)].T)
        weights = crossover_weights(self.panel.sites.positions, settings.recombination_rate, settings.effective_size)
        return BatchSource(rows, weights, settings.batch_size, settings.crossovers, settings.redraw_every, key)

    def validation_rows(self) -> NDArray[np.int8]:
        """int8 (n_haplotypes, n_rows) of the samples held out."""
        return np.ascontiguousarray(self.panel.alleles[:, haplotype_columns(self.validation)].T)


class Feeder:
    """Turns haplotype rows into tensors on a device.

    Args:
        data: the region.
        device: where the tensors go.
    """

    def __init__(self, data: RegionData, device: torch.device) -> None:
        self._markers = np.flatnonzero(data.is_marker)
        self._imputed = np.flatnonzero(~data.is_marker)
        frequency = np.nan_to_num(data.a1_freq[data.is_marker], nan=0.5)
        self._frequency = torch.as_tensor(frequency, dtype=torch.float32, device=device)
        self._device = device

    def tensors(self, rows: NDArray[np.int8]) -> tuple[Tensor, Tensor]:
        """Inputs and truth.

        Args:
            rows: int8 (n_haplotypes, n_rows); 0, 1, or -1 for missing.

        Returns:
            Inputs, float32 (n_haplotypes, n_markers, 2), [P(a0), P(a1)], missing alleles by their frequency;
            and truth, int8 (n_sites, n_haplotypes), missing as -1.
        """
        markers = torch.from_numpy(rows[:, self._markers]).to(self._device)
        truth = torch.from_numpy(np.ascontiguousarray(rows[:, self._imputed].T)).to(self._device)
        alt = torch.where(markers < 0, self._frequency, markers.float())
        return torch.stack([1 - alt, alt], dim=2), truth
