"""Several chromosomes of build 38, with names such as `chr22`: from the panel to imputed genotypes and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import error_line, random_panel
from rnnimp.cli import main
from rnnimp.formats.bundle import read_manifest
from rnnimp.formats.hapslegend import read_legend
from rnnimp.sites.genome_build import contigs_of
from rnnimp.sites.panel import Panel
from training_cases import models, train_arguments
from vcf_files import write_panel

LENGTHS = dict(contigs_of("GRCh38", "chr22"))
LIMITS = ["--body-marker-count-limit", "10", "--flanking-marker-count-limit", "3", "--imp-site-count-limit", "30"]


def write_vcf(path: Path, panel: Panel, name: str) -> None:
    write_panel(path, panel, name)
    contig = f"##contig=<ID={name},length={LENGTHS[name]}>"
    path.write_text(path.read_text().replace("##contig=<ID=22>\n##contig=<ID=21>", contig))


def write_chromosome(folder: Path, name: str) -> None:
    """A panel, markers, a genetic map of build 38, and a target of three further samples."""
    panel = random_panel(np.random.default_rng(int(name[3:])), n_sites=60, n_samples=28, chromosome=name)
    start = LENGTHS[name] - 2 * int(panel.sites.positions[-1])  # more than another build's chromosome 22 may have
    panel = replace(panel, sites=replace(panel.sites, positions=panel.sites.positions + max(0, start)))
    write_vcf(folder / f"{name}.panel.vcf", panel.take_samples(np.arange(25)), name)
    markers = panel.sites.markers()
    write_vcf(folder / f"{name}.target.vcf", panel.take_samples(np.arange(25, 28))[markers], name)
    rows = [f"{name} {position} {a0} {a1}" for position, a0, a1 in panel.sites[markers].keys()]
    (folder / f"{name}.tsv").write_text("chrom pos ref alt\n" + "\n".join(rows) + "\n")
    first, last = int(panel.sites.positions[0]), int(panel.sites.positions[-1])
    rows = [f"{position}\t{name}\t{(position - first) / 1e6:.4f}" for position in (first, last + 1_000_000)]
    (folder / f"{name}.b38.gmap").write_text("pos\tchr\tcM\n" + "\n".join(rows) + "\n")


def split(folder: Path, name: str) -> None:
    prepare = ["prepare", "--vcf", f"{folder}/{name}.panel.vcf", "--markers", f"{folder}/{name}.tsv"]
    assert main([*prepare, "--output", f"{folder}/data", "--name", name]) == 0
    files = ["--hap", f"{folder}/data/train/{name}.hap.gz", "--legend", f"{folder}/data/train/{name}.legend.gz"]
    assert main(["split", *files, "--output", f"{folder}/split/{name}", "--chromosome", name, *LIMITS]) == 0


@pytest.mark.slow
def test_build_38_from_the_panel_to_the_imputed_chromosomes(tmp_path: Path) -> None:
    names = ("chr21", "chr22")
    for name in names:
        write_chromosome(tmp_path, name)
        split(tmp_path, name)
    maps = ["--genetic-map", f"{tmp_path}/chr@.b38.gmap"]
    assert main(train_arguments(tmp_path / "split" / "chr@.list", tmp_path / "results" / "chr@", *maps)) == 0
    target = ["--vcf", f"{tmp_path}/chr@.target.vcf", "--model-prefix", f"{tmp_path}/results/models/chr@"]
    assert main(["impute", *target, "--output", f"{tmp_path}/imputed/chr@.vcf", "--contigs", "GRCh38"]) == 0
    for name in names:
        assert read_manifest(tmp_path / "results" / "models" / name).chromosome in (name, name[3:])
        text = (tmp_path / "imputed" / f"{name}.vcf").read_text()
        rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
        legends = sorted((tmp_path / "results" / "models").glob(f"{name}_*.legend.gz"))
        positions = np.unique(np.concatenate([read_legend(legend).positions for legend in legends]))
        assert len(legends) == 2
        assert [int(row[1]) for row in rows] == positions.tolist()
        assert {row[0] for row in rows} == {name}
        assert f"##contig=<ID={name},length={LENGTHS[name]}>" in text
        checks = json.loads((tmp_path / "imputed" / f"{name}.checks.json").read_text())
        assert checks["genome_build"]["target"] == "GRCh38"
        assert checks["counts"]["missing_markers"] == 0


@pytest.mark.slow
def test_each_model_is_as_if_trained_by_itself(tmp_path: Path, data_list: Path) -> None:
    other = data_list.with_name("chr21.list")
    other.write_text(data_list.read_text().splitlines()[0] + "\n")
    lists = data_list.with_name("chr@.list")
    assert main(train_arguments(lists, tmp_path / "all" / "chr{chrom}")) == 0
    assert main(train_arguments(data_list, tmp_path / "one" / "chr22")) == 0
    assert main(train_arguments(other, tmp_path / "one" / "chr21")) == 0
    assert len(models(tmp_path / "all")) == 3
    assert models(tmp_path / "all") == models(tmp_path / "one")


@pytest.mark.parametrize(
    ("lists", "output", "more", "code", "message"),
    [
        ("chr@.list", "out/chr22", [], 2, "--output needs {chrom} or @ as --data-list has"),
        ("chr22.list", "out/chr{chrom}", [], 2, "--output is for several chromosomes: --data-list needs"),
        ("chr22.list", "out/chr22", ["--chromosomes", "22"], 2, "--chromosomes is for several chromosomes"),
        ("chr@.list", "out/chr@", ["--regions", "1"], 2, "--regions goes with one chromosome"),
        ("chr@.list", "out/chr@", ["--chromosomes", "21"], 1, "found none of 21 ("),
        ("none@.list", "out/chr@", [], 1, "expected the list of regions of chromosomes"),
    ],
)
def test_bad_paths_are_one_line_and_write_nothing(
    tmp_path: Path,
    data_list: Path,
    capsys: pytest.CaptureFixture[str],
    lists: str,
    output: str,
    more: list[str],
    code: int,
    message: str,
) -> None:
    assert main(train_arguments(data_list.with_name(lists), tmp_path / output, *more)) == code
    assert message in error_line(capsys)
    assert not (tmp_path / "out").exists()
