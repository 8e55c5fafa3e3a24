"""chrX from a panel to imputed genotypes: males count as one haplotype between the pseudoautosomal regions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chromosome_x_cases import (
    FIRST_PAR,
    LENGTH,
    MALES,
    ONCE,
    SECOND_PAR,
    is_male,
    write_markers,
    write_sexes,
    write_vcf,
    x_panel,
)
from helpers import error_line, shared_data
from rnnimp.api import evaluate
from rnnimp.cli import main
from rnnimp.formats.hapslegend import HapsLegendWriter, open_panel
from rnnimp.formats.vcf.records import RecordReader
from rnnimp.sites.haploid_males import with_one_haplotype
from rnnimp.sites.panel import Panel
from rnnimp.sites.ploidy import ABSENT
from training_cases import train_arguments


@pytest.fixture
def panel() -> Panel:
    return x_panel()


def run_prepare(folder: Path, panel: Panel, vcf: Path, *options: str, output: str = "data") -> int:
    markers = write_markers(folder / "markers.txt", panel)
    return main(["prepare", "--vcf", str(vcf), "--markers", str(markers), "--output", str(folder / output), *options])


def prepared(folder: Path, name: str = "chrX") -> Panel:
    prefix = folder / "train" / name
    return open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz", f"{prefix}.sample", keep_absent=True).read()


def expected_alleles(panel: Panel) -> np.ndarray:
    alleles = panel.alleles.copy()
    alleles[ONCE] = with_one_haplotype(panel.alleles[ONCE], is_male(panel))
    return alleles


CASES = {
    "one allele, by the genotypes": ("one", None, ()),
    "one allele, by the header": ("one", LENGTH, ()),
    "one allele, by a table": ("one", None, ("--build", "GRCh37", "--sex")),
    "two alleles, by heterozygosity": ("two", LENGTH, ()),
    "two alleles, by heterozygosity and --build": ("two", None, ("--build", "GRCh37")),
    "two alleles, by a table": ("two", LENGTH, ("--sex",)),
}


@pytest.mark.parametrize("case", CASES)
def test_both_codings_give_the_same_files(tmp_path: Path, panel: Panel, case: str) -> None:
    coding, length, options = CASES[case]
    vcf = write_vcf(tmp_path / "x.vcf", panel, coding, length=length)
    table = [str(write_sexes(tmp_path / "sex.txt", panel))] if "--sex" in options else []
    assert run_prepare(tmp_path, panel, vcf, *options, *table) == 0
    found = prepared(tmp_path / "data")
    assert np.array_equal(found.alleles, expected_alleles(panel))
    assert found.sites.keys() == panel.sites.keys()
    assert found.sample_names == panel.sample_names


def test_missing_genotypes_and_a_half_missing_one(tmp_path: Path) -> None:
    panel = x_panel(missing_share=0.05)
    vcf = write_vcf(tmp_path / "x.vcf", panel, "two", length=LENGTH)
    assert run_prepare(tmp_path, panel, vcf, "--sex", str(write_sexes(tmp_path / "sex.txt", panel))) == 0
    found = prepared(tmp_path / "data").alleles
    assert np.array_equal(found, expected_alleles(panel))
    male = MALES[1]
    pair = panel.alleles[ONCE, 2 * male : 2 * male + 2]
    assert np.array_equal(found[ONCE, 2 * male], pair.max(axis=1))


def test_names_of_plink2_and_test_samples(tmp_path: Path, panel: Panel) -> None:
    vcf = write_vcf(tmp_path / "x.vcf", panel, names=("PAR1", "X", "PAR2"))
    (tmp_path / "test.txt").write_text("Sample_3\nSample_5\n")
    options = ("--chromosome", "X", "--build", "GRCh37", "--test-samples", str(tmp_path / "test.txt"))
    assert run_prepare(tmp_path, panel, vcf, *options) == 0
    train = [index for index in range(14) if index not in (2, 4)]
    expected = replace(panel, alleles=expected_alleles(panel))
    assert np.array_equal(prepared(tmp_path / "data").alleles, expected.take_samples(np.array(train)).alleles)
    true = tmp_path / "data" / "test" / "chrX_true"
    found = open_panel(f"{true}.hap.gz", f"{true}.legend.gz", keep_absent=True).read()
    assert np.array_equal(found.alleles, expected.take_samples(np.array([2, 4])).alleles)
    counted = expected.take_samples(np.array(train)).alleles
    frequency = [np.mean(row[row >= 0]) for row in counted]
    assert found.sites.a1_freq == pytest.approx(frequency)


def test_a_panel_of_haps_and_legend_gives_the_same_files(tmp_path: Path, panel: Panel) -> None:
    with HapsLegendWriter(tmp_path / "x", panel.sample_names) as writer:
        writer.write(panel.sites, panel.alleles)
    with HapsLegendWriter(tmp_path / "y", panel.sample_names) as writer:
        writer.write(panel.sites, expected_alleles(panel))
    for name in ("x", "y"):
        prefix = tmp_path / name
        files = ["--hap", f"{prefix}.hap.gz", "--legend", f"{prefix}.legend.gz", "--sample", f"{prefix}.sample"]
        options = ["--chromosome", "X", "--build", "GRCh37", "--output", str(tmp_path / f"out_{name}")]
        assert main(["prepare", *files, *options]) == 0
        assert np.array_equal(prepared(tmp_path / f"out_{name}").alleles, expected_alleles(panel))


def test_a_pseudoautosomal_region_needs_no_sex(
    tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    vcf = write_vcf(tmp_path / "x.vcf", panel, "two", length=LENGTH)
    assert run_prepare(tmp_path, panel, vcf, "--region", "X:1-2600000") == 0
    told = capsys.readouterr().err
    assert "chromosome X, GRCh37: no site from 2699521 to 154931043, where males have one haplotype" in told
    assert "female" not in told
    assert np.array_equal(prepared(tmp_path / "data").alleles, panel.alleles[FIRST_PAR])


def heterozygous(panel: Panel) -> Panel:
    alleles = panel.alleles.copy()
    alleles[ONCE.start + 7, 2 * MALES[0] : 2 * MALES[0] + 2] = 0, 1
    return replace(panel, alleles=alleles)


BAD = {
    "no build": ("two", None, (), "expected the genome build, which says where males have chromosome X once; give"),
    "too few sites": (
        "two", LENGTH, ("--region", "X:6015000-6017000"),
        "found 14 samples of unknown sex (Sample_1, Sample_2, Sample_3 and 11 more)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ["no build", "too few sites"])
def test_what_the_genotypes_do_not_say_is_asked_for(
    tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    coding, length, options, message = BAD[case]
    vcf = write_vcf(tmp_path / "x.vcf", panel, coding, length=length)
    assert run_prepare(tmp_path, panel, vcf, *options) == 1
    assert message in error_line(capsys)
    assert not (tmp_path / "data").exists()


def test_heterozygous_males_are_refused(tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]) -> None:
    vcf = write_vcf(tmp_path / "x.vcf", heterozygous(panel), "two", length=LENGTH)
    sexes = str(write_sexes(tmp_path / "sex.txt", panel))
    assert run_prepare(tmp_path, panel, vcf, "--sex", sexes) == 1
    position = panel.sites.positions[ONCE.start + 7]
    expected = f"found a heterozygous genotype at X:{position} in sample Sample_1; correct the sex (--sex)"
    assert expected in error_line(capsys)
    assert run_prepare(tmp_path, panel, vcf) == 1
    assert "found 1 sample of unknown sex (Sample_1)" in error_line(capsys)


def test_males_in_both_codings_need_their_sex(tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]) -> None:
    vcf = write_vcf(tmp_path / "x.vcf", panel)
    lines = vcf.read_text().splitlines()
    column = 9 + MALES[1]
    for number, line in enumerate(lines):
        cells = line.split("\t")
        if len(cells) > column and len(cells[column]) == 1:
            cells[column] = f"{cells[column]}|{cells[column]}"
            lines[number] = "\t".join(cells)
    vcf.write_text("\n".join(lines) + "\n")
    assert run_prepare(tmp_path, panel, vcf, "--build", "GRCh37") == 1
    assert "1 sample with two but no heterozygous genotype (Sample_3); give --sex" in error_line(capsys)
    sexes = str(write_sexes(tmp_path / "sex.txt", panel))
    assert run_prepare(tmp_path, panel, vcf, "--build", "GRCh37", "--sex", sexes) == 0
    assert np.array_equal(prepared(tmp_path / "data").alleles, expected_alleles(panel))


def test_triploid_genotypes_are_refused(tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]) -> None:
    vcf = write_vcf(tmp_path / "x.vcf", panel)
    lines = vcf.read_text().splitlines()
    cells = lines[200].split("\t")
    cells[11] = "0|0|1"
    lines[200] = "\t".join(cells)
    vcf.write_text("\n".join(lines) + "\n")
    assert run_prepare(tmp_path, panel, vcf, "--build", "GRCh37") == 1
    expected = f"expected diploid genotypes, found 0|0|1 at X:{cells[1]} in sample Sample_3"
    assert expected in error_line(capsys)


def test_haploid_females_and_haploid_genotypes_in_a_pseudoautosomal_region(
    tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    vcf = write_vcf(tmp_path / "x.vcf", panel)
    sexes = write_sexes(tmp_path / "sex.txt", panel)
    sexes.write_text(sexes.read_text().replace("Sample_1\tM", "Sample_1\tF"))
    assert run_prepare(tmp_path, panel, vcf, "--build", "GRCh37", "--sex", str(sexes)) == 1
    assert f"sample Sample_1: female, one allele at X:{panel.sites.positions[ONCE.start]}" in error_line(capsys)
    positions = panel.sites.positions.copy()
    positions[ONCE] -= 4_000_000
    late = write_vcf(tmp_path / "y.vcf", replace(panel, sites=replace(panel.sites, positions=positions)))
    assert run_prepare(tmp_path, panel, late, "--build", "GRCh37") == 1
    assert "outside 2699521 to 154931043; check --build" in error_line(capsys)


def test_unlisted_samples_and_options_of_another_chromosome(
    tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    vcf = write_vcf(tmp_path / "x.vcf", panel)
    (tmp_path / "sex.txt").write_text("Sample_1 M\nSample_2 0\n")
    assert run_prepare(tmp_path, panel, vcf, "--sex", str(tmp_path / "sex.txt")) == 1
    expected = "expected the sex of all 14 samples of the panel, found none of Sample_2, Sample_3, Sample_4 and 10 more"
    assert expected in error_line(capsys)
    other = write_vcf(tmp_path / "22.vcf", panel, "two", names=("22", "22", "22"))
    assert run_prepare(tmp_path, panel, other, "--build", "GRCh37") == 2
    assert "--sex and --build are for chromosome X, found chromosome 22" in error_line(capsys)


def split_into(folder: Path, *options: str) -> list[Panel]:
    prefix = folder / "data" / "train" / "chrX"
    files = ["--hap", f"{prefix}.hap.gz", "--legend", f"{prefix}.legend.gz", "--output", f"{folder}/split/x"]
    assert main(["split", *files, "--imp-site-count-limit", "60", "--body-marker-count-limit", "30", *options]) == 0
    names = (folder / "split" / "x.list").read_text().split()
    return [open_panel(f"{name}.hap.gz", f"{name}.legend.gz", keep_absent=True).read() for name in names]


def test_regions_stay_in_one_part_and_count_males_once(tmp_path: Path, panel: Panel) -> None:
    assert run_prepare(tmp_path, panel, write_vcf(tmp_path / "x.vcf", panel)) == 0
    regions = split_into(tmp_path)
    rows = {key: row for row, key in enumerate(panel.sites.keys())}
    expected = expected_alleles(panel)
    seen = set()
    for region in regions:
        found = [
            rows[(position, a1, a0) if swapped else (position, a0, a1)]
            for (position, a0, a1), swapped in zip(region.sites.keys(), region.sites.swapped, strict=True)
        ]
        parts = {0 if row in FIRST_PAR else 1 if row in ONCE else 2 for row in found}
        assert len(parts) == 1
        seen |= parts
        assert ((region.alleles[:, 1::2] == ABSENT).all(axis=0) == (is_male(panel) & (parts == {1}))).all()
        for row, frequency, swapped in zip(found, region.sites.a1_freq, region.sites.swapped, strict=True):
            mean = np.mean(expected[row][expected[row] >= 0])
            assert frequency == pytest.approx(1 - mean if swapped else mean)
    assert seen == {0, 1, 2}


def test_a_part_without_markers_gets_no_region(
    tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    is_marker = panel.sites.markers().copy()
    is_marker[SECOND_PAR.start :] = False
    few = replace(panel, sites=replace(panel.sites, is_marker=is_marker))
    assert run_prepare(tmp_path, few, write_vcf(tmp_path / "x.vcf", few)) == 0
    capsys.readouterr()
    regions = split_into(tmp_path)
    assert max(region.sites.positions.max() for region in regions) < 150_000_000
    assert "gets no region: 0 markers and 29 to impute there" in capsys.readouterr().err


def test_mixed_ploidy_that_nobody_prepared_is_refused(
    tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    alleles = expected_alleles(panel)
    alleles[100] = panel.alleles[100]
    with HapsLegendWriter(tmp_path / "x") as writer:
        writer.write(panel.sites, alleles)
    files = ["--hap", f"{tmp_path}/x.hap.gz", "--legend", f"{tmp_path}/x.legend.gz", "--output", f"{tmp_path}/s/x"]
    assert main(["split", *files]) == 1
    assert "in 2 separate parts" in error_line(capsys)


def haplotype_values(path: Path) -> list[tuple[int, str, str, list[list[float]], dict[str, float]]]:
    """Position, REF, ALT, each sample's HDS, and INFO of a VCF's records."""
    reader = RecordReader(path)
    found = []
    for record in reader.every_record():
        values = record.numbers("HDS")
        assert values is not None
        samples = [[value for value in row if value == value] for row in values.tolist()]
        info = {name: record.info_numbers(name)[0] for name in ("AF", "R2") if record.info_numbers(name)}
        found.append((record.POS, record.REF, record.ALT[0], samples, info))
    return found


@pytest.mark.slow
def test_from_a_panel_to_imputed_males(tmp_path: Path, panel: Panel) -> None:
    vcf = write_vcf(tmp_path / "x.vcf", panel)
    (tmp_path / "test.txt").write_text("Sample_3\nSample_5\nSample_9\n")
    assert run_prepare(tmp_path, panel, vcf, "--test-samples", str(tmp_path / "test.txt")) == 0
    split_into(tmp_path)
    options = ["--validation-sample-size", "4", "--max-iteration-count", "10"]
    assert main([*train_arguments(tmp_path / "split" / "x.list", tmp_path / "out" / "x"), *options]) == 0
    target = tmp_path / "data" / "test" / "chrX"
    command = ["impute", "--hap", f"{target}.hap.gz", "--legend", f"{target}.legend.gz", "--sample", f"{target}.sample"]
    command += ["--model-prefix", f"{tmp_path}/out/models/x", "--format-fields", "GT,DS,HDS"]
    assert main([*command, "--output", f"{tmp_path}/imputed.vcf"]) == 0
    n_haploid = 0
    for position, _, _, samples, info in haplotype_values(tmp_path / "imputed.vcf"):
        is_once = 2_699_520 < position < 154_931_044
        assert [len(values) for values in samples] == ([1, 2, 1] if is_once else [2, 2, 2])
        flat = np.array([value for values in samples for value in values])
        assert ((flat >= 0) & (flat <= 1)).all()
        frequency = flat.mean()
        assert info["AF"] == pytest.approx(frequency, abs=2e-3)
        if 0.02 < frequency < 0.98:
            expected = np.mean((flat - frequency) ** 2) / (frequency * (1 - frequency))
            assert info["R2"] == pytest.approx(expected, abs=0.02)
        n_haploid += is_once
    assert n_haploid > 150


@pytest.mark.slow
def test_the_real_chromosome_x_end_to_end(tmp_path: Path) -> None:
    """26 people over the whole chromosome; regions of all three parts are trained shortly, imputed and scored."""
    source = shared_data("interop/chrX_phased/small.chrX.vcf.gz")
    records = [record for record in RecordReader(source).every_record() if len(record.ALT) == 1][::5]
    rows = [f"X {record.POS} {record.REF} {record.ALT[0]}" for record in records]
    (tmp_path / "markers.txt").write_text("\n".join(["chrom pos ref alt", *rows]) + "\n")
    command = ["prepare", "--vcf", str(source), "--markers", str(tmp_path / "markers.txt"), "--build", "GRCh37"]
    draw = ["--test-samples", str(tmp_path / "test.txt"), "--draw-test-samples", "6"]
    assert main([*command, *draw, "--output", str(tmp_path / "data")]) == 0
    data = tmp_path / "data"
    files = ["--hap", f"{data}/train/chrX.hap.gz", "--legend", f"{data}/train/chrX.legend.gz"]
    assert main(["split", *files, "--output", f"{tmp_path}/split/x"]) == 0
    names = (tmp_path / "split" / "x.list").read_text().split()
    (tmp_path / "some.list").write_text("".join(f"{name}\n" for name in (*names[:2], *names[-2:])))
    options = ["--validation-sample-size", "5", "--max-iteration-count", "20"]
    assert main([*train_arguments(tmp_path / "some.list", tmp_path / "out" / "x"), *options]) == 0
    target = ["--hap", f"{data}/test/chrX.hap.gz", "--legend", f"{data}/test/chrX.legend.gz"]
    model = ["--model-prefix", f"{tmp_path}/out/models/x", "--format-fields", "GT,DS,HDS", "--typed-only", "drop"]
    sample = ["--sample", f"{data}/test/chrX.sample", "--output", f"{tmp_path}/imputed.vcf"]
    assert main(["impute", *target, *model, *sample]) == 0
    records_of_truth = RecordReader(source)
    tested = [records_of_truth.sample_names.index(name) for name in (tmp_path / "test.txt").read_text().split()]
    ploidy = {
        (record.POS, record.REF, record.ALT[0]): np.count_nonzero(record.genotypes()[0][tested] >= 0, axis=1).tolist()
        for record in records_of_truth.every_record()
    }
    found = list(haplotype_values(tmp_path / "imputed.vcf"))
    assert len({tuple(ploidy[position, ref, alt]) for position, ref, alt, _, _ in found}) == 2
    for position, ref, alt, samples, _ in found:
        assert [len(values) for values in samples] == ploidy[position, ref, alt]
    scored = evaluate(tmp_path / "imputed.vcf", f"{data}/test/chrX_true.hap.gz")
    r2 = scored.statistics.r2()
    assert np.nanmean(r2) > 0.2
