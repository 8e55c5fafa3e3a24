"""Writing BGEN and PGEN: their libraries and plink2 read back the probabilities that were written."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bgen
import numpy as np
import pgenlib
import pytest
from numpy.typing import NDArray

from helpers import program, random_block
from impute_cases import legacy_command
from rnnimp.cli import main
from rnnimp.errors import DataError
from rnnimp.formats.bgen import BgenWriter, open_panel
from rnnimp.formats.gen import read_gen
from rnnimp.formats.pgen.reading import open_panel as open_pgen
from rnnimp.formats.pgen.reading import read_psam
from rnnimp.formats.pgen.writing import PgenWriter
from rnnimp.scoring.quality import dosages
from rnnimp.sites.panel import ImputedBlock, Sites

NAMES = [f"s{index}" for index in range(6)]
OPENERS: dict[str, Callable[[Path], Any]] = {
    "bgen": lambda prefix: BgenWriter(f"{prefix}.bgen", NAMES, "22"),
    "pgen": lambda prefix: PgenWriter(prefix, NAMES, "22"),
}


def write(prefix: Path, kind: str, block: ImputedBlock) -> None:
    with OPENERS[kind](prefix) as writer:
        writer.write(block[:10])
        writer.write(block[10:])


def expected_dosages(block: ImputedBlock) -> NDArray[np.float64]:
    """Of the alternative allele; NaN where an allele of the genotype is missing."""
    probabilities = block.alt_probabilities.astype(np.float64)
    if block.is_missing is not None:
        probabilities[block.is_missing] = np.nan
    return dosages(probabilities)


def plink2_dosages(folder: Path, *source: str) -> tuple[list[str], list[tuple[int, str, str]], NDArray[np.float64]]:
    """Ids, sites and dosages of the alternative allele as plink2 exports them."""
    command = [program("plink2"), *source, "--export", "A-transpose", "--out", "plink"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    header, *rows = [line.split("\t") for line in (folder / "plink.traw").read_text().splitlines()]
    assert [name.split("_")[-1] for name in header[6:]] == NAMES
    counted = np.array([[np.nan if value == "NA" else float(value) for value in row[6:]] for row in rows])
    # columns: CHR SNP (C)M POS COUNTED ALT; the counted allele is REF
    return [row[1] for row in rows], [(int(row[3]), row[4], row[5]) for row in rows], 2 - counted


def test_bgen_is_read_by_its_library(tmp_path: Path) -> None:
    block = random_block(np.random.default_rng(3))
    write(tmp_path / "x", "bgen", block)
    assert [path.name for path in tmp_path.iterdir()] == ["x.bgen"]
    reader = bgen.BgenReader(str(tmp_path / "x.bgen"))
    assert reader.samples == NAMES
    assert reader.header.layout == 2
    assert reader.header.compression == "zlib"
    variants = list(reader)
    assert [(variant.pos, *variant.alleles) for variant in variants] == block.sites.keys()
    assert [variant.rsid for variant in variants] == block.sites.ids.tolist()
    assert {variant.chrom for variant in variants} == {"22"}
    assert all(variant.is_phased for variant in variants)
    assert block.is_missing is not None
    is_missing = (block.is_missing[:, ::2] | block.is_missing[:, 1::2]).repeat(2, axis=1)
    assert is_missing.any()
    found = np.stack([variant.probabilities.reshape(6, 2, 2)[..., 1].reshape(-1) for variant in variants])
    np.testing.assert_array_equal(np.isnan(found), is_missing)
    np.testing.assert_allclose(found[~is_missing], block.alt_probabilities[~is_missing], rtol=0, atol=1 / 2**16)


def test_plink2_reads_the_bgen(tmp_path: Path) -> None:
    block = random_block(np.random.default_rng(4))
    write(tmp_path / "x", "bgen", block)
    ids, keys, found = plink2_dosages(tmp_path, "--bgen", "x.bgen", "ref-first")
    assert ids == block.sites.ids.tolist()
    assert keys == block.sites.keys()
    np.testing.assert_allclose(found, expected_dosages(block), rtol=0, atol=2e-4)


def test_pgen_is_read_by_its_library(tmp_path: Path) -> None:
    block = random_block(np.random.default_rng(5))
    write(tmp_path / "x", "pgen", block)
    assert {path.name for path in tmp_path.iterdir()} == {"x.pgen", "x.pvar", "x.psam"}
    reader = pgenlib.PgenReader(str(tmp_path / "x.pgen").encode())
    assert (reader.get_raw_sample_ct(), reader.get_variant_ct()) == (6, 30)
    found = np.empty((30, 6), dtype=np.float32)
    reader.read_dosages_range(0, 30, found)
    expected = expected_dosages(block)
    np.testing.assert_array_equal(found == -9, np.isnan(expected))
    np.testing.assert_allclose(found[found != -9], expected[found != -9], rtol=0, atol=1 / 2**14)
    sites = pgenlib.PvarReader(str(tmp_path / "x.pvar").encode())
    ids = [sites.get_variant_id(row).decode() for row in range(30)]
    assert ids == block.sites.ids.tolist()
    rows = [line.split("\t") for line in (tmp_path / "x.pvar").read_text().splitlines() if not line.startswith("#")]
    assert [(int(row[1]), row[3], row[4]) for row in rows] == block.sites.keys()
    assert [row[5].endswith(";IMP;IMPUTED") for row in rows] == (~block.is_typed).tolist()


def test_plink2_reads_the_pgen(tmp_path: Path) -> None:
    block = random_block(np.random.default_rng(6))
    write(tmp_path / "x", "pgen", block)
    ids, keys, found = plink2_dosages(tmp_path, "--pfile", "x")
    assert ids == block.sites.ids.tolist()
    assert keys == block.sites.keys()
    np.testing.assert_allclose(found, expected_dosages(block), rtol=0, atol=2e-4)
    check = [program("plink2"), "--pfile", "x", "--validate", "--out", "check"]
    result = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("kind", ["bgen", "pgen"])
def test_bytes_do_not_depend_on_blocks(tmp_path: Path, kind: str) -> None:
    block = random_block(np.random.default_rng(7))
    write(tmp_path / "a", kind, block)
    with OPENERS[kind](tmp_path / "b") as writer:
        for row in range(len(block)):
            writer.write(block[row : row + 1])
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


@pytest.mark.parametrize("batch_bytes", [1, 100])
def test_pgen_in_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_bytes: int) -> None:
    block = random_block(np.random.default_rng(7))
    write(tmp_path / "a", "pgen", block)
    monkeypatch.setattr("rnnimp.formats.pgen.writing._BATCH_BYTES", batch_bytes)
    write(tmp_path / "b", "pgen", block)
    for ending in ("pgen", "pvar", "psam"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


@pytest.mark.parametrize("kind", ["bgen", "pgen"])
def test_nothing_is_left_of_unfinished_files(tmp_path: Path, kind: str) -> None:
    block = random_block(np.random.default_rng(8))
    with pytest.raises(KeyboardInterrupt), OPENERS[kind](tmp_path / "x") as writer:
        writer.write(block)
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["bgen", "pgen"])
def test_monomorphic_sites_have_an_unknown_alternative(tmp_path: Path, kind: str) -> None:
    sites = Sites.build([5, 6], ["A", "C"], ["0", "T"], ids=["a", "b"])
    block = ImputedBlock(sites, np.zeros((2, 12), np.float32), np.array([True, True]))
    with OPENERS[kind](tmp_path / "x") as writer:
        writer.write(block)
    source = {"bgen": ["--bgen", "x.bgen", "ref-first"], "pgen": ["--pfile", "x"]}[kind]
    _, keys, found = plink2_dosages(tmp_path, *source)
    assert keys == [(5, "A", "."), (6, "C", "T")]
    assert (found == 0).all()


def test_pgen_refuses_names_that_it_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="without white space for PGEN, found 'a b'"):
        PgenWriter(tmp_path / "x", ["a b"], "22")


# the last one is room for the BGEN itself, but not for the index that its library makes
@pytest.mark.parametrize(
    ("kind", "n_sites", "limit"), [("bgen", 2000, 200_000), ("pgen", 2000, 200_000), ("bgen", 1, 4000)]
)
def test_full_disk_is_one_error_that_names_the_file(tmp_path: Path, kind: str, n_sites: int, limit: int) -> None:
    writer = {"bgen": "BgenWriter(prefix + '.bgen', names, '22')", "pgen": "PgenWriter(prefix, names, '22')"}[kind]
    code = f"""
