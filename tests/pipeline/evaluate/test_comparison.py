"""Several imputations, groups, types and regions against plain loops; streams of any block size."""

from __future__ import annotations

import gzip
import json
import os
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from evaluation_cases import (
    Site,
    agg_r_square,
    frequency,
    pairs_of,
    random_sites,
    site_r2,
    squared_correlation,
    write_imputed,
    write_truth,
)
from rnnimp.cli import main
from rnnimp.cli.evaluate import _use_one_thread
from rnnimp.formats import biallelic
from rnnimp.formats.vcf import text_reading
from rnnimp.pipeline.evaluate.inputs import EvaluateInputs, EvaluateSettings
from rnnimp.pipeline.evaluate.results import GroupScores, Results
from rnnimp.pipeline.evaluate.run import evaluate_all
from rnnimp.pipeline.evaluate.sources import GenotypeSource
from rnnimp.pipeline.report.evaluated import read_evaluations
from rnnimp.scoring import accuracy, bootstrap
from vcf_files import write_vcf

N_SAMPLES = 14
NAMES = [f"s{number}" for number in range(N_SAMPLES)]
GROUPS = {name: "first" if number < 5 else "second" for number, name in enumerate(NAMES[:11])}
EDGES = (0.0, 10.0, 25.0, 50.0)
REGIONS = {"left": (1000, 1080), "overlapping": (1061, 1120), "empty": (10, 20)}


