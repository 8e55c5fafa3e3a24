"""Merge: imputed VCFs of parts of a cohort or of a chromosome in, one VCF out.

Files with the same samples are stretches of a chromosome, which follow each other in the result. Files with different
samples must have the same sites; their genotypes stand side by side, and AC, AN, AF, MAF, R2 and INFO are those of
all samples, from the sums beside the files and not from their rounded values. Lines are read one by one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.files import open_input
from rnnimp.formats.sums import read_sums
from rnnimp.formats.vcf_header import VcfContent
from rnnimp.formats.vcf_output import VcfWriter, information_texts
from rnnimp.panel import Sites
from rnnimp.site_sums import SiteSums

_ENDINGS = (".vcf.gz", ".vcf")
_CONTIG, _FIELD = b"##contig=<ID=", b"##FORMAT=<ID="
_INFO_COLUMN, _FORMAT_COLUMN = 7, 8
_BATCH_BYTES = 1 << 22

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MergeSettings:
    """What to join, and where to.

    Attributes:
        inputs: VCFs that `impute` wrote, with their sums beside them.
        output: `.vcf` or `.vcf.gz`.
    """

    inputs: tuple[str, ...]
    output: str

    def __post_init__(self) -> None:
        if len(self.inputs) < 2:
            raise SettingsError(f"expected two files or more to merge, found {len(self.inputs)}")
        for name in (*self.inputs, self.output):
            if not name.endswith(_ENDINGS):
                raise SettingsError(f"expected .vcf or .vcf.gz, found {name}; convert BCF with 'bcftools view'")
        if len({Path(name).resolve() for name in (*self.inputs, self.output)}) <= len(self.inputs):
            raise SettingsError("expected different files to read and to write, found one twice")


@dataclass(frozen=True, eq=False)
class _Part:
    """A file: its header's lines without the last one, its samples, its sites and their sums."""

    path: str
    header: list[bytes]
    samples: tuple[str, ...]
    sites: Sites
    sums: SiteSums

    @property
    def chromosome(self) -> str:
        """The name of the only contig in the header."""
        line = next(line for line in self.header if line.startswith(_CONTIG))
        return line.removeprefix(_CONTIG).rstrip(b">\n").split(b",")[0].decode()

    @property
    def fields(self) -> str:
        """The names of the FORMAT fields, between commas."""
        lines = [line.removeprefix(_FIELD) for line in self.header if line.startswith(_FIELD)]
        return b",".join(line.split(b",")[0] for line in lines).decode()


def run_merge(settings: MergeSettings) -> Path:
    """Join imputed VCFs over samples or over regions.

    Args:
        settings: what to join, and where to.

    Returns:
        The path of the VCF.

    Raises:
        DataError: if the files do not fit together, or one is missing or damaged.
    """
    parts = [_open_part(path) for path in settings.inputs]
    _require_one_kind(parts)
    if all(part.samples == parts[0].samples for part in parts):
        parts.sort(key=_first_position)
        _require_stretches(parts)
        samples, n_sites = parts[0].samples, sum(len(part.sites) for part in parts)
    else:
        _require_one_set_of_sites(parts)
        samples, n_sites = _joined_samples(parts), len(parts[0].sites)
    is_over_regions = samples == parts[0].samples
    with _MergedWriter(settings.output, parts[0], samples) as writer:
        if is_over_regions:
            for part in parts:
                _copy(part, writer)
        else:
            _paste(parts, writer)
    over = "regions" if is_over_regions else "samples"
    logger.info(
        "%s: %d files merged over %s, %d sites of %d samples", settings.output, len(parts), over, n_sites, len(samples)
    )
    return Path(settings.output)


