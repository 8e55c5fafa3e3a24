"""Oxford GEN: one line per site, `--- id position a0 a1`, then three genotype probabilities per sample.

Probabilities have six decimals at most, in their shortest form. A genotype whose alleles are both missing is
`0.25 0.5 0.25`, as two haplotypes of which nothing is known. On reading, `0 0 0` is missing; the leading columns
may be five (`--- id` or `SNP_id rs_id` before the position) or six (the chromosome before those), and alleles are
upper-cased.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.biallelic import block_rows
from rnnimp.formats.decimals import ROW_BYTES, decimals, packed_rows
from rnnimp.formats.files import AtomicGroup, open_input, whole_lines
from rnnimp.formats.sample import read_samples_of, sample_text
from rnnimp.formats.site_rules import check_alleles, require_printable
from rnnimp.numbers import whole_number
from rnnimp.scoring.quality import genotype_probabilities
from rnnimp.sites.interval import LAST_POSITION, require_one_chromosome
from rnnimp.sites.panel import GenotypeStream, GenotypeTable, ImputedBlock, Sites, as_strings

_DECIMALS = 6
_SUM_TOLERANCE = 0.02


class GenWriter(AtomicGroup):
    """Writes `PREFIX.gen` and `PREFIX.sample`, block by block.

    Use it as a context manager: the files take their names together when the block ends without an exception.

    Args:
        prefix: Path without the endings.
        sample_names: Names of the samples. White space, which a sample file cannot contain, becomes `_`.
        within: A group to which these files belong.

    Raises:
        DataError: for two names that are the same then.
    """

    def __init__(self, prefix: str | Path, sample_names: Sequence[str], within: AtomicGroup | None = None) -> None:
        super().__init__(within)
        self._prefix = str(prefix)
        self._sample_names = _without_spaces(sample_names)

    def _begin(self) -> None:
        self._gen = self.open(f"{self._prefix}.gen")
        self.open(f"{self._prefix}.sample").write(sample_text(self._sample_names).encode())

    def write(self, block: ImputedBlock) -> None:
        """Append sites."""
        for text in gen_text(block):
            self._gen.write(text)


def _without_spaces(names: Sequence[str]) -> list[str]:
    originals: dict[str, str] = {}
    for name in names:
        before = originals.setdefault("_".join(name.split()), name)
        if before != name:
            raise DataError(
                f"expected sample names that differ with _ for spaces, found {before!r} and {name!r}; rename one, or "
                "write VCF"
            )
    return ["_".join(name.split()) for name in names]


def gen_text(block: ImputedBlock) -> Iterator[bytes]:
    """The lines of a block, in pieces of bounded size."""
    n_rows = max(1, ROW_BYTES // (3 * (_DECIMALS + 3) * (1 + block.alt_probabilities.shape[1] // 2)))
    for start in range(0, len(block), n_rows):
        yield _rows_text(block[start : start + n_rows])


def _rows_text(block: ImputedBlock) -> bytes:
    values = decimals(_genotypes(block), _DECIMALS, 1)
    padded = np.empty((*values.shape[:-1], values.shape[-1] + 1), dtype=np.uint8)
    padded[..., 0] = ord(" ")
    padded[..., 1:] = values
    columns = (block.sites.ids, block.sites.positions, block.sites.a0, block.sites.a1)
    heads = [
        f"--- {name} {position} {a0} {a1}".encode()
        for name, position, a0, a1 in zip(*(column.tolist() for column in columns), strict=True)
    ]
    return b"".join(head + row + b"\n" for head, row in zip(heads, packed_rows(padded), strict=True))


def _genotypes(block: ImputedBlock) -> NDArray[np.float64]:
    """P(0, 1 and 2 copies of a1); a haploid sample is written as if homozygous, as Oxford's programs do on chrX."""
    genotypes = genotype_probabilities(block.alt_probabilities)
    if block.is_haploid is not None:
        alt = block.alt_probabilities[:, ::2][block.is_haploid].astype(np.float64)
        genotypes[block.is_haploid] = np.stack([1 - alt, np.zeros_like(alt), alt], axis=1)
    return genotypes


def read_gen(path: str | Path, sample: str | Path | None = None, chromosome: str | None = None) -> GenotypeTable:
    """Read a whole GEN file; see `open_gen`."""
    return open_gen(path, sample, chromosome).read()


