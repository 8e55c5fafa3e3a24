"""Bytes of text files as text, with errors that say what the bytes are instead."""

from __future__ import annotations

from pathlib import Path

from rnnimp.errors import DataError
from rnnimp.formats.kinds import BINARY_BYTES

BYTE_ORDER_MARK = "\ufeff".encode()
"""What some programs write before the first line."""


def decoded_line(raw: bytes, path: str | Path, number: int, data: bytes) -> str:
    """A line as text.

    Args:
        raw: The line, without its end.
        path: The file, for the message.
        number: Number of the line, for the message.
        data: Bytes of the file that show whether it is binary.

    Raises:
        DataError: if it is not in UTF-8.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        if set(data) & set(BINARY_BYTES):
            raise DataError("expected text, found binary data; check that it is the right file", path) from error
        raise DataError(
            f"expected text in UTF-8, found {raw[:40]!a}; convert the file, for instance with iconv -f latin1 -t utf-8",
            path,
            number,
        ) from error
