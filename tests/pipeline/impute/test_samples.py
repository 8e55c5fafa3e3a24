"""The table of the samples, against the dosages that are written."""

from __future__ import annotations

from pathlib import Path

import cyvcf2
import numpy as np
import pytest

from impute_cases import run_impute
from rnnimp.pipeline.impute.samples import COLUMNS


def rows(folder: Path, name: str = "x") -> list[list[str]]:
    header, *lines = (folder / "out" / f"{name}.samples.tsv").read_text().splitlines()
    assert tuple(header.split("\t")) == COLUMNS
    return [line.split("\t") for line in lines]


def test_the_table_follows_from_the_genotypes(folder: Path) -> None:
    assert run_impute(folder, "x.vcf", "--format-fields", "HDS") == 0
    vcf = cyvcf2.VCF(str(folder / "out" / "x.vcf"))
    doses = np.array([record.format("HDS") for record in vcf if record.INFO.get("IMP")])
    table = rows(folder)
    assert [row[0] for row in table] == list(vcf.samples)
    for index, row in enumerate(table):
        assert 0 <= float(row[1]) <= 1
        assert float(row[2]) == pytest.approx(doses[:, index].sum(), abs=1e-3 * doses[:, index].size)
        assert float(row[3]) == pytest.approx((doses[:, index] * (1 - doses[:, index])).mean(), abs=1e-3)


def test_formats_and_threads_change_nothing(folder: Path) -> None:
    assert run_impute(folder, "x.vcf") == 0
    assert run_impute(folder, "y.gen", "--threads", "2") == 0
    assert rows(folder, "x") == rows(folder, "y")
