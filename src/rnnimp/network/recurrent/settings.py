"""The shape of a recurrent network. Light to import, so that the command line can show its defaults."""

from __future__ import annotations

from dataclasses import dataclass

from rnnimp.errors import SettingsError
from rnnimp.network.recurrent.cells import CELLS


@dataclass(frozen=True)
class NetworkSettings:
    """The shape of one network.

    Attributes:
        cell: One of `CELLS`, by name.
        n_units: Width of the recurrent state.
        n_layers: Recurrent layers in each direction.
        feature_size: Width of the marker features.
        n_mixed: Width of the layer that joins both directions; 0 for none, as published.
    """

    cell: str = "GRU"
    n_units: int = 40
    n_layers: int = 4
    feature_size: int = 40
    n_mixed: int = 0

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise SettingsError(f"the RNN cell type must be one of {' / '.join(CELLS)}, found '{self.cell}'")
        for name in ("n_units", "n_layers", "feature_size"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be 1 or more, found {getattr(self, name)}")
        if self.n_mixed < 0:
            raise SettingsError(f"n_mixed must be 0 or more, found {self.n_mixed}")
