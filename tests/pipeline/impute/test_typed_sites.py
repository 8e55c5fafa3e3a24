"""Typed sites in the output: their imputed dosage, filled missing alleles, sites that the model lacks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cyvcf2
import numpy as np
import pgenlib
import pytest

from helpers import error_line
from impute_cases import write_target
from rnnimp.cli import main
from rnnimp.formats.gen import read_gen
from rnnimp.sites.panel import Panel, Sites
from tiny_model import tiny_chromosome, write_tiny_bundle

N_SAMPLES = 12


class Example:
    """A model `m` of three regions, and its panel: `typed` are all markers and a third of the imputed sites."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.panel, regions = tiny_chromosome(np.random.default_rng(8), n_samples=N_SAMPLES)
        write_tiny_bundle(folder / "m", regions)
        self.is_marker = self.panel.sites.markers()
        self.is_typed = self.is_marker | (np.cumsum(~self.is_marker) % 3 == 0)

    def target(self, rows: np.ndarray, alleles: np.ndarray | None = None) -> None:
        plain = replace(self.panel.sites, is_marker=None, a1_freq=None, chromosome=None)
        values = self.panel.alleles if alleles is None else alleles
        write_target(self.folder / "t", Panel(plain, values, self.panel.sample_names)[rows])

    def impute(self, output: str, *more: str) -> int:
        target = ["--hap", f"{self.folder}/t.hap.gz", "--legend", f"{self.folder}/t.legend.gz", "--chromosome", "22"]
        prefixes = ["--model-prefix", f"{self.folder}/m", "--output-prefix", f"{self.folder}/{output}"]
        return main(["impute", *target, *prefixes, *more])

    def imputed(self) -> dict[tuple[int, str, str], np.ndarray]:
        """Haplotype dosages of all imputed sites where only markers are typed."""
        self.target(self.is_marker)
        assert self.impute("alone.bcf", "--format-fields", "HDS") == 0
        return {key(record): record.format("HDS").reshape(-1) for record in cyvcf2.VCF(f"{self.folder}/alone.bcf")}

    def report(self, output: str) -> dict[str, Any]:
        content = json.loads((self.folder / f"{output}.checks.json").read_text())
        assert isinstance(content, dict)
        return content


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example(tmp_path)


def key(record: Any) -> tuple[int, str, str]:
    return record.POS, record.REF, record.ALT[0]


@pytest.mark.parametrize("ending", ["vcf", "bcf"])
def test_empirical_r2_is_the_correlation_with_what_is_imputed_without_the_site(example: Example, ending: str) -> None:
    alone = example.imputed()
    example.target(example.is_typed)
    assert example.impute(f"x.{ending}", "--empirical-r2") == 0
    found = {key(record): record.INFO.get("ER2") for record in cyvcf2.VCF(f"{example.folder}/x.{ending}")}
    expected = {}
    for row in np.flatnonzero(example.is_typed & ~example.is_marker).tolist():
        site = example.panel.sites.keys()[row]
        observed = example.panel.alleles[row].astype(float)
        if observed.std() > 0 and alone[site].std() > 0:
            expected[site] = np.corrcoef(observed, alone[site])[0, 1] ** 2
    assert len(expected) > 5
    assert {site for site, value in found.items() if value is not None} == set(expected)
    for site, value in expected.items():
        assert found[site] == pytest.approx(value, abs=0.01)  # HDS was rounded to 3 decimals
    summary = example.report("x")["empirical_r2"]
    assert summary["n_sites"] == len(expected)
    assert summary["mean"] == pytest.approx(np.mean(list(expected.values())), abs=0.01)
    assert [site["er2"] for site in summary["worst"]] == sorted(site["er2"] for site in summary["worst"])
    r2 = {site: alone[site].var() / (alone[site].mean() * (1 - alone[site].mean())) for site in expected}
    for by in ("by_estimate", "by_maf_percent"):
        n_sites = [row["n_sites"] for row in summary[by]]
        assert sum(n_sites) == len(expected)
        for name, known in (("mean_er2", expected), ("mean_r2", r2)):
            mean = np.average([row[name] for row in summary[by]], weights=n_sites)
            assert mean == pytest.approx(np.mean(list(known.values())), abs=0.01)
    for row in summary["by_estimate"]:
        low, high = map(float, row["bin"].split("-"))
        assert low <= row["mean_r2"] <= high


