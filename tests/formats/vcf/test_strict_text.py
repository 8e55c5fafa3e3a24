"""Lines of a VCF that are damaged or unusual: each is read right, or refused in one line that says where."""

from __future__ import annotations

import gzip
import io
import logging
import sys
from pathlib import Path

import pytest

from rnnimp.errors import DataError
from rnnimp.formats.vcf import text_reading
from rnnimp.formats.vcf.reading import open_panel, read_genotypes, read_sites
from rnnimp.formats.vcf.records import RecordReader
from vcf_files import HEADER, write_vcf

FIRST_RECORD = HEADER.count("\n") + 2
GOOD = "22 100 . A C . GT 0|1 1|0"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_vcf(tmp_path / "x.vcf", [GOOD, "22 105 . A C . GT 1|1 0|0"])


def alleles(path: Path) -> list[list[int]]:
    rows: list[list[int]] = open_panel(path).read().alleles.tolist()
    return rows


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"22\t100\t", b"100\t", "expected 11 columns as in the header, found 10"),
        (b"\t1|0\n", b"\t1|0\t0|0\n", "expected 11 columns as in the header, found 12"),
        (b"\t1|0\n", b"\n", "expected 11 columns as in the header, found 10"),
        (b"22\t100\t", b"22 100 ", "found 9; the line is truncated or damaged, or has spaces for tabs"),
        (b"22\t100", b"\t100", "expected printable characters as CHROM, found ''"),
        (b"22\t100", b"2\x1b\t100", r"as CHROM, found '2\\x1b'"),
        (b"22\t100", b"22\t-1", "expected a whole number as position, found '-1'"),
        (b"22\t100", b"22\t1e2", "expected a whole number as position, found '1e2'"),
        (b"22\t100", b"22\t", "expected a whole number as position, found ''"),
        (b"22\t100", b"22\t2147483647", "expected positions up to 2147483646, found 22:2147483647"),
        (b"22\t100", b"22\t99999999999", "expected a whole number as position, found '99999999999'"),
        (b"\t.\tA\tC", b"\t\xfc\tA\tC", "expected an ID in UTF-8 without spaces"),
        (b"\t.\tA\tC", b"\ta b\tA\tC", "expected an ID in UTF-8 without spaces, found 'a b'"),
        (b"\tA\tC", b"\t\tC", "expected printable characters as REF, found ''"),
        (b"\tA\tC", b"\tA\tC,,G", "expected printable characters as ALT, found ''"),
        (b"\tA\tC", b"\tA\tC,c", "expected alternative alleles that differ .* found A C,c at 22:100"),
        (b"\tA\tC", b"\tA\ta", "expected alternative alleles that differ .* found A a at 22:100"),
        (b"\tA\tC", b"\tA\tC\0", "expected text, found a NUL byte"),
        (b"PASS\t.", b"PASS\t\0", "expected text, found a NUL byte"),
        (b"0|1", b"0|2", "expected allele numbers up to 1, as 22:100 has 1 in ALT, found 2 in sample a"),
        (b"0|1", b"9|0", "found 9 in sample a"),
        (b"0|1", b"0|99999999", "found 32767 in sample a"),
        (b"\tC\t", b"\t.\t", "expected allele numbers up to 0, as 22:100 has 0 in ALT, found 1 in sample a"),
        (b"0|1", b"0|x", r"expected genotypes like 0\|1, found '0\|x' at 22:100 in sample a"),
        (b"0|1", b"0||1", "expected genotypes like"),
        (b"0|1", b"0|", "expected genotypes like"),
        (b"0|1", b"", "expected genotypes like 0|1, found ''"),
        (b"0|1", b"0 1", "expected genotypes like"),
        (b"0|1", b"|".join([b"0"] * 20), "expected genotypes like"),
        (b"0|1", b"0|1:5", "expected 1 values, as FORMAT has them, found 2 at 22:100 in sample a"),
        (b"0|1", b"/0|1", "found an unphased one, 0/1, at 22:100 in sample a"),
        (b"0|1\t1|0", b"0|1|1|0", "expected 11 columns as in the header, found 10"),
    ],
)
def test_damaged_line(path: Path, old: bytes, new: bytes, message: str) -> None:
    data = path.read_bytes()
    place = data.index(b"\n22\t100")
    path.write_bytes(data[:place] + data[place:].replace(old, new, 1))
    with pytest.raises(DataError, match=message) as caught:
        open_panel(path, keep_monomorphic=True).read()
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text and text.isprintable()
    if "as FORMAT" in message or "columns" in message:
        assert text.startswith(f"{path}:{FIRST_RECORD}: ")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([GOOD], [[0, 1, 1, 0]]),
        (["22 100 . A C . GT |0|1 |1|0"], [[0, 1, 1, 0]]),  # VCF 4.4
        (["22 100 . A C . GT /0/0 |1|0"], [[0, 0, 1, 0]]),
        (["22 100 . A C . GT:AD:GQ 0|1:3,4:9 1|0"], [[0, 1, 1, 0]]),
        (["22 100 . A C . GT:AD 0|1: 1|0:."], [[0, 1, 1, 0]]),
        (["22 100 . A C . AD:GT 7:0|1 3,4:1|0"], [[0, 1, 1, 0]]),
        (["22 100 . A C . AD:GT 7 3,4:1|0"], [[-1, -1, 1, 0]]),
        (["22 100 . A C,G,T . GT 0|3 1|0"], [[0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]]),
        (["22 100 . A " + ",".join(f"A{'C' * n}" for n in range(1, 12)) + " . GT 0|11 10|."], None),
        (["22 100 . a c,<DEL>,* . GT 0|1 2|3"], [[0, 1, 0, 0]]),
        (["22 100 . A C . GT .|1 .", "22 105 . A C . GT ./. .|."], [[-1, 1, -1, -1], [-1] * 4]),
    ],
)
def test_unusual_line(tmp_path: Path, records: list[str], expected: list[list[int]] | None) -> None:
    found = alleles(write_vcf(tmp_path / "x.vcf", records))
    if expected is None:
        assert found[9:] == [[0, 0, 1, -1], [0, 1, 0, -1]]
        assert all(row == [0, 0, 0, -1] for row in found[:9])
    else:
        assert found == expected


