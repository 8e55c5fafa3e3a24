"""Files walked side by side: stretches hold all sites of their positions, whatever the blocks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from rnnimp.errors import DataError
from rnnimp.pipeline.evaluate.joined import Cursor, stretches
from rnnimp.scoring.alignment import Truth
from rnnimp.sites.panel import GenotypeTable, Sites


def sites_at(positions: np.ndarray, chromosome: str | None = None) -> Sites:
    n_sites = len(positions)
    return Sites.build(positions.tolist(), ["A"] * n_sites, ["C"] * n_sites, chromosome=chromosome)


def cut(rng: np.random.Generator, positions: np.ndarray) -> Iterator[Sites]:
    """Blocks of any size, empty ones among them."""
    cuts = np.sort(rng.integers(0, len(positions) + 1, 6)).tolist()
    for start, stop in pairwise([0, *cuts, len(positions)]):
        yield sites_at(positions[start:stop])


def truth_of(sites: Sites) -> Truth:
    return Truth(sites, np.zeros((len(sites), 2), np.int8))


def table_of(sites: Sites) -> GenotypeTable:
    return GenotypeTable(sites, np.zeros((len(sites), 2, 3), np.float32), np.zeros((len(sites), 2), np.float32))


@pytest.mark.parametrize("seed", range(8))
def test_stretches_hold_all_sites_of_their_positions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = [np.sort(rng.integers(1, 30, rng.integers(1, 60))) for _ in range(5)]
    true, first, second, panel, typed = columns
    cursors = [
        Cursor("t", map(truth_of, cut(rng, true)), lambda block: block.sites),
        [Cursor("i", map(table_of, cut(rng, each)), lambda block: block.sites) for each in (first, second)],
        Cursor("p", cut(rng, panel), lambda block: block),
        Cursor("y", cut(rng, typed), lambda block: block),
    ]
    walked = list(stretches(*cursors))
    found = np.concatenate([stretch.truth.sites.positions for stretch in walked])
    np.testing.assert_array_equal(found, true)
    for stretch in walked:
        inside = np.unique(stretch.truth.sites.positions)
        others = (*(table.sites for table in stretch.imputed), stretch.panel, stretch.typed)
        for sites, column in zip(others, columns[1:], strict=True):
            assert sites is not None
            of_truth = np.isin(sites.positions, inside)
            np.testing.assert_array_equal(sites.positions[of_truth], column[np.isin(column, inside)])
    assert [cursor.n_sites for cursor in cursors[1]] == [len(first), len(second)]


def test_positions_that_go_down_are_refused_within_and_between_blocks() -> None:
    for blocks in ([[5, 4]], [[5, 6], [5]]):
        with pytest.raises(DataError, match=r"x\.gen: expected positions in rising order, found \d after \d; sort"):
            cursor = Cursor("x.gen", (sites_at(np.array(block)) for block in blocks), lambda block: block)
            while not cursor.is_exhausted:
                cursor.take(cursor.reach)


def test_chromosomes_by_source_and_by_ids() -> None:
    blocks = [Sites.build([5], ["A"], ["C"], ids=["22:5:A:C"]), Sites.build([9], ["A"], ["C"], ids=["22:9:A:C"])]
    cursor = Cursor("x", iter(blocks), lambda block: block)
    assert (cursor.chromosome, cursor.chromosome_in_ids) == (None, "22")
    named = Cursor("x", iter([sites_at(np.array([1, 2]), "chr7")]), lambda block: block)
    assert named.chromosome == "chr7"
