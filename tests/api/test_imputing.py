"""Imputing in memory: equal to what the command writes, for files and for arrays."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnimp
from helpers import random_panel
from impute_cases import make_case, records, vcf_of
from rnnimp.cli import main
from rnnimp.pipeline.demo import MODEL, PACKAGED, REAL_MODEL


def columns(vcf: Path) -> dict[str, np.ndarray]:
    """R2 (n_sites,), GT with phase as text, DS (n_sites, n_samples) and GP (..., 3) of a VCF; NaN for missing."""
    rows = [line.decode().rstrip("\n").split("\t") for line in records(vcf)]
    info = [dict(item.partition("=")[::2] for item in row[7].split(";")) for row in rows]
    cells = [[cell.split(":") for cell in row[9:]] for row in rows]

    def number(text: str) -> float:
        return float("nan") if text == "." else float(text)

    return {
        "position": np.array([int(row[1]) for row in rows]),
        "r2": np.array([number(item["R2"]) for item in info]),
        "dosage": np.array([[number(cell[1]) for cell in row] for row in cells]),
        "gp": np.array([[(list(map(number, cell[2].split(","))) * 3)[:3] for cell in row] for row in cells]),
    }


def assert_equals_vcf(imputed: rnnimp.Imputed, vcf: Path) -> None:
    """Compare all arrays with a VCF, up to its rounding."""
    expected = columns(vcf)
    assert imputed.sites.positions.tolist() == expected["position"].tolist()
    np.testing.assert_allclose(imputed.r2, expected["r2"], atol=1e-3)
    np.testing.assert_allclose(imputed.dosages, expected["dosage"], atol=1e-3)
    np.testing.assert_allclose(imputed.genotype_probabilities, expected["gp"], atol=1e-3)


def random_haplotypes(model: rnnimp.Model, n_samples: int, missing_share: float) -> rnnimp.Haplotypes:
    """Random alleles at a model's markers, by its frequencies."""
    random = np.random.default_rng(3)
    markers = model.sites[model.sites.markers()]
    markers = markers[np.argsort(markers.positions, kind="stable")]
    assert markers.a1_freq is not None
    alleles = (random.random((len(markers), 2 * n_samples)) < markers.a1_freq[:, None]).astype(np.int8)
    alleles[random.random(alleles.shape) < missing_share] = -1
    sites = rnnimp.Sites.build(markers.positions, markers.a0, markers.a1, markers.ids, chromosome="22")
    return rnnimp.Haplotypes(sites, alleles, [f"P{number}" for number in range(n_samples)])


def write_vcf(path: Path, haplotypes: rnnimp.Haplotypes) -> None:
    """Write haplotypes line by line."""
    sites = haplotypes.sites
    head = ["##fileformat=VCFv4.2", "##contig=<ID=22>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="G">']
    head.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]))
    head[-1] += "".join(f"\t{name}" for name in haplotypes.sample_names)
    names = np.array([*"01."], dtype=object)
    lines = []
    for row, alleles in enumerate(haplotypes.alleles):
        fields = ["22", sites.positions[row], sites.ids[row], sites.a0[row], sites.a1[row], ".", ".", ".", "GT"]
        fields += [f"{first}|{second}" for first, second in names[alleles].reshape(-1, 2)]
        lines.append("\t".join(map(str, fields)))
    path.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")


def test_a_file_gives_what_the_command_writes(tmp_path: Path) -> None:
    target = str(PACKAGED / "target")
    files = ["--hap", f"{target}.hap.gz", "--legend", f"{target}.legend.gz", "--sample", f"{target}.sample"]
    model, output = str(PACKAGED / MODEL), tmp_path / "x.vcf"
    assert main(["impute", *files, "--model-prefix", model, "--output", str(output)]) == 0
    imputed = rnnimp.impute(model, f"{target}.hap.gz")
    assert_equals_vcf(imputed, output)
    again = rnnimp.impute(rnnimp.load_model(model), rnnimp.read_haplotypes(f"{target}.hap.gz"), threads=2)
    written = rnnimp.write_genotypes(again, tmp_path / "y.vcf")
    assert records(written) == records(output)
    summary = imputed.summary
    assert (summary["samples"], summary["sites"], summary["typed_sites"]) == (50, 2217, 373)
    assert (summary["matched_markers"], summary["missing_markers"], summary["warnings"]) == (373, 0, [])
    assert summary["mean_r2"] == pytest.approx(np.nanmean(imputed.r2[~imputed.is_typed]))
    assert not list(tmp_path.glob("y*.json"))


@pytest.mark.slow
def test_arrays_give_what_the_command_writes_with_the_real_model(tmp_path: Path) -> None:
    model = rnnimp.load_model(PACKAGED / REAL_MODEL)
    haplotypes = random_haplotypes(model, n_samples=5, missing_share=0.05)
    write_vcf(tmp_path / "target.vcf", haplotypes)
    output = tmp_path / "x.vcf.gz"
    arguments = ["--vcf", str(tmp_path / "target.vcf"), "--model-prefix", str(PACKAGED / REAL_MODEL)]
    assert main(["impute", *arguments, "--output", str(output), "--min-r2", "0.02"]) == 0
    imputed = rnnimp.impute(model, haplotypes, min_r2=0.02)
    assert np.isnan(imputed.dosages).any()
    assert_equals_vcf(imputed, output)
    assert records(rnnimp.write_genotypes(imputed, tmp_path / "y.vcf.gz")) == records(output)


