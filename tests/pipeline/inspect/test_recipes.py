"""The recipe of a model, from its settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rnnimp.pipeline.inspect.recipes import closest_recipe
from rnnimp.training.recipe import RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_recognised_with_and_without_changes(name: str) -> None:
    settings = RECIPES[name].settings
    assert closest_recipe(settings.as_dict()) == (name, {})
    changed = replace(settings, n_units=17, seed=5, exact_frequencies=True).as_dict()
    assert closest_recipe(changed) == (name, {"n_units": {"model": 17, "recipe": settings.n_units}})


def test_settings_of_other_versions_are_passed_over() -> None:
    settings = RECIPES["published"].settings.as_dict()
    del settings["hmm_weight"]
    assert closest_recipe({**settings, "hidden_power": 1.0}) == ("published", {})
