"""A cell that only this test knows: one class and one row of the table are enough to train, export and impute."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers import REPOSITORY
from rnnimp.errors import SettingsError
from rnnimp.imputation.engines.cpu_kernels import KernelEngine
from rnnimp.network.graph.export import build_graph, check_graph
from rnnimp.network.graph.reading import read_folded_network
from rnnimp.network.recurrent.cells import CELLS, Cell
from rnnimp.network.recurrent.reference import HybridHead, ImputationNetwork
from rnnimp.network.recurrent.settings import NetworkSettings
from rnnimp.network.region_coding import gaps_of_sites
from rnnimp.pipeline.train.engine_choice import resolve_engine
from rnnimp.training.recipe import TrainingSettings


class MinGru(nn.Module):
    """minGRU (Feng et al. 2024), with tanh: z and n read the input only, and h becomes z * h + (1 - z) * n."""

    def __init__(self, width: int, n_units: int) -> None:
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(2 * n_units, width))
        self.bias_ih_l0 = nn.Parameter(torch.empty(2 * n_units))
        self.register_buffer("weight_hh_l0", torch.zeros(2 * n_units, n_units), persistent=False)
        self.register_buffer("bias_hh_l0", torch.zeros(2 * n_units), persistent=False)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        z, n = nn.functional.linear(inputs, self.weight_ih_l0, self.bias_ih_l0).chunk(2, dim=2)
        state, states = torch.zeros_like(n[0]), []
        for keep, candidate in zip(z.sigmoid(), n.tanh(), strict=True):
            state = keep * state + (1 - keep) * candidate
            states.append(state)
        return torch.stack(states), state


MIN_GRU = Cell(
    name="minGRU",
    gates=("z", "n"),
    open_gates=(0,),
    torch_module=f"{__name__}:MinGru",
    onnx_operator="GRU",
    onnx_gates=(0, None, 1),  # z, r, h
    onnx_attributes={"linear_before_reset": 1},
)


@pytest.fixture
def min_gru(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(CELLS, MIN_GRU.name, MIN_GRU)  # type: ignore[arg-type]
    return MIN_GRU.name


def make_network(cell: str, n_layers: int, seed: int) -> ImputationNetwork:
    rng = np.random.default_rng(0)  # both networks of a region read the same features
    features = rng.normal(size=(5, 2, 4)).astype(np.float32)
    gaps = gaps_of_sites(np.array([flag == "m" for flag in ".m.mm..m.m."]))
    torch.manual_seed(seed)
    return ImputationNetwork(NetworkSettings(cell, 6, n_layers, 4), features, gaps, rng.random(len(gaps)))


def test_a_cell_from_the_table_is_trained_exported_and_imputed(min_gru: str) -> None:
    higher, lower = make_network(min_gru, 2, 1), make_network(min_gru, 3, 2)
    bias = higher.left.layers[0].bias_ih_l0
    assert bias.tolist() == [1] * 6 + [0] * 6
    alt = torch.rand(7, 5, generator=torch.Generator().manual_seed(3)).round()
    inputs = torch.stack([1 - alt, alt], dim=2)
    higher(inputs).square().sum().backward()
    assert bias.grad is not None and bias.grad.abs().min() > 0
    hybrid = HybridHead(len(higher.gap))
    model = build_graph(higher, lower, hybrid)
    check_graph(model, higher, lower, hybrid, inputs)
    with torch.no_grad():
        expected = torch.softmax(hybrid(higher(inputs), lower(inputs)), dim=2)[:, :, 1]
    # its graph is that of a GRU whose recurrent weights are 0, which the kernels run
    found = KernelEngine(read_folded_network(model.SerializeToString()))(inputs.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_cell_without_kernels_is_trained_in_plain_pytorch(min_gru: str) -> None:
    settings = TrainingSettings(cell=min_gru)
    assert resolve_engine("auto", torch.device("cpu"), settings) == "reference"
    with pytest.raises(SettingsError, match="found no kernels for minGRU cells; use --engine reference"):
        resolve_engine("fused", torch.device("cpu"), settings)


def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be one of GRU / LSTM"):
        NetworkSettings("minGRU")


def test_the_table_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = sys.modules['onnx'] = None; import rnnimp.network.recurrent.settings"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
