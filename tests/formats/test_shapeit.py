"""SHAPEIT's .haps: small files, and files of bcftools and IMPUTE2 compared with other readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers import shared_data
from rnnimp.errors import DataError
from rnnimp.formats.hapslegend import open_panel
from rnnimp.formats.shapeit import read_haps
from rnnimp.sites.ploidy import PloidyRecorder


def write(folder: Path, text: str) -> Path:
    path = folder / "x.haps"
    path.write_text(text)
    return path


def test_small_file(tmp_path: Path) -> None:
    panel = read_haps(write(tmp_path, "22 rs1 5 a G 0 1 1 0\n22 rs2 7 C CT ? 1 0* -\r\n"))
    assert panel.sites.keys() == [(5, "A", "G"), (7, "C", "CT")]
    assert panel.sites.ids.tolist() == ["rs1", "rs2"]
    assert panel.sites.chromosome == "22"
    assert panel.alleles.tolist() == [[0, 1, 1, 0], [-1, 1, -1, -1]]
    assert panel.sample_names == ("Sample_1", "Sample_2")


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("---", "9"),
        ("chr22", "chr22"),
        ("22:5_A_G", "22"),
        ("SNP_A-1", "9"),
        (":", "9"),
        ("\ufeff22", "22"),
        ("\ufeff---", "9"),
    ],
)
def test_chromosome_of_the_first_column(tmp_path: Path, first: str, expected: str) -> None:
    asked = None if expected != "9" else "9"
    assert read_haps(write(tmp_path, f"{first} rs1 5 A G 0 1\n"), chromosome=asked).sites.chromosome == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "22 rs1 5 A G 0 1 1\n",
            "x.haps:1: expected 'chromosome id position a0 a1' and two columns per sample, found 8",
        ),
        ("0 1 1 0\n", "x.haps:1: expected 'chromosome id position a0 a1' and two columns per sample, found 4"),
        ("22 rs1 5 A G 0 1\n22 rs1 6 A G 0 1 1 0\n", "x.haps:2: expected 2 alleles as in the first line, found 4"),
        ("22 rs1 5 A G 0 1\n22 rs1\n", "x.haps:2: expected 'chromosome id position a0 a1'"),
        ("22 rs1 5 A G 0 1\n22 rs1 six A G 0 1\n", "x.haps:2: expected 'chromosome id position a0 a1'"),
        ("22 rs1 5 A G 0 1\n22 rs1 4 A G 0 1\n", "x.haps:2: expected positions in rising order, found 4 after 5"),
        ("22 rs1 5 A G 0 1\n22 rs1 5 G A 0 1\n", "x.haps:2: expected each site once"),
        ("22 rs1 5 A G 0 1\n22 rs1 6 A G 1 2\n", "x.haps:2: expected alleles 0 and 1"),
        ("22 rs1 5 A G 0 1\n21 rs1 6 A G 1 0\n", "x.haps:2: expected chromosome 22, found 21"),
        ("\ufeff rs1 5 A G 0 1\n", ":1: expected 'chromosome id position a0 a1' and two columns per sample, found 6"),
    ],
)
def test_malformed_rows_name_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_haps(write(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lines_are_counted_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"22 rs{n} {n} A G {n % 2} 1\n" for n in range(1, 11))
    whole = read_haps(write(tmp_path, text))
    monkeypatch.setattr("rnnimp.formats.shapeit._BLOCK_LINES", 3)
    np.testing.assert_array_equal(read_haps(write(tmp_path, text)).alleles, whole.alleles)
    assert whole.alleles[:, 0].tolist() == [n % 2 for n in range(1, 11)]
    with pytest.raises(DataError, match=r"x\.haps:8: expected 2 alleles"):
        read_haps(write(tmp_path, text.replace("22 rs8 8 A G 0 1", "22 rs8 8 A G 0 1 1")))


def genotypes_of_vcf(path: Path) -> dict[tuple[int, str, str], list[str]]:
    """GT of the records with one alternative."""
    rows = [line.split("\t") for line in path.read_text().splitlines() if line[0] != "#"]
    return {
        (int(row[1]), row[3], row[4]): [cell.split(":")[0] for cell in row[9:]] for row in rows if "," not in row[4]
    }


def codes(genotype: str) -> list[int]:
    """Both columns of a genotype; an unphased heterozygous one is missing, as in HAPS."""
    pair = [genotype[0], genotype[-1]]
    is_known = "." not in pair and ("/" not in genotype or pair[0] == pair[1])
    return [int(allele) if is_known else -1 for allele in pair]


@pytest.mark.parametrize(("name", "has_ids"), [("convert.hs.gt.hap", False), ("convert.hs.gt.ids.hap", True)])
def test_haps_of_bcftools_are_what_its_vcf_says(name: str, has_ids: bool) -> None:
    folder = shared_data("interop/bcftools_convert")
    recorder = PloidyRecorder()
    found = read_haps(folder / name, folder / "convert.hs.gt.samples", ploidy=recorder)
    expected = genotypes_of_vcf(folder / "convert.vcf")
    shared = [row for row, key in enumerate(found.sites.keys()) if key in expected]
    assert len(shared) > 20
    ploidy = recorder.ploidy()
    assert ploidy is not None
    is_haploid = ploidy.at(found.sites.positions)
    for row in shared:
        genotypes = expected[found.sites.keys()[row]]
        assert is_haploid[row].tolist() == [len(genotype) == 1 for genotype in genotypes]
        assert found.alleles[row].reshape(-1, 2).tolist() == [codes(genotype) for genotype in genotypes]
    assert found.sample_names == tuple(f"NA{number:05}" for number in range(1, 11))
    assert found.sites.chromosome == "X"
    assert found.sites.ids[0] == ("id9" if has_ids else "X:2698560_G_A")


def test_hap_and_legend_of_bcftools_have_the_same_ploidy() -> None:
    folder = shared_data("interop/bcftools_convert")
    recorders = PloidyRecorder(), PloidyRecorder()
    haps = read_haps(folder / "convert.hs.gt.hap", ploidy=recorders[0])
    legend = open_panel(folder / "convert.hls.gt.hap", folder / "convert.hls.gt.legend", None, "X", recorders[1]).read()
    assert haps.sites.keys() == legend.sites.keys()
    np.testing.assert_array_equal(haps.alleles, legend.alleles)
    first, second = (recorder.ploidy() for recorder in recorders)
    assert first is not None and second is not None
    assert first.is_haploid.tolist() == second.is_haploid.tolist()
    assert first.is_haploid.any()


def test_a_dash_is_missing_on_an_autosome(tmp_path: Path) -> None:
    recorder = PloidyRecorder()
    panel = read_haps(write(tmp_path, "22 rs1 5 A G 0 - 1 0\n"), ploidy=recorder)
    assert panel.alleles.tolist() == [[0, -1, 1, 0]]
    assert recorder.ploidy() is None


def test_haps_of_impute2() -> None:
    path = shared_data("interop/impute2_example_chr22") / "example.chr22.one.phased.impute2_haps"
    panel = read_haps(path, chromosome="22")
    rows = [line.split() for line in path.read_text().splitlines()]
    assert panel.sites.ids.tolist() == [row[1] for row in rows]
    expected = np.array([[{"0": 0, "1": 1}.get(cell, -1) for cell in row[5:]] for row in rows])
    np.testing.assert_array_equal(panel.alleles, expected)


def test_sites_without_a_sequence_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rows = ["22 rs1 5 A G 0 1", "22 rs2 6 A <CN0> 1 1", "22 rs3 7 a t 1 0", "22 rs4 8 C * 1 1", "22 rs5 9 C 0 0 0"]
    panel = read_haps(write(tmp_path, "".join(f"{row}\n" for row in rows)))
    assert panel.sites.keys() == [(5, "A", "G"), (7, "A", "T"), (9, "C", "0")]
    assert panel.alleles.tolist() == [[0, 1], [1, 0], [0, 0]]
    assert "left out alternative alleles that are no sequence: 2" in caplog.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("22 rs1 0 A G 0 1", "positions from 1 to 2147483646, found '22 rs1 0 A G'"),
        ("22 rs1 -5 A G 0 1", "found '22 rs1 -5 A G'"),
        ("22 rs1 1e3 A G 0 1", "found '22 rs1 1e3 A G'"),
        ("22 rs1 99999999999 A G 0 1", "found '22 rs1 99999999999 A G'"),
        ("22 rs1 5 A G,T 0 1", ":1: expected one allele of bases"),
        ("22 rs\x1b[31m 5 A G 0 1", "found the control character"),
    ],
)
def test_numbers_and_alleles_are_checked(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        read_haps(write(tmp_path, f"{line}\n"))
    assert message in str(error.value)
