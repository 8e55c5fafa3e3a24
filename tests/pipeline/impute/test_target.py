"""Targets in every format give the same result; foreign files are converted by plink2 and bcftools."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bgen
import numpy as np
import pytest

from helpers import error_line, program, shared_data
from impute_cases import Impute, vcf_of
from rnnimp.cli import main
from rnnimp.errors import DataError, RnnimpError
from rnnimp.formats import bgen as bgen_format
from rnnimp.formats.gen import read_gen
from rnnimp.formats.pgen import reading as pgen_input
from rnnimp.formats.pgen.reading import read_psam
from rnnimp.formats.unphased import Unphased
from rnnimp.formats.vcf import reading as vcf
from rnnimp.pipeline.impute.target import TargetFiles, read_target, require_present
from rnnimp.sites.panel import ImputedBlock, Panel, PanelStream, Sites, alt_frequency
from rnnimp.sites.ploidy import PloidyRecorder
from tiny_model import tiny_region, write_tiny_bundle


def run(folder: Path, *command: str) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def haps_of(prefix: Path) -> Path:
    """The VCF beside a target as SHAPEIT's .haps, written line by line."""
    rows = [line.split("\t") for line in prefix.with_suffix(".vcf").read_text().splitlines() if line[0] != "#"]
    lines = [" ".join([row[0], row[2], row[1], row[3], row[4], *" ".join(row[9:]).split("|")]) for row in rows]
    path = prefix.with_suffix(".haps")
    path.write_text("\n".join(line.replace("|", " ") for line in lines) + "\n")
    return path


@pytest.fixture
def target(tmp_path: Path, impute: Impute) -> Path:
    """A VCF target, imputed to `v.gen`."""
    path = vcf_of(tmp_path / "t", "22")
    assert impute("--vcf", str(path), "--output-prefix", str(tmp_path / "v"), hap=False) == 0
    return path


def same_output(tmp_path: Path) -> bool:
    return (tmp_path / "out" / "x.gen").read_bytes() == (tmp_path / "v.gen").read_bytes()


def test_shapeit_target(tmp_path: Path, target: Path, impute: Impute) -> None:
    assert impute("--haps", str(haps_of(tmp_path / "t")), "--sample", str(tmp_path / "v.sample"), hap=False) == 0
    assert same_output(tmp_path)
    assert (tmp_path / "out" / "x.sample").read_bytes() == (tmp_path / "v.sample").read_bytes()


@pytest.mark.parametrize("kind", ["plain", "bcf"])
def test_target_from_standard_input(
    tmp_path: Path,
    target: Path,
    impute: Impute,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    data = target.read_bytes()
    if kind == "bcf":
        data = subprocess.run([program("bcftools"), "view", "-Ob", target], capture_output=True, check=True).stdout
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert impute("--vcf", "-", hap=False) == 0
    assert same_output(tmp_path)


def test_truncated_standard_input_is_refused(
    target: Path,
    impute: Impute,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = subprocess.run([program("bcftools"), "view", "-Ob", target], capture_output=True, check=True).stdout
    for kept, message in ((len(data) - 28, "no end mark"), (0, "expected a VCF or BCF file")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data[:kept])))
        assert impute("--vcf", "-", hap=False) == 1
        assert message in error_line(capsys)


def test_target_from_a_named_pipe(tmp_path: Path, target: Path) -> None:
    pipe = tmp_path / "pipe"
    subprocess.run(["mkfifo", pipe], check=True)
    feeder = subprocess.Popen(["cp", target, pipe])
    try:
        found = vcf.open_panel(pipe).read()
    finally:
        assert feeder.wait(timeout=30) == 0
    same_panel(found, vcf.open_panel(target))


def same_panel(found: Panel, expected: PanelStream) -> None:
    panel = expected.read()
    assert found.sites.keys() == panel.sites.keys()
    assert found.sites.ids.tolist() == panel.sites.ids.tolist()
    assert found.sample_names == panel.sample_names
    np.testing.assert_array_equal(found.alleles, panel.alleles)


