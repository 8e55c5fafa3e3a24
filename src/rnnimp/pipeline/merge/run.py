"""Merge: imputed VCFs and BCFs of parts of a cohort or of a chromosome in, one VCF out.

Files with the same samples are stretches of a chromosome, which follow each other in the result. Files with different
samples must have the same sites. Their genotypes are written side by side, and AC, AN, AF, MAF and R2 are those of all
samples. These come from the sums beside the files, not from rounded values. Lines are read one by one
(`merge/parts.py`).
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnimp.choices import MERGED_ENDINGS, VCF_ENDINGS
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.vcf.header import MERGE_COMMAND, VcfContent
from rnnimp.formats.vcf.writing import VcfWriter, information_texts
from rnnimp.pipeline.merge.parts import (
    FORMAT_COLUMN,
    INFO_COLUMN,
    Part,
    bare,
    lines_of,
    open_part,
    site_table_path,
    sums_path,
)
from rnnimp.pipeline.outputs import check_outputs, require_output_name
from rnnimp.scoring.site_sums import MOST_HAPLOTYPES, SiteSums
from rnnimp.sites.panel import IMPUTED, TYPED, TYPED_ONLY, Sites, as_strings
from rnnimp.wording import counted, printable

_BATCH_BYTES = 1 << 22
_ID_COLUMN = 2
_ER2 = b"ER2="
_AFTER_FORMAT = 1  # the line that a VCF begins with

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MergeSettings:
    """The files to merge, and the output.

    Attributes:
        inputs: VCFs and BCFs that `impute` wrote, with their sums beside them.
        output: `.vcf` or `.vcf.gz`.
    """

    inputs: tuple[str, ...]
    output: str

    def __post_init__(self) -> None:
        if len(self.inputs) < 2:
            raise SettingsError(f"expected two files or more to merge, found {len(self.inputs)}")
        for name in self.inputs:
            if not name.endswith(VCF_ENDINGS):
                raise SettingsError(f"expected .vcf, .vcf.gz or .bcf to merge, found {name}")
        require_output_name(self.output, "--output")
        if not self.output.endswith(MERGED_ENDINGS):
            raise SettingsError(
                f"expected .vcf or .vcf.gz to write, found {self.output}; make a BCF of that with 'bcftools view -Ob'"
            )
        prefixes = [Path(bare(name)).resolve() for name in (*self.inputs, self.output)]
        if len(set(prefixes)) < len(prefixes):  # the sums beside them would be those of one of the two
            raise SettingsError(
                "expected different files to read and to write, also without their endings, found one twice"
            )

    def files(self) -> list[str]:
        """All files that are written, first the VCF."""
        index = [f"{self.output}.csi"] if self.output.endswith(".gz") else []
        return [self.output, *index, sums_path(self.output), site_table_path(self.output)]


def run_merge(settings: MergeSettings) -> Path:
    """Join imputed VCFs and BCFs over samples or over regions.

    Args:
        settings: The files to merge, and the output.

    Returns:
        The path of the VCF.

    Raises:
        DataError: if the files do not fit together, or one is missing or damaged.
    """
    check_outputs(settings.files(), [*settings.inputs, *(sums_path(name) for name in settings.inputs)])
    parts = [open_part(path) for path in settings.inputs]
    _require_one_kind(parts)
    if all(part.samples == parts[0].samples for part in parts):
        parts.sort(key=_first_position)
        _require_stretches(parts)
        samples, n_sites = parts[0].samples, sum(len(part.sites) for part in parts)
    else:
        _require_one_set_of_sites(parts)
        samples, n_sites = _joined_samples(parts), len(parts[0].sites)
    is_over_regions = samples == parts[0].samples
    with _MergedWriter(settings, parts, samples) as writer:
        if is_over_regions:
            for part in parts:
                _copy(part, writer)
        else:
            _paste(parts, writer)
    over = "regions" if is_over_regions else "samples"
    logger.info(
        "%s: %d files merged over %s, %s of %s",
        *(settings.output, len(parts), over, counted(n_sites, "site"), counted(len(samples), "sample")),
    )
    return Path(settings.output)


class _MergedWriter(VcfWriter):
    """A VCF with the header of the first part, and with the commands of all."""

    def __init__(self, settings: MergeSettings, parts: Sequence[Part], samples: tuple[str, ...]) -> None:
        path, part = settings.output, parts[0]
        content = VcfContent(samples, part.chromosome)
        super().__init__(path, content, sums_path(path), site_table=site_table_path(path))
        columns = [b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
        columns += [b"FORMAT", *(name.encode() for name in samples)] if samples else []
        self._lines = [*_joined_header(settings, parts), b"\t".join(columns) + b"\n"]

    def _header(self) -> bytes:
        return b"".join(self._lines)


def _joined_header(settings: MergeSettings, parts: Sequence[Part]) -> list[bytes]:
    """The first part's header; its commands are replaced by those of all parts, each once, and that of the merging."""
    commands = list(dict.fromkeys(line for part in parts for line in part.commands))
    own = shlex.join(["rnnimp", "merge", *settings.inputs, "--output", settings.output])
    commands.append(f"##{MERGE_COMMAND}={printable(own)}\n".encode())
    header = parts[0].header
    place = next((row for row, line in enumerate(header) if line in parts[0].commands), _AFTER_FORMAT)
    rest = [line for line in header if line not in parts[0].commands]
    return [*rest[:place], *commands, *rest[place:]]


