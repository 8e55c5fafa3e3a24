"""HAPS/LEGEND/SAMPLE: a text matrix of alleles, a table of its sites, a list of its samples.

Legend and haplotypes are read in blocks, side by side. Numpy parses each block of haplotypes as bytes.
Any token other than `0` and `1` is a missing allele (`?`, `.`, `-`, `NA`). Other numbers are refused, because alleles
coded 1 and 2 would be read wrongly.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.allele_text import parse_alleles
from rnnimp.formats.biallelic import doubled, logged, with_sequences
from rnnimp.formats.files import LONGEST_LINE, AtomicGroup, atomic_output, open_input, read_lines, text_lines
from rnnimp.formats.sample import read_sample, read_samples_of, sample_text
from rnnimp.formats.site_rules import check_alleles, check_order, require_printable
from rnnimp.numbers import real_number, whole_number
from rnnimp.sites.chromosomes import is_chromosome_name, same_chromosome, whole_chromosome
from rnnimp.sites.interval import LAST_POSITION
from rnnimp.sites.panel import Panel, PanelStream, Sites, as_strings, default_sample_names, known_chromosome
from rnnimp.sites.ploidy import ABSENT, PloidyRecorder, may_be_haploid
from rnnimp.wording import counted, shortened

BLOCK_BYTES = 1 << 24

LARGEST_LEGEND = 1 << 32
"""Bytes of a legend that is read as a whole, unpacked."""


_SPACE, _NEWLINE = b" \n"
_ID_NAMES = ("id", "rsid", "snp", "snp_id", "snpid")
_REQUIRED = ("id", "position", "a0", "a1")
_OPTIONAL = ("array_marker_flag", "a1_freq", "chromosome", "swap")
_LEGEND_BLOCK = 4096  # lines
_LONGEST_EXCERPT = 80


def open_panel(
    hap: str | Path,
    legend: str | Path,
    sample: str | Path | None = None,
    chromosome: str | None = None,
    ploidy: PloidyRecorder | None = None,
    model_chromosome: str | None = None,
    keep_monomorphic: bool = True,
    keep_absent: bool = False,
) -> PanelStream:
    """Open phased haplotypes for reading block by block.

    Sites whose alleles are no sequence, such as `<DEL>`, are left out and counted, as those of a VCF are.

    Args:
        hap: Alleles, one line per site, two columns per sample; plain or gzip.
        legend: The sites, one line each under a header.
        sample: File of sample names; without one, `Sample_1` and so on.
        chromosome: The chromosome's name, which the format itself does not hold.
        ploidy: Records which samples are haploid on chrX, chrY and MT. An allele with `-` beside it is then put into
            both columns. None takes `-` for missing.
        model_chromosome: Chromosome that decides about `ploidy`, where no file names it.
        keep_monomorphic: Whether to keep sites whose a1 is not known, `0` or `.`.
        keep_absent: Whether `-` beside the allele of a haploid sample becomes `ABSENT`, on chrX, chrY and MT. Not with
            `ploidy`.

    Raises:
        DataError: naming the file and line, where the three do not fit together or are malformed.
    """
    sites = _SitesInOrder(legend_blocks(legend, chromosome))
    known = sites.chromosome or model_chromosome
    recorder = ploidy if ploidy is not None and may_be_haploid(known) and ploidy.serves(known) else None
    rows = allele_blocks(hap, keep_absent=recorder is not None or (keep_absent and may_be_haploid(known)))
    first = next(rows, None)
    n_columns = first.shape[1] if first is not None else 0 if sample is None else 2 * len(read_sample(sample))
    if n_columns % 2:
        raise DataError(
            f"expected two columns per sample, found an odd number ({n_columns}); only alleles may stand here", hap, 1
        )
    names = default_sample_names(n_columns // 2)
    if sample is not None:
        names = read_samples_of(hap, sample, n_columns // 2)
    left_out = Counter[str]()
    blocks = with_sequences(_with_sites(first, rows, sites, names, str(hap), str(legend)), keep_monomorphic, left_out)
    blocks = logged(blocks, left_out, legend)
    return PanelStream(names, blocks if recorder is None else doubled(blocks, recorder), left_out=left_out)


class _SitesInOrder:
    """The sites of a legend, to be taken one stretch after the other.

    Attributes:
        chromosome: Name of the chromosome by the first sites; None if they do not tell.
        n_taken: Sites taken so far.
    """

    def __init__(self, blocks: Iterator[Sites]) -> None:
        self._blocks = blocks
        self._rest = next(blocks)
        self.chromosome = known_chromosome(self._rest)
        self.n_taken = 0

    def take(self, number: int) -> Sites:
        """The next sites; fewer where the legend ends."""
        parts = [self._rest]
        while sum(map(len, parts)) < number and (block := next(self._blocks, None)) is not None:
            parts.append(block)
        joined = parts[0] if len(parts) == 1 else Sites.concatenate(parts)
        self._rest = joined[number:]
        self.n_taken += min(number, len(joined))
        return joined[:number]

    def n_left(self) -> int:
        """Sites that nobody has taken; none can be taken then."""
        return len(self._rest) + sum(map(len, self._blocks))


def _with_sites(
    first: NDArray[np.int8] | None,
    rest: Iterator[NDArray[np.int8]],
    sites: _SitesInOrder,
    names: tuple[str, ...],
    hap: str,
    legend: str,
) -> Iterator[Panel]:
    block = first
    while block is not None:
        taken = sites.take(len(block))
        if len(taken) < len(block):
            raise DataError(
                f"expected {counted(sites.n_taken, 'line')} as sites in {legend}, found more; the two belong to "
                "different data",
                hap,
                sites.n_taken + 1,
            )
        yield Panel(taken, block, names)
        block = next(rest, None)
    start, n_left = sites.n_taken, sites.n_left()
    if n_left:
        raise DataError(
            f"expected {counted(start + n_left, 'line')} as sites in {legend}, found {start}; the file may be "
            "truncated",
            hap,
            start or None,
        )


def allele_blocks(
    hap: str | Path, block_bytes: int = BLOCK_BYTES, keep_absent: bool = False
) -> Iterator[NDArray[np.int8]]:
    """The alleles of a `.hap` file in consecutive blocks of rows.

    Yields:
        int8 (n_rows, n_columns); 0, 1, or -1 for missing.

    Raises:
        DataError: where a row has another number of alleles than the first.
    """
    n_columns: int | None = None
    line = 1
    with open_input(hap) as file:
        for text in _whole_lines(file, block_bytes, hap):
            if n_columns is None:
                n_columns = len(text[: text.index(b"\n")].split())
            block = parse_alleles(text, n_columns, hap, line, keep_absent)
            line += len(block)
            yield block


def _whole_lines(file: IO[bytes], block_bytes: int, path: str | Path) -> Iterator[bytes]:
    """Pieces of a file that end at line ends; a last line without one gets it."""
    rest = b""
    while piece := file.read(block_bytes):
        end = piece.rfind(b"\n") + 1
        if end:
            yield rest + piece[:end]
            rest = piece[end:]
        else:
            rest += piece
            if len(rest) > LONGEST_LINE:
                raise DataError(f"expected lines of at most {LONGEST_LINE / 1e6:.0f} MB, found a longer one", path)
    if rest:
        yield rest + b"\n"


def read_legend(path: str | Path, chromosome: str | None = None, most_bytes: int = LARGEST_LEGEND) -> Sites:
    """Read the sites of a legend; its columns may stand in any order.

    Known columns: `id position a0 a1`, and if present `array_marker_flag`, `a1_freq`, `chromosome`, `swap`.
    Alleles are upper-cased.

    Args:
        path: Path of the legend.
        chromosome: Chromosome of the legend, where it is known.
        most_bytes: Most bytes that the legend may have, unpacked.

    Raises:
        DataError: for a missing column, a malformed line, a control character, positions that go down, or a site that
            repeats.
    """
    lines = read_lines(path, most_bytes)
    legend = _Legend(lines[0] if lines else None, path, chromosome)
    sites = legend.parse(lines[1:], first_line=2)
    check_order(sites, path, first_line=2)
    return sites


def legend_blocks(path: str | Path, chromosome: str | None = None) -> Iterator[Sites]:
    """Read the sites of a legend in blocks, so that memory does not grow with it; see `read_legend`.

    Yields:
        One block at least, which may be empty.
    """
    lines = text_lines(path)
    legend = _Legend(next(lines, None), path, chromosome)
    before: list[Sites] = []  # those at the last position
    first_line = 2
    while (block := list(islice(lines, _LEGEND_BLOCK))) or first_line == 2:
        sites = legend.parse(block, first_line)
        check_order(Sites.concatenate([*before, sites]), path, first_line - sum(map(len, before)))
        yield sites
        before = [sites[sites.positions == sites.positions[-1]]] if len(sites) else []
        first_line += max(1, len(block))


class _Legend:
    """The rows of a legend under their header."""

    def __init__(self, header: str | None, path: str | Path, chromosome: str | None) -> None:
        if header is None:
            raise DataError("expected a header line 'id position a0 a1', found an empty file", path)
        require_printable([header], path)
        self._header, self._path, self._chromosome = header.split(), path, chromosome
        self._columns = _columns(self._header, path)

    def parse(self, lines: Sequence[str], first_line: int) -> Sites:
        """The sites of consecutive lines; whether they repeat or go down is not checked."""
        path = self._path
        require_printable(lines, path, first_line)
        rows = [line.split() for line in lines]
        for number, row in enumerate(rows, start=first_line):
            if len(row) != len(self._header):
                raise DataError(
                    f"expected {len(self._header)} columns as in the header, found {len(row)}", path, number
                )
        cells = list(zip(*rows, strict=True)) if rows else [()] * len(self._header)

        def converted(name: str, convert: Callable[[str], Any], dtype: Any, expected: str) -> NDArray[Any]:
            return _converted(cells[self._columns[name]], convert, dtype, path, expected, first_line)

        optional: dict[str, Any] = {
            field: converted(name, convert, dtype, f"{expected} as {name}")
            for name, (field, convert, dtype, expected) in _OPTIONAL_COLUMNS.items()
            if name in self._columns
        }
        positions = converted("position", _position, np.int64, f"a position from 1 to {LAST_POSITION}")
        a0, a1 = (as_strings(map(str.upper, cells[self._columns[name]])) for name in ("a0", "a1"))
        for alleles in (a0, a1):
            check_alleles(alleles.tolist(), path, first_line)
        if "chromosome" in self._columns:
            names = cells[self._columns["chromosome"]]
            self._chromosome = _one_chromosome(names, self._chromosome, path, first_line)
        ids = as_strings(cells[self._columns["id"]])
        return Sites(ids, positions, a0, a1, chromosome=self._chromosome, **optional)


def _one_chromosome(names: Sequence[str], expected: str | None, path: str | Path, first_line: int) -> str | None:
    """The chromosome of a legend's column, which must be one, and the one expected if that is given."""
    for line, name in enumerate(names, start=first_line):
        wanted = names[0] if expected is None else expected
        if not same_chromosome(name, wanted):
            raise DataError(f"expected chromosome {wanted}, found {name}; check the file and --chromosome", path, line)
    if names and not is_chromosome_name(names[0]):
        raise DataError(f"expected a chromosome's name, found '{names[0]}'; check the file", path, 2)
    return whole_chromosome(names[0]) if names else expected


