"""The report of `rnnimp impute` on its target before it starts, and targets that it refuses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import REPOSITORY, random_panel, shared_data
from rnnimp.cli import main
from rnnimp.formats.bundle import open_bundle
from rnnimp.formats.files import read_lines
from rnnimp.formats.gen import read_gen
from rnnimp.formats.hapslegend import HapsLegendWriter, read_legend
from rnnimp.imputation.matched_target import join_model, match_target
from rnnimp.pipeline.impute.checks import check_target
from rnnimp.sites.matching import COMPLEMENT
from rnnimp.sites.panel import Panel, Sites, as_strings, default_sample_names
from rnnimp.wording import counted
from tiny_model import tiny_chromosome, tiny_region, write_tiny_bundle


def write_target(prefix: Path, panel: Panel) -> None:
    with HapsLegendWriter(prefix, panel.sample_names) as writer:
        writer.write(replace(panel.sites, is_marker=None, a1_freq=None), panel.alleles)


def write_vcf(path: Path, panel: Panel, contig: str) -> None:
    lines = ["##fileformat=VCFv4.2", f"##contig=<{contig}>"]
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *panel.sample_names]
    lines.append("\t".join(columns))
    for (position, a0, a1), row in zip(panel.sites.keys(), panel.alleles, strict=True):
        genotypes = [f"{first}|{second}" for first, second in zip(row[::2], row[1::2], strict=True)]
        lines.append("\t".join(["chr22", str(position), ".", a0, a1, ".", ".", ".", "GT", *genotypes]))
    path.write_text("\n".join(lines) + "\n")


def run(folder: Path, *arguments: str, vcf: bool = False) -> int:
    target = (
        ["--vcf", f"{folder}/t.vcf"] if vcf else ["--hap", f"{folder}/t.hap.gz", "--legend", f"{folder}/t.legend.gz"]
    )
    prefixes = ["--model-prefix", f"{folder}/m", "--output-prefix", f"{folder}/x.gen"]
    return main(["impute", *target, *prefixes, *arguments])


def report(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "x.checks.json").read_text())
    assert isinstance(content, dict)
    return content


def chromosome(folder: Path, n_samples: int = 100) -> Panel:
    """Writes a model of three regions and gives the panel it is of."""
    panel, regions = tiny_chromosome(np.random.default_rng(8), n_samples=n_samples)
    write_tiny_bundle(folder / "m", regions)
    return panel


def keep_markers(panel: Panel, shares: Sequence[float]) -> Panel:
    """The panel's markers, of each third of the sites only a share."""
    rows = [
        part[panel.sites.markers()[part]][: round(share * int(panel.sites.markers()[part].sum()))]
        for part, share in zip(np.array_split(np.arange(len(panel.sites)), 3), shares, strict=True)
    ]
    return panel[np.concatenate(rows)]


def test_report_of_the_published_example(tmp_path: Path) -> None:
    folder = shared_data("legacy_model")
    command = ["impute", "--hap", f"{folder}/target.hap.gz", "--legend", f"{folder}/target.legend.gz"]
    assert main([*command, "--model-prefix", f"{folder}/gru/s", "--output-prefix", f"{tmp_path}/x"]) == 0
    content = report(tmp_path)
    assert content["counts"] == {
        "target_sites": 68,
        "matched": 35,
        "swapped": 9,
        "strand_flipped": 0,
        "mismatched": 0,
        "not_in_model": 24,
        "observed_markers": 44,
        "missing_markers": 0,
        "flipped_by_request": 0,
        "undecided_taken_as_missing": 0,
        "repeated_left_out": 0,
    }
    assert content["chromosome"]["model"] == "22"
    assert content["genome_build"]["possible_for_model"] == ["GRCh37", "GRCh38", "T2T-CHM13v2"]
    assert [region["share"] for region in content["regions"]] == [1.0, 1.0]
    assert (content["warnings"], content["errors"]) == ([], [])


def test_few_markers_in_a_region_warn_and_very_few_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    panel = chromosome(tmp_path)
    write_target(tmp_path / "t", keep_markers(panel, [1, 0.4, 0]))
    assert run(tmp_path) == 1
    (message,) = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    content = report(tmp_path)
    found = {region["index"]: region for region in content["regions"]}
    assert found[1]["share"] > 0.5 > found[2]["share"] >= 0.2 > found[3]["share"]
    start = f"found region 3 ({found[3]['first_position']}-{found[3]['last_position']}) with"
    assert f"{start} {found[3]['n_observed']} of {found[3]['n_markers']} markers" in message
    assert message.endswith("give --region to impute a part, or --force to impute it anyway")
    assert len(content["errors"]) == len(content["warnings"]) == 1
    assert "expect less accuracy in 1 region with under 50% of the markers: region 2 (" in str(content)
    assert not (tmp_path / "x.gen").exists()
    assert run(tmp_path, "--force") == 0
    assert "imputed because of --force: expected at least a fifth" in capsys.readouterr().err
    assert (tmp_path / "x.gen").exists()


