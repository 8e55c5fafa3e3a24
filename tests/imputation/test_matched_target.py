"""One match per run: it follows the target through flips, hidden alleles and dropped sites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnimp.cli import main
from rnnimp.formats.bundle import open_bundle
from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.imputation import matched_target
from rnnimp.imputation.matched_target import MatchedTarget, join_model, match_target, separate_starts
from rnnimp.sites.matching import SiteMatch, match_again, match_sites
from rnnimp.sites.panel import Panel, Sites
from rnnimp.sites.target_checks import flip_strand
from tiny_model import tiny_chromosome, write_tiny_bundle

ALLELES = [("A", "G"), ("G", "A"), ("T", "C"), ("A", "T"), ("C", "G"), ("A", "0"), ("C", "."), ("A", "AT"), ("A", "C")]
PLACES = st.lists(st.tuples(st.integers(1, 6), st.sampled_from(ALLELES)), min_size=1, max_size=14)


def sites_of(places: list[tuple[int, tuple[str, str]]]) -> Sites:
    rows = sorted(places, key=lambda place: place[0])
    return Sites.build([position for position, _ in rows], [a0 for _, (a0, _) in rows], [a1 for _, (_, a1) in rows])


def assert_same(found: SiteMatch, expected: SiteMatch) -> None:
    assert found.target_index.tolist() == expected.target_index.tolist()
    assert found.is_swapped.tolist() == expected.is_swapped.tolist()
    assert found.kinds.tolist() == expected.kinds.tolist()


@given(PLACES, PLACES, st.data())
def test_matching_the_changed_sites_again_is_matching_all(
    target_places: list[tuple[int, tuple[str, str]]],
    model_places: list[tuple[int, tuple[str, str]]],
    data: st.DataObject,
) -> None:
    target = sites_of(target_places)
    model = sites_of(
        list(dict.fromkeys(place for place in model_places if place[1][1] not in "0.")) or [(1, ("A", "G"))]
    )
    is_snp = [row for row, a1 in enumerate(target.a1) if a1 in "ACGT"]
    rows = np.array(sorted(data.draw(st.sets(st.sampled_from(is_snp)))) if is_snp else [], dtype=np.int64)
    flipped = flip_strand(target, rows)
    assert_same(match_again(match_sites(target, model), flipped, model, rows), match_sites(flipped, model))


@given(PLACES, PLACES)
def test_a_target_without_unknown_sites_is_matched_as_before(
    target_places: list[tuple[int, tuple[str, str]]], model_places: list[tuple[int, tuple[str, str]]]
) -> None:
    target, model = sites_of(target_places), sites_of(list(dict.fromkeys(model_places)))
    match = match_sites(target, model)
    rows = np.flatnonzero(np.isin(np.arange(len(target)), match.target_index))
    assert_same(match.take(rows), match_sites(target[rows], model))


@pytest.fixture
def matched(tmp_path: Path) -> MatchedTarget:
    panel, regions = tiny_chromosome(np.random.default_rng(8))
    write_tiny_bundle(tmp_path / "m", regions)
    plain = replace(panel.sites, is_marker=None, a1_freq=None)
    return match_target(replace(panel, sites=plain), join_model(open_bundle(tmp_path / "m")))


def test_hiding_alleles_leaves_sites_and_match(matched: MatchedTarget) -> None:
    rows = np.array([2, 7])
    hidden = matched.with_missing(rows)
    assert (hidden.panel.alleles[rows] == -1).all()
    others = np.delete(np.arange(len(matched.panel.sites)), rows)
    np.testing.assert_array_equal(hidden.panel.alleles[others], matched.panel.alleles[others])
    assert hidden.match is matched.match
    assert matched.with_missing(np.empty(0, np.int64)) is matched


def test_taking_sites_takes_their_alleles_and_match(matched: MatchedTarget) -> None:
    rows = np.arange(0, len(matched.panel.sites), 3)
    taken = matched.take(rows)
    np.testing.assert_array_equal(taken.panel.alleles, matched.panel.alleles[rows])
    assert_same(taken.match, match_sites(taken.panel.sites, matched.model.sites))
    assert taken.counts.matched == len(rows)


@pytest.fixture
def matchings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many sites of the target are matched, for each time that the whole target is."""
    calls: list[int] = []

    def counting(target: Sites, model: Sites) -> SiteMatch:
        calls.append(len(target))
        return match_sites(target, model)

    monkeypatch.setattr(matched_target, "match_sites", counting)
    yield calls


