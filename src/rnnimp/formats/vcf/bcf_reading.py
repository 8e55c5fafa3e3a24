"""Records of a BCF, from its blocks of bytes (VCF specification, section 6).

A record is a part that all samples share and a part of their values; each value is led by its type and length. Every
length is checked against the part that contains it, so that damaged bytes end in an error and never in a read beyond.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.vcf.header_reading import FIRST_LINE, MAX_HEADER_BYTES, VcfHeader, parse_header
from rnnimp.formats.vcf.record import END, MAX_ALLELES, MAX_PLOIDY, MAX_RECORD_BYTES, Genotypes, VcfRecord

_MAGICS = (b"BCF\2\1", b"BCF\2\2")
_BLOCK_BYTES = 1 << 20
_LENGTHS, _LENGTH = struct.Struct("<2I"), struct.Struct("<I")
_SHARED = struct.Struct("<3if2I")
_INT8, _INT16, _INT32, _FLOAT, _CHARACTERS = 1, 2, 3, 5, 7  # BCF's numbers of the types
_DTYPES: dict[int, np.dtype[Any]] = {
    _INT8: np.dtype("<i1"),
    _INT16: np.dtype("<i2"),
    _INT32: np.dtype("<i4"),
    _FLOAT: np.dtype("<f4"),
}
_SIZES = {0: 0, _INT8: 1, _INT16: 2, _INT32: 4, _FLOAT: 4, _CHARACTERS: 1}
_LONG = 15  # instead of a length, which follows as a number
_N_RESERVED = 8  # integers from the lowest on that are no numbers: missing, end of the values, and six for later


class _Value(NamedTuple):
    """A value's type and length, and where its bytes lie."""

    kind: int
    length: int
    start: int
    end: int


def is_bcf(start: bytes) -> bool:
    """Whether a file that begins so is a BCF."""
    return start.startswith(b"BCF")


def read_bcf_header(stream: IO[bytes], path: str | Path) -> VcfHeader:
    """Read what stands before the records.

    Raises:
        DataError: if it is of another version, or damaged.
    """
    magic = stream.read(len(_MAGICS[0]))
    if magic not in _MAGICS:
        raise DataError(
            f"expected a BCF of version 2.1 or 2.2, found {magic[3:].hex('.')}; convert it, for instance with "
            "bcftools view -Ob",
            path,
        )
    size = stream.read(_LENGTH.size)
    n_bytes = _LENGTH.unpack(size)[0] if len(size) == _LENGTH.size else MAX_HEADER_BYTES + 1
    text = stream.read(n_bytes) if n_bytes <= MAX_HEADER_BYTES else b""
    if len(text) < n_bytes or not text.startswith(FIRST_LINE):
        raise DataError("expected the header of a BCF, found a truncated or damaged one; copy or make it again", path)
    lines = [line.removesuffix(b"\r") for line in text.rstrip(b"\0\r\n").split(b"\n")]
    return parse_header([line for line in lines if line], path)


def bcf_records(stream: IO[bytes], header: VcfHeader, path: str | Path) -> Iterator[BcfRecord]:
    """The records of a stream that stands behind the header.

    Raises:
        DataError: for malformed data.
    """
    place = "the header"
    block, at = b"", 0
    while True:
        if len(block) - at < _LENGTHS.size:
            block, at = block[at:] + stream.read(_BLOCK_BYTES), 0
            if not block:
                return
            if len(block) < _LENGTHS.size:
                raise _truncated(path, place)
        n_shared, n_samples = _LENGTHS.unpack_from(block, at)
        end = at + _LENGTHS.size + n_shared + n_samples
        if n_shared < _SHARED.size or n_shared + n_samples > MAX_RECORD_BYTES:
            raise DataError(
                f"expected a record of {_SHARED.size} to {MAX_RECORD_BYTES} bytes after {place}, found one of "
                f"{n_shared + n_samples}; the file is damaged, copy or make it again",
                path,
            )
        if end > len(block):
            block = block[at:] + stream.read(max(_BLOCK_BYTES, end - len(block)))
            at, end = 0, end - at
            if end > len(block):
                raise _truncated(path, place)
        start = at + _LENGTHS.size
        record = BcfRecord(block[start : start + n_shared], block[start + n_shared : end], header, path, place)
        place, at = record.place, end
        yield record


def _truncated(path: str | Path, place: str) -> DataError:
    return DataError(
        f"expected a whole record after {place}, found the file's end; it is truncated, copy it again", path
    )


