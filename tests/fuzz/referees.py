"""Small parsers that know nothing of rnnimp: what a file says, or that it is no such file.

Each is as strict as its format and shares no code with the reader that it judges. Haplotypes come as rows
`(position, a0, a1, alleles)`, alleles 0, 1 or -1 for missing, two for each sample.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from typing import NamedTuple

Row = tuple[int, str, str, list[int]]
LAST_POSITION = 2**31 - 1


class MalformedError(Exception):
    """The file is not what its format demands."""


class Haplotypes(NamedTuple):
    """The content of a file of phased haplotypes."""

    rows: list[Row]
    names: list[str]


def require(condition: object, what: str) -> None:
    """Raise `MalformedError` unless the condition holds."""
    if not condition:
        raise MalformedError(what)


def unpacked(data: bytes) -> bytes:
    """The content under a gzip layer, if there is one."""
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise MalformedError(f"gzip: {error}") from error


def text_of(data: bytes, is_utf8: bool = True) -> str:
    """The text of a file, packed or not; where a format says nothing of UTF-8, other bytes pass."""
    try:
        return unpacked(data).decode("utf-8-sig", "strict" if is_utf8 else "surrogateescape")
    except UnicodeDecodeError as error:
        raise MalformedError("no text") from error


def whole(text: str, least: int = 0, most: int = LAST_POSITION) -> int:
    """A whole number written in plain digits."""
    require(re.fullmatch(r"[+-]?[0-9]+", text), f"no whole number: {text[:30]!r}")
    value = int(text[:40])
    require(least <= value <= most, f"out of range: {value}")
    return value


def is_sequence(allele: str) -> bool:
    """Whether an allele is of bases, no `<DEL>`, `*` or other mark."""
    return re.fullmatch("[A-Za-z]+", allele) is not None


def number(text: str) -> float:
    """A finite number as text."""
    require(re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text), f"no number: {text[:30]!r}")
    value = float(text)
    require(abs(value) < float("inf"), f"no finite number: {text[:30]}")
    return value


def plain_chromosome(name: str) -> str:
    """The name without `chr`."""
    return (name[3:] if name.lower().startswith("chr") else name).upper()


def words(line: str) -> list[str]:
    """The words of a line; a no-break space belongs to a word."""
    return re.findall(r"[^ \t\r\n\x0b\x0c]+", line)


def lines_of(text: str) -> list[str]:
    """Lines that end in a line feed, a carriage return before it or not."""
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def table_lines(data: bytes) -> list[str]:
    """Lines of a small table, which may end in a carriage return alone."""
    return lines_of(text_of(data).replace("\r\n", "\n").replace("\r", "\n"))


def vcf(data: bytes, chromosome: str) -> Haplotypes:
    """The phased haplotypes of one chromosome in a VCF."""
    lines = lines_of(text_of(data, is_utf8=False))
    require(lines and lines[0].startswith("##fileformat=VCF"), "no VCF")
    start = next((row for row, line in enumerate(lines) if line.strip() and not line.startswith("##")), len(lines))
    require(start < len(lines), "no header line")
    header = lines[start].split("\t")
    require(header[:8] == ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"], "other header")
    names = header[9:]
    require(header[8:9] == ["FORMAT"] and names and len(set(names)) == len(names), "no samples, or some twice")
    rows: list[Row] = []
    for line in lines[start + 1 :]:
        if not line or line.startswith("#"):  # no record, so nothing is lost
            continue
        cells = line.split("\t")
        require(len(cells) == len(header), f"{len(cells)} columns for {len(header)}: {line[:60]!r}")
        require(cells[0], "no chromosome")
        if plain_chromosome(cells[0]) == plain_chromosome(chromosome):
            rows += _vcf_rows(cells)
    return Haplotypes(rows, names)


def _vcf_rows(cells: list[str]) -> list[Row]:
    position, ref = whole(cells[1], 1), cells[3].upper()
    alts = [] if cells[4] == "." else cells[4].split(",")
    require(cells[8].split(":")[0] == "GT", "no GT")
    rows: list[Row] = []
    if not is_sequence(ref) or (alts and not any(map(is_sequence, alts))):  # no site, whose genotypes do not matter
        return rows
    calls = [call for cell in cells[9:] for call in _calls(cell.split(":")[0], len(alts))]
    for index, alt in enumerate(alts or ["."], start=1):
        if is_sequence(alt) or not alts:
            rows.append((position, ref, alt.upper(), [-1 if call < 0 else int(call == index) for call in calls]))
    return rows


def _calls(genotype: str, n_alts: int) -> list[int]:
    match = re.fullmatch(r"[|/]?(\.|[0-9]+)(?:([|/])(\.|[0-9]+))?", genotype)
    require(match, f"genotype {genotype[:20]!r}")
    assert match is not None
    first, separator, second = match.groups()
    calls = [-1 if text == "." else int(text[:9]) for text in (first, first if second is None else second)]
    require(max(calls) <= n_alts, f"allele of genotype {genotype[:20]} does not exist")
    require(separator != "/" or calls[0] == calls[1], f"unphased {genotype[:20]}")
    return calls


def legend(data: bytes) -> list[tuple[int, str, str]]:
    """Position and alleles of each site of a legend."""
    header, *rows = [line.split() for line in table_lines(data)] or [[]]
    names = ["id" if name.lower() in ("id", "rsid", "snp", "snp_id", "snpid") else name for name in header]
    require(all(names.count(name) == 1 for name in ("id", "position", "a0", "a1")), f"header {header[:9]}")
    require(all(len(row) == len(header) for row in rows), "a ragged table")
    at = [names.index(name) for name in ("position", "a0", "a1")]
    return [(whole(row[at[0]]), row[at[1]].upper(), row[at[2]].upper()) for row in rows]


def _alleles(cells: list[str]) -> list[int]:
    require(not any(re.fullmatch("[0-9]+", cell) and cell not in "01" for cell in cells), "an allele that is no 0 or 1")
    return [int(cell) if cell in ("0", "1") else -1 for cell in cells]


def hap(data: bytes, sites: list[tuple[int, str, str]], names: list[str]) -> Haplotypes:
    """HAPS with the sites of its legend and the names of its sample file."""
    lines = [_alleles(words(line)) for line in lines_of(text_of(data, is_utf8=False))]
    require(len(lines) == len(sites), f"{len(lines)} lines for {len(sites)} sites")
    require(all(len(line) == 2 * len(names) for line in lines), "a ragged table")
    return Haplotypes([(*site, line) for site, line in zip(sites, lines, strict=True) if _is_kept(site)], names)


def _is_kept(site: tuple[int, str, str]) -> bool:
    """Sites with sequences as alleles, the second perhaps unknown."""
    return is_sequence(site[1]) and (is_sequence(site[2]) or site[2] in (".", "0"))


def shapeit(data: bytes) -> Haplotypes:
    """SHAPEIT's haplotypes, whose samples have no names."""
    rows: list[Row] = []
    names: list[str] = []
    for line in lines_of(text_of(data, is_utf8=False)):
        cells = words(line)
        names = names or [f"Sample_{number}" for number in range(1, len(cells) // 2 - 1)]
        require(len(cells) == 5 + 2 * len(names) > 5, f"{len(cells)} columns")
        rows.append((whole(cells[2]), cells[3].upper(), cells[4].upper(), _alleles(cells[5:])))
    return Haplotypes([row for row in rows if _is_kept(row[:3])], names)


def sample(data: bytes) -> list[str]:
    """Names of a sample file of either kind."""
    rows = [line.split() for line in table_lines(data)]
    while rows and not rows[-1]:
        rows.pop()
    is_oxford = len(rows) > 1 and rows[1][:3] == ["0", "0", "0"]
    names = [row[1 if is_oxford else 0] if len(row) > is_oxford else "" for row in rows[2 if is_oxford else 1 :]]
    require(all(names) and len(set(names)) == len(names), "a name that is empty or comes twice")
    return names


def psam(data: bytes) -> list[str]:
    """Names of a .psam file."""
    rows = [line.split() for line in table_lines(data) if not line.startswith("##")]
    columns = [name.lstrip("#") for name in rows.pop(0)] if rows and rows[0][:1] in (["#FID"], ["#IID"]) else None
    require(columns is None or "IID" in columns, "no IID")
    at = 1 if columns is None else columns.index("IID")
    require(all(len(row) > at for row in rows), "a short line")
    names = [row[at] for row in rows]
    require(len(set(names)) == len(names), "a name twice")
    return names


def gen(data: bytes) -> list[tuple[int, str, str, list[float]]]:
    """Position, alleles and genotype probabilities of a GEN with five leading columns, or six."""
    rows = []
    width = 0
    for line in lines_of(text_of(data)):
        cells = words(line)
        width = width or len(cells)
        require(len(cells) == width and width >= 5 and width % 3 != 1, "a ragged table")
        n_head = 6 if width % 3 == 0 else 5
        values = [number(cell) for cell in cells[n_head:]]
        for start in range(0, len(values), 3):
            genotype = values[start : start + 3]
            require(min(genotype) >= 0 and max(genotype) <= 1.01 and sum(genotype) <= 1.03, f"genotype {genotype}")
        rows.append((whole(cells[n_head - 3], 1), cells[n_head - 2].upper(), cells[n_head - 1].upper(), values))
    return rows


def genetic_map(data: bytes) -> list[tuple[int, float]]:
    """Positions and centimorgans of a map with the header `pos chr cM`."""
    lines = [line.split() for line in table_lines(data) if line.strip()]
    require(lines, "nothing")
    header = [name.lower() for name in lines[0]]
    require("pos" in header and "cm" in header, "other header")
    points = []
    for row in lines[1:]:
        require(len(row) == len(header), "a ragged table")
        points.append((whole(row[header.index("pos")]), number(row[header.index("cm")])))
    return points


def partition(data: bytes, chromosome: str) -> list[int]:
    """Stops of a chromosome's blocks in a BED file."""
    stops = []
    for line in table_lines(data):
        cells = line.split()
        if cells and cells[1:2] != ["start"] and not cells[0].startswith(("#", "track", "browser")):
            require(len(cells) >= 3, "a short line")
            first, last = whole(cells[1]), whole(cells[2])
            require(first < last, f"block from {first} to {last}")
            if plain_chromosome(cells[0]) == chromosome:
                stops.append(last)
    return stops


def groups(data: bytes) -> dict[str, str]:
    """The group of each sample."""
    found: dict[str, str] = {}
    for line in table_lines(data):
        if line.strip() and not line.startswith("#"):
            cells = [cell.strip() for cell in line.split("\t")]
            require(len(cells) == 2 and all(cells), f"{len(cells)} columns")
            require(found.get(cells[0], cells[1]) == cells[1], f"two groups of {cells[0]}")
            found[cells[0]] = cells[1]
    require(found, "no sample")
    return found


def frequencies(data: bytes, column: str, chromosome: str) -> list[tuple[int, str, str, float | None]]:
    """Position, alleles and frequency of each site of a table with plink2's columns."""
    header, *rows = [line.split() for line in table_lines(data) if not line.startswith("##")] or [[]]
    require(all(len(row) == len(header) for row in rows), "a ragged table")
    places = [
        next((header.index(name) for name in names if name in header), None)
        for names in (
            ("position", "POS", "pos", "BP"),
            ("a0", "REF", "ref"),
            ("a1", "ALT", "alt"),
            (column,),
            ("chromosome", "#CHROM", "CHROM", "chrom", "chr"),
        )
    ]
    require(None not in places[:4], f"header {header[:9]}")
    found = []
    for row in rows:
        cells = ["22" if place is None else row[place] for place in places]
        position, text = whole(cells[0], 1), cells[3]
        value = None if text in ("NA", "nan", ".") else float(text)
        require(value is None or 0 <= value <= 1, f"frequency {text}")
        if plain_chromosome(cells[4]) == chromosome:
            found.append((position, cells[1].upper(), cells[2].upper(), value))
    return found


class _Cursor:
    """Reads numbers and bytes one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        require(0 <= count <= len(self.data) - self.at, "the data end early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, kind: str) -> int:
        return int(struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0])

    def text(self, kind: str = "H") -> str:
        return self.take(self.number(kind)).decode("utf-8", "replace")


def bgen(data: bytes, chromosome: str) -> Haplotypes:
    """The phased haplotypes of a BGEN 1.2, packed by zlib or not at all, of biallelic sites."""
    head = _Cursor(data)
    offset, header_length, n_variants, n_samples = (head.number("I") for _ in range(4))
    require(head.take(4) in (b"bgen", bytes(4)), "no BGEN")
    require(header_length >= 20, "a short header")
    head.take(header_length - 20)
    flags = head.number("I")
    require(flags >> 2 & 15 == 2 and flags & 3 in (0, 1), f"flags {flags}")
    require(offset >= header_length, "variants inside the header")
    names = _bgen_names(head, n_samples) if flags >> 31 else []
    require(head.at <= 4 + offset, "variants inside the names")
    body = _Cursor(data)
    body.at = 4 + offset
    rows: list[Row] = []
    for _ in range(n_variants):
        _, _, contig = body.text(), body.text(), body.text()
        position, n_alleles = body.number("I"), body.number("H")
        alleles = [body.text("I") for _ in range(n_alleles)]
        block = body.take(body.number("I"))
        if flags & 1:
            content = _Cursor(block)
            length = content.number("I")
            try:
                block = zlib.decompress(block[4:])
            except zlib.error as error:
                raise MalformedError("zlib") from error
            require(len(block) == length, "another length under zlib")
        calls = _bgen_calls(_Cursor(block), n_samples, n_alleles)
        if plain_chromosome(contig.lstrip("0")) == chromosome:
            require(n_alleles == 2, f"{n_alleles} alleles")
            rows.append((position, alleles[0].upper(), alleles[1].upper(), calls))
    rows = [row for row in rows if _is_kept(row[:3])]
    require(body.at == len(data), "data behind the last variant")
    return Haplotypes(rows, names)


def _bgen_names(head: _Cursor, n_samples: int) -> list[str]:
    length, count = head.number("I"), head.number("I")
    require(count == n_samples, "another number of names")
    start = head.at
    names = [head.text() for _ in range(count)]
    require(head.at - start + 8 == length and len(set(names)) == count, "names")
    return names


def _bgen_calls(block: _Cursor, n_samples: int, n_alleles: int) -> list[int]:
    require(block.number("I") == n_samples and block.number("H") == n_alleles, "counts of the block")
    least, most = block.number("B"), block.number("B")
    ploidies = list(block.take(n_samples))
    require(all(least <= ploidy & 63 <= most for ploidy in ploidies), "ploidy out of its bounds")
    require(all(ploidy & 63 in (1, 2) and not ploidy & 64 for ploidy in ploidies), "ploidy")
    is_phased, n_bits = block.number("B"), block.number("B")
    require(is_phased in (0, 1) and 1 <= n_bits <= 32, "phase or bits")
    bits = int.from_bytes(block.data[block.at :], "little")
    n_values = sum(ploidy & 63 for ploidy in ploidies)  # of haplotypes, or one less than the genotypes
    require(len(block.data) - block.at == (n_values * n_bits + 7) // 8, "a block of another length")
    calls, full = [], (1 << n_bits) - 1
    for ploidy in ploidies:
        values = []
        for _ in range(ploidy & 63):
            values.append((bits & full) / full)
            bits >>= n_bits
        calls += [-1, -1] if ploidy & 128 else _haplotypes(values, bool(is_phased))
    return calls


def _haplotypes(values: list[float], is_phased: bool) -> list[int]:
    """Two alleles of the stored P(a0) of each haplotype, or P(0 and 1 copies) of a genotype; doubtful ones are -1."""
    if is_phased or len(values) == 1:
        calls = [0 if value >= 0.9 else 1 if 1 - value >= 0.9 else -1 for value in values]
        return calls * 2 if len(calls) == 1 else calls
    require(sum(values) <= 1 + 1e-6, "probabilities with a sum above 1")
    require(values[1] < 0.9, "an unphased heterozygote")
    return [0 if values[0] >= 0.9 else 1 if 1 - sum(values) >= 0.9 else -1] * 2
