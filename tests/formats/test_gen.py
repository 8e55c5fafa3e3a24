"""GEN: writing compared with Python's own formatting; reading small files and real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers import random_block, shared_data
from rnnimp.errors import DataError
from rnnimp.formats import biallelic
from rnnimp.formats.decimals import decimals, packed_rows
from rnnimp.formats.gen import GenWriter, gen_text, open_gen, read_gen
from rnnimp.sites.panel import ImputedBlock, Sites


def shortest(value: float, n_decimals: int) -> str:
    text = f"{value:.{n_decimals}f}"
    return text.rstrip("0").rstrip(".")


@pytest.mark.parametrize(("n_decimals", "maximum"), [(1, 1), (3, 1), (4, 2), (6, 1)])
def test_decimals_are_the_shortest(n_decimals: int, maximum: int) -> None:
    rng = np.random.default_rng(1)
    steps = rng.integers(0, maximum * 10**n_decimals, 200) / 10**n_decimals
    values = np.concatenate([rng.random(2000) * maximum, steps, [0, 0.1, 0.5, 1, maximum]])
    texts = packed_rows(decimals(values, n_decimals, maximum))
    assert [text.decode() for text in texts] == [shortest(value, n_decimals) for value in values.tolist()]


def test_decimals_clip_what_sums_of_floats_leave() -> None:
    assert packed_rows(decimals(np.array([-1e-9, 1.0000001]), 6, 1)) == [b"0", b"1"]


def test_text_of_a_block() -> None:
    sites = Sites.build([5, 7], ["A", "C"], ["G", "CTT"], ids=["rs1", "7:C:CTT"])
    probabilities = np.array([[0, 1, 1, 1, 0.5, 0.5], [0.25, 0.5, 1e-7, 0, 1 / 3, 0]], dtype=np.float32)
    is_missing = np.zeros((2, 6), dtype=bool)
    is_missing[0, 4:] = True
    block = ImputedBlock(sites, probabilities, np.array([True, False]), is_missing)
    assert b"".join(gen_text(block)).decode().splitlines() == [
        "--- rs1 5 A G 0 1 0 0 0 1 0.25 0.5 0.25",
        "--- 7:C:CTT 7 C CTT 0.375 0.5 0.125 1 0 0 0.666667 0.333333 0",
    ]


@pytest.mark.parametrize("row_bytes", [1, 1000, 1 << 24])
def test_written_then_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row_bytes: int) -> None:
    monkeypatch.setattr("rnnimp.formats.gen.ROW_BYTES", row_bytes)
    block = random_block(np.random.default_rng(2))
    names = [f"s{index}" for index in range(6)]
    with GenWriter(tmp_path / "out" / "x", names) as writer:
        writer.write(block[:10])
        writer.write(block[10:])
    table = read_gen(tmp_path / "out" / "x.gen", tmp_path / "out" / "x.sample", chromosome="22")
    assert table.sample_names == tuple(names)
    assert table.sites.keys() == block.sites.keys()
    assert table.sites.ids.tolist() == block.sites.ids.tolist()
    assert table.sites.chromosome == "22"
    expected = block.alt_probabilities[:, ::2] + block.alt_probabilities[:, 1::2]
    np.testing.assert_allclose(table.dosages, expected, atol=2e-6)
    np.testing.assert_allclose(table.probabilities.sum(axis=2), 1, atol=2e-6)


def test_nothing_is_left_of_an_unfinished_file(tmp_path: Path) -> None:
    block = random_block(np.random.default_rng(2))
    with pytest.raises(KeyboardInterrupt), GenWriter(tmp_path / "x", ["s"] * 6) as writer:
        writer.write(block)
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_sample_names_fit_the_sample_file(tmp_path: Path) -> None:
    with GenWriter(tmp_path / "x", ["family 1\tperson 2"]):
        pass
    assert (tmp_path / "x.sample").read_text().splitlines()[2] == "family_1_person_2 family_1_person_2 0"


def test_sample_names_that_become_equal_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found 'a b' and 'a_b'; rename one"):
        GenWriter(tmp_path / "x", ["c", "a b", "a_b"])


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.gen"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("head", "chromosome", "name"),
    [("--- rs1", None, "rs1"), ("SNP_A-1 rs1", None, "rs1"), ("X X:5_A_G rs1", "X", "rs1")],
)
def test_five_and_six_leading_columns(tmp_path: Path, head: str, chromosome: str | None, name: str) -> None:
    table = read_gen(write(tmp_path, f"{head} 5 a G 0.1 0.2 0.7 0 0 0\n"))
    assert table.sites.chromosome == chromosome
    assert table.sites.ids.tolist() == [name]
    assert table.sites.keys() == [(5, "A", "G")]
    np.testing.assert_allclose(table.probabilities[0, 0], [0.1, 0.2, 0.7], rtol=1e-6)
    np.testing.assert_allclose(table.dosages[0], [1.6, np.nan], rtol=1e-6)
    assert np.isnan(table.probabilities[0, 1]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--- a 5 A G 1 0 0\n--- b 6 A G 1 0\n", "x.gen:2: expected 8 columns as in the first line, found 7"),
        ("--- a 5 A G 1 0 0\n--- b 6 A G 1 0 0 0\n", "x.gen:2: expected 8 columns as in the first line, found 9"),
        ("--- a 5 A G 1 0 0\n\n", "x.gen:2: expected 8 columns as in the first line, found 0"),
        ("--- a 5 A G 1 0 0\n--- b six A G 1 0 0\n", "x.gen:2: expected a whole position"),
        ("--- a 5 A G 1 0 0\n--- b 6 A G 1 zero 0\n", "x.gen:2: expected a whole position and probabilities"),
        ("--- a 5 A G 1 0 0\n--- b 6 A G 1 0.2 0\n", "x.gen:2: expected three probabilities"),
        ("--- a 5 A G 1 0 0\n--- b 6 A G -1 0 0\n", "x.gen:2: expected three probabilities"),
        ("--- a 5 A G 1 0 0\n--- b 6 A G nan 0 0\n", "x.gen:2: expected three probabilities"),
        ("--- a 5 A G 1 0\n", "x.gen:1: expected 5 or 6 columns and then 3 per sample, found 7"),
    ],
)
def test_malformed_rows_name_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_gen(write(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sample_file_of_another_length(tmp_path: Path) -> None:
    (tmp_path / "x.sample").write_text("ID_1 ID_2 missing\n0 0 0\na a 0\nb b 0\n")
    with pytest.raises(DataError, match=r"expected 1 sample as in .*x.gen, found 2"):
        read_gen(write(tmp_path, "--- a 5 A G 1 0 0\n"), tmp_path / "x.sample")


def test_empty_file_has_no_sites(tmp_path: Path) -> None:
    table = read_gen(write(tmp_path, ""))
    assert len(table.sites) == 0
    assert table.dosages.shape == (0, 0)


@pytest.mark.parametrize(
    ("name", "chromosome", "first_id"),
    [
        ("convert.gs.gt.gen", None, "X:2698560_G_A"),
        ("convert.gs.gt.ids.gen", None, "id9"),
        ("convert.gs.gt.ids.3N6.gen", "X", "id9"),
    ],
)
def test_files_of_bcftools(name: str, chromosome: str | None, first_id: str) -> None:
    folder = shared_data("interop/bcftools_convert")
    table = read_gen(folder / name, folder / "convert.gs.gt.samples")
    assert table.sites.chromosome == chromosome
    assert table.sites.ids[0] == first_id
    text = (folder / name).read_text().splitlines()
    expected = [[float(value) for value in line.split()[-30:]] for line in text]
    np.testing.assert_array_equal(table.probabilities.reshape(len(text), 30), np.array(expected, np.float32))
    assert table.sample_names is not None
    assert len(table.sample_names) == 10


def test_file_of_impute2() -> None:
    path = shared_data("interop/impute2_example_chr22") / "example.chr22.study.gens"
    table = read_gen(path)
    rows = [line.split() for line in path.read_text().splitlines()]
    assert [str(position) for position in table.sites.positions] == [row[2] for row in rows]
    values = np.array([[float(value) for value in row[5:]] for row in rows]).reshape(len(rows), -1, 3)
    is_missing = values.sum(axis=2) == 0
    np.testing.assert_array_equal(np.isnan(table.dosages), is_missing)
    expected = values[..., 1] + 2 * values[..., 2]
    np.testing.assert_allclose(table.dosages[~is_missing], expected[~is_missing], atol=1e-6)


@pytest.mark.parametrize("block", [1, 2, 100])
def test_blocks_are_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    path = write(tmp_path, "".join(f"22 x rs{line} {line} A G 0.{line} 0.1 0 0 0 0\n" for line in range(1, 8)))
    whole = read_gen(path)
    monkeypatch.setattr(biallelic, "MAX_BLOCK_SITES", block)
    stream = open_gen(path)
    blocks = list(stream.blocks)
    assert (stream.n_samples, len(blocks)) == (2, -(-7 // block))
    assert [part.sites.chromosome for part in blocks] == ["22"] * len(blocks)
    np.testing.assert_array_equal(np.concatenate([part.dosages for part in blocks]), whole.dosages)
    path.write_text(path.read_text().replace("22 x rs6", "21 x rs6").replace("0.5", "1.5"))
    with pytest.raises(DataError, match=r"x\.gen:5: expected three probabilities"):
        list(open_gen(path).blocks)
    path.write_text(path.read_text().replace("1.5", "0.5"))
    with pytest.raises(DataError, match="expected one chromosome, found 22 in "):
        list(open_gen(path).blocks)
