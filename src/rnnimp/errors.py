"""Errors that a user can act on: one line each, with an exit code.

Any other exception is a defect of the program. It is reported in one line too; `--verbose` and `--log-file` show its
traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RnnimpError(Exception):
    """A problem that the user can solve; `rnnimp` prints it as one line and exits with `exit_code`."""

    exit_code = 1


class DataError(RnnimpError):
    """A file is missing, or its content is wrong.

    Args:
        message: The message. It says what was expected, what was found, and what to do.
        path: The file, if there is one.
        line: Number of the line in the file, from 1.
    """

    def __init__(self, message: str, path: str | Path | None = None, line: int | None = None) -> None:
        place = "" if path is None else str(path)
        if line is not None:
            place += f":{line}"
        super().__init__(f"{place}: {message}" if place else message)


class SettingsError(RnnimpError):
    """An option, or a combination of options, is wrong."""

    exit_code = 2


class TrainingError(RnnimpError):
    """Training of one or more regions failed; the others are kept."""


@contextmanager
def needs_training_packages(purpose: str) -> Iterator[None]:
    """Around imports that need the extra `train`: say how to install it.

    Args:
        purpose: Purpose of the imports for the message, such as `training`.

    Raises:
        SettingsError: if a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise SettingsError(f"{purpose} needs {error.name}; install it with: pip install 'rnnimp[train]'") from error
