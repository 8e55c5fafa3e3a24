"""A record of a BCF as the line that a VCF would have (VCF specification, section 6.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.vcf.bcf_reading import BcfRecord, is_characters, typed_numbers
from rnnimp.formats.vcf.record import END, MISSING

_END_BITS = 0x7F800002  # of a number behind the last one of a sample
_STEPS = 10_000
_BITS, _FLOAT = struct.Struct("<I"), struct.Struct("<f")

Cells = NDArray[np.uint8]
"""Texts as rows of characters, padded by NULs: uint8 (n_samples, width)."""


def line_of(record: BcfRecord) -> bytes:
    """The line with its end; floating-point numbers have up to six digits, as bcftools writes them.

    Raises:
        DataError: if the record is damaged.
    """
    quality = "." if record.quality != record.quality else f"{record.quality:.6g}"
    filters, information = ";".join(record.filters) or ".", _information(record)
    site = [record.CHROM, str(record.POS), record.ID or ".", record.REF, ",".join(record.ALT) or "."]
    head = "\t".join([*site, quality, filters, information]).encode()
    if not record.fields:
        return head + b"\n"
    columns = []
    for number, key in enumerate(record.fields):
        cells = _genotypes(record) if key == "GT" else _values(record, key)
        columns += [np.full((len(cells), 1), ord(":" if number else "\t"), np.uint8), cells]
    samples = np.concatenate(columns, axis=1).tobytes().translate(None, b"\0")
    return b"%b\t%b%b\n" % (head, ":".join(record.fields).encode(), samples)


def _information(record: BcfRecord) -> str:
    fields = []
    for name, (kind, data) in record.info.items():
        if is_characters(kind):
            fields.append(f"{name}={data.rstrip(bytes(1)).decode(errors='replace')}")
        elif data:
            values = typed_numbers(kind, data)
            fields.append(f"{name}={','.join('.' if value is None else _number(value) for value in values)}")
        else:
            fields.append(name)
    return ";".join(fields) or "."


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _genotypes(record: BcfRecord) -> Cells:
    calls, is_phased = record.genotypes()
    if calls.shape[1] == 2 and calls.max(initial=0) <= 9 and calls[:, 0].min(initial=0) >= MISSING:
        return _pairs(calls, is_phased)
    rows = np.ascontiguousarray(np.column_stack([calls, is_phased]))
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0].tolist()
    known = {key: _genotype(np.frombuffer(key, rows.dtype).tolist()) for key in set(keys)}
    return _cells_of([known[key] for key in keys])


def _pairs(calls: NDArray[np.integer], is_phased: NDArray[np.bool_]) -> Cells:
    cells = np.empty((len(calls), 3), np.uint8)
    cells[:, ::2] = np.where(calls == MISSING, ord("."), calls + ord("0"))
    cells[:, 1] = np.where(is_phased, ord("|"), ord("/"))
    cells[calls[:, 1] == END, 1:] = 0
    return cells


def _genotype(row: list[int]) -> bytes:
    *alleles, phased = row
    shown = (b"." if allele == MISSING else b"%d" % allele for allele in alleles if allele != END)
    return (b"|" if phased else b"/").join(shown) or b"."


def _values(record: BcfRecord, key: str) -> Cells:
    matrix = record.raw(key)
    if matrix is None:  # text
        return _cells_of(record.labels(key) or [])
    if matrix.dtype.kind == "f":
        cells = _decimals(matrix)
        return _cells_of(_joined(matrix.view(np.uint32), _float_text, _END_BITS)) if cells is None else cells
    lowest = int(np.iinfo(matrix.dtype).min)
    return _cells_of(_joined(matrix, lambda value: b"." if value == lowest else b"%d" % value, lowest + 1))


def _cells_of(texts: list[bytes]) -> Cells:
    return np.array(texts, np.bytes_).view(np.uint8).reshape(len(texts), -1)


def _decimals(matrix: NDArray[np.float32]) -> Cells | None:
    """Numbers of four decimals from 0 to 2, as our own files have them, with commas between; None for others."""
    values, texts = _table()
    with np.errstate(all="ignore"):  # what does not fit gives another number, and is found below
        index = np.clip(np.rint(matrix * np.float32(_STEPS)).astype(np.int32), 0, len(values) - 1)
    if not (values[index] == matrix).all():
        return None
    cells = np.full((*matrix.shape, texts.shape[1] + 1), ord(","), np.uint8)
    cells[:, :, 1:] = texts[index]
    cells[:, 0, 0] = 0
    return cells.reshape(len(cells), -1)


@lru_cache
def _table() -> tuple[NDArray[np.float32], Cells]:
    """The numbers, and their texts padded by NULs."""
    values = np.arange(2 * _STEPS + 1, dtype=np.float32) / np.float32(_STEPS)
    return values, _cells_of([b"%.6g" % value for value in values.tolist()])


def _float_text(bits: int) -> bytes:
    (value,) = _FLOAT.unpack(_BITS.pack(bits))
    return b"." if value != value else b"%.6g" % value


def _joined(matrix: NDArray[np.integer], text: Callable[[int], bytes], end: int) -> list[bytes]:
    """The values of each sample between commas, up to the first that is `end`."""
    values = matrix.reshape(-1).tolist()
    known = {value: b"" if value == end else text(value) for value in set(values)}  # few, since they were rounded
    texts = [known[value] for value in values]
    if matrix.shape[1] > 1:
        rows = zip(*[iter(texts)] * matrix.shape[1], strict=True)
        texts = [b",".join(filter(None, row)) for row in rows] if end in known else list(map(b",".join, rows))
    return [sample or b"." for sample in texts] if end in known else texts
