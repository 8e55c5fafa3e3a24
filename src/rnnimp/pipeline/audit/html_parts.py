"""Parts of an HTML page. All texts are plain; they are escaped here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from rnnimp.wording import printable


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: The main text.
        beside: A second text, smaller: an interval.
        is_strong: Whether the main text is emphasised.
    """

    text: str
    beside: str = ""
    is_strong: bool = False


def escaped(text: str) -> str:
    """A text for HTML; control characters and what no encoding can write are spelled out.

    >>> escaped("<a> & b")
    '&lt;a&gt; &amp; b'
    """
    return escape(printable(text))


Row = Sequence[Cell | str]
Group = tuple[str, Sequence[Row]]
"""A row header, and the rows that belong to it."""


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph, of a class of the style sheet if `kind` is given."""
    return f'<p class="{kind}">{escaped(text)}</p>' if kind else f"<p>{escaped(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """A list."""
    return "<ul>" + "".join(f"<li>{escaped(text)}</li>" for text in texts) + "</ul>"


def definitions(rows: Iterable[tuple[str, str]]) -> str:
    """Names and what belongs to them."""
    return "<dl>" + "".join(f"<div><dt>{escaped(a)}</dt><dd>{escaped(b)}</dd></div>" for a, b in rows) + "</dl>"


def section(anchor: str, title: str, *parts: str) -> str:
    """A section with a heading; `anchor` is a plain word for links to it."""
    return f'<section id="{anchor}"><h2>{escaped(title)}</h2>{"".join(parts)}</section>'


def table(caption: str, header: Sequence[str], groups: Iterable[Group], kind: str = "numbers") -> str:
    """A table whose first column has the row headers. It scrolls by itself where it is wider than the page.

    Args:
        caption: The caption.
        header: Names of all columns.
        groups: The rows.
        kind: Class of the style sheet: `numbers` for right-aligned cells, `words` for others.
    """
    columns = "".join(f'<th scope="col">{escaped(name)}</th>' for name in header)
    bodies = "".join(_group(name, rows) for name, rows in groups)
    return _scrolling(
        caption,
        f'<table class="{kind}"><caption>{escaped(caption)}</caption><thead><tr>{columns}</tr></thead>{bodies}</table>',
    )


def picture(svg: str, title: str, caption: str) -> str:
    """A picture in a frame that scrolls where it is wider than the page, with its caption.

    Args:
        svg: The picture, with a text alternative of its own.
        title: Name of the frame.
        caption: Text below the picture.
    """
    return f"<figure>{_scrolling(title, svg)}<figcaption>{escaped(caption)}</figcaption></figure>"


def _scrolling(name: str, content: str) -> str:
    """A frame that the keyboard can scroll, too."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escaped(name)}">{content}</div>'


def _group(name: str, rows: Sequence[Row]) -> str:
    scope = f'scope="rowgroup" rowspan="{len(rows)}"' if len(rows) > 1 else 'scope="row"'
    lines = [
        f"<tr>{f'<th {scope}>{escaped(name)}</th>' if number == 0 else ''}{''.join(map(_cell, row))}</tr>"
        for number, row in enumerate(rows)
    ]
    return f"<tbody>{''.join(lines)}</tbody>"


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return f"<td>{escaped(cell)}</td>"
    text = f"<strong>{escaped(cell.text)}</strong>" if cell.is_strong else escaped(cell.text)
    return f"<td>{text}{f' <small>{escaped(cell.beside)}</small>' if cell.beside else ''}</td>"
