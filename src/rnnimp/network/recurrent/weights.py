"""The weights of recurrent stacks as plain arrays, in PyTorch's layout.

Needs numpy only: training, export, reading and inference use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rnnimp.network.region_coding import Floats

GAP_PADS = ((1, 0, 0, 0, 0, 0), (0, 0, 0, 1, 0, 0))
"""ONNX pads that turn states at markers into states at gaps, for stacks from the left and from the right.

There is one more gap than there are markers. The states are 0 left of the first marker and right of the last.
"""


ONNX_DIRECTIONS = ("forward", "reverse")
"""ONNX's names of the directions of stacks from the left and from the right."""


class LayerWeights(NamedTuple):
    """Weights of one layer, in PyTorch's layout: `n_gates` and their order are in the cell's row of `cells.CELLS`.

    Attributes:
        input: float32 (n_gates * n_units, width of the input).
        recurrent: float32 (n_gates * n_units, n_units).
        input_bias: float32 (n_gates * n_units,).
        recurrent_bias: float32 (n_gates * n_units,).
    """

    input: Floats
    recurrent: Floats
    input_bias: Floats
    recurrent_bias: Floats


@dataclass(frozen=True, eq=False)
class StackWeights:
    """A stack of recurrent layers; each layer after the first adds its input to its output.

    Attributes:
        cell: One of `cells.CELLS`, by name.
        from_right: Whether it runs from the last marker to the first.
        layers: From the lowest to the highest.
    """

    cell: str
    from_right: bool
    layers: tuple[LayerWeights, ...]


class JoiningWeights(NamedTuple):
    """A layer that joins the states on both sides of a gap: `tanh(states . weights + bias)`.

    Attributes:
        starts: Number of the first state of each part that the layer reads.
        weights: Weights of each part, float32 (n_states, n_mixed).
        bias: float32 (n_mixed,).
    """

    starts: tuple[int, ...]
    weights: tuple[Floats, ...]
    bias: Floats
