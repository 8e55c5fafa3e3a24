"""`rnnimp train` from files to model files: resuming, failing, refusing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from helpers import REPOSITORY, error_line, random_panel
from rnnimp.cli import main
from rnnimp.formats.bundle import open_bundle, read_manifest
from rnnimp.formats.hapslegend import HapsLegendWriter, read_legend
from rnnimp.imputation.matched_target import join_model
from rnnimp.network.graph.reading import read_folded_network
from rnnimp.pipeline.train import region_runs as stage
from rnnimp.sites.frequencies import coarse_frequency
from rnnimp.training import checkpoint
from rnnimp.training.data import RegionData
from rnnimp.training.loop import HISTORY_COLUMNS, Measurement, NetworkRun
from rnnimp.training.recipe import RECIPES
from training_cases import train_arguments, trained_files


def weights(output: Path) -> dict[str, bytes]:
    return {name: content for name, content in trained_files(output).items() if name.startswith("models/")}


@pytest.mark.slow
def test_a_bundle_is_made(data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "results" / "chr22"
    assert main(train_arguments(data_list, output)) == 0
    models = output.parent / "models"
    names = [f"chr22_{number}.{ending}" for number in (1, 2) for ending in ("legend.gz", "onnx", "ort")]
    assert sorted(path.name for path in models.iterdir()) == ["chr22.manifest.json", *names]
    manifest = json.loads((models / "chr22.manifest.json").read_text())
    assert manifest["chromosome"] == "22"
    assert manifest["seed"] == manifest["settings"]["seed"] == 5
    assert [entry["index"] for entry in manifest["regions"]] == [1, 2]
    recipe = read_manifest(models / "chr22").recipe
    assert recipe is not None and recipe["name"] == "published"
    assert recipe["changed_settings"]["max_iterations"] == {"model": 30, "recipe": 100_000}
    assert "seed" not in recipe["changed_settings"]
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("region 2: ") and "final model: R2 " in line for line in lines) == 1
    for number in (1, 2):
        session = onnxruntime.InferenceSession(models / f"chr22_{number}.onnx")
        assert session.get_inputs()[0].shape[1] == manifest["regions"][number - 1]["n_markers"]
    for name in ("higher", "lower", "hybrid"):
        rows = (tmp_path / f"results/chr22_regions/1/{name}.history.tsv").read_text().splitlines()
        assert tuple(rows[0].split("\t")) == HISTORY_COLUMNS
        assert [row.split("\t")[0] for row in rows[1:]] == ["10", "20", "30"]


@pytest.mark.slow
def test_frequencies_in_the_model_are_rounded_unless_asked(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = read_legend(data_list.parent / "chr22_1.legend.gz")
    assert known.a1_freq is not None
    for name, options, step in (("rounded", [], 0.2), ("exact", ["--exact-frequencies"], 0.0)):
        command = train_arguments(data_list, tmp_path / name / "chr22", "--regions", "1", *options)
        assert main(command) == 0
        assert ("exact allele frequencies" in capsys.readouterr().err) is (name == "exact")
        bundle = open_bundle(tmp_path / name / "models/chr22")
        (region,) = bundle.regions
        expected = known.a1_freq if name == "exact" else coarse_frequency(known.a1_freq, 50)
        assert region.sites.a1_freq is not None
        assert region.sites.a1_freq.tolist() == expected.tolist()
        assert region.frequency_step == join_model(bundle).frequency_step == step
        assert region.sites.keys() == known.keys()


@pytest.mark.slow
def test_rounded_and_exact_frequencies_are_not_mixed(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = train_arguments(data_list, tmp_path / "out/chr22", "--regions", "1")
    assert main(command) == 0
    assert main([*command, "--exact-frequencies"]) == 1
    assert "(exact_frequencies was False, is True)" in capsys.readouterr().err
    settings = tmp_path / "out/chr22_regions/1/settings.json"
    content = json.loads(settings.read_text())
    del content["settings"]["exact_frequencies"]  # as version 2.1.0 wrote it, with exact frequencies
    settings.write_text(json.dumps(content))
    assert main(command) == 1
    assert "(exact_frequencies was True, is False)" in capsys.readouterr().err
    assert main([*command, "--exact-frequencies"]) == 0
    assert "region 1: finished before, kept" in capsys.readouterr().err


@pytest.mark.slow
def test_the_weight_of_the_hmm_is_a_setting_that_older_trainings_lack(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hmm = ["--num-states", "16", "--regions", "1"]
    models = {}
    for name, options in (("before", []), ("after", ["--hmm-weight", "0.75", "--hmm-weight-missing", "0.5"])):
        assert main(train_arguments(data_list, tmp_path / name / "chr22", *hmm, *options)) == 0
        found = read_folded_network((tmp_path / name / "models/chr22_1.onnx").read_bytes()).hmm
        assert found is not None
        models[name] = found
    assert models["before"].mixture_weight == pytest.approx((0.4, 1.0))
    assert models["after"].mixture_weight == (0.75, 0.5)
    np.testing.assert_array_equal(models["before"].switch_in, models["after"].switch_in)
    settings = tmp_path / "before/chr22_regions/1/settings.json"
    content = json.loads(settings.read_text())
    pool = ("n_recombined", "recombined_crossovers", "teacher_share")
    for name in ("hmm_weight", "hmm_weight_missing", "state_carriers", *pool):
        del content["settings"][name]  # as version 2.1.0 wrote it
    settings.write_text(json.dumps(content))
    command = train_arguments(data_list, tmp_path / "before/chr22", *hmm)
    assert main([*command, "--hmm-weight", "0.5"]) == 1
    assert "(hmm_weight was 0.4, is 0.5)" in capsys.readouterr().err
    assert main(command) == 0
    assert "region 1: finished before, kept" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_the_first_line_says_what_models_of_the_recipe_tell(
    name: str, data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--max-iteration-count", "2", "--regions", "1", "--seed", "5"]
    assert main(train_arguments(data_list, tmp_path / "out/chr22", "--recipe", name, *few)) == 0
    first, second, *others = capsys.readouterr().err.splitlines()
    assert first == f"recipe {name}: {RECIPES[name].disclosure}"
    changed = ["--num-units", "--num-layers-higher", "--num-layers-lower", "--feature-size", "--batch-size"]
    assert second.startswith("this training differs from the recipe in ")
    assert all(option in second for option in changed)
    assert "--seed" not in second
    drawn = "the models will contain haplotypes of which each allele is drawn from at least 50 people"
    assert any(line.startswith(drawn) for line in others) is (name == "accurate")


@pytest.mark.slow
def test_whole_haplotypes_and_fewer_of_them_than_states(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = train_arguments(data_list, tmp_path / "out/chr22", "--recipe", "open", "--regions", "1")
    assert main(command) == 0
    assert "contain haplotypes, whole within a region," in capsys.readouterr().err
    hmm = read_folded_network((tmp_path / "out/models/chr22_1.onnx").read_bytes()).hmm
    assert hmm is not None
    assert hmm.mixture_weight == (0.5, 1.0)
    panel = random_panel(np.random.default_rng(0), n_sites=40, n_samples=25)  # as in the first region
    haplotypes = {column.tobytes() for column in panel.alleles[~panel.sites.is_marker].T}
    assert hmm.site.shape[1] == 32  # of 38 training haplotypes
    assert {(column > 0).astype(np.int8).tobytes() for column in hmm.site.T} <= haplotypes


@pytest.mark.slow
def test_the_published_script_gives_frequencies_exactly(data_list: Path, tmp_path: Path) -> None:
    command = train_arguments(data_list, tmp_path / "out/chr22", "--regions", "1")[1:]
    script = REPOSITORY / "scripts/train/train.py"
    subprocess.run([sys.executable, script, *command], check=True, capture_output=True)
    known, found = (read_legend(path / "chr22_1.legend.gz") for path in (data_list.parent, tmp_path / "out/models"))
    assert known.a1_freq is not None
    assert found.a1_freq is not None
    assert found.a1_freq.tolist() == known.a1_freq.tolist()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(data_list: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        assert main(train_arguments(data_list, tmp_path / name / "chr22", "--regions", "2", "--seed", seed)) == 0
    assert trained_files(tmp_path / "a/chr22") == trained_files(tmp_path / "b/chr22")
    assert weights(tmp_path / "a/chr22")["models/chr22_2.onnx"] != weights(tmp_path / "c/chr22")["models/chr22_2.onnx"]


@pytest.mark.slow
def test_regions_can_be_trained_one_by_one_in_any_order(data_list: Path, tmp_path: Path) -> None:
    assert main(train_arguments(data_list, tmp_path / "at_once/chr22")) == 0
    for region in ("2", "1"):
        assert main(train_arguments(data_list, tmp_path / "singly/chr22", "--regions", region)) == 0
    assert trained_files(tmp_path / "at_once/chr22") == trained_files(tmp_path / "singly/chr22")


@pytest.mark.slow
def test_the_accurate_recipe_with_a_genetic_map(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    genetic_map, output = tmp_path / "map", tmp_path / "results" / "chr22"
    genetic_map.write_text("pos chr cM\n1 22 0\n1000000 22 3\n")
    # the recipe given last counts
    command = train_arguments(data_list, output, "--recipe", "accurate", "--genetic-map", str(genetic_map))
    assert main(command) == 0
    manifest = json.loads((output.parent / "models" / "chr22.manifest.json").read_text())
    settings = manifest["settings"]
    assert (settings["schedule"], settings["n_mixed"], settings["soft_target_share"]) == ("cosine", 64, 0.5)
    assert np.isfinite(manifest["regions"][0]["summary"]["networks"]["hybrid"]["validation_r2"])
    genetic_map.write_text("pos chr cM\n1 22 0\n1000000 22 4\n")
    assert main(command) == 1
    assert "genetic map have changed" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [1, 4, 7])
def test_an_interrupted_training_ends_with_the_same_weights(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr(checkpoint.CheckpointFile, "is_due", lambda self: True)
    assert main(train_arguments(data_list, tmp_path / "whole/chr22", "--regions", "1")) == 0
    record, calls = NetworkRun.record, 0

    def interrupted(self: NetworkRun, found: Measurement) -> object:
        nonlocal calls
        calls += 1
        if calls == stop_after + 1:
            raise KeyboardInterrupt
        return record(self, found)

    with monkeypatch.context() as patch:
        patch.setattr(NetworkRun, "record", interrupted)
        assert main(train_arguments(data_list, tmp_path / "parts/chr22", "--regions", "1")) == 130
    assert not list((tmp_path / "parts").rglob("*.onnx"))
    assert main(train_arguments(data_list, tmp_path / "parts/chr22", "--regions", "1")) == 0
    assert trained_files(tmp_path / "whole/chr22") == trained_files(tmp_path / "parts/chr22")


@pytest.mark.slow
def test_a_killed_training_goes_on(data_list: Path, tmp_path: Path) -> None:
    output = tmp_path / "killed" / "chr22"
    command = train_arguments(data_list, output, "--regions", "1", "--max-iteration-count", "400")
    script = (
        "import sys; from rnnimp.training.checkpoint import CheckpointFile; CheckpointFile.is_due = lambda self: True; "
        "from rnnimp.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    process = subprocess.Popen([sys.executable, "-c", script, *command], env=environment, stderr=subprocess.DEVNULL)
    state = tmp_path / "killed/chr22_regions/1/higher.pt"
    while not state.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (output.parent / "models").exists()
    assert main(command) == 0
    whole = tmp_path / "whole/chr22"
    assert main(train_arguments(data_list, whole, "--regions", "1", "--max-iteration-count", "400")) == 0
    assert weights(output) == weights(whole)


@pytest.mark.slow
def test_a_finished_region_is_not_trained_again(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = train_arguments(data_list, tmp_path / "out/chr22")
    assert main(command) == 0
    before = trained_files(tmp_path / "out/chr22")

    def never(*values: object) -> None:
        raise AssertionError("trained again")

    with monkeypatch.context() as patch:
        patch.setattr(stage, "train_region", never)
        assert main(command) == 0
    assert "region 1: finished before, kept" in capsys.readouterr().err
    assert main([*command, "--no-resume"]) == 0
    assert trained_files(tmp_path / "out/chr22") == before


def test_a_deleted_model_is_made_again(data_list: Path, tmp_path: Path) -> None:
    command = train_arguments(data_list, tmp_path / "out/chr22", "--regions", "1")
    assert main(command) == 0
    model = tmp_path / "out/models/chr22_1.onnx"
    before = model.read_bytes()
    model.unlink()
    assert main(command) == 0
    assert model.read_bytes() == before


@pytest.mark.slow
def test_other_settings_or_data_are_not_mixed_in(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = train_arguments(data_list, tmp_path / "out/chr22", "--regions", "1")
    assert main(command) == 0
    assert main([*command, "--gamma1", "0.5"]) == 1
    assert "begun with other settings or data (gamma_higher was 0.75, is 0.5)" in capsys.readouterr().err
    other = random_panel(np.random.default_rng(9), n_sites=40, n_samples=25)
    with HapsLegendWriter(data_list.parent / "chr22_1") as writer:
        writer.write(other.sites, other.alleles)
    assert main(command) == 1
    assert "training files or genetic map have changed" in capsys.readouterr().err
    assert main([*command, "--no-resume"]) == 0


def test_regions_of_another_recipe_are_not_mixed_into_one_model(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(train_arguments(data_list, tmp_path / "out/chr22", "--regions", "1")) == 0
    before = trained_files(tmp_path / "out/chr22")
    assert main(train_arguments(data_list, tmp_path / "out/chr22", "--regions", "2", "--seed", "6")) == 1
    assert "(seed was 5, is 6)" in capsys.readouterr().err
    assert trained_files(tmp_path / "out/chr22") == before


def test_the_manifest_lists_what_is_finished_when_training_is_interrupted(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(data: object, settings: object, number: int, *rest: object) -> object:
        if number == 2:
            raise KeyboardInterrupt
        return train_region(data, settings, number, *rest)

    train_region = stage.train_region
    monkeypatch.setattr(stage, "train_region", interrupted)
    assert main(train_arguments(data_list, tmp_path / "out/chr22")) == 130
    manifest = json.loads((tmp_path / "out/models/chr22.manifest.json").read_text())
    assert [entry["index"] for entry in manifest["regions"]] == [1]
    assert manifest["n_regions"] == 2


@pytest.mark.slow
def test_training_anew_leaves_no_old_model_behind(data_list: Path, tmp_path: Path) -> None:
    command = train_arguments(data_list, tmp_path / "out/chr22")
    assert main(command) == 0
    broken = data_list.parent / "chr22_2.hap.gz"
    broken.write_bytes(broken.read_bytes()[:-40])
    assert main([*command, "--no-resume"]) == 1
    assert sorted(path.name for path in (tmp_path / "out/models").glob("*.onnx")) == ["chr22_1.onnx"]
    manifest = json.loads((tmp_path / "out/models/chr22.manifest.json").read_text())
    assert [entry["index"] for entry in manifest["regions"]] == [1]


def test_without_variation_among_the_samples_held_out_the_loss_decides(data_list: Path, tmp_path: Path) -> None:
    panel = random_panel(np.random.default_rng(3), n_sites=40, n_samples=25)
    alleles = panel.alleles.copy()
    alleles[~panel.sites.markers()] = 0
    with HapsLegendWriter(data_list.parent / "chr22_1") as writer:
        writer.write(panel.sites, alleles)
    assert main(train_arguments(data_list, tmp_path / "out/chr22", "--regions", "1")) == 0
    rows = (tmp_path / "out/chr22_regions/1/lower.history.tsv").read_text().splitlines()[1:]
    losses = {int(row.split("\t")[0]): float(row.split("\t")[3]) for row in rows}
    summary = json.loads((tmp_path / "out/chr22_regions/1/summary.json").read_text())
    assert summary["networks"]["lower"]["iteration"] == min(losses, key=lambda iteration: losses[iteration])


@pytest.mark.slow
def test_features_are_kept_with_the_weights(data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine may compute other features; what was trained with the first ones goes on with them."""
    monkeypatch.setattr(checkpoint.CheckpointFile, "is_due", lambda self: True)
    whole, parts = tmp_path / "whole/chr22", tmp_path / "parts/chr22"
    assert main(train_arguments(data_list, whole, "--regions", "1")) == 0
    saves, write = 0, NetworkRun.write

    def interrupted(self: NetworkRun, state: dict[str, object]) -> None:
        nonlocal saves
        saves += 1
        write(self, state)
        if saves == 5:  # in the middle of the lower network
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(NetworkRun, "write", interrupted)
        assert main(train_arguments(data_list, parts, "--regions", "1")) == 130
    features = RegionData.features
    monkeypatch.setattr(RegionData, "features", lambda self, *of: -features(self, *of))
    assert main(train_arguments(data_list, parts, "--regions", "1")) == 0
    assert weights(whole) == weights(parts)


