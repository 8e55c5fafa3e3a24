"""Accuracy against true genotypes: alignment of sites and samples, scores, bins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnimp.errors import DataError
from rnnimp.scoring import accuracy
from rnnimp.scoring.accuracy import SiteStatistics, compare, compare_genotypes, minor_percent
from rnnimp.scoring.alignment import Truth, align
from rnnimp.scoring.bins import aggregate_r2, score_bins
from rnnimp.scoring.measures import concordance, imputation_quality, most_likely, non_reference_discordance
from rnnimp.sites.panel import GenotypeTable, Sites, as_strings, default_sample_names


def random_pairs(
    rng: np.random.Generator, n_sites: int, n_samples: int, missing: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True genotypes, and noisy probabilities and dosages that lean to them."""
    frequency = rng.beta(0.5, 1, size=(n_sites, 1))
    genotypes = (rng.random((2, n_sites, n_samples)) < frequency).sum(axis=0).astype(np.int8)
    probabilities = rng.dirichlet([0.3, 0.3, 0.3], size=genotypes.shape) + 1.5 * np.eye(3)[genotypes]
    probabilities = (probabilities / probabilities.sum(axis=2, keepdims=True)).astype(np.float32)
    probabilities[rng.random(genotypes.shape) < missing] = np.nan
    genotypes[rng.random(genotypes.shape) < missing] = -1
    return genotypes, probabilities[..., 1] + 2 * probabilities[..., 2], probabilities


def table(
    genotypes: np.ndarray, probabilities: np.ndarray, sites: Sites, names: tuple[str, ...] | None = None
) -> tuple[GenotypeTable, Truth]:
    dosages = probabilities[..., 1] + 2 * probabilities[..., 2]
    return GenotypeTable(sites, probabilities, dosages, names), Truth(sites, genotypes, names)


def some_sites(n_sites: int, chromosome: str | None = None) -> Sites:
    return Sites.build(range(100, 100 + n_sites), ["A"] * n_sites, ["G"] * n_sites, chromosome=chromosome)


# --- the scores of a site, against plain loops ----------------------------------------------------------------


def loop_r2(truth: list[float], dosage: list[float]) -> float:
    if len(set(truth)) < 2:
        return float("nan")
    if len(set(dosage)) < 2:
        return 0.0
    return float(np.corrcoef(truth, dosage)[0, 1] ** 2)


def loop_iqs(truth: list[int], probabilities: list[np.ndarray]) -> float:
    """Lin et al. 2010, equations for Po and Pc, from the table of true by imputed genotypes."""
    cells = {(true, guess): 0.0 for true in range(3) for guess in range(3)}
    for true, triple in zip(truth, probabilities, strict=True):
        for guess in range(3):
            cells[true, guess] += float(triple[guess])
    total = sum(cells.values())
    if total == 0:
        return float("nan")
    observed = sum(cells[copies, copies] for copies in range(3)) / total
    chance = 0.0
    for copies in range(3):
        n_true = sum(cells[copies, other] for other in range(3))
        n_guessed = sum(cells[other, copies] for other in range(3))
        chance += n_true * n_guessed / total**2
    return (observed - chance) / (1 - chance) if chance < 1 else float("nan")


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_site_scores_equal_plain_loops(seed: int, missing: float) -> None:
    genotypes, dosages, probabilities = random_pairs(np.random.default_rng(seed), 40, 12, missing)
    statistics = compare_genotypes(genotypes, dosages, probabilities)
    expected: dict[str, list[float]] = {"n": [], "r2": [], "concordance": [], "nrd": [], "iqs": []}
    for site in range(40):
        pairs = [i for i in range(12) if genotypes[site, i] >= 0 and not np.isnan(dosages[site, i])]
        truth = [int(genotypes[site, i]) for i in pairs]
        guesses = [int(np.argmax(probabilities[site, i])) for i in pairs]
        right = [true == guess for true, guess in zip(truth, guesses, strict=True)]
        both_zero = sum(true == guess == 0 for true, guess in zip(truth, guesses, strict=True))
        expected["n"].append(len(pairs))
        expected["r2"].append(loop_r2(truth, [float(dosages[site, i]) for i in pairs]))
        expected["concordance"].append(sum(right) / len(pairs) if pairs else np.nan)
        others = len(pairs) - both_zero
        expected["nrd"].append(right.count(False) / others if others else np.nan)
        expected["iqs"].append(loop_iqs(truth, [probabilities[site, i] for i in pairs]))
    found = {
        "n": statistics.n_pairs,
        "r2": statistics.r2(),
        "concordance": concordance(statistics.guesses),
        "nrd": non_reference_discordance(statistics.guesses),
        "iqs": imputation_quality(statistics.weights),
    }
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-6, atol=1e-9, err_msg=name)
        assert np.isfinite(values).sum() > 20


