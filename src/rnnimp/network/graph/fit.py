"""Whether a network that was read from a graph is sound: sizes that fit each other, gaps among the markers, numbers.

The kernels trust what they are given, so all that they rely on is checked here. Needs numpy only.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnimp.network.graph.limits import HAPLOTYPES, MOST_ELEMENTS, MOST_WORK, GraphError
from rnnimp.network.recurrent.cells import CELLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rnnimp.network.graph.reading import FoldedNetwork
    from rnnimp.network.recurrent.weights import StackWeights


def require_fit(network: FoldedNetwork) -> None:
    """Refuse a network whose parts do not fit together.

    Raises:
        GraphError: saying what does not fit.
    """
    n_markers, n_sites = len(network.stacks[0].features), len(network.gaps)
    _require(n_markers > 0 and n_sites > 0, "a network without markers or sites")
    _require(network.gaps.ndim == 1 and network.gaps.dtype == np.int64, "gaps of another kind")
    _require(network.gaps.min() >= 0 and network.gaps.max() <= n_markers, "a gap that is not among the markers")
    _require(bool((np.diff(network.gaps) >= 0).all()), "sites that are not in order")
    widths = [_require_stack(stack.weights, stack.features, n_markers) for stack in network.stacks]
    starts = np.cumsum([0, *widths]).tolist()
    n_columns = starts[-1]
    for layer in network.joining:
        _require(layer.bias.ndim == 1, "a bias of another shape")
        for start, weight in zip(layer.starts, layer.weights, strict=True):
            _require(start in starts[:-1], "a joining layer that reads no stack")
            _require(weight.shape == (widths[starts.index(start)], len(layer.bias)), "a joining layer of another shape")
        n_columns += len(layer.bias)
    _require(network.head.shape == (n_sites, n_columns), "a head of another shape")
    _require(network.bias.shape == (n_sites,), "a bias of another shape")
    _require(all(map(_is_sound, _arrays(network))), "weights that are not finite numbers of type float32")
    if network.hmm is not None:
        _require_hmm(network)


def require_work(network: FoldedNetwork) -> None:
    """Refuse a network that takes longer for a batch, or more memory, than any honest one.

    Raises:
        GraphError: if it does.
    """
    n_markers = len(network.stacks[0].features)
    per_marker = sum(part.size for stack in network.stacks for layer in stack.weights.layers for part in layer)
    per_marker += sum(weight.size for layer in network.joining for weight in layer.weights)
    work = n_markers * per_marker + network.head.size
    n_units = sum(stack.weights.layers[0].recurrent.shape[1] for stack in network.stacks)
    elements = HAPLOTYPES * (n_markers * n_units + len(np.unique(network.gaps)) * network.head.shape[1])
    if network.hmm is not None:
        work += network.hmm.site.size + 10 * network.hmm.emission.size
        elements += 2 * network.hmm.site.size + 16 * network.hmm.emission.size  # as the kernels lay them out
    _require(elements <= MOST_ELEMENTS, f"its states have more than {MOST_ELEMENTS} elements")
    _require(HAPLOTYPES * work <= MOST_WORK, f"a batch takes more than {MOST_WORK:.0e} multiplications")


def _require_stack(stack: StackWeights, features: NDArray[Any], n_markers: int) -> int:
    """Check a stack; returns the width of its layers."""
    n_gates = CELLS[stack.cell].n_gates
    n_units = int(stack.layers[0].recurrent.shape[1])
    _require(n_units > 0, "a layer without units")
    _require(features.ndim == 3 and features.shape[:2] == (n_markers, 2), "features of another shape")
    rows = n_gates * n_units
    for number, layer in enumerate(stack.layers):
        width = n_units if number else features.shape[2]
        expected = [(rows, width), (rows, n_units), (rows,), (rows,)]
        _require([part.shape for part in layer] == expected, "a layer whose weights do not fit each other")
    return n_units


def _require_hmm(network: FoldedNetwork) -> None:
    hmm = network.hmm
    assert hmm is not None
    n_markers, n_states = hmm.emission.shape
    _require(n_states > 0 and n_markers == len(network.stacks[0].features), "an HMM of other markers")
    _require(
        hmm.switch_in.shape == hmm.switch_out.shape == (n_markers + 1, n_states), "an HMM whose weights do not fit"
    )
    _require(hmm.site.shape == (len(network.gaps), n_states), "an HMM of other sites")
    _require(bool(np.array_equal(hmm.gaps, network.gaps)), "an HMM of other gaps")


def _arrays(network: FoldedNetwork) -> chain[NDArray[Any]]:
    """All weights in float32."""
    parts = [[network.head, network.bias], [stack.features for stack in network.stacks]]
    parts += [[*layer.weights, layer.bias] for layer in network.joining]
    parts += [list(layer) for stack in network.stacks for layer in stack.weights.layers]
    return chain.from_iterable(parts)


def _is_sound(weights: NDArray[Any]) -> bool:
    return weights.dtype == np.float32 and bool(np.isfinite(weights).all())


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise GraphError(f"found {what}")
