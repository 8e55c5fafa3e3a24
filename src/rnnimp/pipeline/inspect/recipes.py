"""The recipe that a model's settings are closest to. A manifest has the settings, but not the recipe's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnnimp.training.recipe import RECIPES, TrainingSettings

_NO_PART = ("seed", "exact_frequencies")  # that a recipe decides


def closest_recipe(settings: Mapping[str, Any]) -> tuple[str, dict[str, dict[str, Any]]]:
    """The recipe with the fewest differences, and each difference.

    A setting that is not given is newer than the model. It counts as its default, which changes no earlier training.

    Args:
        settings: Settings of a training by name, as a manifest has them.

    Returns:
        Name of the recipe; for each setting that differs, the value in the `model` and in the `recipe`.

    >>> closest_recipe({"n_units": 32, "n_layers_higher": 4, "n_layers_lower": 4})
    ('published', {'n_units': {'model': 32, 'recipe': 40}})
    """
    own = {**TrainingSettings().as_dict(), **settings}
    differences = {}
    for name, recipe in RECIPES.items():
        differences[name] = {
            setting: {"model": own[setting], "recipe": value}
            for setting, value in recipe.settings.as_dict().items()
            if setting not in _NO_PART and own[setting] != value
        }
    closest = min(differences, key=lambda name: len(differences[name]))
    return closest, differences[closest]
