"""Evaluating in memory: equal to evaluating files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rnnimp
from rnnimp.pipeline.demo import MODEL, PACKAGED

TARGET, TRUTH = PACKAGED / "target.hap.gz", PACKAGED / "truth.hap.gz"


@pytest.fixture(scope="module")
def imputed() -> rnnimp.Imputed:
    return rnnimp.impute(PACKAGED / MODEL, TARGET)


def test_arrays_score_as_files_do(imputed: rnnimp.Imputed, tmp_path: Path) -> None:
    vcf = rnnimp.write_genotypes(imputed, tmp_path / "x.vcf")
    of_files = rnnimp.evaluate(vcf, TRUTH, calibration=True, output=tmp_path / "scores")
    assert (tmp_path / "scores.bins.tsv").is_file()
    for left in (imputed, imputed.table(), vcf):
        for right in (TRUTH, rnnimp.read_haplotypes(TRUTH)):
            found = rnnimp.evaluate(left, right, calibration=True)
            assert found.sites.keys() == of_files.sites.keys()
            np.testing.assert_allclose(found.statistics.r2(), of_files.statistics.r2(), atol=0.02)
            assert found.bins[-1].mean_r2 == pytest.approx(of_files.bins[-1].mean_r2, abs=1e-4)
            assert found.calibration is not None
            assert found.calibration.scores.keys() >= {"R2"}


def test_bins_frequencies_and_typed_sites_are_chosen(imputed: rnnimp.Imputed) -> None:
    found = rnnimp.evaluate(imputed, TRUTH, bins=[0, 5, 50], all_sites=True)
    assert [scores.upper for scores in found.bins] == [5, 50, 50]
    assert len(found.sites) == len(imputed.sites)
    legend = f"{PACKAGED / MODEL}_1.legend.gz"
    scored = rnnimp.evaluate(imputed, TRUTH, frequencies=legend, typed=legend)
    assert scored.sites.a1_freq is not None
    assert np.isnan(scored.sites.a1_freq).any()


def test_tables_are_written_of_files_only(imputed: rnnimp.Imputed, tmp_path: Path) -> None:
    with pytest.raises(rnnimp.RnnimpError, match="tables are written of files only"):
        rnnimp.evaluate(imputed, TRUTH, output=tmp_path / "x")
