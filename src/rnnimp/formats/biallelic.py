"""From records with any number of alleles to biallelic sites, for every format that has such records.

Every alternative allele becomes one site, so a record with three of them gives three sites at one position. Alleles
that are no sequence (`<DEL>`, `*`, breakends) are left out and counted, and so are records without alternatives,
unless they are asked for. Alleles are upper-cased. Ids: `.` becomes `chrom:pos:ref:alt`, the id of a record with
several alternatives gets `:ref:alt` behind it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.site_rules import has_sequence, is_sequence
from rnnimp.sites.chromosomes import same_chromosome, whole_chromosome
from rnnimp.sites.interval import LAST_POSITION
from rnnimp.sites.matching import allele_key
from rnnimp.sites.panel import GenotypeStream, GenotypeTable, Panel, PanelStream, Sites, as_strings
from rnnimp.sites.ploidy import PloidyRecorder
from rnnimp.wording import counted

BLOCK_BYTES = 1 << 24
BLOCK_GENOTYPES = 1 << 19
MAX_BLOCK_SITES = 4096

NO_SEQUENCE = "alternative alleles that are no sequence"
REPEATED = "sites whose position and alleles stood before"
"""Why sites are left out: the reasons in `PanelStream.left_out`."""

_NO_ALLELE = -3  # of no genotype

_log = logging.getLogger(__name__)

Record = Any
"""A `VcfRecord` or a `SiteRecord`."""


class SiteRecord(NamedTuple):
    """A site of a format that is no VCF, under the names of a VCF's columns, and its row in the file."""

    CHROM: str
    POS: int
    ID: str | None
    REF: str
    ALT: list[str]
    row: int


class Allele(NamedTuple):
    """An alternative allele of a record: its number in the record's genotypes, and the site it makes."""

    number: int
    chromosome: str
    position: int
    id: str
    ref: str
    alt: str


@dataclass(frozen=True)
class ReadingRules:
    """How to read records that are not plain.

    Attributes:
        keep_first_duplicate: Whether to keep the first of repeated sites and drop the others, instead of an error.
        keep_monomorphic: Whether to keep records without an alternative allele as sites whose a1 is `.`.
    """

    keep_first_duplicate: bool = False
    keep_monomorphic: bool = False


