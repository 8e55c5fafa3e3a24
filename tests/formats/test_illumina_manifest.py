"""Illumina manifests: a small manifest and reference genome with every case.

Each expected marker follows from how its case was made. The reference is random, with two exceptions: a
CACACACA repeat at 1001-1008, and six T at 1101-1106 (1-based positions).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnnimp.errors import DataError
from rnnimp.formats import illumina_manifest as manifest
from rnnimp.formats.fasta import read_chromosome
from rnnimp.formats.illumina_manifest import Piece, place_indel, read_illumina_manifest
from rnnimp.sites.array_markers import ArrayMarkers

COLUMNS = "IlmnID,Name,IlmnStrand,SNP,Chr,MapInfo,SourceStrand,SourceSeq,RefStrand"


def make_reference() -> str:
    bases = list("".join(np.random.default_rng(8).choice(list("ACGT"), 2000)))
    bases[1000:1008] = "CACACACA"
    bases[999], bases[1008] = "G", "G"
    bases[1100:1106] = "TTTTTT"
    bases[1099], bases[1106] = "G", "C"
    return "".join(bases)


REFERENCE = make_reference()


def reverse_complement(text: str) -> str:
    return "".join({"A": "T", "C": "G", "G": "C", "T": "A"}[base] for base in reversed(text))


def base(position: int) -> str:
    """The reference's base at a 1-based position."""
    return REFERENCE[position - 1]


def other(letter: str) -> str:
    """A base that is neither the letter nor its complement."""
    return "A" if letter in "CG" else "C"


def complement(letter: str) -> str:
    return reverse_complement(letter)


def deletion(first: int, length: int, flank: int = 60) -> tuple[str, str, str]:
    """Upstream, piece and downstream of `length` reference bases from the 1-based `first`."""
    start = first - 1
    return REFERENCE[start - flank : start], REFERENCE[start : start + length], REFERENCE[start + length :][:flank]


def insertion(before: int, sequence: str, flank: int = 60) -> tuple[str, str, str]:
    """Upstream, piece and downstream of a sequence that stands behind the 1-based `before`."""
    return REFERENCE[before - flank : before], sequence, REFERENCE[before : before + flank]


def source(parts: tuple[str, str, str], turned: bool = False, gap_first: bool = True) -> str:
    if turned:
        parts = tuple(reverse_complement(part) for part in reversed(parts))  # type: ignore[assignment]
    alleles = f"-/{parts[1]}" if gap_first else f"{parts[1]}/-"
    return f"{parts[0]}[{alleles}]{parts[2]}"


def snp(first: str, second: str, position: int, ref_strand: str = "+", chromosome: str = "22") -> str:
    return f"x-1,x,TOP,[{first}/{second}],{chromosome},{position},TOP,,{ref_strand}"


def indel(
    source_text: str,
    position: int,
    ref_strand: str = "+",
    strands: tuple[str, str] = ("PLUS", "PLUS"),
    letters: str = "[D/I]",
) -> str:
    return f"x-1,x,{strands[0]},{letters},22,{position},{strands[1]},{source_text},{ref_strand}"


def write(folder: Path, rows: list[str], header: str = COLUMNS) -> Path:
    path = folder / "manifest.csv"
    lines = ["Illumina, Inc.,,", "[Heading],,", "Descriptor File Name,made.bpm,", "[Assay],,", header, *rows]
    lines += ["[Controls],,", "0027630314,Staining:x,Red,DNP(High)", snp("A", "C", 1), ""]
    path.write_text("\r\n".join(lines))
    return path


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    """Two chromosomes named with `chr`, in small and capital letters, 50 bases a line."""
    path = tmp_path / "made.fa"
    text = REFERENCE[:700].lower() + REFERENCE[700:]
    lines = [text[start : start + 50] for start in range(0, len(text), 50)]
    path.write_text("\n".join([">chr21 made", "ACGTACGTAC", ">chr22 made", *lines, ""]))
    return path


def listed(markers: ArrayMarkers) -> list[tuple[int, set[str]]]:
    return [(int(p), set(pair or ())) for p, pair in zip(markers.positions, markers.alleles, strict=True)]


def test_snps_of_both_strands(tmp_path: Path, fasta: Path) -> None:
    ref, alt = base(300), other(base(300))
    rows = [
        snp(ref, alt, 300),
        snp(alt, ref, 300, chromosome="chr22"),
        snp(complement(ref), complement(alt), 300, "-"),
    ]
    assert listed(read_illumina_manifest(write(tmp_path, rows), fasta, "22").markers) == [(300, {ref, alt})] * 3


