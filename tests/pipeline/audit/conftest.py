"""A panel of two regions, and models trained on it that have seen each haplotype as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from audited_regions import simulated_haplotypes
from helpers import random_panel
from rnnimp.cli import main
from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.formats.sample import sample_text
from rnnimp.sites.panel import Panel, alt_frequency, default_sample_names

N_SAMPLES, N_HELD_OUT = 60, 12
_SMALL = ["--num-units", "4", "--num-layers-higher", "1", "--num-layers-lower", "1", "--feature-size", "3"]
_SHORT = ["--max-iteration-count", "1", "--batch-size", "16", "--validation-sample-size", str(N_HELD_OUT)]


@dataclass(frozen=True)
class Trained:
    """A panel's training files, and models trained on them.

    Attributes:
        data_list: List of the regions.
        with_hmm: Prefix of a model whose states are whole training haplotypes.
        without_hmm: Prefix of a model of recurrent networks that have hardly learned.
        anonymous: Prefix of a model whose states are drawn so that five people or more carry every stretch.
        sample: Names of the samples.
        panels: The regions' panels.
    """

    data_list: Path
    with_hmm: Path
    without_hmm: Path
    anonymous: Path
    sample: Path
    panels: list[Panel]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("audited")
    panels = [_write_region(folder / f"chr22_{number}", number) for number in (1, 2)]
    data_list = folder / "chr22.list"
    data_list.write_text("".join(f"{folder}/chr22_{number}\n" for number in (1, 2)))
    sample = folder / "panel.sample"
    sample.write_text(sample_text([f"NA{number:03d}" for number in range(N_SAMPLES)]))
    for name, n_states, carriers in (("with", 64, 0), ("without", 0, 0), ("anonymous", 64, 5)):
        hmm = ["--num-states", str(n_states), "--state-pieces", "1", "--state-carriers", str(carriers)]
        options = ["--data-list", str(data_list), "--output", f"{folder}/{name}/chr22", *_SMALL, *_SHORT, *hmm]
        assert main(["train", "--recipe", "published", *options]) == 0
    models = (folder / name / "models" / "chr22" for name in ("with", "without", "anonymous"))
    return Trained(data_list, *models, sample, panels)


def _write_region(prefix: Path, number: int) -> Panel:
    rng = np.random.default_rng(number)
    alleles = simulated_haplotypes(rng, 80, 2 * N_SAMPLES)
    sites = random_panel(rng, n_sites=80, n_samples=2).sites
    positions = sites.positions + 1_000_000 * number
    ids = [f"22:{position}:{a0}:{a1}" for position, a0, a1 in zip(positions, sites.a0, sites.a1, strict=True)]
    sites = replace(
        sites,
        ids=np.array(ids, dtype=object),
        positions=positions,
        is_marker=np.arange(80) % 3 == 0,
        a1_freq=alt_frequency(alleles),
        swapped=np.zeros(80, dtype=bool),
    )
    panel = Panel(sites, alleles, default_sample_names(N_SAMPLES))
    with HapsLegendWriter(prefix) as writer:
        writer.write(sites, alleles)
    return panel
