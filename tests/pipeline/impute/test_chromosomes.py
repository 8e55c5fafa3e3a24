"""`rnnimp impute` and `rnnimp check` of several chromosomes in one command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnimp.pipeline.impute.chromosomes as chromosomes
from helpers import error_line
from rnnimp.cli import EXIT_INTERRUPTED, main
from rnnimp.formats.bundle import write_manifest
from rnnimp.pipeline.impute.run import ImputeSettings, run_impute
from tiny_model import manifest_of, tiny_chromosome, write_tiny_bundle
from vcf_files import write_panel

NAMES = ("20", "21", "22")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Models `m/chr@` of three chromosomes, targets `t@.vcf`, and one target of all, `all.vcf`."""
    records: list[str] = []
    (tmp_path / "m").mkdir()
    for name in NAMES:
        panel, regions = tiny_chromosome(np.random.default_rng(int(name)), n_samples=4)
        prefix = tmp_path / "m" / f"chr{name}"
        write_tiny_bundle(prefix, regions)
        write_manifest(prefix, replace(manifest_of(prefix, regions), chromosome=name))
        path = write_panel(tmp_path / f"t{name}.vcf", panel[panel.sites.markers()], f"chr{name}")
        lines = path.read_text().splitlines()
        records += lines if not records else [line for line in lines if not line.startswith("#")]
    (tmp_path / "all.vcf").write_text("\n".join(records) + "\n")
    return tmp_path


def impute(folder: Path, vcf: str, output: str, *more: str, model: str = "m/chr@") -> int:
    paths = ["--vcf", f"{folder}/{vcf}", "--model-prefix", f"{folder}/{model}", "--output", f"{folder}/{output}"]
    return main(["impute", *paths, *more])


def body(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("##")]


@pytest.mark.parametrize("vcf", ["t@.vcf", "t{chrom}.vcf", "all.vcf"])
def test_each_chromosome_is_as_if_imputed_by_itself(folder: Path, vcf: str) -> None:
    assert impute(folder, vcf, "out/chr@.vcf") == 0
    for name in NAMES:
        assert impute(folder, f"t{name}.vcf", f"one/chr{name}.vcf", model=f"m/chr{name}") == 0
        lines = body(folder / "out" / f"chr{name}.vcf")
        assert lines == body(folder / "one" / f"chr{name}.vcf")
        assert lines[1].startswith(f"chr{name}\t")


def test_a_list_chooses_chromosomes(folder: Path) -> None:
    assert impute(folder, "t{chrom}.vcf", "out/{chrom}.vcf", "--chromosomes", "20,22", model="m/chr{chrom}") == 0
    assert sorted(path.name for path in (folder / "out").glob("*.vcf")) == ["20.vcf", "22.vcf"]


def test_an_interrupted_run_keeps_what_is_finished_and_resumes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    imputed = []

    def interrupted(settings: ImputeSettings) -> Path:
        imputed.append(Path(settings.output_prefix).name)
        if len(imputed) == 2:
            raise KeyboardInterrupt
        return run_impute(settings)

    monkeypatch.setattr(chromosomes, "run_impute", interrupted)
    assert impute(folder, "t@.vcf", "out/chr@.vcf") == EXIT_INTERRUPTED
    assert "finished chromosomes are kept: run the same command again to resume" in capsys.readouterr().err
    assert [path.name for path in (folder / "out").glob("*.vcf")] == ["chr20.vcf"]
    first = (folder / "out" / "chr20.vcf").stat().st_mtime_ns
    assert impute(folder, "t@.vcf", "out/chr@.vcf", "--threads", "2") == 0
    assert imputed == ["chr20.vcf", "chr21.vcf", "chr21.vcf", "chr22.vcf"]
    assert (folder / "out" / "chr20.vcf").stat().st_mtime_ns == first
    assert "chromosome 20: finished before" in capsys.readouterr().err


def test_what_is_finished_is_imputed_again_where_settings_or_target_differ(folder: Path) -> None:
    assert impute(folder, "t@.vcf", "out/chr@.vcf") == 0
    before = {name: (folder / "out" / f"chr{name}.vcf").stat().st_mtime_ns for name in NAMES}
    (folder / "t21.vcf").write_text((folder / "t21.vcf").read_text())
    (folder / "out" / "chr22.info.tsv.gz").unlink()
    assert impute(folder, "t@.vcf", "out/chr@.vcf") == 0
    after = {name: (folder / "out" / f"chr{name}.vcf").stat().st_mtime_ns for name in NAMES}
    assert [name for name in NAMES if after[name] != before[name]] == ["21", "22"]
    assert impute(folder, "t@.vcf", "out/chr@.vcf", "--format-fields", "DS") == 0
    assert "\tDS\t" in body(folder / "out" / "chr20.vcf")[1]


