"""Records of a VCF or BCF file, in order and without silent losses.

1. Check the end of a BGZF file. Without this check, a file cut at a block's end would look complete.
2. Read the header.
3. Walk the records, from the first to the last. If an interval is asked for and the file has an index, walk from a
   place before the interval to its end.

An index is a hint. The records that it finds must show that no record of the interval comes before them. If they do
not, a warning names the index, and the whole file is read.
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from rnnimp.errors import DataError
from rnnimp.formats.files import open_input
from rnnimp.formats.kinds import LONGEST_MAGIC, kind_of, refuse_other_format
from rnnimp.formats.vcf.bcf_reading import bcf_records, is_bcf, read_bcf_header
from rnnimp.formats.vcf.header_reading import FIRST_LINE, VcfHeader
from rnnimp.formats.vcf.index_reading import SiteIndex, read_index
from rnnimp.formats.vcf.record import VcfRecord
from rnnimp.formats.vcf.text_reading import is_text, read_text_header, text_records
from rnnimp.sites.chromosomes import plain_chromosome, same_chromosome
from rnnimp.sites.interval import Interval
from rnnimp.wording import first_few

STANDARD_INPUT = "-"

_MOST_CHROMOSOMES = 25  # to name: all of a human genome

_log = logging.getLogger(__name__)


class RecordReader:
    """One VCF or BCF file.

    Attributes:
        path: The file.
        header: The lines before the records.
        sample_names: The samples in its header.

    Args:
        path: A `.vcf`, `.vcf.gz` or `.bcf` file; its content decides. `-` is the standard input. This and other pipes
            are first copied into a temporary file, so that they are checked as files are.

    Raises:
        DataError: if it cannot be opened, is none of these, or is cut short.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = "standard input" if str(path) == STANDARD_INPUT else path
        self._copy = _copy_of_pipe(path)
        self._file: str | Path = path if self._copy is None else self._copy.name
        with open_input(self._file) as stream:
            start = stream.read(LONGEST_MAGIC)
        refuse_other_format(start, self.path)
        self._is_bcf = is_bcf(start)
        if not self._is_bcf and not is_text(start):
            raise DataError(
                f"expected a VCF or BCF file, found {kind_of(start)}; a VCF begins with {FIRST_LINE.decode()}",
                self.path,
            )
        with open_input(self._file) as stream:
            self.header = self._read_header(stream)
        self.sample_names = self.header.sample_names

    def _read_header(self, stream: IO[bytes]) -> VcfHeader:
        return read_bcf_header(stream, self.path) if self._is_bcf else read_text_header(stream, self.path)

    def declares(self, section: str, name: str) -> bool:
        """Whether the header has a line for, say, `INFO` `IMP`."""
        return self.header.declares(section, name)

    def contig_length(self, chromosome: str) -> int | None:
        """The length of a chromosome in base pairs; None where the header does not tell."""
        return self.header.contig_length(chromosome)

    def records(self, interval: Interval | None = None) -> Iterator[VcfRecord]:
        """Walk the records of one chromosome.

        Args:
            interval: The part to walk; all of a file of one chromosome if None.

        Raises:
            DataError: if the file has several chromosomes and no interval chooses. Also if it has no record on the
                interval's chromosome, if positions go down, or if the data are malformed.
        """
        index = self.index()
        if interval is None:
            if index is not None and len(_one_name_each(index)) > 1 and self._has_several(index):
                raise self._several(index.chromosomes)
            yield from self._in_order(self._only_chromosome(self.every_record()))
            return
        offset = None if index is None else index.before(interval.chromosome, interval.start)
        if index is not None and offset is not None:
            if self._is_before(offset, interval):
                yield from self._from(offset, interval)
                return
            self._warn(index.path, "its places in the file are not those of the records")
        chosen = self._in_order(self._filtered(self.every_record(), interval))
        yield from (record for record in chosen if _is_in(record, interval))

    def index(self) -> SiteIndex | None:
        """The index beside the file; None if there is none, or, with a warning, a damaged one."""
        if self._copy is not None:
            return None
        try:
            return read_index(self.path, self.header)
        except DataError as error:
            self._warn("", str(error))
            return None

    def ends(self, index: SiteIndex, chromosome: str) -> tuple[int, int] | None:
        """First and last position of a chromosome, found by the index; None if the index does not fit the file."""
        try:
            first = next(self._at(index.first(chromosome)), None)
            last = first
            for record in self._at(index.last(chromosome)):
                if chromosome != record.CHROM:
                    break
                last = record
        except DataError:
            return None
        return None if first is None or last is None or chromosome != first.CHROM else (first.POS, last.POS)

    def _warn(self, index: str, reason: str) -> None:
        name = f"{index}: " if index else ""
        _log.warning(
            "warning: %s%s. The index is ignored and the whole file is read. Make it again, for instance with bcftools "
            "index -f",
            name,
            reason.rstrip("."),
        )

    def every_record(self) -> Iterator[VcfRecord]:
        """Walk all records, of every chromosome, in the order of the file.

        Raises:
            DataError: if the data are malformed.
        """
        with open_input(self._file) as stream:
            self._read_header(stream)
            if self._is_bcf:
                yield from bcf_records(stream, self.header, self.path)
            else:
                yield from text_records(stream, self.header, self.path, len(self.header.lines) + 2)

    def _at(self, offset: int) -> Iterator[VcfRecord]:
        """The records from a virtual offset on."""
        block, within = divmod(offset, 1 << 16)
        if block >= Path(self._file).stat().st_size:
            raise DataError("expected the start of a record, found the file's end", self.path)
        with open_input(self._file, block) as stream:
            skipped = stream.read(within)
            if len(skipped) < within or (within and not self._is_bcf and not skipped.endswith(b"\n")):
                raise DataError("expected the start of a record, found another place", self.path)
            if self._is_bcf:
                yield from bcf_records(stream, self.header, self.path)
            else:
                yield from text_records(stream, self.header, self.path, None)

    def _is_before(self, offset: int, interval: Interval) -> bool:
        """Whether a record lies at an offset, before the interval on its chromosome or on another that leads to it."""
        try:
            records = self._at(offset)
            first = next(records, None)
            if first is None:
                return False
            if same_chromosome(first.CHROM, interval.chromosome):
                return interval.start > first.POS
            return any(same_chromosome(record.CHROM, interval.chromosome) for record in records)
        except DataError:
            return False

    def _from(self, offset: int, interval: Interval) -> Iterator[VcfRecord]:
        is_reached = False
        for record in self._in_order(self._at(offset)):
            if not same_chromosome(record.CHROM, interval.chromosome):
                if is_reached:
                    return
                continue
            is_reached = True
            if interval.end < record.POS and not interval.is_whole:
                return
            if _is_in(record, interval):
                yield record

    def _has_several(self, index: SiteIndex) -> bool:
        """Whether records of two chromosomes lie where an index has them."""
        try:
            firsts = [next(self._at(index.first(name)), None) for name in _one_name_each(index)[:2]]
        except DataError:
            firsts = []
        n_found = len({record.CHROM for record in firsts if record is not None})
        if n_found < 2:
            self._warn(index.path, "it has chromosomes that the file has not")
        return n_found == 2

    def _filtered(self, records: Iterator[VcfRecord], interval: Interval) -> Iterator[VcfRecord]:
        others: dict[str, None] = {}
        found = False
        for record in records:
            if same_chromosome(record.CHROM, interval.chromosome):
                found = True
                yield record
            else:
                others[record.CHROM] = None
        if not found:
            raise self._absent(interval, list(others))

    def _only_chromosome(self, records: Iterator[VcfRecord]) -> Iterator[VcfRecord]:
        chromosome: str | None = None
        for record in records:
            found = record.CHROM
            if chromosome is None:
                chromosome = found
            elif not same_chromosome(found, chromosome):
                rest = dict.fromkeys([chromosome, found, *(later.CHROM for later in records)])
                raise self._several(list(rest))
            yield record
        if chromosome is None:
            raise DataError(
                "expected variant records under the header, found none; check that it is the right file", self.path
            )

    def _in_order(self, records: Iterator[VcfRecord]) -> Iterator[VcfRecord]:
        before, chromosome = 0, ""
        for record in records:
            position = record.POS
            if position < before and same_chromosome(record.CHROM, chromosome):
                raise record.error(
                    f"expected positions in rising order, found {record.CHROM}:{position} after {before}; "
                    "sort the file, for instance with bcftools sort"
                )
            before, chromosome = position, record.CHROM
            yield record

    def _several(self, names: list[str]) -> DataError:
        return DataError(
            f"expected one chromosome, found {first_few(names, _MOST_CHROMOSOMES)}; choose one with --chromosome or "
            "--region",
            self.path,
        )

    def _absent(self, interval: Interval, names: list[str]) -> DataError:
        found = f"only {first_few(names, _MOST_CHROMOSOMES)}" if names else "none at all"
        return DataError(
            f"expected records on chromosome {interval.chromosome}, found {found}; check --chromosome or --region",
            self.path,
        )


