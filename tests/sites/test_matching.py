"""Matching of sites: a table of cases, and the counts in the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers import random_panel
from rnnimp.sites.matching import MatchKind, complete_alleles, match_sites
from rnnimp.sites.panel import Sites


def sites(*rows: tuple[int, str, str], markers: list[bool] | None = None) -> Sites:
    flags = None if markers is None else np.array(markers)
    positions, a0, a1 = zip(*rows, strict=True)
    return Sites.build(positions, a0, a1, is_marker=flags)


@pytest.mark.parametrize(
    ("target", "model", "kind", "is_swapped"),
    [
        ((5, "A", "G"), (5, "A", "G"), MatchKind.MATCHED, False),
        ((5, "G", "A"), (5, "A", "G"), MatchKind.SWAPPED, True),
        ((5, "T", "C"), (5, "A", "G"), MatchKind.STRAND_FLIPPED, None),
        ((5, "C", "T"), (5, "A", "G"), MatchKind.STRAND_FLIPPED, None),
        ((5, "A", "C"), (5, "A", "G"), MatchKind.MISMATCHED, None),
        ((6, "A", "G"), (5, "A", "G"), MatchKind.NOT_IN_MODEL, None),
        # on these the other strand reads the same, so only the order can tell
        ((5, "A", "T"), (5, "T", "A"), MatchKind.SWAPPED, True),
        ((5, "C", "G"), (5, "C", "G"), MatchKind.MATCHED, False),
        ((5, "AT", "A"), (5, "AT", "A"), MatchKind.MATCHED, False),
        ((5, "A", "AT"), (5, "AT", "A"), MatchKind.SWAPPED, True),
        ((5, "T", "TA"), (5, "A", "AT"), MatchKind.MISMATCHED, None),
        ((5, "A", "0"), (5, "A", "G"), MatchKind.MATCHED, False),
        ((5, "G", "."), (5, "A", "G"), MatchKind.SWAPPED, True),
        ((5, "C", "0"), (5, "A", "G"), MatchKind.MISMATCHED, None),
        ((6, "A", "0"), (5, "A", "G"), MatchKind.NOT_IN_MODEL, None),
    ],
)
def test_one_site_against_one(
    target: tuple[int, str, str], model: tuple[int, str, str], kind: MatchKind, is_swapped: bool | None
) -> None:
    match = match_sites(sites(target), sites(model))
    assert match.kinds.tolist() == [kind]
    assert match.target_index.tolist() == [-1 if is_swapped is None else 0]
    assert match.is_swapped.tolist() == [bool(is_swapped)]


def test_sites_at_one_position_are_told_apart_by_alleles() -> None:
    model = sites((5, "A", "C"), (5, "A", "G"), (5, "AT", "A"))
    target = sites((5, "AT", "A"), (5, "G", "A"), (5, "A", "T"))
    match = match_sites(target, model)
    assert match.target_index.tolist() == [-1, 1, 0]
    assert match.is_swapped.tolist() == [False, True, False]
    assert match.kinds.tolist() == [MatchKind.MATCHED, MatchKind.SWAPPED, MatchKind.MISMATCHED]


def test_no_model_site_is_used_twice() -> None:
    match = match_sites(sites((5, "G", "A"), (5, "A", "G")), sites((5, "A", "G")))
    assert np.count_nonzero(match.target_index >= 0) == 1
    assert sorted(match.kinds.tolist()) == [MatchKind.MATCHED, MatchKind.MISMATCHED]


def test_a_monomorphic_site_takes_a_free_marker_first() -> None:
    model = sites((5, "A", "C"), (5, "A", "T"), (5, "A", "G"), markers=[False, True, True])
    match = match_sites(sites((5, "A", "0"), (5, "A", "T")), model)
    assert match.target_index.tolist() == [-1, 1, 0]


@pytest.mark.parametrize("known", [True, False])
def test_a_monomorphic_site_takes_no_imputed_site(known: bool) -> None:
    model = sites((5, "C", "CTT"), (5, "C", "T"), (7, "A", "AG"), markers=[False, True, False] if known else None)
    match = match_sites(sites((5, "C", "0"), (5, "C", "."), (7, "A", "0")), model)
    assert match.target_index.tolist() == [-1, 0, -1]
    assert match.kinds.tolist() == [MatchKind.MATCHED, MatchKind.MISMATCHED, MatchKind.MISMATCHED]


def test_a_monomorphic_site_takes_a_marker_that_is_a_snp_before_an_indel() -> None:
    model = sites((5, "C", "CTT"), (5, "C", "T"), markers=[True, True])
    assert match_sites(sites((5, "C", "0")), model).target_index.tolist() == [-1, 0]
    assert match_sites(sites((5, "C", "0"), (5, "C", "0")), model).target_index.tolist() == [1, 0]


def test_a_monomorphic_site_gets_its_other_allele_from_the_model() -> None:
    model = sites((5, "A", "C"), (7, "A", "G"), (8, "A", "T"))
    target = sites((5, "A", "0"), (7, "G", "."), (9, "C", "0"), (10, "C", "T"))
    assert complete_alleles(target, model, match_sites(target, model)).tolist() == ["C", "A", "0", "T"]
    assert target.a1.tolist() == ["0", ".", "0", "T"]


def test_counts_add_up() -> None:
    model = sites(
        (1, "A", "G"),
        (2, "A", "G"),
        (3, "A", "G"),
        (4, "A", "G"),
        (5, "A", "G"),
        markers=[True, True, True, False, True],
    )
    target = sites((1, "A", "G"), (2, "G", "A"), (3, "T", "C"), (4, "A", "G"), (6, "A", "G"), (7, "C", "T"))
    counts = match_sites(target, model).counts(model.markers())
    assert (counts.matched, counts.swapped, counts.strand_flipped, counts.mismatched) == (2, 1, 1, 0)
    assert (counts.not_in_model, counts.observed_markers, counts.missing) == (2, 2, 2)


def test_every_site_finds_itself_in_any_order_of_the_model(rng: np.random.Generator) -> None:
    target = random_panel(rng, n_sites=200).sites
    order = rng.permutation(len(target))
    match = match_sites(target, target[order])
    assert match.target_index.tolist() == order.tolist()
    assert not match.is_swapped.any()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


INDELS = [(5, "A", "AT"), (6, "CG", "C")]
TURNED = [(5, "AT", "A"), (6, "C", "CG")]


@pytest.mark.parametrize("is_marker", [True, False])
def test_an_insertion_is_no_deletion_where_both_know_the_reference(is_marker: bool) -> None:
    markers = np.full(2, is_marker)
    model = replace(sites(*INDELS), is_marker=markers, swapped=np.zeros(2, dtype=bool))
    target = replace(sites(*TURNED), has_reference=True)
    assert match_sites(target, model).kinds.tolist() == [MatchKind.MISMATCHED] * 2
    assert match_sites(replace(target, has_reference=False), model).kinds.tolist() == [MatchKind.SWAPPED] * 2
    swapped = replace(sites(*TURNED), is_marker=markers, swapped=markers)  # as split writes common insertions
    found = match_sites(replace(sites(*INDELS), has_reference=True), swapped).kinds.tolist()
    assert found == [MatchKind.SWAPPED if is_marker else MatchKind.MISMATCHED] * 2
    assert match_sites(target, swapped).kinds.tolist() == [MatchKind.MISMATCHED if is_marker else MatchKind.MATCHED] * 2


def test_markers_of_a_model_without_swap_match_either_way() -> None:
    model = replace(sites(*INDELS), is_marker=np.array([True, False]))
    target = replace(sites(*TURNED), has_reference=True)
    assert match_sites(target, model).kinds.tolist() == [MatchKind.SWAPPED, MatchKind.MISMATCHED]


def test_the_same_order_goes_before_the_other_one() -> None:
    match = match_sites(sites((5, "AT", "A"), (5, "A", "AT")), sites((5, "A", "AT")))
    assert match.target_index.tolist() == [1]
    assert match.kinds.tolist() == [MatchKind.MISMATCHED, MatchKind.MATCHED]
