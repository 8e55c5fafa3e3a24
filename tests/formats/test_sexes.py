"""Tables of the samples' sex."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnimp.errors import DataError
from rnnimp.formats.sexes import read_sexes


@pytest.mark.parametrize(
    "text",
    [
        "a M\nb F\nc 0\n",
        "a\t1\nb\t2\nc\tNA\n",
        "sample pop super_pop gender\na GBR EUR male\nb GBR EUR female\nc GBR EUR unknown\n",
        "##made by hand\n#FID IID SEX PHENO\nf a 1 -9\nf b 2 -9\nf c 0 -9\n",
        "#IID SEX\na m\nb f\nc u\n\n",
        "f a 0 0 1 -9\nf b 0 0 2 -9\nf c 0 0 0 -9\n",
        "ID_1 ID_2 missing sex\n0 0 0 D\nx a 0 1\nx b 0 2\nx c 0 0\n",
    ],
)
def test_forms(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sex.txt"
    path.write_text(text)
    assert read_sexes(path) == {"a": True, "b": False, "c": None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected samples and their sex, found none"),
        ("a M 3\n", "sex.txt:1: expected a header with a column SEX, or lines 'sample sex', found 'a M 3'"),
        ("a M\nb x\n", "sex.txt:2: expected 1 or M, 2 or F, or 0 as sex, found 'x'"),
        ("a M\nb\n", "sex.txt:2: expected 2 columns, found 1"),
        ("a M\na F\n", "sex.txt:2: expected each sample once, found a again"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sex.txt"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_sexes(path)
    assert message in str(caught.value)
