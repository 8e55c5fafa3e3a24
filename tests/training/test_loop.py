"""The policy of training: validations, going back after a breakdown, giving up, resuming."""

from __future__ import annotations

import logging
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rnnimp.errors import DataError, TrainingError
from rnnimp.training.batched.optimizer import BatchedAdam
from rnnimp.training.checkpoint import CheckpointFile, tensor_like
from rnnimp.training.loop import MOST_FALL_BACKS, Evaluation
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.schedule import MedianClip
from rnnimp.training.trainer import Objective, Trainer

SETTINGS = TrainingSettings(max_iterations=12, evaluate_every=2, learning_rate=0.08, clip_window=3)
TRUTH = torch.tensor([[0, 1, 0, 1], [1, 1, 0, 0]], dtype=torch.int8)  # (n_sites, n_haplotypes)


class OneLayer(nn.Module):
    """Logits of two sites, linear in one marker."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.1, 0.2], [0.3, -0.1]]))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.weight[:, None, :] * inputs[None, :, 0, :]


@dataclass
class Followed:
    """What a training reported."""

    iterations: list[int] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    n_ended: int = 0

    def iterated(self, iteration: int) -> None:
        self.iterations.append(iteration)

    def evaluated(self, evaluation: Evaluation) -> None:
        self.evaluations.append(evaluation)

    def ended(self) -> None:
        self.n_ended += 1


def trainer(
    folder: Path,
    is_broken: Callable[[int], bool] = lambda iteration: False,
    settings: TrainingSettings = SETTINGS,
    followed: Followed | None = None,
    name: str = "higher",
) -> Trainer:
    """Trains `OneLayer`; the targets of broken iterations are not numbers."""
    inputs = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]])
    model = OneLayer()

    def batch(iteration: int) -> tuple[Tensor, Tensor]:
        targets = TRUTH.float()
        return inputs, targets * math.nan if is_broken(iteration) else targets

    objective = Objective(model, torch.ones(2), batch, (inputs, TRUTH), keep_by_loss=True)
    checkpoint = CheckpointFile(folder / f"{name}.pt", seconds=0)
    return Trainer(model, objective, settings, checkpoint, followed or Followed(), label=f"region 7, {name}")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_training_that_goes_well_is_followed_to_its_end(tmp_path: Path) -> None:
    followed = Followed()
    best = trainer(tmp_path, followed=followed).run()
    assert followed.iterations == list(range(1, 13))
    assert [evaluation.iteration for evaluation in followed.evaluations] == [2, 4, 6, 8, 10, 12]
    assert best is min(followed.evaluations, key=lambda evaluation: evaluation.validation_loss)
    assert followed.n_ended == 1
    again = Followed()
    assert trainer(tmp_path, followed=again).run() == best
    assert (again.iterations, again.n_ended) == ([], 1), "a finished network is not trained again"


def test_after_a_loss_that_is_not_finite_the_best_weights_go_on_with_half_the_rate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = trainer(tmp_path, lambda iteration: iteration == 4)
    best = broken.run()
    assert warnings(caplog) == [
        "region 7, higher: not a finite loss or gradient before iteration 6; back to the weights of iteration 4, rate "
        "0.04"
    ]
    rows = broken.runs[0].history
    assert [row.learning_rate for row in rows] == [0.08, 0.08, 0.08, 0.04, 0.04, 0.04]
    assert math.isnan(rows[2].training_loss)
    assert rows[2].validation_loss == rows[1].validation_loss, "the step was not taken"
    assert rows[3].validation_loss < rows[1].validation_loss
    assert math.isfinite(best.validation_loss)


def test_weights_without_a_finite_validation_loss_are_not_kept(tmp_path: Path) -> None:
    one = trainer(tmp_path, settings=replace(SETTINGS, schedule="cosine"))
    validate, results = one._objective.validate, iter([False, True, False, False, False, False])
    object.__setattr__(one, "_objective", replace(one._objective))
    object.__setattr__(one._objective, "validate", lambda: (math.nan, math.nan) if next(results) else validate())
    best = one.run()
    assert one.runs[0].fall_backs == 1
    assert best.iteration == 12 and math.isfinite(best.validation_loss)


@pytest.mark.parametrize("schedule", ["halving", "cosine"])
def test_a_network_that_breaks_down_again_and_again_fails_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, schedule: str
) -> None:
    settings = replace(SETTINGS, schedule=schedule, max_iterations=1000)
    with pytest.raises(TrainingError) as failure:
        trainer(tmp_path, lambda iteration: iteration >= 4, settings).run()
    assert len(warnings(caplog)) == MOST_FALL_BACKS
    assert str(failure.value) == (
        f"the loss or gradient of the higher-MAF network was not finite before iteration {4 + 2 * 6}, also after "
        f"{MOST_FALL_BACKS} halvings of the learning rate; lower --learning-rate"
    )


def test_breaking_down_from_the_first_iteration_is_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"not finite before its first validation; train without the HMM \(--num"):
        trainer(tmp_path, lambda iteration: True, name="copying").run()
    assert not (tmp_path / "copying.pt").exists() or not torch.load(tmp_path / "copying.pt")["is_finished"]


def test_breakdowns_are_counted_across_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_broken(iteration: int) -> bool:
        return iteration >= 4

    settings = replace(SETTINGS, max_iterations=1000)
    writes, write = 0, CheckpointFile.write

    def interrupted(self: CheckpointFile, state: dict[str, object]) -> None:
        nonlocal writes
        writes += 1
        write(self, state)
        if writes == 4:  # after the second time
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CheckpointFile, "write", interrupted)
        trainer(tmp_path, is_broken, settings).run()
    resumed = trainer(tmp_path, is_broken, settings)
    with pytest.raises(TrainingError, match="before iteration 16, also after 5"):
        resumed.run()


def test_a_checkpoint_of_version_2_0_0_is_resumed(tmp_path: Path) -> None:
    """It does not count breakdowns."""
    trainer(tmp_path, settings=replace(SETTINGS, max_iterations=4)).run()
    path = tmp_path / "higher.pt"
    state = torch.load(path)
    del state["fall_backs"]
    torch.save(state, path)
    assert trainer(tmp_path, settings=replace(SETTINGS, max_iterations=4)).run().iteration == 4


@pytest.mark.parametrize(
    "change",
    [
        {"iteration": "4"},
        {"iteration": -1},
        {"iteration": 5},
        {"iteration": math.nan},
        {"schedule": None},
        {"schedule": {"learning_rate": 0.1}},
        {"history": 7},
        {"history": [(1, 2)]},
        {"history": [("a",) * 6]},
        {"fall_backs": None},
        {"best": None},
        {"best": {}},
        {"best": {"weight": torch.zeros(7, 7)}},
        {"is_finished": False},
        {"is_finished": False, "engine": "reference", "best": {}, "model": {}, "optimizer": {}, "norms": ["x"]},
        [],
        7,
    ],
)
def test_a_checkpoint_of_other_content_is_named(tmp_path: Path, change: dict[str, object] | list[object] | int) -> None:
    settings = replace(SETTINGS, max_iterations=4)
    trainer(tmp_path, settings=settings).run()
    path = tmp_path / "higher.pt"
    torch.save(torch.load(path) | change if isinstance(change, dict) else change, path)
    with pytest.raises(DataError, match=r"higher\.pt: the checkpoint is damaged \(.*\); delete it"):
        trainer(tmp_path, settings=settings).run()


@pytest.mark.parametrize("size", [0, 1, 100, 1000, -1, -100])
def test_a_truncated_checkpoint_is_named(tmp_path: Path, size: int) -> None:
    trainer(tmp_path).run()
    path = tmp_path / "higher.pt"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"higher\.pt: the checkpoint is damaged"):
        trainer(tmp_path).run()


def test_a_checkpoint_that_unpacks_to_more_than_its_size_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path).run()
    path = tmp_path / "higher.pt"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content + bytes(10**6))
    with pytest.raises(DataError, match=r"higher\.pt: the checkpoint is damaged \(ValueError\)"):
        trainer(tmp_path).run()


def test_one_value_is_not_repeated_in_place_of_many() -> None:
    with pytest.raises(ValueError, match="another shape"):
        tensor_like(torch.ones(1), torch.zeros(5))


def test_one_network_and_many_are_clipped_alike() -> None:
    clip = MedianClip(factor=2, window=3, longest=40.0)
    settings = replace(SETTINGS, clip_factor=2, clip_window=3, longest_gradient=40.0)
    adam = BatchedAdam(1, 1, settings, torch.device("cpu"))
    for norm in (1.0, 5.0, 2.0, 30.0, 100.0, 3.0, 90.0):
        before = adam.mean.clone()
        adam.step(torch.zeros(1, 1), torch.tensor([[norm]]), torch.zeros(1), torch.ones(1), torch.ones(1) > 0)
        taken = (float(adam.mean[0, 0]) - 0.9 * float(before[0, 0])) / 0.1
        assert taken == pytest.approx(min(norm, clip.longest(norm)), rel=1e-4)
