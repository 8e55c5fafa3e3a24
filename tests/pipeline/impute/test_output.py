"""The output of `rnnimp impute`: formats, fields, sites, provenance, and equal bytes."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import cyvcf2
import numpy as np
import pytest

from helpers import REPOSITORY, error_line, program
from impute_cases import output_names, records, records_of, run_impute, vcf_of, write_target
from rnnimp.cli import main
from rnnimp.errors import SettingsError
from rnnimp.formats.vcf.reading import read_genotypes
from rnnimp.pipeline.impute.output import OutputSettings
from rnnimp.pipeline.impute.run import ImputeSettings

FILES = {
    "gen": {"x.gen", "x.sample", "x.info.tsv.gz"},
    "vcf": {"x.vcf", "x.sums.tsv.gz", "x.info.tsv.gz"},
    "vcf.gz": {"x.vcf.gz", "x.vcf.gz.csi", "x.sums.tsv.gz", "x.info.tsv.gz"},
    "bcf": {"x.bcf", "x.bcf.csi", "x.sums.tsv.gz", "x.info.tsv.gz"},
    "bgen": {"x.bgen", "x.info.tsv.gz"},
    "pgen": {"x.pgen", "x.pvar", "x.psam", "x.info.tsv.gz"},
}


TABLE_VALUES = ("AF", "MAF", "R2", "ER2")


@pytest.mark.parametrize("name", FILES)
def test_the_format_is_chosen_by_option_or_by_ending(folder: Path, name: str) -> None:
    assert run_impute(folder, "x", "--output-format", name) == 0
    assert output_names(folder) == FILES[name]
    first = (folder / "out" / f"x.{name}").read_bytes()
    assert run_impute(folder, f"x.{name}") == 0
    assert output_names(folder) == FILES[name]
    assert b"".join(records(folder / "out" / f"x.{name}")) == b"".join(records_of(first, name))


def test_packed_vcf_is_written_where_nothing_chooses(folder: Path) -> None:
    assert OutputSettings("a/x").path == Path("a/x.vcf.gz")
    assert OutputSettings("a/x.y").path == Path("a/x.y.vcf.gz")
    assert OutputSettings("a/x.gen").path == Path("a/x.gen")
    assert OutputSettings("a/x", default_format="gen").path == Path("a/x.gen")
    assert OutputSettings("a/x.bcf", default_format="gen").path == Path("a/x.bcf")
    assert OutputSettings("a/x", "pgen", default_format="gen").path == Path("a/x.pgen")
    assert run_impute(folder, "x") == 0
    assert output_names(folder) == FILES["vcf.gz"]
    assert OutputSettings("a/x.vcf", "bcf").path == Path("a/x.vcf.bcf")


@pytest.mark.parametrize("prefix", ["", "out/", ".vcf.gz", "out/.bcf"])
def test_a_prefix_without_a_name_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="--output must end in a name for the files, found '"):
        OutputSettings(prefix)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "txt"}, "--output-format must be gen or vcf"),
        ({"sites_only": True, "format": "gen"}, "--sites-only goes with VCF and BCF"),
        ({"fields": ("XX",)}, "--format-fields must be some of GT, DS, HDS, GP, AP, found XX"),
        (
            {"fields": ("GT", "DS", "GP"), "format": "gen"},
            "--format-fields goes with VCF and BCF; gen has no such fields",
        ),
        ({"fields": ("GT",), "format": "pgen"}, "--format-fields goes with VCF and BCF; pgen has no such fields"),
        ({"fields": ("GT",), "format": "bcf", "sites_only": True}, "--format-fields does not go with --sites-only"),
    ],
)
def test_settings_are_checked(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        OutputSettings("x", **changes)  # type: ignore[arg-type]


def test_bad_fields_are_refused_by_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_impute(folder, "x.vcf", "--format-fields", "GT,QQ") == 2
    assert "found QQ" in error_line(capsys)
    assert run_impute(folder, "x.gen", "--format-fields", "GT,DS,GP") == 2
    assert error_line(capsys).endswith("--format-fields goes with VCF and BCF; gen has no such fields")
    assert not (folder / "out").exists()


def test_tasks_without_slurm_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_impute(folder, "x.vcf", "--num-tasks", "4") == 2
    assert "--num-tasks needs --slurm" in error_line(capsys)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(("name", "module"), [("bgen", "bgen"), ("pgen", "pgenlib")])
def test_a_missing_library_is_told_before_anything_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for path in folder.iterdir():
        path.unlink()
    assert run_impute(folder, f"x.{name}") == 1
    assert f"install rnnimp[{name}]" in error_line(capsys)


def test_fields_and_sites_are_chosen(folder: Path) -> None:
    assert run_impute(folder, "x.vcf", "--format-fields", "AP,HDS,GT") == 0
    line = records(folder / "out" / "x.vcf")[0].split(b"\t")
    assert line[8] == b"GT:HDS:AP1:AP2"
    assert len(line) == 9 + 9
    assert run_impute(folder, "x.vcf", "--sites-only") == 0
    assert {len(line.split(b"\t")) for line in records(folder / "out" / "x.vcf")} == {8}


def test_min_r2_leaves_out_imputed_sites_alone(folder: Path) -> None:
    assert run_impute(folder, "x.vcf") == 0
    whole = records(folder / "out" / "x.vcf")
    assert run_impute(folder, "x.vcf", "--min-r2", "0.2") == 0
    kept = records(folder / "out" / "x.vcf")

    def is_kept(line: bytes) -> bool:
        fields = dict(field.split(b"=") for field in line.split(b"\t")[7].split(b";") if b"=" in field)
        return b";IMP" not in line or (fields[b"R2"] != b"." and float(fields[b"R2"]) >= 0.2)

    assert kept == [line for line in whole if is_kept(line)]
    assert 0 < len(kept) < len(whole)


@pytest.mark.parametrize("name", FILES)
def test_every_format_has_the_same_table_of_its_sites(folder: Path, name: str) -> None:
    options = ("--min-r2", "0.1", "--empirical-r2")
    assert run_impute(folder, "x.vcf", *options) == 0
    lines = [line.decode().rstrip().split("\t") for line in records(folder / "out" / "x.vcf")]
    fields = [dict(text.split("=") for text in line[7].split(";") if "=" in text) for line in lines]
    values = [[text.get(key, ".") for key in TABLE_VALUES] for text in fields]
    numbers = [["NA" if value == "." else value for value in row] for row in values]
    expected = [[*line[:5], *row] for line, row in zip(lines, numbers, strict=True)]
    kinds = [next(kind for kind in ("IMPUTED", "TYPED") if kind in line[7].split(";")) for line in lines]
    assert run_impute(folder, f"x.{name}", *options) == 0
    header, *rows = gzip.decompress((folder / "out" / "x.info.tsv.gz").read_bytes()).decode().splitlines()
    assert header.split("\t") == ["chromosome", "position", "id", "a0", "a1", *TABLE_VALUES, "kind"]
    assert [row.split("\t") for row in rows] == [[*row, kind] for row, kind in zip(expected, kinds, strict=True)]
    assert set(kinds) == {"IMPUTED", "TYPED"}


@pytest.mark.parametrize("name", ["gen", "bgen"])
def test_plink2_filters_by_the_table(folder: Path, name: str) -> None:
    assert run_impute(folder, f"x.{name}") == 0
    source = {
        "gen": ["--gen", "x.gen", "ref-first", "--sample", "x.sample", "--oxford-single-chr", "22"],
        "bgen": ["--bgen", "x.bgen", "ref-first"],
    }
    condition = ["--extract-col-cond", "x.info.tsv.gz", "8", "3", "1", "--extract-col-cond-min", "0.3"]
    command = [program("plink2"), *source[name], *condition, "--make-just-pvar", "--out", "kept"]
    subprocess.run(command, cwd=folder / "out", check=True, capture_output=True)
    lines = (folder / "out" / "kept.pvar").read_text().splitlines()
    table = gzip.decompress((folder / "out" / "x.info.tsv.gz").read_bytes()).decode()
    rows = [row.split("\t") for row in table.splitlines()]
    expected = [row[2] for row in rows[1:] if row[7] != "NA" and float(row[7]) >= 0.3]
    assert [line.split("\t")[2] for line in lines if not line.startswith("#")] == expected
    assert 0 < len(expected) < len(rows) - 1


@pytest.mark.parametrize("name", ["gen", "vcf", "vcf.gz", "bcf"])
def test_threads_change_no_byte(folder: Path, name: str) -> None:
    contents = []
    for threads in ("1", "2", "5"):
        assert run_impute(folder, f"x.{name}", "--threads", threads) == 0
        contents.append({path.name: path.read_bytes() for path in (folder / "out").iterdir()})
    assert contents[0] == contents[1] == contents[2]


def test_a_sample_does_not_depend_on_the_others(folder: Path) -> None:
    assert run_impute(folder, "x.vcf") == 0
    whole = read_genotypes(folder / "out" / "x.vcf")
    from rnnimp.formats.hapslegend import open_panel

    target = open_panel(folder / "t.hap.gz", folder / "t.legend.gz").read()
    chosen = np.array([7, 2])
    write_target(folder / "t", target.take_samples(chosen))
    assert run_impute(folder, "y.vcf") == 0
    part = read_genotypes(folder / "out" / "y.vcf")
    np.testing.assert_array_equal(part.dosages, whole.dosages[:, chosen])
    np.testing.assert_array_equal(part.probabilities, whole.probabilities[:, chosen])


def test_the_header_says_how_the_file_was_made(folder: Path) -> None:
    assert run_impute(folder, "x.vcf", "--threads", "2", "--format-fields", "GT,DS") == 0
    header = [line for line in (folder / "out" / "x.vcf").read_text().splitlines() if line.startswith("##rnnimp")]
    (command,) = header  # a bundle without a manifest has no checksum
    assert command.startswith("##rnnimp_imputeCommand=rnnimp impute --hap ")
    assert " --chromosome 22 --model-prefix " in command
    assert command.endswith(" --format-fields GT,DS")


@pytest.mark.parametrize("ending", ["vcf.gz", "bcf"])
def test_all_chromosomes_are_declared_when_asked(folder: Path, ending: str) -> None:
    assert run_impute(folder, f"x.{ending}", "--contigs", "GRCh37") == 0
    file = cyvcf2.VCF(str(folder / "out" / f"x.{ending}"))
    assert file.seqnames == ["22", *map(str, range(1, 22)), "X", "Y"]
    assert file.seqlens[:2] == [51304566, 249250621]
    bcftools, path = program("bcftools"), str(folder / "out" / f"x.{ending}")
    found = [run_program(bcftools, "view", "-H", "-r", name, path) for name in ("22", "1")]
    assert len(found[0].splitlines()) == len(records_as_text(folder, path)) and not found[1]


def records_as_text(folder: Path, path: str) -> list[str]:
    return run_program(program("bcftools"), "view", "-H", path).splitlines()


def run_program(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_declared_chromosomes_of_another_build_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = vcf_of(folder / "t", "chr22")
    path.write_text(path.read_text().replace("##contig=<ID=chr22>", "##contig=<ID=chr22,length=51304566>"))
    command = ["impute", "--vcf", str(path), "--model-prefix", str(folder / "m"), "--output", str(folder / "out" / "x")]
    assert main([*command, "--contigs", "GRCh38"]) == 2
    assert "--contigs GRCh38: chromosome chr22 has 50818468 base pairs there, but 51304566" in error_line(capsys)
    assert main([*command, "--contigs", "GRCh37"]) == 0
    assert cyvcf2.VCF(str(folder / "out" / "x.vcf.gz")).seqnames[:3] == ["chr22", "chr1", "chr2"]
    assert main([*command, "--contigs", "GRCh37", "--output-format", "gen"]) == 2
    assert "--contigs goes with VCF and BCF" in error_line(capsys)


def test_the_header_has_the_checksum_of_the_manifest(tmp_path: Path) -> None:
    from rnnimp.formats.files import sha256_of
    from rnnimp.pipeline.demo import demo

    result = demo(tmp_path)
    manifest = REPOSITORY / "src" / "rnnimp" / "demo" / "model" / "demo.manifest.json"
    assert f"##rnnimp_modelManifestSHA256={sha256_of(manifest)}\n" in result.vcf.read_text()


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_refused(threads: int) -> None:
    with pytest.raises(SettingsError, match="--threads must be 1 or more"):
        ImputeSettings(model_prefix="m", output_prefix="x", vcf="t.vcf", threads=threads)
