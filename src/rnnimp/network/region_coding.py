"""How a region's sites and alleles are coded for networks: gaps between markers, bytes of training targets.

Needs numpy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


CERTAIN = 200
"""The byte of a training target that says P(a1) = 1; half of it, 0.5, stands for a missing allele."""


def gaps_of_sites(is_marker: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of markers before each imputed site, which names the gap that it lies in.

    Args:
        is_marker: bool (n_rows,), the region's rows in order.

    Returns:
        int64 (n_imputed,), from 0 (before the first marker) to n_markers (after the last).

    >>> gaps_of_sites(np.array([False, True, False, False, True])).tolist()
    [0, 1, 1]
    """
    return np.cumsum(is_marker, dtype=np.int64)[~is_marker]
