"""Frequencies in tables of sites and legends of other programs."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from rnnimp.errors import DataError
from rnnimp.formats import frequency_table
from rnnimp.formats.frequency_table import frequency_blocks, frequency_column, header_of
from rnnimp.sites.panel import Sites

TABLES = {
    "site table": "chromosome\tposition\tid\ta0\ta1\tAF\tMAF\n22\t5\tx\tA\tG\t0.25\t0.25\n22\t9\ty\tC\tCT\tNA\tNA\n",
    "1000G legend": "id position a0 a1 TYPE AFR ALL\nx 5 A G Biallelic_SNP 0.1 0.25\ny 9 C CT Biallelic_INDEL 0 NA\n",
    "afreq": "#CHROM\tID\tPOS\tREF\tALT\tALT_FREQS\tOBS_CT\n22\tx\t5\ta\tg\t0.25\t9\n22\ty\t9\tC\tCT\tnan\t9\n",
}


def read(path: Path, column: str | None = None, chromosome: str | None = None) -> Sites:
    name = column or frequency_column(header_of(path))
    assert name is not None
    return Sites.concatenate(list(frequency_blocks(path, name, chromosome)))


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_several_programs(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "t.gz"
    path.write_bytes(gzip.compress(TABLES[kind].encode()))
    found = read(path)
    assert found.keys() == [(5, "A", "G"), (9, "C", "CT")]
    np.testing.assert_array_equal(found.a1_freq, [0.25, np.nan])


def test_a_column_may_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(TABLES["1000G legend"])
    np.testing.assert_array_equal(read(tmp_path / "t", "AFR").a1_freq, [0.1, 0])


def test_blocks_are_joined_and_lines_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frequency_table, "MAX_BLOCK_SITES", 2)
    rows = [f"22 {position} A G 0.{position}\n" for position in range(1, 8)]
    (tmp_path / "t").write_text("##made by hand\n#CHROM POS REF ALT AF\n" + "".join(rows))
    np.testing.assert_allclose(read(tmp_path / "t").a1_freq, np.arange(1, 8) / 10)
    (tmp_path / "t").write_text((tmp_path / "t").read_text().replace("0.7", "1.7"))
    with pytest.raises(DataError, match=r"t:9: expected a number from 0 to 1, or NA, as AF, found '1\.7'"):
        read(tmp_path / "t")


def test_one_of_several_chromosomes(tmp_path: Path) -> None:
    rows = "22 5 A G 0.1\n22 6 A G 0.2\nchr21 1 A G 0.3\n"
    (tmp_path / "t").write_text(f"CHROM POS REF ALT AF\n{rows}")
    with pytest.raises(DataError, match="t:4: expected one chromosome, found 22 and chr21; choose one"):
        read(tmp_path / "t")
    assert read(tmp_path / "t", chromosome="21").keys() == [(1, "A", "G")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id position a0 AF\nx 5 A 0.1\n", r"t:1: expected the columns a1 \(or ALT, alt\), found id, position, a0, AF"),
        ("", "expected the columns position"),
        ("POS REF ALT AF\n5 A G\n", "t:2: expected 4 columns as in the header, found 3"),
        ("POS REF ALT AF\n0 A G 0.1\n", "t:2: expected a position from 1"),
        ("POS REF ALT AF\n5 A G,T 0.1\n", "t:2: expected one allele of bases"),
        ("POS REF ALT XX\n5 A G 0.1\n", "expected the columns AF, which --frequency-column names"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t").write_text(text)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "t", "AF")
