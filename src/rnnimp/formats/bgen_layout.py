"""The bytes of a BGEN file of layout 2, parsed strictly; https://www.chg.ox.ac.uk/~gav/bgen_format/spec/latest.html.

Every length is checked against the file and against the others before it is used. A block must have exactly the bytes
that its samples, ploidies, alleles and bits ask for. Otherwise probabilities would be read from the wrong place.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_decompressor: Any = zlib.decompressobj
try:  # several times faster
    from isal import isal_zlib

    _decompressor = isal_zlib.decompressobj
except ImportError:
    pass

_HEADER = struct.Struct("<III4sI")  # from the length of the header on: it, variants, samples, magic, flags
_MAGICS = (b"bgen", bytes(4))
_LARGEST_RATIO = 1100  # of deflate
_LONGEST_ALLELE = 1 << 24
NONE, ZLIB, ZSTD = 0, 1, 2


class MalformedError(ValueError):
    """Bytes that are no BGEN; says what was expected and found."""


@dataclass(frozen=True)
class BgenHeader:
    """The header of a file.

    Attributes:
        n_variants: Variants in the file.
        n_samples: Number of samples of each variant.
        compression: Compression of the blocks, `NONE`, `ZLIB` or `ZSTD`.
        layout: 1 or 2.
        names: Names of the samples, as bytes; None if the file has none.
        start: Start of the first variant, in bytes from the start of the file.
    """

    n_variants: int
    n_samples: int
    compression: int
    layout: int
    names: tuple[bytes, ...] | None
    start: int


@dataclass(frozen=True)
class BgenVariant:
    """A variant's place and alleles, and the place of its genotypes in the file.

    Attributes:
        varid: Id of the variant, as bytes.
        rsid: Name of the variant, as bytes.
        chromosome: Name of the chromosome, as bytes.
        position: Position, 1-based.
        alleles: Alleles, as bytes.
        block: Start and number of bytes of the genotypes, as they are in the file.
        n_bytes: Number of bytes of the genotypes, unpacked.
    """

    varid: bytes
    rsid: bytes
    chromosome: bytes
    position: int
    alleles: tuple[bytes, ...]
    block: tuple[int, int]
    n_bytes: int


@dataclass(frozen=True, eq=False)
class BgenGenotypes:
    """The genotypes of a variant.

    Attributes:
        is_phased: Whether they are haplotypes.
        ploidy: Alleles per sample, int64 (n_samples,).
        is_missing: True for samples whose genotype is missing, bool (n_samples,).
        n_bits: Number of bits of a probability.
        values: Integers (n_values,): the stored probabilities times 2^n_bits - 1, sample by sample.
        n_alleles: Number of alleles of the variant.
    """

    is_phased: bool
    ploidy: NDArray[np.int64]
    is_missing: NDArray[np.bool_]
    n_bits: int
    values: NDArray[np.integer]
    n_alleles: int

    def probabilities(self) -> NDArray[np.float32]:
        """All probabilities of each sample, float32 (n_samples, n_most); NaN for missing, and behind a sample's last.

        Of haplotypes, those of all alleles of the first, then of the second; of genotypes, in the order of a VCF.
        """
        if self.is_phased and self.ploidy.min(initial=2) == self.ploidy.max(initial=2) > 0:
            result = self._of_equal_ploidy()
        elif self.is_phased:
            result = self._of_haplotypes()
        else:
            result = self._of_genotypes()
        if self.is_missing.any():
            result[self.is_missing] = np.nan
        return result

    def _of_equal_ploidy(self) -> NDArray[np.float32]:
        """Of haplotypes, as many for each sample, which nearly all files have."""
        n_samples, n_stored = len(self.ploidy), self.n_alleles - 1
        stored = (self.values / self._scale).reshape(n_samples, -1, n_stored)
        result = np.empty((*stored.shape[:2], self.n_alleles), dtype=np.float32)
        result[..., :-1] = stored
        result[..., -1] = 1 - (stored[..., 0] if n_stored == 1 else np.minimum(stored.sum(axis=2), 1))
        return result.reshape(n_samples, -1)

    def _of_haplotypes(self) -> NDArray[np.float32]:
        most = int(self.ploidy.max(initial=0))
        stored = np.full((len(self.ploidy), most, self.n_alleles - 1), np.nan)
        stored[np.arange(most) < self.ploidy[:, None]] = (self.values / self._scale).reshape(-1, self.n_alleles - 1)
        last = 1 - np.minimum(stored.sum(axis=2, keepdims=True), 1)
        rows: NDArray[np.float64] = np.concatenate([stored, last], axis=2).reshape(len(self.ploidy), -1)
        return rows.astype(np.float32)

    def _of_genotypes(self) -> NDArray[np.float32]:
        counts = genotype_counts(self.ploidy, self.n_alleles) - 1
        result = np.full((len(counts), int(counts.max(initial=0)) + 1), np.nan)
        is_stored = np.arange(result.shape[1]) < counts[:, None]
        result[is_stored] = self.values / self._scale
        sums = np.where(is_stored, result, 0).sum(axis=1)
        result[np.arange(len(counts)), counts] = 1 - np.minimum(sums, 1)
        return result.astype(np.float32)

    @property
    def _scale(self) -> float:
        return float((1 << self.n_bits) - 1)


def genotype_counts(ploidy: NDArray[np.int64], n_alleles: int) -> NDArray[np.int64]:
    """How many unphased genotypes there are, int64 (n_samples,)."""
    numbers, places = np.unique(ploidy, return_inverse=True)  # of other ploidies, they may be too many for an int64
    table = np.array([comb(number + n_alleles - 1, n_alleles - 1) for number in numbers.tolist()], dtype=np.int64)
    return np.asarray(table[places], dtype=np.int64)


class BgenFile:
    """An open BGEN file.

    Attributes:
        header: See `BgenHeader`.

    Args:
        path: Path of the file.

    Raises:
        MalformedError: if its header is none.
        OSError: if it cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self._file: IO[bytes] = Path(path).open("rb")  # noqa: SIM115 - lives with the object
        self._size = os.fstat(self._file.fileno()).st_size
        self.header = self._header()

    def _read(self, n_bytes: int) -> bytes:
        if n_bytes > self._size - self._file.tell():
            raise MalformedError(f"expected {n_bytes} more bytes, found the end of the file")
        return self._file.read(n_bytes)

    def _number(self, form: str) -> int:
        (number,) = struct.unpack(form, self._read(struct.calcsize(form)))
        return int(number)

    def _text(self, form: str, most: int = _LONGEST_ALLELE) -> bytes:
        length = self._number(form)
        if length > most:
            raise MalformedError(f"expected a text of at most {most} bytes, found {length}")
        return self._read(length)

    def _header(self) -> BgenHeader:
        start = 4 + self._number("<I")
        length, n_variants, n_samples, magic, _ = _HEADER.unpack(self._read(_HEADER.size))
        if length < 20 or 4 + length > start or start > self._size or magic not in _MAGICS:
            raise MalformedError("expected a header of 20 bytes or more before the first variant, found another")
        self._file.seek(length)  # the flags are its last 4 bytes, and the offset before it has 4
        flags = self._number("<I")
        compression, layout = flags & 3, flags >> 2 & 15
        if compression > ZSTD or layout not in (1, 2):
            raise MalformedError(f"expected layout 1 or 2 and known compression, found {layout} and {compression}")
        names = self._names(n_samples, start) if flags >> 31 else None
        return BgenHeader(n_variants, n_samples, compression, layout, names, start)

    def _names(self, n_samples: int, start: int) -> tuple[bytes, ...]:
        begin = self._file.tell()
        length, number = self._number("<I"), self._number("<I")
        if number != n_samples:
            raise MalformedError(f"expected the names of {n_samples} samples, found {number}")
        names = tuple(self._text("<H") for _ in range(number))
        if self._file.tell() != begin + length or begin + length > start:
            raise MalformedError(f"expected sample names of {length} bytes, found {self._file.tell() - begin}")
        return names

    def variants(self) -> Iterator[BgenVariant]:
        """The variants in order.

        Raises:
            MalformedError: where one does not fit into the file, or bytes are left after the last.
        """
        place = self.header.start
        for _ in range(self.header.n_variants):
            self._file.seek(place)
            variant = self._variant()
            place = sum(variant.block)
            yield variant
        if place != self._size:
            raise MalformedError(
                f"expected the end of the file after the last variant, found {self._size - place} bytes"
            )

    def _variant(self) -> BgenVariant:
        varid, rsid, chromosome = (self._text("<H") for _ in range(3))
        position, n_alleles = self._number("<I"), self._number("<H")
        if n_alleles < 1:
            raise MalformedError("expected one allele or more, found none")
        alleles = tuple(self._text("<I") for _ in range(n_alleles))
        length = n_bytes = self._number("<I")
        if self.header.compression != NONE:
            n_bytes, length = self._number("<I"), length - 4
        if not 0 <= length <= self._size - self._file.tell() or n_bytes > _LARGEST_RATIO * length + 1024:
            raise MalformedError(f"expected genotypes that fit into the file, found {length} bytes for {n_bytes}")
        return BgenVariant(varid, rsid, chromosome, position, alleles, (self._file.tell(), length), n_bytes)

    def genotypes(self, variant: BgenVariant) -> BgenGenotypes:
        """The genotypes of a variant that is not compressed, or by zlib.

        Raises:
            MalformedError: where the block is damaged or has another length than its content asks for.
        """
        self._file.seek(variant.block[0])
        data = self._read(variant.block[1])
        if self.header.compression == ZLIB:
            data = _inflated(data, variant.n_bytes)
        return parse_genotypes(data, self.header.n_samples, len(variant.alleles))


