"""A simulated panel of chrX in GRCh37, with males in several codings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers import random_panel
from rnnimp.sites.panel import Panel

MALES = (0, 2, 3, 7, 8)
LENGTH = 155270560
FIRST_PAR, ONCE, SECOND_PAR = range(60), range(60, 360), range(360, 400)
"""Rows of the two pseudoautosomal regions and of what is between them."""


def x_panel(seed: int = 5, n_samples: int = 14, missing_share: float = 0.0) -> Panel:
    """Three parts; males' second columns are copies of the first ones where they have one chromosome."""
    panel = random_panel(np.random.default_rng(seed), 400, n_samples, 0.3, missing_share, chromosome="X")
    start = np.zeros(400, np.int64)
    start[ONCE.start : ONCE.stop], start[SECOND_PAR.start :] = 5_000_000, 154_000_000
    start[:60] = -800_000
    alleles = panel.alleles.copy()
    for male in MALES:
        alleles[ONCE, 2 * male + 1] = alleles[ONCE, 2 * male]
    sites = replace(panel.sites, positions=panel.sites.positions + start, a1_freq=None)
    ids = np.array([f"X:{position}:{a0}:{a1}" for position, a0, a1 in sites.keys()], dtype=np.str_)
    return Panel(replace(sites, ids=ids), alleles, panel.sample_names)


def is_male(panel: Panel) -> NDArray[np.bool_]:
    """bool (n_samples,)."""
    return np.isin(np.arange(len(panel.sample_names)), MALES)


def write_vcf(
    path: Path,
    panel: Panel,
    coding: str = "one",
    names: tuple[str, str, str] = ("X", "X", "X"),
    length: int | None = None,
) -> Path:
    """Write a panel as a VCF.

    Args:
        path: Where.
        panel: Of `x_panel`.
        coding: `one` (`0`) or `two` (`0|0`) for males outside the pseudoautosomal regions.
        names: Names of the chromosome in the three parts.
        length: Length of the chromosome in the header; None for none.
    """
    known = "" if length is None else f",length={length}"
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={name}{known}>" for name in dict.fromkeys(names))]
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    lines.append(
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *panel.sample_names])
    )
    for row, ((position, a0, a1), alleles) in enumerate(zip(panel.sites.keys(), panel.alleles, strict=True)):
        part = 0 if row in FIRST_PAR else 1 if row in ONCE else 2
        text = np.where(alleles < 0, ".", alleles.astype(str)).reshape(-1, 2)
        is_short = coding == "one" and row in ONCE
        cells = [
            pair[0] if is_short and sample in MALES else "|".join(pair) for sample, pair in enumerate(text.tolist())
        ]
        lines.append("\t".join([names[part], str(position), ".", a0, a1, ".", ".", ".", "GT", *cells]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_markers(path: Path, panel: Panel) -> Path:
    """The panel's markers as a table."""
    rows = [f"X {position} {a0} {a1}" for position, a0, a1 in panel.sites[panel.sites.markers()].keys()]
    path.write_text("\n".join(["chrom pos ref alt", *rows]) + "\n")
    return path


def write_sexes(path: Path, panel: Panel) -> Path:
    """The samples' sex as a table."""
    rows = [f"{name}\t{'M' if male else 'F'}" for name, male in zip(panel.sample_names, is_male(panel), strict=True)]
    path.write_text("\n".join(["sample\tsex", *rows]) + "\n")
    return path