def panel_of(
    path: str | Path,
    names: tuple[str, ...],
    records: Iterator[Record],
    calls_of: Callable[[Record], NDArray[np.integer]],
    rules: ReadingRules,
    block_sites: int | None = None,
    contig_length: Callable[[str], int | None] = lambda _: None,
    place: str = "",
) -> PanelStream:
    """Make a panel of records.

    A haplotype is 1 if it carries the site's alternative allele, else 0, whatever else it carries.

    Args:
        path: The file, for messages.
        names: Names of the samples.
        records: Records of one chromosome, in order of position.
        calls_of: Gives a record's allele numbers, integers (n_samples, 2), below 0 for missing.
        rules: Rules for records that are not plain.
        block_sites: Sites per block; by default as many as fit into 16 MiB, 4096 at most.
        contig_length: Gives the length of a chromosome, where the file says it.
        place: Part of the file that the records are from, for messages.

    Raises:
        DataError: for sites that repeat, or if there are none.
    """
    left_out = Counter[str]()
    rows = _panel_rows(alleles_of(path, records, rules, left_out), calls_of)
    blocks = _blocks(rows, names, block_sites or max(1, min(MAX_BLOCK_SITES, BLOCK_BYTES // max(1, 2 * len(names)))))
    first = next(blocks, None)
    if first is None:
        raise DataError(f"expected sites{place}, found none whose alternative allele is a sequence", path)
    return PanelStream(names, chain([first], blocks), contig_length(first.sites.chromosome or ""), left_out)


def alleles_of(
    path: str | Path, records: Iterator[Record], rules: ReadingRules, left_out: Counter[str] | None = None
) -> Iterator[tuple[Record, list[Allele]]]:
    """Each record with the alternative alleles that become sites; records without any are passed over.

    Args:
        path: The file, for messages.
        records: Records in order of position.
        rules: Rules for records that are not plain.
        left_out: Counts the sites that are left out, by reason.

    Raises:
        DataError: for sites that repeat, unless the rules drop them.
    """
    left_out = Counter[str]() if left_out is None else left_out
    position, seen = 0, set[tuple[str, str]]()  # exchanged alleles make no other site
    for record in placed(records, path):
        found = record.POS
        if found != position:
            position, seen = found, set()
        alleles = split_record(record, rules.keep_monomorphic, path)
        left_out[NO_SEQUENCE] += max(len(record.ALT), 1) - len(alleles)
        new = [allele for allele in alleles if allele_key(allele.ref, allele.alt) not in seen]
        if len(new) < len(alleles) and not rules.keep_first_duplicate:
            raise DataError(
                f"expected each site once, found {record.CHROM}:{position} {record.REF} {','.join(record.ALT)} again; "
                "remove the duplicate, or keep the first with --keep-first-duplicate",
                path,
            )
        left_out[REPEATED] += len(alleles) - len(new)
        seen.update(allele_key(allele.ref, allele.alt) for allele in new)
        if new:
            yield record, new
    _log_left_out(left_out, path)


def _log_left_out(left_out: Counter[str], path: str | Path) -> None:
    for reason, count in left_out.items():
        if count:
            _log.info("%s: left out %s: %d", path, reason, count)


def with_sequences(blocks: Iterator[Panel], keep_monomorphic: bool, left_out: Counter[str]) -> Iterator[Panel]:
    """The blocks of a format that has one alternative allele a site, without sites whose alleles are no sequence.

    Args:
        blocks: Blocks of the panel.
        keep_monomorphic: Whether to keep sites whose a1 is not known.
        left_out: Counts the sites that are left out, by reason.
    """
    for block in blocks:
        is_kept = has_sequence(block.sites, keep_monomorphic)
        left_out[NO_SEQUENCE] += len(is_kept) - int(np.count_nonzero(is_kept))
        yield block if is_kept.all() else block[is_kept]


def doubled(blocks: Iterator[Panel], ploidy: PloidyRecorder) -> Iterator[Panel]:
    """The blocks with the alleles of haploid samples in both columns."""
    for block in blocks:
        ploidy.add_rows(block.sites.positions.tolist(), block.alleles)
        yield block


def logged(blocks: Iterator[Panel], left_out: Counter[str], path: str | Path) -> Iterator[Panel]:
    """The blocks; says at the end what was left out."""
    yield from blocks
    _log_left_out(left_out, path)


def placed(records: Iterator[Record], path: str | Path) -> Iterator[Record]:
    """Records at a place of the chromosome; those at position 0, of telomeres or not placed, are left out.

    A warning says how many, once all records are read.

    Raises:
        DataError: for a position beyond the last one that the formats can hold.
    """
    n_left_out = 0
    for record in records:
        if record.POS > LAST_POSITION:
            raise DataError(
                f"expected positions up to {LAST_POSITION}, found {record.CHROM}:{record.POS}; correct or remove it",
                path,
            )
        if record.POS < 1:
            n_left_out += 1
        else:
            yield record
    if n_left_out:
        _log.warning(
            "warning: %s: left out %s at position 0, a telomere or a variant without a place",
            *(path, counted(n_left_out, "record")),
        )


def split_record(record: Record, keep_monomorphic: bool, path: str | Path) -> list[Allele]:
    """The alternative alleles of a record that become sites; none where REF itself is no sequence.

    Raises:
        DataError: if two of them are the same, or one is the reference allele.
    """
    chromosome, position, ref, alts = whole_chromosome(record.CHROM), record.POS, record.REF.upper(), record.ALT
    if not is_sequence(ref):
        return []
    found = [(number, alt.upper()) for number, alt in enumerate(alts, start=1) if is_sequence(alt)]
    if len({ref, *(alt for _, alt in found)}) <= len(found):
        raise DataError(
            f"expected alternative alleles that differ from each other and from REF, found {record.REF} "
            f"{','.join(alts)} at {chromosome}:{position}; correct or remove the record",
            path,
        )
    if not alts and keep_monomorphic:
        found = [(_NO_ALLELE, ".")]
    alleles = []
    for number, alt in found:
        if record.ID is None:
            name = f"{chromosome}:{position}:{ref}:{alt}"
        else:
            name = record.ID if len(alts) < 2 else f"{record.ID}:{ref}:{alt}"
        alleles.append(Allele(number, chromosome, position, name, ref, alt))
    return alleles


def sites_of(alleles: list[Allele], chromosome: str | None = None) -> Sites:
    """The sites that alleles make."""
    return Sites(
        as_strings(allele.id for allele in alleles),
        np.fromiter((allele.position for allele in alleles), np.int64, len(alleles)),
        as_strings(allele.ref for allele in alleles),
        as_strings(allele.alt for allele in alleles),
        chromosome=alleles[0].chromosome if alleles else chromosome,
    )


class GenotypeRow(NamedTuple):
    """A site and its genotypes with their uncertainty; see `GenotypeTable`.

    Attributes:
        allele: The alternative allele, which makes the site.
        probabilities: P(0, 1, 2 copies), float32 (n_samples, 3).
        dosages: float32 (n_samples,).
        is_typed: Whether the site was observed; None where the source does not say, which is so at all its sites.
        scores: The source's estimates of its r2, in the order of their names.
    """

    allele: Allele
    probabilities: NDArray[np.float32]
    dosages: NDArray[np.float32]
    is_typed: bool | None = None
    scores: tuple[float, ...] = ()


def genotype_stream(
    path: str | Path,
    names: tuple[str, ...] | None,
    n_samples: int,
    rows: Iterator[GenotypeRow],
    score_names: Sequence[str] = (),
    has_reference: bool = False,
) -> GenotypeStream:
    """Make blocks of genotypes of rows.

    Args:
        path: The file, for messages.
        names: Names of the samples; None if there are none.
        n_samples: Number of samples.
        rows: Rows of one chromosome, in order of position.
        score_names: Names of the rows' scores.
        has_reference: Whether a0 is the reference genome's allele by the format's definition.

    Raises:
        DataError: if there is no site.
    """
    blocks = _genotype_blocks(rows, names, block_rows(n_samples), score_names, has_reference)
    first = next(blocks, None)
    if first is None:
        raise DataError("expected sites, found none whose alternative allele is a sequence", path)
    return GenotypeStream(names, n_samples, chain([first], blocks))


def block_rows(n_samples: int) -> int:
    """Sites per block of genotypes."""
    return max(1, min(MAX_BLOCK_SITES, BLOCK_GENOTYPES // max(1, n_samples)))


def _genotype_blocks(
    rows: Iterator[GenotypeRow],
    names: tuple[str, ...] | None,
    n_rows: int,
    score_names: Sequence[str],
    has_reference: bool,
) -> Iterator[GenotypeTable]:
    while block := list(islice(rows, n_rows)):
        alleles, probabilities, dosages, typed, scores = zip(*block, strict=True)
        sites = replace(sites_of(list(alleles)), has_reference=has_reference)
        columns = np.array(scores, dtype=np.float64).reshape(len(block), len(score_names))
        yield GenotypeTable(
            sites,
            np.stack(probabilities),
            np.stack(dosages),
            names,
            None if typed[0] is None else np.array(typed, dtype=np.bool_),
            {name: columns[:, number] for number, name in enumerate(score_names)},
        )


def _panel_rows(
    records: Iterator[tuple[Record, list[Allele]]], calls_of: Callable[[Record], NDArray[np.integer]]
) -> Iterator[tuple[Allele, NDArray[np.int8]]]:
    for record, alleles in records:
        calls = calls_of(record).reshape(-1)
        missing = calls < 0 if calls.min() < 0 else None
        for allele in alleles:
            row = (calls == allele.number).view(np.int8)
            if missing is not None:
                row[missing] = -1
            yield allele, row


def _blocks(
    rows: Iterator[tuple[Allele, NDArray[np.int8]]], names: tuple[str, ...], block_sites: int
) -> Iterator[Panel]:
    while block := list(islice(rows, block_sites)):
        yield Panel(sites_of([allele for allele, _ in block]), np.stack([row for _, row in block]), names)


def on_one_chromosome(records: Iterator[SiteRecord], chromosome: str | None, path: str | Path) -> Iterator[SiteRecord]:
    """The records of one chromosome, in order of position.

    Args:
        records: Records of a whole file.
        chromosome: The chromosome to read; None if the file must have only one.
        path: The file, for messages.

    Raises:
        DataError: if there are several and none is chosen, none of the chosen one, or positions go down.
    """
    others: dict[str, None] = {}
    before: SiteRecord | None = None
    for record in records:
        wanted = chromosome if chromosome is not None else before.CHROM if before is not None else record.CHROM
        if not same_chromosome(record.CHROM, wanted):
            if chromosome is None:
                raise DataError(
                    f"expected one chromosome, found {wanted} and {record.CHROM}; choose one with --chromosome", path
                )
            others[record.CHROM] = None
            continue
        if before is not None and record.POS < before.POS:
            raise DataError(
                f"expected positions in rising order, found {record.CHROM}:{record.POS} after {before.POS}; sort the "
                "file, for instance with plink2 --sort-vars",
                path,
            )
        before = record
        yield record
    if before is None:
        found = f"only {', '.join(list(others)[:25])}" if others else "none at all"
        raise DataError(
            f"expected sites on chromosome {chromosome}, found {found}; check --chromosome"
            if chromosome
            else "expected sites, found an empty file",
            path,
        )
