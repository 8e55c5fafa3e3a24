"""Imputation with models whose result is easy to compute: a weighted mean over the markers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bundle import Bundle, open_bundle
from rnnimp.imputation.engines.onnx_runtime import load_onnx_engine
from rnnimp.imputation.impute import impute
from rnnimp.imputation.matched_target import join_model, match_target
from rnnimp.imputation.plan import ImputationPlan
from rnnimp.imputation.plan import plan_imputation as plan_of_match
from rnnimp.sites.panel import ImputedBlock, Panel, Sites
from tiny_model import TinyRegion, tiny_chromosome, tiny_region, write_tiny_bundle, write_tiny_model

Chromosome = tuple[Panel, list[TinyRegion]]


@pytest.fixture
def chromosome() -> Chromosome:
    return tiny_chromosome(np.random.default_rng(5))


@pytest.fixture
def bundle_of(tmp_path: Path) -> Callable[..., Bundle]:
    """Writes regions and opens them; each call to a folder of its own."""
    folders = iter(tmp_path / str(number) for number in range(100))

    def make(regions: list[TinyRegion], numbers: list[int] | None = None) -> Bundle:
        folder = next(folders)
        folder.mkdir()
        write_tiny_bundle(folder / "m", regions, numbers)
        return open_bundle(folder / "m")

    return make


def plan_imputation(target: Panel, bundle: Bundle) -> ImputationPlan:
    return plan_of_match(match_target(target, join_model(bundle)))


def run(target: Panel, bundle: Bundle, haplotypes_per_run: int = 32) -> ImputedBlock:
    """All blocks joined."""
    blocks = list(impute(plan_imputation(target, bundle), load_onnx_engine, haplotypes_per_run))
    n_haplotypes = target.alleles.shape[1]
    missing = [np.zeros((len(b), n_haplotypes), bool) if b.is_missing is None else b.is_missing for b in blocks]
    return ImputedBlock(
        Sites.concatenate([block.sites for block in blocks]),
        np.concatenate([block.alt_probabilities for block in blocks]),
        np.concatenate([block.is_typed for block in blocks]),
        np.concatenate(missing),
    )


def by_hand(target: Panel, region: TinyRegion) -> dict[tuple[int, str, str], list[float]]:
    """P(a1) of every imputed site of a region on every haplotype, one number at a time."""
    markers, imputed = np.flatnonzero(region.sites.markers()), np.flatnonzero(~region.sites.markers())
    keys, rows = region.sites.keys(), {key: row for row, key in enumerate(target.sites.keys())}
    frequencies = np.full(len(keys), np.nan) if region.sites.a1_freq is None else region.sites.a1_freq
    result = {}
    for row, site in enumerate(imputed):
        values = []
        for haplotype in range(target.alleles.shape[1]):
            total = 0.0
            for column, marker in enumerate(markers):
                position, a0, a1 = keys[marker]
                value = 0.5 if np.isnan(frequencies[marker]) else frequencies[marker]
                if (position, a0, a1) in rows and target.alleles[rows[position, a0, a1], haplotype] >= 0:
                    value = target.alleles[rows[position, a0, a1], haplotype]
                elif (position, a1, a0) in rows and target.alleles[rows[position, a1, a0], haplotype] >= 0:
                    value = 1 - target.alleles[rows[position, a1, a0], haplotype]
                total += float(region.weights[row, column]) * value
            values.append(total)
        result[keys[site]] = values
    return result


def assert_as_by_hand(result: ImputedBlock, target: Panel, regions: list[TinyRegion]) -> None:
    expected = {key: values for region in regions for key, values in by_hand(target, region).items()}
    rows = {key: row for row, key in enumerate(result.sites.keys())}
    typed = set(target.sites.keys()) | {(position, a1, a0) for position, a0, a1 in target.sites.keys()}
    imputed = set(expected) - typed
    assert imputed == {key for key, row in rows.items() if not result.is_typed[row]}
    for key in imputed:
        np.testing.assert_allclose(result.alt_probabilities[rows[key]], expected[key], atol=1e-6)


def markers_of(panel: Panel) -> Panel:
    """The panel as an array would give it: its markers without what the legend knows."""
    plain = replace(panel.sites, is_marker=None, a1_freq=None, swapped=None)
    return replace(panel, sites=plain)[panel.sites.markers()]


def swap_some(panel: Panel, rng: np.random.Generator) -> Panel:
    """The same data with a0 and a1 exchanged at half of the sites."""
    is_swapped = rng.random(len(panel.sites)) < 0.5
    a0, a1 = panel.sites.a0, panel.sites.a1
    sites = replace(panel.sites, a0=np.where(is_swapped, a1, a0), a1=np.where(is_swapped, a0, a1))
    alleles = np.where(is_swapped[:, None] & (panel.alleles >= 0), 1 - panel.alleles, panel.alleles).astype(np.int8)
    return replace(panel, sites=sites, alleles=alleles)


def test_imputed_sites_are_what_the_model_says(chromosome: Chromosome, bundle_of: Callable[..., Bundle]) -> None:
    panel, regions = chromosome
    target = markers_of(panel)
    result = run(target, bundle_of(regions))
    assert result.sites.keys() == panel.sites.keys()
    assert result.is_typed.tolist() == panel.sites.markers().tolist()
    assert_as_by_hand(result, target, regions)
    np.testing.assert_array_equal(result.alt_probabilities[result.is_typed], target.alleles)


def test_allele_order_of_the_target_changes_nothing(chromosome: Chromosome, bundle_of: Callable[..., Bundle]) -> None:
    panel, regions = chromosome
    target = markers_of(panel)
    swapped = swap_some(target, np.random.default_rng(2))
    plain, other = run(target, bundle_of(regions)), run(swapped, bundle_of(regions))
    imputed = ~plain.is_typed
    np.testing.assert_array_equal(other.alt_probabilities[imputed], plain.alt_probabilities[imputed])
    assert other.sites[other.is_typed].keys() == swapped.sites.keys()
    np.testing.assert_array_equal(other.alt_probabilities[other.is_typed], swapped.alleles)


def test_missing_alleles_and_absent_markers_enter_by_frequency(
    chromosome: Chromosome, bundle_of: Callable[..., Bundle]
) -> None:
    panel, regions = chromosome
    rng = np.random.default_rng(11)
    target = markers_of(panel)
    target = target[rng.random(len(target.sites)) < 0.7]
    alleles = np.where(rng.random(target.alleles.shape) < 0.2, -1, target.alleles).astype(np.int8)
    target = replace(swap_some(target, rng), alleles=alleles)
    for region in regions:
        assert region.sites.a1_freq is not None
        region.sites.a1_freq[::5] = np.nan
    result = run(target, bundle_of(regions))
    assert_as_by_hand(result, target, regions)
    assert result.is_missing is not None
    np.testing.assert_array_equal(result.is_missing[result.is_typed], alleles < 0)
    assert not result.is_missing[~result.is_typed].any()
    assert (result.alt_probabilities[result.is_missing] == 0.5).all()


@pytest.mark.parametrize("haplotypes_per_run", [1, 3, 10, 1000])
def test_chunk_size_changes_nothing(
    chromosome: Chromosome, bundle_of: Callable[..., Bundle], haplotypes_per_run: int
) -> None:
    panel, regions = chromosome
    bundle, target = bundle_of(regions), markers_of(panel)
    expected = run(target, bundle, 4).alt_probabilities
    np.testing.assert_allclose(run(target, bundle, haplotypes_per_run).alt_probabilities, expected, atol=1e-6)


def test_permuting_samples_permutes_the_result(chromosome: Chromosome, bundle_of: Callable[..., Bundle]) -> None:
    panel, regions = chromosome
    bundle, target = bundle_of(regions), markers_of(panel)
    order = np.array([3, 0, 4, 1, 2])
    columns = [2 * sample + haplotype for sample in order for haplotype in (0, 1)]
    permuted = run(target.take_samples(order), bundle).alt_probabilities
    np.testing.assert_allclose(permuted, run(target, bundle).alt_probabilities[:, columns], atol=1e-6)


def test_numbering_of_regions_changes_nothing(chromosome: Chromosome, bundle_of: Callable[..., Bundle]) -> None:
    panel, regions = chromosome
    target = markers_of(panel)
    expected, other = run(target, bundle_of(regions)), run(target, bundle_of(regions, [3, 1, 2]))
    assert other.sites.keys() == expected.sites.keys()
    np.testing.assert_array_equal(other.alt_probabilities, expected.alt_probabilities)


def test_only_one_region_is_loaded_at_a_time(chromosome: Chromosome, bundle_of: Callable[..., Bundle]) -> None:
    panel, regions = chromosome
    loaded = []

    def load(region):
        loaded.append(region.index)
        return load_onnx_engine(region)

    blocks = impute(plan_imputation(markers_of(panel), bundle_of(regions)), load)
    assert [loaded.copy() for _ in blocks] == [[1], [1, 2], [1, 2, 3]]


def test_typed_sites_outside_the_model_are_kept(chromosome: Chromosome, bundle_of: Callable[..., Bundle]) -> None:
    panel, regions = chromosome
    markers = markers_of(panel)
    positions = panel.sites.positions
    gap = int(positions[np.flatnonzero(np.diff(positions) > 2)[0]]) + 1
    extra = Sites.build([100, gap, int(positions[-1]) + 10**6], "CCC", "TTT", chromosome="22")
    alleles = np.random.default_rng(1).integers(0, 2, (3, 10)).astype(np.int8)
    joined = Panel(
        Sites.concatenate([markers.sites, extra]), np.concatenate([markers.alleles, alleles]), markers.sample_names
    )
    target = joined[np.argsort(joined.sites.positions, kind="stable")]
    result = run(target, bundle_of(regions))
    assert sorted(result.sites.keys()) == sorted([*panel.sites.keys(), *extra.keys()])
    assert (np.diff(result.sites.positions) >= 0).all()
    assert result.sites[result.is_typed].keys() == target.sites.keys()
    np.testing.assert_array_equal(result.alt_probabilities[result.is_typed], target.alleles)


def test_typed_site_that_the_model_imputes_is_written_once_as_typed(
    chromosome: Chromosome, bundle_of: Callable[..., Bundle]
) -> None:
    panel, regions = chromosome
    imputed = np.flatnonzero(~panel.sites.markers())
    keep = np.union1d(np.flatnonzero(panel.sites.markers()), imputed[::3])
    plain = replace(panel, sites=replace(panel.sites, is_marker=None, a1_freq=None))
    target = swap_some(plain[keep], np.random.default_rng(9))
    result = run(target, bundle_of(regions))
    assert len(result) == len(panel.sites)
    assert result.sites[result.is_typed].keys() == target.sites.keys()
    assert_as_by_hand(result, target, regions)


def sites_at_one_position() -> tuple[Panel, list[TinyRegion]]:
    """Two regions whose border lies within a position that has two imputed sites and a marker."""
    first = Sites.build([10, 20, 30], "ACA", "GTC", is_marker=np.array([True, False, False]))
    second = Sites.build([30, 30, 40], "AAC", "TGT", is_marker=np.array([False, True, True]))
    rng = np.random.default_rng(0)
    alleles = np.array([[0, 1], [1, 0], [1, 1]], dtype=np.int8)
    target = Panel(Sites.build([10, 30, 40], "AAC", "GGT"), alleles, ("s",))
    return target, [tiny_region(rng, first), tiny_region(rng, second)]


def test_alleles_tell_sites_of_one_position_apart(bundle_of: Callable[..., Bundle]) -> None:
    target, regions = sites_at_one_position()
    result = run(target, bundle_of(regions))
    assert result.sites.keys() == [
        *((10, "A", "G"), (20, "C", "T"), (30, "A", "G"), (30, "A", "C"), (30, "A", "T"), (40, "C", "T"))
    ]
    assert result.is_typed.tolist() == [True, False, True, False, False, True]
    assert_as_by_hand(result, target, regions)


def test_a_site_imputed_by_two_regions_is_refused(bundle_of: Callable[..., Bundle]) -> None:
    target, regions = sites_at_one_position()
    again = replace(regions[1].sites, a1=np.array(["C", "G", "T"], dtype=object))
    with pytest.raises(DataError, match="found 30 also in region 1"):
        plan_imputation(target, bundle_of([regions[0], replace(regions[1], sites=again)]))


def test_overlapping_regions_are_refused(chromosome: Chromosome, bundle_of: Callable[..., Bundle]) -> None:
    panel, regions = chromosome
    with pytest.raises(DataError, match="region 1 and region 2 among each other"):
        plan_imputation(markers_of(panel), bundle_of([regions[0], regions[0]]))


def test_monomorphic_site_gets_the_models_alleles(bundle_of: Callable[..., Bundle]) -> None:
    _, regions = sites_at_one_position()
    alleles = np.zeros((3, 2), dtype=np.int8)
    target = Panel(Sites.build([10, 20, 40], "GCA", "0.0"), alleles, ("s",))
    result = run(target, bundle_of(regions))
    # at 10 G is the model's a1, at 20 C is a0 of a site that the model imputes, so no marker, at 40 A is neither
    assert result.sites[result.is_typed].keys() == [(10, "G", "A"), (20, "C", "."), (40, "A", "0")]
    assert result.sites[~result.is_typed].keys() == [(20, "C", "T"), (30, "A", "C"), (30, "A", "T")]
    np.testing.assert_allclose(result.alt_probabilities[result.sites.a1 == "C"], 1)  # of the marker at 10: a1 on all


def test_target_without_a_common_marker_is_refused(chromosome: Chromosome, bundle_of: Callable[..., Bundle]) -> None:
    panel, regions = chromosome
    target = markers_of(panel)
    shifted = replace(target, sites=replace(target.sites, positions=target.sites.positions + 10**7))
    with pytest.raises(DataError, match="found none with their position and alleles"):
        plan_imputation(shifted, bundle_of(regions))


def test_region_without_an_observed_marker_is_warned_of(
    chromosome: Chromosome, bundle_of: Callable[..., Bundle], caplog: pytest.LogCaptureFixture
) -> None:
    panel, regions = chromosome
    target = markers_of(panel)
    target = target[target.sites.positions < regions[2].sites.positions[0]]
    with caplog.at_level(logging.WARNING):
        plan = plan_imputation(target, bundle_of(regions))
    assert plan.n_unobserved_regions == 1
    assert "the target has no marker of 1 region: region 3; imputed from allele frequencies only" in caplog.text
    assert_as_by_hand(run(target, bundle_of(regions)), target, regions)


def test_model_that_diverged_is_refused(chromosome: Chromosome, bundle_of: Callable[..., Bundle]) -> None:
    panel, regions = chromosome
    bundle = bundle_of(regions)
    weights: NDArray[np.float32] = regions[0].weights * np.float32(np.nan)
    write_tiny_model(bundle.regions[0].model_path, weights)
    with pytest.raises(DataError, match="the weights weights are not all finite numbers"):
        run(markers_of(panel), bundle)


@pytest.mark.parametrize("factor", [1.5, -1, 3e38])
def test_model_that_predicts_no_probabilities_is_refused(
    chromosome: Chromosome, bundle_of: Callable[..., Bundle], factor: float
) -> None:
    panel, regions = chromosome
    bundle = bundle_of(regions)
    write_tiny_model(bundle.regions[0].model_path, regions[0].weights * np.float32(factor))
    with pytest.raises(DataError, match="expected probabilities from 0 to 1, the model predicts"):
        run(markers_of(panel), bundle)


def test_regions_that_meet_at_a_position(bundle_of: Callable[..., Bundle]) -> None:
    """As between the alleles of a multi-allelic site: what is typed there is filled and compared by either region."""
    rng = np.random.default_rng(4)
    n_sites, border = 24, 1200
    positions = 100 * np.arange(1, n_sites + 1)
    positions[10:15] = border
    a1 = np.where(np.arange(n_sites) % 2, "C", "G").astype(object)
    a1[10:15] = ["C", "G", "T", "CA", "CC"]
    is_marker = np.zeros(n_sites, dtype=bool)
    is_marker[[0, 3, 6, 8, 17, 19, 22]] = True
    alleles = rng.integers(0, 2, (n_sites, 12)).astype(np.int8)
    sites = Sites.build(positions, ["A"] * n_sites, a1.tolist(), is_marker=is_marker, a1_freq=np.full(n_sites, 0.4))
    bodies = [np.arange(12), np.arange(12, 13), np.arange(13, n_sites)]  # the second lies at the position as a whole
    flanks = [(np.empty(0, int), [17]), ([6, 8], [17, 19]), ([8], np.empty(0, int))]
    regions = [
        tiny_region(rng, sites[np.concatenate([left, body, right]).astype(int)])
        for (left, right), body in zip(flanks, bodies, strict=True)
    ]
    typed = np.flatnonzero(is_marker | np.isin(np.arange(n_sites), [4, 10, 12, 13, 20]))
    alleles[10, 2] = alleles[12, 3] = alleles[13, 7] = alleles[20, 1] = -1
    swapped = sites.a0.copy(), sites.a1.copy()
    swapped[0][12], swapped[1][12] = swapped[1][12], swapped[0][12]  # the target has this one the other way round
    own = replace(sites, a0=swapped[0], a1=swapped[1], is_marker=None, a1_freq=None)
    target = Panel(own, alleles, tuple(f"s{i}" for i in range(6)))[typed]
    plan = plan_imputation(target, bundle_of(regions))
    blocks = list(impute(plan, load_onnx_engine, 5, threads=2, keep_own=True))
    found = [key for block in blocks for key in block.sites.keys()]
    keys = own.keys()
    at_border = [keys[row] for row in (10, 12, 13, 11, 14)]  # typed ones first
    assert found == [*keys[:10], *at_border, *keys[15:]]
    expected = {key: np.array(values) for region in regions for key, values in by_hand(target, region).items()}
    n_compared = 0
    for block in blocks:
        assert block.own_probabilities is not None
        for row, key in enumerate(block.sites.keys()):
            original = keys.index(key)
            by_model = expected.get(sites.keys()[original])
            if original == 12:
                assert by_model is not None
                by_model = 1 - by_model
            if not block.is_typed[row]:
                np.testing.assert_allclose(block.alt_probabilities[row], by_model, atol=1e-6)
            elif by_model is None:
                assert np.isnan(block.own_probabilities[row]).all()
            else:
                n_compared += 1
                np.testing.assert_allclose(block.own_probabilities[row], by_model, atol=1e-6)
                is_filled = alleles[original] < 0
                assert block.is_missing is None or not block.is_missing[row].any()
                assert is_filled.any() == (original != 4)
                known = np.where(is_filled, by_model, alleles[original])
                np.testing.assert_allclose(block.alt_probabilities[row], known, atol=1e-6)
    assert n_compared == 5
