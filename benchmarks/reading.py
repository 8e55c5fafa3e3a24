"""How fast files are read: our readers beside other ways, by CPU time, the best of three runs.

    python benchmarks/reading.py [--sites 4000] [--haplotypes 4000] [--vcf FILE ...]

The files are simulated on the spot:

1. A `.hap.gz`.
2. A VCF.gz and a BCF with phased genotypes.
3. A VCF.gz and a BCF with GT, DS and GP, as imputed files have them.

With `--vcf`, your own phased files are read instead. Each way ends in one int8 array, or in the dosages and
probabilities. Ways that take a Python object per genotype read a part of the sites only, and are compared by their
rate. CPU time is the measure because other work on the machine affects it least.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cyvcf2
import numpy as np
import pysam
from numpy.typing import NDArray

from rnnimp.formats.files import atomic_output, open_input
from rnnimp.formats.hapslegend import allele_blocks, allele_text
from rnnimp.formats.vcf.bcf_writing import BcfWriter
from rnnimp.formats.vcf.header import VcfContent
from rnnimp.formats.vcf.reading import open_panel, read_genotypes
from rnnimp.formats.vcf.writing import VcfWriter
from rnnimp.sites.panel import ImputedBlock, Sites, default_sample_names

Reader = Callable[[Path], NDArray[np.int8]]
REPEATS = 3
SLOW_SHARE = 10
NEEDED_RATIO = 20
PYSAM_SITES = 200
GENOTYPES_A_BLOCK = 2_000_000


def ours(path: Path) -> NDArray[np.int8]:
    """Blocks of bytes, split by numpy."""
    return np.concatenate(list(allele_blocks(path)))


def token_by_token(path: Path) -> NDArray[np.int8]:
    """Split each line and make one Python integer per token, as the published program does."""
    with gzip.open(path, "rt") as file:
        return np.array(
            [[int(token) if token in ("0", "1") else -1 for token in line.split()] for line in file], np.int8
        )


def numpy_loadtxt(path: Path) -> NDArray[np.int8]:
    """numpy's own text reader; it takes no missing alleles."""
    with gzip.open(path, "rt") as file:
        return np.loadtxt(file, dtype=np.int8)


def frombuffer(path: Path) -> NDArray[np.int8]:
    """The least work possible: unpack everything, reshape, subtract; no checks."""
    with gzip.open(path, "rb") as file:
        data = np.frombuffer(file.read(), np.uint8)
    width = int(np.argmax(data == ord("\n"))) + 1
    return (data.reshape(-1, width)[:, ::2] - ord("0")).astype(np.int8)


def our_vcf(path: Path) -> NDArray[np.int8]:
    """Our strict readers, block by block."""
    return np.concatenate([block.alleles for block in open_panel(path).blocks])


def cyvcf2_array(path: Path) -> NDArray[np.int8]:
    """cyvcf2's array of each record; nothing is checked."""
    rows = [record.genotype.array()[:, :2] == 1 for record in cyvcf2.VCF(str(path), threads=1)]
    return np.stack(rows).reshape(len(rows), -1).view(np.int8)


def pysam_samples(path: Path) -> NDArray[np.int8]:
    """pysam's tuple of each genotype, of the first sites only."""
    with pysam.VariantFile(str(path)) as file:
        return np.array([_carried(record) for record in islice(file, PYSAM_SITES)], np.int8)


def _carried(record: Any) -> list[bool]:
    return [allele == 1 for sample in record.samples.values() for allele in sample.allele_indices]


def pysam_text(path: Path) -> NDArray[np.int8]:
    """pysam's record as a line, cut by numpy; right for phased alleles of one digit only."""
    with pysam.VariantFile(str(path)) as file:
        return np.stack([_cut(str(record).encode().split(b"\t", 9)[9]) for record in file])


def bytes_alone(path: Path) -> NDArray[np.int8]:
    """Lines cut by numpy, without any check; a VCF's only."""
    with open_input(path) as file:
        return np.stack([_cut(line.split(b"\t", 9)[9]) for line in file if not line.startswith(b"#")])


def _cut(samples: bytes) -> NDArray[np.int8]:
    carried: NDArray[np.bool_] = np.frombuffer(samples, np.uint8)[::2] == ord("1")
    return carried.view(np.int8)


Imputed = tuple[NDArray[np.float32], NDArray[np.float32]]


def our_imputed(path: Path) -> Imputed:
    """Dosages and probabilities by our strict readers."""
    table = read_genotypes(path)
    return table.dosages, table.probabilities


def cyvcf2_imputed(path: Path) -> Imputed:
    """The same by cyvcf2's arrays; nothing is checked."""
    records = [(record.format("DS")[:, 0], record.format("GP")) for record in cyvcf2.VCF(str(path), threads=1)]
    return np.stack([dosages for dosages, _ in records]), np.stack([probabilities for _, probabilities in records])


