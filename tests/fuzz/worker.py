"""One worker: a forked process that stays alive between inputs, in a folder of its own, with bounded memory.

The parent writes a line `target number`; the worker makes that input, runs it, and answers one line of JSON with its
verdict. A worker that dies or does not answer in time is the parent's business.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import shutil
import signal
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from fuzz.target import DisagreementError, Target
from rnnimp.errors import RnnimpError

ACCEPTED, REFUSED, SILENT, CRASHED = "accepted", "refused", "silent", "crashed"

MEMORY_BYTES = 3 << 30
"""More than the process has when it starts: enough for every honest input, by far."""
FILE_BYTES = 1 << 28


@dataclass(frozen=True)
class Verdict:
    """The outcome of one input.

    Attributes:
        outcome: `accepted`, `refused`, `silent` or `crashed`.
        message: the refusal, or what is wrong.
    """

    outcome: str
    message: str = ""


def mutated(target: Target, seed: int, number: int) -> dict[str, bytes]:
    """The files of an input: those of the target, one of them changed. Number 0 is the seed itself."""
    files = dict(target.files)
    if number:
        random = Random(f"{seed}:{target.name}:{number}")
        name = random.choice(sorted(target.mutators))
        files[name] = target.mutators[name](random, files[name])
    return files


def judge(target: Target, files: dict[str, bytes], folder: Path, log: Path) -> Verdict:
    """Write the files into an empty folder, run the target there, and look at its result and at what it left."""
    _write(files, folder)
    os.chdir(folder)
    os.ftruncate(2, 0)
    os.lseek(2, 0, os.SEEK_SET)
    try:
        result = target.run(folder)
    except RnnimpError as error:
        return _refusal(str(error), target, files, folder)
    except DisagreementError as error:
        return Verdict(SILENT, str(error))
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        return Verdict(CRASHED, f"{type(error).__name__} at {place}: {_shortened(str(error))}")
    if changed := _changed(target, files, folder):
        return Verdict(SILENT, f"changed its input {changed}")
    if isinstance(result, str):  # of a command: its error line
        return _refusal(result, target, files, folder)
    try:
        target.check(folder, files, result)
    except DisagreementError as error:
        return Verdict(SILENT, str(error))
    except RnnimpError as error:
        return Verdict(SILENT, f"its own output is refused: {error}")
    except Exception as error:
        return Verdict(SILENT, f"the output cannot be parsed: {type(error).__name__}: {error}")
    return Verdict(ACCEPTED)


def _refusal(message: str, target: Target, files: dict[str, bytes], folder: Path) -> Verdict:
    if changed := _changed(target, files, folder):
        return Verdict(SILENT, f"refused, but changed its input {changed}")
    left = [path for path in _listed(folder) if path not in files and not target.may_leave(path)]
    if left:
        return Verdict(SILENT, f"refused, but left {left[0]}: {_shortened(message)}")
    return Verdict(REFUSED, _shortened(message))


def _shortened(text: str) -> str:
    return text if len(text) < 300 else f"{text[:200]} ... {text[-60:]}"


def _listed(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def _changed(target: Target, files: dict[str, bytes], folder: Path) -> str | None:
    for name, content in files.items():
        path = folder / name
        if not target.may_change(name) and (not path.is_file() or path.read_bytes() != content):
            return name
    return None


def _write(files: dict[str, bytes], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def work(targets: list[Target], seed: int, folder: Path, log: Path, orders: int, answers: int) -> None:
    """Serve orders until the pipe ends. Runs in the forked process, and never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.disable()
    descriptor = os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    for name, standard in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, os.fdopen(os.dup(standard), "w", buffering=1, errors="backslashreplace"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _limit(resource.RLIMIT_AS, _virtual_bytes() + MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, FILE_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with os.fdopen(orders) as lines, os.fdopen(answers, "w") as out:
        for line in lines:
            index, number = map(int, line.split())
            verdict: Any = judge(targets[index], mutated(targets[index], seed, number), folder, log)
            out.write(json.dumps(asdict(verdict)) + "\n")
            out.flush()
    os._exit(0)


def _limit(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, value))


def _virtual_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