class Case:
    """A truth and two imputations as files; the second has other sites missing, and the samples in another order."""

    def __init__(self, folder: Path, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.folder, self.all_sites = folder, random_sites(rng, 90, N_SAMPLES)
        has = rng.random((3, len(self.all_sites))) < 0.9
        self.sites = [site for site, found in zip(self.all_sites, has.all(axis=0), strict=True) if found]
        self.truth = write_truth(folder / "t.vcf", self._at(has[0]), NAMES)
        order = rng.permutation(N_SAMPLES)
        shuffled = [
            Site(site.position, site.ref, site.alt, site.truth, [[given[i] for i in order] for given in site.imputed])
            for site in self.all_sites
        ]
        self.imputed = {
            "a": write_imputed(folder / "a.vcf", self._at(has[1]), 0, NAMES),
            "b": write_imputed(
                folder / "b.vcf",
                [site for site, found in zip(shuffled, has[2], strict=True) if found],
                1,
                [NAMES[i] for i in order],
            ),
        }
        (folder / "groups.tsv").write_text("#sample\tgroup\n" + "".join(f"{n}\t{g}\n" for n, g in GROUPS.items()))
        bed = "".join(f"chr22\t{start - 1}\t{stop}\t{name}\n" for name, (start, stop) in REGIONS.items())
        (folder / "regions.bed").write_text(bed + "21\t0\t500\telsewhere\n")

    def _at(self, has: np.ndarray) -> list[Site]:
        return [site for site, found in zip(self.all_sites, has, strict=True) if found]

    def run(self, n_replicates: int = 0, output: Path | None = None) -> Results:
        sources = {name: GenotypeSource(path) for name, path in self.imputed.items()}
        files = {"groups": self.folder / "groups.tsv", "regions": self.folder / "regions.bed"}
        inputs = EvaluateInputs(sources, GenotypeSource(self.truth), **files)
        settings = EvaluateSettings(EDGES, chromosome="22", n_replicates=n_replicates)
        return evaluate_all(inputs, settings, output, keep_sites=True)


def members(case: Case, group: GroupScores) -> tuple[list[Site], list[int]]:
    """The sites and samples of a group, found by plain comparisons."""
    sites, samples = case.sites, list(range(N_SAMPLES))
    if group.by == "samples":
        samples = [number for number, name in enumerate(NAMES) if GROUPS.get(name) == group.group]
    elif group.by == "region":
        start, stop = REGIONS[group.group]
        sites = [site for site in sites if start <= site.position <= stop]
    elif group.by == "type":
        kinds = {("A", "G"): "SNV", ("C", "T"): "SNV", ("A", "AT"): "indel", ("AC", "GT"): "other"}
        sites = [site for site in sites if kinds[site.ref, site.alt] == group.group]
    if group.maf_percent != "all":
        lower, upper = (float(edge) for edge in group.maf_percent.split("-"))
        sites = [site for site in sites if lower < 100 * min(frequency(site), 1 - frequency(site)) <= upper]
    return [site for site in sites if pairs_of(site, 0, samples)], samples


@pytest.mark.parametrize("seed", [1, 2])
def test_every_group_equals_plain_loops(tmp_path: Path, seed: int) -> None:
    case = Case(tmp_path, seed)
    results = case.run()
    groups = list(results.groups())
    assert [(group.by, group.group) for group in groups if group.maf_percent == "all"] == 2 * [
        ("all", "all"),
        *(("type", name) for name in ("SNV", "indel", "other")),
        *(("region", name) for name in REGIONS),
        *(("samples", name) for name in ("first", "second")),
    ]
    for group in groups:
        sites, samples = members(case, group)
        number = list(case.imputed).index(group.imputed)
        r2 = [value for site in sites if (value := site_r2(site, number, samples)) == value]
        pairs = [pair for site in sites for pair in pairs_of(site, number, samples)]
        found = group.scores
        assert (group.n_samples, found.n_sites, found.n_varying) == (len(samples), len(sites), len(r2))
        expected = [
            np.mean(r2) if r2 else np.nan,
            agg_r_square(sites, number, samples, [frequency(site) for site in sites]),
            np.mean([copies == guess for copies, _, guess in pairs]) if pairs else np.nan,
        ]
        values = [found.mean_r2, found.aggregate_r2, found.concordance]
        np.testing.assert_allclose(values, expected, atol=1e-6, err_msg=str(group))
    assert sum(group.scores.n_sites > 5 for group in groups) > 30


def test_samples_equal_plain_loops(tmp_path: Path) -> None:
    case = Case(tmp_path, 3)
    for number, evaluation in enumerate(case.run().evaluations.values()):
        found = evaluation.samples
        assert found.names == tuple(NAMES)
        assert found.groups == tuple(GROUPS.get(name, "") for name in NAMES)
        for sample in range(N_SAMPLES):
            pairs = [pair for site in case.sites for pair in pairs_of(site, number, [sample])]
            assert found.n_pairs[sample] == len(pairs)
            r2 = squared_correlation([(copies, dosage) for copies, dosage, _ in pairs])
            np.testing.assert_allclose(found.r2[sample], r2, atol=1e-6)
            n_wrong = sum(copies != guess for copies, _, guess in pairs)
            n_zero = sum(copies == guess == 0 for copies, _, guess in pairs)
            np.testing.assert_allclose(found.concordance[sample], 1 - n_wrong / len(pairs))
            np.testing.assert_allclose(found.discordance[sample], n_wrong / (len(pairs) - n_zero))


def test_kept_sites_are_those_that_all_have(tmp_path: Path) -> None:
    case = Case(tmp_path, 4)
    results = case.run()
    for number, evaluation in enumerate(results.evaluations.values()):
        keys = [(site.position, site.ref, site.alt) for site in case.sites]
        assert evaluation.sites.keys() == keys
        expected = [site_r2(site, number, range(N_SAMPLES)) for site in case.sites]
        np.testing.assert_allclose(evaluation.statistics.r2(), expected, atol=1e-6)
    counts = results.counts
    assert (counts.n_shared, counts.n_scored, counts.n_samples) == (len(case.sites), len(case.sites), N_SAMPLES)


def all_numbers(results: Results) -> list[float]:
    numbers = []
    for group in results.groups():
        numbers += [group.scores.mean_r2, group.scores.aggregate_r2, group.scores.concordance, group.scores.discordance]
        numbers += [group.scores.mean_iqs, *(end for interval in group.intervals.values() for end in interval)]
    for difference in results.differences:
        numbers += [difference.value, *difference.interval]
    for evaluation in results.evaluations.values():
        numbers += [*evaluation.samples.r2, *evaluation.statistics.r2()]
    return numbers


@pytest.mark.parametrize(("block", "n_numbers"), [(1, 20), (7, 3 * 40), (4096, 1 << 17)])
def test_block_sizes_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, n_numbers: int
) -> None:
    case = Case(tmp_path, 5)
    expected = all_numbers(case.run(n_replicates=40))
    monkeypatch.setattr(biallelic, "MAX_BLOCK_SITES", block)
    monkeypatch.setattr(accuracy, "_BLOCK_GENOTYPES", block * N_SAMPLES)
    monkeypatch.setattr(bootstrap, "_BLOCK_NUMBERS", n_numbers)
    np.testing.assert_allclose(all_numbers(case.run(n_replicates=40)), expected, atol=1e-9)
    assert np.isfinite(expected).sum() > 500


