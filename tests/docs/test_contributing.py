"""CONTRIBUTING.md: the files that it names exist, and contain the names that it gives beside them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers import REPOSITORY

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
FOLDERS = ("", "tests", "src/rnnimp", "src/rnnimp/network/recurrent", "src/rnnimp/pipeline/impute")
FILE = r"[\w./-]+\.(py|md|toml|txt|cff)"
ITEMS = [item for item in re.split(r"\n\n|\n(?=- |\d\. )", TEXT) if re.search(r"`[\w/]+\.\w+`", item)]


def in_code(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def files_of(item: str) -> list[Path]:
    """The files that an item names; a name in capitals stands for any name."""
    named = [text for text in in_code(item) if re.fullmatch(FILE, text)]
    return [find(text) for text in named if not re.search(r"NAME|PREFIX", text)]


def find(name: str) -> Path:
    found = [REPOSITORY / folder / name for folder in FOLDERS if (REPOSITORY / folder / name).is_file()]
    assert found, f"CONTRIBUTING.md names {name}, which is not there"
    return found[0]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: " ".join(item.split()[:5]))
def test_files_exist_and_contain_the_names_beside_them(item: str) -> None:
    files = [path for path in files_of(item) if path.suffix == ".py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    names = [name for name in in_code(item) if re.fullmatch(r"_?[A-Za-z]+[_A-Z]\w*(\.\w+)?", name)]
    for name in (name for name in names if files and not re.fullmatch(FILE, name)):
        for part in name.split("."):
            assert re.search(rf"\b{part}\b", text), f"{name} is not in {', '.join(path.name for path in files)}"


def test_the_checks_see_files_and_names() -> None:
    """Guards against a pattern that matches nothing."""
    assert len({path for item in ITEMS for path in files_of(item)}) > 20
    assert any("minimac_r2" in item for item in ITEMS)
