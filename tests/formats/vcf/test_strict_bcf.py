"""Blocks of a BCF that are damaged or unusual: each is read right, or refused in one line."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pysam
import pytest

from rnnimp.errors import DataError
from rnnimp.formats.bgzf import BgzfWriter
from rnnimp.formats.vcf import bcf_reading
from rnnimp.formats.vcf.bcf_text import line_of
from rnnimp.formats.vcf.reading import open_panel, read_genotypes
from rnnimp.formats.vcf.records import RecordReader
from vcf_files import write_vcf

RECORDS = ["22 100 rs1 A C END=120 GT:DS 0|1:0.5 1|0:.", "22 105 . A C,G . GT:DS 1|2:0.5,1 0|0:1,1"]


def to_bcf(path: Path) -> Path:
    target = path.with_suffix(".bcf")
    with pysam.VariantFile(str(path)) as source, pysam.VariantFile(str(target), "wb", header=source.header) as file:
        for record in source:
            file.write(record)
    return target


def parts_of(path: Path) -> tuple[bytes, list[tuple[bytearray, bytearray]]]:
    """The header of a BCF, and the two parts of each record."""
    data = gzip.decompress(path.read_bytes())
    at = 9 + int(struct.unpack_from("<I", data, 5)[0])
    header, records = data[:at], []
    while at < len(data):
        sizes = struct.unpack_from("<2I", data, at)
        ends = at + 8 + sizes[0], at + 8 + sum(sizes)
        records.append((bytearray(data[at + 8 : ends[0]]), bytearray(data[ends[0] : ends[1]])))
        at = ends[1]
    return header, records


def write_parts(path: Path, header: bytes, records: list[tuple[bytearray, bytearray]]) -> Path:
    with path.open("wb") as file:
        packed = BgzfWriter(file)
        packed.write(header)
        for shared, samples in records:
            packed.write(struct.pack("<2I", len(shared), len(samples)) + shared + samples)
        packed.close()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return to_bcf(write_vcf(tmp_path / "x.vcf", RECORDS))


@pytest.mark.parametrize(
    ("part", "place", "value", "message"),
    [
        (0, 0, "<i 7", "expected the number of a contig of the header, found 7 after the header"),
        (0, 0, "<i -1", "expected the number of a contig of the header, found -1"),
        (0, 4, "<i -2", "expected a position from 0 on, found -1"),
        (0, 20, "<I 0x02000003", "expected 2 samples as in the header, found 3"),
        (0, 18, "<H 0", "expected 1 to 32767 alleles, found 0"),
        (0, 18, "<H 9", "expected"),  # more alleles than there are
        (0, 24, "B 0xF7", "expected"),  # a length as a number behind it
        (0, 24, "B 0x39", "expected the type and the length of a value, found others"),
        (0, 24, "B 0x31", "expected text as ID and alleles, found another type"),
        (0, 25, "B 0x1B", r"expected an ID in UTF-8 without spaces, found b'\\x1bs1'"),
        (0, 25, "B 0xFC", "expected an ID in UTF-8 without spaces"),
        (0, 29, "B 0x00", "expected printable alleles"),
        (1, 1, "B 0x63", "expected the number of a field of the header"),
        (1, 0, "B 0x17", "expected whole numbers, found another type"),
        (1, 2, "B 0x01", "expected samples' values of|expected the|expected whole|expected a value"),
        (1, 2, "B 0x27", "expected genotypes as one to 16 whole numbers of each sample, found type 7 and length 2"),
        (1, 2, "B 0xF1", "expected"),
        (1, 3, "B 0x80", r"expected genotypes, found \[-128, 5\] in sample a"),
        (1, 3, "B 0x81", r"expected genotypes, found \[-127, 5\] in sample a"),
        (1, 3, "B 0x08", "expected allele numbers up to 1, as 22:100 has 1 in ALT, found 3 in sample a"),
        (1, 4, "B 0x04", "found an unphased one, 0/1, at 22:100 in sample a"),
    ],
)
def test_damaged_record(path: Path, part: int, place: int, value: str, message: str) -> None:
    header, records = parts_of(path)
    form, number = value.split()
    struct.pack_into(form, records[0][part], place, int(number, 0))
    write_parts(path, header, records)
    with pytest.raises(DataError, match=message) as caught:
        open_panel(path).read()
    assert str(caught.value).startswith(f"{path}: ") and str(caught.value).isprintable()


def test_length_of_a_length_without_end(path: Path) -> None:
    header, records = parts_of(path)
    records[0][0][24:] = b"\xf1" * 5000
    write_parts(path, header, records)
    with pytest.raises(DataError, match="expected the type and the length of a value, found others at 22:100"):
        open_panel(path).read()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((5, 10), "expected a record of 24 to 134217728 bytes after the header, found one of 15"),
        ((1 << 31, 1 << 31), "expected a record of 24 to 134217728 bytes"),
        ((1 << 20, 10), "expected a whole record after the header, found the file's end"),
    ],
)
def test_damaged_lengths(path: Path, sizes: tuple[int, int], message: str) -> None:
    header, records = parts_of(path)
    body = b"".join(bytes(part) for record in records for part in record)
    path.write_bytes(gzip.compress(header + struct.pack("<2I", *sizes) + body))
    with pytest.raises(DataError, match=message):
        open_panel(path).read()


@pytest.mark.parametrize("size", range(1, 60, 7))
def test_cut_anywhere(path: Path, size: int) -> None:
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(data[:-size]))
    with pytest.raises(DataError, match="expected a whole record after 22:100, found the file's end; it is truncated"):
        open_panel(path).read()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"BCF\4", "expected a BCF of version 2.1 or 2.2, found 04"),
        (b"BCF\2\2\0", "expected the header of a BCF, found a truncated or damaged one"),
        (b"BCF\2\2\xff\xff\xff\xff", "expected the header of a BCF, found a truncated or damaged one"),
        (b"BCF\2\2\4\0\0\0abcd", "expected the header of a BCF, found a truncated or damaged one"),
    ],
)
def test_damaged_header(path: Path, data: bytes, message: str) -> None:
    path.write_bytes(gzip.compress(data))
    with pytest.raises(DataError, match=message):
        open_panel(path)


@pytest.mark.parametrize("dtype", ["<i1", "<i2", "<i4"])
@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([[2, 5], [4, 3]], [[0, 1], [1, 0]]),
        ([[0, 5], [1, 0]], [[-1, 1], [-1, -1]]),
        ([[3, 5], [2, 2]], [[0, 1], [0, 0]]),  # the first allele's own phase, as of VCF 4.4
    ],
)
def test_integers_of_every_size(path: Path, dtype: str, codes: list[list[int]], expected: list[list[int]]) -> None:
    header, records = parts_of(path)
    kind = {"<i1": 1, "<i2": 2, "<i4": 3}[dtype]
    key = bytes(records[0][1][:2])
    samples = bytearray(key + bytes([2 << 4 | kind]) + np.array(codes, dtype).tobytes())
    shared = records[0][0]
    struct.pack_into("<I", shared, 20, 1 << 24 | 2)
    write_parts(path, header, [(shared, samples)])
    assert open_panel(path).read().alleles.reshape(2, 2).tolist() == expected


def test_end_of_values(path: Path) -> None:
    header, records = parts_of(path)
    records[0][1][3:7] = bytes([4, 0x81, 2, 5])  # one allele of the first sample
    write_parts(path, header, records)
    with pytest.raises(DataError, match="expected diploid genotypes, found 1 at 22:100 in sample a"):
        open_panel(path).read()
    records[0][1][3:7] = bytes([0x81, 0x81, 2, 5])  # none: missing, as bcftools shows it
    assert open_panel(write_parts(path, header, records[:1])).read().alleles.tolist() == [[-1, -1, 0, 1]]


def test_damaged_information(path: Path) -> None:
    header, records = parts_of(path)
    struct.pack_into("<H", records[0][0], 16, 2)  # two fields where there is one
    write_parts(path, header, records)
    (record, *_) = RecordReader(path).records()
    with pytest.raises(DataError, match=r"at 22:100; the file is damaged|after"):
        record.has_info("END")


def test_text_in_place_of_numbers(tmp_path: Path) -> None:
    header = '##FORMAT=<ID=XX,Number=1,Type=String,Description="-">\n'
    path = to_bcf(write_vcf(tmp_path / "x.vcf", ["22 100 . A C . GT:XX 0|1:abc 1|0:."], header=header))
    (record,) = RecordReader(path).records()
    assert record.labels("XX") == [b"abc", b"."]
    with pytest.raises(DataError, match="expected numbers in FORMAT field XX at 22:100, found another type"):
        record.numbers("XX")


def test_value_without_length_is_missing(path: Path) -> None:
    header, records = parts_of(path)
    samples = records[0][1]
    samples[-9] = 0  # the type of DS, whose two numbers follow
    records[0] = records[0][0], samples[:-8]
    assert np.isnan(read_genotypes(write_parts(path, header, records)).dosages[0]).all()


@pytest.mark.parametrize("size", [9, 20, 100])
def test_pieces_in_which_a_file_is_read_change_nothing(path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = read_genotypes(path)
    monkeypatch.setattr(bcf_reading, "_BLOCK_BYTES", size)
    found = read_genotypes(path)
    assert np.array_equal(found.dosages, expected.dosages, equal_nan=True)
    assert found.sites.keys() == expected.sites.keys() == [(100, "A", "C"), (105, "A", "C"), (105, "A", "G")]


def test_unpacked_bcf_is_read(path: Path) -> None:
    expected = open_panel(path).read()
    path.write_bytes(gzip.decompress(path.read_bytes()))
    assert np.array_equal(open_panel(path).read().alleles, expected.alleles)


def test_lines_are_those_of_the_vcf(tmp_path: Path) -> None:
    header = "".join(
        f'##INFO=<ID={name},Number={number},Type={kind},Description="-">\n'
        for name, number, kind in [("F", "0", "Flag"), ("X", "A", "Float"), ("N", ".", "Integer"), ("S", "1", "String")]
    )
    header += '##FORMAT=<ID=NN,Number=.,Type=Integer,Description="-">\n##FILTER=<ID=q,Description="-">\n'
    records = [
        "22 100 rs1 A C,G F;X=0.25,1e-05;N=1,.,-300;S=abc GT:DS:NN 0|1:0.5,1:7 ./2:.,2:.,300,70000",
        "22 105 . A * . GT .|. 0",
        "22 106 . A . X=. GT:DS 0/0:. .:.",
    ]
    source = write_vcf(tmp_path / "x.vcf", records, header=header)
    lines = source.read_bytes().replace(b"\tPASS\tF;X", b"\tq;PASS\tF;X").splitlines(keepends=True)
    source.write_bytes(b"".join(lines))
    found = [line_of(record) for record in RecordReader(to_bcf(source)).records()]  # type: ignore[arg-type]
    assert found == lines[-3:]
