"""Help, refused arguments and early errors load no heavy package: this keeps them quick."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import REPOSITORY
from rnnimp.cli import build_parser, command_parsers
from rnnimp.pipeline.demo import PACKAGED, REAL_MODEL

COMMANDS = tuple(command_parsers(build_parser()))
ENGINES = {"numba", "llvmlite", "onnx", "onnxruntime", "torch", "scipy", "google", "pandas", "matplotlib"}
HEAVY = {*ENGINES, "numpy", "isal", "tqdm", "pyfaidx"}
REPORT = """
import json, sys
from rnnimp.cli import main
code = main(json.loads(sys.argv[1]))
packages = {name.partition(".")[0] for name in sys.modules}
print(json.dumps([code, sorted(packages), sorted(name for name in sys.modules if name.startswith("rnnimp."))]))
"""


def loaded_by(arguments: list[str]) -> tuple[int, set[str], set[str]]:
    """Exit code of a command in a new process, the packages that it has loaded, and the modules of rnnimp."""
    process = subprocess.run(
        [sys.executable, "-c", REPORT, json.dumps(arguments)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
    )
    code, packages, modules = json.loads(process.stdout.splitlines()[-1])
    return code, set(packages), set(modules)


@pytest.mark.parametrize(
    ("arguments", "expected_code"),
    [(["--help"], 0), (["--version"], 0), (["help"], 0), (["imputee"], 2), (["impute", "--vcf", "a"], 2)],
    ids=str,
)
def test_help_and_refused_arguments_load_parsers_only(arguments: list[str], expected_code: int) -> None:
    code, packages, modules = loaded_by(arguments)
    assert code == expected_code
    assert "rnnimp" in packages
    assert not packages & HEAVY
    assert not [name for name in modules if name.startswith(("rnnimp.formats", "rnnimp.pipeline.impute"))]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_loads_parsers_only(command: str) -> None:
    code, packages, _ = loaded_by([command, "--help"])
    assert code == 0
    assert not packages & HEAVY


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["impute", "--vcf", "absent.vcf.gz", "--model-prefix", "MODEL"], "absent.vcf.gz: cannot be read"),
        (["check", "--vcf", "absent.vcf.gz", "--model-prefix", "MODEL"], "absent.vcf.gz: cannot be read"),
        (["impute", "--vcf", "FILE", "--model-prefix", "absent"], "absent: expected a model"),
        (["evaluate", "--imputed", "absent.vcf.gz", "--truth", "FILE"], "absent.vcf.gz: cannot be read"),
        (["inspect", "absent"], "absent: expected a file"),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, list) else "",
)
def test_early_errors_load_no_engine(arguments: list[str], expected: str, tmp_path: Path) -> None:
    (tmp_path / "file.vcf").write_text("##fileformat=VCFv4.2\n")
    paths = {"MODEL": str(PACKAGED / REAL_MODEL), "FILE": str(tmp_path / "file.vcf")}
    arguments = [paths.get(word, word) for word in arguments]
    if arguments[0] in ("impute", "evaluate"):
        arguments += ["--output", str(tmp_path / "out")]
    log = tmp_path / "log"
    code, packages, _ = loaded_by([*arguments, "--log-file", str(log)])
    assert code == 1
    assert expected in log.read_text()
    assert not packages & ENGINES
