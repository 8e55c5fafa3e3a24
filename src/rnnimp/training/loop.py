"""The training loop, for one network or many side by side, and its policy.

The order of events:

1. Each network resumes from its checkpoint, if it has one.
2. All unfinished networks take steps until the next validation of one of them.
3. For each network whose validation is due: record it, let the schedule judge, keep or restore the best weights.
4. Write a checkpoint when a network is finished, and about every half minute before.

If a loss or gradient is not a finite number, that network goes back to its best weights with half the learning rate.
It may do so `MOST_FALL_BACKS` times; then its training fails. The other networks are not affected.

Subclasses of `TrainingLoop` know where the weights are, how a step is taken and how networks are validated.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from rnnimp.formats.files import atomic_output
from rnnimp.network.names import HMM, TITLES
from rnnimp.training.checkpoint import CheckpointFile, require_engine
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.schedule import Schedule, Verdict, number, score_of

logger = logging.getLogger(__name__)

MOST_FALL_BACKS = 5
"""How often a network may go back to its best weights because it broke down; the learning rate is then 1/32."""


@dataclass(frozen=True)
class Evaluation:
    """One line of a network's history.

    Attributes:
        iteration: Iterations done.
        learning_rate: The rate of the last iteration.
        training_loss: Loss of the last batch.
        validation_loss: The same loss on the samples held out.
        validation_r2: Mean dosage r2 on these samples, over sites that vary in them.
        gradient_norm: Gradient norm of the last batch, before clipping.
    """

    iteration: int
    learning_rate: float
    training_loss: float
    validation_loss: float
    validation_r2: float
    gradient_norm: float


HISTORY_COLUMNS = tuple(column.name for column in fields(Evaluation))


class Progress(Protocol):
    """Follows the training of one network."""

    def iterated(self, iteration: int) -> None:
        """Called with the number of iterations done."""

    def evaluated(self, evaluation: Evaluation) -> None:
        """Called with each validation result."""

    def ended(self) -> None:
        """Called when training has ended, also if that was in an earlier run."""


class NoProgress:
    """Follows nothing."""

    def iterated(self, iteration: int) -> None:
        """Called with the number of iterations done."""

    def evaluated(self, evaluation: Evaluation) -> None:
        """Called with each validation result."""

    def ended(self) -> None:
        """Called when training has ended, also if that was in an earlier run."""


@dataclass(frozen=True)
class Measurement:
    """The measurements of a network at a validation; see `Evaluation`.

    Attributes:
        is_broken: Whether a loss or gradient since the validation before was not finite.
    """

    training_loss: float
    validation_loss: float
    validation_r2: float
    gradient_norm: float
    is_broken: bool


@dataclass(eq=False)
class NetworkRun:
    """One network in training: everything except its weights.

    Attributes:
        name: One of `NETWORKS`.
        label: Name of the network in messages.
        schedule: Schedule of its learning rate.
        checkpoint: Where its state is written; `<name>.history.tsv` is written beside it.
        progress: Receives each validation result.
        keep_by_loss: Whether the best weights are those of the least validation loss, not of the best r2.
        best: Best weights of the network, in the form that the loop keeps them in.
        iteration: Iterations done.
        history: Evaluations of the network.
        fall_backs: How often it went back to its best weights because it broke down.
        is_finished: Whether its training has ended.
        failure: Why its training failed; None if it did not.
    """

    name: str
    label: str
    schedule: Schedule
    checkpoint: CheckpointFile
    progress: Progress
    keep_by_loss: bool
    best: Any = None
    iteration: int = 0
    history: list[Evaluation] = field(default_factory=list)
    fall_backs: int = 0
    is_finished: bool = False
    failure: str | None = None

    def record(self, found: Measurement) -> Verdict:
        """Add a validation to the history, and say what to do."""
        rate = self.schedule.rate_at(self.iteration - 1)
        loss, r2 = found.validation_loss, found.validation_r2
        evaluation = Evaluation(self.iteration, rate, found.training_loss, loss, r2, found.gradient_norm)
        self.history.append(evaluation)
        self.progress.evaluated(evaluation)
        if found.is_broken or not math.isfinite(loss):
            return self._fall_back()
        return self.schedule.judge(self.iteration, score_of(self.keep_by_loss, loss, r2))

    def end(self) -> None:
        """Note that training has ended; it has failed if it never had a score."""
        self.is_finished = True
        if not self.schedule.best_iteration:
            self.failure = f"{self._broke_down()} before its first validation; {self._remedy()}"

    def _fall_back(self) -> Verdict:
        if self.fall_backs == MOST_FALL_BACKS:
            halved = f"also after {MOST_FALL_BACKS} halvings of the learning rate"
            self.failure = f"{self._broke_down()} before iteration {self.iteration}, {halved}; {self._remedy()}"
            return Verdict.STOP
        self.fall_backs += 1
        verdict = self.schedule.fall_back(self.iteration)
        logger.warning(
            "%s: not a finite loss or gradient before iteration %d; back to the weights of iteration %d, rate %.2g",
            self.label, self.iteration, self.schedule.best_iteration, self.schedule.learning_rate,
        )  # fmt: skip
        return verdict

    def _broke_down(self) -> str:
        return f"the loss or gradient of the {TITLES.get(self.name, self.name)} was not finite"

    def _remedy(self) -> str:
        return "train without the HMM (--num-states 0)" if self.name == HMM else "lower --learning-rate"

    def state(self) -> dict[str, Any]:
        """The part of a checkpoint that finished and unfinished networks have."""
        return {
            "iteration": self.iteration,
            "schedule": self.schedule.state(),
            "history": [astuple(evaluation) for evaluation in self.history],
            "fall_backs": self.fall_backs,
        }

    def restore(self, state: dict[str, Any], max_iterations: int) -> None:
        """Resume from the result of `state`.

        Raises:
            KeyError, TypeError or ValueError: if it is none.
        """
        self.iteration, self.is_finished = number(state["iteration"]), bool(state["is_finished"])
        if self.iteration not in range(max_iterations + 1):
            raise ValueError(f"iteration {self.iteration} of {max_iterations}")
        self.schedule.restore(state["schedule"])
        self.history = [Evaluation(*map(number, values)) for values in state["history"]]
        self.fall_backs = number(state.get("fall_backs", 0))  # checkpoints of version 2.0.0 have none

    def write(self, state: dict[str, Any]) -> None:
        """Write the checkpoint and the history."""
        self.checkpoint.write(self.state() | state)
        write_history(self.checkpoint.path, self.history)


class TrainingLoop(ABC):
    """Trains networks to their ends; what becomes of one does not depend on the others.

    Args:
        runs: The networks.
        settings: The recipe.
        engine: Name of the engine that runs the networks; only the same one resumes an unfinished checkpoint.
        device: Where checkpoints are read to.
    """

    def __init__(self, runs: list[NetworkRun], settings: TrainingSettings, engine: str, device: torch.device) -> None:
        self.runs = runs
        self._settings, self._engine, self._device = settings, engine, device

    @abstractmethod
    def advance(self, count: int) -> None:
        """Train all unfinished networks for a number of iterations, or until they break down."""

    @abstractmethod
    def validate(self) -> list[Measurement]:
        """Measure each network on its validation samples."""

    @abstractmethod
    def copy_weights(self, index: int) -> Any:
        """A copy of a network's weights."""

    @abstractmethod
    def put_weights(self, index: int, weights: Any) -> None:
        """Replace a network's weights by such a copy."""

    @abstractmethod
    def reset_optimizer(self, index: int) -> None:
        """Forget the moments of a network's gradients, and that it broke down."""

    @abstractmethod
    def module_state(self, index: int) -> dict[str, Tensor]:
        """A network's weights as the state of the reference's module."""

    @abstractmethod
    def unfinished_state(self, index: int) -> dict[str, Any]:
        """The part of a checkpoint that unfinished networks need: weights, best weights, optimizer."""

    @abstractmethod
    def restore_unfinished(self, index: int, state: dict[str, Any]) -> None:
        """Resume from the result of `unfinished_state`."""

    @abstractmethod
    def restore_finished(self, index: int, best: dict[str, Tensor]) -> None:
        """Take a finished network's weights, as `module_state` gave them."""

    @abstractmethod
    def retire(self, index: int) -> None:
        """Called when a network is finished or has failed."""

    def train_to_end(self) -> None:
        """Resume all networks, then train them until each is finished or has failed."""
        for index, run in enumerate(self.runs):
            run.best = self.copy_weights(index)
            if run.failure is None:
                self._resume(index, run)
        while unfinished := [run for run in self.runs if not run.is_finished]:
            count = min(self._until_validation(run) for run in unfinished)
            self.advance(count)
            for run in unfinished:
                run.iteration += count
            measured = self.validate()
            for index, run in enumerate(self.runs):
                if run in unfinished and self._is_due(run):
                    self._judge(index, run, measured[index])

    def give_up(self, index: int, reason: str) -> None:
        """End a network's training without a result."""
        run = self.runs[index]
        run.is_finished, run.failure = True, reason
        self._retire(index, run)

    def _until_validation(self, run: NetworkRun) -> int:
        every, most = self._settings.evaluate_every, self._settings.max_iterations
        return min(every - run.iteration % every, most - run.iteration)

    def _is_due(self, run: NetworkRun) -> bool:
        return run.iteration % self._settings.evaluate_every == 0 or run.iteration == self._settings.max_iterations

    def _judge(self, index: int, run: NetworkRun, measured: Measurement) -> None:
        verdict = run.record(measured)
        if verdict is Verdict.IMPROVED:
            run.best = self.copy_weights(index)
        elif verdict is Verdict.RESTORE:
            self.put_weights(index, run.best)
            self.reset_optimizer(index)
        if verdict is Verdict.STOP or run.iteration == self._settings.max_iterations:
            run.end()
            self._finish(index, run)
        elif run.checkpoint.is_due():
            run.write({"is_finished": False, "engine": self._engine, **self.unfinished_state(index)})

    def _finish(self, index: int, run: NetworkRun) -> None:
        self.put_weights(index, run.best)
        if run.failure is None:
            run.write({"is_finished": True, "best": self.module_state(index)})
        self._retire(index, run)

    def _retire(self, index: int, run: NetworkRun) -> None:
        self.retire(index)
        run.progress.ended()

    def _resume(self, index: int, run: NetworkRun) -> None:
        state = run.checkpoint.read(self._device)
        if state is None:
            return
        with run.checkpoint.restoring():
            if not state["is_finished"]:
                require_engine(state, self._engine, run.checkpoint.path)
            run.restore(state, self._settings.max_iterations)
            if run.is_finished:
                self.restore_finished(index, state["best"])
            else:
                self.restore_unfinished(index, state)
        if run.is_finished:
            self._retire(index, run)


def write_history(checkpoint: Path, history: Sequence[Evaluation]) -> None:
    """Write a network's evaluations to `<name>.history.tsv` beside its checkpoint."""
    lines = ["\t".join(HISTORY_COLUMNS)]
    lines += ["\t".join(f"{value:.6g}" for value in astuple(evaluation)) for evaluation in history]
    with atomic_output(checkpoint.with_suffix(".history.tsv")) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
