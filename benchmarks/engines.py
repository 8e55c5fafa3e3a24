"""How many haplotypes per second each engine imputes in a region of the published shape.

    python benchmarks/engines.py [--threads 1,2] [--seconds 3] [--lstm]

The published shape has 300 markers, 1,000 sites and two networks of 4 x 40 units in both directions, with random
weights. Then follows the shape of the accurate recipe, with its haplotype HMM and without. The cost of a haplotype is
its CPU time, relative to the published shape on the kernels.

Engines take turns. Each turn runs groups of the engine's own size on all threads for some seconds. The best of three
turns counts. Rates by CPU time show the speed of an engine on a machine with other work.

The peak is the speed of a large float32 matrix product in the same run, on one thread, by CPU time. With GRU units a
haplotype of the published shape takes 93 million operations.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from rnnimp.formats.bundle import BundleRegion
from rnnimp.imputation.engines.cpu_kernels import KernelEngine
from rnnimp.imputation.engines.onnx_runtime import load_onnx_engine
from rnnimp.imputation.engines.protocol import RegionEngine
from rnnimp.imputation.engines.torch_gpu import TorchEngine
from rnnimp.network.graph.export import build_graph
from rnnimp.network.graph.reading import read_folded_network
from rnnimp.network.hmm.reference import HaplotypeHmm, round_weights
from rnnimp.network.recurrent.reference import HybridHead, ImputationNetwork
from rnnimp.network.recurrent.settings import NetworkSettings
from rnnimp.sites.panel import Sites
from rnnimp.training.recipe import ACCURATE

N_MARKERS, N_SITES, TURNS, MATRIX = 300, 1000, 3, 2048
MILLION_OPERATIONS = 92.9
PUBLISHED = "CPU kernels"


def make_region(folder: Path, settings: NetworkSettings, n_states: int = 0) -> BundleRegion:
    """A region of two networks with random weights, and a haplotype HMM if `states` is not 0."""
    rng = np.random.default_rng(1)
    gaps = np.sort(rng.integers(0, N_MARKERS + 1, N_SITES))
    features = rng.normal(size=(N_MARKERS, 2, 40)).astype(np.float32)
    higher, lower = (ImputationNetwork(settings, features, gaps) for _ in range(2))
    hmm = random_copying(gaps, n_states) if n_states else None
    path = folder / f"{settings.n_units}_{n_states}_1.onnx"
    path.write_bytes(build_graph(higher, lower, HybridHead(N_SITES), hmm).SerializeToString())
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
    is_marker = np.arange(N_MARKERS + N_SITES) < N_MARKERS
    sites = Sites.build(
        range(1, len(is_marker) + 1), ["A"] * len(is_marker), ["G"] * len(is_marker), is_marker=is_marker
    )
    return BundleRegion(1, path, path, sites)


def random_copying(gaps: NDArray[np.int64], n_states: int) -> HaplotypeHmm:
    """The exported weights of a haplotype HMM, drawn at random."""
    emission, site = (2 * torch.randn(count, n_states) for count in (N_MARKERS, N_SITES))
    network = HaplotypeHmm(emission, site, gaps)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=2)
    round_weights(network)
    return network


def rate(engine: RegionEngine, threads: int, seconds: float) -> tuple[float, float]:
    """Haplotypes per second, and per second of CPU time."""
    alt = np.random.default_rng(2).integers(0, 2, (engine.haplotypes_per_run, N_MARKERS)).astype(np.float32)
    inputs = np.stack([1 - alt, alt], axis=-1)
    engine(inputs)
    start, start_of_cpu = time.perf_counter(), time.process_time()

    def work(_: int) -> int:
        count = 0
        while time.perf_counter() < start + seconds:
            engine(inputs)
            count += len(inputs)
        return count

    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(work, range(threads)))
    return done / (time.perf_counter() - start), done / (time.process_time() - start_of_cpu)


def peak() -> float:
    """Million operations per second of a matrix product on one thread."""
    torch.set_num_threads(1)
    matrix = torch.rand(MATRIX, MATRIX)
    start = time.process_time()
    matrix @ matrix
    return 2 * MATRIX**3 / (time.process_time() - start) / 1e6


def main() -> None:
    """Run all engines in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--threads", default="1,2", metavar="LIST", help="threads per CPU engine (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=3, metavar="X", help="length of a turn (default: %(default)s)")
    parser.add_argument("--lstm", action="store_true", help="LSTM units instead of GRU units")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        cell = "LSTM" if args.lstm else "GRU"
        region = make_region(Path(folder), NetworkSettings(cell))
        network = read_folded_network(region.model_path.read_bytes())
        accurate = replace(ACCURATE.network(ACCURATE.n_layers_higher), cell=cell)
        shapes = {
            "accurate": make_region(Path(folder), accurate, ACCURATE.n_states),
            "accurate without copying": make_region(Path(folder), accurate),
        }
        engines: dict[str, Callable[[], RegionEngine]] = {
            "ONNX Runtime": lambda: load_onnx_engine(region),
            PUBLISHED: lambda: KernelEngine(network),
        }
        for name, other in shapes.items():
            engines[f"{PUBLISHED}, {name}"] = partial(KernelEngine, read_folded_network(other.model_path.read_bytes()))
        engines["ONNX Runtime, accurate"] = partial(load_onnx_engine, shapes["accurate"])
        rates: dict[tuple[str, int], tuple[float, float]] = {}
        best_peak = 0.0
        for _ in range(TURNS):
            best_peak = max(best_peak, peak())
            for threads in map(int, args.threads.split(",")):
                for name, load in engines.items():
                    keep_best(rates, (name, threads), rate(load(), threads, args.seconds))
            if torch.cuda.is_available():
                keep_best(rates, ("PyTorch, GPU", 2), rate(TorchEngine(network, "cuda"), 2, args.seconds))
    report(rates, best_peak, args.lstm)


def keep_best(
    rates: dict[tuple[str, int], tuple[float, float]], key: tuple[str, int], found: tuple[float, float]
) -> None:
    """The higher of each kind of rate so far."""
    wall, cpu = rates.get(key, (0.0, 0.0))
    rates[key] = max(wall, found[0]), max(cpu, found[1])


def report(rates: dict[tuple[str, int], tuple[float, float]], best_peak: float, is_lstm: bool) -> None:
    """Ratios are to ONNX Runtime on as many threads."""
    print(f"peak of one thread: {best_peak / 1000:.0f} GFLOP/s")
    print("| engine | threads | haplotypes/s | ratio | haplotypes a CPU second | ratio | cost | share of the peak |")
    print("|---" * 8 + "|")
    for (name, threads), (wall, cpu) in rates.items():
        base = rates.get(("ONNX Runtime", threads), (wall, cpu))
        is_counted = name in ("ONNX Runtime", PUBLISHED) and not is_lstm
        share = f"{cpu * MILLION_OPERATIONS / best_peak:.0%}" if is_counted else "-"
        published = rates.get((PUBLISHED, threads), (wall, cpu))
        ratios = f"{wall / base[0]:.2f} | {cpu:,.0f} | {cpu / base[1]:.2f} | {published[1] / cpu:.2f}"
        print(f"| {name} | {threads} | {wall:,.0f} | {ratios} | {share} |")


if __name__ == "__main__":
    main()
