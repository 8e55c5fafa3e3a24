"""Simulate the data of the packaged example: samples of four populations, typed on a simulated array.

1. Demography: the out-of-Africa model of Jouganous et al. 2017 (Genetics 206: 1549) with four populations. It was
   fitted to the 1000 Genomes Project's YRI, CEU, CHB and JPT with 1.44e-8 mutations per base and generation. The
   simulation uses the same rate.
2. Recombination: a low background with one hotspot of 2 kb per 50 kb (Myers et al. 2005, Science 310: 321). The map has
   1.2 cM/Mb, 80% of it in hotspots.
3. Sites: ancestry and mutations by msprime, nucleotides by HKY85. REF is the allele of one additional CEU haplotype, as
   in a reference genome. Sites with more than two alleles and sites that do not vary in the samples are omitted.
4. Array: one random site per 1.2 kb. Three in four have MAF >= 5% in the training samples, the others 0.5% to 5%. This
   is similar to the Omni2.5, which has one marker per 1.1 kb of chromosome 22, a third of them below 5%.
5. Test samples: drawn at random. All others are training samples.

The output folder gets:

- `panel.hap.gz`, `panel.legend.gz`, `panel.sample`: all samples and sites;
- `markers.tsv`, `test_samples.txt`, `recombination_map.tsv`;
- `samples.tsv`: population and set of each sample.

The package folder gets `target.*` (test samples at the markers) and `truth.*` (test samples at all sites, with
`a1_freq` of the training samples). The same seed and msprime version give the same content.

    python tools/simulate_demo.py --output-dir build/demo --package-dir src/rnnimp/demo
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msprime
import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.files import atomic_output
from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.sites.panel import Panel, Sites, alt_frequency, haplotype_columns

CHROMOSOME = "22"  # a name that every tool accepts; the sequence is simulated
MUTATION_RATE = 1.44e-8
GENERATION_YEARS = 29
MEAN_RECOMBINATION_RATE = 1.2e-8  # 1.2 cM/Mb
HOTSPOT_SHARE = 0.8
HOTSPOT_SPACING = 50_000
HOTSPOT_WIDTH = 2_000
MARKER_SPACING = 1_200
COMMON_MARKER_SHARE = 0.75
TRANSITION_BIAS = 4.0  # HKY85's kappa: about two transitions a transversion
BASE_FREQUENCIES = (0.295, 0.205, 0.205, 0.295)  # A C G T of the human genome
SAMPLE_COUNTS = {"YRI": 120, "CEU": 120, "CHB": 110, "JPT": 100}
REFERENCE_POPULATION = "CEU"


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated panel.

    Attributes:
        panel: All samples at all sites, with flagged markers and `a1_freq` of the training samples.
        populations: The population of each sample.
        test: Sorted indices of the test samples, int (n_test,).
        recombination: The map that was used.
    """

    panel: Panel
    populations: tuple[str, ...]
    test: NDArray[np.intp]
    recombination: msprime.RateMap

    @property
    def train(self) -> NDArray[np.intp]:
        """Indices of the training samples."""
        return np.setdiff1d(np.arange(len(self.populations)), self.test)


def demography() -> msprime.Demography:
    """The model of Jouganous et al. 2017, table 4: times in generations, sizes in diploids."""
    split_africa, split_eurasia, split_japan = (years / GENERATION_YEARS for years in (119e3, 46e3, 9e3))
    growth = {"CEU": 0.0016, "CHB": 0.0026, "JPT": 0.0129}
    size_ceu = 2512 * math.exp(growth["CEU"] * split_eurasia)
    size_chb = 1019 * math.exp(growth["CHB"] * split_eurasia)
    size_jpt = 4384 * math.exp(growth["JPT"] * split_japan)
    model = msprime.Demography()
    model.add_population(name="YRI", initial_size=23_721)
    model.add_population(name="CEU", initial_size=size_ceu, growth_rate=growth["CEU"])
    model.add_population(name="CHB", initial_size=size_chb, growth_rate=growth["CHB"])
    model.add_population(name="JPT", initial_size=size_jpt, growth_rate=growth["JPT"])
    for first, second, rate in (
        ("YRI", "CEU", 1.14e-5),
        ("YRI", "CHB", 0.56e-5),
        ("CEU", "CHB", 4.75e-5),
        ("CHB", "JPT", 3.3e-5),
    ):
        model.set_symmetric_migration_rate([first, second], rate)
    # Backwards in time JPT joins CHB, CHB joins CEU (from there on the population out of Africa), and that joins YRI.
    model.add_mass_migration(time=split_japan, source="JPT", dest="CHB", proportion=1)
    model.add_symmetric_migration_rate_change(time=split_japan, populations=["CHB", "JPT"], rate=0)
    model.add_mass_migration(time=split_eurasia, source="CHB", dest="CEU", proportion=1)
    for pair in (["CEU", "CHB"], ["YRI", "CHB"]):
        model.add_symmetric_migration_rate_change(time=split_eurasia, populations=pair, rate=0)
    model.add_population_parameters_change(time=split_eurasia, population="CEU", initial_size=2831, growth_rate=0)
    model.add_symmetric_migration_rate_change(time=split_eurasia, populations=["YRI", "CEU"], rate=16.8e-5)
    model.add_mass_migration(time=split_africa, source="CEU", dest="YRI", proportion=1)
    model.add_symmetric_migration_rate_change(time=split_africa, populations=["YRI", "CEU"], rate=0)
    model.add_population_parameters_change(time=357e3 / GENERATION_YEARS, population="YRI", initial_size=11_293)
    model.sort_events()
    return model