class BcfRecord(VcfRecord):
    """A record of a BCF; see `VcfRecord`."""

    def __init__(self, shared: bytes, samples: bytes, header: VcfHeader, path: str | Path, before: str) -> None:
        super().__init__(header, path)
        self.line = None
        self.CHROM, self.POS = "?", 0
        self._shared, self._samples, self._before = shared, samples, before
        chromosome, position, _, self._quality, counts, sample_counts = _SHARED.unpack_from(shared)
        n_alleles, self._n_info = counts >> 16, counts & 0xFFFF
        self._n_fields, n_samples = sample_counts >> 24, sample_counts & 0xFFFFFF
        if not header.contigs.get(chromosome, "\0").isprintable():
            raise self._damaged(f"expected the number of a contig of the header, found {chromosome}")
        if position < -1:
            raise self._damaged(f"expected a position from 0 on, found {position + 1}")
        if n_samples != len(header.sample_names) and (n_samples or self._n_fields):
            raise self._damaged(f"expected {len(header.sample_names)} samples as in the header, found {n_samples}")
        if not 1 <= n_alleles < MAX_ALLELES:
            raise self._damaged(f"expected 1 to {MAX_ALLELES - 1} alleles, found {n_alleles}")
        self.CHROM, self.POS = header.contigs[chromosome], position + 1
        at, (name, *alleles) = self._texts(1 + n_alleles)
        self.ID = None if name in ("", ".") else name
        self.REF, self.ALT = alleles[0], alleles[1:]
        if self.ALT == ["."]:
            self.ALT = []
        self._filters = self._value(shared, at)
        self._fields = self._sample_fields()
        self._info_values: dict[str, _Value] | None = None

    def _damaged(self, message: str) -> DataError:
        place = f"after {self._before}" if self.CHROM == "?" else f"at {self.place}"
        return DataError(f"{message} {place}; the file is damaged, copy or make it again", self._path)

    def _value(self, data: bytes, at: int, n_times: int = 1) -> _Value:
        """The value that begins at a place: its type and length, and the place of its bytes, `n_times` that length."""
        try:
            kind, length = data[at] & 0xF, data[at] >> 4
            at += 1
            if length == _LONG:
                if data[at] >> 4 != 1:  # one number; itself with a long length, it could go on without end
                    raise ValueError
                inner = self._value(data, at)
                (length,) = self._integers(data, inner)
                at = inner.end
            size = _SIZES[kind] * length * n_times
        except (IndexError, KeyError, ValueError):
            raise self._damaged("expected the type and the length of a value, found others") from None
        if length < 0 or at + size > len(data):
            raise self._damaged("expected a value that ends in its record, found a longer one")
        return _Value(kind, length, at, at + size)

    def _integers(self, data: bytes, value: _Value) -> list[int]:
        if value.kind not in (_INT8, _INT16, _INT32):
            raise self._damaged("expected whole numbers, found another type")
        found: list[int] = np.frombuffer(data, _DTYPES[value.kind], value.length, value.start).tolist()
        return found

    def _texts(self, count: int) -> tuple[int, list[str]]:
        """ID and alleles, and where they end."""
        at, texts = _SHARED.size, []
        for number in range(count):
            value = self._value(self._shared, at)
            data = self._shared[value.start : value.end]
            if value.kind != _CHARACTERS and value.length:
                raise self._damaged("expected text as ID and alleles, found another type")
            try:
                text = data.rstrip(b"\0").decode()
            except UnicodeDecodeError:
                text = "\0"
            if not text.isprintable() or " " in text or (number and not (text and text.isascii())):
                kind = "printable alleles" if number else "an ID in UTF-8 without spaces"
                raise self._damaged(f"expected {kind}, found {data[:30]!a}")
            texts.append(text)
            at = value.end
        return at, texts

    def _sample_fields(self) -> dict[str, _Value]:
        fields: dict[str, _Value] = {}
        at, n_samples = 0, len(self.header.sample_names)
        for _ in range(self._n_fields):
            name, at = self._name(self._samples, at)
            value = self._value(self._samples, at, n_samples)
            fields[name], at = value, value.end
        if at != len(self._samples):
            raise self._damaged(f"expected samples' values of {len(self._samples)} bytes, found {at}")
        return fields

    def _name(self, data: bytes, at: int) -> tuple[str, int]:
        """The name of a field, of which a record has the number, and where the number ends."""
        key = self._value(data, at)
        numbers = self._integers(data, key)
        if len(numbers) != 1 or numbers[0] not in self.header.strings:
            raise self._damaged(f"expected the number of a field of the header, found {numbers[:1]}")
        return self.header.strings[numbers[0]], key.end

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that the samples have."""
        return tuple(self._fields)

    @property
    def quality(self) -> float:
        """The column QUAL; NaN for missing."""
        return float(self._quality)

    @property
    def filters(self) -> list[str]:
        """Names in the column FILTER; empty for `.`.

        Raises:
            DataError: if a number stands for no name.
        """
        numbers = self._integers(self._shared, self._filters) if self._filters.length else []
        if not set(numbers) <= set(self.header.strings):
            raise self._damaged("expected the numbers of filters of the header, found another")
        return [self.header.strings[number] for number in numbers]

    def genotypes(self) -> Genotypes:
        """See `VcfRecord.genotypes`."""
        self.require_genotypes()
        value = self._fields["GT"]
        if value.kind not in (_INT8, _INT16, _INT32) or not 1 <= value.length <= MAX_PLOIDY:
            raise self._damaged(
                f"expected genotypes as one to {MAX_PLOIDY} whole numbers of each sample, found type {value.kind} and "
                f"length {value.length}"
            )
        codes = self._matrix(value)
        lowest = np.iinfo(codes.dtype).min
        calls = (codes >> 1) - 1
        is_phased = (codes[:, -1] & 1).astype(np.bool_)
        if codes.size and codes.min() < 0:
            is_end = codes == lowest + 1
            is_wrong = ((codes < 0) & ~is_end).any(axis=1) | (is_end[:, :-1] & ~is_end[:, 1:]).any(axis=1)
            if is_wrong.any():
                sample = int(is_wrong.argmax())
                raise self._damaged(
                    f"expected genotypes, found {codes[sample].tolist()} in sample {self.header.sample_names[sample]}"
                )
            calls[is_end] = END
            # the phase of an allele after the first is that to the ones before it
            is_phased = ((codes & 1 != 0) | is_end)[:, 1:].all(axis=1)
        elif codes.shape[1] > 2:
            is_phased = (codes[:, 1:] & 1 != 0).all(axis=1)
        elif codes.shape[1] == 1:
            is_phased = np.ones(len(codes), np.bool_)
        self.require_alleles(calls)
        return calls, is_phased

    def _matrix(self, value: _Value) -> NDArray[Any]:
        data: NDArray[Any] = np.frombuffer(self._samples[value.start : value.end], _DTYPES[value.kind])
        return data.reshape(len(self.header.sample_names), value.length)

    def numbers(self, field: str) -> NDArray[np.float32] | None:
        """See `VcfRecord.numbers`."""
        value = self._fields.get(field)
        if value is None:
            return None
        if not value.length:
            return np.full((len(self.header.sample_names), 1), np.nan, np.float32)
        if value.kind not in _DTYPES:
            raise self.error(f"expected numbers in FORMAT field {field} at {self.place}, found another type")
        matrix = self._matrix(value)
        if value.kind == _FLOAT:
            values = matrix.astype(np.float32)
            values[np.isnan(values)] = np.nan  # missing ones have the bits of a NaN that arithmetic warns of
            return values
        is_number = matrix >= np.iinfo(matrix.dtype).min + _N_RESERVED
        return np.where(is_number, matrix, np.nan).astype(np.float32)

    def raw(self, field: str) -> NDArray[Any] | None:
        """A FORMAT field as it is stored, (n_samples, most values of a sample); None for text or if absent."""
        value = self._fields.get(field)
        return None if value is None or value.kind not in _DTYPES else self._matrix(value)

    def labels(self, field: str) -> list[bytes] | None:
        """See `VcfRecord.labels`."""
        value = self._fields.get(field)
        if value is None:
            return None
        n_samples = len(self.header.sample_names)
        if value.kind == _CHARACTERS:
            data, size = self._samples, value.length
            starts = range(value.start, value.end, size) if size else [value.start] * n_samples
            return [data[start : start + size].rstrip(b"\0") or b"." for start in starts]
        found = self.numbers(field) if value.kind == _FLOAT else None
        rows = (self._matrix(value) if found is None else found).tolist() if value.length else [[]] * n_samples
        lowest = -np.inf if found is not None else np.iinfo(_DTYPES[value.kind]).min + _N_RESERVED
        return [b",".join(b"%d" % x if x == int(x) else b"%g" % x for x in row if x >= lowest) or b"." for row in rows]

    @property
    def info(self) -> dict[str, tuple[int, bytes]]:
        """The type and the bytes of each field of INFO.

        Raises:
            DataError: if they do not fill their part of the record.
        """
        if self._info_values is None:
            found: dict[str, _Value] = {}
            at = self._filters.end
            for _ in range(self._n_info):
                name, at = self._name(self._shared, at)
                found[name] = self._value(self._shared, at)
                at = found[name].end
            if at != len(self._shared):
                raise self._damaged(f"expected a site's values of {len(self._shared)} bytes, found {at}")
            self._info_values = found
        return {name: (value.kind, self._shared[value.start : value.end]) for name, value in self._info_values.items()}

    def has_info(self, name: str) -> bool:
        """See `VcfRecord.has_info`."""
        return name in self.info

    def info_numbers(self, name: str) -> tuple[float, ...]:
        """See `VcfRecord.info_numbers`."""
        kind, data = self.info.get(name, (0, b""))
        if kind == _CHARACTERS:
            raise self.error(f"expected numbers as {name} in INFO at {self.place}, found text")
        return tuple(float("nan") if value is None else value for value in typed_numbers(kind, data))


def typed_numbers(kind: int, data: bytes) -> list[float | int | None]:
    """Numbers of INFO in a BCF; None for missing.

    Args:
        kind: BCF's number of the type.
        data: Bytes of the numbers.
    """
    if kind not in _DTYPES:
        return []
    values = np.frombuffer(data, _DTYPES[kind])
    if kind == _FLOAT:
        return [None if value != value else value for value in values.tolist()]
    lowest = int(np.iinfo(values.dtype).min)
    return [None if value < lowest + _N_RESERVED else value for value in values.tolist() if value != lowest + 1]


def is_characters(kind: int) -> bool:
    """Whether BCF's number of a type is that of text."""
    return kind == _CHARACTERS