def write_bgen(path: Path, panel: Panel) -> None:
    """A phased BGEN, by its library alone."""
    writer = bgen.BgenWriter(str(path), len(panel.sample_names), panel.sample_names, compression="zlib")
    columns = zip(panel.sites.ids, panel.sites.keys(), panel.alleles, strict=True)
    for name, (position, a0, a1), row in columns:
        probabilities = np.stack([row == 0, row == 1], axis=1).astype(np.float64).reshape(-1, 4)
        probabilities[(row.reshape(-1, 2) < 0).any(axis=1)] = np.nan
        writer.add_variant(name, name, "22", position, [a0, a1], probabilities, phased=True)
    writer.close()


def test_bgen_target(tmp_path: Path, target: Path, impute: Impute) -> None:
    write_bgen(tmp_path / "t.bgen", vcf.open_panel(target).read())
    assert impute("--bgen", str(tmp_path / "t.bgen"), hap=False) == 0
    assert same_output(tmp_path)


def test_pgen_target(tmp_path: Path, target: Path, impute: Impute) -> None:
    run(tmp_path, program("plink2"), "--vcf", target.name, "--make-pgen", "--out", "t")
    for name in ("t", "t.pgen"):
        assert impute("--pgen", str(tmp_path / name), hap=False) == 0
        assert same_output(tmp_path)


def kgp(folder: Path) -> Path:
    """Real phased genotypes, multi-allelic and missing ones among them: the first of chr22, some cells blanked."""
    source = shared_data("kgp3_chr22/panel.vcf.gz")
    command = [program("bcftools"), "view", "-H", "-s", "HG00096,HG00097,HG00099,HG00100", "-r", "22:50250000-50300000"]
    rows = subprocess.run([*command, source], capture_output=True, text=True, check=True).stdout.splitlines()
    cells = [row.split("\t") for row in rows[:400]]
    cells[3][9] = cells[40][11] = ".|."
    cells[5][4] += ",TTA"
    cells[5][9:11] = ["2|0", "1|2"]
    header = ["##fileformat=VCFv4.2", "##contig=<ID=22,length=51304566>"]
    header.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    header.append(
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "a", "b", "c", "d"])
    )
    path = folder / "k.vcf"
    path.write_text("\n".join([*header, *("\t".join([*row[:7], ".", "GT", *row[9:]]) for row in cells)]) + "\n")
    return path


def test_real_genotypes_by_plink2_as_pgen(tmp_path: Path) -> None:
    path = kgp(tmp_path)
    run(tmp_path, program("plink2"), "--vcf", path.name, "--make-pgen", "--out", "k")
    stream = pgen_input.open_panel(tmp_path / "k")
    same_panel(stream.read(), vcf.open_panel(path))


def test_real_genotypes_by_plink2_as_bgen(tmp_path: Path) -> None:
    path = kgp(tmp_path)
    text = path.read_text().replace(",TTA", "").replace("2|0", "0|0").replace("1|2", "1|0")
    path.write_text(text)
    run(tmp_path, program("plink2"), "--vcf", path.name, "--export", "bgen-1.2", "bits=8", "ref-first", "--out", "k")
    found = bgen_format.open_panel(tmp_path / "k.bgen", tmp_path / "k.sample").read()
    same_panel(found, vcf.open_panel(path))


def test_multiallelic_bgen(tmp_path: Path) -> None:
    writer = bgen.BgenWriter(str(tmp_path / "x.bgen"), 2, ["a", "b"], compression="zlib")
    certain = np.eye(3)[[2, 0, 1, 2]].reshape(2, 6)
    writer.add_variant("v", "rs1", "022", 5, ["A", "C", "GT"], certain, phased=True)
    uncertain = np.array([[0.85, 0.15, 0.95, 0.05], [0.05, 0.95, 0.2, 0.8]])
    writer.add_variant("v", "rs2", "022", 7, ["A", "C"], uncertain, phased=True)
    writer.close()
    panel = bgen_format.open_panel(tmp_path / "x.bgen").read()
    assert panel.sites.keys() == [(5, "A", "C"), (5, "A", "GT"), (7, "A", "C")]
    assert panel.sites.ids.tolist() == ["rs1:A:C", "rs1:A:GT", "rs2"]
    assert panel.sites.chromosome == "22"
    assert panel.alleles.tolist() == [[0, 0, 1, 0], [1, 0, 0, 1], [-1, 0, 1, -1]]


