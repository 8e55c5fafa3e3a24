"""`PREFIX.checks.json`: which of its fields a report needs, and what they have to be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnimp.formats.json_files import read_json
from rnnimp.formats.schema import NUMBER, TEXT, Field, table_problem, whole_number
from rnnimp.sites.interval import LAST_POSITION
from rnnimp.sites.target_checks import FREQUENCY_BINS

_COUNT = whole_number()
_POSITION = whole_number(0, LAST_POSITION)
_SHARE = Field("a number from 0 to 1", lambda value: NUMBER.is_right(value) and 0 <= value <= 1)
_COUNTS_IN_TEXT = re.compile(rf"\d{{1,9}}( \d{{1,9}}){{{FREQUENCY_BINS - 1}}}")


def _table(fields: Mapping[str, Field]) -> Field:
    return Field("a table", lambda value: table_problem(value, fields, is_open=True) is None)


def _list(rule: Field, most: int = 100_000) -> Field:
    return Field(
        f"a list, each of it {rule.expected}",
        lambda value: isinstance(value, list) and len(value) <= most and all(map(rule.is_right, value)),
    )


def _is_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) and _COUNT.is_right(n) for name, n in value.items())


_COUNTS = Field("a table of whole numbers", _is_counts)
_MARKERS = Field(
    "a table of whole numbers with observed_markers and missing_markers",
    lambda value: _is_counts(value) and {"observed_markers", "missing_markers"} <= value.keys(),
)
_REGION = _table(
    {
        **{"index": whole_number(1), "n_markers": _COUNT, "n_observed": _COUNT, "share": _SHARE},
        **{"first_position": _POSITION, "last_position": _POSITION},
        **{"first_imputed": _POSITION.optional(), "last_imputed": _POSITION.optional()},
    }
)
_WORST = _table({"id": TEXT, "position": _POSITION, "target": _SHARE, "model": _SHARE})
_CELLS = Field(
    f"{FREQUENCY_BINS} texts of {FREQUENCY_BINS} whole numbers",
    lambda value: (
        isinstance(value, list)
        and len(value) == FREQUENCY_BINS
        and all(isinstance(row, str) and _COUNTS_IN_TEXT.fullmatch(row) for row in value)
    ),
)
_FREQUENCIES = _table(
    {
        **{"n_compared": _COUNT, "mean_difference": _SHARE.or_null(), "worst": _list(_WORST)},
        "counts": _CELLS.optional(),
    }
)
_BIN = _table({"bin": TEXT, "n_sites": _COUNT, "mean_r2": _SHARE, "mean_er2": _SHARE})
_EMPIRICAL = _table({"n_sites": _COUNT, "mean": _SHARE.or_null(), "by_estimate": _list(_BIN).optional()})

_FIELDS: Mapping[str, Field] = {
    **{"counts": _MARKERS, "strand": _COUNTS, "regions": _list(_REGION), "frequencies": _FREQUENCIES},
    **{"warnings": _list(TEXT), "errors": _list(TEXT), "empirical_r2": _EMPIRICAL.optional()},
}


def read_checks(path: str | Path) -> dict[str, Any]:
    """Read the findings of the checks.

    Raises:
        DataError: if the file is damaged, or not what the rules say.
    """
    return read_json(path, "impute again", _FIELDS, is_open=True, allow_nan=False)
