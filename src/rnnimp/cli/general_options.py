"""The options that every command has, and the logging that they set up.

Messages go to standard error. `--log-file` adds a file that gets all of them, with times, whatever the terminal shows.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from contextlib import suppress
from pathlib import Path

from rnnimp import __version__
from rnnimp.cli.colours import highlighted
from rnnimp.errors import SettingsError
from rnnimp.wording import printable

QUIET, NORMAL, VERBOSE = logging.WARNING, logging.INFO, logging.DEBUG
PROGRESS_LOGGER = "rnnimp.progress"
"""Progress bars are shown if this logger is enabled for INFO."""


_LOG_START = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+ ")
_LOG_START_BYTES = 40


def add_general_options(parser: argparse.ArgumentParser, is_program: bool = False) -> None:
    """Add the group `general options`, the last of a command's help.

    Args:
        parser: Parser of the program or of a command.
        is_program: Whether it is that of the program. Only that one sets defaults, so that an option may stand before
            or after the command's name.
    """
    group = parser.add_argument_group("general options")
    group.add_argument("-h", "--help", action="help", help="show this help and exit")
    group.add_argument("--version", action="version", version=f"rnnimp {__version__}", help="show the version and exit")
    volume = {"dest": "volume", "action": "store_const", "default": NORMAL if is_program else argparse.SUPPRESS}
    group.add_argument("-q", "--quiet", const=QUIET, help="show warnings and errors only", **volume)  # type: ignore[arg-type]
    group.add_argument(
        "-v",
        "--verbose",
        const=VERBOSE,
        help="show more: versions, details, and where in the program an error occurred",
        **volume,  # type: ignore[arg-type]
    )
    group.add_argument(
        "--log-file",
        metavar="FILE",
        default=None if is_program else argparse.SUPPRESS,
        help="append all messages to FILE, with times",
    )


def set_up_logging(volume: int = NORMAL, log_file: str | None = None) -> None:
    """Send messages to standard error and, if there is one, to a log file.

    Raises:
        SettingsError: if the log file cannot be written.
    """
    close_log_file()
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(ConsoleFormatter())
    console.setLevel(volume)
    handlers: list[logging.Handler] = [console]
    if log_file is not None:
        handlers.append(_file_handler(log_file))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    # only our own modules: the libraries' details would bury them
    has_details = volume == VERBOSE or log_file is not None
    logging.getLogger("rnnimp").setLevel(logging.DEBUG if has_details else logging.NOTSET)
    logging.getLogger(PROGRESS_LOGGER).setLevel(logging.CRITICAL if volume == QUIET else logging.NOTSET)


def close_log_file() -> None:
    """Close the log file, if there is one, so that it is complete when the command returns."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, logging.FileHandler)]:
        root.removeHandler(handler)
        with suppress(OSError):  # a full disk, which each message has reported already
            handler.close()


def _file_handler(path: str) -> logging.Handler:
    try:
        _require_log(Path(path))
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, mode="a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise SettingsError(f"--log-file {path}: cannot be written ({error.strerror or error})") from error
    handler.setFormatter(FileFormatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    return handler


def _require_log(path: Path) -> None:
    """Refuse to append to a file that is something else, such as an input."""
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        start = file.read(_LOG_START_BYTES).decode("ascii", errors="replace")
    if not _LOG_START.match(start):
        raise SettingsError(
            f"--log-file {path}: expected a log of rnnimp or no file, found another file; name a new one"
        )


class _PrintableFormatter(logging.Formatter):
    """Escapes control characters in messages, which may quote files; tracebacks keep their lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line of a message, always one."""
        record.message = printable(record.message)
        return super().formatMessage(record)


class FileFormatter(_PrintableFormatter):
    """For the log file: with times."""


class ConsoleFormatter(_PrintableFormatter):
    """The message only; warnings and errors in colour on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """One message, with its traceback if there is one."""
        text = super().format(record)
        if record.levelno < logging.WARNING:
            return text
        return highlighted(text, "error" if record.levelno >= logging.ERROR else "warning", sys.stderr)