@pytest.mark.parametrize("gap_first", [True, False])
@pytest.mark.parametrize("letters", ["[D/I]", "[I/D]"])
@pytest.mark.parametrize(
    ("turned", "ref_strand", "strands"),
    [
        (False, "+", ("PLUS", "PLUS")),
        (True, "-", ("MINUS", "MINUS")),
        (True, "+", ("TOP", "BOT")),  # the design is on the reference's strand, its source is not
        (False, "-", ("TOP", "BOT")),
        (True, "+", ("PLUS", "PLUS")),  # contradict the sequence
        (False, "-", ("MINUS", "MINUS")),
    ],
)
@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_indels_of_all_strands(
    tmp_path: Path,
    fasta: Path,
    gap_first: bool,
    letters: str,
    turned: bool,
    ref_strand: str,
    strands: tuple[str, str],
    shift: int,
) -> None:
    """A deletion of 401-403 and an insertion behind 500, neither of which can be moved left."""
    piece = "".join(REFERENCE[400:403])
    inserted = "CC" + other(base(500)) if other(base(500)) == "A" else "GGA"
    assert base(400) != piece[-1]
    assert base(500) != inserted[-1]
    rows = [
        indel(source(deletion(401, 3), turned, gap_first), 401 + shift, ref_strand, strands, letters),
        indel(source(insertion(500, inserted), turned, gap_first), 500 + shift, ref_strand, strands, letters),
    ]
    found = read_illumina_manifest(write(tmp_path, rows), fasta, "22")
    assert list(zip(found.markers.positions.tolist(), found.markers.alleles, strict=True)) == [
        (400, (base(400) + piece, base(400))),
        (500, (base(500), base(500) + inserted)),
    ]


def test_indels_in_repeats_are_moved_left(tmp_path: Path, fasta: Path) -> None:
    """Wherever in the repeat the manifest puts it, the VCF has the base before the repeat."""
    rows = [
        *(indel(source(deletion(1001 + 2 * copy, 2)), 1001 + 2 * copy) for copy in range(4)),
        indel(source(insertion(1008, "CA")), 1008),
        indel(source(insertion(1003, "AC")), 1003),
        *(indel(source(deletion(1101 + copy, 1)), 1103) for copy in range(6)),
        indel(source(insertion(1106, "TT")), 1106),
    ]
    found = read_illumina_manifest(write(tmp_path, rows), fasta, "22").markers
    expected = [(1000, ("GCA", "G"))] * 4 + [(1000, ("G", "GCA"))] * 2
    expected += [(1100, ("GT", "G"))] * 6 + [(1100, ("G", "GTT"))]
    assert list(zip(found.positions.tolist(), found.alleles, strict=True)) == expected


def test_other_variants_under_the_probe(tmp_path: Path, fasta: Path) -> None:
    """Some flanking bases may differ, but not those beside the indel."""
    upstream, piece, downstream = deletion(401, 3)
    far = upstream[:10] + other(upstream[10]) + "N" + upstream[12:]
    near = upstream[:-2] + other(upstream[-2]) + upstream[-1]
    rows = [indel(source((far, piece, downstream)), 401), indel(source((near, piece, downstream)), 401)]
    found = read_illumina_manifest(write(tmp_path, rows), fasta, "22")
    assert found.markers.positions.tolist() == [400]
    assert found.skipped == {manifest.NOT_IN_REFERENCE: 1}


def test_what_is_skipped_is_counted(tmp_path: Path, fasta: Path, caplog: pytest.LogCaptureFixture) -> None:
    ref = base(300)
    absent = [letter for letter in "ACGT" if letter != ref]
    foreign = "".join(np.random.default_rng(9).choice(list("ACGT"), 120))
    good = snp(ref, absent[0], 300)
    rows = [
        good,
        snp(absent[0], absent[1], 300),
        snp("A", "C", 5000),
        indel(source((foreign[:60], "AC", foreign[60:])), 401),
        snp("A", "G", 300, chromosome="21"),
        snp("A", "G", 300, chromosome="XY"),
        snp("A", "G", 0),
        snp("A", "G", 0, chromosome="0"),
        snp("A", "G", 300, "U"),
        snp("A", "N", 300),
        indel("ACGT[A/C]ACGT", 300),
        indel("", 300),
    ]
    with caplog.at_level(logging.INFO):
        found = read_illumina_manifest(write(tmp_path, rows), fasta, "chr22")
    assert listed(found.markers) == [(300, {ref, absent[0]})]
    assert found.skipped == {
        manifest.NOT_IN_REFERENCE: 3,
        manifest.OTHER_CHROMOSOME: 2,
        manifest.NO_POSITION: 2,
        manifest.NO_STRAND: 1,
        manifest.ODD_ALLELES: 3,
    }
    assert "1 markers on chromosome chr22; skipped: 3 whose alleles are absent from the reference" in caplog.text


def test_ambiguous_indel_has_no_place() -> None:
    """In a long run of one base, with and without fit alike."""
    reference = np.frombuffer(b"A" * 300, dtype=np.uint8)
    assert place_indel(Piece("A" * 40, "A", "A" * 40), 150, reference) is None
    assert place_indel(Piece("", "A", ""), 150, reference) is None
    assert place_indel(Piece("A", "C", "A"), 150, reference) is None


