"""Text files: every kind that rnnimp reads is recognised, counted, and its missing alleles found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers import random_panel
from rnnimp.errors import DataError
from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.pipeline.inspect import tables
from rnnimp.pipeline.inspect.tables import inspect_table

CASES = [
    ("x.legend", "id position a0 a1\nrs1 5 A G\nrs2 9 A G\n", "LEGEND", 2),
    ("x.haps", "22 rs1 5 A G 0 1 ? 0\n22 rs2 9 A G 0 1 1 0\n", "HAPS of SHAPEIT", 2),
    ("x.gen", "--- rs1 5 A G 1 0 0 0 0.5 0.5\n--- rs2 9 A G 0 0 0 1 0 0\n", "GEN", 2),
    ("x", "22 --- rs1 5 A G 1 0 0 0 0.5 0.5\n", "GEN", 1),
    ("x.map", "pos chr cM\n5 22 0.1\n9 22 0.2\n", "genetic map", 2),
    ("x.map", "22 rs1 0.1 5\n22 rs2 0.2 9\n", "genetic map", 2),
    ("x.tsv", "chrom pos ref alt\n22 5 A G\n", "list of markers", 1),
    ("x.tsv", "22 5 A G\n22 7 C T\n", "list of markers", 2),
    ("x.tsv", "22 5\n", "list of markers", 1),
    ("x.bim", "22 rs1 0 5 G A\n22 rs2 0 9 G A\n", "BIM of PLINK", 2),
    ("x.bed", "chr start stop\nchr22 1 5\nchr22 5 9\n", "BED, as of blocks for 'rnnimp split'", 2),
    ("x.pvar", "##x\n#CHROM POS ID REF ALT\n22 5 rs1 A G\n", "PVAR", 1),
]
LISTS = [
    ("x.hap", "0 1 ? 0\n0 1 1 0\n", "HAP", 2),
    ("x.list", "a/split_1\na/split_2\n", "data list of 'rnnimp split'", 2),
    ("x.txt", "NA1\nNA2\nNA3\n", "list of names, such as samples", 3),
    ("x.fam", "f a 0 0 1 -9\nf b 0 0 2 -9\n", "FAM of PLINK", 2),
    ("x.psam", "#IID SEX\na 1\nb 2\n", "PSAM", 2),
]


@pytest.mark.parametrize(("name", "text", "kind", "n_sites"), CASES)
def test_tables_of_sites(tmp_path: Path, name: str, text: str, kind: str, n_sites: int) -> None:
    (tmp_path / name).write_text(text)
    found = inspect_table(tmp_path / name)
    assert found.kind == kind
    assert found.facts["sites"] == n_sites
    (place,) = found.facts["chromosomes"].values()
    assert (place["first_position"], place["last_position"]) == (5, {1: 5, 2: place["last_position"]}[n_sites])


@pytest.mark.parametrize(("name", "text", "kind", "n_lines"), LISTS)
def test_tables_without_sites(tmp_path: Path, name: str, text: str, kind: str, n_lines: int) -> None:
    (tmp_path / name).write_text(text)
    found = inspect_table(tmp_path / name)
    assert (found.kind, found.facts["lines"]) == (kind, n_lines)


@pytest.mark.parametrize(
    ("name", "text", "n_samples", "missing"),
    [
        ("x.haps", "22 rs1 5 A G 0 1 ? 0\n22:9_A_G rs2 9 A G 0 1 1 0\n", 2, 1 / 8),
        ("x.hap", "0 1 ? ?\n", 2, 1 / 2),
        ("x.gen", "--- rs1 5 A G 1 0 0 0 0.5 0.5\n--- rs2 9 A G 0 0 0 1 0 0\n", 2, 1 / 4),
    ],
)
def test_samples_and_missing_alleles(tmp_path: Path, name: str, text: str, n_samples: int, missing: float) -> None:
    (tmp_path / name).write_text(text)
    facts = inspect_table(tmp_path / name).facts
    assert (facts["samples"], facts["missing_share"]) == (n_samples, missing)
    assert set(facts.get("chromosomes", {})) <= {"", "22"}


def test_files_that_rnnimp_writes(tmp_path: Path) -> None:
    panel = random_panel(np.random.default_rng(3), n_sites=40, n_samples=7)
    with HapsLegendWriter(tmp_path / "p", panel.sample_names) as writer:
        writer.write(panel.sites, panel.alleles)
    hap, legend = (inspect_table(tmp_path / f"p.{ending}") for ending in ("hap.gz", "legend.gz"))
    assert (hap.kind, hap.facts["samples"], hap.facts["lines"]) == ("HAP", 7, 40)
    assert hap.facts["missing_share"] == np.mean(panel.alleles < 0)
    assert (legend.kind, legend.facts["sites"]) == ("LEGEND", 40)
    assert inspect_table(tmp_path / "p.sample").facts["samples"] == 7


def test_of_a_large_file_the_first_lines_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.tsv").write_text("chrom pos\n" + "22 5\n" * 50)
    monkeypatch.setattr(tables, "MOST_RECORDS", 20)
    facts = inspect_table(tmp_path / "x.tsv").facts
    assert facts["sites"] == 20
    assert facts["sites_counted"].startswith("the first records")


@pytest.mark.parametrize("text", ["hello there\n", "\n\n", "a,b\n1,2\n", "22 x A G\n1 2 3 4 5\n"])
def test_unknown_text_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(DataError, match="kind is not known"):
        inspect_table(tmp_path / "x")


def test_a_line_without_a_position_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("chrom pos\n22 5\n22 five\n")
    with pytest.raises(DataError, match="22 five"):
        inspect_table(tmp_path / "x.tsv")


def test_a_line_with_a_probability_too_few_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gen").write_text("--- rs1 5 A G 1 0 0\n--- rs2 9 A G 0 1\n")
    with pytest.raises(DataError, match="three probabilities"):
        inspect_table(tmp_path / "x.gen")
