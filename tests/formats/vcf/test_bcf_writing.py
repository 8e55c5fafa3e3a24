"""Compressed VCF, BCF and their indexes, as other programs and libraries read them."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import cyvcf2
import numpy as np
import pysam
import pytest

from helpers import program, random_panel
from rnnimp.formats.bgzf import BLOCK_BYTES, END_MARK, BgzfWriter
from rnnimp.formats.sums import read_sums
from rnnimp.formats.vcf.bcf_writing import BcfWriter
from rnnimp.formats.vcf.header import VcfContent, parse_fields
from rnnimp.formats.vcf.writing import VcfWriter
from rnnimp.scoring.quality import minimac_r2
from rnnimp.sites.panel import ImputedBlock, Sites

FIELDS = ("GT", "DS", "HDS", "GP", "AP")
WRITERS = {"vcf": VcfWriter, "vcf.gz": VcfWriter, "bcf": BcfWriter}


def random_block(n_sites: int = 400, n_samples: int = 7, missing_share: float = 0.1) -> ImputedBlock:
    """Typed and imputed sites, indels of up to 60 bases among them, some without a known ALT, over 200 kb."""
    rng = np.random.default_rng(4)
    sites = random_panel(rng, n_sites, n_samples).sites
    long = rng.random(n_sites) < 0.05
    a0, a1 = sites.a0.copy(), sites.a1.copy()
    a0[long] = ["A" * int(length) for length in rng.integers(2, 60, long.sum())]
    a1[long] = "A"
    is_typed = rng.random(n_sites) < 0.3
    probabilities = rng.beta(0.2, 0.6, (n_sites, 2 * n_samples)).astype(np.float32)
    probabilities[is_typed] = np.rint(probabilities[is_typed])
    is_missing = is_typed[:, None] & (rng.random(probabilities.shape) < missing_share)
    probabilities[is_missing] = 0.5
    no_alt = is_typed & (rng.random(n_sites) < 0.1)
    a1[no_alt] = "."
    probabilities[no_alt] = np.where(is_missing[no_alt], 0.5, 0)
    named = Sites(sites.ids, sites.positions, a0, a1, chromosome="22")
    return ImputedBlock(named, probabilities, is_typed, is_missing)


def write(folder: Path, ending: str, block: ImputedBlock, fields: tuple[str, ...] = FIELDS) -> Path:
    names = tuple(f"s{index}" for index in range(block.alt_probabilities.shape[1] // 2))
    content = VcfContent(names, "22", fields, 51304566, (("command", "x"),))
    path = folder / f"x.{ending}"
    with WRITERS[ending](path, content, folder / "x.sums.tsv.gz") as writer:
        for start in range(0, len(block), 150):
            writer.write(block[start : start + 150])
    return path


def run(*command: str | Path) -> str:
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "arning" not in result.stderr, result.stderr
    return result.stdout


@pytest.mark.parametrize("fields", [FIELDS, ("GT",), ("DS", "GP"), ()])
def test_bcftools_reads_the_same_from_all_three(tmp_path: Path, fields: tuple[str, ...]) -> None:
    bcftools = program("bcftools")
    texts = [
        run(bcftools, "view", "--no-version", write(tmp_path, ending, random_block(), fields)) for ending in WRITERS
    ]
    plain = (tmp_path / "x.vcf").read_text()
    assert texts[0] == texts[1] == texts[2]
    assert [line for line in texts[0].splitlines() if line[0] != "#"] == [
        line for line in plain.splitlines() if line[0] != "#"
    ]
    assert "##contig=<ID=22,length=51304566>" in texts[2]


@pytest.mark.parametrize("ending", ["vcf.gz", "bcf"])
def test_indexes_find_what_a_whole_reading_finds(tmp_path: Path, ending: str) -> None:
    block = random_block(3000)
    path = write(tmp_path, ending, block)
    starts = block.sites.positions - 1
    ends = starts + np.array([len(a0) for a0 in block.sites.a0])
    rng = np.random.default_rng(1)
    with pysam.VariantFile(str(path)) as file:
        for _ in range(200):
            start = int(rng.integers(starts[0] - 100, ends[-1] + 100))
            stop = start + int(rng.choice([1, 50, 20_000, 300_000]))
            found = [(record.start, record.id) for record in file.fetch("22", start, stop)]
            expected = np.flatnonzero((starts < stop) & (ends > start))
            assert found == [(int(starts[row]), block.sites.ids[row]) for row in expected]
    assert run(program("bcftools"), "index", "--nrecords", path).strip() == "3000" if ending == "vcf.gz" else True


@pytest.mark.parametrize("ending", list(WRITERS))
def test_cyvcf2_reads_every_number(tmp_path: Path, ending: str) -> None:
    block = random_block()
    probabilities, missing = block.alt_probabilities.astype(np.float64), block.is_missing
    assert missing is not None
    r2 = minimac_r2(np.where(missing, np.nan, probabilities))
    count = 0
    for row, variant in enumerate(cyvcf2.VCF(str(write(tmp_path, ending, block)))):
        count += 1
        assert (
            block.sites.positions[row], block.sites.a0[row], block.sites.ids[row],
        ) == (variant.POS, variant.REF, variant.ID)  # fmt: skip
        alleles = variant.genotype.array()
        np.testing.assert_array_equal(alleles[:, :2] < 0, missing[row].reshape(-1, 2))
        assert alleles[:, 2].all()
        if block.sites.a1[row] == ".":
            assert variant.ALT == []
            continue
        assert (variant.INFO.get("IMP") is None) == bool(block.is_typed[row])
        assert np.isnan(r2[row]) or variant.INFO["R2"] == pytest.approx(r2[row], abs=2e-6)
        pairs = probabilities[row].reshape(-1, 2)
        complete = ~missing[row].reshape(-1, 2).any(axis=1)
        a, b = pairs[complete].T
        np.testing.assert_allclose(variant.format("DS")[complete, 0], a + b, atol=5.1e-5)
        np.testing.assert_allclose(variant.format("HDS")[complete], pairs[complete], atol=5.1e-4)
        np.testing.assert_allclose(variant.format("AP1")[complete, 0], a, atol=5.1e-4)
        np.testing.assert_allclose(variant.format("AP2")[complete, 0], b, atol=5.1e-4)
        genotypes = np.stack([(1 - a) * (1 - b), a * (1 - b) + b * (1 - a), a * b], axis=1)
        np.testing.assert_allclose(variant.format("GP")[complete], genotypes, atol=5.1e-4)
        likeliest = variant.format("GP")[complete].max(axis=1)
        called = variant.format("GP")[complete][np.arange(complete.sum()), alleles[complete, :2].sum(axis=1)]
        np.testing.assert_array_equal(called, likeliest)
        assert np.isnan(variant.format("DS")[~complete]).all()
    assert count == len(block)


def test_plink2_reads_all_three_alike(tmp_path: Path) -> None:
    plink2 = program("plink2")
    block = random_block(missing_share=0)
    block = block[block.sites.a1 != "."]
    tables = []
    for ending in WRITERS:
        path = write(tmp_path, ending, block, ("GT", "DS", "GP"))
        flag = "--bcf" if ending == "bcf" else "--vcf"
        run(plink2, flag, path, "dosage=DS", "--freq", "cols=+altfreq", "--out", tmp_path / "f", "--silent")
        header, *rows = [line.split() for line in (tmp_path / "f.afreq").read_text().splitlines()]
        frequencies = [float(row[header.index("ALT_FREQS")]) for row in rows]
        np.testing.assert_allclose(frequencies, block.alt_probabilities.mean(axis=1), atol=1e-4)
        tables.append([row[:4] for row in rows])
    assert tables[0] == tables[1] == tables[2]


def test_long_alleles_and_names_are_written(tmp_path: Path) -> None:
    sites = Sites.build([5], ["A" * 300], ["A"], ids=["n" * 20], chromosome="22")
    block = ImputedBlock(sites, np.array([[0.2, 0.9]], np.float32), np.array([False]))
    (variant,) = cyvcf2.VCF(str(write(tmp_path, "bcf", block)))
    assert (variant.ID, variant.REF, variant.ALT) == ("n" * 20, "A" * 300, ["A"])


def test_no_sites_make_a_valid_file(tmp_path: Path) -> None:
    for ending in WRITERS:
        assert run(program("bcftools"), "view", "-H", write(tmp_path, ending, random_block()[:0])) == ""


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 5 * BLOCK_BYTES + 7])
@pytest.mark.parametrize("pieces", [1, 3, 50])
def test_bgzf_is_gzip_in_blocks_whatever_the_pieces(tmp_path: Path, size: int, pieces: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8).tobytes()
    with (tmp_path / "x.gz").open("wb") as file:
        writer = BgzfWriter(file)
        for piece in np.array_split(np.frombuffer(data, np.uint8), pieces):
            writer.write(piece.tobytes())
        writer.close()
        places = np.unique(np.random.default_rng(0).integers(0, size, 20)) if size else np.empty(0, np.int64)
        offsets = writer.virtual_offsets(places)
    packed = (tmp_path / "x.gz").read_bytes()
    assert gzip.decompress(packed) == data
    assert packed.endswith(END_MARK)
    if shutil.which("bgzip"):
        assert run("bgzip", "--test", tmp_path / "x.gz") == ""
    with pysam.BGZFile(str(tmp_path / "x.gz")) as file:
        for place, offset in zip(places.tolist(), offsets.tolist(), strict=True):
            file.seek(offset)
            assert file.read(3) == data[place : place + 3]
    whole = BgzfWriter((tmp_path / "whole.gz").open("wb"))
    whole.write(data)
    whole.close()
    whole._file.close()
    assert (tmp_path / "whole.gz").read_bytes() == packed


def test_sums_come_back_as_they_were(tmp_path: Path) -> None:
    block = random_block()
    write(tmp_path, "bcf", block)
    sites, sums = read_sums(tmp_path / "x.sums.tsv.gz")
    assert sites.keys() == block.sites.keys()
    assert block.is_missing is not None
    masked = np.where(block.is_missing, np.nan, block.alt_probabilities.astype(np.float64))
    np.testing.assert_allclose(sums.r2(), minimac_r2(masked), atol=1e-10)
    np.testing.assert_array_equal(sums.n_alleles, (~block.is_missing).sum(axis=1))


def test_fields_are_parsed() -> None:
    assert parse_fields("gp, GT") == ("GT", "GP")
