"""Array markers from a list: a table, a VCF or BCF, or PLINK's `.bim`.

The name's ending decides: `.vcf`, `.vcf.gz`, `.bcf` and `.bim` are files of these formats. Any other file is a table
with white space between its columns. They are `chrom pos [ref alt]`, in this order or named in a header line. A marker
whose alleles are not given, or not both (`0`, `.`), is known by its position alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rnnimp.errors import DataError
from rnnimp.formats.files import open_input, whole_lines
from rnnimp.formats.site_rules import check_alleles
from rnnimp.formats.vcf.reading import read_sites
from rnnimp.numbers import whole_number
from rnnimp.sites.array_markers import AllelePair, ArrayMarkers
from rnnimp.sites.chromosomes import plain_chromosome
from rnnimp.wording import shortened

_VCF_ENDINGS = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")
_COLUMN_NAMES = {
    "chrom": ("chrom", "chr", "chromosome"),
    "pos": ("pos", "position", "bp"),
    "ref": ("ref", "a0", "allele1"),
    "alt": ("alt", "a1", "allele2"),
}
_UNKNOWN = ("0", ".", "-", "NA")

Row = tuple[str, str, str | None, str | None]
"""Chromosome, position and two alleles, as they stand in the file."""


def read_markers(path: str | Path, chromosome: str) -> ArrayMarkers:
    """Read an array's markers on one chromosome.

    Args:
        path: The list.
        chromosome: `chr22` and `22` are the same, and so are `X` and PLINK's `23`.

    Raises:
        DataError: naming the line, for a malformed list; or if no marker lies on the chromosome.
    """
    name = str(path).lower()
    if name.endswith(_VCF_ENDINGS):
        sites = read_sites(path, chromosome)
        pairs = ((position, _pair(ref, alt)) for position, ref, alt in sites.keys())
        return ArrayMarkers.build(pairs, has_reference=True)
    is_bim = name.endswith((".bim", ".bim.gz"))
    rows = _bim_rows(path) if is_bim else _table_rows(path)
    wanted, others = plain_chromosome(chromosome), dict[str, None]()
    markers: list[tuple[int, AllelePair | None]] = []
    for line, (found, position, first, second) in rows:
        if plain_chromosome(found) != wanted:
            others[found] = None
        elif (base_pairs := _base_pairs(position, is_bim, path, line)) > 0:
            check_alleles([allele for allele in (first, second) if allele is not None], path, line, is_one_line=True)
            markers.append((base_pairs, _pair(first, second)))
    if not markers:
        listed = ", ".join(list(others)[:30]) or "no marker at all"
        raise DataError(f"expected markers on chromosome {chromosome}, found {listed}; is it the right list?", path)
    return ArrayMarkers.build(markers)


def _pair(first: str | None, second: str | None) -> AllelePair | None:
    if first is None or second is None or first in _UNKNOWN or second in _UNKNOWN:
        return None
    return first.upper(), second.upper()


def _base_pairs(text: str, may_be_negative: bool, path: str | Path, line: int) -> int:
    """A position; 0, or a negative one of PLINK, where the marker has no place or is left out."""
    try:
        return whole_number(text.removeprefix("-") if may_be_negative else text) * (-1 if text[:1] == "-" else 1)
    except ValueError:
        raise DataError(f"expected a position in base pairs, found '{shortened(text)}'", path, line) from None


def _lines(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Numbered lines in words, without empty ones and `##` comments."""
    with open_input(path) as file:
        for line, raw in enumerate(whole_lines(file, path), start=1):
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                raise DataError(
                    "expected text, found binary data; check that it is the right file", path, line
                ) from None
            if text.strip() and not text.startswith("##"):
                yield line, text.split()


def _bim_rows(path: str | Path) -> Iterator[tuple[int, Row]]:
    for line, words in _lines(path):
        if len(words) != 6:
            raise DataError(f"expected the 6 columns of a .bim file, found {len(words)}", path, line)
        yield line, (words[0], words[3], words[5], words[4])  # plink2 has REF in the last column


def _table_rows(path: str | Path) -> Iterator[tuple[int, Row]]:
    columns: dict[str, int] | None = None
    n_columns = 0
    for line, words in _lines(path):
        if columns is None:
            n_columns = len(words)
            columns = _columns(words, path, line)
            if not _is_data(words):
                continue
        if len(words) != n_columns:
            raise DataError(f"expected {n_columns} columns as in the first line, found {len(words)}", path, line)
        ref, alt = (words[columns[name]] if name in columns else None for name in ("ref", "alt"))
        yield line, (words[columns["chrom"]], words[columns["pos"]], ref, alt)


def _is_data(words: list[str]) -> bool:
    return len(words) > 1 and words[1].lstrip("+-").isdecimal()


def _columns(words: list[str], path: str | Path, line: int) -> dict[str, int]:
    if _is_data(words):
        if len(words) not in (2, 4):
            raise DataError(
                f"expected the columns chrom pos [ref alt], found {len(words)}; name them in a header", path, line
            )
        return {name: index for index, name in enumerate(("chrom", "pos", "ref", "alt")[: len(words)])}
    header = [word.lstrip("#").lower() for word in words]
    known = {other: name for name, others in _COLUMN_NAMES.items() for other in others}
    columns = {known[word]: index for index, word in enumerate(header) if word in known}
    if sum(word in known for word in header) > len(columns):
        raise DataError(
            f"expected each of the columns chrom, pos, ref and alt once, found '{shortened(' '.join(words))}'",
            path,
            line,
        )
    if "chrom" not in columns or "pos" not in columns:
        raise DataError(
            f"expected a header with the columns chrom and pos, found '{shortened(' '.join(words))}'", path, line
        )
    return columns