@pytest.mark.parametrize(
    "options",
    [[], ["--flip"], ["--typed-only", "drop"], ["--flip", "--typed-only", "drop"], ["--region", "22:1-1001100"]],
)
def test_the_target_is_matched_once_per_run(tmp_path: Path, matchings: list[int], options: list[str]) -> None:
    panel, regions = tiny_chromosome(np.random.default_rng(8), n_samples=60)
    write_tiny_bundle(tmp_path / "m", regions)
    sites = replace(panel.sites, is_marker=None, a1_freq=None)
    target = Panel(sites, panel.alleles, panel.sample_names)[panel.sites.markers()]
    with HapsLegendWriter(tmp_path / "t", target.sample_names) as writer:
        writer.write(target.sites, target.alleles)
    files = ["--hap", f"{tmp_path}/t.hap.gz", "--legend", f"{tmp_path}/t.legend.gz", "--model-prefix", f"{tmp_path}/m"]
    assert main(["impute", *files, "--output-prefix", f"{tmp_path}/x.gen", *options]) == 0
    assert matchings == [len(target.sites)]


def test_matched_sites_are_written_as_the_models_panel_has_them(matched: MatchedTarget) -> None:
    """A marker that split exchanged, one that it did not, a site that is imputed, one of a target that knows no ALT."""
    sites, model = matched.panel.sites, matched.model.sites
    markers, others = np.flatnonzero(model.is_marker), np.flatnonzero(~model.markers())
    swapped = np.zeros(len(model), dtype=bool)
    swapped[markers[:2]] = True
    turned = np.array([markers[0], markers[2], others[0]])  # markers[1] stands as in the model, but was exchanged there
    a0, a1, ids = sites.a0.copy(), sites.a1.copy(), sites.ids.copy()
    a0[turned], a1[turned] = a1[turned], a0[turned]
    ids[markers[2]] = f"22:{sites.positions[markers[2]]}:{a0[markers[2]]}:{a1[markers[2]]}"
    a1[markers[3]], ids[others[0]] = ".", "rs7"
    target = replace(matched.panel, sites=replace(sites, ids=ids, a0=a0, a1=a1))
    joined = replace(matched.model, sites=replace(model, swapped=swapped))
    written = match_target(target, joined).with_model_alleles()

    exchanged = np.array([markers[1], markers[2], others[0]])
    expected = target.alleles.copy()
    expected[exchanged] = np.where(expected[exchanged] < 0, -1, 1 - expected[exchanged])
    np.testing.assert_array_equal(written.panel.alleles, expected)
    references = np.where(swapped, model.a1, model.a0)[np.argsort(matched.match.target_index)]
    assert written.panel.sites.a0.tolist() == references.tolist()
    assert written.panel.sites.a1[markers[3]] == model.a1[markers[3]]
    assert written.panel.sites.ids[others[0]] == "rs7"
    position = sites.positions[markers[2]]
    assert written.panel.sites.ids[markers[2]] == f"22:{position}:{model.a0[markers[2]]}:{model.a1[markers[2]]}"
    assert_same(
        replace(written.match, kinds=np.zeros(0, np.int8)),
        replace(match_sites(written.panel.sites, joined.sites), kinds=np.zeros(0, np.int8)),
    )


@pytest.mark.parametrize("has_reference", [True, False])
def test_where_ref_of_a_marker_is_not_known_the_target_keeps_its_own(
    matched: MatchedTarget, caplog: pytest.LogCaptureFixture, has_reference: bool
) -> None:
    sites = matched.panel.sites
    marker = np.flatnonzero(matched.model.sites.markers())[:1]
    a0, a1 = sites.a0.copy(), sites.a1.copy()
    a0[marker], a1[marker] = a1[marker], a0[marker]
    target = replace(matched.panel, sites=replace(sites, a0=a0, a1=a1, has_reference=has_reference))
    written = match_target(target, matched.model).with_model_alleles()
    assert written.panel.sites.a0.tolist() == a0.tolist()
    np.testing.assert_array_equal(written.panel.alleles, target.alleles)
    assert ("the model's legends have no column swap" in caplog.text) == (not has_reference)


def test_regions_that_share_no_site_with_those_before_them(tmp_path: Path) -> None:
    _, regions = tiny_chromosome(np.random.default_rng(8), n_regions=4, n_samples=3)
    write_tiny_bundle(tmp_path / "m", regions)
    model = join_model(open_bundle(tmp_path / "m"))
    ends = [(int(region.sites.positions[0]), int(region.sites.positions[-1])) for region in model.regions]
    expected = [first for number, (first, _) in enumerate(ends) if number and first > max(e for _, e in ends[:number])]
    assert separate_starts(model) == expected
    moved = [
        replace(region, sites=replace(region.sites, positions=region.sites.positions + (10**7 if number > 1 else 0)))
        for number, region in enumerate(model.regions)
    ]
    assert ends[2][0] + 10**7 in separate_starts(replace(model, regions=tuple(moved[::-1])))
