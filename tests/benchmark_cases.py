"""Sizes and settings of the small training that tests of the benchmarks share."""

from __future__ import annotations

import shutil

import pytest

needs_tabix = pytest.mark.skipif(
    shutil.which("bgzip") is None or shutil.which("tabix") is None, reason="bgzip and tabix are not installed"
)
TRAINING = (
    *("--num-units=4", "--num-layers-higher=1", "--num-layers-lower=1", "--feature-size=4", "--batch-size=20"),
    *("--max-iteration-count=60", "--patience=20", "--validation-sample-size=15", "--engine=reference", "--seed=5"),
    "--num-states=16",
)
N_TEST, N_SAMPLES, N_HELD_OUT = 10, 60, 15