def test_a_damaged_target_does_not_stop_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "t21.vcf").write_text((folder / "t21.vcf").read_text().replace("0|1", "0/1"))
    assert impute(folder, "t@.vcf", "out/chr@.vcf") == 1
    said = capsys.readouterr().err.splitlines()
    (error,) = [line for line in said if "error:" in line]
    assert "1 of 3 chromosomes not imputed: 21; the reasons are above" in error
    assert sum("chromosome 21 was not imputed: " in line for line in said) == 1
    assert sorted(path.name for path in (folder / "out").glob("*.vcf")) == ["chr20.vcf", "chr22.vcf"]


def test_check_gives_the_findings_of_each(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["check", "--vcf", f"{folder}/all.vcf", "--model-prefix", f"{folder}/m/chr@"]
    assert main([*command, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert list(content) == list(NAMES)
    assert {name: found["chromosome"]["target"] for name, found in content.items()} == {
        name: f"chr{name}" for name in NAMES
    }
    assert main([*command, "--chromosomes", "20-21", "--output", f"{folder}/c/chr@"]) == 0
    text = capsys.readouterr().out
    assert [line for line in text.splitlines() if line.startswith("chromosome ")] == ["chromosome 20", "chromosome 21"]
    assert (folder / "c" / "chr21.checks.txt").read_text() in text


@pytest.mark.parametrize(
    ("vcf", "output", "more", "model", "code", "message"),
    [
        ("t@.vcf", "out/chr", [], "m/chr@", 2, "--output needs {chrom} or @ as --model-prefix has"),
        ("t{chrom}.vcf", "out/chr20", [], "m/chr20", 2, "--vcf is for several chromosomes: --model-prefix needs"),
        ("t20.vcf", "out/x", ["--chromosomes", "20"], "m/chr20", 2, "--chromosomes is for several chromosomes"),
        ("t@.vcf", "out/chr@", ["--chromosomes", "19-20"], "m/chr@", 1, "found none of 19 ("),
        ("t@.vcf", "out/chr@", ["--region", "20:1-5"], "m/chr@", 2, "--region goes with one chromosome"),
        ("u@.vcf", "out/chr@", [], "m/chr@", 1, "expected the target of each chromosome that has a model"),
        ("t@.vcf", "out/chr@", [], "n/chr@", 1, "found none; check the path"),
        ("t@.vcf", "t@.vcf", [], "m/chr@", 2, "found the input"),
    ],
)
def test_bad_paths_are_one_line_and_write_nothing(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    vcf: str,
    output: str,
    more: list[str],
    model: str,
    code: int,
    message: str,
) -> None:
    assert impute(folder, vcf, output, *more, model=model) == code
    assert message in error_line(capsys)
    assert not (folder / "out").exists()


def test_a_model_of_another_chromosome_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted((folder / "m").glob("chr22*")):
        path.rename(path.with_name(path.name.replace("chr22", "chr19")))
    (folder / "t22.vcf").rename(folder / "t19.vcf")
    assert impute(folder, "t@.vcf", "out/chr@") == 1
    assert "expected the model of chromosome 19, found one of 22" in error_line(capsys)


def test_slurm_gets_one_submission_per_chromosome(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted = []

    def submit(settings: ImputeSettings, arguments: list[str], *_: object) -> None:
        submitted.append((Path(settings.output_prefix).name, arguments))

    monkeypatch.setattr("rnnimp.pipeline.impute.slurm.submit_imputation", submit)
    assert impute(folder, "t@.vcf", "out/chr@.vcf.gz", "--slurm") == 0
    assert [name for name, _ in submitted] == [f"chr{name}.vcf.gz" for name in NAMES]
    for name, (_, arguments) in zip(NAMES, submitted, strict=True):
        assert f"--vcf={folder}/t{name}.vcf" in arguments
        assert f"--model-prefix={folder}/m/chr{name}" in arguments
