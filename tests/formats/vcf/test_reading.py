"""Reading VCF and BCF, compared with pysam as an independent implementation."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import numpy as np
import pysam
import pytest

from helpers import random_panel, shared_data
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.biallelic import NO_SEQUENCE
from rnnimp.formats.unphased import Unphased
from rnnimp.formats.vcf.reading import open_panel, read_genotypes, read_sites
from rnnimp.sites.panel import Panel
from rnnimp.sites.ploidy import PloidyRecorder
from vcf_files import indexed, write_panel, write_vcf


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Random records with several alternatives, symbolic ones and missing alleles."""
    rng = np.random.default_rng(3)
    alternatives = ["G", "G,T", "AT", "<DEL>", "G,<DEL>,T", "*", "C,*", "."]
    records = []
    for number in range(200):
        alt = alternatives[rng.integers(len(alternatives))]
        n_alleles = 1 if alt == "." else 1 + len(alt.split(","))
        calls = rng.choice([".", *map(str, range(n_alleles))], size=(6, 2))
        name = rng.choice([".", f"rs{number}"])
        records.append(f"22 {1000 + 7 * number} {name} A {alt} . GT " + " ".join("|".join(pair) for pair in calls))
    return write_vcf(tmp_path / "mixed.vcf", records, "s1 s2 s3 s4 s5 s6")


def pysam_rows(path: Path, start: int = 0, end: int = 10**9) -> list[tuple[int, str, str, str, list[int]]]:
    """Sites and alleles by pysam: (position, id, ref, alt, alleles)."""
    rows = []
    with pysam.VariantFile(str(path)) as file:
        for record in file:
            alts = record.alts or ()
            for number, alt in enumerate(alts, start=1):
                if alt[0] in "<*." or not start <= record.pos <= end:
                    continue
                name = f"{record.chrom}:{record.pos}:{record.ref}:{alt}"
                if record.id is not None:
                    name = record.id if len(alts) == 1 else f"{record.id}:{record.ref}:{alt}"
                calls = [call for sample in record.samples.values() for call in sample["GT"]]
                alleles = [-1 if call is None else int(call == number) for call in calls]
                rows.append((record.pos, name, record.ref, alt, alleles))
    return rows


def panel_rows(panel: Panel) -> list[tuple[int, str, str, str, list[int]]]:
    sites = panel.sites
    columns = sites.positions.tolist(), sites.ids, sites.a0, sites.a1, panel.alleles.tolist()
    return list(zip(*columns, strict=True))