def test_a_failing_region_does_not_stop_the_others(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = data_list.parent / "chr22_1.hap.gz"
    broken.write_bytes(broken.read_bytes()[:-40])
    assert main(train_arguments(data_list, tmp_path / "out/chr22")) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("rnnimp: error: 1 of 2 regions failed: region 1: ")
    assert "truncated" in last
    assert (tmp_path / "out/models/chr22_2.onnx").exists()


def test_an_unforeseen_failure_keeps_its_traceback(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*values: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(stage, "train_region", broken)
    assert main(train_arguments(data_list, tmp_path / "out/chr22")) == 1
    assert "2 of 2 regions failed: region 1: RuntimeError: no such luck (see " in capsys.readouterr().err
    assert "no such luck" in (tmp_path / "out/chr22_regions/2/error.log").read_text()


def test_a_damaged_checkpoint_is_named(data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out/chr22_regions/1"
    folder.mkdir(parents=True)
    (folder / "higher.pt").write_bytes(b"not a checkpoint")
    assert main(train_arguments(data_list, tmp_path / "out/chr22", "--regions", "1")) == 1
    assert "higher.pt: the checkpoint is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--rnn-cell-type", "RNN"], 2, "must be one of GRU / LSTM"),
        (["--num-units", "0"], 2, "--num-units must be 1 or more, found 0"),
        (["--learning-rate", "-1"], 2, "--learning-rate must be above 0, found -1.0"),
        (["--regions", "1,x"], 2, "--regions expects numbers and ranges as 3,7-9, found 'x' in '1,x'"),
        (["--regions", "2-3"], 2, "--regions names region 3, but the list has 2"),
        (["--num-threads", "0"], 2, "--threads must be 1 or more, found 0"),
        (["--validation-sample-size", "1"], 2, "--validation-sample-size must be 2 or more, found 1"),
        (
            ["--validation-sample-size", "25"],
            1,
            "expected 1 or more samples to train on beside the 25 held out for validation, found 25 in all",
        ),
        (
            ["--validation-sample-size", "24", "--recipe", "accurate"],
            1,
            "expected 2 or more samples to train on beside the 24 held out for validation, found 25 in all",
        ),
        (["--data-list", "nowhere.list"], 1, "nowhere.list: cannot be read"),
        (["--output-prefix", "/proc/nothing/chr22"], 1, "cannot be written"),
    ],
)
def test_bad_input_is_one_line(
    data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, message: str
) -> None:
    assert main(train_arguments(data_list, tmp_path / "out/chr22", *options)) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("rnnimp: error: ")
    assert message in last


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_that_is_not_there(data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(train_arguments(data_list, tmp_path / "out/chr22", "--device", "cuda")) == 2
    assert "PyTorch finds no CUDA device here" in capsys.readouterr().err


def test_a_list_that_names_absent_files(data_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_list.write_text(data_list.read_text() + "split/chr22_3\n")
    assert main(train_arguments(data_list, tmp_path / "out/chr22")) == 1
    assert "chr22.list:3: split/chr22_3.hap.gz is not there" in capsys.readouterr().err


def stand_in(folder: Path, name: str, script: str) -> None:
    """A program of Slurm's name."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.slow
def test_slurm_gets_an_array_of_commands_that_train(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for sbatch runs the script it is given, task by task, as Slurm would. A real Slurm: test_slurm.py."""
    programs = tmp_path / "bin"
    run_all = (
        "set -e; script=$(mktemp); cat > $script; cat $script >> scripts.sh\n"
        "for task in $(grep -oP -- '--array=1-\\K[0-9]+' $script | xargs -r seq); do\n"
        "SLURM_ARRAY_TASK_ID=$task bash $script 1>&2\ndone\n"
        "if grep -q afterok $script; then bash $script 1>&2; fi\necho '77;cluster'"
    )
    stand_in(programs, "sbatch", run_all)
    stand_in(programs, "sinfo", f"echo 'main*|infinite|n/a|{socket.gethostname()}'")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    options = ["--slurm", "--job-name-prefix", "mine", "--memory-size", "2GB", "--python3-bin", sys.executable]
    own = ["--exact-frequencies"]
    assert main(train_arguments(data_list, tmp_path / "cluster/chr22", *own, *options, "--regions-per-task", "1")) == 0
    scripts = (tmp_path / "scripts.sh").read_text()
    for line in ("--job-name=mine", "--array=1-2", "--mem=2GB", "--cpus-per-task=1", "--dependency=afterok:77"):
        assert f"#SBATCH {line}\n" in scripts
    assert main(train_arguments(data_list, tmp_path / "here/chr22", *own)) == 0
    assert weights(tmp_path / "cluster/chr22") == weights(tmp_path / "here/chr22")


def test_slurm_that_is_not_there_or_does_not_answer(
    data_list: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    command = train_arguments(data_list, tmp_path / "out/chr22", "--slurm")
    assert main(command) == 2
    assert "--slurm needs 'sbatch' on the PATH, which is not there" in capsys.readouterr().err
    stand_in(tmp_path / "bin", "sbatch", "exit 1")
    assert main(command) == 2
    assert "--slurm needs 'sinfo' on the PATH" in capsys.readouterr().err
    stand_in(tmp_path / "bin", "sinfo", "echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1")
    assert main(command) == 1
    assert "Slurm does not answer: slurm_load_partitions: Unable to contact" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0 1 " * 5000, "found '0 1 0 1 "),
        ("chr22_1\x1b[31m\n", r"found 'chr22_1\x1b[31m'"),
        ("chr22_1\n", "chr22_1.hap.gz is not there; give the list that 'rnnimp split' wrote"),
        ("\n", "found none"),
    ],
)
def test_what_is_no_data_list_is_refused_in_a_short_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    (tmp_path / "x.list").write_text(content)
    assert main(train_arguments(tmp_path / "x.list", tmp_path / "out/chr22")) == 1
    line = error_line(capsys)
    assert message in line
    assert len(line) < 400
