"""Rules of the code: imports, documentation, public names, places of tests."""

from __future__ import annotations

import ast
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import rnnimp
from helpers import REPOSITORY
from rnnimp import api
from rnnimp.cli import build_parser

PACKAGE = REPOSITORY / "src" / "rnnimp"
MODULE_FILES = sorted(PACKAGE.rglob("*.py"))
SCRIPT_FILES = sorted(path for folder in ("scripts", "tools") for path in (REPOSITORY / folder).rglob("*.py"))
MODULES = sorted(
    module.name for module in pkgutil.walk_packages([str(PACKAGE)], "rnnimp.") if not module.name.endswith("__main__")
)
OPTIONAL_ENGINES = ("rnnimp.imputation.engines.torch_gpu", "rnnimp.imputation.engines.cpu_kernels")
NEEDS_TORCH = ("rnnimp.network", "rnnimp.training", "rnnimp.pipeline.train", "rnnimp.pipeline.audit")
TESTS = REPOSITORY / "tests"
TEST_FILES = sorted(TESTS.rglob("test_*.py"))
TEST_FOLDERS_OF_THEIR_OWN = ("benchmarks", "docs", "fuzz", "tools")
PUBLIC_NAMES = [
    "Haplotypes",
    "Imputed",
    "Model",
    "RnnimpError",
    "Sites",
    "__version__",
    "audit",
    "compare",
    "evaluate",
    "impute",
    "inspect",
    "load_model",
    "merge",
    "prepare",
    "read_genotypes",
    "read_haplotypes",
    "report",
    "split",
    "status",
    "train",
    "write_genotypes",
]
COMMANDS = [
    "prepare",
    "split",
    "train",
    "status",
    "bundle",
    "check",
    "impute",
    "merge",
    "evaluate",
    "report",
    "audit",
    "inspect",
    "demo",
    "completion",
    "help",
]
SEED_SCRIPTS = [
    "scripts/test_data_preparation.py",
    "scripts/train/train_data_splitter.py",
    "scripts/train/train.py",
    "scripts/inference/imputation.py",
]


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that finds the package in `src`."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False
    )


def import_without(modules: list[str], blocked: list[str]) -> subprocess.CompletedProcess[str]:
    """Import modules where others cannot be: None in `sys.modules` makes their import fail."""
    return python(
        "import importlib, sys\n"
        f"for name in {blocked!r}: sys.modules[name] = None\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
    )


def test_imports_point_downward() -> None:
    result = python("from importlinter.cli import lint_imports_command as run; run()")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 kept, 0 broken" in result.stdout


def test_everything_but_training_works_without_torch_and_onnx() -> None:
    modules = [name for name in MODULES if not name.startswith((*NEEDS_TORCH, *OPTIONAL_ENGINES))]
    assert {"rnnimp.cli", "rnnimp.imputation.impute", "rnnimp.formats.bundle", "rnnimp.pipeline.impute.run"} <= set(
        modules
    )
    result = import_without(modules, ["torch", "onnx"])
    assert result.returncode == 0, result.stderr


def test_imputing_works_without_numba_and_onnx() -> None:
    result = import_without(
        ["rnnimp.cli", "rnnimp.pipeline.impute.run", "rnnimp.imputation.engines.choice"], ["torch", "onnx", "numba"]
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_training_works_with_only_numpy_torch_and_onnx() -> None:
    modules = [name for name in MODULES if name.startswith(NEEDS_TORCH)]
    assert "rnnimp.pipeline.train.run" in modules
    result = import_without(["rnnimp.cli", *modules], ["cyvcf2", "pyfaidx", "isal", "tqdm", "onnxruntime"])
    assert result.returncode == 0, result.stderr


def test_the_command_starts_without_anything_heavy() -> None:
    heavy = ["numpy", "torch", "onnx", "onnxruntime", "cyvcf2", "pyfaidx", "isal", "tqdm"]
    result = import_without(["rnnimp", "rnnimp.cli"], heavy)
    assert result.returncode == 0, result.stderr


def test_importing_the_package_imports_nothing_but_the_package() -> None:
    result = python("import sys; before = set(sys.modules); import rnnimp; print(*set(sys.modules) - before)")
    assert result.stdout.split() == ["rnnimp"], result.stderr


def test_the_python_api_imports_what_runs_models_and_training_when_it_is_used() -> None:
    late = ["torch", "onnx", "onnxruntime", "numba", "tqdm", "pyfaidx", "bgen", "pgenlib"]
    result = import_without(["rnnimp.api"], late)
    assert result.returncode == 0, result.stderr


def test_public_names() -> None:
    assert rnnimp.__all__ == PUBLIC_NAMES
    assert [name for name in PUBLIC_NAMES if name != "__version__"] == api.__all__
    assert all(getattr(rnnimp, name) is getattr(api, name) for name in api.__all__)
    assert dir(rnnimp) == PUBLIC_NAMES
    with pytest.raises(AttributeError, match="module 'rnnimp' has no attribute 'imputation_of'"):
        getattr(rnnimp, "imputation_of")  # noqa: B009


def test_commands_and_their_options_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    parser = build_parser()
    assert [name for action in parser._actions for name in action.choices or ()] == COMMANDS
    (subparsers,) = (action for action in parser._actions if action.choices)
    listed = {choice.dest: choice.help for choice in subparsers._get_subactions()}
    assert all(listed.get(name) for name in COMMANDS), listed
    assert isinstance(subparsers.choices, dict)
    for name, command in subparsers.choices.items():
        assert command.description, name
        undescribed = [action.dest for action in command._actions if not action.help]
        assert not undescribed, (name, undescribed)
        command.print_help()  # a stray % in a help text fails here
    assert capsys.readouterr().out.count("usage:") == len(COMMANDS)


@pytest.mark.parametrize("script", SEED_SCRIPTS)
def test_the_published_scripts_run_by_path(script: str, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, REPOSITORY / script, "--help"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "usage:" in result.stdout


@pytest.mark.parametrize("path", MODULE_FILES + SCRIPT_FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_module_is_documented_short_and_plain(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "no module docstring"
    assert text.isascii(), [line for line in text.splitlines() if not line.isascii()]
    assert len(text.splitlines()) <= 450


def imported_names(path: Path) -> set[str]:
    """The full names of all modules, and of what is imported from them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_nothing_is_imported_from_a_test(path: Path) -> None:
    tests = {test.stem for test in TEST_FILES}
    imported = {name for name in imported_names(path) if not tests.isdisjoint(name.split("."))}
    assert not imported, "share it in a helper module beside tests/conftest.py"


def test_tests_are_in_the_folders_of_the_package() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TEST_FILES}
    assert Path("network/hmm") in folders
    mirrored = [folder for folder in folders if folder.parts[:1] not in [(name,) for name in TEST_FOLDERS_OF_THEIR_OWN]]
    assert not [str(folder) for folder in mirrored if not (PACKAGE / folder).is_dir()]
