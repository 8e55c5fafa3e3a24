"""Opening files: compressed or not, complete or absent, alone or together, with errors that name them."""

from __future__ import annotations

import glob
import gzip
import hashlib
import io
import logging
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar, cast

from rnnimp.choices import STANDARD_STREAM
from rnnimp.errors import DataError
from rnnimp.formats.bgzf import END_MARK, BgzfWriter
from rnnimp.formats.decoding import BYTE_ORDER_MARK, decoded_line
from rnnimp.wording import counted, first_few

try:  # several times faster; the standard library reads and writes the same files
    from isal import igzip
    from isal.isal_zlib import error as IsalError

    _GZIP: Any = igzip
    _BROKEN: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, zlib.error, cast(type[Exception], IsalError))
except ImportError:
    _GZIP = gzip
    _BROKEN = (EOFError, gzip.BadGzipFile, zlib.error)

_UNFINISHED = ".part"
LARGEST_TABLE = 1 << 30
"""Bytes of a text file that is read as a whole, unpacked; a kind of file may have a bound of its own."""

SMALL_BYTES = 1 << 26
"""Up to this size a file may be packed however well."""

LARGEST_RATIO = 100
"""How many times its packed size a text that is read as a whole may have."""

LONGEST_LINE = 1 << 25
"""Bytes of a line of a text file: alleles of 8 million people."""

_GZIP_MAGIC = b"\x1f\x8b"
_FILE_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_BGZF_SUBFIELD = b"BC"
logger = logging.getLogger(__name__)


@contextmanager
def open_input(path: str | Path, start_block: int = 0) -> Iterator[IO[bytes]]:
    """Open a plain or gzip-compressed file for reading bytes; its content tells which it is.

    Args:
        path: Path of the file.
        start_block: Offset of the BGZF block with which reading begins; 0 for the file's start.

    Raises:
        DataError: if it cannot be opened, or its compressed data end early or are damaged.
    """
    try:
        with io.BufferedReader(_NamedFile(path, "rb", path)) as raw:
            start = raw.peek(18)[:18]  # not read and sought: pipes go one way
            if start[:2] != _GZIP_MAGIC and not start_block:
                yield raw
                return
            if start[12:14] == _BGZF_SUBFIELD and raw.seekable():
                _check_bgzf_end(raw, path)
                raw.seek(start_block)
            elif start_block:
                raise DataError("expected a file packed by bgzip, as an index is beside it, found another", path)
            with _GZIP.open(raw, "rb") as unpacked:
                yield cast(IO[bytes], unpacked)
    except _BROKEN as error:
        raise DataError(
            f"the gzip data are truncated or damaged ({str(error) or 'unexpected end'}); copy or make the file again",
            path,
        ) from error


class _NamedFile(io.FileIO):
    """A file whose errors are `DataError`s that name it, so that no other file is blamed for them.

    Args:
        file: A path or a descriptor.
        mode: `rb` or `wb`.
        path: Name of the file.
    """

    def __init__(self, file: str | Path | int, mode: str, path: str | Path) -> None:
        is_output = mode == "wb" and str(file) == STANDARD_STREAM  # a copy of it, as closing this leaves it open
        self._path = "standard output" if is_output else path
        with self._blame(reading=mode == "rb"):
            super().__init__(os.dup(1) if is_output else file, mode)
        if mode == "rb" and _is_device(self):
            self.close()
            raise DataError("expected a file, found a device; check the path", path)

    @contextmanager
    def _blame(self, reading: bool) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise (unreadable if reading else unwritable)(self._path, error) from error

    def readinto(self, buffer: Any) -> int | None:
        with self._blame(reading=True):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with self._blame(reading=True):
            return super().readall()

    def write(self, data: Any) -> int | None:  # type: ignore[override]
        with self._blame(reading=False):
            return super().write(data)


def _is_device(file: io.FileIO) -> bool:
    """Whether a file is an endless device such as /dev/zero; a terminal is none, it may be typed into."""
    mode = os.fstat(file.fileno()).st_mode
    return stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not file.isatty())


def _check_bgzf_end(raw: IO[bytes], path: str | Path) -> None:
    """Look for the empty block that ends bgzip's files: without it a cut between two blocks would pass unseen."""
    raw.seek(0, os.SEEK_END)
    raw.seek(max(0, raw.tell() - len(END_MARK)))
    if raw.read() != END_MARK:
        raise DataError("the bgzip data have no end mark, so they are truncated; copy or make the file again", path)
    raw.seek(0)