def naive_replicate(sites: Sequence[Site], number: int, samples: Sequence[int]) -> float:
    """Mean r2 over the sites that vary among samples of which some are repeated."""
    return float(np.nanmean([site_r2(site, number, samples) for site in sites]))


def test_intervals_equal_a_bootstrap_of_drawn_samples(tmp_path: Path) -> None:
    case = Case(tmp_path, 6)
    results = case.run(n_replicates=30)
    weights = bootstrap.resampling_weights(N_SAMPLES, 30, bootstrap.SEED)
    drawn = [np.repeat(np.arange(N_SAMPLES), row.astype(int)).tolist() for row in weights]
    replicates = np.array([[naive_replicate(case.sites, number, samples) for samples in drawn] for number in (0, 1)])
    for number, evaluation in enumerate(results.evaluations.values()):
        (everything,) = (group for group in evaluation.groups if group.by == "all" and group.maf_percent == "all")
        expected = bootstrap.spread_interval(everything.scores.mean_r2, replicates[number])
        np.testing.assert_allclose(everything.intervals["mean_r2"], expected, atol=1e-6)
    (difference,) = (
        each for each in results.differences if (each.by, each.maf_percent, each.measure) == ("all", "all", "mean_r2")
    )
    assert (difference.imputed, difference.reference) == ("b", "a")
    drawn_difference = replicates[1] - replicates[0]
    expected = bootstrap.spread_interval(difference.value, drawn_difference, bootstrap.DIFFERENCE_LIMITS)
    np.testing.assert_allclose(difference.interval, expected, atol=1e-6)


def test_the_command_writes_tables_with_names_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path, 7)
    files = [*map(str, case.imputed.values()), "--names", "ours", "theirs", "--truth", str(case.truth)]
    groups = ["--groups", f"{tmp_path}/groups.tsv", "--regions", f"{tmp_path}/regions.bed"]
    options = ["--chromosome", "22", "--bins", "0,25,50", "--bootstrap", "20", "--calibration"]
    assert main(["evaluate", "--imputed", *files, *groups, *options, "--output", f"{tmp_path}/x"]) == 0
    out, log = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["imputed", "maf_percent", "sites"]
    assert [line.split()[0] for line in lines[1:7]] == ["ours"] * 3 + ["theirs"] * 3
    assert lines[8].split() == ["imputed", "minus", "maf_percent", "measure", "difference", "low", "high"]
    assert f"{len(case.sites)} sites of the truth's" in log
    content = json.loads((tmp_path / "x.evaluation.json").read_text())
    assert (content["format"], content["format_version"]) == ("rnnimp-evaluation", 1)
    assert [source["name"] for source in content["imputed"]] == ["ours", "theirs"]
    assert content["intervals"]["units"] == N_SAMPLES
    assert content["calibration"].keys() == {"ours", "theirs"}
    assert content["counts"]["sites_scored"] == len(case.sites)
    table = [line.split("\t") for line in (tmp_path / "x.groups.tsv").read_text().splitlines()]
    assert len(table) == 1 + len(content["scores"])
    for row, scores in zip(table[1:], content["scores"], strict=True):
        cells = dict(zip(table[0], row, strict=True))
        assert [cells[name] for name in ("imputed", "by", "group")] == [
            scores[key] for key in ("imputed", "by", "group")
        ]
        for name in ("mean_r2", "aggregate_r2", "concordance", "nrd"):
            for ending, key in (("", "value"), ("_low", "low"), ("_high", "high")):
                value = scores[name][key]
                assert (cells[name + ending] == "NA") == (value is None)
                assert value is None or float(cells[name + ending]) == pytest.approx(value, abs=1e-6)
    with gzip.open(tmp_path / "x.sites.tsv.gz", "rt") as file:
        sites = [line.split("\t") for line in file]
    assert (sites[0][0], len(sites)) == ("imputed", 1 + 2 * len(case.sites))
    assert [row[0] for row in sites[1:3]] == ["ours", "theirs"]
    with gzip.open(tmp_path / "x.samples.tsv.gz", "rt") as file:
        samples = [line.split("\t") for line in file]
    assert [row[:3] for row in samples[1:3]] == [["ours", "s0", "first"], ["ours", "s1", "first"]]
    differences = (tmp_path / "x.differences.tsv").read_text().splitlines()
    assert len(differences) == 1 + len(content["differences"])
    assert (tmp_path / "x.genotypes.tsv").read_text().startswith("imputed\tmaf_percent\t")


