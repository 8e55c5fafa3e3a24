"""Numbers and lists in messages: `1 site`, `2 sites`, three names and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence

MOST_NAMED = 3


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun, which agrees with it.

    >>> counted(1, "site"), counted(2, "site"), counted(1204, "allele", "alleles")
    ('1 site', '2 sites', '1204 alleles')
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def first_few(names: Sequence[str], most: int = MOST_NAMED, n_all: int | None = None) -> str:
    """The first names, and how many more there are.

    Args:
        names: Names of all, or of the first of them.
        most: How many to name.
        n_all: How many there are; None if all are in `names`.

    >>> first_few(["a", "b"]), first_few(["a", "b", "c", "d", "e"])
    ('a, b', 'a, b, c and 2 more')
    """
    shown = ", ".join(names[:most])
    n_more = (len(names) if n_all is None else n_all) - most
    return f"{shown} and {n_more} more" if n_more > 0 else shown


def printable(text: str) -> str:
    """A text without line breaks, other control characters, and what no encoding can write.

    Paths and names come from files and users. In a message or a header they must not forge a line, nor change the
    colours of a terminal.

    >>> print(printable("two" + chr(10) + "lines"))
    two\\nlines
    """
    return "".join(
        character if character.isprintable() or character == " " else ascii(character)[1:-1] for character in text
    )


def shortened(text: str, width: int = 80) -> str:
    """A text for a message: white space as single spaces, control characters escaped, cut where it is long.

    >>> shortened("chr22\\t5\\n"), shortened("x" * 100, width=8)
    ('chr22 5', 'xxxxxxxx ...')
    """
    words = "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in " ".join(text[: 20 * width].split()))
    return words if len(words) <= width else f"{words[:width]} ..."
