"""Settings of the GPU kernels for each cell that they can run."""

from __future__ import annotations

from typing import Any, NamedTuple

from rnnimp.network.recurrent.gpu import wide_gru, wide_lstm


class CellKernels(NamedTuple):
    """The kernels of one cell.

    Attributes:
        is_gru: The value of the kernels' `IS_GRU`.
        wide_layer: Forward and backward kernel of a layer of more than 48 units.
        recurrent_rows: Of the four rows of gates, those that the recurrent product and its bias add to.
            The fourth row of a GRU is the recurrent half of n.
    """

    is_gru: bool
    wide_layer: tuple[Any, Any]
    recurrent_rows: tuple[int, ...]


CELL_KERNELS = {
    "GRU": CellKernels(True, (wide_gru.gru_fwd_kernel, wide_gru.gru_bwd_kernel), (0, 1, 3)),
    "LSTM": CellKernels(False, (wide_lstm.lstm_fwd_kernel, wide_lstm.lstm_bwd_kernel), (0, 1, 2, 3)),
}
