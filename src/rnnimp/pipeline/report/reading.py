"""Tables with a header line that other commands wrote, tab-separated, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.files import open_input, read_lines, whole_lines
from rnnimp.wording import shortened

UNDEFINED = "NA"


def has_column(path: str | Path, name: str) -> bool:
    """Whether a table's header has a column.

    Raises:
        DataError: if the file cannot be read.
    """
    with open_input(path) as file:
        header = next(whole_lines(file, path), b"")
    return name in header.decode(errors="replace").rstrip("\r\n").split("\t")


def read_columns(path: str | Path, expected: Sequence[str], command: str) -> dict[str, Sequence[str]]:
    """Read some columns of a table.

    Args:
        path: Path of the file.
        expected: Columns to read; there may be others.
        command: Command that writes such tables, for messages.

    Returns:
        The cells of each of these columns, by its name.

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
    places = [names.index(name) for name in expected]
    columns: list[list[str]] = [[] for _ in places]
    for number, line in enumerate(lines, start=2):
        row = line.split("\t")
        if len(row) != len(names):
            raise DataError(f"expected {len(names)} columns, found {len(row)}: '{shortened(line)}'", path, number)
        for column, place in zip(columns, places, strict=True):
            column.append(row[place])
    return dict(zip(expected, columns, strict=True))


def read_rows(path: str | Path, expected: Sequence[str], command: str) -> list[dict[str, str]]:
    """Read a small table as rows; see `read_columns`."""
    columns = read_columns(path, expected, command)
    return [dict(zip(expected, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def number(cell: str) -> float | None:
    """A cell as a number; None for `NA`.

    >>> number("0.5"), number("NA")
    (0.5, None)
    """
    return None if cell == UNDEFINED else float(cell)


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