def test_r2_of_sites_that_do_not_vary() -> None:
    """A constant truth has no r2; a constant dosage, also one that no binary fraction holds, explains nothing."""
    genotypes = np.array([[1, 1, 1], [0, 1, 2], [0, 1, -1], [-1, -1, -1]], np.int8)
    dosages = np.array([[0.1, 0.2, 0.3], [0.1, 0.1, 0.1], [0.1, 0.1, 0.9], [0.5, 0.5, 0.5]])
    statistics = compare_genotypes(genotypes, dosages, np.full((4, 3, 3), np.nan))
    np.testing.assert_array_equal(statistics.r2(), [np.nan, 0, 0, np.nan])
    np.testing.assert_array_equal(statistics.varies(), [False, True, True, False])
    np.testing.assert_array_equal(statistics.n_pairs, [3, 3, 2, 0])


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 2), st.integers(2, 300))
def test_a_constant_dosage_of_any_value_scores_zero(dosage: float, n_samples: int) -> None:
    genotypes = (np.arange(n_samples) % 3).astype(np.int8)[np.newaxis]
    statistics = compare_genotypes(genotypes, np.full((1, n_samples), dosage), np.full((1, n_samples, 3), np.nan))
    assert statistics.r2().tolist() == [0.0]
    assert aggregate_r2(statistics, np.array([0.5])) == 0.0


def test_the_perfect_imputation() -> None:
    genotypes, _, _ = random_pairs(np.random.default_rng(4), 30, 20)
    probabilities = np.eye(3)[genotypes]
    statistics = compare_genotypes(genotypes, genotypes.astype(float), probabilities)
    varies = statistics.varies()
    np.testing.assert_allclose(statistics.r2()[varies], 1)
    np.testing.assert_array_equal(concordance(statistics.guesses), 1)
    np.testing.assert_allclose(imputation_quality(statistics.weights)[varies], 1)
    assert set(non_reference_discordance(statistics.guesses)[varies]) == {0.0}
    assert np.isnan(imputation_quality(statistics.weights)[~varies]).all()


def test_most_likely_genotypes() -> None:
    nan = np.nan
    probabilities = np.array([[[0.1, 0.2, 0.7], [0.4, 0.4, 0.2], [nan] * 3, [nan] * 3, [nan] * 3, [nan] * 3]])
    dosages = np.array([[1.6, 0.8, 1.4, 1.6, 2.01, nan]])
    assert most_likely(dosages, probabilities).tolist() == [[2, 0, 1, 2, 2, -1]]


def test_sites_with_dosages_only_have_no_iqs() -> None:
    genotypes, dosages, probabilities = random_pairs(np.random.default_rng(5), 8, 9)
    probabilities[:4] = np.nan
    found = imputation_quality(compare_genotypes(genotypes, dosages, probabilities).weights)
    assert np.isnan(found[:4]).all()
    assert not np.isnan(found[4:]).all()


# --- bins -----------------------------------------------------------------------------------------------------


def test_a_bin_holds_its_upper_edge_and_not_its_lower() -> None:
    """Also for a frequency above one half, whose complement is no exact binary fraction."""
    frequencies = np.array([0.0, 0.001, 0.005, 0.995, 0.0050001, 0.01, 0.5, 0.93, 1.0, np.nan])
    genotypes = np.array([[0, 1]] * 10, np.int8)
    statistics = compare_genotypes(genotypes, genotypes.astype(float), np.eye(3)[genotypes])
    bins = list(score_bins(statistics, frequencies, (0.0, 0.1, 0.5, 1.0, 7.0, 50.0)))
    assert [(scores.lower, scores.upper, scores.n_sites) for scores in bins] == [
        (0.0, 0.1, 1),  # 0.001
        (0.1, 0.5, 2),  # 0.005 and 0.995
        (0.5, 1.0, 2),  # 0.0050001 and 0.01
        (1.0, 7.0, 1),  # 0.93
        (7.0, 50.0, 1),  # 0.5
        (0.0, 50.0, 10),
    ]
    np.testing.assert_array_equal(minor_percent(frequencies)[[0, 3, 7, 8]], [0, 0.5, 7, 0])


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_bins_equal_plain_loops_over_all_genotypes(missing: float) -> None:
    genotypes, dosages, probabilities = random_pairs(np.random.default_rng(6), 60, 15, missing)
    frequencies = np.random.default_rng(7).random(60)
    statistics = compare_genotypes(genotypes, dosages, probabilities)
    edges = (0.0, 10.0, 25.0, 50.0)
    for scores in score_bins(statistics, frequencies, edges):
        chosen = [i for i in range(60) if scores.lower < 100 * min(frequencies[i], 1 - frequencies[i]) <= scores.upper]
        truth: list[float] = []
        imputed: list[float] = []
        n_right = n_zero = 0
        for site in chosen:
            for sample in range(15):
                true, dosage = int(genotypes[site, sample]), float(dosages[site, sample])
                if true < 0 or np.isnan(dosage):
                    continue
                is_common = frequencies[site] > 0.5
                truth.append(2 - true if is_common else true)
                imputed.append(2 - dosage if is_common else dosage)
                guess = int(np.argmax(probabilities[site, sample]))
                n_right += guess == true
                n_zero += guess == true == 0
        r2 = [statistics.r2()[site] for site in chosen]
        iqs = [imputation_quality(statistics.weights)[site] for site in chosen if np.ptp(genotypes[site]) > 0]
        assert scores.n_sites == len(chosen)
        assert scores.n_varying == sum(value == value for value in r2)
        assert scores.mean_r2 == pytest.approx(np.nanmean(r2))
        assert scores.aggregate_r2 == pytest.approx(np.corrcoef(truth, imputed)[0, 1] ** 2)
        assert scores.concordance == pytest.approx(n_right / len(truth))
        assert scores.discordance == pytest.approx((len(truth) - n_right) / (len(truth) - n_zero))
        if not missing:
            assert scores.mean_iqs == pytest.approx(np.nanmean(iqs))


