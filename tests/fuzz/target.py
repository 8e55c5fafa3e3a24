"""A target of fuzzing: it has valid files, mutators for some of them, and a function that reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.mutate_text import Mutator

Files = dict[str, bytes]


class DisagreementError(Exception):
    """An input was accepted, but the result is not what the file says, or not plausible."""


def _nothing_to_check(folder: Path, files: Files, result: Any) -> None:
    """Accept any result."""


def _leaves_nothing(path: str) -> bool:
    """No path."""
    return False


def is_report(path: str) -> bool:
    """Whether it is what impute says of a target that it refuses, or a log file."""
    return path.endswith(".checks.json") or path.rpartition("/")[2] == "log"


@dataclass(frozen=True)
class Target:
    """A reader or a command under test.

    Attributes:
        name: in the report.
        files: valid inputs by their path in the working folder.
        mutators: how to change which of the files; one is changed at a time.
        run: reads the files of a folder. It raises `RnnimpError`, or returns a message, where they are refused.
        check: raises `DisagreementError` where an accepted result is not what the files say.
        may_leave: whether a path may be left behind by a refusal, such as an index.
        may_change: whether the command is there to write this input again.
    """

    name: str
    files: Files
    mutators: Mapping[str, Mutator]
    run: Callable[[Path], Any]
    check: Callable[[Path, Files, Any], None] = _nothing_to_check
    may_leave: Callable[[str], bool] = field(default=_leaves_nothing)
    may_change: Callable[[str], bool] = field(default=_leaves_nothing)
