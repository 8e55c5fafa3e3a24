"""The fuzzer itself: valid files agree with the referees, inputs depend on the seed only, faults are seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fuzz.__main__ import fuzz
from fuzz.mutate_text import mutate_text
from fuzz.site_targets import site_targets
from fuzz.target import DisagreementError, Files, Target
from fuzz.targets import haplotype_targets
from fuzz.worker import mutated
from rnnimp.errors import DataError

TARGETS = [*haplotype_targets(), *site_targets()]


@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_a_valid_file_is_accepted_and_agrees_with_its_referee(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in target.files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    target.check(tmp_path, target.files, target.run(tmp_path))


def test_a_number_and_a_seed_make_one_input() -> None:
    target = TARGETS[0]
    first = [mutated(target, 5, number) for number in range(1, 30)]
    assert first == [mutated(target, 5, number) for number in range(1, 30)]
    assert first != [mutated(target, 6, number) for number in range(1, 30)]
    assert mutated(target, 5, 0) == target.files


def _target(run: Any, check: Any = lambda folder, files, result: None) -> Target:
    return Target("x", {"a": b"1 2\n3 4\n"}, {"a": mutate_text}, run, check)


def _leave(folder: Path) -> None:
    (folder / "half").write_text("written")
    raise DataError("refused")


def _refuse(folder: Path) -> None:
    if (folder / "a").read_bytes() != b"1 2\n3 4\n":
        raise DataError("refused")


def _disagree(folder: Path, files: Files, result: None) -> None:
    raise DisagreementError("another result")


@pytest.mark.parametrize(
    ("target", "word"),
    [
        (_target(lambda folder: os.abort()), "SIGABRT"),
        (_target(lambda folder: bytearray(1 << 40)), "MemoryError"),
        (_target(lambda folder: [].pop()), "IndexError"),
        (_target(lambda folder: (folder / "a").write_bytes(b"")), "changed its input a"),
        (_target(_leave), "left half"),
        (_target(lambda folder: None, _disagree), "another result"),
    ],
    ids=["signal", "memory", "exception", "input", "leftover", "result"],
)
def test_a_fault_is_found(target: Target, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.__main__.KEPT", tmp_path)
    monkeypatch.setattr("fuzz.__main__.REPOSITORY", tmp_path)
    _, finds = fuzz([target], seed=1, seconds=0)
    assert finds and word in finds[0]
    assert any(path.name == "found.txt" for path in tmp_path.rglob("*"))


def test_a_refusal_in_one_line_is_no_fault(tmp_path: Path) -> None:
    tallies, finds = fuzz([_target(_refuse)], seed=1, seconds=0.5)
    assert not finds
    assert tallies[0].counts["refused"] > 0 < tallies[0].counts["accepted"]
