"""Mutators of gzip and bgzip layers: the content under them, or the layer itself."""

from __future__ import annotations

import gzip
import struct
import zlib
from functools import cache
from random import Random

from fuzz.mutate_text import Mutator, change_bytes

_END_MARK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_BGZF_HEAD = struct.Struct("<4sIBBH2sHH")
_BLOCK = 60_000


def bgzf(data: bytes, has_end_mark: bool = True) -> bytes:
    """Data packed as bgzip does."""
    packed = b""
    for start in range(0, len(data), _BLOCK):
        piece = data[start : start + _BLOCK]
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        body = deflate.compress(piece) + deflate.flush()
        size = _BGZF_HEAD.size + len(body) + 8
        packed += _BGZF_HEAD.pack(b"\x1f\x8b\x08\x04", 0, 0, 255, 6, b"BC", 2, size - 1) + body
        packed += struct.pack("<II", zlib.crc32(piece), len(piece))
    return packed + _END_MARK if has_end_mark else packed


@cache
def _bomb() -> bytes:
    """Four gigabytes of line ends, in members that unpack one after the other."""
    return gzip.compress(b"\n" * (1 << 26), 6, mtime=0) * 64


def change_layer(random: Random, packed: bytes) -> bytes:
    """Change a gzip file outside its text: its marks, sums and lengths, what follows it, or how often it is packed."""
    action = random.randrange(11)
    if action == 0:
        return packed[: random.randrange(len(packed))]
    if action == 1:
        return packed + random.choice([b"\x00" * 8, b"trailing", b"\x1f\x8b", packed, gzip.compress(b"", mtime=0)])
    if action == 2:
        return packed.removesuffix(_END_MARK)
    if action == 3:
        return gzip.compress(packed, mtime=0)
    if action == 4:
        return packed[:-8] + bytes(random.randrange(256) for _ in range(8))
    if action == 5:
        at = random.randrange(min(18, len(packed)))
        return packed[:at] + bytes([random.randrange(256)]) + packed[at + 1 :]
    if action == 6:
        return _END_MARK + packed
    if action == 7:
        return gzip.decompress(packed)
    if action == 8:
        whole = gzip.decompress(packed)
        at = random.randrange(len(whole) + 1)
        return gzip.compress(whole[:at], mtime=0) + gzip.compress(whole[at:], mtime=0)
    if action == 9 and random.random() < 0.05:
        return packed.removesuffix(_END_MARK) + _bomb()
    return change_bytes(random, packed)


def under_gzip(mutator: Mutator) -> Mutator:
    """Change what is packed by gzip; now and then the gzip layer."""

    def mutate(random: Random, packed: bytes) -> bytes:
        if random.random() < 0.25:
            return change_layer(random, packed)
        return gzip.compress(mutator(random, gzip.decompress(packed)), 1, mtime=0)

    return mutate


def under_bgzf(mutator: Mutator) -> Mutator:
    """Change what is packed by bgzip; now and then the layer."""

    def mutate(random: Random, packed: bytes) -> bytes:
        if random.random() < 0.25:
            return change_layer(random, packed)
        return bgzf(mutator(random, gzip.decompress(packed)), random.random() > 0.02)

    return mutate
