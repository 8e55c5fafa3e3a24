from __future__ import annotations

import logging

import numpy as np
import pytest

from rnnimp.cli import main
from rnnimp.errors import DataError
from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.pipeline.audit import run as stage
from rnnimp.pipeline.audit.run import audit
from rnnimp.pipeline.audit.settings import AuditSettings
from rnnimp.pipeline.audit.work import AuditFiles

pytestmark = pytest.mark.slow

FEW = AuditSettings(allow_few_outsiders=True, members=20)


def files_of(trained, tmp_path, model="with_hmm", **others):
    return AuditFiles(str(getattr(trained, model)), str(trained.data_list), str(tmp_path / "out" / "a"), **others)


@pytest.fixture
def attacked(monkeypatch):
    """The regions that are attacked; an attack on a region of `stop` is interrupted."""
    numbers, attack_region = [], stage.attack_region

    def attack(region, *others):
        numbers.append(region.index)
        if region.index in attack.stop:
            raise KeyboardInterrupt
        return attack_region(region, *others)

    attack.stop = set()
    monkeypatch.setattr(stage, "attack_region", attack)
    return numbers, attack.stop


def plain(results):
    content = results.as_dict()
    del content["log_time"], content["seconds"]
    for log in content["attack_results"].values():
        del log["log_time"]
    return content


@pytest.mark.parametrize("model", ["with_hmm", "without_hmm"])
def test_an_interrupted_audit_resumes_and_finds_the_same(trained, tmp_path, attacked, caplog, model):
    attacks, stop = attacked
    whole = audit(files_of(trained, tmp_path / "whole", model), FEW)
    attacks.clear()
    stop.add(2)
    with pytest.raises(KeyboardInterrupt):
        audit(files_of(trained, tmp_path, model), FEW)
    folder = tmp_path / "out" / "a.audit_regions"
    (kept,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o700, 0o600)
    stop.clear()
    caplog.set_level(logging.INFO)

    results = audit(files_of(trained, tmp_path, model), FEW)

    assert attacks == [1, 2, 2]
    assert "region 1: finished by the interrupted audit" in caplog.text
    assert plain(results) == plain(whole)
    assert not folder.exists() and not list((tmp_path / "whole" / "out").glob("*_regions"))


def interrupted(trained, tmp_path, attacked, **others):
    attacks, stop = attacked
    stop.add(2)
    with pytest.raises(KeyboardInterrupt):
        audit(files_of(trained, tmp_path, **others), FEW)
    stop.clear()
    attacks.clear()
    return tmp_path / "out" / "a.audit_regions" / "region_1.npz"


@pytest.mark.parametrize(
    ("model", "settings", "reason"),
    [
        ("with_hmm", AuditSettings(allow_few_outsiders=True, members=20, seed=2), "other tested people, options;"),
        ("with_hmm", AuditSettings(allow_few_outsiders=True, members=20, rare_maf=0.2), "other options;"),
        ("anonymous", FEW, "other model files;"),
    ],
)
def test_regions_of_another_model_or_other_options_are_attacked_again(
    trained, tmp_path, attacked, caplog, model, settings, reason
):
    interrupted(trained, tmp_path, attacked)
    caplog.set_level(logging.INFO)

    results = audit(files_of(trained, tmp_path, model), settings)

    assert attacked[0] == [1, 2]
    assert f"region 1: an interrupted audit had {reason} attacking it again" in caplog.text
    assert plain(results) == plain(audit(files_of(trained, tmp_path / "new", model), settings))


def test_regions_of_other_outsiders_or_another_map_are_attacked_again(trained, tmp_path, attacked, caplog):
    others = tmp_path / "others"
    with HapsLegendWriter(others) as writer:
        for panel in trained.panels:
            writer.write(panel.sites, np.roll(panel.alleles, 11, axis=0)[:, :30])
    (tmp_path / "map").write_text("pos chr cM\n1 22 0\n50000000 22 100\n")
    interrupted(trained, tmp_path, attacked)
    caplog.set_level(logging.INFO)

    audit(files_of(trained, tmp_path, outsiders=str(others), genetic_map=str(tmp_path / "map")), FEW)

    assert attacked[0] == [1, 2]
    assert "had other outsiders, genetic map, tested people; attacking it again" in caplog.text


def test_regions_of_another_version_and_damaged_ones_are_attacked_again(
    trained, tmp_path, attacked, caplog, monkeypatch
):
    caplog.set_level(logging.INFO)
    kept = interrupted(trained, tmp_path, attacked)
    kept.write_bytes(kept.read_bytes()[:5000])

    audit(files_of(trained, tmp_path), FEW)
    assert attacked[0] == [1, 2]
    assert f"region 1: {kept} is damaged; attacking it again" in caplog.text

    interrupted(trained, tmp_path, attacked)
    monkeypatch.setattr("rnnimp.pipeline.audit.finished_regions.__version__", "9.9")
    audit(files_of(trained, tmp_path), FEW)
    assert attacked[0] == [1, 2]
    assert "region 1: an interrupted audit had other version of rnnimp; attacking it again" in caplog.text


def test_a_refused_audit_keeps_nothing(trained, tmp_path, attacked, monkeypatch):
    def refuse(self, names):
        if len(self._regions) == 2:
            raise DataError("expected outsiders who are not in the panel")

    monkeypatch.setattr("rnnimp.pipeline.audit.closeness.Closeness.refuse_same", refuse)

    with pytest.raises(DataError):
        audit(files_of(trained, tmp_path), FEW)

    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_killed_audit_left_half_written_is_removed(trained, tmp_path):
    folder = tmp_path / "out" / "a.audit_regions"
    folder.mkdir(parents=True)
    (folder / ".region_2.npz.abc.part").write_bytes(b"scores of people")
    audit(files_of(trained, tmp_path), FEW)
    assert not folder.exists()


def test_the_message_says_how_to_resume(trained, tmp_path, attacked, capsys):
    files = ["--model-prefix", str(trained.with_hmm), "--data-list", str(trained.data_list)]
    command = ["audit", *files, "--output", str(tmp_path / "a"), "--allow-few-outsiders"]

    attacked[1].add(1)
    assert main(command) == 130
    assert "interrupted; no region was finished, and no unfinished file was left" in capsys.readouterr().err
    attacked[1].symmetric_difference_update({1, 2})
    assert main(command) == 130

    assert capsys.readouterr().err.splitlines()[-1] == (
        f"rnnimp: interrupted; regions that are finished are kept in {tmp_path}/a.audit_regions: run the same command "
        "again to resume"
    )