def test_empirical_r2_changes_nothing_else(example: Example) -> None:
    example.target(example.is_typed)
    assert example.impute("plain.gen") == 0
    assert example.impute("x.gen", "--empirical-r2", "--threads", "2") == 0
    assert (example.folder / "x.gen").read_bytes() == (example.folder / "plain.gen").read_bytes()


def test_exchanged_alleles_have_the_same_empirical_r2(example: Example) -> None:
    example.target(example.is_typed)
    assert example.impute("x.gen", "--empirical-r2") == 0
    sites = example.panel.sites
    example.panel = replace(
        example.panel, sites=replace(sites, a0=sites.a1, a1=sites.a0), alleles=1 - example.panel.alleles
    )
    example.target(example.is_typed)
    assert example.impute("y.gen", "--empirical-r2") == 0
    first, second = (example.report(name)["empirical_r2"] for name in ("x", "y"))
    assert first["n_sites"] == second["n_sites"]
    assert first["mean"] == pytest.approx(second["mean"], abs=1e-6)


def test_pvar_has_the_empirical_r2(example: Example) -> None:
    example.target(example.is_typed)
    assert example.impute("x.pgen", "--empirical-r2") == 0
    n_sites = example.report("x")["empirical_r2"]["n_sites"]
    text = (example.folder / "x.pvar").read_text()
    assert text.count(";ER2=") == n_sites > 0
    assert pgenlib.PvarReader(f"{example.folder}/x.pvar".encode()).get_variant_ct() == len(example.panel.sites)


def test_markers_alone_have_no_empirical_r2(example: Example, capsys: pytest.CaptureFixture[str]) -> None:
    example.target(example.is_marker)
    assert example.impute("x.vcf", "--empirical-r2") == 0
    assert "no empirical R2: the target types no site that the model imputes" in capsys.readouterr().err
    assert example.report("x")["empirical_r2"]["n_sites"] == 0
    assert ";ER2=" not in (example.folder / "x.vcf").read_text()


@pytest.mark.parametrize("ending", ["vcf", "bcf"])
def test_missing_alleles_are_filled_where_the_model_imputes_the_site(example: Example, ending: str) -> None:
    alone = example.imputed()
    alleles = example.panel.alleles.copy()
    inner = np.flatnonzero(example.is_typed & ~example.is_marker)
    marker = int(np.flatnonzero(example.is_marker)[3])
    alleles[inner[0], 4:6] = -1  # a whole genotype
    alleles[inner[1], 7] = -1  # one allele
    alleles[marker, 2:4] = -1
    example.target(example.is_typed, alleles)
    # the missing marker changes what the model imputes around it, in this run and the one below alike
    markers_only = example.is_marker
    assert example.impute(f"x.{ending}", "--format-fields", "GT,DS,HDS") == 0
    records = {key(record): record for record in cyvcf2.VCF(f"{example.folder}/x.{ending}")}
    keys = example.panel.sites.keys()
    example.target(markers_only, alleles)
    assert example.impute("alone.bcf", "--format-fields", "HDS") == 0
    alone = {key(record): record.format("HDS").reshape(-1) for record in cyvcf2.VCF(f"{example.folder}/alone.bcf")}
    whole, single, kept = (records[keys[row]] for row in (inner[0], inner[1], marker))
    assert (whole.INFO.get("FILLED"), single.INFO.get("FILLED"), kept.INFO.get("FILLED")) == (2, 1, None)
    np.testing.assert_allclose(whole.format("HDS")[2], alone[keys[inner[0]]][4:6], atol=2e-3)
    np.testing.assert_allclose(single.format("HDS")[3, 1], alone[keys[inner[1]]][7], atol=2e-3)
    assert single.format("HDS")[3, 0] == alleles[inner[1], 6]
    assert np.isnan(kept.format("DS")[1, 0])
    assert kept.genotypes[1][:2] == [-1, -1]
    assert whole.INFO.get("AN") == 2 * N_SAMPLES
    others = [index for index in range(N_SAMPLES) if index != 2]
    assert [whole.genotypes[index][:2] for index in others] == alleles[inner[0]].reshape(-1, 2)[others].tolist()