def best_seconds(read: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest of three runs by CPU time, and what was read."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        found = read()
        seconds.append(time.process_time() - start)
    return min(seconds), found


def write_haplotypes(path: Path, alleles: NDArray[np.int8]) -> Path:
    """A `.hap.gz` file."""
    with atomic_output(path) as file:
        file.write(allele_text(alleles))
    return path


def simulated(n_sites: int, n_haplotypes: int) -> NDArray[np.int8]:
    """Alleles, most of them rare."""
    rng = np.random.default_rng(1)
    frequency = rng.beta(0.2, 1, size=(n_sites, 1))
    return (rng.random((n_sites, n_haplotypes)) < frequency).astype(np.int8)


def write_vcf(path: Path, alleles: NDArray[np.int8], fields: tuple[str, ...]) -> Path:
    """A VCF.gz or BCF of phased genotypes; with other fields than GT of imputed ones."""
    rng = np.random.default_rng(2)
    n_sites, n_haplotypes = alleles.shape
    names = default_sample_names(n_haplotypes // 2)
    kind = BcfWriter if path.suffix == ".bcf" else VcfWriter
    n_rows = max(1, GENOTYPES_A_BLOCK // n_haplotypes)
    with kind(path, VcfContent(names, "22", fields)) as writer:
        for start in range(0, n_sites, n_rows):
            part = alleles[start : start + n_rows]
            doubt = rng.beta(0.05, 3, part.shape) / 2 if len(fields) > 1 else 0
            probabilities = np.abs(part - doubt).astype(np.float32)
            positions = 1000 + np.arange(start, start + len(part))
            sites = Sites.build(positions, ["A"] * len(part), ["G"] * len(part), chromosome="22")
            writer.write(ImputedBlock(sites, probabilities, np.zeros(len(part), dtype=bool)))
    return path


def compare_haplotypes(folder: Path, alleles: NDArray[np.int8]) -> None:
    """The ways to read `.hap.gz`."""
    part = alleles[: max(1, len(alleles) // SLOW_SHARE)]
    whole_file = write_haplotypes(folder / "whole.hap.gz", alleles)
    part_file = write_haplotypes(folder / "part.hap.gz", part)
    ways: dict[str, tuple[Reader, Path, NDArray[np.int8]]] = {
        "token by token": (token_by_token, part_file, part),
        "numpy.loadtxt": (numpy_loadtxt, part_file, part),
        "gzip + numpy.frombuffer": (frombuffer, whole_file, alleles),
        "rnnimp": (ours, whole_file, alleles),
    }
    table = Table("hap.gz", "alleles")
    for name, (read, path, expected) in ways.items():
        seconds, found = best_seconds(lambda read=read, path=path: read(path))  # type: ignore[misc]
        np.testing.assert_array_equal(found, expected)
        ratio = table.row(name, expected.size, seconds)
    print(f"rnnimp reads {ratio:.0f} times as fast as token by token; at least {NEEDED_RATIO} times are wanted")


def compare_phased(paths: list[Path]) -> None:
    """The ways to read phased VCF and BCF."""
    ways: dict[str, Reader] = {
        "cyvcf2 array": cyvcf2_array, "pysam, genotypes": pysam_samples, "pysam, lines": pysam_text,
        "bytes, unchecked": bytes_alone, "rnnimp": our_vcf,
    }  # fmt: skip
    for path in paths:
        table = Table(path.name, "genotypes")
        expected: NDArray[np.int8] | None = None
        for name, read in ways.items():
            if read is bytes_alone and path.suffix == ".bcf":
                continue
            seconds, found = best_seconds(lambda read=read, path=path: read(path))  # type: ignore[misc]
            expected = found if expected is None else expected
            np.testing.assert_array_equal(found, expected[: len(found)])
            table.row(name, found.size // 2, seconds)


def compare_imputed(paths: list[Path]) -> None:
    """The ways to read GT, DS and GP."""
    for path in paths:
        table = Table(path.name, "genotypes")
        seconds, expected = best_seconds(lambda path=path: cyvcf2_imputed(path))  # type: ignore[misc]
        table.row("cyvcf2 arrays", expected[0].size, seconds)
        seconds, found = best_seconds(lambda path=path: our_imputed(path))  # type: ignore[misc]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        table.row("rnnimp", found[0].size, seconds)


class Table:
    """Prints rates and their ratios to the first row's."""

    def __init__(self, title: str, unit: str) -> None:
        print(f"\n{title:<28}{unit:>14}{'CPU s':>10}{'million/s':>12}{'ratio':>9}")
        self._base = 0.0

    def row(self, name: str, size: int, seconds: float) -> float:
        """Print a way, and return its ratio."""
        rate = size / seconds / 1e6
        self._base = self._base or rate
        print(f"{name:<28}{size:>14,}{seconds:>10.3f}{rate:>12.1f}{rate / self._base:>9.2f}", flush=True)
        return rate / self._base


def simulated_files(folder: Path, alleles: NDArray[np.int8], fields: tuple[str, ...], name: str) -> Iterator[Path]:
    """A VCF.gz and a BCF."""
    for ending in ("vcf.gz", "bcf"):
        yield write_vcf(folder / f"{name}.{ending}", alleles, fields)


def main() -> None:
    """Simulate, read in every way, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=4000, metavar="N", help="sites to simulate (default: %(default)s)")
    parser.add_argument("--haplotypes", type=int, default=4000, metavar="N", help="haplotypes (default: %(default)s)")
    parser.add_argument("--vcf", nargs="+", type=Path, metavar="FILE", help="read these phased VCFs and BCFs alone")
    args = parser.parse_args()
    if args.vcf:
        compare_phased(args.vcf)
        return
    alleles = simulated(args.sites, args.haplotypes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare_haplotypes(folder, alleles)
        compare_phased(list(simulated_files(folder, alleles, ("GT",), "phased")))
        compare_imputed(
            list(simulated_files(folder, alleles[: len(alleles) // SLOW_SHARE], ("GT", "DS", "GP"), "imputed"))
        )


if __name__ == "__main__":
    main()
