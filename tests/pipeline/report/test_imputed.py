"""What an imputation left behind, read back and compared with its files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from report_cases import N_SAMPLES, copied
from rnnimp.errors import DataError
from rnnimp.pipeline.report.binning import maf_classes
from rnnimp.pipeline.report.imputed import IMPUTED_KIND, TYPED_KIND, read_imputed


def test_all_files_are_read(results: Path) -> None:
    found = read_imputed(f"{results}/x.vcf")
    assert found.sites is not None and found.samples is not None and found.checks is not None
    rows = [line.split("\t") for line in gzip.decompress((results / "x.info.tsv.gz").read_bytes()).decode().split("\n")]
    rows = rows[1:-1]
    assert found.sites.positions.tolist() == [int(row[1]) for row in rows]
    assert found.sites.classes.tolist() == maf_classes(np.array([float(row[6]) for row in rows])).tolist()
    kinds = [IMPUTED_KIND if row[9] == "IMPUTED" else TYPED_KIND for row in rows]
    assert found.sites.kinds.tolist() == kinds
    assert found.sites.n_empirical == sum(row[8] != "NA" for row in rows) > 0
    assert found.checks == json.loads((results / "x.checks.json").read_text())
    assert len(found.samples.names) == N_SAMPLES


def test_what_is_not_there_is_none(results: Path, tmp_path: Path) -> None:
    folder = copied(results, tmp_path / "c")
    for name in ("x.info.tsv.gz", "x.samples.tsv"):
        (folder / name).unlink()
    found = read_imputed(f"{folder}/x")
    assert found.sites is None
    assert found.samples is None
    assert found.checks is not None


def test_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found none of"):
        read_imputed(f"{tmp_path}/x")


def test_damaged_findings_are_an_error(results: Path, tmp_path: Path) -> None:
    folder = copied(results, tmp_path / "c")
    (folder / "x.checks.json").write_text('{"counts": {}}')
    with pytest.raises(DataError, match="impute again"):
        read_imputed(f"{folder}/x")
