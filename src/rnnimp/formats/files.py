"""Opening files: compressed or not, complete or absent, with errors that name them."""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from rnnimp.errors import DataError

try:  # several times faster; the standard library reads and writes the same files
    from isal import igzip
    from isal.isal_zlib import error as IsalError

    _GZIP: Any = igzip
    _GZIP_LEVEL = 2
    _BROKEN: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, zlib.error, cast(type[Exception], IsalError))
except ImportError:
    _GZIP = gzip
    _GZIP_LEVEL = 4
    _BROKEN = (EOFError, gzip.BadGzipFile, zlib.error)

_GZIP_MAGIC = b"\x1f\x8b"
_BGZF_SUBFIELD = b"BC"
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


@contextmanager
def open_input(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a plain or gzip-compressed file for reading bytes; its content tells which it is.

    Raises:
        DataError: if it cannot be opened, or its compressed data end early or are damaged.
    """
    try:
        with Path(path).open("rb") as raw:
            start = raw.peek(18)[:18]  # not read and sought: pipes go one way
            if start[:2] != _GZIP_MAGIC:
                yield raw
                return
            if start[12:14] == _BGZF_SUBFIELD and raw.seekable():
                _check_bgzf_end(raw, path)
            with _GZIP.open(raw, "rb") as unpacked:
                yield cast(IO[bytes], unpacked)
    except _BROKEN as error:
        raise DataError(
            f"the gzip data are truncated or damaged ({str(error) or 'unexpected end'}); copy or make the file again",
            path,
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _check_bgzf_end(raw: IO[bytes], path: str | Path) -> None:
    """Look for the empty block that ends bgzip's files: without it a cut between two blocks would pass unseen."""
    raw.seek(0, os.SEEK_END)
    raw.seek(max(0, raw.tell() - len(_BGZF_END)))
    if raw.read() != _BGZF_END:
        raise DataError("the bgzip data have no end mark, so they are truncated; copy or make the file again", path)
    raw.seek(0)


def _unreadable(path: str | Path, error: OSError) -> DataError:
    return DataError(f"cannot be read ({error.strerror or error}); check the path and its permissions", path)


def read_lines(path: str | Path) -> list[str]:
    """All lines of a small text file, without their ends."""
    with open_input(path) as file:
        try:
            return file.read().decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise DataError("expected text, found binary data; check that it is the right file", path) from error


@contextmanager
def atomic_output(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file for writing bytes that takes its name only once it is complete.

    Compressed if the name ends in `.gz`. Folders are made. On any exception, Ctrl-C included, nothing is
    left behind and an older file of that name stays as it was. A pipe or a device is written straight into.

    Raises:
        DataError: if the place cannot be written.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as raw, _compressed(raw, target) as file:
                yield file
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as raw:
            os.fchmod(raw.fileno(), 0o666 & ~_umask())
            with _compressed(raw, target) as file:
                yield file
        temporary.replace(target)
        temporary = None
    except OSError as error:
        raise DataError(
            f"cannot be written ({error.strerror or error}); check the folder, its permissions and free space", path
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def _compressed(raw: IO[bytes], target: Path) -> Iterator[IO[bytes]]:
    if target.suffix != ".gz":
        yield raw
        return
    # no file name and no time in the header: the same content gives the same bytes
    with _GZIP.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=_GZIP_LEVEL, mtime=0) as packed:
        yield cast(IO[bytes], packed)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