def test_filled_alleles_do_not_count_for_the_empirical_r2(example: Example) -> None:
    alleles = example.panel.alleles.copy()
    inner = np.flatnonzero(example.is_typed & ~example.is_marker)
    varying = [row for row in inner.tolist() if 6 <= alleles[row].sum() <= 18]
    alleles[varying[0], :4] = -1
    alone = example.imputed()
    example.target(example.is_typed, alleles)
    assert example.impute("x.vcf", "--empirical-r2") == 0
    site = example.panel.sites.keys()[varying[0]]
    (found,) = (record.INFO.get("ER2") for record in cyvcf2.VCF(f"{example.folder}/x.vcf") if key(record) == site)
    expected = np.corrcoef(alleles[varying[0], 4:], alone[site][4:])[0, 1] ** 2
    assert found == pytest.approx(expected, abs=0.01)


def with_unknown_sites(example: Example) -> Sites:
    """Adds three sites to the target that the model does not have, and returns them."""
    sites = example.panel.sites
    more = Sites.build(
        [int(sites.positions[0]) - 5, int(sites.positions[30]), int(sites.positions[-1]) + 9],
        ["A", "ACG", "C"],
        ["T", "A", "G"],
        ids=["rs1", "rs2", "rs3"],
    )
    plain = replace(sites, is_marker=None, a1_freq=None, chromosome=None)
    joined = Sites.concatenate([plain[example.is_typed], more])
    order = np.argsort(joined.positions, kind="stable")
    alleles = np.concatenate([example.panel.alleles[example.is_typed], np.zeros((3, 2 * N_SAMPLES), np.int8)])
    write_target(example.folder / "t", Panel(joined[order], alleles[order], example.panel.sample_names))
    return more


def test_sites_that_are_not_in_the_model_are_kept_or_dropped(
    example: Example, capsys: pytest.CaptureFixture[str]
) -> None:
    sites, more = example.panel.sites, with_unknown_sites(example)
    assert example.impute("kept.gen") == 0
    assert example.impute("dropped.gen", "--typed-only", "drop") == 0
    assert "target sites left out because they are not in the model: 3" in capsys.readouterr().err
    kept, dropped = (read_gen(example.folder / f"{name}.gen").sites for name in ("kept", "dropped"))
    assert set(kept.keys()) - set(dropped.keys()) == set(more.keys())
    assert {"rs1", "rs2", "rs3"} <= set(kept.ids.tolist())
    assert sorted(dropped.keys()) == sorted(sites.keys())
    assert example.report("dropped")["counts"]["not_in_model"] + example.report("dropped")["counts"]["mismatched"] == 3


@pytest.mark.parametrize("ending", ["vcf", "vcf.gz", "bcf", "pgen"])
def test_flags_say_of_which_kind_a_site_is(example: Example, ending: str) -> None:
    more = with_unknown_sites(example)
    assert example.impute(f"x.{ending}") == 0
    path = example.folder / ("x.pvar" if ending == "pgen" else f"x.{ending}")
    names = ("IMP", "IMPUTED", "TYPED", "TYPED_ONLY")
    expected = {site: {"TYPED_ONLY"} for site in more.keys()}
    for site, is_typed in zip(example.panel.sites.keys(), example.is_typed.tolist(), strict=True):
        expected[site] = {"TYPED"} if is_typed else {"IMP", "IMPUTED"}
    file = cyvcf2.VCF(as_vcf(path) if ending == "pgen" else str(path))
    assert {key(record): {name for name in names if record.INFO.get(name)} for record in file} == expected


def as_vcf(pvar: Path) -> str:
    """A `.pvar` as a VCF without samples."""
    lines = ["##fileformat=VCFv4.2"]
    for line in pvar.read_text().splitlines():
        columns = line.split("\t")
        between = ["QUAL", "FILTER"] if line.startswith("#CHROM") else [".", "."]
        lines.append(line if line.startswith("##") else "\t".join([*columns[:5], *between, columns[5]]))
    path = pvar.with_suffix(".sites.vcf")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_only_keep_and_drop_are_known(example: Example, capsys: pytest.CaptureFixture[str]) -> None:
    example.target(example.is_typed)
    assert example.impute("x", "--typed-only", "maybe") == 2
    assert "'maybe' is not one of keep, drop" in error_line(capsys)
