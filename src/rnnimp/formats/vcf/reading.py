"""Reading VCF and BCF: phased panels block by block, and unphased genotypes with their uncertainty.

Every alternative allele becomes one site; see `alleles.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.biallelic import (
    MAX_BLOCK_SITES,
    GenotypeRow,
    ReadingRules,
    alleles_of,
    genotype_stream,
    panel_of,
    placed,
    sites_of,
    split_record,
)
from rnnimp.formats.copies import copies_from_calls, copies_from_genotypes, copies_from_haplotypes, copies_of_haploid
from rnnimp.formats.unphased import Unphased
from rnnimp.formats.vcf.phase_sets import PhaseSets
from rnnimp.formats.vcf.record import END, VcfRecord
from rnnimp.formats.vcf.records import RecordReader
from rnnimp.sites.interval import chosen_interval
from rnnimp.sites.panel import GenotypeStream, GenotypeTable, PanelStream, Sites
from rnnimp.sites.ploidy import PloidyRecorder

QUALITY_SCORES = ("R2", "INFO", "DR2")
"""Estimates of a site's r2 in INFO: Minimac's and ours, IMPUTE's and ours, Beagle's."""

_DOSAGE_TOLERANCE = 0.001  # of rounded numbers


def open_panel(
    path: str | Path,
    region: str | None = None,
    chromosome: str | None = None,
    keep_first_duplicate: bool = False,
    keep_monomorphic: bool = False,
    block_sites: int | None = None,
    ploidy: PloidyRecorder | None = None,
    unphased: Unphased | None = None,
) -> PanelStream:
    """Open the phased diploid genotypes of one chromosome for reading block by block.

    A haplotype is 1 if it carries the site's alternative allele, else 0, whatever else it carries. Unphased
    homozygous genotypes (`0/0`) are accepted, since phase says nothing about them.

    Args:
        path: A `.vcf`, `.vcf.gz` or `.bcf` file, sorted; an index beside it is used.
        region: The part to read, such as `22:50.3-50.6Mb`.
        chromosome: The chromosome to read, where the file has several; `chr22` and `22` are the same.
        keep_first_duplicate: Whether to keep the first of repeated sites and drop the others, instead of an error.
        keep_monomorphic: Whether to keep records without an alternative allele, ALT `.`, as sites whose a1 is `.`. In
            a target they mean that all samples carry REF.
        block_sites: Sites per block; by default as many as fit into 16 MiB, 4096 at most.
        ploidy: Records which samples are haploid. Their allele is then put into both columns. None refuses haploids.
        unphased: Counts unphased heterozygous genotypes, whose alleles then stand in the file's order. None refuses
            them.

    Raises:
        DataError: for genotypes that are absent, unphased or of another ploidy; the message names the place and the
            sample. Also for sites out of order or repeated, several chromosomes where none is chosen, and damaged
            data.
        SettingsError: for a malformed region.
    """
    interval = chosen_interval(region, chromosome)
    reader = RecordReader(path)
    names = reader.sample_names
    if not names:
        raise DataError("expected phased genotypes, found a VCF without samples", path)
    phase_sets = PhaseSets(path, names)
    return panel_of(
        path,
        names,
        phase_sets.watched(reader.records(interval)),
        lambda record: _phased_calls(record, reader, ploidy, phase_sets, unphased),
        ReadingRules(keep_first_duplicate, keep_monomorphic),
        block_sites,
        contig_length=reader.contig_length,
        place=f" in {interval}" if interval is not None else "",
    )


def read_sites(path: str | Path, chromosome: str | None = None) -> Sites:
    """All sites of one chromosome; see `site_blocks`."""
    blocks = list(site_blocks(path, chromosome))
    return Sites.concatenate(blocks) if blocks else replace(sites_of([], chromosome), has_reference=True)


def site_blocks(path: str | Path, chromosome: str | None = None) -> Iterator[Sites]:
    """Read the sites of one chromosome in blocks, genotypes or not; `a1` is `.` where there is no alternative allele.

    Without a chromosome, the file must have one only.

    Raises:
        DataError: as `open_panel`, but for the genotypes.
    """
    records = placed(RecordReader(path).records(chosen_interval(None, chromosome)), path)
    alleles = (allele for record in records for allele in split_record(record, keep_monomorphic=True, path=path))
    while block := list(islice(alleles, MAX_BLOCK_SITES)):
        yield replace(sites_of(block), has_reference=True)


def _phased_calls(
    record: VcfRecord,
    reader: RecordReader,
    ploidy: PloidyRecorder | None,
    phase_sets: PhaseSets,
    unphased: Unphased | None,
) -> NDArray[np.integer]:
    """Allele numbers, (n_samples, 2); below 0 for missing."""
    recorder = ploidy if ploidy is not None and ploidy.serves(record.CHROM) else None
    calls, phased = _diploid_calls(record, reader, recorder)
    if not phased.all():
        doubtful = np.flatnonzero(~phased & (calls[:, 0] != calls[:, 1]))
        if doubtful.size and unphased is not None:
            unphased.add(doubtful.size, record.place, reader.sample_names[doubtful[0]])
        elif doubtful.size:
            sample = int(doubtful[0])
            raise record.error(
                f"expected phased genotypes like 0|1, found an unphased one, {_genotype(calls[sample], '/')}, at "
                f"{record.place} in sample {reader.sample_names[sample]}; phase the genotypes first"
            )
    phase_sets.add(record, calls)
    return calls


def _diploid_calls(
    record: VcfRecord, reader: RecordReader, ploidy: PloidyRecorder | None = None, doubled: bool = False
) -> tuple[NDArray[np.integer], NDArray[np.bool_]]:
    """Allele numbers, (n_samples, 2), below 0 for missing; and whether each sample's are phased.

    Haploid samples are refused unless `ploidy` is told of them, or they are to be `doubled` all the same.
    """
    calls, phased = record.genotypes()
    has_ends = calls.shape[1] != 2 or (calls.size > 0 and calls.min() == END)
    if ploidy is not None:
        is_haploid = _has_one_allele(calls) if has_ends else np.zeros(len(calls), np.bool_)
        ploidy.add(record.POS, is_haploid, calls.max(axis=1) >= 0)
    if has_ends and (ploidy is not None or doubled):
        calls = _doubled(calls, _has_one_allele(calls))
    if has_ends and (calls.shape[1] != 2 or calls.min() == END):
        calls = _padded(calls, record, reader)
    return calls, phased


def _has_one_allele(calls: NDArray[np.integer]) -> NDArray[np.bool_]:
    """The haploid samples, bool (n_samples,), of allele numbers with `END` where a sample has no more."""
    one: NDArray[np.bool_] = np.count_nonzero(calls != END, axis=1) == 1
    return one


def _doubled(calls: NDArray[np.integer], is_haploid: NDArray[np.bool_]) -> NDArray[np.integer]:
    """Put the allele of haploid samples into both columns."""
    if not is_haploid.any():
        return calls
    wide = np.full((len(calls), max(2, calls.shape[1])), END, dtype=np.int16)
    wide[:, : calls.shape[1]] = calls
    wide[is_haploid, 1] = wide[is_haploid, 0]
    return wide


def _padded(calls: NDArray[np.integer], record: VcfRecord, reader: RecordReader) -> NDArray[np.integer]:
    """Bring rows of another number of alleles to two, if all they say is "missing"."""
    n_alleles = np.count_nonzero(calls != END, axis=1)
    wrong = np.flatnonzero((n_alleles != 2) & (calls.max(axis=1) >= 0))
    if wrong.size:
        sample = int(wrong[0])
        raise record.error(
            f"expected diploid genotypes, found {_genotype(calls[sample], '|')} at {record.place} in sample "
            f"{reader.sample_names[sample]}; leave out such regions or samples"
        )
    two = np.full((len(calls), 2), -1, dtype=np.int16)
    width = min(calls.shape[1], 2)
    two[:, :width] = np.maximum(calls[:, :width], -1)
    return two


def _genotype(calls: NDArray[np.integer], separator: str) -> str:
    return separator.join("." if call < 0 else str(call) for call in calls if call != END)


def read_genotypes(path: str | Path, chromosome: str | None = None) -> GenotypeTable:
    """Read all genotypes with their uncertainty; see `open_genotypes`."""
    return open_genotypes(path, chromosome).read()


def open_genotypes(path: str | Path, chromosome: str | None = None) -> GenotypeStream:
    """Open genotypes with their uncertainty, as imputers write them, for reading block by block.

    Probabilities come from the first of these FORMAT fields that a record has:

    1. `GP`.
    2. The two haplotypes' `HDS`, or `AP1` and `AP2`, taken as independent.
    3. `GT`, phased or not, if there is no `DS`.

    Dosages are `DS` where it is given. The flags of Minimac4 (`TYPED`, `IMPUTED`) and Beagle (`IMP`, which rnnimp
    writes too) show whether a site was observed. Its estimated quality comes from `QUALITY_SCORES` in INFO.

    Haploid samples are detected by the number of their values, or by the alleles in `GT` if there is only `DS` besides.
    They count as homozygous, with dosages up to 2.

    Args:
        path: A `.vcf`, `.vcf.gz` or `.bcf` file, sorted.
        chromosome: The chromosome to read, where the file has several.

    Raises:
        DataError: for damaged or unsorted data, repeated sites, or records without any of these fields.
    """
    reader = RecordReader(path)
    if not reader.sample_names:
        raise DataError("expected genotypes, found a VCF without samples", path)
    names = [name for name in QUALITY_SCORES if reader.declares("INFO", name)]
    rows = _genotype_rows(reader, chromosome, names)
    return genotype_stream(path, reader.sample_names, len(reader.sample_names), rows, names, has_reference=True)


def _genotype_rows(reader: RecordReader, chromosome: str | None, scores: list[str]) -> Iterator[GenotypeRow]:
    records = reader.records(chosen_interval(None, chromosome))
    for record, alleles in alleles_of(reader.path, records, ReadingRules()):
        probabilities, dosages = _record_genotypes(record, reader)
        is_typed = _is_typed(record, reader)
        numbers = [record.info_numbers(name) for name in scores]
        for allele in alleles:
            row = allele.number - 1
            given = tuple(_of_allele(values, allele.number) for values in numbers)
            yield GenotypeRow(allele, probabilities[row], dosages[row], is_typed, given)


def _is_typed(record: VcfRecord, reader: RecordReader) -> bool | None:
    # Minimac4 sets IMPUTED at every site of the panel, typed or not, so TYPED goes first
    if reader.declares("INFO", "TYPED"):
        return record.has_info("TYPED") or record.has_info("TYPED_ONLY")
    imputed_flags = [name for name in ("IMP", "IMPUTED") if reader.declares("INFO", name)]
    if not imputed_flags:
        return None
    return not any(record.has_info(name) for name in imputed_flags)


def _of_allele(values: tuple[float, ...], number: int) -> float:
    """The only number, or the one of an allele where there is one for each; NaN where there is none."""
    if len(values) == 1:
        return values[0]
    return values[number - 1] if number <= len(values) else float("nan")


def _record_genotypes(record: VcfRecord, reader: RecordReader) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities (n_alts, n_samples, 3) and dosages (n_alts, n_samples); haploid samples as if homozygous."""
    fields = set(record.fields)
    n_alts = len(record.ALT)
    probabilities, is_haploid = _record_probabilities(record, fields, n_alts, reader)
    expected = probabilities[..., 1] + 2 * probabilities[..., 2]
    if "DS" not in fields:
        return probabilities, expected
    dosages = _values(record, "DS", n_alts, reader).T
    if (dosages[:, is_haploid] > 1 + _DOSAGE_TOLERANCE).any():
        raise DataError(
            f"expected dosages up to 1 of samples with one allele, found a larger one at {record.CHROM}:{record.POS}; "
            "make the file again",
            reader.path,
        )
    dosages = np.where(is_haploid, 2 * dosages, dosages)
    return probabilities, np.where(np.isnan(dosages), expected, dosages)


