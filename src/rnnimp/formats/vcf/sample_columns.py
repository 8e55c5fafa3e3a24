"""Finds values in the samples' columns of a VCF line, and reads short decimal numbers there, by numpy.

In nearly every line the samples have the same colons and commas in the same order. Then all values are in one table,
one row per sample. Other lines are searched.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_TAB, _COLON, _COMMA = b"\t:,"
_IS_SEPARATOR = np.zeros(256, np.bool_)
_IS_SEPARATOR[[_TAB, _COLON, _COMMA]] = True
_WIDTH = 8  # of numbers that are read at once: bytes of a word

Places = NDArray[np.intp]


class SampleColumns:
    """The samples' columns of a line.

    Args:
        text: The columns from the first sample to the last.
        n_fields: Number of values that FORMAT names.
    """

    def __init__(self, text: bytes, n_fields: int) -> None:
        self._data = np.frombuffer(text + b"\t" * _WIDTH, np.uint8)  # so that a word follows each place
        self._size = len(text)
        self._n_fields = n_fields
        self._places = np.flatnonzero(_IS_SEPARATOR[self._data[: self._size + 1]])
        self._kinds = self._data[self._places]  # of separators
        self._ends = self._places[self._kinds == _TAB]  # of samples

    @cached_property
    def _table(self) -> tuple[Places, Places, list[int]] | None:
        """Where all numbers begin and end, (n_samples, n_numbers), and what follows them; None where samples differ."""
        n_samples = len(self._ends)
        if len(self._places) % n_samples:
            return None
        kinds = self._kinds.reshape(n_samples, -1)
        if not (kinds == kinds[0]).all() or (kinds[0, :-1] == _TAB).any():
            return None
        starts = np.concatenate([[0], self._places[:-1] + 1])
        return starts.reshape(kinds.shape), self._places.reshape(kinds.shape), kinds[0].tolist()

    @cached_property
    def _colons(self) -> tuple[Places, Places, Places]:
        """Places of all colons, the number of the first one of each sample, and how many it has."""
        places = self._places[self._kinds == _COLON]
        firsts = np.searchsorted(places, self._starts)
        counts = np.searchsorted(places, self._ends) - firsts
        return np.append(places, np.full(self._n_fields + 1, self._size)), firsts, counts

    @property
    def _starts(self) -> Places:
        return np.concatenate([[0], self._ends[:-1] + 1])

    @property
    def n_values(self) -> Places:
        """How many values each sample has."""
        if self._table is not None:
            return np.full(len(self._ends), self._table[2].count(_COLON) + 1)
        return self._colons[2] + 1

    def extents(self, field: int) -> tuple[Places, Places]:
        """Where the values of a field begin and end; both 0 where they are left out at the end of a column."""
        if self._table is not None and field <= self._table[2].count(_COLON):
            first, behind = _columns_of(field, self._table[2])
            return self._table[0][:, first], self._table[1][:, behind - 1]
        colons, firsts, counts = self._colons
        begin = self._starts if field == 0 else colons[firsts + field - 1] + 1
        stop = np.where(counts > field, colons[firsts + field], self._ends)
        is_absent = counts < field
        return np.where(is_absent, 0, begin), np.where(is_absent, 0, stop)

    def numbers(self, field: int) -> tuple[Places, Places, Places]:
        """Where the numbers of a field begin and end, one after the other, and how many each sample has."""
        if self._table is not None and field <= self._table[2].count(_COLON):
            first, behind = _columns_of(field, self._table[2])
            starts, ends = (places[:, first:behind].reshape(-1) for places in self._table[:2])
            return starts, ends, np.full(len(self._ends), behind - first)
        starts, ends = self.extents(field)
        commas = self._places[self._kinds == _COMMA]
        firsts, lasts = np.searchsorted(commas, starts).tolist(), np.searchsorted(commas, ends).tolist()
        edges = [
            [start - 1, *commas[first:last].tolist(), end]
            for start, end, first, last in zip(starts.tolist(), ends.tolist(), firsts, lasts, strict=True)
        ]
        begins = [edge + 1 for row in edges for edge in row[:-1]]
        counts = [len(row) - 1 for row in edges]
        return (
            np.array(begins, np.intp),
            np.array([edge for row in edges for edge in row[1:]], np.intp),
            np.array(counts),
        )

    def short_decimals(self, starts: Places, ends: Places) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Read numbers like `0`, `0.5` and `1.9999`. The second array is False for others.

        >>> columns = SampleColumns(b"0.25,1,1e3", 1)
        >>> values, is_read = columns.short_decimals(np.array([0, 5, 7]), np.array([4, 6, 10]))
        >>> values[is_read].tolist(), is_read.tolist()
        ([0.25, 1.0], [True, True, False])
        """
        widths = ends - starts
        words = np.ndarray((self._size + 1,), "<u8", self._data, strides=(1,))[starts]
        kept = np.minimum(widths, _WIDTH)
        # every number becomes one of eight characters, 0.500000 of 0.5 and 1.000000 of 1; then one of digits alone
        digits = ((words & _KEPT[kept]) | _FILLED[kept]) ^ _ZERO
        is_read = ((digits + _TO_HIGH_BIT) | digits) & _HIGH_BITS == 0
        is_read &= (widths - 1).view(np.uintp) < _WIDTH
        return digits.view(np.uint8).reshape(-1, _WIDTH).astype(np.float64) @ _PLACES / 10 ** (_WIDTH - 2), is_read


_ZERO = np.frombuffer(b"0.000000", "<u8")[0]
_HIGH_BITS = np.frombuffer(b"\x80" * _WIDTH, "<u8")[0]
_TO_HIGH_BIT = np.frombuffer(b"\x76\x7f" + b"\x76" * 6, "<u8")[0]  # reaches it from 10 on; in the point's place from 1
_PLACES = np.array([10.0 ** (_WIDTH - 2), 0, *(10.0**power for power in range(_WIDTH - 3, -1, -1))])
_KEPT = np.array([(1 << 8 * width) - 1 for width in range(_WIDTH + 1)], np.uint64)
_FILLED = np.array(
    [int.from_bytes(bytes(width) + b"0.000000"[width:], "little") for width in range(_WIDTH + 1)], np.uint64
)


def _columns_of(field: int, kinds: list[int]) -> tuple[int, int]:
    """Number of a field's first value, and the number behind its last, in a sample with these separators.

    >>> [_columns_of(field, list(b":,,:\\t")) for field in range(3)]
    [(0, 1), (1, 4), (4, 5)]
    """
    behind = [number for number, kind in enumerate(kinds, start=1) if kind != _COMMA]
    return (behind[field - 1] if field else 0), behind[field]
