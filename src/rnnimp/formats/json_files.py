"""Small JSON files: tables of values that one run writes and a later one reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rnnimp.errors import DataError
from rnnimp.formats.files import atomic_output, open_input


def read_json(path: str | Path, remedy: str) -> dict[str, Any]:
    """Read a table of values.

    Args:
        path: of the file.
        remedy: what the user can do if it is damaged, for the message.

    Raises:
        DataError: if it cannot be read, or is no table of values in JSON.
    """
    with open_input(path) as file:
        try:
            content = json.load(file)
        except ValueError as error:
            raise DataError(f"expected JSON ({error}); {remedy}", path) from error
    if not isinstance(content, dict):
        raise DataError(f"expected a table of values in JSON, found another kind; {remedy}", path)
    return content


def write_json(path: str | Path, content: dict[str, Any], *, sort_keys: bool = True, allow_nan: bool = True) -> None:
    """Write a table of values, indented; by default sorted by name.

    Args:
        path: of the file.
        content: plain values by name.
        sort_keys: whether to sort the names, at every level.
        allow_nan: whether numbers that are NaN are written, as `NaN`, which JSON itself does not know.

    Raises:
        ValueError: for NaN where that is not allowed.
    """
    text = json.dumps(content, indent=2, sort_keys=sort_keys, allow_nan=allow_nan)
    with atomic_output(path) as file:
        file.write(f"{text}\n".encode())