def _one_name_each(index: SiteIndex) -> list[str]:
    """The chromosomes of an index, each under its first name: chrX may have three."""
    names: dict[str, str] = {}
    for name in index.chromosomes:
        names.setdefault(plain_chromosome(name), name)
    return list(names.values())


def _is_in(record: VcfRecord, interval: Interval) -> bool:
    """Whether the interval contains a record of its chromosome; a whole chromosome has every position."""
    return interval.is_whole or interval.start <= record.POS <= interval.end


def _copy_of_pipe(path: str | Path) -> IO[bytes] | None:
    """A temporary file with what a pipe gives; None for a file, which needs none."""
    is_standard_input = str(path) == STANDARD_INPUT
    if not is_standard_input and not Path(path).is_fifo():
        return None
    if is_standard_input and sys.stdin is None:
        raise DataError("expected data, found it closed; name a file, or give the data by a pipe", "standard input")
    copy: IO[bytes] = tempfile.NamedTemporaryFile(prefix="rnnimp-", suffix=".vcf")  # noqa: SIM115 (goes with the reader)
    try:
        if is_standard_input:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with Path(path).open("rb") as pipe:
                shutil.copyfileobj(pipe, copy)
        copy.flush()
    except OSError as error:
        raise DataError(f"cannot be copied to {copy.name} ({error.strerror or error})", path) from error
    return copy
