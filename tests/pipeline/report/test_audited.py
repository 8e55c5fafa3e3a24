"""An audit's JSON file read back: the same values, or one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit_results import audit_results
from rnnimp.errors import DataError
from rnnimp.pipeline.audit.files import json_text
from rnnimp.pipeline.audit.page import page
from rnnimp.pipeline.report.audited import plain_to, read_audit


@pytest.mark.parametrize("has_hmm", [True, False])
def test_what_is_read_makes_the_same_page(tmp_path: Path, has_hmm: bool) -> None:
    results = audit_results(has_hmm)
    (tmp_path / "a.json").write_text(json_text(results))
    found = read_audit(tmp_path / "a.json")
    assert page(found) == page(results)
    assert found.as_dict() == results.as_dict()


def test_other_and_damaged_files_are_refused(tmp_path: Path) -> None:
    content = audit_results().as_dict()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({**content, "format": "x"}, "found another"),
        ({**content, "format_version": 9}, "update rnnimp"),
        ({name: value for name, value in content.items() if name != "chance"}, "chance"),
        ({**content, "more": 1}, "more"),
        ({**content, "best_attack": "none"}, "expected the fields"),
        ({**content, "scores": 7}, "expected the fields"),
        ({**content, "people": {**content["people"], "n": 1}}, "expected the fields"),
    ]
    for table, message in wrong:
        (tmp_path / "a.json").write_text(json.dumps(table))
        with pytest.raises(DataError, match=message):
            read_audit(tmp_path / "a.json")


def test_plain_values() -> None:
    assert plain_to(float | None, None) is None
    assert plain_to(tuple[int, float], [1, 2]) == (1, 2.0)
    value = plain_to(float, None)
    assert value != value
