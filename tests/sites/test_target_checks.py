"""Checks of a target against a model, on a few sites."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import random_panel, shared_data
from rnnimp.formats.hapslegend import read_legend
from rnnimp.sites.matching import MatchKind, match_sites
from rnnimp.sites.panel import Sites, alt_frequency
from rnnimp.sites.target_checks import (
    AlleleCounts,
    Frequencies,
    Strand,
    called_shares,
    compare_frequencies,
    count_alleles,
    cover_regions,
    flip_strand,
    frequency_table,
    is_palindromic,
    model_rows,
    rows_to_flip,
    shared_positions,
    strand_by_frequency,
    worst_differences,
)


def frequencies_of(target: float, model: float, n_alleles: int = 2000) -> Frequencies:
    return Frequencies(np.array([0]), np.array([target]), np.array([model]), np.array([n_alleles]))


def test_allele_counts_are_those_of_the_frequency() -> None:
    alleles = random_panel(np.random.default_rng(1), missing_share=0.2).alleles
    alleles[3] = -1
    counts = count_alleles(alleles)
    np.testing.assert_array_equal(counts.frequency, alt_frequency(alleles))
    assert np.isnan(counts.frequency[3])


def test_palindromes_are_told_from_other_sites() -> None:
    sites = Sites.build(range(6), ["A", "T", "C", "G", "A", "AT"], ["T", "A", "G", "C", "C", "A"])
    assert is_palindromic(sites).tolist() == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("target", "model", "n_alleles", "expected"),
    [
        (0.1, 0.15, 2000, Strand.SAME),
        (0.9, 0.85, 2000, Strand.SAME),
        (0.85, 0.1, 2000, Strand.FLIPPED),
        (0.0, 0.05, 2000, Strand.SAME),
        (0.45, 0.1, 2000, Strand.UNDECIDED),  # the target is near one half
        (0.9, 0.55, 2000, Strand.UNDECIDED),  # the model is
        (0.62, 0.3, 2000, Strand.UNDECIDED),  # 0.12 from one half is within 0.1 and three standard errors
        (0.64, 0.3, 2000, Strand.FLIPPED),
        (0.64, 0.3, 60, Strand.UNDECIDED),  # few alleles
        (0.65, 0.01, 2000, Strand.UNDECIDED),  # neither strand fits
        (0.0, 0.05, 2, Strand.UNDECIDED),
        (np.nan, 0.1, 0, Strand.UNDECIDED),
        (0.1, np.nan, 2000, Strand.UNDECIDED),
    ],
)
def test_strand_is_decided_by_frequency_only_when_safe(
    target: float, model: float, n_alleles: int, expected: Strand
) -> None:
    assert strand_by_frequency(frequencies_of(target, model, n_alleles)).tolist() == [expected]


def test_strand_errs_rarely_on_drawn_targets() -> None:
    rng = np.random.default_rng(2)
    model = rng.random(20_000)
    carried = rng.binomial(200, np.clip(model + rng.normal(0, 0.03, model.size), 0, 1))
    n_alleles = np.full(model.size, 200)
    rows = np.arange(model.size)
    same = strand_by_frequency(Frequencies(rows, carried / 200, model, n_alleles))
    flipped = strand_by_frequency(Frequencies(rows, 1 - carried / 200, model, n_alleles))
    assert np.mean(same == Strand.FLIPPED) < 1e-3
    assert np.mean(flipped == Strand.SAME) < 1e-3
    is_rare = np.minimum(model, 1 - model) < 0.2
    assert np.mean(same[is_rare] == Strand.SAME) > 0.99
    assert np.mean(flipped[is_rare] == Strand.FLIPPED) > 0.99


def test_frequencies_are_of_the_models_allele() -> None:
    model = Sites.build([10, 20, 30], "ACG", "GTA", a1_freq=np.array([0.2, 0.3, np.nan]))
    target = Sites.build([10, 20, 25, 30], "ATAG", "GCCA")
    counts = AlleleCounts(np.full(4, 10), np.array([3, 7, 1, 5]))
    frequencies = compare_frequencies(counts, model, match_sites(target, model))
    assert frequencies.rows.tolist() == [0, 1, 3]
    np.testing.assert_allclose(frequencies.target, [0.3, 0.3, 0.5])
    np.testing.assert_allclose(frequencies.differences, [0.1, 0, np.nan], atol=1e-12)


def test_worst_differences_come_first_and_unknown_ones_not_at_all() -> None:
    target = np.array([0.1, 0.9, 0.5, np.nan, 0.2])
    frequencies = Frequencies(np.arange(5), target, np.array([0.1, 0.1, 0.7, 0.5, np.nan]), np.full(5, 10))
    assert worst_differences(frequencies).tolist() == [1, 2, 0]
    assert worst_differences(frequencies, 2).tolist() == [1, 2]


def test_flipped_sites_fit_the_model() -> None:
    model = Sites.build([10, 20, 30, 40], ["A", "C", "G", "A"], ["G", "T", "C", "AT"])
    target = Sites.build([10, 20, 20, 30, 40], ["T", "G", "C", "G", "T"], ["C", "A", "T", "C", "TA"])
    match = match_sites(target, model)
    assert match.kinds[0] == match.kinds[1] == MatchKind.STRAND_FLIPPED
    assert match.kinds[4] == MatchKind.MISMATCHED  # indels have no strand here
    rows = rows_to_flip(target, match, np.array([3]))
    assert rows.tolist() == [0, 3]  # the site at 20 is there on the model's strand too
    flipped = flip_strand(target, rows)
    assert flipped.keys() == [(10, "A", "G"), (20, "G", "A"), (20, "C", "T"), (30, "C", "G"), (40, "T", "TA")]
    again = match_sites(flipped, model)
    assert again.kinds.tolist()[:1] == [MatchKind.MATCHED]
    assert again.kinds[3] == MatchKind.SWAPPED
    assert flip_strand(flipped, rows).keys() == target.keys()


def test_strand_file_of_impute2_is_what_is_found() -> None:
    folder = shared_data("interop/impute2_example_chr22")
    rows = [line.split()[:5] for line in (folder / "example.chr22.study.gens").read_text().splitlines()]
    study = Sites.build([int(row[2]) for row in rows], [row[3] for row in rows], [row[4] for row in rows])
    panel = read_legend(folder / "example.chr22.1kG.legend")
    strand = dict(line.split() for line in (folder / "example.chr22.study.strand").read_text().splitlines())
    is_shared = np.isin(study.positions, panel.positions)
    is_minus = np.array([strand[str(position)] == "-" for position in study.positions])
    match = match_sites(study, panel)
    is_found = match.kinds == MatchKind.STRAND_FLIPPED
    np.testing.assert_array_equal(is_found, is_shared & is_minus)
    assert is_found.sum() == 10
    flipped = flip_strand(study, rows_to_flip(study, match, np.empty(0, np.int64)))
    kinds = match_sites(flipped, panel).kinds
    assert set(kinds[is_shared].tolist()) == {MatchKind.MATCHED, MatchKind.SWAPPED}
    # the A/T and C/G sites of this file are all on the plus strand, which their alleles do not tell
    assert is_palindromic(study)[is_shared].sum() == 4


def test_model_rows_are_the_inverse_of_the_match() -> None:
    model = Sites.build([10, 20, 30], "ACG", "GTA")
    target = Sites.build([10, 15, 30], "AAG", "GGA")
    assert model_rows(match_sites(target, model)).tolist() == [0, -1, 2]


def test_regions_are_covered_by_their_own_markers() -> None:
    is_marker = np.array([True, False, True, True, False])
    model = Sites.build([10, 20, 30, 40, 50], "ACGAC", "GTATT", is_marker=is_marker)
    match = match_sites(Sites.build([10, 20, 40], "ACA", "GTT"), model)
    first, second, third = cover_regions([1, 5, 6], model, [np.arange(3), np.arange(2, 5), np.array([4])], match)
    assert (first.index, first.first_position, first.last_position, first.n_markers, first.n_observed) == (
        1,
        10,
        30,
        2,
        1,
    )
    assert (second.n_markers, second.n_observed, second.share) == (2, 1, 0.5)
    assert third.share == 1  # there is nothing to miss
    assert [(part.first_imputed, part.last_imputed) for part in (first, second, third)] == [
        (20, 20),
        (50, 50),
        (50, 50),
    ]


def test_sites_are_counted_by_both_frequencies() -> None:
    rng = np.random.default_rng(5)
    target, model = rng.random((2, 400))
    target[:9], model[5:20], target[30], model[31] = np.nan, np.nan, 1, 0
    table = frequency_table(Frequencies(np.arange(400), target, model, np.full(400, 8)), 7)
    expected = np.zeros((7, 7), int)
    for x, y in zip(model.tolist(), target.tolist(), strict=True):
        if x == x and y == y:
            expected[min(int(7 * x), 6), min(int(7 * y), 6)] += 1
    assert table.tolist() == expected.tolist()


def test_called_shares_count_both_haplotypes() -> None:
    alleles = np.array([[0, 1, -1, -1], [1, -1, 0, 0], [-1, -1, -1, -1]], dtype=np.int8)
    assert called_shares(alleles, np.array([0, 1])).tolist() == [0.75, 0.5]
    assert called_shares(alleles, np.array([], dtype=np.int64)).tolist() == [1, 1]


def test_shared_positions() -> None:
    assert shared_positions(Sites.build([5, 5, 6, 7, 7, 7], "AAAAAA", "CGTCGT")).tolist() == [5, 7]
