"""A file that is merged: its header, the sums beside it, and its lines, whether VCF or BCF.

BCF records become the very lines that a VCF would have had: numbers were rounded before they were written, and are
shown with as many digits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from rnnimp.choices import VCF_ENDINGS
from rnnimp.errors import DataError
from rnnimp.formats.files import open_input, whole_lines
from rnnimp.formats.names import sample_names
from rnnimp.formats.site_table import ENDING
from rnnimp.formats.sums import read_sums
from rnnimp.formats.vcf.bcf_reading import BcfRecord
from rnnimp.formats.vcf.bcf_text import line_of
from rnnimp.formats.vcf.header import IMPUTE_COMMAND, INCOMPLETE_MODEL, MERGE_COMMAND, MODEL_CHECKSUM
from rnnimp.formats.vcf.records import RecordReader
from rnnimp.scoring.site_sums import SiteSums
from rnnimp.sites.panel import Sites
from rnnimp.wording import counted

INFO_COLUMN, FORMAT_COLUMN = 7, 8
_CONTIG, _FIELD, _INFORMATION = b"##contig=<ID=", b"##FORMAT=<ID=", b"##INFO=<ID="
_MODEL = f"##{MODEL_CHECKSUM}=".encode()
_COMMANDS = tuple(f"##{key}=".encode() for key in (IMPUTE_COMMAND, MERGE_COMMAND, INCOMPLETE_MODEL))
_BCF_MAGIC = b"BCF\2"
_LENGTH = struct.Struct("<I")
_BCF_START = len(_BCF_MAGIC) + 1 + _LENGTH.size  # the minor version, and the length of the header


@dataclass(frozen=True, eq=False)
class Part:
    """A file that is merged.

    Attributes:
        path: Path of the VCF or BCF.
        header: Lines of the header without the last one.
        samples: Names of the samples, in order.
        sites: Sites of the file, from the sums beside it.
        sums: Sums of these sites, from the same file.
        is_bcf: Whether it is a BCF.
    """

    path: str
    header: list[bytes]
    samples: tuple[str, ...]
    sites: Sites
    sums: SiteSums
    is_bcf: bool

    @property
    def chromosome(self) -> str:
        """The name of the first contig in the header, of which the sites are."""
        line = next(line for line in self.header if line.startswith(_CONTIG))
        return line.removeprefix(_CONTIG).rstrip(b">\n").split(b",")[0].decode(errors="replace")

    @property
    def fields(self) -> str:
        """The names of the FORMAT fields, between commas."""
        return self._names(_FIELD)

    @property
    def information(self) -> str:
        """The names of the INFO fields, between commas."""
        return self._names(_INFORMATION)

    def _names(self, start: bytes) -> str:
        lines = [line.removeprefix(start) for line in self.header if line.startswith(start)]
        return b",".join(line.split(b",")[0] for line in lines).decode(errors="replace")

    @property
    def model(self) -> str | None:
        """The checksum of the model's manifest; None where the model had none."""
        lines = [
            line.removeprefix(_MODEL).strip().decode(errors="replace")
            for line in self.header
            if line.startswith(_MODEL)
        ]
        return lines[0] if lines else None

    @property
    def commands(self) -> list[bytes]:
        """The lines with the commands that it was made by, and what its model lacks."""
        return [line for line in self.header if line.startswith(_COMMANDS)]


def bare(path: str) -> str:
    """A path without the ending that decides the format."""
    return next((path.removesuffix(ending) for ending in VCF_ENDINGS if path.endswith(ending)), path)


def sums_path(path: str) -> str:
    """Where `impute` writes the sums of a VCF or BCF."""
    return f"{bare(path)}.sums.tsv.gz"


def site_table_path(path: str) -> str:
    """Where the table of the sites of a VCF or BCF is written."""
    return f"{bare(path)}.{ENDING}"


