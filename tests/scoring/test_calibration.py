"""Calibration of R2 and of genotype probabilities against true genotypes."""

from __future__ import annotations

import csv
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path

import numpy as np
import pytest

from rnnimp.cli import main
from rnnimp.scoring.accuracy import compare_genotypes
from rnnimp.scoring.calibration import (
    ESTIMATE_EDGES,
    PROBABILITY_EDGES,
    Agreement,
    FilterQuality,
    Reliability,
    calibrate_score,
    dosage_slope,
    maf_groups,
)
from vcf_files import write_vcf

NAN = float("nan")


def sites_with_estimates(seed: int, n_sites: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimated r2, true r2 and frequencies; some estimates and some true r2 are missing."""
    rng = np.random.default_rng(seed)
    r2 = rng.beta(2, 1, n_sites)
    estimates = np.clip(r2 + rng.normal(0, 0.2, n_sites), -0.1, 1.1).round(2)
    r2[rng.random(n_sites) < 0.1] = NAN
    estimates[rng.random(n_sites) < 0.1] = NAN
    return estimates, r2, rng.random(n_sites)


# --- estimated r2 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_agreement_equals_plain_loops(seed: int) -> None:
    estimates, r2, frequencies = sites_with_estimates(seed)
    found = calibrate_score(estimates, r2, frequencies, (1, 20, 50))
    rows = [row for row in zip(estimates.tolist(), r2.tolist(), frequencies.tolist(), strict=True) if row[1] == row[1]]
    groups = [
        *(
            (edges, [row for row in rows if in_estimate_bin(row[0], number)])
            for number, edges in enumerate(bin_edges())
        ),
        ((1, 20), [row for row in rows if 1 < 100 * min(row[2], 1 - row[2]) <= 20]),
        ((20, 50), [row for row in rows if 20 < 100 * min(row[2], 1 - row[2]) <= 50]),
        ((0, 50), rows),
    ]
    for (edges, agreement), (expected_edges, members) in zip((*found.by_estimate, *found.by_maf), groups, strict=True):
        pairs = [(estimate, true) for estimate, true, _ in members if estimate == estimate]
        assert edges == expected_edges
        assert agreement.n_sites == len(pairs) > 0
        given, true = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
        error = (sum((one - other) ** 2 for one, other in pairs) / len(pairs)) ** 0.5
        np.testing.assert_allclose([agreement.mean_estimate, agreement.mean_r2], [given, true])
        np.testing.assert_allclose(agreement.error, error)
        np.testing.assert_allclose(agreement.correlation, np.corrcoef(np.array(pairs).T)[0, 1])
    assert sum(agreement.n_sites for _, agreement in found.by_estimate) == found.by_maf[-1][1].n_sites


def bin_edges() -> list[tuple[float, float]]:
    return [(tenth / 10, (tenth + 1) / 10) for tenth in range(10)]


def in_estimate_bin(estimate: float, number: int) -> bool:
    lower, upper = bin_edges()[number]
    return (estimate >= lower or number == 0) and (estimate < upper or number == 9)


def test_an_estimate_at_an_edge_is_in_the_bin_above_and_one_beyond_in_the_last() -> None:
    estimates = np.array([0.3, 1.0, 1.02, -0.01])
    found = calibrate_score(estimates, np.full(4, 0.5), np.full(4, 0.2), (0, 50))
    assert [agreement.n_sites for _, agreement in found.by_estimate] == [1, 0, 0, 1, 0, 0, 0, 0, 0, 2]
    assert [edges for edges, _ in found.by_estimate] == list(pairwise(ESTIMATE_EDGES))


def test_agreement_where_nothing_varies_or_nothing_is_there() -> None:
    assert Agreement.of(np.array([0.5, 0.5]), np.array([0.2, 0.4])).correlation != 0.0
    assert np.isnan(Agreement.of(np.array([0.5, 0.5]), np.array([0.2, 0.4])).correlation)
    empty = Agreement.of(np.array([NAN]), np.array([0.2]))
    assert empty.n_sites == 0
    assert np.isnan([empty.mean_estimate, empty.mean_r2, empty.error, empty.correlation]).all()


@pytest.mark.parametrize("threshold", [0.3, 0.8])
def test_filters_equal_plain_loops(threshold: float) -> None:
    estimates, r2, frequencies = sites_with_estimates(3)
    found = dict(
        next(
            group
            for group in calibrate_score(estimates, r2, frequencies, (5, 50)).filters
            if group[0][1].threshold == threshold
        )
    )
    quality = found[5, 50]
    rows = [row for row in zip(estimates, r2, frequencies, strict=True) if row[1] == row[1] and 0.05 < row[2] <= 0.95]
    kept = [row for row in rows if row[0] >= threshold]
    good = [row for row in rows if row[1] >= threshold]
    both = [row for row in kept if row[1] >= threshold]
    assert (quality.n_sites, quality.n_kept, quality.n_good) == (len(rows), len(kept), len(good))
    np.testing.assert_allclose(quality.precision, len(both) / len(kept))
    np.testing.assert_allclose(quality.recall, len(both) / len(good))
    np.testing.assert_allclose(quality.mean_r2_kept, sum(row[1] for row in kept) / len(kept))
    assert found[0, 50].n_sites == np.isfinite(r2).sum()


def test_a_filter_drops_sites_without_an_estimate() -> None:
    quality = FilterQuality.of(np.array([NAN, 0.9, 0.1, 0.9]), np.array([0.9, 0.9, 0.9, NAN]), 0.8)
    assert (quality.n_sites, quality.n_kept, quality.n_good, quality.n_kept_good) == (3, 1, 3, 1)
    nothing = FilterQuality.of(np.array([0.1]), np.array([0.1]), 0.8)
    assert np.isnan([nothing.precision, nothing.recall, nothing.mean_r2_kept]).all()


def test_maf_groups_fold_the_frequency() -> None:
    groups = list(maf_groups(np.array([0.005, 0.02, 0.98, 0.5, NAN]), (0.5, 2, 50)))
    assert [edges for edges, _ in groups] == [(0.5, 2), (2, 50), (0, 50)]
    np.testing.assert_array_equal([rows for _, rows in groups], [[0, 1, 1, 0, 0], [0, 0, 0, 1, 0], [1] * 5])


# --- genotype probabilities ---------------------------------------------------------------------------------------


def drawn_genotypes(seed: int, sharpening: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Genotypes drawn from probabilities, which are then sharpened: 1 leaves them calibrated."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([0.3, 0.3, 0.3], size=(200, 100))
    genotypes = (rng.random((200, 100, 1)) > probabilities.cumsum(axis=2)).sum(axis=2).clip(0, 2).astype(np.int8)
    stated = probabilities**sharpening
    return genotypes, stated / stated.sum(axis=2, keepdims=True)


def test_reliability_equals_plain_loops() -> None:
    genotypes, probabilities = drawn_genotypes(1)
    genotypes, probabilities = genotypes[:4, :20].copy(), probabilities[:4, :20].copy()
    genotypes[0, 0], probabilities[1, 1] = -1, NAN
    found = Reliability.of(genotypes, probabilities)
    expected = np.zeros((3, len(PROBABILITY_EDGES) - 1))
    squared = 0.0
    for true, given in zip(genotypes.reshape(-1), probabilities.reshape(-1, 3), strict=True):
        for copies, probability in enumerate(given if true >= 0 else []):
            if probability == probability:
                number = max(n for n in range(len(PROBABILITY_EDGES) - 1) if PROBABILITY_EDGES[n] <= probability)
                expected[:, number] += 1, probability, copies == true
                squared += (probability - (copies == true)) ** 2
    np.testing.assert_allclose([found.n, found.stated, found.observed], expected)
    assert found.n_genotypes == 4 * 20 - 2
    np.testing.assert_allclose(found.brier_score, squared / 78)
    np.testing.assert_allclose(found.calibration_error, np.abs(expected[1] - expected[2]).sum() / (3 * 78))


def test_the_error_tells_calibrated_probabilities_from_sharpened_ones() -> None:
    calibrated, sharpened = (Reliability.of(*drawn_genotypes(2, sharpening)) for sharpening in (1.0, 2.0))
    assert calibrated.calibration_error < 0.01
    assert sharpened.calibration_error > 0.05
    assert calibrated.brier_score < sharpened.brier_score


def test_certain_probabilities_are_in_the_outer_bins() -> None:
    found = Reliability.of(np.array([[0, 2]], np.int8), np.array([[[1.0, 0, 0], [1.0, 0, 0]]]))
    assert (found.n[0], found.n[-1], found.observed[-1]) == (4, 2, 1)
    assert (found.brier_score, found.n.sum()) == (1.0, 6)


def test_parts_add_up() -> None:
    genotypes, probabilities = drawn_genotypes(3)
    whole = Reliability.of(genotypes, probabilities)
    total = reduce(add, (Reliability.of(genotypes[at : at + 70], probabilities[at : at + 70]) for at in (0, 70, 140)))
    np.testing.assert_allclose([whole.n, whole.stated, whole.observed], [total.n, total.stated, total.observed])
    np.testing.assert_allclose(total.brier_score, whole.brier_score)
    empty = Reliability.of(genotypes[:0], probabilities[:0])
    assert np.isnan([empty.brier_score, empty.calibration_error]).all()


@pytest.mark.parametrize(("stretch", "slope"), [(1.0, 1.0), (1.25, 0.8)])
def test_dosage_slope(stretch: float, slope: float) -> None:
    """Dosages stretched about their mean are too sure by as much."""
    genotypes, probabilities = drawn_genotypes(4)
    dosages = 1 + stretch * (probabilities[..., 1] + 2 * probabilities[..., 2] - 1)
    found = dosage_slope(compare_genotypes(genotypes, dosages, probabilities))
    assert abs(found - slope) < 0.02
    constant = compare_genotypes(genotypes, np.ones_like(dosages), probabilities)
    assert np.isnan(dosage_slope(constant))


# --- the command ----------------------------------------------------------------------------------------------------

TRUTH = [
    "22 10 . A C . GT 0|0 0|1 1|1 0|0",
    "22 20 . A C . GT 0|0 0|1 0|0 0|0",
    "22 30 . A C . GT 0|1 1|1 0|0 0|1",
    "22 40 . A C . GT 0|0 0|0 0|0 0|0",
]
IMPUTED = [
    "22 10 . A C R2=0.95;IMP GP 1,0,0 0,1,0 0,0,1 1,0,0",  # r2 1
    "22 20 . A C R2=0.65;IMP GP 0.5,0.5,0 0.5,0.5,0 0.5,0.5,0 0.5,0.5,0",  # r2 0: the dosage does not vary
    "22 30 . C A R2=0.25;IMP GP 0,1,0 1,0,0 0,0,1 0,1,0",  # r2 1, alleles exchanged
    "22 40 . A C R2=.;IMP GP 1,0,0 1,0,0 1,0,0 1,0,0",  # no true r2
]
HEADER = '##INFO=<ID=R2,Number=1,Type=Float,Description="-">\n##INFO=<ID=IMP,Number=0,Type=Flag,Description="-">\n'


@pytest.fixture
def example(tmp_path: Path) -> Path:
    write_vcf(tmp_path / "truth.vcf", TRUTH, "a b c d")
    write_vcf(tmp_path / "imputed.vcf", IMPUTED, "a b c d", HEADER)
    return tmp_path


def evaluate(folder: Path, *options: str) -> int:
    files = ("--imputed", f"{folder}/imputed.vcf", "--truth", f"{folder}/truth.vcf", "--bins", "0,20,50")
    return main(["evaluate", *files, *options])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_golden_tables(example: Path) -> None:
    """By hand; three sites have a true r2, and the estimates 0.95, 0.65 and 0.25 stand against 1, 0 and 1."""
    assert evaluate(example, "--calibration", "--output-prefix", f"{example}/x") == 0
    estimates = {(row["by"], row["bin"]): row for row in table(example / "x.estimates.tsv")}
    assert len(estimates) == 10 + 3
    assert [estimates["estimate", label]["mean_r2"] for label in ("0.2-0.3", "0.6-0.7", "0.9-1")] == [
        "1.000000",
        "0.000000",
        "1.000000",
    ]
    assert estimates["estimate", "0-0.1"]["sites"] == "0"
    assert estimates["estimate", "0-0.1"]["mean_r2"] == "NA"
    everything = estimates["maf_percent", "all"]
    assert (everything["score"], everything["sites"], everything["mean_r2"]) == ("R2", "3", "0.666667")
    np.testing.assert_allclose(float(everything["mean_estimate"]), (0.95 + 0.65 + 0.25) / 3, atol=1e-6)
    np.testing.assert_allclose(float(everything["rms_error"]), np.sqrt((0.05**2 + 0.65**2 + 0.75**2) / 3), atol=1e-6)
    filters = {(row["threshold"], row["maf_percent"]): row for row in table(example / "x.filters.tsv")}
    assert [filters["0.3", "all"][name] for name in ("sites", "kept", "good", "precision", "recall")] == [
        *("3", "2", "2", "0.500000", "0.500000")
    ]
    assert [filters["0.8", "all"][name] for name in ("kept", "precision", "mean_r2_kept")] == ["1", *["1.000000"] * 2]
    assert filters["0.8", "0-20"]["kept"] == "0"
    genotypes = {row["maf_percent"]: row for row in table(example / "x.genotypes.tsv")}
    assert genotypes["all"]["genotypes"] == "16"
    assert genotypes["all"]["brier_score"] == f"{4 * 0.5 / 16:.6f}"  # the second site: 0.25 + 0.25 a genotype
    # eight probabilities of 0.5, of which four were so: calibrated
    assert genotypes["all"]["calibration_error"] == "0.000000"
    reliability = {(row["maf_percent"], row["probability"]): row for row in table(example / "x.reliability.tsv")}
    half = reliability["all", "0.5-0.6"]
    assert (half["count"], half["mean_probability"], half["observed"]) == ("8", "0.500000", "0.500000")
    assert reliability["all", "0.99-1"]["count"] == "12"


def test_the_tables_are_printed_below_the_bins(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(example) == 0
    bins = capsys.readouterr().out
    assert evaluate(example, "--calibration") == 0
    out = capsys.readouterr().out
    assert out.startswith(bins + "\nscore ")
    assert [block.split()[0] for block in out.split("\n\n")] == ["maf_percent", "score", "score", *["maf_percent"] * 2]
    assert not list(example.glob("*.tsv"))


def test_without_scores_only_the_genotypes_are_calibrated(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [record.replace("R2", "X2") for record in IMPUTED]
    write_vcf(example / "imputed.vcf", records, "a b c d", HEADER.replace("R2", "X2"))
    assert evaluate(example, "--calibration") == 0
    assert [block.split()[0] for block in capsys.readouterr().out.split("\n\n")] == ["maf_percent"] * 3
