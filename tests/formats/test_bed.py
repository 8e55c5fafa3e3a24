"""Regions in BED files."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import shared_data
from rnnimp.errors import DataError
from rnnimp.formats.bed import BedRegion, read_bed
from rnnimp.formats.partition import read_partition


def test_regions_of_a_chromosome(tmp_path: Path) -> None:
    text = "track name=x\nchr start stop\n# comment\nchr22\t0\t10\tgene\n22 5 20\n\nchr21\t1\t2\n"
    (tmp_path / "r.bed").write_text(text)
    assert read_bed(tmp_path / "r.bed", "22") == [BedRegion("gene", 1, 10), BedRegion("22:6-20", 6, 20)]
    assert read_bed(tmp_path / "r.bed", "21") == [BedRegion("chr21:2-2", 2, 2)]
    with pytest.raises(DataError, match="expected regions of one chromosome, found those of 22, 21"):
        read_bed(tmp_path / "r.bed", None)
    with pytest.raises(DataError, match="expected regions of chromosome 20, found those of 22, 21"):
        read_bed(tmp_path / "r.bed", "20")


def test_the_partition_of_a_panel_is_read() -> None:
    path = shared_data("fourier_ls-all.bed")
    assert [region.stop for region in read_bed(path, "22")] == read_partition(path, "22")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("22 5", "r.bed:1: expected 'chromosome start end', found '22 5'"),
        ("22 5 x", "r.bed:1: expected 'chromosome start end'"),
        ("22 5 5", "r.bed:1: expected a start below the end, found 5 and 5"),
        ("", "found those of none"),
    ],
)
def test_bad_regions(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "r.bed").write_text(f"{line}\n")
    with pytest.raises(DataError, match=message):
        read_bed(tmp_path / "r.bed", "22")
