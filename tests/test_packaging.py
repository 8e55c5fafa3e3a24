"""The package as installed: the wheel's content, its versions, and a run outside the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import rnnimp
from helpers import REPOSITORY

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_PACKAGED_BYTES = 5_000_000
MAX_WHEEL_BYTES = 17_000_000
KNOWN_ENDINGS = {".md", ".py", ".typed", ".css", ".js", ".gz", ".sample", ".onnx", ".json"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entries = {entry.filename: entry.file_size for entry in archive.infolist()}
    metadata = f"rnnimp-{rnnimp.__version__}.dist-info/"
    packaged = {name: size for name, size in entries.items() if not name.startswith(metadata)}
    assert all(name.startswith("rnnimp/") for name in packaged)
    assert {Path(name).suffix for name in packaged} <= KNOWN_ENDINGS
    checkout = {str(path.relative_to(REPOSITORY / "src")) for path in (REPOSITORY / "src").rglob("*.py")}
    assert checkout | {"rnnimp/py.typed"} <= set(packaged)
    assert f"{metadata}licenses/LICENSE" in entries


@pytest.mark.slow
def test_the_packaged_example_is_there_and_small(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {e.filename: e.file_size for e in archive.infolist() if e.filename.startswith("rnnimp/demo/")}
    for name in ("target", "truth"):
        assert {f"rnnimp/demo/{name}.{ending}" for ending in ("hap.gz", "legend.gz", "sample")} <= set(sizes)
    models = {name for name in sizes if name.startswith("rnnimp/demo/kgp3_chr22/")}
    assert {
        f"rnnimp/demo/kgp3_chr22/{name}" for name in ("chr22_6.onnx", "chr22.manifest.json", "model_card.md")
    } <= models
    assert sum(size for name, size in sizes.items() if name not in models) < MAX_PACKAGED_BYTES
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


@pytest.mark.slow
def test_the_installed_command_runs_outside_the_checkout_without_any_dependency(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    environment = {"PATH": os.defpath, "PYTHONPATH": str(site)}
    for arguments, expected in ((["--help"], "impute"), (["--version"], rnnimp.__version__)):
        # -S leaves out site-packages: nothing but the standard library and the wheel is found
        command = [sys.executable, "-S", str(site / "bin" / "rnnimp"), *arguments]
        result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        assert result.returncode == 0, result.stderr
        assert expected in result.stdout


def test_one_version(project: dict[str, Any]) -> None:
    assert project["version"] == rnnimp.__version__
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {rnnimp.__version__}" in citation
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest is not None and newest[1] in (rnnimp.__version__, "Unreleased")


def test_pre_commit_runs_the_pinned_ruff() -> None:
    hooks = (REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    pins = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    (ruff,) = (pin.removeprefix("ruff==") for pin in pins if pin.startswith("ruff=="))
    assert f"ruff-pre-commit\n    rev: v{ruff}\n" in hooks


def test_the_pinned_versions_are_those_that_the_project_asks_for(project: dict[str, Any]) -> None:
    texts = project["dependencies"] + [text for group in project["optional-dependencies"].values() for text in group]
    asked = {requirement.name: requirement.specifier for requirement in map(Requirement, texts)}
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {pin.name: pin.specifier for pin in map(Requirement, (line for line in lines if line[:1] != "#"))}
    assert pinned.keys() == asked.keys()
    for name, specifier in pinned.items():
        (exact,) = specifier
        assert exact.operator == "=="
        assert asked[name].contains(exact.version), name


def test_requirements_install_the_project_with_training() -> None:
    lines = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["-c constraints.txt", ".[train]"]


@pytest.mark.parametrize(("target", "folder"), [("demo", ".venv-demo"), ("test", ".venv-test")])
def test_make_installs_once(target: str, folder: str, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, tmp_path)
    dry_run = ["make", "--dry-run", target]
    first = subprocess.run(dry_run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert ("[train" in first) == (target == "test")
    assert "pip install" in first
    (tmp_path / folder).mkdir()
    (tmp_path / folder / ".ready").touch()
    second = subprocess.run(dry_run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "pip install" not in second
    assert second.splitlines() == [line for line in first.splitlines() if line in second.splitlines()]
