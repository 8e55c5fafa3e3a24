"""How fast imputed genotypes are written, in one thread.

    python benchmarks/writing.py [--sites 20000] [--samples 200]

GT, DS and GP of simulated imputed sites. As with a real panel, most sites are rare and most alleles nearly certain.
Rates are by CPU time, which other work on the machine affects least. The best of three runs counts. cyvcf2 writes a
tenth of the sites; its rate is compared.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cyvcf2
import numpy as np

from rnnimp.formats.gen import GenWriter
from rnnimp.formats.vcf.bcf_writing import BcfWriter
from rnnimp.formats.vcf.genotypes import calls_of
from rnnimp.formats.vcf.header import VcfContent, header_text
from rnnimp.formats.vcf.writing import VcfWriter
from rnnimp.sites.panel import ImputedBlock, Sites, default_sample_names

REPEATS, NEEDED_RATE, SITES_A_BLOCK, SLOW_SHARE = 3, 4e6, 1000, 10


def simulated(n_sites: int, n_samples: int) -> ImputedBlock:
    """Sites with frequencies from 0.5% on, and probabilities that are mostly within 0.001 of 0 or 1."""
    rng = np.random.default_rng(1)
    shape = n_sites, 2 * n_samples
    frequency = np.exp(rng.uniform(np.log(0.005), np.log(0.5), (n_sites, 1)))
    doubt = rng.beta(0.05, 3, shape).astype(np.float32)
    probabilities = np.where(rng.random(shape, dtype=np.float32) < frequency, 1 - doubt, doubt).astype(np.float32)
    sites = Sites.build(1000 + np.arange(n_sites), ["A"] * n_sites, ["G"] * n_sites, chromosome="22")
    return ImputedBlock(sites, probabilities, np.zeros(n_sites, dtype=bool))


def by_cyvcf2(path: Path, content: VcfContent, block: ImputedBlock, mode: str) -> None:
    """One variant object per site, one array per field."""
    writer = cyvcf2.Writer.from_string(str(path), header_text(content).strip(), mode)
    calls = calls_of(block)
    first, second = calls.alleles
    for row, (position, a0, a1) in enumerate(block.sites.keys()):
        text = f"22\t{position}\t.\t{a0}\t{a1}\t.\tPASS\t.\tGT"
        variant = writer.variant_from_string(text + "\t0|0" * first.shape[1])
        pairs = np.stack([first[row], second[row]], axis=1).astype(np.int32)
        variant.genotypes = [[*pair, True] for pair in pairs.tolist()]
        variant.set_format("DS", np.round(calls.dosages[row], 4))
        variant.set_format("GP", np.round(np.stack([part[row] for part in calls.genotypes], axis=1), 3))
        writer.write_record(variant)
    writer.close()


def blockwise(make: Callable[[Path], VcfWriter | GenWriter], path: Path, block: ImputedBlock) -> None:
    """In blocks, as `rnnimp impute` writes."""
    with make(path) as writer:
        for start in range(0, len(block), SITES_A_BLOCK):
            writer.write(block[start : start + SITES_A_BLOCK])


def best_seconds(write: Callable[[], None]) -> float:
    """CPU seconds."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        write()
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    """Simulate, write in every way, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=20_000, metavar="N", help="default: %(default)s")
    parser.add_argument("--samples", type=int, default=200, metavar="N", help="default: %(default)s")
    args = parser.parse_args()
    block = simulated(args.sites, args.samples)
    part = block[: args.sites // SLOW_SHARE]
    content = VcfContent(default_sample_names(args.samples), "22")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways: dict[str, tuple[Path, ImputedBlock, Callable[[], None]]] = {}
        for title, ending, mode in (("cyvcf2, VCF.gz", "c.vcf.gz", "wz"), ("cyvcf2, BCF", "c.bcf", "wb")):
            path = folder / ending
            ways[title] = (path, part, partial(by_cyvcf2, path, content, part, mode))
        writers: tuple[tuple[str, Path, Callable[[Path], VcfWriter | GenWriter]], ...] = (
            ("rnnimp, VCF", folder / "x.vcf", lambda path: VcfWriter(path, content)),
            ("rnnimp, VCF.gz + index", folder / "x.vcf.gz", lambda path: VcfWriter(path, content)),
            ("rnnimp, BCF + index", folder / "x.bcf", lambda path: BcfWriter(path, content)),
            ("rnnimp, GEN", folder / "x.gen", lambda path: GenWriter(path.with_suffix(""), content.sample_names)),
        )
        for title, path, make in writers:
            ways[title] = (path, block, partial(blockwise, make, path, block))
        print(f"| way | million genotypes/s | ratio | bytes per genotype |\n|{'---|' * 4}")
        base = 0.0
        for title, (path, written, write) in ways.items():
            count = len(written) * args.samples
            rate = count / best_seconds(write)
            base = base or rate
            print(f"| {title} | {rate / 1e6:.2f} | {rate / base:.1f} | {path.stat().st_size / count:.1f} |", flush=True)
    print(f"at least {NEEDED_RATE / 1e6:.0f} million a second are wanted for VCF.gz")


if __name__ == "__main__":
    main()
