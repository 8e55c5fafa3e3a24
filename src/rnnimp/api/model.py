"""Models that have been opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnimp.formats.bundle import Bundle, open_bundle
from rnnimp.imputation.matched_target import JoinedModel, join_model
from rnnimp.sites.panel import Sites
from rnnimp.wording import counted


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A model whose legends have been read. Its networks are loaded when it imputes, region by region.

    Attributes:
        bundle: The files of the regions.
        joined: The sites of all regions in one list.
    """

    bundle: Bundle
    joined: JoinedModel

    @property
    def prefix(self) -> Path:
        """Path of the model files without `_1.onnx` and other endings."""
        return self.bundle.prefix

    @property
    def chromosome(self) -> str | None:
        """Name of the chromosome; None if the model does not say it."""
        return self.bundle.chromosome

    @property
    def sites(self) -> Sites:
        """Markers and imputed sites, each once; `sites.is_marker` is True for those that the model reads."""
        return self.joined.sites

    @property
    def n_regions(self) -> int:
        """Regions that the model has."""
        return len(self.bundle.regions)

    @property
    def missing_regions(self) -> tuple[int, ...]:
        """Numbers of the chromosome's regions that the model does not have."""
        return self.bundle.missing_regions

    def __repr__(self) -> str:
        n_markers = int(np.count_nonzero(self.sites.markers()))
        sizes = f"{counted(n_markers, 'marker')}, {counted(len(self.sites) - n_markers, 'imputed site')}"
        return f"<Model {self.prefix}: chromosome {self.chromosome}, {counted(self.n_regions, 'region')}, {sizes}>"


def load_model(prefix: str | Path) -> Model:
    """Open a model.

    Args:
        prefix: Path of the model files without `_1.onnx` and other endings, as for `--model-prefix`.

    Raises:
        RnnimpError: if a file is missing, damaged, or not what the manifest says.
    """
    bundle = open_bundle(prefix)
    return Model(bundle, join_model(bundle))


def as_model(model: Model | str | Path) -> Model:
    """A model, opened if it is a path."""
    return model if isinstance(model, Model) else load_model(model)
