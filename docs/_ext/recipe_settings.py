"""The recipes of a training as tables, read from the code.

The directive `recipe-list` shows what each recipe is, and `recipe-settings` every setting with its values.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from command_reference import command_parsers, escape
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.parsing import nested_parse_to_nodes

from rnnimp.training import recipe


def setting_descriptions(docstring: str) -> dict[str, str]:
    """The text of each attribute in a dataclass's docstring."""
    _, _, attributes = docstring.partition("Attributes:\n")
    texts: dict[str, str] = {}
    for match in re.finditer(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", attributes, re.MULTILINE):
        texts[match.group(1)] = " ".join(match.group(2).split())
    return texts


def setting_options() -> dict[str, str]:
    """The option of `rnnimp train` that sets each field, where there is one."""
    names = {field.name for field in fields(recipe.TrainingSettings)}
    actions = command_parsers()["train"]._actions
    return {action.dest: action.option_strings[0] for action in actions if action.dest in names}


def list_lines() -> list[str]:
    """The table of recipes as reStructuredText: name, what it is, what its models tell."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: auto", ""]
    lines += _row("recipe", "what it is", "what its models tell about the people in the panel")
    for name, known in recipe.RECIPES.items():
        lines += _row(f"``{name}``", escape(known.summary), escape(known.disclosure))
    return lines


def table_lines() -> list[str]:
    """The table of settings as reStructuredText: setting and option, value in each recipe, meaning."""
    recipes = {name: known.settings for name, known in recipe.RECIPES.items()}
    descriptions = setting_descriptions(recipe.TrainingSettings.__doc__ or "")
    options = setting_options()
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: auto", ""]
    lines += _row("setting", *recipes, "meaning")
    for field in fields(recipe.TrainingSettings):
        values = [f"``{getattr(settings, field.name)}``" for settings in recipes.values()]
        lines += _row(_setting(field.name, options), *values, _text(descriptions[field.name]))
    return lines


def _setting(name: str, options: dict[str, str]) -> str:
    """A setting, and below it its option, if it has one."""
    if name not in options:
        return f"``{name}``"
    return f"| ``{name}``\n       | :option:`{options[name]} <rnnimp train {options[name]}>`"


def _text(description: str) -> str:
    """A description with its code, which stands between backquotes, as reStructuredText."""
    parts = description.split("`")
    return "".join(f"``{part}``" if number % 2 else escape(part) for number, part in enumerate(parts))


def _row(*cells: str) -> list[str]:
    first, *others = cells
    return [*f"   * - {first}".split("\n"), *(f"     - {cell}" for cell in others)]


class RecipeList(SphinxDirective):
    """`.. recipe-list::`, the table of recipes."""

    def run(self) -> list[nodes.Node]:
        """The table's nodes."""
        return nested_parse_to_nodes(self.state, StringList(list_lines(), source="rnnimp.training.recipe"))


class RecipeSettings(SphinxDirective):
    """`.. recipe-settings::`, the table of all settings."""

    def run(self) -> list[nodes.Node]:
        """The table's nodes."""
        return nested_parse_to_nodes(self.state, StringList(table_lines(), source="rnnimp.training.recipe"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("recipe-list", RecipeList)
    app.add_directive("recipe-settings", RecipeSettings)
    return {"version": "1", "parallel_read_safe": True}
