"""Small trainings by `rnnimp train`: command lines, a display, and the files they write."""

from __future__ import annotations

from pathlib import Path

import torch

from rnnimp.pipeline.train.progress import ProgressNote

SMALL = ["--num-units", "6", "--num-layers-higher", "2", "--num-layers-lower", "1", "--feature-size", "5"]
SHORT = ["--max-iteration-count", "30", "--batch-size", "16", "--validation-sample-size", "6", "--seed", "5"]
CPU = torch.device("cpu")


def train_arguments(data_list: Path, output: Path, *options: str) -> list[str]:
    """The command line of a small and short training by the published recipe."""
    paths = ["--data-list", str(data_list), "--output-prefix", str(output)]
    return ["train", *paths, "--recipe", "published", *SMALL, *SHORT, *options]


def trained_files(output: Path) -> dict[str, bytes]:
    """The content of each file of a training, except `.ort` files, whose bytes differ from run to run."""
    paths = [path for path in sorted(output.parent.rglob("*")) if path.is_file() and path.suffix != ".ort"]
    return {str(path.relative_to(output.parent)): path.read_bytes() for path in paths}


def models(folder: Path) -> dict[str, bytes]:
    """The content of each exported network."""
    return {path.name: path.read_bytes() for path in folder.glob("models/*.onnx")}


class Record:
    """A display that records which networks it has shown."""

    def __init__(self) -> None:
        self.shown: set[tuple[int, str]] = set()

    def start(self, n_regions: int) -> None:
        pass

    def show(self, region: int, note: ProgressNote | None) -> None:
        if note is not None:
            self.shown.add((region, note.network))

    def finish_region(self, region: int) -> None:
        pass
