"""Small regions that are trained side by side, and their weights afterwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from helpers import random_panel
from rnnimp.training.batched.batches import Job
from rnnimp.training.checkpoint import CheckpointFile
from rnnimp.training.data import RegionData
from rnnimp.training.loop import NoProgress
from rnnimp.training.recipe import TrainingSettings

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SETTINGS = TrainingSettings(
    n_units=4,
    n_layers_higher=1,
    n_layers_lower=1,
    feature_size=3,
    batch_size=12,
    max_iterations=4,
    validation_samples=3,
    evaluate_every=2,
    seed=5,
)


def job(folder: Path, number: int, n_sites: int = 8, n_samples: int = 12, **changes: float) -> Job:
    rng = np.random.default_rng(number)
    panel = random_panel(rng, n_sites=n_sites, n_samples=n_samples, marker_share=0.4, **changes)
    (folder / str(number)).mkdir(parents=True, exist_ok=True)
    return Job(number, RegionData.of(panel, SETTINGS), folder / str(number), lambda name: NoProgress())


def final_states(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    states = {}
    for path in sorted(folder.rglob("*.pt")):
        state = CheckpointFile(path).read(torch.device("cpu"))
        assert state is not None and state["is_finished"]
        states[str(path.relative_to(folder))] = state["best"]
    return states


def assert_same(one: dict[str, dict[str, torch.Tensor]], other: dict[str, dict[str, torch.Tensor]]) -> None:
    assert one.keys() == other.keys()
    for name, state in one.items():
        for key, tensor in state.items():
            torch.testing.assert_close(other[name][key].cpu(), tensor.cpu(), msg=f"{name} {key}")
