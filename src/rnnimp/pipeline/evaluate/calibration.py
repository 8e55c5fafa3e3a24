"""Part of `evaluate`: the imputation's own estimates against the truth, as tables.

Estimated r2 of each score by the estimate and by allele frequency, filters on it, and the genotype probabilities'
reliability. On request they go to `PREFIX.estimates.tsv`, `PREFIX.filters.tsv`, `PREFIX.genotypes.tsv` and
`PREFIX.reliability.tsv`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, pairwise
from operator import add
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.tables import aligned_text, number_text, write_table
from rnnimp.scoring.accuracy import Pairs, SiteStatistics, paired_blocks
from rnnimp.scoring.alignment import Alignment, Truth
from rnnimp.scoring.calibration import (
    PROBABILITY_EDGES,
    Agreement,
    Reliability,
    ScoreCalibration,
    added,
    calibrate_score,
    maf_groups,
    slope_of,
)
from rnnimp.scoring.cells import Edges, bin_label
from rnnimp.sites.panel import GenotypeTable

_Group = TypeVar("_Group")

ESTIMATE_COLUMNS = ("score", "by", "bin", "sites", "mean_estimate", "mean_r2", "rms_error", "correlation")
FILTER_COLUMNS = ("score", "threshold", "maf_percent", "sites", "kept", "good", "precision", "recall", "mean_r2_kept")
RELIABILITY_COLUMNS = ("maf_percent", "probability", "count", "mean_probability", "observed")
GENOTYPE_COLUMNS = ("maf_percent", "genotypes", "calibration_error", "brier_score", "dosage_slope")


@dataclass(frozen=True)
class GenotypeCalibration:
    """How true the probabilities and dosages of some sites are; see `Reliability` and `dosage_slope`.

    Attributes:
        reliability: Of the probabilities.
        dosage_spread: Sum over the sites of `SiteStatistics.dosage_spread`.
        joint_spread: Sum over the sites of `SiteStatistics.joint_spread`.
    """

    reliability: Reliability
    dosage_spread: float
    joint_spread: float

    def __add__(self, other: GenotypeCalibration) -> GenotypeCalibration:
        return GenotypeCalibration(
            self.reliability + other.reliability,
            self.dosage_spread + other.dosage_spread,
            self.joint_spread + other.joint_spread,
        )

    @property
    def slope(self) -> float:
        """See `slope_of`."""
        return slope_of(self.dosage_spread, self.joint_spread)


@dataclass(frozen=True)
class Calibration:
    """The estimates of an imputation against the truth. Those of consecutive stretches of sites can be added.

    Attributes:
        scores: Each score of the sites' quality that the imputation gives, by name.
        genotypes: A bin of minor allele frequency in percent and its genotypes; at last all.
    """

    scores: dict[str, ScoreCalibration]
    genotypes: tuple[tuple[Edges, GenotypeCalibration], ...]

    def __add__(self, other: Calibration) -> Calibration:
        scores = {name: score + other.scores[name] for name, score in self.scores.items()}
        return Calibration(scores, added(self.genotypes, other.genotypes))


def calibrate(
    imputed: GenotypeTable,
    truth: Truth,
    shared: Alignment,
    statistics: SiteStatistics,
    frequencies: NDArray[np.float64],
    maf_edges: Sequence[float],
) -> Calibration:
    """Compare estimates with the truth at the sites of an alignment.

    Args:
        imputed: The imputation, which gives the estimates.
        truth: The truth.
        shared: The n_sites to compare.
        statistics: Statistics of these sites.
        frequencies: Frequency of a1, float64 (n_sites,).
        maf_edges: Edges of the bins in percent, rising.
    """
    scores = {name: score[shared.imputed_rows] for name, score in imputed.scores.items()}
    parts = (
        calibrate_pairs(
            pairs, statistics[at], {name: score[at] for name, score in scores.items()}, frequencies[at], maf_edges
        )
        for at, pairs in paired_blocks(imputed, truth, shared)
    )
    return reduce(add, parts)


def calibrate_pairs(
    pairs: Pairs,
    statistics: SiteStatistics,
    scores: Mapping[str, NDArray[np.float64]],
    frequencies: NDArray[np.float64],
    maf_edges: Sequence[float],
) -> Calibration:
    """Compare estimates with the truth at some sites.

    Args:
        pairs: Genotypes of n_sites sites.
        statistics: Statistics of these sites.
        scores: The imputation's estimates of their r2 by name, float64 (n_sites,).
        frequencies: Frequency of a1, float64 (n_sites,).
        maf_edges: Edges of the bins in percent, rising.
    """
    genotypes = []
    for edges, rows in maf_groups(frequencies, maf_edges):
        reliability = Reliability.of(pairs.genotypes[rows], pairs.probabilities[rows])
        spreads = (float(spread[rows].sum()) for spread in (statistics.dosage_spread, statistics.joint_spread))
        genotypes.append((edges, GenotypeCalibration(reliability, *spreads)))
    r2 = statistics.r2()
    found = {name: calibrate_score(score, r2, frequencies, maf_edges) for name, score in scores.items()}
    return Calibration(found, tuple(genotypes))


def calibration_tables(calibration: Calibration) -> str:
    """All tables as aligned text, an empty line between; reliability by probability of all sites only."""
    tables = []
    if calibration.scores:
        tables.append([ESTIMATE_COLUMNS, *_estimate_rows(calibration, 4)])
        tables.append([FILTER_COLUMNS, *_filter_rows(calibration, 4)])
    tables.append([GENOTYPE_COLUMNS, *_genotype_rows(calibration, 4)])
    tables.append([RELIABILITY_COLUMNS, *(row for row in _reliability_rows(calibration, 4) if row[0] == "all")])
    return "\n".join(aligned_text(table) for table in tables)


def calibration_files(prefix: str | Path) -> list[str]:
    """All files that `write_calibration` writes."""
    return [f"{prefix}.{name}.tsv" for name in ("estimates", "filters", "genotypes", "reliability")]


def write_calibration(calibration: Calibration, prefix: str | Path, group: AtomicGroup) -> None:
    """Write the tables as TSV into a group of files; reliability in every bin of allele frequency."""
    write_calibrations({"": calibration}, prefix, group)


def write_calibrations(calibrations: Mapping[str, Calibration], prefix: str | Path, group: AtomicGroup) -> None:
    """Write the tables of all imputations; of several, with their names in the first column."""
    is_named = len(calibrations) > 1
    for path, (columns, rows_of) in zip(calibration_files(prefix), _tables().items(), strict=True):
        rows = (
            (name, *row) if is_named else row
            for name, calibration in calibrations.items()
            for row in rows_of(calibration, 6)
        )
        write_table(group.open(path), ("imputed", *columns) if is_named else columns, rows)


def calibration_content(calibration: Calibration) -> dict[str, list[dict[str, str | float | None]]]:
    """The tables by name, with their rows as plain values by column; None for what the data cannot give."""
    found = {}
    for path, (columns, rows_of) in zip(calibration_files(""), _tables().items(), strict=True):
        rows = (dict(zip(columns, row, strict=True)) for row in rows_of(calibration, 8))
        found[path.split(".")[1]] = [
            {name: cell if name in _LABEL_COLUMNS else _plain(cell) for name, cell in row.items()} for row in rows
        ]
    return found


_LABEL_COLUMNS = ("score", "by", "bin", "maf_percent", "probability")


def _plain(cell: str) -> float | None:
    return None if cell == "NA" else float(cell)


def _tables() -> dict[tuple[str, ...], Callable[[Calibration, int], Iterator[tuple[str, ...]]]]:
    """How the rows of each table are made, by its columns, in the order of `calibration_files`."""
    return {
        ESTIMATE_COLUMNS: _estimate_rows,
        FILTER_COLUMNS: _filter_rows,
        GENOTYPE_COLUMNS: _genotype_rows,
        RELIABILITY_COLUMNS: _reliability_rows,
    }


def _estimate_rows(calibration: Calibration, n_decimals: int) -> Iterator[tuple[str, ...]]:
    for name, score in calibration.scores.items():
        for edges, agreement in score.by_estimate:
            yield name, "estimate", bin_label(edges), *_agreement_cells(agreement, n_decimals)
        for label, agreement in _labelled(score.by_maf):
            yield name, "maf_percent", label, *_agreement_cells(agreement, n_decimals)


def _agreement_cells(agreement: Agreement, n_decimals: int) -> tuple[str, ...]:
    values = (agreement.mean_estimate, agreement.mean_r2, agreement.error, agreement.correlation)
    return str(agreement.n_sites), *(number_text(value, n_decimals) for value in values)


def _filter_rows(calibration: Calibration, n_decimals: int) -> Iterator[tuple[str, ...]]:
    for name, score in calibration.scores.items():
        for label, quality in chain.from_iterable(map(_labelled, score.filters)):
            counts = map(str, (quality.n_sites, quality.n_kept, quality.n_good))
            values = (quality.precision, quality.recall, quality.mean_r2_kept)
            yield name, f"{quality.threshold:g}", label, *counts, *(number_text(value, n_decimals) for value in values)


def _genotype_rows(calibration: Calibration, n_decimals: int) -> Iterator[tuple[str, ...]]:
    for label, group in _labelled(calibration.genotypes):
        reliability = group.reliability
        values = (reliability.calibration_error, reliability.brier_score, group.slope)
        yield label, str(reliability.n_genotypes), *(number_text(value, n_decimals) for value in values)


def _reliability_rows(calibration: Calibration, n_decimals: int) -> Iterator[tuple[str, ...]]:
    for label, group in _labelled(calibration.genotypes):
        columns = (group.reliability.n, group.reliability.stated, group.reliability.observed)
        for edges, n, stated, observed in zip(pairwise(PROBABILITY_EDGES), *columns, strict=True):
            means = (total / n if n else float("nan") for total in (stated, observed))
            yield label, bin_label(edges), str(n), *(number_text(mean, n_decimals) for mean in means)


def _labelled(groups: Sequence[tuple[Edges, _Group]]) -> Iterator[tuple[str, _Group]]:
    for number, (edges, group) in enumerate(groups, start=1):
        yield "all" if number == len(groups) else bin_label(edges), group
