"""What an audit reads before it attacks: the model, the training files, and who is tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.bundle import Bundle, BundleRegion, bundle_files, open_bundle
from rnnimp.formats.genetic_map import GeneticMap, read_genetic_map
from rnnimp.formats.hapslegend import open_panel
from rnnimp.pipeline.audit.files import ENDINGS
from rnnimp.pipeline.audit.outsiders import Outsiders, outsider_files, read_names, read_outsiders, refuse_members
from rnnimp.pipeline.audit.people import People, choose_people
from rnnimp.pipeline.audit.settings import AuditSettings
from rnnimp.pipeline.outputs import check_outputs, require_output_name
from rnnimp.pipeline.train.run import read_data_list
from rnnimp.sites.panel import Panel, alleles_checksum, default_sample_names
from rnnimp.sites.ploidy import ABSENT


@dataclass(frozen=True)
class AuditFiles:
    """The files of an audit.

    Attributes:
        model_prefix: Prefix of the model.
        data_list: List of the regions' training files.
        output_prefix: Prefix of the files to write.
        outsiders: VCF, BCF or HAPS/LEGEND prefix of people outside the panel; None for those held out.
        sample: Names of the samples of the training files; None if not given.
        genetic_map: Genetic map; None for 1 cM per million base pairs.
    """

    model_prefix: str
    data_list: str
    output_prefix: str
    outsiders: str | None = None
    sample: str | None = None
    genetic_map: str | None = None

    def outputs(self) -> list[str]:
        """All files that are written."""
        return [f"{self.output_prefix}.{ending}" for ending in ENDINGS]

    def inputs(self, prefixes: Sequence[str]) -> list[str | Path | None]:
        """All files that are read, with those of the regions' prefixes; None for those not given."""
        training = [f"{prefix}.{ending}" for prefix in prefixes for ending in ("hap.gz", "legend.gz")]
        others = [] if self.outsiders is None else outsider_files(self.outsiders)
        named = (self.data_list, self.sample, self.genetic_map)
        return [*bundle_files(self.model_prefix), *named, *training, *others]


@dataclass(frozen=True, eq=False)
class AuditWork:
    """Everything that is known before the first attack.

    Attributes:
        files: Files of the audit.
        settings: Settings of the audit.
        bundle: The model.
        regions: The regions to audit, in order.
        prefixes: Prefixes of the training files of all regions.
        people: Who is tested.
        outsiders: Outsiders of a file of their own; None for those held out.
        genetic_map: Genetic map; None if not given.
        names: Names of the people of the training files.
        first: Training files of the first region.
    """

    files: AuditFiles
    settings: AuditSettings
    bundle: Bundle
    regions: list[BundleRegion]
    prefixes: list[str]
    people: People
    outsiders: Outsiders | None
    genetic_map: GeneticMap | None
    names: tuple[str, ...]
    first: Panel

    @property
    def outsider_names(self) -> list[str]:
        """Names of the outsiders."""
        if self.outsiders is not None:
            return list(self.outsiders.panel.sample_names)
        return [self.names[index] for index in self.people.held_out.tolist()]

    @property
    def tested_names(self) -> list[str]:
        """Names of everyone who is tested, members first."""
        return [self.names[index] for index in self.people.members.tolist()] + self.outsider_names

    def panel(self, place: int) -> Panel:
        """The training files of a region.

        Args:
            place: Place of the region in `regions`.

        Raises:
            DataError: if they are not those of the model, or have other samples than the first region.
        """
        if place == 0:
            return self.first
        region = self.regions[place]
        prefix = self.prefixes[region.index - 1]
        panel = read_training_panel(prefix, region)
        if len(panel.sample_names) != self.people.n_samples:
            raise DataError(
                f"expected {self.people.n_samples} samples as in the first region, found {len(panel.sample_names)}; "
                "give the list that 'rnnimp split' wrote",
                f"{prefix}.hap.gz",
            )
        return panel


def prepare_work(files: AuditFiles, settings: AuditSettings) -> AuditWork:
    """Open the model, and choose who is tested.

    Raises:
        DataError: if files cannot be read or do not belong together.
        SettingsError: for options that contradict each other, or too few outsiders.
    """
    require_output_name(files.output_prefix, "--output")
    prefixes = read_data_list(files.data_list)
    check_outputs(files.outputs(), files.inputs(prefixes))
    bundle = open_bundle(files.model_prefix)
    regions = _chosen_regions(bundle, settings.regions, len(prefixes))
    genetic_map = None if files.genetic_map is None else read_genetic_map(files.genetic_map, bundle.chromosome)
    first = read_training_panel(prefixes[regions[0].index - 1], regions[0])
    n_samples = len(first.sample_names)
    names = read_names(files.sample, n_samples)
    outsiders = _read_outsiders(files.outsiders, bundle, regions, names)
    n_given = None if outsiders is None else len(outsiders.panel.sample_names)
    source = "" if outsiders is None else Path(outsiders.path).name
    people = choose_people(
        bundle, n_samples, settings.members, n_given, source, settings.seed, settings.allow_few_outsiders
    )
    known_names = names or default_sample_names(n_samples)
    return AuditWork(files, settings, bundle, regions, prefixes, people, outsiders, genetic_map, known_names, first)


def read_training_panel(prefix: str, region: BundleRegion) -> Panel:
    """The training files of a region, which must have the model's sites, and the alleles that its manifest says.

    Raises:
        DataError: if they have others.
    """
    panel = open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz", keep_absent=True).read()
    if (panel.alleles == ABSENT).any():
        raise DataError(
            "expected people with two haplotypes, found haploid ones; an audit of chromosome X needs --regions of its "
            "pseudoautosomal parts",
            f"{prefix}.hap.gz",
        )
    is_same = panel.sites.keys() == region.sites.keys()
    if not is_same or not np.array_equal(panel.sites.markers(), region.sites.markers()):
        raise DataError(
            f"expected the sites and markers of {region.legend_path}, found others; give the --data-list that the "
            "model was trained with",
            f"{prefix}.legend.gz",
        )
    if region.panel is not None and alleles_checksum(panel.alleles) != region.panel:
        raise DataError(
            "expected the haplotypes that the model was trained on, found others; give the --data-list of the training",
            f"{prefix}.hap.gz",
        )
    return panel


def _chosen_regions(bundle: Bundle, numbers: Sequence[int] | None, n_listed: int) -> list[BundleRegion]:
    """The regions to audit, in order of their number."""
    known = {region.index: region for region in bundle.regions}
    if max(known) > n_listed:
        raise DataError(
            f"expected training files of all {max(known)} regions in the data list, found {n_listed}; give the list "
            "that the model was trained with",
            bundle.prefix,
        )
    absent = [number for number in numbers or () if number not in known]
    if absent:
        raise SettingsError(f"--regions names region {absent[0]}, which the model does not have")
    return [known[number] for number in sorted(set(numbers or known))]


def _read_outsiders(
    path: str | None, bundle: Bundle, regions: Sequence[BundleRegion], names: tuple[str, ...] | None
) -> Outsiders | None:
    if path is None:
        return None
    positions = np.unique(np.concatenate([region.sites.positions for region in regions]))
    outsiders = read_outsiders(path, bundle.chromosome, positions)
    refuse_members(outsiders, names)
    return outsiders
