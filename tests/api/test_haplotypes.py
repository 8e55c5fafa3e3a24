"""Haplotypes in memory: what is refused, and reading each format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rnnimp
from helpers import random_panel
from impute_cases import write_target

SITES = rnnimp.Sites.build([10, 20], "AC", "GT", chromosome="22")
ALLELES = np.array([[0, 1], [1, -1]], dtype=np.int8)


@pytest.mark.parametrize(
    ("sites", "alleles", "names", "message"),
    [
        (SITES, ALLELES, ["a", "b"], r"expected alleles of shape \(2, 4\), two columns per sample, found \(2, 2\)"),
        (SITES, ALLELES + 1, ["a"], "expected alleles 0, 1, or -1 for missing, found others"),
        (SITES, ALLELES + 0.5, ["a"], "expected alleles 0, 1, or -1 for missing, found others"),
        (SITES[np.array([1, 0])], ALLELES, ["a"], "expected positions in rising order, found 10 after 20"),
        (SITES[np.array([1, 1])], ALLELES, ["a"], "expected each site once"),
        (rnnimp.Sites.build([10, 20], ["A", "C,G"], "GT"), ALLELES, ["a"], "expected one allele of bases"),
    ],
)
def test_what_does_not_fit_is_refused(sites: rnnimp.Sites, alleles: np.ndarray, names: list[str], message: str) -> None:
    with pytest.raises(rnnimp.RnnimpError, match=f"^haplotypes in memory(:1)?: {message}"):
        rnnimp.Haplotypes(sites, alleles, names)


def test_ploidy_is_given_per_site_and_sample() -> None:
    with pytest.raises(rnnimp.RnnimpError, match="expected is_haploid per site and sample"):
        rnnimp.Haplotypes(SITES, ALLELES, ["a"], np.array([True]))


@pytest.mark.parametrize("dtype", [np.int64, np.int16])
def test_other_whole_numbers_become_int8(dtype: type) -> None:
    haplotypes = rnnimp.Haplotypes(SITES, ALLELES.astype(dtype), ["a"])
    assert haplotypes.alleles.dtype == np.int8
    assert haplotypes.alleles.tolist() == ALLELES.tolist()
    assert haplotypes.sample_names == ("a",)


def test_formats_agree(tmp_path: Path) -> None:
    panel = random_panel(np.random.default_rng(5), n_sites=12, n_samples=3, missing_share=0.1)
    write_target(tmp_path / "t", panel)
    found = rnnimp.read_haplotypes(tmp_path / "t.hap.gz")
    assert found.sites.keys() == panel.sites.keys()
    assert np.array_equal(found.alleles, panel.alleles)
    assert found.sample_names == panel.sample_names
    rows = zip(panel.sites.ids, panel.sites.positions, panel.sites.a0, panel.sites.a1, panel.alleles, strict=True)
    lines = [" ".join(map(str, ["22", *row, *alleles])).replace("-1", "?") for *row, alleles in rows]
    (tmp_path / "t.haps").write_text("\n".join(lines) + "\n")
    haps = rnnimp.read_haplotypes(tmp_path / "t.haps")
    assert np.array_equal(haps.alleles, panel.alleles)
    assert haps.sample_names == panel.sample_names


def test_an_unknown_ending_or_an_absent_legend_is_refused(tmp_path: Path) -> None:
    with pytest.raises(rnnimp.RnnimpError, match="expected phased haplotypes in a file whose name"):
        rnnimp.read_haplotypes(tmp_path / "x.gen")
    (tmp_path / "x.hap").write_text("0 1\n")
    with pytest.raises(rnnimp.RnnimpError, match="expected its legend beside it"):
        rnnimp.read_haplotypes(tmp_path / "x.hap")
    (tmp_path / "sites.txt").write_text("id position a0 a1\n22:5:A:G 5 A G\n")
    found = rnnimp.read_haplotypes(tmp_path / "x.hap", legend=tmp_path / "sites.txt")
    assert found.alleles.tolist() == [[0, 1]]
