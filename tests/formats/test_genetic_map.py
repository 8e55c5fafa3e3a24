"""Genetic maps in the usual formats, and files that are refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from helpers import shared_data
from rnnimp.errors import DataError
from rnnimp.formats.genetic_map import read_genetic_map

TABLES = {
    "shapeit": "pos\tchr\tcM\n100\t22\t0\n300\t22\t0.5\n",
    "hapmap": "Chromosome\tPosition(bp)\tRate(cM/Mb)\tMap(cM)\nchr22\t100\t2.5\t0\nchr22\t300\t0\t0.5\n",
    "plink": "22 . 0 100\n22 rs1 0.5 300\n",
    "eagle": "chr position COMBINED_rate(cM/Mb) Genetic_Map(cM)\n22 100 2.5 0\n22 300 0 0.5\n",
    "minimac": "#chr\tpos\tcM\n22\t100\t0\n22\t300\t0.5\n",
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_formats(tmp_path: Path, name: str, is_compressed: bool) -> None:
    path, text = tmp_path / "map", TABLES[name].encode()
    path.write_bytes(gzip.compress(text) if is_compressed else text)
    found = read_genetic_map(path)
    assert found.positions.tolist() == [100, 300]
    # 1 cM a million base pairs beyond the ends
    at = found.at(np.array([50, 100, 200, 300, 1300]))
    np.testing.assert_allclose(at, [-5e-5, 0, 0.25, 0.5, 0.501], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found nothing"),
        ("a b c\n1 2 3\n", "found 'a b c'"),
        ("pos chr cM\n100 22 0\n", "two positions or more, found 1"),
        ("pos chr cM\n100 22 0\n90 22 1\n", ":3: expected rising positions"),
        ("pos chr cM\n100 22 1\n200 22 0.5\n", ":3: expected rising positions"),
        (
            "pos chr cM\n100 22 0\n200 22 x\n",
            ":3: expected a position and centimorgans from 0 to 1000, found '200 22 x'",
        ),
        ("pos chr cM\n100 22 0\n200\n", "found '200'"),
        ("pos chr cM\n100 22 0\n200 22 nan\n", ":3: expected a position and centimorgans from 0 to 1000, found"),
        ("pos chr cM\n100 22 0\n200 22 inf\n", ":3: expected a position and centimorgans"),
        ("pos chr cM\n100 22 -3\n200 22 1\n", ":2: expected a position and centimorgans"),
        ("pos chr cM\n100 22 0\n200 22 1e6\n", ":3: expected a position and centimorgans"),
        ("pos chr cM\n-5 22 0\n200 22 1\n", ":2: expected a position and centimorgans"),
        ("pos chr cM\n1_0 22 0\n200 22 1\n", ":2: expected a position and centimorgans"),
        ("pos chr cM\n10 22 0\n99999999999 22 1\n", ":3: expected a position and centimorgans"),
        ("pos chr cM\n100 22 0\n200 22 1 7\n", ":3: expected a position and centimorgans"),
        ("pos chr cM\n100 21 0\n200 22 1\n", "expected one chromosome, found 21, 22"),
        ("pos chr cM\n1 22 0\n600000 22 0.006\n", "found 0.01; is the column in Morgans"),
        ("pos chr cM\n1 22 0\n600000 22 0\n", "found 0; is the column in Morgans, in base pairs, or empty?"),
        ("pos chr cM\n1 22 0\n600000 22 600\n", "found 1e+03; is the column in Morgans"),
        ("pos chr cM\n1 22 0\n9000000 22 1\n", "found 0.111; is the column in Morgans"),
        ("pos chr cM\n1 22 0\n40000000 22 0\n60000000 22 80\n", "none over 39,999,999 bp from position 1 on"),
        ("1 a 0 100\n1 b 0 900000\n", "or empty?"),
    ],
)
def test_what_is_no_map_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "map"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read_genetic_map(path)
    assert message in str(error.value)


def test_the_map_of_a_chromosome_is_read_from_a_file_of_several(tmp_path: Path) -> None:
    path = tmp_path / "map"
    path.write_text("pos chr cM\n100 21 0\n300 21 1\n100 chr22 0\n300 chr22 0.5\n")
    assert read_genetic_map(path, "22").map_cm.tolist() == [0, 0.5]
    with pytest.raises(DataError, match="expected a genetic map of chromosome 20, found one of 21, chr22"):
        read_genetic_map(path, "20")


@pytest.mark.parametrize(
    ("numbers", "doubt"),
    [
        ("1 0\n1000000 1\n2000000 2", None),
        ("1 0\n600000 0.05", "0.0833 cM per Mb"),
        ("1 0\n600000 30", "50 cM per Mb"),
        ("1 0\n500000 1\n3600000 1\n8000000 9", "does not rise over 3,100,000 bp from position 500000 on"),
    ],
)
def test_an_odd_map_is_read_and_doubted(tmp_path: Path, numbers: str, doubt: str | None) -> None:
    path = tmp_path / "map"
    path.write_text(f"pos cM\n{numbers}\n")
    doubts = read_genetic_map(path).doubts()
    assert len(doubts) == (doubt is not None)
    assert not doubt or doubt in doubts[0]


@pytest.mark.parametrize("name", ["chr20", "chr22"])
def test_real_maps_are_not_doubted(name: str) -> None:
    path = shared_data("maps") / f"{name}.b37.gmap.gz"
    assert read_genetic_map(path, name).doubts() == []


def test_a_short_map_that_does_not_rise_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flat.map").write_text("pos chr cM\n1000000 22 0\n1001000 22 0\n")
    with pytest.raises(DataError, match="expected centimorgans that rise"):
        read_genetic_map(tmp_path / "flat.map")