def _record_probabilities(
    record: VcfRecord, fields: set[str], n_alts: int, reader: RecordReader
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """P(0, 1, 2 copies), (n_alts, n_samples, 3), NaN where only dosages tell; and who is haploid, (n_samples,)."""
    if "GP" in fields:
        n_genotypes = (n_alts + 1) * (n_alts + 2) // 2
        genotypes = _values(record, "GP", n_genotypes, reader, n_haploid=n_alts + 1)
        probabilities, alleles = copies_from_genotypes(genotypes, n_alts), genotypes[:, 1 : n_alts + 1]
        is_haploid: NDArray[np.bool_] = np.isnan(genotypes[:, -1]) & ~np.isnan(genotypes[:, : n_alts + 1]).any(axis=1)
    elif ("HDS" in fields and n_alts == 1) or {"AP1", "AP2"} <= fields:
        alleles, second = _haplotype_values(record, "HDS" in fields and n_alts == 1, n_alts, reader)
        probabilities = copies_from_haplotypes(alleles, second)
        is_haploid = np.isnan(second[:, 0]) & ~np.isnan(alleles).any(axis=1)
    elif "DS" in fields:
        probabilities = np.full((n_alts, len(reader.sample_names), 3), np.nan, np.float32)
        alleles, is_haploid = _values(record, "DS", n_alts, reader), _haploid_by_genotype(record, fields, reader)
    else:
        calls, _ = _diploid_calls(record, reader, doubled=True)
        return copies_from_calls(calls, n_alts), np.zeros(len(calls), np.bool_)
    if is_haploid.any():
        _require_haploid(record, fields, is_haploid, reader)
        probabilities[:, is_haploid] = copies_of_haploid(alleles[is_haploid])
    return probabilities, is_haploid


def _haploid_by_genotype(record: VcfRecord, fields: set[str], reader: RecordReader) -> NDArray[np.bool_]:
    if "GT" not in fields:
        return np.zeros(len(reader.sample_names), np.bool_)
    calls, _ = record.genotypes()
    # a lone dot may stand for a diploid genotype too
    is_haploid: NDArray[np.bool_] = _has_one_allele(calls) & (calls.max(axis=1) >= 0)
    return is_haploid


def _require_haploid(record: VcfRecord, fields: set[str], is_haploid: NDArray[np.bool_], reader: RecordReader) -> None:
    """Refuse diploid genotypes with as many values as a haploid one has."""
    if "GT" not in fields:
        return
    wrong = np.flatnonzero(is_haploid & ~_has_one_allele(record.genotypes()[0]))
    if wrong.size:
        raise DataError(
            f"expected as many values as the genotype has, found those of one allele beside two at "
            f"{record.CHROM}:{record.POS} in sample {reader.sample_names[wrong[0]]}; make the file again",
            reader.path,
        )


def _haplotype_values(
    record: VcfRecord, has_hds: bool, n_alts: int, reader: RecordReader
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """P(alternative) on both haplotypes, each (n_samples, n_alts)."""
    if has_hds:
        haplotypes = _values(record, "HDS", 2, reader, n_haploid=1)
        return haplotypes[:, :1], haplotypes[:, 1:]
    first, second = (_values(record, name, n_alts, reader) for name in ("AP1", "AP2"))
    return first, second


def _values(
    record: VcfRecord, field: str, n_values: int, reader: RecordReader, n_haploid: int | None = None
) -> NDArray[np.float32]:
    """A numeric FORMAT field, float32 (n_samples, n_values); NaN for missing, and behind those of haploid samples.

    A sample whose only value is `.` has no values. If all samples are so, the field is missing at this site.
    """
    values = record.numbers(field)
    if values is not None and values.shape[1] == 1 and np.isnan(values).all():
        return np.full((len(values), n_values), np.nan, np.float32)
    if values is not None and n_haploid is not None and values.shape[1] == n_haploid:  # no sample has more
        values = np.pad(values, ((0, 0), (0, n_values - n_haploid)), constant_values=np.nan)
    if values is None or values.shape[1] != n_values:
        raise record.error(
            f"expected {n_values} numbers per sample in FORMAT field {field} at {record.place}, found "
            f"{'none' if values is None else values.shape[1]}"
        )
    most = 2 if field == "DS" else 1
    is_right = (values >= -_DOSAGE_TOLERANCE) & (values <= most + _DOSAGE_TOLERANCE) | np.isnan(values)
    if not is_right.all():
        raise record.error(
            f"expected numbers from 0 to {most} in FORMAT field {field}, found {values[~is_right][0]:g} at "
            f"{record.place}; make the file again, with probabilities that are not phred-scaled"
        )
    return values
