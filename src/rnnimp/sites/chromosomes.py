"""Names of chromosomes: with and without `chr`, and the numbers and names of PLINK."""

from __future__ import annotations

import re
from functools import lru_cache

_NAME = re.compile(r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]{0,99}")
_PLINK_NUMBERS = {"23": "X", "24": "Y", "25": "X", "26": "MT", "M": "MT"}
_PSEUDOAUTOSOMAL = ("PAR1", "PAR2", "XY", "25")
"""The parts of chrX in which males are diploid: plink2's two regions; both together in PLINK 1 and Illumina's files."""


def same_chromosome(first: str, second: str) -> bool:
    """Whether two names mean one chromosome: `chr22` and `22` do; PLINK's `23` and plink2's `PAR1` are `X`.

    >>> same_chromosome("chr22", "22"), same_chromosome("23", "chrX"), same_chromosome("PAR1", "X")
    (True, True, True)
    >>> same_chromosome("X", "22")
    False
    """
    return plain_chromosome(first) == plain_chromosome(second)


@lru_cache(maxsize=1024)  # readers ask for each site
def plain_chromosome(name: str) -> str:
    """The name without a `chr` before it; X, Y and MT for PLINK's numbers, X for the pseudoautosomal regions.

    >>> plain_chromosome("chr22"), plain_chromosome("23"), plain_chromosome("XY"), plain_chromosome("PAR2")
    ('22', 'X', 'X', 'X')
    """
    bare = _without_chr(name)
    return "X" if is_pseudoautosomal(name) else _PLINK_NUMBERS.get(bare.upper(), bare)


def is_pseudoautosomal(name: str) -> bool:
    """Whether a name means only the parts of chrX in which males are diploid.

    >>> is_pseudoautosomal("PAR1"), is_pseudoautosomal("chrX")
    (True, False)
    """
    return _without_chr(name).upper() in _PSEUDOAUTOSOMAL


def whole_chromosome(name: str) -> str:
    """The name of the whole chromosome, written like this one: `chrX` for `chrPAR1`; most names stay as they are.

    >>> whole_chromosome("PAR1"), whole_chromosome("chrPAR2"), whole_chromosome("chr22")
    ('X', 'chrX', 'chr22')
    """
    if not is_pseudoautosomal(name):
        return name
    return f"{name[: len(name) - len(_without_chr(name))]}X"


def _without_chr(name: str) -> str:
    return name[3:] if name.lower().startswith("chr") else name


def is_chromosome_name(name: str) -> bool:
    """Whether a text may be a chromosome's name in a VCF (VCF 4.3, section 1.4.7), of at most 100 characters.

    >>> is_chromosome_name("chr22"), is_chromosome_name("HLA-A*01:01"), is_chromosome_name("22>\\n##contig")
    (True, True, False)
    """
    return _NAME.fullmatch(name) is not None
