"""How fast the CPU kernels run and train a network, beside PyTorch's own recurrent layers.

    python benchmarks/cpu_kernel.py [--threads 1] [--cell GRU] [--units 40] [--repeats 7] [--states 1024]

A whole iteration is: forward pass, heads, loss, backward pass, Adam. All variants take turns, and the best time of each
counts, so that other work on the machine affects all equally.

The peak is the speed of a large float32 matrix product on the same number of threads. Only the matrix products of the
recurrent layers are counted as operations, in a backward pass twice those of a forward pass. The time includes
everything else too, so that the share of the peak is lower.

With `--states` a haplotype HMM is timed instead, beside its reference in PyTorch. It has almost no matrix products.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rnnimp.network.hmm.cpu_training import CpuHmmEngine
from rnnimp.network.hmm.reference import HaplotypeHmm
from rnnimp.network.kernels.simd import LANES
from rnnimp.network.recurrent.cpu.autograd import CpuEngine
from rnnimp.network.recurrent.reference import ImputationNetwork
from rnnimp.network.recurrent.settings import NetworkSettings
from rnnimp.training.loss import weighted_cross_entropy

MATRIX = 2048


def parse_arguments() -> argparse.Namespace:
    """The options; the default is the published shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", default="GRU", help="GRU or LSTM (default: %(default)s)")
    for name, default, meaning in (
        ("markers", 300, "markers of the region"),
        ("sites", 1000, "imputed sites"),
        ("batch", 500, "haplotypes an iteration"),
        ("layers", 4, "recurrent layers a direction"),
        ("units", 40, "units of a layer"),
        ("threads", 1, "threads of every way"),
        ("repeats", 7, "turns, of which the best counts"),
        ("states", 0, "of a copying network to time instead"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{meaning} (default: {default})")
    return parser.parse_args()


def make_network(args: argparse.Namespace) -> ImputationNetwork:
    """A network with its initial weights; sites are in random gaps."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(args.markers, 2, 40)).astype(np.float32)
    gaps = np.sort(rng.integers(0, args.markers + 1, args.sites))
    torch.manual_seed(1)
    return ImputationNetwork(NetworkSettings(args.cell, args.units, args.layers, 40), features, gaps)


def make_copying(args: argparse.Namespace) -> HaplotypeHmm:
    """A haplotype HMM with random weights, in the same gaps."""
    torch.manual_seed(1)
    emission, site = (torch.randn(count, args.states) for count in (args.markers, args.sites))
    network = HaplotypeHmm(emission, site, make_network(args).gap.numpy())
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    return network


def iteration(
    network: torch.nn.Module, run: Callable[[Tensor], Tensor], inputs: Tensor, truth: Tensor
) -> Callable[[], None]:
    """One step of training, with an optimiser of its own."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    weights = torch.ones(len(truth))

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(weighted_cross_entropy(run(inputs), truth, weights))
        optimizer.step()

    return step


def without_gradients(run: Callable[[Tensor], Tensor], inputs: Tensor) -> Callable[[], None]:
    """A forward pass only."""

    @torch.no_grad()
    def step() -> None:
        run(inputs)

    return step


def billion_operations(args: argparse.Namespace) -> float:
    """Of the recurrent layers' matrix products in a forward pass; the lowest layer's input product is a table."""
    gates = 3 if args.cell == "GRU" else 4
    products = 2 * (2 * args.layers - 1) * gates * args.units**2
    return 2e-9 * float(products * args.markers * args.batch)


def main() -> None:
    """Take turns, print the table."""
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    network: torch.nn.Module
    engine: Callable[[Tensor], Tensor]
    if args.states:
        network = hmm = make_copying(args)
        engine, reference, forward = CpuHmmEngine(hmm, args.threads), "PyTorch", 0.0
    else:
        network = recurrent = make_network(args)
        engine, reference = CpuEngine(recurrent, args.threads), f"nn.{args.cell}"
        forward = billion_operations(args)
    matrix = torch.randn(MATRIX, MATRIX)
    alt = torch.rand(args.batch, args.markers).round()
    inputs = torch.stack([1 - alt, alt], dim=2)
    truth = torch.randint(0, 2, (args.sites, args.batch)).float()
    ways: dict[str, tuple[Callable[[], object], float]] = {
        "peak: matrix product": (lambda: matrix @ matrix, 2e-9 * MATRIX**3),
        f"forward, {reference}": (without_gradients(network, inputs), forward),
        "forward, kernels": (without_gradients(engine, inputs), forward),
        f"iteration, {reference}": (iteration(network, network, inputs, truth), 3 * forward),
        "iteration, kernels": (iteration(network, engine, inputs, truth), 3 * forward),
    }
    seconds = {name: float("inf") for name in ways}
    for turn in range(args.repeats + 1):
        for name, (step, _) in ways.items():
            start = time.perf_counter()
            step()
            if turn:  # the first warms up, and compiles
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    rates = {name: operations / seconds[name] for name, (_, operations) in ways.items()}
    of_network = f"{args.states} states" if args.states else f"{args.cell}, {args.layers} layers, {args.units} units"
    of_region = f"{args.markers} markers, {args.sites} sites, batch {args.batch}"
    print(f"{of_network}, {of_region}; {args.threads} of {os.cpu_count()} threads, tiles of {LANES} haplotypes")
    print(f"{'':<24}{'seconds':>9}{'GFLOP/s':>9}{'of peak':>9}{'gain':>7}")
    slow = 0.0
    for name in ways:
        slow = seconds[name] if reference in name else slow
        gain = f"{slow / seconds[name]:>6.1f}x" if slow else ""
        share = rates[name] / rates["peak: matrix product"]
        counted = f"{rates[name]:>9.1f}{share:>9.0%}" if rates[name] else f"{'':18}"
        print(f"{name:<24}{seconds[name]:>9.3f}{counted}{gain}")
    print(f"largest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB")


if __name__ == "__main__":
    main()
