"""Anonymous haplotypes, against a search through the whole panel."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnimp.training.anonymous_haplotypes import anonymous_haplotypes


def panel(rng: np.random.Generator, n_markers: int, n_people: int) -> NDArray[np.int8]:
    """Mosaics of a few founders, so that haplotypes share long stretches."""
    founders = (rng.random((n_markers, 8)) < 0.4).astype(np.int8)
    source = np.empty((n_markers, 2 * n_people), dtype=np.intp)
    source[0] = rng.integers(8, size=2 * n_people)
    for marker in range(1, n_markers):
        switches = rng.random(2 * n_people) < 0.1
        source[marker] = np.where(switches, rng.integers(8, size=2 * n_people), source[marker - 1])
    mutated = rng.random(source.shape) < 0.02
    return (np.take_along_axis(founders, source, axis=1) ^ mutated).astype(np.int8)


def carried_by(markers: NDArray[np.int8], stretch: NDArray[np.int8], end: int) -> int:
    """How many people carry a stretch that ends before a marker."""
    agrees = (markers[end - len(stretch) : end] == stretch[:, None]).all(axis=0)
    return int((agrees[::2] | agrees[1::2]).sum())


def longest_stretches(markers: NDArray[np.int8], drawn: NDArray[np.int8], least: int) -> list[int]:
    """At each marker, the longest stretch of a drawn haplotype up to there that `least` people carry."""
    lengths = []
    for end in range(1, len(drawn) + 1):
        length = 0
        while length < end and carried_by(markers, drawn[end - length - 1 : end], end) >= least:
            length += 1
        lengths.append(length)
    return lengths


@pytest.mark.parametrize("least", [1, 2, 5])
def test_each_draw_follows_the_carriers_of_the_longest_stretch_that_enough_people_share(least: int) -> None:
    """Every allele is one that a carrier of the longest shared stretch before it has."""
    rng = np.random.default_rng(least)
    markers = panel(rng, 30, 20)
    drawn = anonymous_haplotypes(markers, 25, least, rng)
    for haplotype in drawn.T:
        lengths = longest_stretches(markers, haplotype, least)
        for marker in range(1, len(markers)):
            length = lengths[marker - 1]
            before = haplotype[marker - length : marker]
            agrees = (markers[marker - length : marker] == before[:, None]).all(axis=0)
            assert haplotype[marker] in markers[marker, agrees]
        if least == 1:
            assert lengths[-1] == len(markers), "one carrier is followed to the end"
            assert (markers == haplotype[:, None]).all(axis=0).any()


def test_a_long_stretch_can_be_carried_by_fewer() -> None:
    """What the module does not promise: only the stretch before an allele is carried by enough people."""
    markers = panel(np.random.default_rng(7), 30, 100)
    drawn = anonymous_haplotypes(markers, 500, 10, np.random.default_rng(1))
    carriers = [carried_by(markers, haplotype[:20], 20) for haplotype in drawn.T]
    assert any(0 < n < 10 for n in carriers)


def test_alleles_keep_their_frequencies_and_neighbours() -> None:
    """Frequencies and the correlation of neighbouring markers are near those of the panel."""
    rng = np.random.default_rng(3)
    markers = panel(rng, 40, 300)
    drawn = anonymous_haplotypes(markers, 4000, 5, rng)
    assert np.abs(drawn.mean(axis=1) - markers.mean(axis=1)).max() < 0.06
    both = [np.mean(x[1:] * x[:-1], axis=1) for x in (drawn.astype(float), markers.astype(float))]
    assert np.abs(both[0] - both[1]).max() < 0.06


def test_the_same_generator_draws_the_same_and_missing_alleles_are_the_common_ones() -> None:
    """Draws repeat; a panel that is missing everywhere gives one of the alleles."""
    markers = panel(np.random.default_rng(4), 20, 10)
    one, same = (anonymous_haplotypes(markers, 6, 3, np.random.default_rng(1)) for _ in range(2))
    assert (one == same).all()
    markers[7] = -1
    markers[7, :3] = 1
    assert (anonymous_haplotypes(markers, 50, 3, np.random.default_rng(1))[7] == 1).all()


def test_no_haplotype_is_that_of_few_people_as_a_whole() -> None:
    """With short haplotypes most draws would be; common ones are allowed."""
    markers = panel(np.random.default_rng(6), 6, 40)
    drawn = anonymous_haplotypes(markers, 500, 5, np.random.default_rng(1))
    assert drawn.shape == (6, 500)
    carriers = [carried_by(markers, haplotype, 6) for haplotype in drawn.T]
    assert all(n == 0 or n >= 5 for n in carriers)
    assert 0 in carriers and max(carriers) >= 5


def test_a_panel_of_which_every_draw_is_a_person() -> None:
    """Then the markers are drawn one by one."""
    markers = np.array([[0, 0, 1, 1], [0, 1, 0, 1]], dtype=np.int8).repeat(4, axis=1)  # of two people each
    drawn = anonymous_haplotypes(markers, 200, 4, np.random.default_rng(1))
    assert np.unique(drawn, axis=1).shape == (2, 4)


def test_alleles_of_few_people_are_never_drawn() -> None:
    markers = panel(np.random.default_rng(7), 12, 40)
    markers[3], markers[8] = 0, 1
    markers[3, :8], markers[8, :9] = 1, 0  # of four people, and of five
    drawn = anonymous_haplotypes(markers, 2000, 5, np.random.default_rng(1))
    assert (drawn[3] == 0).all()
    assert 0 < (drawn[8] == 0).mean() < 0.3


def test_more_people_than_the_panel_has() -> None:
    """All people are then enough: no stretch is longer than what all share, and the draw ends."""
    markers = panel(np.random.default_rng(5), 15, 3)
    drawn = anonymous_haplotypes(markers, 10, 50, np.random.default_rng(1))
    assert drawn.shape == (15, 10)
    assert set(np.unique(drawn)) <= {0, 1}
