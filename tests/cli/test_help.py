"""What every `--help` shows: a purpose, a short usage, groups, defaults, and examples that the parsers accept."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields

import pytest

from rnnimp import cli
from rnnimp.cli.parser import HelpFormatter, main_name
from rnnimp.cluster.slurm import SlurmSettings
from rnnimp.pipeline.impute.run import ImputeSettings
from rnnimp.pipeline.split import SplitSettings
from rnnimp.pipeline.train.work import TrainOptions
from rnnimp.sites.regions import RegionLimits
from rnnimp.training.recipe import RECIPES

PARSERS = cli.command_parsers(cli.build_parser())
COMMANDS = list(PARSERS)


@pytest.fixture(autouse=True)
def narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def examples(text: str) -> Iterator[list[str]]:
    """The arguments of each `rnnimp` in an epilog, up to a redirection."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.strip(), comments=True)
        if words[:1] == ["rnnimp"]:
            yield words[1 : words.index(">") if ">" in words else None]


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.option_strings]


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_help_has_examples_that_work(command: str | None) -> None:
    parser = cli.build_parser() if command is None else PARSERS[command]
    found = list(examples(parser.epilog or ""))
    assert found
    for arguments in found:
        args = cli.build_parser().parse_args(arguments)
        assert command in (None, args.command)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert len(text.partition("\n\n")[0].splitlines()) <= 3, "a long usage"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_purpose_is_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith(f"    {command} "))
    assert len(line) <= 80
    assert (PARSERS[command].description or "").partition(".")[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_options_stand_in_groups(command: str) -> None:
    groups = {str(group.title): group._group_actions for group in PARSERS[command]._action_groups}
    assert not groups["positional arguments"]
    assert not groups["options"]
    filled = [title for title, actions in groups.items() if actions]
    assert filled[-1] == "general options"
    if "Slurm options" in groups:
        assert filled[-2] == "Slurm options"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_usage_names_what_is_required(command: str) -> None:
    parser = PARSERS[command]
    usage = parser.format_usage()
    named = set(re.findall(r"--[\w-]+", usage))
    assert named <= set(parser._option_string_actions)
    assert {main_name(action) for action in options(parser) if action.required} <= named
    assert all(str(action.metavar) in usage for action in parser._actions if not action.option_strings)


@pytest.mark.parametrize("command", COMMANDS)
def test_defaults_are_shown(command: str) -> None:
    for action in options(PARSERS[command]):
        if action.nargs == 0 or action.default in (None, argparse.SUPPRESS) or action.default == []:
            continue
        assert re.search(r"\(default: %\(default\)[sg]\)", action.help or ""), action.option_strings


@pytest.mark.parametrize("command", COMMANDS)
def test_choices_are_shown(command: str) -> None:
    for action in PARSERS[command]._actions:
        if action.choices is not None:
            text = HelpFormatter("x")._format_action(action)
            assert all(str(choice) in text for choice in action.choices), action.dest


def test_a_default_that_depends_on_the_recipe_is_shown_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    accurate, published = RECIPES["accurate"].settings, RECIPES["published"].settings
    assert f"(default: {accurate.n_units}, published {published.n_units})" in text
    assert f"--batch-size N haplotypes per iteration (default: {accurate.batch_size})" in text


def test_every_recipe_is_listed_with_what_its_models_tell(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, recipe in RECIPES.items():
        assert f"{name}: {recipe.summary}; {recipe.disclosure}" in text


def test_the_parsers_have_the_defaults_of_the_stages() -> None:
    impute = vars(PARSERS["impute"].parse_args(["--model-prefix", "m", "--output", "o"]))
    for field in fields(ImputeSettings):
        if field.name not in ("model_prefix", "output_prefix"):
            assert impute[field.name] == field.default, field.name
    split = PARSERS["split"].parse_args(["--hap", "h", "--legend", "l", "--output", "o"])
    counts = split.body_marker_count_limit, split.flanking_marker_count_limit, split.imp_site_count_limit
    assert RegionLimits(*counts) == RegionLimits() == RegionLimits(200, 50, 1000)
    assert split.maf_threshold == SplitSettings().maf_threshold
    train = PARSERS["train"].parse_args(["--data-list", "l", "--output", "o"])
    options = TrainOptions()
    assert (train.device, train.engine, train.resume) == (options.device, options.engine, options.resume)
    assert train.threads == options.n_threads
    assert impute["memory_size"] == SlurmSettings("x").memory
    assert impute["python3_bin"] == SlurmSettings("x").python


def test_help_shows_the_help_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["impute"], []):
        assert cli.main(["help", *words]) == 0
        shown = capsys.readouterr().out
        assert cli.main([*words, "--help"]) == 0
        assert shown == capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_version(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--version"]) == 0
    assert capsys.readouterr().out.startswith("rnnimp ")
