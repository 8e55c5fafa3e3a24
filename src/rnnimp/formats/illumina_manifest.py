"""Illumina array manifests (CSV): the markers of one chromosome, with alleles as a VCF writes them.

Only the section `[Assay]` is read, its columns by name. The alleles of a SNP are complemented where `RefStrand` is `-`,
and one of them has to be the reference's. An indel (`[I/D]`, `[D/I]`) is a piece of `SourceSeq`,
`upstream[-/piece]downstream`. The sequence is turned to the forward strand, and compared with the reference around
`MapInfo`, with and without the piece. The one that fits is the reference allele. The place is moved as far left as its
sequence allows, as 1000 Genomes and `bcftools norm` write indels.
"""

from __future__ import annotations

import csv
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.fasta import read_chromosome
from rnnimp.formats.files import open_input, whole_lines
from rnnimp.numbers import whole_number
from rnnimp.sites.array_markers import AllelePair, ArrayMarkers
from rnnimp.sites.chromosomes import plain_chromosome
from rnnimp.wording import shortened

COLUMNS = ("IlmnStrand", "Chr", "MapInfo", "SNP", "SourceStrand", "SourceSeq", "RefStrand")

OTHER_CHROMOSOME = "on another chromosome"
NO_POSITION = "without a position"
NO_STRAND = "without a reference strand"
ODD_ALLELES = "with alleles that are neither a SNP nor an indel"
NOT_IN_REFERENCE = "whose alleles are absent from the reference"

_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
_SNP = re.compile(r"\[([ACGT])/([ACGT])\]")
_INDEL = re.compile(r"\[(?:I/D|D/I)\]")
_SOURCE = re.compile(r"([A-Z]*)\[([A-Z]+|-)/([A-Z]+|-)\]([A-Z]*)")
_REACH = 30
"""How far from MapInfo an indel is looked for, beside its own length: repeats leave its place open."""
_MAX_MISMATCHES = 0.1
"""Share of the flanking bases that may differ from the reference: probes cover other variants."""
_CORE = 5
"""Bases on each side of an indel that have to agree with the reference."""

_log = logging.getLogger(__name__)


class _Row(NamedTuple):
    line: int
    ilmn_strand: str
    chromosome: str
    position: str
    snp: str
    source_strand: str
    source: str
    ref_strand: str


class Piece(NamedTuple):
    """The bases that an indel inserts or deletes, and the sequence around them, all on one strand."""

    upstream: str
    sequence: str
    downstream: str

    def reverse_complement(self) -> Piece:
        """The same on the other strand."""
        turned = (part.translate(_COMPLEMENT)[::-1] for part in reversed(self))
        return Piece(*turned)


@dataclass(frozen=True, eq=False)
class Manifest:
    """An array's markers on one chromosome.

    Attributes:
        markers: Markers with a place and alleles on the reference.
        skipped: Number of the other markers, by reason.
    """

    markers: ArrayMarkers
    skipped: Mapping[str, int]


def read_illumina_manifest(path: str | Path, fasta: str | Path, chromosome: str) -> Manifest:
    """Read the markers of one chromosome; what is skipped is logged.

    Args:
        path: The manifest, plain or gzip.
        fasta: The reference genome of the manifest's build, not compressed.
        chromosome: `chr22` and `22` are the same; `X` includes `XY`.

    Raises:
        DataError: for a file without `[Assay]` or a column, a malformed line, or no marker on the chromosome.
    """
    sequence = read_chromosome(fasta, chromosome).encode()
    reference = np.frombuffer(sequence, dtype=np.uint8)
    wanted = plain_chromosome(chromosome)
    skipped: Counter[str] = Counter()
    markers: list[tuple[int, AllelePair | None]] = []
    for row in _rows(path):
        result = _marker(row, wanted, reference, path)
        if isinstance(result, str):
            skipped[result] += 1
        else:
            markers.append(result)
    reasons = "; ".join(f"{count} {reason}" for reason, count in skipped.most_common())
    if not markers:
        raise DataError(
            f"expected markers on chromosome {chromosome}, found none ({reasons or 'no line at all'})", path
        )
    _log.info("%s: %d markers on chromosome %s; skipped: %s", path, len(markers), chromosome, reasons or "none")
    return Manifest(ArrayMarkers.build(markers, has_reference=True), dict(skipped))


def _rows(path: str | Path) -> Iterator[_Row]:
    with open_input(path) as file:
        lines = enumerate((raw.decode("utf-8", "replace") for raw in whole_lines(file, path)), start=1)
        if not any(text.startswith("[Assay]") for _, text in lines):
            raise DataError(
                "expected an Illumina manifest with a section [Assay], found none; is it the CSV form?", path
            )
        first, header = next(lines, (0, ""))
        names = _cells(header, path, first)
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise DataError(
                f"expected the columns {' '.join(COLUMNS)}, missing: {' '.join(missing)}", path, first or None
            )
        indices = [names.index(name) for name in COLUMNS]
        for line, text in lines:
            if text.startswith("[Controls]"):
                return
            cells = _cells(text, path, line)
            if not cells:
                continue
            if len(cells) < len(names):
                raise DataError(f"expected {len(names)} columns, found {len(cells)}; the file is truncated", path, line)
            yield _Row(line, *(cells[index].strip() for index in indices))


