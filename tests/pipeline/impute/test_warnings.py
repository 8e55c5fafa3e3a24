"""Warnings of targets that are read as they are, but that look damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from impute_cases import make_case, run_impute, vcf_of
from rnnimp.cli import main
from rnnimp.pipeline.impute.report import frequency_warnings
from rnnimp.sites.target_checks import Frequencies


def frequencies(target: float, model: float, n_alleles: int, n_sites: int = 30) -> Frequencies:
    rows, called = np.arange(n_sites), np.full(n_sites, n_alleles)
    return Frequencies(rows, np.full(n_sites, target), np.full(n_sites, model), called)


@pytest.mark.parametrize(
    ("difference", "n_haplotypes", "is_warned"),
    [(0.67, 600, True), (0.09, 600, False), (0.2, 600, True), (0.2, 40, False), (0.67, 2, False), (0.45, 40, True)],
)
def test_frequencies_beyond_chance_are_warned_of(difference: float, n_haplotypes: int, is_warned: bool) -> None:
    assert bool(frequency_warnings(frequencies(0.1 + difference, 0.1, n_haplotypes))) is is_warned


def test_the_rounding_of_the_model_is_allowed_for() -> None:
    by_chance = 0.1 + 1 / np.sqrt(600)
    assert frequency_warnings(frequencies(0.2 + by_chance + 0.01, 0.2, 600))
    assert not frequency_warnings(frequencies(0.2 + by_chance + 0.01, 0.2, 600), model_step=0.05)
    assert frequency_warnings(frequencies(0.2 + by_chance + 0.03, 0.2, 600), model_step=0.05)


def test_few_sites_say_nothing() -> None:
    assert frequency_warnings(frequencies(0.9, 0.1, 600, n_sites=19)) == []


def test_haploid_genotypes_on_an_autosome_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_case(tmp_path)
    vcf = vcf_of(folder / "t", "22")
    model = ["--model-prefix", str(folder / "m"), "--output", str(folder / "out" / "x.vcf")]
    assert main(["impute", "--vcf", str(vcf), *model]) == 0
    assert "haploid genotypes" not in capsys.readouterr().err
    lines = vcf.read_text().splitlines()
    fields = lines[-1].split("\t")
    vcf.write_text("\n".join([*lines[:-1], "\t".join([*fields[:-1], fields[-1][0]])]) + "\n")
    assert main(["impute", "--vcf", str(vcf), *model]) == 0
    assert "1 sample with haploid genotypes on chromosome 22, an autosome: N8" in capsys.readouterr().err


def test_a_log_is_no_output(tmp_path: Path) -> None:
    folder = make_case(tmp_path)
    log = folder / "out" / "x.vcf"
    assert run_impute(folder, "x", "--output-format", "vcf", "--log-file", str(log)) == 2
    assert "found the input" in log.read_text()
