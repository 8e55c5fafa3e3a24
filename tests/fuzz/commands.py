"""Running a command of rnnimp inside a worker, and reading what it said."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from fuzz.target import DisagreementError
from rnnimp.cli import main
from rnnimp.errors import RnnimpError

_REFUSING = (1, 2)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]")


class CommandError(RnnimpError):
    """The command refused its input in one line."""


def command(*arguments: str, codes: tuple[int, ...] = (0,)) -> Callable[[Path], int]:
    """A target's `run`: the command line in the working folder. It returns the exit code.

    Args:
        arguments: of `rnnimp`.
        codes: exit codes of success.
    """

    def run(folder: Path) -> int:
        return run_command(list(arguments), codes)

    return run


def run_command(arguments: list[str], codes: tuple[int, ...] = (0,)) -> int:
    """Run a command; raise `CommandError` with its error line.

    Raises:
        DisagreementError: for an exit code or messages that no command should give.
    """
    before = os.fstat(2).st_size
    code = main(arguments)
    said = os.pread(2, 1 << 20, before).decode(errors="replace").split("\n")
    if wild := [line for line in said if _CONTROL.search(line)]:
        raise DisagreementError(f"control characters in the message {wild[0][:150]!r}")
    errors = [line for line in said if "error:" in line]
    if code in codes and not errors:
        return code
    if code not in _REFUSING:
        raise DisagreementError(f"exit code {code}: {' / '.join(said)[:200]}")
    is_verbose = {"-v", "--verbose", "--log-file"} & set(arguments)  # which shows where an error occurred
    if len(errors) != 1 and not is_verbose:
        raise DisagreementError(f"{len(errors)} error lines with exit code {code}: {' / '.join(said)[-200:]}")
    if not is_verbose and any("Traceback" in line or "nternal error" in line for line in said):
        raise DisagreementError(f"a traceback or internal error: {' / '.join(said)[-200:]}")
    raise CommandError(errors[-1] if errors else f"exit code {code}")
