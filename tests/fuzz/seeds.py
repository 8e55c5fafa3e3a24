"""Valid files to begin with: small panels and models in every format, made in a temporary folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pgenlib
import pysam

from fuzz.target import Files
from helpers import random_panel
from impute_cases import make_case
from rnnimp.cli import main
from rnnimp.formats.bgen import BgenWriter
from rnnimp.formats.hapslegend import HapsLegendWriter, write_legend
from rnnimp.sites.panel import ImputedBlock, Panel, Sites
from small_networks import exported
from tiny_model import write_tiny_model
from training_cases import SMALL
from vcf_files import indexed, write_panel

CHROMOSOME = "22"


def files_of(make: Callable[[Path], None]) -> Files:
    """The files that a function writes into a folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@cache
def small_panel(n_sites: int = 12, n_samples: int = 4) -> Panel:
    """A panel with indels and without missing alleles, whose sites say nothing of markers."""
    panel = random_panel(np.random.default_rng(5), n_sites=n_sites, n_samples=n_samples)
    return replace(panel, sites=replace(panel.sites, is_marker=None, a1_freq=None))


def vcf() -> bytes:
    """A phased VCF."""
    return files_of(lambda folder: _ignore(write_panel(folder / "t.vcf", small_panel())))["t.vcf"]


def bcf() -> bytes:
    """The same as BCF."""

    def make(folder: Path) -> None:
        source = write_panel(folder / "t.vcf", small_panel())
        with (
            pysam.VariantFile(str(source)) as records,
            pysam.VariantFile(str(folder / "t.bcf"), "wb", header=records.header) as target,
        ):
            for record in records:
                target.write(record)

    return files_of(make)["t.bcf"]


def _ignore(_: object) -> None:
    """Drop a result."""


def haps(prefix: str = "t") -> Files:
    """HAPS, LEGEND and SAMPLE."""

    def make(folder: Path) -> None:
        with HapsLegendWriter(folder / prefix, small_panel().sample_names) as writer:
            writer.write(small_panel().sites, small_panel().alleles)

    return files_of(make)


def shapeit() -> bytes:
    """SHAPEIT's haplotypes with their sites."""
    panel = small_panel()
    heads = [f"22 rs{position} {position} {a0} {a1} " for position, a0, a1 in panel.sites.keys()]
    rows = [" ".join(map(str, row)) for row in panel.alleles.tolist()]
    return "".join(f"{head}{row}\n" for head, row in zip(heads, rows, strict=True)).encode()


def gen() -> bytes:
    """Genotype probabilities with a missing genotype."""
    lines = []
    for position, a0, a1 in small_panel().sites.keys():
        lines.append(f"--- rs{position} {position} {a0} {a1} 1 0 0 0.1 0.7 0.2 0 0 0 0 0.02 0.98\n")
    return "".join(lines).encode()


def _block() -> ImputedBlock:
    panel = small_panel()
    n_sites = len(panel.sites)
    return ImputedBlock(panel.sites, panel.alleles.astype(np.float32), np.ones(n_sites, bool), panel.alleles < 0)


def bgen() -> bytes:
    """A phased BGEN."""

    def make(folder: Path) -> None:
        with BgenWriter(folder / "t.bgen", small_panel().sample_names, CHROMOSOME) as writer:
            writer.write(_block())

    return files_of(make)["t.bgen"]