@pytest.mark.parametrize("kind", ["bgen", "pgen"])
def test_sites_without_variation_are_kept_for_a_target(tmp_path: Path, kind: str) -> None:
    sites = Sites.build([5, 7], ["A", "C"], [".", "T"], ids=["a", "b"])
    block = ImputedBlock(sites, np.array([[0, 0], [0, 1]], np.float32), np.array([True, True]))
    if kind == "bgen":
        with bgen_format.BgenWriter(tmp_path / "x.bgen", ["s"], "22") as writer:
            writer.write(block)
        streams = [bgen_format.open_panel(tmp_path / "x.bgen", keep_monomorphic=keep) for keep in (True, False)]
    else:
        rows = "22\t5\ta\tA\t.\t.\t.\t.\tGT\t0|0\n22\t7\tb\tC\tT\t.\t.\t.\tGT\t0|1\n"
        header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts\n"
        (tmp_path / "x.vcf").write_text(header + rows)
        run(tmp_path, program("plink2"), "--vcf", "x.vcf", "--make-pgen", "--out", "x")
        streams = [pgen_input.open_panel(tmp_path / "x", keep_monomorphic=keep) for keep in (True, False)]
    kept, dropped = (stream.read() for stream in streams)
    assert kept.sites.keys() == [(5, "A", "."), (7, "C", "T")]
    assert kept.alleles.tolist() == [[0, 0], [0, 1]]
    assert dropped.sites.keys() == [(7, "C", "T")]


