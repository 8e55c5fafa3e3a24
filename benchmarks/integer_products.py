"""How much 16-bit products of the recurrent layers gain over float32, and how far the results move.

    python benchmarks/integer_products.py [--model PREFIX --panel ../shared/data/kgp3_chr22/panel.vcf.gz \\
        --test-samples ../shared/data/kgp3_chr22/test_samples.txt] [--repeats 7]

The shapes are the published one, the accurate recipe's networks, and the regions of a trained model. Both ways take
turns in one process, and the least CPU time of each counts, so that other work on the machine affects both equally.

With a trained model, ONNX Runtime runs the graph on the validation samples of its training too. The table gives the
largest difference in a dosage between each way and ONNX Runtime, and the mean r2 over all sites of each. The validation
samples are those panel samples, apart from the test samples, that the model's manifest names by its seed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from accuracy.inputs import held_out
from engines import make_region
from numpy.typing import NDArray

from rnnimp.formats.bundle import BundleRegion, open_bundle
from rnnimp.formats.files import read_lines
from rnnimp.formats.vcf.reading import open_panel
from rnnimp.imputation.engines.cpu_kernels import KernelEngine
from rnnimp.imputation.engines.onnx_runtime import load_onnx_engine
from rnnimp.network.graph.reading import read_folded_network
from rnnimp.network.recurrent.settings import NetworkSettings
from rnnimp.sites.panel import Panel
from rnnimp.training.recipe import ACCURATE

WAYS = ("float32", "int16")
HAPLOTYPES = 64


def parse_arguments() -> argparse.Namespace:
    """The options; without a model only the random shapes are timed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, metavar="PREFIX", help="a trained model with its manifest")
    parser.add_argument("--panel", type=Path, metavar="FILE", help="the phased VCF that it was trained with")
    parser.add_argument("--test-samples", type=Path, metavar="FILE", help="samples kept out of its training")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="turns, of which the best counts")
    return parser.parse_args()


def engines_of(region: BundleRegion) -> dict[str, KernelEngine]:
    """The same region with either products."""
    network = read_folded_network(region.model_path.read_bytes())
    return {way: KernelEngine(network, way) for way in WAYS}


def best_times(engines: dict[str, KernelEngine], inputs: NDArray[np.float32], repeats: int) -> dict[str, float]:
    """Milliseconds of CPU time for each haplotype."""
    best = dict.fromkeys(engines, float("inf"))
    for turn in range(repeats + 1):
        for way, engine in engines.items():
            start = time.process_time()
            engine(inputs)
            if turn:  # the first compiles
                best[way] = min(best[way], 1000 * (time.process_time() - start) / len(inputs))
    return best


def random_inputs(n_markers: int) -> NDArray[np.float32]:
    """Alleles at random."""
    alt = np.random.default_rng(2).integers(0, 2, (HAPLOTYPES, n_markers)).astype(np.float32)
    return np.stack([1 - alt, alt], axis=-1)


def time_row(name: str, engines: dict[str, KernelEngine], inputs: NDArray[np.float32], repeats: int) -> None:
    """One line of the table of times."""
    best = best_times(engines, inputs, repeats)
    first, second = (best[way] for way in WAYS)
    print(f"| {name} | {first:.3f} | {second:.3f} | {first / second:.2f} |", flush=True)


def validation_panel(args: argparse.Namespace) -> Panel:
    """The panel's validation samples."""
    panel = open_panel(args.panel, keep_first_duplicate=True).read()
    apart = set(read_lines(args.test_samples))
    rest = np.array([index for index, name in enumerate(panel.sample_names) if name not in apart])
    return panel.take_samples(rest[held_out(args.model, len(rest))])


def region_alleles(panel: Panel, region: BundleRegion) -> NDArray[np.int8]:
    """Alleles at all sites of a region, int8 (n_sites, n_haplotypes)."""
    row_of = {key: row for row, key in enumerate(panel.sites.keys())}
    alleles = np.empty((len(region.sites), panel.alleles.shape[1]), np.int8)
    for row, (position, a0, a1) in enumerate(region.sites.keys()):
        is_swapped = (position, a0, a1) not in row_of
        found = panel.alleles[row_of[position, a1, a0] if is_swapped else row_of[position, a0, a1]]
        alleles[row] = 1 - found if is_swapped else found
    return alleles


def summed_r2(truth: NDArray[np.int64], dosages: NDArray[np.floating]) -> tuple[float, int]:
    """Sum of the squared correlations of the sites that vary, and their number."""
    x, y = (part - part.mean(axis=1, keepdims=True) for part in (truth, dosages))
    varies = (x**2).sum(axis=1) > 0
    joint, spread = (x * y).sum(axis=1)[varies], ((x**2).sum(axis=1) * (y**2).sum(axis=1))[varies]
    return float(np.sum(joint**2 / np.maximum(spread, 1e-30))), int(varies.sum())


def compare_trained(args: argparse.Namespace) -> None:
    """The table of a trained model's agreement."""
    panel = validation_panel(args)
    largest = dict.fromkeys(WAYS, 0.0)
    r2 = dict.fromkeys((*WAYS, "ONNX Runtime"), 0.0)
    n_sites = 0
    for region in open_bundle(args.model).regions:
        alleles = region_alleles(panel, region)
        alt = alleles[region.marker_rows].T.astype(np.float32)
        inputs = np.stack([1 - alt, alt], axis=-1)
        engines = engines_of(region)
        time_row(f"region {region.index} of {args.model.name}", engines, inputs[:HAPLOTYPES], args.repeats)
        found = {way: engine(inputs) for way, engine in engines.items()}
        found["ONNX Runtime"] = load_onnx_engine(region)(inputs)
        dosages = {way: part[:, ::2] + part[:, 1::2].astype(np.float64) for way, part in found.items()}
        truth = alleles[region.imputed_rows].astype(np.int64)
        for way, part in dosages.items():
            total, count = summed_r2(truth[:, ::2] + truth[:, 1::2], part)
            r2[way] += total
            if way in largest:
                largest[way] = max(largest[way], float(np.abs(part - dosages["ONNX Runtime"]).max()))
        n_sites += count
    print("\n| products | largest difference of a dosage | mean r2 | difference |\n|---|---|---|---|")
    for way, total in r2.items():
        difference = f"{(total - r2['ONNX Runtime']) / n_sites:+.6f}"
        print(f"| {way} | {largest.get(way, 0):.6f} | {total / n_sites:.6f} | {difference} |")
    print(f"{n_sites} sites that vary, {panel.alleles.shape[1] // 2} samples")


def main() -> None:
    """Print both tables."""
    args = parse_arguments()
    print("| networks | float32, ms per haplotype | int16 | gain |\n|---|---|---|---|")
    with TemporaryDirectory() as name:
        for shape, settings in (
            ("published shape", NetworkSettings()),
            ("accurate recipe", ACCURATE.network(ACCURATE.n_layers_higher)),
        ):
            engines = engines_of(make_region(Path(name), settings))
            time_row(shape, engines, random_inputs(engines["int16"].n_markers), args.repeats)
    if args.model:
        compare_trained(args)


if __name__ == "__main__":
    main()
