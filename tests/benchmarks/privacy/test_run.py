"""The privacy benchmark on a small simulated panel, with stand-ins for Beagle and Minimac4 and with the programs."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark_cases import N_HELD_OUT, N_SAMPLES, N_TEST, needs_tabix
from rnnimp.errors import DataError
from rnnimp.formats.hapslegend import open_panel
from rnnimp.formats.vcf.header import VcfContent
from rnnimp.formats.vcf.reading import open_panel as open_vcf
from rnnimp.formats.vcf.writing import VcfWriter
from rnnimp.pipeline.audit.settings import AuditSettings
from rnnimp.pipeline.evaluate.inputs import EvaluateSettings
from rnnimp.pipeline.evaluate.run import evaluate
from rnnimp.pipeline.evaluate.sources import GenotypeSource
from rnnimp.sites.panel import ImputedBlock, Panel, alt_frequency
from rnnimp.training.data import held_out_samples

Load = Callable[[str], ModuleType]
N_MEMBERS = 20


@pytest.fixture(scope="module")
def region(trained: Path) -> Panel:
    """The training files of the only region."""
    prefix = trained / "split" / "panel_1"
    return open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz").read()


def arguments(data: Path, trained: Path, output: Path, *options: str) -> list[str]:
    model = trained / "train" / "models" / "panel"
    files = [f"--data-list={trained / 'split' / 'panel.list'}", f"--genetic-map={data / 'map'}"]
    few = ["--allow-few-outsiders", f"--members={N_MEMBERS}", "--replicates=50"]
    return [f"--models=small={model}", *files, f"--output-dir={output}", *few, *options]


def stand_in(region: Panel, knows_members: bool, fields: tuple[str, ...]) -> Callable[[object, Path, Path], None]:
    """An imputer that gives everybody the frequencies; one that knows members gives these their own alleles."""

    def impute(study: object, target: Path, output: Path) -> None:
        reference, names = open_vcf(study.reference).sample_names, open_vcf(target).sample_names
        people = region.take_samples(np.array([region.sample_names.index(name) for name in names]))
        frequencies = alt_frequency(region.alleles)[:, None]
        is_known = np.repeat([knows_members and name in reference for name in names], 2)
        probabilities = np.where(is_known, people.alleles, frequencies).astype(np.float32)
        chosen = fields if study.by_haplotype else ("GT", "DS", "GP")
        with VcfWriter(output, VcfContent(names, "22", chosen)) as writer:
            writer.write(ImputedBlock(people.sites, probabilities, region.sites.markers()))

    return impute


@pytest.fixture
def with_stand_ins(load: Load, region: Panel, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark with a Beagle that knows nobody and a Minimac4 that knows the members."""
    imputers = load("accuracy.panel_imputers")
    monkeypatch.setattr(imputers, "versions", lambda: {"Beagle": "ignorant", "Minimac4": "knowing"})
    programs = {
        "Beagle": stand_in(region, False, ("AP1", "AP2")),
        "Minimac4": stand_in(region, True, ("HDS",)),
    }
    monkeypatch.setattr(imputers, "PANEL_IMPUTERS", programs)
    return load("privacy.run")


