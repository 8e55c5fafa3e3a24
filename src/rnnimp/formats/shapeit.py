"""SHAPEIT's `.haps`: a line a site, `chromosome id position a0 a1`, then two alleles a sample.

IMPUTE2 and bcftools write the same with `---`, or `chromosome:position_a0_a1`, in the first column. The alleles are
tokens as in a `.hap` file: anything but `0` and `1` is missing, so is an unphased `0*`. An allele with `-` beside it is
that of a haploid sample, as bcftools writes males on chrX.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.files import open_input
from rnnimp.formats.hapslegend import check_order, parse_alleles, read_samples_of
from rnnimp.interval import LAST_POSITION
from rnnimp.panel import Panel, Sites, as_strings, default_sample_names, same_chromosome
from rnnimp.ploidy import PloidyRecorder

_N_HEAD = 5
_BLOCK_LINES = 4096
_CHROMOSOME = re.compile(r"(chr)?(\d{1,2}|X|Y|XY|MT?|PAR[12])", re.IGNORECASE)


def read_haps(
    path: str | Path,
    sample: str | Path | None = None,
    chromosome: str | None = None,
    ploidy: PloidyRecorder | None = None,
) -> Panel:
    """Read phased haplotypes with their sites.

    Args:
        path: plain or gzip, sorted by position.
        sample: sample names; `Sample_1...` without.
        chromosome: its name, where the file's first column has none.
        ploidy: is told who is haploid where; their allele then stands in both columns. None takes `-` for missing.

    Raises:
        DataError: naming the line that is malformed, out of order or repeated, or another chromosome.
    """
    heads: list[list[str]] = []
    blocks: list[NDArray[np.int8]] = []
    rows: list[bytes] = []
    dashes: dict[int, NDArray[np.bool_]] = {}
    n_columns: int | None = None
    with open_input(path) as file:
        for line, text in enumerate(file, start=1):
            cells = text.split(None, _N_HEAD)
            if n_columns is None:
                n_columns = _count_alleles(cells, path)
            heads.append(_head(cells, path, line))
            rows.append(cells[_N_HEAD].rstrip(b"\r\n") + b"\n" if len(cells) > _N_HEAD else b"\n")
            if b"-" in rows[-1]:
                dashes[line - 1] = np.array([token == b"-" for token in rows[-1].split()])
            if len(rows) == _BLOCK_LINES:
                blocks.append(parse_alleles(b"".join(rows), n_columns, path, line + 1 - len(rows)))
                rows = []
    n_columns = n_columns or 0
    if rows:
        blocks.append(parse_alleles(b"".join(rows), n_columns, path, len(heads) + 1 - len(rows)))
    names = default_sample_names(n_columns // 2)
    if sample is not None:
        names = read_samples_of(path, sample, n_columns // 2)
    alleles = np.concatenate(blocks) if blocks else np.empty((0, n_columns), np.int8)
    sites = _sites(heads, chromosome, path)
    if ploidy is not None:
        _double_haploid(alleles, sites.positions.tolist(), dashes, ploidy)
    return Panel(sites, alleles, names)


def _double_haploid(
    alleles: NDArray[np.int8], positions: list[int], dashes: dict[int, NDArray[np.bool_]], ploidy: PloidyRecorder
) -> None:
    """Put the alleles of haploid samples into both columns, in place.

    Args:
        alleles: int8 (n_sites, n_haplotypes).
        positions: of the sites.
        dashes: which of a site's tokens are `-`, bool (n_haplotypes,), by the site's row; those without are absent.
        ploidy: is told.
    """
    nobody = np.zeros(alleles.shape[1] // 2, dtype=bool)
    for row, position in enumerate(positions):
        pairs = alleles[row].reshape(-1, 2)
        is_known = pairs[:, 0] >= 0
        is_haploid = is_known & dashes[row][1::2] if row in dashes else nobody
        ploidy.add(position, is_haploid, is_known)
        pairs[is_haploid, 1] = pairs[is_haploid, 0]


def _count_alleles(cells: list[bytes], path: str | Path) -> int:
    n_columns = len(cells[_N_HEAD].split()) if len(cells) > _N_HEAD else 0
    if not n_columns or n_columns % 2:
        n_found = len(cells[:_N_HEAD]) + n_columns
        raise DataError(
            f"expected 'chromosome id position a0 a1' and two columns a sample, found {n_found} columns; is it a .haps "
            "file? A .hap file goes with --hap and --legend",
            path,
            1,
        )
    return n_columns


def _head(cells: list[bytes], path: str | Path, line: int) -> list[str]:
    try:
        head = [cell.decode() for cell in cells[:_N_HEAD]]
        position = int(head[2])
    except (ValueError, IndexError):
        raise DataError("expected 'chromosome id position a0 a1' and alleles", path, line) from None
    if not 0 <= position <= LAST_POSITION:
        raise DataError(f"expected a whole number of base pairs as position, found {position}", path, line)
    return head


def _sites(heads: list[list[str]], chromosome: str | None, path: str | Path) -> Sites:
    chromosomes, names, positions, a0, a1 = zip(*heads, strict=True) if heads else [()] * _N_HEAD
    sites = Sites(
        as_strings(names),
        np.fromiter(map(int, positions), np.int64, len(positions)),
        as_strings(map(str.upper, a0)),
        as_strings(map(str.upper, a1)),
        chromosome=_one_chromosome(chromosomes, chromosome, path),
    )
    check_order(sites, path, first_line=1)
    return sites


def _one_chromosome(column: tuple[str, ...], expected: str | None, path: str | Path) -> str | None:
    """The chromosome that the first column names, if it names any."""
    found: str | None = None
    for line, cell in enumerate(column, start=1):
        name = cell.partition(":")[0]
        if not _CHROMOSOME.fullmatch(name):
            continue
        wanted = expected if expected is not None else found if found is not None else name
        if not same_chromosome(name, wanted):
            raise DataError(f"expected chromosome {wanted}, found {name}; give a file of one", path, line)
        found = found or name
    return found if found is not None else expected
