"""Allele frequencies that do not give away allele counts.

A model is shared with people who may not have its panel. A frequency with many digits, times the number of haplotypes,
is an exact allele count, which shows a single person more or less. So the range from 0 to 1 is divided into intervals
that each contain at least `LEAST_COPIES` counts, and a frequency becomes the middle of its interval. The width is a
plain number: 0.1, 0.05, 0.02, 0.01, and so on. No middle is 0 or 1, and none is a border of the widths above.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import LEAST_COPIES

FEWEST_ALLELES = 50
"""Of fewer alleles no frequency is given: the intervals would be wider than 0.2, and say too little."""

_NUMBERS = np.multiply.outer(10 ** np.arange(12), (1, 2, 5)).ravel()
_TOLERANCE = 1e-9  # a frequency such as 29 / 100 is less than 29 hundredths in binary


def frequency_step(n_alleles: NDArray[np.integer[Any]] | int) -> NDArray[np.float64]:
    """The width of the intervals for this many alleles: the least of 1, 0.5, 0.2, 0.1, ... with 10 counts or more.

    Args:
        n_alleles: Alleles that are known, whole numbers of any shape.

    Returns:
        float64 of the same shape.

    >>> frequency_step(np.array([100, 4608, 5000, 200_000])).tolist()
    [0.1, 0.005, 0.002, 5e-05]
    """
    return np.asarray(1 / _number_of_steps(n_alleles))


def coarse_frequency(a1_freq: NDArray[np.float64], n_alleles: NDArray[np.integer[Any]] | int) -> NDArray[np.float64]:
    """Frequencies of which each value stands for `LEAST_COPIES` allele counts or more.

    Args:
        a1_freq: Frequency of a1, float64 (n_sites,), from 0 to 1; NaN where unknown.
        n_alleles: Alleles that each was counted in, whole numbers (n_sites,), or one for all.

    Returns:
        float64 (n_sites,), at most half a `frequency_step` from the exact frequency; NaN where that is unknown or was
        counted in fewer than `FEWEST_ALLELES`.

    >>> coarse_frequency(np.array([0, 1, 22, 23, 24, 4608]) / 4608, 4608).tolist()
    [0.0025, 0.0025, 0.0025, 0.0025, 0.0075, 0.9975]
    """
    n_steps = _number_of_steps(n_alleles)
    step = np.minimum(np.floor(a1_freq * n_steps + _TOLERANCE), n_steps - 1)
    middle: NDArray[np.float64] = np.where(np.asarray(n_alleles) < FEWEST_ALLELES, np.nan, (step + 0.5) / n_steps)
    return middle


def _number_of_steps(n_alleles: NDArray[np.integer[Any]] | int) -> NDArray[np.int64]:
    """The most of 1, 2, 5, 10, ... steps that leave 10 counts to each."""
    index = np.searchsorted(_NUMBERS, np.asarray(n_alleles) // LEAST_COPIES, side="right") - 1
    number: NDArray[np.int64] = _NUMBERS[np.maximum(index, 0)]
    return number
