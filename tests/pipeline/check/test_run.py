"""`rnnimp check`: it says what `rnnimp impute` says, and more; it imputes nothing."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import error_line
from impute_cases import write_target
from rnnimp.cli import main
from rnnimp.formats.bundle import write_manifest
from rnnimp.formats.hapslegend import read_legend
from rnnimp.sites.hardy_weinberg import count_genotypes, hardy_weinberg_p
from rnnimp.sites.panel import Panel
from tiny_model import manifest_of, tiny_chromosome, write_tiny_bundle
from vcf_files import write_panel

SECTIONS = {"call_rates", "hardy_weinberg", "same_samples", "expected_accuracy"}


@pytest.fixture
def target(tmp_path: Path) -> Panel:
    """A model `m` of three regions, and the target of its markers, `t.vcf`."""
    panel, regions = tiny_chromosome(np.random.default_rng(8), n_samples=40)
    write_tiny_bundle(tmp_path / "m", regions)
    target = panel[panel.sites.markers()]
    write_panel(tmp_path / "t.vcf", target)
    return target


def check(folder: Path, *more: str) -> int:
    return main(["check", "--vcf", f"{folder}/t.vcf", "--model-prefix", f"{folder}/m", *more])


def findings(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "c.checks.json").read_text())
    assert isinstance(content, dict)
    return content


def test_the_findings_are_those_of_imputing(tmp_path: Path, target: Panel, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, "--output", f"{tmp_path}/c") == 0
    text = capsys.readouterr().out
    command = ["impute", "--vcf", f"{tmp_path}/t.vcf", "--model-prefix", f"{tmp_path}/m"]
    assert main([*command, "--output", f"{tmp_path}/x"]) == 0
    said = [line.split(": ", 1)[-1] for line in capsys.readouterr().err.splitlines() if "model markers" in line]
    found, imputed = findings(tmp_path), json.loads((tmp_path / "x.checks.json").read_text())
    assert {name: found[name] for name in imputed} == imputed
    assert set(found) - set(imputed) == SECTIONS
    assert said and all(line in text for line in said)
    assert text == (tmp_path / "c.checks.txt").read_text()
    assert text.endswith("\nresult: rnnimp impute would run, no warning\n")


def test_nothing_is_written_without_an_output(
    tmp_path: Path, target: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.iterdir())
    assert check(tmp_path, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["counts"]["observed_markers"] == len(target.sites)
    assert sorted(tmp_path.iterdir()) == before


def test_unphased_genotypes_and_repeated_sites_are_errors_beside_all_other_findings(
    tmp_path: Path, target: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (tmp_path / "t.vcf").read_text().splitlines()
    repeated = [line.replace("|", "/") for line in [*lines, lines[-1]]]
    (tmp_path / "t.vcf").write_text("\n".join(repeated) + "\n")
    assert check(tmp_path, "--output", f"{tmp_path}/c") == 1
    n_heterozygous = int(np.count_nonzero(target.alleles[:, ::2] != target.alleles[:, 1::2]))
    phase, duplicate = findings(tmp_path)["errors"]
    assert phase.startswith(f"{n_heterozygous} heterozygous genotypes without phase, the first at 22:")
    assert phase.endswith("; phase the genotypes first")
    assert duplicate.startswith("1 site repeated; remove the duplicates")
    text = capsys.readouterr().out
    assert text.endswith("\nresult: rnnimp impute would stop: 2 errors\n")
    assert f"error: {phase}\n" in text
    expected = hardy_weinberg_p(count_genotypes(target.alleles))
    table = gzip.decompress((tmp_path / "c.target_sites.tsv.gz").read_bytes()).decode().splitlines()
    columns = [line.split("\t") for line in table]
    assert columns[0][-1] == "hardy_weinberg_p"
    np.testing.assert_allclose([float(row[-1]) for row in columns[1:]], expected, rtol=1e-3)
    assert check(tmp_path, "--keep-first-duplicate", "--json") == 1
    assert len(json.loads(capsys.readouterr().out)["errors"]) == 1


def test_missing_genotypes_lower_the_call_rates(
    tmp_path: Path, target: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    alleles = target.alleles.copy()
    alleles[: len(alleles) // 2, 6:8] = -1
    alleles[4, 20:] = -1
    write_panel(tmp_path / "t.vcf", replace(target, alleles=alleles))
    assert check(tmp_path, "--output", f"{tmp_path}/c") == 0
    rates = findings(tmp_path)["call_rates"]
    share = float(np.mean(alleles[:, 6:8] >= 0))
    name = target.sample_names[3]
    assert rates["samples"]["lowest"][0] == {"sample": name, "call_rate": round(share, 4)}
    assert rates["samples"]["least"] == pytest.approx(share, abs=1e-6)
    assert rates["sites"]["lowest"][0]["call_rate"] == round(float(np.mean(alleles[4] >= 0)), 4)
    rows = [line.split("\t") for line in (tmp_path / "c.target_samples.tsv").read_text().splitlines()]
    assert rows[0] == ["sample", "call_rate", "called_at_markers"]
    assert [row[0] for row in rows[1:]] == list(target.sample_names)
    assert float(rows[4][1]) == round(share, 4)
    warning = f"warning: call rate under 95% in 1 sample: {name} ({100 * share:.1f}%)"
    assert warning in capsys.readouterr().out
    assert check(tmp_path, "--strict") == 1


def test_a_site_of_heterozygotes_only_is_warned_of(
    tmp_path: Path, target: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    alleles = target.alleles.copy()
    alleles[5, ::2], alleles[5, 1::2] = 0, 1
    write_panel(tmp_path / "t.vcf", replace(target, alleles=alleles))
    assert check(tmp_path, "--output", f"{tmp_path}/c") == 0
    worst = findings(tmp_path)["hardy_weinberg"]["worst"][0]
    assert worst["position"] == target.sites.positions[5]
    assert worst["genotypes"] == [0, 40, 0]
    assert worst["p"] == pytest.approx(float(hardy_weinberg_p(count_genotypes(alleles[5:6]))[0]), rel=1e-3)
    assert "warning: 1 site far from Hardy-Weinberg proportions (exact test, p under 1e-10), 1 with too many" in (
        capsys.readouterr().out
    )


def test_too_few_markers_are_an_error_and_a_low_expectation(
    tmp_path: Path, target: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    n_first = int(read_legend(tmp_path / "m_1.legend.gz").markers().sum())
    write_panel(tmp_path / "t.vcf", target[np.arange(n_first)])
    assert check(tmp_path, "--output", f"{tmp_path}/c") == 1
    regions = {region["index"]: region for region in findings(tmp_path)["expected_accuracy"]["regions"]}
    assert regions[1]["expectation"] == "as in validation"
    assert (regions[3]["expectation"], regions[3]["marker_share"]) == ("poor", 0.0)
    assert regions[1]["validation_r2"] is None  # a model without a manifest
    assert "error: expected at least a fifth" in capsys.readouterr().out
    assert check(tmp_path, "--region", f"22:1-{target.sites.positions[n_first - 4]}") == 0


def test_the_validation_of_the_manifest_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panel, regions = tiny_chromosome(np.random.default_rng(8), n_samples=40)
    write_tiny_bundle(tmp_path / "m", regions)
    write_panel(tmp_path / "t.vcf", panel[panel.sites.markers()], "chr22")
    manifest = manifest_of(tmp_path / "m", regions)
    entries = [
        replace(entry, summary={"networks": {"hybrid": {"validation_r2": 0.9 + entry.index / 100}}})
        for entry in manifest.regions
    ]
    write_manifest(tmp_path / "m", replace(manifest, regions=tuple(entries)))
    assert check(tmp_path, "--json") == 0
    expected = json.loads(capsys.readouterr().out)["expected_accuracy"]
    assert [region["validation_r2"] for region in expected["regions"]] == [0.91, 0.92, 0.93]
    assert "The target itself was not measured" in expected["basis"]
    write_manifest(tmp_path / "m", replace(manifest, regions=tuple(entries), n_regions=5))
    assert check(tmp_path) == 1
    assert "error: the model is incomplete: it lacks regions 4, 5 of 5" in capsys.readouterr().out


def test_haploid_samples_are_not_tested_for_hardy_weinberg_proportions(tmp_path: Path, target: Panel) -> None:
    lines = (tmp_path / "t.vcf").read_text().splitlines()
    words = [line.split("\t") for line in lines]
    changed = [
        line if line.startswith("#") else "\t".join(["X", *row[1:9], *(cell[0] for cell in row[9:19]), *row[19:]])
        for line, row in zip(lines, words, strict=True)
    ]
    (tmp_path / "t.vcf").write_text("\n".join(changed).replace("ID=21", "ID=X") + "\n")
    assert check(tmp_path, "--output", f"{tmp_path}/c", "--chromosome", "X") == 0
    table = gzip.decompress((tmp_path / "c.target_sites.tsv.gz").read_bytes()).decode().splitlines()[1:]
    genotypes = [[int(cell) for cell in line.split("\t")[7:10]] for line in table]
    expected = count_genotypes(target.alleles[:, 20:])
    assert genotypes == np.stack([expected.none, expected.one, expected.two], axis=1).tolist()


def test_copies_are_found_in_the_target_of_a_larger_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panel, regions = tiny_chromosome(np.random.default_rng(8), n_regions=60, n_samples=30)
    write_tiny_bundle(tmp_path / "m", regions)
    alleles = panel.alleles.copy()
    alleles[:, 50:52] = alleles[:, [11, 10]]
    write_panel(tmp_path / "t.vcf", replace(panel, alleles=alleles)[panel.sites.markers()])
    assert check(tmp_path, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    (pair,) = content["same_samples"]["pairs"]
    assert pair == {
        "samples": [panel.sample_names[5], panel.sample_names[25]],
        "sites": content["same_samples"]["sites_compared"],
        "agreement": 1.0,
    }


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--vcf", "absent.vcf"], 1, "absent.vcf: "),
        (["--output", "t"], 2, "expected one target"),
        (["--vcf", "{folder}/t.vcf", "--output", ""], 2, "--output must end in a name for the files"),
        (["--vcf", "{folder}/t.vcf", "--region", "22:x"], 2, "22:x"),
        (["--vcf", "{folder}/t.vcf", "--chromosome", "7"], 1, "7"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, target: Panel, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    given = [argument.format(folder=tmp_path) for argument in arguments]
    before = sorted(tmp_path.iterdir())
    output = [] if "--output" in given else ["--output", f"{tmp_path}/c"]
    assert main(["check", "--model-prefix", f"{tmp_path}/m", *given, *output]) == code
    assert message in error_line(capsys)
    assert sorted(tmp_path.iterdir()) == before


def test_an_input_is_not_replaced(tmp_path: Path, target: Panel, capsys: pytest.CaptureFixture[str]) -> None:
    write_target(tmp_path / "h", target)
    (tmp_path / "h.legend.gz").rename(tmp_path / "c.target_sites.tsv.gz")
    given = ["--hap", f"{tmp_path}/h.hap.gz", "--legend", f"{tmp_path}/c.target_sites.tsv.gz"]
    assert main(["check", *given, "--model-prefix", f"{tmp_path}/m", "--output", f"{tmp_path}/c"]) == 2
    assert "found the input" in error_line(capsys)