def vcf_error(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        vcf.open_panel(path).read()
    return caught.value


def test_unphased_genotypes_are_refused(tmp_path: Path) -> None:
    text = kgp(tmp_path).read_text().replace("0|1", "0/1", 1)
    (tmp_path / "k.vcf").write_text(text)
    run(tmp_path, program("plink2"), "--vcf", "k.vcf", "--make-pgen", "--out", "k")
    with pytest.raises(DataError, match=r"k.pgen: expected phased genotypes like 0\|1, found 0/1 at 22:\d+ in sample"):
        pgen_input.open_panel(tmp_path / "k.pgen").read()
    unphased = Unphased()
    counted = pgen_input.open_panel(tmp_path / "k.pgen", unphased=unphased).read()
    assert unphased.n_genotypes == 1
    assert unphased.first in str(vcf_error(tmp_path / "k.vcf"))
    expected = vcf.open_panel(tmp_path / "k.vcf", unphased=Unphased()).read()
    copies = [panel.alleles[:, ::2] + panel.alleles[:, 1::2] for panel in (counted, expected)]
    np.testing.assert_array_equal(*copies)
    writer = bgen.BgenWriter(str(tmp_path / "x.bgen"), 1, ["a"], compression="zlib")
    writer.add_variant("v", "v", "22", 5, ["A", "C"], np.array([[0, 1, 0.0]]), phased=False)
    writer.close()
    with pytest.raises(DataError, match="expected phased haplotypes, found an unphased genotype at 22:5 in sample a"):
        bgen_format.open_panel(tmp_path / "x.bgen").read()


def test_damaged_files_are_named(tmp_path: Path) -> None:
    for ending in ("bgen", "pgen"):
        start = b"\x6c\x1b\x10" if ending == "pgen" else bytes(16) + b"bgen"
        (tmp_path / f"x.{ending}").write_bytes(start + b"nothing of the kind, " * 10)
        (tmp_path / f"alone.{ending}").write_bytes(start)
    (tmp_path / "x.pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n22\t5\ta\tA\tC\n")
    (tmp_path / "x.psam").write_text("#IID\na\n")
    with pytest.raises(DataError, match=r"x.bgen: expected a BGEN file"):
        bgen_format.open_panel(tmp_path / "x.bgen")
    with pytest.raises(DataError, match=r"x.pgen: expected a PGEN of the sites and samples in"):
        pgen_input.open_panel(tmp_path / "x.pgen")
    with pytest.raises(DataError, match=r"alone.pgen: expected .pvar or .pvar.zst or .bim beside it"):
        pgen_input.open_panel(tmp_path / "alone")
    with pytest.raises(DataError, match=r"absent.pgen: cannot be read"):
        pgen_input.open_panel(tmp_path / "absent")
    with pytest.raises(DataError, match=r"absent.bgen: cannot be read"):
        bgen_format.open_panel(tmp_path / "absent.bgen")


def test_truncated_bgen_is_refused(tmp_path: Path, target: Path) -> None:
    write_bgen(tmp_path / "t.bgen", vcf.open_panel(target).read())
    data = (tmp_path / "t.bgen").read_bytes()
    for kept in (len(data) - 10, len(data) // 2):
        (tmp_path / "t.bgen").write_bytes(data[:kept])
        with pytest.raises(DataError, match=r"t.bgen: expected BGEN variants to the end, found damaged data after"):
            bgen_format.open_panel(tmp_path / "t.bgen").read()


def test_several_chromosomes_need_a_choice(tmp_path: Path) -> None:
    writer = bgen.BgenWriter(str(tmp_path / "x.bgen"), 1, ["a"], compression="zlib")
    for chromosome in ("20", "22"):
        writer.add_variant("v", "v", chromosome, 5, ["A", "C"], np.array([[0, 1, 1, 0.0]]), phased=True)
    writer.close()
    with pytest.raises(DataError, match="expected one chromosome, found 20 and 22; choose one with --chromosome"):
        bgen_format.open_panel(tmp_path / "x.bgen").read()
    assert bgen_format.open_panel(tmp_path / "x.bgen", chromosome="chr22").read().sites.chromosome == "22"
    with pytest.raises(DataError, match="expected sites on chromosome 7, found only 20, 22"):
        bgen_format.open_panel(tmp_path / "x.bgen", chromosome="7").read()


@pytest.mark.parametrize(
    ("text", "names", "males"),
    [
        ("##note\n#FID\tIID\tSEX\tP\n0\ta\t1\t2\n0\tb\t2\t1\n", ("a", "b"), [True, False]),
        ("#IID\na\nb\n", ("a", "b"), [False, False]),
        ("f a 0 0 2 -9\nf b 0 0 1 -9\n", ("a", "b"), [False, True]),
    ],
)
def test_sample_files_of_plink(tmp_path: Path, text: str, names: tuple[str, ...], males: list[bool]) -> None:
    (tmp_path / "x.psam").write_text(text)
    found, is_male = read_psam(tmp_path / "x.psam")
    assert (found, is_male.tolist()) == (names, males)


@pytest.mark.parametrize(("option", "module"), [("--bgen", "bgen"), ("--pgen", "pgenlib")])
def test_missing_library_names_the_extra(
    impute: Impute,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    module: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert impute(option, "x", hap=False) == RnnimpError.exit_code
    assert f"install rnnimp[{option[2:]}]" in error_line(capsys)


@pytest.mark.parametrize(
    ("option", "content", "found"),
    [
        ("bgen", b"##fileformat=VCFv4.2\n#CHROM\tPOS\n", "a VCF"),
        ("bgen", gzip.compress(b"##fileformat=VCFv4.2\n#CHROM\tPOS\n", mtime=0), "a VCF"),
        ("bgen", b"\x6c\x1b\x10" + bytes(30), "a PGEN"),
        ("bgen", b"", "an empty file"),
        ("bgen", bytes(range(200, 240)), "something else"),
        ("pgen", b"##fileformat=VCFv4.2\n#CHROM\tPOS\n", "a VCF"),
        ("pgen", b"BCF\2\2" + bytes(30), "a BCF"),
        ("pgen", b"rs1 5 A G 0 1 1 1 0 0 1\n", "a text file"),
    ],
)
def test_another_kind_of_file_is_told_before_the_model_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, content: bytes, found: str
) -> None:
    (tmp_path / "t.x").write_bytes(content)
    command = ["impute", f"--{option}", f"{tmp_path}/t.x", "--model-prefix", f"{tmp_path}/absent"]
    assert main([*command, "--output-prefix", f"{tmp_path}/y.vcf"]) == 1
    assert f"t.x: expected a {option.upper()} file, found {found}; name a .{option} file" in error_line(capsys)
    assert main([*command[:1], f"--{option}", f"{tmp_path}/no", *command[3:], "--output-prefix", "y"]) == 1
    assert "cannot be read" in error_line(capsys)


def test_what_is_there_may_be_a_file_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    require_present(tmp_path / "file")
    require_present(tmp_path / "pipe")
    for name in ("absent", "file/below", "nul\0"):
        with pytest.raises(DataError, match=r"cannot be read \(.*check the path"):
            require_present(tmp_path / name)


@pytest.mark.parametrize("absent", ["vcf", "haps", "hap", "legend", "sample", "samples", "exclude-samples"])
def test_an_absent_file_is_named_before_the_model_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], absent: str
) -> None:
    (tmp_path / "there").write_text("")
    together = {"hap": ("hap", "legend"), "legend": ("hap", "legend"), "vcf": ("vcf",), "haps": ("haps",)}
    given = together.get(absent, ("haps", absent))
    files = [f"--{name}={tmp_path}/{'absent' if name == absent else 'there'}" for name in given]
    assert main(["impute", *files, f"--model-prefix={tmp_path}/none", f"--output={tmp_path}/y.vcf"]) == 1
    assert error_line(capsys).startswith(f"rnnimp: error: {tmp_path}/absent: cannot be read (No such file")


