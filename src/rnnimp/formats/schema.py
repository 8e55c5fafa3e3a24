"""Small tables in JSON, checked field by field against a schema: names, types and ranges."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rnnimp.sites.chromosomes import is_chromosome_name

_LONGEST_EXCERPT = 60
_LARGEST_COUNT = 2**31 - 1
# always the same objects, so that two readings of one table are equal
_CONSTANTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_FILE_NAME = re.compile(r"[^/\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True)
class Field:
    """The rule of a field's value.

    Attributes:
        expected: The right value, in words.
        is_right: Whether a value is right.
        is_required: Whether the field must be there.
    """

    expected: str
    is_right: Callable[[Any], bool]
    is_required: bool = True

    def or_null(self) -> Field:
        """The same, or null."""
        return Field(f"{self.expected}, or null", lambda value: value is None or self.is_right(value), self.is_required)

    def optional(self) -> Field:
        """The same, where it is there."""
        return Field(self.expected, self.is_right, is_required=False)


def table_problem(content: Any, fields: Mapping[str, Field], is_open: bool = False) -> str | None:
    """The first fault of a table of values, in one printable line; None if there is none.

    Args:
        content: Content as read from JSON.
        fields: For each known name, the rule of its value.
        is_open: Whether other names may be there too.

    >>> table_problem({"n": "x"}, {"n": whole_number(1)})
    "expected a whole number from 1 on as n, found 'x'"
    """
    if not isinstance(content, dict):
        return f"expected a table of values, found {excerpt(content)}"
    missing = [name for name, rule in fields.items() if rule.is_required and name not in content]
    if missing:
        return f"expected the fields {', '.join(fields)}, found no {', '.join(missing)}"
    unknown = [name for name in content if name not in fields]
    if unknown and not is_open:
        return f"expected the fields {', '.join(fields)}, found {excerpt(unknown[0])} too"
    for name, rule in fields.items():
        if name in content and not rule.is_right(content[name]):
            return f"expected {rule.expected} as {name}, found {excerpt(content[name])}"
    return None


def excerpt(value: Any) -> str:
    """The beginning of a value, printable."""
    text = ascii(value)
    return text if len(text) <= _LONGEST_EXCERPT else f"{text[:_LONGEST_EXCERPT]}..."


def parse_json(text: bytes | str, allow_nan: bool = False) -> Any:
    """Parse JSON as the standard defines it.

    Args:
        text: JSON in UTF-8.
        allow_nan: Whether a number may be `NaN`, as Python writes it.

    Raises:
        ValueError: if it is none, has a name twice in a table, a number that is none, or is nested without end.
    """
    try:
        constant = _CONSTANTS.__getitem__ if allow_nan else _refuse_constant
        return json.loads(text, object_pairs_hook=_table, parse_constant=constant)
    except RecursionError as error:
        raise ValueError("tables within tables without end") from error


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands twice in a table")
    return table


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def whole_number(least: int = 0, most: int = _LARGEST_COUNT) -> Field:
    """An int in a range; true and false are none."""
    bounds = f"from {least} on" if most == _LARGEST_COUNT else f"from {least} to {most}"
    return Field(f"a whole number {bounds}", lambda value: type(value) is int and least <= value <= most)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 1000 and value.isprintable()


TEXT = Field("a text without control characters", _is_text)
NUMBER = Field("a number", lambda value: type(value) in (int, float))
FLAG = Field("true or false", lambda value: isinstance(value, bool))
TABLE = Field("a table of values", lambda value: isinstance(value, dict))
CHROMOSOME = Field("a chromosome's name", lambda value: isinstance(value, str) and is_chromosome_name(value))
TEXTS = Field(
    "a text for each name", lambda value: isinstance(value, dict) and all(map(_is_text, (*value, *value.values())))
)
CHECKSUM = Field(
    "a SHA-256 of 64 hexadecimal digits", lambda value: isinstance(value, str) and _SHA256.fullmatch(value) is not None
)
CHECKSUMS = Field(
    "a SHA-256 of 64 hexadecimal digits for each file name",
    lambda value: (
        isinstance(value, dict)
        and len(value) > 0
        and all(_FILE_NAME.fullmatch(name) and name not in (".", "..") for name in value)
        and all(map(CHECKSUM.is_right, value.values()))
    ),
)