def test_indel_at_the_edges() -> None:
    """The base before is needed: a deletion of the second base has one, of the first has none."""
    reference = np.frombuffer(REFERENCE[:80].encode(), dtype=np.uint8)
    first, second = REFERENCE[0], REFERENCE[1]
    assert first != second
    assert place_indel(Piece(first, second, REFERENCE[2:40]), 2, reference) == (1, (first + second, first))
    assert place_indel(Piece("", first, REFERENCE[1:40]), 1, reference) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("IlmnID,Name\n", r"expected an Illumina manifest with a section \[Assay\], found none"),
        ("[Assay]\nIlmnID,Name,SNP,Chr\n", "missing: IlmnStrand MapInfo SourceStrand SourceSeq RefStrand"),
        ("[Assay]\n", "missing: IlmnStrand Chr"),
        (
            f"[Assay]\n{COLUMNS}\n{snp('A', 'C', 5)[:20]}",
            "manifest.csv:3: expected 9 columns, found 6; the file is truncated",
        ),
        (
            f"[Assay]\n{COLUMNS}\nx,x,TOP,[A/C],22,here,TOP,,+\n",
            "manifest.csv:3: expected a position as MapInfo, found 'here'",
        ),
        (f"[Assay]\n{COLUMNS}\n{snp('A', 'C', 5, chromosome='21')}\n", r"on chromosome 22, found none \(1 on another"),
        (f"[Assay]\n{COLUMNS}\n[Controls]\n", "on chromosome 22, found none"),
    ],
)
def test_bad_manifests(tmp_path: Path, fasta: Path, text: str, message: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_illumina_manifest(path, fasta, "22")


def test_fasta(tmp_path: Path, fasta: Path) -> None:
    assert read_chromosome(fasta, "22") == REFERENCE
    assert Path(f"{fasta}.fai").exists()
    assert read_chromosome(fasta, "chr21") == "ACGTACGTAC"
    with pytest.raises(DataError, match="expected the sequence of chromosome 20, found only chr21, chr22"):
        read_chromosome(fasta, "20")


def test_fasta_where_no_index_can_be_written(fasta: Path) -> None:
    Path(f"{fasta}.fai").mkdir()
    assert read_chromosome(fasta, "22") == REFERENCE


def test_bad_fasta(tmp_path: Path) -> None:
    packed = tmp_path / "x.fa.gz"
    packed.write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(DataError, match="not compressed; unpack it with gunzip"):
        read_chromosome(packed, "22")
    ragged = tmp_path / "ragged.fa"
    ragged.write_text(">22\nACGT\nAC\nACGT\n")
    with pytest.raises(DataError, match="expected a FASTA file"):
        read_chromosome(ragged, "22")
    text = tmp_path / "text.fa"
    text.write_text("no fasta\n")
    with pytest.raises(DataError, match="expected"):
        read_chromosome(text, "22")
    with pytest.raises(DataError, match=r"none.fa: cannot be read \(No such file"):
        read_chromosome(tmp_path / "none.fa", "22")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.replace(",22,", ",\r,", 1), "expected a line of comma-separated values, found"),
        (lambda row: row.replace(",22,", ',"22,', 1), "expected a line of comma-separated values, found"),
        (lambda row: row.replace(",300,", ",-300,", 1), "expected a position as MapInfo, found '-300'"),
        (lambda row: row.replace(",300,", ",3e2,", 1), "expected a position as MapInfo, found '3e2'"),
        (lambda row: row.replace(",300,", ",nan,", 1), "expected a position as MapInfo, found 'nan'"),
        (lambda row: row.replace(",300,", f",{10**12},", 1), "expected a position as MapInfo, found '1000000000000'"),
        (lambda row: row.replace(",22,", ",22" + "2" * 200_000 + ",", 1), "field larger than field limit"),
    ],
)
def test_damaged_lines_are_refused(tmp_path: Path, fasta: Path, change: Callable[[str], str], message: str) -> None:
    row = snp(base(300), other(base(300)), 300)
    assert change(row) != row
    with pytest.raises(DataError) as error:
        read_illumina_manifest(write(tmp_path, [change(row)]), fasta, "22")
    assert message in str(error.value)
    assert len(str(error.value)) < 500


def test_a_stale_index_of_a_fasta_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_text(">22\nACGT\nACGT\n>X\nACGT\n")
    index = tmp_path / "x.fa.fai"
    index.write_text("22\t8\t2\t4\t5\nX\t4\t17\t4\t5\n")  # two bytes too early
    os.utime(index, (2**31, 2**31))
    with pytest.raises(DataError, match="expected bases as the sequence of 22, found '2' in it; delete the index"):
        read_chromosome(path, "22")