def test_bins_of_tiny_frequencies_have_plain_labels(tmp_path: Path) -> None:
    case = Case(tmp_path, 7)
    files = [*map(str, case.imputed.values()), "--truth", str(case.truth)]
    options = ["--bins", "0.00001,12.3456789,50", "--bootstrap", "20", "--calibration", "--chromosome", "22"]
    assert main(["evaluate", "--imputed", *files, *options, "--output", f"{tmp_path}/x"]) == 0
    content = json.loads((tmp_path / "x.evaluation.json").read_text())
    bins = [[0.00001, 12.3456789], [12.3456789, 50.0]]
    assert {tuple(each["maf_percent"] or ()) for each in content["differences"]} == {*map(tuple, bins), ()}
    rows = [line.split("\t") for line in (tmp_path / "x.bins.tsv").read_text().splitlines()]
    labels = ["0.00001-12.3456789", "12.3456789-50", "all"]
    assert [row[1] for row in rows[1:]] == 2 * labels
    found = read_evaluations([f"{tmp_path}/x"])[0]
    assert [row["maf_percent"] for row in found.scores("all")] == labels


@pytest.mark.parametrize("option", ["--frequencies", "--typed"])
def test_sites_of_another_chromosome_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    case = Case(tmp_path, 7)
    rows = [f"rs{site.position} {site.position} {site.ref} {site.alt} 0.2 21" for site in case.sites]
    names = "id position a0 a1 a1_freq chromosome"
    (tmp_path / "other.legend").write_text("\n".join([names, *rows, ""]))
    files = ["--imputed", str(case.imputed["a"]), "--truth", str(case.truth)]
    assert main(["evaluate", *files, option, f"{tmp_path}/other.legend", "--all-sites"]) == 1
    (error,) = capsys.readouterr().err.splitlines()[-1:]
    assert f"22 imputed and 21 in {option}" in error


def test_one_file_has_no_column_of_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path, 8)
    files = ["--imputed", str(case.imputed["a"]), "--truth", str(case.truth)]
    assert main(["evaluate", *files, "--output", f"{tmp_path}/x", "--bootstrap", "0"]) == 0
    assert capsys.readouterr().out.split()[0] == "maf_percent"
    assert (tmp_path / "x.groups.tsv").read_text().split()[0] == "by"
    content = json.loads((tmp_path / "x.evaluation.json").read_text())
    assert content["imputed"][0]["name"] == "a"
    assert content["intervals"] is None
    assert {scores["mean_r2"]["low"] for scores in content["scores"]} == {None}
    assert not (tmp_path / "x.differences.tsv").exists()


