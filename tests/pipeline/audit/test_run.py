from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest

from rnnimp.cli import main
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.bundle import open_bundle
from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.pipeline.audit.regions import read_states
from rnnimp.pipeline.audit.results import CEILING, FLOOR, MODEL
from rnnimp.pipeline.audit.run import audit
from rnnimp.pipeline.audit.settings import AuditSettings
from rnnimp.pipeline.audit.work import AuditFiles, read_training_panel
from rnnimp.sites.panel import Panel
from rnnimp.sites.ploidy import ABSENT
from rnnimp.training.data import held_out_samples
from rnnimp.training.recipe import DEFAULT_SEED
from tiny_model import tiny_region, write_tiny_bundle

pytestmark = pytest.mark.slow

FEW = AuditSettings(allow_few_outsiders=True, threads=2)


def run(trained, tmp_path, model="with_hmm", settings=FEW, **files):
    prefix = tmp_path / "out" / "chr22"
    paths = {"sample": str(trained.sample), **{name: str(path) for name, path in files.items()}}
    results = audit(AuditFiles(str(getattr(trained, model)), str(trained.data_list), str(prefix), **paths), settings)
    return results, prefix


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines(), delimiter="\t"))


def test_states_that_are_whole_haplotypes_are_found(trained, tmp_path):
    results, _ = run(trained, tmp_path)

    found = results.over_all("longest_match")
    assert found.auc.low > 0.8
    assert results.model.recipe_text.startswith("published, ")
    assert results.model.changed_settings["n_states"] == {"model": 64, "recipe": 0}
    assert results.model.n_states == 64 and results.people.n_members == 48 and results.people.n_outsiders == 12
    assert results.stretches.members_rows.median == 80 > results.stretches.outsiders_rows.longest
    assert results.over_all("longest_match", CEILING).auc.value == 1
    assert results.over_all("longest_match", FLOOR) is None
    total, first, second = results.whole_states
    assert (total.n_states, total.of_members) == (128, 128) and (first.region, second.region) == (1, 2)
    training = np.setdiff1d(np.arange(60), held_out_samples(60, 12, DEFAULT_SEED))
    region = open_bundle(trained.with_hmm).regions[0]
    states = read_states(region) > 0
    columns = trained.panels[0].alleles.T == 1
    carrying = [
        person
        for person in training.tolist()
        if any((column == states.T).all(axis=1).any() for column in columns[2 * person : 2 * person + 2])
    ]
    assert first.members == len(carrying) > 30
    assert results.sentence.startswith("128 of 128 states are a whole haplotype of a member in their region, of ")
    assert not results.sentence.endswith("cannot be said from so little.")
    states = next(part for part in results.rebuilt if part.source == "states")
    assert states.members_mismatches < states.outsiders_mismatches
    assert states.members.value > 0.3 and states.outsiders.value == 0
    assert "12 outsiders are too few" in results.sentence
    assert json.loads((tmp_path / "out" / "chr22.json").read_text()) == results.as_dict()
    assert {row["region"] for row in rows_of(tmp_path / "out" / "chr22.tsv")} == {"all", "1", "2"}
    private = rows_of(tmp_path / "out" / "chr22.private.tsv")
    held_out = {f"NA{number:03d}" for number in held_out_samples(60, 12, DEFAULT_SEED)}
    assert {row["sample"] for row in private if row["group"] == "outsider"} == held_out
    assert len(private) == 60
    distances = [float(row["distance"]) for row in private]
    assert distances == sorted(distances, reverse=True)
    public = "".join(
        (tmp_path / "out" / f"chr22.{ending}").read_text() for ending in ("json", "tsv", "html", "card.md")
    )
    assert public.count("12 outsiders are too few") == 3
    assert not any(row["sample"] in public for row in private)
    modes = [(tmp_path / "out" / f"chr22.{ending}").stat().st_mode & 0o777 for ending in ("private.tsv", "tsv")]
    assert modes == [0o600, 0o666 & ~umask()]


def test_members_who_are_not_tested_count_as_whole_states_too(trained, tmp_path):
    few = AuditSettings(allow_few_outsiders=True, members=2, regions=(1,))

    results, _ = run(trained, tmp_path, settings=few)

    assert results.people.n_members == 2
    assert results.whole_states[0].of_members == 64 and results.whole_states[0].members > 30


