"""Evaluate: imputed genotypes against the truth, by minor allele frequency.

1. Read both files.
2. Find the sites and samples in common, and skip sites that the array typed.
3. Compare the genotypes, and score them in bins.
4. On request, compare the imputation's own estimates with the scores.

With a prefix the bins go to `PREFIX.bins.tsv`, the sites to `PREFIX.sites.tsv.gz`, the estimates to four more tables.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import BIN_EDGES
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.tables import aligned_text, number_text, write_table
from rnnimp.pipeline.evaluate.calibration import Calibration, calibrate, calibration_files, write_calibration
from rnnimp.pipeline.evaluate.sources import GenotypeSource, read_frequencies, read_imputed, read_truth, read_typed
from rnnimp.pipeline.outputs import check_outputs, require_output_name
from rnnimp.scoring.accuracy import (
    Alignment,
    BinScores,
    SiteStatistics,
    Truth,
    align,
    compare,
    minor_percent,
    score_bins,
)
from rnnimp.scoring.measures import concordance, imputation_quality, non_reference_discordance
from rnnimp.sites.matching import match_sites
from rnnimp.sites.panel import GenotypeTable, Sites
from rnnimp.wording import counted

_log = logging.getLogger(__name__)

BIN_COLUMNS = ("maf_percent", "sites", "varying", "mean_r2", "aggregate_r2", "concordance", "nrd", "mean_iqs")
SITE_COLUMNS = (
    *("chromosome", "position", "id", "a0", "a1", "a1_freq", "maf", "typed", "swapped"),
    *("genotypes", "r2", "concordance", "nrd", "iqs"),
)


@dataclass(frozen=True)
class EvaluateSettings:
    """Which sites to score, in which bins.

    Attributes:
        bin_edges: Minor allele frequencies in percent, rising; a bin holds its upper edge and not its lower one.
        all_sites: Score typed sites as well.
        chromosome: Chromosome to score, where a VCF has several.
        calibration: Compare the imputation's own estimates with the truth.
    """

    bin_edges: tuple[float, ...] = BIN_EDGES
    all_sites: bool = False
    chromosome: str | None = None
    calibration: bool = False

    def __post_init__(self) -> None:
        edges = self.bin_edges
        is_rising = len(edges) > 1 and all(lower < upper for lower, upper in pairwise(edges))
        if not (is_rising and edges[0] >= 0 and edges[-1] <= 50):
            found = ",".join(f"{edge:g}" for edge in edges)
            raise SettingsError(f"--bins needs two or more rising percentages from 0 to 50, found {found}")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scored sites of a comparison.

    Attributes:
        sites: The n_sites sites, with the truth's alleles. Their `a1_freq` decides the bin.
        statistics: Sums of these sites, from which scores follow.
        is_typed: True where the array typed the site, bool (n_sites,).
        is_swapped: True where the imputed file has the alleles the other way round, bool (n_sites,).
        bins: The scores of each bin, and at last of all sites.
        calibration: The imputation's own estimates against the truth; None if not asked for.
    """

    sites: Sites
    statistics: SiteStatistics
    is_typed: NDArray[np.bool_]
    is_swapped: NDArray[np.bool_]
    bins: tuple[BinScores, ...]
    calibration: Calibration | None = None


def evaluate(
    imputed_source: GenotypeSource,
    truth_source: GenotypeSource,
    settings: EvaluateSettings,
    frequencies: str | Path | None = None,
    typed: str | Path | None = None,
    output_prefix: str | Path | None = None,
) -> Evaluation:
    """Score imputed genotypes against the truth.

    Args:
        imputed_source: The imputed genotypes.
        truth_source: The true genotypes; of probabilities, the most likely genotype.
        settings: Which sites to score, in which bins.
        frequencies: The panel's legend, with `a1_freq` or with the panel's haplotypes beside it. By default, the
            frequencies are those of the truth's legend, or of its genotypes.
        typed: A legend, VCF or BCF of the sites that the array typed, such as the target's. Of a legend with marker
            flags, only the markers count.
        output_prefix: Where to write the tables; None writes none.

    Raises:
        DataError: for unreadable files, or no site or sample in common.
        SettingsError: for files of unknown endings.
    """
    if output_prefix is not None:
        require_output_name(output_prefix, "--output")
        sources = [*imputed_source.files(), *truth_source.files(), frequencies, typed]
        check_outputs(_table_files(output_prefix, settings.calibration), sources)
    panel_sites = None if frequencies is None else read_frequencies(frequencies)
    typed_sites = None if typed is None else read_typed(typed, settings.chromosome)
    imputed = read_imputed(imputed_source, settings.chromosome)
    truth = read_truth(truth_source, settings.chromosome)
    evaluation = evaluate_genotypes(imputed, truth, settings, panel_sites, typed_sites, imputed_source.path)
    if output_prefix is not None:
        _write_tables(evaluation, output_prefix)
    return evaluation


