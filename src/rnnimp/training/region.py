"""Trains the networks of a region, one after another.

First the higher-MAF and the lower-MAF network, then the hybrid of both, which is trained or their mean, as the recipe
says. A recipe may have a haplotype HMM too, whose result is mixed with the hybrid's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnnimp.network.hmm.reference import HaplotypeHmm, combined, round_weights
from rnnimp.network.hmm.weights import MixtureWeight
from rnnimp.network.names import HIGHER, HMM, HYBRID, LOWER, NETWORKS, TITLES
from rnnimp.network.recurrent.reference import HybridHead, ImputationNetwork
from rnnimp.training.augmentation import BatchSource
from rnnimp.training.checkpoint import CheckpointFile
from rnnimp.training.data import RegionData, TensorFeeder
from rnnimp.training.hmm_states import MOST_CANDIDATES, anonymous_states, first_states
from rnnimp.training.loop import Evaluation, Progress
from rnnimp.training.loss import site_weights
from rnnimp.training.recipe import LEAST_STATES, TrainingSettings
from rnnimp.training.trainer import Forward, Objective, Trainer


@dataclass(frozen=True)
class Runner:
    """The functions that run the networks.

    Attributes:
        engine: Name of the engine, which checkpoints contain.
        forward: Gives, for a recurrent network, the function from inputs to logits that runs it. The function is
            differentiable in the network's parameters.
        hmm: The same for a haplotype HMM.
    """

    engine: str
    forward: Callable[[ImputationNetwork], Forward]
    hmm: Callable[[HaplotypeHmm], Forward]


PLAIN = Runner("reference", lambda network: network, lambda network: network)
"""PyTorch runs the module itself."""


@dataclass(frozen=True, eq=False)
class TrainedRegion:
    """A region's networks with their best weights, on the CPU.

    Attributes:
        higher: The higher-MAF network.
        lower: The lower-MAF network.
        hybrid: Joins the two.
        hmm: The haplotype HMM with its weights rounded, if the recipe has one.
        evaluations: Evaluations of the weights kept, by network name. That of `hybrid` is the final model's: it
            includes the HMM, if there is one. Its iteration is 0 if nothing was trained to combine the networks.
    """

    higher: ImputationNetwork
    lower: ImputationNetwork
    hybrid: HybridHead
    hmm: HaplotypeHmm | None
    evaluations: dict[str, Evaluation]


def train_region(
    data: RegionData,
    settings: TrainingSettings,
    number: int,
    folder: Path,
    device: torch.device,
    progress: Callable[[str], Progress],
    run_by: Runner = PLAIN,
) -> TrainedRegion:
    """Train a region's networks, or resume from the checkpoints in its folder.

    Args:
        data: The region's haplotypes.
        settings: The recipe.
        number: The region's number, which its seeds derive from.
        folder: Where checkpoints and histories are written.
        device: Device to compute on.
        progress: Gives, for a network's name, the callback that follows its training.
        run_by: The engine that runs the networks.

    Returns:
        The networks, on the CPU.

    Raises:
        TrainingError: if the loss of a network is not finite again and again.
    """
    training = _RegionTraining(data, settings, number, folder, device, progress, run_by)
    higher, run_higher = training.recurrent(HIGHER, data.features(settings, device), settings.gamma_higher)
    # a checkpoint of another machine may have other features than this machine computes
    features = higher.features.cpu().numpy()
    lower, run_lower = training.recurrent(LOWER, features, settings.gamma_lower)
    hybrid = training.hybrid(run_higher, run_lower)
    hmm = training.hmm()

    def run_all(inputs: Tensor) -> Tensor:
        logits: Tensor = hybrid(higher(inputs), lower(inputs))
        return logits if hmm is None else combined(logits, hmm(inputs), inputs, hmm.mixture_weight)

    if hmm is not None or not settings.trains_hybrid:
        training.evaluate_untrained(HYBRID, run_all)
    return TrainedRegion(higher.cpu(), lower.cpu(), hybrid.cpu(), hmm and hmm.cpu(), training.evaluations)


class _RegionTraining:
    """Trains one network of a region after another; see `train_region`."""

    def __init__(
        self,
        data: RegionData,
        settings: TrainingSettings,
        number: int,
        folder: Path,
        device: torch.device,
        progress: Callable[[str], Progress],
        run_by: Runner,
    ) -> None:
        self._data, self._settings, self._number, self._folder = data, settings, number, folder
        self._device, self._progress, self._run_by = device, progress, run_by
        self._feeder = TensorFeeder(data, device)
        self._validation = self._feeder.tensors(data.validation_rows())
        self._imputed_freq = data.a1_freq[~data.is_marker]
        self._sources = BatchSources(data, settings, number, device)
        self.evaluations: dict[str, Evaluation] = {}

    def recurrent(self, name: str, features: NDArray[np.float32], gamma: float) -> tuple[ImputationNetwork, Forward]:
        """The higher- or lower-MAF network, trained, and what runs it."""
        network = draw_network(self._data, features, self._settings, self._number, name).to(self._device)
        forward = self._run_by.forward(network)
        self._fit(name, network, forward, gamma, self._settings)
        return network, forward

    def hybrid(self, run_higher: Forward, run_lower: Forward) -> HybridHead:
        """The hybrid, trained if the recipe wants that."""
        hybrid = HybridHead(len(self._imputed_freq)).to(self._device)

        @torch.no_grad()
        def run_frozen(inputs: Tensor) -> tuple[Tensor, Tensor]:
            return run_higher(inputs), run_lower(inputs)

        if self._settings.trains_hybrid:
            self._fit(HYBRID, hybrid, lambda inputs: hybrid(*run_frozen(inputs)), 0.0, self._settings)
        return hybrid

    def hmm(self) -> HaplotypeHmm | None:
        """The haplotype HMM, trained and rounded; None if the recipe has none."""
        settings = self._settings
        if not settings.n_states:
            return None
        hmm = draw_hmm(self._data, settings, self._number, self._device).to(self._device)
        self._fit(HMM, hmm, self._run_by.hmm(hmm), settings.gamma_copying, settings.hmm_settings())
        round_weights(hmm)
        hmm.mixture_weight = MixtureWeight(settings.hmm_weight, settings.hmm_weight_missing)
        return hmm

    def evaluate_untrained(self, name: str, forward: Forward) -> None:
        """Note the validation of something that needs no training."""
        loss, r2 = self._objective(name, forward, gamma=0.0).validate()
        self.evaluations[name] = Evaluation(0, 0.0, math.nan, loss, r2, math.nan)

    def _fit(self, name: str, model: nn.Module, forward: Forward, gamma: float, settings: TrainingSettings) -> None:
        objective, progress = self._objective(name, forward, gamma), self._progress(name)
        checkpoint = CheckpointFile(self._folder / f"{name}.pt")
        label = f"region {self._number}, {TITLES[name]}"
        trainer = Trainer(model, objective, settings, checkpoint, progress, self._run_by.engine, label)
        self.evaluations[name] = trainer.run()
        model.requires_grad_(False)

    def _objective(self, name: str, forward: Forward, gamma: float) -> Objective:
        return Objective(
            forward=forward,
            weights=site_weights(self._imputed_freq, gamma).to(self._device),
            batch=lambda iteration: self._feeder.training_tensors(self._sources.source(name).batch(iteration)),
            validation=self._validation,
            keep_by_loss=name == HIGHER,
        )


class BatchSources:
    """The batch sources of a region's networks; the training haplotypes are coded when the first batch is drawn.

    Args:
        data: The region.
        settings: The recipe.
        number: The region's number, which its seeds derive from.
        device: Device on which the Li & Stephens model of soft targets runs.
    """

    def __init__(self, data: RegionData, settings: TrainingSettings, number: int, device: torch.device) -> None:
        self._data, self._settings, self._number, self._device = data, settings, number, device

    @cached_property
    def _rows(self) -> NDArray[np.uint8]:
        return np.ascontiguousarray(self._data.training_bytes(self._settings, self._device).T)

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        return self._data.crossover_weights(self._settings)

    def source(self, name: str) -> BatchSource:
        """The batches of one of the region's networks."""
        key = self._settings.seed, self._number, NETWORKS.index(name)
        return BatchSource.of(self._rows, np.flatnonzero(self._data.is_marker), self._weights, self._settings, key)


