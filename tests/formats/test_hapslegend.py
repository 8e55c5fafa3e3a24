"""HAPS/LEGEND files: reading, writing, and files that are refused."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import random_panel, shared_data
from rnnimp.errors import DataError
from rnnimp.formats import hapslegend
from rnnimp.formats.hapslegend import (
    HapsLegendWriter,
    allele_blocks,
    allele_text,
    legend_blocks,
    legend_text,
    open_panel,
    parse_alleles,
    read_legend,
    write_legend,
)
from rnnimp.formats.sample import read_sample
from rnnimp.sites.panel import Panel, Sites

HEADER = "id position a0 a1"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def assert_same_sites(found: Sites, expected: Sites) -> None:
    assert found.keys() == expected.keys()
    assert found.ids.tolist() == expected.ids.tolist()
    for name in ("is_marker", "a1_freq", "swapped"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype


def read_alleles(path: Path, **how: int) -> np.ndarray:
    return np.concatenate(list(allele_blocks(path, **how)))


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    """Any panel that the format can hold: indels, missing alleles, any optional columns."""
    n_sites, n_samples = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    bases = st.text("ACGT", min_size=1, max_size=6)
    word = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
    site = st.tuples(st.integers(1, 2**31 - 2), bases, bases)
    keys = draw(st.lists(site, min_size=n_sites, max_size=n_sites, unique_by=lambda key: (key[0], *sorted(key[1:]))))
    flags = st.lists(st.booleans(), min_size=n_sites, max_size=n_sites).map(np.array)
    frequencies = st.lists(st.floats(0, 1) | st.just(np.nan), min_size=n_sites, max_size=n_sites).map(np.array)
    sites = Sites.build(
        *zip(*sorted(keys), strict=True),
        ids=draw(st.lists(word, min_size=n_sites, max_size=n_sites)),
        is_marker=draw(st.none() | flags),
        a1_freq=draw(st.none() | frequencies),
        swapped=draw(st.none() | flags),
    )
    codes = st.lists(st.sampled_from([0, 1, -1]), min_size=2 * n_samples * n_sites, max_size=2 * n_samples * n_sites)
    names = draw(st.lists(word, min_size=n_samples, max_size=n_samples, unique=True))
    return Panel(sites, np.array(draw(codes), np.int8).reshape(n_sites, -1), tuple(names))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(panel=panels(), cut=st.integers(0, 12))
def test_write_then_read_is_the_identity(tmp_path: Path, panel: Panel, cut: int) -> None:
    prefix = tmp_path / "x"
    with HapsLegendWriter(prefix, panel.sample_names) as writer:
        writer.write(panel.sites[:cut], panel.alleles[:cut])
        writer.write(panel.sites[cut:], panel.alleles[cut:])
    found = open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz", f"{prefix}.sample", "7").read()
    assert_same_sites(found.sites, panel.sites)
    np.testing.assert_array_equal(found.alleles, panel.alleles)
    assert found.alleles.dtype == np.int8
    assert found.sample_names == panel.sample_names
    assert found.sites.chromosome == "7"


def test_the_text_is_what_other_programs_expect(tmp_path: Path) -> None:
    """The published layout, byte for byte."""
    sites = Sites.build(
        [5, 9],
        ["A", "GT"],
        ["C", "G"],
        ids=["rs1", "."],
        is_marker=np.array([True, False]),
        a1_freq=np.array([0.25, np.nan]),
        swapped=np.array([False, True]),
    )
    with HapsLegendWriter(tmp_path / "x", ["S1", "S2"]) as writer:
        writer.write(sites, np.array([[0, 1, 0, 0], [1, -1, 1, 1]], np.int8))
    assert gzip.decompress((tmp_path / "x.hap.gz").read_bytes()) == b"0 1 0 0\n1 ? 1 1\n"
    assert gzip.decompress((tmp_path / "x.legend.gz").read_bytes()) == (
        b"id position a0 a1 array_marker_flag a1_freq swap\nrs1 5 A C 1 0.25 0\n. 9 GT G 0 NA 1\n"
    )
    assert (tmp_path / "x.sample").read_text() == "ID_1 ID_2 missing\n0 0 0\nS1 S1 0\nS2 S2 0\n"


def test_a_panel_without_sites_or_samples_is_written_and_read(tmp_path: Path) -> None:
    with HapsLegendWriter(tmp_path / "no_sites", ["S1"]):
        pass
    found = open_panel(*(tmp_path / f"no_sites.{end}" for end in ("hap.gz", "legend.gz", "sample"))).read()
    assert found.alleles.shape == (0, 2)
    assert found.sample_names == ("S1",)
    with HapsLegendWriter(tmp_path / "no_samples") as writer:
        writer.write(Sites.build([3], ["A"], ["C"]), np.empty((1, 0), np.int8))
    found = open_panel(tmp_path / "no_samples.hap.gz", tmp_path / "no_samples.legend.gz").read()
    assert found.alleles.shape == (1, 0)
    assert not (tmp_path / "no_samples.sample").exists()


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), HapsLegendWriter(tmp_path / "x", ["S1"]) as writer:
        writer.write(Sites.build([3], ["A"], ["C"]), np.zeros((1, 2), np.int8))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_no_new_legend_is_left_beside_older_haplotypes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Not permitted")

    with HapsLegendWriter(tmp_path / "x") as writer:
        writer.write(Sites.build([5], "A", "C"), np.array([[0, 1]], np.int8))
    older = (tmp_path / "x.hap.gz").read_bytes()
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DataError, match=r"x\.hap\.gz: cannot be written"), HapsLegendWriter(tmp_path / "x") as writer:
        writer.write(Sites.build([5], "C", "A"), np.array([[1, 0]], np.int8))
    assert (tmp_path / "x.hap.gz").read_bytes() == older
    assert [path.name for path in tmp_path.iterdir()] == ["x.hap.gz"]


def test_an_unwritable_panel_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.legend.gz").mkdir()
    with pytest.raises(DataError, match=r"x\.legend\.gz: cannot be written"), HapsLegendWriter(tmp_path / "x"):
        pytest.fail("the folder must be refused before the work starts")
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.legend.gz"]


TOKENS = np.array([[0, 1, -1, 1], [1, 1, 0, -1], [0, 0, 0, 0]], np.int8)


@pytest.mark.parametrize("missing", ["?", ".", "-", "NA", "-9", "N2", "0*"])
@pytest.mark.parametrize(
    ("between", "end"),
    [(" ", "\n"), ("\t", "\n"), ("  ", "\n"), (" \t ", "\n"), (" ", "\r\n"), (" ", " \n"), ("\t", "\t\r\n")],
)
@pytest.mark.parametrize("final", [True, False])
def test_spacing_and_missing_tokens(tmp_path: Path, missing: str, between: str, end: str, final: bool) -> None:
    words = {0: "0", 1: "1", -1: missing}
    text = end.join(between.join(words[code] for code in row) for row in TOKENS.tolist()) + (end if final else "")
    np.testing.assert_array_equal(read_alleles(write(tmp_path / "x.hap", text)), TOKENS)


def test_leading_spaces(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_alleles(write(tmp_path / "x.hap", "  0 1\n 1 ?\n")), [[0, 1], [1, -1]])


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.sampled_from(["0", "1", "?", "NA", "-", "0*", "1N"]), min_size=3, max_size=3),
        min_size=1,
        max_size=8,
    ),
    gaps=st.lists(st.sampled_from([" ", "  ", "\t"]), min_size=24, max_size=24),
)
def test_parsing_equals_token_by_token(rows: list[list[str]], gaps: list[str]) -> None:
    spaced = iter(gaps)
    text = "".join("".join(word + next(spaced) for word in row) + "\n" for row in rows)
    expected = [[int(word) if word in ("0", "1") else -1 for word in line.split()] for line in text.splitlines()]
    assert parse_alleles(text.encode(), 3).tolist() == expected


@pytest.mark.parametrize("block_bytes", [1, 2, 7, 40, 41, 1000, 1 << 20])
@pytest.mark.parametrize("irregular", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_block_borders_change_nothing(tmp_path: Path, block_bytes: int, irregular: bool, packed: bool) -> None:
    alleles = random_panel(np.random.default_rng(5), n_sites=30, n_samples=10, missing_share=0.1).alleles
    text = allele_text(alleles)
    if irregular:
        text = text.replace(b"?", b"NA").replace(b"\n", b" \r\n")[:-3]
    path = write(tmp_path / "x.hap", gzip.compress(text) if packed else text)
    blocks = list(allele_blocks(path, block_bytes))
    np.testing.assert_array_equal(np.concatenate(blocks), alleles)
    assert len(blocks) > 2 or block_bytes > 500  # several rows of 40 characters or more a block


def test_a_panel_in_several_blocks_keeps_sites_beside_alleles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = random_panel(np.random.default_rng(6), n_sites=25, n_samples=3)
    write(tmp_path / "x.hap", allele_text(panel.alleles))
    write_legend(tmp_path / "x.legend", panel.sites)
    monkeypatch.setattr("rnnimp.formats.hapslegend.allele_blocks", lambda hap, **more: allele_blocks(hap, 50, **more))
    stream = open_panel(tmp_path / "x.hap", tmp_path / "x.legend")
    assert stream.sample_names == ("Sample_1", "Sample_2", "Sample_3")
    blocks = list(stream.blocks)
    assert len(blocks) > 5
    assert [key for block in blocks for key in block.sites.keys()] == panel.sites.keys()
    np.testing.assert_array_equal(np.concatenate([block.alleles for block in blocks]), panel.alleles)


# --- bad input: every message names the file, and the line where there is one ---------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "0 1 0 1\n0 1 0\n0 1 0 1\n",
            ":2: expected 4 alleles as in the first line, found 3; the file is ragged or trunc",
        ),
        ("0 1 0 1\n0 1 0 1\n0 1 0 1 1 1\n", ":3: expected 4 alleles as in the first line, found 6"),
        ("0 1 0 1\n0 1 0 1\n0 1", ":3: expected 4 alleles as in the first line, found 2"),
        ("0 1 0 1\n\n0 1 0 1\n", ":2: expected 4 alleles as in the first line, found 0"),
        ("0 1 0\n0 1 0\n0 1 0\n", ":1: expected two columns per sample, found an odd number (3)"),
        ("0 1 0 1\n0 1 0 1\n", ":2: expected 3 lines as sites in"),
        ("0 1 0 1\n" * 4, ":4: expected 3 lines as sites in"),
        ("", ": expected 3 lines as sites in"),
        ("0 1 0 1\n1 2 1 1\n0 1 0 1\n", ":2: expected alleles 0 and 1, or ? for missing, found another number"),
        ("0 1  0 1\n0 1 0 1\n0 1 0 ?10\n0 1 0 1\n", ":4: expected 3 lines"),
        (b"0 1 0 1\n0 1 \\\xd61 1\n0 1 0 1\n", ":2: expected alleles 0 and 1, or ? for missing, found something else"),
        (b"0 1 0 1\n0 1 \xd6 1\n0 1 0 1\n", ":2: expected alleles 0 and 1, or ? for missing, found something else"),
        ("0\t1\t0\t1\n0\t1\t?\t1\n0\t1\t0\t10\n", ":3: expected alleles 0 and 1, or ? for missing, found an"),
        ("0 1 0 1\n0 1\x00 0 1\n0 1 0 1\n", ": expected alleles as text, found binary data"),
        (bytes(range(256)) * 4, ": expected alleles as text, found binary data"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_bad_haplotypes(tmp_path: Path, text: str | bytes, message: str, packed: bool) -> None:
    legend = write(tmp_path / "x.legend", f"{HEADER}\na 1 A C\nb 2 A C\nc 3 A C\n")
    content = text if isinstance(text, bytes) else text.encode()
    hap = write(tmp_path / "x.hap", gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match="^" + re.escape(f"{hap}{message}")):
        open_panel(hap, legend).read()


@pytest.mark.parametrize("block_bytes", [1, 10, 1 << 20])
def test_a_ragged_row_is_named_from_any_block(tmp_path: Path, block_bytes: int) -> None:
    hap = write(tmp_path / "x.hap", "0 1 0 1\n" * 20 + "0 1 0\n" + "0 1 0 1\n" * 20)
    with pytest.raises(DataError, match=r"x\.hap:21: expected 4"):
        list(allele_blocks(hap, block_bytes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": expected a header line 'id position a0 a1', found an empty file"),
        ("id position a0\na 1 A\n", ":1: expected the columns id position a0 a1, found 'id position a0'; add a1"),
        ("a 1 A C\nb 2 A C\n", ":1: expected the columns id position a0 a1, found 'a 1 A C'; add id, position, a0, a1"),
        ("0 1 " * 999, f":1: expected the columns id position a0 a1, found '{'0 1 ' * 19}...'; add id, position, a0"),
        (f"{HEADER}\na 1 A C\nb 2 A\n", ":3: expected 4 columns as in the header, found 3"),
        (f"{HEADER}\na 1 A C\nb 2 A C G\n", ":3: expected 4 columns as in the header, found 5"),
        (f"{HEADER}\na 1 A C\nb x A C\n", ":3: expected a position from 1 to 2147483646, found 'x'"),
        (f"{HEADER}\na 1.5 A C\n", ":2: expected a position from 1 to 2147483646, found '1.5'"),
        (f"{HEADER}\na -4 A C\n", ":2: expected a position from 1 to 2147483646, found '-4'"),
        (f"{HEADER}\na {10**20} A C\n", f":2: expected a position from 1 to 2147483646, found '{10**20}'"),
        (f"{HEADER}\na 9 A C\nb 8 A C\n", ":3: expected positions in rising order, found 8 after 9; sort the file"),
        (f"{HEADER}\na 1 A C\nb 1 A G\nc 1 A C\n", ":4: expected each site once, found 1 A C again; remove"),
        (
            f"{HEADER}\na 1 A C\nb 1 A G\nc 1 c A\n",
            ":4: expected each site once, found 1 A C and, as another one, C A; r",
        ),
        (f"{HEADER} array_marker_flag\na 1 A C 2\n", ":2: expected 0 or 1 as array_marker_flag, found '2'"),
        (f"{HEADER} swap\na 1 A C 0\nb 2 A C NA\n", ":3: expected 0 or 1 as swap, found 'NA'"),
        (f"{HEADER} a1_freq\na 1 A C 1.01\n", ":2: expected a number from 0 to 1, or NA, as a1_freq, found '1.01'"),
        (f"{HEADER} a1_freq\na 1 A C 0_1\n", ":2: expected a number from 0 to 1, or NA, as a1_freq, found '0_1'"),
        (f"{HEADER} a1_freq\na 1 A C -nan\n", ":2: expected a number from 0 to 1, or NA, as a1_freq, found '-nan'"),
        (f"{HEADER}\na 0 A C\n", ":2: expected a position from 1 to 2147483646, found '0'"),
        (f"{HEADER}\na 1_0 A C\n", ":2: expected a position from 1 to 2147483646, found '1_0'"),
        (f"{HEADER}\na 1 A A,C\n", ":2: expected one allele of bases, or a name in <>, found 'A,C'; split sites"),
        (f"{HEADER}\na 1 A <>\n", ":2: expected one allele of bases, or a name in <>, found '<>'"),
        (f"{HEADER}\na\x1b 1 A C\n", ":2: expected text, found the control character '\\x1b'; remove it"),
        (f"{HEADER}\na\x0b 1 A C\n", ":2: expected text, found the control character '\\x0b'; remove it"),
        (f"{HEADER} position\na 1 A C 1\n", ":1: expected each column once, found position again"),
        (f"{HEADER} chromosome\na 1 A C 2<\n", ":2: expected a chromosome's name, found '2<'"),
        (f"{HEADER} a1_freq\na 1 A C x\n", ":2: expected a number from 0 to 1, or NA, as a1_freq, found 'x'"),
        (bytes([0, 255, 128, 10]) * 9, ": expected text, found binary data"),
    ],
)
def test_bad_legends(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = write(tmp_path / "x.legend", text)
    with pytest.raises(DataError, match="^" + re.escape(f"{path}{message}")):
        read_legend(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": expected sample names under a header, found an empty file"),
        ("\n\n", ": expected sample names under a header, found an empty file"),
        ("ID_1 ID_2 missing\n0 0 0\na a 0\nb\n", ":4: expected 2 columns or more, found 1"),
        ("ID_1 ID_2 missing\n0 0 0\na a 0\nb a 0\n", ":4: expected each sample once, found a as in line 3"),
        ("sample population\na x\n\nb x\n", ":3: expected 1 columns or more, found 0"),
        (b"\x80\x81\n", ":1: expected text in UTF-8"),
        (b"sample sex\nM\xfcller 0\n", ":2: expected text in UTF-8, found b'M\\xfcller 0'"),
        (b"sample sex\na\x1b[2J 0\n", ":2: expected sample names without control characters"),
    ],
)
def test_bad_samples(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = write(tmp_path / "x.sample", text)
    with pytest.raises(DataError, match="^" + re.escape(f"{path}{message}")):
        read_sample(path)


@pytest.mark.parametrize("names", ["a a 0\n", "a a 0\nb b 0\nc c 0\n"])
def test_a_sample_file_of_another_length(tmp_path: Path, names: str) -> None:
    legend = write(tmp_path / "x.legend", f"{HEADER}\na 1 A C\n")
    hap = write(tmp_path / "x.hap", "0 1 0 1\n")
    sample = write(tmp_path / "x.sample", f"ID_1 ID_2 missing\n0 0 0\n{names}")
    found = names.count("\n")
    with pytest.raises(DataError, match=rf"x\.sample: expected 2 samples as in .*x\.hap, found {found}"):
        open_panel(hap, legend, sample)


def test_a_truncated_gzip_is_noticed_wherever_it_ends(tmp_path: Path) -> None:
    """Also where a program might take the end of a whole member for the end of the file."""
    panel = random_panel(np.random.default_rng(7), n_sites=20, n_samples=4)
    write_legend(tmp_path / "x.legend", panel.sites)
    members = [gzip.compress(allele_text(panel.alleles[:12])), gzip.compress(allele_text(panel.alleles[12:]))]
    whole = b"".join(members)
    for length in (*range(0, len(whole), 3), len(members[0]), len(whole) - 1):
        hap = write(tmp_path / "x.hap.gz", whole[:length])
        with pytest.raises(DataError, match=r"x\.hap\.gz(:\d+)?: "):
            open_panel(hap, tmp_path / "x.legend").read()


def test_absent_files_are_named(tmp_path: Path) -> None:
    legend = write(tmp_path / "x.legend", f"{HEADER}\na 1 A C\n")
    with pytest.raises(DataError, match=r"no\.legend: cannot be read \(No such file"):
        open_panel(tmp_path / "x.hap", tmp_path / "no.legend")
    with pytest.raises(DataError, match=r"no\.hap: cannot be read \(No such file"):
        open_panel(tmp_path / "no.hap", legend)


# --- legends and sample files as other programs write them ----------------------------------------------------


def test_legend_columns_in_any_order_and_unknown_ones(tmp_path: Path) -> None:
    text = "a1\ta0 swap EUR a1_freq position array_marker_flag rsID\r\nC\tA 1 0.3 NA 12 0 rs7\r\n"
    sites = read_legend(write(tmp_path / "x.legend", text), "22")
    assert sites.keys() == [(12, "A", "C")]
    assert sites.ids.tolist() == ["rs7"]
    assert sites.chromosome == "22"
    assert sites.is_marker is not None and sites.is_marker.tolist() == [False]
    assert sites.swapped is not None and sites.swapped.tolist() == [True]
    assert sites.a1_freq is not None and np.isnan(sites.a1_freq[0])


def test_sites_that_share_a_position_may_stand_in_any_order(tmp_path: Path) -> None:
    path = write(tmp_path / "x.legend", f"{HEADER}\na 5 A T\nb 5 A C\nc 5 AT A\nd 5 C T\n")
    assert read_legend(path).keys() == [(5, "A", "T"), (5, "A", "C"), (5, "AT", "A"), (5, "C", "T")]


def test_lower_case_alleles_are_upper_cased(tmp_path: Path) -> None:
    path = write(tmp_path / "x.legend", f"{HEADER}\na 1 a g\nb 2 C cTt\nc 3 A 0\n")
    assert read_legend(path).keys() == [(1, "A", "G"), (2, "C", "CTT"), (3, "A", "0")]


def test_an_insertion_and_a_deletion_are_two_sites(tmp_path: Path) -> None:
    path = write(tmp_path / "x.legend", f"{HEADER}\na 1 A AT\nb 1 AT A\n")
    assert read_legend(path).keys() == [(1, "A", "AT"), (1, "AT", "A")]


def test_legend_text_round_trips_every_frequency() -> None:
    frequencies = np.random.default_rng(8).random(50)
    sites = Sites.build(range(50), ["A"] * 50, ["C"] * 50, a1_freq=frequencies)
    words = [line.split()[-1] for line in legend_text(sites).splitlines()[1:]]
    assert [float(word) for word in words] == frequencies.tolist()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ID_1 ID_2 missing\n0 0 0\nf1 i1 0\nf2 i2 0\n", ("i1", "i2")),
        ("ID_1 ID_2 missing sex pheno\n0 0 0 D B\nf1 i1 0 1 1", ("i1",)),
        ("sample population group sex\nNA1 CEU EUR 1\nNA2 YRI AFR 2\n\n", ("NA1", "NA2")),
        ("sample\r\nNA1\r\nNA2\r\n", ("NA1", "NA2")),
        ("ID_1 ID_2 missing\n0 0 0\n", ()),
    ],
)
def test_both_kinds_of_sample_file(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    assert read_sample(write(tmp_path / "x.sample", text)) == names


def test_impute2_example() -> None:
    folder = shared_data("interop/impute2_example_chr22")
    hap, legend = (folder / f"example.chr22.1kG.{end}" for end in ("haps", "legend"))
    panel = open_panel(hap, legend).read()
    expected = [[int(token) for token in line.split()] for line in hap.read_text().splitlines()]
    np.testing.assert_array_equal(panel.alleles, expected)
    assert panel.alleles.shape == (790, 112)
    rows = [line.split() for line in legend.read_text().splitlines()[1:]]
    assert panel.sites.keys() == [(int(position), a0, a1) for _, position, a0, a1 in rows]
    assert panel.sites.ids[0] == "rs4821114"
    assert len(read_legend(folder / "example.chr22.1kG.annot.legend")) == 790
    assert len(read_sample(folder / "example.study.samples")) == 250


@pytest.mark.parametrize("kind", ["hls", "hls.gt"])
def test_bcftools_convert(kind: str) -> None:
    folder = shared_data("interop/bcftools_convert")
    hap = folder / ("convert.hls.haps" if kind == "hls" else "convert.hls.gt.hap")
    panel = open_panel(hap, folder / f"convert.{kind}.legend", folder / f"convert.{kind}.samples").read()
    assert panel.sample_names[0] == "NA00001"
    assert panel.alleles.shape == (len(panel.sites), 20)
    assert panel.sites.keys()[2] == (2698758, "CAA", "C")
    is_symbolic = ["<" in line for line in (folder / f"convert.{kind}.legend").read_text().splitlines()[1:]]
    assert sum(is_symbolic) == (kind == "hls.gt")
    lines = hap.read_text().splitlines()
    tokens = [line.split() for line, is_left_out in zip(lines, is_symbolic, strict=True) if not is_left_out]
    np.testing.assert_array_equal(panel.alleles == 1, np.array(tokens) == "1")
    np.testing.assert_array_equal(panel.alleles == 0, np.array(tokens) == "0")


def test_bcftools_convert_with_missing_and_haploid_alleles() -> None:
    alleles = read_alleles(shared_data("interop/bcftools_convert") / "convert.hap-missing.haps")
    expected = [[0, 0, 0, 0, 1, 0], [0, -1, 0, -1, 1, -1], [-1] * 6, [-1] * 6, [0, 0, 0, 0, 1, 0]]
    np.testing.assert_array_equal(alleles, expected)


def test_bcftools_convert_sample_files() -> None:
    folder = shared_data("interop/bcftools_convert")
    assert read_sample(folder / "convert.hs.sample")[:2] == ("NA00001", "NA00002")
    assert read_sample(folder / "convert.hls.samples") == read_sample(folder / "convert.hls.gt.samples")


# --- blocks of a legend -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 3, 4096])
def test_blocks_of_a_legend_are_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(hapslegend, "_LEGEND_BLOCK", block)
    sites = random_panel(np.random.default_rng(9), n_sites=20).sites
    write_legend(tmp_path / "x.legend.gz", sites)
    blocks = list(legend_blocks(tmp_path / "x.legend.gz"))
    assert len(blocks) == -(-20 // block)
    assert_same_sites(Sites.concatenate(blocks), read_legend(tmp_path / "x.legend.gz"))
    assert {part.chromosome for part in blocks} == {"22"}


def test_a_legend_without_sites_is_one_empty_block(tmp_path: Path) -> None:
    (empty,) = legend_blocks(write(tmp_path / "x.legend", f"{HEADER}\n"))
    assert len(empty) == 0
    with pytest.raises(DataError, match="expected a header line 'id position a0 a1', found an empty file"):
        next(legend_blocks(write(tmp_path / "x.legend", "")))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["x 5 A C", "y 6 A C", "z 5 A C"], "x.legend:4: expected positions in rising order, found 5 after 6"),
        (
            ["x 5 A C", "y 5 A G", "z 5 C A"],
            "x.legend:4: expected each site once, found 5 A C and, as another one, C A",
        ),
        (["x 5 A C", "y 6 A C", "z 7 A"], "x.legend:4: expected 4 columns as in the header, found 3"),
        (["x 5 A C", "y 6 A C", "z 7 A ,"], "x.legend:4: expected one allele of bases"),
        (["x 5 A C", "y 6 A C", "z 7 A \x07"], "x.legend:4: expected text, found the control character"),
        (["x 5 A C", "y 6 A C", "z 0 A C"], "x.legend:4: expected a position from 1"),
    ],
)
def test_bad_lines_are_named_in_any_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[str], message: str
) -> None:
    monkeypatch.setattr(hapslegend, "_LEGEND_BLOCK", 2)
    path = write(tmp_path / "x.legend", "\n".join([HEADER, *rows]) + "\n")
    with pytest.raises(DataError, match=re.escape(message)):
        list(legend_blocks(path))