def _first_position(part: Part) -> int:
    return int(part.sites.positions[0]) if len(part.sites) else 0


def _require_one_kind(parts: Sequence[Part]) -> None:
    """Refuse files of other chromosomes, models or fields: one header would not fit all their lines."""
    first = parts[0]
    for part in parts[1:]:
        if part.chromosome != first.chromosome:
            raise DataError(
                f"expected chromosome {first.chromosome} as in {first.path}, found {part.chromosome}; merge each "
                "chromosome for itself",
                part.path,
            )
        if part.model != first.model:
            raise DataError(
                f"expected the model of {first.path} (manifest {first.model or 'unknown'}), found another one "
                f"(manifest {part.model or 'unknown'}); impute all parts with one model",
                part.path,
            )
        if part.information != first.information:
            raise DataError(
                f"expected the INFO fields {first.information} as in {first.path}, found {part.information}; impute "
                "all parts with one version of rnnimp",
                part.path,
            )
        if part.fields != first.fields:
            raise DataError(
                f"expected the fields {first.fields or 'of no samples'} as in {first.path}, found "
                f"{part.fields or 'none'}; impute all parts with the same --format-fields",
                part.path,
            )


def _require_stretches(parts: Sequence[Part]) -> None:
    last: Part | None = None
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


def _require_one_set_of_sites(parts: Sequence[Part]) -> None:
    keys = parts[0].sites.keys()
    for part in parts[1:]:
        others = part.sites.keys()
        if others != keys:
            odd = next((pair for pair in zip(keys, others, strict=False) if pair[0] != pair[1]), None)
            found = f"{len(others)} of {len(keys)}" if odd is None else f"{odd[1]} instead of {odd[0]}"
            raise DataError(
                f"expected the sites of {parts[0].path}, as the samples differ, found {found}; impute all samples from "
                "one array, without --min-r2",
                part.path,
            )


def _joined_samples(parts: Sequence[Part]) -> tuple[str, ...]:
    owner: dict[str, str] = {}
    for part in parts:
        for name in part.samples:
            if name in owner:
                raise DataError(f"expected samples that differ, found {name} also in {owner[name]}", part.path)
            owner[name] = part.path
        if not part.samples:
            raise DataError("expected samples, found none; without them only regions can be merged", part.path)
    if 2 * len(owner) > MOST_HAPLOTYPES:
        raise DataError(
            f"expected at most {MOST_HAPLOTYPES // 2} samples in all, found {len(owner)}; merge fewer files"
        )
    return tuple(owner)


def _copy(part: Part, writer: VcfWriter) -> None:
    with ExitStack() as stack:
        _append_all(lines_of(part, stack), part.sites, part.sums, writer)


