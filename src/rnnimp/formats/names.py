"""Sample names as bytes of a file: one rule for every format.

Names go into messages, tables and headers of other formats. So they are text in UTF-8 without control characters, none
is empty, and each stands once.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rnnimp.errors import DataError


def checked_name(name: bytes | str, path: str | Path, line: int | None = None) -> str:
    """One name as text.

    Raises:
        DataError: if it is empty, no UTF-8, or has a control character.

    >>> checked_name("M\\u00fcller".encode(), "x.vcf") == "M\\u00fcller"
    True
    """
    if isinstance(name, str):
        text = name
    else:
        try:
            text = name.decode()
        except UnicodeDecodeError:
            raise DataError(
                f"expected sample names in UTF-8, found the bytes {name!r}; convert the file, for instance with "
                "iconv -f latin1 -t utf-8",
                path,
                line,
            ) from None
    if not text:
        raise DataError("expected a sample name, found an empty one; check the separators of the names", path, line)
    if has_control_character(text):
        raise DataError(
            f"expected sample names without control characters, found {text!a}; rename the sample", path, line
        )
    return text


def sample_names(names: Iterable[bytes | str], path: str | Path, line: int | None = None) -> tuple[str, ...]:
    """All names of a file as text.

    Raises:
        DataError: as `checked_name`, and for a name that repeats.
    """
    found: dict[str, None] = {}
    for name in names:
        text = checked_name(name, path, line)
        if text in found:
            raise DataError(f"expected each sample once, found {text} again; rename or remove one", path, line)
        found[text] = None
    return tuple(found)


def has_control_character(text: str) -> bool:
    """Whether a text has a character that a terminal obeys, or that ends a line.

    >>> has_control_character("NA12878"), has_control_character("a\\x1b[2J"), has_control_character("a\\x85")
    (False, True, True)
    """
    return not text.isprintable() and any(
        character < " " or "\x7f" <= character <= "\x9f" or character in "\u2028\u2029" for character in text
    )