def chrx(folder: Path, region: str) -> Path:
    """Real chrX genotypes of a region, in which males are haploid outside the pseudoautosomal region."""
    source = shared_data("interop/chrX_phased/small.chrX.vcf.gz")
    run(folder, program("bcftools"), "view", "-r", region, "-o", "chrx.vcf", str(source))
    return folder / "chrx.vcf"


def test_real_chrx_is_read_with_its_ploidy(tmp_path: Path) -> None:
    path = chrx(tmp_path, "X:2600000-2800000")
    recorder = PloidyRecorder()
    panel = vcf.open_panel(path, ploidy=recorder).read()
    ploidy = recorder.ploidy()
    assert ploidy is not None
    is_haploid = ploidy.at(panel.sites.positions)
    rows = [line.split("\t") for line in path.read_text().splitlines() if line[0] != "#"]
    cells = {(int(row[1]), row[3], row[4]): row[9:] for row in rows if "," not in row[4] and "<" not in row[4]}
    n_haploid = n_diploid = 0
    for key, alleles, haploid in zip(panel.sites.keys(), panel.alleles, is_haploid, strict=True):
        if key not in cells:
            continue
        genotypes = [cell.split(":")[0] for cell in cells[key]]
        assert ["|" not in genotype for genotype in genotypes] == haploid.tolist()
        assert [[int(genotype[0]), int(genotype[-1])] for genotype in genotypes] == alleles.reshape(-1, 2).tolist()
        n_haploid += int(haploid.sum())
        n_diploid += int((~haploid).sum())
    assert n_haploid > 500
    assert n_diploid > 1000


def test_haploid_genotypes_are_refused_where_nobody_asks_for_ploidy(tmp_path: Path) -> None:
    path = chrx(tmp_path, "X:2700000-2710000")
    with pytest.raises(DataError, match=r"expected diploid genotypes, found [01] at X:"):
        vcf.open_panel(path).read()


