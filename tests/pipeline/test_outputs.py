"""No command writes over what it reads, and each knows all files that it will write."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from helpers import error_line, random_panel
from impute_cases import make_case, run_impute, vcf_of, write_target
from rnnimp.choices import OUTPUT_FORMATS
from rnnimp.cli import main
from rnnimp.errors import DataError, SettingsError
from rnnimp.pipeline.impute.output import OutputSettings
from rnnimp.pipeline.merge.run import MergeSettings
from rnnimp.pipeline.outputs import check_outputs, require_output_name


@pytest.mark.parametrize("name", ["", "-", ".", "..", "x/", "x/.", "x/..", "a\nb", "a\x1bb"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SettingsError):
        require_output_name(name, "--output")


@pytest.mark.parametrize("name", ["x", "a/x", "results.v2", "..x", "-x", "M\xfcller/x y"])
def test_other_names_are_fine(name: str) -> None:
    require_output_name(name, "--output")


def test_an_output_is_no_input_by_any_name(tmp_path: Path) -> None:
    source = tmp_path / "in.vcf"
    source.write_text("x")
    (tmp_path / "link").symlink_to(source)
    os.link(source, tmp_path / "twin")
    (tmp_path / "folder").symlink_to(tmp_path)
    for name in ("in.vcf", "link", "twin", "folder/in.vcf", "./in.vcf", "folder/folder/twin"):
        with pytest.raises(SettingsError, match="found the input"):
            check_outputs([tmp_path / "new", tmp_path / name], [None, "-", tmp_path / "absent", source])
    check_outputs([tmp_path / "in.vcf.gz"], [source])


def test_places_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent" / "x")
    for name in (".", "file/x", "file/deep/x", "nowhere"):
        with pytest.raises(DataError):
            check_outputs([tmp_path / name], [])
    check_outputs([tmp_path / "new" / "deep" / "x"], [])


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "x")
    with pytest.raises(SettingsError, match="one file"):
        check_outputs([tmp_path / "x", tmp_path / "link"], [])


def test_what_is_replaced_is_reported_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = [tmp_path / name for name in "abcde"]
    for path in names:
        path.write_text("x")
    check_outputs([*names, tmp_path / "new"], [])
    assert [record.getMessage() for record in caplog.records] == [
        f"will replace the earlier {names[0]}, {names[1]}, {names[2]} and 2 more"
    ]


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_impute_writes_what_it_says(output_format: str, tmp_path: Path) -> None:
    for library in {"bgen": "bgen", "pgen": "pgenlib"}.get(output_format, "numpy").split():
        pytest.importorskip(library)
    folder = make_case(tmp_path)
    out = folder / "out"
    assert run_impute(folder, "x", "--output-format", output_format) == 0
    settings = OutputSettings(str(out / "x"), output_format)
    assert sorted(path for path in out.iterdir() if path.is_file()) == sorted(settings.files())


def test_impute_keeps_every_file_that_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_case(tmp_path)
    vcf = vcf_of(folder / "t", "22")
    shutil.copy(vcf, folder / "t.sample")  # whatever it is: GEN would write there
    cases = {
        "vcf": ["--vcf", str(vcf), "--output", str(folder / "t.vcf")],
        "model": ["--vcf", str(vcf), "--output", str(folder / "m_1.vcf")],
    }
    os.link(folder / "m_1.legend.gz", folder / "m_1.sums.tsv.gz")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for arguments in cases.values():
        assert main(["impute", "--model-prefix", str(folder / "m"), *arguments]) == 2
        assert "found the input" in error_line(capsys)
        assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_merge_writes_what_it_says(tmp_path: Path) -> None:
    folder = make_case(tmp_path)
    for part, names in (("a", ["Sample_1", "Sample_2"]), ("b", ["Sample_3"])):
        (folder / f"{part}.txt").write_text("".join(f"{name}\n" for name in names))
        options = ["--samples", str(folder / f"{part}.txt"), "--sample", str(folder / "t.sample")]
        assert run_impute(folder, part, "--output-format", "vcf.gz", *options) == 0
    inputs = tuple(str(folder / "out" / f"{part}.vcf.gz") for part in "ab")
    settings = MergeSettings(inputs, str(folder / "merged" / "x.vcf.gz"))
    assert main(["merge", *settings.inputs, "--output", settings.output]) == 0
    assert sorted(map(str, (folder / "merged").iterdir())) == sorted(settings.files())


def test_evaluate_keeps_every_file_that_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panel = random_panel(np.random.default_rng(1))
    write_target(tmp_path / "x", panel)
    os.link(tmp_path / "x.legend.gz", tmp_path / "out.sites.tsv.gz")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    names = ["--imputed", str(tmp_path / "x.hap.gz"), "--truth", str(tmp_path / "x.hap.gz")]
    assert main(["evaluate", *names, "--all-sites", "--output", str(tmp_path / "out")]) == 2
    assert "found the input" in error_line(capsys)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("ending", ["sav", "gen.gz", "VCF", "vcf.bgz", "pvar", "txt", "bcf.gz"])
def test_an_ending_of_another_format_is_refused(ending: str) -> None:
    with pytest.raises(SettingsError, match="end in"):
        OutputSettings(f"out/x.{ending}")


@pytest.mark.parametrize("prefix", ["x", "x.v2", "x.vcf", "cohort.chr22", "gen", "x.bcf"])
def test_other_endings_are_a_part_of_the_name(prefix: str) -> None:
    settings = OutputSettings(prefix)
    assert str(settings.path).startswith(prefix)


def test_a_format_that_the_ending_does_not_name_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    settings = OutputSettings("x.vcf", "bcf")
    settings.report_ending()
    assert settings.path == Path("x.vcf.bcf")
    assert "writing x.vcf.bcf" in caplog.text
