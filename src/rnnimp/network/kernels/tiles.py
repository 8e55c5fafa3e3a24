"""Tiles of haplotypes for the CPU kernels: aligned arrays, padding, and threads that share the tiles."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from rnnimp.network.kernels.simd import LANES
from rnnimp.network.region_coding import Floats

_OPTIONS = {"error_model": "numpy", "nogil": True}
_CACHE_METHODS = ("load_overload", "save_overload")

logger = logging.getLogger(__name__)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function with Numba, and keep the machine code in Numba's cache folder where that works.

    A folder that is full, cannot be written or has damaged files costs time, never the result.
    """
    try:
        compiled = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError as error:  # Numba finds no folder that it may write
        logger.debug("%s: compiled without a cache: %s", function.__name__, error)
        return numba.njit(**_OPTIONS)(function)
    for name in _CACHE_METHODS:
        setattr(compiled._cache, name, _tolerant(getattr(compiled._cache, name)))
    return compiled


def _tolerant(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of the cache that finds or stores nothing where it would fail."""

    def call(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except (OSError, EOFError, pickle.PickleError, ValueError, AttributeError, ImportError) as error:
            logger.debug("the cache of compiled code cannot be used: %s", error)
            return None

    return call


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
    """Haplotypes in the kernels' layout, padded with 0: (n_haplotypes, n_markers) -> (n_tiles, n_markers * LANES)."""
    n_haplotypes, n_markers = alt.shape
    padded = np.zeros((padded_size(n_haplotypes), n_markers), np.float32)
    padded[:n_haplotypes] = alt
    by_tile = padded.reshape(-1, LANES, n_markers).transpose(0, 2, 1)
    return aligned(by_tile).reshape(-1, n_markers * LANES)


def deal(job: Callable[..., None], jobs: Sequence[tuple[Any, ...]], threads: int) -> None:
    """Run independent jobs, at most `threads` at once."""
    if threads == 1:
        for arguments in jobs:
            job(*arguments)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda arguments: job(*arguments), jobs))