def _columns(header: list[str], path: str | Path) -> dict[str, int]:
    columns = {name: index for index, name in enumerate(header)}
    repeated = [name for name in (*_REQUIRED, *_OPTIONAL) if header.count(name) > 1]
    if repeated:
        raise DataError(f"expected each column once, found {repeated[0]} again; remove one of them", path, 1)
    for index, name in enumerate(header):
        if name.lower() in _ID_NAMES:
            columns.setdefault("id", index)
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        found = textwrap.shorten(" ".join(header), _LONGEST_EXCERPT, placeholder=" ...")  # of a .hap, thousands
        raise DataError(
            f"expected the columns {' '.join(_REQUIRED)}, found '{found}'; add {', '.join(missing)}", path, 1
        )
    return columns


def _converted(
    values: Sequence[str],
    convert: Callable[[str], Any],
    dtype: Any,
    path: str | Path,
    expected: str,
    first_line: int,
) -> NDArray[Any]:
    try:
        return np.fromiter(map(convert, values), dtype, len(values))
    except ValueError:
        for line, value in enumerate(values, start=first_line):
            try:
                convert(value)
            except ValueError:
                raise DataError(f"expected {expected}, found '{shortened(value)}'", path, line) from None
        raise


def _position(text: str) -> int:
    return whole_number(text, 1, LAST_POSITION)


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(text)
    return text == "1"


