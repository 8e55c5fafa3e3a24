"""Seconds and memory of `rnnimp evaluate` as samples and sites grow.

    python benchmarks/evaluating.py [--cases 10000x2500,10000x10000] [--formats vcf.gz,bcf,bgen,pgen,gen]
        [--bootstrap 0,200] [--plain] [--work-dir build/evaluating]

A case is samples x sites. The files are simulated once, and kept for the next run: imputed genotypes with GT, DS and GP
(VCF, BCF), probabilities (BGEN, GEN) or dosages (PGEN), and the truth as haplotypes with a legend. Every sample has
random haplotypes of its own. `--plain` also runs an independent program on the VCF: it reads with cyvcf2, and computes
r2 with numpy, one site after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.pipeline.impute.output import OutputSettings, open_writer
from rnnimp.sites.panel import ImputedBlock, Sites, default_sample_names

BLOCK_GENOTYPES = 1_000_000
LIMIT_MB = 2000
PLAIN = """
import sys
import cyvcf2
import numpy as np
from rnnimp.formats.hapslegend import allele_blocks
truth = (row for block in allele_blocks(sys.argv[2]) for row in block[:, ::2] + block[:, 1::2])
found = []
for record, copies in zip(cyvcf2.VCF(sys.argv[1]), truth):
    dosages = record.format("DS")[:, 0]
    if copies.std() > 0:
        found.append(np.corrcoef(copies, dosages)[0, 1] ** 2 if dosages.std() > 0 else 0)
print(f"mean r2 {np.mean(found):.4f}")
"""


def parse_arguments() -> argparse.Namespace:
    """The options, with the default cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="10000x2500,10000x10000", metavar="LIST", help="default: %(default)s")
    parser.add_argument("--formats", default="vcf.gz,bcf,bgen,pgen,gen", metavar="LIST", help="default: %(default)s")
    parser.add_argument("--bootstrap", default="0,200", metavar="LIST", help="replicates (default: %(default)s)")
    parser.add_argument("--plain", action="store_true", help="also run the independent program on VCFs")
    parser.add_argument(
        "--work-dir", type=Path, default=Path("build/evaluating"), metavar="DIR", help="default: %(default)s"
    )
    return parser.parse_args()


def blocks(n_samples: int, n_sites: int) -> Iterator[tuple[ImputedBlock, NDArray[np.int8]]]:
    """Imputed probabilities that lean to random true haplotypes, and these haplotypes."""
    rng = np.random.default_rng(1)
    n_rows = max(1, BLOCK_GENOTYPES // n_samples)
    for start in range(0, n_sites, n_rows):
        rows = min(n_rows, n_sites - start)
        frequencies = rng.beta(0.3, 2, (rows, 1)).astype(np.float32)
        truth = rng.random((rows, 2 * n_samples), dtype=np.float32) < frequencies
        noise = rng.random(truth.shape, dtype=np.float32) ** 3
        probabilities = np.where(truth, 1 - noise * (1 - frequencies), noise * frequencies)
        positions = range(1000 + 10 * start, 1000 + 10 * (start + rows), 10)
        sites = Sites.build(positions, ["A"] * rows, ["G"] * rows)
        yield ImputedBlock(sites, probabilities.astype(np.float32), np.zeros(rows, np.bool_)), truth.astype(np.int8)


def simulate(folder: Path, n_samples: int, n_sites: int, formats: list[str]) -> None:
    """Write the files of a case that are not there."""
    names = tuple(f"Person{name}" for name in default_sample_names(n_samples))  # numbered ones go by their order
    absent = [name for name in formats if not (folder / name / f"i.{name}").exists()]
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(open_writer(OutputSettings(f"{folder}/{name}/i", name), names, "22")) for name in absent
        ]
        truth = None
        if not (folder / "t.hap.gz").exists():
            truth = stack.enter_context(HapsLegendWriter(folder / "t", names))
        for block, alleles in blocks(n_samples, n_sites) if absent or truth else ():
            for writer in writers:
                writer.write(block)
            if truth is not None:
                truth.write(block.sites, alleles)


def measure(command: list[str], log: Path) -> tuple[float, float, float]:
    """Wall and CPU seconds, and peak memory in megabytes."""
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed; see {log}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Run the cases, print the table."""
    args = parse_arguments()
    print("| samples | sites | file | replicates | wall, s | CPU, s | memory, MB |\n|---|---|---|---|---|---|---|")
    largest = 0.0
    for case in args.cases.split(","):
        n_samples, n_sites = map(int, case.split("x"))
        folder = args.work_dir / case
        formats = args.formats.split(",")
        process = multiprocessing.get_context("spawn").Process(
            target=simulate, args=(folder, n_samples, n_sites, formats)
        )  # a child starts with the memory of this process, which must stay small
        process.start()
        process.join()
        if process.exitcode:
            sys.exit("the files could not be simulated")
        for name in formats:
            imputed = f"{folder}/{name}/i.{name}"
            command = [
                sys.executable,
                "-m",
                "rnnimp",
                "evaluate",
                "--imputed",
                imputed,
                "--truth",
                f"{folder}/t.hap.gz",
            ]
            command += ["--chromosome", "22", "--all-sites", "--output", f"{folder}/scores"]
            for replicates in args.bootstrap.split(","):
                found = measure([*command, "--bootstrap", replicates], folder / "log.txt")
                largest = max(largest, found[-1])
                print(f"| {n_samples} | {n_sites} | {name} | {replicates} | " + row_of(found), flush=True)
            if args.plain and name == "vcf.gz":
                found = measure([sys.executable, "-c", PLAIN, imputed, f"{folder}/t.hap.gz"], folder / "plain.txt")
                print(f"| {n_samples} | {n_sites} | {name}, plain | | " + row_of(found), flush=True)
    print(f"\nmost memory: {largest:.0f} MB, {'within' if largest <= LIMIT_MB else 'ABOVE'} the limit of {LIMIT_MB} MB")


def row_of(found: tuple[float, float, float]) -> str:
    """Measurements as cells."""
    wall, cpu, memory = found
    return f"{wall:.1f} | {cpu:.1f} | {memory:.0f} |"


if __name__ == "__main__":
    main()