def _cells(text: str, path: str | Path, line: int) -> list[str]:
    """The cells of a line.

    Raises:
        DataError: if it is no line of a CSV file.
    """
    try:
        return next(csv.reader([text.rstrip("\r\n")], strict=True), [])
    except csv.Error as error:
        raise DataError(
            f"expected a line of comma-separated values, found '{shortened(text)}' ({error}); get the manifest again",
            path,
            line,
        ) from None


def _marker(row: _Row, wanted: str, reference: NDArray[np.uint8], path: str | Path) -> tuple[int, AllelePair] | str:
    """Position and alleles, or the reason why there are none."""
    if row.chromosome in ("", "0"):
        return NO_POSITION
    if plain_chromosome(row.chromosome) != wanted:
        return OTHER_CHROMOSOME
    try:
        position = whole_number(row.position or "0")
    except ValueError:
        raise DataError(f"expected a position as MapInfo, found '{shortened(row.position)}'", path, row.line) from None
    if position == 0:
        return NO_POSITION
    if row.ref_strand not in ("+", "-"):
        return NO_STRAND
    if snp := _SNP.fullmatch(row.snp.upper()):
        first, second = snp.groups()
        return _snp(first, second, position, row.ref_strand == "-", reference)
    source = _SOURCE.fullmatch(row.source.upper())
    if not _INDEL.fullmatch(row.snp.upper()) or source is None or (source[2] == "-") == (source[3] == "-"):
        return ODD_ALLELES
    piece = Piece(source[1], source[3] if source[2] == "-" else source[2], source[4])
    return _indel(row, piece, position, reference)


def _snp(
    first: str, second: str, position: int, is_reverse: bool, reference: NDArray[np.uint8]
) -> tuple[int, AllelePair] | str:
    pair = (first, second)
    if is_reverse:
        pair = first.translate(_COMPLEMENT), second.translate(_COMPLEMENT)
    if position > len(reference) or chr(reference[position - 1]) not in pair:
        return NOT_IN_REFERENCE
    return position, pair


def _indel(row: _Row, piece: Piece, position: int, reference: NDArray[np.uint8]) -> tuple[int, AllelePair] | str:
    """Place an indel. Both strands are tried, because in some manifests the flags contradict the sequence.

    The strand of the flags comes first. The flag `RefStrand` is about the strand of the design (`IlmnStrand`). The
    source sequence may be given on the other one.
    """
    source_is_design = row.source_strand[:1].upper() == row.ilmn_strand[:1].upper()
    is_reverse = (row.ref_strand == "-") == source_is_design
    strands = (piece.reverse_complement(), piece) if is_reverse else (piece, piece.reverse_complement())
    for oriented in strands:
        found = place_indel(oriented, position, reference)
        if found is not None:
            return found
    return NOT_IN_REFERENCE


def place_indel(piece: Piece, position: int, reference: NDArray[np.uint8]) -> tuple[int, AllelePair] | None:
    """An indel as a VCF writes it, leftmost, with the base before.

    Args:
        piece: The indel on the forward strand.
        position: Approximate position, 1-based.
        reference: The chromosome in ASCII capitals, uint8 (n_bases,).

    Returns:
        The 1-based position of the base before, and (reference allele, other allele). None if neither sequence fits
        the reference, with or without the piece. Also None if both fit equally, or if the sequence is too short.

    >>> reference = np.frombuffer(b"GATTACATTTTCGGCATCC", dtype=np.uint8)
    >>> place_indel(Piece("ATTACA", "T", "TTTCGGCA"), 8, reference)
    (7, ('AT', 'A'))
    """
    upstream, sequence, downstream = piece
    with_piece = _fit(upstream, sequence + downstream, position, len(sequence), reference)
    without = _fit(upstream, downstream, position, len(sequence), reference)
    mismatches, start = min(with_piece, without)
    if mismatches > _MAX_MISMATCHES or with_piece[0] == without[0] or len(upstream + downstream) < 2 * _CORE:
        return None
    is_deletion = with_piece[0] < without[0]
    core = upstream[-_CORE:] + (sequence if is_deletion else "") + downstream[:_CORE]
    first = start - len(upstream[-_CORE:])
    if reference[first : first + len(core)].tobytes().decode() != core:
        return None
    start, sequence = _leftmost(start, sequence, reference)
    if start == 0:
        return None
    base = chr(reference[start - 1])
    return start, (base + sequence, base) if is_deletion else (base, base + sequence)


def _fit(left: str, right: str, position: int, length: int, reference: NDArray[np.uint8]) -> tuple[float, int]:
    """How `left + right` fits best: share of differing bases, and the 0-based place where `right` begins.

    Of equal fits, the one nearest to the position counts. Letters other than A, C, G and T fit everything.
    """
    text = np.frombuffer((left + right).encode(), dtype=np.uint8)
    reach = _REACH + length
    first = max(position - reach - len(left), 0)
    window = reference[first : position + reach + len(right)]
    if len(window) < max(len(text), 1):
        return 1.0, 0
    known = np.isin(text, np.frombuffer(b"ACGT", dtype=np.uint8))
    differing = (np.lib.stride_tricks.sliding_window_view(window, len(text)) != text) & known
    shares = differing.sum(axis=1) / max(int(known.sum()), 1)
    begins = first + len(left) + np.arange(len(shares))
    best = np.lexsort((np.abs(begins - position), shares))[0]
    return float(shares[best]), int(begins[best])


def _leftmost(start: int, sequence: str, reference: NDArray[np.uint8]) -> tuple[int, str]:
    while start > 1 and chr(reference[start - 1]) == sequence[-1]:
        sequence = sequence[-1] + sequence[:-1]
        start -= 1
    return start, sequence