def open_gen(path: str | Path, sample: str | Path | None = None, chromosome: str | None = None) -> GenotypeStream:
    """Open a GEN file for reading block by block.

    Args:
        path: File to read, plain or gzip.
        sample: The `.sample` file, for the names.
        chromosome: Name of the chromosome, where the file has none; a sixth leading column goes before it.

    Returns:
        Sites in file order; probabilities NaN where a genotype is missing (`0 0 0`).

    Raises:
        DataError: naming the line that is malformed, or the sample file of another length.
    """
    lines = _numbered_lines(path)
    first = next(lines, None)
    n_columns = 5 if first is None else _count_columns(first[1], path)
    n_samples = n_columns // 3 - (2 if n_columns % 3 == 0 else 1)
    names = None if sample is None else read_samples_of(path, sample, n_samples)
    all_lines = iter(()) if first is None else chain([first], lines)
    return GenotypeStream(names, n_samples, _blocks(all_lines, n_columns, names, chromosome, path))


def _numbered_lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    with open_input(path) as file:
        yield from enumerate(whole_lines(file, path), start=1)


def _blocks(
    lines: Iterator[tuple[int, bytes]],
    n_columns: int,
    names: tuple[str, ...] | None,
    chromosome: str | None,
    path: str | Path,
) -> Iterator[GenotypeTable]:
    """The genotypes of the lines; one block at least, which may be empty."""
    n_samples = n_columns // 3 - (2 if n_columns % 3 == 0 else 1)
    n_rows, first_line = block_rows(n_samples), 1
    while (block := list(islice(lines, n_rows))) or first_line == 1:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # numpy's way to report a token that is no number
            parsed = [_parse_line(text, n_columns, path, line) for line, text in block]
        stacked = np.stack([row for _, row in parsed]) if parsed else np.empty((0, 0), np.float32)
        probabilities = stacked.reshape(len(parsed), n_samples, 3)
        _check_probabilities(probabilities, path, first_line)
        probabilities[probabilities.sum(axis=2) == 0] = np.nan
        sites = _sites([head for head, _ in parsed], chromosome, path, first_line)
        chromosome = sites.chromosome
        yield GenotypeTable(sites, probabilities, probabilities[..., 1] + 2 * probabilities[..., 2], names)
        first_line += max(1, len(block))


def _count_columns(text: bytes, path: str | Path) -> int:
    n_columns = len(text.split())
    if n_columns < 5 or n_columns % 3 == 1:
        raise DataError(
            f"expected 5 or 6 columns and then 3 per sample, found {n_columns}; is it a GEN file?",
            path,
            1,
        )
    return n_columns


def _parse_line(text: bytes, n_columns: int, path: str | Path, line: int) -> tuple[list[str], NDArray[np.float32]]:
    n_head = 6 if n_columns % 3 == 0 else 5
    cells = text.split(None, n_head)
    try:
        head = [cell.decode() for cell in cells[:n_head]]
        values = np.fromstring(b" ".join(cells[n_head:]).decode(), dtype=np.float64, sep=" ")
        position = whole_number(head[-3], most=10**18) if len(head) == n_head else 1
    except (ValueError, DeprecationWarning) as error:
        raise DataError(f"expected a whole position and probabilities as numbers ({error})", path, line) from None
    if len(head) + len(values) != n_columns:
        found = len(head) + len(values)
        raise DataError(f"expected {n_columns} columns as in the first line, found {found}", path, line)
    if not 0 < position <= LAST_POSITION:
        raise DataError(f"expected a position from 1 to {LAST_POSITION}, found {position}", path, line)
    return head, values.astype(np.float32)


def _check_probabilities(probabilities: NDArray[np.float32], path: str | Path, first_line: int) -> None:
    is_wrong = ~((probabilities >= 0) & (probabilities <= 1)).all(axis=(1, 2))
    is_wrong |= (probabilities.sum(axis=2) > 1 + _SUM_TOLERANCE).any(axis=1)
    if is_wrong.any():
        line = first_line + int(np.argmax(is_wrong))
        raise DataError(
            "expected three probabilities per sample, from 0 to 1 with a sum of 1, found others", path, line
        )


def _sites(heads: list[list[str]], chromosome: str | None, path: str | Path, first_line: int) -> Sites:
    """Sites of the leading columns; the id is the one next to the position."""
    columns: list[Any] = list(zip(*heads, strict=True)) if heads else [()] * 5
    names, positions, a0, a1 = columns[-4:]
    require_printable(map(" ".join, heads), path, first_line)
    for alleles in (a0, a1):
        check_alleles(alleles, path, first_line)
    if len(columns) == 6:
        known = [("in the lines before", chromosome)] if first_line > 1 else []
        lines = enumerate(columns[0], start=first_line)
        require_one_chromosome([*known, *((f"in line {line}", name) for line, name in lines)], path)
        chromosome = columns[0][0]
    position = np.fromiter(map(int, positions), np.int64, len(positions))
    ref, alt = (as_strings(map(str.upper, column)) for column in (a0, a1))
    return Sites(as_strings(names), position, ref, alt, chromosome=chromosome)