def test_panel_agrees_with_pysam(mixed: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        panel = open_panel(mixed).read()
    assert panel_rows(panel) == pysam_rows(mixed)
    assert panel.alleles.dtype == np.int8
    assert panel.sites.chromosome == "22"
    assert panel.sample_names == ("s1", "s2", "s3", "s4", "s5", "s6")
    lines = [line.split("\t")[4] for line in mixed.read_text().splitlines() if not line.startswith("#")]
    n_left_out = sum(alt in ("<DEL>", "*", ".") for line in lines for alt in line.split(","))
    assert [record.message for record in caplog.records] == [
        f"{mixed}: left out alternative alleles that are no sequence: {n_left_out}"
    ]


@pytest.mark.parametrize(("ref", "alt"), [(".", "A"), ("1.0", "A"), ("<DEL>", "A"), ("A", "1")])
def test_sites_whose_alleles_are_no_sequence_are_left_out(tmp_path: Path, ref: str, alt: str) -> None:
    path = write_vcf(tmp_path / "a.vcf", [f"22 10 . {ref} {alt} . GT 0|1 1|1", "22 20 . C T . GT 1|0 0|0"])
    stream = open_panel(path)
    panel = stream.read()
    assert (panel.sites.keys(), panel.alleles.tolist()) == ([(20, "C", "T")], [[1, 0, 0, 0]])
    assert stream.left_out[NO_SEQUENCE] == 1


@pytest.mark.parametrize("block_sites", [1, 7, 1000])
def test_block_size_changes_nothing(mixed: Path, block_sites: int) -> None:
    blocks = list(open_panel(mixed, block_sites=block_sites).blocks)
    assert all(len(block.sites) == block_sites for block in blocks[:-1])
    assert [row for block in blocks for row in panel_rows(block)] == pysam_rows(mixed)


@pytest.mark.parametrize("kind", ["plain", "bgzip", "tbi", "csi", "bcf", "bcf.csi"])
@pytest.mark.parametrize("region", ["22:1300-1800", "chr22:1301-1799", "22:2-", "22", "22:1.3-1.8kb"])
def test_region_is_the_same_by_index_and_by_filter(mixed: Path, kind: str, region: str) -> None:
    path = mixed
    if kind in ("tbi", "csi"):
        path = indexed(mixed, kind)
    elif kind == "bgzip":
        path = Path(f"{mixed}.gz")
        pysam.tabix_compress(str(mixed), str(path))
    elif kind.startswith("bcf"):
        path = to_bcf(mixed)
        if kind == "bcf.csi":
            pysam.tabix_index(str(path), preset="bcf", csi=True)
    start, end = {"22:1300-1800": (1300, 1800), "chr22:1301-1799": (1301, 1799), "22:1.3-1.8kb": (1300, 1800)}.get(
        region, (0, 10**9)
    )
    assert panel_rows(open_panel(path, region).read()) == pysam_rows(mixed, start, end)


def to_bcf(path: Path) -> Path:
    target = path.with_suffix(".bcf")
    with pysam.VariantFile(str(path)) as source, pysam.VariantFile(str(target), "wb", header=source.header) as file:
        for record in source:
            file.write(record)
    return target


def test_record_that_reaches_into_a_region_is_not_in_it(tmp_path: Path) -> None:
    records = ["22 100 . ACGTACGTAC A . GT 0|1 0|0", "22 105 . G C . GT 1|1 0|0", "22 300 . G C . GT 1|1 0|0"]
    path = indexed(write_vcf(tmp_path / "x.vcf", records))
    assert open_panel(path, "22:103-200").read().sites.positions.tolist() == [105]


def test_indexed_file_is_read_from_its_first_record(tmp_path: Path) -> None:
    panel = random_panel(np.random.default_rng(0), missing_share=0.1)
    path = indexed(write_panel(tmp_path / "x.vcf", panel))
    read = open_panel(path).read()
    assert read.sites.keys() == panel.sites.keys()
    assert np.array_equal(read.alleles, panel.alleles)


def test_several_chromosomes(tmp_path: Path) -> None:
    records = ["22 100 . A C . GT 0|1 0|0", "21 50 . G C . GT 1|1 0|0", "21 60 . G T . GT 1|0 0|0"]
    plain = write_vcf(tmp_path / "x.vcf", records)
    for path in (plain, indexed(plain)):
        with pytest.raises(DataError, match=r"expected one chromosome, found 22, 21; .*--chromosome or --region"):
            open_panel(path).read()
        assert open_panel(path, chromosome="21").read().sites.positions.tolist() == [50, 60]
        assert open_panel(path, "chr22").read().sites.positions.tolist() == [100]
        with pytest.raises(DataError, match="expected records on chromosome 20, found only 22, 21"):
            open_panel(path, chromosome="20")
        with pytest.raises(DataError, match="expected sites in 21:70-80, found none"):
            open_panel(path, "21:70-80")
    with pytest.raises(DataError, match="expected records on chromosome 22, found none at all; check"):
        open_panel(write_vcf(tmp_path / "header.vcf", []), chromosome="22")
    with pytest.raises(SettingsError, match="only one of the two"):
        open_panel(plain, "22:1-2", "21")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (["22 100 . A C . GT 0|1 0/1"], "found an unphased one, 0/1, at 22:100 in sample b"),
        (["22 100 . A C . GT 0|1 ./1"], "found an unphased one, ./1, at 22:100 in sample b"),
        (["22 100 . A C . GT 0|1 1"], "expected diploid genotypes, found 1 at 22:100 in sample b"),
        (["22 100 . A C . GT 0 1"], "expected diploid genotypes, found 0 at 22:100 in sample a"),
        (["22 100 . A C . GT 0|1 0|1|1"], r"found 0\|1\|1 at 22:100 in sample b"),
        (["22 100 . A C . DS 0 1"], "found no FORMAT field GT at 22:100"),
        (["22 100 . A C . GT 0|1 0|0", "22 99 . A C . GT 0|1 0|0"], "rising order, found 22:99 after 100"),
        (
            ["22 100 . A C . GT 0|1 0|0", "22 100 . A G . GT 0|1 0|0", "22 100 . A C,T . GT 0|1 0|0"],
            "each site once, found 22:100 A C,T again; .*--keep-first-duplicate",
        ),
        (["22 100 . A <DEL> . GT 0|1 0|0"], "found none whose alternative allele is a sequence"),
        ([], "expected variant records under the header, found none"),
    ],
)
def test_bad_records(tmp_path: Path, records: list[str], message: str) -> None:
    path = write_vcf(tmp_path / "x.vcf", records)
    with pytest.raises(DataError, match=message) as caught:
        open_panel(path).read()
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_no_samples(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "x.vcf", ["22 100 . A C ."], samples="")
    for read in (open_panel, read_genotypes):
        with pytest.raises(DataError, match="found a VCF without samples"):
            read(path)


