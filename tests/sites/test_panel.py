"""Sites, panels and chromosome names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import random_panel
from rnnimp.errors import DataError
from rnnimp.sites.chromosomes import same_chromosome
from rnnimp.sites.panel import (
    GenotypeStream,
    GenotypeTable,
    Panel,
    PanelStream,
    Sites,
    alt_frequency,
    as_strings,
    default_sample_names,
    haplotype_columns,
)


def three_sites(**optional: object) -> Sites:
    return Sites.build([10, 20, 20], ["A", "C", "C"], ["G", "T", "CTT"], **optional)


def test_sites_hold_plain_strings_of_any_length() -> None:
    sites = three_sites(chromosome="7")
    assert len(sites) == 3
    assert sites.keys() == [(10, "A", "G"), (20, "C", "T"), (20, "C", "CTT")]
    assert sites.ids.tolist() == ["10:A:G", "20:C:T", "20:C:CTT"]
    assert sites.a1.dtype == object
    assert all(type(allele) is str for allele in sites.a1)


@pytest.mark.parametrize(
    ("selection", "positions"),
    [(slice(1, 3), [20, 20]), (np.array([2, 0]), [20, 10]), (np.array([True, False, False]), [10]), (slice(0, 0), [])],
)
def test_selecting_sites_takes_every_column_along(selection: object, positions: list[int]) -> None:
    sites = three_sites(
        chromosome="7",
        is_marker=np.array([True, False, True]),
        a1_freq=np.array([0.1, np.nan, 0.3]),
        swapped=np.array([False, True, True]),
    )
    chosen = sites[selection]  # type: ignore[index]
    assert chosen.positions.tolist() == positions
    assert chosen.chromosome == "7"
    for name in ("ids", "a0", "a1", "is_marker", "a1_freq", "swapped"):
        np.testing.assert_array_equal(getattr(chosen, name), getattr(sites, name)[selection])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        three_sites(is_marker=np.array([True]))
    with pytest.raises(ValueError):
        Sites.build([1, 2], ["A"], ["C", "G"])


def test_markers_must_be_known() -> None:
    with pytest.raises(DataError, match=r"column array_marker_flag.*rnnimp prepare"):
        three_sites().markers()
    assert three_sites(is_marker=np.array([True, False, True])).markers().tolist() == [True, False, True]


def test_concatenation_undoes_cutting_and_keeps_shared_columns() -> None:
    sites = random_panel(np.random.default_rng(1), n_sites=9).sites
    joined = Sites.concatenate([sites[:4], sites[4:4], sites[4:]])
    assert joined.keys() == sites.keys()
    assert joined.chromosome == sites.chromosome
    np.testing.assert_array_equal(joined.is_marker, sites.is_marker)
    np.testing.assert_array_equal(joined.a1_freq, sites.a1_freq)
    partly = Sites.concatenate([sites[:4], replace(sites[4:], a1_freq=None)])
    assert partly.a1_freq is None
    assert partly.is_marker is not None


def test_strings_are_not_spread_into_characters() -> None:
    assert as_strings(["AB", "C"]).tolist() == ["AB", "C"]
    assert as_strings([]).shape == (0,)
    assert as_strings(iter(["x"])).dtype == object


def test_a_panel_refuses_alleles_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 3\).*\(3, 4\)"):
        Panel(three_sites(), np.zeros((3, 3), np.int8), ("a", "b"))


def test_taking_samples_takes_both_haplotypes_in_the_order_asked() -> None:
    panel = random_panel(np.random.default_rng(2), n_sites=5, n_samples=4)
    taken = panel.take_samples(np.array([3, 1]))
    assert taken.sample_names == ("Sample_4", "Sample_2")
    np.testing.assert_array_equal(taken.alleles, panel.alleles[:, [6, 7, 2, 3]])
    assert haplotype_columns(np.array([3, 1])).tolist() == [6, 7, 2, 3]
    assert haplotype_columns(np.array([], dtype=np.intp)).tolist() == []


def test_a_stream_reads_into_the_whole() -> None:
    panel = random_panel(np.random.default_rng(3), n_sites=7, n_samples=2, missing_share=0.2)
    whole = PanelStream(panel.sample_names, iter([panel[:3], panel[3:]])).read()
    np.testing.assert_array_equal(whole.alleles, panel.alleles)
    assert whole.sites.keys() == panel.sites.keys()
    empty = PanelStream(panel.sample_names, iter([])).read()
    assert empty.alleles.shape == (0, 4)
    assert len(empty.sites) == 0


def test_alt_frequency_leaves_missing_alleles_out() -> None:
    alleles = np.array([[0, 0, 1, 1], [-1, 0, 0, 1], [-1, -1, -1, -1], [1, 1, 1, -1]], dtype=np.int8)
    np.testing.assert_array_equal(alt_frequency(alleles), [2 / 4, 1 / 3, np.nan, 1])
    assert alt_frequency(np.empty((0, 4), np.int8)).shape == (0,)


def test_default_names() -> None:
    assert default_sample_names(3) == ("Sample_1", "Sample_2", "Sample_3")
    assert default_sample_names(0) == ()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [("22", "chr22", True), ("chr1", "chr1", True), ("chr2", "chr22", False), ("CHRX", "X", True), ("X", "Y", False)],
)
def test_chromosome_names(first: str, second: str, same: bool) -> None:
    assert same_chromosome(first, second) == same_chromosome(second, first) == same


def test_a_genotype_table_refuses_arrays_of_another_shape() -> None:
    sites = three_sites()
    dosages = np.zeros((3, 2), np.float32)
    GenotypeTable(sites, np.zeros((3, 2, 3), np.float32), dosages)
    with pytest.raises(ValueError, match="probabilities"):
        GenotypeTable(sites, np.zeros((3, 2), np.float32), dosages)
    with pytest.raises(ValueError, match="table has 2"):
        GenotypeTable(sites[:2], np.zeros((3, 2, 3), np.float32), dosages)
    with pytest.raises(ValueError, match="2 samples"):
        GenotypeTable(sites, np.zeros((3, 2, 3), np.float32), dosages, ("only one",))


def test_stretches_of_a_genotype_table_are_joined_again() -> None:
    rng = np.random.default_rng(1)
    sites = three_sites()
    arrays = rng.random((3, 2, 3), dtype=np.float32), rng.random((3, 2), dtype=np.float32)
    table = GenotypeTable(sites, *arrays, ("a", "b"), np.array([True, False, True]), {"R2": np.array([0.1, 0.2, 0.3])})
    joined = GenotypeStream(("a", "b"), 2, iter([table[:1], table[1:]])).read()
    assert joined.sites.keys() == sites.keys()
    np.testing.assert_array_equal(joined.probabilities, table.probabilities)
    np.testing.assert_array_equal(joined.dosages, table.dosages)
    np.testing.assert_array_equal(joined.is_typed, table.is_typed)
    np.testing.assert_array_equal(joined.scores["R2"], [0.1, 0.2, 0.3])
    assert joined.sample_names == ("a", "b")


@pytest.mark.parametrize("held_bytes", [0, 1, 600, 10**9])
def test_a_large_panel_is_read_into_a_file(monkeypatch: pytest.MonkeyPatch, held_bytes: int) -> None:
    monkeypatch.setattr("rnnimp.sites.panel.HELD_BYTES", held_bytes)
    panel = random_panel(np.random.default_rng(1), n_sites=50, n_samples=7, missing_share=0.1)
    blocks = (panel[start : start + 8] for start in range(0, 50, 8))
    result = PanelStream(panel.sample_names, blocks).read()
    assert isinstance(result.alleles, np.memmap) == (held_bytes < 1000)
    np.testing.assert_array_equal(result.alleles, panel.alleles)
    assert result.sites.keys() == panel.sites.keys()
    np.testing.assert_array_equal(result.take_samples(np.array([2])).alleles, panel.alleles[:, 4:6])


def test_no_room_for_a_large_panel_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("rnnimp.sites.panel.HELD_BYTES", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    panel = random_panel(np.random.default_rng(1), n_sites=5)
    with pytest.raises(DataError, match=r"absent: cannot be written .* name another folder in TMPDIR"):
        PanelStream(panel.sample_names, iter([panel])).read()


def test_equal_strings_are_held_once() -> None:
    strings = as_strings("".join(letters) for letters in ["AC", "CA", "AC"])
    assert strings.tolist() == ["AC", "CA", "AC"]
    assert strings[0] is strings[2]
