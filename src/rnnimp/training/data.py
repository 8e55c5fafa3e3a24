"""A region's haplotypes as the input and targets of networks.

Training haplotypes are bytes: at markers 0, 1, or 2 for missing; at imputed sites the target, P(a1) in parts of
`CERTAIN`. A target is the true allele, or a mean of it and what the Li & Stephens model expects (`soft_targets.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnimp.errors import DataError
from rnnimp.formats.genetic_map import GeneticMap
from rnnimp.network.recurrent.features import marker_features
from rnnimp.network.region_coding import CERTAIN, gaps_of_sites
from rnnimp.sites.frequencies import coarse_frequency
from rnnimp.sites.haploid_males import haploid_samples, paired_columns
from rnnimp.sites.panel import Panel, alt_frequency, default_sample_names, haplotype_columns
from rnnimp.training.augmentation import MASKED, allele_seed, crossover_weights
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.recombined_pool import RecombinedPool, recombined_pool
from rnnimp.training.soft_targets import LiStephensModel

LEAST_CM = 1e-6  # a crossover can fall between any two sites, also where the map is flat


@dataclass(frozen=True, eq=False)
class RegionData:
    """A region's panel, split into training and validation samples.

    Attributes:
        panel: Flank markers and the body's sites, in order, with marker flags. Two haploid people stand as one sample.
        training: The samples to train on, int64.
        validation: The samples held out, int64.
        map_cm: Genetic positions, float64 (n_rows,); None if there is no map.
        exact_frequencies: Whether the model gives allele frequencies exactly; see `TrainingSettings`.
        people: Numbers of people to train on and held out; None if they are as many as samples.
    """

    panel: Panel
    training: NDArray[np.intp]
    validation: NDArray[np.intp]
    map_cm: NDArray[np.float64] | None = None
    exact_frequencies: bool = False
    people: tuple[int, int] | None = None

    @classmethod
    def of(cls, panel: Panel, settings: TrainingSettings, genetic_map: GeneticMap | None = None) -> RegionData:
        """Hold out samples for validation, the same ones for every region of a panel.

        Args:
            panel: See above; `ABSENT` as the second allele of haploid people at all sites. They are paired, so that
                each haplotype is there once; of an odd number one is left out.
            settings: The recipe.
            genetic_map: Genetic map of the chromosome.

        Raises:
            DataError: if there are too few samples, markers or sites to train on.
        """
        n_samples, n_held_out = len(panel.sample_names), settings.validation_samples
        has_teachers = settings.n_recombined or (
            settings.n_states and settings.state_carriers and settings.teacher_share < 1
        )
        least = 2 if settings.soft_target_share or has_teachers else 1  # soft targets come from other samples
        if n_samples < least + n_held_out:
            raise DataError(
                f"expected {least} or more samples to train on beside the {n_held_out} held out for validation, found "
                f"{n_samples} in all; lower --validation-sample-size"
            )
        n_markers = int(np.count_nonzero(panel.sites.markers()))
        if n_markers < 2 or n_markers == len(panel.sites):
            raise DataError(
                f"expected 2 markers or more and a site to impute, found {n_markers} markers and "
                f"{len(panel.sites) - n_markers} sites; split with larger limits"
            )
        validation = held_out_samples(n_samples, n_held_out, settings.seed)
        training = np.setdiff1d(np.arange(n_samples), validation)
        map_cm = None if genetic_map is None else genetic_map.at(panel.sites.positions)
        is_haploid = haploid_samples(panel.alleles)
        if not is_haploid.any():
            return cls(panel, training, validation, map_cm, settings.exact_frequencies)
        columns = [paired_columns(people, is_haploid) for people in (training, validation)]
        n_training, n_validation = (len(part) // 2 for part in columns)
        if n_training < least or n_validation < 2:
            raise DataError(
                f"expected haplotypes of {least} or more pairs of haploid people to train on, and of 2 held out, found "
                f"{n_training} and {n_validation}; the panel is too small for --validation-sample-size"
            )
        paired = Panel(
            panel.sites, panel.alleles[:, np.concatenate(columns)], default_sample_names(n_training + n_validation)
        )
        numbers = np.arange(n_training + n_validation)
        people = len(training), len(validation)
        return cls(paired, numbers[:n_training], numbers[n_training:], map_cm, settings.exact_frequencies, people)

    @cached_property
    def is_marker(self) -> NDArray[np.bool_]:
        """bool (n_rows,)."""
        return self.panel.sites.markers()

    @cached_property
    def a1_freq(self) -> NDArray[np.float64]:
        """float64 (n_rows,), the legend's frequencies, or the panel's if it has none."""
        known = self.panel.sites.a1_freq
        return alt_frequency(self.panel.alleles) if known is None else known

    @cached_property
    def model_freq(self) -> NDArray[np.float64]:
        """float64 (n_rows,), the frequencies in the model's legend, which missing alleles count as.

        They are rounded by `coarse_frequency` unless the model gives them exactly; NaN where unknown.
        """
        if self.exact_frequencies:
            return self.a1_freq
        return coarse_frequency(self.a1_freq, np.count_nonzero(self.panel.alleles >= 0, axis=1))

    @cached_property
    def gaps(self) -> NDArray[np.int64]:
        """int64 (n_imputed,); see `gaps_of_sites`."""
        return gaps_of_sites(self.is_marker)

    def features(self, settings: TrainingSettings, device: torch.device) -> NDArray[np.float32]:
        """Marker features over what is trained on; see `marker_features`.

        Args:
            settings: The recipe.
            device: Device on which a recombined pool is made.
        """
        markers = self.training_alleles[self.is_marker]
        if settings.n_recombined:
            coded = self.training_bytes(settings, device)[self.is_marker]
            markers = np.where(coded == MASKED, -1, coded.astype(np.int8)).astype(np.int8)
        return marker_features(markers, settings.feature_size)

    @property
    def n_people(self) -> tuple[int, int]:
        """Numbers of people to train on, and held out."""
        return self.people or (len(self.training), len(self.validation))

    def n_trained_on(self, settings: TrainingSettings) -> int:
        """Haplotypes that are trained on."""
        return settings.n_recombined or 2 * len(self.training)

    def crossover_weights(self, settings: TrainingSettings) -> NDArray[np.float64]:
        """float64 (n_rows - 1,), how likely a crossover falls between each row and the next.

        By base pairs as published, or in proportion to the genetic distance where there is a map.
        """
        if self.map_cm is not None:
            return np.diff(self.map_cm) + LEAST_CM
        return crossover_weights(self.panel.sites.positions, settings.recombination_rate, settings.effective_size)

    def training_bytes(self, settings: TrainingSettings, device: torch.device) -> NDArray[np.uint8]:
        """The training haplotypes, uint8 (n_rows, n_haplotypes), coded as this module says.

        They are computed once for all networks.

        Args:
            settings: The recipe.
            device: Device on which the Li & Stephens model runs, if the recipe has soft targets.
        """
        recipe = (
            settings.soft_target_share, settings.copying_size, settings.copying_error, settings.seed,
            settings.n_recombined, settings.recombined_crossovers, settings.teacher_share,
        )  # fmt: skip
        if recipe not in self._coded:
            self._coded[recipe] = self._code(settings, device)
        return self._coded[recipe]

    @cached_property
    def _coded(self) -> dict[tuple[float, ...], NDArray[np.uint8]]:
        return {}

    def _code(self, settings: TrainingSettings, device: torch.device) -> NDArray[np.uint8]:
        share = settings.soft_target_share
        alleles, expected = self.training_alleles, None
        if settings.n_recombined:
            pool = self._pool(settings, device)
            alleles, expected = pool.alleles, pool.expected
        elif share:
            expected = self.copying_model(settings).leave_one_out(device).cpu().numpy()
        coded = np.where(alleles < 0, MASKED, alleles).astype(np.uint8)
        targets = np.where(alleles < 0, 0.5, alleles)[~self.is_marker]
        if expected is not None:
            targets = (1 - share) * targets + share * expected
        coded[~self.is_marker] = np.rint(CERTAIN * targets)
        return coded

    def _pool(self, settings: TrainingSettings, device: torch.device) -> RecombinedPool:
        key = settings.seed, *allele_seed(self.training_alleles)
        return recombined_pool(
            self.copying_model(settings), self.crossover_weights(settings), settings.n_recombined,
            settings.recombined_crossovers, settings.teacher_share, key, device,
        )  # fmt: skip

    @cached_property
    def training_alleles(self) -> NDArray[np.int8]:
        """The panel's haplotypes to train on, int8 (n_rows, n_haplotypes); -1 for missing."""
        return self.panel.alleles[:, haplotype_columns(self.training)]

    def copying_model(self, settings: TrainingSettings) -> LiStephensModel:
        """The Li & Stephens model of the training samples."""
        return LiStephensModel(
            self.training_alleles, self.is_marker, self._cm(), settings.copying_size, settings.copying_error,
            settings.seed,
        )  # fmt: skip

    def _cm(self) -> NDArray[np.float64]:
        """Genetic positions; without a map 1 cM per million base pairs, the human genome's mean."""
        return self.panel.sites.positions / 1e6 if self.map_cm is None else self.map_cm

    def validation_rows(self) -> NDArray[np.int8]:
        """int8 (n_haplotypes, n_rows) of the samples held out."""
        return np.ascontiguousarray(self.panel.alleles[:, haplotype_columns(self.validation)].T)


