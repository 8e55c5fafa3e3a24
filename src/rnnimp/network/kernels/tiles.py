"""Tiles of haplotypes for the CPU kernels: aligned arrays, padding, and threads that share the tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from rnnimp.network.kernels.simd import (
    LANES,
)
from rnnimp.network.region_coding import Floats

kernel = numba.njit(error_model="numpy", nogil=True, cache=True)


CACHE_LINE = 16  # float32


def aligned_empty(size: int) -> Floats:
    """A flat float32 array that begins at a cache line."""
    array = np.empty(size + CACHE_LINE, np.float32)
    first = -(array.ctypes.data // array.itemsize) % CACHE_LINE
    return array[first : first + size]


def aligned(array: NDArray[Any]) -> Floats:
    """A flat float32 copy that begins at a cache line."""
    flat = aligned_empty(array.size)
    flat[:] = np.ravel(array)
    return flat


def padded_size(n_haplotypes: int) -> int:
    """Haplotypes rounded up to whole tiles."""
    return -(-n_haplotypes // LANES) * LANES


def tiles(alt: Floats) -> Floats:
    """Haplotypes as the kernels read them, (n_haplotypes, n_markers) -> (n_tiles, n_markers * LANES), and 0."""
    n_haplotypes, n_markers = alt.shape
    padded = np.zeros((padded_size(n_haplotypes), n_markers), np.float32)
    padded[:n_haplotypes] = alt
    by_tile = padded.reshape(-1, LANES, n_markers).transpose(0, 2, 1)
    return aligned(by_tile).reshape(-1, n_markers * LANES)


def deal(job: Callable[..., None], jobs: Sequence[tuple[Any, ...]], threads: int) -> None:
    """Do jobs that do not depend on each other, as many at once as there are threads."""
    if threads == 1:
        for arguments in jobs:
            job(*arguments)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda arguments: job(*arguments), jobs))
