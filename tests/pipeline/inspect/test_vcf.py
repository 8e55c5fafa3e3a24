"""VCF and BCF: counts, phase, missing alleles, and large files by their index."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from helpers import program, random_panel
from rnnimp.pipeline.inspect import vcf
from rnnimp.pipeline.inspect.vcf import inspect_vcf
from vcf_files import indexed, write_panel, write_vcf

RECORDS = [
    "21 100 . A G . GT 0|1 .|.",
    "22 200 . A G . GT 0/1 1|1",
    "22 300 . A G,T . GT:DS 1|2:1,1 0|0:0,0",
]


def test_counts_phase_and_missing_alleles(tmp_path: Path) -> None:
    found = inspect_vcf(write_vcf(tmp_path / "x.vcf", RECORDS, header="##source=rnnimp 9.9\n"), "VCF").facts
    assert found["format_version"] == "VCFv4.2"
    assert found["written_by"] == ["rnnimp 9.9"]
    assert found["samples"] == 2
    assert (found["sites"], found["sites_counted"]) == (3, "all")
    assert found["chromosomes"] == {
        "21": {"sites": 1, "first_position": 100, "last_position": 100},
        "22": {"sites": 2, "first_position": 200, "last_position": 300},
    }
    assert found["fields"] == ["GT", "DS"]
    assert found["phased_share"] == pytest.approx(2 / 3)  # of the heterozygous genotypes
    assert found["missing_share"] == pytest.approx(2 / 12)
    assert found["quality_scores"] == []


def test_haploid_samples_and_dosages_without_genotypes(tmp_path: Path) -> None:
    info = '##INFO=<ID=DR2,Number=1,Type=Float,Description="quality">\n'
    records = ["22 5 . A G DR2=0.5 GT 0 1|0", "22 6 . A G . DS 0.1 1.9"]
    found = inspect_vcf(write_vcf(tmp_path / "x.vcf", records, header=info), "VCF").facts
    assert (found["phased_share"], found["missing_share"]) == (1, 0)
    assert found["fields"] == ["GT", "DS"]
    assert found["quality_scores"] == ["DR2"]


def test_no_samples_and_no_records(tmp_path: Path) -> None:
    sites_only = inspect_vcf(write_vcf(tmp_path / "s.vcf", ["22 5 . A G ."], samples=""), "VCF").facts
    assert (sites_only["samples"], sites_only["phased_share"], sites_only["missing_share"]) == (0, None, None)
    empty = inspect_vcf(write_vcf(tmp_path / "e.vcf", []), "VCF").facts
    assert (empty["sites"], empty["chromosomes"]) == (0, {})


@pytest.mark.parametrize("kind", ["tbi", "csi"])
def test_a_large_file_is_counted_by_its_index(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = random_panel(np.random.default_rng(2), n_sites=300, n_samples=3)
    path = indexed(write_panel(tmp_path / "x.vcf", panel), kind)
    whole = inspect_vcf(path, "VCF").facts
    monkeypatch.setattr(vcf, "MOST_RECORDS", 100)
    part = inspect_vcf(path, "VCF").facts
    assert part["sites_counted"] == "by the index"
    assert (part["sites"], part["chromosomes"]) == (300, whole["chromosomes"])
    Path(f"{path}.{kind}").unlink()
    without = inspect_vcf(path, "VCF").facts
    assert without["sites"] == 100
    assert without["sites_counted"].startswith("the first records")


def test_a_stale_index_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = random_panel(np.random.default_rng(2), n_sites=300, n_samples=3)
    path = indexed(write_panel(tmp_path / "x.vcf", panel))
    index = Path(f"{path}.tbi").read_bytes()
    path = indexed(write_panel(tmp_path / "x.vcf", panel[:150], chromosome="21"))
    Path(f"{path}.tbi").write_bytes(index)
    monkeypatch.setattr(vcf, "MOST_RECORDS", 100)
    assert inspect_vcf(path, "VCF").facts["chromosomes"].keys() == {"21"}


def test_bcf_as_vcf(tmp_path: Path) -> None:
    text = write_vcf(tmp_path / "x.vcf", RECORDS)
    subprocess.run([program("bcftools"), "view", "-Ob", "-o", tmp_path / "x.bcf", text], check=True)
    left, right = (dict(inspect_vcf(path, "x").facts) for path in (text, tmp_path / "x.bcf"))
    for name in ("size_bytes", "written_by"):
        del left[name], right[name]
    assert left == right