@pytest.mark.parametrize("change", ["crlf", "no last newline", "empty lines at the end", "gzip"])
def test_line_ends(path: Path, change: str) -> None:
    expected, data = alleles(path), path.read_bytes()
    changed = {
        "crlf": data.replace(b"\n", b"\r\n"),
        "no last newline": data.rstrip(b"\n"),
        "empty lines at the end": data + b"\n\n",
        "gzip": gzip.compress(data),
    }
    path.write_bytes(changed[change])
    assert alleles(path) == expected


@pytest.mark.parametrize("size", [1, 7, 64])
def test_pieces_in_which_a_file_is_read_change_nothing(path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    expected = alleles(path)
    monkeypatch.setattr(text_reading, "_BLOCK_BYTES", size)
    assert alleles(path) == expected == [[0, 1, 1, 0], [1, 1, 0, 0]]


def test_empty_line_between_records(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n22\t105", b"\n\n22\t105"))
    with pytest.raises(DataError, match=rf":{FIRST_RECORD + 1}: expected a record, found an empty line"):
        open_panel(path).read()


def test_line_that_never_ends(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_reading, "MAX_RECORD_BYTES", 1 << 20)
    path.write_bytes(path.read_bytes() + b"0" * (3 << 20))
    with pytest.raises(DataError, match="expected lines of at most 1 MiB, found a longer one"):
        open_panel(path).read()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"##fileformat=VCF", b"#fileformat=VCF", "expected a VCF or BCF file, found a text file"),
        (b"#CHROM", b"CHROM", "expected the line of column names"),
        (b"#CHROM\tPOS\tID", b"#CHROM POS ID", "expected the line of column names"),
        (b"\tINFO\tFORMAT", b"\tFORMAT", "expected the line of column names"),
        (b"\ta\tb", b"\ta\ta", ":11: expected each sample once, found a again"),
        (b"\ta\tb", b"\ta\t", "expected a sample name, found an empty one"),
        (b"\ta\tb", b"\ta\tM\xfcller", "expected sample names in UTF-8, found the bytes b'M\\\\xfcller'"),
        (b"\ta\tb", b"\ta\tb\x1b[2J", r"expected sample names without control characters, found 'b\\x1b\[2J'"),
        (b"##contig", b"##\0contig", ":2: expected text in the header, found a NUL byte"),
    ],
)
def test_damaged_header(path: Path, old: bytes, new: bytes, message: str) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    with pytest.raises(DataError, match=message) as caught:
        open_panel(path)
    assert str(caught.value).isprintable()


