"""`rnnimp merge`: parts of a cohort and of a chromosome, compared with the whole imputed at once."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cyvcf2
import numpy as np
import pytest

from helpers import error_line
from impute_cases import output_names, records, run_impute, write_target
from rnnimp.cli import main
from rnnimp.formats.bgzf import END_MARK, packed_block
from rnnimp.formats.bundle import write_manifest
from rnnimp.formats.sums import read_sums
from tiny_model import manifest_of, tiny_chromosome, write_tiny_bundle

NAMES = [f"Sample_{number}" for number in range(1, 10)]


def of_samples(folder: Path, name: str, chosen: list[str], *more: str) -> str:
    """The path of a VCF with only these samples."""
    (folder / "samples.txt").write_text("\n".join(chosen) + "\n")
    assert run_impute(folder, f"{name}.vcf.gz", "--samples", str(folder / "samples.txt"), *more) == 0
    return str(folder / "out" / f"{name}.vcf.gz")


def of_region(folder: Path, name: str, start: int | str, end: int | str = "") -> str:
    assert run_impute(folder, f"{name}.vcf.gz", "--region", f"22:{start}-{end}") == 0
    return str(folder / "out" / f"{name}.vcf.gz")


def whole(folder: Path) -> Path:
    assert run_impute(folder, "whole.vcf.gz") == 0
    return folder / "out" / "whole.vcf.gz"


def merge(folder: Path, *inputs: str) -> int:
    return main(["merge", *inputs, "--output", str(folder / "out" / "merged.vcf.gz")])


def merged_is_whole(folder: Path) -> bool:
    same_table = site_table(folder, "merged") == (whole(folder) and site_table(folder, "whole"))
    return same_table and records(folder / "out" / "merged.vcf.gz") == records(folder / "out" / "whole.vcf.gz")


def site_table(folder: Path, name: str) -> bytes:
    return gzip.decompress((folder / "out" / f"{name}.info.tsv.gz").read_bytes())


def header_columns(path: Path) -> list[bytes]:
    lines = gzip.decompress(path.read_bytes()).splitlines()
    return next(line for line in lines if line.startswith(b"#CHROM")).split(b"\t")


def test_samples_merge_to_the_very_lines_of_the_whole(folder: Path) -> None:
    parts = [of_samples(folder, f"p{i}", chosen) for i, chosen in enumerate((NAMES[:2], NAMES[2:8], NAMES[8:]))]
    assert merge(folder, *parts) == 0
    assert merged_is_whole(folder)
    assert header_columns(folder / "out" / "merged.vcf.gz") == header_columns(folder / "out" / "whole.vcf.gz")
    beside = {"merged.vcf.gz.csi", "merged.sums.tsv.gz", "merged.info.tsv.gz"}
    assert {"merged.vcf.gz", *beside} <= output_names(folder)


def test_filled_alleles_add_up(folder: Path) -> None:
    panel, _ = tiny_chromosome(np.random.default_rng(8), n_regions=4, n_samples=9)
    is_typed = panel.sites.markers() | (np.arange(len(panel.sites)) % 2 == 0)
    alleles = panel.alleles.copy()
    inner = np.flatnonzero(is_typed & ~panel.sites.markers())
    alleles[inner[0], [0, 7]] = alleles[inner[3], 12:14] = -1
    plain = replace(panel.sites, is_marker=None, a1_freq=None, chromosome=None)
    plain.positions[inner[6]] -= 1  # no more in the model
    write_target(folder / "t", replace(panel, sites=plain, alleles=alleles)[is_typed])
    parts = [of_samples(folder, f"p{i}", chosen) for i, chosen in enumerate((NAMES[:2], NAMES[2:]))]
    assert merge(folder, *parts) == 0
    assert merged_is_whole(folder)
    assert sum(b";FILLED=2" in line for line in records(folder / "out" / "merged.vcf.gz")) == 2
    assert [b";TYPED_ONLY" in line for line in records(folder / "out" / "merged.vcf.gz")].count(True) == 1


def test_parts_of_two_versions_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    middle = int(records(whole(folder))[40].split(b"\t")[1])
    first, second = of_region(folder, "a", 1, middle), of_region(folder, "b", middle + 1)
    lines = gzip.decompress(Path(second).read_bytes()).splitlines(keepends=True)
    older = [line.replace(b";IMPUTED", b"").replace(b";TYPED", b"") for line in lines if b"=<ID=TYPED" not in line]
    plain = Path(second.removesuffix(".gz"))
    plain.write_bytes(b"".join(older))
    assert merge(folder, first, str(plain)) == 1
    assert "found AC,AN,AF,MAF,R2,IMP,IMPUTED,ER2,FILLED; impute all parts with one version" in error_line(capsys)


def test_parts_without_flags_of_typed_sites_merge_as_they_are(folder: Path) -> None:
    parts = [of_samples(folder, f"p{i}", chosen) for i, chosen in enumerate((NAMES[:2], NAMES[2:]))]
    expected = [line.replace(b";TYPED", b"") for line in records(whole(folder))]
    older = [changed_part(part, b";TYPED", b"", count=-1) for part in parts]
    assert merge(folder, *older) == 0
    assert records(folder / "out" / "merged.vcf.gz") == expected


def test_pooled_scores_are_not_those_of_rounded_values(folder: Path) -> None:
    parts = [of_samples(folder, f"p{i}", chosen) for i, chosen in enumerate((NAMES[:3], NAMES[3:]))]
    assert merge(folder, *parts) == 0
    merged, all_at_once = (
        read_sums(folder / "out" / f"{name}.sums.tsv.gz") for name in ("merged", "whole") if whole(folder)
    )
    assert merged[0].keys() == all_at_once[0].keys()
    for name in ("n_carried", "n_alleles", "dose", "square"):
        np.testing.assert_array_equal(getattr(merged[1], name), getattr(all_at_once[1], name))


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


def test_empirical_r2_stays_in_the_table_of_merged_regions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panel, _ = tiny_chromosome(np.random.default_rng(8), n_regions=4, n_samples=9)
    plain = replace(panel.sites, is_marker=None, a1_freq=None, chromosome=None)
    write_target(folder / "t", replace(panel, sites=plain)[np.arange(len(panel.sites)) % 3 < 2])
    assert run_impute(folder, "whole.vcf.gz", "--empirical-r2") == 0
    middle = int(records(folder / "out" / "whole.vcf.gz")[40].split(b"\t")[1])
    for name, span in (("a", f"1-{middle}"), ("b", f"{middle + 1}-")):
        assert run_impute(folder, f"{name}.vcf.gz", "--region", f"22:{span}", "--empirical-r2") == 0
    first, second = (str(folder / "out" / f"{name}.vcf.gz") for name in "ab")
    assert merge(folder, first, second) == 0
    assert site_table(folder, "merged") == site_table(folder, "whole")
    assert b"NA\tTYPED\n" in site_table(folder, "merged")
    assert sum(row.split(b"\t")[8] != b"NA" for row in site_table(folder, "merged").splitlines()) > 5
    assert merge(folder, first, changed_part(second, b";ER2=0", b";ER2=x")) == 1
    assert "expected a number as ER2 in INFO, found ER2=x" in error_line(capsys)


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
    assert not [name for name in output_names(folder) if name.startswith("merged")]


def test_stretches_with_other_fields_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    middle = int(records(whole(folder))[40].split(b"\t")[1])
    first = of_region(folder, "a", 1, middle)
    assert run_impute(folder, "b.vcf.gz", "--region", f"22:{middle + 1}-", "--format-fields", "GT,HDS") == 0
    second = str(folder / "out" / "b.vcf.gz")
    assert merge(folder, first, second) == 1
    assert f"{second}: expected the fields GT,DS,GP as in {first}, found GT,HDS" in error_line(capsys)
    assert "merged.vcf.gz" not in output_names(folder)


def test_stretches_of_two_chromosomes_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    middle = int(records(whole(folder))[40].split(b"\t")[1])
    first, second = of_region(folder, "a", 1, middle), of_region(folder, "b", middle + 1)
    other = gzip.decompress(Path(second).read_bytes()).replace(b"\n22\t", b"\n21\t").replace(b"<ID=22>", b"<ID=21>")
    (folder / "out" / "b.vcf").write_bytes(other)
    assert merge(folder, first, str(folder / "out" / "b.vcf")) == 1
    assert f"b.vcf: expected chromosome 22 as in {first}, found 21; merge each chromosome" in error_line(capsys)
    assert "merged.vcf.gz" not in output_names(folder)


def test_the_sums_of_other_samples_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sums of another VCF, as after two runs with one output prefix and different file endings."""
    first, second = of_samples(folder, "a", NAMES[:4]), of_samples(folder, "b", NAMES[4:])
    of_samples(folder, "other", NAMES[3:8])
    (folder / "out" / "other.sums.tsv.gz").rename(folder / "out" / "b.sums.tsv.gz")
    assert merge(folder, first, second) == 1
    assert "expected the sites and allele counts of the file of sums beside it" in error_line(capsys)
    assert "merged.vcf.gz" not in output_names(folder)


