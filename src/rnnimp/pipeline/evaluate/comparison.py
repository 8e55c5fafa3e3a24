"""Part of `evaluate`: compares what has been opened, stretch by stretch."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bed import read_bed
from rnnimp.formats.sample_groups import read_groups
from rnnimp.pipeline.evaluate.blocks import BlockSink, KeptSites, ScoredBlock
from rnnimp.pipeline.evaluate.inputs import EvaluateInputs, EvaluateSettings, open_inputs
from rnnimp.pipeline.evaluate.joined import Cursor, Stretch, stretches
from rnnimp.pipeline.evaluate.results import Counts, Evaluation, Results, SourceCounts
from rnnimp.pipeline.evaluate.scorer import Scorer, memberships, sample_sets
from rnnimp.pipeline.evaluate.sources import GenotypeSource
from rnnimp.scoring.accuracy import Pairs, SiteStatistics, paired_blocks
from rnnimp.scoring.alignment import Alignment, match_samples, nothing_in_common, own_names
from rnnimp.scoring.cells import ByRegion, ByType, Division, Undivided
from rnnimp.sites.interval import require_one_chromosome
from rnnimp.sites.matching import SiteMatch, match_sites
from rnnimp.sites.panel import Sites, default_sample_names
from rnnimp.wording import counted

_log = logging.getLogger(__name__)


class Comparison:
    """One evaluation.

    Args:
        inputs: What to compare.
        settings: Which sites to score, in which bins.
    """

    def __init__(self, inputs: EvaluateInputs, settings: EvaluateSettings) -> None:
        self._inputs, self._settings = inputs, settings
        self._opened = open_inputs(inputs, settings.chromosome)
        self._names = list(self._opened.imputed)
        self._require_one_chromosome(with_ids=False)
        samples = list(self._opened.imputed_samples.values())
        self._imputed_columns, self._true_columns = match_samples(samples, self._opened.true_samples)
        self._sample_names = self._shared_names()
        self._groups = self._groups_of_samples()
        divisions: list[Division] = [Undivided(), ByType()]
        if inputs.regions is not None:
            divisions.append(self._regions(inputs.regions))
        edges = settings.bin_edges
        n_samples = len(self._true_columns)
        self._sets = sample_sets(self._groups, n_samples, divisions, edges, settings.n_replicates)
        self._scorers = [Scorer(name, self._sets, edges, settings.calibration) for name in self._names]
        self._n_shared = self._n_typed = self._n_scored = self._n_without = 0
        self._n_matched, self._n_swapped = (np.zeros(len(self._names), np.int64) for _ in range(2))
        self._has_reported = False

    def run(self, sinks: Sequence[BlockSink] = (), keep_sites: bool = False) -> Results:
        """Compare all sites.

        Args:
            sinks: Take the scored sites.
            keep_sites: Whether the results keep them.

        Raises:
            DataError: for no site in common, or if all of them are typed.
        """
        kept = KeptSites()
        takers = [*sinks, kept] if keep_sites else list(sinks)
        opened = self._opened
        for stretch in stretches(opened.truth, list(opened.imputed.values()), opened.panel, opened.typed):
            for block in self._scored(stretch):
                for taker in takers:
                    taker.add(block)
        self._require_one_chromosome(with_ids=True)
        self._require_sites()
        self._report()
        return self._results(kept)

    def _scored(self, stretch: Stretch) -> Iterator[ScoredBlock]:
        """Score the sites of a stretch."""
        truth = stretch.truth
        matches = [match_sites(table.sites, truth.sites) for table in stretch.imputed]
        rows, is_typed = self._rows_to_score(stretch, matches)
        if not len(rows):
            return
        frequencies = _frequencies(stretch, rows)
        self._n_without += int(np.count_nonzero(np.isnan(frequencies)))
        sites = replace(truth.sites[rows], a1_freq=frequencies)
        shared = [
            Alignment(match.target_index[rows], rows, match.is_swapped[rows], columns, self._true_columns)
            for match, columns in zip(matches, self._imputed_columns, strict=True)
        ]
        blocks = [paired_blocks(table, truth, at) for table, at in zip(stretch.imputed, shared, strict=True)]
        for parts in zip(*blocks, strict=True):
            at = parts[0][0]
            pairs = _known_in_all([each for _, each in parts])
            scores = [
                {key: score[each.imputed_rows[at]] for key, score in table.scores.items()}
                for table, each in zip(stretch.imputed, shared, strict=True)
            ]
            statistics = self._add(pairs, sites[at], frequencies[at], scores)
            swapped = {name: each.is_swapped[at] for name, each in zip(self._names, shared, strict=True)}
            yield ScoredBlock(sites[at], is_typed[at], swapped, statistics)

    def _rows_to_score(
        self, stretch: Stretch, matches: Sequence[SiteMatch]
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Count the sites of a stretch; the truth's rows to score, and which of them were typed."""
        is_found = np.stack([match.target_index >= 0 for match in matches])
        self._n_matched += is_found.sum(axis=1)
        self._n_swapped += (is_found & np.stack([match.is_swapped for match in matches])).sum(axis=1)
        rows = np.flatnonzero(is_found.all(axis=0))
        is_typed = self._typed(stretch, matches, rows)
        self._n_shared += len(rows)
        self._n_typed += int(np.count_nonzero(is_typed))
        is_scored = ~is_typed | self._settings.all_sites
        self._n_scored += int(np.count_nonzero(is_scored))
        return rows[is_scored], is_typed[is_scored]

    def _add(
        self,
        pairs: Sequence[Pairs],
        sites: Sites,
        frequencies: NDArray[np.float64],
        scores: Sequence[Mapping[str, NDArray[np.float64]]],
    ) -> dict[str, SiteStatistics]:
        """Add a block of sites to the scores of each imputation; its statistics by name."""
        members = memberships(self._sets, sites, frequencies)
        columns = zip(self._names, self._scorers, pairs, scores, strict=True)
        return {name: scorer.add(own, frequencies, members, given) for name, scorer, own, given in columns}

    def _typed(self, stretch: Stretch, matches: Sequence[SiteMatch], rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which shared sites were typed, by the first of these that says so.

        They are: typed sites, any of the imputations, truth, panel, the imputations' markers.
        """
        truth, panel = stretch.truth.sites, stretch.panel
        if stretch.typed is not None:
            is_found: NDArray[np.bool_] = match_sites(stretch.typed, truth).target_index[rows] >= 0
            return is_found
        pairs = list(zip(stretch.imputed, matches, strict=True))
        flags = [table.is_typed[match.target_index[rows]] for table, match in pairs if table.is_typed is not None]
        if flags:
            return np.asarray(np.logical_or.reduce(flags))
        if truth.is_marker is not None:
            return truth.is_marker[rows]
        if panel is not None and panel.is_marker is not None:
            index = match_sites(panel, truth).target_index[rows]
            return np.asarray((index >= 0) & np.append(panel.is_marker, False)[index])
        for table, match in pairs:
            if table.sites.is_marker is not None:
                return table.sites.is_marker[match.target_index[rows]]
        if not self._has_reported:
            _log.info("no file says which sites are typed, so all are scored; name the target's with --typed")
            self._has_reported = True
        return np.zeros(len(rows), dtype=np.bool_)

    def _shared_names(self) -> tuple[str, ...] | None:
        """Names of the shared samples; None if no source has names."""
        sources = [*zip(self._opened.imputed_samples.values(), self._imputed_columns, strict=True)]
        for samples, columns in (*sources, (self._opened.true_samples, self._true_columns)):
            names = own_names(samples.names)
            if names is not None:
                return tuple(names[column] for column in columns.tolist())
        return None

    def _groups_of_samples(self) -> tuple[str, ...] | None:
        """The group of each shared sample; empty for none. None without a file of groups."""
        path = self._inputs.groups
        if path is None:
            return None
        if self._sample_names is None:
            raise DataError("expected names of samples in the imputed or true file, for --groups; found none", path)
        groups = read_groups(path)
        found = tuple(groups.get(name, "") for name in self._sample_names)
        if not any(found):
            raise DataError(
                f"expected some of the {counted(len(found), 'sample')}, such as {self._sample_names[0]}, found none of "
                "them; check the names",
                path,
            )
        _log.info(
            "%s of %s in %s",
            sum(map(bool, found)),
            counted(len(found), "sample"),
            counted(len(set(found) - {""}), "group"),
        )
        return found

    def _regions(self, path: str | Path) -> ByRegion:
        regions = read_bed(path, self._settings.chromosome or self._chromosome())
        names = [region.name for region in regions]
        if len(set(names)) < len(names):  # genes of one name, or none
            names = [f"{region.name}:{region.start}-{region.stop}" for region in regions]
        starts, stops = (
            np.array(column, np.int64)
            for column in zip(*((region.start, region.stop) for region in regions), strict=True)
        )
        return ByRegion(tuple(names), starts, stops)

    def _chromosome(self) -> str | None:
        cursors: list[Cursor[Any]] = [self._opened.truth, *self._opened.imputed.values()]
        known = [cursor.chromosome for cursor in cursors] + [cursor.chromosome_in_ids for cursor in cursors]
        return next((name for name in known if name is not None), None)

    def _require_one_chromosome(self, with_ids: bool) -> None:
        """Refuse files of different chromosomes; by the ids that sites have, only once all have been read."""
        cursors: list[tuple[str, str, Cursor[Any]]] = [
            *(("imputed", "in the imputed ids", cursor) for cursor in self._opened.imputed.values()),
            ("in the truth", "in the truth's ids", self._opened.truth),
        ]
        others = (("--frequencies", self._opened.panel), ("--typed", self._opened.typed))
        cursors += [(f"in {name}", f"in the ids of {name}", each) for name, each in others if each is not None]
        places: list[tuple[str, str | None]] = []
        for where, ids, cursor in cursors:
            places += [(where, cursor.chromosome), (ids, cursor.chromosome_in_ids if with_ids else None)]
        require_one_chromosome(places)

    def _require_sites(self) -> None:
        if not self._n_shared:
            n_imputed = min(cursor.n_sites for cursor in self._opened.imputed.values())
            raise nothing_in_common(n_imputed, self._opened.truth.n_sites)
        if not self._n_scored:
            source = next(iter(self._inputs.imputed.values()))
            path = source.path if isinstance(source, GenotypeSource) else None
            raise DataError("every site in common is typed, so nothing is left to score; add --all-sites", path)

    def _report(self) -> None:
        counts = self._counts()
        n_shared = counts.n_shared
        if len(self._names) == 1:
            (source,) = counts.imputed.values()
            _log.info(
                "%s in both files (%d with alleles swapped), %d imputed only, %d in the truth only; "
                "%d typed, %d scored; %s in both, %d imputed only, %d in the truth only",
                counted(n_shared, "site"),
                source.n_swapped,
                source.n_sites - n_shared,
                counts.n_true_sites - n_shared,
                counts.n_typed,
                counts.n_scored,
                counted(counts.n_samples, "sample"),
                source.n_samples - counts.n_samples,
                counts.n_true_samples - counts.n_samples,
            )
        else:
            for name, source in counts.imputed.items():
                _log.info(
                    "%s: %s, %d of them in the truth (%d with alleles swapped)",
                    *(name, counted(source.n_sites, "site"), source.n_in_truth, source.n_swapped),
                )
            _log.info(
                "%s of the truth's %d in all files; %d typed, %d scored; %s in all files",
                *(counted(n_shared, "site"), counts.n_true_sites, counts.n_typed, counts.n_scored),
                counted(counts.n_samples, "sample"),
            )
        if self._n_without:
            _log.info("scored sites without a frequency, which are in no bin: %d", self._n_without)

    def _counts(self) -> Counts:
        imputed = {
            name: SourceCounts(
                cursor.n_sites, int(n_matched), int(n_swapped), self._opened.imputed_samples[name].number
            )
            for (name, cursor), n_matched, n_swapped in zip(
                self._opened.imputed.items(), self._n_matched, self._n_swapped, strict=True
            )
        }
        draws = self._sets[0].draws
        return Counts(
            imputed,
            self._opened.truth.n_sites,
            self._opened.true_samples.number,
            *(self._n_shared, self._n_typed, self._n_scored, self._n_without),
            len(self._true_columns),
            0 if draws is None else draws.n_units,
        )

    def _results(self, kept: KeptSites) -> Results:
        names = self._sample_names or default_sample_names(len(self._true_columns))
        evaluations = {}
        for name, scorer in zip(self._names, self._scorers, strict=True):
            sites, statistics, is_typed, is_swapped = kept.of(name)
            evaluations[name] = Evaluation(
                *(sites, statistics, is_typed, is_swapped),
                scorer.bins(),
                scorer.calibration,
                tuple(scorer.groups()),
                scorer.samples(names, self._groups),
            )
        first, *others = self._scorers
        differences = tuple(difference for other in others for difference in other.differences(first))
        return Results(evaluations, differences, self._counts(), self._chromosome())


def _frequencies(stretch: Stretch, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """The frequency of a1 at some of the truth's sites; NaN where the panel does not have the site."""
    truth = stretch.truth[rows]
    if stretch.panel is None:
        return truth.frequencies() if truth.sites.a1_freq is None else truth.sites.a1_freq
    assert stretch.panel.a1_freq is not None
    match = match_sites(stretch.panel, truth.sites)
    found = np.append(stretch.panel.a1_freq, np.nan)[match.target_index]
    return np.where(match.is_swapped, 1 - found, found)


def _known_in_all(pairs: Sequence[Pairs]) -> Sequence[Pairs]:
    """The pairs of several imputations, with genotypes counted as missing that any of them lacks."""
    if len(pairs) == 1:
        return pairs
    is_known = np.logical_and.reduce([np.isfinite(each.dosages) for each in pairs])
    genotypes = np.where(is_known, pairs[0].genotypes, -1).astype(np.int8)
    return [Pairs(genotypes, each.dosages, each.probabilities) for each in pairs]
