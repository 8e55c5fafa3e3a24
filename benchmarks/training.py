"""Milliseconds of a training iteration of one network: plain PyTorch against the kernels, on this machine.

Everything of an iteration is included: drawing the batch, recombination, forward pass, heads, loss, backward pass,
clipping and Adam. The shape is the published one: 300 markers, 1,000 sites, batches of 500 haplotypes of 2,404 samples,
4 layers of 40 units each way.

The share of the peak compares two speeds in the same run: that of the recurrent products (three passes) and that of a
large matrix product. This product is in float32 on a CPU and in bfloat16 on a GPU. The last column is the time for
chromosome 22: 225 regions with two networks and a hybrid each, and 20,000 iterations. A hybrid iteration costs only
forward passes.

    python benchmarks/training.py [--units 40] [--cell GRU] [--networks 66] [--threads 1] [--device cpu|cuda]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from rnnimp.sites.panel import Panel, Sites, default_sample_names
from rnnimp.training.checkpoint import CheckpointFile
from rnnimp.training.data import RegionData, TensorFeeder
from rnnimp.training.loop import NoProgress
from rnnimp.training.loss import site_weights
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.region import PLAIN, BatchSources, Runner, draw_network
from rnnimp.training.trainer import Objective, Trainer

N_MARKERS, N_SITES, N_SAMPLES = 300, 1000, 2504
CHR22_REGIONS, CHR22_ITERATIONS = 225, 20_000


@dataclass(frozen=True)
class Row:
    """One way of training and its cost."""

    where: str
    way: str
    networks: int
    milliseconds: float
    forward: float
    gigabytes: float
    peak: float

    def text(self, flops: float, reference: float) -> str:
        """The row, given an iteration's arithmetic and the time of plain PyTorch in milliseconds."""
        share = flops / (self.milliseconds / 1000) / self.peak
        hours = CHR22_REGIONS * CHR22_ITERATIONS * 2 * (self.milliseconds + self.forward) / 3.6e6
        return (
            f"{self.where:16} {self.way:22} {self.networks:8d} {self.milliseconds:10.3f} {self.forward:10.3f} "
            f"{reference / self.milliseconds:7.1f} {100 * share:7.1f} {self.gigabytes:7.2f} {hours:10.1f}"
        )


def simulated_region(settings: TrainingSettings) -> RegionData:
    """A region of mosaics of 40 founders; the time does not depend on the alleles."""
    rng = np.random.default_rng(1)
    n_rows, n_haplotypes = N_MARKERS + N_SITES, 2 * N_SAMPLES
    founders = rng.random((n_rows, 40)) < rng.beta(0.3, 1.5, (n_rows, 1))
    origin = rng.integers(0, 40, n_haplotypes)
    alleles = np.empty((n_rows, n_haplotypes), dtype=np.int8)
    for row in range(n_rows):
        moves = rng.random(n_haplotypes) < 0.01
        origin[moves] = rng.integers(0, 40, np.count_nonzero(moves))
        alleles[row] = founders[row, origin]
    is_marker = np.zeros(n_rows, dtype=bool)
    is_marker[:50] = is_marker[-50:] = True
    is_marker[50 + rng.choice(n_rows - 100, N_MARKERS - 100, replace=False)] = True
    positions = 1_000_000 + np.cumsum(rng.integers(1, 300, n_rows))
    sites = Sites.build(positions, ["A"] * n_rows, ["C"] * n_rows, is_marker=is_marker)
    return RegionData.of(Panel(sites, alleles, default_sample_names(N_SAMPLES)), settings)


def best(run: Callable[[], object], repeats: int, device: torch.device) -> float:
    """The shortest of some times, in milliseconds."""
    times = []
    for _ in range(repeats):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(1000 * (time.perf_counter() - start))
    return min(times)


def peak(device: torch.device) -> float:
    """Floating point operations per second of a large matrix product."""
    size, dtype = (8192, torch.bfloat16) if device.type == "cuda" else (1536, torch.float32)
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    left @ right
    return 2 * size**3 / (best(lambda: left @ right, 5, device) / 1000)


