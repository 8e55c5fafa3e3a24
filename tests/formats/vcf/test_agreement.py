"""Random VCFs and BCFs are read as pysam and bcftools read them; changed ones are never read as something else."""

from __future__ import annotations

import contextlib
import gzip
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pysam
import pytest

from rnnimp.errors import DataError
from rnnimp.formats.bgzf import BgzfWriter
from rnnimp.formats.vcf.bcf_text import line_of
from rnnimp.formats.vcf.record import END, MISSING, VcfRecord
from rnnimp.formats.vcf.records import RecordReader
from vcf_files import write_vcf

FIELDS = ("DS", "GP")
SAMPLES = "s1 s2 s3 s4 s5"
ALTS = ["C", "C,G", "CT,G,T", "<DEL>", "*,G", ".", ",".join("C" * n for n in range(1, 13))]
NUMBERS = ["0", "1", "0.5", "0.125", "1e-05", "2.5e3", ".", "0.333"]


def genotype(rng: np.random.Generator, n_alleles: int) -> str:
    ploidy = int(rng.choice([1, 2, 2, 2, 2, 3]))
    alleles = [str(rng.integers(n_alleles)) if rng.random() < 0.9 else "." for _ in range(ploidy)]
    return ("|" if rng.random() < 0.8 else "/").join(alleles)


def numbers(rng: np.random.Generator, count: int) -> str:
    return "." if rng.random() < 0.1 else ",".join(rng.choice(NUMBERS, count))


def random_records(seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    records, position = [], 0
    for number in range(60):
        position += int(rng.integers(0, 2000)) + (number == 0)
        alt = str(rng.choice(ALTS))
        n_alleles = 1 if alt == "." else 2 + alt.count(",")
        fields = [field for field in ("DS", "GP") if n_alleles > 1 and rng.random() < 0.4]
        is_plain = rng.random() < 0.3
        samples = []
        for _ in SAMPLES.split():
            pair = rng.integers(0, n_alleles, 2)
            values = [f"{pair[0]}|{pair[1]}" if is_plain else genotype(rng, n_alleles)]
            for field in fields:
                values.append(numbers(rng, n_alleles - 1 if field == "DS" else n_alleles * (n_alleles + 1) // 2))
            samples.append(":".join(values))
        name = f"rs{number}" if rng.random() < 0.5 else "."
        ref = "A" * int(rng.choice([1, 1, 3, 40]))
        information = f"R2={rng.choice(NUMBERS)};IMP" if rng.random() < 0.5 else "."
        columns = ["22", str(position), name, ref, alt, information, ":".join(["GT", *fields]), *samples]
        records.append(" ".join(columns))
    return records


def as_pysam_has_it(record: pysam.VariantRecord) -> tuple[object, ...]:
    calls = [tuple(MISSING if allele is None else allele for allele in call["GT"]) for call in record.samples.values()]
    values = {
        field: [_plain(call[field]) for call in record.samples.values()] for field in record.format if field in FIELDS
    }
    # of one allele there is no phase
    phased = [call.phased for call in record.samples.values() if len(call["GT"]) > 1]
    return record.chrom, record.pos, record.id, record.ref, list(record.alts or ()), calls, phased, values


def as_we_have_it(record: VcfRecord) -> tuple[object, ...]:
    calls, is_phased = record.genotypes()
    rows = [tuple(allele for allele in row if allele != END) for row in calls.tolist()]
    values = {}
    for field in set(record.fields) & set(FIELDS):
        matrix = record.numbers(field)
        assert matrix is not None
        values[field] = [_plain(row) for row in matrix.tolist()]
    phased = [bool(flag) for flag, row in zip(is_phased, rows, strict=True) if len(row) > 1]
    return record.CHROM, record.POS, record.ID, record.REF, record.ALT, rows, phased, values


def _plain(values: object) -> list[float | None]:
    """Numbers of a sample with None for missing, without those at the end."""
    found = [None if value is None or math.isnan(value) else float(np.float32(value)) for value in values]  # type: ignore[attr-defined]
    while found and found[-1] is None:
        found.pop()
    return found


HEADER = '##INFO=<ID=R2,Number=1,Type=Float,Description="-">\n##INFO=<ID=IMP,Number=0,Type=Flag,Description="-">\n'


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["vcf", "bcf"])
def test_random_records_agree_with_pysam(tmp_path: Path, seed: int, kind: str) -> None:
    path = write_vcf(tmp_path / "x.vcf", random_records(seed), SAMPLES, HEADER)
    with pysam.VariantFile(str(path)) as file:
        expected = [(as_pysam_has_it(record), record.info.get("R2"), "IMP" in record.info) for record in file]
    if kind == "bcf":
        path = to_bcf(path)
    found = list(RecordReader(path).records())
    assert len(found) == len(expected) == 60
    for record, (columns, score, flag) in zip(found, expected, strict=True):
        assert as_we_have_it(record) == columns
        assert _plain(record.info_numbers("R2")) == _plain([score])
        assert record.has_info("IMP") == flag


def to_bcf(path: Path) -> Path:
    target = path.with_suffix(".bcf")
    with pysam.VariantFile(str(path)) as source, pysam.VariantFile(str(target), "wb", header=source.header) as file:
        for record in source:
            file.write(record)
    return target


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="needs bcftools")
@pytest.mark.parametrize("seed", range(4))
def test_lines_of_a_bcf_are_those_of_bcftools(tmp_path: Path, seed: int) -> None:
    path = to_bcf(write_vcf(tmp_path / "x.vcf", random_records(seed), SAMPLES, HEADER))
    shown = subprocess.run(["bcftools", "view", "-H", str(path)], check=True, capture_output=True).stdout
    found = [line_of(record) for record in RecordReader(path).records()]  # type: ignore[arg-type]
    assert found == shown.splitlines(keepends=True)


def changed(data: bytes, start: int, rng: np.random.Generator) -> bytes:
    """Data with a few bytes behind a place changed, removed, doubled, or cut off."""
    result = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(start, len(result)))
        size = int(rng.choice([1, 1, 1, 2, 30]))
        kind = rng.integers(5)
        if kind == 0:
            result[place] = int(rng.integers(256))
        elif kind == 1:
            result[place] = int(rng.choice(list(b"\t\n:|/.,;0129\r ")))
        elif kind == 2:
            del result[place : place + size]
        elif kind == 3:
            result[place:place] = result[place : place + size]
        elif rng.random() < 0.2:
            del result[place:]
    return bytes(result)


