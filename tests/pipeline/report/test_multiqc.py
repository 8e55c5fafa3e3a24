"""Files for MultiQC: their numbers, and MultiQC itself on those of two runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rnnimp.cli import main
from rnnimp.formats.files import read_lines
from rnnimp.pipeline.report.binning import CLASS_NAMES


@pytest.fixture(scope="module")
def folder(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the runs `x`, with an evaluation of two imputations, and `y`."""
    folder = tmp_path_factory.mktemp("multiqc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "vl_convert", None)  # it draws nothing
        more = ["--accuracy", str(results / "accuracy" / "both")]
        assert main(["report", "--imputed", str(results / "x.vcf"), *more, "--multiqc", str(folder)]) == 0
        assert main(["report", "--imputed", str(results / "y"), "--multiqc", str(folder)]) == 0
    return folder


def content(folder: Path, run: str, name: str) -> dict[str, Any]:
    found = json.loads((folder / f"{run}.rnnimp_{name}_mqc.json").read_text())
    assert isinstance(found, dict)
    assert found["id"] == f"rnnimp_{name}"
    return found


def test_numbers_are_those_of_the_runs(results: Path, folder: Path) -> None:
    found = content(folder, "x", "general")
    header, *lines = (line.split("\t") for line in read_lines(results / "x.info.tsv.gz"))
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    r2 = [float(row["R2"]) for row in rows if row["kind"] == "IMPUTED" and row["R2"] != "NA"]
    of_run = found["data"]["x"]
    assert of_run["imputed_sites"] == sum(row["kind"] == "IMPUTED" for row in rows)
    assert of_run["mean_r2"] == pytest.approx(sum(r2) / len(r2))
    assert (of_run["samples"], of_run["markers"]) == (12, 1.0)
    assert set(found["data"]) == {"x", "x ours", "x theirs"}
    named = {name for header in found["headers"] for name in header}
    assert all(set(row) <= named for row in found["data"].values())
    assert content(folder, "y", "general")["data"]["y"]["markers"] == pytest.approx(0.5, abs=0.05)


def test_lines_go_over_classes_of_frequency(folder: Path) -> None:
    r2 = content(folder, "x", "r2")
    assert r2["plot_type"] == "linegraph"
    assert set(r2["data"]["x"]) <= set(CLASS_NAMES)
    accuracy = content(folder, "x", "accuracy")["data"]
    assert set(accuracy) == {"x ours", "x theirs"}
    assert set(accuracy["x ours"]) <= set(CLASS_NAMES)
    assert not (folder / "y.rnnimp_accuracy_mqc.json").exists()


def test_what_is_not_known_of_a_sample_is_left_out(tmp_path: Path) -> None:
    rows = [f"s{number}\t1.0\t{100 + number % 3}\t0.0{1 + number % 7}\n" for number in range(30)]
    table = ["sample\tcalled\talt_alleles\tuncertainty\n", *rows, "far\tNA\t900\tNA\n"]
    (tmp_path / "z.samples.tsv").write_text("".join(table))
    assert main(["report", "--imputed", f"{tmp_path}/z", "--multiqc", f"{tmp_path}/out"]) == 0
    assert content(tmp_path / "out", "z", "samples")["data"]["z: far"] == {"alt_alleles": 900.0}


@pytest.mark.slow
def test_multiqc_shows_both_runs(folder: Path, tmp_path: Path) -> None:
    if shutil.which("multiqc") is None:
        pytest.skip("MultiQC is not installed here (1 GB): pip install multiqc, in an environment of its own")
    command = ["multiqc", "--strict", "--no-ansi", "--outdir", str(tmp_path), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "rnnimp_r2: Found 2 samples" in done.stderr
    assert "rnnimp_accuracy: Found 2 samples" in done.stderr
    header, *rows = (line.split("\t") for line in read_lines(tmp_path / "multiqc_data" / "multiqc_general_stats.txt"))
    assert {row[0] for row in rows} >= {"x", "y"}
    assert any(name.endswith("mean_r2") for name in header)
