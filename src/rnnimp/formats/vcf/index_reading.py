"""Reading CSI and tabix indexes (CSI and tabix specifications), as a hint where in a file a stretch may begin.

An index may be damaged, or made of an earlier copy of the file. So nothing is believed: it gives a place well before
the stretch, and the reader (`records.py`) looks whether the record there lies before the stretch indeed. Positions
rise, so that then nothing of the stretch is missed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.files import open_input
from rnnimp.formats.vcf.header_reading import VcfHeader
from rnnimp.sites.chromosomes import same_chromosome

ENDINGS = (".csi", ".tbi")

_MAX_BYTES = 1 << 28
_TABIX_SHIFT, _TABIX_DEPTH = 14, 5
_TABIX_SETTINGS = struct.Struct("<7i")  # format, three columns, comment, skipped lines, length of the names
_MAX_SHIFT, _MAX_DEPTH = 30, 10

Chunks = tuple[NDArray[np.int64], NDArray[np.uint64], int | None]
"""The stretches of a chromosome, see `SiteIndex`; and the number of its records, None if the index does not say it."""


@dataclass(frozen=True, eq=False)
class SiteIndex:
    """The places of the chromosomes' sites in the file.

    Attributes:
        path: Path of the index.
        chunks: Two arrays for each chromosome with sites, with one number per stretch of the file. The first array has
            the first position behind the stretch's bin, 0-based, int64 (n_chunks,). The second one has the virtual
            offset where the stretch begins, uint64 (n_chunks,).
        n_records: Number of records of each chromosome, where the index says it.
    """

    path: str
    chunks: dict[str, tuple[NDArray[np.int64], NDArray[np.uint64]]]
    n_records: dict[str, int] = field(default_factory=dict)

    @property
    def chromosomes(self) -> list[str]:
        """Names of those with sites."""
        return list(self.chunks)

    def first(self, chromosome: str) -> int:
        """The virtual offset of a chromosome's first site."""
        return int(self.chunks[chromosome][1].min())

    def last(self, chromosome: str) -> int:
        """The virtual offset of a chromosome's last stretch."""
        return int(self.chunks[chromosome][1].max())

    def before(self, chromosome: str, start: int) -> int | None:
        """A virtual offset with a site before a position of a chromosome, or of the chromosome before it.

        Args:
            chromosome: Name of the chromosome, with or without `chr`.
            start: 1-based.

        Returns:
            The offset; None if nothing lies before, or the chromosome is not known or has two names.
        """
        names = [name for name in self.chunks if same_chromosome(name, chromosome)]
        if len(names) != 1:
            return None
        ends, offsets = self.chunks[names[0]]
        candidates = offsets[ends <= start - 1]
        if not candidates.size:
            others = np.concatenate([chunk_offsets for _, chunk_offsets in self.chunks.values()])
            candidates = others[others < offsets.min()]
        return int(candidates.max()) if candidates.size else None


def read_index(path: str | Path, header: VcfHeader) -> SiteIndex | None:
    """The index beside a file; None if there is none.

    Args:
        path: Path of the VCF or BCF.
        header: Header of the file, which numbers the chromosomes of a BCF.

    Raises:
        DataError: if it is damaged.
    """
    name = next((f"{path}{ending}" for ending in ENDINGS if Path(f"{path}{ending}").is_file()), None)
    if name is None:
        return None
    with open_input(name) as file:
        data = file.read(_MAX_BYTES + 1)
    try:
        if len(data) > _MAX_BYTES:
            raise ValueError
        found = dict(_chromosomes(_Reader(data), header))
        chunks = {chromosome: (ends, offsets) for chromosome, (ends, offsets, _) in found.items()}
        counts = {chromosome: count for chromosome, (_, _, count) in found.items() if count is not None}
        return SiteIndex(name, chunks, counts)
    except (struct.error, ValueError):
        raise DataError("expected a CSI or tabix index, found something else or a damaged one", name) from None


class _Reader:
    """Takes values from bytes one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, form: struct.Struct) -> tuple[int, ...]:
        values = form.unpack_from(self._data, self._at)
        self._at += form.size
        return values

    def integer(self) -> int:
        (value,) = self.take(_INTEGER)
        return value

    def piece(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._at:
            raise ValueError(size)
        self._at += size
        return self._data[self._at - size : self._at]


_INTEGER = struct.Struct("<i")
_BIN, _BIN_OF_CSI = struct.Struct("<Ii"), struct.Struct("<IQi")


def _chromosomes(reader: _Reader, header: VcfHeader) -> Iterator[tuple[str, Chunks]]:
    magic = reader.piece(4)
    if magic == b"CSI\1":
        shift, depth, n_auxiliary = (reader.integer() for _ in range(3))
        names = _names(reader.piece(n_auxiliary)) if n_auxiliary else header.contigs
        n_chromosomes = reader.integer()
    elif magic == b"TBI\1":
        shift, depth, n_chromosomes = _TABIX_SHIFT, _TABIX_DEPTH, reader.integer()
        settings = reader.piece(_TABIX_SETTINGS.size)
        names = _names(settings + reader.piece(_TABIX_SETTINGS.unpack(settings)[-1]))
    else:
        raise ValueError(magic)
    if not 0 < shift <= _MAX_SHIFT or not 0 <= depth <= _MAX_DEPTH or n_chromosomes < 0:
        raise ValueError
    for number in range(n_chromosomes):
        chunks = _chunks(reader, _BIN_OF_CSI if magic == b"CSI\1" else _BIN, shift, depth)
        if magic == b"TBI\1":
            reader.piece(8 * reader.integer())  # the linear index, which is not needed
        if chunks[0].size:
            yield names[number] if number in names else _unknown(number), chunks


def _unknown(number: int) -> str:
    raise ValueError(number)


def _names(settings: bytes) -> dict[int, str]:
    """The chromosomes' names behind tabix's settings, each ended by a NUL."""
    if len(settings) < _TABIX_SETTINGS.size:
        raise ValueError
    names = settings[_TABIX_SETTINGS.size :].decode("ascii").split("\0")
    if not "".join(names).isprintable():
        raise ValueError
    return dict(enumerate(names[:-1]))


def _chunks(reader: _Reader, form: struct.Struct, shift: int, depth: int) -> Chunks:
    n_bins = ((1 << 3 * (depth + 1)) - 1) // 7
    ends, offsets, n_records = [np.empty(0, np.int64)], [np.empty(0, np.uint64)], None
    for _ in range(reader.integer()):
        number, *_, n_chunks = reader.take(form)
        pairs = np.frombuffer(reader.piece(16 * n_chunks), "<u8").reshape(-1, 2)
        if number == n_bins + 1 and len(pairs) == 2:  # behind the last bin stand the counts of records
            n_records = int(pairs[1].sum())
        elif number < n_bins:
            offsets.append(pairs[:, 0].astype(np.uint64))
            ends.append(np.full(len(pairs), _end_of(number, shift, depth), np.int64))
    return np.concatenate(ends), np.concatenate(offsets), n_records


def _end_of(number: int, shift: int, depth: int) -> int:
    """The first position, 0-based, behind a bin."""
    level = max(level for level in range(depth + 1) if ((1 << 3 * level) - 1) // 7 <= number)
    first = ((1 << 3 * level) - 1) // 7
    return (number - first + 1) << (shift + 3 * (depth - level))