def _inflated(data: bytes, n_bytes: int) -> bytes:
    unpacker: Any = _decompressor()
    try:
        unpacked: bytes = unpacker.decompress(data, n_bytes + 1)
    except Exception as error:  # isal has its own kind
        raise MalformedError(f"expected zlib data, found damaged ones ({error})") from error
    if len(unpacked) != n_bytes or unpacker.unused_data or not unpacker.eof:
        raise MalformedError(f"expected {n_bytes} bytes of genotypes, found another number")
    return unpacked


def parse_genotypes(data: bytes, n_samples: int, n_alleles: int) -> BgenGenotypes:
    """A block of genotypes, unpacked.

    Raises:
        MalformedError: where it is not what its own numbers ask for.
    """
    if len(data) < 10 + n_samples:
        raise MalformedError(f"expected genotypes of {n_samples} samples, found {len(data)} bytes")
    stated, n_stated_alleles, least, most = struct.unpack_from("<IHBB", data)
    if (stated, n_stated_alleles) != (n_samples, n_alleles):
        raise MalformedError(
            f"expected genotypes of {n_samples} samples and {n_alleles} alleles, found {stated} and {n_stated_alleles}"
        )
    marks = np.frombuffer(data, dtype=np.uint8, count=n_samples, offset=8)
    phased, n_bits = data[8 + n_samples], data[9 + n_samples]
    ploidy = (marks & 0x3F).astype(np.int64)
    if phased > 1 or not 1 <= n_bits <= 32:
        raise MalformedError(f"expected 0 or 1 as phased and 1 to 32 bits, found {phased} and {n_bits}")
    if (marks & 0x40).any() or not least <= ploidy.min(initial=most) <= ploidy.max(initial=least) <= most <= 63:
        raise MalformedError(f"expected ploidies from {least} to {most}, found others")
    counts = ploidy * (n_alleles - 1) if phased else genotype_counts(ploidy, n_alleles) - 1
    n_values = int(counts.sum())
    body = np.frombuffer(data, dtype=np.uint8, offset=10 + n_samples)
    if len(body) != (n_values * n_bits + 7) // 8:
        raise MalformedError(
            f"expected {(n_values * n_bits + 7) // 8} bytes for {n_values} probabilities of {n_bits} bits, found "
            f"{len(body)}"
        )
    values = _unpacked(body, n_values, n_bits)
    genotypes = BgenGenotypes(phased == 1, ploidy, marks >> 7 == 1, n_bits, values, n_alleles)
    if n_alleles > 2 or not phased:
        _require_sums(genotypes, counts)
    return genotypes


