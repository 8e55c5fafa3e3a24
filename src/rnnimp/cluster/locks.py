"""File locks that let one process at a time train a region, also on file systems that machines share.

To take a lock, a process writes a file of its own and gives it the lock's name as a hard link. File servers make a link
in one step. The count of links says whether it worked, even if the server's answer was lost.

While a process has a lock, a thread touches the file every `HEARTBEAT_SECONDS`. The lock is stale when its process has
ended, if that was on this machine. Locks of other machines are stale when nothing has touched them for `STALE_SECONDS`.
Ages are differences of times that the file server set, so the machines' clocks need not agree. The limit is longer than
the time for which clients cache a file's attributes.

To take over a stale lock, a process takes a second lock for a moment, checks the first again and deletes it. After that
any process may take it. A process that was wrongly taken for dead finds at its next heartbeat that the lock is no
longer its own.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import stat
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rnnimp.errors import DataError

HEARTBEAT_SECONDS = 20.0
STALE_SECONDS = 300.0

_LARGEST_LOCK = 1 << 16  # bytes
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@dataclass(frozen=True)
class Holder:
    """The process that has a lock.

    Attributes:
        token: A random number of this lock only.
        host: The machine's name.
        machine: Ids of the kernel's boot and of the namespace of `pid`; empty if unknown.
        pid: Id of the process.
        process_start: When it began, in the kernel's ticks, since another process may get its number later.
        job: The scheduler's number of its job; None outside of one.
        log: The file that its messages go to; None if they do not go to a file.
    """

    token: str
    host: str
    machine: str
    pid: int
    process_start: str
    job: str | None = None
    log: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether the values have the types that a lock file of rnnimp has, and no control characters."""
        texts: list[Any] = [self.token, self.host, self.machine, self.process_start, self.job or "", self.log or ""]
        return str(self.pid).isdigit() and all(isinstance(text, str) and text.isprintable() for text in texts)

    @classmethod
    def this_process(cls) -> Holder:
        """This process, with a new token."""
        pid = os.getpid()
        return cls(secrets.token_hex(8), socket.gethostname(), _machine(), pid, _process_start(pid), _job(), _log())

    @property
    def is_on_this_machine(self) -> bool:
        """Whether its process could be seen from here."""
        return self.machine != "" and self.machine == _machine()

    @property
    def is_gone(self) -> bool:
        """Whether its process was on this machine and has ended."""
        return self.is_on_this_machine and _process_start(self.pid) != self.process_start

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (f", job {self.job}" if self.job else "")


@dataclass(frozen=True)
class Held:
    """A lock as it was found.

    Attributes:
        holder: The lock's process; None if the file does not say.
        touched: Time of the last heartbeat, in the file server's seconds.
    """

    holder: Holder | None
    touched: float

    def is_stale(self, now: float) -> bool:
        """Whether its process has ended; `now` is the file server's time."""
        if self.holder is not None and self.holder.is_on_this_machine:
            return self.holder.is_gone
        return now - self.touched > STALE_SECONDS


def read_lock(path: Path) -> Held | None:
    """A lock's process and last heartbeat; None if there is no lock."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError("expected a lock file, found a folder, pipe or device; delete it", path)
        with path.open("rb") as file:  # opening asks the server for the time, which stat alone may not
            content, touched = file.read(_LARGEST_LOCK), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}); check the folder and its permissions", path) from error
    try:
        holder = Holder(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return Held(None, touched)
    return Held(holder if holder.is_sound else None, touched)


class FileLock:
    """A lock that this process has; see `acquire`."""

    def __init__(self, path: Path, holder: Holder) -> None:
        self.path = path
        self._holder = holder
        self._is_lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat of {path}", daemon=True)
        self._thread.start()

    @classmethod
    def acquire(cls, path: Path) -> FileLock | None:
        """Take a lock, also one that a dead process left; None if another process has it.

        Raises:
            DataError: if the folder cannot be written.
        """
        holder = Holder.this_process()
        own = path.with_name(f"{path.name}.{holder.token}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            own.write_text(json.dumps(asdict(holder)))
            try:
                return cls(path, holder) if _take(path, own) else None
            finally:
                own.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(
                f"cannot be written ({error.strerror}); check the folder, its permissions and free space", path
            ) from error

    def check(self) -> None:
        """Make sure that the lock is still this process's own.

        Raises:
            DataError: if it was taken over, as after a long suspension.
        """
        if self._is_lost:
            raise DataError(
                "another process has taken over this region, since this process was silent for too long", self.path
            )

    def release(self) -> None:
        """Let other processes take it."""
        self._ended.set()
        self._thread.join()
        if self._is_own():
            self.path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            with suppress(OSError, DataError):  # a file server that does not answer may come back
                if not self._is_own():
                    self._is_lost = True
                    return
                os.utime(self.path)

    def _is_own(self) -> bool:
        found = read_lock(self.path)
        return found is not None and found.holder == self._holder


def _take(path: Path, own: Path) -> bool:
    """Give `own` the lock's name too, unless a living process has it."""
    while not _link(own, path):
        found = read_lock(path)
        if found is not None and not (_is_stale(found, own) and _remove_stale(path, own)):
            return False
    return True


def _is_stale(found: Held, own: Path) -> bool:
    os.utime(own)
    return found.is_stale(own.stat().st_mtime)


def _remove_stale(path: Path, own: Path) -> bool:
    """Delete a stale lock; False if another process is doing so."""
    guard = path.with_name(f"{path.name}.takeover")
    if not _link(own, guard):
        other = read_lock(guard)
        if other is not None and _is_stale(other, own):  # its process died meanwhile; the next attempt will succeed
            guard.unlink(missing_ok=True)
        return False
    try:
        found = read_lock(path)
        if found is not None and _is_stale(found, own):
            path.unlink()
    finally:
        guard.unlink(missing_ok=True)
    return True


def _link(own: Path, path: Path) -> bool:
    try:
        os.link(own, path)
    except FileExistsError:
        pass  # perhaps our own: a repeated request finds the link that the first one made
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return _create(own, path)
    return own.stat().st_nlink == 2


def _create(own: Path, path: Path) -> bool:
    """The second best way, for file systems without hard links."""
    try:
        with path.open("xb") as file:
            file.write(own.read_bytes())
    except FileExistsError:
        return False
    return True


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _process_start(pid: int) -> str:
    """When a process began, in ticks since the kernel did; empty if no process has this number."""
    try:
        # the name is in parentheses and may contain anything
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return ""
    return "" if words[0] in "ZX" else words[19]


def _job() -> str | None:
    """The number of this process's job, with that of the array's task."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    if array and task:
        return f"{array}_{task}"
    names = ("SLURM_JOB_ID", "LSB_JOBID", "PBS_JOBID", "JOB_ID", "AWS_BATCH_JOB_ID")
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _log() -> str | None:
    """The file that standard error goes to."""
    try:
        path = Path(f"/proc/self/fd/{sys.stderr.fileno()}").readlink()
    except (OSError, ValueError, AttributeError):
        return None
    return str(path) if path.is_file() else None
