"""The directives `command-list` and `command-reference`: all commands and options, read from the argparse parsers.

The page and `--help` therefore cannot differ. Each option becomes a Sphinx option of its own, so that other pages can
link to it: ``{option}`rnnimp impute --min-r2` ``. Both directives are reStructuredText: in a Markdown page they stand
in an ``eval-rst`` block.
"""

from __future__ import annotations

import argparse
import re
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.parsing import nested_parse_to_nodes

from rnnimp.cli import build_parser

USAGE_WIDTH = 84


def command_parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by the command's name."""
    return dict(_subparsers().choices)


def command_purposes() -> dict[str, str]:
    """The line of each command in `rnnimp --help`."""
    return {choice.dest: choice.help or "" for choice in _subparsers()._choices_actions}


def _subparsers() -> argparse._SubParsersAction[argparse.ArgumentParser]:
    (commands,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    return commands


def escape(text: str) -> str:
    """Plain text as reStructuredText that shows it unchanged."""
    return re.sub(r"([\\*`|_<>:])", r"\\\1", text)


def option_signature(action: argparse.Action) -> str:
    """An option with its aliases and values, as `-h, --help` or `--format {vcf,bcf}`."""
    if not action.option_strings:
        return str(action.metavar or action.dest)
    value = "" if action.nargs == 0 else f" {_value(action)}"
    return ", ".join(f"{option}{value}" for option in action.option_strings)


def _usage(parser: argparse.ArgumentParser) -> str:
    formatter = parser.formatter_class(parser.prog, width=USAGE_WIDTH)  # not as wide as the terminal of the build
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")
    return formatter.format_help().strip()


def _value(action: argparse.Action) -> str:
    if action.metavar is not None:
        return str(action.metavar)
    if action.choices is not None:
        return "{" + ",".join(str(choice) for choice in action.choices) + "}"
    return action.dest.upper()


def reference_lines(parser: argparse.ArgumentParser) -> list[str]:
    """The reference of a command as lines of reStructuredText.

    Args:
        parser: of the command.
    """
    formatter = parser._get_formatter()
    lines = [f".. program:: {parser.prog}", "", *_paragraphs(parser.description), ".. code-block:: text", ""]
    lines += [f"   {line}" for line in _usage(parser).splitlines()] + [""]
    for group in parser._action_groups:
        actions = [
            action
            for action in group._group_actions
            if action.help is not argparse.SUPPRESS and not isinstance(action, argparse._HelpAction)
        ]
        if not actions:
            continue
        lines += [f".. rubric:: {escape((group.title or 'options').capitalize())}", "", *_paragraphs(group.description)]
        for action in actions:
            help_text = formatter._expand_help(action) if action.help else ""
            lines += [f".. option:: {option_signature(action)}", "", f"   {escape(help_text)}", ""]
    if parser.epilog:
        lines += [".. code-block:: text", "", *(f"   {line}" for line in parser.epilog.splitlines()), ""]
    return lines


def _paragraphs(text: str | None) -> list[str]:
    blocks = re.split(r"\n\s*\n", text or "")
    return [line for block in blocks if block.strip() for line in (escape(" ".join(block.split())), "")]


class CommandReference(SphinxDirective):
    """`.. command-reference::`, a section per command."""

    def run(self) -> list[nodes.Node]:
        """The sections, in the order of `rnnimp --help`."""
        return [self._section(name, parser) for name, parser in command_parsers().items()]

    def _section(self, name: str, parser: argparse.ArgumentParser) -> nodes.section:
        section = nodes.section(ids=[f"rnnimp-{name}"], names=[f"rnnimp {name}"])
        section += nodes.title("", f"rnnimp {name}")
        lines = StringList(reference_lines(parser), source=f"rnnimp {name} --help")
        section += nested_parse_to_nodes(self.state, lines)
        return section


class CommandList(SphinxDirective):
    """`.. command-list::`, one line per command."""

    def run(self) -> list[nodes.Node]:
        """A list of the commands with their purposes."""
        lines = [f"- `rnnimp {name} <#rnnimp-{name}>`__: {escape(text)}" for name, text in command_purposes().items()]
        return nested_parse_to_nodes(self.state, StringList(lines, source="rnnimp --help"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("command-reference", CommandReference)
    app.add_directive("command-list", CommandList)
    return {"version": "1", "parallel_read_safe": True}
