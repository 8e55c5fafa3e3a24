"""Trains one network with PyTorch's autograd. It knows a model, batches and a score, and nothing of regions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rnnimp.errors import TrainingError
from rnnimp.network.names import TITLES
from rnnimp.training.checkpoint import CheckpointFile
from rnnimp.training.loop import Evaluation, Measurement, NetworkRun, Progress, TrainingLoop
from rnnimp.training.loss import expected_alleles, mean_dosage_r2, weighted_cross_entropy
from rnnimp.training.recipe import BETA1, TrainingSettings
from rnnimp.training.schedule import MedianClip, schedule_of

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Objective:
    """The batches, loss and score that a network is trained with.

    Attributes:
        forward: Inputs (n_haplotypes, n_markers, 2) to logits (n_sites, n_haplotypes, 2).
        weights: Weights of the sites in the loss, float32 (n_sites,).
        batch: Inputs and targets, P(a1), of an iteration.
        validation: Inputs and truth of the samples held out.
        keep_by_loss: Whether the best weights are those of the least validation loss, not of the best r2.
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


class Trainer(TrainingLoop):
    """Trains one network to its best validation score, from a checkpoint if there is one.

    Args:
        model: Holds the weights; left with the best of them.
        objective: Loss, batches and validation of the training.
        settings: Rate, schedule, clipping.
        checkpoint: File of the training's state; its name is the network's.
        progress: Receives each iteration and each validation result.
        engine: Name of the engine that runs the network.
        label: Name of the network in messages; None for its usual title.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        settings: TrainingSettings,
        checkpoint: CheckpointFile,
        progress: Progress,
        engine: str = "reference",
        label: str | None = None,
    ) -> None:
        name = checkpoint.path.stem
        label = label or TITLES.get(name, name)
        self._run = NetworkRun(name, label, schedule_of(settings), checkpoint, progress, objective.keep_by_loss)
        super().__init__([self._run], settings, engine, next(model.parameters()).device)
        self._model, self._objective = model, objective
        self._clip = MedianClip(settings.clip_factor, settings.clip_window, settings.longest_gradient)
        self._loss = self._norm = math.nan
        self._is_broken = False
        self.reset_optimizer(0)

    def run(self) -> Evaluation:
        """Train to the end.

        Returns:
            The evaluation of the weights kept.

        Raises:
            TrainingError: if the loss is not finite again and again.
        """
        self.train_to_end()
        if self._run.failure is not None:
            raise TrainingError(self._run.failure)
        best = self._run.schedule.best_iteration
        return next(evaluation for evaluation in self._run.history if evaluation.iteration == best)

    def advance(self, count: int) -> None:
        """Train for a number of iterations, or until a loss or gradient is not finite."""
        for iteration in range(self._run.iteration, self._run.iteration + count):
            if not self._is_broken:
                self._step(iteration)
                self._run.progress.iterated(iteration + 1)

    def _step(self, iteration: int) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self._run.schedule.rate_at(iteration)
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._objective.loss(iteration)
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = list(self._model.parameters())
        total = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        self._loss, self._norm = float(loss.detach()), float(total)
        self._is_broken = not (math.isfinite(self._loss) and math.isfinite(self._norm))
        if not self._is_broken:
            torch.nn.utils.clip_grads_with_norm_(parameters, self._clip.longest(self._norm), total)
            self._optimizer.step()

    def validate(self) -> list[Measurement]:
        """Measure the network on the samples held out."""
        loss, r2 = self._objective.validate()
        return [Measurement(self._loss, loss, r2, self._norm, self._is_broken)]

    def copy_weights(self, index: int) -> dict[str, Tensor]:
        """A copy of the module's state."""
        return {name: tensor.detach().clone() for name, tensor in self._model.state_dict().items()}

    def put_weights(self, index: int, weights: dict[str, Tensor]) -> None:
        """Load a module's state."""
        self._model.load_state_dict(weights)

    def reset_optimizer(self, index: int) -> None:
        """Begin with a new optimizer."""
        betas, decay = (BETA1, self._settings.second_moment), self._settings.weight_decay
        self._optimizer = torch.optim.AdamW(self._model.parameters(), betas=betas, weight_decay=decay)
        self._is_broken = False

    def module_state(self, index: int) -> dict[str, Tensor]:
        """The module's state."""
        return self._model.state_dict()

    def unfinished_state(self, index: int) -> dict[str, Any]:
        """Weights, best weights, optimizer and the norms that clipping looks back over."""
        return {
            "best": self._run.best,
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "norms": self._clip.state(),
        }

    def restore_unfinished(self, index: int, state: dict[str, Any]) -> None:
        """Resume from these."""
        self._run.best = state["best"]
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._clip.restore(state["norms"])

    def restore_finished(self, index: int, best: dict[str, Tensor]) -> None:
        """Load the best weights."""
        self._model.load_state_dict(best)

    def retire(self, index: int) -> None:
        """There is nothing to free."""
