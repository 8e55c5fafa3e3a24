"""Detecting the genome build by length, position and shift, on the sites of real models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers import shared_data
from rnnimp.formats.hapslegend import read_legend
from rnnimp.formats.vcf.records import RecordReader
from rnnimp.sites.genome_build import Shift, build_of_length, find_shift, possible_builds
from rnnimp.sites.panel import Sites


@pytest.mark.parametrize(
    ("chromosome", "length", "expected"),
    [
        ("1", 249250621, "GRCh37"),
        ("chr1", 248956422, "GRCh38"),
        ("chrX", 156040895, "GRCh38"),
        ("Y", 59373566, "GRCh37"),
        ("20", 62435964, "NCBI36"),
        ("chr22", 51324926, "T2T-CHM13v2"),
        ("22", 51304565, None),
        ("MT", 16569, None),
    ],
)
def test_build_of_a_length(chromosome: str, length: int, expected: str | None) -> None:
    assert build_of_length(chromosome, length) == expected


@pytest.mark.parametrize(("folder", "chromosome"), [("kgp3_chr22", "22"), ("kgp3_chr20", "20")])
def test_headers_of_the_1000_genomes_say_their_build(folder: str, chromosome: str) -> None:
    length = RecordReader(shared_data(folder) / "panel.vcf.gz").contig_length(f"chr{chromosome}")
    assert length is not None
    assert build_of_length(chromosome, length) == "GRCh37"


def test_positions_rule_builds_out() -> None:
    assert possible_builds("chr22", 50_900_000) == ("GRCh37", "T2T-CHM13v2")
    assert possible_builds("22", 60_000_000) == ()
    assert len(possible_builds("22", 1000)) == len(possible_builds(None, 10**9)) == 4


def published() -> Sites:
    sites = read_legend(shared_data("published_chr22/sites.legend.gz"))
    return sites[(sites.positions > 45_000_000)]


@pytest.mark.slow
@pytest.mark.parametrize("shift", [486_098, -3_000_001, 1])
def test_shift_of_real_markers_is_found(shift: int) -> None:
    model = published()
    target = model[model.markers()]
    found = find_shift(replace(target, positions=target.positions - shift), model)
    assert found is not None
    assert found.base_pairs == shift
    assert found.n_sites > 0.9 * found.n_tried


@pytest.mark.slow
def test_other_arrays_and_single_sites_have_no_shift() -> None:
    model = published()
    rng = np.random.default_rng(3)
    positions = np.sort(rng.choice(np.arange(45_000_000, 51_000_000), 1000, replace=False))
    alleles = np.array(["AG", "CT", "AC", "GT"])[rng.integers(0, 4, 1000)]
    unrelated = Sites.build(positions.tolist(), [pair[0] for pair in alleles], [pair[1] for pair in alleles])
    assert find_shift(unrelated, model) is None
    assert find_shift(model[model.markers()], model) is None  # they fit where they are
    assert find_shift(unrelated[:0], model) is None
    assert find_shift(unrelated, model[:0]) is None


def test_shift_is_between_sites_of_the_same_alleles() -> None:
    positions = np.cumsum(np.random.default_rng(4).integers(1, 2000, 40))
    target = Sites.build(positions.tolist(), "A" * 40, "G" * 40)
    shifted = Sites.build((positions + 500_000).tolist(), "G" * 40, "A" * 40)
    assert find_shift(target, shifted) == Shift(500_000, 40, 40)
    assert find_shift(target, replace(shifted, a0=target.a1.copy(), a1=np.full(40, "C", dtype=object))) is None
