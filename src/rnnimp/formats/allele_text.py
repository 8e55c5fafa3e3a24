"""Alleles as text, `0`, `1` and marks for missing ones between white space, to numbers: by numpy, without a loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.sites.ploidy import ABSENT

_SPACE, _TAB, _NEWLINE, _RETURN = b" \t\n\r"
_LAST_ASCII = 0x7E


def parse_alleles(
    text: bytes, n_columns: int, path: str | Path | None = None, first_line: int = 1, keep_absent: bool = False
) -> NDArray[np.int8]:
    """Alleles of whole lines of text.

    In nearly all files, lines have single characters between single spaces. These are cut out of the bytes directly.
    Other white space and longer tokens are slower to read, also without a loop.

    Returns:
        int8 (n_lines, n_columns); 0, 1, or -1 for any other token; `ABSENT` for `-` if that is kept apart.

    Raises:
        DataError: where a line has another number of tokens than `n_columns`, a number other than 0 and 1, or a token
            that begins with characters that are not ASCII.

    >>> parse_alleles(b"0 1\\n? 0\\n", 2).tolist()
    [[0, 1], [-1, 0]]
    """
    data = np.frombuffer(text, dtype=np.uint8)
    if n_columns and data.size % (2 * n_columns) == 0:
        grid = data.reshape(-1, 2 * n_columns)
        tokens = grid[:, ::2]
        regular = (grid[:, 1:-1:2] == _SPACE).all() and (grid[:, -1] == _NEWLINE).all() and (tokens > _SPACE).all()
        if regular:
            return _codes(tokens, np.uint8(_SPACE), path, first_line, keep_absent)
    return _parse_any_spacing(data, n_columns, path, first_line, keep_absent)


def _codes(
    starts: NDArray[np.uint8],
    nexts: NDArray[np.uint8] | np.uint8,
    path: str | Path | None,
    first_line: int,
    keep_absent: bool,
) -> NDArray[np.int8]:
    """Alleles from the first characters of tokens and those next to them, white space unless the token goes on."""
    codes = np.subtract(starts, ord("0"), dtype=np.uint8).view(np.int8)
    unknown = (codes < 0) | (codes > 1) | (nexts > _SPACE)
    if unknown.any():
        # a digit alone, or two; unlike the 0* by which unphased alleles are marked
        goes_on_otherwise = (nexts > _SPACE) & ((nexts < ord("0")) | (nexts > ord("9")))
        is_number = unknown & (codes >= 0) & (codes <= 9) & ~goes_on_otherwise
        if is_number.any():
            row = int(np.argmax(is_number.any(axis=1)))
            raise DataError(
                "expected alleles 0 and 1, or ? for missing, found another number; code a0 as 0 and a1 as 1",
                path,
                first_line + row,
            )
        is_garbled = unknown & ((starts > _LAST_ASCII) | (nexts > _LAST_ASCII))
        if is_garbled.any():
            row = int(np.argmax(is_garbled.any(axis=1)))
            raise DataError(
                "expected alleles 0 and 1, or ? for missing, found something else; the file may be damaged",
                path,
                first_line + row,
            )
        codes[unknown] = -1
        if keep_absent:
            codes[(starts == ord("-")) & (nexts <= _SPACE)] = ABSENT
    return codes


def _parse_any_spacing(
    data: NDArray[np.uint8], n_columns: int, path: str | Path | None, first_line: int, keep_absent: bool
) -> NDArray[np.int8]:
    is_space = (data == _SPACE) | (data == _TAB) | (data == _NEWLINE) | (data == _RETURN)
    if ((data < _SPACE) & ~is_space).any():
        raise DataError("expected alleles as text, found binary data; check that it is the right file", path)
    starts = ~is_space
    starts[1:] &= is_space[:-1]
    positions = np.flatnonzero(starts)
    line_ends = np.flatnonzero(data == _NEWLINE)
    counts = np.diff(np.searchsorted(positions, line_ends), prepend=0)
    ragged = np.flatnonzero(counts != n_columns)
    if ragged.size:
        row = int(ragged[0])
        raise DataError(
            f"expected {n_columns} alleles as in the first line, found {counts[row]}; the file is ragged or truncated",
            path,
            first_line + row,
        )
    grid = positions.reshape(len(line_ends), n_columns)
    return _codes(data[grid], data[grid + 1], path, first_line, keep_absent)
