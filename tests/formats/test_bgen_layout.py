"""BGEN files byte by byte: what is valid is read right, and what contradicts itself is refused in one line."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from math import comb
from pathlib import Path

import bgen
import numpy as np
import pytest

from rnnimp.errors import DataError
from rnnimp.formats.bgen import open_panel
from rnnimp.formats.bgen_layout import BgenFile, MalformedError, parse_genotypes
from rnnimp.sites.ploidy import PloidyRecorder

HAPLOTYPES = [[0, 1, 1, 1], [1, 0, 0, 0]]
NAMES = (b"a", b"b")


def text(value: bytes, form: str = "<H") -> bytes:
    return struct.pack(form, len(value)) + value


def genotypes(alleles: list[int], bits: int = 8, *, ploidy: bytes = b"\2\2", phased: int = 1) -> bytes:
    """The genotypes of a site with two alleles, certain haplotypes."""
    number = sum((0 if allele else (1 << bits) - 1) << place * bits for place, allele in enumerate(alleles))
    head = struct.pack("<IHBB", len(ploidy), 2, min(ploidy) & 63, max(ploidy) & 63) + ploidy + bytes([phased, bits])
    return head + number.to_bytes((len(alleles) * bits + 7) // 8, "little")


def variant(
    position: int,
    data: bytes,
    alleles: tuple[bytes, ...] = (b"A", b"G"),
    chromosome: bytes = b"22",
    packed: bool = True,
) -> bytes:
    out = text(b"v") + text(b"rs%d" % position) + text(chromosome) + struct.pack("<IH", position, len(alleles))
    out += b"".join(text(allele, "<I") for allele in alleles)
    if not packed:
        return out + struct.pack("<I", len(data)) + data
    block = zlib.compress(data)
    return out + struct.pack("<II", len(block) + 4, len(data)) + block


def file_of(*variants: bytes, names: tuple[bytes, ...] | None = NAMES, flags: int | None = None, n: int = 2) -> bytes:
    known = 1 | 2 << 2 | (0 if names is None else 1 << 31)
    head = struct.pack("<III4sI", 20, len(variants), n, b"bgen", known if flags is None else flags)
    if names is not None:
        listed = b"".join(map(text, names))
        head += struct.pack("<II", 8 + len(listed), len(names)) + listed
    return struct.pack("<I", len(head)) + head + b"".join(variants)


def plain() -> list[bytes]:
    return [variant(5 + row, genotypes(alleles)) for row, alleles in enumerate(HAPLOTYPES)]


def write(folder: Path, content: bytes) -> Path:
    path = folder / "x.bgen"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("bits", range(1, 33))
def test_all_numbers_of_bits(tmp_path: Path, bits: int) -> None:
    rows = [variant(5 + row, genotypes(alleles, bits)) for row, alleles in enumerate(HAPLOTYPES)]
    panel = open_panel(write(tmp_path, file_of(*rows))).read()
    assert panel.alleles.tolist() == HAPLOTYPES
    assert panel.sample_names == ("a", "b")
    assert panel.sites.ids.tolist() == ["rs5", "rs6"]


def test_without_compression_and_names(tmp_path: Path) -> None:
    rows = [variant(5 + row, genotypes(alleles), packed=False) for row, alleles in enumerate(HAPLOTYPES)]
    panel = open_panel(write(tmp_path, file_of(*rows, names=None, flags=2 << 2))).read()
    assert panel.alleles.tolist() == HAPLOTYPES
    assert panel.sample_names == ("Sample_1", "Sample_2")


@pytest.mark.parametrize("compression", ["zlib", "zstd", None])
@pytest.mark.parametrize("is_phased", [True, False])
@pytest.mark.parametrize("n_alleles", [2, 3])
def test_probabilities_are_those_of_the_library(
    tmp_path: Path, compression: str | None, is_phased: bool, n_alleles: int
) -> None:
    rng = np.random.default_rng(4)
    path = tmp_path / "x.bgen"
    ploidy = np.array([2, 1, 2, 2, 1], dtype=np.uint8)
    width = 2 * n_alleles if is_phased else n_alleles * (n_alleles + 1) // 2
    values = np.full((5, width), np.nan)
    for sample, number in enumerate(ploidy.tolist()):
        n_groups = number if is_phased else 1
        n_values = n_alleles if is_phased or number == 1 else width
        values[sample, : n_groups * n_values] = rng.dirichlet(np.ones(n_values), n_groups).reshape(-1)
    values[3] = np.nan  # missing
    writer = bgen.BgenWriter(str(path), 5, [*"abcde"], compression=compression)
    alleles = ["A", "G", "T"][:n_alleles]
    writer.add_variant("v", "v", "X", 7, alleles, values, ploidy=ploidy, phased=is_phased, bit_depth=11)
    writer.close()
    reader = bgen.BgenReader(str(path))
    (theirs,) = list(reader)
    file = BgenFile(path)
    (ours,) = file.variants()
    if compression != "zstd":
        found = file.genotypes(ours)
        assert found.is_phased == is_phased
        np.testing.assert_array_equal(found.ploidy, theirs.ploidy)
        np.testing.assert_allclose(found.probabilities(), theirs.probabilities, atol=1e-6)
    assert (ours.position, ours.alleles) == (7, tuple(allele.encode() for allele in alleles))


def changed(place: int, value: int) -> Callable[[bytes], bytes]:
    """Overwrite a byte of unpacked genotypes."""
    return lambda data: data[:place] + bytes([value]) + data[place + 1 :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed(0, 3), "expected genotypes of 2 samples and 2 alleles, found 3 and 2"),
        (changed(4, 3), "expected genotypes of 2 samples and 2 alleles, found 2 and 3"),
        (changed(6, 3), "expected ploidies from 3 to 2"),
        (changed(7, 1), "expected ploidies from 2 to 1"),
        (changed(7, 64), "expected ploidies from 2 to 64"),
        (changed(8, 1), "expected ploidies from 2 to 2"),
        (changed(8, 2 | 64), "expected ploidies from 2 to 2"),
        (changed(10, 2), "expected 0 or 1 as phased and 1 to 32 bits, found 2 and 8"),
        (changed(11, 0), "expected 0 or 1 as phased and 1 to 32 bits, found 1 and 0"),
        (changed(11, 33), "expected 0 or 1 as phased and 1 to 32 bits, found 1 and 33"),
        (changed(11, 1), "expected 1 bytes for 4 probabilities of 1 bits, found 4"),
        (changed(11, 16), "expected 8 bytes for 4 probabilities of 16 bits, found 4"),
        (lambda data: data + b"\0", "expected 4 bytes for 4 probabilities of 8 bits, found 5"),
        (lambda data: data[:-1], "expected 4 bytes for 4 probabilities of 8 bits, found 3"),
        (lambda data: data[:9], "expected genotypes of 2 samples, found 9 bytes"),
        (changed(10, 0), "probabilities with a sum of at most 1, found 2"),
    ],
)
def test_blocks_that_contradict_themselves_are_refused(
    tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    good = genotypes([0, 0, 1, 1])
    with pytest.raises(MalformedError) as malformed:
        parse_genotypes(change(good), 2, 2)
    assert message in str(malformed.value)
    path = write(tmp_path, file_of(plain()[0], variant(6, change(good))))
    with pytest.raises(DataError) as error:
        open_panel(path, ploidy=PloidyRecorder()).read()
    assert "expected BGEN variants to the end, found damaged data at 22:6" in str(error.value)


def test_bits_behind_the_last_probability_are_zero() -> None:
    good = genotypes([0, 0, 1, 1], bits=3)
    with pytest.raises(MalformedError, match="expected zeros behind the last probability"):
        parse_genotypes(good[:-1] + bytes([good[-1] | 128]), 2, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (file_of(*plain())[:-1], "expected genotypes that fit into the file"),
        (file_of(*plain()) + b"\0", "expected the end of the file after the last variant, found 1 bytes"),
        (
            file_of(*plain()).replace(struct.pack("<II", 20, 2), struct.pack("<II", 20, 3), 1),
            "found the end of the file",
        ),
        (file_of(*plain(), n=3), "expected the names of 3 samples, found 2"),
        (file_of(*plain(), names=(b"a", b"a")), "expected each sample once, found a again"),
        (file_of(*plain(), names=(b"a", b"\xff")), "expected sample names in UTF-8"),
        (file_of(*plain(), flags=1 | 5 << 2 | 1 << 31), "expected layout 1 or 2 and known compression, found 5 and 1"),
        (file_of(*plain(), flags=3 | 2 << 2 | 1 << 31), "expected layout 1 or 2 and known compression, found 2 and 3"),
        (b"\xff\xff\xff\xff" + file_of(*plain())[4:], "expected a header of 20 bytes or more"),
        (file_of(variant(5, genotypes(HAPLOTYPES[0]), (b"A", b"G,T"))), "expected alleles of bases"),
        (file_of(variant(5, genotypes(HAPLOTYPES[0]), (b"A", b"\xff"))), "found damaged data in variant 1"),
        (file_of(variant(5, genotypes(HAPLOTYPES[0]), ())), "expected one allele or more, found none"),
        (file_of(variant(5, genotypes(HAPLOTYPES[0]), chromosome=b"2\n2")), "found the control character"),
        (file_of(variant(5, genotypes(HAPLOTYPES[0]), chromosome=b"2,2")), "expected a chromosome's name, found '2,2'"),
        (file_of(variant(2**32 - 1, genotypes(HAPLOTYPES[0]))), "expected positions up to 2147483646"),
    ],
)
def test_files_that_contradict_themselves_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError) as error:
        open_panel(write(tmp_path, content)).read()
    assert message in str(error.value)


@pytest.mark.parametrize(("place", "value"), [(0, 2**31), (4, 2**31), (4, 9), (4, 11)])
def test_lengths_of_blocks_are_checked(tmp_path: Path, place: int, value: int) -> None:
    row = bytearray(plain()[0])
    block = zlib.compress(genotypes(HAPLOTYPES[0]))
    start = len(row) - len(block) - 8 + place
    row[start : start + 4] = struct.pack("<I", value)
    with pytest.raises(DataError, match="expected BGEN variants to the end, found damaged data"):
        open_panel(write(tmp_path, file_of(bytes(row)))).read()


@pytest.mark.parametrize("name", [b"", b"NA", b"."])
def test_a_file_without_a_chromosome_is_of_the_one_that_is_given(tmp_path: Path, name: bytes) -> None:
    rows = [variant(5 + row, genotypes(alleles), chromosome=name) for row, alleles in enumerate(HAPLOTYPES)]
    path = write(tmp_path, file_of(*rows))
    assert open_panel(path, chromosome="22").read().sites.chromosome == "22"
    with pytest.raises(DataError, match=r"expected a chromosome, found .* give --chromosome"):
        open_panel(path)


def test_zeros_before_a_chromosome_are_none_but_0_is_no_chromosome(tmp_path: Path) -> None:
    rows = [variant(5, genotypes(HAPLOTYPES[0]), chromosome=b"01")]
    assert open_panel(write(tmp_path, file_of(*rows)), chromosome="1").read().sites.chromosome == "1"
    rows = [variant(5, genotypes(HAPLOTYPES[0]), chromosome=b"0")]
    with pytest.raises(DataError, match="expected sites on chromosome 1, found only 0"):
        open_panel(write(tmp_path, file_of(*rows)), chromosome="1")


def test_blocks_packed_by_zstd_are_read_by_the_library(tmp_path: Path) -> None:
    path = tmp_path / "x.bgen"
    writer = bgen.BgenWriter(str(path), 2, ["a", "b"], compression="zstd")
    for row, alleles in enumerate(HAPLOTYPES):
        values = np.array([[1 - allele, allele] for allele in alleles], dtype=float).reshape(2, 4)
        writer.add_variant("v", f"rs{row}", "22", 5 + row, ["A", "G"], values, ploidy=2, phased=True, bit_depth=8)
    writer.close()
    assert open_panel(path, ploidy=PloidyRecorder()).read().alleles.tolist() == HAPLOTYPES


def test_a_site_of_very_many_alleles() -> None:
    """Samples of a higher ploidy than any here would have more genotypes than an int64 can count."""
    data = struct.pack("<IHBB", 1, 40, 2, 2) + bytes([2, 0, 8, 255]) + bytes(comb(41, 2) - 2)
    assert parse_genotypes(data, 1, 40).probabilities()[0, :2].tolist() == [1, 0]