def test_males_are_haploid_in_pgen_and_bgen(tmp_path: Path) -> None:
    path = chrx(tmp_path, "X:2700000-2800000")
    recorders = [PloidyRecorder() for _ in range(3)]
    expected = vcf.open_panel(path, ploidy=recorders[0], keep_first_duplicate=True).read()
    ploidy = recorders[0].ploidy()
    assert ploidy is not None
    male = ploidy.is_haploid[0]
    sexes = "".join(
        f"{name}\t{1 if is_male else 2}\n" for name, is_male in zip(expected.sample_names, male, strict=True)
    )
    (tmp_path / "sex.txt").write_text("#IID\tSEX\n" + sexes)
    plink2 = [program("plink2"), "--vcf", path.name, "--update-sex", "sex.txt", "--max-alleles", "2", "--snps-only"]
    run(tmp_path, *plink2, "just-acgt", "--rm-dup", "exclude-all", "--make-pgen", "--out", "x")
    run(
        tmp_path,
        *plink2,
        "just-acgt",
        "--rm-dup",
        "exclude-all",
        "--export",
        "bgen-1.2",
        "bits=8",
        "ref-first",
        "--out",
        "x",
    )
    rows = {key: row for row, key in enumerate(expected.sites.keys())}
    found = [
        pgen_input.open_panel(tmp_path / "x", ploidy=recorders[1]).read(),
        bgen_format.open_panel(tmp_path / "x.bgen", tmp_path / "x.sample", ploidy=recorders[2]).read(),
    ]
    for panel, recorder in zip(found, recorders[1:], strict=True):
        read = recorder.ploidy()
        assert read is not None
        assert read.is_haploid.tolist() == [male.tolist()]
        assert len(panel.sites) > 50
        chosen = [rows[key] for key in panel.sites.keys()]
        np.testing.assert_array_equal(panel.alleles, expected.alleles[chosen])


def test_males_are_diploid_in_the_pseudoautosomal_regions_of_a_pgen(tmp_path: Path) -> None:
    header = (
        "##fileformat=VCFv4.2\n##contig=<ID=X,length=155270560>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=x>\n"
    )
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "man", "woman"]
    sites = [(70000, "0|1", "1|1"), (5000000, "1|1", "0|1"), (155000000, "1|0", "0|0")]
    lines = [["X", str(position), ".", "A", "G", ".", ".", ".", "GT", *calls] for position, *calls in sites]
    (tmp_path / "x.vcf").write_text(header + "".join("\t".join(line) + "\n" for line in [columns, *lines]))
    (tmp_path / "sex.txt").write_text("#IID\tSEX\nman\t1\nwoman\t2\n")
    split = ["--update-sex", "sex.txt", "--split-par", "hg19", "--sort-vars", "--make-pgen", "--out", "x"]
    run(tmp_path, program("plink2"), "--vcf", "x.vcf", *split)
    assert "PAR1\t70000" in (tmp_path / "x.pvar").read_text()
    recorder = PloidyRecorder()
    panel = pgen_input.open_panel(tmp_path / "x", chromosome="X", ploidy=recorder).read()
    ploidy = recorder.ploidy()
    assert ploidy is not None
    assert panel.sites.chromosome == "X"
    assert panel.sites.positions.tolist() == [70000, 5000000, 155000000]
    assert ploidy.at(panel.sites.positions).tolist() == [[False, False], [True, False], [False, False]]
    assert panel.alleles.tolist() == [[0, 1, 1, 1], [1, 1, 0, 1], [1, 0, 0, 0]]


