"""Locks: only one process holds a lock, even if processes die or clocks are wrong."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rnnimp.cluster import locks
from rnnimp.cluster.locks import STALE_SECONDS, FileLock, Holder, read_lock
from rnnimp.errors import DataError

ELSEWHERE = replace(Holder.this_process(), host="node7", machine="another", token="x", job="77_3")


def left_by(path: Path, holder: Holder, age: float) -> None:
    """Write a lock file whose time stamp is `age` seconds old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(holder)))
    os.utime(path, (time.time() - age, time.time() - age))


def acquired(path: Path) -> FileLock:
    lock = FileLock.acquire(path)
    assert lock is not None
    return lock


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    path = tmp_path / "1" / "lock"
    lock = acquired(path)
    assert FileLock.acquire(path) is None
    held = read_lock(path)
    assert held is not None and held.holder is not None
    assert (held.holder.pid, held.is_stale(time.time())) == (os.getpid(), False)
    lock.release()
    assert list(path.parent.iterdir()) == []
    acquired(path).release()


def _count_up(folder: str, times: int) -> None:
    """Read, wait, write: without a lock between them, processes would undo each other's counts."""
    counter = Path(folder) / "counter"
    for _ in range(times):
        while (lock := FileLock.acquire(Path(folder) / "lock")) is None:
            time.sleep(0.001)
        count = int(counter.read_text())
        time.sleep(0.001)
        counter.write_text(str(count + 1))
        lock.release()


@pytest.mark.slow
@pytest.mark.parametrize("has_links", [True, False])
def test_processes_exclude_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    if not has_links:
        monkeypatch.setattr(locks.os, "link", _no_links)
    (tmp_path / "counter").write_text("0")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_count_up, args=(str(tmp_path), 25)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert (tmp_path / "counter").read_text() == "100"


def _no_links(*paths: Path) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_the_lock_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys, time; from pathlib import Path; from rnnimp.cluster.locks import FileLock\n"
        "assert FileLock.acquire(Path(sys.argv[1])); print('held', flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    assert FileLock.acquire(path) is None
    process.kill()
    process.wait()
    process.stdout.close()
    held = read_lock(path)
    assert held is not None and held.is_stale(time.time())
    acquired(path).release()


def test_another_process_of_the_same_number_does_not_hold_it(tmp_path: Path) -> None:
    left_by(tmp_path / "lock", replace(Holder.this_process(), process_start="1"), age=0)
    acquired(tmp_path / "lock").release()


@pytest.mark.parametrize(("age", "is_stale"), [(0, False), (STALE_SECONDS - 5, False), (STALE_SECONDS + 5, True)])
def test_the_lock_of_another_machine_is_judged_by_its_age(tmp_path: Path, age: float, is_stale: bool) -> None:
    path = tmp_path / "lock"
    left_by(path, ELSEWHERE, age)
    lock = FileLock.acquire(path)
    assert (lock is not None) == is_stale
    if lock is not None:
        lock.release()
        assert not path.exists()


def test_ages_are_those_of_the_file_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock is an hour ahead; a lock just touched is not taken for an old one."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    left_by(tmp_path / "lock", ELSEWHERE, age=3600)
    assert FileLock.acquire(tmp_path / "lock") is None


@pytest.mark.parametrize("content", ["", "{", '{"host": "x"}', "[]"])
def test_a_damaged_lock_is_judged_by_its_age(tmp_path: Path, content: str) -> None:
    path = tmp_path / "lock"
    path.write_text(content)
    assert FileLock.acquire(path) is None
    os.utime(path, (1, 1))
    acquired(path).release()


def test_holding_touches_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "HEARTBEAT_SECONDS", 0.01)
    lock = acquired(tmp_path / "lock")
    os.utime(lock.path, (1, 1))
    wait_until(lambda: (read_lock(lock.path) or held_never()).touched > 1)
    lock.release()


def held_never() -> locks.Held:
    raise AssertionError("the lock has gone")


def wait_until(is_so: object) -> None:
    end = time.monotonic() + 20
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_was_taken_for_dead_finds_out_and_leaves_the_new_holder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "HEARTBEAT_SECONDS", 0.05)
    lock = acquired(tmp_path / "lock")
    lock.check()
    left_by(lock.path, ELSEWHERE, age=0)
    wait_until(lambda: lock._is_lost)
    with pytest.raises(DataError, match="another process has taken over"):
        lock.check()
    lock.release()
    held = read_lock(lock.path)
    assert held is not None and held.holder == ELSEWHERE


def test_a_lock_taken_over_while_it_was_judged_stays(tmp_path: Path) -> None:
    path, own = tmp_path / "lock", tmp_path / "own"
    own.write_text("")
    newer = replace(ELSEWHERE, token="newer")
    left_by(path, newer, age=0)
    assert locks._remove_stale(path, own)
    held = read_lock(path)
    assert held is not None and held.holder == newer


def test_one_process_at_a_time_takes_over(tmp_path: Path) -> None:
    path, guard = tmp_path / "lock", tmp_path / "lock.takeover"
    left_by(path, ELSEWHERE, age=2 * STALE_SECONDS)
    left_by(guard, ELSEWHERE, age=0)
    assert FileLock.acquire(path) is None
    os.utime(guard, (1, 1))  # it died over it
    assert FileLock.acquire(path) is None
    acquired(path).release()
    assert list(tmp_path.iterdir()) == []


def test_a_lost_answer_of_the_server_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link was made, but the client repeats its request and is told that the name exists."""
    link = os.link

    def answered_late(own: Path, path: Path) -> None:
        link(own, path)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(locks.os, "link", answered_late)
    acquired(tmp_path / "lock").release()


def test_a_stale_lock_goes_to_one_of_many(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    left_by(path, ELSEWHERE, age=2 * STALE_SECONDS)
    barrier, taken = threading.Barrier(8), []

    def race() -> None:
        barrier.wait()
        taken.append(FileLock.acquire(path))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [lock for lock in taken if lock is not None]
    winner.check()
    winner.release()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        FileLock.acquire(tmp_path / "file" / "lock")


def test_the_job_and_the_log_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_ID", "LSB_JOBID", "PBS_JOBID", "JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    code = "from rnnimp.cluster.locks import Holder; h = Holder.this_process(); print(h.job, h.log)"
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    with (tmp_path / "task.log").open("w") as log:
        plain, array, lsf = (
            subprocess.run(
                [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=log, text=True, env={**environment, **job}
            ).stdout.split()
            for job in ({}, {"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2"}, {"LSB_JOBID": "9"})
        )
    path = str(tmp_path / "task.log")
    assert (plain, array, lsf) == (["None", path], ["5_2", path], ["9", path])
