"""How long imputing takes compared with Beagle 5.4 and Minimac4, as whole commands.

    python benchmarks/imputation.py --panel ../shared/data/kgp3_chr20/panel.vcf.gz \\
        --markers ../shared/data/kgp3_chr20/omni2.5_markers.tsv \\
        --test-samples ../shared/data/kgp3_chr20/test_samples.txt --work-dir build/imputation

`--model PREFIX` names a trained model, such as the packaged one. Without it, the panel without the test samples is
split into regions of the published size, and models of the published shape (two networks of 4 x 40 GRU units in both
directions) get random weights: time does not depend on the weights. They impute sites from 0.5% MAF on. The other
programs impute all sites of the panel, or the same sites with `--panel-sites model`. Their panel is in their own
format, which is made before the clock starts. They get no genetic map.

All programs read one bgzipped VCF of the typed sites and write one with GT, DS and GP. The first 100 samples are the
test samples. Further samples are mosaics of the panel's haplotypes with one crossover per 100 kb, so that few
haplotypes are equal within a region. The programs run in turns. Of the runs of a program, the least time and the
largest memory count. `--results FILE` also writes the table as JSON, with the processor. The benchmark needs bcftools;
absent programs are skipped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding

from rnnimp.formats import hapslegend
from rnnimp.formats.bundle import bundle_files
from rnnimp.formats.files import read_lines
from rnnimp.formats.hapslegend import read_legend, write_legend
from rnnimp.formats.vcf.header import VcfContent
from rnnimp.formats.vcf.writing import VcfWriter
from rnnimp.sites.panel import MISSING, ImputedBlock, Panel, default_sample_names

CROSSOVER_BASES = 100_000
REGION_LIMITS = ("--body-marker-count-limit", "200", "--flanking-marker-count-limit", "50")


def parse_arguments() -> argparse.Namespace:
    """The options; by default all sample numbers, panels and programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panel", required=True, metavar="FILE", help="phased VCF with an index")
    parser.add_argument("--markers", required=True, metavar="FILE", help="the array's sites")
    parser.add_argument("--test-samples", required=True, metavar="FILE", help="samples that are imputed")
    parser.add_argument("--work-dir", required=True, type=Path, metavar="DIR", help="inputs, used again by later runs")
    parser.add_argument("--model", type=Path, metavar="PREFIX", help="trained model (default: random weights)")
    parser.add_argument(
        "--samples", default="100,1000,10000", metavar="LIST", help="numbers of samples (default: %(default)s)"
    )
    parser.add_argument("--panels", default="full,half", metavar="LIST", help="of full, half (default: %(default)s)")
    parser.add_argument("--panel-sites", default="all", choices=("all", "model"), help="default: %(default)s")
    parser.add_argument("--tools", default="rnnimp,minimac4,beagle", metavar="LIST", help="default: %(default)s")
    parser.add_argument(
        "--threads", default=2, type=int, metavar="N", help="threads per program (default: %(default)s)"
    )
    parser.add_argument(
        "--repeats", default=3, type=int, metavar="N", help="runs, of which the best counts (default: 3)"
    )
    parser.add_argument("--results", type=Path, metavar="FILE", help="JSON file with all figures (default: none)")
    return parser.parse_args()


def rnnimp(*arguments: str | Path) -> list[str]:
    """The command of this checkout."""
    return [sys.executable, "-m", "rnnimp", *map(str, arguments)]


def run(command: Sequence[str | Path]) -> None:
    """Run a command that is not timed."""
    subprocess.run([str(word) for word in command], check=True, stderr=subprocess.DEVNULL)


def prepare(args: argparse.Namespace) -> None:
    """Divide the panel into training and test samples."""
    data = args.work_dir / "data"
    if not (data / "train" / "x.sample").exists():
        run(rnnimp("prepare", "--vcf", args.panel, "--markers", args.markers, "--test-samples", args.test_samples,
                   "--output-dir", data, "--name", "x"))  # fmt: skip


