"""The networks of a region, one after another: higher MAF, lower MAF, and the hybrid of both, trained or their mean.

A recipe may have a copying network beside them.
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
from rnnimp.network.recurrent.reference import HybridHead, ImputationNetwork
from rnnimp.sites.panel import haplotype_columns
from rnnimp.training.augmentation import BatchSource
from rnnimp.training.checkpoint import CheckpointFile
from rnnimp.training.data import RegionData, TensorFeeder
from rnnimp.training.hmm_states import MOST_CANDIDATES, first_states
from rnnimp.training.loss import site_weights
from rnnimp.training.recipe import LEAST_STATES, TrainingSettings
from rnnimp.training.trainer import Evaluation, Forward, Objective, Progress, Trainer

NETWORKS = ("higher", "lower", "hybrid", "copying")


@dataclass(frozen=True)
class Runner:
    """How networks are run.

    Attributes:
        engine: its name, which checkpoints keep.
        forward: makes of a network what runs it: inputs to logits, differentiable in the network's parameters.
        copying: the same of a copying network.
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
        higher: the higher-MAF network.
        lower: the lower-MAF network.
        hybrid: what joins them.
        copying: the copying network with its weights rounded, if the recipe has one.
        evaluations: of the weights kept, by network name; of `hybrid` with the copying network, if there is one.
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
    """Train a region's networks, going on from the checkpoints in its folder.

    Args:
        data: the region's haplotypes.
        settings: the recipe.
        number: the region's number, which its seeds derive from.
        folder: where checkpoints and histories lie.
        device: where to compute.
        progress: gives, for a network's name, whom to tell of its evaluations.
        run_by: how networks are run.

    Returns:
        The networks, on the CPU.
    """
    feeder = TensorFeeder(data, device)
    validation = feeder.tensors(data.validation_rows())
    imputed_freq = data.a1_freq[~data.is_marker]
    features = data.features(settings.feature_size)
    evaluations: dict[str, Evaluation] = {}
    draws = BatchSources(data, settings, number, device)

    def objective_of(name: str, forward: Forward, gamma: float) -> Objective:
        return Objective(
            forward=forward,
            weights=site_weights(imputed_freq, gamma).to(device),
            batch=lambda iteration: feeder.training_tensors(draws.source(name).batch(iteration)),
            validation=validation,
            keep_by_loss=name == "higher",
        )

    def fit(name: str, model: nn.Module, forward: Forward, gamma: float, by: TrainingSettings = settings) -> None:
        objective = objective_of(name, forward, gamma)
        checkpoint = CheckpointFile(folder / f"{name}.pt")
        evaluations[name] = Trainer(model, objective, by, checkpoint, progress(name), run_by.engine).run()
        model.requires_grad_(False)

    higher = draw_network(data, features, settings, number, "higher").to(device)
    run_higher = run_by.forward(higher)
    fit("higher", higher, run_higher, settings.gamma_higher)
    # those that the first network went on with, should it come from another machine
    features = higher.features.cpu().numpy()
    lower = draw_network(data, features, settings, number, "lower").to(device)
    run_lower = run_by.forward(lower)
    fit("lower", lower, run_lower, settings.gamma_lower)
    hybrid = HybridHead(len(imputed_freq)).to(device)

    if settings.trains_hybrid:

        @torch.no_grad()
        def run_frozen(inputs: Tensor) -> tuple[Tensor, Tensor]:
            return run_higher(inputs), run_lower(inputs)

        fit("hybrid", hybrid, lambda inputs: hybrid(*run_frozen(inputs)), gamma=0.0)

    hmm = None
    if settings.n_states:
        hmm = draw_hmm(data, settings, number).to(device)
        fit("copying", hmm, run_by.hmm(hmm), settings.gamma_copying, settings.hmm_settings())
        round_weights(hmm)

    def run_all(inputs: Tensor) -> Tensor:
        logits: Tensor = hybrid(higher(inputs), lower(inputs))
        return logits if hmm is None else combined(logits, hmm(inputs), inputs)

    if hmm is not None or not settings.trains_hybrid:
        evaluation = Evaluation(0, 0.0, math.nan, *objective_of("hybrid", run_all, gamma=0.0).validate(), math.nan)
        evaluations["hybrid"] = evaluation
    return TrainedRegion(higher.cpu(), lower.cpu(), hybrid.cpu(), hmm and hmm.cpu(), evaluations)


class BatchSources:
    """A region's training haplotypes, made when the first batch is drawn from them.

    Args:
        data: the region.
        settings: the recipe.
        number: the region's number, which its seeds derive from.
        device: where the copying model of soft targets runs.
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
    n_layers = settings.n_layers_higher if name == "higher" else settings.n_layers_lower
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(network_seed(settings.seed, number, name))
        return ImputationNetwork(settings.network(n_layers), features, data.gaps, data.a1_freq[~data.is_marker])


def draw_hmm(data: RegionData, settings: TrainingSettings, number: int) -> HaplotypeHmm:
    """A region's copying network before training, on the CPU."""
    alleles = data.panel.alleles[:, haplotype_columns(data.training)]
    seed = network_seed(settings.seed, number, "copying")
    crossovers = data.crossover_weights(settings)
    return first_states(alleles, data.is_marker, crossovers, states_of(data, settings), settings.state_pieces, seed)


def states_of(data: RegionData, settings: TrainingSettings) -> int:
    """How many states a region's copying network has: no more than there are haplotypes to choose from."""
    candidates = min(2 * len(data.training), MOST_CANDIDATES)
    return min(settings.n_states, max(LEAST_STATES, 1 << (candidates.bit_length() - 1)))


def trained_networks(settings: TrainingSettings) -> tuple[str, ...]:
    """The names of the networks that a recipe trains, in order."""
    return tuple(
        name
        for name in NETWORKS
        if (name != "hybrid" or settings.trains_hybrid) and (name != "copying" or settings.n_states)
    )


def network_seed(seed: int, number: int, name: str) -> int:
    """The seed of a network's first weights, from (seed, region, network)."""
    sequence = np.random.SeedSequence((seed, number, NETWORKS.index(name)))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
