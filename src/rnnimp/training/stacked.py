"""Training the networks of many regions at once on a GPU: the fused engine.

It fills the checkpoint files that `training/region.py` goes on from: first both networks of each region of a group,
side by side, then the hybrids of the group. Each network has its own data, rate, clipping, schedule, best
weights, history and checkpoint, and draws by its own seed; what becomes of it does not depend on the others.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rnnimp.network.stack import CERTAIN, HybridHead, ImputationNetwork
from rnnimp.network.stacked import StackedNetworks
from rnnimp.training.checkpoint import CheckpointFile, require_engine
from rnnimp.training.data import RegionData
from rnnimp.training.device_batches import Batches, Job
from rnnimp.training.loss import dosage_r2, mean_over_varying, site_weights
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.region import NETWORKS, draw_network
from rnnimp.training.rows import RowAdam
from rnnimp.training.schedule import Schedule, Verdict, schedule_of, score_of
from rnnimp.training.trainer import Evaluation, Progress, write_history

logger = logging.getLogger(__name__)

ENGINE = "fused"
MOST_REGIONS = 33


@dataclass(eq=False)
class Member:
    """One network in training: what the host keeps of it.

    Attributes:
        name: `higher`, `lower` or `hybrid`.
        job: its region.
        schedule: of its rate.
        best: its best row so far.
        iteration: iterations done.
        history: its evaluations.
        is_finished: whether it is at its end.
    """

    name: str
    job: Job
    schedule: Schedule
    checkpoint: CheckpointFile
    progress: Progress
    best: Tensor
    iteration: int = 0
    history: list[Evaluation] = field(default_factory=list)
    is_finished: bool = False


class Group(ABC):
    """Rows in training together; subclasses say what a row is.

    Args:
        members: the networks, a row each.
        rows: float32 (n, n_parameters), their weights, trained in place.
        settings: the recipe.
    """

    def __init__(self, members: list[Member], rows: Tensor, settings: TrainingSettings) -> None:
        self._members, self._rows, self._settings = members, rows, settings
        device = rows.device
        self._adam = RowAdam(len(rows), rows.shape[1], settings, device)
        self._iterations = torch.zeros(len(members), dtype=torch.int32, device=device)
        for row, member in enumerate(members):
            self._resume(row, member)
        self._refresh()

    @abstractmethod
    def losses(self, iterations: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (n,) and gradients (n, n_parameters) of these iterations' batches."""

    @abstractmethod
    def logit_differences(self) -> tuple[Tensor, Tensor, Tensor]:
        """For the validation samples: log odds of a1 (n, n_sites, n_haplotypes), truth int8, weights (n, n_sites)."""

    @abstractmethod
    def retire(self, row: int) -> None:
        """Called when a row is finished."""

    def extra_state(self, row: int) -> dict[str, Tensor]:
        """What else a checkpoint of an unfinished row must hold."""
        return {}

    def restore_extra(self, row: int, state: dict[str, Any]) -> None:
        """Take that back from a checkpoint; there is nothing here to take."""
        assert not self.extra_state(row)

    def run(self) -> None:
        """Train all rows to their ends."""
        while not all(member.is_finished for member in self._members):
            losses = self._iterate()
            self._evaluate(losses)

    def _iterate(self) -> Tensor:
        """As many iterations as fit before the next validation of any row."""
        every, longest = self._settings.evaluate_every, self._settings.max_iterations
        at_work = [member.iteration for member in self._members if not member.is_finished]
        count = min(min(every - done % every, longest - done) for done in at_work)
        losses = torch.zeros(len(self._members), device=self._rows.device)
        rates = [
            [member.schedule.rate_at(member.iteration + turn) for member in self._members] for turn in range(count)
        ]
        for rates_now in torch.tensor(rates, device=self._rows.device):
            losses, gradients = self.losses(self._iterations)
            self._adam.step(self._rows, gradients, losses, rates_now, self._is_active)
            self._iterations += self._is_active
        for member in self._members:
            member.iteration += 0 if member.is_finished else count
        return losses

    @torch.no_grad()
    def _evaluate(self, losses: Tensor) -> None:
        due = [row for row, member in enumerate(self._members) if not member.is_finished and self._is_due(member)]
        if not due:
            return
        odds, truth, weights = self.logit_differences()
        is_site = weights > 0
        expected = torch.where(truth < 0, 0.5, truth.float())
        each = (functional.softplus(odds) - expected * odds).mean(2) * weights
        validation = each.sum(1) / is_site.sum(1)
        r2, varies = dosage_r2(torch.sigmoid(odds), truth)
        means = mean_over_varying(r2, varies & is_site)
        table = torch.stack([losses, validation, means.float(), self._adam.last_norm], dim=1).tolist()
        broken = self._adam.is_broken.tolist()
        for row in due:
            self._judge(row, self._members[row], table[row], broken[row])
        self._refresh()

    def _is_due(self, member: Member) -> bool:
        return (
            member.iteration % self._settings.evaluate_every == 0 or member.iteration == self._settings.max_iterations
        )

    def _judge(self, row: int, member: Member, values: list[float], is_broken: bool) -> None:
        loss, validation, r2, norm = values
        schedule = member.schedule
        evaluation = Evaluation(member.iteration, schedule.rate_at(member.iteration - 1), loss, validation, r2, norm)
        member.history.append(evaluation)
        member.progress(evaluation)
        if is_broken:
            verdict = schedule.fall_back(member.iteration)
            logger.warning(
                "region %d, %s: not a number at iteration %d; back to the best weights, rate %.2g",
                member.job.number, member.name, member.iteration, schedule.learning_rate,
            )  # fmt: skip
        else:
            verdict = schedule.judge(member.iteration, score_of(member.name == "higher", validation, r2))
        if verdict is Verdict.IMPROVED:
            member.best = self._rows[row].clone()
        elif verdict is Verdict.RESTORE:
            self._rows[row] = member.best
            self._adam.forget(row)
        member.is_finished = verdict is Verdict.STOP or member.iteration == self._settings.max_iterations
        if member.is_finished and not schedule.best_iteration:
            self._give_up(row, member)
        elif member.is_finished:
            self._finish(row, member)
        elif member.checkpoint.is_due():
            self._save(row, member)

    def _give_up(self, row: int, member: Member) -> None:
        """A network that never had a score: nothing is written, so that its region fails by itself later."""
        logger.error("region %d, %s: was never better than nothing; it is given up", member.job.number, member.name)
        self.retire(row)

    def _refresh(self) -> None:
        at_work = [not member.is_finished for member in self._members]
        self._is_active = torch.tensor(at_work, device=self._rows.device)

    def _resume(self, row: int, member: Member) -> None:
        state = member.checkpoint.read(self._rows.device)
        if state is None:
            return
        if state["is_finished"]:
            member.is_finished = True
            self._restore_finished(row, member, state)
            self.retire(row)
            return
        require_engine(state, ENGINE, member.checkpoint.path)
        member.schedule.restore(state["schedule"])
        member.history = [Evaluation(*values) for values in state["history"]]
        member.iteration = state["iteration"]
        self._iterations[row] = member.iteration
        self._rows[row], member.best = state["row"], state["best_row"]
        self._adam.restore(row, state["adam"])
        self.restore_extra(row, state)

    @abstractmethod
    def _restore_finished(self, row: int, member: Member, state: dict[str, Any]) -> None:
        """Take a finished row from its checkpoint."""

    def _finish(self, row: int, member: Member) -> None:
        self._rows[row] = member.best
        best = self.as_module_state(row, member)
        self._write(member, {"is_finished": True, "best": best})
        self.retire(row)

    @abstractmethod
    def as_module_state(self, row: int, member: Member) -> dict[str, Tensor]:
        """A row as the state of the reference's module."""

    def _save(self, row: int, member: Member) -> None:
        unfinished = {"row": self._rows[row].clone(), "best_row": member.best, "adam": self._adam.state(row)}
        self._write(member, {"is_finished": False, "engine": ENGINE, **unfinished, **self.extra_state(row)})

    def _write(self, member: Member, state: dict[str, Any]) -> None:
        common = {
            "iteration": member.iteration,
            "schedule": member.schedule.state(),
            "history": [astuple(row) for row in member.history],
        }
        member.checkpoint.write(common | state)
        write_history(member.checkpoint.path, member.history)