def test_anonymous_states_are_nobodys_haplotype(trained, tmp_path):
    results, _ = run(trained, tmp_path, "anonymous")

    assert [part.of_members for part in results.whole_states] == [0, 0, 0]
    assert "whole haplotype" not in results.sentence


def test_a_model_without_hmm_is_audited_by_its_networks(trained, tmp_path):
    results, _ = run(trained, tmp_path, "without_hmm")

    names = [attack.name for attack in results.attacks]
    assert names == ["loss", "relative_loss", "direction", "frequencies", "combined"]
    assert results.stretches is None and results.whole_states == ()
    assert {part.source for part in results.rebuilt} == {MODEL, FLOOR, CEILING}
    loss = results.over_all("loss")
    assert loss.auc.low < 0.5 < loss.auc.high  # it has hardly learned
    assert results.over_all("loss", CEILING).auc.value > 0.95


def test_an_audit_is_the_same_again_whatever_the_threads(trained, tmp_path):
    first, _ = run(trained, tmp_path / "1", settings=AuditSettings(allow_few_outsiders=True, members=20))
    again, _ = run(trained, tmp_path / "2", settings=AuditSettings(allow_few_outsiders=True, members=20, threads=3))

    contents = [results.as_dict() for results in (first, again)]
    for content in contents:
        del content["log_time"], content["seconds"]
        for log in content["attack_results"].values():
            del log["log_time"]
    assert contents[0] == contents[1]
    assert first.people.n_members == 20


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_model_that_lacks_regions_says_so(trained, tmp_path, caplog):
    for path in trained.without_hmm.parent.glob("chr22_1.*"):
        (tmp_path / path.name).symlink_to(path)
    manifest = json.loads(trained.without_hmm.with_name("chr22.manifest.json").read_text())
    manifest |= {"regions": manifest["regions"][:1], "n_regions": 2}
    (tmp_path / "chr22.manifest.json").write_text(json.dumps(manifest))
    files = AuditFiles(str(tmp_path / "chr22"), str(trained.data_list), str(tmp_path / "out" / "chr22"))

    results = audit(files, FEW)

    assert "the model's files lack 1 of 2 regions: 2" in caplog.text
    assert (results.model.n_regions, results.model.n_there, results.model.missing_regions) == (2, 1, (2,))
    assert [part.n_regions for part in results.extrapolations[:2]] == [1, 1]
    for ending in ("html", "card.md"):
        text = (tmp_path / "out" / f"chr22.{ending}").read_text()
        assert "Of 2 regions, only 1 exists in these files" in text and "whole model reveals more" not in text


def write_outsiders(prefix, trained, alleles, keep=slice(None)):
    """The regions' sites as one HAPS/LEGEND, with alleles of each region."""
    with HapsLegendWriter(prefix) as writer:
        for panel, part in zip(trained.panels, alleles, strict=True):
            writer.write(panel.sites[keep], part[keep])
    return prefix


def test_outsiders_come_from_a_file_of_their_own(trained, tmp_path):
    others = [np.roll(panel.alleles, 11, axis=0)[:, :30] for panel in trained.panels]
    prefix = write_outsiders(tmp_path / "others", trained, others)

    results, _ = run(trained, tmp_path, outsiders=prefix)

    assert results.people.outsiders == "others"
    assert (results.people.n_members, results.people.n_outsiders) == (48, 15)


def test_a_model_without_manifest_needs_outsiders(trained, tmp_path):
    for path in trained.without_hmm.parent.glob("chr22_?.*"):
        (tmp_path / path.name).symlink_to(path)
    plain = AuditFiles(str(tmp_path / "chr22"), str(trained.data_list), str(tmp_path / "out"))
    with pytest.raises(SettingsError, match=r"has no manifest.*--outsiders"):
        audit(plain, FEW)

    others = [np.roll(panel.alleles, 11, axis=0)[:, :30] for panel in trained.panels]
    prefix = write_outsiders(tmp_path / "others", trained, others)
    files = AuditFiles(str(tmp_path / "chr22"), str(trained.data_list), str(tmp_path / "out"), str(prefix))
    results = audit(files, FEW)

    assert results.people.n_training == 60
    assert results.model.recipe == {}


