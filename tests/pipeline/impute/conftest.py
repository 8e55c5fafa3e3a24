"""A simulated target and model, and `rnnimp impute` on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from impute_cases import Impute, write_target
from rnnimp.cli import main
from tiny_model import tiny_chromosome, write_tiny_bundle


@pytest.fixture
def impute(tmp_path: Path) -> Impute:
    """Runs the command on a simulated target `t` and model `m` in a folder. Extra arguments replace the usual ones."""
    panel, regions = tiny_chromosome(np.random.default_rng(8))
    unnamed = [replace(region, sites=replace(region.sites, chromosome=None)) for region in regions]
    write_tiny_bundle(tmp_path / "m", unnamed)
    plain = replace(panel.sites, is_marker=None, a1_freq=None, chromosome=None)
    write_target(tmp_path / "t", replace(panel, sites=plain)[panel.sites.markers()])

    def run(*arguments: str, hap: bool = True) -> int:
        usual = {"--model-prefix": str(tmp_path / "m"), "--output-prefix": str(tmp_path / "out" / "x")}
        usual |= {"--output-format": "gen"}
        if hap:
            usual |= {"--hap": str(tmp_path / "t.hap.gz"), "--legend": str(tmp_path / "t.legend.gz")}
        usual |= dict(zip(arguments[::2], arguments[1::2], strict=True))
        return main(["impute", *(text for pair in usual.items() for text in pair)])

    return run
