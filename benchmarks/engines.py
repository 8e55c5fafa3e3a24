"""How many haplotypes a second each engine imputes in a region of the published shape.

    python benchmarks/engines.py [--threads 1,2] [--seconds 3] [--lstm]

300 markers, 1,000 sites, two networks of 4 x 40 units both ways, random weights. Engines take turns; each turn runs
groups of the engine's own size on all threads for some seconds, and the best of three turns counts. The peak is that of
a large float32 matrix product in the same run, on one thread; a haplotype takes 93 million operations with GRU units.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from rnnimp.bundle import BundleRegion
from rnnimp.engines import load_onnx_engine
from rnnimp.network.cpu_imputation import KernelEngine
from rnnimp.network.export import build_graph
from rnnimp.network.graph import read_folded_network
from rnnimp.network.stack import HybridHead, ImputationNetwork, NetworkSettings
from rnnimp.network.torch_imputation import TorchEngine
from rnnimp.panel import Sites
from rnnimp.region_runs import RegionEngine

N_MARKERS, N_SITES, TURNS, MATRIX = 300, 1000, 3, 2048
MILLION_OPERATIONS = 92.9


def make_region(folder: Path, cell: str) -> BundleRegion:
    """A region with random weights."""
    rng = np.random.default_rng(1)
    gaps = np.sort(rng.integers(0, N_MARKERS + 1, N_SITES))
    features = rng.normal(size=(N_MARKERS, 2, 40)).astype(np.float32)
    networks = [ImputationNetwork(NetworkSettings(cell, 40, 4, 40), features, gaps) for _ in range(2)]
    path = folder / "m_1.onnx"
    path.write_bytes(build_graph(*networks, HybridHead(N_SITES)).SerializeToString())
    is_marker = np.arange(N_MARKERS + N_SITES) < N_MARKERS
    sites = Sites.build(
        range(1, len(is_marker) + 1), ["A"] * len(is_marker), ["G"] * len(is_marker), is_marker=is_marker
    )
    return BundleRegion(1, path, path, sites)


def rate(engine: RegionEngine, threads: int, seconds: float) -> float:
    """Haplotypes a second."""
    alt = np.random.default_rng(2).integers(0, 2, (engine.haplotypes_per_run, N_MARKERS)).astype(np.float32)
    inputs = np.stack([1 - alt, alt], axis=-1)
    engine(inputs)
    start = time.perf_counter()

    def work(_: int) -> int:
        count = 0
        while time.perf_counter() < start + seconds:
            engine(inputs)
            count += len(inputs)
        return count

    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(work, range(threads)))
    return done / (time.perf_counter() - start)


def peak() -> float:
    """Million operations a second of a matrix product on one thread."""
    torch.set_num_threads(1)
    matrix = torch.rand(MATRIX, MATRIX)
    start = time.perf_counter()
    matrix @ matrix
    return 2 * MATRIX**3 / (time.perf_counter() - start) / 1e6


def main() -> None:
    """Run all engines in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2", metavar="LIST", help="of the CPU engines (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3, metavar="X", help="of a turn (default: %(default)s)")
    parser.add_argument("--lstm", action="store_true", help="LSTM units in place of GRU")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        region = make_region(Path(folder), "LSTM" if args.lstm else "GRU")
        network = read_folded_network(region.model_path.read_bytes())
        engines: dict[str, Callable[[], RegionEngine]] = {
            "ONNX Runtime": lambda: load_onnx_engine(region),
            "CPU kernels": lambda: KernelEngine(network),
        }
        rates: dict[tuple[str, int], float] = {}
        best_peak = 0.0
        for _ in range(TURNS):
            best_peak = max(best_peak, peak())
            for threads in map(int, args.threads.split(",")):
                for name, load in engines.items():
                    found = rate(load(), threads, args.seconds)
                    rates[name, threads] = max(found, rates.get((name, threads), 0))
            if torch.cuda.is_available():
                found = rate(TorchEngine(network, "cuda"), 2, args.seconds)
                rates["PyTorch on the GPU", 2] = max(found, rates.get(("PyTorch on the GPU", 2), 0))
    print(f"peak of one thread: {best_peak / 1000:.0f} GFLOP/s")
    print(f"| engine | threads | haplotypes/s | to ONNX Runtime | share of the peak |\n|{'---|' * 5}")
    for (name, threads), found in rates.items():
        ratio = found / rates.get(("ONNX Runtime", threads), found)
        is_counted = name != "PyTorch on the GPU" and not args.lstm
        share = f"{found * MILLION_OPERATIONS / best_peak / threads:.0%}" if is_counted else "-"
        print(f"| {name} | {threads} | {found:,.0f} | {ratio:.2f} | {share} |")


if __name__ == "__main__":
    main()