def unreadable(path: str | Path, error: OSError) -> DataError:
    """The error for a file that the system cannot read."""
    return DataError(f"cannot be read ({error.strerror or error}); check the path and its permissions", path)


def read_lines(path: str | Path, most_bytes: int = LARGEST_TABLE) -> list[str]:
    """All lines of a small text file, without their ends.

    Raises:
        DataError: if it cannot be read, is no text in UTF-8, or is larger than `read_unpacked` allows.
    """
    data = read_unpacked(path, most_bytes).removeprefix(BYTE_ORDER_MARK)
    lines: list[str] = []
    for raw in data.splitlines():  # not of text: there U+0085 and others end lines too
        lines.append(decoded_line(raw, path, len(lines) + 1, data))
    return lines


def text_lines(path: str | Path) -> Iterator[str]:
    """The lines of a text file, without their ends; memory does not grow with the file.

    Raises:
        DataError: if it cannot be read, is no text in UTF-8, or has a line that is far too long.
    """
    with open_input(path) as file:
        for number, raw in enumerate((raw for text in whole_lines(file, path) for raw in text.splitlines()), start=1):
            yield decoded_line(raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw, path, number, raw)


def read_unpacked(path: str | Path, most_bytes: int = LARGEST_TABLE) -> bytes:
    """A whole file, unpacked if it is compressed.

    Args:
        path: Path of the file.
        most_bytes: Most bytes that it may have unpacked; a compressed file may also have no more than `LARGEST_RATIO`
            times its packed size, from `SMALL_BYTES` on.

    Raises:
        DataError: if it cannot be read, or is larger.
    """
    pieces: list[bytes] = []
    n_bytes = 0
    with open_input(path) as file:
        info = Path(path).stat()
        most_here = max(SMALL_BYTES, LARGEST_RATIO * info.st_size) if stat.S_ISREG(info.st_mode) else most_bytes
        limit = min(most_bytes, most_here)
        while piece := file.read(1 << 20):
            n_bytes += len(piece)
            if n_bytes > limit:
                raise DataError(
                    f"expected at most {limit / 1e6:.0f} MB of text in a file of its kind and size, found more; "
                    "check that it is the right file",
                    path,
                )
            pieces.append(piece)
    return b"".join(pieces)


def whole_lines(file: IO[bytes], path: str | Path) -> Iterator[bytes]:
    """The lines of a file from where it stands, with their ends; memory does not grow with what has no line ends.

    Raises:
        DataError: for a line of more than `LONGEST_LINE` bytes.
    """
    while text := file.readline(LONGEST_LINE + 1):
        if len(text) > LONGEST_LINE:
            raise DataError(
                f"expected lines of at most {LONGEST_LINE / 1e6:.0f} MB, found a longer one; is it the right file?",
                path,
            )
        yield text


def require_regular(path: str | Path) -> None:
    """Refuse what is no file on a disk, such as a pipe, which could be waited for without end.

    Raises:
        DataError: if it is something else, or cannot be looked at.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(path, error if isinstance(error, OSError) else OSError(str(error))) from error
    if not stat.S_ISREG(mode):
        found = next((name for is_kind, name in _FILE_KINDS if is_kind(mode)), "something else")
        raise DataError(f"expected a file, found {found}; check the path", path)


@contextmanager
def atomic_output(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file for writing bytes that takes its name only once it is complete; see `AtomicGroup`.

    Raises:
        DataError: if the place cannot be written.
    """
    with AtomicGroup() as group:
        yield group.open(path)


Group = TypeVar("Group", bound="AtomicGroup")


