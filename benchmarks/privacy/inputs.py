"""What the privacy benchmark starts from: the regions' training files, who is tested, and the programs' inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from accuracy.inputs import Target
from accuracy.panel_imputers import Study, phased_vcf, write_plink_map

from rnnimp.errors import DataError
from rnnimp.formats.bundle import open_bundle
from rnnimp.formats.genetic_map import GeneticMap, read_genetic_map
from rnnimp.formats.hapslegend import open_panel
from rnnimp.pipeline.audit.people import People, choose_people
from rnnimp.pipeline.train.run import read_data_list
from rnnimp.sites.panel import Panel, Sites, alt_frequency, haplotype_columns, known_chromosome


@dataclass(frozen=True, eq=False)
class Inputs:
    """The regions that all models have, and the people.

    Attributes:
        regions: Training files of each region by its number.
        people: Who is tested: members, and the people held out from the training of every model.
        chromosome: Name of the chromosome.
        map_source: Genetic map.
    """

    regions: Mapping[int, Panel]
    people: People
    chromosome: str
    map_source: Path

    @cached_property
    def genetic_map(self) -> GeneticMap:
        """The genetic map of the chromosome."""
        return read_genetic_map(self.map_source, self.chromosome)

    @cached_property
    def panel(self) -> Panel:
        """All regions as one panel: each marker and site once, in order."""
        sites = Sites.concatenate([region.sites for region in self.regions.values()])
        alleles = np.concatenate([region.alleles for region in self.regions.values()])
        first = {key: row for row, key in reversed(list(enumerate(sites.keys())))}
        rows = np.array(sorted(first.values()), dtype=np.intp)
        rows = rows[np.argsort(sites.positions[rows], kind="stable")]
        return Panel(sites[rows], alleles[rows], next(iter(self.regions.values())).sample_names)

    def held_out(self) -> Target:
        """The people held out, whose sites are scored; with the frequencies in all people of the files."""
        panel = self.panel
        frequencies = alt_frequency(panel.alleles)
        return Target(panel.take_samples(self.people.held_out), frequencies, self.chromosome)

    def tested(self) -> Target:
        """Members first, then the people held out."""
        panel = self.panel
        everyone = np.concatenate([self.people.members, self.people.held_out])
        return Target(panel.take_samples(everyone), alt_frequency(panel.alleles), self.chromosome)


def read_inputs(
    models: Mapping[str, Path], data_list: Path, map_source: Path, n_members: int, seed: int, allow_few: bool
) -> Inputs:
    """Read the training files of the models' regions, and choose the people as `rnnimp audit` does.

    Args:
        models: Prefix of each model by name, at least one.
        data_list: List of the regions' training files.
        map_source: Genetic map of the chromosome.
        n_members: Members to test at most.
        seed: Seed of their choice.
        allow_few: Whether fewer than 100 outsiders are enough.

    Raises:
        DataError: if the models have other regions than the first, or others were held out.
    """
    prefixes = read_data_list(data_list)
    bundles = {name: open_bundle(str(prefix)) for name, prefix in models.items()}
    numbers = [region.index for region in next(iter(bundles.values())).regions]
    if max(numbers) > len(prefixes):
        raise DataError(f"expected training files of {max(numbers)} regions, found {len(prefixes)}", data_list)
    regions = {number: _read(prefixes[number - 1]) for number in numbers}
    first = regions[numbers[0]]
    n_samples = len(first.sample_names)
    chosen = [choose_people(bundle, n_samples, n_members, None, "", seed, allow_few) for bundle in bundles.values()]
    for (name, bundle), people in zip(bundles.items(), chosen, strict=True):
        if [region.index for region in bundle.regions] != numbers:
            raise DataError(f"expected models of the same regions, found others in '{name}'; {_APART}")
        if not np.array_equal(people.held_out, chosen[0].held_out):
            raise DataError(f"expected models with the same validation samples, found others of '{name}'; {_APART}")
    chromosome = known_chromosome(first.sites)
    if chromosome is None:
        raise DataError("expected the chromosome in the ids of the sites, found none", f"{prefixes[0]}.legend.gz")
    return Inputs(regions, chosen[0], chromosome, map_source)


_APART = "compare it in a run of its own"


def _read(prefix: str) -> Panel:
    return open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz").read()


def write_reference(inputs: Inputs, folder: Path, threads: int, memory: str) -> Study:
    """Write the panel without the people held out, and the genetic map, for the programs that impute from the panel.

    Args:
        inputs: The panel and the people.
        folder: Folder to write to.
        threads: Threads of the programs.
        memory: Memory of Beagle's Java.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(folder / "reference.vcf.gz", folder / "plink.map", threads, memory)
    study.compressed_reference.unlink(missing_ok=True)  # an earlier run's may be of other samples
    write_plink_map(inputs.map_source, study.genetic_map, inputs.chromosome)
    panel, training = inputs.panel, inputs.people.training
    names = [panel.sample_names[index] for index in training]
    with phased_vcf(study.reference, names, inputs.chromosome) as writer:
        writer.write(panel.sites, panel.alleles[:, haplotype_columns(training)])
    return study