import resource, signal, sys
import numpy as np
from rnnimp.errors import DataError
from rnnimp.formats.bgen import BgenWriter
from rnnimp.formats.pgen.writing import PgenWriter
from rnnimp.sites.panel import ImputedBlock, Sites
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
prefix, names = {str(tmp_path / "x")!r}, [f"s{{i}}" for i in range(200)]
sites = Sites.build(range(1, 1 + {n_sites}), "A" * {n_sites}, "C" * {n_sites})
values = np.random.default_rng(1).random(({n_sites}, 400)).astype(np.float32)
try:
    with {writer} as file:
        file.write(ImputedBlock(sites, values, np.zeros({n_sites}, bool)))
except DataError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"x.{kind}: cannot be written" in result.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["bgen", "pgen"])
def test_command_writes_what_it_writes_as_gen(tmp_path: Path, kind: str) -> None:
    assert main(legacy_command("gru", tmp_path / "x")) == 0
    assert main(legacy_command("gru", tmp_path / "x", "--output-format", kind)) == 0
    table = read_gen(tmp_path / "x.gen", tmp_path / "x.sample")
    if kind == "bgen":
        found = np.stack([variant.alt_dosage for variant in bgen.BgenReader(str(tmp_path / "x.bgen"))])
    else:
        found = np.empty(table.dosages.shape, dtype=np.float32)
        pgenlib.PgenReader(str(tmp_path / "x.pgen").encode()).read_dosages_range(0, len(found), found)
    np.testing.assert_allclose(found, table.dosages, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("kind", "module"), [("bgen", "bgen"), ("pgen", "pgenlib")])