class AtomicGroup:
    """Files for writing that take their names together once all are complete.

    Use it as a context manager. On any exception, Ctrl-C included, nothing is left behind and older files of these
    names stay as they were. At the end all are closed first, then renamed in the order in which they were opened. If
    that fails, those renamed already are removed. A new file is never beside an older one of the group, even for a
    moment. So the older files are removed first, except that of the first name, which is replaced in one step.

    Writers of several files inherit from it, open them in `_begin` and may write more in `_end`.

    Args:
        within: A group to which these files belong: they take their names when it ends.
    """

    def __init__(self, within: AtomicGroup | None = None) -> None:
        self._within = within
        self._stack = ExitStack()
        self._renames: list[tuple[Path, Path]] = []
        self._folders: list[Path] = []

    def __enter__(self: Group) -> Group:
        try:
            self._begin()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._end()
                self._complete()
        finally:
            self._discard()

    def _begin(self) -> None:
        """Open files; called on entering."""

    def _end(self) -> None:
        """Write what is left; called on leaving without an exception."""

    def open(self, path: str | Path, packed: bool | None = None) -> IO[bytes]:
        """Open a file, compressed as by bgzip if its name ends in `.gz`, unless `packed` says so or not.

        Folders are made. A pipe or a device is written straight into, and so is standard output, `-`.

        Raises:
            DataError: if the place cannot be written.
        """
        if self._within is not None:
            return self._within.open(path, packed)
        target = _followed(path)
        try:
            file: Path | int = self._temporary(target) if self.is_regular(target) else target
            raw: IO[bytes] = self._stack.enter_context(io.BufferedWriter(_NamedFile(file, "wb", path)))
            is_packed = Path(path).suffix == ".gz" if packed is None else packed
            return self._stack.enter_context(_compressed(raw)) if is_packed else raw
        except OSError as error:
            raise unwritable(path, error) from error

    def reserve(self, path: str | Path) -> Path:
        """A place for a library that opens its file by name; what else it leaves there goes when the group ends.

        Raises:
            DataError: if the place cannot be written, or is a pipe or a device.
        """
        if self._within is not None:
            return self._within.reserve(path)
        target = _followed(path)
        if target.exists() and not target.is_file():
            raise DataError("expected a plain file to write, found another kind; name another file", path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _report_unfinished(target)
            folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_UNFINISHED, dir=target.parent))
            self._stack.callback(os.close, _locked(os.open(folder, os.O_RDONLY)))
        except OSError as error:
            raise unwritable(target, error) from error
        self._folders.append(folder)
        self._renames.append((folder / target.name, target))
        return folder / target.name

    @staticmethod
    def is_regular(path: str | Path) -> bool:
        """Whether a file of this name is or would be one on a disk, no pipe or device."""
        return str(path) != STANDARD_STREAM and (Path(path).is_file() or not Path(path).exists())

    def _temporary(self, target: Path) -> int:
        target.parent.mkdir(parents=True, exist_ok=True)
        _report_unfinished(target)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=_UNFINISHED, dir=target.parent)
        _locked(descriptor)
        self._renames.append((Path(name), target))
        os.fchmod(descriptor, 0o666 & ~_umask())
        return descriptor

    def _complete(self) -> None:
        """Close all files, then rename them."""
        self._stack.close()
        path = Path()
        try:
            for _, path in self._renames[1:]:
                path.unlink(missing_ok=True)
            for temporary, path in self._renames:
                temporary.replace(path)
        except BaseException as error:
            for temporary, done in self._renames:
                if not temporary.exists():
                    done.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise unwritable(path, error) from error
            raise

    def _discard(self) -> None:
        """Close and remove what has not got its name."""
        try:
            with suppress(OSError, DataError):  # of a full disk, at the last bytes of a file that goes anyway
                self._stack.close()
        finally:
            for temporary, _ in self._renames:
                temporary.unlink(missing_ok=True)
            for folder in self._folders:
                shutil.rmtree(folder, ignore_errors=True)


def _followed(path: str | Path) -> Path:
    """The file that a symbolic link leads to, so that the link stays and its file is replaced."""
    return Path(path).resolve() if Path(path).is_symlink() else Path(path)


def _locked(descriptor: int) -> int:
    """Mark an unfinished file as in use, as long as its process lives; where locks do not exist, it stays unmarked."""
    with suppress(OSError, ImportError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _report_unfinished(target: Path) -> None:
    """Name what earlier runs that were killed left beside a file; runs that still write are left out."""
    left = [path.name for path in target.parent.glob(f".{glob.escape(target.name)}.*{_UNFINISHED}") if _is_left(path)]
    if left:
        logger.warning(
            "warning: %s: %s of an earlier run that was killed: %s; remove it if nothing writes there",
            *(target, counted(len(left), "unfinished file"), first_few(sorted(left))),
        )


def _is_left(path: Path) -> bool:
    """Whether no process holds the lock of an unfinished file."""
    try:
        import fcntl

        descriptor = os.open(path, os.O_RDONLY)
    except (OSError, ImportError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def unwritable(path: str | Path, error: Exception) -> DataError:
    """The error of a file that cannot be written."""
    reason = getattr(error, "strerror", None) or error
    return DataError(f"cannot be written ({reason}); check the folder, its permissions and free space", path)


@contextmanager
def _compressed(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    packed = BgzfWriter(raw)
    yield cast(IO[bytes], packed)
    packed.close()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits.

    Raises:
        DataError: if it cannot be read.
    """
    require_regular(path)
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise unreadable(path, error) from error
    return digest.hexdigest()
