"""The kernels of a network batch against the reference in float64: losses, logits and every gradient.

Without a GPU the kernels run in Triton's interpreter with float32 operands. On a GPU they use bfloat16.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rnnimp.network.recurrent.gpu import network_batch
from rnnimp.network.recurrent.gpu.network_batch import NetworkBatch
from rnnimp.network.recurrent.gpu.row_layout import RowLayout, parameters_in_order
from rnnimp.network.recurrent.gpu.tuning import Tuning
from rnnimp.network.recurrent.reference import ImputationNetwork
from rnnimp.training.loss import expected_alleles, weighted_cross_entropy
from small_networks import make_networks

pytestmark = pytest.mark.usefixtures("few_chunks")

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TOLERANCE = 0.02 if DEVICE.type == "cuda" else 2e-5
TILES = dict.fromkeys([f"{part}_tile" for part in ("forward", "backward", "sum", "pass", "head", "table")], 16)
TUNING = Tuning(**TILES)

REGIONS = ["..m.mm.", "m.m", "m" + "." * 17 + "m", ".m", "m."]


class Case:
    """A network with random haplotypes, truth and weights, and what the reference makes of them in float64."""

    def __init__(self, cell: str, flags: str, seed: int, n_haplotypes: int, n_units: int = 6, n_mixed: int = 0) -> None:
        self.network, _, _ = make_networks(cell, flags, n_units, seed, n_mixed)
        with torch.no_grad():  # many units that each weigh as much as few do would make a chaos of the states
            for stack in (self.network.left, self.network.right):
                for parameter in stack.parameters():
                    parameter *= min(1.0, 6 / n_units)
        rng = torch.Generator().manual_seed(seed)
        self.n_markers, self.n_sites = flags.count("m"), flags.count(".")
        self.alt = torch.rand(n_haplotypes, self.n_markers, generator=rng).round(decimals=1)
        self.truth = torch.randint(-1, 2, (self.n_sites, n_haplotypes), generator=rng).to(torch.int8)
        self.weights = torch.rand(self.n_sites, generator=rng)

    def put(self, batch: NetworkBatch, slot: int) -> None:
        batch.place(slot, self.network, self.weights)
        batch.alt[slot, : self.n_markers] = self.alt.T
        batch.truth[slot, : self.n_sites] = torch.where(self.truth < 0, 100, 200 * self.truth).to(torch.uint8)

    def expected(self) -> tuple[float, torch.Tensor, torch.Tensor]:
        """Loss, gradients as a row, and logits."""
        double = in_double(self.network)
        logits = double(torch.stack([1 - self.alt, self.alt], dim=2).double())
        loss = weighted_cross_entropy(logits, expected_alleles(self.truth), self.weights.double())
        loss.backward()
        gradients = torch.cat([parameter.grad.reshape(-1) for parameter in parameters_in_order(double)])
        return loss.item(), gradients, logits.detach()


def in_double(network: ImputationNetwork) -> ImputationNetwork:
    double = network.double()
    double.features = double.features.double()
    return double


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.cpu().double() - expected).norm() / expected.norm())


def stack(cases: list[Case], n_haplotypes: int, tiles: dict[str, int] = TILES, room: int = 0) -> NetworkBatch:
    markers, sites = max(case.n_markers for case in cases), max(case.n_sites for case in cases)
    settings = cases[0].network.settings
    tuning = replace(Tuning.of(settings), **tiles)
    batch = NetworkBatch(settings, len(cases), markers, sites, n_haplotypes, DEVICE, tuning, room)
    for slot, case in enumerate(cases):
        case.put(batch, slot)
    return batch


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
@pytest.mark.parametrize("n_haplotypes", [1, 19])
def test_ragged_networks_at_once_equal_the_reference_one_by_one(cell: str, n_haplotypes: int) -> None:
    cases = [Case(cell, flags, seed, n_haplotypes) for seed, flags in enumerate(REGIONS)]
    batch = stack(cases, n_haplotypes)
    losses, logits = batch.train(), batch.logits(batch.alt)
    for slot, case in enumerate(cases):
        loss, gradients, expected_logits = case.expected()
        assert losses[slot].item() == pytest.approx(loss, rel=TOLERANCE)
        assert relative(batch.gradients[slot, : len(gradients)], gradients) < TOLERANCE
        assert not batch.gradients[slot, len(gradients) :].any()
        assert relative(logits[slot, : case.n_sites], expected_logits) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("n_units", [6, 40])
def test_states_of_both_sides_joined_at_gaps(n_units: int) -> None:
    cases = [Case("GRU", flags, seed, 5, n_units, n_mixed=7) for seed, flags in enumerate([*REGIONS[:2], "mm.m.mm"])]
    batch = stack(cases, 5)
    batch.logits(torch.rand(3, batch.n_markers, 3, device=DEVICE))  # what another batch leaves must not be read
    losses, logits = batch.train(), batch.logits(batch.alt)
    for slot, case in enumerate(cases):
        loss, gradients, expected_logits = case.expected()
        assert losses[slot].item() == pytest.approx(loss, rel=TOLERANCE)
        assert relative(batch.gradients[slot, : len(gradients)], gradients) < TOLERANCE
        assert relative(logits[slot, : case.n_sites], expected_logits) < TOLERANCE


UNITS = [("GRU", 17), ("GRU", 40), ("GRU", 48), ("LSTM", 33), ("GRU", 64), ("LSTM", 50), ("GRU", 65), ("LSTM", 65)]


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "n_units"), UNITS)
def test_any_number_of_units_in_tiles_as_trained(cell: str, n_units: int) -> None:
    case = Case(cell, ".m.m.", 3, 70, n_units)
    batch = stack([case], 70, {})
    losses, logits = batch.train(), batch.logits(batch.alt)
    loss, gradients, expected_logits = case.expected()
    assert losses[0].item() == pytest.approx(loss, rel=TOLERANCE)
    assert relative(logits[0], expected_logits) < TOLERANCE
    # a part that is small because large terms cancel is only as exact as those
    least = 0.1 * float(gradients.norm())
    for found, expected in zip(batch.gradients[0, : len(gradients)].split(97), gradients.split(97), strict=True):
        assert float((found.cpu() - expected).norm()) < TOLERANCE * (float(expected.norm()) + least)


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "n_units", "n_mixed"), [("GRU", 40, 7), ("LSTM", 17, 7), ("GRU", 40, 0)])
def test_a_network_that_broke_down_and_was_mended_leaves_nothing(cell: str, n_units: int, n_mixed: int) -> None:
    """Every bit is that of networks that never broke down; how close those are to the reference is tested above."""
    flags = [REGIONS[1], "mm.m.mm.", REGIONS[3]]
    cases = [Case(cell, these, seed, 5, n_units, n_mixed) for seed, these in enumerate(flags)]
    untouched = stack(cases, 5, room=9)
    expected = untouched.train()
    batch = stack(cases, 5, room=9)
    good = batch.parameters[0].clone()
    batch.parameters[0] = torch.nan
    batch.logits(torch.rand(3, batch.n_markers, 9, device=DEVICE))  # whose states lie elsewhere than a batch's
    batch.train()
    assert batch.gradients[0].isnan().any()
    batch.parameters[0] = good
    assert torch.equal(batch.train(), expected)
    assert torch.equal(batch.gradients, untouched.gradients)
    assert untouched.gradients.isfinite().all()


@pytest.mark.slow
def test_a_network_does_not_depend_on_its_neighbours() -> None:
    cases = [Case("GRU", flags, seed, 9) for seed, flags in enumerate(REGIONS[:3])]
    together = stack(cases, 9)
    losses = together.train()
    alone = NetworkBatch(cases[1].network.settings, 1, 3, 17, 9, DEVICE, TUNING)
    cases[1].put(alone, 0)
    assert torch.equal(alone.train()[0], losses[1])
    n = alone.layout.size
    assert torch.equal(alone.gradients[0], together.gradients[1, :n])


@pytest.mark.slow
def test_a_slot_can_be_used_again() -> None:
    first, second = Case("GRU", REGIONS[2], 0, 9), Case("GRU", REGIONS[0], 1, 9)
    batch = NetworkBatch(first.network.settings, 1, 3, 17, 9, DEVICE, TUNING)
    first.put(batch, 0)
    batch.train()
    second.put(batch, 0)
    loss, gradients, _ = second.expected()
    assert batch.train()[0].item() == pytest.approx(loss, rel=TOLERANCE)
    assert relative(batch.gradients[0, : len(gradients)], gradients) < TOLERANCE
    assert not batch.gradients[0, len(gradients) :].any()


@pytest.mark.slow
def test_more_chunks_than_markers_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("GRU", REGIONS[0], 0, 5)
    few = stack([case], 5)
    few.train()
    monkeypatch.undo()
    assert few.n_markers < network_batch.CHUNKS
    many = stack([case], 5)
    many.train()
    torch.testing.assert_close(many.gradients, few.gradients)


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_a_row_holds_a_network(cell: str) -> None:
    network, _, _ = make_networks(cell, REGIONS[0], seed=1)
    other, _, _ = make_networks(cell, REGIONS[0], seed=2)
    layout = RowLayout(network.settings, n_sites=10)
    row = layout.row(network)
    layout.write_back(row, other)
    for (name, one), two in zip(network.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two), name
