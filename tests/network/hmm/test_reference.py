"""The haplotype HMM against a hidden Markov model in matrices, and its kernels against the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnnimp.network.hmm.cpu_training import CpuHmmEngine
from rnnimp.network.hmm.reference import HaplotypeHmm, combined, round_weights
from rnnimp.network.hmm.weights import MixtureWeight
from rnnimp.network.region_coding import gaps_of_sites
from rnnimp.training.loss import expected_alleles, weighted_cross_entropy

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TOLERANCE = 0.04 if DEVICE.type == "cuda" else 2e-5  # a gradient there is a small difference of bfloat16 numbers
REGIONS = ["..m.mm.", "m.m", "m" + "." * 17 + "m", ".m", "m."]


class Case:
    """A network of random weights with haplotypes, targets and site weights."""

    def __init__(self, flags: str, seed: int, n_haplotypes: int, n_states: int = 16) -> None:
        rng = torch.Generator().manual_seed(seed)
        is_marker = np.array([flag == "m" for flag in flags])
        self.n_markers, self.n_sites = flags.count("m"), flags.count(".")
        emission, site = (torch.randn(count, n_states, generator=rng) for count in (self.n_markers, self.n_sites))
        self.network = HaplotypeHmm(emission, site, gaps_of_sites(is_marker))
        with torch.no_grad():
            for parameter in self.network.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=rng))
        self.alt = torch.randint(0, 3, (n_haplotypes, self.n_markers), generator=rng).float()
        self.alt[self.alt == 2] = 0.3  # missing
        self.truth = torch.randint(-1, 2, (self.n_sites, n_haplotypes), generator=rng).to(torch.int8)
        self.weights = torch.rand(self.n_sites, generator=rng)

    def inputs(self) -> torch.Tensor:
        return torch.stack([1 - self.alt, self.alt], dim=2)

    def expected(self) -> tuple[float, dict[str, torch.Tensor], torch.Tensor]:
        """Loss, gradients and log odds in float64."""
        double = self.network.double()
        double.zero_grad()
        logits = double(self.inputs().double())
        loss = weighted_cross_entropy(logits, expected_alleles(self.truth), self.weights.double())
        loss.backward()
        gradients = {name: parameter.grad.clone() for name, parameter in double.named_parameters()}
        return loss.item(), gradients, (logits[..., 1] - logits[..., 0]).detach()


def by_matrices(case: Case) -> np.ndarray:
    """P(a1), (n_sites, n_haplotypes), from whole transition matrices: kept with weight 1, from k to j with l_k q_j."""
    network = case.network.double()
    chance = torch.sigmoid(network.emission).detach().numpy()
    q, switch_out = network.switch_in.exp().detach().numpy(), network.switch_out.exp().detach().numpy()
    emits = torch.sigmoid(network.site).detach().numpy()
    n_markers, n_states = chance.shape
    found = np.empty((case.n_sites, len(case.alt)))
    for row, alleles in enumerate(case.alt.numpy()):
        agrees = [
            chance[m] if a == 1 else 1 - chance[m] if a == 0 else np.ones(n_states) for m, a in enumerate(alleles)
        ]
        kept = [np.eye(n_states)] * (n_markers + 1)
        moved = [np.outer(switch_out[gap], q[gap]) for gap in range(n_markers + 1)]
        before = [q[0] * agrees[0]]
        for m in range(1, n_markers):
            before.append(before[-1] @ (kept[m] + moved[m]) * agrees[m])
        after = [switch_out[n_markers] * agrees[-1]]
        for m in range(n_markers - 1, 0, -1):
            after.insert(0, agrees[m - 1] * ((kept[m] + moved[m]) @ after[0]))
        for site, gap in enumerate(network.gap.tolist()):
            if gap == 0:
                weight = q[0] * after[0]
            elif gap == n_markers:
                weight = before[-1] * switch_out[gap]
            else:
                stays = before[gap - 1] * after[gap]
                goes = before[gap - 1][:, None] * moved[gap] * after[gap][None, :]
                weight = stays + 0.5 * (goes.sum(0) + goes.sum(1))
            found[site, row] = weight @ emits[site] / weight.sum()
    return found


@pytest.mark.parametrize("flags", REGIONS)
def test_the_network_is_a_hidden_markov_model(flags: str) -> None:
    case = Case(flags, 7, 6)
    expected = by_matrices(case)
    found = torch.softmax(case.network(case.inputs().double()), dim=2)[..., 1].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("flags", REGIONS)
@pytest.mark.parametrize("n_haplotypes", [1, 19, 70])
def test_cpu_kernels_equal_the_reference(flags: str, n_haplotypes: int) -> None:
    case = Case(flags, 3, n_haplotypes, n_states=21)
    loss, expected, expected_odds = case.expected()
    network = case.network.float()
    network.zero_grad()
    logits = CpuHmmEngine(network)(case.inputs())
    found = weighted_cross_entropy(logits, expected_alleles(case.truth), case.weights)
    found.backward()
    assert found.item() == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose((logits[..., 1] - logits[..., 0]).detach().numpy(), expected_odds.numpy(), atol=1e-4)
    for name, parameter in network.named_parameters():
        difference = float((parameter.grad.double() - expected[name]).norm())
        assert difference <= 2e-5 * float(expected[name].norm()) + 1e-9, name


def test_cpu_kernels_give_the_same_bits_on_any_number_of_threads_and_again() -> None:
    case = Case("mm..m.mm.m.mmm.mmm", 5, 149, n_states=32)
    network = case.network.float()
    results = []
    for engine in (CpuHmmEngine(network), CpuHmmEngine(network, 3)):
        for _ in range(2):
            network.zero_grad()
            logits = engine(case.inputs())
            logits.sum().backward()
            results.append([logits.detach(), *(parameter.grad.clone() for parameter in network.parameters())])
    for other in results[1:]:
        assert all(torch.equal(one, another) for one, another in zip(results[0], other, strict=True))


def test_cpu_kernels_run_without_gradients() -> None:
    case = Case("mm..m.mm.m.mmm.mmm", 5, 70, n_states=32)
    engine = CpuHmmEngine(case.network.float())
    with torch.no_grad():
        logits = engine(case.inputs())
    assert not logits.requires_grad
    assert torch.equal(logits, engine(case.inputs()).detach())


def test_rounded_weights_are_whole_numbers_of_steps() -> None:
    network = Case("m.m.m", 1, 2).network
    with torch.no_grad():
        network.site *= 100
    round_weights(network)
    steps = network.site.detach() * 16
    assert torch.equal(steps, steps.round())
    assert float(steps.abs().max()) == 127


def test_the_copying_network_counts_for_more_where_markers_are_missing() -> None:
    alt = torch.tensor([[0.0, 1.0, 1.0, 0.0, 1.0] * 4, [0.0, 1.0, 0.2, 0.0, 1.0] + [1.0] * 15, [0.3] * 20])
    inputs = torch.stack([1 - alt, alt], dim=2)
    logits, copied = torch.zeros(2, 3, 2), torch.ones(2, 3, 2)
    found = combined(logits, copied, inputs)
    assert found[0, :, 0].tolist() == pytest.approx([0.4, 0.45, 1.0])
    found = combined(logits, copied, inputs, MixtureWeight(0.97, 1.0))
    assert found[0, :, 0].tolist() == pytest.approx([0.97, 1.0, 1.0])


@pytest.mark.slow
@pytest.mark.parametrize("n_haplotypes", [1, 19])
def test_many_at_once_equal_the_reference_one_by_one(n_haplotypes: int) -> None:
    gpu_batch = pytest.importorskip("rnnimp.network.hmm.gpu_batch", reason="needs triton")
    cases = [Case(flags, seed, n_haplotypes) for seed, flags in enumerate(REGIONS)]
    tuning = gpu_batch.HmmTuning(pass_values=64, head_tile=16, chunk=16)
    markers, sites = max(case.n_markers for case in cases), max(case.n_sites for case in cases)
    batch = gpu_batch.HmmBatch(16, len(cases), markers, sites, n_haplotypes, DEVICE, tuning)
    for slot, case in enumerate(cases):
        batch.place(slot, case.network, case.weights)
        batch.alt[slot, : case.n_markers] = case.alt.T
        batch.truth[slot, : case.n_sites] = torch.where(case.truth < 0, 100, 200 * case.truth).to(torch.uint8)
    losses, odds = batch.train(), batch.log_odds(batch.alt)
    for slot, case in enumerate(cases):
        loss, gradients, expected_odds = case.expected()
        assert losses[slot].item() == pytest.approx(loss, rel=TOLERANCE)
        for (name, expected), part in zip(gradients.items(), batch.transitions(batch.gradients)[:, slot], strict=True):
            found = part[: len(expected)].cpu().double()
            assert float((found - expected).norm()) <= TOLERANCE * float(expected.norm()) + 1e-9, name
            assert not part[len(expected) :].any()
        found = odds[slot, : case.n_sites].cpu().double()
        assert float((found - expected_odds).norm() / expected_odds.norm()) < TOLERANCE


@pytest.mark.slow
def test_a_program_of_one_haplotype_with_many_states() -> None:
    """From 4,096 states on, the passes' tile is one haplotype."""
    gpu_batch = pytest.importorskip("rnnimp.network.hmm.gpu_batch", reason="needs triton")
    case = Case("m.m", 4, 3, n_states=4096)
    case.network.site += 1  # means over random states have log odds near 0
    batch = gpu_batch.HmmBatch(4096, 1, case.n_markers, case.n_sites, 3, DEVICE)
    batch.place(0, case.network, case.weights)
    batch.alt[0], batch.truth[0] = case.alt.T, torch.where(case.truth < 0, 100, 200 * case.truth).to(torch.uint8)
    losses, odds = batch.train(), batch.log_odds(batch.alt)
    loss, gradients, expected_odds = case.expected()
    assert losses[0].item() == pytest.approx(loss, rel=TOLERANCE)
    for expected, found in zip(gradients.values(), batch.transitions(batch.gradients)[:, 0], strict=True):
        assert float((found.cpu().double() - expected).norm()) <= TOLERANCE * float(expected.norm()) + 1e-9
    assert float((odds[0].cpu().double() - expected_odds).norm()) <= TOLERANCE * float(expected_odds.norm())


def test_a_checkpoint_with_the_former_names_is_read() -> None:
    one, other = Case(REGIONS[0], 1, 2).network, Case(REGIONS[0], 2, 2).network
    state = one.state_dict()
    former = {{"switch_in": "enter", "switch_out": "leave"}.get(name, name): value for name, value in state.items()}
    other.load_state_dict(former)
    for name, value in other.state_dict().items():
        assert torch.equal(value, state[name]), name
