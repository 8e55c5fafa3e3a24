"""How much sequence the human autosomes have."""

from __future__ import annotations

from rnnimp.sites.chromosomes import plain_chromosome

_MEGABASES = (
    *(225.28, 238.20, 194.80, 187.66, 177.70, 167.40, 155.35, 142.89, 120.14, 131.31, 131.13, 130.48),
    *(95.59, 88.29, 81.69, 78.88, 77.80, 74.66, 55.81, 59.51, 35.11, 34.89),
)

AUTOSOMES_BASES = round(1e6 * sum(_MEGABASES))
"""Known bases of the 22 autosomes in GRCh37, without its gaps."""


def sequenced_bases(chromosome: str | None) -> int | None:
    """Known bases of a human autosome in GRCh37, without its gaps; None for other chromosomes.

    >>> sequenced_bases("chr22"), sequenced_bases("X"), sequenced_bases(None)
    (34890000, None, None)
    """
    name = "" if chromosome is None else plain_chromosome(chromosome)
    is_autosome = name.isascii() and name.isdigit() and 1 <= int(name) <= len(_MEGABASES)
    return round(1e6 * _MEGABASES[int(name) - 1]) if is_autosome else None
