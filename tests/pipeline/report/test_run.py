"""`rnnimp report`: what it writes, and what it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from audit_results import audit_results
from helpers import error_line
from report_cases import copied, write_training
from rnnimp.cli import main
from rnnimp.formats.files import read_lines
from rnnimp.pipeline.audit.files import json_text

PNG = b"\x89PNG\r\n\x1a\n"


def report(folder: Path, *more: str) -> int:
    return main(["report", "--output", str(folder / "report.html"), *more])


def test_sections_appear_where_their_input_exists(results: Path, tmp_path: Path) -> None:
    x, y = (str(results / "accuracy" / name) for name in ("x", "y"))
    assert report(tmp_path, "--imputed", str(results / "x.vcf"), "--accuracy", f"ours={x}", y) == 0
    text = (tmp_path / "report.html").read_text()
    for anchor in ("target", "imputation", "accuracy"):
        assert f'<section id="{anchor}">' in text
    assert "<h1>Report on x</h1>" in text
    assert len(text) < 3_000_000
    audit = tmp_path / "a.json"
    audit.write_text(json_text(audit_results()))
    training = str(write_training(tmp_path))
    assert report(tmp_path, "--training", training, "--audit", str(audit)) == 0
    text = (tmp_path / "report.html").read_text()
    for anchor in ("training", "privacy"):
        assert f'<section id="{anchor}">' in text
    assert "<h1>Report on t</h1>" in text
    assert report(tmp_path, "--accuracy", x, "--title", "Ours & theirs") == 0
    text = (tmp_path / "report.html").read_text()
    assert '<section id="accuracy">' in text
    assert '<section id="target">' not in text
    assert "<h1>Ours &amp; theirs</h1>" in text


@pytest.mark.slow
def test_figures_are_files(results: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures"
    assert report(tmp_path, "--imputed", str(results / "x"), "--figures", str(figures)) == 0
    names = {path.name for path in figures.iterdir()}
    pictures = {name.removesuffix(".svg") for name in names if name.endswith(".svg")}
    assert {"r2_along", "r2_by_frequency", "marker_coverage", "samples"} <= pictures
    assert names == {f"{name}.{end}" for name in pictures for end in ("svg", "png", "tsv")} | {"strand.tsv"}
    assert (figures / "samples.png").read_bytes().startswith(PNG)
    assert read_lines(figures / "marker_coverage.tsv")[0].split("\t")[0] == "region"


def test_merged_results_have_no_checks(results: Path, tmp_path: Path) -> None:
    folder = copied(results, tmp_path / "c")
    for name in ("x.checks.json", "x.samples.tsv"):
        (folder / name).unlink()
    assert report(tmp_path, "--imputed", str(folder / "x")) == 0
    text = (tmp_path / "report.html").read_text()
    assert '<section id="imputation">' in text
    assert '<section id="target">' not in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "expected something to report; give --imputed"),
        (["--training", "{0}/z", "--multiqc", "{0}"], 2, "--multiqc shows imputations and evaluations"),
        (["--training", "{}/z"], 1, "expected the manifest of a model"),
        (["--audit", "{}/x.checks.json"], 1, "expected the JSON file of an audit"),
        (["--imputed", "{}/z"], 1, "expected results of 'rnnimp impute'"),
        (["--accuracy", "{}/accuracy/z"], 1, "found no such file"),
        (["--accuracy", "{0}/accuracy/x", "{0}/accuracy/x"], 2, "found x twice"),
        (["--accuracy", "=x"], 2, "LABEL=PREFIX"),
        (["--imputed", "{}/x", "--output", "{}/x.checks.json"], 2, "found the input"),
        (["--imputed", "{}/x", "--output", "-"], 2, "name a file"),
    ],
)
def test_what_cannot_be_reported(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    words = [word.format(results) for word in arguments]
    assert report(tmp_path, *words) == code
    assert message in error_line(capsys)
    assert not (tmp_path / "report.html").exists()


def test_something_has_to_be_written(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--imputed", f"{results}/x"]) == 2
    assert "give --output, --figures or --multiqc" in error_line(capsys)


def test_a_missing_library_is_named(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert report(tmp_path, "--imputed", str(results / "x")) == 1
    assert "pip install rnnimp[report]" in error_line(capsys)
    assert list(tmp_path.iterdir()) == []


def test_torch_is_not_needed(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert report(tmp_path, "--imputed", str(results / "x")) == 0
