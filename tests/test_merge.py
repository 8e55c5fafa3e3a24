"""Parts of a cohort and of a chromosome, imputed apart and merged, against the whole imputed at once."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnimp.cli import main
from rnnimp.formats.sums import read_sums
from test_impute_command import error_line, write_target
from test_impute_output import impute, make_case, names, records
from tiny_model import tiny_chromosome


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_case(tmp_path)


NAMES = [f"Sample_{number}" for number in range(1, 10)]


def of_samples(folder: Path, name: str, chosen: list[str], *more: str) -> str:
    """The path of a VCF with these samples alone."""
    (folder / "samples.txt").write_text("\n".join(chosen) + "\n")
    assert impute(folder, f"{name}.vcf.gz", "--samples", str(folder / "samples.txt"), *more) == 0
    return str(folder / "out" / f"{name}.vcf.gz")


def of_region(folder: Path, name: str, start: int | str, end: int | str = "") -> str:
    assert impute(folder, f"{name}.vcf.gz", "--region", f"22:{start}-{end}") == 0
    return str(folder / "out" / f"{name}.vcf.gz")


def whole(folder: Path) -> Path:
    assert impute(folder, "whole.vcf.gz") == 0
    return folder / "out" / "whole.vcf.gz"


def merge(folder: Path, *inputs: str) -> int:
    return main(["merge", *inputs, "--output", str(folder / "out" / "merged.vcf.gz")])


def merged_is_whole(folder: Path) -> bool:
    return records(folder / "out" / "merged.vcf.gz") == records(whole(folder))


def header_columns(path: Path) -> list[bytes]:
    lines = gzip.decompress(path.read_bytes()).splitlines()
    return next(line for line in lines if line.startswith(b"#CHROM")).split(b"\t")


def test_samples_merge_to_the_very_lines_of_the_whole(folder: Path) -> None:
    parts = [of_samples(folder, f"p{i}", chosen) for i, chosen in enumerate((NAMES[:2], NAMES[2:8], NAMES[8:]))]
    assert merge(folder, *parts) == 0
    assert merged_is_whole(folder)
    assert header_columns(folder / "out" / "merged.vcf.gz") == header_columns(folder / "out" / "whole.vcf.gz")
    assert {"merged.vcf.gz", "merged.vcf.gz.csi", "merged.sums.tsv.gz"} <= names(folder)


def test_filled_alleles_add_up(folder: Path) -> None:
    panel, _ = tiny_chromosome(np.random.default_rng(8), n_regions=4, n_samples=9)
    is_typed = panel.sites.markers() | (np.arange(len(panel.sites)) % 2 == 0)
    alleles = panel.alleles.copy()
    inner = np.flatnonzero(is_typed & ~panel.sites.markers())
    alleles[inner[0], [0, 7]] = alleles[inner[3], 12:14] = -1
    plain = replace(panel.sites, is_marker=None, a1_freq=None, chromosome=None)
    write_target(folder / "t", replace(panel, sites=plain, alleles=alleles)[is_typed])
    parts = [of_samples(folder, f"p{i}", chosen) for i, chosen in enumerate((NAMES[:2], NAMES[2:]))]
    assert merge(folder, *parts) == 0
    assert merged_is_whole(folder)
    assert sum(b";FILLED=2" in line for line in records(folder / "out" / "merged.vcf.gz")) == 2


def test_pooled_scores_are_not_those_of_rounded_values(folder: Path) -> None:
    parts = [of_samples(folder, f"p{i}", chosen) for i, chosen in enumerate((NAMES[:3], NAMES[3:]))]
    assert merge(folder, *parts) == 0
    merged, all_at_once = (
        read_sums(folder / "out" / f"{name}.sums.tsv.gz") for name in ("merged", "whole") if whole(folder)
    )
    assert merged[0].keys() == all_at_once[0].keys()
    for name in ("dose", "square", "complete_dose", "complete_square"):
        ours, theirs = getattr(merged[1], name), getattr(all_at_once[1], name)
        assert abs(ours - theirs).max() < 1e-12


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_regions_merge_to_the_very_lines_of_the_whole(folder: Path, order: tuple[int, ...]) -> None:
    positions = [int(line.split(b"\t")[1]) for line in records(whole(folder))]
    first, second = positions[len(positions) // 3], positions[len(positions) // 2]
    parts = [
        of_region(folder, "a", 1, first), of_region(folder, "b", first + 1, second), of_region(folder, "c", second + 1)
    ]  # fmt: skip
    assert all(records(Path(part)) for part in parts)
    assert merge(folder, *(parts[number] for number in order)) == 0
    assert merged_is_whole(folder)


def test_merged_parts_merge_again(folder: Path) -> None:
    parts = [of_samples(folder, f"p{i}", chosen) for i, chosen in enumerate((NAMES[:2], NAMES[2:4], NAMES[4:]))]
    assert merge(folder, *parts[:2]) == 0
    (folder / "out" / "merged.vcf.gz").rename(folder / "out" / "two.vcf.gz")
    (folder / "out" / "merged.sums.tsv.gz").rename(folder / "out" / "two.sums.tsv.gz")
    assert merge(folder, str(folder / "out" / "two.vcf.gz"), parts[2]) == 0
    assert merged_is_whole(folder)


def test_what_does_not_fit_together_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = of_samples(folder, "a", NAMES[:4]), of_samples(folder, "b", NAMES[3:])
    assert merge(folder, first, second) == 1
    assert "expected samples that differ, found Sample_4 also in" in error_line(capsys)
    third = of_samples(folder, "c", NAMES[4:], "--min-r2", "0.2")
    assert merge(folder, first, third) == 1
    assert "expected the sites of" in error_line(capsys)
    fourth = of_samples(folder, "d", NAMES[4:], "--format-fields", "GT,DS")
    assert merge(folder, first, fourth) == 1
    assert f"{fourth}: expected the fields GT,DS,GP as in {first}, found GT,DS; impute" in error_line(capsys)
    assert merge(folder, first, of_samples(folder, "e", NAMES[:4])) == 1
    assert "expected stretches that follow each other" in error_line(capsys)
    assert not [name for name in names(folder) if name.startswith("merged")]


def test_stretches_with_other_fields_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    middle = int(records(whole(folder))[40].split(b"\t")[1])
    first = of_region(folder, "a", 1, middle)
    assert impute(folder, "b.vcf.gz", "--region", f"22:{middle + 1}-", "--format-fields", "GT,HDS") == 0
    second = str(folder / "out" / "b.vcf.gz")
    assert merge(folder, first, second) == 1
    assert f"{second}: expected the fields GT,DS,GP as in {first}, found GT,HDS" in error_line(capsys)
    assert "merged.vcf.gz" not in names(folder)


def test_stretches_of_two_chromosomes_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    middle = int(records(whole(folder))[40].split(b"\t")[1])
    first, second = of_region(folder, "a", 1, middle), of_region(folder, "b", middle + 1)
    other = gzip.decompress(Path(second).read_bytes()).replace(b"\n22\t", b"\n21\t").replace(b"<ID=22>", b"<ID=21>")
    (folder / "out" / "b.vcf").write_bytes(other)
    assert merge(folder, first, str(folder / "out" / "b.vcf")) == 1
    assert f"b.vcf: expected chromosome 22 as in {first}, found 21; merge each chromosome" in error_line(capsys)
    assert "merged.vcf.gz" not in names(folder)


def test_the_sums_of_other_samples_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As lie beside a VCF after another one was written under the same prefix with another ending."""
    first, second = of_samples(folder, "a", NAMES[:4]), of_samples(folder, "b", NAMES[4:])
    of_samples(folder, "other", NAMES[3:8])
    (folder / "out" / "other.sums.tsv.gz").rename(folder / "out" / "b.sums.tsv.gz")
    assert merge(folder, first, second) == 1
    assert "expected the sites and allele counts of the file of sums beside it" in error_line(capsys)
    assert "merged.vcf.gz" not in names(folder)


