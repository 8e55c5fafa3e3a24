"""Records of a VCF or BCF file, in order and without silent losses.

Order of events: the end of a BGZF file is checked (a file cut at a block's end looks whole otherwise), the file is
opened, and records are walked: by index where an interval asks for a part and an index lies beside the file, else
from the first to the last. The decoder behind an index query stops without a word at damaged data, so a query is
trusted only once it has seen a record behind the interval; where there is none, the whole file is unpacked as a check.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rnnimp.errors import DataError, RnnimpError
from rnnimp.formats.files import open_input
from rnnimp.sites.chromosomes import same_chromosome
from rnnimp.sites.interval import Interval
from rnnimp.wording import first_few

Record = Any
"""A cyvcf2.Variant."""

STANDARD_INPUT = "-"

_INDEX_ENDINGS = (".csi", ".tbi")
_MOST_CHROMOSOMES = 25  # to name: all of a human genome


class RecordReader:
    """One open VCF or BCF file.

    Attributes:
        path: the file.
        sample_names: the samples in its header.
        is_indexed: whether an index lies beside it.

    Args:
        path: a `.vcf`, `.vcf.gz` or `.bcf` file; its content tells which. `-` is the standard input; it and other pipes
            are copied into a temporary file first, so that they are checked as files are.
        threads: for unpacking.

    Raises:
        DataError: if it cannot be opened, is none of these, or is cut short.
    """

    def __init__(self, path: str | Path, threads: int = 2) -> None:
        self.path = "standard input" if str(path) == STANDARD_INPUT else path
        self._copy = _copy_of_pipe(path)
        self._file: str | Path = path if self._copy is None else self._copy.name
        with open_input(self._file):  # says what is wrong with a path, and looks at the end of BGZF data
            pass
        self._vcf = _open(self._file, self.path, threads)
        self.sample_names: tuple[str, ...] = tuple(self._vcf.samples)
        self.is_indexed = any(Path(f"{path}{ending}").exists() for ending in _INDEX_ENDINGS)
        self._header: str = self._vcf.raw_header

    def declares(self, section: str, name: str) -> bool:
        """Whether the header has a line for, say, `INFO` `IMP`."""
        return f"##{section}=<ID={name}," in self._header

    def contig_length(self, chromosome: str) -> int | None:
        """The length of a chromosome in base pairs; None where the header does not tell."""
        for line in self._header.splitlines():
            if line.startswith("##contig=<"):
                name, length = (re.search(rf"[<,]{key}=([^,>]+)", line) for key in ("ID", "length"))
                if name and length and same_chromosome(name[1], chromosome) and length[1].isdigit():
                    return int(length[1])
        return None

    def records(self, interval: Interval | None = None) -> Iterator[Record]:
        """Walk the records of one chromosome.

        Args:
            interval: the part to walk; all of a file of one chromosome if None.

        Raises:
            DataError: if the file has several chromosomes and no interval chooses, if it has no record on the
                interval's chromosome, if positions go down, or if the data are malformed.
        """
        present = self._chromosomes_by_index() if self.is_indexed else None
        if present is not None:
            if interval is None and len(present) > 1:
                raise self._several(present)
            if interval is not None and not any(same_chromosome(name, interval.chromosome) for name in present):
                raise self._absent(interval, present)
        if interval is None:
            yield from self._in_order(self._only_chromosome(self._decoded(self._vcf)))
        elif present is None or (interval.is_whole and len(present) == 1):
            chosen = self._filtered(self._decoded(self._vcf), interval)
            yield from (record for record in self._in_order(chosen) if interval.has(record.CHROM, record.POS))
        else:
            name = next(name for name in present if same_chromosome(name, interval.chromosome))
            yield from self._by_index(name, interval)

    def _by_index(self, name: str, interval: Interval) -> Iterator[Record]:
        query = self._decoded(self._vcf(f"{name}:{interval.start}"))
        for record in self._in_order(query):
            position = record.POS
            if position > interval.end:
                return
            if position >= interval.start:  # an earlier one reaches into the interval
                yield record
        with open_input(self._file) as unpacked:
            while unpacked.read(1 << 20):
                pass

    def _decoded(self, source: Any) -> Iterator[Record]:
        place = "its first record"
        records = iter(source)
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            except RnnimpError:
                raise
            except Exception as error:  # cyvcf2 raises nothing more special
                raise DataError(
                    f"expected VCF records to the end, found truncated or malformed data after {place}; make it again",
                    self.path,
                ) from error
            place = f"{record.CHROM}:{record.POS}"
            yield record

    def _filtered(self, records: Iterator[Record], interval: Interval) -> Iterator[Record]:
        others: list[str] = []
        found = False
        for record in records:
            if same_chromosome(record.CHROM, interval.chromosome):
                found = True
                yield record
            elif record.CHROM not in others:
                others.append(record.CHROM)
        if not found:
            raise self._absent(interval, others)

    def _only_chromosome(self, records: Iterator[Record]) -> Iterator[Record]:
        chromosome: str | None = None
        for record in records:
            found = record.CHROM
            if chromosome is None:
                chromosome = found
            elif found != chromosome:
                rest = dict.fromkeys([chromosome, found, *(later.CHROM for later in records)])
                raise self._several(list(rest))
            yield record
        if chromosome is None:
            raise DataError(
                "expected variant records under the header, found none; check that it is the right file", self.path
            )

    def _in_order(self, records: Iterator[Record]) -> Iterator[Record]:
        before = 0
        for record in records:
            position = record.POS
            if position < before:
                raise DataError(
                    f"expected positions in rising order, found {record.CHROM}:{position} after {before}; "
                    "sort the file, for instance with bcftools sort",
                    self.path,
                )
            before = position
            yield record

    def _chromosomes_by_index(self) -> list[str]:
        vcf = _open(self._file, self.path, threads=1)  # its own: a query moves the place that reading goes on from
        try:
            return [name for name in vcf.seqnames if _has_record(vcf, name)]
        except Exception as error:
            raise DataError(
                "its index cannot be read; make it again, for instance with bcftools index -f", self.path
            ) from error

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


def _has_record(vcf: Any, name: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a contig of the header has no records
        return next(iter(vcf(name)), None) is not None


def _copy_of_pipe(path: str | Path) -> IO[bytes] | None:
    """A temporary file with what a pipe gives; None for a file, which needs none."""
    is_standard_input = str(path) == STANDARD_INPUT
    if not is_standard_input and not Path(path).is_fifo():
        return None
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


def _open(file: str | Path, path: str | Path, threads: int) -> Any:
    from cyvcf2 import VCF

    try:
        return VCF(str(file), threads=threads)
    except Exception as error:
        raise DataError(
            "expected a VCF or BCF file, found something else, or one truncated or damaged in its header", path
        ) from error
