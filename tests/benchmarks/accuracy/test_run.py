"""The accuracy benchmark on a small simulated panel, with stand-ins for Beagle and Minimac4 and with the programs."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmark_cases import N_SAMPLES, N_TEST, TRAINING, needs_tabix
from rnnimp.errors import DataError
from rnnimp.formats.vcf.header import VcfContent
from rnnimp.formats.vcf.reading import open_panel
from rnnimp.formats.vcf.writing import VcfWriter
from rnnimp.pipeline.evaluate.inputs import EvaluateSettings
from rnnimp.pipeline.evaluate.run import evaluate
from rnnimp.pipeline.evaluate.sources import GenotypeSource
from rnnimp.sites.panel import ImputedBlock, Panel
from rnnimp.training.data import held_out_samples


def arguments(data: Path, output: Path, *options: str) -> list[str]:
    files = {"panel": "panel.vcf", "markers": "markers.tsv", "map": "map", "test-samples": "test.txt"}
    named = [f"--{option}={data / name}" for option, name in files.items()]
    return [*named, f"--output-dir={output}", "--replicates=200", *options]


def stand_in(panel: Panel, error: float) -> Callable[[object, Path, Path], None]:
    """An imputer that knows the truth and mixes it with this share of a half."""

    def impute(study: object, target: Path, output: Path) -> None:
        names = open_panel(target).sample_names
        samples = np.array([panel.sample_names.index(name) for name in names])
        people = panel.take_samples(samples)
        probabilities = ((1 - error) * people.alleles + error / 2).astype(np.float32)
        with VcfWriter(output, VcfContent(names, "22", ("GT", "DS", "GP"))) as writer:
            writer.write(ImputedBlock(people.sites, probabilities, panel.sites.markers()))

    return impute


@pytest.fixture
def with_stand_ins(
    load: Callable[[str], ModuleType], panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, dict[str, str]]]:
    """Runs the benchmark with a perfect Beagle and a useless Minimac4; gives the table of mean r2 by bin."""
    imputers = load("accuracy.panel_imputers")
    monkeypatch.setattr(imputers, "versions", lambda: {"Beagle": "perfect", "Minimac4": "useless"})
    monkeypatch.setattr(imputers, "PANEL_IMPUTERS", {"Beagle": stand_in(panel, 0.0), "Minimac4": stand_in(panel, 1.0)})

    def run(output: Path, *argv: str) -> dict[str, dict[str, str]]:
        assert load("accuracy.run").main(list(argv)) == 0
        with (output / "accuracy.tsv").open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        return {row["maf_percent"]: row for row in rows if row["measure"] == "mean"}

    return run


@pytest.mark.slow
@needs_tabix
def test_training_and_validation_with_everything(
    data: Path,
    panel: Panel,
    tmp_path: Path,
    with_stand_ins: Callable[..., dict[str, dict[str, str]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--validation", "--missing=20,50", "--other-array", "--calibration", "--rare", "--", *TRAINING)
    table = with_stand_ins(tmp_path, *arguments(data, tmp_path, *options))
    out = capsys.readouterr().out

    training_names = panel.sample_names[N_TEST:]
    held_out = [training_names[index] for index in held_out_samples(N_SAMPLES - N_TEST, 15, 5)]
    target = open_panel(tmp_path / "imputed/all_markers/target.vcf.gz").read()
    reference = open_panel(tmp_path / "inputs/reference.vcf.gz").read()
    assert list(target.sample_names) == held_out
    assert sorted(reference.sample_names) == sorted(set(training_names) - set(held_out))
    rows = [panel.sample_names.index(name) for name in held_out]
    np.testing.assert_array_equal(target.alleles, panel.take_samples(np.array(rows))[panel.sites.markers()].alleles)

    n_markers = len(target.sites)
    half = open_panel(tmp_path / "imputed/every_second/target.vcf.gz").read()
    assert half.sites.keys() == target.sites.keys()[::2]
    fewer, fewest = (
        set(open_panel(tmp_path / f"imputed/{share}_missing/target.vcf.gz").read().sites.keys()) for share in (20, 50)
    )
    assert fewest < fewer < set(target.sites.keys())
    assert (len(fewer), len(fewest)) == (n_markers - round(0.2 * n_markers), n_markers - round(0.5 * n_markers))

    for row in table.values():
        if row["Beagle"] != "NA":
            assert (row["Beagle"], row["Minimac4"], row["over"]) == ("1.0000", "0.0000", "Beagle")
            assert 0 < float(row["rnnimp"]) < 1
            assert row["above"] == "0.000"
    assert table["0.1-50"]["clear"] == "below"
    assert "15 validation samples" in out
    for title in ("Aggregate r2", "poorer inputs", "Loss against all markers", "Calibration of rnnimp"):
        assert title in out
    assert out.count("rnnimp beyond Beagle") == 3
    assert (tmp_path / "calibration.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@needs_tabix
def test_a_trained_model_on_the_test_samples(
    data: Path,
    panel: Panel,
    model: Path,
    tmp_path: Path,
    with_stand_ins: Callable[..., dict[str, dict[str, str]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The scores of rnnimp are those of `rnnimp evaluate`, and nothing is trained."""
    table = with_stand_ins(tmp_path, *arguments(data, tmp_path, f"--model-prefix={model}"))
    assert f"{N_TEST} test samples" in capsys.readouterr().out
    assert not (tmp_path / "train").exists()
    assert set(open_panel(tmp_path / "inputs/reference.vcf.gz").sample_names) == set(panel.sample_names[N_TEST:])
    bins = [float(edge) for edge in (0.5, 1, 2, 5, 10, 20, 50)]
    scores = evaluate(
        GenotypeSource(tmp_path / "imputed/all_markers/rnnimp.vcf"),
        GenotypeSource(tmp_path / "data/test/panel_true.hap.gz"),
        EvaluateSettings(tuple(bins)),
    ).bins
    for score in scores[:-1]:
        row = table[f"{score.lower:g}-{score.upper:g}"]
        assert row["rnnimp"] == ("NA" if np.isnan(score.mean_r2) else f"{score.mean_r2:.4f}")
        assert int(row["sites"]) == score.n_sites