def held_out_samples(n_samples: int, n_held_out: int, seed: int) -> NDArray[np.intp]:
    """The validation samples of a training with this seed, in order; the same for every region.

    Returns:
        int64 (n_held_out,), indices of samples.
    """
    return np.sort(np.random.default_rng(seed).permutation(n_samples)[:n_held_out])


class TensorFeeder:
    """Turns haplotype rows into tensors on a device.

    Args:
        data: The region.
        device: Where the tensors go.
    """

    def __init__(self, data: RegionData, device: torch.device) -> None:
        self._markers = np.flatnonzero(data.is_marker)
        self._imputed = np.flatnonzero(~data.is_marker)
        frequency = np.nan_to_num(data.model_freq[data.is_marker], nan=0.5)
        self._frequency = torch.as_tensor(frequency, dtype=torch.float32, device=device)
        self._device = device

    def tensors(self, rows: NDArray[np.int8]) -> tuple[Tensor, Tensor]:
        """Inputs and truth.

        Args:
            rows: Rows, int8 (n_haplotypes, n_rows); 0, 1, or -1 for missing.

        Returns:
            Inputs, float32 (n_haplotypes, n_markers, 2), [P(a0), P(a1)], missing alleles by their frequency;
            and truth, int8 (n_sites, n_haplotypes), missing as -1.
        """
        truth = torch.from_numpy(np.ascontiguousarray(rows[:, self._imputed].T)).to(self._device)
        markers = rows[:, self._markers]
        return self._inputs(markers, markers < 0), truth

    def training_tensors(self, rows: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Inputs and targets, float32, P(a1), from training haplotypes, uint8 (n_haplotypes, n_rows)."""
        targets = torch.from_numpy(np.ascontiguousarray(rows[:, self._imputed].T)).to(self._device)
        markers = rows[:, self._markers]
        return self._inputs(markers, markers == MASKED), targets.float() / CERTAIN

    def _inputs(self, markers: NDArray[Any], is_missing: NDArray[np.bool_]) -> Tensor:
        known = torch.from_numpy(markers.astype(np.float32)).to(self._device)
        alt = torch.where(torch.from_numpy(is_missing).to(self._device), self._frequency, known)
        return torch.stack([1 - alt, alt], dim=2)
