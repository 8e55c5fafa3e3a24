"""Small regions to train on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import random_panel
from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.pipeline.train.work import TrainOptions, Work
from rnnimp.training.recipe import TrainingSettings


@pytest.fixture
def data_list(tmp_path: Path) -> Path:
    """Two regions as `rnnimp split` leaves them."""
    prefixes = [tmp_path / "split" / f"chr22_{number}" for number in (1, 2)]
    for seed, prefix in enumerate(prefixes):
        panel = random_panel(np.random.default_rng(seed), n_sites=40, n_samples=25)
        ids = np.array([f"22:{position}:{a0}:{a1}" for position, a0, a1 in panel.sites.keys()], dtype=object)
        with HapsLegendWriter(prefix) as writer:
            writer.write(replace(panel.sites, ids=ids, swapped=np.zeros(40, dtype=bool)), panel.alleles)
    path = tmp_path / "split" / "chr22.list"
    path.write_text("".join(f"{prefix}\n" for prefix in prefixes))
    return path


SETTINGS = TrainingSettings(
    n_units=4,
    n_layers_higher=1,
    n_layers_lower=1,
    feature_size=3,
    batch_size=12,
    max_iterations=20,
    validation_samples=4,
)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    prefixes = [str(tmp_path / f"region_{number}") for number in (1, 2, 3)]
    for seed, prefix in enumerate(prefixes):
        panel = random_panel(np.random.default_rng(seed), n_sites=20, n_samples=20)
        with HapsLegendWriter(prefix) as writer:
            writer.write(panel.sites, panel.alleles)
    return Work(prefixes, str(tmp_path / "out" / "chr22"), SETTINGS, TrainOptions(), "reference")