def test_rows_that_outsiders_lack_count_for_nobody(trained, tmp_path):
    others = [np.roll(panel.alleles, 11, axis=0)[:, :30] for panel in trained.panels]
    prefix = write_outsiders(tmp_path / "others", trained, others, keep=slice(0, 60))

    results, _ = run(trained, tmp_path, outsiders=prefix)
    assert results.stretches.members_rows.longest == 80  # missing alleles agree with everything

    prefix = write_outsiders(tmp_path / "few", trained, others, keep=slice(0, 30))
    with pytest.raises(DataError, match=r"few: expected the 80 sites of the model .* found 30 of them"):
        run(trained, tmp_path, outsiders=prefix)


def test_members_are_no_outsiders(trained, tmp_path):
    copied = [panel.alleles[:, :30] for panel in trained.panels]
    prefix = write_outsiders(tmp_path / "copied", trained, copied)
    (tmp_path / "copied.sample").write_text(
        "ID_1 ID_2 missing\n0 0 0\n" + "".join(f"NA{number:03d} NA{number:03d} 0\n" for number in range(15))
    )

    with pytest.raises(DataError, match="found 15 of its samples, such as NA000"):
        run(trained, tmp_path, outsiders=prefix)
    assert not (tmp_path / "out").exists()


def test_members_under_other_names_are_no_outsiders(trained, tmp_path):
    prefix = write_outsiders(tmp_path / "renamed", trained, [panel.alleles[:, :30] for panel in trained.panels])

    with pytest.raises(DataError, match="outsiders with both haplotypes of a member in 1 region: "):
        run(trained, tmp_path, outsiders=prefix)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--regions", "3"], "--regions names region 3, which the model does not have"),
        (["--attacks", "lost"], "--attacks expects names of loss, .* found 'lost'"),
        (["--members", "1"], "--members must be from 2 to 4096, found 1"),
        (["--rare-maf", "0.6"], "--rare-maf must be above 0 and at most 0.5"),
        (["--threads", "0"], "--threads must be 1 or more"),
        ([], "expected 100 outsiders or more, found 12.*--allow-few-outsiders"),
        (["--output", "{list}"], "expected a new file to write"),
    ],
)
def test_bad_options_are_refused_in_one_line(trained, tmp_path, capsys, options, message):
    options = [option.replace("{list}", str(trained.data_list)[: -len(".list")]) for option in options]
    given = [] if "--output" in options else ["--output", str(tmp_path / "out")]
    if "--output" in options:
        (trained.data_list.parent / "chr22.tsv").symlink_to(trained.data_list)

    code = main(
        ["audit", "--model-prefix", str(trained.with_hmm), "--data-list", str(trained.data_list), *given, *options]
    )

    assert code == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rnnimp: error: ")]
    assert re.search(message, error)


def test_training_files_of_another_model_are_refused(trained, tmp_path):
    panel = trained.panels[0]
    other = Panel(panel.sites[:-1], panel.alleles[:-1], panel.sample_names)
    with HapsLegendWriter(tmp_path / "chr22_1") as writer:
        writer.write(other.sites, other.alleles)
    listed = tmp_path / "chr22.list"
    listed.write_text(f"{tmp_path}/chr22_1\n{tmp_path}/chr22_1\n")

    with pytest.raises(DataError, match=r"expected the sites and markers of .* found others"):
        audit(AuditFiles(str(trained.with_hmm), str(listed), str(tmp_path / "out")), FEW)


def test_another_panel_with_the_same_sites_is_refused(trained, tmp_path):
    """It would look as if the model had learned nobody."""
    panel = trained.panels[0]
    with HapsLegendWriter(tmp_path / "chr22_1") as writer:
        writer.write(panel.sites, panel.alleles[:, ::-1])
    listed = tmp_path / "chr22.list"
    listed.write_text(f"{tmp_path}/chr22_1\n{tmp_path}/chr22_1\n")

    with pytest.raises(DataError, match="expected the haplotypes that the model was trained on, found others"):
        audit(AuditFiles(str(trained.with_hmm), str(listed), str(tmp_path / "out")), FEW)


