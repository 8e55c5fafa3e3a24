"""Steps of the accuracy benchmark before imputing: prepare, split, train, and write the programs' inputs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accuracy.panel_imputers import phased_vcf, write_plink_map
from rnnimp.errors import DataError, RnnimpError
from rnnimp.formats.bundle import manifest_path, read_manifest
from rnnimp.formats.hapslegend import open_panel, read_legend
from rnnimp.scoring.alignment import Truth
from rnnimp.sites.panel import Panel, PanelStream, alt_frequency, haplotype_columns, known_chromosome

_NAME = "panel"
_LIMITS = "--body-marker-count-limit=200", "--flanking-marker-count-limit=50", "--imp-site-count-limit=1000"


@dataclass(frozen=True, eq=False)
class Target:
    """The samples to impute.

    Attributes:
        panel: Their haplotypes at all sites, with the array's markers flagged.
        frequencies: Frequencies of a1 in all training samples, float64 (n_sites,).
        chromosome: Name of the chromosome.
    """

    panel: Panel
    frequencies: NDArray[np.float64]
    chromosome: str

    def truth(self) -> Truth:
        """Their genotypes."""
        first, second = self.panel.alleles[:, ::2], self.panel.alleles[:, 1::2]
        copies = np.where((first < 0) | (second < 0), -1, first + second).astype(np.int8)
        return Truth(self.panel.sites, copies, self.panel.sample_names)

    def write(self, path: Path, rows: NDArray[np.intp]) -> None:
        """Their haplotypes at some sites, as `.vcf.gz`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with phased_vcf(path, self.panel.sample_names, self.chromosome) as writer:
            writer.write(self.panel.sites[rows], self.panel.alleles[rows])


def rnnimp(*arguments: object) -> float:
    """Run a command of rnnimp in another process; returns its seconds, with the start."""
    start = time.perf_counter()
    code = subprocess.run([sys.executable, "-m", "rnnimp", *map(str, arguments)], check=False).returncode
    if code:
        raise RnnimpError(f"'rnnimp {arguments[0]}' ended with exit code {code}; what it said stands above")
    return time.perf_counter() - start


def prepare(panel: Path, markers: Path, test_samples: Path | None, folder: Path, chromosome: str | None) -> Path:
    """Flag the markers and set the test samples apart; returns the folder of `train` and `test`."""
    data = folder / "data"
    options = [] if test_samples is None else ["--test-samples", test_samples]
    options += [] if chromosome is None else ["--chromosome", chromosome]
    files = ("--vcf", panel, "--markers", markers, "--output-dir", data, "--name", _NAME)
    rnnimp("prepare", *files, "--keep-first-duplicate", *options)
    return data


def train(
    data: Path, partition: Path | None, maf_threshold: float, options: Sequence[str], folder: Path
) -> tuple[Path, float]:
    """Split and train; returns the model's prefix and the seconds that training took."""
    prefix, split = data / "train" / _NAME, folder / "split" / _NAME
    files = ("--hap", f"{prefix}.hap.gz", "--legend", f"{prefix}.legend.gz", "--output-prefix", split)
    blocks = () if partition is None else ("--partition", partition)
    rnnimp("split", *files, *blocks, *_LIMITS, "--maf-threshold", maf_threshold)
    output = folder / "train" / _NAME
    seconds = rnnimp("train", "--data-list", f"{split}.list", "--output-prefix", output, *options)
    return output.parent / "models" / _NAME, seconds


def held_out(model_prefix: Path, n_samples: int) -> NDArray[np.intp]:
    """Samples held out from a model's training, by its manifest; indices into the training samples."""
    from rnnimp.training.data import held_out_samples

    path = manifest_path(model_prefix)
    if not path.exists():
        raise DataError("not found; --validation needs the manifest of a model trained by 'rnnimp train'", path)
    settings = read_manifest(model_prefix).settings
    try:
        return held_out_samples(n_samples, settings["validation_samples"], settings["seed"])
    except KeyError as error:
        raise DataError(f"expected the setting {error} of the training; give another model", path) from error


def write_inputs(data: Path, model_prefix: Path | None, map_source: Path, folder: Path) -> tuple[Target, Path, Path]:
    """Write the reference panel and the genetic map for the programs that take them.

    Args:
        data: The folder of `train` and `test`.
        model_prefix: Prefix of the model whose validation samples are the target; None for the test samples.
        map_source: A genetic map of the chromosome.
        folder: Folder to write to.

    Returns:
        The target, and the paths of the reference and the map.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stream = _open(data / "train" / _NAME)
    n_samples = len(stream.sample_names)
    apart = np.empty(0, dtype=np.intp) if model_prefix is None else held_out(model_prefix, n_samples)
    rest = np.setdiff1d(np.arange(n_samples), apart)
    chromosome = known_chromosome(read_legend(data / "train" / f"{_NAME}.legend.gz"))
    assert chromosome is not None, "a VCF names it"
    write_plink_map(map_source, folder / "plink.map", chromosome)
    reference, frequencies = folder / "reference.vcf.gz", list[NDArray[np.float64]]()
    with phased_vcf(reference, [stream.sample_names[index] for index in rest], chromosome) as writer:

        def walk() -> Iterator[Panel]:
            for block in stream.blocks:
                frequencies.append(alt_frequency(block.alleles))
                writer.write(block.sites, block.alleles[:, haplotype_columns(rest)])
                yield block.take_samples(apart)

        target = PanelStream(tuple(stream.sample_names[index] for index in apart), walk()).read()
    if model_prefix is None:
        target = _open(data / "test" / f"{_NAME}_true").read()
    return Target(target, np.concatenate(frequencies), chromosome), reference, folder / "plink.map"


def _open(prefix: Path) -> PanelStream:
    return open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz", f"{prefix}.sample")
