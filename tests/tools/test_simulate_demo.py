"""The simulation of the packaged example on a short sequence with few samples, and the packaged files."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from helpers import REPOSITORY
from rnnimp.formats.hapslegend import open_panel, read_legend
from rnnimp.sites.panel import Panel, alt_frequency

PACKAGED = REPOSITORY / "src" / "rnnimp" / "demo"
LENGTH = 60_000
FEW = {"YRI": 12, "CEU": 12, "CHB": 8, "JPT": 8}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("simulate_demo", REPOSITORY / "tools" / "simulate_demo.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def packaged(name: str) -> Panel:
    prefix = str(PACKAGED / name)
    return open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz", f"{prefix}.sample").read()


def test_one_seed_gives_one_result_and_another_seed_another(tool: ModuleType) -> None:
    first, again, other = (tool.simulate(LENGTH, 6, seed, FEW) for seed in (7, 7, 8))
    assert first.panel.sites.keys() == again.panel.sites.keys()
    assert np.array_equal(first.panel.alleles, again.panel.alleles)
    assert np.array_equal(first.test, again.test)
    assert first.panel.sites.keys() != other.panel.sites.keys()


def test_simulated_sites_are_biallelic_snps_that_vary(tool: ModuleType) -> None:
    simulation = tool.simulate(LENGTH, 6, 7, FEW)
    panel = simulation.panel
    assert panel.alleles.shape == (len(panel.sites), 80)
    assert set(panel.sites.a0) | set(panel.sites.a1) == set("ACGT")
    assert np.all(panel.sites.a0 != panel.sites.a1)
    assert np.all(np.diff(panel.sites.positions) > 0)
    assert panel.sites.positions[0] >= 1 and panel.sites.positions[-1] <= LENGTH
    carriers = panel.alleles.sum(axis=1)
    assert carriers.min() > 0 and carriers.max() < 80
    assert (alt_frequency(panel.alleles) > 0.5).any(), "REF is some person's allele, so ALT may be the common one"


def test_frequencies_and_markers_come_from_the_training_samples(tool: ModuleType) -> None:
    simulation = tool.simulate(LENGTH, 6, 7, FEW)
    sites = simulation.panel.sites
    assert len(simulation.test) == 6 and len(simulation.train) == 34
    training = simulation.panel.take_samples(simulation.train)
    assert not set(training.sample_names) & {simulation.panel.sample_names[index] for index in simulation.test}
    assert np.allclose(sites.a1_freq, training.alleles.mean(axis=1))
    typed = sites.positions[sites.markers()]
    assert len(np.unique(typed // tool.MARKER_SPACING)) == len(typed) > LENGTH / tool.MARKER_SPACING / 2


def test_hotspots_hold_their_share_of_the_map(tool: ModuleType) -> None:
    recombination = tool.recombination_map(500_000, np.random.default_rng(1))
    mass = np.diff(recombination.get_cumulative_mass(recombination.position))
    widths = np.diff(recombination.position)
    assert mass.sum() == pytest.approx(1.2e-8 * 500_000)
    hot = mass / widths > 2 * mass[0] / widths[0]
    assert np.all(widths[1::2] == tool.HOTSPOT_WIDTH)
    assert not hot[::2].any()
    share = mass[1::2].sum() / mass.sum()
    background_inside = 0.2 * widths[1::2].sum() / widths.sum()
    assert share == pytest.approx(0.8 + background_inside)


def test_files_hold_what_was_simulated(tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool.SAMPLE_COUNTS, whole = FEW, tool.SAMPLE_COUNTS
    try:
        folders = ["--output-dir", str(tmp_path / "out"), "--package-dir", str(tmp_path / "package")]
        tool.main([*folders, "--length", str(LENGTH), "--test-samples", "6", "--seed", "7"])
    finally:
        tool.SAMPLE_COUNTS = whole
    simulation = tool.simulate(LENGTH, 6, 7, FEW)
    prefix = str(tmp_path / "out" / "panel")
    panel = open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz", f"{prefix}.sample").read()
    assert np.array_equal(panel.alleles, simulation.panel.alleles)
    assert panel.sample_names == simulation.panel.sample_names
    truth = read_legend(tmp_path / "package" / "truth.legend.gz")
    target = read_legend(tmp_path / "package" / "target.legend.gz")
    assert truth.keys() == panel.sites.keys()
    assert target.keys() == truth[truth.markers()].keys()
    rows = (tmp_path / "out" / "samples.tsv").read_text().splitlines()[1:]
    in_test = [row.split("\t")[0] for row in rows if row.endswith("test")]
    assert in_test == (tmp_path / "out" / "test_samples.txt").read_text().split()
    markers = (tmp_path / "out" / "markers.tsv").read_text().splitlines()[1:]
    assert [int(line.split("\t")[1]) for line in markers] == target.positions.tolist()
    assert "40 samples (6 test)" in capsys.readouterr().out


def test_the_packaged_example_is_what_it_is_said_to_be() -> None:
    truth, target = packaged("truth"), packaged("target")
    sites = truth.sites
    assert len(truth.sample_names) == 50 and truth.sample_names == target.sample_names
    assert len({name[:3] for name in truth.sample_names}) == 4
    assert sites.positions[-1] - sites.positions[0] >= 500_000
    assert np.array_equal(truth.alleles[sites.markers()], target.alleles)
    assert sites.a1_freq is not None
    # 400 training samples: frequencies are counts over 800 haplotypes
    assert np.allclose(sites.a1_freq * 800, np.round(sites.a1_freq * 800))
    maf = np.minimum(sites.a1_freq, 1 - sites.a1_freq)
    assert np.mean(maf[sites.markers()] >= 0.05) > 0.6
    assert 1_000 < (sites.positions[-1] - sites.positions[0]) / np.count_nonzero(sites.markers()) < 1_500
