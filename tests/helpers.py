"""Test data that are built in memory, real data beside the checkout, and external programs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from rnnimp.sites.panel import ImputedBlock, Panel, Sites, alt_frequency, default_sample_names

REPOSITORY = Path(__file__).resolve().parent.parent


def shared_data(name: str = "") -> Path:
    """A file or folder of the real data beside the checkout; skips the test where it is absent.

    Under CI the data must be there, so that no test is skipped unseen.
    """
    path = REPOSITORY.parent / "shared" / "data" / name
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is absent")
        pytest.skip(f"the real data are not beside the checkout: {path}")
    return path


def random_panel(
    rng: np.random.Generator,
    n_sites: int = 60,
    n_samples: int = 20,
    marker_share: float = 0.3,
    missing_share: float = 0.0,
    chromosome: str | None = "22",
) -> Panel:
    """A panel with linkage disequilibrium: haplotypes are mosaics of eight founders.

    Positions rise by 1 to 500 bp; some sites are indels; markers are drawn at random.
    """
    n_haplotypes = 2 * n_samples
    founders = rng.random((n_sites, 8)) < rng.beta(0.6, 1.2, size=(n_sites, 1))
    switches = rng.random((n_sites, n_haplotypes)) < 0.02
    switches[0] = True
    choices = rng.integers(0, 8, size=(n_sites, n_haplotypes))
    last_switch = np.maximum.accumulate(np.where(switches, np.arange(n_sites)[:, None], 0), axis=0)
    origin = np.take_along_axis(choices, last_switch, axis=0)
    alleles = np.take_along_axis(founders, origin, axis=1).astype(np.int8)
    alleles[rng.random(alleles.shape) < missing_share] = -1
    ref = rng.choice(list("ACGT"), n_sites)
    alt = [{"A": "G", "C": "T", "G": "A", "T": "TAG"}[base] for base in ref]
    sites = Sites.build(
        1_000_000 + np.cumsum(rng.integers(1, 500, n_sites)),
        ref,
        alt,
        chromosome=chromosome,
        is_marker=rng.random(n_sites) < marker_share,
        a1_freq=alt_frequency(alleles),
    )
    return Panel(sites, alleles, default_sample_names(n_samples))


def random_block(rng: np.random.Generator, n_sites: int = 30, n_samples: int = 6) -> ImputedBlock:
    """Half of the sites typed, some of their alleles missing."""
    panel = random_panel(rng, n_sites, n_samples, missing_share=0.05)
    is_typed = rng.random(n_sites) < 0.5
    is_missing = (panel.alleles < 0) & is_typed[:, None]
    probabilities = np.where(is_typed[:, None], panel.alleles, rng.beta(0.2, 0.5, panel.alleles.shape))
    probabilities[is_missing] = 0.5
    return ImputedBlock(panel.sites, probabilities.astype(np.float32), is_typed, is_missing)


def program(name: str) -> str:
    """The path of an external program; skips the test where it is absent, but not under CI."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return path


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1
    return errors[0]