def _append_all(lines: Iterator[bytes], sites: Sites, sums: SiteSums, writer: VcfWriter) -> None:
    """Append lines in batches of bounded size."""
    batch: list[bytes] = []
    start, size = 0, 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size > _BATCH_BYTES:
            part = slice(start, start + len(batch))
            _append(sites[part], batch, sums[part], writer)
            batch, start, size = [], part.stop, 0
    part = slice(start, start + len(batch))
    _append(sites[part], batch, sums[part], writer)


def _append(sites: Sites, lines: list[bytes], sums: SiteSums, writer: VcfWriter) -> None:
    """Append lines, and their sites to the table: ids, kinds and empirical R2 are those of the lines."""
    writer.append(sites, lines, sums)
    columns = [line.split(b"\t", FORMAT_COLUMN)[: INFO_COLUMN + 1] for line in lines]
    ids = as_strings(cells[_ID_COLUMN].decode(errors="replace") for cells in columns)
    information = [cells[INFO_COLUMN].rstrip(b"\n").split(b";") for cells in columns]
    empirical = np.array([_empirical_r2(fields) for fields in information], dtype=np.float64)
    assert writer.table is not None
    writer.table.add(replace(sites, ids=ids), sums, [_kind(fields) for fields in information], empirical)


def _kind(information: list[bytes]) -> str:
    """The kind of a site; earlier versions marked imputed sites only."""
    if b"IMP" in information:
        return IMPUTED
    return TYPED_ONLY if TYPED_ONLY.encode() in information else TYPED


def _empirical_r2(information: list[bytes]) -> float:
    """The empirical R2 of a site; NaN where there is none.

    Raises:
        DataError: if it is no number.
    """
    text = next((text for text in information if text.startswith(_ER2)), _ER2 + b"nan")
    try:
        return float(text[len(_ER2) :])
    except ValueError:
        found = printable(text.decode(errors="replace"))
        raise DataError(f"expected a number as ER2 in INFO, found {found}; impute that part again") from None


def _paste(parts: Sequence[Part], writer: VcfWriter) -> None:
    sums = parts[0].sums
    for part in parts[1:]:
        sums = sums + part.sums
    with ExitStack() as stack:
        rows = zip(*(lines_of(part, stack) for part in parts), strict=True)
        lines = (_joined_line(row, parts, text) for row, text in zip(rows, _informations(sums), strict=True))
        _append_all(lines, parts[0].sites, sums, writer)


def _informations(sums: SiteSums) -> list[bytes]:
    """The numbers in INFO of each site."""
    return [text.encode() for text in information_texts(sums)]


def _joined_line(row: Sequence[bytes], parts: Sequence[Part], information: bytes) -> bytes:
    columns = [line.rstrip(b"\n").split(b"\t", FORMAT_COLUMN + 1) for line in row]
    first = columns[0]
    flags = _flags(first[INFO_COLUMN])
    for part, other in zip(parts, columns, strict=True):
        same = other[:5] == first[:5] and other[FORMAT_COLUMN] == first[FORMAT_COLUMN]
        if not same or _flags(other[INFO_COLUMN]) != flags:
            raise DataError(
                f"expected site, fields and kind as in {parts[0].path}, found another at position {first[1].decode()}; "
                "impute all samples from one array and with the same options",
                part.path,
            )
    if first[4] == b".":
        total = information.split(b";")[1]  # AN alone
        first[INFO_COLUMN] = total + flags
    else:
        n_filled = sum(_filled(other[INFO_COLUMN]) for other in columns)
        first[INFO_COLUMN] = information + flags + (b";FILLED=%d" % n_filled if n_filled else b"")
    samples = b"\t".join(other[FORMAT_COLUMN + 1] for other in columns)
    return b"\t".join([*first[: FORMAT_COLUMN + 1], samples]) + b"\n"


def _flags(information: bytes) -> bytes:
    """The flags, which say of which kind the site is, each after a semicolon."""
    return b"".join(b";" + text for text in information.split(b";") if b"=" not in text)


def _filled(information: bytes) -> int:
    """How many missing alleles of a typed site were imputed."""
    _, _, text = information.partition(b";FILLED=")
    return int(text.split(b";")[0]) if text else 0
