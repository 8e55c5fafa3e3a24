"""Names of chromosomes: with and without `chr`, and the numbers of PLINK."""

from __future__ import annotations

import re

_NAME = re.compile(r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]{0,99}")
_PLINK_NUMBERS = {"23": "X", "24": "Y", "26": "MT", "M": "MT"}


def same_chromosome(first: str, second: str) -> bool:
    """Whether two names mean one chromosome: `chr22` and `22` do, and PLINK's `23` is `X`.

    >>> same_chromosome("chr22", "22"), same_chromosome("23", "chrX"), same_chromosome("X", "22")
    (True, True, False)
    """
    return plain_chromosome(first) == plain_chromosome(second)


def plain_chromosome(name: str) -> str:
    """The name without a `chr` before it; X, Y and MT for PLINK's numbers."""
    bare = name[3:] if name.lower().startswith("chr") else name
    return _PLINK_NUMBERS.get(bare, bare)


def is_chromosome_name(name: str) -> bool:
    """Whether a text may be a chromosome's name in a VCF (VCF 4.3, section 1.4.7), of at most 100 characters.

    >>> is_chromosome_name("chr22"), is_chromosome_name("HLA-A*01:01"), is_chromosome_name("22>\\n##contig")
    (True, True, False)
    """
    return _NAME.fullmatch(name) is not None
