"""What a report consists of: sections with texts, tables and pictures. Plain data; `page.py` makes HTML of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rnnimp.formats.tables import number_text

Value = float | int | str | None
Chart = dict[str, Any]
"""A Vega-Lite specification. Its data are named, and stand in the picture's `data`."""


@dataclass(frozen=True)
class Table:
    """Named columns and rows of plain values.

    Attributes:
        columns: Names of the columns.
        rows: The rows; None where there is no value.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    @classmethod
    def of(cls, columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> Table:
        """A table of any sequences; NaN becomes None."""
        return cls(tuple(columns), tuple(tuple(None if cell != cell else cell for cell in row) for row in rows))

    def texts(self, n_decimals: int = 4) -> list[list[str]]:
        """All cells as texts: real numbers with this many decimals, `NA` for none."""
        return [[_text(cell, n_decimals) for cell in row] for row in self.rows]

    def records(self) -> list[dict[str, Value]]:
        """One dictionary per row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def _text(cell: Value, n_decimals: int) -> str:
    if cell is None:
        return "NA"
    return number_text(cell, n_decimals) if isinstance(cell, float) else str(cell)


@dataclass(frozen=True)
class Picture:
    """A picture, with its text alternative and its table.

    Attributes:
        name: Name of its files, and its anchor in the page.
        title: The title above it.
        description: What it shows, for those who do not see it.
        caption: How to read it; what was put in bins or left out.
        chart: The specification.
        data: The tables that the specification names.
        table: The numbers that it shows, for readers.
        is_square: Whether both axes are of one kind, so that it is as wide as high.
    """

    name: str
    title: str
    description: str
    caption: str
    chart: Chart
    data: Mapping[str, Table]
    table: Table
    is_square: bool = False


@dataclass(frozen=True)
class Listing:
    """A table for readers that belongs to no picture.

    Attributes:
        name: Name of its file.
        title: Its caption.
        table: The table.
        note: What to know about it.
    """

    name: str
    title: str
    table: Table
    note: str = ""


@dataclass(frozen=True)
class Markup:
    """HTML that is ready, such as the parts of an audit's page."""

    html: str


Part = Picture | Listing | Markup


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes:
        anchor: A plain word for links to it.
        title: Its heading.
        meaning: What it says, in one sentence.
        action: What to do, in one sentence.
        parts: Pictures and tables.
        facts: Names and values, at the top.
        warnings: What needs attention.
    """

    anchor: str
    title: str
    meaning: str
    action: str
    parts: tuple[Part, ...]
    facts: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = field(default=())
