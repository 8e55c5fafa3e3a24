"""Predict the cost of many regions from a few, and compare it with a real run: `python benchmarks/capacity.py`.

1. Simulate regions and train a few of them in one process.
2. From these, predict the CPU time of all regions in a number of tasks.
3. Train all regions as an array job of a Slurm cluster on this machine (two nodes).

The networks are tiny. The benchmark checks the total, with start-up and files, not the speed of a network. It counts
CPU seconds, so that other work on the machine matters less.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY / "src"), str(REPOSITORY / "tests")]

from helpers import random_panel  # noqa: E402
from rnnimp.formats.hapslegend import HapsLegendWriter  # noqa: E402
from slurm_cluster import SlurmCluster  # noqa: E402

N_SAMPLE_REGIONS = 10
SHAPE = ["--num-units", "8", "--num-layers-higher", "2", "--num-layers-lower", "2", "--feature-size", "8"]
LENGTH = ["--batch-size", "32", "--max-iteration-count", "20", "--validation-sample-size", "10"]
HOW = ["--device", "cpu", "--engine", "reference"]


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--regions", type=int, default=225)
    parser.add_argument("--regions-per-task", type=int, default=25)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="capacity.") as folder:
        data_list = simulate(Path(folder), args.regions)
        few = cpu_seconds(data_list, Path(folder) / "few/chr22", f"1-{N_SAMPLE_REGIONS}")
        start = cpu_seconds(data_list, Path(folder) / "few/chr22", "1")  # finished before: the start alone
        a_region = (few - start) / N_SAMPLE_REGIONS
        n_tasks = -(-args.regions // args.regions_per_task)
        begun = time.monotonic()
        measured = train_on_slurm(Path(folder), data_list, args.regions_per_task)
        wall = time.monotonic() - begun
        size = sum(path.stat().st_size for path in (Path(folder) / "all").rglob("*") if path.is_file())
    predicted = args.regions * a_region + n_tasks * start
    print(
        "| regions | tasks | start, s | a region, s | predicted, CPU s | measured, CPU s | ratio | wall, s | MB left |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {args.regions} | {n_tasks} | {start:.1f} | {a_region:.2f} | {predicted:.0f} | {measured:.0f} | "
        f"{measured / predicted:.2f} | {wall:.0f} | {size / 1e6:.1f} |"
    )


def simulate(folder: Path, n_regions: int) -> Path:
    """Write regions of 60 sites and 100 haplotypes; returns their list."""
    prefixes = [folder / "split" / f"chr22_{number}" for number in range(1, n_regions + 1)]
    for seed, prefix in enumerate(prefixes):
        panel = random_panel(np.random.default_rng(seed), n_sites=60, n_samples=50)
        with HapsLegendWriter(prefix) as writer:
            writer.write(panel.sites, panel.alleles)
    path = folder / "split" / "chr22.list"
    path.write_text("".join(f"{prefix}\n" for prefix in prefixes))
    return path


def command(data_list: Path, prefix: Path, *options: str) -> list[str]:
    """`rnnimp train` with the benchmark's networks."""
    fixed = ["--data-list", str(data_list), "--output-prefix", str(prefix), *SHAPE, *LENGTH, *HOW]
    return [sys.executable, "-m", "rnnimp", "train", *fixed, *options]


def environment() -> dict[str, str]:
    """Environment variables of a process that finds the package."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}


def cpu_seconds(data_list: Path, prefix: Path, regions: str) -> float:
    """CPU seconds of training some regions in one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command(data_list, prefix, "--regions", regions), env=environment(), check=True, stderr=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def train_on_slurm(folder: Path, data_list: Path, regions_per_task: int) -> float:
    """CPU seconds of all tasks and of bundling. Slurm has no accounting here, so that each Python reports its own."""
    python, notes = folder / "python3", folder / "times"
    notes.mkdir()
    python.write_text(f'#!/bin/bash\n{sys.executable} "$@"\ncode=$?\ntimes > {notes}/$$\nexit $code\n')
    python.chmod(0o755)
    with SlurmCluster(folder / "slurm") as cluster:
        options = ["--slurm", "--regions-per-task", str(regions_per_task), "--memory-size", "2GB"]
        subprocess.run(
            command(data_list, folder / "all/chr22", *options, "--python3-bin", str(python)),
            env={**environment(), **{name: cluster.environment[name] for name in ("PATH", "SLURM_CONF")}},
            check=True,
        )
        cluster.wait(lambda: not cluster.run("squeue", "--noheader").strip(), "training", 3600)
    if not (folder / "all/models/chr22.manifest.json").exists():
        raise RuntimeError("the regions were not bundled; see the logs of the tasks")
    # the second line is that of the shell's children, user and system time
    return sum(sum(map(_seconds, path.read_text().splitlines()[1].split())) for path in notes.iterdir())


def _seconds(text: str) -> float:
    """Seconds of a duration as the shell writes it: `1m2.345s`."""
    minutes, _, seconds = text.rstrip("s").partition("m")
    return 60 * float(minutes) + float(seconds)


if __name__ == "__main__":
    main()
