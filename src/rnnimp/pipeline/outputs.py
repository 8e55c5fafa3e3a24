"""Outputs are never inputs: the check that every stage makes before it reads anything.

A stage lists the files that it reads and all files that it will write, with those beside them. They are compared by
what the file system knows of them. So links, other spellings of a path, and file systems that ignore case are no way
around the check.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from rnnimp.choices import STANDARD_STREAM
from rnnimp.errors import DataError, SettingsError
from rnnimp.wording import first_few

logger = logging.getLogger(__name__)


def require_output_name(path: str | Path, option: str) -> None:
    """Refuse a path that names no file to write: empty, `-`, a folder, or with control characters.

    Args:
        path: As the user gave it: a file, or a prefix of files.
        option: Option that gave it, for the message.

    Raises:
        SettingsError: saying what is wrong with it.
    """
    text = str(path)
    if text == STANDARD_STREAM:
        raise SettingsError(f"{option} -: results are not written to standard output; name a file")
    if any(ord(character) < ord(" ") or ord(character) == 127 for character in text):
        raise SettingsError(f"{option} must be a path without line breaks and other control characters, found {text!r}")
    if not text or text.endswith(os.sep) or Path(text).name in ("", ".", "..") or text.endswith((f"{os.sep}.", "..")):
        raise SettingsError(f"{option} must end in a name for the files, found '{text}'")


def check_outputs(outputs: Iterable[str | Path], inputs: Iterable[str | Path | None]) -> None:
    """Refuse to write over what is read, or where nothing can be written; report which results are replaced.

    Args:
        outputs: All files that will be written, in the order in which to name them.
        inputs: All files that are read; None and `-` stand for none.

    Raises:
        SettingsError: if an output is an input, or two outputs are one file.
        DataError: if an output is a folder, or is at a place where nothing can be written.
    """
    paths = [Path(output) for output in outputs]
    require_separate(paths, [*inputs, *_log_files()])
    seen: dict[Path, Path] = {}
    replaced = []
    for output in paths:
        twin = seen.setdefault(_place(output), output)
        if twin is not output:
            raise SettingsError(f"expected different files to write, found {twin} and {output}, which are one file")
        _require_place(output)
        if _identity(output) is not None:
            replaced.append(str(output))
    if replaced:
        logger.info("will replace the earlier %s", first_few(replaced))


def require_separate(outputs: Iterable[str | Path], inputs: Iterable[str | Path | None]) -> None:
    """Refuse to write over what is read; see `check_outputs`.

    Raises:
        SettingsError: naming both files.
    """
    read = {found: path for path in inputs if path is not None and (found := _identity(path)) is not None}
    for output in outputs:
        found = _identity(output)
        if found is not None and found in read:
            raise SettingsError(
                f"{output}: expected a new file to write, found the input {read[found]}; choose another --output"
            )


def _log_files() -> list[str]:
    """The files that messages go to: they are being written already."""
    return [
        handler.baseFilename for handler in logging.getLogger().handlers if isinstance(handler, logging.FileHandler)
    ]


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Device and number of an existing regular file; None for anything else, such as a pipe."""
    try:
        state = Path(path).stat()
    except (OSError, ValueError):
        return None
    return (state.st_dev, state.st_ino) if stat.S_ISREG(state.st_mode) else None


def _place(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a link that leads to itself
        return path.absolute()


def _require_place(path: Path) -> None:
    """Refuse a folder, a file where a folder is expected, and a folder that cannot be written."""
    if path.is_dir():
        raise DataError("expected a file to write, found a folder; choose another --output", path)
    if path.is_symlink() and not path.exists() and not _place(path).parent.is_dir():
        raise DataError("expected a file to write, found a link that leads nowhere; remove the link", path)
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise DataError(f"cannot be written: {folder} is no folder; choose another --output", path)
    if not path.exists() and not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"cannot be written: no permission to write into {folder}; choose another --output", path)