def _unpacked(body: NDArray[np.uint8], n_values: int, n_bits: int) -> NDArray[np.integer]:
    """Numbers of `n_bits` bits, the lowest bit first, integers (n_values,)."""
    if n_bits in (8, 16, 32):
        return body.view(f"<u{n_bits // 8}")
    bits = np.unpackbits(body, bitorder="little")
    if bits[n_values * n_bits :].any():
        raise MalformedError("expected zeros behind the last probability, found others")
    return bits[: n_values * n_bits].reshape(n_values, n_bits) @ (np.int64(1) << np.arange(n_bits, dtype=np.int64))


def _require_sums(genotypes: BgenGenotypes, counts: NDArray[np.int64]) -> None:
    """Refuse probabilities whose sum is above 1."""
    if genotypes.is_phased:
        sums = genotypes.values.reshape(-1, genotypes.n_alleles - 1).sum(axis=1, dtype=np.int64)
    else:
        ends = np.cumsum(counts)
        totals = np.append(0, np.cumsum(genotypes.values, dtype=np.int64))
        sums = totals[ends] - totals[ends - counts]
    most = (1 << genotypes.n_bits) - 1
    if sums.max(initial=0) > most + genotypes.n_alleles:  # writers may round each number by itself
        raise MalformedError(f"expected probabilities with a sum of at most 1, found {sums.max() / most:.4g}")
