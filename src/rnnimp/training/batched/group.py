"""Networks that a GPU trains side by side: each has one row of a matrix of weights."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rnnimp.network.names import HIGHER, TITLES
from rnnimp.training.batched.batches import Job
from rnnimp.training.batched.optimizer import BatchedAdam
from rnnimp.training.checkpoint import CheckpointFile, tensor_like
from rnnimp.training.loop import Measurement, NetworkRun, TrainingLoop
from rnnimp.training.loss import dosage_r2, mean_over_varying
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.schedule import schedule_of

ENGINE = "fused"


class TrainingGroup(TrainingLoop):
    """Networks in training side by side; subclasses say what a row of weights is.

    Args:
        jobs: The region of each network.
        names: Names of the networks.
        rows: Their weights, trained in place, float32 (n, n_parameters).
        settings: The recipe.
    """

    def __init__(self, jobs: list[Job], names: list[str], rows: Tensor, settings: TrainingSettings) -> None:
        runs = [_network_run(name, job, settings) for name, job in zip(names, jobs, strict=True)]
        super().__init__(runs, settings, ENGINE, rows.device)
        self._jobs, self._rows = jobs, rows
        self._adam = BatchedAdam(len(rows), rows.shape[1], settings, rows.device)
        self._last_losses = torch.zeros(len(rows), device=rows.device)

    @abstractmethod
    def losses(self, iterations: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (n,) and gradients (n, n_parameters) of these iterations' batches."""

    @abstractmethod
    def logit_differences(self) -> tuple[Tensor, Tensor, Tensor]:
        """For the validation samples: log odds of a1 (n, n_sites, n_haplotypes), truth int8, weights (n, n_sites)."""

    def extra_state(self, index: int) -> dict[str, Tensor]:
        """Tensors beside the weights that a checkpoint of an unfinished network needs."""
        return {}

    def restore_extra(self, index: int, state: dict[str, Any]) -> None:
        """Take these from a checkpoint; there are none here."""
        assert not self.extra_state(index)

    def run(self) -> dict[int, str]:
        """Train all networks to their ends.

        Returns:
            The reason for each region of which a network failed.
        """
        self.train_to_end()
        pairs = zip(self._jobs, self.runs, strict=True)
        return {job.number: run.failure for job, run in pairs if run.failure is not None}

    def advance(self, count: int) -> None:
        """Train all unfinished networks for a number of iterations."""
        device = self._rows.device
        done = [run.iteration for run in self.runs]
        iterations = torch.tensor(done, dtype=torch.int32, device=device)
        is_active = torch.tensor([not run.is_finished for run in self.runs], device=device)
        rates = [[run.schedule.rate_at(run.iteration + turn) for run in self.runs] for turn in range(count)]
        for rates_now in torch.tensor(rates, device=device):
            self._last_losses, gradients = self.losses(iterations)
            self._adam.step(self._rows, gradients, self._last_losses, rates_now, is_active)
            iterations += is_active

    @torch.no_grad()
    def validate(self) -> list[Measurement]:
        """Measure each network on the samples held out of its region."""
        odds, truth, weights = self.logit_differences()
        is_site = weights > 0
        expected = torch.where(truth < 0, 0.5, truth.float())
        site_losses = (functional.softplus(odds) - expected * odds).mean(2) * weights
        validation = site_losses.sum(1) / is_site.sum(1)
        r2, varies = dosage_r2(torch.sigmoid(odds), truth)
        means = mean_over_varying(r2, varies & is_site)
        table = torch.stack([self._last_losses, validation, means.float(), self._adam.last_norm], dim=1).tolist()
        is_broken = self._adam.is_broken.tolist()
        for run in self.runs:
            if not run.is_finished:
                run.progress.iterated(run.iteration)
        return [
            Measurement(loss, validation_loss, validation_r2, norm, broken)
            for (loss, validation_loss, validation_r2, norm), broken in zip(table, is_broken, strict=True)
        ]

    def copy_weights(self, index: int) -> Tensor:
        """A copy of a row."""
        return self._rows[index].clone()

    def put_weights(self, index: int, weights: Tensor) -> None:
        """Fill a row."""
        self._rows[index] = weights

    def reset_optimizer(self, index: int) -> None:
        """Set a row's moments to 0."""
        self._adam.forget(index)

    def unfinished_state(self, index: int) -> dict[str, Any]:
        """A row, its best values and its optimizer."""
        row, best = self._rows[index].clone(), self.runs[index].best
        return {"row": row, "best_row": best, "adam": self._adam.state(index), **self.extra_state(index)}

    def restore_unfinished(self, index: int, state: dict[str, Any]) -> None:
        """Resume from these."""
        row = self._rows[index]
        self._rows[index], self.runs[index].best = (tensor_like(state[name], row) for name in ("row", "best_row"))
        self._adam.restore(index, state["adam"])
        self.restore_extra(index, state)


def _network_run(name: str, job: Job, settings: TrainingSettings) -> NetworkRun:
    label = f"region {job.number}, {TITLES[name]}"
    checkpoint = CheckpointFile(job.folder / f"{name}.pt")
    return NetworkRun(name, label, schedule_of(settings), checkpoint, job.progress(name), keep_by_loss=name == HIGHER)
