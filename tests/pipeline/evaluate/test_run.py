"""`rnnimp evaluate`: tables computed by hand, and files of every format."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vcf_files
from helpers import program, random_panel, shared_data
from rnnimp.cli import main
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.bgen import BgenWriter
from rnnimp.formats.gen import GenWriter
from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.formats.pgen.writing import PgenWriter
from rnnimp.formats.vcf.bcf_writing import BcfWriter
from rnnimp.formats.vcf.header import VcfContent
from rnnimp.formats.vcf.writing import VcfWriter
from rnnimp.pipeline.evaluate.inputs import EvaluateInputs, EvaluateSettings
from rnnimp.pipeline.evaluate.results import Evaluation
from rnnimp.pipeline.evaluate.run import evaluate, evaluate_all
from rnnimp.pipeline.evaluate.sources import GenotypeSource, read_imputed, read_truth
from rnnimp.scoring.accuracy import compare_genotypes
from rnnimp.scoring.measures import non_reference_discordance
from rnnimp.sites.panel import ImputedBlock, Panel, Sites

TRUTH = {  # site: id position a0 a1 array_marker_flag a1_freq, and the haplotypes of four samples
    "s1 10 A G 0 0.5": "0 0 0 1 1 1 1 0",
    "s2 20 C CT 0 0.125": "0 0 0 0 0 1 0 0",
    "s3 30 G T 1 0.3": "0 1 0 1 0 1 0 1",
    "s4 40 T C 0 0.125": "0 0 0 1 0 0 0 0",
    "s6 60 A C 0 0.2": "0 1 0 0 0 0 0 0",
}
IMPUTED = (
    "--- s1 10 A G 1 0 0 0 1 0 0 0 1 0 1 0",
    "--- s2 20 C CT 0.75 0.25 0 0.75 0.25 0 0.75 0.25 0 0.75 0.25 0",
    "--- s3 30 G T 0 0 1 0 0 1 0 0 1 1 0 0",
    "--- s4 40 C T 0 0 1 0 1 0 0 0 1 0 0 1",
    "--- s5 50 A C 1 0 0 1 0 0 1 0 0 1 0 0",
)
GOLDEN = """\
maf_percent  sites  varying  mean_r2  aggregate_r2  concordance     nrd  mean_iqs
       0-20      2        2   0.5000        0.5000       0.8750  0.5000    0.5000
      20-50      1        1   1.0000        1.0000       1.0000  0.0000    1.0000
        all      3        3   0.6667        0.8500       0.9167  0.2000    0.6667
"""
"""Computed by hand. s1 is perfect, and so is s4 after an allele swap. s2 has dosage 0.25 for the truth 0 0 1 0.

s2: r2 0; one of four guesses wrong, three of them 0 in both; Po = 0.625 = (3 * 3 + 1 * 1) / 16 = Pc, so IQS 0.
0-20, 8 pairs, both means 0.25: sums of squares 2 - 0.5 and 4 / 16 + 1 - 0.5, products 0.25 + 1 - 0.5, so r2 =
0.75^2 / (1.5 * 0.75) = 0.5. All, 12 pairs, both means 0.5: 8 - 3, 7.25 - 3 and 7.25 - 3, so r2 = 4.25 / 5.
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    (tmp_path / "true.legend").write_text("\n".join(["id position a0 a1 array_marker_flag a1_freq", *TRUTH]) + "\n")
    (tmp_path / "true.hap").write_text("\n".join(TRUTH.values()) + "\n")
    (tmp_path / "imputed.gen").write_text("\n".join(IMPUTED) + "\n")
    return tmp_path


def run(folder: Path, *options: str) -> int:
    return main(["evaluate", "--imputed", f"{folder}/imputed.gen", "--truth", f"{folder}/true.hap", *options])


