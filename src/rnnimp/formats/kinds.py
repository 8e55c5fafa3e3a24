"""The kind of a file by its first bytes, for messages, and how to convert kinds that are not read."""

from __future__ import annotations

from pathlib import Path

from rnnimp.errors import DataError

UNKNOWN_KIND = "something else"
_KINDS = {
    b"##fileformat=VCF": "a VCF",
    b"##fileformat=M3VCF": "an M3VCF",
    b"BCF": "a BCF",
    b"\x6c\x1b\x01": "a PLINK 1 BED",
    b"\x6c\x1b": "a PGEN",
    b"\x7a\x88\x74\xf4": "a BREF3",
    b"\x28\xb5\x2f\xfd": "a zstd-compressed file, such as Minimac4's SAV or MSAV",
}
BINARY_BYTES = bytes(range(9))  # characters that no text has
LONGEST_MAGIC = 20
"""Bytes that tell the kind of any of these."""

_TO_VCF = {
    "an M3VCF": "convert it with 'm3vcftools convert', or get the panel as VCF",
    "a BREF3": "convert it with Beagle's unbref3.jar",
    "a zstd-compressed file, such as Minimac4's SAV or MSAV": "convert a SAV with 'sav export'; instead of an MSAV use "
    "the VCF or BCF that it was made of",
}
"""How to get a VCF of kinds of files that are not read."""


def kind_of(start: bytes) -> str:
    """The kind of a file in words, by its first bytes, unpacked.

    >>> kind_of(b"##fileformat=VCFv4.2"), kind_of(b"BCF\\x02\\x02"), kind_of(b"rs1 5 A G"), kind_of(b"")
    ('a VCF', 'a BCF', 'a text file', 'an empty file')
    """
    if not start:
        return "an empty file"
    for magic, name in _KINDS.items():
        if start.startswith(magic):
            return name
    is_text = start.isascii() and not set(start) & set(BINARY_BYTES)
    return "a text file" if is_text else UNKNOWN_KIND


def refuse_other_format(start: bytes, path: str | Path) -> None:
    """Refuse imputation programs' own formats of panels, where a VCF or BCF is expected.

    Args:
        start: The first `LONGEST_MAGIC` bytes, unpacked.
        path: The file, for the message.

    Raises:
        DataError: saying how to convert it.
    """
    kind = kind_of(start)
    if kind in _TO_VCF:
        raise DataError(f"expected a VCF or BCF file, found {kind}; {_TO_VCF[kind]}", path)
