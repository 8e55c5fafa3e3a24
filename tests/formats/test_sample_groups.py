"""Groups of samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnimp.errors import DataError
from rnnimp.formats.sample_groups import read_groups


def test_groups_are_read(tmp_path: Path) -> None:
    (tmp_path / "g.tsv").write_text("# who\tgroup\nNA1\tEUR\n\nNA 2\tEast Asia\nNA1\tEUR\n")
    assert read_groups(tmp_path / "g.tsv") == {"NA1": "EUR", "NA 2": "East Asia"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NA1 EUR\n", "g.tsv:1: expected a sample and its group with a tab between, found 'NA1 EUR'"),
        ("NA1\tGBR\tEUR\n", "g.tsv:1: expected a sample and its group with a tab between"),
        ("NA1\t\n", "g.tsv:1: expected a sample and its group"),
        ("NA1\tEUR\nNA1\tAFR\n", "g.tsv:2: expected one group per sample, found NA1 in EUR and AFR"),
        ("#\n", "expected samples and their groups, found none"),
    ],
)
def test_bad_groups(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "g.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_groups(tmp_path / "g.tsv")