def pgen() -> Files:
    """A phased PGEN with its two tables."""
    panel = small_panel()

    def make(folder: Path) -> None:
        alleles = np.ascontiguousarray(panel.alleles, dtype=np.int32)
        n_sites, n_alleles = alleles.shape
        path = str(folder / "t.pgen").encode()
        with pgenlib.PgenWriter(path, n_alleles // 2, variant_ct=n_sites, hardcall_phase_present=True) as writer:
            for row in alleles:
                writer.append_alleles(row, all_phased=True)

    sites = "".join(f"22\t{position}\trs{position}\t{a0}\t{a1}\n" for position, a0, a1 in panel.sites.keys())
    samples = "".join(f"{name}\t{number % 2 + 1}\n" for number, name in enumerate(panel.sample_names))
    tables = {"t.pvar": f"#CHROM\tPOS\tID\tREF\tALT\n{sites}", "t.psam": f"#IID\tSEX\n{samples}"}
    return {**files_of(make), **{name: text.encode() for name, text in tables.items()}}


def impute_case() -> Files:
    """A HAPS target `t` and a model `m` of four regions that ONNX Runtime runs."""
    return files_of(lambda folder: _ignore(make_case(folder)))


def model(is_own: bool) -> Files:
    """A model `m` of one region: an exported network that the kernels run, or a graph of another program."""
    flags = "m..m.m...m.m"
    panel = small_panel()
    is_marker = np.array([flag == "m" for flag in flags])
    sites = Sites.build(panel.sites.positions, panel.sites.a0, panel.sites.a1, chromosome=CHROMOSOME)
    sites = replace(sites, is_marker=is_marker, a1_freq=np.full(len(sites), 0.25))

    def make(folder: Path) -> None:
        write_legend(folder / "m_1.legend.gz", sites)
        if is_own:
            graph = exported("GRU", flags, widths=(4, 4), depths=(1, 2), n_mixed=3)
            (folder / "m_1.onnx").write_bytes(graph.SerializeToString())
        else:
            weights = np.random.default_rng(1).dirichlet(np.ones(is_marker.sum()), size=int((~is_marker).sum()))
            write_tiny_model(folder / "m_1.onnx", weights.astype(np.float32))

    return files_of(make)


_FIELDS = ["--format-fields", "GT,DS,HDS,GP"]


def imputed_parts() -> Files:
    """Two parts of a cohort, imputed, with their sums: `p1` and `p2`."""

    def make(folder: Path) -> None:
        make_case(folder)
        before = Path.cwd()
        os.chdir(folder)
        try:
            for part, numbers in (("p1", range(1, 5)), ("p2", range(5, 10))):
                Path("samples").write_text("".join(f"Sample_{number}\n" for number in numbers))
                assert main([*IMPUTE, "--output", f"{part}.vcf.gz", "--samples", "samples", "--quiet", *_FIELDS]) == 0
        finally:
            os.chdir(before)

    parts = {name: content for name, content in files_of(make).items() if name[:2] in ("p1", "p2")}
    return {name: content for name, content in parts.items() if not name.endswith(".json")}


IMPUTE = ["impute", "--hap", "t.hap.gz", "--legend", "t.legend.gz", "--chromosome", "22", "--model-prefix", "m"]


def indexed_vcf() -> Files:
    """A VCF packed by bgzip with an index of either kind."""

    def make(folder: Path) -> None:
        source = write_panel(folder / "t.vcf", small_panel(60))
        for name, kind in (("c", "csi"), ("t", "tbi")):
            indexed(source, kind).rename(folder / f"{name}.vcf.gz")
            Path(f"{source}.gz.{kind}").rename(folder / f"{name}.vcf.gz.{kind}")

    return files_of(make)


def training() -> Files:
    """A finished training `r/c` of two regions, with its list and data."""

    def make(folder: Path) -> None:
        names = []
        for seed in (1, 2):
            panel = random_panel(np.random.default_rng(seed), n_sites=16, n_samples=12)
            with HapsLegendWriter(folder / f"c_{seed}") as writer:
                writer.write(replace(panel.sites, swapped=np.zeros(16, dtype=bool)), panel.alleles)
            names.append(f"c_{seed}\n")
        (folder / "c.list").write_text("".join(names))
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-m", "rnnimp", *TRAIN], cwd=folder, check=True, env=environment)

    return files_of(make)


TRAIN = ["train", "--data-list", "c.list", "--output", "r/c", "--recipe", "published", *SMALL, "--seed", "5", "--quiet"]
TRAIN += ["--max-iteration-count", "4", "--batch-size", "8", "--validation-sample-size", "3", "--device", "cpu"]