def open_part(path: str) -> Part:
    """Read what comes before the sites, and the sums.

    Raises:
        DataError: if the file or its sums are missing, damaged or not of `impute`.
    """
    with open_input(path) as file:
        start = file.read(len(_BCF_MAGIC))
    is_bcf = start == _BCF_MAGIC
    header = _bcf_header(path) if is_bcf else _vcf_header(path)
    last = header.pop() if header else b""
    if not last.startswith(b"#CHROM") or not any(text.startswith(_CONTIG) for text in header):
        raise DataError("expected the header of a VCF that impute wrote, found another", path, len(header) + 1)
    samples = sample_names(last.rstrip(b"\n").split(b"\t")[FORMAT_COLUMN + 1 :], path, len(header) + 1)
    beside = sums_path(path)
    if not Path(beside).exists():
        raise DataError(
            f"expected {beside} beside it, found no such file; 'rnnimp impute' wrote it beside the VCF or BCF, so copy "
            "it here too, or impute again",
            path,
        )
    sites, sums = read_sums(beside)
    return Part(path, header, samples, sites, sums, is_bcf)


def _vcf_header(path: str) -> list[bytes]:
    """All lines up to the one that names the columns, or the line that is there instead."""
    header: list[bytes] = []
    with open_input(path) as file:
        for line in whole_lines(file, path):
            header.append(line)
            if not line.startswith(b"##"):
                break
    return header


def _bcf_header(path: str) -> list[bytes]:
    with open_input(path) as file:
        start = file.read(_BCF_START)
        text = file.read(*_LENGTH.unpack(start[-_LENGTH.size :])) if len(start) == _BCF_START else b""
    return text.rstrip(b"\0").splitlines(keepends=True)


def lines_of(part: Part, stack: ExitStack) -> Iterator[bytes]:
    """The lines of the sites, which must be whole, of the part's chromosome and samples, and those of the sums.

    Args:
        part: The file.
        stack: Closes the file.

    Raises:
        DataError: if they are not, or the file is damaged.
    """
    lines = _bcf_lines(part) if part.is_bcf else _vcf_lines(part, stack)
    n_columns = INFO_COLUMN + 1 + (1 + len(part.samples) if part.samples else 0)
    chromosome = part.chromosome.encode()
    count = 0
    for count, line in enumerate(lines, start=1):
        found = line.count(b"\t") + 1
        if found != n_columns or not line.endswith(b"\n"):
            raise DataError(
                f"expected lines of {counted(n_columns, 'column')} as in the header, found {found}"
                f"{'' if found != n_columns else ' and no end of the line'}; the file is damaged or was edited, so "
                "impute that part again",
                part.path,
                None if part.is_bcf else len(part.header) + 1 + count,
            )
        if count > len(part.sites) or not _is_of(line, chromosome, part, count - 1):
            raise _other_sites(part, count)
        yield line
    if count < len(part.sites):
        raise _other_sites(part, count + 1)


def _vcf_lines(part: Part, stack: ExitStack) -> Iterator[bytes]:
    file: IO[bytes] = stack.enter_context(open_input(part.path))
    return islice(whole_lines(file, part.path), len(part.header) + 1, None)


def _bcf_lines(part: Part) -> Iterator[bytes]:
    if len(part.sites) or _has_records(part):  # a file without any is refused by the reader
        for record in RecordReader(part.path).records():
            assert isinstance(record, BcfRecord)
            yield line_of(record)


def _has_records(part: Part) -> bool:
    with open_input(part.path) as file:
        start = file.read(_BCF_START)
        file.read(*_LENGTH.unpack(start[-_LENGTH.size :]))
        return bool(file.read(1))


def _is_of(line: bytes, chromosome: bytes, part: Part, row: int) -> bool:
    """Whether a line has the chromosome, and the position, alleles and counted alleles of a row of the sums."""
    found, position, _, ref, alt, *_, information = line.split(b"\t", FORMAT_COLUMN)[: INFO_COLUMN + 1]
    sites, total = part.sites, b"AN=%d" % part.sums.n_alleles[row]
    if alt != b".":
        total = b"AC=%d;%s" % (part.sums.n_carried[row], total)
    is_counted = (information.rstrip(b"\n") + b";").startswith(total + b";")
    is_placed = found == chromosome and position == b"%d" % sites.positions[row]
    has_alleles = ref == sites.a0[row].encode() and (alt == b"." or alt == sites.a1[row].encode())
    return is_counted and is_placed and has_alleles


def _other_sites(part: Part, count: int) -> DataError:
    line = None if part.is_bcf else len(part.header) + 1 + count
    place = f" in record {count}" if part.is_bcf else ""
    return DataError(
        f"expected the sites and allele counts of the file of sums beside it, found others{place}; impute again",
        part.path,
        line,
    )