def test_harmless_genotypes(tmp_path: Path) -> None:
    records = [
        "22 100 . A C . GT 0/0 ./.",
        "22 101 . A C . GT 1/1 .",
        "22 102 . A C . GT .|1 1|.",
        "22 103 . A C . GT . .",
    ]
    panel = open_panel(write_vcf(tmp_path / "x.vcf", records)).read()
    assert panel.alleles.tolist() == [[0, 0, -1, -1], [1, 1, -1, -1], [-1, 1, 1, -1], [-1, -1, -1, -1]]


def test_first_duplicate_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    records = ["22 100 . A C . GT 0|1 0|0", "22 100 . A C,T . GT 1|0 2|0", "22 101 . A C . GT 0|0 0|1"]
    with caplog.at_level(logging.INFO):
        panel = open_panel(write_vcf(tmp_path / "x.vcf", records), keep_first_duplicate=True).read()
    assert panel.sites.keys() == [(100, "A", "C"), (100, "A", "T"), (101, "A", "C")]
    assert panel.alleles.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert "left out sites whose position and alleles stood before: 1" in caplog.text


def test_records_without_an_alternative_are_kept_where_asked_for(tmp_path: Path) -> None:
    records = ["22 100 . A . . GT 0|0 .|0", "22 101 rs1 C . . GT 0/0 ./.", "22 102 . A C . GT 0|1 0|0"]
    path = write_vcf(tmp_path / "x.vcf", records)
    assert open_panel(path).read().sites.keys() == [(102, "A", "C")]
    panel = open_panel(path, keep_monomorphic=True).read()
    assert panel.sites.keys() == [(100, "A", "."), (101, "C", "."), (102, "A", "C")]
    assert panel.sites.ids.tolist() == ["22:100:A:.", "rs1", "22:102:A:C"]
    assert panel.alleles.tolist() == [[0, 0, -1, 0], [0, 0, -1, -1], [0, 1, 0, 0]]


