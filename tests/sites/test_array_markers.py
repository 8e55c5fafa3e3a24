"""Which sites an array types."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import random_panel
from rnnimp.sites.array_markers import ArrayMarkers, flag_markers
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
