"""CSI indexes of bgzipped VCF and of BCF (CSI specification): which part of a file holds which positions.

Positions are sorted into bins of 16 kb, of eight times that, and so on; a site belongs to the smallest bin that
holds it whole. For each bin the index has the stretches of the file with its sites.
"""

from __future__ import annotations

import struct
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.bgzf import BgzfWriter

_MIN_SHIFT, _DEPTH = 14, 6  # bins from 2^14 to 2^32 bases
_VCF_COLUMNS = struct.Struct("<6i")  # tabix's settings: format, columns of chromosome, start and end, comment, skipped
_N_BINS = ((1 << 3 * (_DEPTH + 1)) - 1) // 7


def write_csi(
    file: IO[bytes],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    offsets: NDArray[np.uint64],
    vcf_chromosome: str | None = None,
    n_without_sites: int = 0,
) -> None:
    """Write the index of a file with the sites of one chromosome.

    Args:
        file: File to write to.
        starts: Positions of the sites, int64 (n_sites,); 0-based, in order.
        ends: Positions behind the last base of REF, int64 (n_sites,).
        offsets: Virtual offsets of the sites in the file and of its end, uint64 (n_sites + 1,).
        vcf_chromosome: Name of the chromosome if the file is a VCF; a BCF has the name in its header.
        n_without_sites: Chromosomes that a BCF's header names after that one.
    """
    auxiliary = b"" if vcf_chromosome is None else _tabix_settings(vcf_chromosome)
    packed = BgzfWriter(file)
    packed.write(b"CSI\1" + struct.pack("<3i", _MIN_SHIFT, _DEPTH, len(auxiliary)) + auxiliary)
    chromosomes = [_bins(starts, ends, offsets), *[struct.pack("<i", 0)] * n_without_sites]
    packed.write(struct.pack("<i", len(chromosomes)) + b"".join(chromosomes) + struct.pack("<Q", 0))
    packed.close()


def _tabix_settings(chromosome: str) -> bytes:
    name = chromosome.encode() + b"\0"
    return _VCF_COLUMNS.pack(2, 1, 2, 0, ord("#"), 0) + struct.pack("<i", len(name)) + name


def bins_of(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """The smallest bin that holds each stretch of positions.

    >>> bins_of(np.array([0, 1 << 14, (1 << 14) - 1]), np.array([1, (1 << 14) + 1, (1 << 14) + 1])).tolist()
    [37449, 37450, 4681]
    """
    result = np.zeros(len(starts), dtype=np.int64)
    for level in range(1, _DEPTH + 1):
        shift = _MIN_SHIFT + 3 * (_DEPTH - level)
        fits = starts >> shift == (ends - 1) >> shift
        result[fits] = _first_bin(level) + (starts[fits] >> shift)
    return result


def _first_bin(level: int) -> int:
    return ((1 << 3 * level) - 1) // 7


def _bins(starts: NDArray[np.int64], ends: NDArray[np.int64], offsets: NDArray[np.uint64]) -> bytes:
    """The part of the one chromosome."""
    bins = bins_of(starts, ends)
    firsts = np.flatnonzero(np.diff(bins, prepend=-1))  # of each run of sites of one bin
    lasts = np.append(firsts, len(bins))[1:]
    chunks: dict[int, list[bytes]] = {}
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        chunk = struct.pack("<2Q", int(offsets[first]), int(offsets[last]))
        chunks.setdefault(int(bins[first]), []).append(chunk)
    furthest = np.maximum.accumulate(ends)
    parts = []
    for number, parts_of_file in sorted(chunks.items()):
        # no site that reaches into the bin lies before the first one that ends behind its start
        first = int(np.searchsorted(furthest, _start_of(number), side="right"))
        parts.append(struct.pack("<IQi", number, int(offsets[first]), len(parts_of_file)) + b"".join(parts_of_file))
    if len(bins):
        parts.append(_totals(offsets))
    return struct.pack("<i", len(parts)) + b"".join(parts)


def _start_of(number: int) -> int:
    level = max(level for level in range(_DEPTH + 1) if _first_bin(level) <= number)
    return (number - _first_bin(level)) << (_MIN_SHIFT + 3 * (_DEPTH - level))


def _totals(offsets: NDArray[np.uint64]) -> bytes:
    """The bin behind the last, which tells how many sites there are and where."""
    return struct.pack("<IQi4Q", _N_BINS + 1, 0, 2, int(offsets[0]), int(offsets[-1]), len(offsets) - 1, 0)
