"""Training the networks of many regions at once on a GPU: the fused engine.

It writes the checkpoint files from which `training/region.py` takes finished networks: first both recurrent networks of
each region, side by side, then the hybrids and the haplotype HMMs. Each network has its own data, seed, learning rate,
clipping, schedule, best weights, history and checkpoint. Its result does not depend on the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rnnimp.cluster.estimate import GPU_REGIONS_AT_ONCE
from rnnimp.network.hmm.gpu_batch import HmmBatch
from rnnimp.network.names import HIGHER, HMM, HYBRID, LOWER
from rnnimp.network.recurrent.cells import CELLS
from rnnimp.network.recurrent.gpu.network_batch import NetworkBatch
from rnnimp.network.recurrent.gpu.tuning import stored_units
from rnnimp.network.recurrent.reference import HybridHead, ImputationNetwork
from rnnimp.network.region_coding import CERTAIN
from rnnimp.training.batched.batches import Batches, Job
from rnnimp.training.batched.group import TrainingGroup
from rnnimp.training.checkpoint import tensor_like
from rnnimp.training.data import RegionData
from rnnimp.training.loss import site_weights
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.region import draw_hmm, draw_network, hmm_state_count


class NetworkGroup(TrainingGroup):
    """Higher- and lower-MAF networks side by side."""

    def __init__(
        self,
        jobs: Sequence[Job],
        networks: Sequence[ImputationNetwork],
        names: Sequence[str],
        settings: TrainingSettings,
        device: torch.device,
    ) -> None:
        n_markers = max(len(network.features) for network in networks)
        n_sites = max(len(network.gap) for network in networks)
        n_haplotypes = max(settings.batch_size, 2 * settings.validation_samples)
        self.network_batch = NetworkBatch(
            networks[0].settings, len(networks), n_markers, n_sites, settings.batch_size, device, room=n_haplotypes
        )
        for slot, (job, network, name) in enumerate(zip(jobs, networks, names, strict=True)):
            gamma = {HIGHER: settings.gamma_higher, LOWER: settings.gamma_lower}[name]
            self.network_batch.place(slot, network, site_weights(job.data.a1_freq[~job.data.is_marker], gamma))
        self.networks = networks
        self.batches = Batches(jobs, names, settings, self.network_batch)
        self._lengths = self.network_batch.lengths.clone()
        super().__init__(list(jobs), list(names), self.network_batch.parameters, settings)

    def losses(self, iterations: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and gradients of the drawn batches."""
        self.batches.draw(iterations)
        return self.network_batch.train(), self.network_batch.gradients

    def logit_differences(self) -> tuple[Tensor, Tensor, Tensor]:
        """Log odds, truth and weights of the validation samples."""
        logits = self.network_batch.logits(self.batches.validation_alt)
        return logits[..., 1] - logits[..., 0], self.batches.validation_truth, self.network_batch.site_weights

    def retire(self, index: int) -> None:
        """Set the number of markers to 0, so that the network costs no time."""
        self.network_batch.lengths[index] = 0

    def extra_state(self, index: int) -> dict[str, Tensor]:
        """The marker features, which the weights belong to."""
        return {"features": self.networks[index].features}

    def restore_extra(self, index: int, state: dict[str, Any]) -> None:
        """Take the features from a checkpoint."""
        features = self.networks[index].features
        features.copy_(tensor_like(state["features"], features))
        self._take_features(index)

    def _take_features(self, index: int) -> None:
        features = self.networks[index].features
        self.network_batch.features[index, : len(features)] = features.to(self.network_batch.features.device)

    def wake(self) -> None:
        """Let all networks compute again, with their final weights."""
        self.network_batch.lengths.copy_(self._lengths)

    def module_state(self, index: int) -> dict[str, Tensor]:
        """The reference network's state."""
        self.network_batch.layout.write_back(self._rows[index].cpu(), self.networks[index])
        return self.networks[index].state_dict()

    def restore_finished(self, index: int, best: dict[str, Tensor]) -> None:
        """Take its features and weights, which the hybrid and the export read."""
        self.networks[index].load_state_dict({name: tensor.cpu() for name, tensor in best.items()})
        self._take_features(index)
        self._rows[index] = self.network_batch.layout.row(self.networks[index]).to(self._rows.device)


