"""A record of a BCF as the line that a VCF would have (VCF specification, section 6.3)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.vcf.bcf_reading import BcfRecord, is_characters, typed_numbers
from rnnimp.formats.vcf.record import END, MISSING

_END_BITS = 0x7F800002  # of a number behind the last one of a sample


def line_of(record: BcfRecord) -> bytes:
    """The line with its end; floating-point numbers have up to six digits, as bcftools writes them.

    Raises:
        DataError: if the record is damaged.
    """
    quality = "." if record.quality != record.quality else f"{record.quality:.6g}"
    filters, information = ";".join(record.filters) or ".", _information(record)
    columns = [record.CHROM, str(record.POS), record.ID or ".", record.REF, ",".join(record.ALT) or "."]
    head = "\t".join([*columns, quality, filters, information]).encode()
    if not record.fields:
        return head + b"\n"
    keys = ":".join(record.fields).encode()
    texts = [_genotypes(record) if key == "GT" else _values(record, key) for key in record.fields]
    samples = b"\t".join(map(b":".join, zip(*texts, strict=True))) if len(texts) > 1 else b"\t".join(texts[0])
    return b"\t".join([head, keys, samples]) + b"\n"


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


def _genotypes(record: BcfRecord) -> list[bytes]:
    calls, is_phased = record.genotypes()

    def text(row: list[int]) -> bytes:
        *alleles, phased = row
        shown = (b"." if allele == MISSING else b"%d" % allele for allele in alleles if allele != END)
        return (b"|" if phased else b"/").join(shown) or b"."

    return _by_row(np.column_stack([calls, is_phased]), text)


def _values(record: BcfRecord, key: str) -> list[bytes]:
    matrix = record.raw(key)
    if matrix is None:  # text
        return record.labels(key) or []
    if matrix.dtype.kind == "f":

        def text(row: list[int]) -> bytes:
            bits = np.array([value for value in row if value != _END_BITS], np.uint32)
            return ",".join(
                "." if value != value else f"{value:.6g}" for value in bits.view(np.float32).tolist()
            ).encode()

        return _by_row(matrix.view(np.uint32), text)
    lowest = int(np.iinfo(matrix.dtype).min)

    def integer_text(row: list[int]) -> bytes:
        return b",".join(b"." if value == lowest else b"%d" % value for value in row if value != lowest + 1)

    return _by_row(matrix, integer_text)


def _by_row(matrix: NDArray[np.integer], text: Callable[[list[int]], bytes]) -> list[bytes]:
    """The text of each row, made once for rows that are equal."""
    rows = np.ascontiguousarray(matrix)
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0].tolist()
    known = {key: text(np.frombuffer(key, rows.dtype).tolist()) or b"." for key in set(keys)}
    return [known[key] for key in keys]
