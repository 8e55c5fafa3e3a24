"""Targets and models for `rnnimp impute`, its command lines, and readers of its output."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from helpers import shared_data
from rnnimp.cli import main
from rnnimp.formats.files import read_lines
from rnnimp.formats.hapslegend import HapsLegendWriter
from rnnimp.sites.panel import Panel
from tiny_model import tiny_chromosome, write_tiny_bundle

Impute = Callable[..., int]
GEN = ("--output-format", "gen")


def legacy_command(kind: str, output: Path, *more: str, model: Path | None = None) -> list[str]:
    """The command line that imputes the real target with a published model: `kind` is `gru` or `lstm`.

    Without more arguments it writes GEN.
    """
    folder = shared_data("legacy_model")
    prefix = model or folder / kind / "s"
    target = ["--hap", str(folder / "target.hap.gz"), "--legend", str(folder / "target.legend.gz")]
    return ["impute", *target, "--model-prefix", str(prefix), "--output-prefix", str(output), *(more or GEN)]


def write_target(prefix: Path, panel: Panel) -> None:
    """Write a panel as a HAPS/LEGEND target."""
    with HapsLegendWriter(prefix, panel.sample_names) as writer:
        writer.write(panel.sites, panel.alleles)


def vcf_of(prefix: Path, chromosome: str) -> Path:
    """The HAPS/LEGEND target as a VCF, written line by line."""
    legend = [line.split() for line in read_lines(f"{prefix}.legend.gz")][1:]
    haps = [line.split() for line in read_lines(f"{prefix}.hap.gz")]
    names = [f"N{index}" for index in range(len(haps[0]) // 2)]
    lines = ["##fileformat=VCFv4.2", f"##contig=<ID={chromosome}>"]
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]))
    for (name, position, a0, a1), row in zip(legend, haps, strict=True):
        alleles = [allele.replace("?", ".") for allele in row]
        genotypes = [f"{first}|{second}" for first, second in zip(alleles[::2], alleles[1::2], strict=True)]
        alt = a1.replace("0", ".")
        lines.append("\t".join([chromosome, position, name, a0, alt, ".", ".", ".", "GT", *genotypes]))
    path = prefix.with_suffix(".vcf")
    path.write_text("\n".join(lines) + "\n")
    return path


def make_case(tmp_path: Path) -> Path:
    """Write a simulated target `t` of 9 samples and a model `m` of 4 regions."""
    panel, regions = tiny_chromosome(np.random.default_rng(8), n_regions=4, n_samples=9)
    write_tiny_bundle(tmp_path / "m", regions)
    plain = replace(panel.sites, is_marker=None, a1_freq=None, chromosome=None)
    write_target(tmp_path / "t", replace(panel, sites=plain)[panel.sites.markers()])
    return tmp_path


def run_impute(folder: Path, output: str, *more: str) -> int:
    """Impute the target `t` of a folder with its model `m`; the output goes to the subfolder `out`."""
    target = ["--hap", str(folder / "t.hap.gz"), "--legend", str(folder / "t.legend.gz"), "--chromosome", "22"]
    prefixes = ["--model-prefix", str(folder / "m"), "--output-prefix", str(folder / "out" / output)]
    return main(["impute", *target, *prefixes, *more])


def output_names(folder: Path) -> set[str]:
    """Names of the output files, except the reports of the checks and the tables of the samples."""
    return {
        path.name for path in (folder / "out").iterdir() if not path.name.endswith((".checks.json", ".samples.tsv"))
    }


def records(path: Path) -> list[bytes]:
    """The records of an output file, without its header."""
    return records_of(path.read_bytes(), path.name.partition(".")[2])


def records_of(content: bytes, name: str) -> list[bytes]:
    """The lines after the header. A BCF is one piece, from its first record on; BGEN and PGEN are taken as they are."""
    if name in ("bgen", "pgen"):
        return [content]
    text = gzip.decompress(content) if name in ("vcf.gz", "bcf") else content
    if name == "bcf":
        return [text[text.index(b"\0", 9) :]]
    return [line for line in text.splitlines(keepends=True) if not line.startswith(b"#")]