def test_the_last_line_is_the_sentence(trained, tmp_path, capsys):
    files = ["--model-prefix", str(trained.with_hmm), "--data-list", str(trained.data_list)]
    options = ["--output", str(tmp_path / "out"), "--allow-few-outsiders", "--regions", "2", "--attacks", "loss"]

    assert main(["audit", *files, *options]) == 0

    sentence = capsys.readouterr().out.splitlines()[-1]
    assert sentence.startswith("64 of 64 states are") and "; from the 1 audited region (" in sentence
    assert sentence == json.loads((tmp_path / "out.json").read_text())["sentence"]


def test_attacks_that_the_floor_lacks_are_enough_and_those_that_the_model_lacks_are_refused(trained, tmp_path):
    only = AuditSettings(allow_few_outsiders=True, attacks=("longest_match",))

    results, _ = run(trained, tmp_path / "1", settings=only)
    assert results.over_all("longest_match").auc.low > 0.8
    assert not [result for result in results.results if result.subject == FLOOR]

    with pytest.raises(SettingsError, match="they need states, which region 1 does not have"):
        run(trained, tmp_path / "2", "without_hmm", settings=only)
    assert not (tmp_path / "2").exists()


def test_outsiders_may_be_a_vcf_with_reference_alleles_the_other_way_round(trained, tmp_path):
    others = [np.roll(panel.alleles, 11, axis=0)[:, :30] for panel in trained.panels]
    lines = [
        vcf_line(panel, part, row) for panel, part in zip(trained.panels, others, strict=True) for row in range(80)
    ]
    samples = "\t".join(f"X{number}" for number in range(15))
    header = f"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}\n"
    (tmp_path / "others.vcf").write_text(header + "".join(lines))
    prefix = write_outsiders(tmp_path / "others", trained, others)

    by_vcf, _ = run(trained, tmp_path / "1", outsiders=tmp_path / "others.vcf")
    by_haps, _ = run(trained, tmp_path / "2", outsiders=prefix)

    assert by_vcf.people.outsiders == "others.vcf"
    assert by_vcf.results == by_haps.results


def vcf_line(panel, alleles, row):
    """A record whose REF is a1 at every SNP of an even row."""
    sites, calls = panel.sites, alleles[row]
    ref, alt = sites.a0[row], sites.a1[row]
    if row % 2 == 0 and len(ref) == len(alt):
        ref, alt, calls = alt, ref, 1 - calls
    genotypes = "\t".join(f"{first}|{second}" for first, second in calls.reshape(-1, 2))
    return f"22\t{sites.positions[row]}\t.\t{ref}\t{alt}\t.\t.\t.\tGT\t{genotypes}\n"


def test_a_model_of_the_published_programs_kind_is_audited(trained, tmp_path):
    rng = np.random.default_rng(1)
    write_tiny_bundle(tmp_path / "tiny", [tiny_region(rng, panel.sites) for panel in trained.panels])
    others = [np.roll(panel.alleles, 11, axis=0)[:, :30] for panel in trained.panels]
    prefix = write_outsiders(tmp_path / "others", trained, others)
    files = AuditFiles(str(tmp_path / "tiny"), str(trained.data_list), str(tmp_path / "out"), str(prefix))

    results = audit(files, FEW)

    assert results.model.rnnimp_version is None and results.model.n_states == 0
    assert results.people.n_members == results.people.n_training == 60
    assert results.over_all("loss").n_outsiders == 15


def test_haploid_people_are_refused(trained, tmp_path):
    panel = trained.panels[0]
    alleles = panel.alleles.copy()
    alleles[:, 1] = ABSENT
    sites = replace(panel.sites, chromosome="X", ids=np.array([f"s{row}" for row in range(len(panel.sites))]))
    with HapsLegendWriter(tmp_path / "x") as writer:
        writer.write(sites, alleles)
    with pytest.raises(DataError, match=r"people with two haplotypes, found haploid ones; .*--regions"):
        read_training_panel(str(tmp_path / "x"), open_bundle(trained.with_hmm).regions[0])