class _MergedWriter(VcfWriter):
    """A VCF with the header of another one."""

    def __init__(self, path: str, part: _Part, samples: tuple[str, ...]) -> None:
        content = VcfContent(samples, part.chromosome)
        super().__init__(path, content, f"{_bare(path)}.sums.tsv.gz")
        columns = [b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
        columns += [b"FORMAT", *(name.encode() for name in samples)] if samples else []
        self._lines = [*part.header, b"\t".join(columns) + b"\n"]

    def _header(self) -> bytes:
        return b"".join(self._lines)


def _bare(path: str) -> str:
    return path.removesuffix(".gz").removesuffix(".vcf")


def _open_part(path: str) -> _Part:
    header: list[bytes] = []
    with open_input(path) as file:
        for line in file:
            if not line.startswith(b"##"):
                break
            header.append(line)
        else:
            line = b""
    if not line.startswith(b"#CHROM") or not any(text.startswith(_CONTIG) for text in header):
        raise DataError("expected the header of a VCF that impute wrote, found another", path, len(header) + 1)
    samples = tuple(name.decode() for name in line.rstrip(b"\n").split(b"\t")[_FORMAT_COLUMN + 1 :])
    sites, sums = read_sums(f"{_bare(path)}.sums.tsv.gz")
    return _Part(path, header, samples, sites, sums)


def _first_position(part: _Part) -> int:
    return int(part.sites.positions[0]) if len(part.sites) else 0


def _require_one_kind(parts: Sequence[_Part]) -> None:
    """Refuse files of other chromosomes, or with other fields: one header would not fit all their lines."""
    first = parts[0]
    for part in parts[1:]:
        if part.chromosome != first.chromosome:
            raise DataError(
                f"expected chromosome {first.chromosome} as in {first.path}, found {part.chromosome}; merge each "
                "chromosome for itself",
                part.path,
            )
        if part.fields != first.fields:
            raise DataError(
                f"expected the fields {first.fields or 'of no samples'} as in {first.path}, found "
                f"{part.fields or 'none'}; impute all parts with the same --format-fields",
                part.path,
            )


def _require_stretches(parts: Sequence[_Part]) -> None:
    last: _Part | None = None
    for part in parts:
        if not len(part.sites):
            continue
        if last is not None and part.sites.positions[0] <= last.sites.positions[-1]:
            raise DataError(
                f"expected stretches that follow each other, as these files have the same samples; found position "
                f"{part.sites.positions[0]}, which {last.path} reaches over",
                part.path,
            )
        last = part


def _require_one_set_of_sites(parts: Sequence[_Part]) -> None:
    keys = parts[0].sites.keys()
    for part in parts[1:]:
        others = part.sites.keys()
        if others != keys:
            odd = next((pair for pair in zip(keys, others, strict=False) if pair[0] != pair[1]), None)
            found = f"{len(others)} of {len(keys)}" if odd is None else f"{odd[1]} in place of {odd[0]}"
            raise DataError(
                f"expected the sites of {parts[0].path}, as the samples differ, found {found}; impute all samples from "
                "one array, without --min-r2",
                part.path,
            )


def _joined_samples(parts: Sequence[_Part]) -> tuple[str, ...]:
    owner: dict[str, str] = {}
    for part in parts:
        for name in part.samples:
            if name in owner:
                raise DataError(f"expected samples that differ, found {name} also in {owner[name]}", part.path)
            owner[name] = part.path
        if not part.samples:
            raise DataError("expected samples, found none; without them only regions can be merged", part.path)
    return tuple(owner)


def _lines(part: _Part, stack: ExitStack) -> Iterator[bytes]:
    """The lines of the sites, which must be those of the sums."""
    file: IO[bytes] = stack.enter_context(open_input(part.path))
    for _ in range(len(part.header) + 1):
        file.readline()
    count = 0
    for count, line in enumerate(file, start=1):
        if count > len(part.sites) or not _is_of(line, part, count - 1):
            raise _other_sites(part, count)
        yield line
    if count < len(part.sites):
        raise _other_sites(part, count + 1)


def _is_of(line: bytes, part: _Part, row: int) -> bool:
    """Whether a line has the position and the counted alleles of a row of the sums."""
    columns = line.split(b"\t", _FORMAT_COLUMN)
    total = b"AN=%d" % part.sums.n_alleles[row]
    if columns[4] != b".":
        total = b"AC=%d;%s" % (part.sums.n_carried[row], total)
    is_counted = (columns[_INFO_COLUMN].rstrip(b"\n") + b";").startswith(total + b";")
    return is_counted and columns[1] == b"%d" % part.sites.positions[row]


def _other_sites(part: _Part, count: int) -> DataError:
    line = len(part.header) + 1 + count
    return DataError(
        "expected the sites and allele counts of the file of sums beside it, found others; impute again",
        part.path,
        line,
    )


def _copy(part: _Part, writer: VcfWriter) -> None:
    with ExitStack() as stack:
        _append_all(_lines(part, stack), part.sites, part.sums, writer)


def _append_all(lines: Iterator[bytes], sites: Sites, sums: SiteSums, writer: VcfWriter) -> None:
    """Append lines in batches of bounded size."""
    batch: list[bytes] = []
    start, size = 0, 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size > _BATCH_BYTES:
            part = slice(start, start + len(batch))
            writer.append(sites[part], batch, sums[part])
            batch, start, size = [], part.stop, 0
    part = slice(start, start + len(batch))
    writer.append(sites[part], batch, sums[part])


def _paste(parts: Sequence[_Part], writer: VcfWriter) -> None:
    sums = parts[0].sums
    for part in parts[1:]:
        sums = sums + part.sums
    with ExitStack() as stack:
        rows = zip(*(_lines(part, stack) for part in parts), strict=True)
        lines = (_joined_line(row, parts, text) for row, text in zip(rows, _informations(sums), strict=True))
        _append_all(lines, parts[0].sites, sums, writer)


def _informations(sums: SiteSums) -> list[bytes]:
    """INFO of each site, without the flag of imputed ones."""
    is_typed = np.ones(len(sums.dose), dtype=bool)
    return [text.encode() for text in information_texts(sums, is_typed)]


def _joined_line(row: Sequence[bytes], parts: Sequence[_Part], information: bytes) -> bytes:
    columns = [line.rstrip(b"\n").split(b"\t", _FORMAT_COLUMN + 1) for line in row]
    first = columns[0]
    is_imputed = first[_INFO_COLUMN].endswith(b";IMP")
    for part, other in zip(parts, columns, strict=True):
        same = other[:5] == first[:5] and other[_FORMAT_COLUMN] == first[_FORMAT_COLUMN]
        if not same or other[_INFO_COLUMN].endswith(b";IMP") != is_imputed:
            raise DataError(
                f"expected site, fields and kind as in {parts[0].path}, found another at position {first[1].decode()}; "
                "impute all samples from one array and with the same options",
                part.path,
            )
    if first[4] == b".":
        total = information.split(b";")[1]  # AN alone
        first[_INFO_COLUMN] = total
    else:
        n_filled = sum(_filled(other[_INFO_COLUMN]) for other in columns)
        rest = b";IMP" if is_imputed else b";FILLED=%d" % n_filled if n_filled else b""
        first[_INFO_COLUMN] = information + rest
    samples = b"\t".join(other[_FORMAT_COLUMN + 1] for other in columns)
    return b"\t".join([*first[: _FORMAT_COLUMN + 1], samples]) + b"\n"


def _filled(information: bytes) -> int:
    """How many missing alleles of a typed site were imputed."""
    _, _, text = information.partition(b";FILLED=")
    return int(text.split(b";")[0]) if text else 0
