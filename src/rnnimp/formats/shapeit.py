"""SHAPEIT's `.haps`: one line per site, `chromosome id position a0 a1`, then two alleles per sample.

IMPUTE2 and bcftools write the same with `---`, or `chromosome:position_a0_a1`, in the first column. The alleles are
tokens as in a `.hap` file: anything but `0` and `1` is missing, so is an unphased `0*`. An allele with `-` beside it is
that of a haploid sample on chrX, chrY and MT, as bcftools writes males.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from rnnimp.errors import DataError
from rnnimp.formats.allele_text import parse_alleles
from rnnimp.formats.biallelic import doubled, logged, with_sequences
from rnnimp.formats.decoding import BYTE_ORDER_MARK
from rnnimp.formats.files import open_input, whole_lines
from rnnimp.formats.sample import read_samples_of
from rnnimp.formats.site_rules import check_alleles, check_order, has_sequence, require_printable
from rnnimp.numbers import whole_number
from rnnimp.sites.chromosomes import same_chromosome, whole_chromosome
from rnnimp.sites.interval import LAST_POSITION
from rnnimp.sites.panel import Panel, PanelStream, Sites, as_strings, default_sample_names
from rnnimp.sites.ploidy import PloidyRecorder, may_be_haploid
from rnnimp.wording import shortened

_N_HEAD = 5
_BLOCK_LINES = 4096
_BLOCK_BYTES = 1 << 24
_CHROMOSOME = re.compile(r"(chr)?(\d{1,2}|X|Y|XY|MT?|PAR[12])", re.IGNORECASE)


def read_haps(
    path: str | Path,
    sample: str | Path | None = None,
    chromosome: str | None = None,
    ploidy: PloidyRecorder | None = None,
    model_chromosome: str | None = None,
) -> Panel:
    """Read phased haplotypes with their sites.

    Args:
        path: File to read, plain or gzip, sorted by position.
        sample: File of sample names; without one, `Sample_1` and so on.
        chromosome: Name of the chromosome, where the file's first column has none.
        ploidy: Records which samples are haploid on chrX, chrY and MT. An allele with `-` beside it is then put into
            both columns. None takes `-` for missing.
        model_chromosome: Chromosome that decides about `ploidy`, where no file names it.

    Raises:
        DataError: naming the line that is malformed, out of order or repeated, or another chromosome.
    """
    heads: list[list[str]] = []
    with open_input(path) as file:
        rest = whole_lines(file, path)
        first = next(rest, b"").removeprefix(BYTE_ORDER_MARK)
        n_columns = _count_alleles(first.split(None, _N_HEAD), path) if first else 0
        names = default_sample_names(n_columns // 2)
        if sample is not None:
            names = read_samples_of(path, sample, n_columns // 2)
        recorder = ploidy if may_be_haploid(chromosome or chromosome_of(first) or model_chromosome) else None
        lines = chain([first] if first else [], rest)
        left_out = Counter[str]()
        blocks = _blocks(lines, heads, names, path, keep_absent=recorder is not None)
        blocks = logged(with_sequences(blocks, keep_monomorphic=True, left_out=left_out), left_out, path)
        panel = PanelStream(names, blocks if recorder is None else doubled(blocks, recorder)).read()
    sites = _sites(heads, chromosome, path)
    return replace(panel, sites=sites[has_sequence(sites, keep_monomorphic=True)])


def _blocks(
    lines: Iterator[bytes],
    heads: list[list[str]],
    names: tuple[str, ...],
    path: str | Path,
    keep_absent: bool,
) -> Iterator[Panel]:
    """The file in stretches of lines; the first columns of each line are added to `heads`."""
    n_lines = max(1, min(_BLOCK_LINES, _BLOCK_BYTES // max(1, 4 * len(names))))
    while block := list(islice(lines, n_lines)):
        start = len(heads)
        cells = [line.split(None, _N_HEAD) for line in block]
        heads += [_head(row, path, line) for line, row in enumerate(cells, start=start + 1)]
        texts = [row[_N_HEAD].rstrip(b"\r\n") + b"\n" if len(row) > _N_HEAD else b"\n" for row in cells]
        alleles = parse_alleles(b"".join(texts), 2 * len(names), path, start + 1, keep_absent)
        positions, ids = [int(head[2]) for head in heads[start:]], [""] * len(block)
        a0, a1 = ([head[column].upper() for head in heads[start:]] for column in (3, 4))
        sites = Sites.build(positions, a0, a1, ids)
        yield Panel(sites, alleles, names)


def chromosome_of(line: bytes) -> str | None:
    """The chromosome in the first column of a line, if there is one."""
    cells = line.split(None, 1)
    name = cells[0].partition(b":")[0].decode(errors="replace") if cells else ""
    return name if _CHROMOSOME.fullmatch(name) else None


def _count_alleles(cells: list[bytes], path: str | Path) -> int:
    n_columns = len(cells[_N_HEAD].split()) if len(cells) > _N_HEAD else 0
    if not n_columns or n_columns % 2:
        n_found = len(cells[:_N_HEAD]) + n_columns
        raise DataError(
            f"expected 'chromosome id position a0 a1' and two columns per sample, found {n_found} columns; is it a "
            ".haps file? A .hap file goes with --hap and --legend",
            path,
            1,
        )
    return n_columns


def _head(cells: list[bytes], path: str | Path, line: int) -> list[str]:
    try:
        head = [cell.decode() for cell in cells[:_N_HEAD]]
        whole_number(head[2], 1, LAST_POSITION)
    except (ValueError, IndexError):
        found = shortened(b" ".join(cells[:_N_HEAD]).decode(errors="replace"))
        raise DataError(
            f"expected 'chromosome id position a0 a1' and alleles, positions from 1 to {LAST_POSITION}, found "
            f"'{found}'",
            path,
            line,
        ) from None
    return head


def _sites(heads: list[list[str]], chromosome: str | None, path: str | Path) -> Sites:
    chromosomes, names, positions, a0, a1 = zip(*heads, strict=True) if heads else [()] * _N_HEAD
    require_printable(map(" ".join, heads), path)
    for alleles in (a0, a1):
        check_alleles(alleles, path, first_line=1)
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
    return whole_chromosome(found) if found is not None else expected
