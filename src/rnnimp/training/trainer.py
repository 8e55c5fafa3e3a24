"""The training loop. It knows a model, batches and a score, and nothing of regions or files' meaning.

An iteration: draw the batch of that number, loss, gradients, clip, step. Every few iterations: validate, let the
schedule judge, keep or restore the best weights. Every half minute: a checkpoint, from which training goes on as
if it had never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rnnimp.errors import TrainingError
from rnnimp.formats.files import atomic_output
from rnnimp.training.checkpoint import CheckpointFile, require_engine
from rnnimp.training.loss import expected_alleles, mean_dosage_r2, weighted_cross_entropy
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.schedule import MedianClip, Verdict, schedule_of, score_of

Forward = Callable[[Tensor], Tensor]
BETA1 = 0.9


@dataclass(frozen=True)
class Evaluation:
    """One line of a network's history.

    Attributes:
        iteration: iterations done.
        learning_rate: the rate of the last of them.
        training_loss: loss of the last batch.
        validation_loss: the same loss on the samples held out.
        validation_r2: mean dosage r2 on them over sites that vary.
        gradient_norm: of the last batch, before clipping.
    """

    iteration: int
    learning_rate: float
    training_loss: float
    validation_loss: float
    validation_r2: float
    gradient_norm: float


HISTORY_COLUMNS = tuple(field.name for field in fields(Evaluation))


class Progress(Protocol):
    """Who is told how training goes."""

    def __call__(self, evaluation: Evaluation) -> None:
        """Take in an evaluation."""


@dataclass(frozen=True, eq=False)
class Objective:
    """What a network is trained for.

    Attributes:
        forward: inputs (n_haplotypes, n_markers, 2) to logits (n_sites, n_haplotypes, 2).
        weights: float32 (n_sites,), for the loss.
        batch: inputs and targets, P(a1), of an iteration.
        validation: inputs and truth of the samples held out.
        keep_by_loss: whether the best weights are those of the least validation loss, not of the best r2.
    """

    forward: Forward
    weights: Tensor
    batch: Callable[[int], tuple[Tensor, Tensor]]
    validation: tuple[Tensor, Tensor]
    keep_by_loss: bool

    def loss(self, iteration: int) -> Tensor:
        """The loss of an iteration's batch."""
        inputs, targets = self.batch(iteration)
        return weighted_cross_entropy(self.forward(inputs), targets, self.weights)

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Loss and mean dosage r2 on the samples held out."""
        inputs, truth = self.validation
        logits = self.forward(inputs)
        loss = float(weighted_cross_entropy(logits, expected_alleles(truth), self.weights))
        return loss, mean_dosage_r2(torch.softmax(logits, dim=2)[:, :, 1], truth)


class Trainer:
    """Trains one network to its best validation score, from a checkpoint if there is one.

    Args:
        model: holds the weights; left with the best of them.
        objective: what to train it for.
        settings: rate, schedule, clipping.
        checkpoint: where its state goes; `<name>.history.tsv` is written beside it.
        progress: told of each evaluation.
        engine: the name of what runs the network; a checkpoint is gone on from by the same one.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        settings: TrainingSettings,
        checkpoint: CheckpointFile,
        progress: Progress,
        engine: str = "reference",
    ) -> None:
        self._engine = engine
        self._model = model
        self._objective = objective
        self._settings = settings
        self._checkpoint = checkpoint
        self._progress = progress
        self._optimizer = self._new_optimizer()
        self._schedule = schedule_of(settings)
        self._clip = MedianClip(settings.clip_factor, settings.clip_window, settings.longest_gradient)
        self._best = _copy(model)
        self.history: list[Evaluation] = []

    def run(self) -> Evaluation:
        """Train to the end.

        Returns:
            The evaluation of the weights kept.

        Raises:
            TrainingError: if the loss is no longer a number.
        """
        iteration, is_finished = self._resume()
        while not is_finished:
            loss, norm = self._step(iteration)
            iteration += 1
            is_last = iteration == self._settings.max_iterations
            if iteration % self._settings.evaluate_every == 0 or is_last:
                is_finished = self._evaluate(iteration, loss, norm) is Verdict.STOP or is_last
                if is_finished or self._checkpoint.is_due():
                    self._save(iteration, is_finished)
        self._model.load_state_dict(self._best)
        best = self._schedule.best_iteration
        return next(row for row in self.history if row.iteration == best)

    def _new_optimizer(self) -> torch.optim.Optimizer:
        betas = BETA1, self._settings.second_moment
        return torch.optim.AdamW(self._model.parameters(), betas=betas, weight_decay=self._settings.weight_decay)

    def _step(self, iteration: int) -> tuple[float, float]:
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedule.rate_at(iteration)
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._objective.loss(iteration)
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = list(self._model.parameters())
        total = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        value, norm = float(loss.detach()), float(total)
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise TrainingError(f"the loss is not a number at iteration {iteration + 1}; lower the learning rate")
        torch.nn.utils.clip_grads_with_norm_(parameters, self._clip.longest(norm), total)
        self._optimizer.step()
        return value, norm

    def _evaluate(self, iteration: int, loss: float, norm: float) -> Verdict:
        rate = self._schedule.rate_at(iteration - 1)
        validation_loss, r2 = self._objective.validate()
        evaluation = Evaluation(iteration, rate, loss, validation_loss, r2, norm)
        self.history.append(evaluation)
        self._progress(evaluation)
        verdict = self._schedule.judge(iteration, score_of(self._objective.keep_by_loss, validation_loss, r2))
        if verdict is Verdict.IMPROVED:
            self._best = _copy(self._model)
        elif verdict is Verdict.RESTORE:
            self._model.load_state_dict(self._best)
            self._optimizer = self._new_optimizer()
        return verdict

    def _resume(self) -> tuple[int, bool]:
        device = next(self._model.parameters()).device
        state = self._checkpoint.read(device)
        if state is None:
            return 0, False
        self._best = state["best"]
        self._schedule.restore(state["schedule"])
        self.history = [Evaluation(*row) for row in state["history"]]
        if not state["is_finished"]:
            require_engine(state, self._engine, self._checkpoint.path)
            self._model.load_state_dict(state["model"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._clip.restore(state["norms"])
        return state["iteration"], state["is_finished"]

    def _save(self, iteration: int, is_finished: bool) -> None:
        state: dict[str, Any] = {
            "iteration": iteration,
            "is_finished": is_finished,
            "best": self._best,
            "schedule": self._schedule.state(),
            "history": [astuple(row) for row in self.history],
        }
        if not is_finished:
            state["engine"] = self._engine
            state["model"] = self._model.state_dict()
            state["optimizer"] = self._optimizer.state_dict()
            state["norms"] = self._clip.state()
        self._checkpoint.write(state)
        write_history(self._checkpoint.path, self.history)


def write_history(checkpoint: Path, history: Sequence[Evaluation]) -> None:
    """Write a network's evaluations to `<name>.history.tsv` beside its checkpoint."""
    rows = ["\t".join(HISTORY_COLUMNS)]
    rows += ["\t".join(f"{value:.6g}" for value in astuple(row)) for row in history]
    with atomic_output(checkpoint.with_suffix(".history.tsv")) as file:
        file.write("".join(f"{row}\n" for row in rows).encode())


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
