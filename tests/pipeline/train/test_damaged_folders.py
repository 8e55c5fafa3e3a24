"""A training's folder with damaged files: one line that names the file, whatever the command."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rnnimp
from rnnimp.cli import main
from rnnimp.formats.json_files import read_json

DEMO = Path(rnnimp.__file__).parent / "demo/model"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The prefix of a folder as a training of the packaged example leaves it."""
    manifest = json.loads((DEMO / "demo.manifest.json").read_text())
    (tmp_path / "models").mkdir()
    for region in manifest["regions"]:
        folder = tmp_path / f"demo_regions/{region['index']}"
        folder.mkdir(parents=True)
        for name in region["files"]:
            shutil.copyfile(DEMO / name, tmp_path / "models" / name)
        own = {key: region[key] for key in ("files", "first_position", "last_position", "n_markers", "n_sites")}
        write(folder / "summary.json", {**own, **region["summary"], "chromosome": "22", "versions": {"numpy": "2"}})
        write(folder / "settings.json", {"settings": manifest["settings"], "data": {"hap.gz": "0"}})
    write(tmp_path / "demo_regions/plan.json", {"chromosome": None, "n_regions": 2})
    return tmp_path / "demo"


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def refused(prefix: Path, command: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main([command, str(prefix)]) == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "error: " in line)
    assert line.isprintable()
    return line


def test_the_folder_is_sound(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(trained)]) == 0
    assert main(["bundle", str(trained)]) == 0
    assert "2 finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "expected the fields n_regions, chromosome, found no n_regions, chromosome"),
        ({"n_regions": 2}, "found no chromosome"),
        ({"n_regions": "2", "chromosome": None}, "expected a whole number from 1 to 100000 as n_regions, found '2'"),
        ({"n_regions": 10**9, "chromosome": None}, "as n_regions, found 1000000000"),
        ({"n_regions": 0, "chromosome": None}, "as n_regions, found 0"),
        ({"n_regions": 2, "chromosome": "2\n2"}, "expected a chromosome's name, or null as chromosome, found '2\\n2'"),
        ({"n_regions": 2, "chromosome": None, "x\x1b": 1}, "found 'x\\x1b' too"),
        ([], "expected a table of values, found []"),
        (None, "expected a table of values, found None"),
    ],
)
@pytest.mark.parametrize("command", ["status", "bundle"])
def test_a_plan_that_is_none(
    trained: Path, command: str, content: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Path(f"{trained}_regions/plan.json"), content)
    line = refused(trained, command, capsys)
    assert "plan.json: expected " in line and message in line


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00", "\xff", '{"n_regions": 1, "n_regions": 2}'])
def test_a_plan_that_is_no_json(trained: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(f"{trained}_regions/plan.json").write_bytes(text.encode("latin-1"))
    assert "plan.json: expected JSON (" in refused(trained, "status", capsys)


def test_a_pipe_in_place_of_a_plan_is_not_waited_for(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(f"{trained}_regions/plan.json")
    path.unlink()
    os.mkfifo(path)
    assert "plan.json: expected a file, found a pipe" in refused(trained, "status", capsys)


def removed(name: str) -> Change:
    return lambda content: content.pop(name)


def replaced(name: str, value: object) -> Change:
    return lambda content: content.update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (removed("files"), "found no files"),
        (removed("networks"), "found no networks"),
        (removed("chromosome"), "found no chromosome"),
        (replaced("files", {"demo_1.onnx": None}), "expected a SHA-256 of 64 hexadecimal digits for each file name"),
        (replaced("files", {"../../x": "0" * 64}), "expected a SHA-256 of 64 hexadecimal digits for each file name"),
        (replaced("networks", {}), "expected evaluations of each network as networks, found {}"),
        (replaced("networks", {"hybrid": {"validation_r2": "x"}}), "expected evaluations of each network as networks"),
        (replaced("n_sites", -1), "as n_sites, found -1"),
        (replaced("first_position", None), "as first_position, found None"),
        (replaced("versions", ["2.0"]), "expected a text for each name as versions"),
    ],
)
@pytest.mark.parametrize("command", ["status", "bundle"])
def test_a_summary_that_is_none(
    trained: Path, command: str, change: Change, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(f"{trained}_regions/2/summary.json")
    content = json.loads(path.read_text())
    change(content)
    write(path, content)
    line = refused(trained, command, capsys)
    assert "2/summary.json: expected " in line and message in line


@pytest.mark.parametrize("content", [{}, {"settings": {}, "data": {}}, {"settings": {"seed": 1}, "data": None}, []])
def test_settings_that_are_none(trained: Path, content: object, capsys: pytest.CaptureFixture[str]) -> None:
    write(Path(f"{trained}_regions/1/settings.json"), content)
    assert "1/settings.json: expected " in refused(trained, "bundle", capsys)


@pytest.mark.parametrize("content", [{}, {"reason": 1, "log": None}, {"reason": "x"}, []])
def test_a_failure_without_its_reason(trained: Path, content: object, capsys: pytest.CaptureFixture[str]) -> None:
    Path(f"{trained}_regions/1/summary.json").unlink()
    write(Path(f"{trained}_regions/1/failure.json"), content)
    assert "1/failure.json: expected " in refused(trained, "status", capsys)


def test_control_characters_of_a_failure_do_not_reach_the_terminal(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(f"{trained}_regions/1/summary.json").unlink()
    write(Path(f"{trained}_regions/1/failure.json"), {"reason": "no\x1b[31m", "log": "a\x07"})
    assert main(["status", str(trained)]) == 1
    assert "\x1b" not in (out := capsys.readouterr().out) and "\x07" not in out


@pytest.mark.parametrize("content", ["{}", "[]", '{"network": "x"}', "x", "[" * 100_000])
@pytest.mark.parametrize("name", ["lock", "progress.json"])
def test_damaged_notes_of_a_running_region_are_ignored(
    trained: Path, name: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They may be written at this moment, on a file system that shows them late."""
    folder = Path(f"{trained}_regions/1")
    (folder / "summary.json").unlink()
    (folder / "lock").write_text("{}")
    (folder / name).write_text(content)
    assert main(["status", str(trained)]) == 3
    assert "1 running, 1 finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change", [{"pid": "../.."}, {"pid": None}, {"host": 7}, {"machine": ["x"]}, {"job": "\x1b[31m"}, {"log": {}}]
)
def test_a_lock_of_other_values_has_no_holder(
    trained: Path, change: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(f"{trained}_regions/1")
    (folder / "summary.json").unlink()
    sound = {"token": "t", "host": "h", "machine": "m", "pid": 1, "process_start": "1", "job": None, "log": None}
    write(folder / "lock", sound | change)
    assert main(["status", str(trained)]) == 3
    assert "1 running" in (out := capsys.readouterr().out) and "\x1b" not in out


def test_a_table_with_a_number_that_is_none_reads_the_same_twice(tmp_path: Path) -> None:
    """Waiting for a table to stay as it is would have no end otherwise."""
    path = tmp_path / "summary.json"
    write(path, {"r2": math.nan, "loss": -math.inf})
    assert read_json(path, "delete it") == read_json(path, "delete it")