def test_intervals_are_printed_if_they_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path, 12)
    files = ["--imputed", str(case.imputed["a"]), "--truth", str(case.truth), "--bins", "0,25,50"]
    assert main(["evaluate", *files]) == 0
    plain = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert main(["evaluate", *files, "--bootstrap", "50"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert shown[0][3:9] == ["mean_r2", "low", "high", "aggregate_r2", "low", "high"]
    assert [[*row[:4], row[6], *row[9:]] for row in shown] == plain
    for row in shown[1:]:
        assert float(row[4]) < float(row[3]) < float(row[5])
        assert float(row[7]) < float(row[6]) < float(row[8])
    assert main(["evaluate", *files, "--output", f"{tmp_path}/x"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == plain  # the tables have them


def test_a_group_of_one_has_no_interval(tmp_path: Path) -> None:
    case = Case(tmp_path, 13)
    (tmp_path / "groups.tsv").write_text("s0\tone\ns1\ttwo\ns2\ttwo\n")
    found = {group.group: group.intervals for group in case.run(n_replicates=20).groups() if group.by == "samples"}
    assert found["one"] == {}
    assert found["two"].keys() == {"mean_r2", "aggregate_r2", "concordance", "discordance"}


@pytest.mark.parametrize("has_numpy", [True, False])
def test_the_command_uses_one_thread(monkeypatch: pytest.MonkeyPatch, has_numpy: bool) -> None:
    """If numpy is not there yet; later it would change nothing."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    if not has_numpy:
        monkeypatch.delitem(sys.modules, "numpy")
    environment = dict(os.environ)
    monkeypatch.setattr(os, "environ", environment)
    _use_one_thread()
    assert environment.get("OPENBLAS_NUM_THREADS") == (None if has_numpy else "1")
    assert environment["MKL_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--names", "a"], "--names needs a name for each of the 2 imputed files, found 1"),
        (["--names", "a", "a"], "expected different imputed files with different names"),
        (["--names", "a", "b\t"], "--names takes names without tabs"),
        (["--imputed-legend", "x"], "--imputed-legend names the legend of one file"),
        (["--bootstrap", "5"], "--bootstrap needs 20 replicates or more, or 0 for none, found 5"),
        (["--frequency-column", "EUR"], "--frequency-column needs --frequencies"),
    ],
)
def test_options_that_do_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    case = Case(tmp_path, 9)
    files = ["--imputed", *map(str, case.imputed.values()), "--truth", str(case.truth)]
    assert main(["evaluate", *files, *options]) == 2
    assert message in capsys.readouterr().err


def test_files_without_a_sample_in_common_with_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path, 10)
    text = case.imputed["b"].read_text()
    case.imputed["b"].write_text(text.replace("\ts", "\tz").replace("\tz0", "\ts0"))
    first = case.imputed["a"].read_text().replace("\ts0", "\tq0")
    case.imputed["a"].write_text(first)
    files = ["--imputed", *map(str, case.imputed.values()), "--truth", str(case.truth)]
    assert main(["evaluate", *files]) == 1
    assert "expected samples that all imputed files have, found none" in capsys.readouterr().err


def test_groups_of_other_people_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path, 11)
    (tmp_path / "groups.tsv").write_text("zoe\tEUR\n")
    files = ["--imputed", str(case.imputed["a"]), "--truth", str(case.truth), "--groups", f"{tmp_path}/groups.tsv"]
    assert main(["evaluate", *files]) == 1
    assert "expected some of the 14 samples, such as s0, found none of them" in capsys.readouterr().err


def peak_memory(folder: Path, n_sites: int) -> int:
    """The most bytes that Python holds while files of so many sites are compared and tables are written."""
    rng = np.random.default_rng(1)
    names = [f"s{number}" for number in range(40)]
    calls = [" ".join(f"{copies // 2}/{(copies + 1) // 2}" for copies in rng.integers(0, 3, 40)) for _ in range(50)]
    probabilities = [
        " ".join("0.1,0.2,0.7" if flag else "0.9,0.1,0" for flag in rng.random(40) < 0.5) for _ in range(50)
    ]
    rows = [f"22 {100 + 3 * site} rs{site} A C ." for site in range(n_sites)]
    truth = [f"{row} GT {calls[site % 50]}" for site, row in enumerate(rows)]
    imputed = [f"{row} GP {probabilities[site % 50]}" for site, row in enumerate(rows)]
    write_vcf(folder / "t.vcf", truth, " ".join(names))
    write_vcf(folder / "i.vcf", imputed, " ".join(names))
    inputs = EvaluateInputs({"i": GenotypeSource(folder / "i.vcf")}, GenotypeSource(folder / "t.vcf"))
    tracemalloc.start()
    evaluate_all(inputs, EvaluateSettings(calibration=True, n_replicates=20), folder / "x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.slow
def test_memory_does_not_grow_with_sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(biallelic, "MAX_BLOCK_SITES", 100)
    monkeypatch.setattr(text_reading, "_BLOCK_BYTES", 1 << 14)
    peak_memory(tmp_path, 300)  # imports, and what Python keeps
    few, many = (peak_memory(tmp_path, n_sites) for n_sites in (1000, 4000))
    assert many < 1.1 * few + 200_000
