"""Numbers to text by the matrix: every value becomes a row of bytes out of a table, padded by NULs that are dropped
at the end. No Python runs a value.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ROW_BYTES = 1 << 24
"""About how many padded bytes writers render at a time."""


def decimals(values: NDArray[np.floating], n_decimals: int, maximum: int) -> NDArray[np.uint8]:
    """Values as their shortest decimal text: `0`, `0.5`, `1`.

    Args:
        values: any shape, in [0, maximum]; a value a little outside, as sums of floats give, is clipped.
        n_decimals: digits behind the point that are kept at most.
        maximum: the largest value.

    Returns:
        uint8 (..., n_decimals + 2), characters padded by NULs.

    >>> decimals(np.array([0.25, 1, 0.3333]), 3, 1).tobytes().replace(bytes(1), b"_")
    b'0.25_1____0.333'
    """
    table = _table(n_decimals, maximum)
    index = np.rint(np.asarray(values, dtype=np.float64) * 10**n_decimals).astype(np.int64)
    texts: NDArray[np.uint8] = np.take(table, np.clip(index, 0, len(table) - 1), axis=0)
    return texts


@lru_cache
def _table(n_decimals: int, maximum: int) -> NDArray[np.uint8]:
    """The texts of 0 to the maximum in steps of the last digit."""
    numbers = np.arange(maximum * 10**n_decimals + 1, dtype=np.int32)
    table = np.empty((len(numbers), n_decimals + 2), dtype=np.uint8)
    table[:, 0] = ord("0") + numbers // 10**n_decimals
    table[:, 1] = ord(".")
    for place in range(n_decimals):
        table[:, 2 + place] = ord("0") + numbers // 10 ** (n_decimals - 1 - place) % 10
    is_trailing = np.ones(len(numbers), dtype=bool)
    for column in range(n_decimals + 1, 1, -1):
        is_trailing &= table[:, column] == ord("0")
        table[is_trailing, column] = 0
    table[is_trailing, 1] = 0
    return table


def packed_rows(padded: NDArray[np.uint8]) -> list[bytes]:
    """Each row's bytes without the NULs.

    Args:
        padded: uint8 (n_rows, ...).
    """
    rows = padded.reshape(len(padded), -1)
    is_kept = rows != 0
    text = rows[is_kept].tobytes()
    ends = np.cumsum(np.count_nonzero(is_kept, axis=1)).tolist()
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