def test_changed_text_is_refused_or_read_as_pysam_reads_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    good = write_vcf(tmp_path / "x.vcf", random_records(1)[:12], SAMPLES, HEADER).read_bytes()
    start = good.index(b"\n22\t")
    path = tmp_path / "y.vcf"
    n_refused = n_read = 0
    for _ in range(400):
        path.write_bytes(changed(good, start, rng))
        try:
            found = [as_we_have_it(record) for record in RecordReader(path).records()]
        except DataError as error:
            assert str(error).isprintable()
            n_refused += 1
            continue
        with pysam.VariantFile(str(path)) as file:
            expected = [as_pysam_has_it(record) for record in file]
        assert found == expected
        n_read += 1
    assert n_refused > 100
    assert n_read > 30


def test_changed_bcf_is_refused_or_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    source = to_bcf(write_vcf(tmp_path / "x.vcf", random_records(2)[:12], SAMPLES, HEADER))
    good = gzip.decompress(source.read_bytes())
    header_end = 9 + int.from_bytes(good[5:9], "little")
    path = tmp_path / "y.bcf"
    n_refused = 0
    for number in range(500):
        data = changed(good, header_end if number % 5 else 0, rng)
        with path.open("wb") as file, contextlib.closing(BgzfWriter(file)) as packed:
            packed.write(data)
        try:
            for record in RecordReader(path).records():
                as_we_have_it(record)
                record.has_info("IMP")
                line_of(record)  # type: ignore[arg-type]
        except DataError as error:
            assert str(error).isprintable()
            n_refused += 1
    assert n_refused > 200
