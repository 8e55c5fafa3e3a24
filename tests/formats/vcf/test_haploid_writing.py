"""Haploid samples in VCF and BCF: expected text, and other readers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cyvcf2
import numpy as np
import pytest

from helpers import program
from rnnimp.formats.sums import read_sums
from rnnimp.formats.vcf.bcf_writing import BcfWriter
from rnnimp.formats.vcf.header import VcfContent
from rnnimp.formats.vcf.reading import open_panel
from rnnimp.formats.vcf.writing import VcfWriter
from rnnimp.scoring.quality import minimac_r2
from rnnimp.sites.panel import ImputedBlock, Sites
from rnnimp.sites.ploidy import PloidyRecorder

FIELDS = ("GT", "DS", "HDS", "GP", "AP")
WRITERS = {"vcf": VcfWriter, "vcf.gz": VcfWriter, "bcf": BcfWriter}


def block() -> ImputedBlock:
    """Three samples, of which the second is haploid at the last three sites; the last site is typed."""
    sites = Sites.build([5, 7, 9, 11], "ACGT", "GTAC", chromosome="X")
    probabilities = np.array(
        [
            [0.9, 0.2, 0.6, 0.6, 0.1, 0.1],
            [0.9, 0.2, 0.6, 0.6, 0.1, 0.1],
            [0.9, 0.2, 0.3, 0.3, 0.1, 0.1],
            [1, 0, 0.5, 0.5, 0.5, 1],
        ],
        dtype=np.float32,
    )
    is_missing = np.zeros((4, 6), dtype=bool)
    is_missing[3, 2:5] = True
    is_haploid = np.zeros((4, 3), dtype=bool)
    is_haploid[1:, 1] = True
    return ImputedBlock(sites, probabilities, np.array([False, False, False, True]), is_missing, is_haploid)


def write(folder: Path, ending: str) -> Path:
    path = folder / f"x.{ending}"
    with WRITERS[ending](path, VcfContent(("a", "b", "c"), "X", FIELDS), folder / "x.sums.tsv.gz") as writer:
        writer.write(block())
    return path


def test_text_of_haploid_genotypes(tmp_path: Path) -> None:
    rows = [line.split("\t") for line in write(tmp_path, "vcf").read_text().splitlines() if line[0] != "#"]
    assert rows[0][10] == "1|0:1.2:0.6,0.6:0.16,0.48,0.36:0.6:0.6"
    assert rows[1][10] == "1:0.6:0.6:0.4,0.6:0.6:."
    assert rows[2][10] == "0:0.3:0.3:0.7,0.3:0.3:."
    assert rows[3][9:] == ["1|0:1:1,0:0,1,0:1:0", ".:.:.:.:.:.", ".|1:.:.:.:.:."]
    information = [dict(item.split("=") for item in row[7].split(";") if "=" in item) for row in rows]
    assert [entry["AN"] for entry in information] == ["6", "5", "5", "3"]
    assert [entry["AC"] for entry in information] == ["2", "2", "1", "2"]
    assert float(information[1]["AF"]) == pytest.approx((0.9 + 0.2 + 0.6 + 0.1 + 0.1) / 5, abs=1e-6)
    alone = np.array([[0.9, 0.2, 0.6, 0.1, 0.1]])
    assert float(information[1]["R2"]) == pytest.approx(float(minimac_r2(alone)[0]), rel=1e-4)


def test_sums_count_a_haploid_sample_once(tmp_path: Path) -> None:
    write(tmp_path, "vcf")
    _, sums = read_sums(tmp_path / "x.sums.tsv.gz")
    assert sums.n_alleles.tolist() == [6, 5, 5, 3]
    np.testing.assert_allclose(sums.dose / 2**40, [2.5, 1.9, 1.6, 2], rtol=1e-6)


@pytest.mark.parametrize("ending", ["vcf.gz", "bcf"])
def test_bcftools_sees_in_both_what_the_text_says(tmp_path: Path, ending: str) -> None:
    expected = [line for line in write(tmp_path, "vcf").read_text().splitlines() if line[0] != "#"]
    result = subprocess.run(
        [program("bcftools"), "view", "-H", write(tmp_path, ending)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    found = result.stdout.splitlines()
    for row, text in zip(found, expected, strict=True):
        assert row.split("\t")[:7] == text.split("\t")[:7]
        assert row.split("\t")[9:] == text.split("\t")[9:]


@pytest.mark.parametrize("ending", ["vcf", "vcf.gz", "bcf"])
def test_read_back_with_its_ploidy(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path, ending)
    recorder = PloidyRecorder()
    panel = open_panel(path, ploidy=recorder).read()
    ploidy = recorder.ploidy()
    assert ploidy is not None
    assert ploidy.at(panel.sites.positions).tolist() == [[False] * 3, *([[False, True, False]] * 3)]
    assert panel.alleles[1:, 2:4].tolist() == [[1, 1], [0, 0], [-1, -1]]
    dosages = np.stack([record.format("DS")[:, 0] for record in cyvcf2.VCF(str(path))])
    np.testing.assert_allclose(dosages[:3, 1], [1.2, 0.6, 0.3], rtol=1e-6)


def test_plink2_reads_the_dosages(tmp_path: Path) -> None:
    write(tmp_path, "vcf")
    (tmp_path / "sex.txt").write_text("#IID\tSEX\na\t2\nb\t1\nc\t2\n")
    command = [program("plink2"), "--vcf", "x.vcf", "dosage=DS", "--vcf-half-call", "m", "--update-sex", "sex.txt"]
    command += ["--export", "A-transpose"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    rows = [line.split("\t") for line in (tmp_path / "plink2.traw").read_text().splitlines()[1:]]
    # counted are REF alleles; plink2 counts those of a haploid sample twice in this format
    np.testing.assert_allclose([float(row[7]) for row in rows[1:3]], [2 - 1.2, 2 - 0.6], atol=1e-3)