def test_which_allele_is_called_a1_changes_neither_r2_nor_concordance() -> None:
    genotypes, dosages, probabilities = random_pairs(np.random.default_rng(8), 30, 10)
    frequencies = genotypes.mean(axis=1) / 2
    turned = np.random.default_rng(9).random(30) < 0.5
    genotypes_turned, dosages_turned, probabilities_turned = genotypes.copy(), dosages.copy(), probabilities.copy()
    genotypes_turned[turned] = 2 - genotypes[turned]
    dosages_turned[turned] = 2 - dosages[turned]
    probabilities_turned[turned] = probabilities[turned, :, ::-1]
    here = compare_genotypes(genotypes, dosages, probabilities)
    there = compare_genotypes(genotypes_turned, dosages_turned, probabilities_turned)
    # at one half neither allele is the minor one
    edges = (0.0, 20.0, 49.0)
    for one, other in zip(
        score_bins(here, frequencies, edges),
        score_bins(there, np.where(turned, 1 - frequencies, frequencies), edges),
        strict=True,
    ):
        for name in ("n_sites", "n_varying", "mean_r2", "concordance", "mean_iqs"):
            assert getattr(one, name) == pytest.approx(getattr(other, name)), name
        if one.upper < 50:
            assert one.aggregate_r2 == pytest.approx(other.aggregate_r2)


def test_an_empty_bin() -> None:
    genotypes, dosages, probabilities = random_pairs(np.random.default_rng(10), 5, 4)
    scores = next(iter(score_bins(compare_genotypes(genotypes, dosages, probabilities), np.full(5, 0.4), (0.0, 1.0))))
    assert (scores.n_sites, scores.n_varying) == (0, 0)
    values = (scores.mean_r2, scores.aggregate_r2, scores.concordance, scores.discordance, scores.mean_iqs)
    assert np.isnan(values).all()


def test_sites_without_pairs_are_not_scored() -> None:
    genotypes = np.array([[0, 1], [-1, -1]], np.int8)
    statistics = compare_genotypes(genotypes, np.ones((2, 2)), np.full((2, 2, 3), np.nan))
    *_, everything = score_bins(statistics, np.array([0.2, 0.2]))
    assert everything.n_sites == 1


# --- alignment ------------------------------------------------------------------------------------------------


def test_sites_are_matched_by_position_and_alleles_and_swapped_ones_turned() -> None:
    imputed_sites = Sites.build([10, 20, 20, 30, 40], ["A", "C", "C", "T", "A"], ["G", "T", "G", "C", "T"])
    true_sites = Sites.build([10, 20, 30, 30, 50], ["A", "C", "C", "T", "A"], ["G", "T", "T", "A", "C"])
    genotypes, _, probabilities = random_pairs(np.random.default_rng(11), 5, 6)
    imputed, _ = table(genotypes, probabilities, imputed_sites)
    truth = Truth(true_sites, genotypes)
    shared = align(imputed, truth)
    assert shared.imputed_rows.tolist() == [0, 1, 3]
    assert shared.truth_rows.tolist() == [0, 1, 2]
    assert shared.is_swapped.tolist() == [False, False, True]
    found = compare(imputed, truth, shared)
    turned = 2 - imputed.dosages[3].astype(float)
    expected = [
        loop_r2(genotypes[0].tolist(), imputed.dosages[0].tolist()),
        loop_r2(genotypes[1].tolist(), imputed.dosages[1].tolist()),
        loop_r2(genotypes[2].tolist(), turned.tolist()),
    ]
    np.testing.assert_allclose(found.r2(), expected, rtol=1e-5)
    np.testing.assert_allclose(found.dosage_mean[2], turned.mean(), rtol=1e-6)
    expected_iqs = loop_iqs(genotypes[2].tolist(), list(probabilities[3, :, ::-1]))
    np.testing.assert_allclose(imputation_quality(found.weights)[2], expected_iqs, rtol=1e-5)