def test_missing_and_cut_files_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = of_samples(folder, "a", NAMES[:4]), of_samples(folder, "b", NAMES[4:])
    content = Path(second).read_bytes()
    Path(second).write_bytes(content[: len(content) // 2])
    assert merge(folder, first, second) == 1
    assert f"{second}: the bgzip data have no end mark" in error_line(capsys)
    Path(second).write_bytes(content)
    (folder / "out" / "b.sums.tsv.gz").unlink()
    assert merge(folder, first, second) == 1
    message = error_line(capsys)
    assert "b.sums.tsv.gz beside it, found no such file; 'rnnimp impute' wrote it" in message
    assert merge(folder, first) == 2
    assert "two files or more" in error_line(capsys)
    assert merge(folder, first, "x.gen") == 2
    assert "expected .vcf, .vcf.gz or .bcf to merge, found x.gen" in error_line(capsys)
    assert main(["merge", first, second, "--output", "x.bcf"]) == 2
    assert "expected .vcf or .vcf.gz to write, found x.bcf; make a BCF of that" in error_line(capsys)
    assert main(["merge", first, second, "--output", first.removesuffix(".gz")]) == 2
    assert "also without their endings, found one twice" in error_line(capsys)


def make_hard_case(folder: Path) -> None:
    """Replaces the target by one of chrX with haploid samples, missing alleles and sites of which only REF is known."""
    panel, _ = tiny_chromosome(np.random.default_rng(8), n_regions=4, n_samples=9)
    is_typed = panel.sites.markers() | (np.arange(len(panel.sites)) % 2 == 0)
    panel = panel[is_typed]
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=X>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *NAMES]))
    for row, ((position, a0, a1), alleles) in enumerate(zip(panel.sites.keys(), panel.alleles, strict=True)):
        texts = ["." if (row + column) % 13 == 0 else str(allele) for column, allele in enumerate(alleles)]
        genotypes = [texts[2 * i] if 5 <= i < 8 else "|".join(texts[2 * i : 2 * i + 2]) for i in range(9)]
        alt = a1
        if row % 9 == 4:
            alt, genotypes = ".", ["0" if 5 <= i < 8 else "0|0" for i in range(9)]
        lines.append("\t".join(["X", str(position), f"rs{row}" if row % 4 else ".", a0, alt, *"...", "GT", *genotypes]))
    (folder / "t.vcf").write_text("\n".join(lines) + "\n")


