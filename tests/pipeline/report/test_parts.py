"""Tables of plain values."""

from __future__ import annotations

from rnnimp.pipeline.report.parts import Table


def test_tables() -> None:
    table = Table.of(("name", "r2", "n"), [["a", 0.123456, 3], ["b", float("nan"), None]])
    assert table.rows == (("a", 0.123456, 3), ("b", None, None))
    assert table.texts(2) == [["a", "0.12", "3"], ["b", "NA", "NA"]]
    assert table.records()[0] == {"name": "a", "r2": 0.123456, "n": 3}