def test_regions_outside_of_the_asked_part_are_not_judged(tmp_path: Path) -> None:
    panel = chromosome(tmp_path)
    write_target(tmp_path / "t", keep_markers(panel, [1, 0.4, 0]))
    last = int(panel.sites.positions[15])
    assert run(tmp_path, "--region", f"22:1-{last}") == 0
    assert [region["index"] for region in report(tmp_path)["regions"]] == [1]


def test_samples_with_few_alleles_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panel = chromosome(tmp_path)
    target = keep_markers(panel, [1, 1, 1])
    alleles = target.alleles.copy()
    n_blank = len(alleles) // 2 + 1
    alleles[:n_blank, 14:16] = -1
    alleles[: n_blank - 2, 16:18] = -1
    write_target(tmp_path / "t", replace(target, alleles=alleles))
    assert run(tmp_path) == 0
    share = round(1 - n_blank / len(alleles), 4)
    assert report(tmp_path)["samples"] == [{"sample": "Sample_8", "called_share": share}]
    assert "under 50% of the alleles at the markers are called in 1 sample: Sample_8 (" in capsys.readouterr().err


@pytest.mark.parametrize(("has_hmm", "share", "warns"), [(False, 0.8, True), (False, 1.0, False), (True, 0.8, False)])
def test_a_model_that_cannot_skip_missing_markers_warns_of_them(has_hmm: bool, share: float, warns: bool) -> None:
    model = join_model(open_bundle(REPOSITORY / "src/rnnimp/demo/kgp3_chr22/chr22"))
    assert not model.lacks_hmm
    model = replace(model, regions=tuple(replace(region, has_hmm=has_hmm) for region in model.regions))
    markers = model.sites[model.sites.markers()]
    rng = np.random.default_rng(0)
    frequency = np.nan_to_num(markers.a1_freq, nan=0.5)[:, None]
    alleles = (rng.random((len(markers), 40)) < frequency).astype(np.int8)
    alleles[rng.random(alleles.shape) > share] = -1
    panel = Panel(markers, alleles, default_sample_names(20))
    warnings = check_target(match_target(panel, model)).report.warnings
    told = [text for text in warnings if text.startswith("20% of the alleles at the model's markers are missing")]
    assert len(told) == warns


def flipped(panel: Panel, rows: Sequence[int]) -> Panel:
    a0, a1 = panel.sites.a0.copy(), panel.sites.a1.copy()
    for row in rows:
        a0[row], a1[row] = COMPLEMENT[a0[row]], COMPLEMENT[a1[row]]
    return replace(panel, sites=replace(panel.sites, a0=a0, a1=a1))


def strand_model(folder: Path) -> tuple[Panel, list[int], list[int]]:
    """A model, its target, the rows of sites whose alleles show the strand, and of sites whose frequency does."""
    panel = random_panel(np.random.default_rng(5), n_sites=60, n_samples=100, marker_share=0.6, chromosome=None)
    a1 = panel.sites.a1.copy()
    is_snp = np.array([len(allele) == 1 for allele in a1])
    is_palindrome = is_snp & (np.arange(60) % 2 == 0)
    a1[is_palindrome] = [COMPLEMENT[allele] for allele in panel.sites.a0[is_palindrome]]
    sites = replace(panel.sites, a1=as_strings(a1), ids=as_strings(f"rs{row}" for row in range(60)))
    write_tiny_bundle(folder / "m", [tiny_region(np.random.default_rng(6), sites)])
    markers = np.flatnonzero(sites.markers())
    target = replace(panel, sites=sites)[markers]
    assert sites.a1_freq is not None
    is_safe = np.abs(sites.a1_freq[markers] - 0.5) > 0.25
    by_frequency = np.flatnonzero(is_palindrome[markers] & is_safe).tolist()
    by_alleles = np.flatnonzero((is_snp & ~is_palindrome)[markers]).tolist()
    return target, by_alleles, by_frequency