def make_model(args: argparse.Namespace) -> Path:
    """The trained model; else split the panel, and give each region networks with random weights."""
    if args.model is not None:
        model: Path = args.model
        return model
    folder: Path = args.work_dir
    prefix, data = folder / "model" / "m", folder / "data"
    if prefix.parent.exists():
        return prefix
    run(rnnimp("split", "--hap", data / "train" / "x.hap.gz", "--legend", data / "train" / "x.legend.gz",
               "--output-prefix", data / "split" / "x", *REGION_LIMITS, "--imp-site-count-limit", "1000"))  # fmt: skip
    unfinished = folder / "model.part"
    unfinished.mkdir(exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for number, line in enumerate(read_lines(data / "split" / "x.list"), start=1):
            sites = read_legend(f"{line}.legend.gz")
            write_legend(unfinished / f"m_{number}.legend.gz", sites)
            graph = pool.apply(random_graph, (sites.markers(), number))
            (unfinished / f"m_{number}.onnx").write_bytes(graph)
    unfinished.rename(prefix.parent)
    return prefix


def random_graph(is_marker: np.ndarray, seed: int) -> bytes:
    """A graph of the published shape; made in another process, since the memory of this one is measured."""
    import torch

    from rnnimp.network.graph.export import build_graph
    from rnnimp.network.recurrent.reference import HybridHead, ImputationNetwork
    from rnnimp.network.recurrent.settings import NetworkSettings
    from rnnimp.network.region_coding import gaps_of_sites

    torch.manual_seed(seed)
    features = np.random.default_rng(seed).normal(size=(int(is_marker.sum()), 2, 40)).astype(np.float32)
    gaps = gaps_of_sites(is_marker)
    higher, lower = (ImputationNetwork(NetworkSettings("GRU", 40, 4, 40), features, gaps) for _ in range(2))
    graph: bytes = build_graph(higher, lower, HybridHead(len(gaps))).SerializeToString(deterministic=True)
    return graph


def make_target(args: argparse.Namespace, n_samples: int) -> Path:
    """A bgzipped VCF of the typed sites; made in another process, since the memory of this one is measured."""
    path: Path = args.work_dir / f"target_{n_samples}.vcf.gz"
    if not path.exists():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(write_samples, (path, args.work_dir / "data", n_samples))
    return path


def write_samples(path: Path, data: Path, n_samples: int) -> None:
    """Write the first test samples, or mosaics if more samples are asked for."""
    test, train = (read_panel(data / name / "x") for name in ("test", "train"))
    train = train[train.sites.markers()]
    is_typed = np.isin(train.sites.positions, test.sites.positions)
    test = test[np.isin(test.sites.positions, train.sites.positions)]
    panel = test if n_samples <= len(test.sample_names) else mosaics(test, train[is_typed], n_samples)
    write_target(path, panel.take_samples(np.arange(n_samples)))


def read_panel(prefix: Path) -> Panel:
    """HAPS/LEGEND as a whole."""
    return hapslegend.open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz", f"{prefix}.sample").read()


def mosaics(test: Panel, train: Panel, n_samples: int) -> Panel:
    """Haplotypes that change their source at random positions, at the sites of the test panel and with its alleles."""
    rng = np.random.default_rng(1)
    is_swapped = (test.sites.a0 != train.sites.a0)[:, None] & (train.alleles != MISSING)
    alleles = np.concatenate([test.alleles, np.where(is_swapped, 1 - train.alleles, train.alleles)], axis=1)
    distances = np.diff(test.sites.positions, prepend=test.sites.positions[0] - 10**9)
    mixed = np.empty((len(distances), 2 * n_samples), dtype=np.int8)
    for column in range(2 * n_samples):
        starts = np.flatnonzero(rng.random(len(distances)) < -np.expm1(-distances / CROSSOVER_BASES))
        sources = rng.integers(0, alleles.shape[1], len(starts))
        origin = np.repeat(sources, np.diff(starts, append=len(distances)))
        mixed[:, column] = alleles[np.arange(len(distances)), origin]
    return Panel(test.sites, mixed, default_sample_names(n_samples))


def write_target(path: Path, panel: Panel) -> None:
    """Write typed sites with GT only."""
    chromosome = panel.sites.ids[0].split(":")[0] if panel.sites.chromosome is None else panel.sites.chromosome
    sites = replace(panel.sites, is_marker=None, a1_freq=None, swapped=None)
    is_typed = np.ones(len(sites), dtype=bool)
    with VcfWriter(path, VcfContent(panel.sample_names, chromosome, ("GT",))) as writer:
        for start in range(0, len(sites), 100):
            part = slice(start, start + 100)
            writer.write(ImputedBlock(sites[part], panel.alleles[part].astype(np.float32), is_typed[part]))


def make_panel(args: argparse.Namespace, size: str, model: Path) -> tuple[Path, Path]:
    """The panel for Beagle and for Minimac4, at all sites or those of the model."""
    folder: Path = args.work_dir
    names = [name for name in read_panel_names(folder) if name]
    chosen = names if size == "full" else names[: len(names) // 2]
    stem = f"panel_{size}_{'all' if args.panel_sites == 'all' else model.name}"
    vcf, msav, bref = (folder / f"{stem}.{ending}" for ending in ("vcf.gz", "msav", "bref3"))
    if not vcf.exists():
        (folder / "samples.txt").write_text("\n".join(chosen) + "\n")
        sites = sorted({position for path in legends(model) for position in positions_of(path)})
        (folder / "sites.txt").write_text("".join(f"{chromosome_of(args)}\t{position}\n" for position in sites))
        only: list[str | Path] = ["-T", folder / "sites.txt"] if args.panel_sites == "model" else []
        run(["bcftools", "view", "-S", folder / "samples.txt", *only, "-Oz", "-o", vcf, args.panel])
        run(["bcftools", "index", vcf])
    for path, command in ((msav, ["minimac4", "--compress-reference", str(vcf)]), (bref, ["bref3", str(vcf)])):
        if not path.exists() and shutil.which(command[0]):
            with path.open("wb") as file:
                subprocess.run(command, check=True, stdout=file, stderr=subprocess.DEVNULL)
    return bref, msav


def read_panel_names(folder: Path) -> list[str]:
    """The training samples."""
    return [line.split()[1] for line in read_lines(folder / "data" / "train" / "x.sample")[2:]]


def legends(model: Path) -> list[Path]:
    """The legends of all regions of a model."""
    return [path for path in bundle_files(model) if path.name.endswith(".legend.gz")]


def positions_of(legend: Path) -> list[int]:
    """All positions of a region."""
    return [int(position) for position in read_legend(legend).positions]


def chromosome_of(args: argparse.Namespace) -> str:
    """The panel's only chromosome."""
    text = subprocess.run(["bcftools", "index", "--stats", args.panel], check=True, capture_output=True, text=True)
    return text.stdout.split()[0]


@dataclass(frozen=True)
class Cost:
    """Cost of a command: seconds, CPU seconds of all its threads, peak memory in megabytes."""

    wall: float
    cpu: float
    memory: float


def measure(command: Sequence[str | Path], log: Path) -> Cost:
    """Run a command to its end."""
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    if status:
        sys.exit(f"{command[0]} failed; see {log}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def commands(args: argparse.Namespace, target: Path, model: Path, bref: Path, msav: Path) -> dict[str, list[str]]:
    """Each program's whole command."""
    out, threads = args.work_dir / "out", str(args.threads)
    ours: list[str | Path] = [
        "--vcf",
        target,
        "--model-prefix",
        model,
        "--output-prefix",
        f"{out}_r.vcf.gz",
        "--threads",
        threads,
    ]
    minimac4 = ["minimac4", msav, target, "-o", f"{out}_m.vcf.gz", "-O", "vcf.gz", "-f", "GT,DS,GP", "-t", threads]
    beagle = ["beagle", f"ref={bref}", f"gt={target}", f"out={out}_b", f"nthreads={threads}", "gp=true"]
    return {"rnnimp": rnnimp("impute", *ours), "minimac4": [str(word) for word in minimac4], "beagle": beagle}


@dataclass(frozen=True)
class Row:
    """The cost of one program beside that of rnnimp.

    Attributes:
        n_samples: Samples that were imputed.
        panel: `full` or `half`.
        program: Name of the program.
        cost: Least times and largest memory of the runs.
        wall_ratio: Seconds per second of rnnimp; None without rnnimp.
        cpu_ratio: CPU seconds per CPU second of rnnimp; None without rnnimp.
    """

    n_samples: int
    panel: str
    program: str
    cost: Cost
    wall_ratio: float | None
    cpu_ratio: float | None

    def text(self) -> str:
        """A row of the table."""
        cost = self.cost
        ratios = ["-" if ratio is None else f"{ratio:.2f}" for ratio in (self.wall_ratio, self.cpu_ratio)]
        cells = [f"{self.n_samples:,}", self.panel, self.program, f"{cost.wall:.1f}", f"{cost.cpu:.1f}"]
        return f"| {' | '.join([*cells, f'{cost.memory:.0f}', *ratios])} |"


def rows_of(costs: dict[str, list[Cost]], n_samples: int, panel: str) -> list[Row]:
    """What the runs of each program cost."""
    best = {tool: summary(runs) for tool, runs in costs.items()}
    ours = best.get("rnnimp")
    rows = []
    for tool, cost in best.items():
        ratios = (None, None) if ours is None else (cost.wall / ours.wall, cost.cpu / ours.cpu)
        rows.append(Row(n_samples, panel, tool, cost, *ratios))
    return rows


def summary(runs: list[Cost]) -> Cost:
    """The least times, which other work on the machine affects least, and the largest memory."""
    return Cost(min(run.wall for run in runs), min(run.cpu for run in runs), max(run.memory for run in runs))


def processor() -> dict[str, Any]:
    """Name of the processor, and which of the vector instructions it has that kernels may use."""
    features = binding.get_host_cpu_features()
    used = ("avx2", "fma", "avx512f", "avx512vnni", "avx512bf16")
    return {"name": binding.get_host_cpu_name(), "instructions": [name for name in used if features.get(name)]}


def main() -> None:
    """Make what is missing, run all programs in turns, print the table."""
    args = parse_arguments()
    args.work_dir.mkdir(parents=True, exist_ok=True)
    prepare(args)
    model = make_model(args)
    tools = [tool for tool in args.tools.split(",") if tool == "rnnimp" or shutil.which(tool)]
    print(f"| samples | panel | program | wall, s | CPU, s | memory, MB | wall ratio | CPU ratio |\n|{'---|' * 8}")
    rows: list[Row] = []
    for n_samples in map(int, args.samples.split(",")):
        target = make_target(args, n_samples)
        for size in args.panels.split(","):
            bref, msav = (Path(), Path()) if tools == ["rnnimp"] else make_panel(args, size, model)
            chosen = commands(args, target, model, bref, msav)
            costs: dict[str, list[Cost]] = {tool: [] for tool in tools}
            for _ in range(args.repeats):
                for tool in tools:
                    costs[tool].append(measure(chosen[tool], args.work_dir / f"{tool}.log"))
            rows += rows_of(costs, n_samples, size)
            print(*(row.text() for row in rows[-len(tools) :]), sep="\n", flush=True)
    if args.results is not None:
        about = {"model": str(args.model or "random weights"), "panel_sites": args.panel_sites, "threads": args.threads}
        content = {"processor": processor(), **about, "repeats": args.repeats, "rows": [asdict(row) for row in rows]}
        args.results.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
