"""Sizes of tiles and numbers of warps of the GPU kernels, by the width of the network."""

from __future__ import annotations

from dataclasses import dataclass

from rnnimp.network.kernels.gpu_limits import (
    MOST_UNITS_KEPT,
    MOST_UNITS_NARROW,
    PLENTY,
    SHARED_FOR_BEST,
)
from rnnimp.network.recurrent.settings import NetworkSettings

_NARROW_STAGES = {"GRU": {"forward_stages": 4, "backward_stages": 3}, "LSTM": {"backward_stages": 2}}


def stored_units(n_units: int) -> int:
    """Units of a state in memory. Narrow layers are padded with zeros to whole blocks of 32 bytes."""
    return -(-n_units // 16) * 16 if n_units <= MOST_UNITS_NARROW else n_units


@dataclass(frozen=True)
class Tuning:
    """Sizes that change speed, not results.

    Each program has `tile` haplotypes and `warps` warps. The number of markers loaded ahead, plus 1, is `stages`. The
    names begin with the kernel:

    - `forward`, `backward`: The layers' kernels, which run over the markers in order.
    - `sum`: The kernel `weight_bwd_kernel`.
    - `pass`: The kernel `input_bwd_kernel`, for more than 48 units.
    - `head`: The kernels of the sites' heads.
    - `table`: The kernel `table_bwd_kernel`.

    The values were chosen on an H200, and for more than 48 units on an H100; see docs/benchmarks.md.
    """

    forward_tile: int = 32
    forward_warps: int = 4
    forward_stages: int = 3
    backward_tile: int = 32
    backward_warps: int = 4
    backward_stages: int = 3
    sum_tile: int = 64
    sum_warps: int = 8
    sum_stages: int = 3
    pass_tile: int = 64
    pass_warps: int = 4
    pass_stages: int = 3
    head_tile: int = 64
    head_warps: int = 4
    table_tile: int = 64
    table_warps: int = 8

    @classmethod
    def of(cls, settings: NetworkSettings, on_chip: int = PLENTY) -> Tuning:
        """The fastest sizes that fit.

        Args:
            settings: Shape of the networks.
            on_chip: Bytes of shared memory per program.
        """
        is_small = on_chip < SHARED_FOR_BEST
        if settings.n_units <= MOST_UNITS_NARROW:
            stages = _NARROW_STAGES[settings.cell] | ({"backward_stages": 1} if is_small else {})
            return cls(forward_tile=64, backward_tile=64, **stages)
        if settings.n_units > MOST_UNITS_KEPT:  # more than one stage would not fit on chip
            stages = {"forward_stages": 1, "backward_stages": 1, "pass_stages": 1}
            return cls(forward_warps=8, backward_warps=8, **stages)
        if settings.cell == "LSTM":
            return cls(forward_tile=64, forward_stages=2, backward_stages=2)
        return cls(backward_stages=2) if is_small else cls()
