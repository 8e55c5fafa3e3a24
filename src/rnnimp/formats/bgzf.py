"""BGZF: gzip in blocks, so that a reader can begin at any of them; and where each byte went, for an index.

A block is a gzip member of at most 64 kB with its packed size in an extra field (SAM specification, section 4.1). All
blocks but the last hold the same number of bytes, whatever the pieces in which they were written, so that equal
content gives equal files.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

try:  # several times faster
    from isal import isal_zlib

    _ZLIB: Any = isal_zlib
except ImportError:
    _ZLIB = zlib

BLOCK_BYTES = 65280
"""Unpacked bytes of a block, as in htslib: packed they fit into 64 kB even where they cannot be compressed."""

END_MARK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends a file."""

_LEVEL = 1
_RAW = -15  # without header and checksum, with the largest window
_HEAD = struct.Struct("<4BI2BH2B2H")
_TAIL = struct.Struct("<2I")
_STORED = struct.Struct("<B2H")


class BgzfWriter:
    """Packs what is written; the caller closes it, and then the file.

    Args:
        file: File to write to.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._pending = bytearray()
        self._starts = [0]  # in the file, of each block
        self.n_bytes = 0  # written so far, unpacked

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._pending += data
        self.n_bytes += len(data)
        n_whole = len(self._pending) // BLOCK_BYTES * BLOCK_BYTES
        whole = bytes(self._pending[:n_whole])
        del self._pending[:n_whole]  # first: when writing fails, less than a block is left for `close`
        for start in range(0, n_whole, BLOCK_BYTES):
            self._write_block(whole[start : start + BLOCK_BYTES])

    def close(self) -> None:
        """Write what is left, and the end mark."""
        if self._pending:
            self._write_block(bytes(self._pending))
            self._pending = bytearray()
        self._file.write(END_MARK)

    def _write_block(self, data: bytes) -> None:
        block = packed_block(data)
        self._file.write(block)
        self._starts.append(self._starts[-1] + len(block))

    def virtual_offsets(self, offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Where unpacked bytes lie: their block's start in the file, times 2^16, and the place in the block.

        Args:
            offsets: Offsets of bytes in the unpacked content, int64; only valid when closed.
        """
        blocks, within = np.divmod(offsets, BLOCK_BYTES)
        starts = np.array(self._starts, dtype=np.uint64)
        result: NDArray[np.uint64] = (starts[blocks] << np.uint64(16)) | within.astype(np.uint64)
        return result


def _deflated(data: bytes) -> bytes:
    if _ZLIB is zlib:
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
        return packer.compress(data) + packer.flush()
    # in one call: what isal's streams give depends in one block of thousands on what lay in their memory before
    packed: bytes = _ZLIB.compress(data, _LEVEL, _RAW)
    stored = _STORED.pack(1, len(data), len(data) ^ 0xFFFF)  # as it is, where packing makes it longer
    return packed if len(packed) <= len(stored) + len(data) else stored + data


def packed_block(data: bytes) -> bytes:
    """One block.

    Args:
        data: At most `BLOCK_BYTES` bytes.
    """
    packed = _deflated(data)
    size = _HEAD.size + len(packed) + _TAIL.size
    head = _HEAD.pack(0x1F, 0x8B, 8, 4, 0, 0, 0xFF, 6, ord("B"), ord("C"), 2, size - 1)
    return head + packed + _TAIL.pack(_ZLIB.crc32(data), len(data))
