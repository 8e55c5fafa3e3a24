"""Allele frequencies of a VCF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnimp.errors import DataError
from rnnimp.formats.vcf.frequencies import frequency_blocks
from rnnimp.sites.panel import Sites
from vcf_files import write_vcf

HEADER = "".join(
    f'##INFO=<ID={name},Number={number},Type={kind},Description="-">\n'
    for name, number, kind in (
        *(("AC", "A", "Integer"), ("AN", "1", "Integer")),
        *(("AF", "A", "Float"), ("AF_EUR", "A", "Float")),
    )
)


def read(path: Path, field: str | None = None) -> Sites:
    return Sites.concatenate(list(frequency_blocks(path, field=field)))


def test_counts_go_before_frequencies_and_both_before_genotypes(tmp_path: Path) -> None:
    """bcftools updates AC and AN when it selects samples, and leaves AF as it was."""
    records = [
        "22 10 . A C AC=1;AN=8;AF=0.5 GT 0|0 1|1",
        "22 20 . A C,G AC=1,2;AN=4;AF=0.5,0.1 GT 0|0 1|1",
        "22 30 . A C AF=0.3 GT 0|0 1|1",
        "22 40 . A C,G . GT 0|2 1|1",
        "22 50 . A C AC=0;AN=0 GT .|. .|.",
        "22 60 . A <DEL> AF=0.3 GT 0|0 1|1",
        "22 70 . A C AF=. GT 0|1 1",
    ]
    found = read(write_vcf(tmp_path / "x.vcf", records, header=HEADER))
    assert found.positions.tolist() == [10, 20, 20, 30, 40, 40, 50, 70]
    np.testing.assert_allclose(found.a1_freq, [0.125, 0.25, 0.5, 0.3, 0.5, 0.25, np.nan, 2 / 3])
    assert found.has_reference


def test_a_field_may_be_chosen_and_samples_are_not_needed(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "x.vcf", ["22 10 . A C AF=0.5;AF_EUR=0.1", "22 20 . A C AF=0.5"], "", HEADER)
    np.testing.assert_array_equal(read(path, "AF_EUR").a1_freq, [0.1, np.nan])
    np.testing.assert_array_equal(read(path).a1_freq, [0.5, 0.5])


@pytest.mark.parametrize(
    ("record", "header", "field", "message"),
    [
        ("22 10 . A C AF=0.5", HEADER, "AF_AFR", "expected AF_AFR in INFO, which --frequency-column names"),
        ("22 10 . A C .", "", None, "expected AC and AN, or AF, in INFO, or genotypes, found neither"),
        ("22 10 . A C AF=1.5", HEADER, None, "expected frequencies from 0 to 1, found 1.5 at 22:10"),
    ],
)
def test_bad_frequencies(tmp_path: Path, record: str, header: str, field: str | None, message: str) -> None:
    path = write_vcf(tmp_path / "x.vcf", [record], "", header)
    with pytest.raises(DataError, match=message):
        read(path, field)