def recombination_map(length: int, rng: np.random.Generator) -> msprime.RateMap:
    """A background with hotspots of gamma-distributed strength, one placed at random in each `HOTSPOT_SPACING`."""
    n_hotspots = max(1, round(length / HOTSPOT_SPACING))
    slots = np.linspace(0, length, n_hotspots + 1)
    starts = rng.uniform(slots[:-1] + 1, slots[1:] - HOTSPOT_WIDTH - 1)
    strengths = rng.gamma(1.5, size=n_hotspots)
    morgans = MEAN_RECOMBINATION_RATE * length
    peaks = HOTSPOT_SHARE * morgans * strengths / strengths.sum() / HOTSPOT_WIDTH
    background = (1 - HOTSPOT_SHARE) * morgans / length
    edges = np.stack([starts, starts + HOTSPOT_WIDTH], axis=1).round().reshape(-1)
    rates = np.full(2 * n_hotspots + 1, background)
    rates[1::2] += peaks
    return msprime.RateMap(position=np.concatenate([[0], edges, [length]]), rate=rates)


def simulate(length: int, n_test: int, seed: int, sample_counts: dict[str, int] | None = None) -> Simulation:
    """Simulate samples and choose markers and test samples.

    Args:
        length: Base pairs.
        n_test: Number of test samples.
        seed: Seed of everything.
        sample_counts: Diploid samples per population; `SAMPLE_COUNTS` if None.
    """
    counts = SAMPLE_COUNTS if sample_counts is None else sample_counts
    rng = np.random.default_rng(seed)
    recombination = recombination_map(length, rng)
    with_reference = {**counts, REFERENCE_POPULATION: counts[REFERENCE_POPULATION] + 1}
    ancestry = msprime.sim_ancestry(
        with_reference, demography=demography(), recombination_rate=recombination, random_seed=_seed(rng)
    )
    substitutions = msprime.HKY(TRANSITION_BIAS, equilibrium_frequencies=list(BASE_FREQUENCIES))
    mutated = msprime.sim_mutations(ancestry, rate=MUTATION_RATE, model=substitutions, random_seed=_seed(rng))
    # samples stand population by population; the last of REFERENCE_POPULATION is the reference genome
    order = [name for name, count in with_reference.items() for _ in range(count)]
    reference = len(order) - 1 - order[::-1].index(REFERENCE_POPULATION)
    populations = tuple(np.delete(order, reference).tolist())
    test = np.sort(rng.choice(len(populations), n_test, replace=False))
    sites, alleles = _biallelic(mutated, reference)
    train = np.setdiff1d(np.arange(len(populations)), test)
    frequencies = alt_frequency(alleles[:, haplotype_columns(train)])
    markers = choose_markers(sites.positions, frequencies, rng)
    names = _sample_names(populations)
    panel = Panel(replace(sites, a1_freq=frequencies, is_marker=markers), alleles, names)
    return Simulation(panel, populations, test, recombination)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1, 2**31))


