"""Tables that other commands wrote, right and wrong ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnimp.errors import DataError
from rnnimp.pipeline.report.reading import has_column, numbers, read_columns, read_rows


def test_columns_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("name\tr2\tmore\na\t0.5\t1\nb\tNA\t2\n")
    columns = read_columns(path, ("name", "r2"), "rnnimp x")
    assert set(columns) == {"name", "r2"}
    assert columns["name"] == ["a", "b"]
    assert read_rows(path, ("r2", "more"), "rnnimp x") == [{"r2": "0.5", "more": "1"}, {"r2": "NA", "more": "2"}]
    assert has_column(path, "more")
    assert not has_column(path, "mor")
    values = numbers(columns, "r2", path)
    assert values[0] == 0.5
    assert np.isnan(values[1])


def test_a_table_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("name\tr2\n")
    assert numbers(read_columns(path, ("name", "r2"), "rnnimp x"), "r2", path).tolist() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\n", "the columns name r2, found no r2"),
        ("", "found no name r2"),
        ("name\tr2\na\t1\nb\n", ":3: expected 2 columns, found 1: 'b'"),
        ("name\tr2\na\tNA\nb\thigh\n", ":3: expected a number from 0 to 1, or NA, as r2, found 'high'"),
        ("name\tr2\na\tnan\n", ":2: expected a number from 0 to 1, or NA, as r2, found 'nan'"),
        ("name\tr2\na\t1.5\n", "found '1.5'"),
        ("name\tr2\na\tinf\n", "found 'inf'"),
    ],
)
def test_wrong_tables(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        numbers(read_columns(path, ("name", "r2"), "rnnimp x"), "r2", path)
    assert message in str(caught.value).replace("line ", "")
