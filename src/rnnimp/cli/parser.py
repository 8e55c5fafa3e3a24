"""The parsers of the command line: how help is laid out, and what a mistyped command, option or choice gets.

Options must be written in full. An option may have several names; the first is the main one, the others are kept so
that older commands work.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from itertools import takewhile
from typing import Any, NoReturn

from rnnimp.cli.colours import highlighted
from rnnimp.cli.suggestions import did_you_mean
from rnnimp.wording import printable

EXIT_BAD_ARGUMENTS = 2
_OPTION = re.compile(r"(--|-[A-Za-z])[A-Za-z][^\s=]*(=.*)?", re.DOTALL)


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Fills paragraphs and keeps indented examples as they are; shows an option's names, then its value once."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, **{"max_help_position": 24, **settings})

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = re.split(r"\n\s*\n", text.strip("\n"))
        return "\n\n".join(block if "\n  " in block else textwrap.fill(block, width) for block in blocks)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"

    def _format_action(self, action: argparse.Action) -> str:
        text = super()._format_action(action)
        is_list_of_commands = isinstance(action, argparse._SubParsersAction)
        return text.partition("\n")[2] if is_list_of_commands else text  # its title says already what it lists


class CommandParser(argparse.ArgumentParser):
    """A parser that names the nearest known word in its errors."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            **{"allow_abbrev": False, "add_help": False, "formatter_class": HelpFormatter, **settings},
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As the base class, but refuse unknown arguments, first of all and with the usage of their own command."""
        words = sys.argv[1:] if args is None else list(args)
        self._refuse([word for word in self._own_words(words) if self._is_unknown_option(word)])
        parsed, unknown = super().parse_known_args(words, namespace)
        self._refuse(unknown)
        return parsed, unknown

    def _own_words(self, words: list[str]) -> list[str]:
        """The arguments of this parser: up to the name of a command, if it has commands; up to `--` otherwise."""
        if any(isinstance(action, argparse._SubParsersAction) for action in self._actions):
            return list(takewhile(lambda word: word.startswith("-"), words))
        return list(takewhile(lambda word: word != "--", words))

    def _is_unknown_option(self, word: str) -> bool:
        """Whether a word looks like an option, also like `-vcf`, and is none. A negative number is a value."""
        return bool(_OPTION.fullmatch(word)) and word.partition("=")[0] not in self._option_string_actions

    def _refuse(self, unknown: list[str]) -> None:
        if unknown:
            options = [word.partition("=")[0] for word in unknown if word.startswith("-")]
            hints = filter(None, (did_you_mean(option, self._option_string_actions) for option in options))
            self.error("; ".join([f"unrecognized arguments: {' '.join(unknown)}", *hints]))

    def error(self, message: str) -> NoReturn:
        """Print the usage and one line that says what is wrong and where help is; exit with code 2."""
        for action in self._actions:  # the main name of an option stands for all of them
            if len(action.option_strings) > 1:
                message = message.replace("/".join(action.option_strings), main_name(action))
        self.print_usage(sys.stderr)
        self.exit(EXIT_BAD_ARGUMENTS, self._error_line(f"{message} (see '{self.prog} --help')"))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that is none of an option's choices, or a command that does not exist."""
        if action.choices is None or value in action.choices:
            return
        hint = did_you_mean(str(value), action.choices)
        if isinstance(action, argparse._SubParsersAction):
            self.exit(EXIT_BAD_ARGUMENTS, self._error_line(unknown_command(str(value), hint)))
        choices = ", ".join(map(str, action.choices))
        raise argparse.ArgumentError(action, f"'{value}' is not one of {choices}" + (f"; {hint}" if hint else ""))

    def _error_line(self, message: str) -> str:
        return highlighted(f"{self.prog}: error: {printable(message)}\n", "error", sys.stderr)


def main_name(action: argparse.Action) -> str:
    """The main name of an option: its first long one."""
    return next((name for name in action.option_strings if name.startswith("--")), action.option_strings[0])


def unknown_command(word: str, hint: str) -> str:
    """The error message for a command that does not exist."""
    return f"'{word}' is not a command; {hint + ' ' if hint else ''}'rnnimp help' lists all commands"
