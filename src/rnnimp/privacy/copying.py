"""Kernels over states: how long a haplotype agrees with one of them, and how likely it is a mosaic of them.

The kernels need Numba, which is imported when the first one runs.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

EFFECTIVE_SIZE = 3e5
"""Ne of the Li & Stephens model that scores haplotypes, as in the recipe `accurate`: 4 Ne d / n_states switches over d
Morgan."""

ERROR = 1e-3
"""Least probability that an allele differs from the state that it is copied from."""

_SHORTEST_CM = 1e-7
_AT_ONCE = 64


def longest_matches(
    alleles: NDArray[np.int8], states: NDArray[np.int8], map_cm: NDArray[np.float64], threads: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The longest stretch of rows in which a haplotype has the same alleles as one of the states.

    Args:
        alleles: int8 (n_rows, n_haplotypes); a missing allele, -1, agrees with every state.
        states: Alleles of the states, int8 (n_rows, n_states); 0 or 1.
        map_cm: Genetic positions, float64 (n_rows,).
        threads: Threads to run on.

    Returns:
        The longest stretch in rows, int64 (n_haplotypes,); and the longest in centimorgans, float64 (n_haplotypes,),
        which may be another one.
    """
    rows, cm = np.zeros(alleles.shape[1], np.int64), np.zeros(alleles.shape[1])
    steps = np.diff(map_cm, prepend=map_cm[:1])
    columns, states = np.ascontiguousarray(alleles.T), np.ascontiguousarray(states)

    def run(part: slice) -> None:
        _longest_kernel()(columns[part], states, steps, rows[part], cm[part])

    _on_threads(run, len(columns), threads)
    return rows, cm


def mosaic_likelihood(
    alleles: NDArray[np.int8],
    alt: NDArray[np.float32],
    map_cm: NDArray[np.float64],
    own: NDArray[np.int64] | None = None,
    threads: int = 1,
) -> NDArray[np.float64]:
    """Log likelihood of haplotypes as mosaics of states, by the forward pass of the Li & Stephens model.

    The first state is any of them. A switch leads to any of them. So a stretch with some mismatches counts too.

    Args:
        alleles: All rows, int8 (n_rows, n_haplotypes); a missing allele, -1, counts nothing.
        alt: P(a1) that each state emits, float32 (n_rows, n_states); the least probability of an allele is `ERROR`.
        map_cm: Genetic positions, float64 (n_rows,).
        own: For each haplotype, the number i of the states 2i and 2i + 1 that it may not copy, int64 (n_haplotypes,);
            -1 for none. None for none at all.
        threads: Threads to run on.

    Returns:
        float64 (n_haplotypes,).
    """
    n_states = alt.shape[1]
    distance = np.maximum(np.diff(map_cm, prepend=map_cm[:1]), _SHORTEST_CM) / 100
    stay = np.exp(-4 * EFFECTIVE_SIZE * distance / n_states).astype(np.float32)
    stay[0] = 0
    result = np.zeros(alleles.shape[1])
    columns = np.ascontiguousarray(alleles.T)
    emission = np.ascontiguousarray(np.clip(alt, np.float32(ERROR), np.float32(1 - ERROR)))
    owners = np.full(len(columns), -1, np.int64) if own is None else own

    def run(part: slice) -> None:
        _forward_kernel()(columns[part], emission, stay, owners[part], result[part])

    _on_threads(run, len(columns), threads)
    return result


def _on_threads(run: Callable[[slice], None], n_haplotypes: int, threads: int) -> None:
    parts = [slice(start, start + _AT_ONCE) for start in range(0, n_haplotypes, _AT_ONCE)]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for _ in pool.map(run, parts):
            pass


@cache
def _longest_kernel() -> Any:
    import numba

    return numba.njit(nogil=True, error_model="numpy")(_longest)


@cache
def _forward_kernel() -> Any:
    import numba

    return numba.njit(nogil=True, error_model="numpy", fastmath=True)(_forward)


def _longest(columns: Any, states: Any, steps: Any, rows: Any, cm: Any) -> None:
    n_states = states.shape[1]
    run, best = np.empty(n_states, np.int32), np.empty(n_states, np.int32)
    length, longest = np.empty(n_states, np.float32), np.empty(n_states, np.float32)
    for haplotype in range(len(columns)):
        run[:], best[:] = 0, 0
        length[:], longest[:] = 0, 0
        for row in range(len(states)):
            allele, step = columns[haplotype, row], np.float32(steps[row])
            is_missing = allele < 0
            for state in range(n_states):
                is_same = np.int32(is_missing or states[row, state] == allele)
                is_longer = np.int32(is_same and run[state] > 0)
                length[state] = (length[state] + step) * np.float32(is_longer)
                run[state] = (run[state] + 1) * is_same
                best[state] = max(best[state], run[state])
                longest[state] = max(longest[state], length[state])
        rows[haplotype] = best.max()
        cm[haplotype] = longest.max()


def _forward(columns: Any, emission: Any, stay: Any, own: Any, result: Any) -> None:
    n_states = emission.shape[1]
    weights = np.empty(n_states, np.float32)
    one = np.float32(1)
    for haplotype in range(len(columns)):
        first = 2 * own[haplotype]
        is_own = first >= 0
        n_others = n_states - 2 if is_own else n_states
        weights[:] = 0
        total, likelihood = one, 0.0
        for row in range(len(emission)):
            allele = columns[haplotype, row]
            scale, entering = stay[row] / total, (one - stay[row]) / np.float32(n_others)
            total = np.float32(0)
            if allele < 0:
                for state in range(n_states):
                    weights[state] = weights[state] * scale + entering
                    total += weights[state]
            else:
                offset, slope = (np.float32(0), one) if allele == 1 else (one, -one)
                for state in range(n_states):
                    weight = (weights[state] * scale + entering) * (offset + slope * emission[row, state])
                    weights[state] = weight
                    total += weight
            if is_own:
                total -= weights[first] + weights[first + 1]
                weights[first], weights[first + 1] = 0, 0
            likelihood += np.log(total)
        result[haplotype] = likelihood
