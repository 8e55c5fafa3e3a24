"""Numbers in files and options, read strictly: what is no number, not finite or out of range is refused there.

Python's own `int` and `float` take more than a file may hold: `1_000`, other scripts' digits, `nan` and `inf`.
"""

from __future__ import annotations

import math

LARGEST = 2**31 - 2
"""The largest position that VCF and its indexes can hold, and a bound of other counts."""

_MOST_DIGITS = 19
_DIGITS_AND_SIGNS = frozenset("0123456789+-.eE")


def whole_number(text: str, least: int = 0, most: int = LARGEST) -> int:
    """A whole number in a range, written with the digits 0 to 9 only.

    Raises:
        ValueError: for any other text.

    >>> whole_number("42"), whole_number("0042")
    (42, 42)
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and least <= int(text) <= most):
        raise ValueError(f"expected a whole number from {least} to {most}, found '{text[:40]}'")
    return int(text)


def real_number(text: str, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number in a range.

    Raises:
        ValueError: for any other text, `nan` and `inf` among it.

    >>> real_number("2.5e-3")
    0.0025
    """
    value = float(text) if text and _DIGITS_AND_SIGNS.issuperset(text) else math.nan
    if not (math.isfinite(value) and least <= value <= most):
        raise ValueError(f"expected a number from {least:g} to {most:g}, found '{text[:40]}'")
    return value
