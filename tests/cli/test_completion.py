"""`rnnimp completion`: scripts that shells accept, and what bash completes with one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rnnimp import cli
from rnnimp.cli.completion import SHELLS


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = set(re.findall(r"[\w-]+", script(shell, capsys)))
    assert set(cli.command_parsers(cli.build_parser())) <= words
    assert {"--model-prefix", "--data-list"} <= words or {"model-prefix", "data-list"} <= words


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rnnimp im", {"impute"}),
        ("rnnimp impute --typed-only ", {"keep", "drop"}),
        ("rnnimp impute --min", {"--min-r2"}),
        ("rnnimp evaluate --imputed pan", {"panel.vcf"}),
        ("rnnimp demo --output fol", {"folder"}),
    ],
)
def test_bash_completes(line: str, expected: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    (tmp_path / "script").write_text(script("bash", capsys))
    (tmp_path / "panel.vcf").touch()
    (tmp_path / "folder").mkdir()
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    code = (
        f"source ./script\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(words) - 1}\n"
        f"COMP_LINE='{line}'\nCOMP_POINT={len(line)}\n"
        "function=$(complete -p rnnimp | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
        "$function\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    done = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert {word.strip().rstrip("/") for word in done.stdout.splitlines()} == expected, done.stderr


def test_without_shtab_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert cli.main(["completion", "bash"]) == 2
    assert capsys.readouterr().err == (
        "rnnimp: error: completion needs shtab; install it with: pip install 'rnnimp[completion]'\n"
    )
