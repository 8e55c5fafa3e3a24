"""The work of one training: its options, its regions and its display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rnnimp.cluster.slices import TaskSlice
from rnnimp.pipeline.train.files import RegionFiles
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.trainer import Progress


class Display(Protocol):
    """Shows how a region's training goes."""

    def network(self, region: int, name: str, max_iterations: int) -> Progress:
        """Whom to tell of a network's evaluations."""

    def finish_region(self, region: int) -> None:
        """Clear what is shown of a region."""


@dataclass(frozen=True)
class TrainOptions:
    """How to train, apart from what decides the weights.

    Attributes:
        regions: numbers of the regions to train, from 1; None for all.
        device: `auto`, `cpu` or `cuda`.
        engine: `auto`, `reference` (plain PyTorch) or `fused` (our kernels: on a GPU many networks at once).
        resume: keep finished regions and go on from checkpoints.
        n_threads: CPU threads.
        chromosome: its name, for the manifest; else told from the site ids.
        genetic_map: file of the chromosome's genetic map.
        task: the share of the regions that this task of an array job takes; None for all.
    """

    regions: tuple[int, ...] | None = None
    device: str = "auto"
    engine: str = "auto"
    resume: bool = True
    n_threads: int = 1
    chromosome: str | None = None
    genetic_map: str | None = None
    task: TaskSlice | None = None


@dataclass(frozen=True)
class Work:
    """What every process of a training needs to know.

    Attributes:
        prefixes: of all regions' training files, in order.
        output_prefix: where to.
        settings: the recipe.
        options: how to train.
        engine: `reference` or `fused`.
    """

    prefixes: list[str]
    output_prefix: str
    settings: TrainingSettings
    options: TrainOptions
    engine: str

    def files(self, number: int) -> RegionFiles:
        """Where a region's files lie."""
        return RegionFiles(self.output_prefix, number)