class NetworkGroup(Group):
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
        self.stacked = StackedNetworks(
            networks[0].settings, len(networks), n_markers, n_sites, settings.batch_size, device, room=n_haplotypes
        )
        for slot, (job, network, name) in enumerate(zip(jobs, networks, names, strict=True)):
            gamma = {"higher": settings.gamma_higher, "lower": settings.gamma_lower}[name]
            self.stacked.place(slot, network, site_weights(job.data.a1_freq[~job.data.is_marker], gamma))
        self.networks = networks
        self.batches = Batches(jobs, names, settings, self.stacked)
        self._lengths = self.stacked.lengths.clone()
        members = [
            _member(name, job, settings, self.stacked.parameters[slot])
            for slot, (job, name) in enumerate(zip(jobs, names, strict=True))
        ]
        super().__init__(members, self.stacked.parameters, settings)

    def losses(self, iterations: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and gradients of the drawn batches."""
        self.batches.draw(iterations)
        return self.stacked.train(), self.stacked.gradients

    def logit_differences(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of the validation samples."""
        logits = self.stacked.logits(self.batches.validation_alt)
        return logits[..., 1] - logits[..., 0], self.batches.validation_truth, self.stacked.site_weights

    def retire(self, row: int) -> None:
        """A network without markers costs no time."""
        self.stacked.lengths[row] = 0

    def extra_state(self, row: int) -> dict[str, Tensor]:
        """The features that the weights go with."""
        return {"features": self.networks[row].features}

    def restore_extra(self, row: int, state: dict[str, Any]) -> None:
        """Those features again."""
        self.networks[row].features.copy_(state["features"])
        self._take_features(row)

    def _take_features(self, row: int) -> None:
        features = self.networks[row].features
        self.stacked.features[row, : len(features)] = features.to(self.stacked.features.device)

    def wake(self) -> None:
        """Let all networks compute again, with the weights that they ended with."""
        self.stacked.lengths.copy_(self._lengths)

    def as_module_state(self, row: int, member: Member) -> dict[str, Tensor]:
        """The reference network's state."""
        self.stacked.layout.write_back(self._rows[row].cpu(), self.networks[row])
        return self.networks[row].state_dict()

    def _restore_finished(self, row: int, member: Member, state: dict[str, Any]) -> None:
        self.networks[row].load_state_dict({name: tensor.cpu() for name, tensor in state["best"].items()})
        self._take_features(row)
        self._rows[row] = self.stacked.layout.row(self.networks[row]).to(self._rows.device)


class HybridGroup(Group):
    """Hybrids over the finished networks of a group: rows of weights (n_sites, 4, 2), then biases (n_sites, 2)."""

    def __init__(self, jobs: Sequence[Job], group: NetworkGroup, settings: TrainingSettings) -> None:
        stacked = group.stacked
        group.wake()
        self._group, self._n_sites = group, stacked.n_sites
        self._site_counts = [int(count) for count in stacked.site_counts[::2].tolist()]
        is_site = torch.arange(self._n_sites)[None, :] < torch.tensor(self._site_counts)[:, None]
        self._weights = 0.5 * is_site.float().to(stacked.alt.device)
        start = HybridHead(self._n_sites)
        row = torch.cat([start.weight.detach().reshape(-1), start.bias.detach().reshape(-1)])
        rows = row.to(stacked.alt.device).repeat(len(jobs), 1)
        jobs_of_slots = [job for job in jobs for _ in range(2)]
        self._batches = Batches(jobs_of_slots, ["hybrid"] * len(jobs_of_slots), settings, stacked)
        self._validation = stacked.logits(self._batches.validation_alt)
        members = [_member("hybrid", job, settings, rows[slot]) for slot, job in enumerate(jobs)]
        super().__init__(members, rows, settings)

    def losses(self, iterations: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and gradients of the drawn batches."""
        self._batches.draw(iterations.repeat_interleave(2))
        stacked = self._group.stacked
        logits = stacked.logits(stacked.alt)
        rows = self._rows.detach().requires_grad_()
        odds = self._odds(rows, logits)
        truth = stacked.truth[::2].float() / CERTAIN
        each = (functional.softplus(odds) - truth * odds).mean(2) * self._weights
        losses = each.sum(1) / (self._weights > 0).sum(1)
        (gradients,) = torch.autograd.grad(losses.sum(), rows)
        return losses.detach(), gradients

    def logit_differences(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of the validation samples."""
        return self._odds(self._rows, self._validation), self._batches.validation_truth[::2], self._weights

    def _odds(self, rows: Tensor, logits: Tensor) -> Tensor:
        weight = rows[:, : 8 * self._n_sites].reshape(-1, self._n_sites, 4, 2)
        bias = rows[:, 8 * self._n_sites :].reshape(-1, self._n_sites, 1, 2)
        four = torch.cat([logits[::2], logits[1::2]], dim=3)  # (n, n_sites, n_haplotypes, 4)
        difference = (weight[..., 1] - weight[..., 0])[:, :, :, None]
        odds: Tensor = (four @ difference)[..., 0] + (bias[..., 1] - bias[..., 0])
        return odds

    def retire(self, row: int) -> None:
        """Both networks of a finished hybrid rest."""
        self._group.stacked.lengths[2 * row : 2 * row + 2] = 0

    def as_module_state(self, row: int, member: Member) -> dict[str, Tensor]:
        """The reference hybrid's state."""
        n_sites = self._site_counts[row]
        weight, bias = self._rows[row, : 8 * self._n_sites].cpu(), self._rows[row, 8 * self._n_sites :].cpu()
        return {
            "weight": weight.reshape(-1, 4, 2)[:n_sites].clone(),
            "bias": bias.reshape(-1, 1, 2)[:n_sites].clone(),
        }

    def _restore_finished(self, row: int, member: Member, state: dict[str, Any]) -> None:
        """Nothing reads a finished hybrid again."""


def _member(name: str, job: Job, settings: TrainingSettings, row: Tensor) -> Member:
    checkpoint = CheckpointFile(job.folder / f"{name}.pt")
    return Member(name, job, schedule_of(settings), checkpoint, job.progress(name), row.clone())


def regions_at_once(data: RegionData, settings: TrainingSettings, device: torch.device) -> int:
    """How many regions like this one the device has room for, by the memory that is free.

    More than fill the device do not make it faster, and end later.
    """
    n_markers, n_rows = int(np.count_nonzero(data.is_marker)), len(data.panel.sites)
    n_haplotypes = max(settings.batch_size, 2 * settings.validation_samples)
    n_layers = max(settings.n_layers_higher, settings.n_layers_lower)
    states = (2 if settings.cell == "GRU" else 3) * n_layers + 5
    recurrent = 2 * n_markers * n_haplotypes * settings.n_units * 2 * states
    recurrent += 2 * (n_markers + 1) * n_haplotypes * settings.n_mixed * 2
    of_sites = n_rows * (len(data.panel.sample_names) * 2 + n_haplotypes * 40)
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(MOST_REGIONS, int(0.8 * free / (2 * (recurrent + of_sites)))))


def train_group(jobs: Sequence[Job], settings: TrainingSettings, device: torch.device) -> None:
    """Train all networks of some regions at once, leaving finished checkpoints.

    Raises:
        torch.OutOfMemoryError: if they are too many for the device.
    """
    slots, networks, names = [], [], []
    for job in jobs:
        features = job.data.features(settings.feature_size)
        for name in NETWORKS[:2]:
            slots.append(job)
            names.append(name)
            networks.append(draw_network(job.data, features, settings, job.number, name))
    group = NetworkGroup(slots, networks, names, settings, device)
    group.run()
    if settings.trains_hybrid:
        HybridGroup(jobs, group, settings).run()
