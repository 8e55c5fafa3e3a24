"""Cells of sites: types, regions and bins against plain comparisons."""

from __future__ import annotations

import numpy as np
import pytest

from rnnimp.scoring.cells import ByRegion, ByType, Cell, CellLayout, Undivided, variant_type
from rnnimp.sites.panel import Sites

EDGES = (0.0, 0.5, 5.0, 50.0)


@pytest.mark.parametrize(
    ("alleles", "expected"),
    [
        (("A", "G"), "SNV"),
        (("A", "AT"), "indel"),
        (("ATT", "A"), "indel"),
        (("AC", "GT"), "other"),
        (("A", "<DEL>"), "other"),
        (("A", "*"), "other"),
        (("A", "."), "other"),
    ],
)
def test_variant_types(alleles: tuple[str, str], expected: str) -> None:
    assert variant_type(*alleles) == expected


@pytest.mark.parametrize("seed", [1, 2])
def test_members_of_cells_equal_plain_comparisons(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positions = np.sort(rng.integers(1, 200, 60))
    a1 = rng.choice(["G", "GA", "<INS>"], 60)
    sites = Sites.build(positions.tolist(), ["A"] * 60, a1.tolist())
    frequencies = rng.choice([0.0, 0.004, 0.005, 0.02, 0.995, 0.9501, 0.5, np.nan], 60)
    starts, stops = np.array([1, 50, 60, 300]), np.array([70, 80, 60, 400])  # they overlap; none is in the last
    layout = CellLayout([Undivided(), ByType(), ByRegion(("p", "q", "r", "s"), starts, stops)], EDGES)
    assert len(layout) == 4 + 3 * 4 + 4
    found = layout.of(sites, frequencies)
    members = {int(cell): row for cell, row in zip(found.cells, found.is_member, strict=True)}
    for number, cell in enumerate(layout.cells):
        expected = [
            is_in(cell, position, alt, frequency)
            for position, alt, frequency in zip(positions, a1, frequencies, strict=True)
        ]
        np.testing.assert_array_equal(members.get(number, np.zeros(60)), expected, err_msg=str(cell))
    assert members.keys() == {number for number in members if members[number].any()}


def is_in(cell: Cell, position: int, alt: str, frequency: float) -> bool:
    if cell.by == "type" and cell.group != {"G": "SNV", "GA": "indel", "<INS>": "other"}[alt]:
        return False
    if cell.by == "region":
        start, stop = {"p": (1, 70), "q": (50, 80), "r": (60, 60), "s": (300, 400)}[cell.group]
        if not start <= position <= stop:
            return False
    lower, upper = cell.edges
    return cell.is_all or bool(lower < round(100 * min(frequency, 1 - frequency), 9) <= upper)


def test_labels() -> None:
    layout = CellLayout([Undivided("samples", "EUR")], EDGES)
    assert [cell.label for cell in layout.cells] == ["0-0.5", "0.5-5", "5-50", "all"]
    assert {(cell.by, cell.group) for cell in layout.cells} == {("samples", "EUR")}
