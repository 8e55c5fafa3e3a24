"""The site table: its lines against formulas written out, and its fate with that of the genotypes."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from helpers import random_panel
from rnnimp.formats.gen import GenWriter
from rnnimp.formats.site_table import COLUMNS, with_site_table
from rnnimp.sites.panel import ImputedBlock, Sites


def random_block() -> ImputedBlock:
    """30 sites of 6 samples with missing alleles, haploid samples and sites of all kinds."""
    rng = np.random.default_rng(3)
    panel = random_panel(rng, n_sites=30, n_samples=6)
    is_typed = rng.random(30) < 0.5
    return ImputedBlock(
        panel.sites,
        rng.beta(0.3, 0.6, panel.alleles.shape).astype(np.float32),
        is_typed,
        is_missing=(rng.random(panel.alleles.shape) < 0.2) & is_typed[:, None],
        is_haploid=np.broadcast_to(rng.random(6) < 0.4, (30, 6)),
        is_typed_only=is_typed & (rng.random(30) < 0.3),
    )


def write(folder: Path, *blocks: ImputedBlock, chromosome: str | None = "22") -> list[list[str]]:
    names = [f"s{index}" for index in range(blocks[0].alt_probabilities.shape[1] // 2)]
    path = folder / "x.info.tsv.gz"
    with with_site_table(lambda group: GenWriter(folder / "x", names, group), path, chromosome) as writer:
        for block in blocks:
            writer.write(block)
    header, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert tuple(header.split("\t")) == COLUMNS
    return [row.split("\t") for row in rows]


def number(value: float) -> str:
    return f"{value:.6g}"


def test_lines_follow_the_formulas(tmp_path: Path) -> None:
    block = random_block()
    assert block.is_missing is not None and block.is_haploid is not None and block.is_typed_only is not None
    rows = write(tmp_path, block)
    assert [(row[0], int(row[1]), row[3], row[4]) for row in rows] == [("22", *key) for key in block.sites.keys()]
    assert [row[2] for row in rows] == block.sites.ids.tolist()
    for index, row in enumerate(rows):
        values = [
            float(block.alt_probabilities[index, column])
            for column in range(12)
            if not block.is_missing[index, column] and not (column % 2 and block.is_haploid[index, column // 2])
        ]
        f = sum(values) / len(values)
        assert float(row[5]) == pytest.approx(f, abs=1e-6)
        assert float(row[6]) == pytest.approx(min(f, 1 - f), abs=1e-6)
        r2 = sum((value - f) ** 2 for value in values) / len(values) / (f * (1 - f))
        assert float(row[7]) == pytest.approx(r2, abs=1e-5)
        kind = "TYPED_ONLY" if block.is_typed_only[index] else "TYPED" if block.is_typed[index] else "IMPUTED"
        assert row[8:] == ["NA", kind]
    assert {row[9] for row in rows} == {"IMPUTED", "TYPED", "TYPED_ONLY"}


def test_blocks_change_nothing(tmp_path: Path) -> None:
    block = random_block()
    assert write(tmp_path, *(block[row : row + 1] for row in range(30))) == write(tmp_path, block)


def test_what_is_undefined_is_na(tmp_path: Path) -> None:
    sites = Sites.build([5, 6], ["A", "C"], ["0", "G"], ids=["rs5", "rs6"])
    block = ImputedBlock(
        sites, np.array([[0, 0], [0.5, 0.5]], np.float32), np.array([True, True]), np.array([[False] * 2, [True] * 2])
    )
    first, second = write(tmp_path, block, chromosome=None)
    assert first == ["NA", "5", "rs5", "A", ".", "0", "0", "NA", "NA", "TYPED"]
    assert second == ["NA", "6", "rs6", "C", "G", "NA", "NA", "NA", "NA", "TYPED"]


def test_it_is_absent_with_the_genotypes(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        with_site_table(
            lambda group: GenWriter(tmp_path / "x", ["a"] * 6, group), tmp_path / "x.info.tsv.gz", "22"
        ) as writer,
    ):
        writer.write(random_block())
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