def memory(device: torch.device) -> float:
    """Peak memory in gigabytes, of the GPU or else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def one_network(
    data: RegionData, settings: TrainingSettings, device: torch.device, run_by: Runner, repeats: int
) -> tuple[float, float]:
    """An iteration, and a forward pass, of one network by the trainer that `rnnimp train` uses."""
    feeder = TensorFeeder(data, device)
    network = draw_network(data, data.features(settings, device), settings, 1, "higher").to(device)
    forward = run_by.forward(network)
    source = BatchSources(data, settings, 1, device).source("higher")
    validation = feeder.tensors(data.validation_rows())
    weights = site_weights(data.a1_freq[~data.is_marker], 0.75).to(device)
    objective = Objective(forward, weights, lambda i: feeder.training_tensors(source.batch(i)), validation, True)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = CheckpointFile(Path(folder) / "higher.pt")
        trainer = Trainer(network, objective, settings, checkpoint, NoProgress(), run_by.engine)
        trainer._step(0)
        counter = iter(range(1, 10_000))
        iteration = best(lambda: trainer._step(next(counter)), repeats, device)
    inputs, _ = feeder.training_tensors(source.batch(0))

    @torch.no_grad()
    def run() -> None:
        forward(inputs)

    run()
    return iteration, best(run, repeats, device)


def many_networks(
    data: RegionData, settings: TrainingSettings, device: torch.device, n_networks: int
) -> tuple[float, float]:
    """An iteration, and a forward pass, of each of many networks at once."""
    from rnnimp.training.batched.batches import Job
    from rnnimp.training.batched.networks import NetworkGroup

    with tempfile.TemporaryDirectory() as folder:
        features = data.features(settings, device)
        jobs = [Job(1 + slot // 2, data, Path(folder), lambda name: NoProgress()) for slot in range(n_networks)]
        names = [("higher", "lower")[slot % 2] for slot in range(n_networks)]
        networks = [draw_network(data, features, settings, 1, name) for name in names]
        group = NetworkGroup(jobs, networks, names, settings, device)
        group.advance(settings.evaluate_every)
        per = settings.evaluate_every * n_networks
        iteration = best(lambda: group.advance(settings.evaluate_every), 5, device) / per
        forward = best(lambda: group.network_batch.logits(group.network_batch.alt), 5, device) / n_networks
    return iteration, forward


def recurrent_flops(settings: TrainingSettings) -> float:
    """Operations of the recurrent products of an iteration: one forward pass, and twice that backward."""
    gates = 3 if settings.cell == "GRU" else 4
    layers = settings.n_layers_higher
    products = (2 * layers - 1) * gates * settings.n_units**2  # the first layer's input product is a table
    return 3 * 2 * 2.0 * N_MARKERS * settings.batch_size * products


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=40)
    parser.add_argument("--cell", default="GRU")
    parser.add_argument("--networks", type=int, default=66)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", choices=["all", "cpu", "cuda"], default="all")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    settings = TrainingSettings(cell=args.cell, n_units=args.units)
    data = simulated_region(settings)
    print(f"{args.cell}, {args.units} units, {args.threads} CPU threads")
    heading = ("where", "way", "networks", "ms/iter", "forward", "gain", "% peak", "GB", "chr22 h")
    print("{:16} {:22} {:>8} {:>10} {:>10} {:>7} {:>7} {:>7} {:>10}".format(*heading))
    flops = recurrent_flops(settings)
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for device in [torch.device(name) for name in devices if args.device in ("all", name)]:
        top = peak(device)
        where = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
        reference = one_network(data, settings, device, PLAIN, args.repeats)
        name = f"plain PyTorch, nn.{args.cell}"
        print(Row(where, name, 1, *reference, memory(device), top).text(flops, reference[0]), flush=True)
        if device.type == "cuda" and find_spec("triton"):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            ours = many_networks(data, settings, device, args.networks)
            print(Row(where, "fused", args.networks, *ours, memory(device), top).text(flops, reference[0]), flush=True)
        elif device.type == "cpu" and find_spec("numba"):
            from rnnimp.network.hmm.cpu_training import CpuHmmEngine
            from rnnimp.network.recurrent.cpu.autograd import CpuEngine

            engines = (partial(engine, threads=args.threads) for engine in (CpuEngine, CpuHmmEngine))
            run_by = Runner("fused-cpu", *engines)
            ours = one_network(data, settings, device, run_by, args.repeats)
            print(Row(where, "fused", 1, *ours, memory(device), top).text(flops, reference[0]), flush=True)


if __name__ == "__main__":
    main()
