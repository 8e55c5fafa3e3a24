"""A small simulated panel, and a model trained on it, for tests of the benchmarks."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmark_cases import N_SAMPLES, N_TEST, TRAINING
from helpers import REPOSITORY, random_panel
from rnnimp.sites.panel import Panel
from vcf_files import write_panel


@pytest.fixture(scope="module")
def load() -> Iterator[Callable[[str], ModuleType]]:
    """Imports a module of the folder benchmarks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "benchmarks"))
        yield importlib.import_module


@pytest.fixture(scope="module")
def panel() -> Panel:
    return random_panel(np.random.default_rng(11), n_sites=150, n_samples=N_SAMPLES)


@pytest.fixture(scope="module")
def data(panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the benchmark takes: panel, markers, map and test samples."""
    folder = tmp_path_factory.mktemp("data")
    write_panel(folder / "panel.vcf", panel)
    keys = np.array(panel.sites.keys(), dtype=object)[panel.sites.markers()]
    (folder / "markers.tsv").write_text("".join(f"22 {position} {a0} {a1}\n" for position, a0, a1 in keys))
    last = panel.sites.positions[-1] + 1
    (folder / "map").write_text(f"pos chr cM\n1 22 0\n{last} 22 {last * 1e-6}\n")
    (folder / "test.txt").write_text("".join(f"{name}\n" for name in panel.sample_names[:N_TEST]))
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, load: Callable[[str], ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the regions' files in `split`, and a model of the training samples in `train/models`."""
    inputs, folder = load("accuracy.inputs"), tmp_path_factory.mktemp("model")
    prepared = inputs.prepare(data / "panel.vcf", data / "markers.tsv", data / "test.txt", folder, None)
    _, seconds = inputs.train(prepared, None, 0.005, TRAINING, folder)
    assert seconds > 0
    return folder


@pytest.fixture(scope="module")
def model(trained: Path) -> Path:
    """The prefix of that model."""
    return trained / "train" / "models" / "panel"
