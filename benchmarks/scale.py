"""How much memory imputing takes as samples and regions grow.

    python benchmarks/scale.py [--cases 100000x1,2000x10,2000x30] [--format vcf.gz] [--work-dir build/scale]

A case is samples x regions. Each region has 300 markers and 1,000 imputed sites, as published. The target is random, so
that no two haplotypes are equal; this takes most memory. The networks are small (8 units, one layer): time depends on
their size, and memory does not. With networks of the published shape, `engines.py` measures the rate.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnnimp.formats.hapslegend import HapsLegendWriter, write_legend
from rnnimp.sites.panel import Sites, default_sample_names

N_MARKERS, N_SITES = 300, 1000
LIMIT_MB = 2000


def parse_arguments() -> argparse.Namespace:
    """The options, with the default cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="100000x1,2000x10,2000x30", metavar="LIST", help="default: %(default)s")
    parser.add_argument("--format", default="vcf.gz", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--threads", default="2", metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--work-dir", type=Path, default=Path("build/scale"), metavar="DIR", help="default: %(default)s"
    )
    return parser.parse_args()


def region_sites(number: int) -> Sites:
    """A region of its own: every fourth or fifth site is a marker."""
    n_rows = N_MARKERS + N_SITES
    is_marker = np.zeros(n_rows, dtype=bool)
    is_marker[np.linspace(0, n_rows - 1, N_MARKERS).astype(int)] = True
    positions = 1 + np.arange(n_rows) * 100 + number * n_rows * 100
    return Sites.build(positions, ["A"] * n_rows, ["G"] * n_rows, is_marker=is_marker, a1_freq=np.full(n_rows, 0.3))


def write_model(prefix: Path, n_regions: int) -> None:
    """Write consecutive regions with the same small networks; runs in another process, which may use torch."""
    import torch

    from rnnimp.network.graph.export import build_graph
    from rnnimp.network.recurrent.reference import HybridHead, ImputationNetwork
    from rnnimp.network.recurrent.settings import NetworkSettings
    from rnnimp.network.region_coding import gaps_of_sites

    torch.manual_seed(1)
    gaps = gaps_of_sites(region_sites(0).markers())
    features = np.random.default_rng(1).normal(size=(N_MARKERS, 2, 8)).astype(np.float32)
    higher, lower = (ImputationNetwork(NetworkSettings("GRU", 8, 1, 8), features, gaps) for _ in range(2))
    graph = build_graph(higher, lower, HybridHead(N_SITES)).SerializeToString()
    for number in range(n_regions):
        write_legend(f"{prefix}_{number + 1}.legend.gz", region_sites(number))
        Path(f"{prefix}_{number + 1}.onnx").write_bytes(graph)


def write_target(prefix: Path, n_samples: int, n_regions: int) -> None:
    """Random alleles at the markers."""
    rng = np.random.default_rng(2)
    with HapsLegendWriter(prefix, default_sample_names(n_samples)) as writer:
        for number in range(n_regions):
            sites = region_sites(number)
            markers = sites[sites.markers()]
            plain = Sites(markers.ids, markers.positions, markers.a0, markers.a1)
            writer.write(plain, (rng.random((N_MARKERS, 2 * n_samples), dtype=np.float32) < 0.3).astype(np.int8))


def in_another_process(make: Callable[..., None], *arguments: object) -> None:
    """Call a function in another process: a child starts with the memory of this process, which must stay small."""
    process = multiprocessing.get_context("spawn").Process(target=make, args=arguments)
    process.start()
    process.join()


def measure(command: list[str], log: Path) -> tuple[float, float]:
    """Seconds, and peak memory in megabytes."""
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed; see {log}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    """Run the cases, print the table."""
    args = parse_arguments()
    print("| samples | regions | wall, s | memory, MB | million genotypes/s |\n|---|---|---|---|---|")
    for case in args.cases.split(","):
        n_samples, n_regions = map(int, case.split("x"))
        folder = args.work_dir / case
        folder.mkdir(parents=True, exist_ok=True)
        in_another_process(write_model, folder / "m", n_regions)
        in_another_process(write_target, folder / "t", n_samples, n_regions)
        command = [sys.executable, "-m", "rnnimp", "impute", "--hap", f"{folder}/t.hap.gz"]
        command += ["--legend", f"{folder}/t.legend.gz", "--model-prefix", f"{folder}/m", "--chromosome", "22"]
        command += ["--output-prefix", f"{folder}/out.{args.format}", "--threads", args.threads]
        seconds, memory = measure(command, folder / "log")
        rate = n_samples * n_regions * (N_MARKERS + N_SITES) / seconds / 1e6
        print(f"| {n_samples:,} | {n_regions} | {seconds:.0f} | {memory:.0f} | {rate:.1f} |", flush=True)
        if memory > LIMIT_MB:
            print(f"more than the {LIMIT_MB} MB that are allowed")


if __name__ == "__main__":
    main()
