"""BCF 2.2 out: the same sites, fields and rounded numbers as in `vcf_output.py`, in binary, always with an index.

A record begins with the part that all samples share. Then comes one block per FORMAT field, with a fixed number of
bytes per sample (VCF specification, section 6). So numpy can lay out a stretch of sites at once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.vcf.genotypes import DOSAGE_DECIMALS, PROBABILITY_DECIMALS, Calls
from rnnimp.formats.vcf.header import INFO_FIELDS, KIND_FLAGS, VcfContent, header_text
from rnnimp.formats.vcf.writing import VcfWriter, alternative_is_known
from rnnimp.scoring.site_sums import SiteSums
from rnnimp.sites.panel import ImputedBlock

_INT8, _INT32, _FLOAT, _CHARACTERS = 1, 3, 5, 7  # BCF's numbers of the types
_MISSING_FLOAT, _END_OF_VECTOR, _END_OF_INTEGERS = 0x7F800001, 0x7F800002, 0x81
_LONGEST_SIZE = 15  # from which on a length is written as a number of its own
_SHARED = struct.Struct("<3i3I")
_LENGTHS = struct.Struct("<2I")
_KEYS = {name: number for number, (name, *_) in enumerate(INFO_FIELDS, start=1)}  # 0 is PASS


class BcfWriter(VcfWriter):
    """Writes a BCF and its index, block by block; see `VcfWriter`."""

    @property
    def _index_chromosomes(self) -> tuple[str | None, int]:
        return None, len(self._content.other_contigs)  # the header names the chromosomes

    def _is_packed(self) -> bool:
        return True

    def _header(self) -> bytes:
        text = header_text(self._content).encode() + b"\0"
        return b"BCF\2\2" + struct.pack("<I", len(text)) + text

    def _rows(self, block: ImputedBlock, calls: Calls, sums: SiteSums) -> list[bytes]:
        return _records(block, calls, sums, self._content)


def _records(block: ImputedBlock, calls: Calls, sums: SiteSums, content: VcfContent) -> list[bytes]:
    has_alt = alternative_is_known(block)
    first_key = 1 + len(INFO_FIELDS)
    samples = _sample_columns(calls, content, first_key)
    records = []
    for row, (shared, n_info) in enumerate(_informations(sums, block, has_alt)):
        columns, n_fields = samples[row], len(content.keys)
        if not has_alt[row] and n_fields:
            columns, n_fields = _first_field(columns, content), 1
        head = _head(block, row, bool(has_alt[row]), n_info, n_fields, len(content.sample_names)) + shared
        records.append(_LENGTHS.pack(len(head), len(columns)) + head + columns.tobytes())
    return records


def _first_field(columns: NDArray[np.uint8], content: VcfContent) -> NDArray[np.uint8]:
    """Of a site without a known ALT: its pairs, or a field without numbers."""
    if "GT" in content.fields:
        return columns[: 3 + 2 * len(content.sample_names)]
    start = columns[:3].copy()
    start[2] = 1 << 4 | _FLOAT
    missing = np.full(len(content.sample_names), _MISSING_FLOAT, np.uint32)
    return np.concatenate([start, missing.view(np.uint8)])


def _head(block: ImputedBlock, row: int, has_alt: bool, n_info: int, n_fields: int, n_samples: int) -> bytes:
    """From the chromosome to the filter."""
    sites = block.sites
    alleles = [sites.a0[row], sites.a1[row]][: 1 + has_alt]
    sizes = (len(alleles) << 16 | n_info, n_fields << 24 | (n_samples if n_fields else 0))
    name = "" if sites.ids[row] == "." else sites.ids[row]
    head = _SHARED.pack(0, int(sites.positions[row]) - 1, len(alleles[0]), _MISSING_FLOAT, *sizes)
    return head + _text(name) + b"".join(map(_text, alleles)) + bytes([1 << 4 | _INT8, 0])


def _text(value: str) -> bytes:
    data = value.encode()
    if len(data) < _LONGEST_SIZE:
        return bytes([len(data) << 4 | _CHARACTERS]) + data
    return bytes([_LONGEST_SIZE << 4 | _CHARACTERS, 1 << 4 | _INT32]) + struct.pack("<i", len(data)) + data


def _informations(sums: SiteSums, block: ImputedBlock, has_alt: NDArray[np.bool_]) -> list[tuple[bytes, int]]:
    """The INFO fields of each site, and how many there are."""
    frequency = sums.frequency()
    columns = {"AF": frequency, "MAF": np.minimum(frequency, 1 - frequency), "R2": sums.r2()}
    floats = {key: _float_bits(values) for key, values in columns.items()}
    filled, kinds = block.filled_alleles().tolist(), block.kinds()
    empirical = np.full(len(block), np.nan) if block.empirical_r2 is None else block.empirical_r2
    empirical_bits = _float_bits(empirical)
    result = []
    for row in range(len(block)):
        total = _value("AN", _INT32, int(sums.n_alleles[row]))
        flags = [bytes([1 << 4 | _INT8, _KEYS[flag], 0]) for flag in KIND_FLAGS[kinds[row]]]
        if not has_alt[row]:
            result.append((b"".join([total, *flags]), 1 + len(flags)))
            continue
        parts = [_value("AC", _INT32, int(sums.n_carried[row])), total]
        parts += [_value(key, _FLOAT, int(bits[row])) for key, bits in floats.items()]
        parts += flags
        if not np.isnan(empirical[row]):
            parts.append(_value("ER2", _FLOAT, int(empirical_bits[row])))
        if filled[row]:
            parts.append(_value("FILLED", _INT32, filled[row]))
        result.append((b"".join(parts), len(parts)))
    return result


def _value(key: str, kind: int, bits: int) -> bytes:
    return struct.pack("<3BI", 1 << 4 | _INT8, _KEYS[key], 1 << 4 | kind, bits)


def _float_bits(values: NDArray[np.float64]) -> NDArray[np.uint32]:
    """The bits of numbers, rounded as in a VCF, and NaN as BCF's missing one."""
    rounded = np.array([float(f"{value:.6g}") for value in values.tolist()], np.float32)
    return np.where(np.isnan(rounded), np.uint32(_MISSING_FLOAT), rounded.view(np.uint32))


