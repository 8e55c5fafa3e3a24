"""GRU stacks on the CPU with 16-bit products, forward only. `kernels.py` has the same in float32.

The tile, the order of the loops and the four rows of gates are those of `kernels.py`. Two units are computed side by
side, and their states make one pair. A unit's own update reads its state in float32. The products read it as a 16-bit
integer, `state * state_scale`. Their sums are exact, in 32 bits. Each row of weights has a scale of its own.
`integer_stacks.py` chooses the scales. Rows r and z are stored halved, since `sigmoid(2 x) = (1 + tanh(x)) / 2`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnimp.network.kernels.gates import quick_tanh
from rnnimp.network.kernels.integers import (
    add_pair_products,
    add_pairs,
    load_words,
    store_words,
    to_floats,
    to_pairs,
    zero_words,
)
from rnnimp.network.kernels.simd import LANES, fma, load, store
from rnnimp.network.kernels.tiles import kernel
from rnnimp.network.recurrent.cpu.kernels import gru_start, steps_read
from rnnimp.network.region_coding import Floats

Words = NDArray[np.int32]


class IntegerWeights(NamedTuple):
    """A stack's weights, flat, in the order in which the kernels read them."""

    table: Floats  # as in `kernels.Weights`
    bias: Floats  # [layer][unit][4]
    step: Floats  # [layer][unit][4], what 1 in a row's sum stands for
    input: Words  # [layer - 1][pair of units][pair of units below][unit][gate], two weights each
    recurrent: Words  # [layer][pair of units][pair of units][unit][gate]
    state_scale: float  # integer that stands for a state of 1


@kernel
def _finish(weights, row, place, n, r, z, m, start, states):  # type: ignore
    """Compute the state of a unit from the sums of its gates, and store it."""
    r = fma(quick_tanh(fma(to_floats(r), weights.step[row + 1], start[1])), 0.5, 0.5)
    z = fma(quick_tanh(fma(to_floats(z), weights.step[row + 2], start[2])), 0.5, 0.5)
    m = fma(to_floats(m), weights.step[row + 3], weights.bias[row + 3])
    n = quick_tanh(fma(r, m, fma(to_floats(n), weights.step[row], start[0])))
    state = fma(z, load(states, place) - n, n)
    store(states, place, state)
    return state


@kernel
def _layer(shape, weights, layer, marker, alt, below, states, words, previous, current):  # type: ignore
    """One layer at one marker: words[previous ...] -> words[current ...], and the states in place."""
    width, half = shape.width, shape.width // 2
    for unit in range(0, width, 2):
        own = layer * width + unit
        first = gru_start(shape, weights, layer, marker, unit, alt)
        second = gru_start(shape, weights, layer, marker, unit + 1, alt)
        n, r, z, m = zero_words(), zero_words(), zero_words(), zero_words()
        n2, r2, z2, m2 = zero_words(), zero_words(), zero_words(), zero_words()
        if layer > 0:
            at = (own - width) * half * 3
            n, r, z, n2, r2, z2 = add_pair_products(
                (n, r, z, n2, r2, z2), weights.input, at, 1, 6, below, 0, LANES, half
            )
        at = own * half * 3
        r, z, m, r2, z2, m2 = add_pair_products(
            (r, z, m, r2, z2, m2), weights.recurrent, at, 1, 6, words, previous, LANES, half
        )
        place = own * LANES
        a = _finish(weights, own * 4, place, n, r, z, m, first, states)
        b = _finish(weights, own * 4 + 4, place + LANES, n2, r2, z2, m2, second, states)
        store_words(words, current + unit // 2 * LANES, to_pairs(a, b, weights.state_scale))


@kernel
def forward_tile(shape, weights, alt, states, words, below, output, places, column, row):  # type: ignore
    """A tile over all markers.

    Args:
        alt: P(a1), [marker][haplotype].
        states: float32 [layer][unit].
        words: int32 [parity of the step][layer][pair of units].
        below: int32 [pair of units], sums of the layers' states.
        output: As in `kernels.forward_tile`, like `places`, `column` and `row`.
    """
    tile = shape.width * LANES
    per_step = tile // 2 * shape.n_layers
    states[:] = 0.0
    words[:per_step] = 0
    for step in range(steps_read(shape, places)):
        marker = shape.n_markers - 1 - step if shape.from_right else step
        here = load(alt, marker * LANES)
        for layer in range(shape.n_layers):
            previous = (step % 2) * per_step + layer * (tile // 2)
            current = ((step + 1) % 2) * per_step + layer * (tile // 2)
            _layer(shape, weights, layer, marker, here, below, states, words, previous, current)
            for at in range(0, tile // 2, LANES):
                pairs = load_words(words, current + at)
                store_words(below, at, pairs if layer == 0 else add_pairs(load_words(below, at), pairs))
        if places[marker] >= 0:
            for unit in range(shape.n_units):
                total = load(states, unit * LANES)
                for layer in range(1, shape.n_layers):
                    total = total + load(states, layer * tile + unit * LANES)
                store(output, (places[marker] + unit) * row + column, total)
