"""Mutators of binary formats that know where their fields lie: BCF, BGEN, PGEN; and any other by single bytes."""

from __future__ import annotations

import struct
import zlib
from random import Random

from fuzz.mutate_text import change_bytes, mutate_text

_WHOLE = {1: "<B", 2: "<H", 4: "<I"}
_LONG = struct.Struct("<I")
_ODD = [0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 32, 64, 127, 128, 254, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]


def set_whole(random: Random, data: bytes, at: int, size: int) -> bytes:
    """Put an odd number, or one near the number that is there, into a field of 1, 2 or 4 bytes."""
    kind = _WHOLE[size]
    if at < 0 or at + size > len(data):
        return change_bytes(random, data)
    (before,) = struct.unpack_from(kind, data, at)
    near = [before + 1, before - 1, before * 2, before // 2, before ^ 1 << random.randrange(8 * size)]
    value = random.choice(near if random.random() < 0.4 else _ODD) % (1 << 8 * size)
    return data[:at] + struct.pack(kind, value) + data[at + size :]


def mutate_bytes(random: Random, data: bytes) -> bytes:
    """Change single bytes, or odd numbers into aligned fields."""
    for _ in range(random.choice([1, 1, 2, 4])):
        if random.random() < 0.5:
            data = change_bytes(random, data)
        else:
            data = set_whole(random, data, random.randrange(max(1, len(data))), random.choice([1, 2, 4]))
    return data


def _bcf_records(data: bytes) -> tuple[int, list[tuple[int, int, int]]]:
    """The end of the header's text, and start and two lengths of each record."""
    start = 9 + _LONG.unpack_from(data, 5)[0]
    at, records = start, []
    while at + 8 <= len(data):
        shared, individual = struct.unpack_from("<II", data, at)
        records.append((at, shared, individual))
        at += 8 + shared + individual
    return start, records


def mutate_bcf(random: Random, data: bytes) -> bytes:
    """Change an unpacked BCF: a line of its header, a fixed field of a record, its alleles or its genotypes."""
    header_end, records = _bcf_records(data)
    if random.random() < 0.25:
        text = mutate_text(random, data[9 : header_end - 1]) + b"\x00"
        return data[:5] + _LONG.pack(len(text)) + text + data[header_end:]
    if random.random() < 0.1 or not records:
        return mutate_bytes(random, data)
    at, shared, individual = random.choice(records)
    action = random.randrange(6)
    if action == 0:  # a whole record goes, or comes twice
        record = data[at : at + 8 + shared + individual]
        return data.replace(record, record * random.choice([0, 2]), 1)
    if action == 1:
        return set_whole(random, data, at + random.choice([0, 4]), 4)
    if action == 2:  # chromosome, position, length, quality, counts of alleles, INFO, FORMAT and samples
        return set_whole(random, data, at + 8 + 4 * random.randrange(6), 4)
    if action == 3:
        return set_whole(random, data, at + 8 + 20 + random.choice([0, 2]), 2)
    if action == 4:
        return set_whole(random, data, at + 8 + 24 + random.randrange(max(1, shared - 24)), 1)
    return set_whole(random, data, at + 8 + shared + random.randrange(max(1, individual)), random.choice([1, 1, 2]))


def _bgen_variants(data: bytes) -> list[tuple[list[tuple[int, int]], int, int]]:
    """Of each variant its fields (place, bytes), and start and stop of its packed probabilities."""
    at = 4 + _LONG.unpack_from(data, 0)[0]
    variants = []
    while at < len(data):
        fields = []
        for _ in range(3):
            fields.append((at, 2))
            at += 2 + int(struct.unpack_from("<H", data, at)[0])
        fields += [(at, 4), (at + 4, 2)]
        n_alleles = struct.unpack_from("<H", data, at + 4)[0]
        at += 6
        for _ in range(n_alleles):
            fields.append((at, 4))
            at += 4 + _LONG.unpack_from(data, at)[0]
        fields += [(at, 4), (at + 4, 4)]
        length = _LONG.unpack_from(data, at)[0]
        variants.append((fields, at, at + 4 + length))
        at += 4 + length
    return variants


def mutate_bgen(random: Random, data: bytes) -> bytes:
    """Change a BGEN packed by zlib: its header, a variant's fields, or the probabilities under zlib."""
    choice = random.random()
    variants = _bgen_variants(data)
    if choice < 0.2 or not variants:
        return set_whole(random, data, random.choice([0, 4, 8, 12, 16, 20, 24, 28, 32]), 4)
    if choice < 0.3:
        return mutate_bytes(random, data)
    fields, start, stop = random.choice(variants)
    if choice < 0.5:
        at, size = random.choice(fields)
        return set_whole(random, data, at, size)
    if choice < 0.6:  # a name, an allele
        at, size = random.choice(fields[:3] + fields[5:-2])
        return set_whole(random, data, at + size, 1)
    block = zlib.decompress(data[start + 8 : stop])
    n_samples = _LONG.unpack_from(block)[0]
    places = [(0, 4), (4, 2), (6, 1), (7, 1), (8 + random.randrange(n_samples), 1)]
    places += [(8 + n_samples, 1), (9 + n_samples, 1), (10 + n_samples + random.randrange(8), 1)]
    at, size = random.choice(places)
    changed = set_whole(random, block, at, size)
    if random.random() < 0.2:
        changed = random.choice([changed[:-1], changed + b"\x00", changed[: random.randrange(len(changed))]])
    packed = zlib.compress(changed)
    length = len(changed) if random.random() < 0.9 else random.choice(_ODD)
    return data[:start] + struct.pack("<II", len(packed) + 4, length) + packed + data[stop:]


def mutate_pgen(random: Random, data: bytes) -> bytes:
    """Change a PGEN: the counts and modes at its start, or any byte."""
    if random.random() < 0.5:
        return set_whole(random, data, *random.choice([(2, 1), (3, 4), (7, 4), (11, 1), (12, 4), (16, 4)]))
    return mutate_bytes(random, data)
