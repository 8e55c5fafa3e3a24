"""Allele frequencies of a VCF or BCF: from INFO, or counted in the genotypes.

`AC` and `AN` go before `AF`: bcftools updates them when it selects samples, and leaves `AF` as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from rnnimp.errors import DataError
from rnnimp.formats.biallelic import MAX_BLOCK_SITES, Allele, placed, sites_of, split_record
from rnnimp.formats.vcf.record import VcfRecord
from rnnimp.formats.vcf.records import RecordReader
from rnnimp.sites.interval import chosen_interval
from rnnimp.sites.panel import Sites


def frequency_blocks(path: str | Path, chromosome: str | None = None, field: str | None = None) -> Iterator[Sites]:
    """Read the sites of one chromosome in blocks, with their `a1_freq`.

    Args:
        path: A `.vcf`, `.vcf.gz` or `.bcf` file, sorted.
        chromosome: The chromosome to read, where the file has several.
        field: Field of INFO with one frequency per alternative allele. None takes AC / AN, else AF, else the share of
            the alleles in the genotypes.

    Raises:
        DataError: for damaged or unsorted data, a field that the header does not declare, or a value that is no
            frequency.
    """
    reader = RecordReader(path)
    if field is not None and not reader.declares("INFO", field):
        raise DataError(
            f"expected {field} in INFO, which --frequency-column names; the header does not declare it", path
        )
    if field is None and not (reader.sample_names or reader.declares("INFO", "AF") or reader.declares("INFO", "AC")):
        raise DataError(
            "expected AC and AN, or AF, in INFO, or genotypes, found neither; name the field with --frequency-column",
            path,
        )
    rows = _rows(reader, chromosome, field)
    while block := list(islice(rows, MAX_BLOCK_SITES)):
        sites = sites_of([allele for allele, _ in block])
        yield replace(sites, has_reference=True, a1_freq=np.array([frequency for _, frequency in block]))


def _rows(reader: RecordReader, chromosome: str | None, field: str | None) -> Iterator[tuple[Allele, float]]:
    for record in placed(reader.records(chosen_interval(None, chromosome)), reader.path):
        alleles = split_record(record, keep_monomorphic=False, path=reader.path)
        if alleles:
            frequencies = _frequencies(record, field, bool(reader.sample_names))
            for allele in alleles:
                found = frequencies[allele.number - 1]
                if not (found != found or 0 <= found <= 1):
                    raise record.error(f"expected frequencies from 0 to 1, found {found:g} at {record.place}")
                yield allele, found


def _frequencies(record: VcfRecord, field: str | None, has_samples: bool) -> list[float]:
    """Of each alternative allele; NaN where not known."""
    n_alleles = len(record.ALT)
    if field is not None:
        return _of_each(record.info_numbers(field), n_alleles)
    counts, total = record.info_numbers("AC"), record.info_numbers("AN")
    if len(counts) == n_alleles and len(total) == 1 and total[0] > 0:
        return [count / total[0] for count in counts]
    stated = _of_each(record.info_numbers("AF"), n_alleles)
    if not has_samples or not np.isnan(stated).any():
        return stated
    calls, _ = record.genotypes()
    n_known = np.count_nonzero(calls >= 0)
    return [
        float(np.count_nonzero(calls == number) / n_known) if n_known else np.nan for number in range(1, n_alleles + 1)
    ]


def _of_each(values: tuple[float, ...], n_alleles: int) -> list[float]:
    return list(values) if len(values) == n_alleles else [np.nan] * n_alleles