def _sample_columns(calls: Calls, content: VcfContent, first_key: int) -> NDArray[np.uint8]:
    """All FORMAT fields, uint8 (n_sites, bytes)."""
    n_sites = len(calls.first)
    parts = [np.empty((n_sites, 0), np.uint8)]
    for number, key in enumerate(content.keys, start=first_key):
        values = _pairs(calls) if key == "GT" else _floats(calls, key)
        kind = _INT8 if key == "GT" else _FLOAT
        start = np.array([1 << 4 | _INT8, number, values.shape[2] << 4 | kind], np.uint8)
        parts.append(np.broadcast_to(start, (n_sites, 3)))
        parts.append(values.reshape(n_sites, -1).view(np.uint8))
    return np.concatenate(parts, axis=1)


def _pairs(calls: Calls) -> NDArray[np.uint8]:
    """(n_sites, n_samples, 2): the allele's number plus 1, times 2; plus 1 in the second, since they are phased."""
    first, second = calls.alleles
    pairs = np.stack([(first + 1) << 1, ((second + 1) << 1) | 1], axis=2).view(np.uint8)
    if calls.is_haploid is not None:
        pairs[calls.is_haploid, 1] = _END_OF_INTEGERS
    return pairs


def _floats(calls: Calls, key: str) -> NDArray[np.uint32]:
    """(n_sites, n_samples, numbers of the field), as bits."""
    values: dict[str, Callable[[], tuple[NDArray[np.float32], ...]]] = {
        "DS": lambda: (calls.dosages,),
        "HDS": lambda: (calls.first, calls.second),
        "GP": lambda: calls.genotypes,
        "AP1": lambda: (calls.first,),
        "AP2": lambda: (calls.second,),
    }
    scale = np.float32(10 ** (DOSAGE_DECIMALS if key == "DS" else PROBABILITY_DECIMALS))
    bits: NDArray[np.uint32] = (np.rint(np.stack(values[key](), axis=2) * scale) / scale).view(np.uint32)
    if calls.is_haploid is not None:
        if key in ("HDS", "GP"):
            bits[calls.is_haploid, -1] = _END_OF_VECTOR
        if key == "AP2":
            bits[calls.is_haploid, 0] = _MISSING_FLOAT
    if calls.is_incomplete is not None:
        bits[calls.is_incomplete] = _END_OF_VECTOR
        bits[calls.is_incomplete, 0] = _MISSING_FLOAT
    return bits
