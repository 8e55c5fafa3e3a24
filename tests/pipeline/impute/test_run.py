"""`rnnimp impute` as users run it, compared with the published program and others, and bad input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnimp
from helpers import REPOSITORY, error_line, program, shared_data
from impute_cases import Impute, legacy_command, vcf_of, write_target
from rnnimp.cli import EXIT_INTERRUPTED, main
from rnnimp.formats.files import read_lines
from rnnimp.formats.gen import read_gen
from rnnimp.formats.hapslegend import open_panel
from rnnimp.formats.vcf.reading import read_genotypes
from rnnimp.sites.panel import as_strings
from tiny_model import tiny_chromosome


@pytest.mark.parametrize("ending", ["onnx", "ort"])
@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_published_output_is_reached(tmp_path: Path, kind: str, ending: str) -> None:
    folder = shared_data("legacy_model") / kind
    for path in [*folder.glob(f"s_*.{ending}"), *folder.glob("s_*.legend.gz")]:
        shutil.copyfile(path, tmp_path / path.name)
    assert main(legacy_command(kind, tmp_path / "out", model=tmp_path / "s")) == 0
    expected = [line.split() for line in read_lines(folder / "published_output.gen.gz")]
    found = [line.split() for line in (tmp_path / "out.gen").read_text().splitlines()]
    assert [row[:5] for row in found] == [row[:5] for row in expected]
    values, published = (np.array([row[5:] for row in rows], dtype=np.float64) for rows in (found, expected))
    np.testing.assert_allclose(values, published, rtol=0, atol=1e-5)


def test_summary_says_what_became_of_the_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(legacy_command("gru", tmp_path / "out")) == 0
    output = capsys.readouterr()
    assert output.out == ""
    # by an independent count of the legends: 44 distinct markers, all typed, and 24 sites before and behind them
    assert "35 matched, 9 swapped, 0 strand-flipped, 0 mismatched, 24 not in the model" in output.err
    assert "model markers: 44 observed, 0 missing" in output.err
    words = [word for line in read_lines(shared_data("legacy_model/target.hap.gz")) for word in line.split()]
    missing = sum(word not in ("0", "1") for word in words) / len(words)
    assert f"target alleles: {100 * missing:.2f}% missing" in output.err
    assert "regions: 2\n" in output.err
    assert "241 sites (173 imputed, 68 typed) of 20 samples" in output.err


def frequencies(path: Path) -> dict[tuple[str, str], float]:
    """ALT_FREQS of a plink2 .afreq file by id and ALT."""
    header, *rows = [line.split() for line in path.read_text().splitlines()]
    columns = [header.index(name) for name in ("ID", "ALT", "ALT_FREQS")]
    return {(row[columns[0]], row[columns[1]]): float(row[columns[2]]) for row in rows}


def test_plink2_reads_both_formats_with_our_frequencies(tmp_path: Path) -> None:
    plink2 = program("plink2")
    for output_format in ("gen", "vcf"):
        assert main(legacy_command("gru", tmp_path / "out", "--output-format", output_format)) == 0
    table = read_gen(tmp_path / "out.gen", tmp_path / "out.sample")
    ours = dict(zip(zip(table.sites.ids, table.sites.a1, strict=True), table.dosages.mean(axis=1) / 2, strict=True))
    sources = {
        "vcf": ["--vcf", "out.vcf", "dosage=DS"],
        "gen": ["--gen", "out.gen", "ref-first", "--sample", "out.sample", "--oxford-single-chr", "22"],
    }
    for name, source in sources.items():
        command = [plink2, *source, "--freq", "cols=+altfreq", "--out", name]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "Warning" not in result.stdout + result.stderr
        theirs = frequencies(tmp_path / f"{name}.afreq")
        assert theirs.keys() == ours.keys()
        assert max(abs(theirs[key] - ours[key]) for key in ours) < 1e-4  # plink2 holds dosages in steps of 2^-15


def test_bcftools_reads_the_vcf_without_a_warning(tmp_path: Path) -> None:
    bcftools = program("bcftools")
    assert main(legacy_command("gru", tmp_path / "out", "--output-format", "vcf")) == 0
    command = [bcftools, "query", "-f", "%POS %REF %ALT %INFO/AC %INFO/AN %INFO/IMP[ %GT:%DS:%GP]\n", "out.vcf"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert len(rows) == 241
    assert sum(row[5] == "1" for row in rows) == 173
    for row in rows:
        alleles = [allele for cell in row[6:] for allele in cell.split(":")[0].split("|")]
        assert (int(row[3]), int(row[4])) == (alleles.count("1"), len(alleles))
    checked = subprocess.run([bcftools, "view", "out.vcf"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def outputs(tmp_path: Path) -> dict[str, bytes]:
    """The output files, except the report that is saved before imputing starts."""
    paths = (tmp_path / "out").glob("*")
    return {path.name: path.read_bytes() for path in paths if not path.name.endswith((".checks.json", ".samples.tsv"))}


def nothing_written(tmp_path: Path) -> bool:
    return not outputs(tmp_path)


def test_vcf_target_gives_what_haps_give(tmp_path: Path, impute: Impute) -> None:
    assert impute() == 0
    path = vcf_of(tmp_path / "t", "chr22")
    assert impute("--vcf", str(path), "--output-prefix", str(tmp_path / "v"), hap=False) == 0
    assert (tmp_path / "v.gen").read_bytes() == (tmp_path / "out" / "x.gen").read_bytes()
    assert (tmp_path / "v.sample").read_text().splitlines()[2] == "N0 N0 0"


def test_marker_without_variation_in_a_vcf_is_observed(
    tmp_path: Path, impute: Impute, capsys: pytest.CaptureFixture[str]
) -> None:
    target = open_panel(tmp_path / "t.hap.gz", tmp_path / "t.legend.gz").read()
    is_snp = [len(a0) == len(a1) == 1 for _, a0, a1 in target.sites.keys()]
    row, a1, alleles = is_snp.index(True), target.sites.a1.copy(), target.alleles.copy()
    a1[row], alleles[row] = "0", 0
    write_target(tmp_path / "t", replace(target, sites=replace(target.sites, a1=a1), alleles=alleles))
    assert impute() == 0
    path = vcf_of(tmp_path / "t", "22")
    assert impute("--vcf", str(path), "--output-prefix", str(tmp_path / "v"), hap=False) == 0
    assert capsys.readouterr().err.count(f"{len(target.sites)} matched, 0 swapped") == 2
    assert (tmp_path / "v.gen").read_bytes() == (tmp_path / "out" / "x.gen").read_bytes()
    assert (
        f" {target.sites.positions[row]} {target.sites.a0[row]} {target.sites.a1[row]} 1 0 0 1 0 0"
        in (tmp_path / "v.gen").read_text()
    )


def test_vcf_output_says_the_same_as_gen(tmp_path: Path, impute: Impute) -> None:
    assert impute() == 0
    assert impute("--output-format", "vcf", "--chromosome", "22") == 0
    gen, vcf = read_gen(tmp_path / "out" / "x.gen"), read_genotypes(tmp_path / "out" / "x.vcf")
    assert vcf.sites.chromosome == "22"
    assert vcf.sites.keys() == gen.sites.keys()
    np.testing.assert_allclose(vcf.dosages, gen.dosages, atol=6e-5)
    np.testing.assert_allclose(vcf.probabilities, gen.probabilities, atol=6e-4)
    assert vcf.is_typed is not None
    assert 0 < vcf.is_typed.sum() < len(vcf.sites)


def test_sample_names_are_written(tmp_path: Path, impute: Impute) -> None:
    sample = tmp_path / "t.sample"
    sample.write_text(sample.read_text().replace("Sample_", "person"))
    assert impute("--sample", str(sample)) == 0
    assert (tmp_path / "out" / "x.sample").read_bytes() == sample.read_bytes()
    assert impute("--sample", str(sample), "--output-format", "vcf", "--chromosome", "22") == 0
    header = next(line for line in (tmp_path / "out" / "x.vcf").read_text().splitlines() if line.startswith("#CHROM"))
    assert header.split("\t")[9:] == [f"person{index}" for index in range(1, 6)]


def test_vcf_takes_the_chromosome_from_a_vcf_target(tmp_path: Path, impute: Impute) -> None:
    path = vcf_of(tmp_path / "t", "chr22")
    assert impute("--vcf", str(path), "--output-format", "vcf", hap=False) == 0
    assert "##contig=<ID=chr22>\n" in (tmp_path / "out" / "x.vcf").read_text()


def test_vcf_without_a_chromosome_is_refused(
    tmp_path: Path, impute: Impute, capsys: pytest.CaptureFixture[str]
) -> None:
    assert impute("--output-format", "vcf") == 2
    assert "give --chromosome" in error_line(capsys)
    assert nothing_written(tmp_path)


def test_model_of_another_chromosome_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(legacy_command("gru", tmp_path / "out" / "x", "--chromosome", "21")) == 1
    assert "expected one chromosome, found 21 given as --chromosome and 22 in the" in error_line(capsys)
    assert nothing_written(tmp_path)


def test_target_whose_ids_name_another_chromosome_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    panel, _ = tiny_chromosome(np.random.default_rng(8))
    ids = as_strings(f"20:{name}" for name in panel.sites.ids)
    write_target(tmp_path / "t", replace(panel, sites=replace(panel.sites, ids=ids, chromosome=None)))
    model = shared_data("legacy_model/gru") / "s"
    command = ["impute", "--hap", f"{tmp_path}/t.hap.gz", "--legend", f"{tmp_path}/t.legend.gz"]
    assert main([*command, "--model-prefix", str(model), "--output-prefix", str(tmp_path / "out" / "x")]) == 1
    assert "expected one chromosome, found 20 in the target's ids and 22 in the model" in error_line(capsys)


def test_ids_of_another_chromosome_than_asked_for_are_refused(
    tmp_path: Path, impute: Impute, capsys: pytest.CaptureFixture[str]
) -> None:
    panel, _ = tiny_chromosome(np.random.default_rng(8))
    ids = as_strings(f"20:{name}" for name in panel.sites.ids)
    write_target(tmp_path / "t", replace(panel, sites=replace(panel.sites, ids=ids, chromosome=None)))
    assert impute("--chromosome", "21") == 1
    assert "found 21 given as --chromosome and 20 in the target's ids" in error_line(capsys)
    assert nothing_written(tmp_path)


def test_no_common_marker_is_refused(tmp_path: Path, impute: Impute, capsys: pytest.CaptureFixture[str]) -> None:
    model = shared_data("legacy_model/gru") / "s"
    assert impute("--model-prefix", str(model)) == 1
    assert "found none with their position and alleles" in error_line(capsys)
    assert nothing_written(tmp_path)


def test_corrupt_model_leaves_nothing(tmp_path: Path, impute: Impute, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m_3.onnx").write_bytes(b"nothing")
    assert impute() == 1
    assert f"{tmp_path}/m_3.onnx: the model is refused: it is no ONNX file" in error_line(capsys)
    assert nothing_written(tmp_path)


def test_missing_model_is_named(tmp_path: Path, impute: Impute, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m_2.onnx").unlink()
    assert impute() == 1
    assert "m_2.onnx" in error_line(capsys)


def test_unwritable_output(tmp_path: Path, impute: Impute, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert impute("--output-prefix", str(tmp_path / "file" / "x")) == 1
    assert "cannot be written" in error_line(capsys)


def test_interruption_leaves_nothing_but_the_older_file(
    tmp_path: Path, impute: Impute, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rnnimp.pipeline.impute import ready as stage

    assert impute() == 0
    before = outputs(tmp_path)
    assert set(before) == {"x.gen", "x.sample", "x.info.tsv.gz"}

    def interrupted(region, device):
        if region.index == 2:
            raise KeyboardInterrupt
        return load(region, device)

    load = stage.load_engine
    monkeypatch.setattr(stage, "load_engine", interrupted)
    for more in ([], ["--output-format", "vcf", "--chromosome", "22"]):
        assert impute(*more) == EXIT_INTERRUPTED
        assert outputs(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vcf", "t.vcf"], "either --hap with --legend or --vcf"),
        (["--output-format", "bed"], "'bed' is not one of gen"),
    ],
)
def test_senseless_options(
    tmp_path: Path, impute: Impute, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert impute(*arguments) == 2
    assert message in error_line(capsys)
    assert nothing_written(tmp_path)


@pytest.mark.parametrize(
    "arguments", [[], ["--hap", "t.hap"], ["--legend", "t.legend"], ["--vcf", "t.vcf", "--sample", "t.sample"]]
)
def test_target_must_be_given_once_and_whole(
    impute: Impute, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert impute(*arguments, hap=False) == 2
    assert error_line(capsys)


def test_published_script_runs_by_path(tmp_path: Path, impute: Impute) -> None:
    script = REPOSITORY / "scripts" / "inference" / "imputation.py"
    arguments = ["--hap", "t.hap.gz", "--legend", "t.legend.gz", "--model-prefix", "m", "--output-prefix", "s/y"]
    command = [sys.executable, str(script), *arguments, "--python3-bin", "python3"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert impute() == 0
    assert (tmp_path / "s" / "y.gen").read_bytes() == (tmp_path / "out" / "x.gen").read_bytes()


def test_an_incomplete_model_must_be_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It imputes a part of the chromosome only, and the header says so; merged files say so too."""
    demo = Path(rnnimp.__file__).parent / "demo"
    for name in ("demo_1.onnx", "demo_1.legend.gz"):
        shutil.copyfile(demo / "model" / name, tmp_path / name)
    manifest = json.loads((demo / "model/demo.manifest.json").read_text())
    del manifest["regions"][1]
    (tmp_path / "demo.manifest.json").write_text(json.dumps(manifest))
    command = ["impute", "--hap", f"{demo}/target.hap.gz", "--legend", f"{demo}/target.legend.gz"]
    command += ["--model-prefix", f"{tmp_path}/demo"]
    assert main([*command, "--output-prefix", f"{tmp_path}/o.vcf"]) == 1
    assert "demo: the model is incomplete: it lacks region 2 of 2. Finish its training" in error_line(capsys)
    assert not (tmp_path / "o.vcf").exists()
    assert main([*command, "--output-prefix", f"{tmp_path}/o.vcf", "--force"]) == 0
    assert "warning: imputed because of --force:" in capsys.readouterr().err
    assert "\n##rnnimp_incompleteModel=region 2 of 2\n" in (tmp_path / "o.vcf").read_text()
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("Sample_1\n" if name == "a" else "Sample_2\n")
        part = ["--samples", f"{tmp_path}/{name}.txt", "--output-prefix", f"{tmp_path}/{name}.vcf", "--force"]
        assert main([*command, *part]) == 0
    assert main(["merge", f"{tmp_path}/a.vcf", f"{tmp_path}/b.vcf", "--output", f"{tmp_path}/m.vcf"]) == 0
    assert (tmp_path / "m.vcf").read_text().count("\n##rnnimp_incompleteModel=region 2 of 2\n") == 1