def test_missing_and_cut_files_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = of_samples(folder, "a", NAMES[:4]), of_samples(folder, "b", NAMES[4:])
    content = Path(second).read_bytes()
    Path(second).write_bytes(content[: len(content) // 2])
    assert merge(folder, first, second) == 1
    assert f"{second}: the bgzip data have no end mark" in error_line(capsys)
    Path(second).write_bytes(content)
    (folder / "out" / "b.sums.tsv.gz").unlink()
    assert merge(folder, first, second) == 1
    assert "b.sums.tsv.gz: cannot be read" in error_line(capsys)
    assert merge(folder, first) == 2
    assert "two files or more" in error_line(capsys)
    assert merge(folder, first, "x.bcf") == 2
    assert "convert BCF with 'bcftools view'" in error_line(capsys)


def test_white_space_around_names_of_samples_is_passed_over(folder: Path) -> None:
    plain = of_samples(folder, "plain", NAMES[:2])
    spaced = of_samples(folder, "spaced", [f" {NAMES[0]} \t", "", f"{NAMES[1]}\r"])
    assert records(Path(spaced)) == records(Path(plain))


def test_unknown_samples_and_empty_regions_are_refused(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "samples.txt").write_text("Sample_2\nnobody\n")
    assert impute(folder, "x.vcf", "--samples", str(folder / "samples.txt")) == 1
    assert "samples.txt: expected samples of the target, a name a line, found no nobody" in error_line(capsys)
    assert impute(folder, "x.vcf", "--region", "22:5-10") == 1
    assert "expected imputed sites of the model in 22:5-10, found none" in error_line(capsys)
    assert impute(folder, "x.vcf", "--region", "21:5-10") == 1
    assert "expected one chromosome" in error_line(capsys)