def test_samples_are_matched_by_name_in_any_order() -> None:
    genotypes, _, probabilities = random_pairs(np.random.default_rng(12), 7, 5)
    sites = some_sites(7)
    imputed, truth = table(genotypes, probabilities, sites, ("a", "b", "c", "d", "e"))
    order = np.array([3, 0, 4, 1])
    shuffled = Truth(sites, genotypes[:, order], ("d", "a", "e", "b"))
    shared = align(imputed, shuffled)
    assert shared.imputed_samples.tolist() == [0, 1, 3, 4]
    assert shared.truth_samples.tolist() == [1, 3, 0, 2]
    kept = [0, 1, 3, 4]
    expected = compare_genotypes(genotypes[:, kept], imputed.dosages[:, kept], probabilities[:, kept])
    np.testing.assert_allclose(compare(imputed, shuffled, shared).r2(), expected.r2())
    assert not np.allclose(compare(imputed, truth, align(imputed, truth)).r2(), expected.r2(), equal_nan=True)


@pytest.mark.parametrize("names", [None, default_sample_names(3)])
def test_samples_without_names_of_their_own_are_matched_by_order(names: tuple[str, ...] | None) -> None:
    genotypes, _, probabilities = random_pairs(np.random.default_rng(13), 4, 3)
    imputed, truth = table(genotypes, probabilities, some_sites(4), ("x", "y", "z"))
    for shared in (
        align(imputed, replace(truth, sample_names=names)),
        align(replace(imputed, sample_names=names), truth),
    ):
        assert shared.imputed_samples.tolist() == shared.truth_samples.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="3 imputed and 2 true ones"):
        align(imputed, Truth(truth.sites, genotypes[:, :2]))


def test_nothing_in_common_is_refused() -> None:
    genotypes, _, probabilities = random_pairs(np.random.default_rng(14), 4, 2)
    imputed, truth = table(genotypes, probabilities, some_sites(4, "22"), ("x", "y"))
    with pytest.raises(
        DataError, match=r"expected the same samples, found none in common: x\.\.\. imputed, p\.\.\. in"
    ):
        align(imputed, replace(truth, sample_names=("p", "q")))
    with pytest.raises(DataError, match="expected one chromosome, found 22 imputed and 20 in the truth"):
        align(imputed, replace(truth, sites=some_sites(4, "20")))
    with pytest.raises(DataError, match="expected one chromosome, found 22 imputed and 20 in the truth's ids"):
        ids = as_strings(f"20:{name}" for name in truth.sites.ids)
        align(imputed, replace(truth, sites=replace(truth.sites, chromosome=None, ids=ids)))
    assert len(align(imputed, replace(truth, sites=some_sites(4, "chr22")))) == 4
    others = Sites.build(range(100, 104), ["A"] * 4, ["C"] * 4)
    with pytest.raises(DataError, match="expected sites in common, found none among 4 imputed and 4 true ones"):
        align(imputed, replace(truth, sites=others))


@pytest.mark.parametrize("block_genotypes", [1, 5, 40, 1 << 20])
def test_block_size_changes_nothing(monkeypatch: pytest.MonkeyPatch, block_genotypes: int) -> None:
    genotypes, dosages, probabilities = random_pairs(np.random.default_rng(15), 21, 5, missing=0.1)
    imputed, truth = table(genotypes, probabilities, some_sites(21))
    monkeypatch.setattr(accuracy, "_BLOCK_GENOTYPES", block_genotypes)
    found = compare(imputed, truth, align(imputed, truth))
    whole = compare_genotypes(genotypes, dosages, probabilities)
    for name in SiteStatistics.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name), err_msg=name)


def test_permuting_samples_changes_no_score() -> None:
    genotypes, dosages, probabilities = random_pairs(np.random.default_rng(16), 20, 9, missing=0.1)
    order = np.random.default_rng(17).permutation(9)
    here = compare_genotypes(genotypes, dosages, probabilities)
    there = compare_genotypes(genotypes[:, order], dosages[:, order], probabilities[:, order])
    np.testing.assert_allclose(here.r2(), there.r2(), atol=1e-12)
    np.testing.assert_array_equal(here.guesses, there.guesses)


def test_frequencies_of_the_truth_leave_missing_out() -> None:
    truth = Truth(some_sites(3), np.array([[0, 1, 2], [-1, 1, 0], [-1, -1, -1]], np.int8))
    np.testing.assert_array_equal(truth.frequencies(), [0.5, 0.25, np.nan])
