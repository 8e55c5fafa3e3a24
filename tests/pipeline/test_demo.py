"""The demo: on a small example whose result follows from its model, and on the packaged example."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import random_panel
from rnnimp.cli import main
from rnnimp.errors import DataError
from rnnimp.formats.files import read_lines
from rnnimp.formats.hapslegend import HapsLegendWriter, read_legend
from rnnimp.formats.vcf.reading import read_genotypes
from rnnimp.pipeline import demo as demo_stage
from rnnimp.pipeline.demo import demo
from rnnimp.sites.panel import Panel, Sites, as_strings
from tiny_model import tiny_region, write_tiny_bundle


@pytest.fixture
def panel() -> Panel:
    drawn = random_panel(np.random.default_rng(3), n_sites=40, n_samples=12)
    ids = as_strings(f"22:{identifier}" for identifier in drawn.sites.ids)
    return replace(drawn, sites=replace(drawn.sites, ids=ids))


@pytest.fixture
def example(tmp_path: Path, panel: Panel) -> Path:
    """A folder laid out as the packaged one, with one region."""
    folder = tmp_path / "example"
    for name, part in (("truth", panel), ("target", panel[panel.sites.markers()])):
        with HapsLegendWriter(folder / name, part.sample_names) as writer:
            writer.write(part.sites, part.alleles)
    (folder / "model").mkdir()
    write_tiny_bundle(folder / "model" / "demo", [tiny_region(np.random.default_rng(4), panel.sites)])
    return folder


def test_every_site_is_written_and_every_imputed_one_scored(example: Path, panel: Panel, tmp_path: Path) -> None:
    result = demo(tmp_path / "new" / "results", example)
    assert result.evaluation is not None
    table = read_genotypes(result.vcf)
    assert table.sites.keys() == panel.sites.keys()
    assert table.sample_names == panel.sample_names
    assert table.is_typed is not None
    assert np.array_equal(table.is_typed, panel.sites.markers())
    genotypes = panel.alleles[:, ::2] + panel.alleles[:, 1::2]
    assert np.array_equal(table.dosages[table.is_typed], genotypes[panel.sites.markers()])
    imputed = panel.sites[~panel.sites.markers()]
    assert result.evaluation.sites.keys() == imputed.keys()
    # the score of one site, from what the VCF says and what the panel holds
    row = int(np.flatnonzero(~table.is_typed & (genotypes.std(axis=1) > 0))[0])
    expected = np.corrcoef(table.dosages[row], genotypes[row])[0, 1] ** 2
    scored = imputed.positions.tolist().index(panel.sites.positions[row])
    assert result.evaluation.statistics.r2()[scored] == pytest.approx(expected, abs=1e-5)


def test_the_command_says_where_the_results_are(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo_stage, "PACKAGED", example)
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    named = [Path(word) for word in out.split() if word.startswith("demo_results/")]
    assert [path.name for path in named] == ["demo.vcf", "demo.bins.tsv", "demo.sites.tsv.gz"]
    assert all(path.is_file() for path in named)
    last_row = (tmp_path / "demo_results" / "demo.bins.tsv").read_text().splitlines()[-1].split("\t")
    assert last_row[0] == "all"
    assert f"{float(last_row[3]):.4f}" in out


@pytest.mark.parametrize("absent", ["target.sample", "truth.hap.gz", "model/demo_1.onnx", "model"])
def test_an_incomplete_example_is_one_clear_line(example: Path, tmp_path: Path, absent: str) -> None:
    path = example / absent
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(DataError, match=f"{absent}.*install rnnimp again"):
        demo(tmp_path / "results", example)
    assert not (tmp_path / "results").exists()


def test_the_packaged_model_imputes_the_packaged_example_well(tmp_path: Path) -> None:
    result = demo(tmp_path)
    assert result.evaluation is not None
    *bins, everything = result.evaluation.bins
    assert everything.n_sites >= 1_800
    assert everything.mean_r2 > 0.75
    common = [scores.mean_r2 for scores in bins if scores.lower >= 5]
    assert min(common) > 0.85
    assert min(scores.concordance for scores in bins if scores.n_sites) > 0.9


def test_the_packaged_result_is_complete(tmp_path: Path) -> None:
    result = demo(tmp_path)
    table = read_genotypes(result.vcf)
    legends = [read_legend(path) for path in sorted(demo_stage.PACKAGED.glob("model/demo_*.legend.gz"))]
    imputed = {key for sites in legends for key in sites[~sites.markers()].keys()}
    target = read_legend(demo_stage.PACKAGED / "target.legend.gz")
    assert set(table.sites.keys()) == imputed | set(target.keys())
    assert len(table.sites) == len(imputed) + len(target)
    assert table.dosages.shape[1] == 50
    assert np.isfinite(table.dosages).all() and table.dosages.min() >= 0 and table.dosages.max() <= 2


def test_the_packaged_model_of_real_people_takes_the_users_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    legends = [read_legend(path) for path in sorted(demo_stage.PACKAGED.glob("kgp3_chr22/chr22_*.legend.gz"))]
    markers = {key: frequency for sites in legends for key, frequency in _markers(sites)}
    rng = np.random.default_rng(8)
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=22>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">']
    lines.append("\t".join(["#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT".replace(" ", "\t"), "one", "two"]))
    for (position, ref, alt), frequency in sorted(markers.items()):
        genotypes = ["|".join(str(int(draw < frequency)) for draw in rng.random(2)) for _ in range(2)]
        lines.append("\t".join(["22", str(position), ".", ref, alt, ".", ".", ".", "GT", *genotypes]))
    target = tmp_path / "target.vcf"
    target.write_text("\n".join(lines) + "\n")
    assert main(["demo", "--vcf", str(target), "--output-dir", str(tmp_path)]) == 0
    assert f"imputed genotypes: {tmp_path}/kgp3_chr22.vcf" in capsys.readouterr().out
    table = read_genotypes(tmp_path / "kgp3_chr22.vcf")
    assert len(table.sites) == sum(int((~sites.markers()).sum()) for sites in legends) + len(markers)
    assert len(table.sites) > 6_500 and table.is_typed is not None
    assert table.dosages.min() >= 0 and table.dosages.max() <= 2
    assert 0.1 < table.dosages[~table.is_typed].std() < 1
    for name in ("gen", "bgen"):
        more = ["--truth", str(tmp_path / "kgp3_chr22.vcf"), "--output-format", name]
        assert main(["demo", "--vcf", str(target), "--output-dir", str(tmp_path / "more"), *more]) == 0
        assert f"imputed genotypes:    {tmp_path}/more/kgp3_chr22.{name}" in capsys.readouterr().out
        scored = read_lines(tmp_path / "more" / "kgp3_chr22.sites.tsv.gz")
        assert len(list(scored)) == 1 + np.count_nonzero(~table.is_typed)


def _markers(sites: Sites) -> Iterator[tuple[tuple[int, str, str], float]]:
    flags = sites.markers()
    for key, frequency in zip(sites[flags].keys(), sites.a1_freq[flags], strict=True):
        yield key[-3:], float(frequency)


def test_a_truth_needs_a_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--truth", "t.vcf"]) == 2
    assert "--truth needs --vcf" in capsys.readouterr().err
    assert main(["demo", "--output-format", "gen"]) == 2
    assert "--output-format needs --vcf" in capsys.readouterr().err
