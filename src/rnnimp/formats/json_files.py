"""Small JSON files: tables of values that one run writes and a later one reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnimp.errors import DataError
from rnnimp.formats.files import atomic_output, read_unpacked, require_regular
from rnnimp.formats.schema import Field, parse_json, table_problem
from rnnimp.wording import shortened

LARGEST_JSON = 1 << 24
"""Bytes."""


def read_json(
    path: str | Path,
    remedy: str,
    fields: Mapping[str, Field] | None = None,
    is_open: bool = False,
    allow_nan: bool = True,
) -> dict[str, Any]:
    """Read a table of values.

    Args:
        path: Path of the file, which must be a regular one.
        remedy: Advice for the user if the file is damaged, for the message.
        fields: For each name, the rule of its value; None checks no value.
        is_open: Whether there may be other names too.
        allow_nan: Whether a number may be `NaN`, which JSON itself does not know.

    Raises:
        DataError: if it cannot be read, is too large, is no table of values in JSON, or breaks a rule.
    """
    require_regular(path)
    try:
        content = parse_json(read_unpacked(path, LARGEST_JSON), allow_nan)
    except ValueError as error:
        raise DataError(f"expected JSON ({shortened(str(error))}); {remedy}", path) from error
    problem = table_problem(content, fields or {}, is_open or fields is None)
    if problem is not None:
        raise DataError(f"{problem}; {remedy}", path)
    table: dict[str, Any] = content
    return table


def write_json(path: str | Path, content: dict[str, Any], *, sort_keys: bool = True, allow_nan: bool = True) -> None:
    """Write a table of values, indented; by default sorted by name.

    Args:
        path: Path of the file.
        content: Plain values by name.
        sort_keys: Whether to sort the names, at every level.
        allow_nan: Whether numbers that are NaN are written, as `NaN`, which JSON itself does not know.

    Raises:
        ValueError: for NaN where that is not allowed.
    """
    with atomic_output(path) as file:
        file.write(json_bytes(content, sort_keys=sort_keys, allow_nan=allow_nan))


def json_bytes(content: dict[str, Any], *, sort_keys: bool = True, allow_nan: bool = True) -> bytes:
    """The content of the file that `write_json` writes."""
    return f"{json.dumps(content, indent=2, sort_keys=sort_keys, allow_nan=allow_nan)}\n".encode()
