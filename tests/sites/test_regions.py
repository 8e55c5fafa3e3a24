"""Regions: the published split of chromosome 22, site for site, and corner cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import shared_data
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.hapslegend import read_legend
from rnnimp.formats.partition import read_partition
from rnnimp.sites.panel import Sites
from rnnimp.sites.regions import Region, RegionLimits, plan_parts, plan_regions

PUBLISHED = RegionLimits(body_markers=200, flank_markers=50, imputed_sites=1000)


def sites_of(flags: str) -> Sites:
    """Sites at positions 1, 2, ...: `m` a marker, `.` an imputed site."""
    marker = np.array([flag == "m" for flag in flags])
    n = len(flags)
    return Sites.build(range(1, n + 1), "A" * n, "C" * n, is_marker=marker)


def bodies(flags: str, limits: RegionLimits, piece_stops: tuple[int, ...] = ()) -> list[tuple[int, int]]:
    regions = plan_regions(sites_of(flags), limits, piece_stops)
    return [(region.body.start, region.body.stop) for region in regions]


@pytest.fixture(scope="module")
def published() -> tuple[Sites, list[Region]]:
    sites = read_legend(shared_data("published_chr22/sites.legend.gz"))
    stops = read_partition(shared_data("fourier_ls-all.bed"), "chr22")
    return sites, plan_regions(sites, PUBLISHED, stops)


def test_published_chr22_is_cut_into_the_published_regions(published: tuple[Sites, list[Region]]) -> None:
    sites, regions = published
    table = np.loadtxt(shared_data("published_chr22/regions.tsv"), skiprows=1, dtype=np.int64)
    found = []
    for number, region in enumerate(regions, start=1):
        flags = sites.markers()[region.rows]
        imputed = sites.positions[region.rows[~flags]]
        markers = sites.positions[region.rows[flags]]
        found.append(
            [number, imputed[0], imputed[-1], sites.positions[region.rows[0]], markers[-1], len(imputed), len(markers)]
        )
    assert len(regions) == 225
    # the published table's margin begins with the region's first site, marker or not
    assert [row[:3] + row[5:] for row in found] == table[:, [0, 1, 2, 5, 6]].tolist()
    assert [row[3] for row in found] == table[:, 3].tolist()


@pytest.mark.parametrize("number", [1, 2, 100, 225])
def test_published_legends_site_for_site(published: tuple[Sites, list[Region]], number: int) -> None:
    sites, regions = published
    legend = read_legend(shared_data(f"published_chr22/chr22_{number}.legend.gz"))
    ours = sites[regions[number - 1].rows]
    assert ours.keys() == legend.keys()
    assert ours.ids.tolist() == legend.ids.tolist()
    assert np.array_equal(ours.markers(), legend.markers())


@pytest.mark.parametrize(
    ("flags", "limits", "stops", "expected"),
    [
        ("..m..", RegionLimits(10, 10, 10), (), [(0, 5)]),  # one region
        ("m.m.m.m", RegionLimits(10, 10, 1), (), [(1, 2), (3, 4), (5, 6)]),  # closed at the site limit
        ("....m..", RegionLimits(10, 10, 2), (), [(0, 4), (5, 7)]),  # the limit is passed up to the next marker
        (".mmm.m.", RegionLimits(2, 10, 99), (), [(0, 1), (4, 7)]),  # closed at the marker limit
        (".m.mmm", RegionLimits(10, 10, 10), (), [(0, 3)]),  # the chromosome ends in markers
        ("mm.m.", RegionLimits(10, 10, 10), (), [(2, 5)]),  # and begins with them
        (".m.m.m.", RegionLimits(10, 10, 99), (3, 7), [(0, 3), (4, 7)]),  # a piece ends at its stop, included
        (".m.m.m.", RegionLimits(10, 10, 99), (3, 4), [(0, 3), (4, 7)]),  # the last piece reaches to the end
        (".mm.m.", RegionLimits(10, 10, 99), (1, 3, 6), [(0, 1), (3, 6)]),  # a piece of markers alone
    ],
)
def test_bodies(flags: str, limits: RegionLimits, stops: tuple[int, ...], expected: list[tuple[int, int]]) -> None:
    assert bodies(flags, limits, stops) == expected


def test_a_short_last_region_joins_the_one_before() -> None:
    flags = "m" + "." * 10 + "m" + "." * 1
    assert bodies(flags, RegionLimits(5, 5, 10)) == [(1, 13)]
    assert bodies(flags + ".", RegionLimits(5, 5, 10)) == [(1, 11), (12, 14)]  # 20% is enough


def test_a_short_last_region_stays_where_the_markers_would_be_too_many() -> None:
    flags = ".m.m" + "." * 8 + "m" + "." * 1
    assert bodies(flags, RegionLimits(2, 5, 10)) == [(0, 12), (13, 14)]


def test_flanks_share_what_is_left() -> None:
    flags = "m" * 20 + "." + "m" * 20
    (region,) = plan_regions(sites_of(flags), RegionLimits(body_markers=10, flank_markers=3, imputed_sites=5))
    assert region.left_flank.tolist() == list(range(12, 20))  # 3 + half of the body's 10
    assert region.right_flank.tolist() == list(range(21, 29))


def test_a_flank_takes_over_what_the_other_cannot_use() -> None:
    limits = RegionLimits(body_markers=10, flank_markers=3, imputed_sites=5)
    (at_start,) = plan_regions(sites_of("mm." + "m" * 20), limits)
    assert (len(at_start.left_flank), len(at_start.right_flank)) == (2, 14)
    (at_end,) = plan_regions(sites_of("m" * 20 + ".mm"), limits)
    assert (len(at_end.left_flank), len(at_end.right_flank)) == (14, 2)


@given(
    st.text(alphabet="m.", min_size=2, max_size=80).filter(lambda flags: "m" in flags and "." in flags),
    st.builds(RegionLimits, st.integers(1, 6), st.integers(0, 4), st.integers(1, 8)),
    st.lists(st.integers(1, 90), max_size=4),
)
def test_every_imputed_site_lies_in_exactly_one_body(flags: str, limits: RegionLimits, stops: list[int]) -> None:
    sites = sites_of(flags)
    regions = plan_regions(sites, limits, sorted(stops))
    is_imputed = ~sites.markers()
    covered = [row for region in regions for row in region.body if is_imputed[row]]
    assert covered == np.flatnonzero(is_imputed).tolist()
    for region in regions:
        assert is_imputed[region.body.start] and is_imputed[region.body.stop - 1]
        assert np.array_equal(region.rows, np.unique(region.rows))
        in_region = region.rows[is_imputed[region.rows]]
        assert set(in_region) <= set(region.body)


@pytest.mark.parametrize("flags", ["mmm", "..."])
def test_nothing_to_impute_or_to_impute_from(flags: str) -> None:
    with pytest.raises(DataError, match="marker"):
        plan_regions(sites_of(flags), RegionLimits())


def test_limits_are_checked() -> None:
    with pytest.raises(SettingsError, match="--imp-site-count-limit must be 1 or more, found 0"):
        RegionLimits(imputed_sites=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("22 -5 9", "expected 'chr start stop', found '22 -5 9'"),
        ("22 9 5", "expected a start below the stop, found 9 and 5"),
        ("22 5 nan", "expected 'chr start stop', found '22 5 nan'"),
        ("22 5 \u0669", "expected 'chr start stop'"),
        ("22 5 99999999999", "expected 'chr start stop'"),
        ("22 0 10\n22 4 20", ":2: expected blocks that do not overlap, found start 4 before the last stop 10"),
        ("22 0 10\n22 10 10", ":2: expected a start below the stop, found 10 and 10"),
        ("22 0 10\n22 2 5", ":2: expected rising stops, found 5 after 10"),
    ],
)
def test_blocks_are_checked(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.bed"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_partition(path, "22")
    assert message in str(error.value)


def test_blocks_of_one_chromosome_may_have_several_names(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    path.write_text("chr22 0 10\nCHR22 10 20\n22 20 30\n21 0 5\n")
    assert read_partition(path, "22") == [10, 20, 30]


def test_regions_have_all_their_rows_in_one_part() -> None:
    flags = "m..m.m..m" * 12
    sites, limits = sites_of(flags), RegionLimits(body_markers=4, flank_markers=6, imputed_sites=5)
    parts = np.repeat([0, 1, 2], [20, 60, len(flags) - 80])
    regions = plan_parts(sites, parts, limits)
    assert all(len(set(parts[region.rows].tolist())) == 1 for region in regions)
    alone = [plan_regions(sites[slice(start, stop)], limits) for start, stop in ((0, 20), (20, 80), (80, len(flags)))]
    expected = [
        (region.rows + start).tolist() for start, found in zip((0, 20, 80), alone, strict=True) for region in found
    ]
    assert [region.rows.tolist() for region in regions] == expected
    one = plan_parts(sites, np.zeros(len(flags), np.int64), limits)
    assert [region.rows.tolist() for region in one] == [region.rows.tolist() for region in plan_regions(sites, limits)]


def test_parts_without_two_markers_and_a_site_get_no_region() -> None:
    parts = np.repeat([0, 1, 2], [4, 8, 3])
    regions = plan_parts(sites_of("m...m..m..m.mmm"), parts, PUBLISHED)
    assert [(region.body.start, region.body.stop) for region in regions] == [(5, 12)]
    with pytest.raises(DataError, match="no part of the chromosome has two array markers"):
        plan_parts(sites_of("m...mm"), np.repeat([0, 1], [4, 2]), PUBLISHED)