def _frequency(text: str) -> float:
    return np.nan if text in ("NA", "nan") else real_number(text, 0, 1)


_OPTIONAL_COLUMNS: dict[str, tuple[str, Callable[[str], Any], Any, str]] = {
    "array_marker_flag": ("is_marker", _flag, bool, "0 or 1"),
    "a1_freq": ("a1_freq", _frequency, np.float64, "a number from 0 to 1, or NA,"),
    "swap": ("swapped", _flag, bool, "0 or 1"),
}
"""For each column: the field of `Sites`, how a value is read, its type, and what is expected."""


class HapsLegendWriter(AtomicGroup):
    """Writes `PREFIX.hap.gz`, `PREFIX.legend.gz` and, with names, `PREFIX.sample`, block by block.

    Use it as a context manager: the files take their names together when the block ends without an exception.

    Args:
        prefix: Path without the endings.
        sample_names: Names for the `.sample` file; None writes no such file.
        within: A group of files that take their names together; None for these alone.
    """

    def __init__(
        self, prefix: str | Path, sample_names: Sequence[str] | None = None, within: AtomicGroup | None = None
    ) -> None:
        super().__init__(within)
        self._prefix = str(prefix)
        self._sample_names = sample_names
        self._has_header = False

    def _begin(self) -> None:
        self._hap = self.open(f"{self._prefix}.hap.gz")
        self._legend = self.open(f"{self._prefix}.legend.gz")
        if self._sample_names is not None:
            self.open(f"{self._prefix}.sample").write(sample_text(self._sample_names).encode())

    def _end(self) -> None:
        if not self._has_header:
            self.write(Sites.build([], [], []), np.empty((0, 0), np.int8))

    def write(self, sites: Sites, alleles: NDArray[np.int8]) -> None:
        """Append sites and their alleles, int8 (n_sites, n_haplotypes); `ABSENT` beside those of haploid samples."""
        self._legend.write(legend_text(sites, with_header=not self._has_header).encode())
        self._has_header = True
        self._hap.write(allele_text(alleles))