def draw_network(
    data: RegionData, features: NDArray[np.float32], settings: TrainingSettings, number: int, name: str
) -> ImputationNetwork:
    """A region's higher- or lower-MAF network with its first weights, on the CPU."""
    n_layers = settings.n_layers_higher if name == HIGHER else settings.n_layers_lower
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(network_seed(settings.seed, number, name))
        return ImputationNetwork(settings.network(n_layers), features, data.gaps, data.a1_freq[~data.is_marker])


def draw_hmm(data: RegionData, settings: TrainingSettings, number: int, device: torch.device) -> HaplotypeHmm:
    """A region's haplotype HMM before training, on the CPU.

    Args:
        data: The region.
        settings: The recipe.
        number: The region's number, which its seed derives from.
        device: Device on which the Li & Stephens model runs, if the states are anonymous.
    """
    seed = network_seed(settings.seed, number, HMM)
    n_states = hmm_state_count(data, settings)
    if settings.state_carriers:
        model = data.copying_model(settings)
        return anonymous_states(model, n_states, settings.state_carriers, settings.teacher_share, seed, device)
    crossovers = data.crossover_weights(settings)
    return first_states(data.training_alleles, data.is_marker, crossovers, n_states, settings.state_pieces, seed)


def hmm_state_count(data: RegionData, settings: TrainingSettings) -> int:
    """The number of states of a region's haplotype HMM: no more than there are haplotypes to choose from."""
    if settings.state_carriers:
        return settings.n_states
    candidates = min(2 * len(data.training), MOST_CANDIDATES)
    return min(settings.n_states, max(LEAST_STATES, 1 << (candidates.bit_length() - 1)))


def trained_networks(settings: TrainingSettings) -> tuple[str, ...]:
    """The names of the networks that a recipe trains, in order."""
    return tuple(
        name for name in NETWORKS if (name != HYBRID or settings.trains_hybrid) and (name != HMM or settings.n_states)
    )


def network_seed(seed: int, number: int, name: str) -> int:
    """The seed of a network's first weights, from (seed, region, network)."""
    sequence = np.random.SeedSequence((seed, number, NETWORKS.index(name)))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