def test_flipped_sites_are_counted_and_mended_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, by_alleles, by_frequency = strand_model(tmp_path)
    write_target(tmp_path / "t", target)
    assert run(tmp_path, "--flip") == 0
    expected = (tmp_path / "x.gen").read_bytes()
    rows = [*by_alleles[:3], *by_frequency[:2]]
    write_target(tmp_path / "t", flipped(target, rows))
    assert run(tmp_path) == 0
    strand = report(tmp_path)["strand"]
    assert (strand["flipped_by_alleles"], strand["palindromic_flipped"]) == (3, 2)
    assert strand["palindromic_same"] >= len(by_frequency) - 2
    assert (tmp_path / "x.gen").read_bytes() != expected
    warning = "3 target sites on the other strand by alleles, and 2 A/T or C/G sites by frequency; --flip"
    assert warning in capsys.readouterr().err
    assert run(tmp_path, "--flip") == 0
    content = report(tmp_path)
    assert content["counts"]["flipped_by_request"] == 5
    assert (content["counts"]["strand_flipped"], content["strand"]["palindromic_flipped"]) == (0, 0)
    assert content["counts"]["matched"] == len(target.sites)
    assert (tmp_path / "x.gen").read_bytes() == expected


def test_frequency_alone_flips_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A/T and C/G sites whose frequency fits the other strand, in an array whose other sites do not."""
    target, by_alleles, by_frequency = strand_model(tmp_path)
    rows = by_frequency[:4]
    blank = target.alleles.copy()
    blank[rows] = -1
    write_target(tmp_path / "t", replace(target, alleles=blank))
    assert run(tmp_path, "--flip") == 0
    expected = [line.split()[5:] for line in read_lines(tmp_path / "x.gen")]
    write_target(tmp_path / "t", flipped(target, rows))
    capsys.readouterr()
    assert run(tmp_path, "--flip") == 0
    assert [line.split()[5:] for line in read_lines(tmp_path / "x.gen")] == expected
    content, names = report(tmp_path), target.sites.ids[rows].tolist()
    assert content["counts"]["flipped_by_request"] == content["strand"]["palindromic_flipped"] == 0
    assert content["strand"]["palindromic_contradicted"] == 4
    assert content["contradicted_strand"] == names
    named = f"{', '.join(names[:3])} and 1 more; ancestry may be the reason, so their alleles are treated as missing"
    assert (
        f"the allele frequency of 4 A/T or C/G sites fits the other strand, but sites whose alleles show the strand "
        f"are on the model's: {named}" in capsys.readouterr().err
    )
    n_few = (len(by_alleles) - 1) // 10  # under a tenth of the other SNPs is no evidence, a tenth is
    for n_flipped, n_contradicted in ((n_few, 4), (n_few + 1, 0)):
        write_target(tmp_path / "t", flipped(target, [*by_alleles[:n_flipped], *rows]))
        assert run(tmp_path) == 0
        assert report(tmp_path)["strand"]["palindromic_contradicted"] == n_contradicted


def undecided_rows(target: Panel) -> np.ndarray:
    """A/T and C/G sites whose frequency, the same in target and model, is too near to one half, by hand."""
    sites = target.sites
    is_palindrome = np.array([COMPLEMENT[a0] == a1 for a0, a1 in zip(sites.a0, sites.a1, strict=True)])
    assert sites.a1_freq is not None
    frequency, n_alleles = sites.a1_freq, target.alleles.shape[1]
    error = 3 * np.sqrt((frequency * (1 - frequency) + 1 / n_alleles) / n_alleles)
    return np.flatnonzero(is_palindrome & (np.abs(frequency - 0.5) < 0.1 + error))


def test_nothing_is_flipped_where_nothing_needs_it(tmp_path: Path) -> None:
    target, _, _ = strand_model(tmp_path)
    write_target(tmp_path / "t", target)
    assert run(tmp_path) == 0
    assert report(tmp_path)["counts"]["undecided_taken_as_missing"] == 0
    plain = (tmp_path / "x.gen").read_bytes()
    certain = np.delete(np.arange(len(target.sites)), undecided_rows(target))
    write_target(tmp_path / "t", target[certain])
    assert run(tmp_path) == 0
    without = (tmp_path / "x.gen").read_bytes()
    assert run(tmp_path, "--flip") == 0
    assert report(tmp_path)["counts"]["flipped_by_request"] == 0
    assert (tmp_path / "x.gen").read_bytes() == without != plain


def test_undecided_sites_are_taken_as_missing_where_sites_are_flipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, _, _ = strand_model(tmp_path)
    undecided = undecided_rows(target)
    assert 0 < len(undecided) < len(target.sites)
    blank = target.alleles.copy()
    blank[undecided] = -1
    write_target(tmp_path / "t", replace(target, alleles=blank))
    assert run(tmp_path) == 0
    expected = (tmp_path / "x.gen").read_bytes()
    write_target(tmp_path / "t", target)
    capsys.readouterr()
    assert run(tmp_path, "--flip") == 0
    assert (tmp_path / "x.gen").read_bytes() == expected
    content = report(tmp_path)
    counts = content["counts"]
    assert counts["undecided_taken_as_missing"] == content["strand"]["palindromic_undecided"] == len(undecided)
    assert counts["observed_markers"] == content["regions"][0]["n_observed"] == len(target.sites) - len(undecided)
    assert counts["missing_markers"] == len(undecided)
    sites = counted(len(undecided), "A/T or C/G site")
    warning = f"allele frequency does not show the strand of {sites}; their alleles are treated as missing"
    assert warning in capsys.readouterr().err
    assert content["samples"] == []


def test_an_undecided_site_that_the_model_imputes_is_imputed(tmp_path: Path) -> None:
    target, _, _ = strand_model(tmp_path)
    row = int(undecided_rows(target)[0])
    is_marker = np.arange(len(target.sites)) != row
    sites = replace(target.sites, is_marker=is_marker)
    write_tiny_bundle(tmp_path / "m", [tiny_region(np.random.default_rng(6), sites)])
    write_target(tmp_path / "t", target[is_marker])
    assert run(tmp_path, "--flip") == 0
    imputed = read_gen(tmp_path / "x.gen").dosages[row]
    write_target(tmp_path / "t", target)
    assert run(tmp_path, "--flip") == 0
    assert report(tmp_path)["counts"]["undecided_taken_as_missing"] == len(undecided_rows(target))
    assert np.array_equal(read_gen(tmp_path / "x.gen").dosages[row], imputed)
    assert run(tmp_path) == 0
    observed = target.alleles[row, ::2] + target.alleles[row, 1::2]
    assert np.array_equal(read_gen(tmp_path / "x.gen").dosages[row], observed)


def test_frequency_differences_are_listed_from_the_worst(tmp_path: Path) -> None:
    target = keep_markers(chromosome(tmp_path), [1, 1, 1])
    alleles = target.alleles.copy()
    alleles[4] = 1 - alleles[4]
    write_target(tmp_path / "t", replace(target, alleles=alleles))
    assert run(tmp_path) == 0
    frequencies = report(tmp_path)["frequencies"]
    assert frequencies["n_compared"] == len(target.sites)
    assert len(frequencies["worst"]) == min(20, len(target.sites))
    worst = frequencies["worst"][0]
    assert worst["position"] == target.sites.positions[4]
    assert worst["target"] == pytest.approx(alleles[4].mean(), abs=1e-6)
    assert worst["model"] == pytest.approx(target.alleles[4].mean(), abs=1e-6)
    assert frequencies["worst"][1]["target"] == frequencies["worst"][1]["model"]


def end_of_chr22(folder: Path) -> Panel:
    """A model of the published last region of chr22, GRCh37, and a target of its markers."""
    sites = read_legend(shared_data("published_chr22/chr22_225.legend.gz"))
    write_tiny_bundle(folder / "m", [tiny_region(np.random.default_rng(1), sites)])
    markers = sites[sites.markers()]
    alleles = np.random.default_rng(2).integers(0, 2, (len(markers), 8)).astype(np.int8)
    return Panel(markers, alleles, default_sample_names(4))


def shifted(panel: Panel, base_pairs: int) -> Panel:
    return replace(panel, sites=replace(panel.sites, positions=panel.sites.positions + base_pairs))


@pytest.mark.parametrize("contig", ["ID=chr22,length=50818468", "ID=chr22"])
def test_target_of_another_build_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], contig: str) -> None:
    target = end_of_chr22(tmp_path)
    write_vcf(tmp_path / "t.vcf", shifted(target, -486_098), contig)
    assert run(tmp_path, vcf=True) == 1
    (message,) = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert "expected a target of the model's genome build" in message
    assert "fit 486,098 bp above their positions" in message
    build = report(tmp_path)["genome_build"]
    assert build["shift"]["base_pairs"] == 486_098
    assert build["possible_for_model"] == ["GRCh37", "T2T-CHM13v2"]
    if "length" in contig:
        assert build["target"] == "GRCh38"
        assert "found positions of GRCh38 in the target and of GRCh37 or T2T-CHM13v2 in the model" in message
        command = "CrossMap vcf hg38ToHg19.over.chain.gz TARGET.vcf.gz hg19.fa LIFTED.vcf"
        assert message.endswith(f"; lift the target over to the model's build, for example: {command}")


def test_region_does_not_help_against_another_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = end_of_chr22(tmp_path)
    rows = np.arange(len(target.sites))
    chance, others = target[rows[:3]], shifted(target[rows[3:]], -486_098)
    sites = Sites.concatenate([others.sites, chance.sites])
    both = Panel(sites, np.concatenate([others.alleles, chance.alleles]), target.sample_names)
    write_vcf(tmp_path / "t.vcf", both[np.argsort(sites.positions, kind="stable")], "ID=chr22,length=50818468")
    assert run(tmp_path, vcf=True) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert report(tmp_path)["counts"]["observed_markers"] == 3
    assert message.endswith("give --force to impute it anyway")
    assert "--region" not in message


def test_target_of_the_same_build_and_another_name_is_fine(tmp_path: Path) -> None:
    target = end_of_chr22(tmp_path)
    write_vcf(tmp_path / "t.vcf", target, "ID=chr22,length=51304566,assembly=GRCh37")
    assert run(tmp_path, "--chromosome", "22", vcf=True) == 0
    content = report(tmp_path)
    assert content["genome_build"]["target"] == "GRCh37"
    assert content["chromosome"] == {"target": "chr22", "model": content["chromosome"]["model"], "asked_for": "22"}
    assert content["errors"] == []


def test_a_wrong_length_in_the_header_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_vcf(tmp_path / "t.vcf", end_of_chr22(tmp_path), "ID=chr22,length=50818468")
    assert run(tmp_path, vcf=True) == 0
    assert "found positions of GRCh38 in the target" in capsys.readouterr().err
    (warning,) = report(tmp_path)["warnings"]
    assert warning.endswith("its sites fit all the same, so the length in its header may be wrong")


def test_repeated_sites_of_a_vcf_are_left_out_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = end_of_chr22(tmp_path)
    rows = np.sort(np.concatenate([np.arange(len(target.sites)), [3, 3, 7]]))
    write_vcf(tmp_path / "t.vcf", target[rows], "ID=chr22")
    assert run(tmp_path, vcf=True) == 1
    assert "keep the first with --keep-first-duplicate" in capsys.readouterr().err
    assert run(tmp_path, "--keep-first-duplicate", vcf=True) == 0
    assert report(tmp_path)["counts"]["repeated_left_out"] == 3
    assert len(read_gen(tmp_path / "x.gen").sites) == len(read_legend(tmp_path / "m_1.legend.gz"))


def test_positions_of_several_sites_are_listed(tmp_path: Path) -> None:
    panel = keep_markers(chromosome(tmp_path), [1, 1, 1])
    third = {"G": "T", "T": "G", "A": "T", "TAG": "G"}[panel.sites.a1[0]]
    more = Sites.build([panel.sites.positions[0]], [panel.sites.a0[0]], [third if third != panel.sites.a0[0] else "C"])
    plain = replace(panel.sites, is_marker=None, a1_freq=None)
    sites = Sites.concatenate([plain[:1], more, plain[1:]])
    alleles = np.insert(panel.alleles, 1, 0, axis=0)
    write_target(tmp_path / "t", Panel(sites, alleles, panel.sample_names))
    assert run(tmp_path) == 0
    content = report(tmp_path)
    assert content["shared_positions"] == [int(panel.sites.positions[0])]
    assert content["counts"]["mismatched"] == 1


def test_many_regions_with_few_markers_are_named_by_three_and_a_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    panel, regions = tiny_chromosome(np.random.default_rng(8), n_regions=8)
    write_tiny_bundle(tmp_path / "m", regions)
    first = panel.sites.markers() & (np.arange(len(panel.sites)) < 10)
    write_target(tmp_path / "t", panel[first])
    assert run(tmp_path) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    coverage = report(tmp_path)["regions"]
    n_poor = sum(region["share"] < 0.2 for region in coverage)
    assert n_poor > 4
    assert f"found {n_poor} regions with fewer: region " in message
    assert f" and {n_poor - 3} more; " in message
    assert message.count(" markers") == 3 + 1  # three regions, and what was expected
    assert run(tmp_path, "--force") == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning:" in line]
    (forced,) = [line for line in warnings if "--force" in line]
    assert forced.count(" markers") == 3 + 1
    (unobserved,) = [line for line in warnings if "has no marker of" in line]
    n_unobserved = sum(region["n_observed"] == 0 for region in coverage)
    assert f"no marker of {n_unobserved} regions: region " in unobserved