@pytest.mark.parametrize("name", ["x.vcf", "x.gen", "x.bgen", "x.pgen"])
def test_written_files_are_those_of_the_command(tmp_path: Path, name: str) -> None:
    folder = make_case(tmp_path)
    vcf, model = vcf_of(folder / "t", "X"), str(folder / "m")
    text = vcf.read_text().split("\n")
    for row in range(4, len(text) - 1):  # the first sample is haploid, the second misses an allele in places
        fields = text[row].split("\t")
        fields[9] = fields[9][0]
        fields[10] = fields[10][:2] + "." if row % 3 == 0 else fields[10]
        text[row] = "\t".join(fields)
    text.insert(-1, "\t".join([*fields[:1], str(int(fields[1]) + 1), "new", *fields[3:]]))  # not in the model
    vcf.write_text("\n".join(text))
    more = ["--chromosome", "X"]
    assert main(["impute", "--vcf", str(vcf), "--model-prefix", model, "--output", str(tmp_path / name), *more]) == 0
    for target in (vcf, rnnimp.read_haplotypes(vcf)):
        imputed = rnnimp.impute(model, target, chromosome="X")
        written = rnnimp.write_genotypes(imputed, tmp_path / f"again_{name}")
        assert records(written) == records(tmp_path / name)
    dropped = rnnimp.impute(model, vcf, chromosome="X", typed_only="drop")
    assert len(dropped.sites) == len(imputed.sites) - 1
    assert imputed.block.is_haploid is not None
    assert imputed.dosages[~np.isnan(imputed.dosages)].max() > 1
    assert imputed.dosages[~imputed.is_typed, 0].max() <= 1
    table = rnnimp.read_genotypes(tmp_path / name)
    if name == "x.vcf":
        np.testing.assert_allclose(imputed.table().dosages, table.dosages, atol=1e-3)
        np.testing.assert_allclose(imputed.table().probabilities, table.probabilities, atol=2e-3)


def test_alleles_of_tiny_models_are_weighted_means(tmp_path: Path) -> None:
    folder = make_case(tmp_path)
    imputed = rnnimp.impute(folder / "m", folder / "t.hap.gz", region="22", chromosome="22")
    assert imputed.chromosome == "22"
    known = imputed.allele_probabilities
    np.testing.assert_allclose(imputed.dosages, known[:, ::2] + known[:, 1::2], rtol=1e-6)
    np.testing.assert_allclose(imputed.a1_frequency, known.mean(axis=1), atol=1e-9)
    np.testing.assert_allclose(imputed.genotype_probabilities.sum(axis=2), 1, atol=1e-6)
    mean = known.mean(axis=1)
    with np.errstate(invalid="ignore"):
        expected = known.var(axis=1) / (mean * (1 - mean))
    np.testing.assert_allclose(imputed.r2, expected, atol=1e-6)
    assert {len(column) for column in imputed.site_table().values()} == {len(imputed.sites)}


def test_empirical_r2_and_a_region(tmp_path: Path) -> None:
    folder = make_case(tmp_path)
    whole = rnnimp.impute(folder / "m", folder / "t.hap.gz", chromosome="22", empirical_r2=True)
    assert whole.empirical_r2 is not None
    assert whole.empirical_r2.shape == whole.r2.shape
    start, end = whole.sites.positions[[20, 40]].tolist()
    part = rnnimp.impute(folder / "m", folder / "t.hap.gz", region=f"22:{start}-{end}")
    rows = (whole.sites.positions >= start) & (whole.sites.positions <= end)
    assert np.array_equal(part.allele_probabilities, whole.allele_probabilities[rows])


def test_bad_arguments_and_data_are_the_packages_errors(tmp_path: Path) -> None:
    folder = make_case(tmp_path)
    with pytest.raises(rnnimp.RnnimpError, match="--min-r2 must be from 0 to 1"):
        rnnimp.impute(folder / "m", folder / "t.hap.gz", min_r2=2)
    with pytest.raises(rnnimp.RnnimpError, match="check --model-prefix"):
        rnnimp.load_model(folder / "absent")
    panel = random_panel(np.random.default_rng(1), n_sites=30, n_samples=2)
    with pytest.raises(rnnimp.RnnimpError, match="haplotypes in memory: expected"):
        rnnimp.impute(folder / "m", rnnimp.Haplotypes(panel.sites, panel.alleles, panel.sample_names))
    imputed = replace(rnnimp.impute(folder / "m", folder / "t.hap.gz", chromosome="22"), chromosome=None)
    with pytest.raises(rnnimp.RnnimpError, match="needs the chromosome"):
        rnnimp.write_genotypes(imputed, tmp_path / "x.vcf")


def test_nothing_is_printed_unless_progress_is_asked_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = make_case(tmp_path)
    rnnimp.impute(folder / "m", folder / "t.hap.gz", chromosome="22")
    assert capfd.readouterr() == ("", "")
    rnnimp.impute(folder / "m", folder / "t.hap.gz", chromosome="22", progress=True)
    assert "impute: 100%" in capfd.readouterr().err


def test_a_model_says_what_it_is() -> None:
    model = rnnimp.load_model(PACKAGED / REAL_MODEL)
    assert "chromosome 22, 6 regions" in repr(model)
    assert (model.chromosome, model.n_regions, model.missing_regions) == ("22", 6, ())
    with gzip.open(f"{model.prefix}_1.legend.gz", "rt") as lines:
        first = next(line.split()[0] for line in list(lines)[1:])
    assert first in model.sites.ids
