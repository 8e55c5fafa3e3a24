"""Genetic maps in the usual formats, and files that are refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from rnnimp.errors import DataError
from rnnimp.formats.genetic_map import read_genetic_map

TABLES = {
    "shapeit": "pos\tchr\tcM\n100\t22\t0\n300\t22\t0.5\n",
    "hapmap": "Chromosome\tPosition(bp)\tRate(cM/Mb)\tMap(cM)\nchr22\t100\t2.5\t0\nchr22\t300\t0\t0.5\n",
    "plink": "22 . 0 100\n22 rs1 0.5 300\n",
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
        ("pos chr cM\n100 22 0\n200 22 x\n", ":3: expected a position and centimorgans, found '200 22 x'"),
        ("pos chr cM\n100 22 0\n200\n", "found '200'"),
    ],
)
def test_what_is_no_map_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "map"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read_genetic_map(path)
    assert message in str(error.value)