def evaluate_genotypes(
    imputed: GenotypeTable,
    truth: Truth,
    settings: EvaluateSettings,
    panel_sites: Sites | None = None,
    typed_sites: Sites | None = None,
    name: str | Path | None = None,
) -> Evaluation:
    """Score imputed genotypes that have been read; see `evaluate`.

    Args:
        imputed: The imputed genotypes.
        truth: The true genotypes.
        settings: Which sites to score, in which bins.
        panel_sites: Sites of the panel, with `a1_freq`.
        typed_sites: Sites that the array typed.
        name: Name of the imputed file, for messages.

    Raises:
        DataError: for no site or sample in common, or if all of these sites are typed.
    """
    shared = align(imputed, truth)
    alt_freq = _frequencies(panel_sites, truth)[shared.truth_rows]
    is_typed = _typed(imputed, truth, panel_sites, typed_sites, shared)
    is_scored = ~is_typed | settings.all_sites
    _report(imputed, truth, shared, is_typed, is_scored)
    n_without = np.count_nonzero(is_scored & np.isnan(alt_freq))
    if n_without:
        _log.info("scored sites without a frequency, which are in no bin: %d", n_without)
    if not is_scored.any():
        raise DataError("every site in common is typed, so nothing is left to score; add --all-sites", name)
    chosen, alt_freq = shared[is_scored], alt_freq[is_scored]
    statistics = compare(imputed, truth, chosen)
    bins = tuple(score_bins(statistics, alt_freq, settings.bin_edges))
    sites = replace(truth.sites[chosen.truth_rows], a1_freq=alt_freq)
    calibration = None
    if settings.calibration:
        calibration = calibrate(imputed, truth, chosen, statistics, alt_freq, settings.bin_edges)
    return Evaluation(sites, statistics, is_typed[is_scored], chosen.is_swapped, bins, calibration)


def _frequencies(panel_sites: Sites | None, truth: Truth) -> NDArray[np.float64]:
    """The frequency of a1 at each of the truth's sites; NaN where the panel does not have the site."""
    if panel_sites is None:
        return truth.frequencies() if truth.sites.a1_freq is None else truth.sites.a1_freq
    assert panel_sites.a1_freq is not None
    match = match_sites(panel_sites, truth.sites)
    found = panel_sites.a1_freq[match.target_index]
    return np.where(match.target_index < 0, np.nan, np.where(match.is_swapped, 1 - found, found))


def _typed(
    imputed: GenotypeTable, truth: Truth, panel_sites: Sites | None, typed_sites: Sites | None, shared: Alignment
) -> NDArray[np.bool_]:
    """Which shared sites were typed, by the first of these that says so: typed sites, imputation, truth, panel."""
    if typed_sites is not None:
        return match_sites(typed_sites, truth.sites).target_index[shared.truth_rows] >= 0
    if imputed.is_typed is not None:
        return imputed.is_typed[shared.imputed_rows]
    if truth.sites.is_marker is not None:
        return truth.sites.is_marker[shared.truth_rows]
    if panel_sites is not None and panel_sites.is_marker is not None:
        index = match_sites(panel_sites, truth.sites).target_index[shared.truth_rows]
        return (index >= 0) & panel_sites.is_marker[index]
    if imputed.sites.is_marker is not None:
        return imputed.sites.is_marker[shared.imputed_rows]
    _log.info("no file says which sites are typed, so all are scored; name the target's with --typed")
    return np.zeros(len(shared), dtype=np.bool_)


def _report(
    imputed: GenotypeTable,
    truth: Truth,
    shared: Alignment,
    is_typed: NDArray[np.bool_],
    is_scored: NDArray[np.bool_],
) -> None:
    n_samples = len(shared.truth_samples)
    _log.info(
        "%s in both files (%d with alleles swapped), %d imputed only, %d in the truth only; "
        "%d typed, %d scored; %s in both, %d imputed only, %d in the truth only",
        counted(len(shared), "site"),
        np.count_nonzero(shared.is_swapped),
        len(imputed.sites) - len(shared),
        len(truth.sites) - len(shared),
        np.count_nonzero(is_typed),
        np.count_nonzero(is_scored),
        counted(n_samples, "sample"),
        imputed.dosages.shape[1] - n_samples,
        truth.genotypes.shape[1] - n_samples,
    )


def bins_table(bins: Sequence[BinScores]) -> str:
    """The bins as aligned text; the last row is that of all sites."""
    return aligned_text([BIN_COLUMNS, *_bin_rows(bins, n_decimals=4)])


def _bin_rows(bins: Sequence[BinScores], n_decimals: int) -> Iterator[tuple[str, ...]]:
    for number, scores in enumerate(bins, start=1):
        label = "all" if number == len(bins) else f"{scores.lower:g}-{scores.upper:g}"
        values = (scores.mean_r2, scores.aggregate_r2, scores.concordance, scores.discordance, scores.mean_iqs)
        yield label, str(scores.n_sites), str(scores.n_varying), *(number_text(value, n_decimals) for value in values)


def _table_files(prefix: str | Path, with_calibration: bool) -> list[str]:
    """All files that `_write_tables` writes."""
    tables = calibration_files(prefix) if with_calibration else []
    return [f"{prefix}.bins.tsv", f"{prefix}.sites.tsv.gz", *tables]


def _write_tables(evaluation: Evaluation, prefix: str | Path) -> None:
    with AtomicGroup() as group:
        write_table(group.open(f"{prefix}.bins.tsv"), BIN_COLUMNS, _bin_rows(evaluation.bins, n_decimals=6))
        write_table(group.open(f"{prefix}.sites.tsv.gz"), SITE_COLUMNS, _site_rows(evaluation))
        if evaluation.calibration is not None:
            write_calibration(evaluation.calibration, prefix, group)


def _site_rows(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    sites, statistics = evaluation.sites, evaluation.statistics
    assert sites.a1_freq is not None
    numbers = (sites.a1_freq, minor_percent(sites.a1_freq) / 100)
    scores = (
        statistics.r2(),
        concordance(statistics.guesses),
        non_reference_discordance(statistics.guesses),
        imputation_quality(statistics.weights),
    )
    for row in range(len(sites)):
        yield (
            sites.chromosome or "NA",
            *(str(column[row]) for column in (sites.positions, sites.ids, sites.a0, sites.a1)),
            *(number_text(column[row]) for column in numbers),
            *("1" if column[row] else "0" for column in (evaluation.is_typed, evaluation.is_swapped)),
            str(statistics.n_pairs[row]),
            *(number_text(column[row]) for column in scores),
        )
