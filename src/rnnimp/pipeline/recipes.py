"""The recipe of a model: as its training noted it, or, for older models, the one that its settings are closest to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnnimp.formats.bundle import Manifest
from rnnimp.training.recipe import RECIPES, TrainingSettings
from rnnimp.wording import counted, first_few, shortened

_NO_PART = ("seed", "exact_frequencies")  # that a recipe decides
_MOST_SHOWN = 5


@dataclass(frozen=True)
class ModelRecipe:
    """The recipe of a model.

    Attributes:
        name: Name of the recipe.
        changed_settings: For each setting that differs, the value in the `model` and in the `recipe`.
        is_named: Whether the manifest names the recipe; otherwise it is the closest one.
    """

    name: str
    changed_settings: dict[str, dict[str, Any]]
    is_named: bool

    def __str__(self) -> str:
        """The recipe in a few words.

        >>> print(ModelRecipe("open", {"n_units": {"model": 32, "recipe": 48}}, True))
        open, 1 setting changed: n_units 32 (recipe: 48)
        """
        name = self.name if self.is_named or not self.changed_settings else f"not named, closest to {self.name}"
        if not self.changed_settings:
            return name
        changes = [
            f"{setting} {shortened(str(both['model']))} (recipe: {shortened(str(both['recipe']))})"
            for setting, both in self.changed_settings.items()
        ]
        return f"{name}, {counted(len(changes), 'setting')} changed: {first_few(changes, _MOST_SHOWN)}"


def model_recipe(manifest: Manifest) -> ModelRecipe:
    """The recipe that a manifest names; that with the fewest differences if it names none."""
    named = manifest.recipe
    if named is None:
        return ModelRecipe(*closest_recipe(manifest.settings), is_named=False)
    return ModelRecipe(named["name"], named["changed_settings"], is_named=True)


def noted_recipe(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the summary of a trained region, and so the manifest, says of the recipe.

    Args:
        name: Name of the recipe.
        settings: Settings of the training by name.
    """
    return {"name": name, "changed_settings": changed_settings(name, settings)}


def changed_settings(name: str, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For each setting that differs from a recipe, the value in the `model` and in the `recipe`.

    A setting that is not given is newer than the model. It counts as its default, which changes no earlier training.

    Args:
        name: Name of the recipe.
        settings: Settings of a training by name, as a manifest has them.
    """
    own = {**TrainingSettings().as_dict(), **settings}
    return {
        setting: {"model": own[setting], "recipe": value}
        for setting, value in RECIPES[name].settings.as_dict().items()
        if setting not in _NO_PART and own[setting] != value
    }


def closest_recipe(settings: Mapping[str, Any]) -> tuple[str, dict[str, dict[str, Any]]]:
    """The recipe with the fewest differences, and each difference; see `changed_settings`.

    >>> closest_recipe({"n_units": 32, "n_layers_higher": 4, "n_layers_lower": 4})
    ('published', {'n_units': {'model': 32, 'recipe': 40}})
    """
    differences = {name: changed_settings(name, settings) for name in RECIPES}
    closest = min(differences, key=lambda name: len(differences[name]))
    return closest, differences[closest]
