"""VCF and BCF: the header, a walk over the records, and the genotypes of the first of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rnnimp.formats.vcf.index_reading import SiteIndex
from rnnimp.formats.vcf.reading import QUALITY_SCORES
from rnnimp.formats.vcf.record import MISSING, VcfRecord
from rnnimp.formats.vcf.records import RecordReader
from rnnimp.pipeline.inspect.findings import (
    BY_INDEX,
    MOST_CELLS,
    MOST_RECORDS,
    SAMPLED_RECORDS,
    Inspection,
    SiteTally,
    place_facts,
)

_SOURCE = "##source="
_CELLS_OF_SITE = 20  # a record without samples takes as long to read as so many samples


def inspect_vcf(path: str | Path, kind: str) -> Inspection:
    """Say what a VCF or BCF is.

    Raises:
        DataError: if it is damaged, as far as it is read.
    """
    reader = RecordReader(path)
    n_samples = len(reader.sample_names)
    most = min(MOST_RECORDS, max(SAMPLED_RECORDS, MOST_CELLS // (n_samples + _CELLS_OF_SITE)))
    tally, genotypes = SiteTally(), _Genotypes()
    records = reader.every_record()
    for record in records:
        tally.add(record.CHROM, record.POS)
        if tally.n_sites <= SAMPLED_RECORDS:
            genotypes.add(record)
        if tally.n_sites == most:
            break
    is_whole = next(records, None) is None
    index = reader.index()
    sources = [line.removeprefix(_SOURCE).strip('"') for line in reader.header.lines if line.startswith(_SOURCE)]
    facts = {
        "size_bytes": Path(path).stat().st_size,
        "format_version": next(iter(reader.header.lines), "").partition("=")[2],
        "index": None if index is None else Path(index.path).name,
        "written_by": sources,
        "samples": n_samples,
        **_place_facts(reader, index, tally, is_whole),
        **genotypes.facts(),
    }
    return Inspection(str(path), kind, facts)


def _place_facts(reader: RecordReader, index: SiteIndex | None, tally: SiteTally, is_whole: bool) -> dict[str, Any]:
    """The places by the walk; those of a large file by the index, if it has the numbers of records and fits."""
    if not is_whole and index is not None and set(index.n_records) == set(index.chromosomes):
        places = {}
        for name, n_records in index.n_records.items():
            if (ends := reader.ends(index, name)) is not None:
                places[name] = {"sites": n_records, "first_position": ends[0], "last_position": ends[1]}
        if len(places) == len(index.n_records):
            lengths = {name: reader.contig_length(name) for name in places}
            return place_facts(sum(index.n_records.values()), BY_INDEX, places, lengths)
    return tally.facts(is_whole, {name: reader.contig_length(name) for name in tally.chromosomes})


class _Genotypes:
    """What the first records say about the samples, and about the quality of sites."""

    def __init__(self) -> None:
        self._n_records = self._n_alleles = self._n_missing = self._n_heterozygous = self._n_phased = 0
        self._fields: dict[str, None] = {}
        self._scores: dict[str, None] = {}

    def add(self, record: VcfRecord) -> None:
        """Look at a record."""
        self._n_records += 1
        self._fields.update(dict.fromkeys(record.fields))
        self._scores.update(dict.fromkeys(name for name in QUALITY_SCORES if record.has_info(name)))
        if "GT" not in record.fields or not record.header.sample_names:
            return
        calls, is_phased = record.genotypes()
        self._n_alleles += int(np.count_nonzero(calls >= MISSING))
        self._n_missing += int(np.count_nonzero(calls == MISSING))
        is_heterozygous = (calls[:, 1:] >= 0).any(axis=1) & (calls[:, :1] != calls[:, 1:]).any(axis=1)
        self._n_heterozygous += int(np.count_nonzero(is_heterozygous))
        self._n_phased += int(np.count_nonzero(is_heterozygous & is_phased))

    def facts(self) -> dict[str, Any]:
        """The findings by name."""
        return {
            "fields": list(self._fields),
            "quality_scores": list(self._scores),
            "sampled_records": self._n_records,
            "phased_share": self._n_phased / self._n_heterozygous if self._n_heterozygous else None,
            "missing_share": self._n_missing / self._n_alleles if self._n_alleles else None,
        }