def test_golden_table(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(example, "--bins", "0,20,50") == 0
    out, log = capsys.readouterr()
    assert out == GOLDEN
    assert log == (
        "4 sites in both files (1 with alleles swapped), 1 imputed only, 1 in the truth only; "
        "1 typed, 3 scored; 4 samples in both, 0 imputed only, 0 in the truth only\n"
    )


def test_tables_are_written(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(example, "--bins", "0,20,50", "--output-prefix", f"{example}/new/x", "--chromosome", "7") == 0
    bins = [line.split("\t") for line in (example / "new/x.bins.tsv").read_text().splitlines()]
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert bins[0] == shown[0]
    assert [row[:3] for row in bins] == [row[:3] for row in shown]
    assert bins[3][3:] == ["0.666667", "0.850000", "0.916667", "0.200000", "0.666667"]
    sites = gzip.decompress((example / "new/x.sites.tsv.gz").read_bytes()).decode().splitlines()
    assert sites == [
        "chromosome\tposition\tid\ta0\ta1\ta1_freq\tmaf\ttyped\tswapped\tgenotypes\tr2\tconcordance\tnrd\tiqs",
        "7\t10\ts1\tA\tG\t0.500000\t0.500000\t0\t0\t4\t1.000000\t1.000000\t0.000000\t1.000000",
        "7\t20\ts2\tC\tCT\t0.125000\t0.125000\t0\t0\t4\t0.000000\t0.750000\t1.000000\t0.000000",
        "7\t40\ts4\tT\tC\t0.125000\t0.125000\t0\t1\t4\t1.000000\t1.000000\t0.000000\t1.000000",
    ]


def test_all_sites_include_typed_ones(example: Path) -> None:
    """s3: the truth is 1 1 1 1, guessed are 2 2 2 0."""
    files = GenotypeSource(example / "imputed.gen"), GenotypeSource(example / "true.hap")
    found = evaluate(*files, EvaluateSettings(all_sites=True))
    assert found.sites.ids.tolist() == ["s1", "s2", "s3", "s4"]
    assert found.is_typed.tolist() == [False, False, True, False]
    assert (found.bins[-1].n_sites, found.bins[-1].n_varying) == (4, 3)
    assert found.bins[-1].concordance == pytest.approx(11 / 16)


def test_nothing_but_typed_sites(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    legend = example / "true.legend"
    legend.write_text(legend.read_text().replace(" 0 0.", " 1 0."))
    assert run(example) == 1
    assert "every site in common is typed, so nothing is left to score; add --all-sites" in capsys.readouterr().err
    assert run(example, "--all-sites") == 0


@pytest.mark.parametrize("flagged", ["truth", "frequencies", "none"])
def test_who_says_which_sites_are_typed(example: Path, flagged: str, capsys: pytest.CaptureFixture[str]) -> None:
    legend = (example / "true.legend").read_text()
    (example / "panel.legend").write_text(legend)
    plain = "\n".join(" ".join(line.split()[:4]) for line in legend.splitlines()) + "\n"
    if flagged != "truth":
        (example / "true.legend").write_text(plain)
    options = ["--frequencies", f"{example}/panel.legend"] if flagged == "frequencies" else []
    assert run(example, *options) == 0
    log = capsys.readouterr().err
    assert ("no file says which sites are typed" in log) == (flagged == "none")
    assert (f"{0 if flagged == 'none' else 1} typed, {4 if flagged == 'none' else 3} scored") in log


@pytest.mark.parametrize("kind", ["legend", "flagged", "vcf"])
def test_typed_sites_may_be_named(example: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They outdo the truth's flags: s1 with its alleles exchanged and s4 are typed, s3 is not."""
    rows = [("t1", 10, "G", "A"), ("t4", 40, "T", "C"), ("t9", 90, "T", "C")]
    path = example / ("typed.vcf" if kind == "vcf" else "typed.legend")
    if kind == "vcf":
        records = [f"22\t{position}\t{name}\t{a0}\t{a1}\t.\t.\t." for name, position, a0, a1 in rows]
        head = "##fileformat=VCFv4.2\n##contig=<ID=22>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
        path.write_text("\n".join([head, *records]) + "\n")
    else:
        flag = ["array_marker_flag", "1"] if kind == "flagged" else ["", ""]
        lines = [f"id position a0 a1 {flag[0]}", *(" ".join(map(str, row)) + f" {flag[1]}" for row in rows)]
        if kind == "flagged":
            lines.insert(2, "s2 20 C CT 0")
        path.write_text("\n".join(lines) + "\n")
    assert run(example, "--typed", str(path), "--output-prefix", f"{example}/x") == 0
    assert "2 typed, 2 scored" in capsys.readouterr().err
    with gzip.open(example / "x.sites.tsv.gz", "rt") as file:
        assert [line.split("\t")[2] for line in file][1:] == ["s2", "s3"]


# --- frequencies ----------------------------------------------------------------------------------------------


def scored_frequencies(folder: Path, frequencies: Path | None = None) -> dict[str, float]:
    files = GenotypeSource(folder / "imputed.gen"), GenotypeSource(folder / "true.hap")
    found = evaluate(*files, EvaluateSettings(), frequencies)
    assert found.sites.a1_freq is not None
    return dict(zip(found.sites.ids.tolist(), found.sites.a1_freq.tolist(), strict=True))


def test_frequencies_come_from_the_panel_then_the_legend_then_the_genotypes(
    example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    panel = example / "panel.legend"
    panel.write_text("id position a0 a1 a1_freq\nx 10 G A 0.9\ny 20 C CT 0.004\nz 40 T G 0.3\n")
    found = scored_frequencies(example, panel)
    assert found["s1"] == pytest.approx(0.1)  # its alleles stand the other way round
    assert found["s2"] == 0.004
    assert np.isnan(found["s4"])  # the panel has the position with other alleles
    assert run(example, "--frequencies", str(panel)) == 0
    out, log = capsys.readouterr()
    assert "scored sites without a frequency, which are in no bin: 1" in log
    assert [line.split()[1] for line in out.splitlines()] == ["sites", "0", "1", "0", "0", "0", "1", "0", "0", "3"]
    legend = example / "true.legend"
    legend.write_text(legend.read_text().replace("0.5\n", "0.45\n").replace("0.125\n", "NA\n"))
    assert str(scored_frequencies(example)) == "{'s1': 0.45, 's2': nan, 's4': nan}"
    legend.write_text("\n".join(" ".join(line.split()[:5]) for line in legend.read_text().splitlines()) + "\n")
    assert scored_frequencies(example) == {"s1": 0.5, "s2": 0.125, "s4": 0.125}


@pytest.mark.parametrize("kind", ["site table", "vcf", "1000G legend", "chosen column"])
def test_frequencies_of_any_table_or_vcf(example: Path, kind: str) -> None:
    path = example / ("panel.vcf" if kind == "vcf" else "panel.txt")
    rows = [(10, "G", "A", 0.9), (20, "C", "CT", 0.004), (40, "T", "C", 0.3)]
    if kind == "vcf":
        header = '##INFO=<ID=AF,Number=A,Type=Float,Description="-">\n'
        vcf_files.write_vcf(path, [f"22 {p} . {a0} {a1} AF={af}" for p, a0, a1, af in rows], "", header)
    else:
        name = {"site table": "AF", "1000G legend": "ALL", "chosen column": "GBR"}[kind]
        path.write_text(f"id position a0 a1 x {name}\n" + "".join(f". {p} {r} {a} 0.5 {f}\n" for p, r, a, f in rows))
    files = GenotypeSource(example / "imputed.gen"), GenotypeSource(example / "true.hap")
    column = "GBR" if kind == "chosen column" else None
    inputs = EvaluateInputs({"x": files[0]}, files[1], path, column)
    found = evaluate_all(inputs, EvaluateSettings(), keep_sites=True).evaluations["x"].sites
    assert found.a1_freq is not None
    assert dict(zip(found.ids.tolist(), found.a1_freq.tolist(), strict=True)) == pytest.approx(
        {"s1": 0.1, "s2": 0.004, "s4": 0.3}
    )


def test_a_panel_without_frequencies_is_refused(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example / "panel.legend").write_text("id position a0 a1\nx 10 G A\n")
    assert run(example, "--frequencies", f"{example}/panel.legend") == 1
    assert (
        "panel.legend:1: expected a column a1_freq, or the panel's haplotypes beside the legend"
        in capsys.readouterr().err
    )


def test_frequencies_are_counted_beside_a_legend_with_alleles_that_are_no_sequence(example: Path) -> None:
    (example / "panel.legend").write_text("id position a0 a1\nx 10 A G\ny 15 C <DEL>\nz 40 T C\n")
    (example / "panel.hap").write_text("0 1 0 0\n1 1 1 1\n1 1 0 1\n")
    found = scored_frequencies(example, example / "panel.legend")
    assert (found["s1"], found["s4"]) == (0.25, 0.75)


def test_frequencies_are_counted_in_the_haplotypes_beside_a_legend_without_them(example: Path) -> None:
    (example / "panel.legend").write_text("id position a0 a1\nx 10 G A\ny 20 C CT\nz 40 T C\n")
    (example / "panel.hap").write_text("0 1 1 1 1 1\n0 0 0 0 0 1\n0 1 ? 0 0 0\n")
    found = scored_frequencies(example, example / "panel.legend")
    assert found == {"s1": pytest.approx(1 / 6), "s2": pytest.approx(1 / 6), "s4": pytest.approx(0.2)}


def test_a_table_without_frequencies_is_refused(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example / "panel.pvar").write_text("#CHROM POS ID REF ALT\n22 10 x A G\n")
    assert run(example, "--frequencies", f"{example}/panel.pvar") == 1
    assert (
        "panel.pvar:1: expected a column of frequencies, a1_freq, AF, ALT_FREQS, ALL, found" in capsys.readouterr().err
    )


def test_haplotypes_of_any_name_are_read_with_their_legend(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(example, "--bins", "0,20,50") == 0
    expected = capsys.readouterr().out
    (example / "true.hap").rename(example / "x.haplotypes")
    (example / "true.legend").rename(example / "y.legend")
    files = ["--imputed", f"{example}/imputed.gen", "--truth", f"{example}/x.haplotypes"]
    assert main(["evaluate", *files, "--bins", "0,20,50"]) == 2
    assert "for haplotypes of another name give their legend" in capsys.readouterr().err
    assert main(["evaluate", *files, "--truth-legend", f"{example}/y.legend", "--bins", "0,20,50"]) == 0
    assert capsys.readouterr().out == expected
    (example / "y.legend").rename(example / "x.legend")  # which lies beside them
    assert main(["evaluate", *files, "--bins", "0,20,50"]) == 0
    assert capsys.readouterr().out == expected


# --- every format gives the same ------------------------------------------------------------------------------


def write_vcf(path: Path, panel: Panel, is_phased: bool = True) -> Path:
    """Genotypes as plain VCF text, written here so that no writer of ours is needed."""
    separator = "|" if is_phased else "/"
    header = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *panel.sample_names]
    lines = [
        "##fileformat=VCFv4.2",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        "##contig=<ID=22,length=51304566>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(header),
    ]
    for (position, a0, a1), row in zip(panel.sites.keys(), panel.alleles.tolist(), strict=True):
        words = ["." if code < 0 else str(code) for code in row]
        calls = [separator.join(words[i : i + 2]) for i in range(0, len(words), 2)]
        lines.append("\t".join(["22", str(position), ".", a0, a1, ".", ".", ".", "GT", *calls]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_gen(path: Path, panel: Panel) -> Path:
    lines = []
    for (position, a0, a1), row in zip(panel.sites.keys(), panel.alleles.tolist(), strict=True):
        copies = [row[i] + row[i + 1] if min(row[i : i + 2]) >= 0 else None for i in range(0, len(row), 2)]
        triples = ["0 0 0" if count is None else " ".join(str(int(count == k)) for k in range(3)) for count in copies]
        lines.append(f"--- . {position} {a0} {a1} {' '.join(triples)}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_haps(prefix: Path, panel: Panel) -> Path:
    with HapsLegendWriter(prefix, panel.sample_names) as writer:
        writer.write(panel.sites, panel.alleles)
    return prefix.with_name(prefix.name + ".hap.gz")


def two_panels(rng: np.random.Generator, n_sites: int = 80, n_samples: int = 12) -> tuple[Panel, Panel]:
    """A truth, and a copy of it with wrong and missing alleles."""
    truth = random_panel(rng, n_sites, n_samples, missing_share=0.03)
    alleles = truth.alleles.copy()
    is_wrong = rng.random(alleles.shape) < 0.1
    alleles[is_wrong] = rng.integers(0, 2, np.count_nonzero(is_wrong))
    alleles[rng.random(alleles.shape) < 0.03] = -1
    return truth, Panel(truth.sites, alleles, truth.sample_names)


def test_every_format_gives_the_same_scores(tmp_path: Path) -> None:
    truth, imputed = two_panels(np.random.default_rng(1))
    sources = {
        "hap": (write_haps(tmp_path / "i", imputed), write_haps(tmp_path / "t", truth)),
        "vcf": (write_vcf(tmp_path / "i.vcf", imputed), write_vcf(tmp_path / "t.vcf", truth)),
        "gen": (write_gen(tmp_path / "i.gen", imputed), write_gen(tmp_path / "t.gen", truth)),
    }
    results: list[Evaluation] = []
    for imputed_file, true_file in ((a, b) for a in sources for b in sources):
        pair = GenotypeSource(sources[imputed_file][0]), GenotypeSource(sources[true_file][1])
        results.append(evaluate(*pair, EvaluateSettings(all_sites=True)))
    for other in results[1:]:
        np.testing.assert_array_equal(other.statistics.r2(), results[0].statistics.r2())
        np.testing.assert_array_equal(other.statistics.guesses, results[0].statistics.guesses)
        np.testing.assert_array_equal(other.statistics.weights, results[0].statistics.weights)
    assert 0.3 < results[0].bins[-1].mean_r2 < 1


def imputed_block(rng: np.random.Generator, is_x: bool) -> ImputedBlock:
    """Random probabilities of ten samples; on chrX four of them are haploid. One typed site is missing in all."""
    sites = random_panel(rng, n_sites=40).sites
    probabilities = rng.random((40, 20)).astype(np.float32) ** 2
    is_typed = np.arange(40) % 4 == 0
    probabilities[is_typed] = np.rint(probabilities[is_typed])
    is_missing = np.zeros((40, 20), dtype=bool)
    is_missing[8], probabilities[8] = True, 0.5
    is_haploid = np.zeros((40, 10), dtype=bool)
    if is_x:
        is_haploid[:, :4] = True
        probabilities[:, 1:8:2] = probabilities[:, :8:2]
    plain = replace(sites, is_marker=None, a1_freq=None, swapped=None, chromosome=None)
    return ImputedBlock(plain, probabilities, is_typed, is_missing, is_haploid if is_x else None)


@pytest.mark.parametrize("chromosome", ["22", "X"])
def test_imputed_bgen_and_pgen_score_as_the_vcf_does(tmp_path: Path, chromosome: str) -> None:
    rng = np.random.default_rng(4)
    block = imputed_block(rng, chromosome == "X")
    names = tuple(f"s{number}" for number in range(10))
    writers = [
        VcfWriter(tmp_path / "i.vcf", VcfContent(names, chromosome), tmp_path / "i.sums.tsv.gz"),
        BgenWriter(tmp_path / "i.bgen", names, chromosome),
        PgenWriter(tmp_path / "i", names, chromosome),
    ]
    for writer in writers:
        with writer:
            writer.write(block)
    alleles = (rng.random(block.alt_probabilities.shape) < block.alt_probabilities).astype(np.int8)
    if block.is_haploid is not None:
        alleles[:, 1:8:2] = alleles[:, :8:2]
    truth = GenotypeSource(write_haps(tmp_path / "t", Panel(block.sites, alleles, names)))
    found = {}
    for ending in ("vcf", "bgen", "pgen"):
        source = GenotypeSource(tmp_path / f"i.{ending}")
        found[ending] = evaluate(source, truth, EvaluateSettings(all_sites=True))
        assert read_imputed(source, None).sample_names == names
    for ending in ("bgen", "pgen"):
        np.testing.assert_allclose(found[ending].statistics.r2(), found["vcf"].statistics.r2(), atol=2e-3)
        assert found[ending].sites.keys() == found["vcf"].sites.keys()
    np.testing.assert_array_equal(found["bgen"].statistics.guesses, found["vcf"].statistics.guesses)
    np.testing.assert_array_equal(found["pgen"].is_typed, found["vcf"].is_typed)  # IMP of the .pvar
    scores = [read_imputed(GenotypeSource(tmp_path / f"i.{ending}"), None).scores["R2"] for ending in ("pgen", "vcf")]
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_files_of_all_formats_are_compared_in_one_pass(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    block, names = imputed_block(rng, is_x=False), tuple(f"s{number}" for number in range(10))
    writers = [
        VcfWriter(tmp_path / "i.vcf", VcfContent(names, "22"), tmp_path / "i.sums.tsv.gz"),
        BcfWriter(tmp_path / "i.bcf", VcfContent(names, "22"), tmp_path / "j.sums.tsv.gz"),
        BgenWriter(tmp_path / "i.bgen", names, "22"),
        PgenWriter(tmp_path / "i", names, "22"),
        GenWriter(tmp_path / "i", names),
    ]
    for writer in writers:
        with writer:
            writer.write(block)
    alleles = (rng.random(block.alt_probabilities.shape) < block.alt_probabilities).astype(np.int8)
    truth = GenotypeSource(write_haps(tmp_path / "t", Panel(block.sites, alleles, names)))
    sources = {ending: GenotypeSource(tmp_path / f"i.{ending}") for ending in ("vcf", "bcf", "bgen", "pgen", "gen")}
    settings = EvaluateSettings(all_sites=True, n_replicates=20)
    results = evaluate_all(EvaluateInputs(sources, truth), settings, keep_sites=True)
    r2 = {name: found.statistics.r2() for name, found in results.evaluations.items()}
    assert np.isfinite(r2["vcf"]).sum() > 20
    for name, values in r2.items():
        np.testing.assert_allclose(values, r2["vcf"], atol=2e-3, err_msg=name)
    differences = [each.value for each in results.differences if each.measure in ("mean_r2", "aggregate_r2")]
    assert np.nanmax(np.abs(differences)) < 0.01


def test_unphased_bgen_and_hard_calls_of_plink2_score_as_the_vcf_does(tmp_path: Path) -> None:
    truth, imputed = two_panels(np.random.default_rng(6))
    source, true = write_vcf(tmp_path / "i.vcf", imputed, is_phased=False), write_vcf(tmp_path / "t.vcf", truth)
    for arguments in (["--make-pgen"], ["--export", "bgen-1.2", "bits=8"]):
        command = [program("plink2"), "--vcf", source, "--vcf-half-call", "missing", "--out", tmp_path / "p"]
        subprocess.run([*command, *arguments], check=True, capture_output=True)
    expected = evaluate(GenotypeSource(source), GenotypeSource(true), EvaluateSettings(all_sites=True))
    given = {"p.pgen": None, "p.bgen": tmp_path / "p.sample"}
    for name, sample in given.items():
        found = evaluate(
            GenotypeSource(tmp_path / name, sample=sample), GenotypeSource(true), EvaluateSettings(all_sites=True)
        )
        np.testing.assert_allclose(found.statistics.r2(), expected.statistics.r2(), atol=1e-6)
        np.testing.assert_array_equal(found.statistics.guesses, expected.statistics.guesses)


def test_haplotypes_count_as_certain_genotypes(tmp_path: Path) -> None:
    truth, _ = two_panels(np.random.default_rng(2))
    source = GenotypeSource(write_haps(tmp_path / "t", truth))
    found, table = read_truth(source, None), read_imputed(source, None)
    copies = truth.alleles[:, ::2].astype(float) + truth.alleles[:, 1::2]
    copies[(truth.alleles[:, ::2] < 0) | (truth.alleles[:, 1::2] < 0)] = np.nan
    np.testing.assert_array_equal(np.where(found.genotypes < 0, np.nan, found.genotypes), copies)
    np.testing.assert_array_equal(table.dosages, copies)
    np.testing.assert_array_equal(table.probabilities @ np.arange(3), copies)
    assert found.sample_names == truth.sample_names


def test_companions_are_found_by_name_or_given(tmp_path: Path) -> None:
    truth, _ = two_panels(np.random.default_rng(3), n_sites=5, n_samples=2)
    named = Panel(truth.sites, truth.alleles, ("Ann", "Bob"))
    hap = write_haps(tmp_path / "chr22.true", named)
    assert read_truth(GenotypeSource(hap), None).sample_names == ("Ann", "Bob")
    for ending in ("legend.gz", "sample"):
        (tmp_path / f"chr22.true.{ending}").rename(tmp_path / f"other.{ending}")
    with pytest.raises(DataError, match=r"chr22\.true\.hap\.gz: expected its legend beside it"):
        read_truth(GenotypeSource(hap), None)
    given = read_truth(GenotypeSource(hap, tmp_path / "other.legend.gz"), "22")
    assert given.sample_names is None
    assert given.sites.chromosome == "22"
    given = read_truth(GenotypeSource(hap, tmp_path / "other.legend.gz", tmp_path / "other.sample"), None)
    assert given.sample_names == ("Ann", "Bob")


# --- against bcftools -----------------------------------------------------------------------------------------


def bcftools_stats(first: Path, second: Path) -> dict[str, list[list[str]]]:
    """The rows of `bcftools stats` on two files, by the name in their first column."""
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")
    packed = []
    for path in (first, second):
        packed.append(f"{path}.gz")
        for command in (["view", "-Oz", "-o", packed[-1], str(path)], ["index", packed[-1]]):
            subprocess.run(["bcftools", *command], check=True, capture_output=True)
    text = subprocess.run(["bcftools", "stats", "-s", "-", *packed], check=True, capture_output=True, text=True).stdout
    rows: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        name, *row = line.split("\t")
        rows.setdefault(name, []).append(row)
    return rows


@pytest.mark.parametrize("seed", [1, 2])
def test_agreement_with_bcftools_stats(tmp_path: Path, seed: int) -> None:
    truth, imputed = two_panels(np.random.default_rng(seed), n_sites=300, n_samples=15)
    is_snp = np.array([len(a1) == 1 for a1 in truth.sites.a1])  # its table for SNPs
    truth, imputed = truth[is_snp], imputed[is_snp]
    true_file = write_vcf(tmp_path / "t.vcf", truth)
    imputed_file = write_vcf(tmp_path / "i.vcf", imputed, is_phased=False)
    rows = bcftools_stats(true_file, imputed_file)
    found = evaluate(GenotypeSource(imputed_file), GenotypeSource(true_file), EvaluateSettings(all_sites=True))
    (overall,) = rows["NRDs"]
    assert 100 * found.bins[-1].discordance == pytest.approx(float(overall[1]), abs=1e-4)
    pair = read_truth(GenotypeSource(true_file), None), read_imputed(GenotypeSource(imputed_file), None)
    by_sample = compare_genotypes(pair[0].genotypes.T, pair[1].dosages.T, pair[1].probabilities.swapaxes(0, 1))
    columns: Sequence[list[str]] = rows["GCsS"]
    assert [row[1] for row in columns] == list(truth.sample_names)
    discordance = 100 * non_reference_discordance(by_sample.guesses)
    np.testing.assert_allclose([float(row[2]) for row in columns], discordance, atol=1e-3)
    matches = np.array([[int(row[i]) for i in (3, 4, 5)] for row in columns])
    np.testing.assert_array_equal(by_sample.guesses.diagonal(axis1=1, axis2=2), matches)
    np.testing.assert_allclose([float(row[-1]) for row in columns], by_sample.r2(), atol=1e-5)
    samples = found.samples  # what PREFIX.samples.tsv.gz has
    np.testing.assert_allclose(100 * samples.discordance, [float(row[2]) for row in columns], atol=1e-3)
    np.testing.assert_allclose(samples.r2, [float(row[-1]) for row in columns], atol=1e-5)


def test_impute2_output_is_read_and_the_panel_of_other_people_is_no_truth_for_it(tmp_path: Path) -> None:
    folder = shared_data("interop/impute2_example_chr22")
    imputed = tmp_path / "impute2.gen"
    shutil.copy(folder / "example.chr22.one.phased.impute2", imputed)
    table = read_imputed(GenotypeSource(imputed), "22")
    first = imputed.read_text().split("\n", 1)[0].split()
    assert (table.sites.ids[0], str(table.sites.positions[0])) == (first[1], first[2])
    triple = [float(word) for word in first[5:8]]
    np.testing.assert_allclose(table.probabilities[0, 0], triple, atol=1e-6)
    assert table.dosages[0, 0] == pytest.approx(triple[1] + 2 * triple[2], abs=1e-6)
    reference = GenotypeSource(folder / "example.chr22.1kG.haps")
    with pytest.raises(DataError, match=r"expected the same samples, found \d+ imputed and 56 true ones"):
        evaluate(GenotypeSource(imputed), reference, EvaluateSettings())


# --- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", ["5", "1,1", "5,2", "-1,5", "0,60"])
def test_bad_bins(example: Path, capsys: pytest.CaptureFixture[str], bins: str) -> None:
    assert run(example, f"--bins={bins}") == 2
    assert "--bins needs two or more rising percentages from 0 to 50" in capsys.readouterr().err


@pytest.mark.parametrize("bins", ["0;5", "nan,5", "0,inf", "0,5,", "1_0,20"])
def test_bins_that_are_no_numbers(example: Path, capsys: pytest.CaptureFixture[str], bins: str) -> None:
    assert run(example, "--bins", bins) == 2
    assert f"expected percentages separated by commas, found '{bins}'" in capsys.readouterr().err


def test_a_wrong_ending(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsError, match=r"x\.txt: expected a name that ends in \.vcf"):
        evaluate(GenotypeSource("x.txt"), GenotypeSource("y.vcf"), EvaluateSettings())
    assert main(["evaluate", "--imputed", "x.txt", "--truth", f"{example}/true.hap"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("A C", "A G", "expected sites in common, found none among"),
        ("1 0 0 1 0 0 1 0 0 1 0 0\n", "1 0 0 1 0 0\n", "expected the same samples, found 2 imputed and 4 true ones"),
        ("1 0 0 1 0 0 1 0 0 1 0 0\n", "1 0 0 1 0\n", "imputed.gen:1: "),
    ],
)
def test_nothing_to_compare(
    example: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    line = "--- s5 60 A C 1 0 0 1 0 0 1 0 0 1 0 0\n"
    assert old in line
    (example / "imputed.gen").write_text(line.replace(old, new))
    assert run(example, "--output-prefix", f"{example}/x") == 1
    error = capsys.readouterr().err
    assert error.startswith("rnnimp: error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not list(example.glob("x.*"))


def test_an_unwritable_output(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(example, "--output-prefix", f"{example}/true.hap/x") == 1
    out, log = capsys.readouterr()
    assert out == ""
    assert "true.hap/x.bins.tsv: cannot be written" in log


HAPLOID_TRUTH = np.array([[0, 1, 1, 0, 1], [1, 0, 1, 1, 2]])  # copies: two males, three females
HAPLOID_DOSAGES = np.array([[0.1, 0.7, 0.9, 0.4, 1.5], [0.8, 0.3, 1.2, 0.7, 1.9]])


def write_chrx(path: Path, fields: str, texts: Sequence[Sequence[str]]) -> Path:
    """A VCF of two sites of chrX and five samples."""
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=X>"]
    for name, number, kind in (("GT", "1", "String"), ("DS", "1", "Float"), ("GP", "G", "Float")):
        lines.append(f'##FORMAT=<ID={name},Number={number},Type={kind},Description="{name}">')
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    lines.append("\t".join([*columns, "m1", "m2", "f1", "f2", "f3"]))
    for position, row in zip((100, 200), texts, strict=True):
        lines.append("\t".join(["X", str(position), f"s{position}", "A", "C", ".", ".", ".", fields, *row]))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_haploid_samples_are_scored_as_if_homozygous(tmp_path: Path) -> None:
    pairs = {0: "0|0", 1: "0|1", 2: "1|1"}
    called = [[str(row[0]), str(row[1]), *(pairs[copies] for copies in row[2:])] for row in HAPLOID_TRUTH.tolist()]
    truth = write_chrx(tmp_path / "t.vcf", "GT", called)
    dosed = [
        [f"{text}:{dosage}" for text, dosage in zip(*row, strict=True)]
        for row in zip(called, HAPLOID_DOSAGES, strict=True)
    ]
    imputed = write_chrx(tmp_path / "i.vcf", "GT:DS", dosed)
    scale = np.array([2, 2, 1, 1, 1])
    expected = [
        np.corrcoef(copies, dosages)[0, 1] ** 2
        for copies, dosages in zip(HAPLOID_TRUTH * scale, HAPLOID_DOSAGES * scale, strict=True)
    ]
    found = evaluate(GenotypeSource(imputed), GenotypeSource(truth), EvaluateSettings())
    assert found.statistics.r2() == pytest.approx(expected, abs=1e-6)
    assert found.statistics.n_pairs.tolist() == [5, 5]
    assert found.sites.a1_freq == pytest.approx((HAPLOID_TRUTH * scale).mean(axis=1) / 2)
    lines = [" ".join(["0 -" if text == "0" else "1 -" if text == "1" else text.replace("|", " ") for text in row])
             for row in called]  # fmt: skip
    (tmp_path / "h.hap").write_text("\n".join(lines) + "\n")
    (tmp_path / "h.legend").write_text("id position a0 a1\nX:100:A:C 100 A C\nX:200:A:C 200 A C\n")
    by_order = evaluate(GenotypeSource(imputed), GenotypeSource(tmp_path / "h.hap"), EvaluateSettings(chromosome="X"))
    assert by_order.statistics.r2() == pytest.approx(expected, abs=1e-6)


def test_haploid_samples_score_the_same_in_vcf_bcf_and_gen(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.random((6, 10), dtype=np.float32)
    is_haploid = np.array([[True, False, True, False, False]] * 6)
    probabilities[:, 1::2][is_haploid] = probabilities[:, ::2][is_haploid]
    sites = Sites.build(range(100, 700, 100), "ACGTAC", "CAACGT", chromosome="X")
    names = tuple("abcde")
    block = ImputedBlock(sites, probabilities, np.zeros(6, bool), is_haploid=is_haploid)
    for number, fields in enumerate([("GT", "DS", "GP"), ("HDS",), ("AP",), ("GT", "DS")]):
        for ending, kind in (("vcf", VcfWriter), ("bcf", BcfWriter)):
            with kind(tmp_path / f"{number}.{ending}", VcfContent(names, "X", fields)) as writer:
                writer.write(block)
    with GenWriter(tmp_path / "x", names) as writer:
        writer.write(block)
    truth = tmp_path / "0.vcf"  # its most likely genotypes
    scores = [
        evaluate(GenotypeSource(path), GenotypeSource(truth), EvaluateSettings(all_sites=True, chromosome="X"))
        for path in sorted(tmp_path.glob("?.[vbg][ce][fn]"))
    ]
    assert len(scores) == 9
    for score in scores:
        assert score.statistics.r2() == pytest.approx(scores[0].statistics.r2(), abs=2e-3)  # 3 decimals in the files
    for score in scores[:6] + scores[8:]:  # of diploid samples DS alone tells another guess
        assert np.array_equal(score.statistics.guesses, scores[0].statistics.guesses)
    assert scores[0].statistics.n_pairs.tolist() == [5] * 6


def test_an_insertion_is_not_scored_against_a_deletion(tmp_path: Path) -> None:
    """In two VCFs, which define REF; a SNP with REF and ALT exchanged is the same site."""
    imputed = ["22 5 . A G . GT 0|1 1|1", "22 9 . A AT . GT 0|1 1|1", "22 12 . C T . GT 0|1 0|0"]
    true = ["22 5 . G A . GT 1|0 0|0", "22 9 . AT A . GT 1|0 0|0", "22 12 . C T . GT 0|1 0|0"]
    sources = [
        GenotypeSource(vcf_files.write_vcf(tmp_path / f"{name}.vcf", records))
        for name, records in (("a", imputed), ("b", true))
    ]
    found = evaluate(*sources, EvaluateSettings(all_sites=True))
    assert found.sites.positions.tolist() == [5, 12]
    assert found.is_swapped.tolist() == [True, False]