class HybridGroup(TrainingGroup):
    """Hybrids of a group's finished networks. A row has weights (n_sites, 4, 2), then biases (n_sites, 2)."""

    def __init__(self, jobs: Sequence[Job], group: NetworkGroup, settings: TrainingSettings) -> None:
        network_batch = group.network_batch
        group.wake()
        self._group, self._n_sites = group, network_batch.n_sites
        self._site_counts = [int(count) for count in network_batch.site_counts[::2].tolist()]
        is_site = torch.arange(self._n_sites)[None, :] < torch.tensor(self._site_counts)[:, None]
        self._weights = 0.5 * is_site.float().to(network_batch.alt.device)
        start = HybridHead(self._n_sites)
        row = torch.cat([start.weight.detach().reshape(-1), start.bias.detach().reshape(-1)])
        rows = row.to(network_batch.alt.device).repeat(len(jobs), 1)
        jobs_of_networks = [job for job in jobs for _ in range(2)]
        self._batches = Batches(jobs_of_networks, [HYBRID] * len(jobs_of_networks), settings, network_batch)
        self._validation = network_batch.logits(self._batches.validation_alt)
        super().__init__(list(jobs), [HYBRID] * len(jobs), rows, settings)

    def losses(self, iterations: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and gradients of the drawn batches."""
        self._batches.draw(iterations.repeat_interleave(2))
        network_batch = self._group.network_batch
        logits = network_batch.logits(network_batch.alt)
        rows = self._rows.detach().requires_grad_()
        odds = self._odds(rows, logits)
        truth = network_batch.truth[::2].float() / CERTAIN
        each = (functional.softplus(odds) - truth * odds).mean(2) * self._weights
        losses = each.sum(1) / (self._weights > 0).sum(1)
        (gradients,) = torch.autograd.grad(losses.sum(), rows)
        return losses.detach(), gradients

    def logit_differences(self) -> tuple[Tensor, Tensor, Tensor]:
        """Log odds, truth and weights of the validation samples."""
        return self._odds(self._rows, self._validation), self._batches.validation_truth[::2], self._weights

    def _odds(self, rows: Tensor, logits: Tensor) -> Tensor:
        weight = rows[:, : 8 * self._n_sites].reshape(-1, self._n_sites, 4, 2)
        bias = rows[:, 8 * self._n_sites :].reshape(-1, self._n_sites, 1, 2)
        four = torch.cat([logits[::2], logits[1::2]], dim=3)  # (n, n_sites, n_haplotypes, 4)
        difference = (weight[..., 1] - weight[..., 0])[:, :, :, None]
        odds: Tensor = (four @ difference)[..., 0] + (bias[..., 1] - bias[..., 0])
        return odds

    def retire(self, index: int) -> None:
        """Stop both networks of the hybrid."""
        self._group.network_batch.lengths[2 * index : 2 * index + 2] = 0

    def module_state(self, index: int) -> dict[str, Tensor]:
        """The reference hybrid's state."""
        n_sites = self._site_counts[index]
        weight, bias = self._rows[index, : 8 * self._n_sites].cpu(), self._rows[index, 8 * self._n_sites :].cpu()
        return {
            "weight": weight.reshape(-1, 4, 2)[:n_sites].clone(),
            "bias": bias.reshape(-1, 1, 2)[:n_sites].clone(),
        }

    def restore_finished(self, index: int, best: dict[str, Tensor]) -> None:
        """Nothing to do: no other network reads a finished hybrid."""


class HmmGroup(TrainingGroup):
    """Haplotype HMMs side by side."""

    def __init__(self, jobs: Sequence[Job], settings: TrainingSettings, device: torch.device) -> None:
        self.networks = [draw_hmm(job.data, settings, job.number, device) for job in jobs]
        self.network_batch = HmmBatch(
            self.networks[0].switch_in.shape[1],
            len(jobs),
            max(len(network.emission) for network in self.networks),
            max(len(network.gap) for network in self.networks),
            settings.batch_size,
            device,
            room=2 * settings.validation_samples,
        )
        for slot, (job, network) in enumerate(zip(jobs, self.networks, strict=True)):
            frequency = job.data.a1_freq[~job.data.is_marker]
            self.network_batch.place(slot, network, site_weights(frequency, settings.gamma_copying))
        self._batches = Batches(jobs, [HMM] * len(jobs), settings, self.network_batch)
        super().__init__(list(jobs), [HMM] * len(jobs), self.network_batch.parameters, settings)

    def losses(self, iterations: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and gradients of the drawn batches."""
        self._batches.draw(iterations)
        return self.network_batch.train(), self.network_batch.gradients

    def logit_differences(self) -> tuple[Tensor, Tensor, Tensor]:
        """Log odds, truth and weights of the validation samples."""
        odds = self.network_batch.log_odds(self._batches.validation_alt)
        return odds, self._batches.validation_truth, self.network_batch.site_weights

    def retire(self, index: int) -> None:
        """Set the number of markers to 0, so that the network costs no time."""
        self.network_batch.lengths[index] = 0

    def extra_state(self, index: int) -> dict[str, Tensor]:
        """The hidden states, which the transition weights belong to."""
        return {"emission": self.networks[index].emission, "site": self.networks[index].site}

    def restore_extra(self, index: int, state: dict[str, Any]) -> None:
        """Take the states from a checkpoint."""
        for name in ("emission", "site"):
            before = getattr(self.networks[index], name)
            before.copy_(tensor_like(state[name], before))
        self.network_batch.take_states(index, self.networks[index])

    def module_state(self, index: int) -> dict[str, Tensor]:
        """The reference network's state."""
        self.network_batch.write_back(self._rows[index], self.networks[index])
        return self.networks[index].state_dict()

    def restore_finished(self, index: int, best: dict[str, Tensor]) -> None:
        """Nothing to do: no other network reads a finished HMM."""


def regions_at_once(data: RegionData, settings: TrainingSettings, device: torch.device) -> int:
    """How many regions like this one the device has room for, by the memory that is free.

    More regions than fill the device would not make it faster, and would end later.
    """
    n_markers, n_rows = int(np.count_nonzero(data.is_marker)), len(data.panel.sites)
    n_haplotypes = max(settings.batch_size, 2 * settings.validation_samples)
    n_layers = max(settings.n_layers_higher, settings.n_layers_lower)
    states = (1 + CELLS[settings.cell].n_states) * n_layers + 5
    recurrent = 2 * n_markers * n_haplotypes * stored_units(settings.n_units) * 2 * states
    recurrent += 2 * (n_markers + 1) * n_haplotypes * settings.n_mixed * 2
    sites = n_rows * (data.n_trained_on(settings) + n_haplotypes * 40)
    n_states = hmm_state_count(data, settings)
    hmm = 5 * (n_markers + 1) * n_haplotypes * n_states * 2 + 12 * n_rows * n_states * 4
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(GPU_REGIONS_AT_ONCE, int(0.8 * free / max(2 * (recurrent + sites), hmm))))


def train_group(jobs: Sequence[Job], settings: TrainingSettings, device: torch.device) -> dict[int, str]:
    """Train all networks of some regions at once, leaving finished checkpoints.

    Returns:
        The reason for each region of which a network failed, by region number.

    Raises:
        torch.OutOfMemoryError: if they are too many for the device.
    """
    failed = _train_recurrent(jobs, settings, device)
    sound = [job for job in jobs if job.number not in failed]
    if settings.n_states and sound:
        failed |= HmmGroup(sound, settings.hmm_settings(), device).run()
    return failed


def _train_recurrent(jobs: Sequence[Job], settings: TrainingSettings, device: torch.device) -> dict[int, str]:
    """Train the recurrent networks and hybrids; their memory is free afterwards."""
    slots, networks, names = [], [], []
    for job in jobs:
        features = job.data.features(settings, device)
        for name in (HIGHER, LOWER):
            slots.append(job)
            names.append(name)
            networks.append(draw_network(job.data, features, settings, job.number, name))
    group = NetworkGroup(slots, networks, names, settings, device)
    failed = group.run()
    if settings.trains_hybrid:
        hybrids = HybridGroup(jobs, group, settings)
        for index, job in enumerate(jobs):
            if job.number in failed:
                hybrids.give_up(index, failed[job.number])
        failed |= hybrids.run()
    return failed