def test_males_of_a_real_target_stay_haploid(tmp_path: Path) -> None:
    path = chrx(tmp_path, "X:2650000-2760000")
    recorder = PloidyRecorder()
    panel = vcf.open_panel(path, ploidy=recorder, keep_first_duplicate=True).read()
    ploidy = recorder.ploidy()
    assert ploidy is not None
    assert len(ploidy.first_positions) == 2  # the pseudoautosomal region ends at 2,699,520
    is_marker = np.arange(len(panel.sites)) % 3 == 0
    sites = replace(panel.sites, is_marker=is_marker, a1_freq=alt_frequency(panel.alleles))
    write_tiny_bundle(tmp_path / "m", [tiny_region(np.random.default_rng(1), sites)])
    rows = path.read_text().splitlines(keepends=True)
    typed = {(str(position), a0, a1) for position, a0, a1 in panel.sites[is_marker].keys()}
    kept = [row for row in rows if row[0] == "#" or tuple(row.split("\t")[i] for i in (1, 3, 4)) in typed]
    (tmp_path / "t.vcf").write_text("".join(kept))
    command = ["impute", "--vcf", f"{tmp_path}/t.vcf", "--model-prefix", f"{tmp_path}/m", "--keep-first-duplicate"]
    for output_format in ("bgen", "gen", "pgen"):
        assert main([*command, "--output-prefix", f"{tmp_path}/x", "--output-format", output_format]) == 0
    males = ploidy.is_haploid[1]
    table = read_gen(tmp_path / "x.gen", tmp_path / "x.sample")
    last_diploid = max(position for position, _, _ in panel.sites[is_marker].keys() if position < 2_699_520)
    first_haploid = min(position for position, _, _ in panel.sites[is_marker].keys() if position > 2_699_520)
    n_imputed = 0
    for variant, genotypes in zip(bgen.BgenReader(str(tmp_path / "x.bgen")), table.probabilities, strict=True):
        assert last_diploid < first_haploid
        is_haploid = males if variant.pos > 2_699_520 else np.zeros_like(males)
        assert variant.ploidy.tolist() == np.where(is_haploid, 1, 2).tolist()
        alt = variant.probabilities.reshape(len(males), 2, 2)[:, 0, 1]
        assert not genotypes[is_haploid, 1].any()
        np.testing.assert_allclose(genotypes[is_haploid, 2], alt[is_haploid], atol=1e-4)
        n_imputed += bool(((alt > 0.01) & (alt < 0.99)).any() and is_haploid.any())
    assert n_imputed > 10
    sexes = [line.split("\t")[1] for line in (tmp_path / "x.psam").read_text().splitlines()[1:]]
    assert [sex == "1" for sex in sexes] == males.tolist()
    run(tmp_path, program("plink2"), "--pfile", "x", "--export", "vcf", "vcf-dosage=DS", "--out", "plink")
    exported = [line.split("\t") for line in (tmp_path / "plink.vcf").read_text().splitlines() if line[0] != "#"]
    assert len(exported) == len(table.sites)


@pytest.mark.parametrize(("model", "is_haploid"), [("X", [False, True]), ("22", None), (None, None)])
def test_the_model_tells_haploid_samples_where_the_target_does_not_name_its_chromosome(
    tmp_path: Path, model: str | None, is_haploid: list[bool] | None
) -> None:
    (tmp_path / "x.hap").write_text("0 1 1 -\n1 1 0 -\n")
    (tmp_path / "x.legend").write_text("id position a0 a1\nrs1 5 A C\nrs2 9 G T\n")
    (tmp_path / "x.haps").write_text("--- rs1 5 A C 0 1 1 -\n--- rs2 9 G T 1 1 0 -\n")
    prefix = str(tmp_path / "x")
    for files in (TargetFiles(hap=f"{prefix}.hap", legend=f"{prefix}.legend"), TargetFiles(haps=f"{prefix}.haps")):
        target = read_target(files, model)
        second = [1, 0] if is_haploid else [-1, -1]
        assert target.panel.alleles[:, 3].tolist() == second
        assert (None if target.ploidy is None else target.ploidy.is_haploid[0].tolist()) == is_haploid
        assert target.panel.sites.chromosome is None
