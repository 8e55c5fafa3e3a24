"""Training settings: defaults, and values that are refused."""

from __future__ import annotations

import pytest

from rnnimp.errors import SettingsError
from rnnimp.training.recipe import TrainingSettings


def test_published_defaults() -> None:
    settings = TrainingSettings()
    assert (settings.gamma_higher, settings.gamma_lower, settings.seed) == (0.75, -0.75, 3141592653)
    assert TrainingSettings(**settings.as_dict()) == settings


def test_values_are_checked() -> None:
    with pytest.raises(SettingsError, match="learning_rate must be above 0"):
        TrainingSettings(learning_rate=0)
    for error in (0.0, 1.0):
        with pytest.raises(SettingsError, match="copying_error must be above 0 and below 1"):
            TrainingSettings(copying_error=error)
