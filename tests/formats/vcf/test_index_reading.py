"""An index is a hint: reading by it gives what reading the whole file gives, whatever the index holds."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import numpy as np
import pysam
import pytest

from helpers import random_panel
from rnnimp.errors import DataError
from rnnimp.formats.bgzf import BgzfWriter
from rnnimp.formats.files import open_input
from rnnimp.formats.vcf.index_reading import read_index
from rnnimp.formats.vcf.reading import open_panel
from rnnimp.formats.vcf.records import RecordReader
from vcf_files import write_panel, write_vcf


def packed(path: Path, block: int = 700) -> Path:
    """The same VCF in many small BGZF blocks."""
    target = Path(f"{path}.gz")
    pysam.tabix_compress(str(path), str(target), force=True)
    with target.open("wb") as file:
        data = path.read_bytes()
        for start in range(0, len(data), block):
            writer = BgzfWriter(file)
            writer.write(data[start : start + block])
            if start + block < len(data):
                writer._write_block(bytes(writer._pending))
            else:
                writer.close()
    return target


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three chromosomes, dense and sparse, with some positions repeated and some variants that reach far."""
    rng = np.random.default_rng(4)
    records = []
    for name, gap in (("21", 3), ("22", 4000), ("23", 300)):
        position = int(rng.integers(1, 3 * gap))
        for number in range(300):
            ref = "A" * (20000 if number % 97 == 5 else 1)
            records.append(f"{name} {position} {name}:{number} {ref} {'CGT'[number % 3]} . GT 0|1 1|1")
            position += int(rng.integers(1, 2 * gap))
    return write_vcf(tmp_path_factory.mktemp("whole") / "x.vcf", records, header="##contig=<ID=23>\n")


def wanted(whole: Path, chromosome: str, start: int, end: int) -> list[str]:
    rows = [line.split("\t", 3) for line in whole.read_text().splitlines() if not line.startswith("#")]
    return [row[2] for row in rows if row[0] == chromosome and start <= int(row[1]) <= end]


@pytest.fixture(scope="module", params=["tbi", "csi", "csi of small bins", "bcf"])
def indexed(whole: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("indexed")
    if request.param == "bcf":
        path = folder / "x.bcf"
        with pysam.VariantFile(str(whole)) as source, pysam.VariantFile(str(path), "wb", header=source.header) as file:
            for record in source:
                file.write(record)
        pysam.tabix_index(str(path), preset="bcf", csi=True)
        return path
    copy = folder / "x.vcf"
    copy.write_bytes(whole.read_bytes())
    path = packed(copy)
    min_shift = 10 if request.param == "csi of small bins" else 0
    pysam.tabix_index(str(path), preset="vcf", csi=request.param != "tbi", min_shift=min_shift)
    return path


def test_every_region_is_the_same_by_index(
    whole: Path, indexed: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    starts = []
    monkeypatch.setattr(
        "rnnimp.formats.vcf.records.open_input",
        lambda path, start_block=0: (starts.append(start_block), open_input(path, start_block))[1],
    )
    for _ in range(60):
        chromosome = str(rng.integers(21, 24))
        start, length = int(10 ** rng.uniform(0, 6.2)), int(10 ** rng.uniform(0, 6))
        expected = wanted(whole, chromosome, start, start + length)
        try:
            panel = open_panel(indexed, f"chr{chromosome}:{start}-{start + length}").read()
        except DataError as error:
            assert "found none" in str(error)
            assert not expected
        else:
            assert panel.sites.ids.tolist() == expected
    assert not caplog.records
    assert sum(start > 0 for start in starts) > 40  # it was used


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """An unpacked index with some bytes changed, or cut."""
    changed = bytearray(data)
    for place in rng.integers(0, len(data), int(rng.integers(1, 6))).tolist():
        changed[place] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)]))
    return bytes(changed[: len(data) if rng.random() < 0.8 else int(rng.integers(len(data)))])


def test_damaged_index_changes_nothing(whole: Path, indexed: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    ending = "tbi" if Path(f"{indexed}.tbi").exists() else "csi"
    with open_input(f"{indexed}.{ending}") as file:
        good = file.read()
    path = tmp_path / indexed.name
    path.write_bytes(indexed.read_bytes())
    for _ in range(40):
        with Path(f"{path}.{ending}").open("wb") as file:
            writer = BgzfWriter(file)
            writer.write(damaged(good, rng))
            writer.close()
        start = int(rng.integers(1, 900_000))
        found = open_panel(path, f"22:{start}-{start + 200_000}").read()
        assert found.sites.ids.tolist() == wanted(whole, "22", start, start + 200_000)
        with pytest.raises(DataError, match="expected one chromosome, found 2"):
            open_panel(path).read()


@pytest.mark.parametrize("kind", ["text", "of another file", "endless"])
def test_index_of_no_use_is_named(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    small = random_panel(np.random.default_rng(1), n_sites=900, n_samples=3)
    path = packed(write_panel(tmp_path / "x.vcf", small))
    if kind == "of another file":
        other = packed(write_panel(tmp_path / "y.vcf", random_panel(np.random.default_rng(2), 900, 40)))
        pysam.tabix_index(str(other), preset="vcf")
        Path(f"{path}.tbi").write_bytes(Path(f"{other}.tbi").read_bytes())
    elif kind == "text":
        Path(f"{path}.tbi").write_text("hello\n")
    else:
        with Path(f"{path}.csi").open("wb") as file:
            writer = BgzfWriter(file)
            writer.write(b"CSI\1" + struct.pack("<4i", 14, 5, 0, 1) + struct.pack("<i", 2**31 - 1))
            writer.close()
    middle = int(small.sites.positions[600])
    found = open_panel(path, f"22:{middle}-").read()
    assert found.sites.keys() == small[600:].sites.keys()
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"warning: {path}.") and "The index is ignored" in warnings[0]


def test_index_with_chromosomes_that_the_file_has_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [f"22 {100 + row} . A C . GT 0|1 0|0" for row in range(50)]
    path = packed(write_vcf(tmp_path / "x.vcf", [*rows, "21 5 . A C . GT 0|1 0|0"]))
    pysam.tabix_index(str(path), preset="vcf")
    path = packed(write_vcf(tmp_path / "x.vcf", rows))
    assert len(open_panel(path).read().sites) == 50
    assert "it has chromosomes that the file has not" in caplog.text


def test_no_index(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "x.vcf", ["22 100 . A C . GT 0|1 0|0"])
    assert read_index(path, RecordReader(path).header) is None