def impute_hard(folder: Path, output: str, *more: str) -> str:
    command = ["impute", "--vcf", f"{folder}/t.vcf", "--model-prefix", f"{folder}/m", *more]
    assert main([*command, "--output-prefix", f"{folder}/out/{output}", "--format-fields", "GT,DS,HDS,GP,AP"]) == 0
    return f"{folder}/out/{output}"


@pytest.mark.parametrize("endings", [("bcf", "bcf", "bcf"), ("vcf.gz", "bcf", "vcf")])
def test_bcf_parts_merge_to_the_very_lines_of_a_vcf(folder: Path, endings: tuple[str, ...]) -> None:
    make_hard_case(folder)
    parts = []
    for number, (ending, chosen) in enumerate(zip(endings, (NAMES[:2], NAMES[2:6], NAMES[6:]), strict=True)):
        (folder / "samples.txt").write_text("\n".join(chosen) + "\n")
        parts.append(impute_hard(folder, f"p{number}.{ending}", "--samples", f"{folder}/samples.txt"))
    impute_hard(folder, "whole.vcf.gz")
    expected = records(folder / "out" / "whole.vcf.gz")
    assert merge(folder, *parts) == 0
    assert records(folder / "out" / "merged.vcf.gz") == expected
    assert site_table(folder, "merged") == site_table(folder, "whole")
    middle = int(expected[len(expected) // 2].split(b"\t")[1])
    spans = [("1", middle), (middle + 1, "")]
    parts = [impute_hard(folder, f"r{i}.bcf", "--region", f"X:{a}-{b}") for i, (a, b) in enumerate(spans)]
    assert merge(folder, *parts) == 0
    assert records(folder / "out" / "merged.vcf.gz") == expected
    assert any(b"FILLED=" in line for line in expected) and any(b"\t.\t.\tPASS\tAN=" in line for line in expected)


def test_parts_that_declare_all_chromosomes_merge(folder: Path) -> None:
    expected = records(whole(folder))
    middle = int(expected[40].split(b"\t")[1])
    for name, span in (("a.bcf", f"1-{middle}"), ("b.vcf.gz", f"{middle + 1}-")):
        assert run_impute(folder, name, "--region", f"22:{span}", "--contigs", "GRCh37") == 0
    assert merge(folder, str(folder / "out" / "a.bcf"), str(folder / "out" / "b.vcf.gz")) == 0
    assert records(folder / "out" / "merged.vcf.gz") == expected
    assert cyvcf2.VCF(str(folder / "out" / "merged.vcf.gz")).seqnames == ["22", *map(str, range(1, 22)), "X", "Y"]


def test_bcf_without_sites_and_damaged_ones(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    middle = int(records(whole(folder))[40].split(b"\t")[1])
    first = of_region(folder, "a", 1, middle)
    assert run_impute(folder, "b.bcf", "--region", f"22:{middle + 1}-") == 0
    second = folder / "out" / "b.bcf"
    content, sums = second.read_bytes(), (folder / "out" / "b.sums.tsv.gz").read_bytes()
    second.write_bytes(content[: len(content) // 2])
    assert merge(folder, first, str(second)) == 1
    assert f"{second}: the bgzip data have no end mark" in error_line(capsys)
    header, unpacked = read_bcf_header(content), gzip.decompress(content)
    second.write_bytes(packed(unpacked[: len(header) + 200]))
    assert merge(folder, first, str(second)) == 1
    assert f"{second}: expected" in error_line(capsys)
    second.write_bytes(packed(header[:7]))
    assert merge(folder, first, str(second)) == 1
    assert f"{second}:1: expected the header of a VCF that impute wrote" in error_line(capsys)
    second.write_bytes(packed(header))
    assert merge(folder, first, str(second)) == 1
    assert f"{second}: expected" in error_line(capsys)
    (folder / "out" / "b.sums.tsv.gz").write_bytes(gzip.compress(gzip.decompress(sums).splitlines(keepends=True)[0]))
    assert merge(folder, first, str(second)) == 0
    assert records(folder / "out" / "merged.vcf.gz") == records(Path(first))
    second.write_bytes(content)
    assert merge(folder, first, str(second)) == 1
    assert "found others in record 1; impute again" in error_line(capsys)


def read_bcf_header(content: bytes) -> bytes:
    unpacked = gzip.decompress(content)
    return unpacked[: 9 + int.from_bytes(unpacked[5:9], "little")]


def packed(data: bytes) -> bytes:
    return packed_block(data) + END_MARK


def add_manifest(folder: Path, seed: int) -> None:
    """Give the model a manifest with this seed."""
    _, regions = tiny_chromosome(np.random.default_rng(8), n_regions=4, n_samples=9)
    write_manifest(folder / "m", replace(manifest_of(folder / "m", regions), seed=seed, chromosome="22"))


def test_parts_of_two_models_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unknown = of_samples(folder, "u", NAMES[6:])
    add_manifest(folder, seed=1)
    first, same = of_samples(folder, "a", NAMES[:3]), of_samples(folder, "b", NAMES[3:6])
    add_manifest(folder, seed=2)
    other = of_samples(folder, "c", NAMES[3:6])
    for part in (other, unknown):
        assert merge(folder, first, part) == 1
        assert f"{part}: expected the model of {first} (manifest " in error_line(capsys)
    assert "merged.vcf.gz" not in output_names(folder)
    assert merge(folder, first, same) == 0


def test_the_header_keeps_the_commands_of_all_parts(folder: Path) -> None:
    parts = [of_samples(folder, f"p{i}", chosen) for i, chosen in enumerate((NAMES[:2], NAMES[2:4], NAMES[4:]))]
    assert merge(folder, *parts[:2]) == 0
    (folder / "out" / "merged.vcf.gz").rename(folder / "out" / "two.vcf.gz")
    (folder / "out" / "merged.sums.tsv.gz").rename(folder / "out" / "two.sums.tsv.gz")
    two = str(folder / "out" / "two.vcf.gz")
    assert merge(folder, two, parts[2]) == 0
    header = gzip.decompress((folder / "out" / "merged.vcf.gz").read_bytes()).decode().split("#CHROM")[0].splitlines()
    first_header = gzip.decompress(Path(parts[0]).read_bytes()).decode().split("#CHROM")[0].splitlines()
    commands = [line for line in header if "Command=" in line]
    assert [line for line in header if line not in commands] == [
        line for line in first_header if "Command=" not in line
    ]
    assert [line.split("=")[0] for line in commands] == [
        *["##rnnimp_imputeCommand"] * 2, "##rnnimp_mergeCommand", "##rnnimp_imputeCommand", "##rnnimp_mergeCommand"
    ]  # fmt: skip
    for name, line in zip(("p0", "p1", "p0.vcf.gz", "p2", "two.vcf.gz"), commands, strict=True):
        assert f"/out/{name}" in line
    assert cyvcf2.VCF(str(folder / "out" / "merged.vcf.gz")).samples == NAMES


def test_white_space_around_names_of_samples_is_passed_over(folder: Path) -> None:
    plain = of_samples(folder, "plain", NAMES[:2])
    spaced = of_samples(folder, "spaced", [f" {NAMES[0]} \t", "", f"{NAMES[1]}\r"])
    assert records(Path(spaced)) == records(Path(plain))


def test_unknown_samples_and_empty_regions_are_refused(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "samples.txt").write_text("Sample_2\nnobody\n")
    assert run_impute(folder, "x.vcf", "--samples", str(folder / "samples.txt")) == 1
    assert "samples.txt: expected samples of the target, one name per line, found no nobody" in error_line(capsys)
    assert run_impute(folder, "x.vcf", "--region", "22:5-10") == 1
    assert "expected imputed sites of the model in 22:5-10, found none" in error_line(capsys)
    assert run_impute(folder, "x.vcf", "--region", "21:5-10") == 1
    assert "expected one chromosome" in error_line(capsys)


def changed_part(path: str, old: bytes, new: bytes, count: int = 1) -> str:
    """A copy of a packed part as plain text, with a change in its lines; its sums lie beside it as before."""
    text = gzip.decompress(Path(path).read_bytes())
    assert old in text
    plain = path.removesuffix(".gz")
    Path(plain).write_bytes(text.replace(old, new, count))
    return plain


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line.replace(b"\t", b"\tX\t", 1), "expected lines of 13 columns as in the header, found 14"),
        (lambda line: line[: line.rindex(b"\t")] + b"\n", "expected lines of 13 columns as in the header, found 12"),
        (lambda line: line.rstrip(b"\n") + b"\t0|0\n", "expected lines of 13 columns as in the header, found 14"),
        (lambda line: b"21" + line[2:], "expected the sites and allele counts of the file of sums"),
        (lambda line: b"\t".join([*line.split(b"\t")[:3], b"N", *line.split(b"\t")[4:]]), "expected the sites"),
        (lambda line: b"\n", "expected lines of 13 columns as in the header, found 1"),
    ],
)
def test_a_damaged_line_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], change: Callable[[bytes], bytes], message: str
) -> None:
    first, second = of_samples(folder, "a", NAMES[:4]), of_samples(folder, "b", NAMES[4:])
    line = records(Path(first))[7]
    assert merge(folder, changed_part(first, line, change(line)), second) == 1
    assert message in error_line(capsys)
    assert not [name for name in output_names(folder) if name.startswith("merged")]