def test_header_alone_and_empty_file(path: Path) -> None:
    path.write_text(HEADER)
    with pytest.raises(DataError, match="expected the line of column names"):
        open_panel(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="expected a VCF or BCF file, found an empty file"):
        open_panel(path)
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match="expected a VCF or BCF file, found an empty file"):
        open_panel(path)


def test_names_and_descriptions_in_other_letters(path: Path) -> None:
    text = path.read_bytes().replace(b"\ta\tb", "\tM\u00fcller\t\u5f20 b".encode())
    path.write_bytes(text.replace(b'"dosage"', b'"Fl\xfcge"'))  # Latin-1, where it does no harm
    assert open_panel(path).sample_names == ("M\u00fcller", "\u5f20 b")


def test_quoted_text_of_the_header_is_no_field(path: Path) -> None:
    line = '##INFO=<ID=X,Number=1,Type=Float,Description="a, ID=IMP, length=9">\n'
    line += '##contig=<ID=21,length=48129895,x="length=7">\n'
    path.write_text(path.read_text().replace("##contig=<ID=21>\n", line))
    reader = RecordReader(path)
    assert (reader.declares("INFO", "X"), reader.declares("INFO", "IMP")) == (True, False)
    assert (reader.contig_length("chr21"), reader.contig_length("22")) == (48129895, None)


def test_position_0_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_vcf(tmp_path / "x.vcf", ["22 0 t A C . GT 0|1 0|0", GOOD])
    for chromosome in (None, "22"):
        assert open_panel(path, chromosome=chromosome).read().sites.keys() == [(100, "A", "C")]
    assert read_sites(path).keys() == [(100, "A", "C")]
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert (
        warnings == [f"warning: {path}: left out 1 record at position 0, a telomere or a variant without a place"] * 3
    )


@pytest.mark.parametrize(
    ("values", "n_samples"),
    [
        (["7 7", "7 7"], 0),
        (["7 7", "8 ."], 1),
        (["7 7", "8 9"], 2),
        (["x 7", "y 7"], 1),
        (["0 7", "5 7"], 0),  # 0 as some programs write it for none
    ],
)
def test_several_phase_sets(
    tmp_path: Path, values: list[str], n_samples: int, caplog: pytest.LogCaptureFixture
) -> None:
    records = [f"22 {90 + row} . A G . GT:PS 0|0:{row} 1|1:{row}" for row in range(3)]  # phase says nothing of these
    for row, value in enumerate(values):
        first, second = value.split()
        records.append(f"22 {100 + row} . A C . GT:PS 0|1:{first} 1|0:{second}")
    open_panel(write_vcf(tmp_path / "x.vcf", records)).read()
    found = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(found) == (n_samples > 0)
    if n_samples:
        assert f"{n_samples} of 2 samples have several phase sets (FORMAT PS), the first is a" in found[0]


@pytest.mark.parametrize("text", ["abc", "1_0", "0x1", "1,x", " 1", "--1", "inf", "1e39"])
def test_numbers_that_are_none(tmp_path: Path, text: str) -> None:
    path = write_vcf(tmp_path / "x.vcf", ["22 100 . A C . GP 1,0,0 0,1,0"])
    path.write_text(path.read_text().replace("1,0,0", f"{text},0"))
    with pytest.raises(DataError, match="expected numbers in FORMAT field GP at 22:100, found"):
        read_genotypes(path)


def test_score_that_is_no_number(tmp_path: Path) -> None:
    header = '##INFO=<ID=R2,Number=1,Type=Float,Description="-">\n'
    path = write_vcf(tmp_path / "x.vcf", ["22 100 . A C R2=high GT 0|1 0|0"], header=header)
    with pytest.raises(DataError, match=r"x.vcf:13: expected numbers as R2 in INFO at 22:100, found 'high'"):
        read_genotypes(path)


def test_standard_input(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert alleles(Path("-")) == [[0, 1, 1, 0], [1, 1, 0, 0]]
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match="standard input: expected data, found it closed"):
        open_panel("-")
