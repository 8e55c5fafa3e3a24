"""Records of a VCF, from its lines.

Most files have nothing but phased genotypes of one digit in the samples' columns, `0|1`. A line of these is read as
one array of 32-bit words, a word a sample. Other lines are cut at tabs and colons by numpy, and only genotypes of
unusual lengths pass one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.vcf.header_reading import FIRST_LINE, MAX_HEADER_BYTES, VcfHeader, parse_header
from rnnimp.formats.vcf.record import END, MAX_ALLELES, MAX_PLOIDY, MAX_RECORD_BYTES, MISSING, Genotypes, VcfRecord
from rnnimp.formats.vcf.sample_columns import SampleColumns

_BLOCK_BYTES = 1 << 20
_DOT, _BAR, _SLASH = b".|/"
_PHASED_ZEROS = np.frombuffer(b"0|0\t", np.uint32)[0]
_BUT_LAST_BITS = ~np.frombuffer(b"\1\0\1\0", np.uint32)[0]  # which tell 0 from 1
_POSITION = re.compile(rb"\d{1,10}")
_PRINTABLE = re.compile(rb"[!-~]+")
_GENOTYPE = re.compile(rb"[|/]?(?:\d{1,9}|\.)(?:[|/](?:\d{1,9}|\.))*")  # a separator before it as of VCF 4.4
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?i:nan)")
_LARGEST = float(np.finfo(np.float32).max)
_MAX_KNOWN = 1 << 16


def read_text_header(stream: IO[bytes], path: str | Path) -> VcfHeader:
    """Read the lines before the records.

    Raises:
        DataError: if they are not those of a VCF.
    """
    lines: list[bytes] = []
    size = 0
    while size <= MAX_HEADER_BYTES:
        line = stream.readline(MAX_HEADER_BYTES)
        size += len(line)
        lines.append(line.rstrip(b"\r\n"))
        if not line.startswith(b"##") and line.strip():
            break
        if not line:
            break
        if b"\0" in line:
            raise DataError("expected text in the header, found a NUL byte; the file is damaged", path, len(lines))
    else:
        raise DataError(f"expected a header of at most {MAX_HEADER_BYTES >> 20} MiB, found a longer one", path)
    return parse_header(lines, path)


def text_records(stream: IO[bytes], header: VcfHeader, path: str | Path, line: int | None) -> Iterator[TextRecord]:
    """The records of a stream that stands behind the header.

    Args:
        stream: Stream of unpacked bytes.
        header: Header of the file.
        path: File, for messages.
        line: The number of the first line; None where it is not known, after a jump by an index.

    Raises:
        DataError: for malformed lines.
    """
    empty = None
    for number, text in enumerate(_lines(stream, path), start=line or 0):
        place = None if line is None else number
        if not text:
            empty = number if empty is None else empty
            continue
        if empty is not None:
            raise DataError("expected a record, found an empty line before others; remove it", path, line and empty)
        yield TextRecord(text, header, path, place)


def _lines(stream: IO[bytes], path: str | Path) -> Iterator[bytes]:
    """Lines without their ends; the last one may have none."""
    rest: list[bytes] = []
    size = 0
    while piece := stream.read(_BLOCK_BYTES):
        lines = piece.split(b"\n")
        if len(lines) > 1:
            lines[0] = b"".join([*rest, lines[0]])
            rest, size = [], 0
        rest.append(lines.pop())
        size += len(rest[-1])
        if size > MAX_RECORD_BYTES:
            raise DataError(
                f"expected lines of at most {MAX_RECORD_BYTES >> 20} MiB, found a longer one; check that it is a VCF",
                path,
            )
        has_returns = b"\r" in piece or any(text.endswith(b"\r") for text in lines[:1])
        yield from (text.removesuffix(b"\r") for text in lines) if has_returns else lines
    last = b"".join(rest).removesuffix(b"\r")
    if last:
        yield last


class TextRecord(VcfRecord):
    """A line of a VCF; see `VcfRecord`."""

    def __init__(self, text: bytes, header: VcfHeader, path: str | Path, line: int | None) -> None:
        super().__init__(header, path)
        self.line = line
        columns = text.split(b"\t", 9)
        self._samples = columns.pop() if len(columns) == 10 else b""
        self._words = _phased_words(self._samples, columns[-1], len(header.sample_names))
        if b"\0" in text:
            raise self.error("expected text, found a NUL byte; the file is damaged, copy or make it again")
        if self._words is None:
            self._require_columns(text)
        chromosome, position, name, ref, alts = columns[:5]
        self._info, self._keys = columns[7], columns[8] if len(columns) > 8 else b""
        self.CHROM = self._printable(chromosome, "CHROM")
        self.POS = self._position(position)
        self.ID = None if name == b"." else self._text(name)
        self.REF = self._printable(ref, "REF")
        self.ALT = [] if alts == b"." else [self._printable(alt, "ALT") for alt in alts.split(b",")]
        if len(self.ALT) >= MAX_ALLELES - 1:
            raise self.error(f"expected fewer than {MAX_ALLELES} alternative alleles, found {len(self.ALT)}")

    def _require_columns(self, text: bytes) -> None:
        n_columns = text.count(b"\t") + 1
        if n_columns != self.header.n_columns:
            raise self.error(
                f"expected {self.header.n_columns} columns as in the header, found {n_columns}; the line is truncated "
                "or damaged, or has spaces for tabs"
            )

    def _printable(self, text: bytes, column: str) -> str:
        if not _PRINTABLE.fullmatch(text):
            raise self.error(f"expected printable characters as {column}, found {_shown(text)}; the line is damaged")
        return text.decode("ascii")

    def _position(self, text: bytes) -> int:
        if not _POSITION.fullmatch(text):
            raise self.error(f"expected a whole number as position, found {_shown(text)}; the line is damaged")
        return int(text)

    def _text(self, text: bytes) -> str:
        try:
            found = text.decode()
        except UnicodeDecodeError:
            found = ""
        if not found.isprintable() or not found or " " in found:
            raise self.error(f"expected an ID in UTF-8 without spaces, found {_shown(text)}; correct it or write '.'")
        return found

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that the samples have."""
        return tuple(self._printable(self._keys, "FORMAT").split(":")) if self._keys else ()

    def genotypes(self) -> Genotypes:
        """See `VcfRecord.genotypes`."""
        if self._words is not None:
            bits = self._words.view(np.int8)[:, ::2]
            if not self.ALT:
                self.require_alleles(bits)
            return bits, np.ones(len(bits), np.bool_)
        self.require_genotypes()
        starts, ends = self._extents("GT")
        data = np.frombuffer(self._samples + b"\t\t", np.uint8)  # so that two bytes follow each start
        calls, is_phased = self._short_genotypes(data, starts, ends)
        self.require_alleles(calls)
        return calls, is_phased

    def _short_genotypes(
        self, data: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp]
    ) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        """Genotypes of one or two digits at once, others one by one."""
        widths = ends - starts
        first, separator, second = (data[np.minimum(starts + shift, len(data) - 1)] for shift in (0, 1, 2))
        is_pair, is_one = widths == 3, widths == 1
        is_plain = _is_allele(first) & (
            is_one | (is_pair & _is_allele(second) & ((separator == _BAR) | (separator == _SLASH)))
        )
        calls = np.full((len(starts), 2 if is_pair.any() or not is_one.all() else 1), END, np.int16)
        calls[is_plain, 0] = _numbers_of(first[is_plain])
        if is_pair.any():
            chosen = is_plain & is_pair
            calls[chosen, 1] = _numbers_of(second[chosen])
        is_phased = np.where(is_pair, separator == _BAR, True)
        others = np.flatnonzero(~is_plain)
        return self._long_genotypes(calls, is_phased, others, starts, ends) if others.size else (calls, is_phased)

    def _long_genotypes(
        self,
        calls: NDArray[np.int16],
        is_phased: NDArray[np.bool_],
        others: NDArray[np.intp],
        starts: NDArray[np.intp],
        ends: NDArray[np.intp],
    ) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        known: dict[bytes, tuple[list[int], bool]] = {}
        if self.fields[0] != "GT":  # behind other fields it may be left out
            known[b""] = [MISSING], True
        for sample in others.tolist():
            token = self._samples[starts[sample] : ends[sample]]
            if token not in known:
                known[token] = self._genotype(token, sample)
            alleles, is_phased[sample] = known[token]
            if len(alleles) > calls.shape[1]:
                wider = np.full((len(calls), len(alleles)), END, np.int16)
                wider[:, : calls.shape[1]] = calls
                calls = wider
            calls[sample, : len(alleles)] = alleles
            calls[sample, len(alleles) :] = END
        return calls, is_phased

    def _genotype(self, token: bytes, sample: int) -> tuple[list[int], bool]:
        """The alleles, and whether they are phased: by every separator, also one before the first, as of VCF 4.4."""
        alleles = re.split(rb"[|/]", token.lstrip(b"|/"))
        if not _GENOTYPE.fullmatch(token) or len(alleles) > MAX_PLOIDY:
            raise self.error(
                f"expected genotypes like 0|1, found {_shown(token)} at {self.place} in sample "
                f"{self.header.sample_names[sample]}; the line is truncated or damaged"
            )
        numbers = [MISSING if allele == b"." else min(int(allele), MAX_ALLELES - 1) for allele in alleles]
        return numbers, b"/" not in token

    def _extents(self, field: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where a field's values begin and end in the samples' columns; both 0 for those left out at the end."""
        return self._columns.extents(self.fields.index(field))

    @cached_property
    def _columns(self) -> SampleColumns:
        n_fields = len(self.fields)
        columns = SampleColumns(self._samples, n_fields)
        n_values = columns.n_values
        if n_values.size and n_values.max() > n_fields:
            sample = int(n_values.argmax())
            raise self.error(
                f"expected {n_fields} values, as FORMAT has them, found {n_values[sample]} at {self.place} in "
                f"sample {self.header.sample_names[sample]}; the line is damaged"
            )
        return columns

    def labels(self, field: str) -> list[bytes] | None:
        """See `VcfRecord.labels`."""
        if field not in self.fields:
            return None
        starts, ends = self._extents(field)
        text = self._samples
        return [text[a:b] or b"." for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]

    def numbers(self, field: str) -> NDArray[np.float32] | None:
        """See `VcfRecord.numbers`."""
        if field not in self.fields:
            return None
        starts, ends, counts = self._columns.numbers(self.fields.index(field))
        values, is_read = self._columns.short_decimals(starts, ends)
        if not is_read.all():
            self._read_others(field, values, np.flatnonzero(~is_read), starts, ends, counts)
        numbers = values.astype(np.float32)
        n_most = int(counts.max(initial=1))
        if len(numbers) == len(counts) * n_most:
            return numbers.reshape(-1, n_most)
        if n_most * len(counts) > MAX_RECORD_BYTES:
            raise self.error(f"expected as many numbers of each sample in FORMAT field {field}, found {n_most} of one")
        grid = np.full((len(counts), n_most), np.nan, np.float32)
        grid[np.arange(n_most) < counts[:, np.newaxis]] = numbers
        return grid

    def _read_others(
        self,
        field: str,
        values: NDArray[np.float64],
        others: NDArray[np.intp],
        starts: NDArray[np.intp],
        ends: NDArray[np.intp],
        counts: NDArray[np.intp],
    ) -> None:
        """Put the numbers that are missing, or no short decimals, into `values`."""
        is_alone = np.repeat(counts == 1, counts)
        for place in others.tolist():
            token = self._samples[starts[place] : ends[place]]
            try:
                values[place] = np.nan if not token and is_alone[place] else _KNOWN_NUMBERS[token]
            except ValueError:
                raise self.error(
                    f"expected numbers in FORMAT field {field} at {self.place}, found {_shown(token)}"
                ) from None

    def has_info(self, name: str) -> bool:
        """See `VcfRecord.has_info`."""
        return name in self._info_texts()

    def info_numbers(self, name: str) -> tuple[float, ...]:
        """See `VcfRecord.info_numbers`."""
        text = self._info_texts().get(name)
        if text is None:
            return ()
        try:
            return tuple(_KNOWN_NUMBERS[token] for token in text.split(b","))
        except ValueError:
            raise self.error(f"expected numbers as {name} in INFO at {self.place}, found {_shown(text)}") from None

    def _info_texts(self) -> dict[str, bytes]:
        fields = (field.partition(b"=") for field in self._info.split(b";"))
        return {name.decode(errors="replace"): value for name, _, value in fields}


def _phased_words(samples: bytes, keys: bytes, n_samples: int) -> NDArray[np.uint32] | None:
    """The samples' columns as words whose first and third byte are 0 or 1, (n_samples, 1); None where others stand.

    This is the case of nearly all phased files, so that it must be fast; it leaves nothing unchecked.
    """
    if keys != b"GT" or len(samples) != 4 * n_samples - 1:
        return None
    words: NDArray[np.uint32] = np.frombuffer(samples + b"\t", np.uint32) ^ _PHASED_ZEROS
    if np.bitwise_or.reduce(words) & _BUT_LAST_BITS:
        return None
    return words[:, np.newaxis]


def _is_allele(characters: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each is a digit or a dot."""
    found: NDArray[np.bool_] = (characters >= ord("0")) & (characters <= ord("9"))
    found |= characters == _DOT
    return found


def _numbers_of(characters: NDArray[np.uint8]) -> NDArray[np.int16]:
    return np.where(characters == _DOT, MISSING, characters.astype(np.int16) - ord("0"))


def _is_no_number(token: bytes) -> bool:
    return token != b"." and (not _NUMBER.fullmatch(token) or abs(float(token)) > _LARGEST)


class _KnownNumbers(dict[bytes, float]):
    """Numbers by their text: imputed files have few of them, and a look-up is faster than reading the digits."""

    def __missing__(self, token: bytes) -> float:
        if _is_no_number(token):
            raise ValueError(token)
        if len(self) > _MAX_KNOWN:
            self.clear()
        value = float("nan") if token == b"." else float(token)
        self[token] = value
        return value


_KNOWN_NUMBERS = _KnownNumbers()


def _shown(text: bytes) -> str:
    """A value for a message, short and without what a terminal obeys."""
    short = text[:30] + b"..." if len(text) > 30 else text
    return ascii(short.decode("utf-8", "replace"))


def is_text(start: bytes) -> bool:
    """Whether a file that begins so is a VCF."""
    return start.startswith(FIRST_LINE)
