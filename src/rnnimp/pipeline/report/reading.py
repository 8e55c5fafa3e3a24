"""Tables with a header line that other commands wrote, tab-separated, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.files import read_lines
from rnnimp.wording import shortened

UNDEFINED = "NA"


def read_columns(path: str | Path, expected: Sequence[str], command: str) -> dict[str, Sequence[str]]:
    """Read a table.

    Args:
        path: Path of the file.
        expected: Columns that must be there; there may be others.
        command: Command that writes such tables, for messages.

    Returns:
        The cells of each column, by its name.

    Raises:
        DataError: if the file cannot be read, lacks a column, or has a row of another length.
    """
    header, *lines = read_lines(path) or [""]
    names = header.split("\t")
    missing = [name for name in expected if name not in names]
    if missing:
        raise DataError(
            f"expected a table of '{command}' with the columns {' '.join(expected)}, found no {' '.join(missing)}; "
            "check that it is the right file",
            path,
        )
    rows = [line.split("\t") for line in lines]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            found = shortened(lines[number - 2])
            raise DataError(f"expected {len(names)} columns, found {len(row)}: '{found}'", path, number)
    return dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))


def numbers(columns: Mapping[str, Sequence[str]], name: str, path: str | Path) -> NDArray[np.float64]:
    """A column as numbers, float64 (n_rows,); NaN for `NA`.

    Raises:
        DataError: naming the first line with something else.
    """
    cells = columns[name]
    try:
        return np.array([np.nan if cell == UNDEFINED else cell for cell in cells], dtype=np.float64)
    except ValueError:
        row = next(index for index, cell in enumerate(cells) if not _is_number(cell))
        raise DataError(
            f"expected a number or {UNDEFINED} as {name}, found '{shortened(cells[row])}'", path, row + 2
        ) from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == UNDEFINED
    return True