@pytest.mark.slow
@needs_tabix
def test_real_programs(data: Path, model: Path, tmp_path: Path, load: Callable[[str], ModuleType]) -> None:
    if shutil.which("minimac4") is None or not load("accuracy.panel_imputers").BEAGLE_JAR.exists():
        pytest.skip("Beagle and Minimac4 are not installed")
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs/reference.msav").write_text("an earlier run's")
    assert load("accuracy.run").main(arguments(data, tmp_path, f"--model-prefix={model}", "--memory=500m")) == 0
    with (tmp_path / "accuracy.tsv").open(newline="") as file:
        (row,) = [
            r for r in csv.DictReader(file, delimiter="\t") if (r["measure"], r["maf_percent"]) == ("mean", "0.5-50")
        ]
    for program in ("Beagle", "Minimac4"):
        scores = evaluate(
            GenotypeSource(tmp_path / f"imputed/all_markers/{program}.vcf.gz"),
            GenotypeSource(tmp_path / "data/test/panel_true.hap.gz"),
            EvaluateSettings((0.5, 50)),
        ).bins
        assert row[program] == f"{scores[0].mean_r2:.4f}"
        assert scores[0].mean_r2 > 0.3


def test_maps_are_brought_into_plinks_columns(tmp_path: Path, load: Callable[[str], ModuleType]) -> None:
    write = load("accuracy.panel_imputers").write_plink_map
    (tmp_path / "shapeit").write_text("pos chr cM\n100 22 0.5\n200 22 0.75\n300 21 1\n")
    (tmp_path / "plink").write_text("chr22 . 0.5 100\nchr22 rs1 0.75 200\nchr21 . 1 300\n")
    for name in ("shapeit", "plink"):
        write(tmp_path / name, tmp_path / "out", "chr22")
        assert (tmp_path / "out").read_text() == "chr22 . 0.5 100\nchr22 . 0.75 200\n"
    with pytest.raises(DataError, match="expected a map of chromosome 20, found none"):
        write(tmp_path / "plink", tmp_path / "none", "20")
    (tmp_path / "bad").write_text("pos chr cM\n100 22\n")
    with pytest.raises(DataError, match="bad:2: expected a map 'pos chr cM'"):
        write(tmp_path / "bad", tmp_path / "none", "22")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model-prefix=x", "--", "--device", "cpu"], "--model-prefix or options for training"),
        (["--missing=0,5"], "expected percentages between 0 and 100"),
        (["--missing=five"], "five"),
    ],
)
def test_bad_arguments(
    data: Path,
    tmp_path: Path,
    load: Callable[[str], ModuleType],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    with pytest.raises(SystemExit) as stop:
        load("accuracy.run").main(arguments(data, tmp_path, *options))
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_failing_stage_ends_the_benchmark(
    data: Path,
    tmp_path: Path,
    load: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(load("accuracy.panel_imputers"), "versions", dict)
    options = [option for option in arguments(data, tmp_path) if not option.startswith("--panel")]
    assert load("accuracy.run").main([*options, f"--panel={tmp_path}/none.vcf"]) == 1
    error = capfd.readouterr().err
    assert "none.vcf" in error
    assert error.splitlines()[-1].startswith("run.py: error: 'rnnimp prepare' ended with exit code 1")
