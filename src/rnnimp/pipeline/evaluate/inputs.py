"""Part of `evaluate`: the settings, and the files or arrays that are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rnnimp.choices import BIN_EDGES
from rnnimp.errors import SettingsError
from rnnimp.pipeline.evaluate.joined import Cursor
from rnnimp.pipeline.evaluate.sources import (
    GenotypeSource,
    TruthStream,
    open_frequencies,
    open_imputed,
    open_truth,
    open_typed,
)
from rnnimp.scoring.alignment import Samples, Truth
from rnnimp.sites.panel import GenotypeStream, GenotypeTable, Sites

IN_MEMORY = "genotypes in memory"
"""Stands for a file's name in messages."""

LEAST_REPLICATES = 20


@dataclass(frozen=True)
class EvaluateSettings:
    """Which sites to score, in which bins.

    Attributes:
        bin_edges: Minor allele frequencies in percent, rising; a bin holds its upper edge and not its lower one.
        all_sites: Score typed sites as well.
        chromosome: Chromosome to score, where a VCF has several.
        calibration: Compare the imputation's own estimates with the truth.
        n_replicates: Replicates of the bootstrap over samples that gives intervals; 0 for none.
    """

    bin_edges: tuple[float, ...] = BIN_EDGES
    all_sites: bool = False
    chromosome: str | None = None
    calibration: bool = False
    n_replicates: int = 0

    def __post_init__(self) -> None:
        edges = self.bin_edges
        is_rising = len(edges) > 1 and all(lower < upper for lower, upper in pairwise(edges))
        if not (is_rising and edges[0] >= 0 and edges[-1] <= 50):
            found = ",".join(f"{edge:g}" for edge in edges)
            raise SettingsError(f"--bins needs two or more rising percentages from 0 to 50, found {found}")
        if self.n_replicates and self.n_replicates < LEAST_REPLICATES:
            raise SettingsError(
                f"--bootstrap needs {LEAST_REPLICATES} replicates or more, or 0 for none, found {self.n_replicates}"
            )


@dataclass(frozen=True, eq=False)
class EvaluateInputs:
    """What an evaluation reads.

    Attributes:
        imputed: Imputed genotypes by name.
        truth: The true genotypes; of probabilities, the most likely genotype.
        frequencies: The panel's sites with frequencies: a VCF, a table of sites, or a legend with the panel's
            haplotypes beside it. None takes the frequencies of the truth's legend, or of its genotypes.
        frequency_column: Column of that table, or field of INFO.
        typed: A legend, VCF or BCF of the sites that the array typed, such as the target's. Of a legend with marker
            flags, only the markers count.
        groups: A file of groups of samples.
        regions: A BED file of regions.
    """

    imputed: Mapping[str, GenotypeSource | GenotypeTable]
    truth: GenotypeSource | Truth
    frequencies: str | Path | None = None
    frequency_column: str | None = None
    typed: str | Path | None = None
    groups: str | Path | None = None
    regions: str | Path | None = None

    def __post_init__(self) -> None:
        if self.frequency_column is not None and self.frequencies is None:
            raise SettingsError("--frequency-column needs --frequencies, the file that has the column")

    def files(self) -> list[str | Path | None]:
        """All files that are read."""
        sources = [source for source in (*self.imputed.values(), self.truth) if isinstance(source, GenotypeSource)]
        paths = [path for source in sources for path in source.files()]
        return [*paths, self.frequencies, self.typed, self.groups, self.regions]


@dataclass(frozen=True, eq=False)
class Opened:
    """What is read side by side.

    Attributes:
        imputed: The imputations by name.
        imputed_samples: Their samples.
        truth: The truth.
        true_samples: Its samples.
        panel: Sites with frequencies; None if there is no such file.
        typed: Sites that the array typed; None if there is no such file.
    """

    imputed: Mapping[str, Cursor[GenotypeTable]]
    imputed_samples: Mapping[str, Samples]
    truth: Cursor[Truth]
    true_samples: Samples
    panel: Cursor[Sites] | None
    typed: Cursor[Sites] | None


def open_inputs(inputs: EvaluateInputs, chromosome: str | None) -> Opened:
    """Open all inputs, and read their first sites.

    Raises:
        DataError: for unreadable files.
        SettingsError: for files of unknown endings.
    """
    panel = typed = None
    if inputs.frequencies is not None:
        frequencies = open_frequencies(inputs.frequencies, chromosome, inputs.frequency_column)
        panel = _sites_cursor(inputs.frequencies, frequencies)
    if inputs.typed is not None:
        typed = _sites_cursor(inputs.typed, open_typed(inputs.typed, chromosome))
    tables = {name: _imputed_stream(source, chromosome) for name, source in inputs.imputed.items()}
    cursors = {
        name: Cursor(_path(inputs.imputed[name]), stream.blocks, lambda table: table.sites)
        for name, stream in tables.items()
    }
    truth = _truth_stream(inputs.truth, chromosome)
    return Opened(
        cursors,
        {name: Samples(stream.sample_names, stream.n_samples) for name, stream in tables.items()},
        Cursor(_path(inputs.truth), truth.blocks, lambda block: block.sites),
        Samples(truth.sample_names, truth.n_samples),
        panel,
        typed,
    )


def _sites_cursor(path: str | Path, blocks: Iterator[Sites]) -> Cursor[Sites]:
    return Cursor(path, blocks, lambda sites: sites)


def _imputed_stream(source: GenotypeSource | GenotypeTable, chromosome: str | None) -> GenotypeStream:
    if isinstance(source, GenotypeSource):
        return open_imputed(source, chromosome)
    return GenotypeStream(source.sample_names, source.dosages.shape[1], iter([source]))


def _truth_stream(source: GenotypeSource | Truth, chromosome: str | None) -> TruthStream:
    if isinstance(source, GenotypeSource):
        return open_truth(source, chromosome)
    return TruthStream(source.sample_names, source.genotypes.shape[1], iter([source]))


def _path(source: GenotypeSource | GenotypeTable | Truth) -> str | Path:
    return source.path if isinstance(source, GenotypeSource) else IN_MEMORY