def write_legend(path: str | Path, sites: Sites) -> None:
    """Write a whole legend; see `legend_text`."""
    with atomic_output(path) as file:
        file.write(legend_text(sites).encode())


def legend_text(sites: Sites, with_header: bool = True) -> str:
    """A legend with the optional columns that the sites have; unknown frequencies are `NA`."""
    columns: dict[str, Sequence[str]] = {
        "id": sites.ids.tolist(),
        "position": [str(position) for position in sites.positions.tolist()],
        "a0": sites.a0.tolist(),
        "a1": sites.a1.tolist(),
    }
    if sites.is_marker is not None:
        columns["array_marker_flag"] = ["1" if flag else "0" for flag in sites.is_marker]
    if sites.a1_freq is not None:
        columns["a1_freq"] = ["NA" if freq != freq else repr(freq) for freq in sites.a1_freq.tolist()]
    if sites.chromosome is not None:
        columns["chromosome"] = [sites.chromosome] * len(sites)
    if sites.swapped is not None:
        columns["swap"] = ["1" if flag else "0" for flag in sites.swapped]
    lines = [" ".join(columns)] if with_header else []
    lines += map(" ".join, zip(*columns.values(), strict=True))
    return "".join(f"{line}\n" for line in lines)


def allele_text(alleles: NDArray[np.int8]) -> bytes:
    """Rows of `0`, `1` and `?` between single spaces; `-` for `ABSENT`."""
    text = np.full((alleles.shape[0], max(2 * alleles.shape[1], 1)), _SPACE, dtype=np.uint8)
    text[:, : 2 * alleles.shape[1] : 2] = np.where(alleles < 0, ord("?"), alleles + ord("0"))
    if alleles.size and alleles.min() == ABSENT:
        text[:, : 2 * alleles.shape[1] : 2][alleles == ABSENT] = ord("-")
    text[:, -1] = _NEWLINE
    return text.tobytes()
