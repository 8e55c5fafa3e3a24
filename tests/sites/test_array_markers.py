"""Which sites an array types."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import random_panel
from rnnimp.sites.array_markers import ArrayMarkers, exchanged_indels, flag_markers
from rnnimp.sites.panel import Sites


def test_alleles_in_either_order() -> None:
    sites = Sites.build([10, 10, 20, 30], ["A", "A", "C", "G"], ["G", "T", "CA", "T"])
    markers = ArrayMarkers.build([(10, ("G", "A")), (20, ("C", "CA")), (30, ("C", "A")), (31, ("G", "T"))])
    assert flag_markers(sites, markers).tolist() == [True, False, True, False]


def test_without_alleles_the_position_alone_decides() -> None:
    sites = Sites.build([10, 10, 20], ["A", "A", "C"], ["G", "T", "CA"])
    assert flag_markers(sites, ArrayMarkers.build([(10, None)])).tolist() == [True, True, False]


def test_agrees_with_a_search_site_by_site() -> None:
    rng = np.random.default_rng(5)
    sites = random_panel(rng).sites
    chosen = rng.choice(len(sites), 20)
    swapped = [(int(sites.positions[i]), (sites.a1[i], sites.a0[i])) for i in chosen]
    expected = [
        any(position == p and {a0, a1} == set(pair) for p, pair in swapped)
        for position, a0, a1 in zip(sites.positions, sites.a0, sites.a1, strict=True)
    ]
    assert flag_markers(sites, ArrayMarkers.build(swapped)).tolist() == expected


def test_length_counts_different_markers() -> None:
    markers = ArrayMarkers.build([(10, ("A", "G")), (10, ("G", "A")), (10, ("A", "T")), (20, None), (20, None)])
    assert len(markers) == 3
    with pytest.raises(ValueError, match="2 positions, 1 allele pairs"):
        ArrayMarkers(np.array([1, 2]), (None,))


def test_no_markers_and_no_sites() -> None:
    none = ArrayMarkers.build([])
    assert flag_markers(Sites.build([], [], []), none).shape == (0,)
    assert not flag_markers(Sites.build([1], ["A"], ["C"]), none).any()


PANEL = Sites.build([100, 200, 200, 300, 400], ["A", "A", "AT", "CG", "G"], ["G", "AT", "A", "C", "A"])


@pytest.mark.parametrize(
    ("markers", "in_vcf", "in_table"),
    [
        ([(100, ("G", "A"))], [0], [0]),
        ([(200, ("A", "AT"))], [1], [1]),
        ([(200, ("AT", "A"))], [2], [2]),
        ([(200, ("A", "AT")), (200, ("AT", "A"))], [1, 2], [1, 2]),
        ([(300, ("CG", "C"))], [3], [3]),
        ([(300, ("C", "CG"))], [], [3]),
        ([(200, None)], [1, 2], [1, 2]),
        ([(400, ("C", "T"))], [], []),
    ],
)
def test_an_insertion_is_no_deletion(
    markers: list[tuple[int, tuple[str, str] | None]], in_vcf: list[int], in_table: list[int]
) -> None:
    for expected, has_reference in ((in_vcf, True), (in_table, False)):
        listed = ArrayMarkers.build(markers, has_reference)
        assert np.flatnonzero(flag_markers(PANEL, listed)).tolist() == expected
        assert np.flatnonzero(exchanged_indels(PANEL, listed)).tolist() == [
            row for row in expected if row not in in_vcf
        ]


def test_markers_are_counted_between_positions() -> None:
    markers = ArrayMarkers.build([(5, ("A", "G")), (5, ("G", "A")), (7, None), (9, ("A", "AT")), (9, ("AT", "A"))])
    assert [markers.between(1, 9), markers.between(6, 8), markers.between(9, 9), markers.between(10, 99)] == [
        4,
        1,
        2,
        0,
    ]
