"""`rnnimp split`: files, frequencies, allele swaps, thresholds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import random_panel
from rnnimp.cli import main
from rnnimp.formats import hapslegend
from rnnimp.formats.hapslegend import HapsLegendWriter, open_panel
from rnnimp.pipeline.split import REGION_INFO_COLUMNS
from rnnimp.sites.panel import Panel


def write(panel: Panel, prefix: Path) -> list[str]:
    """Write the panel with its flags; the options that name it."""
    with HapsLegendWriter(prefix) as writer:
        writer.write(replace(panel.sites, a1_freq=None, chromosome=None), panel.alleles)
    return ["--hap", f"{prefix}.hap.gz", "--legend", f"{prefix}.legend.gz"]


@pytest.fixture
def panel() -> Panel:
    return random_panel(np.random.default_rng(1), n_sites=300, n_samples=30, missing_share=0.01)


def split_into(folder: Path, panel: Panel, *options: str) -> list[Panel]:
    """Run the command; the regions that it wrote, read back."""
    arguments = write(panel, folder / "panel")
    prefix = folder / "split" / "chr22"
    assert main(["split", *arguments, "--output-prefix", str(prefix), "--imp-site-count-limit", "40", *options]) == 0
    prefixes = Path(f"{prefix}.list").read_text().split()
    assert prefixes == [f"{prefix}_{number}" for number in range(1, len(prefixes) + 1)]
    return [open_panel(f"{name}.hap.gz", f"{name}.legend.gz").read() for name in prefixes]


def test_regions_hold_the_panels_alleles(tmp_path: Path, panel: Panel) -> None:
    regions = split_into(tmp_path, panel)
    rows = {key: row for row, key in enumerate(panel.sites.keys())}
    assert len(regions) > 3
    for region in regions:
        for key, swapped, freq, alleles in zip(
            region.sites.keys(), region.sites.swapped, region.sites.a1_freq, region.alleles, strict=True
        ):
            position, a0, a1 = key
            source = panel.alleles[rows[(position, a1, a0) if swapped else key]]
            expected = np.where(source < 0, source, 1 - source) if swapped else source
            assert np.array_equal(alleles, expected)
            assert freq == pytest.approx(np.mean(expected[expected >= 0]))
            assert not swapped or freq < 0.5


def test_markers_are_swapped_to_the_rarer_allele_and_other_sites_are_not(tmp_path: Path, panel: Panel) -> None:
    for region in split_into(tmp_path, panel):
        is_marker = region.sites.markers()
        assert (region.sites.a1_freq[is_marker] <= 0.5).all()
        assert not region.sites.swapped[~is_marker].any()


def test_allele_flip_can_be_suppressed(tmp_path: Path, panel: Panel) -> None:
    regions = split_into(tmp_path, panel, "--suppress-allele-flip")
    assert not any(region.sites.swapped.any() for region in regions)
    assert any((region.sites.a1_freq[region.sites.markers()] > 0.5).any() for region in regions)


def test_rare_sites_are_dropped_but_rare_markers_stay(tmp_path: Path, panel: Panel) -> None:
    alleles = panel.alleles.copy()
    alleles[::2] = 0
    regions = split_into(tmp_path, replace(panel, alleles=alleles), "--maf-threshold", "0.1")
    imputed = np.concatenate([region.sites.a1_freq[~region.sites.markers()] for region in regions])
    markers = np.concatenate([region.sites.a1_freq[region.sites.markers()] for region in regions])
    assert imputed.min() >= 0.1
    assert markers.min() == 0


def test_the_region_report_and_small_blocks(tmp_path: Path, panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = split_into(tmp_path / "whole", panel)
    monkeypatch.setattr(hapslegend.allele_blocks, "__defaults__", (400, False))
    parts = split_into(tmp_path / "parts", panel)
    for one, other in zip(whole, parts, strict=True):
        assert one.sites.keys() == other.sites.keys()
        assert np.array_equal(one.alleles, other.alleles)
    rows = [line.split("\t") for line in (tmp_path / "parts/split/chr22_region_info.txt").read_text().splitlines()]
    assert tuple(rows[0]) == REGION_INFO_COLUMNS
    for row, region in zip(rows[1:], parts, strict=True):
        imputed = region.sites.positions[~region.sites.markers()]
        ends = [imputed[0], imputed[-1], region.sites.positions[0], region.sites.positions[-1]]
        counts = [len(imputed), region.sites.markers().sum(), len(region.sites)]
        assert list(map(int, row)) == [*ends, *counts]


def test_the_partition_is_looked_up_by_the_ids_chromosome(tmp_path: Path, panel: Panel) -> None:
    ids = np.array([f"22:{key[0]}:{key[1]}:{key[2]}" for key in panel.sites.keys()], dtype=object)
    middle = int(panel.sites.positions[150])
    bed = tmp_path / "blocks.bed"
    bed.write_text(
        f"chr \t start \t stop\nchr21 \t 1 \t 5\nchr22 \t 1 \t {middle}\nchr22 \t {middle} \t {middle + 9}\n"
    )
    regions = split_into(tmp_path, replace(panel, sites=replace(panel.sites, ids=ids)), "--partition", str(bed))
    bodies = [region.sites.positions[~region.sites.markers()] for region in regions]
    assert all(body[-1] <= middle or body[0] > middle for body in bodies)
    assert any(body[0] > middle for body in bodies)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--maf-threshold", "2"], 2, "--maf-threshold must lie between 0 and 0.5, found 2.0"),
        (["--body-marker-count-limit", "0"], 2, "--body-marker-count-limit must be 1 or more, found 0"),
        (["--chromosome", "5", "--partition", "BED"], 1, "expected blocks of chromosome 5, found none"),
        (["--partition", "BED"], 1, "expected blocks of one chromosome, found 2 (21, 22)"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str], options: list[str], code: int, message: str
) -> None:
    bed = tmp_path / "blocks.bed"
    bed.write_text("chr21 1 5\nchr22 1 9\n")
    options = [str(bed) if option == "BED" else option for option in options]
    arguments = ["split", *write(panel, tmp_path / "panel"), "--output-prefix", str(tmp_path / "out/x"), *options]
    assert main(arguments) == code
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_long_line_of_a_partition_is_shortened(
    tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    bed = tmp_path / "panel.vcf"
    bed.write_text("##fileformat=VCFv4.2\n" + "\t".join(["22", "5", "rs1", "A", "G", *["0|1"] * 500]) + "\n")
    arguments = ["split", *write(panel, tmp_path / "panel"), "--output-prefix", str(tmp_path / "out/x")]
    assert main([*arguments, "--partition", str(bed)]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert "panel.vcf:2: expected 'chr start stop', found '22 5 rs1 A G 0|1 0|1" in message
    assert message.endswith(" ...'")
    assert len(message) < len(str(bed)) + 180


def test_a_legend_without_marker_flags_is_refused(
    tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = replace(panel, sites=replace(panel.sites, is_marker=None))
    assert main(["split", *write(bare, tmp_path / "panel"), "--output-prefix", str(tmp_path / "out")]) == 1
    assert "panel.legend.gz:1: expected the column array_marker_flag" in capsys.readouterr().err


def test_the_chromosome_goes_from_legend_to_legend(
    tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    with HapsLegendWriter(tmp_path / "named") as writer:
        writer.write(panel.sites, panel.alleles)
    arguments = ["split", "--hap", f"{tmp_path}/named.hap.gz", "--legend", f"{tmp_path}/named.legend.gz"]
    assert main([*arguments, "--output-prefix", f"{tmp_path}/out/x"]) == 0
    assert hapslegend.read_legend(tmp_path / "out/x_1.legend.gz").chromosome == "22"
    assert main([*arguments, "--output-prefix", f"{tmp_path}/other/x", "--chromosome", "chr20"]) == 1
    assert "expected chromosome chr20, found 22" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_ids_of_another_chromosome_are_refused(
    tmp_path: Path, panel: Panel, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = np.array([f"22:{key[0]}:{key[1]}:{key[2]}" for key in panel.sites.keys()], dtype=object)
    arguments = write(replace(panel, sites=replace(panel.sites, ids=ids)), tmp_path / "panel")
    assert main(["split", *arguments, "--output-prefix", f"{tmp_path}/out/x", "--chromosome", "20"]) == 1
    assert "expected chromosome 20, found ids of chromosome 22" in capsys.readouterr().err