def _sample_names(populations: Sequence[str]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    for population in populations:
        seen[population] = seen.get(population, 0) + 1
    return tuple(f"{name}{index:03d}" for name, count in seen.items() for index in range(1, count + 1))


def _biallelic(mutated: msprime.TreeSequence, reference: int) -> tuple[Sites, NDArray[np.int8]]:
    """Sites with two alleles among the samples; the sample `reference` gives REF and is omitted."""
    positions, ref, alt, rows = [], [], [], []
    for variant in mutated.variants():
        ref_code = variant.genotypes[2 * reference]
        carried = np.delete(variant.genotypes, [2 * reference, 2 * reference + 1])
        codes = np.unique(carried)
        others = codes[codes != ref_code]
        if len(others) != 1 or len(codes) != 2:
            continue
        positions.append(int(variant.site.position) + 1)  # 0-based to 1-based
        ref.append(variant.alleles[ref_code])
        alt.append(variant.alleles[others[0]])
        rows.append((carried != ref_code).astype(np.int8))
    ids = [f"{CHROMOSOME}:{site[0]}:{site[1]}:{site[2]}" for site in zip(positions, ref, alt, strict=True)]
    return Sites.build(positions, ref, alt, ids, chromosome=CHROMOSOME), np.stack(rows)


def choose_markers(
    positions: NDArray[np.int64], frequencies: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """One site in each `MARKER_SPACING`, mostly common; none if no site has the required frequency.

    Args:
        positions: Positions, int64 (n_sites,); rising.
        frequencies: Frequencies of either allele, float64 (n_sites,).
        rng: Draws the sites.

    Returns:
        bool (n_sites,).
    """
    maf = np.minimum(frequencies, 1 - frequencies)
    flags = np.zeros(len(positions), dtype=bool)
    window = positions // MARKER_SPACING
    for index in np.unique(window):
        is_common = rng.random() < COMMON_MARKER_SHARE
        wished = maf >= 0.05 if is_common else (maf >= 0.005) & (maf < 0.05)
        candidates = np.flatnonzero((window == index) & wished)
        if candidates.size:
            flags[rng.choice(candidates)] = True
    return flags


def write_panel(prefix: Path, panel: Panel) -> None:
    """Write one HAPS/LEGEND/SAMPLE triple."""
    with HapsLegendWriter(prefix, panel.sample_names) as writer:
        writer.write(panel.sites, panel.alleles)


def write_sources(folder: Path, simulation: Simulation) -> None:
    """Write the input of `rnnimp prepare`: the panel as a study would have it, the array, the test samples."""
    panel, sites = simulation.panel, simulation.panel.sites
    bare = replace(panel, sites=replace(sites, a1_freq=None, is_marker=None))
    write_panel(folder / "panel", bare)
    typed = sites[sites.markers()]
    marker_lines = [f"{CHROMOSOME}\t{position}\t{a0}\t{a1}" for position, a0, a1 in typed.keys()]
    _write_lines(folder / "markers.tsv", ["chrom\tpos\tref\talt", *marker_lines])
    names = panel.sample_names
    _write_lines(folder / "test_samples.txt", [names[index] for index in simulation.test])
    in_test = set(simulation.test.tolist())
    rows = [
        f"{name}\t{population}\t{'test' if index in in_test else 'train'}"
        for index, (name, population) in enumerate(zip(names, simulation.populations, strict=True))
    ]
    _write_lines(folder / "samples.tsv", ["sample\tpopulation\tset", *rows])
    _write_lines(folder / "recombination_map.tsv", _map_lines(simulation.recombination))


def _map_lines(recombination: msprime.RateMap) -> list[str]:
    """Positions and centimorgans where the rate changes, in the columns that published genetic maps have."""
    centimorgans = 100 * recombination.get_cumulative_mass(recombination.position)
    rows = zip(recombination.position, centimorgans, strict=True)
    return ["pos\tchr\tcM", *(f"{position:.0f}\t{CHROMOSOME}\t{map_cm:.6f}" for position, map_cm in rows)]


def write_package(folder: Path, simulation: Simulation) -> None:
    """Write the packaged example: the test samples at the markers, and the truth at all sites."""
    truth = simulation.panel.take_samples(simulation.test)
    write_panel(folder / "truth", truth)
    target = truth[truth.sites.markers()]
    write_panel(folder / "target", replace(target, sites=replace(target.sites, a1_freq=None, is_marker=None)))


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    with atomic_output(path) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def summary(simulation: Simulation) -> str:
    """One line that describes the simulation."""
    sites = simulation.panel.sites
    frequencies = alt_frequency(simulation.panel.alleles[:, haplotype_columns(simulation.train)])
    maf = np.minimum(frequencies, 1 - frequencies)
    markers = sites.markers()
    return (
        f"{len(simulation.populations)} samples ({len(simulation.test)} test), {len(sites)} sites, "
        f"{np.count_nonzero(maf >= 0.005)} with MAF >= 0.5%, {np.count_nonzero(markers)} markers "
        f"({np.mean(maf[markers] >= 0.05):.0%} with MAF >= 5%), "
        f"{np.count_nonzero((maf >= 0.005) & ~markers)} to impute, {sites.positions[-1] - sites.positions[0]} bp"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description="Simulate the data of the packaged example.")
    parser.add_argument("--output-dir", type=Path, required=True, metavar="DIR", help="panel, markers and samples")
    parser.add_argument("--package-dir", type=Path, metavar="DIR", help="target and truth; not written if not given")
    parser.add_argument("--length", type=int, default=510_000, metavar="BP", help="length simulated (%(default)s)")
    parser.add_argument("--test-samples", type=int, default=50, metavar="N", help="samples set apart (%(default)s)")
    parser.add_argument("--seed", type=int, default=20201001, metavar="N", help="of all random choices (%(default)s)")
    args = parser.parse_args(argv)
    simulation = simulate(args.length, args.test_samples, args.seed)
    write_sources(args.output_dir, simulation)
    if args.package_dir is not None:
        write_package(args.package_dir, simulation)
    print(summary(simulation))


if __name__ == "__main__":
    main()
