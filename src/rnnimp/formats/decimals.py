"""Numbers to text by the matrix: every value becomes a row of bytes out of a table, padded by NULs that are dropped
at the end. No Python runs a value.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ROW_BYTES = 1 << 21
"""About how many padded bytes writers render at a time."""


def decimals(values: NDArray[np.floating], n_decimals: int, maximum: int) -> NDArray[np.uint8]:
    """Values as their shortest decimal text: `0`, `0.5`, `1`.

    Args:
        values: Values of any shape, in [0, maximum]. Rounding of sums may leave one a little outside; it is clipped.
        n_decimals: Largest number of digits behind the point.
        maximum: The largest value.

    Returns:
        uint8 (..., n_decimals + 2), characters padded by NULs.

    >>> decimals(np.array([0.25, 1, 0.3333]), 3, 1).tobytes().replace(bytes(1), b"_")
    b'0.25_1____0.333'
    """
    texts = np.empty((*values.shape, n_decimals + 2), dtype=np.uint8)
    put_decimals(texts, values, n_decimals, maximum)
    return texts


def put_decimals(texts: NDArray[np.uint8], values: NDArray[np.floating], n_decimals: int, maximum: int) -> None:
    """The same into a part of a larger array.

    Args:
        texts: Array to write into, uint8 (..., n_decimals + 2).
        values: As in `decimals`.
        n_decimals: As in `decimals`.
        maximum: As in `decimals`.
    """
    table = _table(n_decimals, maximum)
    index = np.rint(values * values.dtype.type(10**n_decimals)).astype(np.int32)
    # whole texts are copied, not bytes
    texts.view(table.dtype)[..., 0] = np.take(table, np.clip(index, 0, len(table) - 1, out=index))


@lru_cache
def _table(n_decimals: int, maximum: int) -> NDArray[np.void]:
    """The texts of 0 to the maximum in steps of the last digit, each an element of its bytes."""
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
    return table.view(np.dtype((np.void, table.shape[1])))[:, 0]


def packed_rows(padded: NDArray[np.uint8]) -> list[bytes]:
    """Each row's bytes without the NULs.

    Args:
        padded: uint8 (n_rows, ...).
    """
    return [row.tobytes().translate(None, b"\0") for row in padded.reshape(len(padded), -1)]
