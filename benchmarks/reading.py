"""How fast `.hap.gz` files are read: this package's parser and three other ways, on simulated data.

    python benchmarks/reading.py [--sites 4000] [--haplotypes 4000]

Each way reads compressed text into one int8 array. The best of three runs counts. Ways that make one Python object per
token read only a part of the sites; their rates are compared.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.files import atomic_output
from rnnimp.formats.hapslegend import allele_blocks, allele_text

Reader = Callable[[Path], NDArray[np.int8]]
REPEATS = 3
SLOW_SHARE = 10
NEEDED_RATIO = 20


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


def best_seconds(read: Reader, path: Path, expected: NDArray[np.int8]) -> float:
    """The shortest of three runs, each of which must give the right alleles."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = read(path)
        seconds.append(time.perf_counter() - start)
        np.testing.assert_array_equal(found, expected)
    return min(seconds)


def write_haplotypes(path: Path, alleles: NDArray[np.int8]) -> Path:
    """A `.hap.gz` file."""
    with atomic_output(path) as file:
        file.write(allele_text(alleles))
    return path


def main() -> None:
    """Simulate, read in every way, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=4000, metavar="N", help="sites to simulate (default: %(default)s)")
    parser.add_argument("--haplotypes", type=int, default=4000, metavar="N", help="haplotypes (default: %(default)s)")
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    frequency = rng.beta(0.2, 1, size=(args.sites, 1))
    alleles = (rng.random((args.sites, args.haplotypes)) < frequency).astype(np.int8)
    part = alleles[: max(1, args.sites // SLOW_SHARE)]
    with tempfile.TemporaryDirectory() as folder:
        whole_file = write_haplotypes(Path(folder) / "whole.hap.gz", alleles)
        part_file = write_haplotypes(Path(folder) / "part.hap.gz", part)
        ways: dict[str, tuple[Reader, Path, NDArray[np.int8]]] = {
            "token by token": (token_by_token, part_file, part),
            "numpy.loadtxt": (numpy_loadtxt, part_file, part),
            "gzip + numpy.frombuffer": (frombuffer, whole_file, alleles),
            "rnnimp": (ours, whole_file, alleles),
        }
        print(f"{'way':<24}{'alleles':>14}{'seconds':>10}{'million/s':>12}{'ratio':>9}")
        base = ratio = 0.0
        for name, (read, path, expected) in ways.items():
            seconds = best_seconds(read, path, expected)
            rate = expected.size / seconds / 1e6
            base = base or rate
            ratio = rate / base
            print(f"{name:<24}{expected.size:>14,}{seconds:>10.3f}{rate:>12.1f}{ratio:>9.1f}")
    print(f"rnnimp reads {ratio:.0f} times as fast as token by token; at least {NEEDED_RATIO} times are wanted")


if __name__ == "__main__":
    main()
