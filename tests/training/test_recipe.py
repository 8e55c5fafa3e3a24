"""Training settings: defaults, and values that are refused."""

from __future__ import annotations

import re

import pytest

from helpers import REPOSITORY
from rnnimp.errors import SettingsError
from rnnimp.network.hmm.weights import MIXTURE_WEIGHT
from rnnimp.training.recipe import ACCURATE, RECIPES, TrainingSettings


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
    for weight in (-0.1, 1.1, float("nan")):
        with pytest.raises(SettingsError, match="hmm_weight must be between 0 and 1"):
            TrainingSettings(hmm_weight=weight)
    with pytest.raises(SettingsError, match="hmm_weight_missing must be 0 or more"):
        TrainingSettings(hmm_weight_missing=-0.1)


def test_the_hmm_has_its_former_weight_by_default() -> None:
    settings = TrainingSettings()
    assert (settings.hmm_weight, settings.hmm_weight_missing) == MIXTURE_WEIGHT


def test_the_open_recipe_is_the_accurate_one_with_whole_haplotypes() -> None:
    accurate, found = ACCURATE.as_dict(), RECIPES["open"].settings.as_dict()
    changed = {name: value for name, value in found.items() if value != accurate[name]}
    assert changed == {
        "n_states": 4096, "state_carriers": 0, "state_pieces": 1, "teacher_share": 1.0, "copying_iterations": 100,
        "hmm_weight": 0.5, "hmm_weight_missing": 1.0,
    }  # fmt: skip


def test_every_recipe_says_in_one_line_what_its_models_tell() -> None:
    assert next(iter(RECIPES)) == "accurate"
    for recipe in RECIPES.values():
        for text in (recipe.summary, recipe.disclosure):
            assert text and text.isprintable() and not text.endswith(".")
    assert "public panels only" in RECIPES["open"].disclosure


def test_the_figures_of_the_recipes_are_those_of_the_documentation() -> None:
    rows = (REPOSITORY / "docs/pictures/frontier.tsv").read_text(encoding="utf-8").splitlines()
    columns = rows[0].split("\t")
    for row in rows[1:]:
        point = dict(zip(columns, row.split("\t"), strict=True))
        name = point["name"].split()[0]
        if name in RECIPES:
            stated = re.search(r"(\d+) of 100 members", RECIPES[name].disclosure)
            assert stated is not None
            assert abs(int(stated.group(1)) - 100 * float(point["tpr"])) < 0.51
            assert f"AUC {float(point['auc']):.2f}" in RECIPES[name].disclosure
