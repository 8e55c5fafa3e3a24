"""Part of `evaluate`: the tables and the JSON file that it writes.

- `PREFIX.bins.tsv`: one row per bin of minor allele frequency, and one for all sites.
- `PREFIX.sites.tsv.gz`: one row per scored site.
- `PREFIX.samples.tsv.gz`: one row per sample.
- `PREFIX.groups.tsv`: one row per group and bin, with intervals. Groups are all sites, types of variants, regions, and
  groups of samples.
- `PREFIX.differences.tsv`: of several imputations, their differences to the first one.
- `PREFIX.evaluation.json`: all of it but sites and samples, with the settings.
- The tables of `calibration.py`.

With several imputations, each table has their names in its first column.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from rnnimp import __version__
from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.tables import aligned_text, number_text, write_table
from rnnimp.pipeline.evaluate.blocks import ScoredBlock
from rnnimp.pipeline.evaluate.calibration import calibration_content, calibration_files, write_calibrations
from rnnimp.pipeline.evaluate.inputs import EvaluateInputs, EvaluateSettings
from rnnimp.pipeline.evaluate.results import (
    FORMAT,
    FORMAT_VERSION,
    MEASURES,
    Difference,
    Evaluation,
    GroupScores,
    Results,
)
from rnnimp.pipeline.evaluate.sources import GenotypeSource
from rnnimp.scoring.accuracy import minor_percent
from rnnimp.scoring.bins import BinScores
from rnnimp.scoring.bootstrap import LEVEL, SEED
from rnnimp.scoring.cells import bin_label
from rnnimp.scoring.measures import concordance, imputation_quality, non_reference_discordance

NAME_COLUMN = "imputed"
BIN_COLUMNS = ("maf_percent", "sites", "varying", "mean_r2", "aggregate_r2", "concordance", "nrd", "mean_iqs")
SITE_COLUMNS = (
    *("chromosome", "position", "id", "a0", "a1", "a1_freq", "maf", "typed", "swapped"),
    *("genotypes", "r2", "concordance", "nrd", "iqs"),
)
SAMPLE_COLUMNS = ("sample", "group", "genotypes", "r2", "concordance", "nrd")
_LABELS = {"mean_r2": "mean_r2", "aggregate_r2": "aggregate_r2", "concordance": "concordance", "discordance": "nrd"}
"""The measures in tables and in JSON."""

GROUP_COLUMNS = (
    *("by", "group", "maf_percent", "samples", "sites", "varying"),
    *(f"{_LABELS[measure]}{end}" for measure in MEASURES for end in ("", "_low", "_high")),
    "mean_iqs",
)
DIFFERENCE_COLUMNS = ("imputed", "minus", "by", "group", "maf_percent", "measure", "difference", "low", "high")
INTERVAL_COLUMNS = (*BIN_COLUMNS[:4], "low", "high", BIN_COLUMNS[4], "low", "high", *BIN_COLUMNS[5:])
SHOWN_DIFFERENCES = ("imputed", "minus", "maf_percent", "measure", "difference", "low", "high")
_DECIMALS = 6
_UNKNOWN = (float("nan"), float("nan"))


def bins_table(bins: Sequence[BinScores]) -> str:
    """The bins as aligned text; the last row is that of all sites."""
    return aligned_text([BIN_COLUMNS, *_bin_rows(bins, n_decimals=4)])


def results_table(results: Results, with_intervals: bool = False) -> str:
    """The bins of all imputations as aligned text, and below it what several of them differ by.

    Args:
        results: Results of an evaluation.
        with_intervals: Whether to show the intervals of the scores.
    """
    rows = dict(_interval_rows(results)) if with_intervals else _bins_of_all(results)
    columns = INTERVAL_COLUMNS if with_intervals else BIN_COLUMNS
    if len(rows) == 1:
        return aligned_text([columns, *next(iter(rows.values()))])
    text = aligned_text([(NAME_COLUMN, *columns), *((name, *row) for name, each in rows.items() for row in each)])
    shown = [each for each in results.differences if (each.by, each.measure) == ("all", "mean_r2")]
    if shown:
        wanted = [DIFFERENCE_COLUMNS.index(name) for name in SHOWN_DIFFERENCES]
        cells = [DIFFERENCE_COLUMNS, *(_difference_row(difference, n_decimals=4) for difference in shown)]
        text += "\n" + aligned_text([[row[column] for column in wanted] for row in cells])
    return text


def _bins_of_all(results: Results) -> dict[str, list[tuple[str, ...]]]:
    return {name: list(_bin_rows(each.bins, n_decimals=4)) for name, each in results.evaluations.items()}


def _interval_rows(results: Results) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """The bins of each imputation, with the intervals of the two r2."""
    for name, evaluation in results.evaluations.items():
        groups = [group for group in evaluation.groups if group.by == "all"]
        rows = []
        for group, row in zip(groups, _bin_rows(evaluation.bins, n_decimals=4), strict=True):
            ends = ([number_text(end, 4) for end in group.intervals.get(name, _UNKNOWN)] for name in MEASURES[:2])
            (mean_low, mean_high), (low, high) = ends
            rows.append((*row[:4], mean_low, mean_high, row[4], low, high, *row[5:]))
        yield name, rows


def _bin_rows(bins: Sequence[BinScores], n_decimals: int) -> Iterator[tuple[str, ...]]:
    for number, scores in enumerate(bins, start=1):
        label = "all" if number == len(bins) else bin_label((scores.lower, scores.upper))
        values = (scores.mean_r2, scores.aggregate_r2, scores.concordance, scores.discordance, scores.mean_iqs)
        yield label, str(scores.n_sites), str(scores.n_varying), *(number_text(value, n_decimals) for value in values)


def table_files(prefix: str | Path, with_calibration: bool, has_several: bool) -> list[str]:
    """All files that `TablesWriter` writes."""
    endings = ["bins.tsv", "sites.tsv.gz", "samples.tsv.gz", "groups.tsv", "evaluation.json"]
    endings += ["differences.tsv"] if has_several else []
    return [f"{prefix}.{ending}" for ending in endings] + (calibration_files(prefix) if with_calibration else [])


class TablesWriter(AtomicGroup):
    """Writes the tables: the sites block by block, the others at the end. They take their names together.

    Args:
        prefix: Path without the endings.
        inputs: What is compared.
        settings: How it is compared.
    """

    def __init__(self, prefix: str | Path, inputs: EvaluateInputs, settings: EvaluateSettings) -> None:
        super().__init__()
        self._prefix, self._inputs, self._settings = prefix, inputs, settings
        self._names = list(inputs.imputed)
        self._has_several = len(self._names) > 1

    def _begin(self) -> None:
        self._bins = self.open(f"{self._prefix}.bins.tsv")  # the first is the one that an unwritable place names
        self._sites = self.open(f"{self._prefix}.sites.tsv.gz")
        write_table(self._sites, self._columns(SITE_COLUMNS), ())

    def _columns(self, columns: Sequence[str]) -> tuple[str, ...]:
        return (NAME_COLUMN, *columns) if self._has_several else tuple(columns)

    def add(self, block: ScoredBlock) -> None:
        """Append scored sites, of each imputation in turn at each site."""
        rows = [_site_rows(block, name) for name in self._names]
        for cells in zip(*rows, strict=True):
            for name, row in zip(self._names, cells, strict=True):
                self._sites.write(("\t".join((name, *row) if self._has_several else row) + "\n").encode())

    def write_results(self, results: Results) -> None:
        """Write all other tables."""
        self._write(
            self._bins,
            BIN_COLUMNS,
            {name: _bin_rows(each.bins, _DECIMALS) for name, each in results.evaluations.items()},
        )
        samples = self.open(f"{self._prefix}.samples.tsv.gz")
        self._write(samples, SAMPLE_COLUMNS, {name: _sample_rows(each) for name, each in results.evaluations.items()})
        groups = self.open(f"{self._prefix}.groups.tsv")
        self._write(
            groups, GROUP_COLUMNS, {name: map(_group_row, each.groups) for name, each in results.evaluations.items()}
        )
        if self._has_several:
            rows = (_difference_row(difference, _DECIMALS) for difference in results.differences)
            write_table(self.open(f"{self._prefix}.differences.tsv"), DIFFERENCE_COLUMNS, rows)
        calibrations = {
            name: each.calibration for name, each in results.evaluations.items() if each.calibration is not None
        }
        if self._settings.calibration:
            write_calibrations(calibrations, self._prefix, self)
        content = evaluation_content(results, self._inputs, self._settings)
        text = json.dumps(content, indent=1, allow_nan=False)
        self.open(f"{self._prefix}.evaluation.json").write(f"{text}\n".encode())

    def _write(self, file: IO[bytes], columns: Sequence[str], rows: Mapping[str, Iterable[Sequence[str]]]) -> None:
        named = ((name, *row) if self._has_several else row for name, each in rows.items() for row in each)
        write_table(file, self._columns(columns), named)


def _site_rows(block: ScoredBlock, name: str) -> Iterator[tuple[str, ...]]:
    sites, statistics = block.sites, block.statistics[name]
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
            *("1" if column[row] else "0" for column in (block.is_typed, block.is_swapped[name])),
            str(statistics.n_pairs[row]),
            *(number_text(column[row]) for column in scores),
        )


def _sample_rows(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    samples = evaluation.samples
    groups = samples.groups or ("",) * len(samples.names)
    scores = (samples.r2, samples.concordance, samples.discordance)
    for row, (name, group) in enumerate(zip(samples.names, groups, strict=True)):
        yield name, group or "NA", str(samples.n_pairs[row]), *(number_text(column[row]) for column in scores)


def _group_row(group: GroupScores) -> tuple[str, ...]:
    scores = group.scores
    numbers = []
    for measure in MEASURES:
        numbers += [getattr(scores, measure), *group.intervals.get(measure, _UNKNOWN)]
    counts = map(str, (group.n_samples, scores.n_sites, scores.n_varying))
    return group.by, group.group, group.maf_percent, *counts, *map(number_text, (*numbers, scores.mean_iqs))


def _difference_row(difference: Difference, n_decimals: int) -> tuple[str, ...]:
    numbers = (number_text(value, n_decimals) for value in (difference.value, *difference.interval))
    names = (difference.imputed, difference.reference, difference.by, difference.group, difference.maf_percent)
    return *names, _LABELS[difference.measure], *numbers


def evaluation_content(results: Results, inputs: EvaluateInputs, settings: EvaluateSettings) -> dict[str, Any]:
    """The content of the JSON file; see `docs/formats.md`. Numbers that the data cannot give are None."""
    counts = results.counts
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "rnnimp_version": __version__,
        "chromosome": results.chromosome,
        "truth": {"file": _file(inputs.truth), "sites": counts.n_true_sites, "samples": counts.n_true_samples},
        "imputed": [
            {
                "name": name,
                "file": _file(inputs.imputed[name]),
                "sites": source.n_sites,
                "sites_in_truth": source.n_in_truth,
                "sites_swapped": source.n_swapped,
                "samples": source.n_samples,
            }
            for name, source in counts.imputed.items()
        ],
        "frequencies": {"file": _text(inputs.frequencies), "column": inputs.frequency_column},
        "typed": _text(inputs.typed),
        "groups": _text(inputs.groups),
        "regions": _text(inputs.regions),
        "settings": {"bin_edges_percent": list(settings.bin_edges), "all_sites": settings.all_sites},
        "counts": {
            "sites_in_all_files": counts.n_shared,
            "sites_typed": counts.n_typed,
            "sites_scored": counts.n_scored,
            "sites_without_frequency": counts.n_without_frequency,
            "samples_in_all_files": counts.n_samples,
        },
        "intervals": _intervals(settings, counts.n_units),
        "scores": [_scores_content(group) for group in results.groups()],
        "differences": [_difference_content(difference) for difference in results.differences],
        "calibration": {
            name: calibration_content(each.calibration)
            for name, each in results.evaluations.items()
            if each.calibration is not None
        },
    }


def _intervals(settings: EvaluateSettings, n_units: int) -> dict[str, Any] | None:
    if not settings.n_replicates:
        return None
    return {
        "method": "bootstrap over samples",
        "level": LEVEL,
        "replicates": settings.n_replicates,
        "units": n_units,
        "seed": SEED,
    }


def _scores_content(group: GroupScores) -> dict[str, Any]:
    scores = group.scores
    is_all = group.maf_percent == "all"
    content: dict[str, Any] = {
        "imputed": group.imputed,
        "by": group.by,
        "group": group.group,
        "maf_percent": None if is_all else [scores.lower, scores.upper],
        "samples": group.n_samples,
        "sites": scores.n_sites,
        "varying": scores.n_varying,
    }
    for measure in MEASURES:
        content[_LABELS[measure]] = _estimate(getattr(scores, measure), group.intervals.get(measure))
    return {**content, "mean_iqs": _estimate(scores.mean_iqs, None)}


def _difference_content(difference: Difference) -> dict[str, Any]:
    return {
        "imputed": difference.imputed,
        "minus": difference.reference,
        "by": difference.by,
        "group": difference.group,
        "maf_percent": None
        if difference.maf_percent == "all"
        else [float(edge) for edge in difference.maf_percent.split("-")],
        "measure": _LABELS[difference.measure],
        **_estimate(difference.value, difference.interval),
    }


def _estimate(value: float, interval: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = (None, None) if interval is None else map(_number, interval)
    return {"value": _number(value), "low": low, "high": high}


def _number(value: float) -> float | None:
    return None if value != value else round(value, _DECIMALS + 2)


def _file(source: Any) -> str | None:
    return str(source.path) if isinstance(source, GenotypeSource) else None


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)
