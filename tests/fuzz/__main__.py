"""The runner: shares the time among the targets, watches the workers, keeps what is found, and reports counts.

An input is known by the seed, its target and its number, so that the same seed makes the same inputs. The files of
each find are stored in a folder under `build/fuzz`; `--replay TARGET NUMBER` runs one again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fuzz.target import Target
from fuzz.targets import all_targets
from fuzz.worker import ACCEPTED, CRASHED, REFUSED, SILENT, Verdict, mutated, work

REPOSITORY = Path(__file__).resolve().parent.parent.parent
KEPT = REPOSITORY / "build" / "fuzz"
SECONDS_PER_INPUT = 20.0
MOST_OF_A_KIND = 3


class Worker:
    """The parent's side of one forked worker."""

    def __init__(self, targets: list[Target], seed: int, scratch: Path) -> None:
        self._targets, self._seed, self._scratch = targets, seed, scratch
        self._log = scratch / "log"
        self._start()

    def _start(self) -> None:
        order_reader, order_writer = os.pipe()
        answer_reader, answer_writer = os.pipe()
        sys.stdout.flush()
        self._process = os.fork()
        if self._process == 0:
            try:
                os.close(order_writer)
                os.close(answer_reader)
                work(self._targets, self._seed, self._scratch / "files", self._log, order_reader, answer_writer)
            finally:
                os._exit(70)
        os.close(order_reader)
        os.close(answer_writer)
        self._orders, self._answers = os.fdopen(order_writer, "w"), os.fdopen(answer_reader)

    def run(self, index: int, number: int) -> Verdict:
        """Run one input; a worker that dies or hangs is replaced."""
        self._orders.write(f"{index} {number}\n")
        self._orders.flush()
        ready, _, _ = select.select([self._answers], [], [], SECONDS_PER_INPUT)
        line = self._answers.readline() if ready else ""
        if line:
            return Verdict(**json.loads(line))
        reason = self._end(is_hanging=not ready)
        self._start()
        return Verdict(CRASHED, reason)

    def _end(self, is_hanging: bool) -> str:
        if is_hanging:
            os.kill(self._process, signal.SIGKILL)
        _, status = os.waitpid(self._process, 0)
        self._orders.close()
        self._answers.close()
        if is_hanging:
            return f"no answer within {SECONDS_PER_INPUT:g} s"
        code = os.waitstatus_to_exitcode(status)
        words = self._log.read_bytes()[-300:].decode(errors="replace").strip().splitlines()[-1:]
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return f"{how}: {' '.join(words)}"

    def close(self) -> None:
        """End the worker."""
        self._orders.close()
        os.waitpid(self._process, 0)
        self._answers.close()


@dataclass
class Tally:
    """Counts and time of one target."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    number: int = 0


def fuzz(targets: list[Target], seed: int, seconds: float) -> tuple[list[Tally], list[str]]:
    """Try inputs until the time is over; the target with the least time so far goes next.

    Returns:
        The tally of each target, and a line for each find.
    """
    tallies = [Tally() for _ in targets]
    kinds: Counter[str] = Counter()
    finds: list[str] = []
    stop = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="rnnimp-fuzz-") as scratch:
        worker = Worker(targets, seed, Path(scratch))
        try:
            while time.monotonic() < stop or any(tally.number < 2 for tally in tallies):
                index = min(range(len(targets)), key=lambda row: (tallies[row].number > 1, tallies[row].seconds))
                tally, start = tallies[index], time.monotonic()
                verdict = worker.run(index, tally.number)
                if tally.number == 0 and verdict.outcome != ACCEPTED:
                    verdict = Verdict(CRASHED, f"the valid input is not accepted: {verdict.message}")
                tally.counts[verdict.outcome] += 1
                if verdict.outcome in (SILENT, CRASHED):
                    kind = f"{targets[index].name}: {re.sub(r'[0-9]+', '#', verdict.message)[:90]}"
                    kinds[kind] += 1
                    if kinds[kind] <= MOST_OF_A_KIND:
                        finds.append(_keep(targets[index], seed, tally.number, verdict))
                        print(finds[-1], flush=True)
                if tally.number:  # the valid input may compile kernels
                    tally.seconds += time.monotonic() - start
                tally.number += 1
        finally:
            worker.close()
    return tallies, finds


def _keep(target: Target, seed: int, number: int, verdict: Verdict) -> str:
    folder = KEPT / f"{target.name.replace(' ', '_')}-{seed}-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in mutated(target, seed, number).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    line = f"{target.name} seed {seed} number {number}: {verdict.outcome}: {verdict.message}"
    (folder / "found.txt").write_text(f"{line}\n", errors="backslashreplace")
    return f"{line} ({folder.relative_to(REPOSITORY)})".encode("ascii", "backslashreplace").decode()


def report(targets: list[Target], tallies: list[Tally]) -> str:
    """A table of counts, one line per target."""
    rows: list[tuple[str, ...]] = [("reader", "tried", ACCEPTED, REFUSED, SILENT, CRASHED, "seconds")]
    total: Counter[str] = Counter()
    for target, tally in zip(targets, tallies, strict=True):
        total.update(tally.counts)
        rows.append((target.name, *_cells(tally.counts), f"{tally.seconds:.1f}"))
    rows.append(("all", *_cells(total), f"{sum(tally.seconds for tally in tallies):.1f}"))
    return "\n".join(f"{row[0]:28}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows)


def _cells(counts: Counter[str]) -> tuple[str, ...]:
    return (str(counts.total()), *(str(counts[outcome]) for outcome in (ACCEPTED, REFUSED, SILENT, CRASHED)))


def main() -> int:
    """Run from the command line; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: %(default)g)")
    parser.add_argument("--seed", type=int, help="of all random choices (default: another one each time)")
    parser.add_argument("--only", metavar="TEXT", help="only targets whose name contains it")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "NUMBER"), help="run one input again, without a worker")
    args = parser.parse_args()
    seed = Random().randrange(10**6) if args.seed is None else args.seed
    targets = [target for target in all_targets() if args.only is None or args.only in target.name]
    if args.replay:
        return _replay(targets, seed, args.replay[0], int(args.replay[1]))
    print(f"fuzzing {len(targets)} targets for {args.seconds:g} s with seed {seed}", flush=True)
    tallies, finds = fuzz(targets, seed, args.seconds)
    table = report(targets, tallies)
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / "report.txt").write_text("\n".join([f"seed {seed}", table, *finds]) + "\n")
    print(table)
    return 1 if finds else 0


def _replay(targets: list[Target], seed: int, name: str, number: int) -> int:
    """Run one input in this process, so that its traceback is seen."""
    (target,) = (target for target in targets if target.name == name)
    files = mutated(target, seed, number)
    with tempfile.TemporaryDirectory() as folder:
        for file, content in files.items():
            path = Path(folder) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        os.chdir(folder)
        result = target.run(Path(folder))
        print(result)
        if not isinstance(result, str):
            target.check(Path(folder), files, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
