"""The same training twice: by the GPU's kernels and by PyTorch in float32, from the same weights, on the same batches.

In normal use each engine draws its own batches. Here both get the batches of the reference, so that only the
arithmetic differs: products of bfloat16 numbers against float32. The networks are higher-MAF networks of the published
recipe, in a small shape. The benchmark needs a GPU.

    python benchmarks/agreement.py --hap split/chr20_15.hap.gz --legend split/chr20_15.legend.gz [--numbers 1,2,3]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from rnnimp.formats.hapslegend import open_panel
from rnnimp.network.recurrent.reference import ImputationNetwork
from rnnimp.network.region_coding import CERTAIN
from rnnimp.training.batched.batches import Job
from rnnimp.training.batched.networks import NetworkGroup
from rnnimp.training.checkpoint import CheckpointFile
from rnnimp.training.data import RegionData, TensorFeeder
from rnnimp.training.loop import Evaluation, NoProgress
from rnnimp.training.loss import site_weights
from rnnimp.training.recipe import TrainingSettings
from rnnimp.training.region import BatchSources, draw_network
from rnnimp.training.trainer import Objective, Trainer

_NAME = "higher"


class SameDraws(NetworkGroup):
    """A group that takes its batches from the host."""

    def __init__(
        self,
        jobs: Sequence[Job],
        networks: Sequence[ImputationNetwork],
        settings: TrainingSettings,
        device: torch.device,
    ) -> None:
        super().__init__(jobs, networks, [_NAME] * len(jobs), settings, device)
        self._sources = [BatchSources(job.data, settings, job.number, device).source(_NAME) for job in jobs]
        self._feeders = [TensorFeeder(job.data, device) for job in jobs]

    def losses(self, iterations: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and gradients of the reference's batches."""
        for slot, iteration in enumerate(iterations.tolist()):
            inputs, targets = self._feeders[slot].training_tensors(self._sources[slot].batch(iteration))
            self.network_batch.alt[slot] = inputs[:, :, 1].T
            self.network_batch.truth[slot] = (CERTAIN * targets).round()
        return self.network_batch.train(), self.network_batch.gradients


def by_kernels(
    data: RegionData, settings: TrainingSettings, numbers: Sequence[int], device: torch.device, folder: Path
) -> list[list[Evaluation]]:
    """The histories of networks trained side by side."""
    jobs = []
    for number in numbers:
        (folder / str(number)).mkdir()
        jobs.append(Job(number, data, folder / str(number), lambda name: NoProgress()))
    features = data.features(settings, device)
    networks = [draw_network(data, features, settings, number, _NAME) for number in numbers]
    SameDraws(jobs, networks, settings, device).run()
    histories = []
    for job in jobs:
        state = CheckpointFile(job.folder / f"{_NAME}.pt").read(torch.device("cpu"))
        assert state is not None, "a finished network leaves it"
        histories.append([Evaluation(*row) for row in state["history"]])
    return histories


def by_reference(
    data: RegionData, settings: TrainingSettings, number: int, device: torch.device, folder: Path
) -> list[Evaluation]:
    """The history of one network."""
    network = draw_network(data, data.features(settings, device), settings, number, _NAME).to(device)
    feeder, source = TensorFeeder(data, device), BatchSources(data, settings, number, device).source(_NAME)
    objective = Objective(
        forward=network,
        weights=site_weights(data.a1_freq[~data.is_marker], settings.gamma_higher).to(device),
        batch=lambda iteration: feeder.training_tensors(source.batch(iteration)),
        validation=feeder.tensors(data.validation_rows()),
        keep_by_loss=True,
    )
    checkpoint = CheckpointFile(folder / f"reference{number}.pt")
    trainer = Trainer(network, objective, settings, checkpoint, NoProgress())
    trainer.run()
    return trainer.runs[0].history


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hap", required=True, help="a region's training file, from 'rnnimp split'")
    parser.add_argument("--legend", required=True, help="its legend")
    parser.add_argument("--numbers", default="1,2", help="a network each; seeds derive from them (default: 1,2)")
    parser.add_argument("--units", type=int, default=24)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--iterations", type=int, default=1500)
    parser.add_argument("--patience", type=int, default=150)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = False
    settings = TrainingSettings(
        n_units=options.units, n_layers_higher=options.layers, n_layers_lower=options.layers, seed=1,
        batch_size=options.batch, max_iterations=options.iterations, patience=options.patience,
    )  # fmt: skip
    device = torch.device(options.device)
    data = RegionData.of(open_panel(options.hap, options.legend).read(), settings)
    numbers = [int(number) for number in options.numbers.split(",")]
    print("| network | by | iterations | validation R2, last | best | validation loss, last | rate, last |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        histories = by_kernels(data, settings, numbers, device, Path(name))
        for number, fused in zip(numbers, histories, strict=True):
            reference = by_reference(data, settings, number, device, Path(name))
            for by, history in (("kernels", fused), ("PyTorch, float32", reference)):
                last, best = history[-1], max(row.validation_r2 for row in history)
                scores = f"{last.validation_r2:.5f} | {best:.5f} | {last.validation_loss:.6f}"
                print(f"| {number} | {by} | {last.iteration} | {scores} | {last.learning_rate:.2g} |", flush=True)


if __name__ == "__main__":
    main()
