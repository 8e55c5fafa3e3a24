"""The command `rnnimp`: one module per command, and the one place where errors become exit codes.

A command's module has `add_parser(subparsers)`, which sets `run=<function of the parsed arguments>`. A command that can
be resumed sets `left_behind=<function of the parsed arguments>` too: what to say when it is interrupted. Modules import
what they run only when they run it, so that `rnnimp --help` is immediate and imputing never loads torch.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rnnimp import __version__
from rnnimp.cli import (
    audit,
    bundle,
    check,
    completion,
    demo,
    evaluate,
    help,
    impute,
    inspect,
    merge,
    prepare,
    report,
    split,
    status,
    train,
)
from rnnimp.cli.general_options import add_general_options, close_log_file, set_up_logging
from rnnimp.cli.memory import NO_MEMORY, is_lack_of_memory
from rnnimp.cli.parser import EXIT_BAD_ARGUMENTS, CommandParser
from rnnimp.cli.published import PublishedScript
from rnnimp.cli.streams import open_standard_streams
from rnnimp.errors import RnnimpError
from rnnimp.wording import shortened

_COMMANDS = (
    *(prepare, split, train, status, bundle, check, impute, merge, evaluate, report, audit, inspect, demo),
    *(completion, help),
)
EXIT_FAILURE = 1
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
EXIT_HUNG_UP = 129
_REPORT_IT = "this is a defect of rnnimp: please report it, with what --verbose shows"

_EXIT_CODES = {"SIGTERM": EXIT_TERMINATED, "SIGHUP": EXIT_HUNG_UP}

logger = logging.getLogger(__name__)


class Terminated(KeyboardInterrupt):
    """The process was asked to end, by SIGTERM or SIGHUP; unfinished files are removed as after Ctrl-C.

    Args:
        exit_code: Exit code that goes with the signal.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


def build_parser(script: PublishedScript | None = None) -> argparse.ArgumentParser:
    """The parser of the whole command line.

    Args:
        script: The script of the published program that runs a command, with its name and defaults; None for `rnnimp`.
    """
    parser = CommandParser(
        prog="rnnimp",
        usage="%(prog)s COMMAND [options]",
        description="Genotype imputation with recurrent neural networks and a haplotype HMM. A trained model takes the "
        "place of the reference panel.",
        epilog="Examples:\n"
        "  # impute the packaged example and compare it with the truth\n"
        "  rnnimp demo\n\n"
        "  # all options of a command\n"
        "  rnnimp help impute",
    )
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", prog="rnnimp", parser_class=CommandParser
    )
    for command in _COMMANDS:
        command.add_parser(subparsers)
    add_general_options(parser, is_program=True)
    for command_parser in subparsers.choices.values():
        add_general_options(command_parser)
    if script is not None:
        script.adapt(subparsers.choices[script.command])
    return parser


def command_parsers(program: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by the command's name."""
    (commands,) = (action for action in program._actions if isinstance(action, argparse._SubParsersAction))
    return dict(commands.choices)


def main(argv: Sequence[str] | None = None, script: PublishedScript | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments after the program's name; those of the process if None.
        script: See `build_parser`.

    Returns:
        The exit code: 0, 1 for bad data or a failure, 2 for bad arguments; 130 when interrupted, 143 when terminated,
        129 when the terminal was closed.
    """
    open_standard_streams()
    set_up_logging()
    try:
        return _code_of(argv, script)
    except Exception as error:
        logger.debug("where the error occurred:", exc_info=True)
        return _report(f"internal error ({type(error).__name__}: {error}); {_REPORT_IT}", EXIT_FAILURE)
    finally:
        close_log_file()


def _code_of(argv: Sequence[str] | None, script: PublishedScript | None) -> int:
    """Run one command; its exit code. Errors that a user can act on are reported in one line."""
    try:
        with _terminable():
            code = _dispatch(argv, script)
        _flush_output()
    except RnnimpError as error:
        logger.debug("where the error occurred:", exc_info=error)
        return _report(str(error), error.exit_code)
    except Terminated as end:
        how = "the terminal was closed" if end.exit_code == EXIT_HUNG_UP else "terminated"
        return _report(f"{how}; {_left_behind(end)}", end.exit_code, kind="")
    except KeyboardInterrupt as stop:
        return _report(f"interrupted; {_left_behind(stop)}", EXIT_INTERRUPTED, kind="")
    except BrokenPipeError:
        _drop_output()
        return EXIT_FAILURE
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "rnnimp"):
            raise
        remedy = f"install it, for example with '{sys.executable} -m pip install {package}'"
        return _report(f"this Python has no package '{package}'; {remedy}", EXIT_FAILURE)
    except (MemoryError, ImportError, OSError, SystemError) as error:
        if not is_lack_of_memory(error):
            if isinstance(error, OSError) and error.filename is not None:  # such as a name too long for the disk
                logger.debug("where the error occurred:", exc_info=error)
                return _report(_path_trouble(error), EXIT_FAILURE)
            raise
        logger.debug("where memory ended:", exc_info=True)
        return _report(NO_MEMORY, EXIT_FAILURE)
    return code


def _path_trouble(error: OSError) -> str:
    return f"{shortened(str(error.filename))}: {error.strerror or error}; check the path and its permissions"


def _report(message: str, code: int, kind: str = "error: ") -> int:
    logger.error("rnnimp: %s%s", kind, message)
    return code


@contextmanager
def _terminable() -> Iterator[None]:
    """Within, SIGTERM and SIGHUP raise `Terminated`, so that unfinished files are removed."""
    # only the main thread may set handlers; a caller of main() from another has its own way to end it
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def terminate(number: int, _: object) -> None:
        code = _EXIT_CODES[signal.Signals(number).name]
        if os.getpid() != owner:  # a forked worker, which has nothing to remove
            os._exit(code)
        raise Terminated(code)

    known = [getattr(signal, name) for name in _EXIT_CODES if hasattr(signal, name)]
    # a signal that is ignored, as SIGHUP under nohup, stays ignored
    handled = [number for number in known if signal.getsignal(number) == signal.SIG_DFL]
    for number in handled:
        signal.signal(number, terminate)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)


def _flush_output() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output()
        raise RnnimpError(f"standard output: cannot be written ({error.strerror or error})") from error


def _drop_output() -> None:
    """Discard what is left of the standard output: writing it would fail again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(argv: Sequence[str] | None, script: PublishedScript | None = None) -> int:
    parser = build_parser(script)
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:  # --help, --version and bad arguments
        return stop.code if isinstance(stop.code, int) else EXIT_BAD_ARGUMENTS
    if args.command is None:
        parser.print_help(sys.stderr)
        return EXIT_BAD_ARGUMENTS
    set_up_logging(args.volume, args.log_file)
    if logger.isEnabledFor(logging.DEBUG):
        _log_versions(sys.argv[1:] if argv is None else argv)
    try:
        code: int | None = args.run(args)
    except KeyboardInterrupt as stop:
        if "left_behind" in args:
            stop.args = (args.left_behind(args),)
        raise
    return code or 0


def _left_behind(stop: KeyboardInterrupt) -> str:
    """What the interrupted command has left, and how to resume it."""
    return str(stop.args[0]) if stop.args else "no unfinished file was left"


def _log_versions(argv: Sequence[str]) -> None:
    import platform
    import shlex

    logger.debug("command: rnnimp %s", shlex.join(argv))
    logger.debug("rnnimp %s, Python %s, %s", __version__, platform.python_version(), platform.platform())


def run() -> None:
    """The entry point of the console script."""
    sys.exit(main())
