"""The recurrent cells: what the reference, the export, the reader of graphs and the kernels know about each.

To add a cell, write its PyTorch module (in `reference.py`, or take one of PyTorch's) and add a row to `CELLS`. Training
in plain PyTorch, export, and imputing in ONNX Runtime then work. The fast kernels know the cells with `has_kernels`
only; for other cells, training falls back to plain PyTorch and reports why.

Needs the standard library only, so that imputing can use it where torch is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """One kind of recurrent cell.

    A weight matrix of a layer has `n_gates * n_units` rows: first all units of the first gate, then of the second.

    Attributes:
        name: Name in settings, in manifests and on the command line.
        gates: Names of the gates, in the order of the weights' rows.
        open_gates: Numbers of the gates whose input bias starts at 1, so that a new network remembers. Others start at
            0.
        torch_module: The `module:class` of a layer, built from the width of its input and `n_units`. It maps float32
            (n_markers, n_haplotypes, width) to a pair whose first part is float32 (n_markers, n_haplotypes, n_units).
            Its weights are named as in `reference.WEIGHT_NAMES`.
        onnx_operator: The operator that exports it.
        onnx_gates: For each gate of the operator, in its order, the number in `gates`; None for a gate that the cell
            does not have, whose weights are exported as 0.
        onnx_attributes: Attributes of the operator, besides its direction and width.
        has_cell_state: Whether there is a second state beside the one that the next layer reads.
        has_kernels: Whether the kernels for CPU and GPU know the cell.
    """

    name: str
    gates: tuple[str, ...]
    open_gates: tuple[int, ...]
    torch_module: str
    onnx_operator: str
    onnx_gates: tuple[int | None, ...]
    onnx_attributes: Mapping[str, int] = field(default_factory=dict)
    has_cell_state: bool = False
    has_kernels: bool = False

    @property
    def n_gates(self) -> int:
        """How many gates there are."""
        return len(self.gates)

    @property
    def n_states(self) -> int:
        """How many states each unit has: 2 with a cell state, else 1."""
        return 2 if self.has_cell_state else 1


_ALL = (
    Cell(
        name="GRU",
        gates=("r", "z", "n"),
        open_gates=(0, 1),
        torch_module="torch.nn:GRU",
        onnx_operator="GRU",
        onnx_gates=(1, 0, 2),  # z, r, h
        # PyTorch multiplies the reset gate into the recurrent product after its bias is added
        onnx_attributes={"linear_before_reset": 1},
        has_kernels=True,
    ),
    Cell(
        name="LSTM",
        gates=("i", "f", "g", "o"),
        open_gates=(1,),
        torch_module="torch.nn:LSTM",
        onnx_operator="LSTM",
        onnx_gates=(0, 3, 1, 2),  # i, o, f, c
        has_cell_state=True,
        has_kernels=True,
    ),
)

CELLS: Mapping[str, Cell] = {cell.name: cell for cell in _ALL}
"""All cells by name, the default first."""
