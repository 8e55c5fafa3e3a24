"""Tables with a header line that other commands wrote, tab-separated, as columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.files import open_input, read_lines, whole_lines
from rnnimp.wording import shortened

UNDEFINED = "NA"
_MOST_DIGITS = 12


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


def read_rows(
    path: str | Path, expected: Sequence[str], command: str, counts: Sequence[str] = (), reals: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Read a small table as rows; see `read_columns`.

    Args:
        path: Path of the file.
        expected: Columns to read.
        command: Command that writes such tables, for messages.
        counts: Those of them that have whole numbers.
        reals: Those of them that have numbers from -1 to 1, or `NA`.
    """
    columns = read_columns(path, expected, command)
    for name in counts:
        _require(columns, name, path, _is_count, "a whole number")
    for name in reals:
        numbers(columns, name, path, -1, 1)
    return [dict(zip(expected, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def number(cell: str) -> float | None:
    """A cell as a number; None for `NA`.

    >>> number("0.5"), number("NA")
    (0.5, None)
    """
    return None if cell == UNDEFINED else float(cell)


def numbers(
    columns: Mapping[str, Sequence[str]], name: str, path: str | Path, low: float = 0, high: float = 1
) -> NDArray[np.float64]:
    """A column as numbers, float64 (n_rows,); NaN for `NA`.

    Args:
        columns: Cells by column.
        name: Name of the column.
        path: Path of the file, for messages.
        low: The least number that is right.
        high: The greatest.

    Raises:
        DataError: naming the first line with something else.
    """

    def is_right(cell: str) -> bool:
        try:
            return cell == UNDEFINED or low <= float(cell) <= high
        except ValueError:
            return False

    with suppress(ValueError):
        values = np.array([np.nan if cell == UNDEFINED else cell for cell in columns[name]], dtype=np.float64)
        if np.count_nonzero((values >= low) & (values <= high)) == len(values) - columns[name].count(UNDEFINED):
            return values
    _require(columns, name, path, is_right, f"a number from {low:g} to {high:g}, or {UNDEFINED},")
    raise AssertionError("a column is right whose cells are not")


def positions(columns: Mapping[str, Sequence[str]], path: str | Path) -> NDArray[np.int64]:
    """The column `position`, int64 (n_rows,).

    Raises:
        DataError: naming the first line without a position.
    """
    _require(columns, "position", path, _is_count, "a whole number")
    return np.array(columns["position"], dtype=np.int64)


def _is_count(cell: str) -> bool:
    return cell.isascii() and cell.isdigit() and len(cell) <= _MOST_DIGITS


def _require(
    columns: Mapping[str, Sequence[str]], name: str, path: str | Path, is_right: Callable[[str], bool], expected: str
) -> None:
    row = next((row for row, cell in enumerate(columns[name]) if not is_right(cell)), None)
    if row is not None:
        found = shortened(columns[name][row])
        raise DataError(f"expected {expected} as {name}, found '{found}'; is it the right file?", path, row + 2)