def test_lower_case_alleles_and_exchanged_ones(tmp_path: Path) -> None:
    panel = open_panel(
        write_vcf(tmp_path / "x.vcf", ["22 100 . a at . GT 0|1 0|0", "22 100 . aT A . GT 0|0 0|1"])
    ).read()
    assert panel.sites.keys() == [(100, "A", "AT"), (100, "AT", "A")]
    assert panel.sites.ids.tolist() == ["22:100:A:AT", "22:100:AT:A"]
    path = write_vcf(tmp_path / "y.vcf", ["22 100 . A c . GT 0|1 0|0", "22 100 . C A . GT 1|0 1|1"])
    for read in (lambda: open_panel(path).read(), lambda: read_genotypes(path)):
        with pytest.raises(DataError, match="expected each site once, found 22:100 C A again"):
            read()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A packed and indexed file of many BGZF blocks."""
    panel = random_panel(np.random.default_rng(1), n_sites=4000, n_samples=30)
    return indexed(write_panel(tmp_path / "large.vcf", panel))


def bgzf_starts(data: bytes) -> list[int]:
    """Where each block begins, from the sizes in the headers (SAM specification, 4.1)."""
    starts, place = [], 0
    while place < len(data):
        starts.append(place)
        place += int.from_bytes(data[place + 16 : place + 18], "little") + 1
    return starts


@pytest.mark.parametrize("region", [None, "22", "22:1000000-9000000"])
@pytest.mark.parametrize("cut", ["in a block", "between blocks", "in the end mark"])
def test_truncated_bgzf_is_noticed(large: Path, cut: str, region: str | None) -> None:
    data = large.read_bytes()
    starts = bgzf_starts(data)
    assert len(starts) > 4
    size = {"in a block": starts[3] + 100, "between blocks": starts[3], "in the end mark": len(data) - 1}[cut]
    large.write_bytes(data[:size])
    with pytest.raises(DataError, match="truncated"):
        open_panel(large, region).read()


@pytest.mark.parametrize("region", [None, "22", "22:1000000-9000000"])
def test_damaged_block_is_noticed(large: Path, region: str | None) -> None:
    data = bytearray(large.read_bytes())
    place = bgzf_starts(bytes(data))[3] + 200
    data[place : place + 8] = b"\xff" * 8
    large.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"truncated or (damaged|malformed)"):
        open_panel(large, region).read()


def test_truncated_plain_and_gzip(tmp_path: Path) -> None:
    path = write_panel(tmp_path / "x.vcf", random_panel(np.random.default_rng(2), n_sites=300))
    text = path.read_bytes()
    last_line = text.rindex(b"\n", 0, -1)
    path.write_bytes(text[: last_line + 60])
    with pytest.raises(DataError, match=r"x.vcf:311: expected 29 columns as in the header, found 17"):
        open_panel(path).read()
    packed = gzip.compress(text)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match="truncated"):
        open_panel(path).read()


def test_not_a_vcf(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    path.write_text("hello\n")
    with pytest.raises(DataError, match="expected a VCF or BCF file"):
        open_panel(path)
    with pytest.raises(DataError, match=r"absent.vcf: cannot be read \(No such file"):
        open_panel(tmp_path / "absent.vcf")


def test_sites_alone(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "x.vcf", ["22 100 . A C,<DEL>,T .", "22 101 . A . .", "22 102 . A <DEL> ."], samples="")
    sites = read_sites(path, "chr22")
    assert sites.keys() == [(100, "A", "C"), (100, "A", "T"), (101, "A", ".")]


def test_genotypes_from_gt(mixed: Path) -> None:
    table = read_genotypes(mixed)
    expected = np.array([row[4] for row in pysam_rows(mixed)], dtype=float).reshape(-1, 6, 2)
    missing = (expected < 0).any(axis=2)
    dosages = np.where(missing, np.nan, expected.sum(axis=2))
    assert np.array_equal(table.dosages, dosages, equal_nan=True)
    assert np.isnan(table.probabilities[missing]).all()
    assert np.array_equal(table.probabilities[~missing].argmax(axis=1), dosages[~missing])
    assert np.array_equal(table.probabilities[~missing].sum(axis=1), np.ones((~missing).sum()))
    assert table.is_typed is None
    assert table.sample_names == ("s1", "s2", "s3", "s4", "s5", "s6")


def test_unphased_genotypes_are_read(tmp_path: Path) -> None:
    table = read_genotypes(write_vcf(tmp_path / "x.vcf", ["22 100 . A C . GT 0/1 1/1"]))
    assert table.dosages.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("fields", "probabilities", "dosages"),
    [
        ("GP 0.5,0.25,0.25 0,0,1", [[0.5, 0.25, 0.25], [0, 0, 1]], [0.75, 2]),
        ("GT:GP:DS 0|0:0.5,0.25,0.25:0.7 1|1:.:1.9", [[0.5, 0.25, 0.25], [np.nan] * 3], [0.7, 1.9]),
        ("GT:HDS 0|0:0.5,0.25 1|1:1,1", [[0.375, 0.5, 0.125], [0, 0, 1]], [0.75, 2]),
        ("AP1:AP2 0.5:0.25 0:1", [[0.375, 0.5, 0.125], [0, 1, 0]], [0.75, 1]),
        ("GT:DS 0|0:0.25 0|1:.", [[np.nan] * 3, [np.nan] * 3], [0.25, np.nan]),
    ],
)
def test_genotype_fields(tmp_path: Path, fields: str, probabilities: list[list[float]], dosages: list[float]) -> None:
    table = read_genotypes(write_vcf(tmp_path / "x.vcf", [f"22 100 . A C . {fields}"]))
    np.testing.assert_allclose(table.probabilities[0], probabilities, atol=1e-7)
    np.testing.assert_allclose(table.dosages[0], dosages, atol=1e-7)
    assert table.probabilities.dtype == table.dosages.dtype == np.float32


@pytest.mark.parametrize("alt", ["C", "C,G"])
@pytest.mark.parametrize("kind", ["vcf", "bcf"])
@pytest.mark.parametrize("field", ["GP", "DS", "HDS", "AP1:AP2", "DS:GP:HDS", "GT"])
def test_a_field_may_be_missing_in_all_samples(tmp_path: Path, alt: str, kind: str, field: str) -> None:
    missing = ":".join("." for _ in field.split(":"))
    beside = "22 101 . A C . GT:DS:GP 0|0:0.5:0.5,0.5,0 1|1:2:0,0,1"
    records = [f"22 100 . A {alt} . GT:{field} .|.:{missing} .|.:{missing}", beside]
    if field == "GT":
        records[0] = f"22 100 . A {alt} . GT .|. .|."
    path = write_vcf(tmp_path / "x.vcf", records)

    table = read_genotypes(path if kind == "vcf" else to_bcf(path))

    n_missing = alt.count(",") + 1
    assert np.isnan(table.dosages[:n_missing]).all() and np.isnan(table.probabilities[:n_missing]).all()
    assert table.dosages[n_missing:].tolist() == [[0.5, 2]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("GT:DS 0|0:0.1 0|1:3", "expected numbers from 0 to 2 in FORMAT field DS, found 3 at 22:100"),
        ("GT:DS 0|0:-1 0|1:1", "expected numbers from 0 to 2 in FORMAT field DS, found -1 at 22:100"),
        ("GP 0,30,60 1,0,0", "expected numbers from 0 to 1 in FORMAT field GP, found 30 at 22:100"),
        ("HDS 0.1,1.5 0,0", "expected numbers from 0 to 1 in FORMAT field HDS, found 1.5 at 22:100"),
    ],
)
def test_numbers_that_are_no_probabilities_are_refused(tmp_path: Path, fields: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_genotypes(write_vcf(tmp_path / "x.vcf", [f"22 100 . A C . {fields}"]))


def test_probabilities_of_several_alternatives(tmp_path: Path) -> None:
    """Genotypes stand in the order 00 01 11 02 12 22."""
    record = "22 100 rs1 A C,T . GP:DS 0.1,0.2,0.05,0.3,0.15,0.2:0.45,0.85 0,0,0,0,1,0:1,1"
    table = read_genotypes(write_vcf(tmp_path / "x.vcf", [record]))
    assert table.sites.ids.tolist() == ["rs1:A:C", "rs1:A:T"]
    np.testing.assert_allclose(table.probabilities[0, 0], [0.6, 0.35, 0.05], atol=1e-6)
    np.testing.assert_allclose(table.probabilities[1, 0], [0.35, 0.45, 0.2], atol=1e-6)
    np.testing.assert_allclose(table.probabilities[:, 1], [[0, 1, 0], [0, 1, 0]])
    np.testing.assert_allclose(table.dosages, [[0.45, 1], [0.85, 1]], atol=1e-6)


@pytest.mark.parametrize(
    ("flags", "infos", "expected"),
    [
        (["IMP"], ["IMP", "."], [False, True]),
        (["IMPUTED", "TYPED", "TYPED_ONLY"], ["IMPUTED", "TYPED", "TYPED_ONLY"], [False, True, True]),
        (["IMPUTED", "TYPED"], ["IMPUTED", "TYPED;IMPUTED"], [False, True]),  # as Minimac4 4.1 writes them
        (["IMPUTED"], ["IMPUTED", "."], [False, True]),
        ([], [".", "."], None),
    ],
)
def test_typed_flags(tmp_path: Path, flags: list[str], infos: list[str], expected: list[bool] | None) -> None:
    header = "".join(f'##INFO=<ID={flag},Number=0,Type=Flag,Description="flag">\n' for flag in flags)
    records = [f"22 {100 + number} . A C {info} GT 0|1 0|0" for number, info in enumerate(infos)]
    table = read_genotypes(write_vcf(tmp_path / "x.vcf", records, header=header))
    assert (None if table.is_typed is None else table.is_typed.tolist()) == expected


def test_scores_of_info(tmp_path: Path) -> None:
    """As Minimac and we write them (one a record), as Beagle does (one an allele), and what is not there."""
    info = '##INFO=<ID={},Number={},Type=Float,Description="-">\n'
    header = info.format("R2", "1") + info.format("DR2", "A")
    records = [
        "22 100 . A C R2=0.25;DR2=0.5;INFO=0.1 GT 0|1 0|0",
        "22 101 . A C,<DEL>,T R2=0.75;DR2=0.1,0.2,0.3 GT 0|1 0|3",
        "22 102 . A G R2=.;DR2=. GT 0|1 0|0",
        "22 103 . A C . GT 0|1 0|0",
        "22 104 . A C,G DR2=1 GT 0|1 0|0",
    ]
    table = read_genotypes(write_vcf(tmp_path / "x.vcf", records, header=header))
    assert list(table.scores) == ["R2", "DR2"]  # INFO is not declared
    nan = np.nan
    np.testing.assert_allclose(table.scores["R2"], [0.25, 0.75, 0.75, nan, nan, nan, nan])
    np.testing.assert_allclose(table.scores["DR2"][:5], [0.5, 0.1, 0.3, nan, nan])


def test_genotype_field_of_wrong_length(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "x.vcf", ["22 100 . A C . GP 0.5,0.5,0,0 0,1,0,0"])
    with pytest.raises(DataError, match="expected 3 numbers per sample in FORMAT field GP at 22:100, found 4"):
        read_genotypes(path)


def test_real_region_by_index() -> None:
    path = shared_data("kgp3_chr22/panel.vcf.gz")
    panel = open_panel(path, "chr22:50.3-50.31Mb").read()
    with pysam.VariantFile(str(path)) as file:
        records = [record for record in file.fetch("22", 50_299_999, 50_310_000) if record.pos >= 50_300_000]
        assert len(panel.sites) == len(records) > 100
        for row, record in enumerate(records):
            assert panel.sites.keys()[row] == (record.pos, record.ref, record.alts[0])
            assert panel.alleles[row].sum() == record.info["AC"][0]
    assert panel.alleles.shape[1] == 5008


def test_real_chromosome_x() -> None:
    path = shared_data("interop/chrX_phased/small.chrX.vcf.gz")
    with pysam.VariantFile(str(path)) as file:
        carried = [sum(sum(call["GT"]) for call in record.samples.values()) for record in file.fetch("X", 0, 2_000_000)]
    panel = open_panel(path, "X:1-2000000").read()  # pseudo-autosomal
    assert panel.alleles.sum(axis=1).tolist() == carried
    with pytest.raises(DataError, match="expected diploid genotypes, found 0 at X:2699676 in sample HG00096"):
        open_panel(path).read()


@pytest.mark.parametrize(
    ("fields", "probabilities"),
    [
        ("GT:DS:GP 1:0.6:0.4,0.6 0|1:0.8:0.3,0.6,0.1", True),
        ("GP 0.4,0.6 0.3,0.6,0.1", True),
        ("GT:DS:HDS 1:0.6:0.6 0|1:0.8:0.2,0.6", None),
        ("GT:DS:AP1:AP2 1:0.6:0.6:. 0|1:0.8:0.2:0.6", None),
        ("GT:DS 1:0.6 0|1:0.8", False),
    ],
)
def test_haploid_samples_stand_as_if_homozygous(tmp_path: Path, fields: str, probabilities: bool | None) -> None:
    table = read_genotypes(write_vcf(tmp_path / "x.vcf", [f"X 100 . A C . {fields}"]))
    assert table.dosages[0] == pytest.approx([1.2, 0.8])
    if probabilities is False:
        np.testing.assert_allclose(table.probabilities[0], [[0.4, 0, 0.6], [np.nan] * 3], rtol=1e-6)
        return
    second = [0.3, 0.6, 0.1] if probabilities else [0.8 * 0.4, 0.2 * 0.4 + 0.8 * 0.6, 0.2 * 0.6]
    assert table.probabilities[0] == pytest.approx(np.array([[0.4, 0, 0.6], second]))


def test_haploid_samples_of_other_kinds(tmp_path: Path) -> None:
    records = [
        "X 100 . A C . GT 1 0|1",
        "X 101 . A C . GT . 0",
        "X 102 . A C . GP 0.4,0.6 0.9,0.1",
        "X 103 . A C . GT:GP .:. 0|1:0,1,0",
        "X 104 . A C,G . GP 0.1,0.2,0.7 0,0,0,0,1,0",
        "X 105 . A C . GT:HDS 0:0.25 1:0.5",
        "X 106 . A C . GT:DS .:0.4 0|1:0.8",
    ]
    dosages = read_genotypes(write_vcf(tmp_path / "x.vcf", records)).dosages
    expected = [[2, 1], [np.nan, 0], [1.2, 0.2], [np.nan, 1], [0.4, 1], [1.4, 1], [0.5, 1], [0.4, 0.8]]
    np.testing.assert_allclose(dosages, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("GT:GP 0|1:0.4,0.6 0|0:1,0,0", "found those of one allele beside two at X:100 in sample a"),
        ("GT:DS 1:1.7 0|1:0.8", "expected dosages up to 1 of samples with one allele, found a larger one at X:100"),
    ],
)
def test_haploid_values_that_do_not_fit_are_refused(tmp_path: Path, fields: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_genotypes(write_vcf(tmp_path / "x.vcf", [f"X 100 . A C . {fields}"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"##fileformat=M3VCF\n##version=1.1\n", "found an M3VCF; convert it with 'm3vcftools convert'"),
        (b"\x7a\x88\x74\xf4\x00\x10bref3", "found a BREF3; convert it with Beagle's unbref3.jar"),
        (b"\x28\xb5\x2f\xfd\x04\x58", "SAV or MSAV; convert a SAV with 'sav export'; instead of an MSAV use the VCF"),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_formats_of_other_programs_come_with_a_hint(
    tmp_path: Path, content: bytes, message: str, is_packed: bool
) -> None:
    path = tmp_path / "panel"
    path.write_bytes(gzip.compress(content) if is_packed else content)
    with pytest.raises(DataError, match=message):
        open_panel(path)


def test_nothing_is_printed_above_our_errors(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A contig that the header does not declare, and a record with too few samples."""
    path = write_vcf(tmp_path / "x.vcf", ["7 5 . A G . GT 0|1 1|1", "7 6 . A G . GT 0|1"])
    with pytest.raises(DataError, match="expected 11 columns as in the header, found 10"):
        open_panel(path).read()
    assert capfd.readouterr().err == ""


