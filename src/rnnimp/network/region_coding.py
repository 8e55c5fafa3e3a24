"""Codes of a region's sites and alleles: gaps between markers, bytes of training targets.

Needs numpy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


CERTAIN = 200
"""The byte of a training target for P(a1) = 1. Half of it, for P(a1) = 0.5, is a missing allele."""


def gaps_of_sites(is_marker: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of the gap between markers that contains each imputed site: the count of markers before the site.

    Args:
        is_marker: The region's rows in order, bool (n_rows,).

    Returns:
        int64 (n_imputed,), from 0 (before the first marker) to n_markers (after the last).

    >>> gaps_of_sites(np.array([False, True, False, False, True])).tolist()
    [0, 1, 1]
    """
    return np.cumsum(is_marker, dtype=np.int64)[~is_marker]
