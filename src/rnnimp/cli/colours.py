"""Colour for errors and warnings, on terminals only. `NO_COLOR` switches it off, see https://no-color.org."""

from __future__ import annotations

import os
from typing import TextIO

_CODES = {"error": "1;31", "warning": "33"}  # bold red, yellow


def highlighted(text: str, kind: str, stream: TextIO) -> str:
    """The text in the colour of an `error` or a `warning`, if the stream shows colours.

    A line end stays outside the colour.
    """
    if not shows_colours(stream):
        return text
    line = text.rstrip("\n")
    return f"\033[{_CODES[kind]}m{line}\033[0m{text[len(line) :]}"


def shows_colours(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose user wants colours."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
