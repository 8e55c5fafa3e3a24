"""VCF 4.2 out: imputed and typed sites with their genotypes.

The content of a genotype column is in `calls.py`. DS, HDS, GP, AP1 and AP2 are expected doses and probabilities; for
typed genotypes they are certain, `.` where an allele is missing. AC and AN count GT, AF and MAF the expected alleles;
R2 is Minimac's, `.` where undefined. IMPUTE's INFO is not written: with independent haplotypes it is the same number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.bgzf import BgzfWriter
from rnnimp.formats.decimals import ROW_BYTES, packed_rows, put_decimals
from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.site_table import SiteTable
from rnnimp.formats.sums import sums_header, sums_text
from rnnimp.formats.vcf.csi import write_csi
from rnnimp.formats.vcf.genotypes import DOSAGE_DECIMALS, PROBABILITY_DECIMALS, Calls, block_sums, calls_of
from rnnimp.formats.vcf.header import VcfContent, flags_text, header_text
from rnnimp.scoring.site_sums import SiteSums
from rnnimp.sites.matching import UNKNOWN_ALLELES
from rnnimp.sites.panel import ImputedBlock, Sites

Cells = NDArray[np.uint8]


class VcfWriter(AtomicGroup):
    """Writes a VCF, block by block; one whose name ends in `.gz` is packed by blocks and gets its index beside it.

    Use it as a context manager: the files take their names when the block ends without an exception.

    Args:
        path: Path of the file.
        content: Content of the header.
        sums: File for the sums of each site; None writes none.
        within: A group to which these files belong.
        site_table: File for the table of the sites; None writes none.
        is_packed: Whether to pack a VCF; None for what the name says.
    """

    def __init__(
        self,
        path: str | Path,
        content: VcfContent,
        sums: str | Path | None = None,
        within: AtomicGroup | None = None,
        site_table: str | Path | None = None,
        is_packed: bool | None = None,
    ) -> None:
        super().__init__(within)
        self._path, self._sums_path, self._table_path = Path(path), sums, site_table
        self._content, self._packing = content, is_packed
        self._index = SiteIndex()

    def _begin(self) -> None:
        file = self.open(self._path, packed=False)
        self._packed = BgzfWriter(file) if self._is_packed() else None
        self._file: IO[bytes] | BgzfWriter = self._packed or file
        header = self._header()
        self._n_header = len(header)
        self._file.write(header)
        self._sums: IO[bytes] | None = None
        if self._sums_path is not None:
            self._sums = self.open(self._sums_path)
            self._sums.write(sums_header())
        self.table: SiteTable | None = None
        if self._table_path is not None:
            self.table = SiteTable(self.open(self._table_path), self._content.chromosome)

    def _is_packed(self) -> bool:
        return self._path.suffix == ".gz" if self._packing is None else self._packing

    def _header(self) -> bytes:
        return header_text(self._content).encode()

    def write(self, block: ImputedBlock) -> None:
        """Append sites."""
        for piece in pieces(block, self._content):
            calls = calls_of(piece)
            sums = block_sums(piece, calls)
            self.append(piece.sites, self._rows(piece, calls, sums), sums)
            if self.table is not None:
                self.table.add(piece.sites, sums, piece.kinds(), piece.empirical_r2)

    def append(self, sites: Sites, rows: list[bytes], sums: SiteSums) -> None:
        """Append sites whose bytes are known. They are not added to the table of the sites."""
        self._index.add(sites, [len(row) for row in rows])
        self._file.write(b"".join(rows))
        if self._sums is not None:
            self._sums.write(sums_text(sites, sums))

    def _rows(self, block: ImputedBlock, calls: Calls, sums: SiteSums) -> list[bytes]:
        """The bytes of each site."""
        return _lines(block, calls, sums, self._content)

    def _end(self) -> None:
        if self._packed is not None:
            self._packed.close()
            if self.is_regular(self._path):
                index = self.open(f"{self._path}.csi", packed=False)
                self._index.write(index, self._packed, self._n_header, *self._index_chromosomes)

    @property
    def _index_chromosomes(self) -> tuple[str | None, int]:
        """The name in the index, and how many more chromosomes the index counts."""
        return self._content.chromosome, 0


class SiteIndex:
    """Gathers the places of sites in a file."""

    def __init__(self) -> None:
        self._starts: list[NDArray[np.int64]] = []
        self._ends: list[NDArray[np.int64]] = []
        self._lengths: list[NDArray[np.int64]] = []

    def add(self, sites: Sites, lengths: list[int]) -> None:
        """Sites that were appended, and the unpacked bytes of each."""
        starts = sites.positions - 1
        self._starts.append(starts)
        self._ends.append(starts + np.fromiter(map(len, sites.a0.tolist()), np.int64, len(starts)))
        self._lengths.append(np.array(lengths, dtype=np.int64))

    def write(
        self, file: IO[bytes], packed: BgzfWriter, n_header: int, vcf_chromosome: str | None, n_without_sites: int = 0
    ) -> None:
        """The index, once the file is complete; see `write_csi`."""
        none = [np.empty(0, np.int64)]
        starts, ends = np.concatenate(self._starts or none), np.concatenate(self._ends or none)
        offsets = n_header + np.cumsum(np.concatenate([[0], *self._lengths]))
        write_csi(file, starts, ends, packed.virtual_offsets(offsets.astype(np.int64)), vcf_chromosome, n_without_sites)


def pieces(block: ImputedBlock, content: VcfContent) -> Iterator[ImputedBlock]:
    """A block in pieces whose genotypes take bounded memory."""
    n_rows = max(1, ROW_BYTES // (max(_width(content), _LEAST_WIDTH) * (1 + block.alt_probabilities.shape[1] // 2)))
    for start in range(0, len(block), n_rows):
        yield block[start : start + n_rows]


def _lines(block: ImputedBlock, calls: Calls, sums: SiteSums, content: VcfContent) -> list[bytes]:
    has_alt = alternative_is_known(block)
    heads = _heads(block, sums, has_alt, content)
    if not content.fields:
        return [head + b"\n" for head in heads]
    columns = packed_rows(_cells(calls, has_alt, content))
    return [head + row + b"\n" for head, row in zip(heads, columns, strict=True)]


def alternative_is_known(block: ImputedBlock) -> NDArray[np.bool_]:
    """bool (n_sites,), False where an array knows only REF."""
    return np.array([a1 not in UNKNOWN_ALLELES for a1 in block.sites.a1], dtype=bool)


def _dosage(cells: Cells, calls: Calls) -> None:
    put_decimals(cells, calls.dosages, DOSAGE_DECIMALS, 2)


def _each(cells: Cells, values: tuple[NDArray[np.float32], ...]) -> None:
    """Probabilities between commas."""
    width = PROBABILITY_DECIMALS + 2
    for number, value in enumerate(values):
        start = number * (width + 1)
        put_decimals(cells[..., start : start + width], value, PROBABILITY_DECIMALS, 1)
        if number:
            cells[..., start - 1] = ord(",")


_LEAST_WIDTH = 16  # for what is computed of a genotype that is not written
_PROBABILITY = PROBABILITY_DECIMALS + 2
_PARTS: dict[str, tuple[int, Callable[[Cells, Calls], None]]] = {
    "DS": (DOSAGE_DECIMALS + 2, _dosage),
    "HDS": (2 * _PROBABILITY + 1, lambda cells, calls: _each(cells, (calls.first, calls.second))),
    "GP": (3 * _PROBABILITY + 2, lambda cells, calls: _each(cells, calls.genotypes)),
    "AP1": (_PROBABILITY, lambda cells, calls: _each(cells, (calls.first,))),
    "AP2": (_PROBABILITY, lambda cells, calls: _each(cells, (calls.second,))),
}
"""How wide each field but GT is, and what fills it in."""


_KEPT_OF_HAPLOID = {"HDS": _PROBABILITY, "GP": 2 * _PROBABILITY + 1}
"""How many bytes of a field a haploid sample has: one number, or two and the comma between them."""


def _width(content: VcfContent) -> int:
    return sum(1 + (3 if key == "GT" else _PARTS[key][0]) for key in content.keys)


def _cells(calls: Calls, has_alt: NDArray[np.bool_], content: VcfContent) -> Cells:
    """The samples' columns, uint8 (n_sites, n_samples, width), padded by NULs.

    Each field has a byte before it: a tab for the first, a colon for the others.
    """
    cells = np.zeros((*calls.first.shape, _width(content)), dtype=np.uint8)
    start = 0
    for key in content.keys:
        cells[..., start] = ord(":" if start else "\t")
        if key == "GT":
            _fill_pairs(cells[..., start + 1 : start + 4], calls)
            start += 4
            continue
        width, fill = _PARTS[key]
        field = cells[..., start + 1 : start + 1 + width]
        fill(field, calls)
        if calls.is_haploid is not None and key in _KEPT_OF_HAPLOID:
            field[calls.is_haploid, _KEPT_OF_HAPLOID[key] :] = 0
        if calls.is_haploid is not None and key == "AP2":
            field[calls.is_haploid] = 0
            field[calls.is_haploid, 0] = ord(".")
        if calls.is_incomplete is not None:
            field[calls.is_incomplete] = 0
            field[calls.is_incomplete, 0] = ord(".")
        start += 1 + width
    if not has_alt.all():
        _keep_pairs(cells, ~has_alt, "GT" in content.fields)
    return cells


def _keep_pairs(cells: Cells, rows: NDArray[np.bool_], has_pairs: bool) -> None:
    """Leave the first field alone in these rows: the pairs, or `.` where there are none."""
    cells[rows, :, 4 if has_pairs else 2 :] = 0
    if not has_pairs:
        cells[rows, :, 1] = ord(".")


def _fill_pairs(cells: Cells, calls: Calls) -> None:
    for column, alleles in zip((0, 2), calls.alleles, strict=True):
        cells[..., column] = alleles.view(np.uint8) + ord("0")
        if calls.is_incomplete is not None:
            cells[alleles < 0, column] = ord(".")
    cells[..., 1] = ord("|")
    if calls.is_haploid is not None:
        cells[calls.is_haploid, 1:] = 0


def _heads(block: ImputedBlock, sums: SiteSums, has_alt: NDArray[np.bool_], content: VcfContent) -> list[bytes]:
    """The columns of each line before the samples'."""
    sites = block.sites
    keys = "\t" + ":".join(content.keys) if content.fields else ""
    only_first = f"\t{content.keys[0]}" if content.fields else ""
    heads = []
    columns = (sites.positions.tolist(), sites.ids.tolist(), sites.a0.tolist(), sites.a1.tolist())
    numbers, flags = information_texts(sums), [flags_text(kind) for kind in block.kinds()]
    typed_information = _typed_texts(block)
    for row, (position, name, a0, a1) in enumerate(zip(*columns, strict=True)):
        alt, text, names = a1, numbers[row] + flags[row] + typed_information[row], keys
        if not has_alt[row]:
            alt, text, names = ".", f"AN={sums.n_alleles[row]}{flags[row]}", only_first
        heads.append(f"{content.chromosome}\t{position}\t{name}\t{a0}\t{alt}\t.\tPASS\t{text}{names}".encode())
    return heads


def _typed_texts(block: ImputedBlock) -> list[str]:
    """What INFO says of typed sites alone."""
    texts = [f";FILLED={count}" if count else "" for count in block.filled_alleles().tolist()]
    if block.empirical_r2 is None:
        return texts
    r2 = block.empirical_r2.tolist()
    return [("" if value != value else f";ER2={_number(value)}") + text for value, text in zip(r2, texts, strict=True)]


def information_texts(sums: SiteSums) -> list[str]:
    """The numbers in INFO of each site."""
    frequency = sums.frequency()
    columns = zip(
        sums.n_carried.tolist(),
        sums.n_alleles.tolist(),
        frequency.tolist(),
        np.minimum(frequency, 1 - frequency).tolist(),
        sums.r2().tolist(),
        strict=True,
    )
    return [
        f"AC={count};AN={total};AF={_number(af)};MAF={_number(maf)};R2={_number(r2)}"
        for count, total, af, maf, r2 in columns
    ]


def _number(value: float) -> str:
    return "." if value != value else f"{value:.6g}"
