"""A simulated target and model in a folder, and a Slurm cluster on this machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from impute_cases import make_case
from slurm_cluster import SlurmCluster, missing_programs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_case(tmp_path)


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    """Two nodes, with this process in their environment."""
    if missing := missing_programs():
        reason = f"Slurm is not installed here: no {', '.join(missing)}; apt-get install slurm-wlm munge"
        if os.environ.get("CI") or os.environ.get("RNNIMP_TEST_SLURM"):
            pytest.fail(reason)
        pytest.skip(reason)
    with (
        tempfile.TemporaryDirectory(prefix="slurm.") as folder,
        SlurmCluster(Path(folder) / "c") as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name in ("SLURM_CONF", "PATH"):
            patch.setenv(name, running.environment[name])
        yield running