def test_a_last_line_that_is_cut_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = of_samples(folder, "a", NAMES[:4]), of_samples(folder, "b", NAMES[4:])
    plain = Path(changed_part(first, b"##", b"##"))
    plain.write_bytes(plain.read_bytes()[:-3])
    assert merge(folder, str(plain), second) == 1
    assert "found 13 and no end of the line" in error_line(capsys)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (0, b"-5", "expected a position, two alleles and sums"),
        (0, b"1", "expected positions in rising order, found 1 after"),
        (3, b"nan", "expected a whole number"),
        (4, b"99999999999", "sums that do not fit together"),
        (5, b"-1", "expected a whole number"),
        (5, b"1e3", "expected a whole number"),
        (6, b"9999999999999999", "sums that do not fit together"),
        (6, b"1\t1", "8 columns instead of 7"),
        (1, b"\xff", "expected the sites of"),
    ],
)
def test_damaged_sums_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], column: int, value: bytes, message: str
) -> None:
    first, second = of_samples(folder, "a", NAMES[:4]), of_samples(folder, "b", NAMES[4:])
    path = folder / "out" / "a.sums.tsv.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines()
    words = lines[3].split(b"\t")
    lines[3] = b"\t".join([*words[:column], value, *words[column + 1 :]])
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    assert merge(folder, first, second) == 1
    assert message in error_line(capsys)


def test_batches_of_two_formats_merge_whatever_order_their_alleles_have(folder: Path) -> None:
    """A VCF and haplotypes that have all alleles the other way round, of a model that knows which is REF."""
    panel, regions = tiny_chromosome(np.random.default_rng(8), n_regions=4, n_samples=9)
    known = [replace(item, sites=replace(item.sites, swapped=np.zeros(len(item.sites), bool))) for item in regions]
    write_tiny_bundle(folder / "m", known)
    plain = replace(panel.sites, is_marker=None, a1_freq=None, chromosome=None)
    typed = replace(panel, sites=plain)[panel.sites.markers()]
    write_target(folder / "t", typed)
    first, expected = of_samples(folder, "a", NAMES[:4]), whole(folder)
    turned = replace(typed.sites, a0=typed.sites.a1, a1=typed.sites.a0)
    write_target(folder / "t", replace(typed, sites=turned, alleles=(1 - typed.alleles).astype(np.int8)))
    assert merge(folder, first, of_samples(folder, "b", NAMES[4:])) == 0
    assert records(folder / "out" / "merged.vcf.gz") == records(expected)
