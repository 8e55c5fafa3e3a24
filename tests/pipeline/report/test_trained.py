"""Trainings and models read back."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest

from report_cases import write_training
from rnnimp.errors import DataError
from rnnimp.pipeline.report.trained import read_trained
from rnnimp.pipeline.train.files import RegionFiles, model_prefix


def test_a_training_has_histories_and_times(tmp_path: Path) -> None:
    prefix = write_training(tmp_path)
    files = RegionFiles(prefix, 2)
    os.utime(files.settings, (1_000_000, 1_000_000))
    os.utime(files.summary, (1_000_090, 1_000_090))
    found = read_trained(str(prefix))
    assert (found.name, len(found.regions)) == ("t", 3)
    second = found.regions[1]
    assert second.seconds == 90
    assert set(second.histories) == {"higher", "lower"}
    assert second.histories["higher"]["iteration"].tolist() == [40, 80, 120]
    assert math.isnan(second.histories["higher"]["training_loss"][0])
    assert np.isfinite(second.histories["higher"]["validation_r2"]).all()
    assert second.validation_r2() == 0.8
    assert second.validation_r2("copying") is None


def test_a_model_has_neither(tmp_path: Path) -> None:
    prefix = write_training(tmp_path)
    found = read_trained(str(model_prefix(prefix)))
    assert all(region.histories == {} and region.seconds is None for region in found.regions)
    assert [region.validation_r2() for region in found.regions] == [0.9, 0.8, 0.7]


def test_without_a_manifest_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected the manifest of a model"):
        read_trained(str(tmp_path / "x"))
