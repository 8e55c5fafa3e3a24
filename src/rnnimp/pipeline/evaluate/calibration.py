"""Part of `evaluate`: the imputation's own estimates against the truth, as tables.

Estimated r2 of each score by the estimate and by allele frequency, filters on it, and the genotype probabilities'
reliability. On request they go to `PREFIX.estimates.tsv`, `PREFIX.filters.tsv`, `PREFIX.genotypes.tsv` and
`PREFIX.reliability.tsv`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from rnnimp.scoring.accuracy import Alignment, SiteStatistics, Truth, paired_blocks
from rnnimp.scoring.calibration import (
    PROBABILITY_EDGES,
    Agreement,
    Edges,
    Reliability,
    ScoreCalibration,
    calibrate_score,
    dosage_slope,
    maf_groups,
)
from rnnimp.sites.panel import GenotypeTable

_Group = TypeVar("_Group")

ESTIMATE_COLUMNS = ("score", "by", "bin", "sites", "mean_estimate", "mean_r2", "rms_error", "correlation")
FILTER_COLUMNS = ("score", "threshold", "maf_percent", "sites", "kept", "good", "precision", "recall", "mean_r2_kept")
RELIABILITY_COLUMNS = ("maf_percent", "probability", "count", "mean_probability", "observed")
GENOTYPE_COLUMNS = ("maf_percent", "genotypes", "calibration_error", "brier_score", "dosage_slope")


@dataclass(frozen=True)
class GenotypeCalibration:
    """How true the probabilities and dosages of some sites are; see `Reliability` and `dosage_slope`."""

    reliability: Reliability
    slope: float


@dataclass(frozen=True)
class Calibration:
    """The estimates of an imputation against the truth.

    Attributes:
        scores: Each score of the sites' quality that the imputation gives, by name.
        genotypes: A bin of minor allele frequency in percent and its genotypes; at last all.
    """

    scores: dict[str, ScoreCalibration]
    genotypes: tuple[tuple[Edges, GenotypeCalibration], ...]


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
    r2 = statistics.r2()
    genotypes = []
    for edges, rows in maf_groups(frequencies, maf_edges):
        parts = [Reliability.of(true, given) for true, _, given in paired_blocks(imputed, truth, shared[rows])]
        genotypes.append((edges, GenotypeCalibration(reduce(add, parts), dosage_slope(statistics[rows]))))
    scores = {
        name: calibrate_score(score[shared.imputed_rows], r2, frequencies, maf_edges)
        for name, score in imputed.scores.items()
    }
    return Calibration(scores, tuple(genotypes))


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
    estimates, filters, genotypes, reliability = map(group.open, calibration_files(prefix))
    write_table(estimates, ESTIMATE_COLUMNS, _estimate_rows(calibration, 6))
    write_table(filters, FILTER_COLUMNS, _filter_rows(calibration, 6))
    write_table(genotypes, GENOTYPE_COLUMNS, _genotype_rows(calibration, 6))
    write_table(reliability, RELIABILITY_COLUMNS, _reliability_rows(calibration, 6))


def _estimate_rows(calibration: Calibration, n_decimals: int) -> Iterator[tuple[str, ...]]:
    for name, score in calibration.scores.items():
        for edges, agreement in score.by_estimate:
            yield name, "estimate", _label(edges), *_agreement_cells(agreement, n_decimals)
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
            yield label, _label(edges), str(n), *(number_text(mean, n_decimals) for mean in means)


def _labelled(groups: Sequence[tuple[Edges, _Group]]) -> Iterator[tuple[str, _Group]]:
    for number, (edges, group) in enumerate(groups, start=1):
        yield "all" if number == len(groups) else _label(edges), group


def _label(edges: Edges) -> str:
    return f"{edges[0]:g}-{edges[1]:g}"
