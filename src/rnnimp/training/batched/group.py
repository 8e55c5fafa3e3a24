"""Networks in training together: a row of weights each, and what the host keeps of them.

Each has its own rate, clipping, schedule, best weights, history and checkpoint; what becomes of it does not depend on
the others.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import astuple, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rnnimp.training.batched.batches import Job
from rnnimp.training.batched.optimizer import BatchedAdam
from rnnimp.training.checkpoint import CheckpointFile, require_engine
from rnnimp.training.loss import dosage_r2, mean_over_varying
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.schedule import Schedule, Verdict, schedule_of, score_of
from rnnimp.training.trainer import Evaluation, Progress, write_history

logger = logging.getLogger(__name__)

ENGINE = "fused"


@dataclass(eq=False)
class NetworkRun:
    """One network in training: what the host keeps of it.

    Attributes:
        name: `higher`, `lower`, `hybrid` or `copying`.
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


class TrainingGroup(ABC):
    """Rows in training together; subclasses say what a row is.

    Args:
        members: the networks, a row each.
        rows: float32 (n, n_parameters), their weights, trained in place.
        settings: the recipe.
    """

    def __init__(self, members: list[NetworkRun], rows: Tensor, settings: TrainingSettings) -> None:
        self._members, self._rows, self._settings = members, rows, settings
        device = rows.device
        self._adam = BatchedAdam(len(rows), rows.shape[1], settings, device)
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

    def _is_due(self, member: NetworkRun) -> bool:
        return (
            member.iteration % self._settings.evaluate_every == 0 or member.iteration == self._settings.max_iterations
        )

    def _judge(self, row: int, member: NetworkRun, values: list[float], is_broken: bool) -> None:
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

    def _give_up(self, row: int, member: NetworkRun) -> None:
        """A network that never had a score: nothing is written, so that its region fails by itself later."""
        logger.error("region %d, %s: was never better than nothing; it is given up", member.job.number, member.name)
        self.retire(row)

    def _refresh(self) -> None:
        at_work = [not member.is_finished for member in self._members]
        self._is_active = torch.tensor(at_work, device=self._rows.device)

    def _resume(self, row: int, member: NetworkRun) -> None:
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
    def _restore_finished(self, row: int, member: NetworkRun, state: dict[str, Any]) -> None:
        """Take a finished row from its checkpoint."""

    def _finish(self, row: int, member: NetworkRun) -> None:
        self._rows[row] = member.best
        best = self.as_module_state(row, member)
        self._write(member, {"is_finished": True, "best": best})
        self.retire(row)

    @abstractmethod
    def as_module_state(self, row: int, member: NetworkRun) -> dict[str, Tensor]:
        """A row as the state of the reference's module."""

    def _save(self, row: int, member: NetworkRun) -> None:
        unfinished = {"row": self._rows[row].clone(), "best_row": member.best, "adam": self._adam.state(row)}
        self._write(member, {"is_finished": False, "engine": ENGINE, **unfinished, **self.extra_state(row)})

    def _write(self, member: NetworkRun, state: dict[str, Any]) -> None:
        common = {
            "iteration": member.iteration,
            "schedule": member.schedule.state(),
            "history": [astuple(row) for row in member.history],
        }
        member.checkpoint.write(common | state)
        write_history(member.checkpoint.path, member.history)


def network_run(name: str, job: Job, settings: TrainingSettings, row: Tensor) -> NetworkRun:
    """A network at the start of its training, or where its checkpoint says."""
    checkpoint = CheckpointFile(job.folder / f"{name}.pt")
    return NetworkRun(name, job, schedule_of(settings), checkpoint, job.progress(name), row.clone())