@pytest.mark.slow
@needs_tabix
def test_models_programs_and_frequencies(
    data: Path,
    trained: Path,
    region: Panel,
    tmp_path: Path,
    load: Load,
    with_stand_ins: ModuleType,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trials = tmp_path / "trials.tsv"
    trials.write_text("name\tfamily\tmean_r2\tauc\ttpr\nt1\tdropout\t0.5\t0.6\t0.03\n")
    argv = arguments(data, trained, tmp_path, "--panel-programs", f"--trials={trials}")
    assert with_stand_ins.main(argv) == 0
    points = {point.name: point for point in load("privacy.frontier").read_points(tmp_path / "frontier.tsv")}
    assert list(points) == ["small", "Beagle", "Minimac4", "allele frequencies alone"]

    held_out = held_out_samples(N_SAMPLES - N_TEST, N_HELD_OUT, 5)
    assert open_vcf(tmp_path / "imputed/held_out.vcf.gz").sample_names == region.take_samples(held_out).sample_names
    reference = open_vcf(tmp_path / "inputs/reference.vcf.gz").read()
    training = np.setdiff1d(np.arange(N_SAMPLES - N_TEST), held_out)
    assert reference.sites.keys() == region.sites.keys()
    np.testing.assert_array_equal(reference.alleles, region.take_samples(training).alleles)

    audit = json.loads((tmp_path / "audits/small.json").read_text())
    over_all = {
        (each["subject"], each["attack"]): each["figures"] for each in audit["results"] if each["region"] is None
    }
    best = over_all["model", audit["best_attack"]]["auc"]
    assert points["small"].leak.auc.value == pytest.approx(best["value"], abs=1e-4)
    assert points["small"].leak.auc.low == pytest.approx(best["low"], abs=1e-4)
    floors = [found["auc"]["value"] for (subject, _), found in over_all.items() if subject == "floor"]
    assert points["allele frequencies alone"].leak.auc.value == pytest.approx(max(floors), abs=1e-4)

    assert points["Beagle"].mean_r2.value == points["Minimac4"].mean_r2.value == 0.0
    small = points["small"].mean_r2
    assert 0 < (small.low or 0) < (small.value or 0) < (small.high or 0) < 1
    assert points["Minimac4"].leak.auc.value == 1.0
    assert (points["Beagle"].leak.auc.value or 1) < 0.9
    assert points["Beagle"].leak.longest_match.value is None
    drawn = {element.text for element in ElementTree.parse(tmp_path / "frontier.svg").iter()}
    assert {"small", "Beagle", "Minimac4", "dropout", "allele frequencies alone, mean r2 0"} <= drawn
    assert f"{N_MEMBERS} of {len(training)} members and {N_HELD_OUT} outsiders" in capsys.readouterr().out


@pytest.mark.slow
@needs_tabix
def test_mean_r2_is_that_of_evaluate(
    data: Path, trained: Path, region: Panel, tmp_path: Path, load: Load, panel: Panel
) -> None:
    assert load("privacy.run").main(arguments(data, trained, tmp_path)) == 0
    (small, _) = load("privacy.frontier").read_points(tmp_path / "frontier.tsv")
    scores = evaluate(
        GenotypeSource(tmp_path / "imputed/held_out.small.vcf"),
        GenotypeSource(_truth(tmp_path / "truth.vcf", region, tmp_path / "imputed/held_out.vcf.gz")),
        EvaluateSettings((0, 50)),
    ).bins
    # every site of the region is above 0.5% in the panel, whatever its frequency in the held-out samples
    assert small.mean_r2.value == pytest.approx(scores[-1].mean_r2, abs=1e-4)


def _truth(path: Path, region: Panel, target: Path) -> Path:
    names = open_vcf(target).sample_names
    people = region.take_samples(np.array([region.sample_names.index(name) for name in names]))
    with VcfWriter(path, VcfContent(names, "22", ("GT",))) as writer:
        writer.write(ImputedBlock(people.sites, people.alleles.astype(np.float32), np.ones(len(people.sites), bool)))
    return path


@pytest.mark.slow
@needs_tabix
def test_audits_are_reused_only_for_the_same_model_files(
    data: Path, trained: Path, tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load("privacy.run")
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    argv = arguments(data, copy, tmp_path / "out", "--reuse-audits")
    assert run.main(argv) == 0
    commands: list[str] = []
    original = run.rnnimp
    monkeypatch.setattr(run, "rnnimp", lambda *words: commands.append(words[0]) or original(*words))
    assert run.main(argv) == 0
    assert commands == []
    assert run.main([*argv, "--seed=2"]) == 0
    assert commands == ["audit"]
    first = next(iter(json.loads((tmp_path / "out/audits/small.json").read_text())["model"]["checksums"]))
    path = copy / "train" / "models" / first
    path.write_bytes(path.read_bytes() + b" ")
    audit, inputs = run.read_audit(tmp_path / "out/audits/small.json"), _inputs(load, data, copy)
    found = run.differences(audit, path.parent / "panel", inputs, AuditSettings(N_MEMBERS, seed=2))
    assert found == ["model files"]


@pytest.mark.slow
def test_an_audit_that_would_come_out_otherwise_today_is_not_reused(
    data: Path, trained: Path, tmp_path: Path, load: Load
) -> None:
    run = load("privacy.run")
    prefix, inputs, settings = trained / "train/models/panel", _inputs(load, data, trained), AuditSettings(N_MEMBERS)
    options = ["--members", N_MEMBERS, "--allow-few-outsiders", "--genetic-map", data / "map"]
    files = ["--data-list", trained / "split/panel.list", "--output", tmp_path / "audit"]
    run.rnnimp("audit", "--model-prefix", prefix, *files, *options)
    audit = run.read_audit(tmp_path / "audit.json")
    assert run.differences(audit, prefix, inputs, settings) == []
    for part, change, reason in (
        ("versions", {"rnnimp": "2.1.0"}, "version of rnnimp"),
        ("settings", {"rare_maf": 0.3}, "setting rare_maf"),
        ("settings", {"genetic_map": "other.gz"}, "setting genetic_map"),
        ("settings", {"attacks": ["loss", "combined"]}, "attacks"),
        ("people", {"outsiders": "others.vcf"}, "outsiders"),
    ):
        changed = {**audit, part: {**audit[part], **change}}
        assert run.differences(changed, prefix, inputs, settings) == [reason]
    assert run.differences({**audit, "format_version": 0}, prefix, inputs, settings) == ["format"]
    assert run.differences({}, prefix, inputs, settings)[:3] == ["format", "version of rnnimp", "model files"]


def _inputs(load: Load, data: Path, trained: Path) -> object:
    models = {"small": trained / "train" / "models" / "panel"}
    arguments = (trained / "split" / "panel.list", data / "map", N_MEMBERS, 1, True)
    return load("privacy.inputs").read_inputs(models, *arguments)


@pytest.mark.slow
def test_regions_become_one_panel(data: Path, trained: Path, region: Panel, load: Load) -> None:
    """Two regions that share flank markers, as those of a split do."""
    inputs = _inputs(load, data, trained)
    markers, n = region.sites.markers(), len(region.sites)
    shared = np.flatnonzero(markers)[10:20]
    first, second = np.arange(n) <= shared[-1], np.arange(n) >= shared[0]
    first[shared[0] : shared[-1] + 1] = markers[shared[0] : shared[-1] + 1]
    parts = {1: region[first], 2: region[second]}
    joined = type(inputs)(parts, inputs.people, inputs.chromosome, inputs.map_source).panel
    assert joined.sites.keys() == region.sites.keys()
    np.testing.assert_array_equal(joined.alleles, region.alleles)


@pytest.mark.slow
def test_scores_of_what_a_program_imputes(data: Path, trained: Path, region: Panel, load: Load) -> None:
    """The loss is the sum of log probabilities of the person's alleles; the relative one subtracts the reference's."""
    inputs, leak = _inputs(load, data, trained), load("privacy.panel_leak")
    people = inputs.people
    order = np.concatenate([people.members, people.held_out])
    tested = region.take_samples(order).alleles
    sites = np.flatnonzero(~region.sites.markers())
    keys = region.sites.keys()
    rng = np.random.default_rng(3)
    random = rng.random((len(keys), tested.shape[1])).astype(np.float32)
    given = {"random": {keys[row]: random[row] for row in range(len(keys))}}
    scores = leak.attack_scores(inputs, given, 1, 1)["random"]

    def loss(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        result = np.zeros(len(order))
        for person in range(len(order)):
            for column in (2 * person, 2 * person + 1):
                for place, row in enumerate(sites):
                    alt = float(probabilities[place, column])
                    result[person] += np.log(max(alt if tested[row, column] else 1 - alt, 1e-4))
        return result

    np.testing.assert_allclose(scores["loss"], loss(random[sites]), rtol=1e-5)
    reference = leak._without_model(inputs, region, 1, 1).reference
    np.testing.assert_allclose(scores["relative_loss"], loss(random[sites]) - loss(reference), rtol=1e-4)
    assert set(scores) == {"loss", "relative_loss", "combined"}
    del given["random"][keys[sites[0]]]
    with pytest.raises(DataError, match="from random, found none of 1, such as"):
        leak.attack_scores(inputs, given, 1, 1)


@pytest.mark.slow
@needs_tabix
def test_real_programs(data: Path, trained: Path, region: Panel, tmp_path: Path, load: Load) -> None:
    """Both programs find members in their panel, and each haplotype's probabilities come in the target's order."""
    if shutil.which("minimac4") is None or not load("accuracy.panel_imputers").BEAGLE_JAR.exists():
        pytest.skip("Beagle and Minimac4 are not installed")
    assert load("privacy.run").main(arguments(data, trained, tmp_path, "--panel-programs", "--memory=500m")) == 0
    points = {point.name: point for point in load("privacy.frontier").read_points(tmp_path / "frontier.tsv")}
    names = open_vcf(tmp_path / "imputed/tested.vcf.gz").sample_names
    people = region.take_samples(np.array([region.sample_names.index(name) for name in names]))
    rows = {key: row for row, key in enumerate(region.sites.keys())}
    for program in ("Beagle", "Minimac4"):
        assert (points[program].mean_r2.value or 0) > 0.3
        assert (points[program].leak.auc.value or 0) > 0.8
        found = load("privacy.panel_leak").read_haplotypes(tmp_path / f"imputed/tested.{program}.vcf.gz")
        right = [np.mean(np.abs(found[key] - people.alleles[row])) for key, row in rows.items() if key in found]
        turned = people.alleles.reshape(len(rows), -1, 2)[:, :, ::-1].reshape(len(rows), -1)
        wrong = [np.mean(np.abs(found[key] - turned[row])) for key, row in rows.items() if key in found]
        assert np.mean(right) < 0.5 * np.mean(wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "x"], "expected NAME=PREFIX"),
        (["--models", "a/b=x"], "expected NAME=PREFIX with letters"),
        (["--models", "a=x", "a=y"], "found 'a' twice"),
        (["--models", "Beagle=x"], "found 'Beagle' twice"),
    ],
)
def test_bad_arguments(
    load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    files = ["--data-list=x", "--genetic-map=x", f"--output-dir={tmp_path}"]
    with pytest.raises(SystemExit) as stop:
        load("privacy.run").main([*options, *files])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_models_that_held_out_others_are_refused(
    data: Path, trained: Path, tmp_path: Path, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(trained / "train" / "models", other)
    manifest = other / "panel.manifest.json"
    content = json.loads(manifest.read_text())
    content["settings"]["seed"] += 1
    manifest.write_text(json.dumps(content))
    argv = arguments(data, trained, tmp_path / "out")
    assert (
        load("privacy.run").main([argv[0], *argv[1:], "--models", argv[0].partition("=")[2], f"b={other}/panel"]) == 1
    )
    assert "expected models with the same validation samples, found others of 'b'" in capsys.readouterr().err
