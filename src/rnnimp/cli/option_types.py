"""Numbers in options, read strictly: not finite, or larger than any use, is refused with exit code 2.

The lower bounds are checked where the settings are built, since programs set those too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from rnnimp.numbers import LARGEST, real_number, whole_number
from rnnimp.wording import shortened

LARGEST_REAL = 1e9
"""Of numbers whose range is checked where the settings are built."""

MOST_THREADS = 1024
MOST_REPLICATES = 100_000
MOST_TASKS = 1_000_000
MOST_SECONDS = 31_536_000
"""A year."""


def whole(most: int = LARGEST) -> Callable[[str], int]:
    """The type of an option that is a whole number up to `most`, and not below `-most`.

    >>> whole()("12"), whole()("-1")
    (12, -1)
    """

    def parse(text: str) -> int:
        digits = text.removeprefix("-")
        try:
            return whole_number(digits, 0, most) * (1 if digits == text else -1)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at most {most}, found '{shortened(text)}'"
            ) from None

    return parse


def real(most: float) -> Callable[[str], float]:
    """The type of an option that is a finite number up to `most`, and not below `-most`.

    >>> real(1)("0.5")
    0.5
    """

    def parse(text: str) -> float:
        try:
            return real_number(text, -most, most)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"expected a number of at most {most:g}, found '{shortened(text)}'"
            ) from None

    return parse
