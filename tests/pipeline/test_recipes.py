"""The recipe of a model, from its settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rnnimp.formats.bundle import Manifest, RegionEntry
from rnnimp.pipeline.recipes import closest_recipe, model_recipe, noted_recipe
from rnnimp.training.recipe import RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_recognised_with_and_without_changes(name: str) -> None:
    settings = RECIPES[name].settings
    assert closest_recipe(settings.as_dict()) == (name, {})
    changed = replace(settings, n_units=17, seed=5, exact_frequencies=True).as_dict()
    assert closest_recipe(changed) == (name, {"n_units": {"model": 17, "recipe": settings.n_units}})


def test_the_recipe_of_a_model_is_that_of_its_manifest() -> None:
    settings = replace(RECIPES["open"].settings, n_units=17).as_dict()
    region = RegionEntry(1, {}, 1, 1, 1, 1, {"recipe": noted_recipe("open", settings)})
    manifest = Manifest("2.2.0", {}, "22", settings, 5, (region,))
    recipe = model_recipe(manifest)
    assert (recipe.name, recipe.is_named) == ("open", True)
    assert str(recipe) == "open, 1 setting changed: n_units 17 (recipe: 48)"
    older = model_recipe(replace(manifest, regions=(replace(region, summary={}),)))
    assert str(older) == "not named, closest to open, 1 setting changed: n_units 17 (recipe: 48)"
    same = replace(manifest, regions=(replace(region, summary={}),), settings=RECIPES["open"].settings.as_dict())
    assert str(model_recipe(same)) == "open"


def test_settings_of_other_versions_are_passed_over() -> None:
    settings = RECIPES["published"].settings.as_dict()
    del settings["hmm_weight"]
    assert closest_recipe({**settings, "hidden_power": 1.0}) == ("published", {})
