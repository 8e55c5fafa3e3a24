"""`rnnimp prepare`: the stage, its command, and the published script."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import REPOSITORY, random_panel, shared_data
from rnnimp.cli import main
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats import hapslegend
from rnnimp.formats.hapslegend import HapsLegendWriter, open_panel, read_legend
from rnnimp.pipeline.prepare import PrepareSettings, draw_samples, prepare
from rnnimp.sites.panel import Panel, alt_frequency

TEST_SAMPLES = ("Sample_3", "Sample_11", "Sample_4")
TEST_INDICES = [2, 3, 10]  # in the panel's order


@pytest.fixture
def panel() -> Panel:
    return random_panel(np.random.default_rng(4), n_sites=80, n_samples=12, missing_share=0.05)


@pytest.fixture
def files(tmp_path: Path, panel: Panel) -> dict[str, Path]:
    """The panel as VCF and as HAPS/LEGEND, its markers, and test samples."""
    with HapsLegendWriter(tmp_path / "panel", panel.sample_names) as writer:
        writer.write(panel.sites, panel.alleles)
    text = np.where(panel.alleles < 0, ".", panel.alleles.astype(str))
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *panel.sample_names]
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=22>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">']
    lines.append("\t".join(columns))
    for site, row in zip(panel.sites.keys(), text, strict=True):
        calls = [f"{a}|{b}" for a, b in zip(row[::2], row[1::2], strict=True)]
        lines.append("\t".join(["22", str(site[0]), ".", site[1], site[2], ".", ".", ".", "GT", *calls]))
    (tmp_path / "panel.vcf").write_text("\n".join(lines) + "\n")
    markers = [f"22 {position} {a1} {a0}" for position, a0, a1 in panel.sites[panel.sites.markers()].keys()]
    (tmp_path / "markers.tsv").write_text("chrom pos ref alt\n" + "\n".join([*markers, "22 7 A C", "21 1 A C"]) + "\n")
    (tmp_path / "test.txt").write_text("\n".join(TEST_SAMPLES) + "\n\n")
    return {
        "vcf": tmp_path / "panel.vcf",
        "hap": tmp_path / "panel.hap.gz",
        "legend": tmp_path / "panel.legend.gz",
        "sample": tmp_path / "panel.sample",
        "markers": tmp_path / "markers.tsv",
        "test": tmp_path / "test.txt",
        "out": tmp_path / "out",
    }


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def read(prefix: Path) -> Panel:
    return open_panel(f"{prefix}.hap.gz", f"{prefix}.legend.gz", f"{prefix}.sample").read()


def header(prefix: Path) -> str:
    with hapslegend.open_input(f"{prefix}.legend.gz") as file:
        return file.readline().decode().rstrip("\n")


ALL_FILES = [
    *(f"test/chr22.{ending}" for ending in ("hap.gz", "legend.gz", "sample")),
    *(f"test/chr22_true.{ending}" for ending in ("hap.gz", "legend.gz", "sample")),
    *(f"train/chr22.{ending}" for ending in ("hap.gz", "legend.gz", "sample")),
]


def test_what_is_written(files: dict[str, Path], panel: Panel) -> None:
    settings = PrepareSettings(files["out"], vcf=files["vcf"], markers=files["markers"], test_samples=files["test"])
    summary = prepare(settings)
    assert written(files["out"]) == ALL_FILES
    is_marker = panel.sites.markers()
    train_indices = np.setdiff1d(np.arange(12), TEST_INDICES)
    train, true, typed = (read(files["out"] / name) for name in ("train/chr22", "test/chr22_true", "test/chr22"))
    expected_train, expected_test = panel.take_samples(train_indices), panel.take_samples(np.array(TEST_INDICES))
    for found, expected in ((train, expected_train), (true, expected_test), (typed, expected_test[is_marker])):
        assert found.sample_names == expected.sample_names
        assert found.sites.keys() == expected.sites.keys()
        assert np.array_equal(found.alleles, expected.alleles)
    assert header(files["out"] / "train/chr22") == "id position a0 a1 array_marker_flag chromosome"
    assert header(files["out"] / "test/chr22_true") == "id position a0 a1 array_marker_flag a1_freq chromosome"
    assert header(files["out"] / "test/chr22") == "id position a0 a1 chromosome"
    assert np.array_equal(train.sites.markers(), is_marker)
    assert np.array_equal(true.sites.markers(), is_marker)
    assert true.sites.a1_freq is not None
    np.testing.assert_array_equal(true.sites.a1_freq, alt_frequency(expected_train.alleles))
    assert true.sites.ids[0] == "22:{}:{}:{}".format(*panel.sites.keys()[0])
    n_markers = int(is_marker.sum())
    assert (summary.n_sites, summary.n_flagged, summary.n_markers) == (80, n_markers, n_markers + 1)
    assert (summary.n_train, summary.n_test) == (9, 3)


def test_hap_legend_gives_the_same(files: dict[str, Path], panel: Panel) -> None:
    common = {"markers": files["markers"], "test_samples": files["test"]}
    prepare(PrepareSettings(files["out"], vcf=files["vcf"], **common))
    other = files["out"].parent / "other"
    sources = {name: files[name] for name in ("hap", "legend", "sample")}
    prepare(PrepareSettings(other, chromosome="22", **sources, **common))
    assert written(other) == ALL_FILES
    for name in ALL_FILES:
        if "legend" not in name:  # whose ids differ
            assert (other / name).read_bytes() == (files["out"] / name).read_bytes()
    assert read_legend(other / "train/chr22.legend.gz").ids.tolist() == panel.sites.ids.tolist()


def test_flags_of_the_legend_serve_without_a_list(files: dict[str, Path], panel: Panel) -> None:
    settings = PrepareSettings(files["out"], hap=files["hap"], legend=files["legend"], name="mine")
    summary = prepare(settings)
    assert written(files["out"]) == ["train/mine.hap.gz", "train/mine.legend.gz", "train/mine.sample"]
    found = read(files["out"] / "train/mine")
    assert np.array_equal(found.alleles, panel.alleles)
    assert np.array_equal(found.sites.markers(), panel.sites.markers())
    assert found.sites.a1_freq is None
    assert (summary.n_markers, summary.n_test) == (None, 0)


@pytest.mark.parametrize("source", ["vcf", "hap"])
def test_region(files: dict[str, Path], panel: Panel, source: str) -> None:
    first, last = panel.sites.positions[[20, 59]]
    sources = {name: files[name] for name in (("vcf",) if source == "vcf" else ("hap", "legend", "sample"))}
    region = f"22:{first}-{last}"
    prepare(PrepareSettings(files["out"], region=region, markers=files["markers"], **sources))
    found = read(files["out"] / "train/chr22")
    assert found.sites.keys() == panel.sites[20:60].keys()
    assert np.array_equal(found.alleles, panel.alleles[20:60])
    with pytest.raises(DataError, match="expected sites in 22:1-2, found none"):
        prepare(PrepareSettings(files["out"], region="22:1-2", markers=files["markers"], **sources))


@pytest.mark.parametrize("block_sites", [1, 11])
def test_block_size_changes_no_byte(files: dict[str, Path], block_sites: int, monkeypatch: pytest.MonkeyPatch) -> None:
    common = {"vcf": files["vcf"], "markers": files["markers"], "test_samples": files["test"]}
    prepare(PrepareSettings(files["out"], **common))
    monkeypatch.setattr("rnnimp.formats.biallelic.MAX_BLOCK_SITES", block_sites)
    other = files["out"].parent / "other"
    prepare(PrepareSettings(other, **common))
    for name in ALL_FILES:
        with hapslegend.open_input(other / name) as one, hapslegend.open_input(files["out"] / name) as two:
            assert one.read() == two.read()


def test_drawn_test_samples(files: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    drawn = files["out"].parent / "lists" / "drawn.txt"
    options = ["prepare", "--vcf", str(files["vcf"]), "--markers", str(files["markers"]), "--test-samples", str(drawn)]
    options += ["--draw-test-samples", "4", "--output-dir"]
    assert main([*options, str(files["out"])]) == 0
    names = drawn.read_text().split()
    assert len(set(names)) == 4
    assert read(files["out"] / "test/chr22").sample_names == tuple(names)
    drawn.write_text("Sample_7\n")  # what is there is used, and kept
    assert main([*options, str(files["out"])]) == 0
    assert read(files["out"] / "test/chr22").sample_names == ("Sample_7",)
    assert drawn.read_text() == "Sample_7\n"


def test_draw_is_the_same_every_time_and_in_order() -> None:
    names = tuple(f"s{number}" for number in range(1000))
    drawn = draw_samples(names, 100)
    assert drawn == draw_samples(names, 100)
    assert drawn == [name for name in names if name in set(drawn)]
    assert len(drawn) == 100
    with pytest.raises(SettingsError, match="fewer test samples than the panel's 1000"):
        draw_samples(names, 1000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Sample_1\nNA1\nNA2\n", "test.txt: expected samples of the panel, found NA1, NA2, not among its 12"),
        ("Sample_1\nSample_1\n", "test.txt:2: expected each sample once, found Sample_1 as in line 1"),
        ("Sample_1 Sample_2\n", "test.txt:1: expected one sample name per line, found 'Sample_1 Sample_2'"),
        ("\n", "test.txt: expected sample names, one per line, found none"),
        ("\n".join(f"Sample_{i}" for i in range(1, 13)), "test.txt: expected samples left to train on"),
    ],
)
def test_bad_sample_lists(files: dict[str, Path], content: str, message: str) -> None:
    files["test"].write_text(content)
    with pytest.raises(DataError, match=message):
        prepare(PrepareSettings(files["out"], vcf=files["vcf"], markers=files["markers"], test_samples=files["test"]))
    assert not files["out"].exists()


def test_no_marker_leaves_nothing_behind(files: dict[str, Path]) -> None:
    files["markers"].write_text("22 7 A C\n")
    with pytest.raises(DataError, match="expected array markers among the panel's 80 sites, found none of 1"):
        prepare(PrepareSettings(files["out"], vcf=files["vcf"], markers=files["markers"], test_samples=files["test"]))
    assert written(files["out"]) == []


def test_failure_halfway_leaves_older_files_as_they_were(files: dict[str, Path]) -> None:
    settings = PrepareSettings(files["out"], vcf=files["vcf"], markers=files["markers"], test_samples=files["test"])
    prepare(settings)
    before = {name: (files["out"] / name).read_bytes() for name in ALL_FILES}
    lines = files["vcf"].read_text().splitlines()
    lines[60] = lines[60].replace("0|1", "0/1").replace("1|0", "1/0")
    files["vcf"].write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="unphased"):
        prepare(settings)
    assert written(files["out"]) == ALL_FILES
    assert {name: (files["out"] / name).read_bytes() for name in ALL_FILES} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either --vcf, or --hap and --legend"),
        ({"vcf": "v", "hap": "h", "legend": "l", "markers": "m"}, "give either --vcf, or --hap and --legend"),
        ({"hap": "h", "markers": "m"}, "--hap and --legend together"),
        ({"vcf": "v", "sample": "s", "markers": "m"}, "--sample only with them"),
        ({"vcf": "v"}, "give --manifest and --fasta, or --markers"),
        ({"vcf": "v", "manifest": "m"}, "--manifest and --fasta together"),
        ({"vcf": "v", "manifest": "m", "fasta": "f", "markers": "m"}, "either --manifest or --markers"),
        ({"vcf": "v", "markers": "m", "draw_test_samples": 5}, "and --test-samples, the file to write"),
        ({"vcf": "v", "markers": "m", "name": "a/b"}, "without folders"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        PrepareSettings(Path("out"), **options)  # type: ignore[arg-type]


def test_hap_legend_needs_the_chromosome(files: dict[str, Path]) -> None:
    sources = {"hap": files["hap"], "legend": files["legend"]}
    with pytest.raises(SettingsError, match="expected --chromosome"):
        prepare(PrepareSettings(files["out"], markers=files["markers"], **sources))
    with pytest.raises(SettingsError, match="expected --name or --chromosome"):
        prepare(PrepareSettings(files["out"], **sources))


def test_command_and_its_summary(files: dict[str, Path], panel: Panel, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["prepare", "--vcf", str(files["vcf"]), "--markers", str(files["markers"])]
    assert main([*arguments, "--output-dir", str(files["out"]), "--test-samples", str(files["test"])]) == 0
    n_markers = int(panel.sites.markers().sum())
    out, err = capsys.readouterr()
    assert out == ""
    warning, summary = err.splitlines(keepends=True)
    assert warning.startswith(
        "warning: 7 indels flagged as markers only because REF and ALT of the list were exchanged"
    )
    assert summary == (
        f"80 sites, {n_markers} flagged as array markers of {n_markers + 1} markers on the list; "
        "9 samples to train on, 3 set apart\n"
    )
    assert main([*arguments, "--output-dir", str(files["out"]), "--region", "22:5-3"]) == 2
    assert main([*arguments, "--output-dir", str(files["out"]), "--chromosome", "1"]) == 1
    assert "panel.vcf: expected records on chromosome 1, found only 22" in capsys.readouterr().err


def run_script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = REPOSITORY / "scripts" / "test_data_preparation.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_seed_script_names_the_missing_download(tmp_path: Path) -> None:
    result = run_script(tmp_path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    name = "ALL.chr22.phase3_shapeit2_mvncall_integrated_v5b.20130502.genotypes.vcf.gz"
    assert f"run from the repository's root, and download {name} from" in result.stderr


def test_seed_script_says_what_is_preset(tmp_path: Path) -> None:
    result = run_script(tmp_path, "--help")
    assert result.returncode == 0
    preset, usage = result.stdout.split("usage: python3 scripts/test_data_preparation.py", 1)
    assert "--output-dir example_data --name chr22" in preset
    assert "--output-dir" in usage


def test_seed_script_without_arguments(files: dict[str, Path], panel: Panel) -> None:
    """The downloads are made here: the panel, a manifest of its first SNP marker, a genome of A around it."""
    sites = panel.sites
    folder = files["vcf"].parent
    data = folder / "org_data"
    data.mkdir()
    vcf = data / "ALL.chr22.phase3_shapeit2_mvncall_integrated_v5b.20130502.genotypes.vcf.gz"
    lines = files["vcf"].read_text().splitlines(keepends=True)
    vcf.write_text("".join([*lines, lines[-1]]))  # the release repeats some sites
    row = next(row for row in range(80) if len(sites.a1[row]) == 1)
    position, ref, alt = sites.keys()[row]
    sequence = "A" * (position - 1) + ref + "A" * 10
    (data / "hg19.fa").write_text(f">chr22\n{sequence}\n")
    columns = "IlmnStrand,Chr,MapInfo,SNP,SourceStrand,SourceSeq,RefStrand"
    (data / "InfiniumOmni2-5-8v1-4_A1.csv").write_text(
        f"[Assay]\n{columns}\nTOP,22,{position},[{alt}/{ref}],TOP,,+\n[Controls]\n"
    )
    (data / "test_samples.txt").write_text("Sample_1\n")
    result = run_script(folder)
    assert result.returncode == 0, result.stderr
    assert written(folder / "example_data") == ALL_FILES
    assert read(folder / "example_data/test/chr22").sites.keys() == [(position, ref, alt)]
    assert "left out sites whose position and alleles stood before: 1" in result.stderr
    assert (
        "80 sites, 1 flagged as array markers of 1 marker on the list; 11 samples to train on, 1 set" in result.stderr
    )
    assert run_script(folder, "--region", "22:1-5").returncode == 1


@pytest.mark.slow
def test_real_frequencies_equal_the_published(tmp_path: Path) -> None:
    data = shared_data("kgp3_chr22")
    published = read_legend(shared_data("published_chr22/sites.legend.gz"))
    settings = PrepareSettings(
        tmp_path,
        vcf=data / "panel.vcf.gz",
        region="22:50.3-50.33Mb",
        markers=data / "omni2.5_markers.tsv",
        test_samples=data / "test_samples.txt",
    )
    prepare(settings)
    true = read_legend(tmp_path / "test" / "chr22_true.legend.gz")
    assert true.a1_freq is not None
    assert published.a1_freq is not None
    assert published.swapped is not None
    ours = dict(zip(true.keys(), zip(true.a1_freq, true.markers(), strict=True), strict=True))
    columns = published.keys(), published.a1_freq, published.swapped, published.markers()
    n_shared = 0
    for (position, a0, a1), frequency, swapped, is_marker in zip(*columns, strict=True):
        key = (position, a1, a0) if swapped else (position, a0, a1)
        if key in ours:
            n_shared += 1
            assert ours[key][0] == pytest.approx(1 - frequency if swapped else frequency, abs=1e-12)
            assert ours[key][1] == is_marker
    assert n_shared > 100


def warnings_of(files: dict[str, Path], caplog: pytest.LogCaptureFixture, **options: Any) -> str:
    with caplog.at_level("WARNING"):
        prepare(PrepareSettings(output_dir=files["out"], vcf=files["vcf"], **options))
    return caplog.text


def span(positions: np.ndarray) -> float:
    """Megabases from the first to the last position."""
    return float(positions[-1] - positions[0] + 1) / 1e6


def test_a_list_of_another_build_is_warned_of(
    files: dict[str, Path], panel: Panel, caplog: pytest.LogCaptureFixture
) -> None:
    position, a0, a1 = panel.sites.keys()[40]
    others = [f"22 {place + 1} {ref} {alt}" for place, ref, alt in panel.sites.keys()[:-1]]
    files["markers"].write_text("\n".join([f"22 {position} {a0} {a1}", *others, "22 5 A C"]) + "\n")
    text = warnings_of(files, caplog, markers=files["markers"])
    assert f"warning: only 1 of the list's {len(others) + 1} markers from {panel.sites.positions[0]} to" in text


def test_few_markers_per_megabase_are_warned_of(
    files: dict[str, Path], panel: Panel, caplog: pytest.LogCaptureFixture
) -> None:
    text = files["vcf"].read_text().splitlines()
    last = text[-1].split("\t")
    last[1] = "2000000"
    files["vcf"].write_text("\n".join([*text, "\t".join(last)]) + "\n")
    n_markers = int(panel.sites.markers().sum())
    assert n_markers < 45
    warned = warnings_of(files, caplog, markers=files["markers"])
    length = span(np.array([panel.sites.positions[0], 2_000_000]))
    assert f"warning: {n_markers} markers in {length:.3g} Mb, under 50 markers per Mb" in warned
    assert "of the list's" not in warned


def test_indels_of_a_table_in_the_other_order_are_named(
    files: dict[str, Path], panel: Panel, caplog: pytest.LogCaptureFixture
) -> None:
    markers = panel.sites[panel.sites.markers()]
    n_indels = sum(len(a0) != len(a1) for _, a0, a1 in markers.keys())
    assert n_indels > 1
    assert f"warning: {n_indels} indels flagged as markers only because REF and ALT" in warnings_of(
        files, caplog, markers=files["markers"]
    )
    right = [f"22 {position} {a0} {a1}" for position, a0, a1 in markers.keys()]
    files["markers"].write_text("\n".join(right) + "\n")
    caplog.clear()
    assert "indel" not in warnings_of(files, caplog, markers=files["markers"])


@pytest.mark.parametrize("alternative", ["<CN0>", "*", "<DEL:ME:ALU>", ".", "-"])
def test_symbolic_alleles_are_left_out_as_in_a_vcf(
    files: dict[str, Path], panel: Panel, alternative: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    a1 = panel.sites.a1.copy()
    a1[5] = alternative
    sites = replace(panel.sites, a1=a1)
    prefix = files["hap"].parent / "panel"
    with HapsLegendWriter(prefix, panel.sample_names) as writer:
        writer.write(sites, panel.alleles)
    summary = prepare(
        PrepareSettings(output_dir=files["out"], hap=files["hap"], legend=files["legend"], chromosome="22", name="x")
    )
    assert summary.n_sites == len(panel.sites) - 1
    assert "left out alternative alleles that are no sequence: 1" in caplog.text
    written = open_panel(files["out"] / "train/x.hap.gz", files["out"] / "train/x.legend.gz").read()
    kept = np.delete(np.arange(len(panel.sites)), 5)
    assert written.sites.keys() == panel.sites[kept].keys()
    np.testing.assert_array_equal(written.alleles, panel.alleles[kept])
