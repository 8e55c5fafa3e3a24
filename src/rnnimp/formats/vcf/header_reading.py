"""The header of a VCF or BCF that is read: its samples, its chromosomes, and the numbers that a BCF has for names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rnnimp.errors import DataError
from rnnimp.formats.names import sample_names
from rnnimp.sites.chromosomes import same_chromosome

MAX_HEADER_BYTES = 1 << 27
"""The longest header that is read: contigs and commands take kilobytes, a million sample names 10 MB."""

FIRST_LINE = b"##fileformat=VCF"

_COLUMNS = [b"#CHROM", b"POS", b"ID", b"REF", b"ALT", b"QUAL", b"FILTER", b"INFO"]
_STRUCTURED = re.compile(r"##(FILTER|INFO|FORMAT|contig)=<(.*)>\s*$")
_ID, _INDEX = re.compile(r"(?:^|,)ID=([^,]+)"), re.compile(r"(?:^|,)IDX=(\d{1,9})(?:,|$)")
_LENGTH = re.compile(r"(?:^|,)length=([^,]+)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, eq=False)
class VcfHeader:
    """The lines before the records.

    Attributes:
        lines: All lines but that of the column names.
        sample_names: Names of the samples, in order.
        n_columns: Number of columns of each record in a VCF.
    """

    lines: tuple[str, ...]
    sample_names: tuple[str, ...]
    n_columns: int

    @cached_property
    def _entries(self) -> list[tuple[str, str, str]]:
        """Kind, name and the text between the angle brackets, without what stands in quotes, of each known line."""
        found = []
        for line in self.lines:
            match = _STRUCTURED.match(line)
            if match:
                text = _QUOTED.sub("", match[2])
                name = _ID.search(text)
                if name:
                    found.append((match[1], name[1], text))
        return found

    @cached_property
    def _declared(self) -> frozenset[tuple[str, str]]:
        """Kind and name of each known line: asked for at every record, and contigs may be many thousands."""
        return frozenset((kind, name) for kind, name, _ in self._entries)

    def declares(self, section: str, name: str) -> bool:
        """Whether there is a line for, say, `INFO` `IMP`."""
        return (section, name) in self._declared

    def contig_length(self, chromosome: str) -> int | None:
        """The length of a chromosome in base pairs; None where the header does not tell."""
        for kind, name, text in self._entries:
            length = _LENGTH.search(text)
            if kind == "contig" and length and same_chromosome(name, chromosome) and length[1].isdigit():
                return int(length[1])
        return None

    @cached_property
    def contigs(self) -> dict[int, str]:
        """The chromosomes by the numbers that a BCF has for them."""
        return _numbered([(name, text) for kind, name, text in self._entries if kind == "contig"], {})

    @cached_property
    def strings(self) -> dict[int, str]:
        """The names of filters and fields by the numbers that a BCF has for them; 0 is `PASS`."""
        return _numbered([(name, text) for kind, name, text in self._entries if kind != "contig"], {"PASS": 0})


def _numbered(entries: list[tuple[str, str]], known: dict[str, int]) -> dict[int, str]:
    """Number names in order of their first line, unless a line says it (VCF specification, section 6.2.1)."""
    numbers = dict(known)
    following = len(numbers)
    for name, text in entries:
        if name not in numbers:
            index = _INDEX.search(text)
            numbers[name] = int(index[1]) if index else following
            following = max(following, numbers[name] + 1)
    return {number: name for name, number in numbers.items()}


def parse_header(lines: list[bytes], path: str | Path) -> VcfHeader:
    """Make a header of its lines, the last of which names the columns.

    Raises:
        DataError: if that line is absent or another, or sample names are empty, repeated, or no text.
    """
    last = lines[-1] if lines else b""
    columns = last.split(b"\t")
    if columns[:8] != _COLUMNS or columns[8:9] not in ([], [b"FORMAT"]):
        found = last[:60].decode(errors="replace")
        raise DataError(
            f"expected the line of column names, '#CHROM POS ID REF ALT QUAL FILTER INFO', under the header, between "
            f"tabs, found {found!a}; check that the header is whole",
            path,
            len(lines),
        )
    names = sample_names(columns[9:], path, len(lines))
    # other bytes than UTF-8 in descriptions do no harm
    return VcfHeader(tuple(line.decode(errors="replace") for line in lines[:-1]), names, len(columns))
