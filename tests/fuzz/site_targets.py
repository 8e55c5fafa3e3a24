"""Targets for lists of sites: genetic map, blocks, markers, Illumina manifest, sample list, prepare and split."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import referees, seeds
from fuzz.checks import agrees
from fuzz.commands import command
from fuzz.mutate_packed import under_gzip
from fuzz.mutate_text import mutate_text
from fuzz.seeds import CHROMOSOME
from fuzz.target import DisagreementError, Files, Target
from rnnimp.formats.bed import read_bed
from rnnimp.formats.frequency_table import frequency_blocks
from rnnimp.formats.genetic_map import read_genetic_map
from rnnimp.formats.hapslegend import read_legend
from rnnimp.formats.illumina_manifest import read_illumina_manifest
from rnnimp.formats.marker_list import read_markers
from rnnimp.formats.partition import read_partition
from rnnimp.formats.sample_groups import read_groups

_MAP = b"pos chr cM\n1000000 22 0.0\n1001000 22 0.5\n1002000 22 0.9\n1009000 22 2.5\n"
_BLOCKS = b"chr start stop\nchr22 1 1000800\nchr22 1000800 1001500\nchr22 1001500 2000000\nchr21 5 900\n"
_GROUPS = b"# sample\tgroup\nSample_1\tEUR\nSample_2\tAFR\nSample 3\tEast Asia\n"
_FREQUENCIES = (
    b"#CHROM\tPOS\tID\tREF\tALT\tALT_FREQS\n22\t1000000\tx\tA\tG\t0.25\n22\t1000100\ty\tC\tCT\tNA\n"
    b"22\t1000200\tz\tg\tT\t1\n"
)
_ILLUMINA_COLUMNS = "IlmnID,Name,IlmnStrand,SNP,Chr,MapInfo,SourceStrand,SourceSeq,RefStrand"


def site_targets() -> list[Target]:
    """All targets of this module."""
    return [*_reader_targets(), *_command_targets()]


def _reader_targets() -> list[Target]:
    text = mutate_text
    markers = "".join(f"22 {position} {a0} {a1}\n" for position, a0, a1 in _keys()).encode()
    bim = "".join(f"22 rs{position} 0 {position} {a0} {a1}\n" for position, a0, a1 in _keys()).encode()
    legend = {"t.legend.gz": seeds.haps()["t.legend.gz"]}
    illumina = _illumina()
    return [
        Target("genetic map", {"map": _MAP}, {"map": text}, lambda _: read_genetic_map("map"), _check_map),
        Target("BED blocks", {"bed": _BLOCKS}, {"bed": text}, lambda _: read_partition("bed", "22"), _check_blocks),
        Target("BED regions", {"bed": _BLOCKS}, {"bed": text}, lambda _: read_bed("bed", "22"), _check_regions),
        Target("groups", {"groups": _GROUPS}, {"groups": text}, lambda _: read_groups("groups"), _check_groups),
        Target(
            "frequencies",
            {"af": _FREQUENCIES},
            {"af": text},
            lambda _: list(frequency_blocks("af", "ALT_FREQS", "22")),
            _check_frequencies,
        ),
        Target("marker list", {"list": markers}, {"list": text}, lambda _: read_markers("list", "22"), _check_markers),
        Target("marker list .bim", {"l.bim": bim}, {"l.bim": text}, lambda _: read_markers("l.bim", "22")),
        Target(
            "legend", legend, {"t.legend.gz": under_gzip(text)}, lambda _: read_legend("t.legend.gz"), _check_legend
        ),
        Target(
            "Illumina manifest",
            illumina,
            {"m.csv": text, "g.fa": text},
            lambda _: read_illumina_manifest("m.csv", "g.fa", CHROMOSOME).markers,
            may_leave=lambda path: path.endswith(".fai"),
        ),
    ]


def _keys() -> list[tuple[int, str, str]]:
    return seeds.small_panel().sites.keys()


def _illumina() -> Files:
    """A manifest with SNPs on both strands, and the genome that it lies on."""
    bases = "".join(np.random.default_rng(8).choice(list("ACGT"), 600))
    rows = []
    for position in range(20, 500, 60):
        ref = bases[position - 1]
        alt = "A" if ref in "CG" else "C"
        rows.append(f"x-{position},x,TOP,[{ref}/{alt}],22,{position},TOP,,+")
    manifest = "\n".join(["Illumina, Inc.", "[Assay]", _ILLUMINA_COLUMNS, *rows, "[Controls]", "1,2,3"]) + "\n"
    lines = [bases[start : start + 60] for start in range(0, len(bases), 60)]
    return {"m.csv": manifest.encode(), "g.fa": ("\n".join([">chr22", *lines, ">chr21", "ACGT"]) + "\n").encode()}


def _check_map(folder: Path, files: Files, found: Any) -> None:
    points = list(zip(found.positions.tolist(), found.map_cm.tolist(), strict=True))
    agrees(points, lambda: referees.genetic_map(files["map"]), "map")
    cm, is_rising = found.map_cm, (np.diff(found.positions) > 0).all() and (np.diff(found.map_cm) >= 0).all()
    if not (np.isfinite(cm).all() and is_rising and cm[-1] > cm[0]):
        raise DisagreementError(f"a map that is flat, falls or is not finite: {points[:4]}")


def _check_blocks(folder: Path, files: Files, found: list[int]) -> None:
    agrees(found, lambda: referees.partition(files["bed"], "22"), "blocks")
    if found != sorted(set(found)):
        raise DisagreementError("stops that do not rise")


def _check_regions(folder: Path, files: Files, found: Any) -> None:
    agrees([region.stop for region in found], lambda: referees.partition(files["bed"], "22"), "regions")
    if any(region.start > region.stop for region in found):
        raise DisagreementError("a region that ends before it starts")


def _check_groups(folder: Path, files: Files, found: dict[str, str]) -> None:
    agrees(found, lambda: referees.groups(files["groups"]), "groups")


def _check_frequencies(folder: Path, files: Files, blocks: Any) -> None:
    found = [
        (*key, None if value != value else value)
        for sites in blocks
        for key, value in zip(sites.keys(), sites.a1_freq.tolist(), strict=True)
    ]
    agrees(found, lambda: referees.frequencies(files["af"], "ALT_FREQS", "22"), "frequencies")


def _check_markers(folder: Path, files: Files, found: Any) -> None:
    n_lines = sum(bool(line.strip()) for line in referees.text_of(files["list"]).splitlines())
    if not 0 < len(found) <= n_lines:
        raise DisagreementError(f"{len(found)} markers of {n_lines} lines")


def _check_legend(folder: Path, files: Files, sites: Any) -> None:
    agrees(sites.keys(), lambda: referees.legend(files["t.legend.gz"]), "sites")


def preparation() -> tuple[Files, list[str]]:
    """Files and command line of `rnnimp prepare`."""
    markers = "".join(f"22 {position} {a0} {a1}\n" for position, a0, a1 in _keys()[::2]).encode()
    prepare = ["prepare", "--vcf", "t.vcf", "--markers", "list", "--test-samples", "names"]
    files = {"t.vcf": seeds.vcf(), **seeds.haps(), "list": markers, "names": b"Sample_1\n"}
    return files, [*prepare, "--output", "out", "--name", "x"]


def splitting() -> tuple[Files, list[str]]:
    """Files and command line of `rnnimp split`."""
    limits = ["--body-marker-count-limit", "3", "--flanking-marker-count-limit", "1", "--imp-site-count-limit", "20"]
    split = ["split", "--hap", "t.hap.gz", "--legend", "t.legend.gz", *limits, "--blocks", "bed", "--chromosome", "22"]
    return {**_flagged_legend(), "bed": _BLOCKS}, [*split, "--output", "out/s"]


def _command_targets() -> list[Target]:
    text, packed = mutate_text, under_gzip(mutate_text)
    prepared, prepare = preparation()
    split_files, split = splitting()
    lists = {"t.vcf": text, "list": text, "names": text}
    parts = {"t.hap.gz": packed, "t.legend.gz": packed, "bed": text}
    return [
        Target("prepare: panel and lists", prepared, lists, command(*prepare), _check_prepared),
        Target("split: legend and blocks", split_files, parts, command(*split), _check_split),
    ]


def _flagged_legend() -> Files:
    files = seeds.haps()
    header, *rows = gzip.decompress(files["t.legend.gz"]).decode().splitlines()
    lines = [f"{header} array_marker_flag"] + [f"{row} {int(number % 2 == 0)}" for number, row in enumerate(rows)]
    return {**files, "t.legend.gz": gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)}


def _check_prepared(folder: Path, files: Files, result: Any) -> None:
    legends = sorted(folder.glob("out/**/*.legend.gz"))
    if not legends:
        raise DisagreementError("exit code 0 without a legend")
    for path in legends:
        sites = referees.legend(path.read_bytes())
        hap = path.with_name(path.name.replace(".legend", ".hap"))
        n_lines = len(referees.lines_of(referees.text_of(hap.read_bytes())))
        if n_lines != len(sites) or sites != sorted(sites, key=lambda site: site[0]) or not sites:
            raise DisagreementError(f"{path.name}: {n_lines} lines of alleles for {len(sites)} sites")


def _check_split(folder: Path, files: Files, result: Any) -> None:
    lists = list(folder.glob("out/s*.list"))
    prefixes = lists[0].read_text().split() if lists else []
    if not prefixes:
        raise DisagreementError("exit code 0 without a list of regions")
    for prefix in prefixes:
        sites = referees.legend((folder / f"{prefix}.legend.gz").read_bytes())
        lines = referees.lines_of(referees.text_of((folder / f"{prefix}.hap.gz").read_bytes()))
        if len(lines) != len(sites) or not sites:
            raise DisagreementError(f"{prefix}: {len(lines)} lines of alleles for {len(sites)} sites")
