"""The work of one training: its options, its regions and its display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rnnimp.cluster.slices import TaskSlice
from rnnimp.pipeline.train.files import RegionFiles
from rnnimp.pipeline.train.progress import ProgressNote
from rnnimp.training.recipe import TrainingSettings


class Display(Protocol):
    """Shows how far the training of regions is."""

    def start(self, n_regions: int) -> None:
        """Called once, with the number of regions to train."""

    def show(self, region: int, note: ProgressNote | None) -> None:
        """Called at each step of a region; None while it is read and prepared."""

    def finish_region(self, region: int) -> None:
        """Called when a region is finished, or has failed, or is trained by another process."""


@dataclass(frozen=True)
class TrainOptions:
    """Options of a training besides the recipe.

    Attributes:
        regions: Numbers of the regions to train, from 1; None for all.
        device: `auto`, `cpu` or `cuda`.
        engine: `auto`, `reference` (plain PyTorch) or `fused` (our kernels: on a GPU many networks at once).
        resume: Keep finished regions and resume from checkpoints.
        n_threads: CPU threads.
        chromosome: Name of the chromosome, for the manifest; inferred from the site ids if None.
        genetic_map: File of the chromosome's genetic map.
        task: The share of the regions that this task of an array job takes; None for all.
        disclosure: Lines that say what the models will tell about the people in the panel. They are reported first.
        recipe: Name of the recipe that the settings are based on, for the manifest; None if it has none.
    """

    regions: tuple[int, ...] | None = None
    device: str = "auto"
    engine: str = "auto"
    resume: bool = True
    n_threads: int = 1
    chromosome: str | None = None
    genetic_map: str | None = None
    task: TaskSlice | None = None
    disclosure: tuple[str, ...] = ()
    recipe: str | None = None


@dataclass(frozen=True)
class Work:
    """The regions, files and settings of a training, as every process of it needs them.

    Attributes:
        prefixes: Prefixes of all regions' training files, in order.
        output_prefix: Where results are written.
        settings: The recipe.
        options: How to train.
        engine: `reference` or `fused`.
    """

    prefixes: list[str]
    output_prefix: str
    settings: TrainingSettings
    options: TrainOptions
    engine: str

    def files(self, number: int) -> RegionFiles:
        """The files of a region."""
        return RegionFiles(self.output_prefix, number)