def test_missing_library_names_the_extra(
    tmp_path: Path, kind: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rnnimp.errors import RnnimpError

    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RnnimpError, match=rf"need the package {module}, .* install rnnimp\[{kind}\]"):
        OPENERS[kind](tmp_path / "x")


@pytest.mark.parametrize("name", [b"M\xfcller", b"a\x1b[2J"])
def test_names_that_are_no_text_are_refused(tmp_path: Path, name: bytes) -> None:
    psam = tmp_path / "x.psam"
    psam.write_bytes(b"#IID\tSEX\n" + name + b"\tNA\n")
    with pytest.raises(DataError, match=r"x.psam:2: expected (text in UTF-8|sample names without control characters)"):
        read_psam(psam)
    head = struct.pack("<4I", 20, 0, 1, int.from_bytes(b"bgen", "little")) + struct.pack("<I", 1 | 2 << 2 | 1 << 31)
    samples = struct.pack("<IIH", 10 + len(name), 1, len(name)) + name
    bgen_file = tmp_path / "x.bgen"
    bgen_file.write_bytes(struct.pack("<I", 20 + len(samples)) + head + samples)
    with pytest.raises(DataError, match=r"x.bgen: expected sample names (in UTF-8|without control characters)"):
        open_panel(bgen_file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("#IIDSE\tSEX\na\tNA\n", ":1: expected one column IID"),
        ("#FID\tSEX\na\tNA\n", ":1: expected one column IID"),
        ("#IID\tIID\na\ta\n", ":1: expected one column IID"),
        ("#IID\tSEX\tSEX\na\t1\t1\n", ":1: expected one column IID"),
        ("#IID\tSEX\na\n", ":2: expected 2 columns, found 1"),
        ("#IID\tSEX\na\t1\t2\n", ":2: expected 2 columns, found 3"),
        ("#IID\tSEX\na\t1\na\t2\n", ":3: expected each sample once"),
        ("#IID\tSEX\n", "expected a line for each sample, found none"),
        ("a b\n", ":1: expected 6 columns, found 2"),
    ],
)
def test_sample_tables_are_checked(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.psam"
    path.write_text(content)
    with pytest.raises(DataError) as error:
        read_psam(path)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\n22\t", "\n2,2\t", "expected a chromosome's name, found '2,2'"),
        ("\tG\t", "\tG$\t", "expected alleles of bases"),
        ("\n22\t", "\n22\t9999999", "Invalid POS on line"),
        ("\n22\t", "\n22\tx", "Invalid POS on line"),
    ],
)
def test_variant_tables_are_checked(tmp_path: Path, old: str, new: str, message: str) -> None:
    write(tmp_path / "x", "pgen", random_block(np.random.default_rng(5)))
    path = tmp_path / "x.pvar"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError) as error:
        open_pgen(tmp_path / "x.pgen").read()
    assert message in str(error.value)
