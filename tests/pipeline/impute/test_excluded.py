"""Lists of samples and sites that are left out: the result is that of a target without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers import error_line, random_panel
from impute_cases import records, run_impute, write_target
from rnnimp.errors import SettingsError
from rnnimp.formats.hapslegend import open_panel
from rnnimp.pipeline.impute.excluded import listed_sites
from rnnimp.sites.panel import Panel


def read_panel(folder: Path) -> Panel:
    return open_panel(folder / "t.hap.gz", folder / "t.legend.gz").read()


def list_of(folder: Path, *names: str) -> str:
    (folder / "list.txt").write_text("\n".join(names) + "\n")
    return str(folder / "list.txt")


def test_excluded_samples_are_those_that_are_not_chosen(folder: Path) -> None:
    chosen = list_of(folder, *(f"Sample_{number}" for number in (1, 3, 4, 8)))
    assert run_impute(folder, "a.vcf", "--samples", chosen) == 0
    excluded = list_of(folder, *(f"Sample_{number}" for number in (2, 5, 6, 7, 9)), "nobody")
    assert run_impute(folder, "b.vcf", "--exclude-samples", excluded) == 0
    assert records(folder / "out" / "a.vcf") == records(folder / "out" / "b.vcf")


def test_excluded_sites_count_as_not_typed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panel = read_panel(folder)
    keys = panel.sites.keys()
    names = [f"chr22:{keys[3][0]}", f"22:{keys[8][0]}:{keys[8][1]}:{keys[8][2]}", panel.sites.ids[5], "21:5", "rs0"]
    assert run_impute(folder, "a.vcf", "--exclude-sites", list_of(folder, *names)) == 0
    assert "left out because of --exclude-sites: 3 target sites" in capsys.readouterr().err
    write_target(folder / "t", panel[~np.isin(np.arange(len(keys)), (3, 5, 8))])
    assert run_impute(folder, "b.vcf") == 0
    assert records(folder / "out" / "a.vcf") == records(folder / "out" / "b.vcf")


def test_names_that_the_target_lacks_leave_nothing_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_impute(folder, "a.vcf") == 0
    options = ("--exclude-sites", list_of(folder, "nothing"), "--exclude-samples", list_of(folder, "nothing"))
    assert run_impute(folder, "b.vcf", *options) == 0
    error = capsys.readouterr().err
    assert "--exclude-sites leaves nothing out" in error and "--exclude-samples leaves nothing out" in error
    assert records(folder / "out" / "a.vcf") == records(folder / "out" / "b.vcf")


def test_bad_lists_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everyone = list_of(folder, *(f"Sample_{number}" for number in range(1, 10)))
    assert run_impute(folder, "x.vcf", "--exclude-samples", everyone) == 1
    assert "expected a list that leaves samples of the target, found all in it" in error_line(capsys)
    for option in ("--exclude-samples", "--exclude-sites"):
        assert run_impute(folder, "x.vcf", option, list_of(folder, " ")) == 1
        assert "list.txt: expected names, one per line, found none" in error_line(capsys)


def test_a_list_with_chromosomes_needs_that_of_the_target() -> None:
    sites = random_panel(np.random.default_rng(1), n_sites=4).sites
    assert not listed_sites(sites, ["rs"], None).any()
    with pytest.raises(SettingsError, match="--exclude-sites has 22:5, but the target's chromosome is not known"):
        listed_sites(sites, ["22:5"], None)
