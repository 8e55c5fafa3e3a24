"""`rnnimp inspect`: outputs of rnnimp in every format, what is refused, and the two ways to print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit_results import audit_results
from helpers import error_line
from impute_cases import run_impute
from rnnimp.choices import OUTPUT_FORMATS
from rnnimp.cli import main
from rnnimp.errors import DataError
from rnnimp.pipeline.inspect.run import inspect
from vcf_files import write_vcf


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_what_impute_writes(folder: Path, output_format: str) -> None:
    assert run_impute(folder, "out", "--output-format", output_format, "--chromosome", "22") == 0
    found = inspect(folder / "out" / f"out.{output_format}")
    checks = inspect(folder / "out" / "out.checks.json")
    assert found.kind == output_format.removesuffix(".gz").upper()
    assert found.facts["samples"] > 0
    (place,) = found.facts["chromosomes"].values()
    assert place["sites"] == found.facts["sites"]
    assert checks.facts["counts"]["matched"] > 0
    samples = inspect(folder / "out" / "out.samples.tsv")
    assert (samples.kind, samples.facts["lines"]) == ("table of the samples of an imputation", found.facts["samples"])
    if output_format in ("vcf", "vcf.gz", "bcf"):
        assert found.facts["written_by"][0].startswith("rnnimp ")
    if output_format in ("vcf", "vcf.gz", "bcf", "pgen"):
        assert found.facts["quality_scores"] == ["R2"]
    if output_format in ("vcf", "vcf.gz", "bcf", "bgen"):
        assert found.facts["phased_share"] == 1


def test_an_evaluation(tmp_path: Path) -> None:
    write_vcf(tmp_path / "t.vcf", ["22 5 . A C . GT 0/1 0/0", "22 9 . A C . GT 0/1 1/1"])
    files = ["--imputed", f"{tmp_path}/t.vcf", "--truth", f"{tmp_path}/t.vcf"]
    assert main(["evaluate", *files, "--output", f"{tmp_path}/e"]) == 0
    found = inspect(tmp_path / "e.evaluation.json")
    assert found.kind == "evaluation, by 'rnnimp evaluate'"
    assert (found.facts["sites"], found.facts["samples"], found.facts["mean_r2"]) == (2, 2, [1.0])


def test_an_audit(tmp_path: Path) -> None:
    results = audit_results()
    (tmp_path / "a.json").write_text(json.dumps(results.as_dict()))
    assert inspect(tmp_path / "a.json").facts["sentence"] == results.sentence


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\x02\x03" * 10, b"\x6c\x1b\x01\x00", b"[1]", b'{"a": 1}', b"\xff\xfe\xff"]
)
def test_unknown_kinds_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError) as caught:
        inspect(tmp_path / "x")
    assert "kind is not known" in str(caught.value)


@pytest.mark.parametrize("name", ["nothing", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tmp_path / name)]) == 1
    assert "expected a file" in error_line(capsys)


def test_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.tsv").write_text("chrom pos\n22 5\n22 51000000\n")
    assert main(["inspect", str(tmp_path / "x.tsv")]) == 0
    text = capsys.readouterr().out
    assert "22: 2 sites, 5 to 51,000,000" in text
    assert "GRCh37 or T2T-CHM13v2, by last position" in text
    assert main(["inspect", str(tmp_path / "x.tsv"), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["chromosomes"]["22"]["last_position"] == 51_000_000
    assert main(["inspect", str(tmp_path / "x.tsv"), str(tmp_path / "x.tsv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [content, content]


def test_a_damaged_model_gives_exit_code_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(iter(folder.glob("*_1.onnx")))
    path.write_bytes(b"another")
    assert main(["inspect", str(path).removesuffix("_1.onnx")]) == 1
    assert "problem" in capsys.readouterr().out
