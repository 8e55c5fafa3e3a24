"""Array markers from tables, VCF and PLINK .bim."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from helpers import shared_data
from rnnimp.errors import DataError
from rnnimp.formats.marker_list import read_markers
from rnnimp.sites.array_markers import ArrayMarkers


def listed(markers: ArrayMarkers) -> list[tuple[int, tuple[str, str] | None]]:
    return list(zip(markers.positions.tolist(), markers.alleles, strict=True))


EXPECTED = [(100, ("A", "G")), (200, ("C", "CT"))]

TABLES = {
    "header": "chrom\tpos\tref\talt\n22\t100\tA\tG\n21\t5\tA\tC\n22\t200\tC\tCT\n",
    "no header": "22 100 A G\n22 200 C CT\n",
    "other order and names": "name alt ref position chr\nrs1 G A 100 chr22\nrs2 CT C 200 chr22\n",
    "VCF names": "##comment\n#CHROM POS ID REF ALT\n22 100 . A G\n22 200 . C CT\n",
    "small letters, blank lines, no end": "\n22  100 a g\r\n\n22 200 c ct",
    "without a position": "22 0 A G\n22 100 A G\n22 200 C CT\n",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES.keys())
@pytest.mark.parametrize("chromosome", ["22", "chr22"])
def test_tables(tmp_path: Path, text: str, chromosome: str) -> None:
    path = tmp_path / "markers.tsv"
    path.write_text(text)
    assert listed(read_markers(path, chromosome)) == EXPECTED
    packed = tmp_path / "markers.tsv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert listed(read_markers(packed, chromosome)) == EXPECTED


@pytest.mark.parametrize(
    "text", ["chrom pos\n22 100\n22 200\n", "22 100\n22 200\n", "chrom pos ref alt\n22 100 A .\n22 200 0 G\n"]
)
def test_tables_without_alleles(tmp_path: Path, text: str) -> None:
    path = tmp_path / "markers.tsv"
    path.write_text(text)
    assert listed(read_markers(path, "22")) == [(100, None), (200, None)]


def test_bim(tmp_path: Path) -> None:
    path = tmp_path / "array.bim"
    path.write_text("22\trs1\t0\t100\tG\tA\n23\trs2\t0\t7\tG\tA\n22 rs3 0.5 200 0 C\n25 rs4 0 9 T A\n")
    assert listed(read_markers(path, "22")) == [(100, ("A", "G")), (200, None)]
    assert listed(read_markers(path, "X")) == [(7, ("A", "G")), (9, ("A", "T"))]


def test_vcf(tmp_path: Path) -> None:
    path = tmp_path / "array.vcf"
    path.write_text(
        "##fileformat=VCFv4.2\n##contig=<ID=chr22>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        "chr22\t100\trs1\tA\tG,T\t.\t.\t.\nchr22\t200\t.\tC\tCT\t.\t.\t.\nchr22\t300\t.\tC\t.\t.\t.\t.\n"
    )
    expected = [(100, ("A", "G")), (100, ("A", "T")), (200, ("C", "CT")), (300, None)]
    assert listed(read_markers(path, "22")) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.tsv", b"chrom position\n22 x\n", "m.tsv:2: expected a position in base pairs, found 'x'"),
        ("m.tsv", b"chrom pos ref alt\n22 100 A\n", "m.tsv:2: expected 4 columns as in the first line, found 3"),
        ("m.tsv", b"id position a0 a1\nrs1 100 A G\n", "m.tsv:1: expected a header with the columns chrom and pos"),
        ("m.tsv", b"22 100 A\n", r"m.tsv:1: expected the columns chrom pos \[ref alt\], found 3"),
        ("m.tsv", b"20 100 A G\n21 100 A G\n", "expected markers on chromosome 22, found 20, 21"),
        ("m.tsv", b"", "expected markers on chromosome 22, found no marker at all"),
        ("m.tsv", b"22 100 A G\n\xff\xfe\x00\n", "m.tsv:2: expected text, found binary data"),
        ("m.bim", b"22 rs1 0 100 G\n", "m.bim:1: expected the 6 columns of a .bim file, found 5"),
        ("m.vcf", b"22 100 A G\n", "expected a VCF or BCF file"),
    ],
)
def test_bad_lists(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_markers(path, "22")


def test_absent(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.tsv: cannot be read \(No such file"):
        read_markers(tmp_path / "none.tsv", "22")


def test_real_lists() -> None:
    assert len(read_markers(shared_data("kgp3_chr22/omni2.5_markers.tsv"), "chr22")) == 31_325
    markers = read_markers(shared_data("kgp3_chr20/omni2.5_markers.tsv"), "20")
    assert len(markers) == 52_697
    assert set(markers.alleles) == {None}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.txt", "22 -5 A G\n", ":1: expected a position in base pairs, found '-5'"),
        ("m.txt", "22 5 A G\n22 99999999999 A G\n", ":2: expected a position in base pairs, found '99999999999'"),
        ("m.txt", "22 5 A G\n22 nan A G\n", ":2: expected a position in base pairs, found 'nan'"),
        ("m.txt", "22 5 A G,T\n", ":1: expected one allele of bases"),
        (
            "m.txt",
            "chrom pos ref a0 alt\n22 5 A A G\n",
            ":1: expected each of the columns chrom, pos, ref and alt once",
        ),
        ("m.bim", "22 rs1 0 1e3 A G\n", ":1: expected a position in base pairs, found '1e3'"),
    ],
)
def test_numbers_and_alleles_are_checked(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError) as error:
        read_markers(path, "22")
    assert message in str(error.value)


def test_a_bim_has_the_reference_last_and_negative_positions_without_a_place(tmp_path: Path) -> None:
    path = tmp_path / "m.bim"
    path.write_text("22 rs1 0 200 AT A\n22 rs2 0 -300 A G\n22 rs3 0 0 A G\n")
    markers = read_markers(path, "22")
    assert (markers.positions.tolist(), markers.alleles) == ([200], (("A", "AT"),))
    assert not markers.has_reference