PSEUDOAUTOSOMAL = [
    "PAR1 60001 . A G . GT 0|1 1|1",
    "PAR1 70000 . C T . GT 1|1 0|0",
    "X 3000000 . A C . GT 0 1|0",
    "PAR2 155000000 . G T . GT 0|0 0|1",
]


@pytest.mark.parametrize("is_indexed", [False, True])
@pytest.mark.parametrize("chromosome", [None, "X", "chrX"])
def test_pseudoautosomal_regions_of_plink2_belong_to_x(
    tmp_path: Path, is_indexed: bool, chromosome: str | None
) -> None:
    contigs = "".join(f"##contig=<ID={name}>\n" for name in ("PAR1", "X", "PAR2"))
    path = write_vcf(tmp_path / "x.vcf", PSEUDOAUTOSOMAL, header=contigs)
    recorder = PloidyRecorder()
    panel = open_panel(indexed(path) if is_indexed else path, chromosome=chromosome, ploidy=recorder).read()
    assert panel.sites.positions.tolist() == [60001, 70000, 3000000, 155000000]
    assert panel.sites.chromosome == "X"
    assert panel.sites.ids[0] == "X:60001:A:G"
    ploidy = recorder.ploidy()
    assert ploidy is not None
    assert ploidy.at(panel.sites.positions)[:, 0].tolist() == [False, False, True, False]
    part = open_panel(indexed(path) if is_indexed else path, region="X:65000-4000000", ploidy=PloidyRecorder()).read()
    assert part.sites.positions.tolist() == [70000, 3000000]


def test_unphased_genotypes_are_counted_on_request(tmp_path: Path) -> None:
    records = ["22 100 . A C . GT 0|1 0/0", "22 101 . A C . GT 0/1 1/0", "22 102 . A C . GT ./. 1/1"]
    path = write_vcf(tmp_path / "x.vcf", records)
    unphased = Unphased()
    panel = open_panel(path, unphased=unphased).read()
    assert (unphased.n_genotypes, unphased.first) == (2, "22:101 in sample a")
    assert panel.alleles.tolist() == [[0, 1, 0, 0], [0, 1, 1, 0], [-1, -1, 1, 1]]
